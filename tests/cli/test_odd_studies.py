"""What reports say of members that are all alike and right everywhere: nothing that would only hold of others."""

from pathlib import Path

import pytest
from studies import add, study_at

from cli.common import run
from cli.report import report


def test_two_members_that_are_right_everywhere(
    undrawn: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_at(tmp_path / "study")
    for name in ("aa", "bb", "cc"):
        add(study, name, right=20)
    said = {}
    for kind in ("per-class", "errors", "calibration", "diversity"):
        assert run(report, [kind, "--study", str(study.root)]) == 0
        said[kind] = " ".join(capsys.readouterr().out.split())
    assert "two members differ on 0 % of the images of every class." in said["per-class"]
    assert "members differ least" not in said["per-class"]
    assert "rescued (ensemble right, most members wrong): 0; spoiled: 0. " in said["errors"]
    assert "worst classes among them" not in said["errors"]
    assert "too few to judge labels" not in said["errors"]
    assert "averaging 3 members: confidence less accuracy stays at -25.0 points, ECE at 25.00 %." in said["calibration"]
    assert "-0.0000" not in said["calibration"]
    assert "gain over the better member: +0.0 points, every pair" in said["diversity"]
    assert "Same predictions under several names: aa, bb and cc." in said["diversity"]
