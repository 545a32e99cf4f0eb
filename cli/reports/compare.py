"""Members grouped by a setting of their recipes, and what else differs between the groups."""

from typing import TYPE_CHECKING, Any

import click

from analysis.sentences import many
from cli.common import Output
from cli.reports.job import ALONG, Job
from cli.reports.text import fitting_table
from ensemble.study.tabular import percent

if TYPE_CHECKING:
    from analysis.members.compare import Comparison, Other, Spread, Tested

OPTIONS = (
    click.option(
        "--by",
        multiple=True,
        metavar="SETTING",
        help="compare: group members by model, learning_rate, augment, dropout, input_size, optimiser, activation or "
        "any other setting of their recipes; may be repeated.  [default: the first that differs]",
    ),
    ALONG,
)
MOST_SAID = 4  # confounded settings whose values are printed; the JSON has all


def report(output: Output, job: Job) -> dict[str, Any]:
    """Make a comparison for each setting that was named, or for those that differ."""
    from analysis.members.compare import compare_members, differing, setting_named
    from analysis.members.models import members_of
    from analysis.report_data import NotAvailable

    data = job.data
    asked = list(dict.fromkeys(setting_named(name) for name in job.options["by"]))
    members = members_of(data.study, data.split, data.patterns)
    settings = asked or differing(members)[:1]
    if not settings:
        raise NotAvailable(f"{data.study.root}: its members' recipes differ in nothing but seeds.")
    found, files = [], []
    for i, setting in enumerate(settings):
        value = compare_members(members, setting, data.intersect)
        if i:
            output.text("")
        made = _files(output, job, value)
        _say(output, value)
        for file in made:
            output.text(f"{'table: ' if file.suffix == '.csv' else 'figure:'} {file}")
        files += made
        found.append(_document(value, made))
    rest = differing(members)[1:] if not asked else []
    if rest:
        output.hint(f"More to compare: {' '.join(f'--by {name}' for name in rest)}")
    return {"kind": "compare", "split": data.split, "x": job.options["along"], "comparisons": found, "files": files}


def _files(output: Output, job: Job, value: "Comparison") -> list[Any]:
    """Write the table, and the curves where there are any."""
    from analysis.figures.models import MOST_LINES, compare_figure, curves_of
    from analysis.figures.style import save, style
    from analysis.members.compare import write_compare_csv

    along, config = job.options["along"], job.data.study.config
    table = job.path("compare", value.setting, "csv")
    write_compare_csv(table, value)
    lines = curves_of(value, along, config.splits["train"].samples if "train" in config.splits else None)
    if lines is None:
        output.note("No curves: fewer than two groups have training histories.")
        return [table]
    if len(lines.series) > MOST_LINES:
        output.note(
            f"No curves: {len(lines.series)} groups are more than the {MOST_LINES} lines that can be told apart."
        )
        return [table]
    detail = value.setting + ("" if along == "epochs" else f"-{along}")
    with style():
        return [save(compare_figure(value, lines), job.path("compare", detail)), table]


def _say(output: Output, value: "Comparison") -> None:
    heads = (value.setting, "members", "seeds", "val %", "sd", "lowest", "highest", "best val %", "train %", "val loss")
    rows = []
    for group, seeds in zip(value.groups, value.seeds, strict=True):
        last, best = group.spread("last"), group.spread("best")
        rows.append([
            group.label, str(len(group.members)), str(seeds), *(percent(v) for v in (last.mean, last.sd)),
            *(percent(v) if last.n > 1 else "-" for v in (last.low, last.high)), percent(best.mean),
            percent(group.spread("train_accuracy").mean), _number(group.spread("val_cross_entropy")),
        ])  # fmt: skip
    title = f"By {value.setting}, at the last epoch; {many(value.runs, 'training run')}"
    fitting_table(output, heads, rows, (0, 1, 3, 4, 7, 8, 9, 5, 6, 2), title=title)
    single = sum(len(group.members) == 1 for group in value.groups)
    if single:
        output.note(
            f"{many(single, 'group rests', 'groups rest')} on one training run: how far runs of one recipe lie apart "
            "is not known there.",
        )
    if value.confounded:
        names = ", ".join(other.setting for other in value.confounded)
        output.note(f"Confounded: the groups differ in {names} too; what is due to which, this does not tell.")
    for other in value.confounded[:MOST_SAID]:
        output.note(f"  {other.setting}: {_values(value, other)}")
    if value.balanced:
        output.note(f"Differing alike in every group: {', '.join(other.setting for other in value.balanced)}.")
    if not value.confounded:
        output.note("No other setting differs between the groups, seeds aside.")
    if value.short:
        output.note(f"Trained for fewer epochs than their recipe says: {', '.join(value.short)}.")
    if value.untrained:
        output.note(f"Left out, not an epoch trained yet: {', '.join(value.untrained)}.")
    if value.left_out:
        output.note(f"Their recipes do not say {value.setting}: {', '.join(value.left_out)}.")
    if value.untested:
        output.note(f"Not tested image by image: {value.untested}.")
    elif value.tests:
        _say_tests(output, value.tests)


def _say_tests(output: Output, tests: "tuple[Tested, ...]") -> None:
    output.table(
        ("image by image", "diff. %", "only 1st", "only 2nd", "p", "Holm"),
        [
            (f"{t.one} - {t.other}", f"{100 * t.difference:+z.1f}", f"{t.won:,}", f"{t.lost:,}", f"{t.p:.2g}",
             f"{t.adjusted:.2g}")
            for t in tests
        ],
    )  # fmt: skip
    size = len(tests[0].of_one)
    who = "one member" if size == 1 else f"the mean of {size} members"
    output.note(
        f"McNemar's test on {tests[0].samples:,} images; each group is represented by {who}, the first by name, chosen "
        "by no score. It says whether these trained networks differ, not whether the setting would in new runs.",
    )


def _values(value: "Comparison", other: "Other") -> str:
    told = [
        f"{group.label}: {'/'.join(values[:3])}{'/...' if len(values) > 3 else ''}"
        for group, values in zip(value.groups[:4], other.values, strict=False)
    ]
    return "; ".join(told) + ("; ..." if len(value.groups) > 4 else "")


def _number(spread: "Spread") -> str:
    return f"{spread.mean:.3f}" if spread.n else "-"


def _document(value: "Comparison", files: list[Any]) -> dict[str, Any]:
    groups = [
        {"value": group.value, "members": [m.name for m in group.members], "seeds": seeds,
         **{key: vars(group.spread(key)) for key in ("last", "best", "train_accuracy", "val_cross_entropy")}}
        for group, seeds in zip(value.groups, value.seeds, strict=True)
    ]  # fmt: skip
    labels = [group.label for group in value.groups]
    others = {
        name: [{"setting": o.setting, "values": dict(zip(labels, o.values, strict=True))} for o in found]
        for name, found in (("confounded", value.confounded), ("balanced", value.balanced))
    }
    return {
        "by": value.setting, "runs": value.runs, "groups": groups, **others, "left_out": value.left_out,
        "untrained": value.untrained, "short": value.short,
        "tests": [vars(test) for test in value.tests], "untested": value.untested or None, "files": files,
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report training{job.on}", f"ens-report models{job.on}")
