"""The course of one training: epoch after epoch, its history, its checkpoints, and what it leaves."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.inference.checkpoint import State, load_checkpoint, load_weights
from ensemble.inference.inputs import (
    Batches,
    Inputs,
    fixed_steps,
    network_spec,
    precision_on,
    predict_probs,
    resolve_device,
)
from ensemble.models import build_network
from ensemble.models.measure import describe
from ensemble.models.network import Network, check_sides, first_layer
from ensemble.own_code import own_errors
from ensemble.study.atomic import holder, locked, replacing
from ensemble.study.history import Epoch, append_epoch, best_epoch, read_epochs, rewrite_epochs
from ensemble.study.image_spec import side_in_epoch
from ensemble.study.names import MemberFiles
from ensemble.study.network_file import write_network
from ensemble.study.recalls import recall_text
from ensemble.study.recipe import read_recipe, write_recipe
from ensemble.study.seals import REDO
from ensemble.study.split import Dataset
from ensemble.study.study import Study
from ensemble.study.weights import keep_first_layer
from ensemble.training.damage import check_untaken
from ensemble.training.data import TrainingData
from ensemble.training.features import FeatureFiles
from ensemble.training.folds import merge
from ensemble.training.job import Busy, Diverged, Outcome, TrainingJob, after_training
from ensemble.training.kept import Kept, stopped
from ensemble.training.longer import go_on, keeps_state, only_epochs_differ, why_not_longer
from ensemble.training.loop import averaged, kernels_of, make_optimiser, penalty, rate_at, train_epoch
from ensemble.training.paths import MemberPaths
from ensemble.training.transfer import TransferReport, freeze, start_from, unfreeze

CHECKPOINT_SECONDS = 1.0
Report = Callable[[str, dict[str, Any]], None]


class Training:
    """A network with its files while it is being trained, from random or given weights, or from a checkpoint."""

    inputs: Inputs

    def __init__(self, paths: MemberPaths, dataset: Dataset, device: torch.device) -> None:
        self.paths, self.dataset, self.device = paths, dataset, device
        self.recipe = recipe = paths.job.recipe
        self.precision = precision_on(device, recipe.precision)
        self.epochs: list[Epoch] = []
        self.current = ""  # the name whose weights the network has now
        self.files = paths.files
        self.spec = network_spec(recipe, dataset.image_shape, len(dataset.class_ids))
        torch.manual_seed(recipe.seed)
        network = build_network(recipe.model, self.spec)
        if recipe.frozen_epochs and not list(network.head.parameters()):
            raise BadInput(
                f"{recipe.model}: has no head of its own that could be trained while the base is frozen; give the "
                "module the parts `base` and `head`, or set frozen_epochs to 0."
            )
        check_sides(network, recipe, self.spec.image_shape)
        self.transfer: TransferReport | None = None
        if not paths.finished() and not self.files.checkpoint.exists():
            self.transfer = start_from(network, recipe, self.spec, dataset.class_ids)
        pinned = paths.study.files(paths.job.member).recipe
        if not pinned.exists():  # only now: what cannot be built or started is not pinned
            with paths.study.alone():  # as an import checks and writes its names
                if not paths.finished():
                    check_untaken(paths.study, paths.job.member, recipe.outputs(paths.job.member))
                write_recipe(pinned, recipe, paths.job.threads)
        self.network: Network = network.to(device).to(memory_format=torch.channels_last)
        self.average = averaged(self.network, recipe.ema, recipe.ema_corrected) if recipe.ema else None
        self.kernels = kernels_of(self.network)
        self.kept = Kept(recipe)

    @property
    def predicting(self) -> Network:
        """The network that validation and predictions are by."""
        return self.network if self.average is None else self.average.module  # ty: ignore[invalid-explicit-return]

    def train(self, report: Report) -> str:
        """Bring the network to its last epoch; return "trained", "resumed" or "skipped"."""
        recipe, paths = self.recipe, self.paths
        if paths.finished():
            self._load(paths.outputs[-1])
            self._read_history(paths.home(paths.outputs[-1]).weights, self.loaded_epochs)
            if not keeps_state(self.recipe):  # a run that was killed before its predictions left it
                self.files.checkpoint.unlink(missing_ok=True)
            return "skipped"
        data = TrainingData(recipe, self.dataset, self.device, paths.job.fold, paths.job.folds)
        optimiser = make_optimiser(self.network, recipe)
        begun = self.files.checkpoint.exists()
        if begun:
            self.inputs, epochs, kept = load_checkpoint(
                self.files.checkpoint, self.network, recipe, optimiser, self.average, self.device
            )
            self._read_history(self.files.checkpoint, epochs)
            self.kept.restore(kept, epochs)
            data.inputs = self.inputs
        else:
            data.fit()
            self.inputs = data.inputs
            self._describe()
            if self.transfer is not None and recipe.weights:
                report("note", {"text": str(self.transfer)})
        rewrite_epochs(self.files.history, self.epochs)
        saved_at = time.perf_counter()
        cycle = recipe.epochs // len(paths.outputs)
        if self._over():  # it was cut off between its last checkpoint and its weights
            self._finish(paths.outputs[-1])
        for number in range(len(self.epochs), recipe.epochs):
            if self._over():
                break
            if 0 < number == recipe.frozen_epochs:
                # The whole network is another thing to optimise: without a memory of the head's first steps.
                optimiser = make_optimiser(self.network, recipe)
            epoch = self._epoch(number, data, optimiser, report)
            self.epochs.append(epoch)
            append_epoch(self.files.history, epoch)
            self.kept.hear(self.epochs, self.predicting.state_dict())
            if number == 0:
                self._keep_first_layer("first", self.predicting)
            report("epoch", {**vars(epoch), "epochs": recipe.epochs})
            done = number + 1
            if self._over() and keeps_state(recipe) and paths.job.fold is None:
                rewrite_epochs(self.files.history, self.epochs)
                self._state(optimiser).save_checkpoint(self.files.checkpoint)  # of the last epoch, whatever is kept
            if self._over() or done % cycle == 0:  # before the checkpoint: what it goes on from has this behind it
                rewrite_epochs(self.files.history, self.epochs)
                self._finish(paths.outputs[-1 if recipe.stop_after else done // cycle - 1])
            if time.perf_counter() - saved_at > CHECKPOINT_SECONDS and not self._over():
                rewrite_epochs(self.files.history, self.epochs)
                self._state(optimiser).save_checkpoint(self.files.checkpoint)
                saved_at = time.perf_counter()
        if not keeps_state(recipe) or paths.job.fold is not None:
            self.files.checkpoint.unlink(missing_ok=True)
        return "resumed" if begun else "trained"

    def _over(self) -> bool:
        """Say whether there are no more epochs to come."""
        return len(self.epochs) == self.recipe.epochs or stopped(self.recipe, self.epochs)

    def _epoch(self, number: int, data: TrainingData, optimiser: torch.optim.Optimizer, report: Report) -> Epoch:
        recipe, started, cpu_before = self.recipe, time.perf_counter(), time.process_time()
        facts = {"epoch": number + 1, "epochs": recipe.epochs}
        self._set_mode(number, data, report)
        data.side = side_in_epoch(recipe.progressive_resizing, number)
        tune_losses = [e.tune_cross_entropy for e in self.epochs]
        updates = data.updates

        def rate(update: int) -> float:
            return rate_at(recipe, number, update, updates, tune_losses)

        # Every draw of an epoch (order, augmentation, dropout) follows from seed and epoch alone, so that a run that
        # goes on from a checkpoint needs no generator's state.
        torch.manual_seed((recipe.seed << 20) + number + 1)
        measured = train_epoch(
            self.network, data, optimiser, rate, self.kernels, self.precision, self.average,
            lambda done, total: report("batch", {"done": done, "total": total, **facts}),
        )  # fmt: skip
        val = data.evaluate(self.predicting, data.val, self.precision)
        tune = None if data.tune is None else data.evaluate(self.predicting, data.tune, self.precision)
        if not np.isfinite(measured.cross_entropy + val.cross_entropy):
            raise Diverged(
                f"{self.paths.job.title}: the loss is no longer a number in epoch {number + 1}; most often the "
                f"learning_rate is too large, {recipe.learning_rate:g} here: lower it."
            )
        kernels = self.kernels if self.average is None else kernels_of(self.predicting)
        return Epoch(
            epoch=number + 1,
            learning_rate=rate(0),
            train_cross_entropy=measured.cross_entropy,
            train_loss=measured.loss,
            train_accuracy=measured.accuracy,
            val_cross_entropy=val.cross_entropy,
            val_loss=val.cross_entropy + float(penalty(kernels, recipe.l2)),
            val_accuracy=val.accuracy,
            images_per_second=data.images / measured.seconds,
            seconds=time.perf_counter() - started,
            images_seen=(number + 1) * data.images,
            tune_cross_entropy=tune.cross_entropy if tune else np.nan,
            tune_accuracy=tune.accuracy if tune else np.nan,
            cpu_seconds=time.process_time() - cpu_before,
            val_recall=recall_text(data.val_labels, val.right, data.classes),
        )

    def _set_mode(self, number: int, data: TrainingData, report: Report) -> None:
        """Let all of the network learn, or its head alone."""
        frozen = self.recipe.frozen_epochs
        self.network.train()
        if number < frozen:
            freeze(self.network)
            if not data.asked_for_features:
                progress = lambda done, total: report("features", {"done": done, "total": total})  # noqa: E731
                given = self.recipe.weights not in ("", "random")  # else no other member has this base
                folder = self.paths.study.root / "features"
                files = FeatureFiles(folder, self.recipe, self.dataset) if given else None
                data.use_features(self.network, self.precision, progress, files)
        elif frozen:
            unfreeze(self.network)
            data.use_images()

    def _describe(self) -> None:
        """Write what the network is, how it was started, and how its first layer looks before it learns."""
        if self.paths.job.fold is None and self.transfer is not None:
            described = describe(self.network, self.spec.image_shape)
            write_network(self.files.network, self.recipe.model, described, self.transfer.as_dict())
            self._keep_first_layer("begin", self.network)

    def _keep_first_layer(self, when: str, network: Network) -> None:
        if self.paths.job.fold is None:
            keep_first_layer(self.files.first_layer, when, first_layer(network))

    def _finish(self, output: str) -> None:
        """Keep the weights and predictions of a name; a snapshot is from then on a member of its own."""
        if self.kept.tensors:
            self.predicting.load_state_dict(self.kept.tensors)
        self._keep_first_layer("last", self.predicting)
        home = self.paths.home(output)
        if home != self.files:
            write_recipe(home.recipe, self.recipe, self.paths.job.threads)
            rewrite_epochs(home.history, self.epochs)
            for own, kept in ((self.files.network, home.network), (self.files.first_layer, home.first_layer)):
                if own.exists():
                    with replacing(kept) as temporary:
                        shutil.copyfile(own, temporary)
        self._state(None).save_weights(home.weights)
        self.current = output
        self._predict(output)

    def _state(self, optimiser: torch.optim.Optimizer | None) -> State:
        facts = {
            "member": self.paths.job.member,
            "recipe": self.recipe.as_dict(),
            "epochs": len(self.epochs),
            "kept_epoch": self.kept.epoch(self.epochs),
            "image_shape": list(self.dataset.image_shape),
            "class_ids": list(self.dataset.class_ids),
            "data_fingerprint": self.dataset.fingerprint,
        }
        return State(self.network, self.inputs, self.average, optimiser, facts, self.kept.tensors)

    def _load(self, output: str) -> None:
        """Give the network that predicts the weights of a name."""
        path = self.paths.home(output).weights
        self.inputs, self.loaded_epochs = load_weights(path, self.predicting, self.recipe, self.device)
        self.current = output

    def _read_history(self, of: Path, epochs: int) -> None:
        self.epochs = read_epochs(self.files.history, upto=epochs)
        if len(self.epochs) != epochs:
            raise BadInput(
                f"{self.files.history}: expected the {epochs} epochs of {of.name}, found {len(self.epochs)}; {REDO}."
            )

    def predict(self) -> list[Path]:
        """Write the predictions that are missing, under every name; return the files of all."""
        return [path for output in self.paths.outputs for path in self._predict(output)]

    def _predict(self, output: str) -> list[Path]:
        files = self.paths.to_predict(output, self.dataset)
        missing = {path: split for path, split in files.items() if not path.exists()}
        if missing and self.current != output:
            self._load(output)
        fixed = fixed_steps(self.recipe.augment_val)
        cycle = self.recipe.epochs // len(self.paths.outputs)
        epochs = cycle * (self.paths.outputs.index(output) + 1)
        if len(self.paths.outputs) == 1:
            epochs = self.kept.epoch(self.epochs)
        for path, split in missing.items():
            batches = Batches(split.images, None, self.device)
            to_inputs = lambda images: self.inputs(fixed(images))  # noqa: E731
            probs = predict_probs(self.predicting, batches, to_inputs, self.precision)
            self.paths.write_predictions(
                path, output, split, probs, self.dataset.fingerprint, epochs, first_layer(self.predicting)
            )
        return list(files)


def train_member(job: TrainingJob, report: Report) -> Outcome:
    """Train the network of `job`, or go on where it was cut off, and write its weights and predictions.

    `report(kind, facts)` hears "note" (a text: how it was started), "batch" (done and total images of the epoch, at
    most some times a second), "features" (done and total images, where a frozen base looks at them once) and "epoch"
    (an `Epoch` as a dict, and the number of epochs). Raises `KofnError` where it cannot be done.
    """
    started = time.perf_counter()
    study = Study.open(job.study)
    paths = MemberPaths(job, study)
    with locked(paths.files.lock, wait=False) as held:
        if not held:
            raise Busy(
                f"{paths.folder}: another process is training {job.title}, {holder(paths.files.lock)}; wait for it, or "
                "stop it."
            )
        pinned = study.files(job.member).recipe
        there, threads = read_recipe(pinned) if pinned.exists() else (job.recipe, job.threads)
        if only_epochs_differ(there, job.recipe) and not why_not_longer(study, job.member, there, job.recipe):
            go_on(study, job.member, job.recipe, job.threads)
        elif (there, threads) != (job.recipe, job.threads):
            raise BadInput(
                f"{pinned}: {job.member} was begun with another recipe or number of threads by another process "
                "meanwhile; plan again."
            )
        torch.set_num_threads(job.threads)
        device = resolve_device(job.device)
        dataset = load_dataset(study.config.source or "")
        if dataset.fingerprint != study.config.fingerprint:
            raise BadInput(
                f"{study.config.source}: the images changed since the study was begun (fingerprint "
                f"{dataset.fingerprint[:12]}, "
                f"{study.root}/study.toml has {str(study.config.fingerprint)[:12]}); restore them or begin another "
                f"study."
            )
        with own_errors(job.recipe.model):
            training = Training(paths, dataset, device)
            status = training.train(report)
            files = training.predict()
    if job.fold is not None:
        # Whoever comes last puts the folds together; of two that come at once one waits.
        with locked(MemberFiles(paths.folder.parent).lock):
            merged = merge(study, job.member, dataset.split("train"), job.folds)
        files = [] if merged is None else [merged]
    epochs = training.epochs
    judged = len(dataset.split("val")) if job.fold is None else len(dataset.split("train")) // job.folds
    kept = training.kept.epoch(epochs)
    findings = after_training(epochs[:kept], len(dataset.class_ids), judged, first_layer(training.predicting))
    return Outcome(
        member=job.title,
        status=status,
        epochs=len(epochs),
        last=epochs[-1],
        best=best_epoch(epochs),
        seconds=time.perf_counter() - started,
        images_per_second=float(np.median([e.images_per_second for e in epochs])),
        predictions=tuple(str(path) for path in files),
        findings=findings,
        kept=kept,
        repeats=bool(findings),
    )
