"""Ten epochs of a head on a frozen base: the base run for every batch, beside its features kept from one pass.

    python -m benchmarks.features DATA [--model mkrtchyan-resnet18] [--images 1000] [--epochs 10] [--no-mirror]

The same head, batches, optimiser and draws either way, and nothing else: no evaluation, no history. The base is that of
a random start, which costs what a trained one costs. Both ways are run in turn, each the better of two.
"""

import argparse
import os
import sys
import time

from ensemble.training.pool import ALLOCATOR

BATCH = 64


def main() -> None:
    """Print seconds of either way and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--model", default="mkrtchyan-resnet18")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--mirror", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    if ALLOCATOR.items() - os.environ.items():  # glibc reads them when a process starts, as it does for members
        line = [sys.executable, "-m", "benchmarks.features", *sys.argv[1:]]
        os.execve(sys.executable, line, {**os.environ, **ALLOCATOR})

    import torch
    from torch.nn import functional as F

    from ensemble.datasets import load_dataset
    from ensemble.inference.inputs import Batches, fit_inputs, precision_on
    from ensemble.models import NetworkSpec, build_network
    from ensemble.training.augment import mirror
    from ensemble.training.features import base_features
    from ensemble.training.transfer import freeze

    device = torch.device("cpu")
    train = load_dataset(options.data).split("train")
    step = max(1, len(train.images) // options.images)
    assert train.labels is not None
    images, labels = train.images[::step][: options.images], train.labels[::step][: options.images]
    batches, inputs, precision = Batches(images, labels, device), fit_inputs(images), precision_on(device)
    targets, augment = torch.from_numpy(labels), "mirror" if options.mirror else ""

    def run(kept: bool) -> tuple[float, float]:
        """Return the seconds, and the loss of the last batch."""
        torch.manual_seed(0)
        spec = NetworkSpec(images.shape[1:], len(train.class_ids))
        network = build_network(options.model, spec).to(memory_format=torch.channels_last).train()
        freeze(network)
        optimiser = torch.optim.SGD(network.head.parameters(), 0.01, 0.9)
        begun = time.perf_counter()
        features = base_features(network, batches, inputs, augment, precision, options.epochs) if kept else None
        for epoch in range(options.epochs):
            torch.manual_seed(epoch)
            for rows in torch.randperm(len(batches)).split(BATCH):
                if features is None:
                    pixels = inputs(batches.images(rows))
                    logits = network(mirror(pixels) if options.mirror else pixels)
                else:
                    logits = network.head(features.images(rows))
                loss = F.cross_entropy(logits, targets[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
        return time.perf_counter() - begun, float(loss.detach())

    print(
        f"{options.model}, {len(batches):,} images of {'x'.join(map(str, images.shape[1:]))}, {options.epochs} epochs, "
        f"{augment or 'not mirrored'}, batch {BATCH}, {torch.get_num_threads()} threads, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    found = {kept: [run(kept) for _ in range(2)] for kept in (False, True)}
    seconds = {kept: min(s for s, _ in runs) for kept, runs in found.items()}
    print(f"the base every time  {seconds[False]:8.2f} s, last loss {found[False][0][1]:.5f}")
    print(f"its features kept    {seconds[True]:8.2f} s, last loss {found[True][0][1]:.5f}")
    print(f"ratio                {seconds[False] / seconds[True]:8.1f}")


if __name__ == "__main__":
    main()
