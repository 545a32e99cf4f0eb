"""The reports of a study from Python: the values that the library computes, by kind."""

from pathlib import Path

import numpy as np
import pytest

from analysis.report_data import NotAvailable, ReportData, open_ensemble
from analysis.study_reports import KINDS, study_report
from ensemble.errors import BadInput
from ensemble.study.study import Study


def test_every_kind_gives_its_value(digits: Study) -> None:
    found = {kind: type(study_report(digits, kind)).__name__ for kind in KINDS if kind not in ("compare", "training")}
    assert found == {
        "per-class": "PerClass", "curve": "SubsetTable", "models": "list", "filters": "list", "confusion": "Confusion",
        "calibration": "EnsembleCalibration", "diversity": "EnsembleDiversity", "errors": "ErrorAnalysis",
        "abstain": "EnsembleAbstention",
    }  # fmt: skip


def test_a_value_is_of_the_ensemble_that_was_asked_for(digits: Study) -> None:
    member = digits.read("m3-1", "val")
    preds, labels = member.probs.argmax(axis=1), np.asarray(member.labels)
    value = study_report(str(digits.root), "per-class", ensemble="m3-1")
    for i, column in enumerate(value.columns):
        assert value.correct[i] == ((preds == labels) & (labels == column)).sum()
    pair = study_report(digits, "confusion", members=["m3-0", "m3-1"], order="id")
    probs = sum(digits.read(f"m3-{i}", "val").probs.astype(float) for i in (0, 1))
    assert pair.accuracy == pytest.approx((np.asarray(probs).argmax(axis=1) == labels).mean(), abs=1e-3)
    assert pair.by == "id"
    assert study_report(digits, "calibration", members=["m3-0"], bins=5).ensemble.bins == 5
    assert open_ensemble(digits, "best").members == ReportData(digits, "val", name="best").ensemble.members


def test_bad_input_is_named(digits: Study, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'per-clas' is not a kind of report; .*per-class"):
        study_report(digits, "per-clas")
    with pytest.raises(BadInput, match="report errors: has no such option"):
        study_report(digits, "errors", bins=3)
    with pytest.raises(BadInput, match="is not a study"):
        study_report(tmp_path, "errors")
    with pytest.raises(BadInput, match=r"no member or saved ensemble 'm3-9' .*m3-"):
        study_report(digits, "errors", ensemble="m3-9")
    with pytest.raises(NotAvailable):
        study_report(digits, "compare", members=["m3-0"])
