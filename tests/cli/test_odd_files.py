"""Pipes, devices and links in place of files: every option that names a file refuses them, and waits for none."""

import json
import os
import shlex
import subprocess
import sys
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


def test_a_closed_standard_output_is_said(digits: Study) -> None:
    script = Path(sys.executable).with_name("ens-combine")
    line = f"{shlex.quote(str(script))} --study {shlex.quote(str(digits.root))} >&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "Error: standard output is closed; let it be read, or add >/dev/null.\n",
    )


def test_a_closed_standard_error_changes_neither_result_nor_status(digits: Study) -> None:
    script = shlex.quote(str(Path(sys.executable).with_name("ens-check")))
    line = f"{script} {shlex.quote(str(digits.root / 'none'))} --json 2>&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert "none" in json.loads(done.stdout)["error"]


def test_what_is_meant_for_an_option_or_another_report_is_told_apart_from_a_file(digits: Study, tmp_path: Path) -> None:
    def said(*words: str) -> str:
        done = call("ens-report", *words, env={"ENS_STUDY": str(digits.root)}, cwd=tmp_path)
        assert done.status == 2
        return flowing(done.err)

    assert "per-class curve: one report at a time, or all of them by 'ens-report all'" in said("per-class", "curve")
    assert "cost=rc.csv: is no file; an option is written '--cost rc.csv'" in said("html", "cost=rc.csv")
