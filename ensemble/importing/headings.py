"""The usual names of columns and arrays in files of predictions: ONE table, and how a heading is looked up in it.

A name alone is never believed: `ensemble.importing.layout` asks the values too.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

ID, LABEL, INDEX = "id", "label", "index"
PREDICTION, SCORE, FLAG, GROUP, DATE, OTHER = "prediction", "score", "flag", "group", "date", "other"

# What a column or array of each kind is usually called; of several in one file the first of the list counts.
NAMES: Mapping[str, tuple[str, ...]] = {
    ID: (
        "id", "ids", "sample_id", "sample_ids", "sample", "image_id", "image_ids", "image", "image_name", "img_id",
        "img", "img_name", "filename", "filenames", "file_name", "file_names", "file", "files", "file_id", "filepath",
        "filepaths", "file_path", "image_path", "img_path", "path", "paths", "name", "names", "key", "keys", "uid",
        "uuid", "guid", "id_code", "isic_id", "item_id", "object_id", "record_id", "row_id", "image_index",
        "image_idx", "img_index", "img_idx", "sample_index", "sample_idx", "imagename",
    ),
    LABEL: (
        "label", "labels", "true_label", "true_labels", "target", "targets", "y_true", "true_class", "ground_truth",
        "groundtruth", "gt", "gt_label", "gt_labels", "truth", "true", "actual", "actual_label", "actual_class",
        "gold", "gold_label", "expected", "y", "y_val", "y_test", "y_valid", "true_y", "true_id", "true_name",
        "true_idx", "true_labels_idx", "obs", "observed", "label_id", "label_idx", "label_index", "label_name",
        "target_name", "target_id", "class", "class_label", "category", "true_label_name", "true_label_id",
        "true_label_idx", "label_numeric", "label_num", "numeric_label", "label_encoded", "encoded_label",
        "label_code", "label_ids",
    ),
    INDEX: ("", "unnamed", "index", "idx", "index_level", "row", "rows", "row_number", "row_num", "rowname", "rownames",
            "row_names"),
    PREDICTION: (
        "prediction", "predictions", "pred", "preds", "predicted", "predicted_label", "predicted_labels",
        "predicted_class", "predicted_name", "predicted_id", "predicted_idx", "pred_label", "pred_labels",
        "pred_class", "pred_id", "pred_idx", "pred_name", "predicted_label_name", "predicted_label_id",
        "predicted_label_idx", "y_pred", "y_hat", "yhat", "argmax", "top1", "top_1", "top1_class", "top1_label",
        "vote", "votes", "answer", "output_class", "predict", "class_id", "class_idx", "class_name",
    ),
    SCORE: (
        "confidence", "conf", "max_prob", "max_probability", "max_confidence", "top1_prob", "top1_score", "pred_prob",
        "score", "probability", "prob", "proba", "prediction_score", "quality_score", "accuracy", "val_accuracy",
        "val_loss", "train_loss", "learning_rate", "lr", "precision", "recall", "f1", "f1_score", "support", "auc",
        "loss", "nll", "cross_entropy", "entropy", "margin", "uncertainty", "energy", "temperature", "weight",
        "weights", "sample_weight", "seconds", "latency", "time_ms", "runtime", "sum", "total", "count", "n",
    ),
    FLAG: ("flag", "flags", "correct", "incorrect", "wrong", "right", "valid", "hit", "duplicate", "public",
           "private", "ignore", "mask"),
    GROUP: (
        "fold", "folds", "kfold", "k_fold", "cv_fold", "fold_id", "fold_idx", "split", "subset", "set", "group",
        "group_id", "cluster", "patient", "patient_id", "subject", "subject_id", "site", "batch", "epoch", "seed",
        "view", "tta", "dataset", "source", "usage", "lesion_id",
    ),
    DATE: ("date", "datetime", "time", "timestamp", "created", "created_at", "updated", "updated_at", "year", "month",
           "day"),
    OTHER: ("age", "sex", "gender", "height", "width", "channels", "size", "area", "url", "comment", "comments", "note",
            "notes"),
}  # fmt: skip
_ROLE = {name: role for role, names in NAMES.items() for name in names}
_FLAG_STARTS = ("is_", "has_", "was_", "num_", "n_")

# Arrays of .npz and HDF5 files.
PROBS = (
    "probs", "pred_probs", "prob", "probabilities", "probability", "proba", "probas", "y_prob", "y_probs", "y_proba",
    "y_score", "y_scores", "pred_prob", "pred_proba", "softmax", "softmaxes", "softmax_probs", "scores", "outputs",
    "output", "predictions", "prediction", "preds", "pred", "y_pred", "y_hat",
)  # fmt: skip
LOGITS = ("logits", "logit", "y_logits", "raw_logits", "pred_logits")
CLASS_IDS = ("class_ids", "classes", "classes_", "class_id", "class_labels", "wnids")
CLASS_NAMES = ("class_names", "classnames", "class_name", "label_names", "labels_names", "target_names", "categories")

# What stands before or behind every class's name in a heading; the first are about values, the others about classes.
VALUE_WORDS = (
    "probability_of", "probability", "probabilities", "prob_of", "prob_class", "probs", "prob", "proba", "probas",
    "pred_prob", "pred_proba", "y_prob", "y_proba", "y_pred", "y_score", "softmax", "prediction", "predictions",
    "predicted", "pred", "preds", "conf", "confidence", "score", "scores", "logits", "logit", "log_prob", "p", "pr",
)  # fmt: skip
CLASS_WORDS = ("class", "classes", "cls", "label", "target", "category", "output", "out", "dim", "col", "column", "c")
LABEL_WORDS = ("y_true", "true", "truth", "ground_truth", "gt", "label", "target", "actual")
_JOINTS = "_-. :/|[(=\"'"
_ENDS = re.compile(r"[\])]+$")


def plain(heading: str) -> str:
    """Return a heading in small letters and digits, words joined by one underscore: 'Image Name' is 'image_name'."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", heading.strip())
    return re.sub(r"[\W_]+", "_", words.lower()).strip("_")  # letters of any script


@lru_cache(2**16)
def role_of(heading: str) -> str | None:
    """Return what a column of this heading usually is, a key of `NAMES`, or None."""
    name = plain(heading)
    found = _ROLE.get(name) or _ROLE.get(
        re.sub(r"(_\d+)+_?$", "", name) if name.startswith(("unnamed", "index")) else name
    )
    return found or (FLAG if name.startswith(_FLAG_STARTS) else None)


def rank(heading: str, role: str) -> int:
    """Return the place of a heading among the names of its role: of several the lowest counts."""
    name = plain(heading)
    return NAMES[role].index(name) if name in NAMES[role] else len(NAMES[role])


def first_of(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Return those of `names` that are among the usual ones, in the order of these."""
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(plain(name), name)
        by_plain[name] = name
    found = [by_plain[name] for name in usual if name in by_plain]
    return list(dict.fromkeys(found))


def without_word(heading: str, words: Sequence[str]) -> tuple[str, str] | None:
    """Return which word stands before or behind a class's name, and the name: of 'prob_cat', 'P(cat)', 'cat_prob'."""
    found = _pattern(tuple(words)).fullmatch(heading.strip())
    if found is None:
        return None
    inner = found["inner"] or found["digits"] or found["before"]
    if found["inner"]:
        inner = inner.lstrip(" ")
        inner = _ENDS.sub("", inner) if found["joint"] in "[(" else inner
    word = re.sub(r"[-. ]", "_", (found["word"] or found["behind"]).lower())
    return (word, inner) if inner else None


@lru_cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    either = "|".join(word.replace("_", "[-_. ]") for word in words)
    return re.compile(
        rf"(?P<word>{either})(?:(?P<joint>[-_. :/|\[(])(?P<inner>.+)|(?P<digits>\d+))"
        rf"|(?P<before>.+)[-_. :](?P<behind>{either})",
        re.IGNORECASE | re.DOTALL,
    )


def shared_prefix(headings: Sequence[str]) -> str:
    """Return what all headings begin with, up to and with its last joint ('resnet_' of 'resnet_cat', 'resnet_dog')."""
    low, high = min(headings), max(headings)
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    end = max((low[:same].rfind(joint) for joint in _JOINTS), default=-1)
    return low[: end + 1]


def _shared_end(headings: Sequence[str]) -> str:
    """Return what all headings end with, from a joint on ('_p' of 'cat_p', 'dog_p'), or brackets that are closed."""
    after = shared_prefix([heading[::-1] for heading in headings])[::-1]
    closed = [_ENDS.search(heading) for heading in headings]
    return after or (min((found[0] for found in closed if found), key=len) if all(closed) else "")


def affixes(headings: Sequence[str]) -> tuple[str, str]:
    """Return what all headings begin and end with: joined words ('run_', '_p' of 'run_cat_p'), or letters of 'V1'."""
    if len(headings) < 2:
        return "", ""
    before = shared_prefix(headings)
    after = _shared_end([heading[len(before) :] for heading in headings])
    cut = [heading[len(before) : len(heading) - len(after)] for heading in headings]
    letters = {re.sub(r"\d+$", "", name) for name in cut}
    if len(letters) == 1 and all(name[-1:].isdigit() for name in cut):
        before += letters.pop()
    return before, after
