"""A page's numbers as JSON that a browser turns back into typed arrays."""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri

from analysis.classes.confusion import first_names
from analysis.page.choices import Choice
from analysis.page.markup import shown
from analysis.page.value import Page
from analysis.subsets.beyond import LeadingTable
from analysis.subsets.table import SubsetTable

_KINDS = {"|u1": "u8", "<u2": "u16", "<u4": "u32", "<f4": "f32", "<f8": "f64"}
EPOCHS, CURVES = 60, 150_000  # epochs of a member, and right answers in all, that curves of classes have at most
EXACT = 4096  # scores of so many subsets are carried in full, of more in single precision


def pack(array: np.ndarray) -> dict[str, Any]:
    """Return an array of numbers as {"type", "shape", "data"}: its bytes, deflated, in base64.

    Its values' first bytes stand together, then the second ones, and so on, which packs floating point smaller. Whole
    numbers take the smallest type, unsigned, that holds them.
    """
    array = np.ascontiguousarray(array)
    if array.dtype.kind in "iu":
        array = array.astype(np.min_scalar_type(int(array.max(initial=0))))
    array = array.astype(array.dtype.newbyteorder("<"))
    planes = np.frombuffer(array.tobytes(), np.uint8).reshape(-1, array.dtype.itemsize).T
    return {
        "type": _KINDS[array.dtype.str],
        "shape": list(array.shape),
        "data": base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode(),
    }


def harmless(document: Any) -> str:
    """Return JSON that no script element ends in: `<`, `>` and `&` are escaped, and so are the two line separators."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def document(page: Page) -> dict[str, Any]:
    """Return what the page's script reads."""
    panels, table = page.panels, page.table
    return {
        "split": table.split,
        "samples": table.samples,
        "members": [shown(member) for member in table.members],
        "start": page.start,
        "best": table.best().mask,
        "z": float(ndtri(0.975)),
        "classes": _classes(page),
        "points": _points(page),
        "bySize": [{"k": s.k, "subsets": s.subsets, "mean": s.mean_accuracy, "best": s.best.mask}
                   for s in table.by_size()],
        "panels": {
            "masks": panels.masks,
            # A sample's decisions stand side by side: most are alike, which packs them to half.
            "preds": pack(panels.preds.T),
            "counts": pack(np.array([c.counts for c in panels.calibrations])),
            "confidence": pack(_no_nan([c.confidence for c in panels.calibrations])),
            "accuracy": pack(_no_nan([c.accuracy for c in panels.calibrations])),
            "ece": [c.ece for c in panels.calibrations],
        },
        "choices": [_choice(choice) for choice in page.choices],
        "pictures": _pictures(page),
        "cost": _cost(page),
        "curves": _curves(page),
        "hardest": _hardest(page),
        "order": pack(page.confusion.order),
        "groups": [{"from": b.start, "to": b.stop, "typical": list(b.typical)} for b in page.confusion.blocks],
    }  # fmt: skip


def _classes(page: Page) -> dict[str, Any]:
    """Return ids, the names they are told apart by, further synonyms, and where each class's samples begin."""
    ids = [shown(i) for i in page.class_ids]
    return {
        "ids": ids,
        "names": [shown(name, i) for name, i in zip(first_names(page.class_names, page.class_ids), ids, strict=True)],
        "also": [shown(", ".join(name.split(", ")[1:]), "") for name in page.class_names],
        "starts": pack(page.panels.starts),
    }


def _points(page: Page) -> dict[str, Any]:
    table, rows = page.table, page.points.rows
    kind = np.float64 if len(rows) <= EXACT else np.float32
    return {
        "all": table.count,
        "leading": isinstance(table, LeadingTable),
        # Every subset's mask is its number; only a sample needs to name them.
        "masks": None if len(rows) == table.count else pack(table.masks[rows].astype(np.int64)),
        "correct": pack(table.correct[rows]),
        "top5": pack(table.top5[rows]),
        "nll": pack(table.nll[rows].astype(kind)),
        "brier": pack(table.brier[rows].astype(kind)),
        **{name: pack(scores[rows].astype(kind)) for name, scores in table.others.items()},
        "exact": _exact(table, page.panels.masks) if kind is np.float32 else {},
        "strips": {
            name: {"low": strips.low, "high": strips.high, "counts": pack(strips.counts)}
            for name, strips in page.points.strips.items()
        },
    }


def _exact(table: SubsetTable, masks: Sequence[int]) -> dict[str, list[float]]:
    """Return NLL and Brier score in full for the subsets that have panels."""
    found = [table.find(mask) for mask in masks]
    return {str(subset.mask): [subset.nll, subset.brier] for subset in found}


def _no_nan(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.nan_to_num(np.array(rows, dtype=np.float64))


def _choice(choice: Choice) -> dict[str, Any]:
    honest = choice.honest
    return {
        "name": choice.name, "size": choice.size, "mask": choice.mask, "apparent": honest.apparent,
        "score": honest.score, "low": honest.low, "high": honest.high, "how": honest.how,
        "stability": choice.stability,
    }  # fmt: skip


def _cost(page: Page) -> dict[str, Any] | None:
    """Return what members cost and the front, by rising cost."""
    front = page.front
    if front is None:
        return None
    points = [
        {"mask": p.mask, "cost": p.cost, "score": p.score, "honest": p.honest.score, "low": p.honest.low,
         "high": p.honest.high} for p in front.points
    ]  # fmt: skip
    return {"of": shown(front.what), "members": front.costs.tolist(), "front": points}


def _curves(page: Page) -> dict[str, Any] | None:
    """Return how many images of each class were right after epochs, those of a member one after another.

    Of long histories not every epoch: always the first and the last, and no more than `CURVES` numbers of all members.
    """
    value = page.curves
    if value is None:
        return None
    most = max(2, min(EPOCHS, CURVES // (len(value.members) * len(value.samples))))
    kept = [np.unique(np.linspace(0, len(e) - 1, min(most, len(e))).round().astype(int)) for e in value.epochs]
    counts = [np.nan_to_num(r[rows] * value.samples) for r, rows in zip(value.recall, kept, strict=True)]
    return {
        "members": [page.table.members.index(member) for member in value.members],
        "epochs": [e[rows].astype(int).tolist() for e, rows in zip(value.epochs, kept, strict=True)],
        "samples": pack(value.samples),
        "correct": pack(np.rint(np.concatenate(counts)).astype(np.int64)),
    }


def _pictures(page: Page) -> dict[str, Any] | None:
    found = page.pictures
    if found is None:
        return None
    panels = page.panels
    # A two-hundredth is finer than the whole percent that is shown; 255 steps would round 0.5 % the wrong way.
    confidence, truth = (np.rint(60_000 * values[:, found.samples].T) for values in (panels.confidence, panels.truth))
    return {
        "samples": pack(found.samples),
        "ids": [shown(sample) for sample in found.ids],
        "file": pack(found.file),
        "files": [f"data:{mime};base64,{base64.b64encode(data).decode()}" for mime, data in found.files],
        "thumbnails": found.thumbnails.tolist(),
        "width": found.size[1],
        "height": found.size[0],
        "confidence": pack(confidence.astype(np.int64)),
        "truth": pack(truth.astype(np.int64)),
    }


def _hardest(page: Page) -> dict[str, Any] | None:
    """Return how surely each class is among the hardest for all members together, in column order."""
    value = page.classes
    if not value.worst_k:
        return None
    share = np.empty(len(value))
    share[value.columns] = np.nan_to_num(value.worst_share)
    return {"k": value.worst_k, "share": pack(share.astype(np.float64))}
