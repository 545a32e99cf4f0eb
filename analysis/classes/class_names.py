"""Names of classes by which they are told apart: two of one name carry their ids."""

from collections import Counter
from collections.abc import Sequence


def first_names(names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Return the first synonym of each name, the id behind it where two share it, the id alone for a blank."""
    first = [name.split(", ")[0].strip() or i for name, i in zip(names, ids, strict=True)]
    count = Counter(first)
    return [f"{name} ({i})" if count[name] > 1 else name for name, i in zip(first, ids, strict=True)]


def apart(names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Return each name with its synonyms; where two begin with the same, as in `first_names`."""
    first = [name.split(", ")[0].strip() for name in names]
    count = Counter(first)
    shown = first_names(names, ids)
    return [short if count[one] > 1 or not one else name
            for name, one, short in zip(names, first, shown, strict=True)]  # fmt: skip
