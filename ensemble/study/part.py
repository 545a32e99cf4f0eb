"""A part of a whole that several machines share: "2/5", which of them takes what, and none takes twice."""

import re
from dataclasses import dataclass

from ensemble.errors import BadInput


@dataclass(frozen=True)
class Part:
    """Part `number` of `count`, counted from 1. What stands in one stands in no other."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, position: int) -> bool:
        """Say whether what stands at a position, counted from 0, is of this part: they are dealt like cards."""
        return position % self.count == self.number - 1

    def rows(self, total: int) -> slice:
        """Return which of so many rows are of this part: a run of them, as long as any other's within one."""
        return slice(total * (self.number - 1) // self.count, total * self.number // self.count)


def parse_part(text: "str | Part | None") -> Part | None:
    """Return the part that "I/N" says, None where there is no text; raise `BadInput` where it says none."""
    if text is None or isinstance(text, Part):
        return text
    found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text)
    if not found:
        raise BadInput(f"only={text!r}: expected part I of N, written I/N with 1 <= I <= N, such as only='2/5'.")
    number, count = int(found[1]), int(found[2])
    if count < 1:
        raise BadInput(f"only={text!r}: nothing can be cut into {count} parts; expected I/N, such as only='2/5'.")
    if not 1 <= number <= count:
        first = "; add 1 where a scheduler counts from 0" if number == 0 else ""
        raise BadInput(f"only={text!r}: there is no part {number} of {count}, they are numbered 1 to {count}{first}.")
    return Part(number, count)


def check_engine(engine: str) -> str:
    """Return what runs the tasks of a whole, "local" or a Ray cluster; raise `BadInput` for anything else."""
    if engine not in ("local", "ray") and not re.fullmatch(r"ray://.+:\d{1,5}", engine):
        raise BadInput(f"engine={engine!r}: expected 'local', 'ray', or ray://HOST:PORT, the address of a Ray cluster.")
    return engine


def place_of(position: int, count: int) -> Part:
    """Return the part of `count` that has what stands at a position, counted from 0."""
    return Part(position % count + 1, count)
