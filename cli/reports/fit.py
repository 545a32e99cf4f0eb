"""Which columns of a table fit the terminal."""

import os
import shutil
import sys
from collections.abc import Sequence

from cli.common import Talk

WIDE = 250  # a file or a pipe has no width to fit, unless COLUMNS says one


def fitting_table(
    talk: Talk, heads: Sequence[str], rows: Sequence[Sequence[str]], first: Sequence[int], *, title: str | None = None,
    left: Sequence[int] = (0,), width: int | None = None,
) -> list[str]:  # fmt: skip
    """Print the columns that fit, in their order; return the heads of those left out.

    first: all columns by their index, the most important first; columns that are empty throughout are left out unsaid.
    """
    width = _width() if width is None else width
    wide = [max(len(head), *(len(row[i]) for row in rows)) for i, head in enumerate(heads)]
    # Names are cut by the table where need be: they are not to push numbers out.
    wide[0] = min(wide[0], 20)
    kept: list[int] = []
    filled = [i for i in first if any(row[i] not in ("", "-") for row in rows)]
    for i in filled:
        if sum(wide[j] + 2 for j in (*kept, i)) - 2 <= width:
            kept.append(i)
    shown = sorted(kept)
    talk.table(
        [heads[i] for i in shown],
        [[row[i] for i in shown] for row in rows],
        title=title,
        left=[at for at, i in enumerate(shown) if i in left],
        cut=[at for at, i in enumerate(shown) if i == 0],
    )
    return [heads[i] for i in filled if i not in kept]


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
