"""Tables of text (.csv, .tsv, .txt) and Parquet as named columns: separators, decimal commas and headings found out.

Read a block of rows at a time, in time linear in the cells; numbers are kept as numbers, and as text too where they
may be ids, labels or class numbers.
"""

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.headings import ID, LABEL, role_of
from ensemble.importing.parquet import read_parquet
from ensemble.study.arrays import check_file
from ensemble.study.child import OWN_HUGE, is_large
from ensemble.study.tabular import unescaped

TEXTS = (".csv", ".tsv", ".txt")
TABLES = (*TEXTS, ".parquet")

_LONGEST_LINE = 2**26  # characters: a million columns
_LONGEST_CELL = 4096
_COLUMNS = 200_000  # each takes a kilobyte here, whatever is in it
_CELLS = 2**18  # of a block
_SAMPLE = 50  # lines that show the separator
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_BLANK = ("", "nan", "na", "n/a", "null", "none", "<na>")


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table.

    numbers: float64 (N,), NaN where a cell is blank; None where the cells are no numbers.
    texts: N cells as text; None for numbers that were not all written as whole.
    whole: all are whole numbers, written as such (`1`, not `1.0`).
    """

    heading: str
    numbers: np.ndarray | None
    texts: list[str] | None
    whole: bool = False

    def blanks(self) -> int:
        """Return how many cells are empty."""
        if self.numbers is not None:
            return int(np.isnan(self.numbers).sum())
        return sum(is_blank(cell) for cell in self.texts or ())


@dataclass(frozen=True, eq=False)
class Table:
    """A file's columns; headless: its first line is a row, and the headings are numbers given here.

    notes: what was found out about the way it is written. class_names: of the classes in order, where it says them.
    """

    path: Path
    columns: tuple[Column, ...]
    rows: int
    headless: bool = False
    notes: tuple[str, ...] = ()
    class_names: list[str] | None = None


def is_blank(cell: str) -> bool:
    """Say whether a cell holds nothing, or a word for nothing."""
    return cell.strip().lower() in _BLANK


def is_number(cell: str) -> bool:
    """Say whether a cell is a number, a percentage or one with a decimal comma among them."""
    text = cell.strip().removesuffix("%").strip()
    return bool(_NUMBER.fullmatch(text) or _COMMA.fullmatch(text))


def read_table(path: Path) -> Table:
    """Read a table; raise `BadInput` where the file is damaged, no table, or has rows of several lengths."""
    if path.suffix.lower() == ".parquet":
        parts, class_names = read_parquet(path)
        columns = tuple(Column(*part) for part in parts)
        first = (columns[0].texts if columns[0].numbers is None else columns[0].numbers) if columns else None
        rows = 0 if first is None else len(first)
        return _checked(Table(path, columns, rows, class_names=class_names))
    as_text: set[int] = set()
    while True:
        with _opened(path) as stream:
            try:
                table, wrong = _read_text(path, stream, as_text)
            except UnicodeDecodeError as error:
                raise BadInput(
                    f"{path}: expected UTF-8 text, found something else; save it as CSV in UTF-8."
                ) from error
            except csv.Error as error:
                raise BadInput(f"{path}: expected a table, found {error}; mend the file.") from error
        if table is not None:
            return _checked(table)
        as_text |= wrong  # numbers at first, and text further down: read once more


def _checked(table: Table) -> Table:
    """Refuse tables without rows or columns."""
    if not table.rows or not table.columns:
        raise BadInput(f"{table.path}: expected a heading and a row a sample, found no rows; check the file.")
    return table


def _opened(path: Path) -> TextIO:
    check_file(path)
    with path.open("rb") as stream:
        mark = stream.read(2)
    encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return path.open(encoding=encoding, newline="")


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise BadInput(f"{path}: expected lines of less than {_LONGEST_LINE:,} characters; mend the file.")
        if "\0" in line:
            raise BadInput(f"{path}: expected text, found NUL characters; save it as CSV in UTF-8.")
        yield line


def _read_text(path: Path, stream: TextIO, as_text: set[int]) -> tuple[Table | None, set[int]]:
    """Return the table; or None and the columns that turned out to be text in a later block."""
    lines = _lines(path, stream)
    sample = list(itertools.islice(lines, _SAMPLE))
    sample[:1] = [] if sample and re.fullmatch(r"\s*sep=.\s*", sample[0]) else sample[:1]
    while sample and sample[0].startswith("#") and len(sample) > 1 and not _fits(sample):
        del sample[0]  # a comment
    separator = _separator(sample)
    if sample and sample[0].startswith("#"):
        sample[0] = sample[0].lstrip("# ")
    everything = itertools.chain(sample, lines)
    if separator == " ":
        everything = (" ".join(line.split()) for line in everything)
    rows = _rows(csv.reader(everything, delimiter=separator, skipinitialspace=True))
    first = next(rows, None)
    if first is None:
        return Table(path, (), 0), set()
    if len(first) > _COLUMNS and not is_large():
        raise BadInput(f"{path}: has {len(first):,} columns, as no predictions do; {OWN_HUGE}.")
    second = next(rows, None)
    notes = []
    headless = is_row(first, second)
    body = rows if second is None else itertools.chain([second], rows)
    heading = [unescaped(cell.strip()) for cell in first]
    if headless:
        _check_mangled(path, first)
        body = itertools.chain([first], body)
        heading = [str(i) for i in range(len(first))]
        notes.append("its first line holds numbers, so it was read as a row, and the columns have no headings")
    elif second is not None and len(second) == len(first) + 1:
        heading = ["", *heading]  # R's write.table gives no heading to the names of rows
    if separator != "," and len(heading) > 1:
        notes.append(
            f"columns are separated by {({';': 'semicolons', '|': 'bars', ' ': 'spaces'}).get(separator, 'tabs')}"
        )
    builders = [_Builder(heading[i], i in as_text) for i in range(len(heading))]
    count, number = 0, 1 if headless else 2
    size = max(1, _CELLS // len(heading))
    while block := list(itertools.islice(body, size)):
        for row in block:
            if len(row) != len(heading):
                if _are_torn_numbers(row, heading):
                    raise BadInput(
                        f"{path}: row {number}: expected {len(heading)} cells, found {len(row)}: numbers have decimal "
                        "commas, and commas separate the cells; save it with semicolons, or with decimal points."
                    )
                raise BadInput(f"{path}: row {number}: expected {len(heading)} cells, found {len(row)}; mend the row.")
            number += 1
        for builder, cells in zip(builders, zip(*block, strict=True), strict=True):
            builder.add(cells, path)
        count += len(block)
    wrong = {i for i, builder in enumerate(builders) if builder.torn}
    if wrong:
        return None, wrong
    if any(builder.numeric and builder.percent for builder in builders):
        notes.append("cells with a percent sign were divided by 100")
    if any(builder.numeric and builder.comma for builder in builders):
        notes.append("decimal commas were read as points")
    columns = [builder.column(count) for builder in builders]
    # What a separator at the end of every line makes.
    columns = [c for c in columns if c.heading or c.blanks() < count]
    return Table(path, tuple(columns), count, headless, tuple(notes)), set()


def _check_mangled(path: Path, first: Sequence[str]) -> None:
    """Refuse a first line that pandas took for a heading, numbering what stands there twice: 0, 0.1, 0.2, 1."""
    seen: dict[str, int] = {}
    again = 0
    for cell in (cell.strip() for cell in first if is_number(cell)):
        base, _, count = cell.rpartition(".")
        if base in seen and count == str(seen[base]):
            seen[base] += 1
            again += 1
        elif cell in seen:
            return
        else:
            seen[cell] = 1
    if again and len(seen) > 1 and all(_is_whole(cell) for cell in seen):
        cells = ", ".join(cell.strip() for cell in first[:6])
        raise BadInput(
            f"{path}: its first line ({cells}) looks like a row that was read as a heading, its repeated numbers "
            "counted as in 0, 0.1, 0.2; write the table again with a heading (pandas: header=None in read_csv), or "
            "mend that line."
        )


def _are_torn_numbers(row: Sequence[str], heading: Sequence[str]) -> bool:
    """Say whether a row is longer since its numbers were cut at decimal commas: 0,25 into '0' and '25'."""
    digits = sum(cell.strip().lstrip("-").isdigit() for cell in row)
    return len(row) > len(heading) > 1 and digits >= 2 * (len(row) - len(heading))


def _fits(sample: Sequence[str]) -> bool:
    """Say whether a first line behind a # has as many cells as the second: then it is the heading."""
    separator = _separator(sample[1:])
    return len(sample[0].lstrip("# ").split(separator)) == len(sample[1].split(separator))


def _separator(sample: Sequence[str]) -> str:
    """Return what separates cells: it cuts all lines into equally many, and makes most numbers of them."""
    best, most = ",", (0, 1)
    for separator in ("\t", ";", ",", "|", " "):
        lines = [" ".join(line.split()) for line in sample] if separator == " " else sample
        try:
            rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
        except csv.Error:
            continue
        body = rows[1:] or rows
        lengths = {len(row) for row in body}
        if len(lengths) != 1 or len(rows[0]) not in (len(body[0]), len(body[0]) - 1) or len(body[0]) < 2:
            continue
        numbers = sum(is_number(cell) for cell in body[-1])
        if separator == " " and not numbers:
            continue  # words of a sentence
        best, most = max((best, most), (separator, (numbers, len(body[0]))), key=lambda found: found[1])
    return best


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Give rows; those that are wholly empty are left out, but for a table of one column, where they mean something."""
    held = 0
    width = 0
    for row in reader:
        if not any(cell.strip() for cell in row):
            held += 1
            continue
        if width == 1:
            yield from ([""] for _ in range(held))
        held, width = 0, len(row)
        yield row


def is_row(first: Sequence[str], second: Sequence[str] | None) -> bool:
    """Say whether a first line is a row: fractions stand in it, and numbers where the second line has some."""
    if not any(is_number(cell) and not _is_whole(cell) for cell in first):
        return False
    if any(role_of(cell) in (ID, LABEL) for cell in first if cell.strip()):
        return False
    return second is None or [is_number(c) for c in first] == [is_number(c) for c in second]


def _is_whole(cell: str) -> bool:
    text = cell.strip()
    return bool(re.fullmatch(r"[+-]?\d+(\.0*)?", text)) or is_blank(text)


def column_of(heading: str, cells: Sequence[str]) -> Column:
    """Return the column that these cells of text make."""
    builder = _Builder(heading, False)
    builder.add(tuple(cells), Path(heading))
    return builder.column(len(cells))


class _Builder:
    """One column in the making, block by block."""

    def __init__(self, heading: str, as_text: bool) -> None:
        self.heading = heading
        self.numeric = not as_text
        self.label = role_of(heading) == LABEL  # these may be fractions, as the headings of classes may
        self.whole = True
        self.percent = self.comma = self.torn = False
        self.parts: list[np.ndarray] = []
        self.texts: list[str] | None = []

    def add(self, cells: tuple[str, ...], path: Path) -> None:
        values = self._numbers(cells) if self.numeric else None
        if values is None and self.texts is None:
            self.torn = True
            return
        if values is None:
            self.numeric = False
        else:
            self.parts.append(values)
            known = values[np.isfinite(values)]
            if self.whole:
                self.whole = bool((known == np.rint(known)).all()) and not any(c in "".join(cells) for c in ".eE,%")
            if not self.label and not self.whole and (known != np.rint(known)).any():
                self.texts = None
        if self.texts is not None:
            longest = max(map(len, cells))
            if longest > _LONGEST_CELL:
                raise BadInput(
                    f"{path}: column {self.heading!r}: expected cells of at most {_LONGEST_CELL:,} characters, found "
                    f"one of {longest:,}; mend the file."
                )
            self.texts += [unescaped(cell) for cell in map(str.strip, cells)]

    def _numbers(self, cells: Sequence[str]) -> np.ndarray | None:
        try:
            if "_" not in "".join(cells):
                return np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        values = np.full(len(cells), np.nan)
        percents = 0
        for i, cell in enumerate(cells):
            text = cell.strip()
            if is_blank(text):
                continue
            scale = 100.0 if text.endswith("%") else 1.0
            if scale != 1:
                percents, text = percents + 1, text[:-1].strip()
            if _COMMA.fullmatch(text):
                self.comma, text = True, text.replace(",", ".")
            if not _NUMBER.fullmatch(text):
                return None
            values[i] = float(text) / scale
        if percents not in (0, int(np.isfinite(values).sum())):
            return None  # some are percentages and some are not
        self.percent |= percents > 0
        return values

    def column(self, rows: int) -> Column:
        if not self.numeric:
            return Column(self.heading, None, self.texts or [])
        numbers = np.concatenate(self.parts) if self.parts else np.empty(rows)
        return Column(self.heading, numbers, self.texts, self.whole)
