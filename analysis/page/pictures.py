"""Images of every class for the page, small and each carried once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.images.gallery import image_rows, spread
from analysis.page.choices import Panels
from analysis.stack import PredictionStack
from ensemble.study.split import Split

Encode = Callable[[np.ndarray, int | None], tuple[str, bytes]]
MOST = 800  # images on a page, unless so many are asked for
MOST_A_CLASS = 8
STRIKING = 24  # errors of each kind that are shown in any case
PIXELS, SMALL, MANY = 96, 48, 400  # a side, on the page; and of more than so many classes


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of S samples, by class.

    samples: int64 (S,), increasing: which of the panels' samples. ids: S of their names.
    files: the different images, each its MIME type and its bytes; file: int64 (S,), which of them a sample shows.
    thumbnails: int64 (C,), which of the S stands for a class, -1 for none. size: (height, width) in pixels as they are
    in the dataset. rank: int64 (S,), what goes last where there is no room for all: 0 for the one that stands for its
    class, 1 for the most striking errors, 2 and more for the second and further images of a class. asked: whether so
    many were asked for.
    """

    samples: np.ndarray
    ids: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...]
    file: np.ndarray
    thumbnails: np.ndarray
    size: tuple[int, int]
    rank: np.ndarray
    asked: bool

    @property
    def bytes(self) -> int:
        """Their size on the page, as base64."""
        return sum(map(_size, self.files))

    def fewer(self, room: int) -> "Pictures | None":
        """Return the pictures that matter most in at most `room` bytes of base64; None where there is room for none.

        Second and further images of a class go class by class: either all have one more, or none.
        """
        order = np.argsort(self.rank, kind="stable")
        new = np.zeros(len(order), dtype=np.int64)  # bytes that each adds: a file is carried once
        first = np.unique(self.file[order], return_index=True)[1]
        new[first] = [_size(self.files[self.file[order[i]]]) for i in first]
        fits = int(np.searchsorted(np.cumsum(new), room, side="right"))
        if fits < len(order) and self.rank[order[fits]] > 1:
            fits = int(np.searchsorted(self.rank[order], self.rank[order[fits]]))
        kept = np.sort(order[:fits])
        if not len(kept):
            return None
        files, file = np.unique(self.file[kept], return_inverse=True)
        where = np.full(len(order) + 1, -1)
        where[kept] = np.arange(len(kept))
        return replace(
            self, samples=self.samples[kept], ids=tuple(self.ids[i] for i in kept), rank=self.rank[kept],
            files=tuple(self.files[i] for i in files), file=file, thumbnails=where[self.thumbnails],
        )  # fmt: skip


def _size(file: tuple[str, bytes]) -> int:
    """Return a file's letters as a link, and with its sample's id."""
    return -(-len(file[1]) // 3) * 4 + 60


def pictures(
    stack: PredictionStack, panels: Panels, mask: int, split: Split, encode: Encode, images: int | None = None
) -> Pictures:
    """Choose `images` of each class, evenly spread over those that the subset `mask` has right and those it has wrong.

    images: as many as 800 leave room for, at most 8 and at least 1, where it is None; then the most striking errors
    stand beside them. split: holds the images, found by sample id. encode: gives a MIME type and a file's bytes for
    uint8 (H, W, Ch) and the most pixels a side. Raises `BadInput` where the split lacks samples.
    """
    where = image_rows(split, stack.sample_ids[panels.rows])
    classes = len(panels.starts) - 1
    place, labels = panels.place(mask), panels.labels
    each = images or min(MOST_A_CLASS, max(1, MOST // classes))
    ids = stack.sample_ids[panels.rows]
    right, truth = panels.preds[place] == labels, panels.truth[place]
    shown, first, rank = [], np.full(classes, -1), np.full(len(labels), 1)
    for c in range(classes):
        own = np.arange(panels.starts[c], panels.starts[c + 1])
        chosen = spread(own, ids[own], truth[own], right[own], each)
        if len(chosen):
            first[c] = chosen[0]
            rank[chosen] = np.where(np.arange(len(chosen)) > 0, np.arange(len(chosen)) + 1, 0)
        shown.append(chosen)
    striking = [] if images else striking_errors(panels, mask)
    for rows in striking:
        rank[rows] = np.minimum(rank[rows], 1)
    samples = np.unique(np.concatenate([*shown, *striking]))
    pixels = PIXELS if images or classes <= MANY else SMALL
    files, file = _once([encode(np.asarray(split.images[row]), pixels) for row in where[samples]])
    height, width = split.images.shape[1:3]
    return Pictures(
        samples=samples,
        ids=tuple(str(i) for i in ids[samples]),
        files=files,
        file=file,
        thumbnails=np.where(first < 0, -1, np.searchsorted(samples, first)),
        size=(int(height), int(width)),
        rank=rank[samples],
        asked=images is not None,
    )


def striking_errors(panels: Panels, mask: int, most: int = STRIKING) -> list[np.ndarray]:
    """Return up to `most` samples of each kind of errors of the subset `mask`: the page's list of errors begins so.

    Wrong for it and every single member, by falling margin of what is predicted over the truth; rescued, the fewest
    members right first; spoiled, the most first; and the most confident errors.
    """
    place, labels = panels.place(mask), panels.labels
    alone = [i for i, own in enumerate(panels.masks) if own.bit_count() == 1]
    members = (panels.preds[alone] == labels).sum(axis=0)
    right = panels.preds[place] == labels
    confidence, truth, many = panels.confidence[place], panels.truth[place], len(alone)
    kinds = (
        (~right & (members == 0), truth - confidence), (right & (2 * members < many), members),
        (~right & (2 * members > many), -members), (~right, -confidence),
    )  # fmt: skip
    return [rows[np.argsort(key[rows], kind="stable")[:most]] for rows, key in
            ((np.flatnonzero(chosen), key) for chosen, key in kinds)]  # fmt: skip


def _once(files: Sequence[tuple[str, bytes]]) -> tuple[tuple[tuple[str, bytes], ...], np.ndarray]:
    """Return the different files, in the order they come, and which of them each was."""
    known: dict[tuple[str, bytes], int] = {}
    places = [known.setdefault(file, len(known)) for file in files]
    return tuple(known), np.array(places, dtype=np.int64)
