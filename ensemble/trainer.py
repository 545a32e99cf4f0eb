"""Train one network, from its recipe to its predictions on disk; a killed run goes on to the same bits."""

import time

import numpy as np
import torch

from ensemble.datasets import load_dataset
from ensemble.epochs import best_epoch
from ensemble.errors import BadInput, KofnError
from ensemble.files import locked
from ensemble.jobs import Job, Outcome
from ensemble.keeping import Place
from ensemble.out_of_fold import merge
from ensemble.store import Study
from ensemble.training import Report, Training


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
    """Train the network of `job`, or go on where it was cut off, and write its weights and predictions.

    `report(kind, facts)` hears "note" (a text: how it was started), "batch" (done and total images of the epoch, at
    most some times a second), "features" (done and total images, where a frozen base looks at them once) and "epoch"
    (an `Epoch` as a dict, and the number of epochs). Raises `KofnError` where it cannot be done.
    """
    started = time.perf_counter()
    study = Study.open(job.study)
    place = Place(job, study)
    with locked(place.folder / "lock", wait=False) as held:
        if not held:
            raise KofnError(f"{place.folder}: another process is training {job.title}; wait for it, or stop it.")
        torch.set_num_threads(job.threads)
        device = resolve_device(job.device)
        dataset = load_dataset(study.pin.source or "")
        if dataset.fingerprint != study.pin.fingerprint:
            raise BadInput(
                f"{study.pin.source}: the images changed since the study was begun (fingerprint "
                f"{dataset.fingerprint[:12]}, "
                f"{study.root}/study.toml has {str(study.pin.fingerprint)[:12]}); restore them or begin another study."
            )
        training = Training(place, dataset, device)
        status = training.train(report)
        paths = training.predict()
    if job.fold is not None:
        # Whoever comes last puts the folds together; of two that come at once one waits.
        with locked(place.folder.parent / "lock"):
            merged = merge(study, job.member, dataset.split("train"), job.folds)
        paths = [] if merged is None else [merged]
    epochs = training.epochs
    return Outcome(
        member=job.title,
        status=status,
        epochs=len(epochs),
        last=epochs[-1],
        best=best_epoch(epochs),
        seconds=time.perf_counter() - started,
        images_per_second=float(np.median([e.images_per_second for e in epochs])),
        predictions=tuple(str(path) for path in paths),
    )
