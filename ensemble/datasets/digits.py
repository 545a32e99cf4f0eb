"""The embedded digits: 1,797 images of scikit-learn, made hard enough that an ensemble shows."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ensemble.datasets.pack import fingerprint_of
from ensemble.study.split import Dataset, Split

TRAIN_PER_CLASS = 20
NOISE = 0.3
SEED = 0


def load_digits() -> Dataset:
    """Return the splits "train" (200 images, 20 a class) and "val" (1,597), each uint8 (N, 16, 16, 1).

    scikit-learn's `load_digits` / 16, each pixel doubled both ways, plus Gaussian noise of standard deviation 0.3,
    with [-1, 2] mapped onto 0..255 and what lies outside clipped: normalisation undoes such a map. Sample ids are
    the row numbers in scikit-learn's array, in four digits.

    The noise and the choice come from `np.random.RandomState`: numpy's policy (NEP 19) freezes its streams for
    good, while those of `default_rng` may change between releases, and the images must be the same everywhere.
    """
    values, labels = _original()
    stream = np.random.RandomState(SEED)
    clean = (values / 16.0).repeat(2, axis=1).repeat(2, axis=2)
    noisy = clean + stream.normal(0.0, NOISE, clean.shape)
    images = np.clip(np.rint((noisy + 1.0) * 85.0), 0, 255).astype(np.uint8)[..., None]

    order = stream.permutation(len(labels))
    chosen = np.concatenate([order[labels[order] == c][:TRAIN_PER_CLASS] for c in range(10)])
    in_train = np.zeros(len(labels), dtype=bool)
    in_train[chosen] = True

    class_ids = tuple(str(c) for c in range(10))
    ids = np.array([f"{i:04d}" for i in range(len(labels))])
    splits = {
        name: Split(name, images[rows], labels[rows], ids[rows], class_ids, class_ids)
        for name, rows in (("train", in_train), ("val", ~in_train))
    }
    return Dataset(
        name="digits",
        source="digits",
        fingerprint=fingerprint_of(splits.values(), class_ids),
        splits=splits,
        class_ids=class_ids,
        class_names=class_ids,
    )


def _original() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's `load_digits`: values of 0 to 16, float64 (1797, 8, 8), and labels, int64 (1797,).

    Read from its file where that lies where it always lay: importing scikit-learn for it takes every process a second.
    """
    found = find_spec("sklearn")
    file = Path(*(found.submodule_search_locations or ()) if found else (), "datasets", "data", "digits.csv.gz")
    if not file.is_file():
        from sklearn.datasets import load_digits as original

        raw = original()
        return raw.images, raw.target.astype(np.int64)
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)
