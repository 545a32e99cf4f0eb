"""When not to answer: error against coverage, conformal sets, the parts of uncertainty, and shifted samples."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.combine_json import ensemble_document
from cli.combine_text import copy_names
from cli.common import Output
from cli.reports.job import ENSEMBLE, GROUPS, Job, say_chosen_here, say_groups
from cli.reports.text import cut, cut_middle, fitting_table
from ensemble.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

    from analysis.abstention.conformal import ConformalSets
    from analysis.abstention.of_ensemble import EnsembleAbstention, ShiftedSplit
    from analysis.abstention.selective import RiskCoverage
    from analysis.ensemble import Ensemble

OPTIONS = (
    ENSEMBLE,
    GROUPS,
    click.option(
        "--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
        help="abstain: what share of conformal sets may miss the true class.  [default: 0.1]",
    ),
    click.option(
        "--shifted", multiple=True, metavar="SPLIT|FILE",
        help="abstain: a shifted or foreign split of the study, or files of predictions for such samples, one for each "
        "member or one of the ensemble; may be repeated.  [default: every split that is none of ens-train's]",
    ),
)  # fmt: skip
USUAL = ("train", "train-oof", "tune", "val", "test")
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
RISKS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
POINTS = 101  # of each curve in the JSON document
CLASSES_SHOWN = 3


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show whom to trust when: risk and coverage, sets that hold the truth, kinds of uncertainty, other splits."""
    from analysis.abstention.of_ensemble import (
        ensemble_abstention,
        logits_of,
        write_abstention_csv,
        write_samples_csv,
        write_sets_csv,
    )

    ensemble, study = job.data.ensemble, job.data.study
    ensemble.stack.require_labels()
    shifted, skipped = _shifted(job)
    logits = [logits_of(study, ensemble.stack)]
    logits += [None if logits[0] is None or file else logits_of(study, own.stack) for own, file in shifted]
    with output.progress("Measuring certainty", "members") as progress:
        groups, others = job.data.groups_of(ensemble.stack), [own for own, _ in shifted]
        value = ensemble_abstention(ensemble, job.options["alpha"], others, logits, progress, groups)
    detail = "-".join(p for p in (job.who, "" if value.alpha == 0.1 else f"alpha-{value.alpha:g}") if p)
    tables = [job.path("abstain", detail, "csv"), job.path("abstain-samples", detail, "csv")]
    write_abstention_csv(tables[0], value)
    write_samples_csv(tables[1], value)
    if value.sets:
        tables.append(job.path("abstain-classes", detail, "csv"))
        write_sets_csv(tables[-1], value)
    files = _draw(job, value, detail)
    _say_curves(output, job, value)
    _say_sets(output, value)
    _say_parts(output, value)
    for own in value.shifted:
        _say_shift(output, own)
    for why in skipped:
        output.note(f"left out: {why}")
    apart = "; intervals beside another split take samples one by one" if value.shifted else ""
    count = say_groups(output, groups, f"sets are given by other groups, and intervals count samples so{apart}")
    say_chosen_here(output, job)
    for path in files:
        output.text(f"figure: {path}")
    for path in tables:
        output.text(f"table:  {path}")
    return _document(job, value, skipped) | {
        "copies": copy_names(ensemble.stack),
        "groups": count,
        "definition": ensemble_document(ensemble),
        "files": [*files, *tables],
    }


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report errors{job.on}", f"ens-report calibration{job.on}")


def _shifted(job: Job) -> "tuple[list[tuple[Ensemble, bool]], list[str]]":
    """Return the ensemble on each other split, with whether a file holds it; and why some were left out."""
    from analysis.report_data import ensemble_on

    study, asked = job.data.study, job.options["shifted"]
    found: list[tuple[Ensemble, bool]] = []
    skipped: list[str] = []
    files = [Path(name) for name in asked if name not in study.splits()]
    for name in asked:
        if name == job.data.split:
            raise BadInput(f"--shifted {name}: is the split that is reported on; name another one.")
        if name in study.splits():
            found.append((ensemble_on(job.data, name), False))
    if files:
        found.append((_of_files(job, files), True))
    if not asked:
        for name in study.splits():
            if name not in (*USUAL, job.data.split):
                try:
                    found.append((ensemble_on(job.data, name), False))
                except BadInput as error:
                    skipped.append(f"{name}: {error}")
    return found, skipped


def _of_files(job: Job, files: Sequence[Path]) -> "Ensemble":
    """Return the ensemble on what files hold: predictions of each of its members, or of itself."""
    from analysis.ensemble import ensemble_of
    from analysis.stack import join
    from ensemble.importing.layout import Classes
    from ensemble.importing.parse import import_files

    ensemble = job.data.ensemble
    for path in files:
        if not path.is_file():
            raise BadInput(
                f"--shifted {path}: is neither a file nor a split of the study; it has "
                f"{', '.join(job.data.study.splits())}."
            )
    title = files[0].stem if len(files) == 1 else f"{len(files)} files"
    stack = ensemble.stack
    known = Classes(stack.class_ids, stack.class_names)
    found = [one.predictions for one in import_files(files, study_classes=known)]
    stack = join([replace(p, split="shifted") for p in found])
    if set(stack.members) == set(ensemble.members) and ensemble.weights is not None:
        own = ensemble_of(stack, ensemble.weights, ensemble.rule)
    elif len(files) == 1:
        own = ensemble_of(stack)
    else:
        raise BadInput(
            f"--shifted: expected one file of the ensemble's predictions, or one for each of its members "
            f"({', '.join(ensemble.members)}), found "
            f"{', '.join(stack.members)}."
        )
    return replace(own, name=ensemble.name, stack=replace(own.stack, split=title))


def _draw(job: Job, value: "EnsembleAbstention", detail: str) -> list[Path]:
    from analysis.figures.abstention import abstention_figure, sets_figure
    from analysis.figures.style import save, style

    with style():
        files = [save(abstention_figure(value), job.path("abstain", detail))]
        shown = [found for found in value.sets if found.how == "cross-fitted"]
        if shown:
            title = f"Conformal sets by class on {job.data.split}, {job.whom()}"
            files.append(save(sets_figure(shown, title), job.path("abstain-sets", detail)))
    return files


def _say_curves(output: Output, job: Job, value: "EnsembleAbstention") -> None:
    from analysis.figures.abstention import TITLES

    rows = [
        [TITLES[score], f"{100 * c.aurc:.2f}", f"{100 * c.excess_aurc:.2f}", _area(c.auroc, c.low, c.high),
         *(f"{100 * c.risk_at(coverage):.1f}" for coverage in COVERAGES)]
        for score, c in value.curves.items()
    ]  # fmt: skip
    rows += [
        [f"{cut_middle(c.name, 12)}, {TITLES[c.score]}", f"{100 * c.aurc:.2f}", f"{100 * c.excess_aurc:.2f}",
         _area(c.auroc, c.low, c.high), *(f"{100 * c.risk_at(coverage):.1f}" for coverage in COVERAGES)]
        for c in (curves["confidence"] for curves in value.members)
    ]  # fmt: skip
    heads = ["certainty by", "AURC", "excess", "AUROC of errors", *(f"{100 * c:.0f} %" for c in COVERAGES)]
    left_out = fitting_table(
        output, heads, rows, (0, 1, 3, 4, 6, 7, 9, 2, 5, 8),
        title=f"Error in % where the most certain samples of {job.data.split} are answered; {job.whom()}",
    )  # fmt: skip
    if left_out:
        output.note(f"In the JSON document too: {', '.join(left_out)}.")
    curve = value.curves["confidence"]
    if not curve.errors or curve.errors == curve.samples:
        output.note(f"{'Nothing' if not curve.errors else 'Everything'} is wrong here, so no score can tell errors.")
        return
    best = value.best
    output.note(
        f"AUROC of errors: how often what is right is more certain than what is wrong. Of the ways to tell "
        f"how certain {job.whom()} is, {TITLES[best.score]} has the lowest AURC here."
    )
    reached = [
        f"{100 * risk:g} % at {100 * coverage:.0f} % answered"
        for risk in RISKS
        if risk < curve.errors / curve.samples and (coverage := curve.coverage_at(risk)[0]) > 0
    ]
    if reached:
        output.note(f"by confidence the error falls to {', '.join(reached[:4])}; thresholds picked on these samples.")


def _area(area: float, low: float, high: float) -> str:
    return "-" if area != area else f"{area:.3f} ({low:.3f}-{high:.3f})"


def _say_sets(output: Output, value: "EnsembleAbstention") -> None:
    from analysis.figures.abstention import METHOD_TITLES

    if not value.sets:
        output.note(f"No conformal sets: {value.lacking}")
        return
    rows = []
    for found in value.sets:
        low, high = found.interval
        rows.append((
            METHOD_TITLES[found.method], found.how, f"{len(found.sizes):,}", f"{100 * found.coverage:.1f}",
            f"{100 * low:.1f}-{100 * high:.1f}", f"{found.mean_size:.2f}", f"{100 * found.single:.1f}",
            f"{100 * found.empty:.1f}",
        ))  # fmt: skip
    output.table(
        ("sets", "how", "samples", "covered %", "95 %", "classes", "one, %", "none, %"), rows,
        title=f"Conformal sets that are to hold the true class of {100 * (1 - value.alpha):.4g} % of new samples",
        left=(0, 1),
    )  # fmt: skip
    lac = value.found("lac")
    assert lac is not None
    classes = lac.by_class()
    order = [int(i) for i in classes["coverage"].argsort(kind="stable") if classes["samples"][i]]
    named = "; ".join(
        f"{cut(lac.class_names[i].split(', ')[0], 20)}: {100 * classes['coverage'][i]:.0f} % of {classes['samples'][i]}"
        for i in order[:CLASSES_SHOWN]
    )
    output.note(
        f"The promise is of all samples together, not of each class: LAC's sets hold the class least often of {named}."
    )
    if value.member_sets:
        sizes = [found.mean_size for own in value.member_sets for found in own if found.method == "lac"]
        output.note(
            f"LAC's sets have {lac.mean_size:.2f} classes on average; of the members alone {min(sizes):.2f} to "
            f"{max(sizes):.2f}."
        )


def _say_parts(output: Output, value: "EnsembleAbstention") -> None:
    if value.parts is None:
        output.note("One member: its uncertainty has no parts, for there is nobody to disagree with.")
        return
    right = value.ensemble.preds == value.ensemble.stack.labels
    rows = []
    for name, which in (("all", right | True), ("right", right), ("wrong", ~right)):
        if which.any():
            cells = _parts(value.parts, which)
            rows.append((name, f"{int(which.sum()):,}", *(f"{cells[k]:.4f}" for k in cells)))
    output.table(
        ("samples", "", "total", "= aleatoric", "+ mutual information"), rows,
        title="Uncertainty in nats: what members are unsure of, and what they disagree on",
    )  # fmt: skip


def _parts(parts: Any, which: "np.ndarray") -> dict[str, float]:
    return {name: float(getattr(parts, name)[which].mean()) for name in ("total", "aleatoric", "mutual_information")}


def _say_shift(output: Output, own: "ShiftedSplit") -> None:
    from analysis.figures.abstention import METHOD_TITLES, TITLES

    found = own.detection
    output.table(
        ("certainty by", "AUROC", "95 %", "false positives %"),
        [
            (TITLES[score], f"{found.auroc[i]:.3f}", f"{found.low[i]:.3f}-{found.high[i]:.3f}",
             f"{100 * found.fpr[i]:.1f}")
            for i, score in enumerate(found.scores)
        ],
        title=f"{found.other} ({found.other_samples:,}) told from {found.split} ({found.samples:,}); false positives "
        f"where {100 * found.recall:.0f} % of {found.split} pass",
    )  # fmt: skip
    if own.curve is not None:
        area = "" if own.curve.auroc != own.curve.auroc else f", AUROC of errors {own.curve.auroc:.3f}"
        output.note(
            f"{found.other}: {100 * (1 - own.curve.errors / own.curve.samples):.1f} % right, AURC by confidence "
            f"{100 * own.curve.aurc:.2f}{area}."
        )
    if own.coverage:
        told = ", ".join(
            f"{METHOD_TITLES[method]} {100 * share:.1f} % ({own.mean_size[method]:.2f} classes)"
            for method, share in own.coverage.items()
        )
        output.note(
            f"sets calibrated on {found.split} hold the truth there: {told}; nothing is promised of samples of another "
            "kind."
        )


def _document(job: Job, value: "EnsembleAbstention", skipped: list[str]) -> dict[str, Any]:
    ensemble = value.ensemble
    right = ensemble.preds == ensemble.stack.labels
    return {
        "kind": "abstain", "split": job.data.split, "of": ensemble.of, "rule": ensemble.rule,
        "samples": len(ensemble), "classes": ensemble.stack.classes, "accuracy": ensemble.accuracy,
        "scores": [
            _curve(curve) | {"curve": _points(curve), "at_risk": [_at_risk(curve, risk) for risk in RISKS]}
            for curve in value.curves.values()
        ],
        "members": [
            {"name": next(iter(curves.values())).name, "scores": [_curve(curve) for curve in curves.values()],
             "sets": [_set(found) for found in value.member_sets[i]] if value.member_sets else []}
            for i, curves in enumerate(value.members)
        ],
        "uncertainty": None if value.parts is None else {
            name: _parts(value.parts, which) if which.any() else None
            for name, which in (("all", right | True), ("right", right), ("wrong", ~right))
        },
        "alpha": value.alpha, "lacking": value.lacking or None,
        "sets": [_set(found) | {"by_size": _sizes(found), "by_class": _classes(found)} for found in value.sets],
        "shifted": [_shift(own) for own in value.shifted], "skipped": skipped,
    }  # fmt: skip


def _curve(curve: "RiskCoverage") -> dict[str, Any]:
    return {
        "score": curve.score, "errors": curve.errors, "aurc": curve.aurc, "least_aurc": curve.least_aurc,
        "excess_aurc": curve.excess_aurc, "auroc": curve.auroc, "low": curve.low, "high": curve.high,
    }  # fmt: skip


def _points(curve: "RiskCoverage") -> list[dict[str, float]]:
    """Return the curve at a hundredth of the samples, two hundredths, and so on; of few at each."""
    n = curve.samples
    at = sorted({max(-(-n * i // (POINTS - 1)), 1) - 1 for i in range(1, POINTS)})
    return [{"coverage": curve.coverage[i], "risk": curve.risk[i], "certainty": curve.certainty[i]} for i in at]


def _at_risk(curve: "RiskCoverage", risk: float) -> dict[str, float]:
    """Return how many can be answered with so much error, and from which certainty on, as these samples say."""
    coverage, certainty = curve.coverage_at(risk)
    return {"risk": risk, "coverage": coverage, "certainty": certainty}


def _set(found: "ConformalSets") -> dict[str, Any]:
    low, high = found.interval
    return {
        "method": found.method, "how": found.how, "samples": len(found.sizes), "coverage": found.coverage, "low": low,
        "high": high, "mean_size": found.mean_size, "empty": found.empty, "single": found.single,
        "threshold": found.threshold.value, "calibrated_on": found.threshold.samples,
        "penalty": found.threshold.penalty if found.method == "raps" else None,
        "free": found.threshold.free if found.method == "raps" else None,
    }  # fmt: skip


def _sizes(found: "ConformalSets") -> list[dict[str, Any]]:
    return [
        {"size": size, "samples": count, "covered": hits} for size, (count, hits) in enumerate(found.by_size()) if count
    ]


def _classes(found: "ConformalSets") -> list[dict[str, Any]]:
    columns = found.by_class()
    return [
        {"id": key, "name": name, **{column: values[i] for column, values in columns.items()}}
        for i, (key, name) in enumerate(zip(found.class_ids, found.class_names, strict=True))
    ]


def _shift(own: "ShiftedSplit") -> dict[str, Any]:
    found, curve = own.detection, own.curve
    return {
        "split": found.other, "samples": found.other_samples, "recall": found.recall,
        "scores": [
            {"score": score, "auroc": found.auroc[i], "low": found.low[i], "high": found.high[i], "fpr": found.fpr[i]}
            for i, score in enumerate(found.scores)
        ],
        "uncertainty": None if own.parts is None else _parts(own.parts, own.parts.total > -1),
        "labelled": None if curve is None else {
            "accuracy": 1 - curve.errors / curve.samples, "aurc": curve.aurc, "auroc": curve.auroc,
            "sets": [
                {"method": method, "coverage": share, "mean_size": own.mean_size[method]}
                for method, share in own.coverage.items()
            ],
        },
    }  # fmt: skip
