"""What a page leaves out so that it stays small enough to send: images first, then samples, points, curves."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from analysis.page.packed import pack
from analysis.page.pictures import Pictures
from analysis.page.points import points
from analysis.page.value import Page

MOST_BYTES = 4_000_000  # of a page, unless more images were asked for
FOR_PICTURES = 0.15  # of it is kept for images, where there are any, before samples are left out
FEWEST = 2_000  # samples
SENTENCES = 1_000  # bytes, of those that say what was left out
WHY = f"so that the page stays below {MOST_BYTES // 10**6} MB"


def within(page: Page, size_of: Callable[[Page], int], most: int = MOST_BYTES) -> Page:
    """Return the page with as much as `most` bytes have room for; what was left out is said in its `lacking`.

    size_of: the bytes of a page once it is written. Images go first, down to a seventh of the page; where the rest is
    too large for that, some of the samples, points and curves. Images that were asked for by number all stay.
    """
    if size_of(page) <= most:
        return page
    most -= SENTENCES
    carried = page.pictures
    room = most if carried is None or carried.asked else int(most * (1 - FOR_PICTURES))
    page = replace(page, pictures=None)
    for less in (_samples, _points, _curves):
        over = size_of(page) - room
        if over > 0:
            page, carried = less(replace(page, pictures=carried), over)
    if carried is None or carried.asked:
        return replace(page, pictures=carried)
    kept, over = carried, size_of(replace(page, pictures=carried)) - most
    while over > 0 and kept is not None:  # again where it is not enough: a size is known once it is written
        kept = kept.fewer(kept.bytes - over)
        over = size_of(replace(page, pictures=kept)) - most
    left = 0 if kept is None else len(kept.samples)
    if left == len(carried.samples):
        return replace(page, pictures=kept)
    return _told(page, kept, "further images", f"{left:,} of {len(carried.samples):,} images are shown, {WHY}.")


def _told(page: Page, pictures: Pictures | None, key: str, why: str) -> Page:
    return replace(page, pictures=pictures, lacking={**page.lacking, key: why})


def _samples(page: Page, over: int) -> tuple[Page, Pictures | None]:
    """Leave out samples, those of images never, the others evenly over the classes, in whose order they stand."""
    panels, carried = page.panels, page.pictures
    count = len(panels.rows)
    share = 1 - 1.02 * over / len(pack(panels.preds.T)["data"])
    left = max(FEWEST, int(share * count))
    if left >= count:
        return replace(page, pictures=None), carried
    spread = np.linspace(0, count - 1, left).astype(np.int64)
    kept = spread if carried is None else np.union1d(spread, carried.samples)
    if carried is not None:
        carried = replace(carried, samples=np.searchsorted(kept, carried.samples))
    why = (
        f"Classes, confusion, errors and what two subsets win from one another are counted on {len(kept):,} of the "
        f"{count:,} images, spread evenly over the classes, {WHY}; scores and calibration are of all."
    )
    return _told(replace(page, panels=panels.only(kept)), None, "further samples", why), carried


def _points(page: Page, _over: int) -> tuple[Page, Pictures | None]:
    """Carry a sample of the subsets as points."""
    fewer = points(page.table, {*page.panels.masks, *(p.mask for p in (page.front.points if page.front else ()))}, 0)
    if len(fewer.rows) >= len(page.points.rows):
        return replace(page, pictures=None), page.pictures
    why = f"Of {page.table.count:,} subsets {len(fewer.rows):,} are points, a fair sample and the best, {WHY}."
    return _told(replace(page, points=fewer), None, "further points", why), page.pictures


def _curves(page: Page, _over: int) -> tuple[Page, Pictures | None]:
    """Leave out the curves of classes."""
    if page.curves is None:
        return replace(page, pictures=None), page.pictures
    why = f"There is no room for it, {WHY}; ens-report training shows it."
    return _told(replace(page, curves=None), None, "recall over epochs", why), page.pictures
