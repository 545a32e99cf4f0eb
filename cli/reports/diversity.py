"""How differently members answer, what averaging makes of it, and whether unlike pairs gain more."""

from typing import TYPE_CHECKING, Any

from analysis.sentences import many, oracle
from cli.combine_text import say_copies
from cli.common import Output
from cli.reports.job import Job
from cli.reports.text import cut_middle

if TYPE_CHECKING:
    from analysis.diversity import EnsembleDiversity, PairGains

OPTIONS = ()


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show measures of every pair as matrices, of all members, and every pair's gain against its disagreement."""
    from analysis.diversity import PAIRWISE, ensemble_diversity, write_pairs_csv

    stack, split = job.data.joined, job.data.split
    value = ensemble_diversity(stack)
    found, spread = value.diversity, value.ambiguity
    files = []
    if len(stack.members) > 1:
        files = _draw(job, value)
        table = job.path("diversity", ending="csv")
        write_pairs_csv(table, value)
        _say(output, job, value)
        for path in files:
            output.text(f"figure: {path}")
        output.text(f"table:  {table}")
        files.append(table)
    else:
        output.note(f"{stack.members[0]} is the only member: there is no pair to compare, and the mean is the member.")
    copies, gains = say_copies(output, stack), value.gains
    return {
        "kind": "diversity", "split": split, "members": stack.members, "copies": copies, "samples": stack.samples,
        "classes": stack.classes, "labelled": found.labelled,
        "order": [stack.members[i] for i in found.order],
        "matrices": {name: found.matrix(name) for name in PAIRWISE},
        "means": {name: found.mean(name) for name in PAIRWISE},
        "undefined": found.undefined,
        "errors": found.errors, "entropy": found.entropy, "variance": found.variance, "oracle": found.oracle,
        "all_right": found.all_right, "accuracy": value.accuracy,
        "ambiguity": {"ensemble": spread.ensemble, "members": spread.members, "spread": spread.spread,
                      "ambiguity": spread.ambiguity},
        "gains": None if gains is None else {
            "rank_correlation": gains.correlation, "worse": int(gains.worse.sum()),
            "pairs": [
                {"members": [gains.members[i] for i in pair], "disagreement": gains.disagreement[row],
                 "accuracy": gains.accuracy[row], "better_alone": gains.better[row], "gain": gains.gain[row]}
                for row, pair in enumerate(gains.pairs.tolist())
            ],
        },
        "files": files,
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report calibration{job.on}", f"ens-combine --select greedy{job.on}")


def _draw(job: Job, value: "EnsembleDiversity") -> list[Any]:
    from analysis.figures.diversity import gains_figure, matrices_figure
    from analysis.figures.style import save, style

    split, pairs = job.data.split, many(0 if value.gains is None else len(value.gains.pairs), "pair")
    with style():
        title = f"{len(value.diversity.members)} members on {split}, the alike beside one another"
        files = [save(matrices_figure(value.diversity, title), job.path("diversity"))]
        if value.gains is not None and len(value.gains.pairs) > 1:
            figure = gains_figure(value.gains, f"Gain of {pairs} over the better member on {split}")
            files.append(save(figure, job.path("diversity-gains")))
    return files


def _say(output: Output, job: Job, value: "EnsembleDiversity") -> None:
    found, spread, split = value.diversity, value.ambiguity, job.data.split
    m = len(found.members)
    apart = found.disagreement.sum(axis=1) / (m - 1)
    heads = ["member", "differs from others %", "distance"]
    rows = [
        [cut_middle(name, 30), f"{100 * apart[i]:.1f}", f"{spread.spread[i]:.4f}"]
        for i, name in enumerate(found.members)
    ]
    if found.errors is not None and spread.members is not None:
        heads += ["Brier", "accuracy %"]
        for i, row in enumerate(rows):
            row += [f"{spread.members[i]:.4f}", f"{100 * (1 - found.errors[i]):.1f}"]
    output.table(heads, rows, title=f"{m} members on {split}; distance: squared, of probabilities from the mean's")
    pairs = m * (m - 1) // 2
    means = [f"disagreement {100 * found.disagreement.sum() / (m * (m - 1)):.1f} %"]
    for name, label, by, unit in (
        ("double_fault", "double fault", 100, " %"), ("q", "Q", 1, ""), ("correlation", "correlation of errors", 1, ""),
    ):  # fmt: skip
        mean = found.mean(name)
        if mean is not None:
            means.append(f"{label} {by * mean:.{1 if unit else 2}f}{unit}")
    output.note(f"{'mean of ' if pairs > 1 else ''}{many(pairs, 'pair')}: {', '.join(means)}.")
    for name, why in found.undefined.items():
        output.note(
            f"{cut_middle(name, 40)} is {why}: Q and the correlation of errors are 0 / 0 with it, and left out."
        )
    if found.labelled:
        _say_labelled(output, value)
    else:
        output.note(
f"{split} has no labels: the disagreement and the distance from the ensemble need none; double "
                  "fault, Q, correlation of errors, oracle and gains do, and are left out.")  # fmt: skip


def _say_labelled(output: Output, value: "EnsembleDiversity") -> None:
    from analysis.diversity import CAVEATS

    found, spread, gains = value.diversity, value.ambiguity, value.gains
    assert found.oracle is not None and found.all_right is not None and value.accuracy is not None
    assert found.variance is not None and spread.members is not None and gains is not None
    output.note(f"all together: entropy {found.entropy:.3f}, Kohavi-Wolpert variance {found.variance:.4f}.")
    output.note(f"The mean is right on {100 * value.accuracy:.1f} %.")
    output.note(oracle(found.oracle, found.all_right))
    output.note(f"Brier score: {spread.members.mean():.4f} of the members on average, less {spread.ambiguity:.4f} of "
              f"ambiguity, is the mean's {spread.ensemble:.4f}, exactly.")  # fmt: skip
    pairs, worse = len(gains.pairs), int(gains.worse.sum())
    most, least = (f"{100 * gain:+z.1f}" for gain in (gains.gain.max(), gains.gain.min()))
    if pairs > 1 and most == least:
        output.note(f"gain over the better member: {most} points, every pair")
    else:
        output.note(
            f"gain over the better member{'' if pairs == 1 else ', most'}: {_pair(gains, int(gains.gain.argmax()))}"
        )
    if pairs > 1 and most != least:
        output.note(f"gain over the better member, least: {_pair(gains, int(gains.gain.argmin()))}")
        are = "are" if worse > 1 else "is"
        output.note(f"{worse or 'None'} of {pairs} pairs {are} worse than the better member alone.")
    if gains.correlation is not None:
        rank = f"rank correlation of gain and disagreement: {gains.correlation:.2f}."
        output.note(" ".join((rank, *CAVEATS)))


def _pair(gains: "PairGains", row: int) -> str:
    i, j = gains.pairs[row].tolist()
    names = " + ".join(cut_middle(gains.members[k], 28) for k in (i, j))
    return f"{names}, {100 * gains.gain[row]:+z.1f} points"
