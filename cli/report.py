"""ens-report: pictures and tables of what a study found."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from analysis.sentences import many
from cli import completion
from cli.combine_text import say_twice
from cli.common import Output, as_options, command, entry
from cli.reports import KINDS
from cli.reports.job import Job
from ensemble.errors import BadInput, nearest, storage_error

if TYPE_CHECKING:
    from analysis.report_data import ReportData
    from analysis.stack import PredictionStack

EXAMPLES = (
    "ens-report per-class                                  the hardest ten and the easiest ten classes",
    "ens-report curve --member 'm3-*' --format pdf         every subset of these members by its size",
    "ens-report training --member ting-m3-0                loss and accuracy of one member, train and val",
    "ens-report compare --by lr --x images                members by learning rate, along images seen",
    "ens-report filters --scale shared                     first-layer kernels, all on one scale",
    "ens-report gallery --class 'wooden spoon' --images 12 a class's images with their predictions",
    "ens-report per-class --ensemble best --json           the best subset's classes, for a script",
    "ens-report abstain --alpha 0.05                       sets of classes that hold the truth 95 times of 100",
    "ens-report versus m-0 best3                           who is right where, and is it chance",
    "ens-report html                                       one page to explore in a browser, and to send to others",
    "ens-report html resnet.npz vit.npz                    the page of files of predictions, without a study",
    "ens-report all --pdf                                  all of these that the study allows, and one PDF to print",
)

PICTURES = ("png", "svg", "pdf")
EVERY = (*KINDS, "versus", "all")

# Option -> the kinds that have a use for it.
_USED_BY: dict[str, list[str]] = {}
_OPTIONS: dict[str, Callable[[Any], Any]] = {}


def _gather() -> None:
    """Take the options that the kinds declare, each once, with the kinds that share it."""
    for kind, room in KINDS.items():
        for option in room.OPTIONS:
            made = click.Command("", params=[])
            option(made)
            name = str(made.params[0].name)
            if _OPTIONS.get(name, option) is not option:
                raise TypeError(
                    f"report {kind}: --{name} is another kind's option; share it in options.py, or rename it"
                )
            _OPTIONS.setdefault(name, option)
            _USED_BY.setdefault(name, []).append(kind)


_gather()
_USED_BY["groups"].append("versus")


def _kind_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS.values()):
        function = option(function)
    return function


def _kind(_context: click.Context, _argument: click.Parameter, kind: str) -> str:
    if kind not in EVERY:
        raise click.UsageError(f"no report is called {kind!r}; {nearest(kind, EVERY)}.")
    return kind


def _glossary(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Print what the terms mean, and nothing else."""
    if asked:
        from analysis.sentences import GLOSSARY
        from cli.common import width, wrapped

        for term, meaning in GLOSSARY.items():
            click.echo(wrapped(f"{term}: {meaning}", width(100)))
        context.exit()


def _kinds(_context: click.Context, _argument: click.Parameter, start: str) -> list[str]:
    return [kind for kind in EVERY if kind.startswith(start)]


@command("ens-report", EXAMPLES)
@click.argument("kind", callback=_kind, metavar="KIND", shell_complete=_kinds)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE...]")
@click.option(
    "--member",
    "--members",
    "members",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.members,
    help="Only members of this name, or of a pattern such as 'm3-*'; may be repeated.",
)
@click.option("--split", default="val", show_default=True, shell_complete=completion.splits, help="Which predictions.")
@click.option("--intersect", is_flag=True, help="Where members differ in samples, take the common ones.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to write.  [default: STUDY/report]")
@click.option(
    "--style",
    "style_file",
    type=click.Path(path_type=Path),
    metavar="FILE.mplstyle",
    help="Fonts, sizes, lines and resolution of the pictures, over kofn's own (analysis/figures/kofn.mplstyle).",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([*PICTURES, "tex", "md"]),
    multiple=True,
    default=("png",),
    show_default="png",
    help="Of the pictures; tex or md, of the tables on standard output: LaTeX (booktabs) or Markdown. May be repeated.",
)
@click.option("--pdf", is_flag=True, help="all: report.pdf as well, every picture with a caption on a page to print.")
@click.option(
    "--glossary", is_flag=True, is_eager=True, expose_value=False, callback=_glossary, help="What the terms mean."
)
@_kind_options
def report(
    output: Output,
    *,
    kind: str,
    files: tuple[Path, ...],
    members: tuple[str, ...],
    split: str,
    intersect: bool,
    out: Path | None,
    format_: tuple[str, ...],
    style_file: Path | None,
    pdf: bool,
    **options: Any,
) -> None:
    """Make a report of a study, or all that it allows.

    KIND is one of:

    \b
    per-class    recall of each class, the hardest and the easiest
    curve        every subset by its size
    cost         what score can be had for what cost
    training     loss and accuracy by epoch
    models       each member's size, time and accuracy
    papers       the five papers' numbers beside this study's
    layers       the layers of a network, with their parameters
    compare      members grouped by a setting of their recipes
    filters      first-layer kernels, and numbers to them
    gallery      classes' images with their predictions
    confusion    the confusion matrix, and the pairs most confused
    calibration  how well confidence agrees with accuracy
    abstain      when not to answer: risk and coverage, sets of classes, shift
    diversity    how members differ, and what that gains
    errors       images wrong for all, rescued and spoiled ones
    sample       images of each class
    html         one page to explore all of it; of FILE... where there is no study
    versus       any two compared: versus A B (members, ensembles, STUDY:NAME)
    all          each of them

    Pictures are one column of a paper wide and go to STUDY/report; what they show is also said here.
    """  # noqa: D301
    _check_options(kind)
    if pdf and kind != "all":
        raise click.UsageError(f"--pdf is for all, not for {kind}; --format pdf gives each picture as a PDF.")
    pictures = next((name for name in reversed(format_) if name in PICTURES), "png")
    output = output.writing(next((name for name in reversed(format_) if name not in PICTURES), None))
    if kind == "versus":
        _versus(output, tuple(map(str, files)), split, out, options["groups"])
        return
    if files:
        _from_files(output, kind, files, out or Path("report"), options | {"intersect": intersect})
        return
    from analysis.report_data import ReportData
    from ensemble.study.study import Study

    study = Study.open(output.study)
    out = study.report_dir if out is None else out
    say_twice(output, members)
    if kind == "html":
        _say_cost(output, ReportData(study, split, members, intersect=intersect).stack)
    with output.progress("Scoring subsets", "samples") as progress:
        data = ReportData(study, split, members, options["ensemble"], intersect, progress, options["groups"])
        if kind in ("curve", "html") or (options["ensemble"] == "best" and kind in (*_USED_BY["ensemble"], "all")):
            # Scored while the bar is there, and kept.
            _ = data.subsets if kind == "html" else data.table
    if intersect and kind not in ("training", "filters", "models", "layers", "compare"):
        _warn(output, data)
    if options["classes"] and kind == "all":
        _check_classes(data, options["classes"])
    _ready(out)
    job = Job(data, out, pictures, options)
    with _styled(style_file):
        document = _all(output, job, pdf) if kind == "all" else KINDS[kind].report(output, job)
        _say_one_by_one(output, job, kind)
    output.document(**document)
    _say_missing(output)
    output.next(*((f"ens-combine --max-size 3 --save best3{job.on}",) if kind == "all" else KINDS[kind].following(job)))


def _say_cost(output: Output, stack: "PredictionStack") -> None:
    """Say how long the page of many members will take, before it does."""
    from analysis.metrics import METRICS
    from analysis.report_data import MOST_SUBSETS
    from analysis.subsets.score import MOST_LEADING
    from cli.combine_text import say_cost

    sizes = range(1, len(stack.members) + 1)
    if MOST_SUBSETS < 2 ** len(sizes) <= 2**MOST_LEADING:
        say_cost(output, stack, sizes, "mean", tuple(METRICS), in_full=False)


def _versus(output: Output, names: tuple[str, ...], split: str, out: Path | None, groups: Path | None) -> None:
    """Compare two predictors by name."""
    from cli.reports import versus
    from ensemble.study.study import Study

    study = Study.open(output.study)
    out = study.report_dir if out is None else out
    _ready(out)
    output.document(**versus.report(output, study, names, split, out, groups))
    output.next(f"ens-report errors{'' if split == 'val' else f' --split {split}'}")


ONE_BY_ONE = ("compare", "diversity", "errors", "html")


def _say_one_by_one(output: Output, job: Job, kind: str) -> None:
    """Say of reports that know no groups that samples which belong together were taken one by one."""
    if kind not in (*ONE_BY_ONE, "all"):
        return
    try:
        together = job.data.groups_of(job.data.joined)
    except BadInput:  # members that cannot be joined: nothing was said of single samples
        return
    if together is None or len(set(together.tolist())) == len(together):
        return
    which = "compare, diversity, errors and html take" if kind == "all" else f"{kind} takes"
    output.note(
        f"Samples here belong together in groups, and {which} them one by one: intervals and tests are those of "
        "separate samples."
    )


def _say_missing(output: Output) -> None:
    """Say which signs of names no font here has; matplotlib is loaded already where there were any."""
    text = sys.modules.get("analysis.figures.text")
    if text is not None and text.missing_signs():
        signs = text.missing_signs()
        output.say(
            f"Note: no font here has {signs[:12]!r}{' and more' if len(signs) > 12 else ''}, so pictures show numbers, "
            "boxes or ids in their place; a font such as Noto Sans CJK or Noto Emoji, once installed, is used."
        )


def _from_files(output: Output, kind: str, files: tuple[Path, ...], out: Path, options: dict[str, Any]) -> None:
    """Make the page of files of predictions, which need no study."""
    for word in (str(file) for file in files if not file.exists()):
        if word in EVERY:
            raise click.UsageError(f"{kind} {word}: one report at a time, or all of them by 'ens-report all'.")
        if "=" in word:
            raise click.UsageError(f"{word}: is no file; an option is written '--{word.replace('=', ' ', 1)}'.")
    if kind != "html":
        raise click.UsageError(
            f"{files[0]}: ens-report {kind} is made of a study; import the file with ens-import, or ask for html."
        )
    from cli.reports.html import report_files

    _ready(out)
    output.document(**report_files(output, files, out, options))


def _styled(style_file: Path | None) -> contextlib.AbstractContextManager[None]:
    """Lay the user's style over the house's, where there is one: without it matplotlib may not even be needed."""
    if style_file is None:
        return contextlib.nullcontext()
    from analysis.figures.style import style_over

    return style_over(style_file)


def _check_options(kind: str) -> None:
    """Refuse an option on the command line that this kind of report has no use for."""
    context = click.get_current_context()
    for option in context.command.params:
        kinds = _USED_BY.get(str(option.name), [kind])
        if kind in (*kinds, "all"):
            continue
        if context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} is for {' and '.join(kinds)}, not for {kind}.")


def _check_classes(data: "ReportData", classes: tuple[str, ...]) -> None:
    """Refuse an unknown class before the first of several reports is made."""
    from analysis.images.gallery import find_class

    for name in classes:
        find_class(name, data.stack.class_ids, data.stack.class_names)


def _warn(output: Output, data: "ReportData") -> None:
    stack = data.joined
    if any(stack.dropped):
        lost = ", ".join(f"{m} {n:,}" for m, n in zip(stack.members, stack.dropped, strict=True) if n)
        output.warn(f"the members share {stack.samples:,} samples, which are reported on; left out: {lost}.")


def _ready(out: Path) -> None:
    """Make the folder, or say at once that nothing can be written there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied", str(out))
    except FileExistsError as error:
        raise BadInput(f"{out}: is a file, expected a folder for the report; name another one with --out.") from error
    except OSError as error:
        raise storage_error(out, error) from error


def _all(output: Output, job: Job, pdf: bool) -> dict[str, Any]:
    """Make every report the study allows, and say of the others why not; all pictures as one PDF where it is asked."""
    from analysis.report_data import NotAvailable, check_few
    from cli.reports.booklet import Booklet

    booklet = Booklet(output) if pdf else None
    reports: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for kind, room in KINDS.items():
        output.text(("" if kind == "per-class" else "\n") + f"== {kind} ==")
        try:
            if kind == "html":  # of so many subsets it may take hours: made where it is asked for by itself
                check_few(len(job.data.stack.members))
            with booklet.report(kind) if booklet else contextlib.nullcontext(output) as own:
                reports[kind] = room.report(own, job)
        except NotAvailable as lack:
            reports[kind] = None
            skipped[kind] = as_options(str(lack))
            output.note(f"skipped: {skipped[kind]}")
    path = None
    if booklet:
        path = booklet.write(job)
        output.text(f"\nprint:  {path}, {many(len(booklet.plates), 'figure')} with captions")
    return {"kind": "all", "reports": reports, "skipped": skipped, "pdf": path}


main = entry(report)
