"""The door: what `kofn` gives, how its names explain themselves, and that its errors speak of Python."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import write_history

import kofn
from ensemble.study.history import rewrite_epochs
from ensemble.study.tabular import Rows, Tabular

ROOT = Path(__file__).parent.parent
LIBRARY = sorted(path for package in ("ensemble", "analysis") for path in (ROOT / package).rglob("*.py"))


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Give the line and text of every string of a file but docstrings, with {} where an f-string has a value."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_messages_of_the_library_name_python_arguments(path: Path) -> None:
    """A command writes `name=value` as its option (`cli.common.as_options`); whole commands may be named."""
    if path.parent.name == "page" or path.name == "papers.py":
        return  # they make whole commands, word by word
    for line, text in messages(path):
        rest = re.sub(r"ens-[a-z]+( [\w{}.-]+)*|`ray [^`]*`", "", text)
        assert not re.search(r"(?<![\w-])--[a-z]", rest), f"{path}:{line}: {text}"


PUBLIC = {name: getattr(kofn, name) for name in kofn.__all__}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
VALUES = sorted(name for name, value in CLASSES.items() if not issubclass(value, (Exception, kofn.Picture)))

# The way without a command, step by step: what a user asks for, and the names that do it.
WAY = {
    "begin or open a study": ("begin_study", "open_study", "Study"),
    "load a dataset": ("load_dataset", "Dataset", "Split"),
    "plan and train members": ("plan_members", "train_members", "convert_weights", "Recipe", "Plan", "Outcome"),
    "search for recipes": ("search_members",),
    "save predictions of one's own loop": ("save_predictions", "Predictions"),
    "import": ("import_files",),
    "open a trained member and predict": ("open_member", "predict", "TrainedMember", "export_onnx"),
    "join": ("join", "stack_arrays", "PredictionStack"),
    "combine": ("combine", "subset_table", "SubsetTable"),
    "select": ("select", "ensemble_of", "Ensemble"),
    "the best of very many subsets, exactly": ("leading_table", "exact_best", "ExactBest"),
    "score against cost": ("cost_front", "CostFront"),
    "metrics in which classes count": ("balanced_accuracy", "macro_f1", "auroc"),
    "cross-validate": ("cross_validate", "paired_test"),
    "Shapley values": ("shapley",),
    "would more members help": ("more_members",),
    "per class": ("per_class", "compare_classes", "agreement"),
    "confusion": ("confusion", "confused_pairs"),
    "calibration": ("measure_calibration", "ensemble_calibration", "temperature"),
    "calibrated likelihood": ("calibrated_log_likelihood", "deep_ensemble_equivalent"),
    "when not to answer": ("risk_coverage", "conformal_sets", "uncertainty_parts", "ensemble_abstention"),
    "shifted samples": ("detect_shift",),
    "diversity": ("measure_diversity", "ensemble_diversity", "ambiguity"),
    "errors": ("find_errors", "find_label_errors"),
    "filters": ("filter_grid", "measure_filters"),
    "a saved ensemble on any split": ("open_ensemble", "predictions_of", "select_predictions"),
    "any report of a study": ("study_report",),
    "training curves": ("read_history",),
    "figures in a notebook": ("draw", "Picture"),
    "page": ("report",),
    "check a study": ("check_study",),
}


@pytest.mark.parametrize("step", WAY)
def test_the_door_has_the_whole_way(step: str) -> None:
    assert not [name for name in WAY[step] if not (callable(PUBLIC.get(name)))]


def test_no_public_name_is_a_module() -> None:
    assert not [name for name, value in PUBLIC.items() if inspect.ismodule(value)]


@pytest.fixture(scope="module")
def values(digits: kofn.Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A value of every public class."""
    stack = kofn.join(digits.select("val", ["m3-*"]))
    labels = stack.require_labels()
    dataset = kofn.load_dataset("digits")
    ensemble = kofn.ensemble_of(stack)
    table = kofn.subset_table(stack, [1, 2, 3, 4])
    classes = kofn.per_class(labels, ensemble.preds, stack.class_ids, stack.class_names)
    chosen, right = kofn.select(stack), ensemble.preds == labels
    root = tmp_path_factory.mktemp("door")
    begun = kofn.begin_study(root / "study", "digits")
    plan = kofn.plan_members(begun, variants=2, epochs=1)
    write_history(begun, "m", range(1, 4), best=2)
    (begun.root / "predictions").mkdir(exist_ok=True)
    (begun.root / "predictions" / "m.val.h5").write_bytes(b"no HDF5")
    checked = kofn.check_study(begun.root)
    counted = kofn.begin_study(root / "counted", "digits")
    counted.member_dir("m").mkdir(parents=True)
    recall = " ".join(["1/2"] * 10)
    rewrite_epochs(counted.files("m").history, [kofn.Epoch(1, 0.1, 2, 2, 0.5, 2, 2, 0.5, 9, 3, val_recall=recall)])
    found = [
        stack, dataset, dataset.split("val"), ensemble, table, table.best(), table.by_size()[0], classes, chosen,
        digits, digits.config, plan, plan.members[0], plan.members[0].recipe, digits.read("m3-0", "val"), chosen.result,
        chosen.data, chosen.result.honest, chosen.paired, kofn.shapley(table), kofn.METRICS["nll"],
        kofn.find_errors(ensemble), kofn.find_label_errors(ensemble), kofn.more_members(table),
        kofn.deep_ensemble_equivalent(ensemble, stack),
        (two := kofn.versus(ensemble, kofn.ensemble_of(stack.only([0])))), two.nll,
        kofn.read_history(begun.member_dir("m") / "history.csv", "m"), kofn.cross_validate(stack, "weights"),
        kofn.confusion(labels, ensemble.preds), next(c for cs in classes.confused_with for c in cs),
        kofn.agreement(ensemble.member_preds, labels), kofn.ambiguity(stack),
        kofn.class_wise(ensemble.probs, labels), kofn.exact_best(chosen.data, 2),
        kofn.compare_classes(labels, ensemble.preds, ensemble.member_preds[0]),
        kofn.ensemble_calibration(ensemble),
        kofn.measure_calibration(ensemble.probs, labels), kofn.ensemble_diversity(stack),
        kofn.measure_diversity(ensemble.member_preds, labels), kofn.temperature(ensemble.probs, labels),
        kofn.Baseline("m3-0", ensemble.member_preds[0], True),
        kofn.Epoch(1, 0.1, 2.0, 2.5, 0.5, 2.1, 2.6, 0.4, 100.0, 3.0),
        kofn.class_curves(counted),
        kofn.filter_grid(np.ones((4, 3, 5, 5), np.float32), member="m"), checked, checked.findings[0],
        kofn.OnnxFile(root / "m.onnx", ("m",), (1.0,), "mean", (16, 16, 1), 10, None),
        kofn.CLASS_METRICS["auroc"], (front := kofn.cost_front(stack, [1, 2, 3, 4])), front.points[0],
        kofn.ensemble_abstention(ensemble), kofn.uncertainty_parts(stack.probs),
        kofn.conformal_sets(ensemble.probs, labels), (curve := kofn.risk_coverage(ensemble.confidence, right)),
        kofn.detect_shift({"confidence": curve.certainty}, {"confidence": curve.risk}),
        kofn.Outcome("m", "trained"), kofn.Plan(plan.members[0].recipe, ({}, {"seed": 3, "dropout": 0.5})),
    ]  # fmt: skip
    return {type(value).__name__: value for value in found} | {"TrainedMember": None}


def test_every_public_value_is_looked_at(values: dict[str, Any]) -> None:
    assert sorted(values) == VALUES


@pytest.mark.parametrize("name", [name for name in VALUES if name != "TrainedMember"])
def test_a_value_shows_itself(values: dict[str, Any], name: str) -> None:
    value = values[name]
    assert isinstance(value, Tabular)
    assert len(repr(value)) < 200
    assert repr(value).startswith(f"{name}(")
    assert "<table>" in value._repr_html_()
    assert len(value._repr_html_()) < 100_000
    frame = value.to_frame()
    assert frame.shape[0] >= 1
    assert frame.shape[1] >= 1
    if isinstance(value, Rows) or name in ("Study", "TrainingPlan"):
        assert len(list(value)) == len(frame)


def test_frames_hold_what_the_values_hold(values: dict[str, Any]) -> None:
    table, classes, stack = values["SubsetTable"], values["PerClass"], values["PredictionStack"]
    frame = table.to_frame()
    assert frame["accuracy"].tolist() == table.scores("accuracy").tolist()
    assert frame["members"][2] == "m3-0+m3-1"
    assert [row.accuracy for row in classes] == classes.to_frame()["accuracy"].tolist() == classes.accuracy.tolist()
    frame = stack.to_frame()
    right = (frame["m3-0"] == frame["label"]).mean()
    assert right == table.find(1).accuracy
    confusion = values["Confusion"].to_frame().set_index("class_id")
    assert confusion.to_numpy().tolist() == values["Confusion"].counts.tolist()
    assert np.array_equal(values["Predictions"].to_frame().iloc[:, 2:].to_numpy(), values["Predictions"].probs)
    shares = values["Shapley"]
    assert shares.to_frame()["accuracy"].sum() == pytest.approx(shares.all - shares.empty)
    pairs = values["Diversity"].to_frame()
    assert len(pairs) == 6
    assert pairs["disagreement"][5] == values["Diversity"].disagreement[2, 3]


def test_without_pandas_one_is_told(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(kofn.BadInput, match=r"to_frame: needs pandas, which is not installed; 'pip install"):
        values["Shapley"].to_frame()


FUNCTIONS = sorted(name for name, value in PUBLIC.items() if inspect.isfunction(value))
ARRAYS = re.compile(r"ndarray|ArrayLike|_SupportsArray")
SHAPE = re.compile(r"\((?:[A-Zn]|out)(?:,[^)]*| \+ 1,|)\)")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_docstring_names_its_parameters_and_the_shapes_of_arrays(name: str) -> None:
    function, text = PUBLIC[name], inspect.getdoc(PUBLIC[name]) or ""
    signature = inspect.signature(function)
    assert text.partition("\n")[0].endswith((".", ";"))
    assert not [p for p in signature.parameters if not re.search(rf"\b{p}\b", text)]
    if any(ARRAYS.search(str(p.annotation)) for p in signature.parameters.values()):
        assert SHAPE.search(text) or "shape" in text
    if "raise BadInput" in inspect.getsource(function):
        assert re.search(r"[Rr]aises?\s`(?:BadInput|NotAvailable)`", text)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_values_docstring_names_its_arrays_and_their_shapes(name: str) -> None:
    text = inspect.getdoc(CLASSES[name]) or ""
    fields = getattr(CLASSES[name], "__dataclass_fields__", {})
    arrays = [field.name for field in fields.values() if "ndarray" in str(field.type)]
    assert text
    assert not [array for array in arrays if not re.search(rf"\b{array}\b", text)]
    assert not arrays or SHAPE.search(text)
