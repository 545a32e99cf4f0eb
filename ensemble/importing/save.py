"""One's own training loop: predictions that are in memory become a member of a study."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.importing.classes import Classes
from ensemble.importing.labels import meaning, one_hot_texts
from ensemble.importing.parse import Imported
from ensemble.importing.scores import both_classes, is_score
from ensemble.importing.truth import check_reading
from ensemble.importing.validate import admit
from ensemble.importing.values import check_ranked, probabilities
from ensemble.study.history import Table, history_columns, write_history
from ensemble.study.names import COLUMN_DIGITS, check_name, number_ids
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, config_of


def save_predictions(
    study: str | Path | Study,
    member: str,
    values: Any,
    labels: Any = None,
    sample_ids: Sequence[str] | np.ndarray | None = None,
    class_ids: Sequence[Any] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    split: str = "val",
    logits: bool = False,
    history: str | Path | Table | None = None,
    first_layer: Any = None,
    images: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Keep what one's own network predicts as a member of a study, which is begun where there is none.

    All reports then work for it: curves need `history`, filters `first_layer`, galleries `images`. Returns the
    predictions file. The same again changes nothing.

    study: the study's folder. member: the name it shall have.
    values: probabilities (N, C) in floating point, or logits where `logits` is true; an array, a tensor, or a data
    frame, whose columns are the class ids then. (N,) of two classes: of the last of `class_ids`.
    labels: (N,) class ids, or column numbers from 0 where they are no ids; None for an unlabelled split.
    sample_ids: (N,) unique text; members are joined by them. Without ids, rows are.
    class_ids: of the C columns, text or whole numbers; default: those of the study, else the numbers of the columns.
    class_names: C names that a person reads; default: the study's, else the ids.
    history: what was measured each epoch, as `history_columns` takes it: rows, columns or the path of a CSV file.
    first_layer: kernels (out, in, height, width) of the first convolution.
    images: a folder, zip or pack that holds the split's images, whose ids are `sample_ids`; the study's from then on.
    overwrite: replace other predictions of this name that were saved or imported before.

    Warns where the rows seem to be those of other samples than the labels' or other members', where another member
    predicts the same, or where a single class is predicted throughout.
    Raises `BadInput` naming the argument that cannot be used, or how these predictions differ from the study's.
    """
    root = study.root if isinstance(study, Study) else Path(study)
    check_name(member, "member")
    class_ids = _headings(values) if class_ids is None else class_ids
    for what, listed in (("sample_ids", sample_ids), ("class_ids", class_ids), ("class_names", class_names)):
        if isinstance(listed, str | bytes):
            raise BadInput(f"{what}: expected a list, found the text {listed!r}; put it in a list.")
        lacking = [row for row, value in enumerate(() if listed is None else listed) if value is None]
        if lacking:
            raise BadInput(f"{what}: expected text or numbers, found None at position {lacking[0]}; give each one.")
    array = _array(values, "values")
    if is_score(array) and class_ids is not None:
        both = both_classes(array, logits=logits, listed=[_text(i) for i in class_ids], predicted=None, labels=None)
        array = array if both is None else both.values
    try:
        found = probabilities(array, "values", logits=logits)
    except BadInput as error:
        raise _in_python(error) from error
    n, c = found.probs.shape
    there = Study.open(root).config if Study.exists(root) else None
    dataset = None if images is None else load_dataset(images)
    known = there or (None if dataset is None else config_of(dataset))
    classes = _classes(c, class_ids, class_names, known)
    texts = None if labels is None else _labels(_array(labels, "labels"), classes)
    if texts is not None and len(texts) != n:
        raise BadInput(f"labels: expected {n}, one for each row of values, found {len(texts)}.")
    columns = None
    if texts is None:
        check_ranked(found.probs, None, "values")
    else:
        columns = _columns(texts, classes, found.probs, class_ids is not None or known is not None)
        if (columns < 0).any():
            raise BadInput(f"labels: row {int(np.argmin(columns))} has none; leave out samples without a label.")
    kernels = None if first_layer is None else _array(first_layer, "first_layer")
    if kernels is not None and (kernels.ndim != 4 or kernels.dtype.kind not in "fiu"):
        raise BadInput(
            f"first_layer: expected numbers (out, in, height, width), found {kernels.dtype} {kernels.shape}."
        )
    if kernels is not None and not np.isfinite(kernels).all():
        raise BadInput("first_layer: has numbers that are not finite; give the trained kernels, or leave it out.")
    measured = None if history is None else history_columns(history)
    ids = (
        np.arange(n).astype(np.str_)
        if sample_ids is None
        else np.asarray([_text(i) for i in sample_ids], dtype=np.str_)
    )
    predictions = Predictions(
        member=member,
        split=split,
        probs=found.probs,
        sample_ids=ids,
        class_ids=classes.ids,
        class_names=classes.names,
        labels=columns,
        ids_given=sample_ids is not None,
        first_layer=None if kernels is None else kernels.astype(np.float32),
        attributes={} if measured is None else {"epoch": int(measured["epoch"][-1])},
        extras={} if found.logits is None else {"logits": found.logits},
    )
    if dataset is not None:
        if split not in dataset.splits or not set(ids.tolist()) <= set(dataset.split(split).sample_ids.tolist()):
            raise BadInput(
                f"images: {dataset.source} has no {split} images of the ids given, {ids[0]!r} for one; an image's id "
                "is its path below the split's folder, without its ending."
            )
        begun = Study.create(root, config_of(dataset))
        if begun.config.source != dataset.source:
            begun.with_config(data=dataset.name, source=dataset.source, fingerprint=dataset.fingerprint)
        predictions = replace(predictions, data_fingerprint=dataset.fingerprint)
    made = Imported(Path(f"{member}.{split}"), predictions, found.clipped)
    admitted = admit(root, [made], force=overwrite)
    for told in admitted.warnings:
        warnings.warn(told, stacklevel=2)
    if measured is not None:
        kept = Study.open(root)
        with kept.alone():
            write_history(kept.files(member).history, measured)
    return admitted.paths[0]


def _classes(c: int, ids: Sequence[Any] | None, names: Sequence[str] | None, known: Any) -> Classes:
    """Return the classes of the C columns: as given, or as the study has them, or their numbers."""
    if ids is None and known is not None:
        if len(known.class_ids) != c:
            raise BadInput(f"values: expected {len(known.class_ids)} columns, the study's classes, found {c}.")
        given, default = tuple(known.class_ids), tuple(known.class_names)
    elif ids is None:
        given = default = number_ids(c, COLUMN_DIGITS)
    else:
        given = default = tuple(_text(i) for i in ids)
        if known is not None and set(given) == set(known.class_ids):
            by_id = dict(zip(known.class_ids, known.class_names, strict=True))
            default = tuple(by_id[i] for i in given)
    chosen = default if names is None else tuple(_text(name) for name in names)
    for what, listed in (("class_ids", given), ("class_names", chosen)):
        if len(listed) != c:
            raise BadInput(f"{what}: expected {c}, one for each column of values, found {len(listed)}.")
    if len(set(given)) < c:
        twice = next(i for i in given if given.count(i) > 1)
        raise BadInput(f"class_ids: {twice!r} names several columns; give each an id of its own.")
    return Classes(given, chosen)


def _labels(array: np.ndarray, classes: Classes) -> list[str]:
    """Return labels as text; a 1 among zeros in each row (N, C) names its column's class."""
    if array.ndim == 2 and array.shape[1] == len(classes.ids) > 1 and array.dtype.kind in "biuf":
        return one_hot_texts(array.astype(np.float64), classes.ids, "labels")
    return [_text(label) for label in array.ravel().tolist()]


def _columns(texts: Sequence[str], classes: Classes, probs: np.ndarray, named: bool) -> np.ndarray:
    """Return what labels mean, int64 (N,); a refusal says what to do in the words of `save_predictions`."""
    try:
        meant = meaning(texts, classes, [], "labels", named=named)
        check_reading(meant, probs, classes, "labels", False, [])
        check_ranked(probs, meant.columns, "values")
    except BadInput as error:
        raise _in_python(error) from error
    return meant.columns


def _in_python(error: BadInput) -> BadInput:
    """Return a refusal in the words of `save_predictions`, which takes no files and no votes."""
    row = "give each as a row of zeros with a one at its class"
    told = str(error).replace("classes=FILE", "class_ids=[...]").replace("take them with votes=True", row)
    return BadInput(told.replace("can be taken with votes=True", "can be divided by their sum"))


def _headings(values: Any) -> list[str] | None:
    """Return what the columns of a data frame are called, where all of them have names."""
    columns = getattr(values, "columns", None)
    names = [] if columns is None else list(columns)
    return names if names and all(isinstance(name, str) for name in names) else None


def _text(value: Any) -> str:
    """Return an id or label as text; bytes, as HDF5 and NumPy have them, are UTF-8."""
    if not isinstance(value, bytes):
        return str(value.item() if hasattr(value, "item") else value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"expected text in UTF-8, found {value[:40]!r}; decode ids and labels first.") from error


def _array(values: Any, what: str) -> np.ndarray:
    """Return an array or a tensor as an array; one on a device comes from there."""
    for step in ("detach", "cpu"):
        values = getattr(values, step)() if hasattr(values, step) else values
    if str(getattr(values, "dtype", "")) == "torch.bfloat16":
        values = values.float()
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{what}: expected an array, found rows that make none: {str(error)[:100]}.") from error
