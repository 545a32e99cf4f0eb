"""The course of one training: epoch after epoch, its history, its checkpoints, and what it leaves."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ensemble.checkpoint import State, load_checkpoint, load_weights
from ensemble.epochs import Epoch, append_epoch, read_epochs, rewrite_epochs
from ensemble.errors import BadInput, KofnError
from ensemble.feeding import Feed
from ensemble.files import replacing, write_text
from ensemble.first_layer import first_layer, keep_first_layer
from ensemble.infer import precision_on, predict
from ensemble.inputs import Batches, Inputs
from ensemble.keeping import Place
from ensemble.optimisers import averaged, kernels_of, make_optimiser, penalty
from ensemble.recipe import Recipe, write_recipe
from ensemble.schedules import rate_at
from ensemble.split import Dataset
from ensemble.steps import train_epoch
from ensemble.transfer import Account, freeze, start_from, unfreeze
from ensemble.zoo import Wanted, build_network
from ensemble.zoo.measure import describe
from ensemble.zoo.network import Network

CHECKPOINT_SECONDS = 1.0
Report = Callable[[str, dict[str, Any]], None]


def wanted_by(recipe: Recipe, image_shape: tuple[int, int, int], classes: int) -> Wanted:
    """Return what the network of a recipe is built for; images are resized to its input_size where it has one."""
    size = recipe.input_size
    return Wanted(
        image_shape=(size, size, image_shape[2]) if size else image_shape,
        classes=classes,
        padding=recipe.padding,
        activation=recipe.activation,
        head=recipe.head,
        dropout=recipe.dropout,
    )


class Training:
    """A network with its files while it is being trained, from random or given weights, or from a checkpoint."""

    inputs: Inputs

    def __init__(self, place: Place, dataset: Dataset, device: torch.device) -> None:
        self.place, self.dataset, self.device = place, dataset, device
        self.recipe = recipe = place.job.recipe
        self.precision = precision_on(device)
        self.epochs: list[Epoch] = []
        self.current = ""  # the name whose weights the network has now
        self.checkpoint_path = place.folder / "checkpoint.safetensors"
        self.history_path = place.folder / "history.csv"
        self.wanted = wanted_by(recipe, dataset.image_shape, len(dataset.class_ids))
        torch.manual_seed(recipe.seed)
        network = build_network(recipe.model, self.wanted)
        self.account: Account | None = None
        if not place.finished() and not self.checkpoint_path.exists():
            self.account = start_from(network, recipe, self.wanted, dataset.class_ids)
        pinned = place.study.member_dir(place.job.member) / "recipe.toml"
        if not pinned.exists():  # only now: what cannot be built or started is not pinned
            write_recipe(pinned, recipe, place.job.threads)
        self.network: Network = network.to(device).to(memory_format=torch.channels_last)
        self.average = averaged(self.network, recipe.ema) if recipe.ema else None
        self.kernels = kernels_of(self.network)

    @property
    def predicting(self) -> Network:
        """The network that validation and predictions are by."""
        return self.network if self.average is None else self.average.module  # ty: ignore[invalid-explicit-return]

    def train(self, report: Report) -> str:
        """Bring the network to its last epoch; return "trained", "resumed" or "skipped"."""
        recipe, place = self.recipe, self.place
        if place.finished():
            self._load(place.outputs[-1])
            self._read_history(place.weights(place.outputs[-1]), recipe.epochs)
            return "skipped"
        feed = Feed(recipe, self.dataset, self.device, place.job.fold, place.job.folds)
        optimiser = make_optimiser(self.network, recipe)
        begun = self.checkpoint_path.exists()
        if begun:
            self.inputs, epochs = load_checkpoint(
                self.checkpoint_path, self.network, recipe, optimiser, self.average, self.device
            )
            self._read_history(self.checkpoint_path, epochs)
            feed.inputs = self.inputs
        else:
            feed.fit()
            self.inputs = feed.inputs
            self._describe()
            if self.account is not None and recipe.weights:
                report("note", {"text": str(self.account)})
        rewrite_epochs(self.history_path, self.epochs)
        saved_at = time.perf_counter()
        cycle = recipe.epochs // len(place.outputs)
        for number in range(len(self.epochs), recipe.epochs):
            if 0 < number == recipe.frozen_epochs:
                # The whole network is another thing to optimise: without a memory of the head's first steps.
                optimiser = make_optimiser(self.network, recipe)
            epoch = self._epoch(number, feed, optimiser, report)
            self.epochs.append(epoch)
            append_epoch(self.history_path, epoch)
            if number == 0:
                self._keep_first_layer("first", self.predicting)
            report("epoch", {**vars(epoch), "epochs": recipe.epochs})
            done = number + 1
            if done % cycle == 0:  # before the checkpoint: what it goes on from has this behind it
                rewrite_epochs(self.history_path, self.epochs)
                self._finish(place.outputs[done // cycle - 1])
            if time.perf_counter() - saved_at > CHECKPOINT_SECONDS and done < recipe.epochs:
                rewrite_epochs(self.history_path, self.epochs)
                self._state(optimiser).save_checkpoint(self.checkpoint_path)
                saved_at = time.perf_counter()
        with contextlib.suppress(FileNotFoundError):
            self.checkpoint_path.unlink()
        return "resumed" if begun else "trained"

    def _epoch(self, number: int, feed: Feed, optimiser: torch.optim.Optimizer, report: Report) -> Epoch:
        recipe, started = self.recipe, time.perf_counter()
        told = {"epoch": number + 1, "epochs": recipe.epochs}
        self._set_mode(number, feed, report)
        tune_losses = [e.tune_cross_entropy for e in self.epochs]
        updates = feed.updates

        def rate(update: int) -> float:
            return rate_at(recipe, number, update, updates, tune_losses)

        # Every draw of an epoch (order, augmentation, dropout) follows from seed and epoch alone, so that a run that
        # goes on from a checkpoint needs no generator's state.
        torch.manual_seed((recipe.seed << 20) + number + 1)
        measured = train_epoch(
            self.network, feed, optimiser, rate, self.kernels, self.precision, self.average,
            lambda done, total: report("batch", {"done": done, "total": total, **told}),
        )  # fmt: skip
        val_cross_entropy, val_accuracy = feed.evaluate(self.predicting, feed.val, self.precision)
        tune_cross_entropy, tune_accuracy = (
            (np.nan, np.nan) if feed.tune is None else feed.evaluate(self.predicting, feed.tune, self.precision)
        )
        if not np.isfinite(measured.cross_entropy + val_cross_entropy):
            raise KofnError(
                f"{self.place.job.title}: the loss is no longer a number in epoch {number + 1}; "
                f"learning_rate {recipe.learning_rate:g} is too large for this recipe, lower it."
            )
        kernels = self.kernels if self.average is None else kernels_of(self.predicting)
        return Epoch(
            epoch=number + 1,
            learning_rate=rate(0),
            train_cross_entropy=measured.cross_entropy,
            train_loss=measured.loss,
            train_accuracy=measured.accuracy,
            val_cross_entropy=val_cross_entropy,
            val_loss=val_cross_entropy + float(penalty(kernels, recipe.l2)),
            val_accuracy=val_accuracy,
            images_per_second=feed.images / measured.seconds,
            seconds=time.perf_counter() - started,
            images_seen=(number + 1) * feed.images,
            tune_cross_entropy=tune_cross_entropy,
            tune_accuracy=tune_accuracy,
        )

    def _set_mode(self, number: int, feed: Feed, report: Report) -> None:
        """Let all of the network learn, or its head alone."""
        frozen = self.recipe.frozen_epochs
        self.network.train()
        if number < frozen:
            freeze(self.network)
            if not feed.asked_for_features:
                told = lambda done, total: report("features", {"done": done, "total": total})  # noqa: E731
                feed.use_features(self.network, self.precision, told)
        elif frozen:
            unfreeze(self.network)
            feed.use_images()

    def _describe(self) -> None:
        """Write what the network is, how it was started, and how its first layer looks before it learns."""
        if self.place.job.fold is None and self.account is not None:
            facts = {"schema": 1, "model": self.recipe.model, **describe(self.network, self.wanted.image_shape)}
            write_text(self.place.folder / "network.json", json.dumps(facts | {"start": self.account.as_dict()}) + "\n")
            self._keep_first_layer("begin", self.network)

    def _keep_first_layer(self, when: str, network: Network) -> None:
        if self.place.job.fold is None:
            keep_first_layer(self.place.folder / "first_layer.npz", when, network)

    def _finish(self, output: str) -> None:
        """Keep the weights and predictions of a name; a snapshot is from then on a member of its own."""
        self._keep_first_layer("last", self.predicting)
        home = self.place.home(output)
        if home != self.place.folder:
            write_recipe(home / "recipe.toml", self.recipe, self.place.job.threads)
            rewrite_epochs(home / "history.csv", self.epochs)
            for name in ("network.json", "first_layer.npz"):
                if (self.place.folder / name).exists():
                    with replacing(home / name) as temporary:
                        shutil.copyfile(self.place.folder / name, temporary)
        self._state(None).save_weights(self.place.weights(output))
        self.current = output
        self._predict(output)

    def _state(self, optimiser: torch.optim.Optimizer | None) -> State:
        facts = {
            "member": self.place.job.member,
            "recipe": self.recipe.as_dict(),
            "epochs": len(self.epochs),
            "image_shape": list(self.dataset.image_shape),
            "class_ids": list(self.dataset.class_ids),
            "data_fingerprint": self.dataset.fingerprint,
        }
        return State(self.network, self.inputs, self.average, optimiser, facts)

    def _load(self, output: str) -> None:
        """Give the network that predicts the weights of a name."""
        path = self.place.weights(output)
        self.inputs, self.loaded_epochs = load_weights(path, self.predicting, self.recipe, self.device)
        self.current = output

    def _read_history(self, of: Path, epochs: int) -> None:
        self.epochs = read_epochs(self.history_path, upto=epochs)
        if len(self.epochs) != epochs:
            raise BadInput(
                f"{self.history_path}: expected the {epochs} epochs of {of.name}, found {len(self.epochs)}; "
                "restore it from a copy, or start the member over with --force."
            )

    def predict(self) -> list[Path]:
        """Write the predictions that are missing, under every name; return the files of all."""
        return [path for output in self.place.outputs for path in self._predict(output)]

    def _predict(self, output: str) -> list[Path]:
        files = self.place.to_predict(output, self.dataset)
        missing = {path: split for path, split in files.items() if not path.exists()}
        if missing and self.current != output:
            self._load(output)
        cycle = self.recipe.epochs // len(self.place.outputs)
        epochs = cycle * (self.place.outputs.index(output) + 1)
        for path, split in missing.items():
            batches = Batches(split.images, None, self.device)
            probs = predict(self.predicting, batches, self.inputs, self.precision)
            self.place.write_predictions(
                path, output, split, probs, self.dataset.fingerprint, epochs, first_layer(self.predicting)
            )
        return list(files)
