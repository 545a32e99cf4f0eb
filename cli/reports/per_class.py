"""How well each class is recognised: the hardest, the easiest, those improved and degraded; all in a CSV file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from analysis.sentences import many
from cli.combine_json import ensemble_document
from cli.common import Output
from cli.reports.job import ENSEMBLE, GROUPS, Job, called, say_chosen_here
from cli.reports.text import class_document, class_table, found

if TYPE_CHECKING:
    from analysis.classes.improved import Agreement, ClassComparison
    from analysis.classes.per_class import PerClass

OPTIONS = (
    ENSEMBLE,
    GROUPS,
    click.option(
        "--against",
        metavar="NAME",
        help="per-class: the member or saved ensemble that classes are compared with.  "
        "[default: the best member on this split]",
    ),
)
_SAID = 5  # classes named in a sentence


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show the hardest and the easiest classes, and what the ensemble changed: tables, a CSV file, figures."""
    from analysis.classes.improved import agreement, compare_classes
    from analysis.classes.per_class import extreme_titles, extremes, short_names, write_class_csv
    from analysis.report_data import baseline_of

    value, split = job.data.classes, job.data.split
    ensemble = job.data.ensemble
    stack = ensemble.stack
    labels = stack.require_labels()
    baseline = baseline_of(job.data, job.options["against"])
    changed = None
    if baseline is not None:
        changed = compare_classes(
            labels, ensemble.preds, baseline.preds, stack.class_ids, stack.class_names,
            against=baseline.name, chosen_here=baseline.chosen_here, groups=job.data.groups_of(stack),
        )  # fmt: skip
    agreed = None
    if len(stack.members) > 1:
        agreed = agreement(ensemble.member_preds, labels, stack.class_ids, stack.class_names)
    table = job.path("per-class", job.who, "csv")
    write_class_csv(table, value, changed, agreed)
    from analysis.figures.per_class import improved_figure, per_class_figure, recall_figure
    from analysis.figures.style import save, style

    with style():
        figure = per_class_figure(value, f"Accuracy by class on {split}, {job.whom()}")
        files = [save(figure, job.path("per-class", job.who))]
        if value.scored > 20:
            figure = recall_figure(value, f"Recall of {value.scored} classes on {split}, {job.whom()}")
            files.append(save(figure, job.path("per-class", "-".join(part for part in ("all", job.who) if part))))
        if changed:
            against = job.options["against"]
            detail = "-".join(part for part in ("helped", job.who, f"against-{against}" if against else "") if part)
            files.append(save(improved_figure(changed, called(job)), job.path("per-class", detail)))
    names = short_names(value)
    hardest, easiest = extremes(value)
    if value.scored <= 20:
        class_table(
            output, value, names, hardest + easiest, f"Accuracy by class on {split}, {job.whom()}, hardest first"
        )
    else:
        titles = extreme_titles(value)
        class_table(output, value, names, hardest, f"{titles[0]}, on {split}, {job.whom()}")
        if easiest:
            class_table(output, value, names, easiest, titles[1])
    say_chosen_here(output, job)
    _say_overall(output, value, split)
    if len(value.never_predicted):
        few = _some([names[i] for i in value.never_predicted])
        never = many(len(value.never_predicted), "class", "classes")
        output.note(f"{never} with images never predicted, so without a precision: {few}.")
    _say_extremes(output, value, names)
    _say_certain(output, value)
    by_column = dict(zip(value.columns.tolist(), names, strict=True))
    if changed:
        _say_changed(output, changed, by_column, value.groups is not None)
    if agreed:
        _say_agreement(output, agreed, by_column)
    for path in files:
        output.text(f"figure: {path}")
    output.text(f"table:  {table}")
    return {
        "split": split,
        "of": ensemble.of,
        "rule": ensemble.rule,
        "worst_k": value.worst_k,
        "classes": [class_document(value, i, changed, agreed) for i in range(len(value))],
        "kind": "per-class",
        "samples": len(ensemble),
        "accuracy": ensemble.accuracy,
        "lowest": value.lowest,
        "certain_hardest": value.certain[0] if value.worst_k else None,
        "certain_easiest": value.certain[1] if value.worst_k else None,
        "macro_accuracy": value.macro_accuracy,
        "macro_f1": value.macro_f1,
        "left_out": value.left_out,
        "kappa": value.kappa,
        "mcc": value.mcc,
        "groups": value.groups,
        "against": _against_document(changed) if changed else None,
        "members": stack.members,
        "definition": ensemble_document(ensemble),
        "files": [*files, table],
    }


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report gallery{job.on}",)


def _say_overall(output: Output, value: "PerClass", split: str) -> None:
    """Say what the classes come to together, which of them that leaves out, and how samples in groups were counted."""
    if value.groups is not None and value.effective is not None:
        count, total = float(value.effective[: value.scored].sum()), int(value.samples.sum())
        output.note(
            f"The {total:,} samples lie in {many(value.groups, 'group')} that belong together; class by class they "
            f"count as {count:,.0f} separate ones, and intervals and tests are made so."
        )
    right = int(value.correct.sum()) / int(value.samples.sum())
    parts = [
        f"accuracy {100 * right:.1f} %", f"macro recall (balanced accuracy) {100 * value.macro_accuracy:.1f} %",
        f"macro-F1 {100 * value.macro_f1:.1f} %", f"Cohen's kappa {_number(value.kappa)}",
        f"Matthews correlation {_number(value.mcc)}",
    ]  # fmt: skip
    output.note(f"Overall: {', '.join(parts)}.")
    if value.left_out:
        output.note(
            f"{len(value.left_out)} of {len(value)} classes without images on {split}, which the macro averages leave "
            f"out: {_some(list(value.left_out))}."
        )


def _number(value: float) -> str:
    return "undefined" if value != value else f"{value:.3f}"


def _say_extremes(output: Output, value: "PerClass", names: Sequence[str]) -> None:
    """Say how the hardest and the easiest class fare, and how many others fare alike."""
    if value.lowest == value.scored > 1:
        output.note(
            f"all {value.scored} classes have one recall, {100 * value.accuracy[0]:.0f} %: none is the hardest."
        )
        return
    if value.scored == 1:
        output.note(f"all images are of one class: {found(value, names, 0)}")
        return
    for word, row, alike in (("hardest", 0, value.lowest), ("easiest", value.scored - 1, value.highest)):
        shared = f"; {alike} classes share that recall" if alike > 1 else ""
        if row == 0 and alike == 1:
            shared = f"; truly the hardest with a probability of {100 * value.hardest_share:.0f} %"
        output.note(f"{word}: {found(value, names, row)}{shared}")


def _say_certain(output: Output, value: "PerClass") -> None:
    """Say how many of the hardest and of the easiest classes are so in almost all draws, and not by chance."""
    from analysis.classes.per_class import extremes

    hardest, easiest = map(len, extremes(value))
    for word, alike, shown in (("lowest", value.lowest, hardest), ("highest", value.highest, easiest)):
        if value.scored > hardest + easiest and alike > shown > 0:
            output.note(f"{alike} classes share the {word} recall; which of them are shown is the order of their ids.")
    if not value.worst_k:
        return
    k, (hard, easy) = value.worst_k, value.certain
    if hard == easy == k:
        output.note(f"All of the hardest {k} and of the easiest {k} are so in at least 95 % of draws.")
        return
    output.note(
        f"{hard or 'None'} of the classes {'is' if hard == 1 else 'are'} among the hardest {k} in at "
        f"least 95 % of draws, {easy or 'none'} among the easiest {k}; chance may have put the others there.",
    )


def _some(names: list[str]) -> str:
    more = len(names) - _SAID
    return ", ".join(names[:_SAID]) + (f" and {more} more" if more > 0 else "")


def _say_changed(output: Output, value: "ClassComparison", names: dict[int, str], grouped: bool) -> None:
    test = "Obuchowski's test" if grouped else "McNemar's mid-p"

    from analysis.classes.improved import MOST

    def points(columns: Any) -> str:
        return ", ".join([f"{names[int(c)]} ({100 * value.difference[c]:+z.0f})" for c in columns])

    output.note(
        f"against {value.against}: {many(len(value.improved), 'class', 'classes')} significantly improved, "
        f"{len(value.degraded)} degraded, of {value.tested} tested (paired, {test}; Benjamini-Hochberg at "
        f"{100 * value.level:.0f} %).",
    )
    for word, significant, better in (("improved", value.improved, True), ("degraded", value.degraded, False)):
        shown = value.leading(better, MOST)  # as the picture has them
        if shown:
            columns = [c for c in shown if c in significant]
            more = len(significant) - len(columns)
            how = "" if columns else ", but it may be chance"
            further = f", and {more} more" if more else ""
            output.note(f"{word}{how} (points): {points(columns or shown)}{further}")
    smallest = value.smallest_median
    output.note(
        "A difference"
        + (f" below {100 * smallest:.0f} points" if smallest <= 1 else ", however large,")
        + " would mostly have gone unnoticed in a class of middling size: no find is no proof.",
    )
    if value.chosen_here:
        output.note(
            f"{value.against} was chosen as the best on these very images, which is likely to flatter it: classes are "
            "then found improved too seldom, and degraded too often. --against NAME compares with a member chosen "
            "elsewhere.",
        )


def _say_agreement(output: Output, value: "Agreement", names: dict[int, str]) -> None:
    def named(most: bool) -> str:
        return ", ".join(
            f"{names[int(c)]} ({100 * value.disagreement[c]:.0f} %)"
            for c in value.ranked(most)[: min(3, len(names) // 2)]
        )

    seen = [share for share in value.disagreement.tolist() if share == share]
    least, most = (f"{100 * share:.0f} %" for share in (min(seen, default=0.0), max(seen, default=0.0)))
    if least == most:
        output.note(f"two members differ on {most} of the images of every class.")
        return
    output.note(f"members differ least on {named(False)}; most on {named(True)} (%: how often two members differ).")


def _against_document(value: "ClassComparison") -> dict[str, Any]:
    return {
        "name": value.against, "chosen_here": value.chosen_here, "level": value.level, "tested": value.tested,
        "smallest": value.smallest_median,
        "helped": [value.class_ids[c] for c in value.improved], "hurt": [value.class_ids[c] for c in value.degraded],
    }  # fmt: skip
