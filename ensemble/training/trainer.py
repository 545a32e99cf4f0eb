"""Train one network, from its recipe to its predictions on disk; a killed run goes on to the same bits."""

import time

import numpy as np
import torch

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput, KofnError
from ensemble.inference.evaluate import resolve_device
from ensemble.models.network import first_layer
from ensemble.study.atomic import holder, locked
from ensemble.study.history import best_epoch
from ensemble.study.names import MemberFiles
from ensemble.study.recipe import read_recipe
from ensemble.study.study import Study
from ensemble.training.findings import after_training
from ensemble.training.job import Outcome, TrainingJob
from ensemble.training.out_of_fold import merge
from ensemble.training.paths import MemberPaths
from ensemble.training.run import Report, Training


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
            raise KofnError(
                f"{paths.folder}: another process is training {job.title}, {holder(paths.files.lock)}; wait for it, or "
                "stop it."
            )
        pinned = study.files(job.member).recipe
        if pinned.exists() and read_recipe(pinned)[0] != job.recipe:
            raise BadInput(f"{pinned}: {job.member} was begun anew with another recipe by another process; plan again.")
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
