"""Files of predictions become members of a study, with images, a history and first-layer kernels where given."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.importing.labels import match
from ensemble.importing.parse import Imported, import_files, sorted_classes
from ensemble.importing.validate import Admission, admit, study_classes
from ensemble.machine import Progress
from ensemble.study.arrays import read_npy, read_npz
from ensemble.study.history import history_columns, write_history
from ensemble.study.split import Dataset
from ensemble.study.study import Study, config_of


def import_members(
    study: str | Path,
    files: Sequence[str | Path],
    *,
    images: str | Path | None = None,
    history: str | Path | None = None,
    filters: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> tuple[list[Imported], Admission]:
    """Read files of predictions and keep them as members of a study, which is begun where there is none.

    All are checked before any is written; what is there already with the same content is left alone.

    images: a folder, zip or pack that holds the images, for galleries; an image's id is its path below the split's
    folder without its ending, and so are the samples' from then on.
    history: a CSV file with a row an epoch, for curves. filters: a .npy or .npz file of first-layer kernels, (out, in,
    height, width) or as Keras has them (height, width, in, out). Both belong to one member.
    force: replace members of the same name; progress: hears (files, all of them).
    options: what `import_file` takes (member, split, labels, ids, classes, logits, votes, drop_unlabelled).

    Returns what was read, and what became of it. Raises `BadInput`, and `StorageError`.
    """
    root = Path(study)
    for name, given in (("history", history), ("filters", filters)):
        if given is not None and len(files) != 1:
            raise BadInput(
                f"{name}={given}: belongs to one member, but {len(files)} files were given; import them singly."
            )
    measured = None if history is None else history_columns(history)
    kernels = None if filters is None else read_kernels(Path(filters))
    dataset = None if images is None else load_dataset(images, progress=progress)
    known = study_classes(root)
    if known is None and dataset is not None:
        known = sorted_classes(dataset.class_ids, dataset.class_names)
    imported = import_files(files, study_classes=known, **options)
    if dataset is not None:
        imported = [_of_images(one, dataset) for one in imported]
    if kernels is not None:
        imported = [replace(one, predictions=replace(one.predictions, first_layer=kernels)) for one in imported]
    if measured is not None:
        epoch = {"epoch": int(measured["epoch"][-1])}
        imported = [
            replace(one, predictions=replace(one.predictions, attributes={**one.predictions.attributes, **epoch}))
            for one in imported
        ]
    if dataset is not None:
        begun = Study.create(root, config_of(dataset))
        if begun.config.source != dataset.source:
            begun.with_config(data=dataset.name, source=dataset.source, fingerprint=dataset.fingerprint)
    admitted = admit(root, imported, force=force)
    if measured is not None:
        kept = Study.open(root)
        with kept.alone():
            write_history(kept.files(imported[0].predictions.member).history, measured)
    return imported, admitted


def read_kernels(path: Path) -> np.ndarray:
    """Return first-layer kernels, float32 (out, in, height, width), of a .npy or .npz file; raise `BadInput`."""
    if path.suffix.lower() == ".npy":
        values = read_npy(path)
    else:
        names = read_npz(path, ())[1]
        name = next((n for n in ("last", "first_layer", "kernels", "weight") if n in names), names[0] if names else "")
        if not name or (
            len(names) > 1 and name == names[0] and name not in ("last", "first_layer", "kernels", "weight")
        ):
            raise BadInput(
                f"{path}: expected an array 'first_layer', found {', '.join(names) or 'none'}; save it as that."
            )
        values = read_npz(path, [name])[0][name]
    if values.ndim != 4 or values.dtype.kind not in "fiu" or 0 in values.shape or not np.isfinite(values).all():
        raise BadInput(
            f"{path}: expected finite kernels (out, in, height, width), found {values.dtype} {values.shape}; save the "
            "weights of the first convolution."
        )
    channels = (1, 3, 4)
    if values.shape[2] in channels and values.shape[3] > max(values.shape[:2]):  # Keras: height, width, in, out
        values = values.transpose(3, 2, 0, 1)
    elif values.shape[1] not in channels:
        raise BadInput(
            f"{path}: expected kernels of images, of 1 or 3 channels, found the shape {values.shape}; give those of "
            "the first convolution as (out, in, height, width)."
        )
    return np.ascontiguousarray(values, dtype=np.float32)


def _of_images(one: Imported, dataset: Dataset) -> Imported:
    """Return predictions under the ids of their images; raise `BadInput` where these are not there."""
    p = one.predictions
    ids = dataset.split(p.split).sample_ids.tolist()
    if not p.ids_given:
        raise BadInput(
            f"{one.file}: has no ids, so its images cannot be found in {dataset.source}; give them with ids=FILE."
        )
    found = match(p.sample_ids.tolist(), ids)
    if found is None:
        raise BadInput(
            f"{one.file}: expected the ids of {p.split} images of {dataset.source}, such as {ids[0]!r}, found "
            f"{str(p.sample_ids[0])!r}; an image's id is its path below the split's folder, without its ending."
        )
    rows, how = found
    notes = (*one.notes, f"samples are called as their images are, compared {how}") if how else one.notes
    named = replace(p, sample_ids=np.array(ids, dtype=np.str_)[rows], data_fingerprint=dataset.fingerprint)
    return replace(one, predictions=named, notes=notes)
