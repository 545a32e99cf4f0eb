"""The images of two classes that are taken for one another: the errors between them, and what was told rightly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.classes.confused_pairs import Pair
from analysis.images.gallery import Shown, shown
from analysis.team import Team
from ensemble.split import Split


@dataclass(frozen=True, eq=False)
class PairShelf:
    """Images of a pair of classes, a and b, each set by falling probability of what was said.

    there, back: samples of a that were taken for b, and of b that were taken for a.
    a_right, b_right: samples of a, and of b, that were told rightly.
    """

    pair: Pair
    there: Shown
    back: Shown
    a_right: Shown
    b_right: Shown


@dataclass(frozen=True, eq=False)
class PairGallery:
    """Pairs of classes with their images; members: those whose mean spoke, or the one that did."""

    split: str
    members: tuple[str, ...]
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    shelves: tuple[PairShelf, ...]


def pair_gallery(group: Team, split: Split, pairs: Sequence[Pair], images: int = 3) -> PairGallery:
    """Take the surest `images` of each of the four kinds for every pair; fewer where there are fewer.

    split: the images, in which the team's samples are found by id. Raises `BadInput` where it lacks one.
    """
    stack = group.stack
    labels = stack.require_labels()

    def pick(true: int, said: int) -> Shown:
        rows = np.flatnonzero((labels == true) & (group.preds == said))
        rows = rows[np.lexsort((stack.sample_ids[rows], -group.probs[rows, said]))][:images]
        return shown(split, stack.sample_ids[rows], labels[rows], group.preds[rows], group.probs[rows])

    shelves = [
        PairShelf(pair, pick(pair.a, pair.b), pick(pair.b, pair.a), pick(pair.a, pair.a), pick(pair.b, pair.b))
        for pair in pairs
    ]
    return PairGallery(
        stack.split, tuple(stack.members), tuple(stack.class_ids), tuple(stack.class_names), tuple(shelves)
    )
