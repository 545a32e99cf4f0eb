"""A class's images with what was predicted: the value that a gallery shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.classes.confusion import Pair
from analysis.ensemble import Ensemble
from analysis.errors import ErrorAnalysis
from ensemble.errors import BadInput, nearest
from ensemble.study.split import Split

MOST_CLASSES = 20


@dataclass(frozen=True, eq=False)
class Shelf:
    """Some images of one class: right ones first, then wrong ones, each by falling probability of the truth.

    samples, correct: counts over ALL images of the class in the split, not only those shown.
    images: uint8 (n, H, W, Ch), Ch 1 or 3.
    sample_ids: str (n,).
    right: bool (n,).
    preds: int64 (n,), the class that is predicted, a position in `Gallery.class_ids`.
    confidence, true_probability: float64 (n,), mean probability of the predicted class and of the true one.
    """

    class_id: str
    class_name: str
    samples: int
    correct: int
    images: np.ndarray
    sample_ids: np.ndarray
    right: np.ndarray
    preds: np.ndarray
    confidence: np.ndarray
    true_probability: np.ndarray


@dataclass(frozen=True, eq=False)
class Shown:
    """Some samples as pictures, with what was predicted.

    images: uint8 (n, H, W, Ch), Ch 1 or 3. sample_ids: str (n,). true, preds: int64 (n,), columns.
    confidence, true_probability: float64 (n,).
    """

    images: np.ndarray
    sample_ids: np.ndarray
    true: np.ndarray
    preds: np.ndarray
    confidence: np.ndarray
    true_probability: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Gallery:
    """Shelves of images, one a class.

    of: the members that were combined.
    """

    split: str
    of: tuple[str, ...]
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    shelves: tuple[Shelf, ...]


def find_class(wanted: str, class_ids: Sequence[str], class_names: Sequence[str]) -> int:
    """Return the position of the class with this id, name, or synonym of a name ("alsatian"), letter case aside.

    Raises `BadInput` naming the nearest where there is none, or where a name fits several.
    """
    if wanted in class_ids:
        return class_ids.index(wanted)
    folded = wanted.casefold().strip()
    whole = [i for i, name in enumerate(class_names) if name.casefold().strip() == folded]
    found = whole or [i for i, name in enumerate(class_names) if folded in _synonyms(name)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(class_ids[i] for i in found)
        raise BadInput(f"class {wanted!r} names {len(found)} classes; give an id instead: {ids}.")
    known = {synonym: name for name in class_names for synonym in (*_synonyms(name), name)}
    known |= {i: i for i in class_ids}
    raise BadInput(f"no class {wanted!r}, by id or by name; {nearest(wanted, known)}.")


def _synonyms(name: str) -> list[str]:
    return [part.strip() for part in name.casefold().split(",")]


def gallery(ensemble: Ensemble, split: Split, classes: Sequence[int], images: int = 8) -> Gallery:
    """Choose `images` images of each class, evenly spread over its right and its wrong ones.

    The class's images are put in the order of `Shelf`, and the first, the last and others at even distances between
    them are taken: so at least one right and one wrong image is shown where there are both and two are asked for.
    ensemble: labelled; its samples are found in `split` by id. classes: columns, positions in its class ids.
    Raises `BadInput` where the split lacks samples of the stack.
    """
    stack, preds, probs = ensemble.stack, ensemble.preds, ensemble.probs
    labels = stack.labels
    if labels is None:
        raise BadInput(f"split {stack.split!r} is unlabelled; a gallery needs to know what is right.")
    if len(classes) > MOST_CLASSES:
        raise BadInput(f"a gallery shows at most {MOST_CLASSES} classes, found {len(classes)}; ask for fewer.")
    rows = image_rows(split, stack.sample_ids)
    shelves = []
    for c in classes:
        members = np.flatnonzero(labels == c)
        shown = spread(members, stack.sample_ids[members], probs[members, c], preds[members] == c, images)
        shelves.append(
            Shelf(
                class_id=stack.class_ids[c],
                class_name=stack.class_names[c],
                samples=len(members),
                correct=int((preds[members] == c).sum()),
                images=np.array(split.images[rows[shown]]),
                sample_ids=stack.sample_ids[shown],
                right=preds[shown] == c,
                preds=preds[shown],
                confidence=probs[shown, preds[shown]],
                true_probability=probs[shown, c],
            )
        )
    return Gallery(
        split=stack.split,
        of=ensemble.of,
        class_ids=tuple(stack.class_ids),
        class_names=tuple(stack.class_names),
        shelves=tuple(shelves),
    )


def spread(rows: np.ndarray, ids: np.ndarray, truth: np.ndarray, right: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` of a class's rows, evenly spread: right ones first, each by falling probability `truth`.

    ids, truth, right: of each of the rows; equal probabilities are in the order of the ids.
    """
    order = rows[np.lexsort((ids, -truth, ~right))]
    return order[np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(np.int64)]


def image_rows(split: Split, sample_ids: np.ndarray) -> np.ndarray:
    """Return int64 (n,): where in `split` each of the samples stands; raise `BadInput` where it lacks one."""
    at = {str(sample): row for row, sample in enumerate(split.sample_ids)}
    missing = [str(sample) for sample in sample_ids if str(sample) not in at]
    if missing:
        raise BadInput(
            f"split {split.name!r} of the images lacks {len(missing)} of {len(sample_ids)} predicted samples, "
            f"{missing[0]!r} for one; the predictions are of other images, or came without sample ids."
        )
    return np.array([at[str(sample)] for sample in sample_ids], dtype=np.int64)


def shown(split: Split, sample_ids: np.ndarray, labels: np.ndarray, preds: np.ndarray, probs: np.ndarray) -> Shown:
    """Return n samples as pictures.

    sample_ids: str (n,); labels, preds: int64 (n,); probs: floats (n, C), the ensemble's.
    """
    each = np.arange(len(labels))
    return Shown(
        images=np.array(split.images[image_rows(split, sample_ids)]),
        sample_ids=sample_ids,
        true=labels,
        preds=preds,
        confidence=probs[each, preds],
        true_probability=probs[each, labels],
    )


# What each kind shows, the first first.
ERROR_KINDS: Mapping[str, Callable[[ErrorAnalysis], np.ndarray]] = {
    "suspects": lambda value: value.suspects,
    "rescued": lambda value: value.rescued,
    "spoiled": lambda value: value.spoiled,
    "drawn": lambda value: value.drawn_errors(),
}


@dataclass(frozen=True, eq=False)
class ErrorGallery:
    """Some errors of one kind: rows int64 (n,) of `errors`, images uint8 (n, H, W, Ch); of how many there are."""

    errors: ErrorAnalysis
    kind: str
    rows: np.ndarray
    images: np.ndarray
    of: int


def error_gallery(value: ErrorAnalysis, split: Split, kind: str, images: int = 12) -> ErrorGallery:
    """Take the first `images` errors of a kind: "suspects", "rescued", "spoiled" or "drawn".

    split: the images, in which samples are found by id. Raises `BadInput` where it lacks one of those shown.
    """
    if kind not in ERROR_KINDS:
        raise BadInput(f"{kind!r} is not a kind of errors; {nearest(kind, ERROR_KINDS)}.")
    rows = ERROR_KINDS[kind](value)
    shown = rows[:images]
    pixels = np.array(split.images[image_rows(split, value.sample_ids[shown])])
    return ErrorGallery(value, kind, shown, pixels, len(rows))


@dataclass(frozen=True, eq=False)
class PairShelf:
    """Images of a pair of classes, a and b, each set by falling confidence.

    there, back: samples of a that are predicted as b, and of b that are predicted as a.
    a_right, b_right: samples of a, and of b, that are right.
    """

    pair: Pair
    there: Shown
    back: Shown
    a_right: Shown
    b_right: Shown


@dataclass(frozen=True, eq=False)
class PairGallery:
    """Pairs of classes with their images; members: those that were combined, or the one there is."""

    split: str
    members: tuple[str, ...]
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    shelves: tuple[PairShelf, ...]


def pair_gallery(ensemble: Ensemble, split: Split, pairs: Sequence[Pair], images: int = 3) -> PairGallery:
    """Take the most confident `images` of each of the four kinds for every pair; fewer where there are fewer.

    split: the images, in which the ensemble's samples are found by id. Raises `BadInput` where it lacks one.
    """
    stack = ensemble.stack
    labels = stack.require_labels()

    def pick(true: int, guess: int) -> Shown:
        rows = np.flatnonzero((labels == true) & (ensemble.preds == guess))
        rows = rows[np.lexsort((stack.sample_ids[rows], -ensemble.probs[rows, guess]))][:images]
        return shown(split, stack.sample_ids[rows], labels[rows], ensemble.preds[rows], ensemble.probs[rows])

    shelves = [
        PairShelf(pair, pick(pair.a, pair.b), pick(pair.b, pair.a), pick(pair.a, pair.a), pick(pair.b, pair.b))
        for pair in pairs
    ]
    return PairGallery(stack.split, ensemble.of, tuple(stack.class_ids), tuple(stack.class_names), tuple(shelves))


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
