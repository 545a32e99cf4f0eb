"""A predictions file is whole or absent: killed writers, and disks that are full."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ensemble.errors import StorageError
from ensemble.study import hdf5
from ensemble.study.predictions import Predictions, read_predictions, write_predictions


def predictions(seed: int = 0, rows: int = 2000) -> Predictions:
    return Predictions(
        "a", "val", np.full((rows, 10), 0.1), np.arange(rows).astype(str), tuple("abcdefghij"), tuple("abcdefghij"),
        attributes={"seed": seed},
    )  # fmt: skip


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_prediction_files_writing import predictions
from ensemble.study.predictions import write_predictions
first, second = predictions(1), predictions(2)
print("ready", flush=True)
while True:
    write_predictions(Path(sys.argv[2]), first)
    write_predictions(Path(sys.argv[2]), second)
"""


def test_killed_in_mid_write_leaves_an_old_file_or_none(tmp_path: Path) -> None:
    path = tmp_path / "a.val.h5"
    rng = np.random.default_rng(0)
    for turn in range(6):
        if turn == 3:
            path.unlink(missing_ok=True)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(float(rng.uniform(0, 0.05)))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        if path.exists():
            found = read_predictions(path)
            assert found.attributes["seed"] in (1, 2)
            assert np.array_equal(found.probs, predictions().probs)
        assert {p.name for p in tmp_path.iterdir() if not p.name.endswith(".part")} <= {path.name}


def test_full_disk_keeps_the_old_file_and_leaves_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.val.h5"
    write_predictions(path, predictions(1))

    def full(path: Path, image: bytes) -> None:
        path.write_bytes(image[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(hdf5, "_write_sealed", full)
    with pytest.raises(StorageError, match="no space left on device; free some space"):
        write_predictions(path, predictions(2))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert read_predictions(path).attributes["seed"] == 1


FILL = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_prediction_files_writing import predictions
from ensemble.errors import StorageError
from ensemble.study.predictions import read_predictions, write_predictions
folder = Path(sys.argv[2])
write_predictions(folder / "a.val.h5", predictions(1, rows=500))
try:
    write_predictions(folder / "a.val.h5", predictions(2, rows=20_000))
except StorageError as error:
    print(error)
print(os.listdir(folder), read_predictions(folder / "a.val.h5").attributes["seed"])
"""


def test_a_real_disk_that_is_full(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here, so no small disk can be made without rights")
    mount = 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"'
    command = [unshare, "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*command, mount, str(tmp_path), "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    code = [sys.executable, "-c", FILL, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run([*command, mount, str(tmp_path), *code], capture_output=True, text=True, check=True)
    error, rest = done.stdout.splitlines()
    assert error.startswith(f"{tmp_path}/a.val.h5: cannot be written, no space left on device; free some space")
    assert rest == "['a.val.h5'] 1"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_to_write(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permission denied"):
        write_predictions(tmp_path / "locked" / "a.val.h5", predictions())
