"""Classes in some order, and the numbers that texts stand for."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Classes:
    """Classes in some order: their ids and names, C each."""

    ids: tuple[str, ...]
    names: tuple[str, ...]


def number_of(text: str) -> float | None:
    """Return the number a text stands for, true and false being 1 and 0; None where it is none."""
    low = text.strip().lower()
    if low in ("true", "false"):
        return float(low == "true")
    try:
        return float(low) if low and "_" not in low and low[-1].isdigit() else None
    except ValueError:
        return None


def whole_of(text: str) -> int | None:
    """Return the whole number a text stands for, to the last digit, None where it is none."""
    if text.strip().removeprefix("-").isdecimal():
        return int(text)
    number = number_of(text)
    return None if number is None or number != number // 1 else int(number)


def numbered(names: Sequence[str]) -> dict[float, int] | None:
    """Return number -> place where all names are numbers, and different ones."""
    numbers = [number_of(name) for name in names]
    if any(n is None for n in numbers) or len(set(numbers)) < len(numbers):
        return None
    return {n: i for i, n in enumerate(numbers) if n is not None}
