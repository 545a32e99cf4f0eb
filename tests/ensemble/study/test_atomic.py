"""Files are whole or absent, whatever happens while they are written."""

import errno
import fcntl
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ensemble.errors import BadInput, StorageError, nearest
from ensemble.study import seals
from ensemble.study.atomic import locked, remove_folder, remove_leftovers, replacing, write_text


def test_a_file_is_replaced_only_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="in between"), replacing(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError("in between")
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    message = r"file.txt: cannot be written, no space left on device; free some space"
    with pytest.raises(StorageError, match=message) as full, replacing(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"x" * 100_000)
    assert full.value.exit_code == pickle.loads(pickle.dumps(full.value)).exit_code == 1  # as workers send it
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_that_is_a_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="taken") as taken:
        write_text(tmp_path / "taken" / "file.txt", "text")
    assert taken.value.exit_code == 2


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    assert str(BadInput("a.csv: found 'x\n,y\r\n\u2028z'; mend it.")) == "a.csv: found 'x ,y  z'; mend it."


def test_a_lock_is_held_by_one_process_and_let_go_by_its_death(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = f"""
import sys, time
from pathlib import Path
from ensemble.study.atomic import locked
with locked(Path({str(path)!r})) as held:
    print(held, flush=True)
    time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with locked(path, wait=False) as held:
            assert not held
        other.kill()
        other.wait()
        with locked(path, wait=False) as held:
            assert held
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


def test_no_temporary_file_outlives_a_kill_as_the_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    code = f"""
import os, signal
from pathlib import Path
from ensemble.study.atomic import replacing
with replacing(Path({str(path)!r})) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    assert not path.exists()
    assert all(name.startswith(".") for name in (p.name for p in tmp_path.iterdir()))


def test_nearest_names() -> None:
    assert nearest("ting-m33", ["ting-m1", "ting-m3", "other"]) == "known: ting-m3, ting-m1, other"
    many = [f"class-{i}" for i in range(100)]
    assert nearest("clas-77", many).startswith("nearest: class-77")
    assert nearest("x", []) == "none are known"


def test_what_another_machine_is_writing_stays(tmp_path: Path) -> None:
    with replacing(tmp_path / "file.txt") as temporary:
        temporary.write_text("mine")
        here, rest = temporary.name.removeprefix(".file.txt.").split("-", 1)
        assert rest.split("-")[0] == str(os.getpid())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    elsewhere = "0" * 8 if here != "0" * 8 else "1" * 8
    names = [f".a.{where}-{gone.pid}-0123456789abcdef.part" for where in (here, elsewhere)]
    for name in names:
        (tmp_path / name).write_text("half")
    assert [path.name for path in remove_leftovers(tmp_path)] == names[:1]
    # After a day nobody writes it any more, wherever that was.
    os.utime(tmp_path / names[1], (0, 0))
    assert [path.name for path in remove_leftovers(tmp_path)] == names[1:]


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    message = r"lock: this file system keeps no locks \(function not implemented\)"
    with pytest.raises(StorageError, match=message), locked(tmp_path / "lock"):
        pass


def test_what_a_killed_removal_left_is_a_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights").write_text("a")

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shutil, "rmtree", killed)
        remove_folder(tmp_path / "a")
    (left,) = tmp_path.glob(".a.*.part")
    dead = subprocess.Popen(["true"])
    dead.wait()
    left.rename(left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-")))
    assert not (tmp_path / "a").exists()
    assert len(remove_leftovers(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_was_removed_meanwhile_is_asked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked, real = tmp_path / "lock", list[int](), fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        if not asked:  # between opening and locking, who had it removes the file with the folder
            path.unlink()
        asked.append(descriptor)
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(path, wait=False) as held:
        assert held
        assert path.exists()
        with locked(path, wait=False) as second:
            assert not second
    assert len(asked) == 3


def test_a_seal_that_was_seen_is_believed_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sealed"
    seals.write_sealed(path, f"{seals.BLANK}\n".encode(), b"content")
    assert seals.check_seal(path)
    monkeypatch.setattr(seals, "SETTLED", -(10**18))  # as if it had been written long ago
    assert seals.check_seal(path)
    with monkeypatch.context() as blind:
        blind.setattr(seals.hashlib, "sha256", None)
        assert seals.check_seal(path)
    time.sleep(0.02)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    with pytest.raises(BadInput, match="does not match its checksum"):
        seals.check_seal(path)
