"""What a recipe says of its images, as text: how they are varied, and how pixels become a network's input.

Varied: "mirror crop:4 + rotate:10 blur:5,0.1,2", see docs/augmentation.md; made an input: "mean-image", "imagenet",
"0.5,0.5,0.5/0.25,0.25,0.25"; how large training sees them: "32:12 48:6".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ensemble.errors import BadInput, nearest


@dataclass(frozen=True)
class Op:
    """One operation of a set, with its values filled in."""

    name: str
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What an operation takes. values: name -> (lowest, highest); default: what they are where none are written.

    whole: the values that are whole numbers; ordered: the last two are a low end and a high end.
    """

    says: str
    values: Mapping[str, tuple[float, float]]
    default: tuple[float, ...] = ()
    whole: tuple[str, ...] = ()
    ordered: bool = False


_SHARE = (0.0, 1.0)
OPERATIONS: Mapping[str, Operation] = {
    "mirror": Operation("left to right, with probability P", {"P": _SHARE}, (0.5,)),
    "flip": Operation("upside down, with probability P", {"P": _SHARE}, (0.5,)),
    "rotate": Operation("by -DEG to DEG degrees", {"DEG": (0, 180)}),
    "shift": Operation("down and across by up to FRACTION of height and width", {"FRACTION": _SHARE}),
    "shear": Operation("by -DEG to DEG degrees along x", {"DEG": (0, 80)}),
    "zoom": Operation("to 1 - FRACTION to 1 + FRACTION of the size", {"FRACTION": (0, 0.95)}),
    "edge": Operation("what rotate, shift, shear and zoom uncover is the nearest pixel, not black", {}),
    "brightness": Operation("times 1 - X to 1 + X", {"X": (0, 10)}),
    "jitter": Operation(
        "brightness, contrast and saturation, each times 1 - its number to 1 + it",
        {"B": _SHARE, "C": _SHARE, "S": _SHARE},
    ),
    "blur": Operation(
        "Gaussian of K x K pixels and sigma LO to HI",
        {"K": (1, 63), "LO": (0.01, 100), "HI": (0.01, 100)}, whole=("K",), ordered=True,
    ),
    "centre-crop": Operation("the middle SIDE x SIDE pixels, resized back", {"SIDE": (1, 10_000)}, whole=("SIDE",)),
    "crop": Operation("PAD black pixels around, then a piece of the old size", {"PAD": (1, 1000)}, whole=("PAD",)),
    "resized-crop": Operation(
        "a random piece of LO to HI of the area, 3:4 to 4:3, resized back",
        {"LO": (0.001, 1), "HI": (0.001, 1)}, (0.08, 1.0), ordered=True,
    ),
    "erase": Operation("a black rectangle of 2 to 33 % of the area, with probability P", {"P": _SHARE}, (0.25,)),
}  # fmt: skip

# The papers' sets. Where a paper states no number, ours are assumptions: docs/augmentation.md says which.
NAMED: Mapping[str, str] = {
    "set1": "mirror centre-crop:56",
    "set2": "rotate:10 mirror flip blur:5,0.1,2",
    "bastidas": "rotate:45 shift:0.1 edge mirror",
    "de": "rotate:15 shear:10 edge mirror brightness:0.2",
    "de-more": "rotate:30 shear:20 zoom:0.1 edge mirror brightness:0.4",
}


def parse_augment(text: str) -> tuple[tuple[Op, ...], ...]:
    """Return the sets that `text` names, each its operations in order; "" is one set of none.

    Raises `BadInput` on an unknown operation, a value that is missing, odd or out of its range, an empty set, and an
    operation that stands twice in one set.
    """
    if not text.strip():
        return ((),)
    return tuple(_set(part, text) for part in text.split("+"))


def _set(part: str, text: str) -> tuple[Op, ...]:
    tokens = [token for word in part.split() for token in NAMED.get(word, word).split()]
    if not tokens:
        raise BadInput(f"augment {text!r}: a set beside '+' is empty; leave the '+' out, or write the operations.")
    found = tuple(_operation(token, text) for token in tokens)
    names = [op.name for op in found]
    twice = [name for name in OPERATIONS if names.count(name) > 1]
    if twice:
        raise BadInput(f"augment {text!r}: {twice[0]} stands twice in one set; write it once, or part the sets by '+'.")
    return found


def _operation(token: str, text: str) -> Op:
    name, colon, written = token.partition(":")
    if name not in OPERATIONS:
        raise BadInput(
            f"augment {text!r}: {name!r} is not an operation or a set; {nearest(name, [*OPERATIONS, *NAMED])}."
        )
    kind = OPERATIONS[name]
    form = name + (":" + ",".join(kind.values) if kind.values else "")
    expected = f"augment {text!r}: {token!r} must be written {form} ({kind.says})"
    try:
        values = tuple(float(value) for value in written.split(",")) if colon else kind.default
    except ValueError as error:
        raise BadInput(f"{expected}, with numbers.") from error
    if len(values) != len(kind.values):
        raise BadInput(f"{expected}, with {len(kind.values) or 'no'} value(s), found {len(values)}.")
    for value, (key, (low, high)) in zip(values, kind.values.items(), strict=True):
        if not low <= value <= high or (key in kind.whole and value != int(value)):
            number = "a whole number" if key in kind.whole else "a number"
            raise BadInput(f"{expected}, {key} {number} from {low:g} to {high:g}, found {value:g}.")
    if name == "blur" and values[0] % 2 == 0:
        raise BadInput(f"{expected}, K odd, found {values[0]:g}.")
    if kind.ordered and values[-2] > values[-1]:
        raise BadInput(f"{expected}, LO at most HI, found {values[-2]:g} and {values[-1]:g}.")
    return Op(name, values)


def check_size(sets: tuple[tuple[Op, ...], ...], height: int, width: int) -> None:
    """Raise `BadInput` where images of height x width are too small for an operation."""
    for op in (op for ops in sets for op in ops if op.name in ("centre-crop", "blur")):
        least = int(op.values[0]) if op.name == "centre-crop" else int(op.values[0]) // 2 + 1
        if min(height, width) < least:
            raise BadInput(
                f"augment {op.name}:{op.values[0]:g}: images of {height}x{width} are too small, each side must be "
                f"{least} pixels or more; give it a smaller number, or leave {op.name} out."
            )


# -- normalisation --------------------------------------------------------------------------------

MEASURED = ("mean-image", "std-image", "channel")


@dataclass(frozen=True)
class Normalisation:
    """Subtract `mean`, divide by `std`, both of pixels in 0..1, one value or one a channel; blue first where `bgr`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = False


# What does not depend on the images. "caffe" is Keras' for VGG16 and ResNet50: blue, green, red, 0..255 about the mean.
FIXED: Mapping[str, Normalisation] = {
    "unit": Normalisation((0.0,), (1.0,)),
    "symmetric": Normalisation((0.5,), (0.5,)),
    "imagenet": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": Normalisation(tuple(m / 255 for m in (103.939, 116.779, 123.68)), (1 / 255,), bgr=True),
}


def parse_normalise(text: str) -> Normalisation | None:
    """Return what `text` asks for, None where it is measured on the training images (a name of `MEASURED`).

    "m,m,m/s,s,s" states mean and standard deviation of pixels in 0..1, as timm's models do: one value for all
    channels, or one a channel. Raises `BadInput`.
    """
    if text in MEASURED:
        return None
    if text in FIXED:
        return FIXED[text]
    mean, slash, std = text.partition("/")
    if not slash:
        raise BadInput(
            f"normalise {text!r}: is not known; {nearest(text, [*MEASURED, *FIXED])}; or 'mean/std' of pixels in 0..1, "
            "as in '0.5,0.5,0.5/0.25,0.25,0.25'."
        )
    try:
        means, stds = (tuple(float(value) for value in part.split(",")) for part in (mean, std))
    except ValueError as error:
        raise BadInput(f"normalise {text!r}: expected numbers, as in '0.5,0.5,0.5/0.25,0.25,0.25'.") from error
    if len(means) != len(stds) or not all(math.isfinite(m) for m in means) or not all(0 < s < math.inf for s in stds):
        raise BadInput(
            f"normalise {text!r}: expected as many means as standard deviations, finite, the latter above 0."
        )
    return Normalisation(means, stds)


@dataclass(frozen=True)
class Stage:
    """Epochs of training at one size of images: side in pixels, epochs how many."""

    side: int
    epochs: int


def parse_resizing(text: str) -> tuple[Stage, ...]:
    """Return the stages that training begins with, of "SIDE:EPOCHS SIDE:EPOCHS ..."; "" is none.

    After them images have the size that is validated. Raises `BadInput` on anything else than whole numbers, a side of
    8 to 10,000 and at least one epoch.
    """
    found = []
    for token in text.split():
        side, colon, epochs = token.partition(":")
        whole = colon and all(part.isdecimal() and len(part) < 6 for part in (side, epochs))
        if not (whole and 8 <= int(side) <= 10_000 and int(epochs) >= 1):
            raise BadInput(
                f"progressive_resizing {text!r}: {token!r} must be written SIDE:EPOCHS, a side of 8 to 10000 pixels "
                "and at least one epoch, as in '32:12 48:6'; after them images have the size that is validated."
            )
        found.append(Stage(int(side), int(epochs)))
    return tuple(found)


def side_in_epoch(text: str, epoch: int) -> int:
    """Return height and width of training images in an epoch, counted from 0; 0: the size that is validated."""
    for stage in parse_resizing(text):
        if epoch < stage.epochs:
            return stage.side
        epoch -= stage.epochs
    return 0
