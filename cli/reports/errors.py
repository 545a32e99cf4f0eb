"""The errors, image by image: what nobody gets right, what the ensemble rescues and spoils, a random draw."""

from typing import TYPE_CHECKING, Any

import click

from analysis.sentences import many, oracle, weak_judges, wrong_for_all
from cli.combine_json import ensemble_document
from cli.common import Output
from cli.reports.job import ENSEMBLE, IMAGES, SEED, Job, called, images_or_why, say_chosen_here
from cli.reports.text import cut, found

if TYPE_CHECKING:
    import numpy as np

    from analysis.classes.per_class import PerClass
    from analysis.errors import ErrorAnalysis
    from analysis.label_errors import LabelErrors

OPTIONS = (
    ENSEMBLE,
    IMAGES,
    SEED,
    click.option(
        "--samples",
        type=click.IntRange(min=1),
        default=1000,
        show_default=True,
        metavar="N",
        help="errors: how many images the error analysis draws.",
    ),
)
_NAMED = 10  # suspects and worst classes named on the terminal
_LISTED = 50  # rows of each list in the JSON document; the CSV file has them all


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show what is wrong: suspects of a wrong label, rescued and spoiled images, and a random draw with its errors."""
    from analysis.classes.confusion import first_names
    from analysis.classes.per_class import per_class
    from analysis.errors import find_errors, write_errors_csv
    from analysis.figures.errors import errors_figure
    from analysis.figures.style import save, style
    from analysis.label_errors import find_label_errors, write_label_errors_csv
    from analysis.statistics import wilson

    ensemble = job.data.ensemble
    value = find_errors(ensemble, job.options["samples"], job.options["seed"])
    drawn = per_class(value.labels[value.drawn], value.preds[value.drawn], value.class_ids, value.class_names)
    right = int(drawn.correct.sum())
    low, high = (float(end) for end in wilson(right, len(value.drawn)))
    table = job.path("errors", job.who, "csv")
    write_errors_csv(table, value)
    doubts = find_label_errors(ensemble)
    listed = job.path("label-errors", job.who, "csv")
    write_label_errors_csv(listed, doubts)
    with style():
        files = [save(errors_figure(value), job.path("errors", job.who))]
    names = first_names(value.class_names, value.class_ids)
    counts = value.by_members_right()
    _say_counts(output, job, value, counts)
    _say_suspects(output, value, names)
    _say_doubts(output, doubts, names, float(value.right.mean()))
    output.note(
        f"drawn: {many(len(value.drawn), 'image')} with seed {value.seed}, "
        f"{100 * right / len(value.drawn):.1f} % right ({right:,}; 95 % interval {100 * low:.1f}-{100 * high:.1f})"
        + (f"; worst classes among them: {_worst(drawn)}." if right < len(value.drawn) else "."),
    )
    without = _galleries(output, job, value, files)
    say_chosen_here(output, job)
    for path in files:
        output.text(f"figure: {path}")
    output.text(f"table:  {table}\ntable:  {listed}")
    likely = value.likely[value.suspects]
    return {
        "kind": "errors", "split": value.split, "of": ensemble.of, "rule": ensemble.rule,
        "members": value.members, "best_member": value.best_member,
        "samples": len(value), "accuracy": value.right.mean(), "oracle": value.oracle,
        "by_members_right": [
            {"members_right": k, "samples": wrong + good, "right": good} for k, (wrong, good) in enumerate(counts)
        ],
        "suspects": {"count": len(value.suspects), "unanimous": int(value.unanimous[value.suspects].sum()),
                     "likely_mislabelled": int(likely.sum()),
                     "prune_by_noise_rate": int(value.pruned[value.suspects].sum()),
                     "images": _rows(value, value.suspects)},
        "rescued": {"count": len(value.rescued), "images": _rows(value, value.rescued)},
        "spoiled": {"count": len(value.spoiled), "majority_right": int(value.majority_right[value.spoiled].sum()),
                    "best_member_right": int(value.best_right[value.spoiled].sum()),
                    "images": _rows(value, value.spoiled)},
        "drawn": {
            "samples": len(value.drawn), "seed": value.seed, "correct": right, "accuracy": right / len(value.drawn),
            "low": low, "high": high,
            "worst": [
                {"id": drawn.class_ids[i], "name": drawn.class_names[i], "samples": drawn.samples[i],
                 "correct": drawn.correct[i], "accuracy": drawn.accuracy[i], "low": drawn.low[i],
                 "high": drawn.high[i]}
                for i in range(min(_NAMED, drawn.scored))
            ],
            "images": _rows(value, value.drawn_errors()),
        },
        "label_errors": _doubts_document(doubts),
        "without_images": without, "definition": ensemble_document(ensemble), "files": [*files, table, listed],
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report confusion{job.on}",)


def _worst(drawn: "PerClass") -> str:
    from analysis.classes.per_class import short_names

    names = short_names(drawn)
    return "; ".join(found(drawn, names, i) for i in range(min(3, drawn.scored)))


def _say_counts(output: Output, job: Job, value: "ErrorAnalysis", counts: "np.ndarray") -> None:
    members = len(value.members)
    output.table(
        ("members right", "images", "%", "ensemble right", "ensemble wrong"),
        [
            (f"{k} of {members}", f"{good + wrong:,}", f"{100 * (good + wrong) / len(value):.1f}", f"{good:,}",
             f"{wrong:,}")
            for k, (wrong, good) in enumerate(counts.tolist())
        ],
        title=f"Who has {many(len(value), 'image')} of {value.split} right; the ensemble: {called(job)}",
    )  # fmt: skip
    spoiled = value.spoiled
    output.note(f"The ensemble is right on {100 * value.right.mean():.1f} %.")
    if members > 1:
        output.note(oracle(value.oracle, float((value.members_right == members).mean())))
        told = f"rescued (ensemble right, most members wrong): {len(value.rescued):,}; spoiled: {len(spoiled):,}"
        if len(spoiled):
            told += (
                f", of which {int(value.majority_right[spoiled].sum()):,} although most members are right, "
                f"{int(value.best_right[spoiled].sum()):,} although {value.best_member} is, the best of them here"
            )
        output.note(f"{told}.")


def _say_suspects(output: Output, value: "ErrorAnalysis", names: list[str]) -> None:
    rows = value.suspects
    if not len(rows):
        several = len(value.members) > 1
        output.note(f"No image is wrong{' for the ensemble and every member' if several else ''}.")
        return
    same = int(value.unanimous[rows].sum())
    output.table(
        ("image", "label", "predicted", "conf. %", "label %", "joint", "pruned"),
        [
            (cut(str(value.sample_ids[i]), 24), cut(names[value.labels[i]], 16), cut(names[value.preds[i]], 16),
             f"{100 * value.confidence[i]:.0f}", f"{100 * value.true_probability[i]:.0f}",
             "yes" if value.likely[i] else "", "yes" if value.pruned[i] else "")
            for i in rows[:_NAMED]
        ],
        title="Most confident of "
        + wrong_for_all(int((value.members_right == 0).sum()), len(rows), same, len(value.members)),
        left=(0, 1, 2),
    )  # fmt: skip
    output.note(
        "Those that every member takes for the same come first, then by how far the prediction is above the label. "
        "These are candidates for a wrong label, no more. By confident learning (Northcutt et al., 2021), joint: off "
        "the diagonal of the ensemble's confident joint; pruned: by prune_by_noise_rate.",
    )
    if value.split.startswith("train") and value.split != "train-oof":
        output.note(
            "The members were trained on these images, which hides wrong labels; use a split held out from them."
        )


def _say_doubts(output: Output, value: "LabelErrors", names: list[str], accuracy: float) -> None:
    """Print the labels that most members doubt."""
    joint, pruned = (int(value.ensemble[variant].sum()) for variant in ("confident_joint", "prune_by_noise_rate"))
    output.note(
        f"Of all images the ensemble doubts the labels of {joint:,} by the confident joint and of {pruned:,} by "
        "prune_by_noise_rate."
    )
    if weak := weak_judges(accuracy, len(value.members) + len(value.copies)):
        output.note(weak)
    if len(value.members) < 2 or not len(value.rows):
        return
    votes = value.votes["prune_by_noise_rate"]
    output.table(
        ("image", "label", "predicted", "members", "margin"),
        [
            (cut(str(value.sample_ids[i]), 24), cut(names[value.labels[i]], 16), cut(names[value.suggested[i]], 16),
             f"{votes[i]} of {len(value.members)}", f"{100 * value.margin[i]:.0f}")
            for i in value.rows[:_NAMED]
        ],
        title=f"Labels that most members doubt, each by prune_by_noise_rate of its own ({len(value.rows):,} in all)",
        left=(0, 1, 2),
    )  # fmt: skip
    if value.copies:
        output.note(f"Not counted, since another member predicts the same: {', '.join(value.copies)}.")


def _doubts_document(value: "LabelErrors") -> dict[str, Any]:
    variants = ("confident_joint", "prune_by_noise_rate")
    return {
        "members": value.members, "copies": value.copies, "count": len(value.rows),
        "ensemble": {variant: int(value.ensemble[variant].sum()) for variant in variants},
        "images": [
            {"sample_id": value.sample_ids[i],
             "label": {"id": value.class_ids[value.labels[i]], "name": value.class_names[value.labels[i]]},
             "suggested": {"id": value.class_ids[value.suggested[i]], "name": value.class_names[value.suggested[i]]},
             "margin": value.margin[i],
             **{variant: {"members": value.votes[variant][i], "ensemble": value.ensemble[variant][i]}
                for variant in variants}}
            for i in value.rows[:_LISTED]
        ],
    }  # fmt: skip


def _galleries(output: Output, job: Job, value: "ErrorAnalysis", files: list[Any]) -> str | None:
    """Draw a gallery of each kind of errors that there is; return why not, where the study has no images."""
    split, why = images_or_why(output, job)
    if split is None:
        output.note(f"No galleries: {why}")
        return why
    from analysis.figures.errors import error_gallery_figure
    from analysis.figures.style import save, style
    from analysis.images.gallery import ERROR_KINDS, error_gallery

    for kind in ERROR_KINDS:
        gallery = error_gallery(value, split, kind, job.options["images"])
        if len(gallery.rows):
            detail = "-".join(part for part in (kind, job.who) if part)
            with style():
                files.append(save(error_gallery_figure(gallery), job.path("errors", detail)))
    return None


def _rows(value: "ErrorAnalysis", rows: "np.ndarray") -> list[dict[str, Any]]:
    def named(i: int) -> dict[str, str]:
        return {"id": value.class_ids[i], "name": value.class_names[i]}

    return [
        {"sample_id": value.sample_ids[i], "true": named(value.labels[i]), "said": named(value.preds[i]),
         "said_probability": value.confidence[i], "true_probability": value.true_probability[i],
         "members_right": value.members_right[i], "all_say_the_same": value.unanimous[i],
         "best_member_right": value.best_right[i], "likely_mislabelled": value.likely[i],
         "prune_by_noise_rate": value.pruned[i]}
        for i in rows[:_LISTED]
    ]  # fmt: skip
