"""Which classes are confused with which: the matrix, the pairs most often confused, and their images."""

from typing import TYPE_CHECKING, Any

import click

from analysis.sentences import many
from cli.combine_json import ensemble_document
from cli.common import Output
from cli.reports.job import ENSEMBLE, GROUPS, Job, images_or_why, say_chosen_here, say_groups
from cli.reports.text import cut

if TYPE_CHECKING:
    from analysis.classes.confusion import ClassBlock, Confusion, Direction, Pair

OPTIONS = (
    ENSEMBLE,
    GROUPS,
    click.option(
        "--top",
        type=click.IntRange(1, 1000),
        default=10,
        show_default=True,
        metavar="N",
        help="confusion: how many pairs of classes to name; the first four are shown with images.",
    ),
    click.option(
        "--order",
        type=click.Choice(["cluster", "id"]),
        default="cluster",
        show_default=True,
        help="confusion: classes by clustering, so that those confused stand together, or by their ids.",
    ),
)
_PICTURED = 4


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show the confusion matrix, the most confused pairs, and images of the first of them."""
    from analysis.classes.confusion import (
        MOST_IN_FULL,
        confused_pairs,
        confusion,
        first_names,
        write_confusion_csv,
        write_pairs_csv,
    )
    from analysis.figures.confusion import NAMED, blocks_figure, confusion_figure
    from analysis.figures.style import save, style

    ensemble, top = job.data.ensemble, job.options["top"]
    stack = ensemble.stack
    value = confusion(
        stack.require_labels(), ensemble.preds, stack.class_ids, stack.class_names, order=job.options["order"]
    )
    groups = job.data.groups_of(stack)
    pairs = confused_pairs(value, y_true=stack.labels, y_pred=ensemble.preds, groups=groups)
    detail = "-".join(part for part in (job.who, "by-id" if value.by == "id" else "") if part)
    tables = [job.path("confused-pairs", job.who, "csv")]
    write_pairs_csv(tables[0], value, pairs)
    in_full = len(value) <= MOST_IN_FULL
    if in_full:
        tables.insert(0, job.path("confusion", detail, "csv"))
        write_confusion_csv(tables[0], value)
    with style():
        title = f"Confusion matrix on {job.data.split}, {job.whom()}"
        files = [save(confusion_figure(value, title), job.path("confusion", detail))]
        if NAMED < len(value) <= MOST_IN_FULL:
            files.append(save(blocks_figure(value, title), job.path("confusion-blocks", detail)))
    names = first_names(value.class_names, value.class_ids)
    if not pairs:
        output.note(f"No class was confused with another on {job.data.split}, {job.whom()}.")
    else:
        _say_pairs(output, job, value, names, pairs, top)
    if not in_full:
        output.note(
            f"The matrix of {len(value):,} classes is neither drawn nor written in full: the picture has the classes "
            "confused most and folds the others, the table has every pair that was confused."
        )
    without = _pictures(output, job, pairs[:top], files)
    count = say_groups(output, groups, "intervals of pairs count them so, by how alike a group's errors are")
    say_chosen_here(output, job)
    for path in files:
        output.text(f"figure: {path}")
    for path in tables:
        output.text(f"table:  {path}")
    order = [int(i) for i in value.order]
    return {
        "kind": "confusion", "split": job.data.split, "of": ensemble.of, "rule": ensemble.rule, "order": value.by,
        "samples": int(value.counts.sum()), "accuracy": value.accuracy, "groups": count,
        "classes": [
            _class(value, i) | {"samples": value.samples[i], "said": value.predicted[i]}
            for i in order
        ],
        "counts": value.counts[order][:, order] if in_full else None,
        "clusters": [_block_document(value, block) for block in value.blocks],
        "confused_pairs": len(pairs),
        "pairs": [_pair_document(value, pair) for pair in pairs[:top]],
        "without_images": without, "definition": ensemble_document(ensemble), "files": [*files, *tables],
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report errors{job.on}",)


def _say_pairs(output: Output, job: Job, value: "Confusion", names: list[str], pairs: "list[Pair]", top: int) -> None:
    output.table(
        ("class a", "class b", "a as b", "b as a", "both %", "95 %"),
        [
            (cut(names[p.a], 22), cut(names[p.b], 22), f"{p.there.count}/{p.there.samples}",
             f"{p.back.count}/{p.back.samples}", f"{100 * p.both.rate:.1f}",
             f"{100 * p.both.low:.1f}-{100 * p.both.high:.1f}")
            for p in pairs[:top]
        ],
        title=f"Classes most often confused on {job.data.split}, {job.whom()}",
        left=(0, 1),
    )  # fmt: skip
    c = len(value)
    output.note(
        f"{many(len(pairs), 'pair')} of {c * (c - 1) // 2:,} {'was' if len(pairs) == 1 else 'were'} confused at least "
        "once; the first stand first partly by chance, so expect fewer of them on new images.",
    )
    best = sorted(value.blocks, key=lambda b: -b.inside)[:1]
    for block in best:
        typical = ", ".join(names[i] for i in block.typical)
        share = 100 * block.inside / block.errors
        output.note(
f"largest cluster: {block.stop - block.start} classes round {typical}; {share:.0f} % of the errors "
                  "on their images stay among them.")  # fmt: skip


def _pictures(output: Output, job: Job, pairs: "list[Pair]", files: list[Any]) -> str | None:
    """Draw the first pairs with images of both classes; return why not, where the study has none."""
    if not pairs:
        return None
    split, why = images_or_why(output, job)
    if split is None:
        output.note(f"No pictures of the pairs: {why}")
        return why
    from analysis.figures.gallery import pairs_figure
    from analysis.figures.style import save, style
    from analysis.images.gallery import pair_gallery

    shown = pair_gallery(job.data.ensemble, split, pairs[:_PICTURED])
    with style():
        files.append(save(pairs_figure(shown), job.path("confused-pairs", job.who)))
    return None


def _class(value: "Confusion", i: int) -> dict[str, str]:
    return {"id": value.class_ids[i], "name": value.class_names[i]}


def _pair_document(value: "Confusion", pair: "Pair") -> dict[str, Any]:
    def direction(own: "Direction") -> dict[str, Any]:
        return {"count": own.count, "samples": own.samples, "rate": own.rate, "low": own.low, "high": own.high}

    return {
        "a": _class(value, pair.a), "b": _class(value, pair.b), "a_as_b": direction(pair.there),
        "b_as_a": direction(pair.back), "both": direction(pair.both),
    }  # fmt: skip


def _block_document(value: "Confusion", block: "ClassBlock") -> dict[str, Any]:
    return {
        "classes": [value.class_ids[i] for i in value.order[block.start : block.stop]],
        "typical": [_class(value, i) for i in block.typical], "errors": block.errors, "errors_inside": block.inside,
    }  # fmt: skip
