"""Training at 64x64 on a CPU: this trainer beside a bare loop and beside the usual script, in one run.

    python -m benchmarks.training [--images 1536] [--rounds 3]

M3 stands against a bare loop on float tensors in memory: the same network, optimiser, threads and allocator
settings, no augmentation, no history. M1 stands against the usual script: torchvision's ImageFolder, a DataLoader
with a worker a core, per-image transforms. Each run is a process of its own, in turn, ours and theirs; images/s of
training alone, without the first epoch, medians over the rounds. Figures to reach: 0.95 and 1.5.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS = 2
BATCH = 128


def make(root: Path, images: int) -> None:
    """Write JPEGs of 64x64 in 200 classes, and one validation image a class."""
    import numpy as np
    from PIL import Image

    stream = np.random.default_rng(0)
    for i in range(images + 200):
        folder = root / ("train" if i < images else "val") / f"class{i % 200:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(stream.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize((64, 64), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=75)
        (folder / f"{i:06d}.jpg").write_bytes(buffer.getvalue())


def ours(model: str, data: Path, threads: int) -> list[float]:
    """Return images/s of each epoch after the first, by `train_member`."""
    from ensemble.datasets import load_dataset
    from ensemble.study.history import read_epochs
    from ensemble.study.recipe import builtin_plan
    from ensemble.study.study import Study, config_of
    from ensemble.training.job import TrainingJob
    from ensemble.training.run import train_member

    with tempfile.TemporaryDirectory() as folder:
        study = Study.create(Path(folder), config_of(load_dataset(data)))
        recipe = builtin_plan("ting").with_settings(model=model, epochs=EPOCHS + 1, batch_size=BATCH).base
        train_member(TrainingJob(study.root, "m", recipe, threads, "cpu", ("val",)), lambda kind, facts: None)
        epochs = read_epochs(study.member_dir("m") / "history.csv", upto=EPOCHS + 1)
    return [e.images_per_second for e in epochs[1:]]


def network_and_optimiser(model: str):
    """Return the same network, laid out the same way, with a plain optimiser."""
    import torch

    from ensemble.models import NetworkSpec, build_network

    network = build_network(model, NetworkSpec((64, 64, 3), 200, dropout=0.5)).to(memory_format=torch.channels_last)
    return network.train(), torch.optim.SGD(network.parameters(), 0.01, 0.9, weight_decay=2e-3, nesterov=True)


def bare(model: str, data: Path, threads: int) -> list[float]:
    """Return images/s of each epoch after the first, of a loop over float tensors that are in memory."""
    import torch
    from torch.nn import functional as F

    from ensemble.datasets import load_dataset
    from ensemble.inference.inputs import fit_inputs

    torch.set_num_threads(threads)
    train = load_dataset(data).split("train")
    images = fit_inputs(train.images)(torch.from_numpy(train.images[:]))
    labels = torch.from_numpy(train.labels)
    network, optimiser = network_and_optimiser(model)
    rates = []
    for _ in range(EPOCHS + 1):
        begun = time.perf_counter()
        for rows in torch.randperm(len(labels)).split(BATCH):
            loss = F.cross_entropy(network(images[rows]), labels[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        rates.append(len(labels) / (time.perf_counter() - begun))
    return rates[1:]


def usual(model: str, data: Path, threads: int) -> list[float]:
    """Return images/s of each epoch after the first, of the script most people write."""
    import torch
    from torch.nn import functional as F
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    torch.set_num_threads(threads)
    prepare = transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    folder = ImageFolder(str(data / "train"), prepare)
    loader = DataLoader(folder, BATCH, shuffle=True, num_workers=threads, persistent_workers=True)
    network, optimiser = network_and_optimiser(model)
    network = network.to(memory_format=torch.contiguous_format)
    rates = []
    for _ in range(EPOCHS + 1):
        begun = time.perf_counter()
        for images, labels in loader:
            loss = F.cross_entropy(network(images), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        rates.append(len(folder) / (time.perf_counter() - begun))
    return rates[1:]


WAYS = {"ours": ours, "bare": bare, "usual": usual}


def in_a_process(way: str, model: str, data: Path, threads: int) -> list[float]:
    """Run one way in a fresh process with the allocator settings members are trained with."""
    from ensemble.training.pool import ALLOCATOR

    line = [sys.executable, "-W", "ignore", "-m", "benchmarks.training", "--one", way, model, str(data), str(threads)]
    env = {**os.environ, **ALLOCATOR, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=True)
    return [float(rate) for rate in done.stdout.split()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1536)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, model, data, threads = options.one
        print(*WAYS[way](model, Path(data), int(threads)))
        return
    threads = len(os.sched_getaffinity(0))
    print(f"{options.images:,} images, batch {BATCH}, {threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"{'network':10}{'ours':>9}{'theirs':>9}{'ratio':>7}  beside")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ENS_CACHE"] = f"{folder}/cache"
        for model, other, images in (("ting-m3", "bare", options.images), ("ting-m1", "usual", 4 * options.images)):
            data = Path(folder) / model
            make(data, images)
            rates: dict[str, list[float]] = {"ours": [], other: []}
            for _ in range(options.rounds):
                for way in rates:
                    rates[way] += in_a_process(way, model, data, threads)
            mine, theirs = (statistics.median(r) for r in rates.values())
            print(f"{model:10}{mine:9,.0f}{theirs:9,.0f}{mine / theirs:7.2f}  {other}", flush=True)


if __name__ == "__main__":
    main()
