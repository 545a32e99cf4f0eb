"""What the Tab key offers, asked as a shell asks: in a process, with words and a position."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def offered(command: str, *words: str, cwd: Path | None = None) -> list[str]:
    """Return what bash would be offered for the last of the words."""
    environment = {
        **os.environ,
        f"_{command.upper().replace('-', '_')}_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join((command, *words)),
        "COMP_CWORD": str(len(words)),
    }
    script = Path(sys.executable).with_name(command)
    done = subprocess.run([script], env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert not done.stderr
    return [line.split(",", 1)[1] for line in done.stdout.splitlines() if line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("completion")
    for name in ("study/predictions/m3-0.val.h5", "study/predictions/m3-1.val.h5", "study/predictions/m3-1.tune.h5",
                 "study/predictions/.m3-2.val.h5.part", "other/predictions/cnn.val.h5"):  # fmt: skip
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("never opened")
    return here


def test_kinds_and_fixed_choices() -> None:
    assert "curve" in offered("ens-report", "c")
    assert offered("ens-report", "curve", "--format", "p") == ["png", "pdf"]
    assert offered("ens-combine", "--max-s") == ["--max-size"]


def test_names_of_the_study(folder: Path) -> None:
    assert offered("ens-report", "curve", "--member", "m3", cwd=folder) == ["m3-0", "m3-1"]
    assert offered("ens-combine", "--split", "", cwd=folder) == ["tune", "val"]
    assert offered("ens-report", "per-class", "--ensemble", "", cwd=folder) == ["all", "best", "m3-0", "m3-1"]
    assert offered("ens-combine", "--study", "other", "--members", "", cwd=folder) == ["cnn"]
    assert offered("ens-combine", "--study", "nowhere", "--members", "", cwd=folder) == []
