"""How well confidence agrees with accuracy: of the ensemble, of its members, by size and after a temperature."""

from typing import TYPE_CHECKING, Any

import click

from cli.combine_json import ensemble_document
from cli.common import Output
from cli.reports.job import ENSEMBLE, GROUPS, Job, say_chosen_here, say_groups
from cli.reports.text import cut_middle

if TYPE_CHECKING:
    from analysis.calibration.calibration import Calibration
    from analysis.calibration.equivalent import DeepEnsembleEquivalent
    from analysis.calibration.of_ensemble import CalibrationBySize, CalibrationScores, EnsembleCalibration

MOST_NUMBERS = 20_000_000  # samples times classes: some minutes of temperatures

OPTIONS = (
    ENSEMBLE,
    GROUPS,
    click.option(
        "--bins", type=click.IntRange(1, 1000), default=15, show_default=True, metavar="N",
        help="calibration: how many bins of confidence.",
    ),
    click.option(
        "--binning", type=click.Choice(["equal", "adaptive"]), default="equal", show_default=True,
        help="calibration: the diagram's bins, of equal width or of as many samples each.",
    ),
)  # fmt: skip


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show the reliability diagram, the calibration of ensemble and members in numbers, and both by size."""
    from analysis.calibration.of_ensemble import ensemble_calibration, write_calibration_csv

    bins, binning = job.options["bins"], job.options["binning"]
    ensemble = job.data.ensemble
    groups = job.data.groups_of(ensemble.stack)
    with output.progress("Calibrating subsets", "samples") as progress:
        value = ensemble_calibration(ensemble, bins, binning, progress, groups)
    equal, why = _equivalent(output, job)
    parts = [job.who, "" if binning == "equal" else binning, "" if bins == 15 else f"{bins}-bins"]
    detail = "-".join(part for part in parts if part)
    table = job.path("calibration", detail, "csv")
    write_calibration_csv(table, value)
    files = _draw(job, value, detail)
    _say_scores(output, job, value)
    if equal is not None:
        _say_equivalent(output, equal)
    elif why:
        output.note(f"No deep-ensemble equivalent: {why}")
    count = say_groups(
        output, groups, "the temperature's folds keep them so and the diagram's intervals count them so; what chance "
        "gives the ECE is of separate samples, so its p may be too small"
    )  # fmt: skip
    say_chosen_here(output, job)
    for path in files:
        output.text(f"figure: {path}")
    output.text(f"table:  {table}")
    found = value.temperature
    return {
        "kind": "calibration", "split": job.data.split, "of": ensemble.members, "rule": ensemble.rule,
        "samples": value.ensemble.samples, "classes": ensemble.stack.classes, "bins": bins, "binning": binning,
        "groups": count, "ensemble": _scores_document(value.ensemble),
        "ece_by_chance": {"mean": value.chance.mean, "p": value.chance.p, "draws": value.chance.draws},
        "reliability": _bins_document(value.reliability),
        "temperature": None if found is None or value.after is None or value.reliability_after is None else {
            "value": found.value, "by_fold": found.by_fold, "at_end": found.at_end,
            "how": f"fitted after averaging; scores of each sample with what was fitted without its fold, "
                   f"{len(found.by_fold)} folds",
            "after": _scores_document(value.after), "reliability": _bins_document(value.reliability_after),
        },
        "members": [
            _scores_document(scores) | {"temperature": value.temperatures[i] if value.temperatures else None}
            for i, scores in enumerate(value.members)
        ],
        "by_size": None if value.by_size is None else _size_document(value.by_size),
        "equivalent": None if equal is None else {
            "calibrated_log_likelihood": equal.its, "members": equal.members, "value": equal.value,
            "sizes": [
                {"k": k, "mean": equal.mean[i], "spread": equal.spread[i], "subsets": equal.subsets[i]}
                for i, k in enumerate(equal.k.tolist())
            ],
        },
        "equivalent_lacking": why or None,
        "definition": ensemble_document(ensemble), "files": [*files, table],
    }  # fmt: skip


def _equivalent(output: Output, job: Job) -> "tuple[DeepEnsembleEquivalent | None, str]":
    """Return the deep-ensemble equivalent of an ensemble that is not the plain mean itself; else why there is none."""
    from analysis.calibration.equivalent import deep_ensemble_equivalent
    from ensemble.errors import BadInput

    if job.data.name == "all":
        return None, ""
    try:
        stack = job.data.stack
        if stack.samples * stack.classes > MOST_NUMBERS:
            return None, f"{stack.samples:,} samples of {stack.classes:,} classes would take too long."
        with output.progress("Calibrating plain means", "subsets") as progress:
            return deep_ensemble_equivalent(job.data.ensemble, stack, progress, job.data.groups_of(stack)), ""
    except BadInput as error:
        return None, str(error)


def _say_equivalent(output: Output, value: "DeepEnsembleEquivalent") -> None:
    m = len(value.members)
    if value.value is None:
        told = f"more than the plain mean of all {m} members has ({value.mean[-1]:.4f})"
    elif value.value == 1:
        told = f"no more than one member has on average ({value.mean[0]:.4f})"
    else:
        told = f"as much as the plain mean of {value.value:.2f} members, between whole ones by a straight line"
    output.note(f"calibrated log-likelihood, temperature cross-fitted: {value.its:.4f} nats, {told}.")


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report diversity{job.on}", f"ens-combine --metric nll{job.on}")


def _draw(job: Job, value: "EnsembleCalibration", detail: str) -> list[Any]:
    from analysis.figures.calibration import by_size_figure, reliability_figure
    from analysis.figures.style import save, style

    whom, split = job.whom(), job.data.split
    own, found, after = value.reliability, value.temperature, value.reliability_after
    what = "ECE" if own.binning == "equal" else "adaptive ECE"
    label, hot = f"as it is: {what} {100 * own.ece:.2f} %", ""
    if found is not None and after is not None:
        hot = f"temperature {found.value:.2f}, held out: {what} {100 * after.ece:.2f} %"
    with style():
        figure = reliability_figure(own, f"Reliability on {split}, {whom}", label, after, hot)
        files = [save(figure, job.path("calibration", detail))]
        if value.by_size is not None:
            figure = by_size_figure(value.by_size, f"Calibration by size on {split}, nothing but averaged")
            files.append(save(figure, job.path("calibration-by-size", detail)))
    return files


def _say_scores(output: Output, job: Job, value: "EnsembleCalibration") -> None:
    split, found = job.data.split, value.temperature
    best = [f"{t:.2f}" for t in value.temperatures] or [""] * len(value.members)
    rows = [_cells(cut_middle(s.name, 18), s, t) for s, t in zip(value.members, best, strict=True)]
    name = "ensemble" if value.members else cut_middle(job.data.ensemble.of[0], 18)
    rows.append(_cells(name, value.ensemble, "" if found is None else f"{found.value:.2f}"))
    if value.after is not None:
        rows.append(_cells("... at T, held out", value.after, ""))
    output.table(
        ("", "acc. %", "conf. %", "ECE %", "adapt.", "class", "NLL", "Brier", "T"), rows,
        title=f"Calibration on {split}, {value.ensemble.bins} bins; {job.whom()}",
    )  # fmt: skip
    kinds = [("Brier score", value.ensemble)] + ([("at T, held out", value.after)] if value.after else [])
    output.table(
        ("", "score", "= reliability", "- resolution", "+ uncertainty", "+ residual"),
        [(name, *(f"{part:z.4f}" for part in (s.brier, s.parts.reliability, s.parts.resolution, s.parts.uncertainty,
                                             s.parts.residual))) for name, s in kinds],
        title="The Brier score in parts, each class against the rest on those bins",
    )  # fmt: skip
    chance = value.chance
    output.note(
f"chance: were its confidence exactly right, its ECE would be about {100 * chance.mean:.2f} % on so "
              f"few samples (p = {chance.p:.3f}, {chance.draws} draws).")  # fmt: skip
    if found is None:
        output.note(f"No temperature: {value.ensemble.samples} samples are too few to fit one and hold some out.")
    else:
        _say_temperature(output, value)
    if value.by_size is None:
        output.note("One member: there is nothing to average, so nothing by size.")
    else:
        _say_sizes(output, value.by_size)


def _cells(name: str, scores: "CalibrationScores", best: str) -> tuple[str, ...]:
    shares = (scores.accuracy, scores.confidence)
    errors = (scores.ece, scores.adaptive_ece, scores.class_wise_ece)
    return (name, *(f"{100 * s:.1f}" for s in shares), *(f"{100 * e:.2f}" for e in errors), f"{scores.nll:.4f}",
            f"{scores.brier:.4f}", best)  # fmt: skip


def _say_temperature(output: Output, value: "EnsembleCalibration") -> None:
    found, after, before = value.temperature, value.after, value.ensemble
    assert found is not None and after is not None
    if found.at_end:
        output.note(
            f"temperature: {found.value:g}, the end of the range that is searched; take it as a direction only."
        )
    else:
        low, high = found.by_fold.min(), found.by_fold.max()
        does = "sharpens" if high < 1 else "flattens" if low > 1 else "changes next to nothing of"
        folds = len(found.by_fold)
        output.note(
f"temperature: {found.value:.3f} ({low:.3f} to {high:.3f} over {folds} folds); it {does} the "
                  "probabilities.")  # fmt: skip
    output.note(
f"held out, it takes the NLL from {before.nll:.4f} to {after.nll:.4f} and the ECE from "
              f"{100 * before.ece:.2f} to {100 * after.ece:.2f} %.")  # fmt: skip


def _say_sizes(output: Output, value: "CalibrationBySize") -> None:
    means = {column: value.summary(column)[0] for column in value.scores}
    output.table(
        ("k", "subsets", "acc. %", "conf. %", "conf. - acc.", "ECE %", "NLL", "Brier"),
        [
            (str(k), f"{count:,}", f"{100 * means['accuracy'][i]:.1f}", f"{100 * means['confidence'][i]:.1f}",
             f"{100 * (means['confidence'][i] - means['accuracy'][i]):+z.1f}", f"{100 * means['ece'][i]:.2f}",
             f"{means['nll'][i]:.4f}", f"{means['brier'][i]:.4f}")
            for i, (k, count) in enumerate(zip(value.ks, value.counts, strict=True))
        ],
        title=f"By size, nothing but averaged: means over {value.how}",
        left=(),
    )  # fmt: skip
    gaps = 100 * (means["confidence"] - means["accuracy"])
    ends = 100 * means["ece"][[0, -1]]
    gap, ece = ([f"{x:+z.1f}" for x in gaps[[0, -1]]], [f"{x:.2f}" for x in ends])
    if gap[0] == gap[1] and ece[0] == ece[1]:
        output.note(
            f"averaging {value.ks[-1]} members: confidence less accuracy stays at {gap[0]} points, ECE at {ece[0]} %."
        )
    else:
        output.note(
            f"averaging {value.ks[-1]} members: confidence less accuracy from {gap[0]} to {gap[1]} points, ECE from "
            f"{ece[0]} to {ece[1]} %."
        )


def _scores_document(scores: "CalibrationScores") -> dict[str, Any]:
    parts = scores.parts
    return {
        "name": scores.name, "accuracy": scores.accuracy, "confidence": scores.confidence, "nll": scores.nll,
        "brier": scores.brier, "ece": scores.ece, "adaptive_ece": scores.adaptive_ece,
        "class_wise_ece": scores.class_wise_ece,
        "brier_parts": {"reliability": parts.reliability, "resolution": parts.resolution,
                        "uncertainty": parts.uncertainty, "residual": parts.residual},
    }  # fmt: skip


def _bins_document(value: "Calibration") -> list[dict[str, Any]]:
    return [
        {"from": value.edges[b], "to": value.edges[b + 1], "samples": value.counts[b],
         "confidence": value.confidence[b], "accuracy": value.accuracy[b], "low": value.low[b], "high": value.high[b]}
        for b in range(len(value.counts))
    ]  # fmt: skip


def _size_document(value: "CalibrationBySize") -> dict[str, Any]:
    summaries = {column: value.summary(column) for column in value.scores}
    return {
        "how": value.how, "sampled": value.sampled,
        "sizes": [
            {"k": k, "subsets": count}
            | {column: {"mean": s[0][i], "min": s[1][i], "max": s[2][i]} for column, s in summaries.items()}
            for i, (k, count) in enumerate(zip(value.ks, value.counts, strict=True))
        ],
    }  # fmt: skip
