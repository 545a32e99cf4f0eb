"""Begin a study on images, or open one for them."""

from dataclasses import replace
from pathlib import Path

from ensemble.datasets import load_dataset
from ensemble.datasets.pack import is_pack, open_pack, write_pack
from ensemble.errors import BadInput
from ensemble.progress import Progress
from ensemble.study.split import Dataset
from ensemble.study.study import Study, config_of


def begin_study(
    root: str | Path, data: str | Path | Dataset | None = None, *, progress: Progress | None = None
) -> Study:
    """Begin a study in a folder, or open the one that is there, for members to be trained on its images.

    root: the folder. data: what `load_dataset` takes: "digits" (the default of a new study), a folder, a zip, a CSV,
    ...; or a dataset in memory, as `make_dataset` gives it, which is then kept in the study's folder `data`. progress:
    hears (images, all of them) while a folder or zip is packed. Raises `BadInput` where the study is of other images or
    classes, or the images cannot be trained on, `StorageError` where the folder cannot be written.
    """
    if isinstance(data, Dataset):
        kept = Path(root) / "data"
        if not (is_pack(kept) and open_pack(kept).fingerprint == data.fingerprint):
            if Study.exists(Path(root)) and Study.open(Path(root)).config.source is not None:
                raise BadInput(f"{root}: the study was begun with other images; use another study for these.")
            write_pack(replace(data, source=str(kept.absolute())), kept)
        data = kept
    study, _ = study_for(root, data, progress)
    return Study.create(study.root, study.config)


def open_study(root: str | Path) -> Study:
    """Open the study in the folder `root`, begun here or by a command; raise `BadInput` where there is none."""
    return Study.open(Path(root))


def study_for(
    root: str | Path, data: str | Path | None = None, progress: Progress | None = None, *, pack: bool = True
) -> tuple[Study, Dataset]:
    """Return as `begin_study` does, with the images, and nothing of the study written yet; pack: see `load_dataset`."""
    root = Path(root)
    study = Study.open(root) if Study.exists(root) else None
    if study is not None and study.config.source is None and data is None:
        raise BadInput(f"{study.root}: its predictions were imported, so name the images to train on with data=PATH.")
    source = data or (study.config.source if study else None) or "digits"
    dataset = load_dataset(source, progress=progress, pack=pack)
    for needed in ("train", "val"):
        if dataset.split(needed).labels is None:
            raise BadInput(f"{source}: the {needed} images have no labels, and training needs them.")
    config = config_of(dataset)
    if study is None:
        return Study(root, config), dataset
    if dataset.fingerprint and study.config.fingerprint not in (None, dataset.fingerprint):
        raise BadInput(
            f"{study.root}/study.toml: was begun with {study.config.data} (fingerprint "
            f"{str(study.config.fingerprint)[:12]}), {source} has other images ({dataset.fingerprint[:12]}); use "
            "another study for them."
        )
    if study.config.class_ids != config.class_ids:
        raise BadInput(
            f"{study.root}/study.toml: has {len(study.config.class_ids)} classes, {source} has other ones "
            f"({len(config.class_ids)}); use another study for them."
        )
    pinned = replace(
        config,
        fingerprint=config.fingerprint or study.config.fingerprint,
        splits={**study.config.splits, **config.splits},
        runs=study.config.runs,
    )
    return Study(study.root, pinned), dataset
