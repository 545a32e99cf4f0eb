"""Pipes, devices and links in place of files: every option that names a file refuses them, and waits for none."""

import os
from pathlib import Path

import pytest
from commands import call, flowing

from ensemble.study.study import Study

OPTIONS = [
    ("ens-combine", "--groups"),
    ("ens-combine", "--class-weights"),
    ("ens-combine", "--cost"),
    ("ens-report", "curve", "--style"),
    ("ens-report", "per-class", "--groups"),
    ("ens-report", "cost", "--cost"),
    ("ens-import",),
]


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "folder"])
def test_what_is_no_plain_file_is_refused_by_name(
    words: tuple[str, ...], kind: str, digits: Study, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.csv"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "folder":
        odd.mkdir()
    else:
        odd.symlink_to("/dev/zero" if kind == "device" else odd)
    done = call(*words, odd, env={"ENS_STUDY": str(digits.root)}, cwd=tmp_path)
    said = flowing(done.err)
    assert done.status == 2, said
    assert "odd.csv" in said
    assert "defect" not in said and "Traceback" not in said


def test_a_number_that_is_none_in_an_option_file_is_refused(digits: Study, tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text("[combine]\nmax-size = inf\n")
    done = call("ens-combine", "--config", "options.toml", env={"ENS_STUDY": str(digits.root)}, cwd=tmp_path)
    assert done.status == 2
    assert "options.toml" in done.err or "max-size" in done.err
    assert "defect" not in done.err
