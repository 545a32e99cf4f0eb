"""What the images look like: some images of some classes, drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.errors import BadInput
from ensemble.split import Split


@dataclass(frozen=True, eq=False)
class SampleGrid:
    """A row of images for each of n classes, in the order of the class ids unless classes were named.

    class_ids, class_names: n each. images: n arrays uint8 (m, H, W, Ch), fewer than m where a class has fewer.
    sample_ids: n arrays str, as many. of: how many classes the split has; seed: what drew them.
    """

    split: str
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    images: tuple[np.ndarray, ...]
    sample_ids: tuple[np.ndarray, ...]
    of: int
    seed: int


def sample_grid(
    split: Split, rows: int = 10, images: int = 8, seed: int = 0, classes: Sequence[int] | None = None
) -> SampleGrid:
    """Draw `rows` classes that have images and `images` of each, without replacement; all where there are fewer.

    classes: columns to show in that order, in place of drawn ones. The same split and seed give the same images.
    Raises `BadInput` for an unlabelled split.
    """
    if split.labels is None:
        raise BadInput(f"split {split.name!r} is unlabelled; a grid of classes needs to know which images are whose.")
    if rows < 1 or images < 1:
        raise BadInput(f"sample: expected at least 1 class and 1 image of each, found {rows} and {images}.")
    rng = np.random.default_rng(seed)
    there = np.unique(split.labels)
    chosen = np.sort(rng.permutation(there)[:rows]) if classes is None else np.asarray(classes, dtype=np.int64)
    picked = [np.sort(rng.permutation(np.flatnonzero(split.labels == c))[:images]) for c in chosen]
    return SampleGrid(
        split=split.name,
        class_ids=tuple(split.class_ids[c] for c in chosen),
        class_names=tuple(split.class_names[c] for c in chosen),
        images=tuple(np.array(split.images[own]) for own in picked),
        sample_ids=tuple(split.sample_ids[own] for own in picked),
        of=len(there),
        seed=seed,
    )
