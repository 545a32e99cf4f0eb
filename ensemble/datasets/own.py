"""Images of one's own as a dataset: arrays, a torch Dataset, a file of arrays, or a function."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.datasets.pack import fingerprint_of
from ensemble.errors import BadInput, nearest, reason_of
from ensemble.own_code import called, own_function
from ensemble.study.arrays import read_npy, read_npz, texts_of
from ensemble.study.names import number_ids
from ensemble.study.split import Dataset, Split


def make_dataset(
    train: Any, val: Any, test: Any = None, *, class_names: Sequence[str] | None = None, name: str = "own",
    source: str = "",
) -> Dataset:  # fmt: skip
    """Return images in memory as a dataset, to begin a study with.

    train, val, test: each a pair of uint8 images (N, H, W) or (N, H, W, 1 or 3) and labels (N,), whole numbers from 0
    or names of classes (test may be images alone); or anything with a length whose items are pairs of an image and a
    label, as every torch Dataset is. An image is uint8 (H, W) or (H, W, Ch), a PIL image, or a float tensor (Ch, H, W)
    in 0..1. class_names: of label 0, 1, ...; by default the numbers. name, source: what the
    dataset is called, and where it is from, in words. Samples are called by their row numbers.

    Raises `BadInput` where images differ in shape, or a label is none.
    """
    parts = {
        key: _part(part, key) for key, part in (("train", train), ("val", val), ("test", test)) if part is not None
    }
    labels = {key: y for key, (_, y) in parts.items() if y is not None}
    for needed in ("train", "val"):
        if needed not in labels:
            raise BadInput(f"{needed}: has no labels, and training needs them; give (images, labels).")
    ids, numbers = _classes(labels, class_names)
    names = tuple(map(str, class_names)) if class_names is not None else ids
    splits = {
        key: Split(key, images, numbers.get(key), np.char.mod("%06d", np.arange(len(images))), ids, names)
        for key, (images, _) in parts.items()
    }
    shapes = {split.images.shape[1:]: key for key, split in splits.items()}
    if len(shapes) > 1:
        raise BadInput(
            "images: " + ", ".join(f"{key} are {shape}" for shape, key in shapes.items()) + "; make them one."
        )
    return Dataset(name, source, fingerprint_of(splits.values(), ids), splits, ids, names)


def _part(part: Any, key: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return uint8 images (N, H, W, Ch) and labels (N,) of a pair of arrays, or of a dataset item by item."""
    if isinstance(part, np.ndarray):
        return _images(part, key), None
    if isinstance(part, tuple | list) and len(part) == 2 and hasattr(part[0], "shape"):
        images, labels = _images(np.asarray(part[0]), key), part[1] if part[1] is None else np.asarray(part[1])
        if labels is not None and labels.shape != (len(images),):
            raise BadInput(f"{key}: {len(images)} images, but labels of shape {labels.shape}; expected one an image.")
        return images, labels
    if not (hasattr(part, "__len__") and hasattr(part, "__getitem__")):
        raise BadInput(
            f"{key}: expected (images, labels) or a dataset with a length and items, found {type(part).__name__}."
        )
    items = []
    for i in range(len(part)):
        try:
            items.append(part[i])
        except Exception as error:  # whatever a dataset of a user's raises
            raise BadInput(
                f"{key}: item {i} of {len(part)} raised {type(error).__name__}: {reason_of(error)}; mend the dataset."
            ) from error
    if not items or not all(isinstance(item, tuple | list) and len(item) == 2 for item in items):
        raise BadInput(f"{key}: expected items that are (image, label), {len(items)} of them were looked at.")
    pixels = [_image(image, f"{key}, item {i}") for i, (image, _) in enumerate(items)]
    shapes = {p.shape for p in pixels}
    if len(shapes) > 1:
        found = ", ".join(map(str, sorted(shapes)[:3]))
        raise BadInput(f"{key}: images of {len(shapes)} shapes, {found}; resize them in the dataset's transform.")
    return _images(np.stack(pixels), key), np.asarray(
        [_label(label, f"{key}, item {i}") for i, (_, label) in enumerate(items)]
    )


def _label(label: Any, where: str) -> Any:
    value = np.asarray(label)
    if value.size != 1:
        raise BadInput(
            f"{where}: expected one label, the number or name of a class, found {value.dtype} of shape {value.shape}; "
            "give the position of the one in a one-hot row."
        )
    return value.item()


def _images(images: np.ndarray, key: str) -> np.ndarray:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise BadInput(
            f"{key}: expected uint8 images (N, H, W) or (N, H, W, 1 or 3), found {images.dtype} {images.shape}; give "
            "pixels of 0 to 255, channels last."
        )
    if 0 in images.shape[1:]:
        raise BadInput(f"{key}: images of shape {images.shape[1:]} have no pixels; give some.")
    return images[..., None] if images.ndim == 3 else images


def _image(image: Any, where: str) -> np.ndarray:
    """Return one image as uint8 (H, W) or (H, W, Ch)."""
    pixels = np.asarray(image)
    if pixels.dtype == np.uint8:
        return pixels.transpose(1, 2, 0) if hasattr(image, "numpy") and pixels.ndim == 3 else pixels
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    if pixels.dtype.kind == "f" and pixels.ndim == 3 and low >= 0 and high <= 1:
        return np.rint(pixels * 255).astype(np.uint8).transpose(1, 2, 0)
    raise BadInput(
        f"{where}: expected uint8 pixels, or a float tensor (channels, height, width) in 0..1, found {pixels.dtype} "
        f"{pixels.shape} in {low:g}..{high:g}; leave normalisation out of the transform, recipes do it."
    )


def _classes(
    labels: Mapping[str, np.ndarray], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return the ids of classes, sorted, and every split's labels as positions in them."""
    for key, y in labels.items():
        if not len(y):
            raise BadInput(f"{key}: holds no images; give it some.")
        strange = [value for value in y.tolist() if not isinstance(value, str | bytes | int)]
        if strange:
            raise BadInput(
                f"{key}: expected labels that are whole numbers or names of classes, found {y.dtype}, such as "
                f"{strange[0]!r}."
            )
    if len(np.unique(labels["train"])) < 2:
        raise BadInput(f"train: has one class only, {labels['train'][0]!s}; expected two or more.")
    whole = all(y.dtype.kind in "iu" for y in labels.values())
    if whole:
        count = int(labels["train"].max()) + 1 if class_names is None else len(class_names)
        for key, y in labels.items():
            if len(y) and not (y.min() >= 0 and y.max() < count):
                bad = int(np.flatnonzero((y < 0) | (y >= count))[0])
                raise BadInput(f"{key}: label {y[bad]} of image {bad} is outside of 0..{count - 1}, the classes.")
        trained = np.unique(labels["train"])
        if class_names is None and len(trained) < count:
            gap = next(i for i, label in enumerate(trained) if i != label)
            raise BadInput(
                f"train: has no image of class {gap}, and labels up to {count - 1}; number the classes from 0 without "
                "a gap, or give class_names."
            )
        for key, y in labels.items():
            unseen = np.setdiff1d(y, trained)
            if len(unseen):
                raise BadInput(
                    f"{key}: has images of class {unseen[0]}, and train has none; give train some, or leave them out."
                )
        return number_ids(count), {key: y.astype(np.int64) for key, y in labels.items()}
    ids = tuple(sorted({str(value) for value in labels["train"]}))
    at = {value: i for i, value in enumerate(ids)}
    for key, y in labels.items():
        strange = sorted({str(value) for value in y} - set(ids))
        if strange:
            raise BadInput(f"{key}: has the class {strange[0]!r}, which train lacks; {nearest(strange[0], ids)}.")
    if class_names is not None:
        raise BadInput("class_names: are of whole-number labels; these labels are names already, leave them out.")
    return ids, {key: np.array([at[str(value)] for value in y], dtype=np.int64) for key, y in labels.items()}


def from_function(text: str) -> Dataset:
    """Return what a user's function "package.module:function" gives: a `Dataset`, or what `make_dataset` takes.

    That is a mapping of "train", "val" and perhaps "test" and "class_names". Raises `BadInput`.
    """
    where = f"data={text!r}"
    found = called(own_function(text, "data"), where, {})
    if isinstance(found, Dataset):
        return Dataset(
            found.name, text, found.fingerprint, found.splits, found.class_ids, found.class_names, found.notes
        )
    if not isinstance(found, Mapping) or not {"train", "val"} <= set(found):
        raise BadInput(
            f"{where}: expected a Dataset, or a dictionary with 'train' and 'val', found {type(found).__name__}; "
            "return {'train': (images, labels), 'val': (images, labels)}."
        )
    strange = sorted(set(found) - {"train", "val", "test", "class_names"})
    if strange:
        raise BadInput(f"{where}: {strange[0]!r} is not a part of a dataset; known: train, val, test, class_names.")
    try:
        return make_dataset(**found, name=text.rpartition(":")[2], source=text)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error


_ARRAYS = ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels", "class_names")


def from_npz(path: Path) -> Dataset:
    """Return the arrays `train_images`, `train_labels`, `val_images`, `val_labels` and the like of an .npz file.

    Or of a folder that holds each of them as an .npy file of its name.
    """
    if path.is_dir():
        names = [file.stem for file in sorted(path.glob("*.npy"))]
        arrays = {name: read_npy(path / f"{name}.npy") for name in _ARRAYS if name in names}
    else:
        arrays, names = read_npz(path, _ARRAYS)
    for key in _ARRAYS[:4]:
        if key not in arrays:
            raise BadInput(f"{path}: lacks the array {key!r}, it has {', '.join(names[:20]) or 'none'}; add it.")
    test = (arrays["test_images"], arrays.get("test_labels")) if "test_images" in arrays else None
    class_names = None if "class_names" not in arrays else texts_of(arrays["class_names"], f"{path}: class_names")
    try:
        return make_dataset(
            (arrays["train_images"], arrays["train_labels"]), (arrays["val_images"], arrays["val_labels"]), test,
            class_names=class_names, name=path.stem, source=str(path.absolute()),
        )  # fmt: skip
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
