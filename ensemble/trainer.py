"""Train one member, from its recipe to its predictions on disk; a killed run goes on to the same bits."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ensemble.augment import Batches, Normaliser, fit_normaliser, mirror
from ensemble.datasets import load_dataset
from ensemble.epochs import Epoch, append_epoch, best_epoch, read_epochs, rewrite_epochs
from ensemble.errors import BadInput, KofnError
from ensemble.files import locked
from ensemble.infer import Precision, evaluate, precision_on, predict
from ensemble.jobs import Job, Outcome
from ensemble.predictions import Predictions
from ensemble.recipe import write_recipe
from ensemble.split import Dataset
from ensemble.store import Study
from ensemble.weights import check_like, load_tensors, save_tensors
from ensemble.zoo import Wanted, build_network

CHECKPOINT_SECONDS = 1.0
Report = Callable[[str, dict[str, Any]], None]


def resolve_device(name: str) -> torch.device:
    """Return the device of `--device`: "auto" is a CUDA device where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError(f"{device.type} is neither cpu nor cuda")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"--device {name}: cannot be used here, {reason}; try 'auto' or 'cpu'.") from error
    return device


def train_member(job: Job, report: Report) -> Outcome:
    """Train the member of `job`, or go on where it was cut off, and write its weights and predictions.

    `report(kind, facts)` hears "batch" (done and total images of the epoch, at most some times a second) and
    "epoch" (an `Epoch` as a dict, and the number of epochs). Raises `KofnError` where it cannot be done.
    """
    started = time.perf_counter()
    study = Study.open(job.study)
    folder = study.member_dir(job.member)
    with locked(folder / "lock", wait=False) as held:
        if not held:
            raise KofnError(f"{folder}: another process is training {job.member}; wait for it, or stop it.")
        torch.set_num_threads(job.threads)
        device = resolve_device(job.device)
        dataset = load_dataset(study.pin.source or "")
        if dataset.fingerprint != study.pin.fingerprint:
            raise BadInput(
                f"{study.pin.source}: the images changed since the study was begun (fingerprint "
                f"{dataset.fingerprint[:12]}, "
                f"{study.root}/study.toml has {str(study.pin.fingerprint)[:12]}); restore them or begin another study."
            )
        member = _Member(job, folder, dataset, device)
        status = member.train(report)
        paths = member.predict(study)
    epochs = member.epochs
    return Outcome(
        member=job.member,
        status=status,
        epochs=len(epochs),
        last=epochs[-1],
        best=best_epoch(epochs),
        seconds=time.perf_counter() - started,
        images_per_second=float(np.median([e.images_per_second for e in epochs])),
        predictions=tuple(str(path) for path in paths),
    )


class _Member:
    """A network with its optimiser and files, while it is being trained."""

    def __init__(self, job: Job, folder: Path, dataset: Dataset, device: torch.device) -> None:
        self.job, self.recipe, self.dataset, self.device = job, job.recipe, dataset, device
        self.weights_path = folder / "weights.safetensors"
        self.checkpoint_path = folder / "checkpoint.safetensors"
        self.history_path = folder / "history.csv"
        self.precision: Precision = precision_on(device)
        self.epochs: list[Epoch] = []
        if not (folder / "recipe.toml").exists():
            write_recipe(folder / "recipe.toml", self.recipe, job.threads)
        torch.manual_seed(self.recipe.seed)
        network = build_network(
            self.recipe.model,
            Wanted(
                image_shape=dataset.image_shape,
                classes=len(dataset.class_ids),
                padding=self.recipe.padding,
                activation=self.recipe.activation,
                head=self.recipe.head,
                dropout=self.recipe.dropout,
            ),
        )
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.kernels = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        self.normalise: Normaliser | None = None

    def train(self, report: Report) -> str:
        """Bring the network to its last epoch; return "trained", "resumed" or "skipped"."""
        if self.weights_path.exists():
            self._load(self.weights_path, "kofn.weights")
            return "skipped"
        train, val = (self.dataset.split(name) for name in ("train", "val"))
        batches = Batches(train.images, train.labels, self.device)
        val_batches = Batches(val.images, val.labels, self.device)
        optimiser = self._optimiser()
        begun = self.checkpoint_path.exists()
        if begun:
            momentum = self._load(self.checkpoint_path, "kofn.checkpoint")
            for p, name in zip(self.network.parameters(), self._names(), strict=True):
                optimiser.state[p]["momentum_buffer"] = momentum[name].to(p).to(memory_format=_format_of(p))
        else:
            self.normalise = fit_normaliser(train.images).to(self.device)
        rewrite_epochs(self.history_path, self.epochs)
        saved_at = time.perf_counter()
        for number in range(len(self.epochs), self.recipe.epochs):
            epoch = self._epoch(number, batches, val_batches, optimiser, report)
            self.epochs.append(epoch)
            append_epoch(self.history_path, epoch)
            report("epoch", {**vars(epoch), "epochs": self.recipe.epochs})
            if time.perf_counter() - saved_at > CHECKPOINT_SECONDS and number + 1 < self.recipe.epochs:
                self._save_checkpoint(optimiser)
                saved_at = time.perf_counter()
        rewrite_epochs(self.history_path, self.epochs)
        self._save(self.weights_path, "kofn.weights", {})
        with contextlib.suppress(FileNotFoundError):
            self.checkpoint_path.unlink()
        return "resumed" if begun else "trained"

    def _optimiser(self) -> torch.optim.SGD:
        decayed = {id(w) for w in self.kernels}
        rest = [p for p in self.network.parameters() if id(p) not in decayed]
        # Keras adds lam * sum(W^2) for kernels only; its gradient is 2 lam W, torch's weight decay adds wd W.
        groups = [
            {"params": self.kernels, "weight_decay": 2 * self.recipe.l2},
            {"params": rest, "weight_decay": 0.0},
        ]
        recipe = self.recipe
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0)

    def _epoch(self, number: int, train: Batches, val: Batches, optimiser: torch.optim.SGD, report: Report) -> Epoch:
        recipe, device, n = self.recipe, self.device, len(train)
        assert self.normalise is not None and train.labels is not None
        # Every draw of an epoch (order, mirrors, dropout) follows from seed and epoch alone, so that a run that
        # goes on from a checkpoint needs no generator's state.
        torch.manual_seed((recipe.seed << 20) + number + 1)
        learning_rate = recipe.learning_rate_at(number)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate
        self.network.train()
        order = torch.randperm(n).to(device)
        sums = torch.zeros(3, dtype=torch.float64, device="cpu" if device.type == "cpu" else device)
        started = told = time.perf_counter()
        for start in range(0, n, recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            inputs, labels = self.normalise(train.images(rows)), train.labels[rows]
            if recipe.augment == "mirror":
                inputs = mirror(inputs)
            with self.precision():
                logits = self.network(inputs)
            loss = F.cross_entropy(logits.float(), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            with torch.no_grad():
                hits = (logits.argmax(1) == labels).sum()
                sums += torch.stack([loss.detach() * len(rows), self._penalty() * len(rows), hits]).double()
            optimiser.step()
            now = time.perf_counter()
            if now - told > 0.25:
                report(
                    "batch",
                    {"done": start + len(rows), "total": n, "epoch": number + 1, "epochs": recipe.epochs},
                )
                told = now
        cross_entropy, penalty, accuracy = (sums / n).tolist()
        trained = time.perf_counter()
        val_cross_entropy, val_accuracy = evaluate(self.network, val, self.normalise, self.precision)
        if not np.isfinite(cross_entropy + val_cross_entropy):
            raise KofnError(
                f"{self.job.member}: the loss is no longer a number in epoch {number + 1}; "
                f"learning_rate {recipe.learning_rate:g} is too large for this recipe, lower it."
            )
        return Epoch(
            epoch=number + 1,
            learning_rate=learning_rate,
            train_cross_entropy=cross_entropy,
            train_loss=cross_entropy + penalty,
            train_accuracy=accuracy,
            val_cross_entropy=val_cross_entropy,
            val_loss=val_cross_entropy + float(self._penalty()),
            val_accuracy=val_accuracy,
            images_per_second=n / (trained - started),
            seconds=time.perf_counter() - started,
        )

    @torch.no_grad()
    def _penalty(self) -> torch.Tensor:
        """lam * sum of squares of all kernels, float32 scalar."""
        return self.recipe.l2 * sum((w * w).sum() for w in self.kernels)  # ty: ignore[invalid-explicit-return]

    def _names(self) -> list[str]:
        return [name for name, _ in self.network.named_parameters()]

    def _save(self, path: Path, kind: str, more: dict[str, torch.Tensor]) -> None:
        assert self.normalise is not None
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()} | more
        tensors |= {"input.mean": self.normalise.mean, "input.std": self.normalise.std}
        facts = {
            "member": self.job.member,
            "recipe": self.recipe.as_dict(),
            "epochs": len(self.epochs),
            "image_shape": list(self.dataset.image_shape),
            "class_ids": list(self.dataset.class_ids),
            "data_fingerprint": self.dataset.fingerprint,
        }
        save_tensors(path, kind, tensors, facts)

    def _save_checkpoint(self, optimiser: torch.optim.SGD) -> None:
        momentum = (
            {f"momentum.{name}": optimiser.state[p]["momentum_buffer"] for name, p in self.network.named_parameters()}
            if self.recipe.momentum
            else {}
        )
        rewrite_epochs(self.history_path, self.epochs)
        self._save(self.checkpoint_path, "kofn.checkpoint", momentum)

    def _load(self, path: Path, kind: str) -> dict[str, torch.Tensor]:
        """Fill network, normaliser and history from a file; return its momentum buffers by parameter name."""
        tensors, facts = load_tensors(path, kind)
        if facts["recipe"] != self.recipe.as_dict():
            raise BadInput(f"{path}: was made by another recipe than {path.parent}/recipe.toml; delete one of them.")
        parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "momentum": {}, "input": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        check_like(parts["network"], self.network.state_dict(), path)
        self.network.load_state_dict(parts["network"])
        self.normalise = Normaliser(parts["input"]["mean"], parts["input"]["std"]).to(self.device)
        self.epochs = read_epochs(self.history_path, upto=facts["epochs"])
        if len(self.epochs) != facts["epochs"]:
            raise BadInput(
                f"{self.history_path}: expected the {facts['epochs']} epochs of {path.name}, found {len(self.epochs)}; "
                "restore it from a copy, or start the member over with --force."
            )
        return parts["momentum"]

    def predict(self, study: Study) -> list[Path]:
        """Write predictions for every asked split that has none yet; return the files of all."""
        assert self.normalise is not None
        paths = []
        for name in self.job.splits:
            path = study.predictions_path(self.job.member, name)
            if not path.exists():
                split = self.dataset.split(name)
                batches = Batches(split.images, None, self.device)
                probs = predict(self.network, batches, self.normalise, self.precision)
                study.write(
                    Predictions(
                        member=self.job.member,
                        split=name,
                        probs=probs,
                        sample_ids=split.sample_ids,
                        class_ids=split.class_ids,
                        class_names=split.class_names,
                        labels=split.labels,
                        recipe={**self.recipe.as_dict(), "threads": self.job.threads},
                        data_fingerprint=self.dataset.fingerprint,
                        first_layer=self._first_layer(),
                        attributes={"seed": self.recipe.seed, "epoch": len(self.epochs)},
                    )
                )
            paths.append(path)
        return paths

    def _first_layer(self) -> np.ndarray | None:
        for module in self.network.modules():
            if isinstance(module, nn.Conv2d):
                return module.weight.detach().float().cpu().contiguous().numpy()
        return None


def _format_of(parameter: torch.Tensor) -> torch.memory_format:
    return torch.channels_last if parameter.dim() == 4 else torch.contiguous_format
