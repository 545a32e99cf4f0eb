"""Members on images: every one looks at all of them, a block at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensemble.datasets.new_images import NewImages, Seen, array_images, new_images
from ensemble.errors import BadInput
from ensemble.inference.extra_split import Fingerprint
from ensemble.inference.inputs import BATCH
from ensemble.inference.members import TrainedMember, averaged, ensemble_spec, open_members
from ensemble.inference.tta import PLAIN, Views, views_named
from ensemble.machine import Progress, cores
from ensemble.models.network import first_layer
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study

BLOCK_BYTES = 64 * 2**20  # of images decoded at a time


@dataclass(frozen=True, eq=False)
class ImagePredictions:
    """What members predict for all readable images: `members`, one `Predictions` each.

    plain: the same of the images as they are, where labels tell what the views were worth; None otherwise.
    notes: what was converted, a sentence each; unreadable: a sentence for each image that was left out.
    """

    members: list[Predictions]
    plain: list[Predictions] | None
    notes: list[str]
    unreadable: list[str]


def predict(
    members: Study | TrainedMember | Sequence[TrainedMember], images: np.ndarray | str | Path | None = None, *,
    member: str | Sequence[str] = (), part: str | None = None, split: str | None = None, tta: str = "none",
    skip_unreadable: bool = False, device: str = "auto", threads: int | None = None, progress: Progress | None = None,
) -> list[Predictions]:  # fmt: skip
    """Return the softmax predictions of members for images, one `Predictions` a member; nothing is kept.

    members: a study, of which those take part whose names match `member` (patterns such as "m3-*"; all without one), on
    `device` and with `threads` of the CPU (all cores); or members that `open_member` opened.
    images: uint8 (N, H, W, Ch); or an image, a folder or a zip, or a dataset of which `part` names the split. Of
    another size than the members take they are resized and cut as `ens-data pack --size` does it. None: the study's
    own. split: what the predictions call the images ("new", or the part's name). tta: views of each image to average, a
    name of `ensemble.inference.tta.VIEWS`. progress: hears (images, all of them).

    Raises `BadInput` where there are no such members or images, or one cannot be read and `skip_unreadable` is False.
    """
    views = views_named(tta)
    if isinstance(members, Study):
        patterns = (member,) if isinstance(member, str) else tuple(member)
        trained = open_members(members, ensemble_spec(members, patterns).members, device, threads or cores())
        images = members.config.source if images is None else images
    else:
        trained = [members] if isinstance(members, TrainedMember) else list(members)
    if images is None or not trained:
        raise BadInput("images: name some, and a member at least; expected an array, or the path of a folder.")
    one = trained[0]
    new = (
        array_images(images) if isinstance(images, np.ndarray)
        else new_images(images, one.class_ids, one.class_names, part, split)
    )  # fmt: skip
    return predict_images(trained, new, views, split or new.part or "new", skip_unreadable, progress).members


def study_images(
    study: Study, data: str | Path | None, part: str | None, split: str | None, progress: Progress | None = None
) -> NewImages:
    """List the images at a path, the study's own where that is None; part and split as `new_images` takes them."""
    source = data or study.config.source
    if source is None:
        raise BadInput(f"{study.root}: its predictions were imported, so name the images to look at with data=PATH.")
    return new_images(source, study.config.class_ids, study.config.class_names, part, split, progress)


def predict_images(
    trained: Sequence[TrainedMember], new: NewImages, views: Views, split: str, skip: bool,
    progress: Progress | None = None,
) -> ImagePredictions:  # fmt: skip
    """Have each member look at all images, as one calls them `split`; skip: leave unreadable ones out."""
    shape = trained[0].image_shape
    # Whole batches, so that each holds the images it would hold if all were looked at in one go.
    at_once = max(1, BLOCK_BYTES // (BATCH * int(np.prod(shape)))) * BATCH
    seen, fingerprint = Seen(), Fingerprint(shape)
    # With labels one sees what the views were worth; where the plain image is among them, it costs nothing.
    beside = views is not PLAIN and new.labels is not None
    rows: list[np.ndarray] = []
    probs: list[list[np.ndarray]] = [[] for _ in trained]
    plain: list[list[np.ndarray]] = [[] for _ in trained]
    for block in new.blocks(shape, at_once, seen, skip=skip):
        if new.fingerprint is None:
            fingerprint.add(block.images)
        rows.append(block.rows)
        for i, member in enumerate(trained):
            each = member.each_view(block.images, views)
            probs[i].append(averaged(each))
            if beside:
                has_plain = views.each[0] is PLAIN.each[0]
                plain[i].append(each[0] if has_plain else member.predict(block.images))
        if progress:
            progress(sum(map(len, rows)), len(new))
    kept = np.concatenate(rows)
    ids = new.sample_ids[kept]
    known = new.fingerprint or fingerprint.of(ids)
    labels = None if new.labels is None else new.labels[kept]

    def predictions(parts: list[list[np.ndarray]], view: str) -> list[Predictions]:
        return [
            Predictions(
                member=t.member,
                split=split,
                probs=np.concatenate(parts[i]),
                sample_ids=ids,
                class_ids=t.class_ids,
                class_names=t.class_names,
                labels=labels,
                ids_given=new.ids_given,
                recipe={**t.recipe.as_dict(), "threads": t.threads},
                data_fingerprint=known,
                first_layer=first_layer(t.network),
                attributes=t.attributes | ({} if view == "none" else {"view": view}),
            )
            for i, t in enumerate(trained)
        ]

    return ImagePredictions(
        members=predictions(probs, views.name),
        plain=predictions(plain, "none") if beside else None,
        notes=seen.notes(shape),
        unreadable=seen.unreadable,
    )
