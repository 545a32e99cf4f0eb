"""Any two predictors compared: members, saved ensembles, all members, the best subset, or a member of another study."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.sentences import many, p_text, unequal_groups
from cli.common import Output
from ensemble.errors import BadInput

if TYPE_CHECKING:
    from analysis.ensemble import Ensemble
    from analysis.pairwise import MeanDifference, Versus
    from ensemble.study.study import Study

SHOWN = 10  # classes


def report(
    output: Output, study: "Study", names: tuple[str, ...], split: str, out: Path, groups: Path | None = None
) -> dict[str, Any]:
    """Show how two predictors differ, and whether that is chance; a CSV file of the samples on which they differ."""
    from analysis.pairwise import versus
    from analysis.saved import groups_of
    from analysis.statistics import count_groups

    if len(names) != 2:
        raise BadInput(
            f"ens-report versus: expected two predictors to compare, found {len(names)}; each is a member, a saved "
            "ensemble, 'all', 'best', or STUDY:NAME of another study."
        )
    if names[0] == names[1]:
        raise BadInput(f"ens-report versus: expected two different predictors, found {names[0]!r} twice.")
    (home, first), (_, second) = (_opened(study, name, split) for name in names)
    found = versus(first, second, groups=groups_of(home, first.stack, groups))
    one, other = found.names
    test = found.accuracy
    output.table(
        ("", f"{other} right", f"{other} wrong"),
        [
            (f"{one} right", f"{found.both:,}", f"{test.won:,}"),
            (f"{one} wrong", f"{test.lost:,}", f"{found.neither:,}"),
        ],
        title=f"{one} against {other}, {many(found.samples, 'sample')} of {split}",
    )
    output.note(
        f"Accuracy: {100 * test.difference:+z.2f} points for {one} "
        f"({100 * test.low:+z.2f} to {100 * test.high:+z.2f}), {p_text(test.p)} "
        f"({'McNemar, mid-p' if found.groups is None else 'Obuchowski'})."
    )
    if found.groups is not None and found.effective is not None:
        output.note(
            f"The {found.samples:,} samples lie in {many(int(found.groups.max()) + 1, 'group')} that belong together; "
            f"for the difference in accuracy they count as {found.effective:,.0f} separate ones."
            + unequal_groups(int(found.groups.max()) + 1, count_groups(found.groups))
        )
    for score in (found.nll, found.brier):
        title = {"nll": "NLL", "brier": "Brier score"}[score.metric]
        output.note(
            f"{title}: {score.one:.4f} against {score.other:.4f}, {score.difference:+z.4f} ({score.low:+z.4f} to "
            f"{score.high:+z.4f}; lower is better), {p_text(score.p)} (Student, paired)."
        )
    output.note(found.verdict)
    if "best" in names:
        output.note(f"The best subset was chosen on {split} itself, which is likely to flatter it here.")
    _show_classes(output, found)
    table = out / f"versus-{_slug(names[0])}-{_slug(names[1])}{'' if split == 'val' else f'-{split}'}.csv"
    _write(table, found)
    output.text(f"table:  {table}")
    return _document(found, table)


def _opened(study: "Study", name: str, split: str) -> "tuple[Study, Ensemble]":
    """Return a predictor by its name, or STUDY:NAME of another study's, and that study."""
    from dataclasses import replace

    from analysis.report_data import open_ensemble
    from ensemble.study.study import Study

    folder, colon, own = name.rpartition(":")
    home = Study.open(Path(folder)) if colon else study
    return home, replace(open_ensemble(home, own, split), name=name)


def _show_classes(output: Output, found: "Versus") -> None:
    value, (one, other) = found.classes, found.names
    for better, columns in ((True, value.improved), (False, value.degraded)):
        if len(columns):
            told = ", ".join(
                f"{value.class_names[c]} ({value.won[c]} won, {value.lost[c]} lost, q = {value.q[c]:.2g})"
                for c in columns[:SHOWN]
            )
            more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
            output.note(f"{one if better else other} is more accurate on {told}{more}.")
    if not len(value.improved) and not len(value.degraded):
        output.note(
            f"Of the {many(value.tested, 'class', 'classes')} none differs significantly (Benjamini and Hochberg, 5 %)."
        )


def _write(path: Path, found: "Versus") -> None:
    from analysis.csv_cells import write_csv

    ids = found.classes.class_ids
    rows = [
        (str(found.sample_ids[i]), ids[found.labels[i]], ids[found.preds[i]], ids[found.other[i]], who)
        for who, positions in (("one", found.won), ("other", found.lost), ("neither", found.both_wrong_otherwise))
        for i in positions
    ]
    write_csv(path, ("id", "label", found.names[0], found.names[1], "right"), rows)


def _document(found: "Versus", table: Path) -> dict[str, Any]:
    test, value = found.accuracy, found.classes
    return {
        "kind": "versus",
        "split": found.split,
        "one": found.names[0],
        "other": found.names[1],
        "samples": found.samples,
        "both": found.both,
        "only_one": test.won,
        "only_other": test.lost,
        "neither": found.neither,
        "accuracy": {
            "one": (found.both + test.won) / found.samples,
            "other": (found.both + test.lost) / found.samples,
            "difference": test.difference,
            "low": test.low,
            "high": test.high,
            "p": test.p,
            "power_80": test.power_80,
        },
        "nll": _score(found.nll),
        "brier": _score(found.brier),
        "verdict": found.verdict,
        "groups": None if found.groups is None else int(found.groups.max()) + 1,
        "effective_samples": found.effective,
        "tested": value.tested,
        "classes": [
            {
                "id": value.class_ids[c],
                "name": value.class_names[c],
                "samples": value.samples[c],
                "won": value.won[c],
                "lost": value.lost[c],
                "difference": value.difference[c],
                "p": value.p[c],
                "q": value.q[c],
                "power_80": min(float(value.smallest[c]), 1.0) if value.smallest[c] <= 1 else None,
            }
            for c in [*value.ranked(better=True), *value.ranked(better=False)]
        ],
        "won": [str(found.sample_ids[i]) for i in found.won],
        "lost": [str(found.sample_ids[i]) for i in found.lost],
        "files": [table],
    }


def _score(score: "MeanDifference") -> dict[str, float]:
    return {
        "one": score.one,
        "other": score.other,
        "difference": score.difference,
        "low": score.low,
        "high": score.high,
        "p": score.p,
    }


def _slug(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)
