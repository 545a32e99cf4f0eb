"""Classes' images, with what was predicted."""

from typing import Any

from cli.combine_json import ensemble_document
from cli.common import Output
from cli.reports.job import CLASSES, ENSEMBLE, IMAGES, Job, predicted_images
from cli.reports.text import file_name, first, shelf_document, shelf_sentence, written

OPTIONS = (ENSEMBLE, CLASSES, IMAGES)


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show classes' images, right and wrong; the hardest and the easiest class unless others are named."""
    from analysis.images.gallery import find_class, gallery

    ensemble, value = job.data.ensemble, job.data.classes
    split = predicted_images(output, job)
    stack = ensemble.stack
    classes = [find_class(name, stack.class_ids, stack.class_names) for name in job.options["classes"]]
    classes = classes or [int(value.columns[i]) for i in sorted({0, value.scored - 1})]
    shown = gallery(ensemble, split, list(dict.fromkeys(classes)), job.options["images"])
    from analysis.figures.gallery import gallery_figure
    from analysis.figures.style import save, style

    detail = "-".join(
        part for part in (job.who, *(s.class_id for s in shown.shelves if job.options["classes"])) if part
    )
    with style():
        picture = save(gallery_figure(shown), job.path("gallery", file_name(detail)))
    for shelf in shown.shelves:
        output.note(f"{first(shelf.class_name)}: {shelf_sentence(shelf, shown.class_names)}")
    written(output, picture)
    return {
        "kind": "gallery", "split": shown.split, "of": shown.of, "rule": ensemble.rule,
        "classes": [shelf_document(shelf, shown.class_ids, shown.class_names) for shelf in shown.shelves],
        "definition": ensemble_document(ensemble), "files": [picture],
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report gallery --images 16{job.on}",)
