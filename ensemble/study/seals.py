"""Files that carry the SHA-256 of all their bytes, and files read with distrust: plain ones, of a size one can hold.

A seal is `kofn-sha256:` and 64 digits in hex, in the first or the last 512 bytes of a file: the SHA-256 of the file
with zeros in place of these digits. FORMAT.md says where each kind of file has it.
"""

import hashlib
import os
import re
import stat
import time
import tomllib
from io import BufferedReader
from pathlib import Path
from typing import Any

from ensemble.errors import BadInput

MARK = b"kofn-sha256:"
BLANK = MARK.decode() + "0" * 64
_SEAL = re.compile(re.escape(MARK) + rb"([0-9a-f]{64})")
# A comment that looks like a seal with a bit changed in its mark, or cut short.
_NEARLY = re.compile(rb"[0-9a-f]{24}|kofn-sha")
_EDGE = 512
_BLOCK = 2**20
SETTLED = 2 * 10**9  # nanoseconds after which a change of a file shows in its time
_GOOD: set[tuple[int, ...]] = set()  # files, as they are now, whose seal this process has seen to be good
# Bytes of a text file with settings; a study of 100,000 classes takes 5 MB.
LARGEST_TEXT = 2**26
CHANGED = "does not match its checksum, so it was changed or damaged after it was written"
AGAIN = "restore it from a copy, or delete it and run again the command that made it"
REDO = "restore it from a copy, or have 'ens-train --redo NAME' make the member again"


def open_regular(path: Path) -> BufferedReader:
    """Open a plain file to read it; raise `BadInput` where it cannot be read, or is a folder, a pipe or a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"{path}: cannot be read, {reason.lower()}; check the path.") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise BadInput(f"{path}: expected a file, found a folder; name a file in it.")
    raise BadInput(f"{path}: expected a plain file, found a pipe, a socket or a device; check the path.")


def sealed(data: bytes) -> bytes:
    """Return the content of a file with its digest in place of `BLANK`, which stands in it once."""
    at = data.index(BLANK.encode()) + len(MARK)
    return data[:at] + hashlib.sha256(data).hexdigest().encode() + data[at + 64 :]


def write_sealed(path: Path, first: bytes, *others: bytes | memoryview) -> None:
    """Write the parts of a file one after another, with its digest in place of `BLANK`, which the first begins with.

    Nothing large is copied.
    """
    at = first.index(BLANK.encode(), 0, _EDGE) + len(MARK)
    digest = hashlib.sha256(first)
    for part in others:
        digest.update(part)
    with path.open("wb") as file:
        for part in (first[:at], digest.hexdigest().encode(), memoryview(first)[at + 64 :], *others):
            file.write(part)


def seal_in_place(path: Path, room: int) -> None:
    """Put a seal into the first `room` bytes of a file that is whole but for them, of whatever length it is."""
    first = f"{BLANK}\n".encode().ljust(room, b"\0")
    digest, block = hashlib.sha256(first), memoryview(bytearray(_BLOCK))
    with path.open("r+b") as file:
        file.seek(room)
        while count := file.readinto(block):
            digest.update(block[:count])
        file.seek(0)
        file.write(first.replace(BLANK.encode(), MARK + digest.hexdigest().encode()))


def check_seal(path: Path, advice: str = AGAIN, *, nearly: bool = False) -> bool:
    """Say whether a file has a seal; raise `BadInput` where it has one that does not fit, or cannot be read.

    nearly: also where its ends hold digits as of a seal whose mark was changed, which files without one never do.
    """
    with open_regular(path) as file:
        state = os.fstat(file.fileno())
        size, known = state.st_size, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        if known in _GOOD:
            return True
        head = file.read(_EDGE)
        found = _SEAL.search(head)
        start = found.start(1) if found else None
        if found is None and size > _EDGE:
            file.seek(size - _EDGE)
            begin = file.tell()
            found = _SEAL.search(file.read())
            start = found.start(1) + begin if found else None
        if found is None or start is None:
            file.seek(max(0, size - 80))
            if nearly and (_NEARLY.search(head[:120]) or _NEARLY.search(file.read())):
                raise BadInput(f"{path}: {CHANGED}; {advice}.")
            return False
        digest, at, block = hashlib.sha256(), 0, memoryview(bytearray(_BLOCK))
        file.seek(0)
        while count := file.readinto(block):
            low, high = max(start - at, 0), min(start + 64 - at, count)
            if low < high:
                block[low:high] = b"0" * (high - low)
            digest.update(block[:count])
            at += count
    if digest.hexdigest().encode() != found[1]:
        raise BadInput(f"{path}: {CHANGED}; {advice}.")
    # One that was changed this moment may be changed again without its time telling.
    if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) > SETTLED:
        _GOOD.add(known)
    return True


def read_text(path: Path, most: int = LARGEST_TEXT) -> str:
    """Return a plain file of UTF-8 text; raise `BadInput` where it is none, or longer than `most` bytes."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(min(size, most) + 1)  # as much memory as that is asked for
    if len(data) > most:
        raise BadInput(f"{path}: expected at most {most:,} bytes of text, found more; check the file.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: expected UTF-8 text, found something else ({error.reason}); {AGAIN}.") from error


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the content of a TOML file, its seal checked where it has one; raise `BadInput` where it is none.

    what: what it should be, for the message: "a recipe".
    """
    text = read_text(path)
    first = text.partition("\n")[0].encode()
    if MARK.decode() in text or (first.startswith(b"#") and _NEARLY.search(first)):
        right = sealed_text(text.partition("\n")[2]) == text
        if not right:
            raise BadInput(
                f"{path}: {CHANGED}; restore it from a copy or, if you changed it yourself, delete its first line, the "
                "checksum."
            )
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] if isinstance(error, ValueError) else "it is nested too deeply"
        raise BadInput(f"{path}: cannot be read as {what}, expected TOML, {reason}; mend or restore it.") from error


def sealed_text(text: str) -> str:
    """Return text with its seal in a comment above it."""
    return sealed(f"# {BLANK}\n{text}".encode()).decode()
