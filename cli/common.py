"""What every command shares: its common options, its way of speaking, and the boundary no traceback crosses."""

import contextlib
import functools
import json
import math
import os
import re
import shlex
import shutil
import sys
import textwrap
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import click

from cli.markup import sentence
from cli.markup import table as markup_table
from ensemble.errors import BadInput, DamageWarning, KofnError, exit_status, nearest
from ensemble.machine import Progress, is_out_of_memory

SCHEMA = 1


def printable(text: str) -> str:
    """Return `text` without control characters or direction overrides, so that a name cannot drive a terminal.

    The joiner that makes one emoji of several stays.
    """
    bad = ("Cc", "Cf", "Cs")
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in bad and c != "\N{ZERO WIDTH JOINER}" else c
        for c in text
    )


def json_ready(value: Any) -> Any:
    """Turn numpy values into Python's, and NaN or infinity into None, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if hasattr(value, "tolist"):
        return json_ready(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@dataclass(frozen=True)
class Output:
    """How a command speaks: results on standard output, everything else on standard error."""

    study: Path
    json: bool
    quiet: bool
    debug: bool = False
    markup: str | None = None

    def writing(self, markup: str | None) -> "Output":
        """Return an output whose results are LaTeX, "tex", or Markdown, "md"; as a terminal shows them where None."""
        return replace(self, markup=markup)

    def say(self, text: str) -> None:
        """Tell the person at the terminal something; silent under --quiet."""
        if not self.quiet:
            click.echo(printable_lines(text), err=True)

    def warn(self, text: str) -> None:
        """Tell of something that went on, but not as one might think; said under --quiet too."""
        warn(text)

    def next(self, *commands: str) -> None:
        """Print the commands a person would run now, ready to be copied."""
        study = (
            ""
            if str(self.study) == os.environ.get("ENS_STUDY", "study")
            else f" --study {shlex.quote(str(self.study))}"
        )
        for i, command in enumerate(commands):
            self.say(f"{'Next:' if i == 0 else '     '} {command}{study}")

    def document(self, **content: Any) -> None:
        """Print the one JSON document of `--json`; nothing without it."""
        if self.json:
            _out(json.dumps(json_ready({"schema": SCHEMA, **content}), ensure_ascii=False))

    def text(self, line: str) -> None:
        """Print a line of the result; nothing under `--json`."""
        if self.json:
            return
        _out(sentence(self.markup, printable_lines(line)) if self.markup else printable_lines(line))

    def note(self, sentences: str) -> None:
        """Print sentences in lines as wide as the terminal, words unbroken; nothing under `--json`."""
        self.hint(sentences)

    def hint(self, sentences: str) -> None:
        """Print sentences as `note` does, but such as are of this output alone: what is left out, and how to see it."""
        self.text(sentences if self.markup else wrapped(sentences, width(100)))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        title: str | None = None,
        left: Sequence[int] = (0,),
        cut: Sequence[int] | None = None,
    ) -> None:
        """Print rows of text as a table that fits the terminal; nothing under `--json`.

        Columns in `left` are aligned left; those in `cut` (by default the same) are shortened where it is narrow.
        """
        if self.json:
            return
        if self.markup:
            cells = [[printable(cell) for cell in row] for row in rows]
            _out(markup_table(self.markup, columns, cells, title and printable(title), left) + "\n")
            return
        from rich.box import SIMPLE_HEAD
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        cut = left if cut is None else cut
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
        for i, column in enumerate(columns):
            table.add_column(
                Text(column),
                justify="left" if i in left else "right",
                no_wrap=True,
                overflow="ellipsis",
                min_width=None if i in cut else max([cell_len(column), *(cell_len(row[i]) for row in rows)]),
            )
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        console = Console(file=sys.stdout, highlight=False, width=width())
        with console.capture() as captured:
            console.print(table)
        if title:
            self.hint(title)
        _out("\n".join(line.rstrip() for line in captured.get().splitlines()))

    @contextlib.contextmanager
    def progress(self, what: str, unit: str = "") -> Generator[Progress]:
        """Give a function (done, total) that moves a bar on a terminal, and does nothing elsewhere."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit)
        with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


TABLES = click.option(
    "--format",
    "format_",
    type=click.Choice(["tex", "md"]),
    help="Tables as LaTeX (booktabs) or as Markdown, on standard output; sentences are comments or paragraphs.",
)
HELP = 80  # letters to a line of --help
WIDE = 250  # a file or a pipe has no width to fit, unless COLUMNS says one
MOST_LETTERS = 120  # in a line of sentences, however wide the terminal is


def width(otherwise: int = WIDE) -> int:
    """Return the terminal's width in letters, COLUMNS before it; `otherwise` where there is neither."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else otherwise


def wrapped(sentences: str, letters: int) -> str:
    """Return sentences in lines of at most so many letters, 120 at most; further lines stand in by two."""
    lines = textwrap.wrap(sentences, min(letters, MOST_LETTERS), subsequent_indent="  ", break_long_words=False,
                          break_on_hyphens=False)  # fmt: skip
    return "\n".join(lines)


def _out(text: str) -> None:
    """Write a line of the result; whoever read standard output (`head`, say) may have had enough, and work goes on."""
    try:
        click.echo(text)
    except BrokenPipeError:
        # What follows goes nowhere, the interpreter's last flush included.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(text: str) -> None:
    """Print a warning on standard error."""
    lines = printable_lines(text)
    if sys.stderr.isatty():
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        lines = wrapped(f"Warning: {lines}", columns or WIDE)[len("Warning: ") :]
    click.echo(click.style("Warning: ", fg="yellow") + lines, err=True)


def printable_lines(text: str) -> str:
    """Return `printable` text, its line breaks kept."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _read_config(context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """Lay the options of a TOML file below those of the command line and the environment."""
    if path is None:
        return None
    from ensemble.study.seals import read_toml

    content = read_toml(path, "a configuration file")
    # `ens-data check` has the table [data.check], and takes what [data] says too.
    own = context.command_path.removeprefix("ens-").replace(" ", ".")
    named: dict[str, Any] = {}
    tables = content
    for part in own.split("."):
        tables = tables.get(part, {}) if isinstance(tables, dict) else {}
        named |= {key: value for key, value in tables.items() if not isinstance(value, dict)} if tables else {}
    settings = {key: value for key, value in content.items() if not isinstance(value, dict)} | named
    options = [p for p in context.command.params if isinstance(p, click.Option) and p.name]
    known = {str(p.name): p for p in options}
    known |= {opt.lstrip("-").replace("-", "_"): p for p in options for opt in p.opts if opt.startswith("--")}
    for key in settings:
        if key.replace("-", "_") not in known:
            where = f"{own}.{key}" if key in named else key
            advice = (
                "" if key in named else f" What is meant for another command stands in its own table, as [{own}] does."
            )
            raise BadInput(
                f"{path}: {where} is not an option of {context.command_path}; {nearest(key, known)}.{advice}"
            )
        option = known[key.replace("-", "_")]
        setting = [settings[key]] if option.multiple and isinstance(settings[key], str) else settings[key]
        if isinstance(setting, float) and not math.isfinite(setting):
            setting = str(setting)  # click makes whole numbers of it without a look
        context.default_map = {**(context.default_map or {}), str(option.name): setting}
    return path


def group(name: str, examples: Sequence[str], about: str) -> click.Group:
    """Return a command of several words: `@command("ens-data check", ...)` is then added with `group.add_command`."""
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": HELP}
    return click.Group(name, help=about, epilog=_epilog(examples), context_settings=settings, no_args_is_help=False)


def _epilog(examples: Sequence[str]) -> str:
    """Return examples, "command   what it does", in 80 letters: what it does stands below where they are too wide."""
    lines = list(examples)
    if any(len(line) > HELP - 2 for line in lines):
        lines = []
        for example in examples:
            line, *about = re.split(r"\s{2,}", example)
            # A command too long for a line goes on after a backslash, as a shell reads it.
            parts = textwrap.wrap(line, HELP - 6, break_long_words=False, break_on_hyphens=False)
            lines += [" \\\n      ".join(parts), *(f"    {text.removeprefix('# ')}" for text in about)]
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def command(name: str, examples: Sequence[str], *, study: bool = True) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function (talk, **options) a command with the common options and its examples in `--help`.

    study: whether it works on a study, and so has `--study`.
    """
    has_study = study

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def body(
            json: bool, quiet: bool, config: Path | None, debug: bool, study: Path | None = None, **options: Any
        ) -> Any:
            where = study or Path(os.environ.get("ENS_STUDY", "study"))
            return function(Output(study=where, json=json, quiet=quiet, debug=debug), **options)

        shared = [
            click.option(
                "--study", type=click.Path(path_type=Path), default="study", envvar="ENS_STUDY", show_default=True,
                show_envvar=True, help="The folder that holds members, predictions and reports.",
            ),
            click.option("--json", is_flag=True, help="One JSON document on standard output, and nothing else there."),
            click.option("--quiet", is_flag=True, help="No progress and no hints; warnings stay."),
            click.option(
                "--config", type=click.Path(path_type=Path), is_eager=True, callback=_read_config, metavar="FILE.toml",
                help="Options from a file; the command line and the environment go before it.",
            ),
            click.option("--debug", is_flag=True, help="Show the traceback when something fails."),
        ]  # fmt: skip
        shared = shared if has_study else shared[1:]
        wrapped: Any = body
        for option in reversed(shared):
            wrapped = option(wrapped)
        settings = {
            "auto_envvar_prefix": name.upper().replace("-", "_").replace(" ", "_"),
            "help_option_names": ["-h", "--help"],
            "max_content_width": HELP,
        }
        made = click.command(name.split()[-1], epilog=_epilog(examples), context_settings=settings)(wrapped)
        # The common options are listed last: the command's own come first in its help.
        made.params = made.params[len(shared) :] + made.params[: len(shared)]
        return made

    return decorate


_ARGUMENT = re.compile(r"""(?<![\w./=-])([a-z_]+)=(True|\.\.\.|'[^']*'|"[^"]*"|[\w./-]*\w)""")


def as_options(message: str, command: click.Command | None = None) -> str:
    """Write the Python arguments in a message as options of a command, by default the one that runs.

    `name='x'` becomes `--name x`, `force=True` `--force`; what is not an option of it stays as it is.
    """
    context = click.get_current_context(silent=True)
    command = command or (context.command if context else None)
    if command is None:
        return message
    commands = [command, *getattr(command, "commands", {}).values()]
    options = {
        opt.lstrip("-").replace("-", "_"): opt
        for c in commands
        for p in c.params
        if isinstance(p, click.Option)
        for opt in p.opts
    }

    def written(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in options:
            return found[0]
        bare = value[1:-1] if value[0] in "'\"" else value
        return options[name] + ("" if value in ("True", "...") else f" {shlex.quote(bare)}")

    return _ARGUMENT.sub(written, message)


def _fail(message: str, status: int, as_json: bool) -> int:
    click.echo(click.style("Error: ", fg="red") + printable_lines(message), err=True)
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "error": message}, ensure_ascii=False))
    return status


@contextlib.contextmanager
def _damage_told() -> Generator[None]:
    """Tell of each damaged file once that a command goes on without."""
    told: set[str] = set()
    others = warnings.showwarning

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
        line: str | None = None,
    ) -> None:  # fmt: skip
        if not issubclass(category, DamageWarning):
            others(message, category, filename, lineno, file, line)
        elif str(message) not in told:
            told.add(str(message))
            warn(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", DamageWarning)
        warnings.showwarning = show  # ty: ignore[invalid-assignment]
        yield


def run(cmd: click.Command, argv: Sequence[str]) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 bad input, 3 some members, 130 interrupted."""
    as_json = "--json" in argv
    try:
        with _damage_told():
            result = cmd.main(args=list(argv), prog_name=cmd.name, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted; what was finished is kept, and the same command goes on from there.", 130, as_json)
    except click.UsageError as error:
        hint = f" See '{error.ctx.command_path if error.ctx else cmd.name} --help'."
        return _fail(error.format_message() + hint, 2, as_json)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code, as_json)
    except Exception as error:
        if "--debug" in argv:
            traceback.print_exc()
        if isinstance(error, KofnError):
            return _fail(as_options(str(error), cmd), error.exit_code, as_json)
        if isinstance(error, OSError):
            where = f"{error.filename}: " if error.filename else ""
            return _fail(f"{where}{error.strerror or error}.", exit_status(error), as_json)
        if is_out_of_memory(error):
            reason = str(error).splitlines()[0][:150] if str(error) else "nothing more is left"
            return _fail(f"out of memory ({reason}); use fewer members, or a machine with more.", 1, as_json)
        text = f"{type(error).__name__}: {error}; this is a defect of {cmd.name}, --debug shows where."
        return _fail(text, 1, as_json)


def entry(cmd: click.Command) -> Callable[[], None]:
    """Return the function an installed script calls."""

    def main() -> None:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            sys.stderr = sys.stderr or nowhere  # a shell's `2>&-` and `>&-` leave None in their place
            if sys.stdout is None:
                sys.exit(_fail("standard output is closed; let it be read, or add >/dev/null.", 1, False))
            sys.exit(run(cmd, sys.argv[1:]))

    return main
