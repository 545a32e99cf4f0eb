"""Tables as LaTeX and as Markdown: one writer for every table a command prints."""

import re
from collections.abc import Sequence

_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
_BAR = re.compile(r"[█▏▎▍▌▋▊▉─\s-]*")
_NUMBER = re.compile(r"([-+]?)([\d.,]+\s?%?)(?:-([\d.,]+\s?%?))?")


def tex(text: str) -> str:
    """Return text as LaTeX prints it, whatever signs are in it."""
    return "".join(_TEX.get(sign, sign) for sign in text)


def markdown(text: str) -> str:
    """Return text as Markdown shows it, in a table's cell as well."""
    return _MARKDOWN.sub(r"\\\1", text)


def table(
    kind: str, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None, left: Sequence[int] = ()
) -> str:
    """Return rows of text as a table, kind "tex" (with booktabs' lines) or "md"; columns of bars are left out.

    left: the columns that are aligned left, the others are numbers and stand right.
    """
    kept = [i for i in range(len(columns)) if columns[i].strip() or not _bars(rows, i)]
    made = _tex_table if kind == "tex" else _markdown_table
    cells = [[row[i].strip() for i in kept] for row in rows]
    return made([columns[i].strip() for i in kept], cells, title, [kept.index(i) for i in left if i in kept])


def _bars(rows: Sequence[Sequence[str]], column: int) -> bool:
    return all(_BAR.fullmatch(row[column]) for row in rows)


def _tex_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None, left: Sequence[int]) -> str:
    sides = "".join("l" if i in left else "r" for i in range(len(columns)))
    lines = [
        f"\\begin{{tabular}}{{{sides}}}",
        "\\toprule",
        " & ".join(map(tex, columns)) + r" \\",
        "\\midrule",
        *(
            " & ".join(tex(cell) if i in left else _tex_number(cell) for i, cell in enumerate(row)) + r" \\"
            for row in rows
        ),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    if title:
        lines = ["\\begin{table}", "\\centering", f"\\caption{{{tex(title)}}}", *lines, "\\end{table}"]
    return "\n".join(lines)


def _tex_number(cell: str) -> str:
    """Return a cell of numbers with a minus and not a hyphen, and a range with a dash."""
    found = _NUMBER.fullmatch(cell)
    if not found:
        return tex(cell)
    sign, first, last = found.groups()
    return ("$-$" if sign == "-" else sign) + tex(first) + ("" if last is None else f"--{tex(last)}")


def _markdown_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None, left: Sequence[int]
) -> str:
    lines = [
        f"| {' | '.join(map(markdown, columns))} |",
        f"| {' | '.join('---' if i in left else '---:' for i in range(len(columns)))} |",
        *(f"| {' | '.join(map(markdown, row))} |" for row in rows),
    ]
    return "\n".join([markdown(title), "", *lines] if title else lines)


def sentence(kind: str, text: str) -> str:
    """Return lines of text beside tables: a comment in LaTeX, a paragraph in Markdown."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if kind == "tex":
        return "\n".join(f"% {line}" for line in lines)
    return "".join(f"{markdown(line)}\n" for line in lines)
