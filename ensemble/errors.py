"""The one family of exceptions a user may meet, each with the exit status of the command that shows it.

A message is one sentence or two, on one line: it names the file and the key, what was expected, what was found and the
next move. Anything that is not a `KofnError` is a defect of this program.
"""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path


class KofnError(Exception):
    """Something failed in a way this program foresaw; exit status 1."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(" ".join(message.splitlines()))  # what it quotes of a file may hold line breaks


class BadInput(KofnError):
    """What was given cannot be used: a file, a folder, an option, a setting; exit status 2."""

    exit_code = 2


class DamageWarning(UserWarning):
    """A file of a study is damaged, and what was asked for goes on without it."""


class StorageError(KofnError):
    """A file could not be written; exit status 1, or 2 where another path or other permissions would do."""


# What the machine lacks, whatever path is given.
_MACHINE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESTALE,
    errno.ENOLCK, errno.ENOSYS,
}  # fmt: skip


def exit_status(error: OSError) -> int:
    """Return 1 where the machine failed (a full disk, say), 2 where a path cannot be used."""
    return 1 if error.errno in _MACHINE else 2


_STORAGE_ADVICE = {
    errno.ENOSPC: "free some space or choose another folder, then run the same command again",
    errno.EDQUOT: "free some of your quota or choose another folder, then run the same command again",
    errno.EACCES: "choose a folder you may write to, or change its permissions",
    errno.EPERM: "choose a folder you may write to, or change its permissions",
    errno.EROFS: "choose a folder on a disk that is not read-only",
    errno.EEXIST: "a part of that path is a file; choose another folder",
    errno.EISDIR: "that is a folder; name a file in it",
    errno.ENOTDIR: "a part of that path is a file; choose another folder",
}


def storage_error(path: Path | str, error: OSError) -> StorageError:
    """Say in one sentence why `path` could not be written, and what to do next."""
    advice = _STORAGE_ADVICE.get(error.errno or 0, "check the disk and the path, then run the same command again")
    reason = (error.strerror or str(error)).lower()
    told = StorageError(f"{path}: cannot be written, {reason}; {advice}. Nothing half-written was kept.")
    told.exit_code = exit_status(error)
    return told


def reason_of(error: BaseException) -> str:
    """Return the first line of what an exception says, 200 characters at most; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def nearest(name: str, known: Iterable[str], how_many: int = 3) -> str:
    """Return the known names as text for an error message, those that look most like `name` first.

    Up to ten names are listed whole; of more, only the `how_many` nearest.
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=how_many, cutoff=0.3)
    if len(names) <= 10:
        ordered = close + [other for other in names if other not in close]
        return "known: " + ", ".join(ordered) if ordered else "none are known"
    return "nearest: " + ", ".join(close or names[:how_many])
