"""A training on another machine, which does not see the study's folder: what it is sent, and what comes back whole."""

import contextlib
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from ensemble.datasets import load_dataset
from ensemble.errors import KofnError
from ensemble.study.atomic import locked, replacing
from ensemble.study.names import MemberFiles
from ensemble.study.study import Study
from ensemble.training.folds import merge
from ensemble.training.job import TrainingJob


@contextlib.contextmanager
def own_folder(job: TrainingJob, config: bytes, sent: dict[str, bytes]) -> Generator[TrainingJob]:
    """Give the job with a folder of this machine in place of the study's; removed once it has been trained.

    What an attempt before left there, its checkpoint above all, is gone on with.
    """
    key = hashlib.sha256(config + f"{job.study} {job.title} {job.recipe} {os.getuid()}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"kofn-{key}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise KofnError(f"{folder}: belongs to somebody else; remove it, or set TMPDIR on {socket.gethostname()}.")
    for name, content in {"study.toml": config, **sent}.items():
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    yield replace(job, study=folder)
    shutil.rmtree(folder, ignore_errors=True)


def files_of(job: TrainingJob, root: Path) -> dict[str, bytes]:
    """Return the files of a job below a study's folder: its members' and their predictions, by name."""
    study = Study.open(root)
    outputs = (job.member,) if job.fold is not None else job.recipe.outputs(job.member)
    own = study.files(job.member)
    if job.fold is None:
        paths, folders = [], {own.folder, *map(study.member_dir, outputs)}
    else:
        paths, folders = [own.recipe], {own.fold(job.fold).folder}
    paths += [
        p for folder in folders for p in folder.glob("*") if p.is_file() and p.name != "lock" and p.name[0] != "."
    ]
    if job.fold is None:
        paths += [study.predictions_path(output, split) for output in outputs for split in job.splits]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def publish(job: TrainingJob, made: dict[str, bytes]) -> tuple[str, ...]:
    """Write what a machine made of a job into the study, each file whole, predictions last; return their files."""
    study = Study.open(job.study)
    predictions = []
    for name in made:
        if name.partition("/")[0] not in ("members", "predictions") or ".." in Path(name).parts:
            raise KofnError(f"{job.title}: the machine that trained it sent {name!r}, which is no file of a member.")
    with study.member_alone(job.member):
        for name in sorted(made, key=lambda name: (name.startswith("predictions/"), name)):
            path = study.root / name
            with replacing(path) as temporary:
                temporary.write_bytes(made[name])
            if name.startswith("predictions/"):
                predictions.append(str(path))
        study.files(job.member).checkpoint.unlink(missing_ok=True)
    if job.fold is None:
        return tuple(predictions)
    with locked(MemberFiles(study.member_dir(job.member) / "folds").lock):
        merged = merge(study, job.member, load_dataset(study.config.source or "").split("train"), job.folds)
    return () if merged is None else (str(merged),)
