"""Files that are whole or absent: written beside their place, flushed to disk, renamed into it."""

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import re
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

from ensemble.errors import BadInput, StorageError, storage_error


def flush(path: Path) -> None:
    """Force a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a temporary path to write; when the block ends well, it takes the place of `path` at once.

    When the block fails, the temporary file is removed and `path` stays as it was. A reader sees the old file
    or the new one, never a part. Raises `StorageError` where the disk is full or may not be written.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """Return a name that nobody can foresee, and that says which process it is of: see `is_leftover`."""
    return path.with_name(f".{path.name[:150]}.{_here()}-{os.getpid()}-{secrets.token_hex(8)}.part")


def remove_folder(folder: Path) -> None:
    """Remove a folder by one rename first, so that a half-removed one is never taken for it."""
    away = _beside(folder)
    folder.rename(away)
    shutil.rmtree(away)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_stamp(path: Path) -> tuple[int, ...]:
    """Return what is another where another file has taken the place of one: its number, time in ns and bytes."""
    known = path.stat()
    return known.st_ino, known.st_mtime_ns, known.st_size


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Generator[bool]:
    """Hold the lock file `path`; the operating system lets go of it when the process dies.

    Gives True once the lock is held, or False at once where `wait` is false and another process holds it. Who holds it
    stands in the file.
    """
    while True:
        descriptor = _lock(path, wait)
        if descriptor is None:
            yield False
            return
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # who had it removed the file, and with it what others would ask for
    try:
        with contextlib.suppress(OSError):  # a full disk keeps nobody from what the lock is for
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _this_process().encode(), 0)
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock(path: Path, wait: bool) -> int | None:
    """Open and lock a file; None where another process has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        if error.errno not in _NO_LOCKS:
            raise
        raise StorageError(
            f"{path}: this file system keeps no locks ({os.strerror(error.errno or 0).lower()}), and two commands "
            "could change one study at once; mount it with locks (Lustre: the option flock; NFS: version 4, or "
            "lockd beside version 3), or use a folder on another one."
        ) from error
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether an open file is still the one that has the name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def holder(path: Path) -> str:
    """Say who holds, or held last, a lock file: "process 12 of host (ens-import), since 10:15:00"."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:200].strip()
    except OSError:
        text = ""
    return text or "another process"


def _this_process() -> str:
    command = Path(sys.argv[0]).name or "python"
    return f"process {os.getpid()} of {socket.gethostname()} ({command}), since {time.strftime('%Y-%m-%d %H:%M:%S')}"


@contextlib.contextmanager
def alone(path: Path, what: str, seconds: float = 0.0) -> Generator[None]:
    """Hold the lock file `path` while something is checked and changed.

    Waits for at most so many seconds; raises `BadInput`, naming who has it, where another process keeps it. Within the
    block the same thread may ask for it again.
    """
    key = (threading.get_ident(), path.absolute())
    if key in _HELD:
        yield
        return
    end = time.monotonic() + seconds
    while True:
        with locked(path, wait=False) as held:
            if held:
                _HELD.add(key)
                try:
                    yield
                finally:
                    _HELD.discard(key)
                return
        if time.monotonic() >= end:
            raise BadInput(f"{what}: is being changed by {holder(path)}; wait for it to end, or stop it.")
        time.sleep(0.05)


_HELD: set[tuple[int, Path]] = set()


def is_leftover(path: Path) -> bool:
    """Say whether `.NAME.HERE-PID-RANDOM.part` is a file in the making that nobody makes any more.

    One whose process lives is not; one that was made elsewhere, or before this machine started, or does not say where,
    is only after a day: another machine that shares the folder may be writing it.
    """
    found = re.search(r"\.(?:(?:([0-9a-f]{8})-)?(\d+)-[0-9a-f]+|[0-9a-f]{8})\.part$", path.name)
    if found is None:  # another's, such as a download that is gone on with
        return False
    try:
        old = time.time() - path.lstat().st_mtime > _DAY
    except OSError:
        return False
    return old or (found[1] == _here() and not _alive(int(found[2])))


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what dead processes left in the making in a folder; return it."""
    gone = []
    for path in folder.glob(".*.part"):
        if is_leftover(path):
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                gone.append(path)
    return gone


_DAY = 86400.0


@functools.cache
def _here() -> str:
    """Return eight letters for where process numbers mean what they mean here: this machine since it started."""
    known = [socket.gethostname()]
    with contextlib.suppress(OSError):  # of Linux; two containers of one machine number their processes apart
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("".join(known).encode()).hexdigest()[:8]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
