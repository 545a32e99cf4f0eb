"""What ens-predict does: images in blocks, every member on each, and what they say together."""

import os
import re
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from analysis.ensemble import Together, saved_ensemble, together
from analysis.metrics import accuracy
from analysis.prediction_files import ANSWERS, write_answers
from analysis.rules import rule_of
from analysis.selection.base import Weighted
from analysis.stack import join
from cli.common import Output
from ensemble.datasets.new_images import NewImages, Seen, new_images
from ensemble.datasets.submission import LINE, check_submission, write_submission
from ensemble.errors import BadInput, storage_error
from ensemble.inference.extra_split import ExtraSplit, Fingerprint
from ensemble.inference.members import EnsembleSpec, ensemble_spec
from ensemble.inference.predict import BATCH
from ensemble.inference.predictor import TrainedMember, averaged, open_members
from ensemble.inference.tta import PLAIN, Views, views_named
from ensemble.machine import cores
from ensemble.models.network import first_layer
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study

BLOCK_BYTES = 64 * 2**20  # of images decoded at a time
SHOWN = 5
ENDINGS = {"csv": ".csv", "tiny-imagenet": ".txt"}


@dataclass(frozen=True, eq=False)
class _Said:
    """What members said of all readable images; plain: of these as they are, where labels tell the difference."""

    predictions: list[Predictions]
    plain: list[Predictions] | None


def predict_images(
    output: Output, *, data: str | None, part: str | None, members: tuple[str, ...], ensemble: str, split: str | None,
    out: Path | None, format_: str, tta: str, skip_unreadable: bool, device: str, threads: int | None,
) -> None:  # fmt: skip
    """Do what the options of ens-predict ask for, and say what was found."""
    views = views_named(tta)
    study = Study.open(output.study)
    who = ensemble_spec(study, members, ensemble)
    if out is not None:
        _check_out(out, format_)
    new = _images(output, study, data, part, split)
    if format_ == "tiny-imagenet":
        check_submission(new.sample_ids, study.config.class_ids)
    keeper = None
    if split is not None:
        keeper = ExtraSplit(study, split, views.name)
        keeper.check(new, (*who.members, *([who.ensemble] if who.ensemble else [])))
        _check_folder(study.root / "predictions")
    trained = open_members(study, who.members, device, threads or cores())
    for note in new.notes:
        output.say(f"{new.source}: {note}")
    if who.without:
        output.say(f"Left out, being predictions without a network: {', '.join(who.without)}.")
    said = _all_say(output, study, trained, new, views, skip_unreadable, split or new.part or "new")
    own = together(join(said.predictions), who.weights, who.rule)
    plain = None if said.plain is None else together(join(said.plain), who.weights, who.rule).accuracy()
    files: list[str] = []
    if keeper is not None:
        files = _keep(keeper, said.predictions, own, who, new)
    if out is not None:
        (write_answers(out, own) if format_ == "csv" else
         write_submission(out, own.stack.sample_ids, own.preds, own.stack.class_ids))  # fmt: skip
    output.document(**_document(output, new, said.predictions, own, plain, who, views, split, files, out))
    _summary(output, new, said.predictions, own, plain, who, views, split)
    if files:
        output.say(f"Kept as split {split!r} in {study.root}/predictions: {len(files)} files.")
    if out is not None:
        output.say(f"Wrote {len(own.preds):,} predictions to {out}.")
    if not files and out is None:
        output.say("Nothing was kept: --out FILE writes all predictions, --split NAME keeps them in the study.")
    if split is not None and own.stack.labels is not None:
        output.next(f"ens-combine --split {split}", f"ens-report per-class --split {split}")
    elif split is not None:
        output.next(f"ens-export {who.ensemble or who.members[0]} --split {split} --out {split}.npz")


def _images(output: Output, study: Study, data: str | None, part: str | None, split: str | None) -> NewImages:
    """List the images asked for: of the study itself where no others are named."""
    source = data or study.config.source
    if source is None:
        raise BadInput(f"{study.root}: its predictions were imported, so name the images to look at with --data.")
    with output.progress("Packing images", "images") as progress:
        return new_images(source, study.config.class_ids, study.config.class_names, part, split, progress)


def _all_say(
    output: Output, study: Study, trained: list[TrainedMember], new: NewImages, views: Views, skip: bool, split: str
) -> _Said:
    """Have each member look at all images, a block at a time; the images of other sizes are told of at the end."""
    shape = trained[0].image_shape
    # Whole batches, so that each holds the images it would hold if all were looked at in one go.
    at_once = max(1, BLOCK_BYTES // (BATCH * int(np.prod(shape)))) * BATCH
    seen, fingerprint = Seen(), Fingerprint(shape)
    # With labels one sees what the views were worth; where the plain image is among them, it costs nothing.
    beside = views is not PLAIN and new.labels is not None
    rows: list[np.ndarray] = []
    probs: list[list[np.ndarray]] = [[] for _ in trained]
    plain: list[list[np.ndarray]] = [[] for _ in trained]
    done = 0
    with output.progress("Looking at images", "images") as progress:
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
            done += len(block.rows)
            progress(done, len(new))
    for note in seen.notes(shape):
        output.say(f"{new.source}: {note}")
    for sentence in seen.unreadable:
        output.warn(f"left out: {sentence}")
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
                class_ids=study.config.class_ids,
                class_names=study.config.class_names,
                labels=labels,
                recipe={**t.recipe.as_dict(), "threads": t.threads},
                data_fingerprint=known,
                first_layer=first_layer(t.network),
                attributes=t.attributes | ({} if view == "none" else {"view": view}),
            )
            for i, t in enumerate(trained)
        ]

    return _Said(predictions(probs, views.name), predictions(plain, "none") if beside else None)


def _keep(
    keeper: ExtraSplit, predictions: list[Predictions], own: Together, who: EnsembleSpec, new: NewImages
) -> list[str]:
    """Keep the members' predictions, and those of the saved ensemble that they make up."""
    definition = f"{len(own.preds):,} images of {new.source}" + (f", its {new.part} split" if new.part else "")
    kept = list(predictions)
    if who.ensemble is not None:
        chosen = Weighted(own.weights, rule_of(who.rule))
        made = saved_ensemble(who.ensemble, own.stack, chosen, predictions, who.rule, who.selection)
        view = {} if keeper.view == "none" else {"view": keeper.view}
        kept.append(replace(made, attributes={**made.attributes, **view}))
    return keeper.keep(kept, definition)


def _summary(
    output: Output, new: NewImages, predictions: list[Predictions], own: Together, plain: float | None, who:
    EnsembleSpec, views: Views, split: str | None,
) -> None:  # fmt: skip
    """Print who looked at what, the first predictions, and how many are right."""
    stack = own.stack
    count = f"{len(own.preds):,} {'image' if len(own.preds) == 1 else 'images'}"
    what = f"{count} of {new.source}" + (f", split {new.part}" if new.part else "")
    output.text(f"{what}, {'unlabelled' if stack.labels is None else 'labelled'}")
    names = ", ".join(stack.members)
    if len(stack.members) == 1:
        output.text(f"predicted by {names}")
    else:
        kind = f"{who.ensemble}: the weighted {rule_of(who.rule).title.removeprefix('the ')}" if who.ensemble else (
            "the mean of their probabilities"
        )  # fmt: skip
        output.text(f"predicted by {len(stack.members)} members ({names}), {kind}")
    if views is not PLAIN:
        output.text(f"--tta {views.name}: {views.about}; the mean of {len(views.each)} softmax probabilities")
    rows = []
    for i in islice(range(len(own.preds)), SHOWN):
        y = own.preds[i]
        truth = [] if stack.labels is None else [stack.class_names[stack.labels[i]]]
        rows.append([str(stack.sample_ids[i]), stack.class_names[y], f"{own.confidence[i]:.1%}", *truth])
    heads = ["image", "predicted", "confidence"] + ([] if stack.labels is None else ["is"])
    output.table(heads, rows, left=(0, 1, 3), title=f"The first {len(rows)}" if len(own.preds) > len(rows) else None)
    if own.accuracy() is None:
        return
    if len(predictions) > 1:
        each = [f"{p.member} {accuracy(p.probs, p.labels):.2%}" for p in predictions if p.labels is not None]
        output.text(f"right: {', '.join(each)}")
    right = own.accuracy()
    without = "" if plain is None else f"; without --tta {plain:.2%}"
    output.text(f"right{' together' if len(predictions) > 1 else ''}: {right:.2%} of {count}{without}")


def _document(
    output: Output, new: NewImages, predictions: list[Predictions], own: Together, plain: float | None, who:
    EnsembleSpec, views: Views, split: str | None, files: list[str], out: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the JSON of docs/reference/json.md."""
    stack, right = own.stack, own.accuracy()
    shown = [
        {
            "id": str(stack.sample_ids[i]), "predicted": stack.class_ids[own.preds[i]],
            "name": stack.class_names[own.preds[i]], "confidence": own.confidence[i],
            "label": None if stack.labels is None else stack.class_ids[stack.labels[i]],
        }
        for i in range(min(SHOWN, len(own.preds)))
    ]  # fmt: skip
    return {
        "study": output.study, "data": new.source, "part": new.part, "split": split, "samples": len(own.preds),
        "classes": stack.classes, "labelled": stack.labels is not None, "ensemble": who.ensemble, "rule": who.rule,
        "weights": dict(zip(stack.members, own.weights.tolist(), strict=True)), "tta": views.name,
        "members": [
            {"name": p.member, "accuracy": None if p.labels is None else accuracy(p.probs, p.labels)}
            for p in predictions
        ],
        "accuracy": right, "accuracy_without_tta": right if views is PLAIN else plain, "first": shown,
        "files": [*files, *([str(out)] if out else [])],
    }  # fmt: skip


def _check_out(path: Path, format_: str) -> None:
    """Raise before any work where FILE cannot be written, or is there and no file of this kind."""
    if path.is_dir():
        raise BadInput(f"--out {path}: is a folder; name a file in it.")
    if path.suffix.lower() != ENDINGS[format_]:
        raise BadInput(
            f"--out {path}: --format {format_} writes {ENDINGS[format_]}; name it {path.stem}{ENDINGS[format_]}."
        )
    if path.exists():
        with path.open(encoding="utf-8", errors="replace") as file:
            line = file.readline(200)
        ours = line.startswith(",".join(ANSWERS)) if format_ == "csv" else re.match(LINE, line)
        if not ours:
            raise BadInput(f"--out {path}: is there already, and not written by ens-predict; choose another name.")
    _check_folder(path.parent)


def _check_folder(folder: Path) -> None:
    """Raise `StorageError` where a folder cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied", str(folder))
    except OSError as error:
        raise storage_error(folder, error) from error
