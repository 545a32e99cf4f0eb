"""Fetching Tiny ImageNet from its official address."""

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from ensemble.errors import BadInput, KofnError, StorageError, storage_error
from ensemble.machine import Progress
from ensemble.study.atomic import flush, locked

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
SIZE = 248_100_043
# The address publishes no checksum. This one is cited by Avalanche's dataset class TinyImagenet
# (avalanche/benchmarks/datasets/tiny_imagenet/tiny_imagenet.py) and by many other public dataset classes.
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
ATTEMPTS = 5
TIMEOUT = 30.0  # seconds without a byte
_BLOCK = 2**18


def fetch_tiny_imagenet(
    folder: Path, progress: Progress | None = None, *, url: str = URL, size: int = SIZE, md5: str = MD5
) -> Path:
    """Fetch the zip into `folder` and return its path; a right file that is there already is not fetched again.

    What has come so far lies in `.<name>.part` and is gone on with, by HTTP Range, now or in a later call. Size
    and MD5 are checked before the file gets its name. progress: (bytes done, bytes in all).
    Raises `KofnError` without a network or when what came is not what was expected, `BadInput` where another
    file has the name, `StorageError` where it cannot be written.
    """
    target = folder / url.rsplit("/", 1)[1]
    part = target.with_name(f".{target.name}.part")
    with locked(target.with_name(f".{target.name}.lock")):
        if part.is_symlink() or target.is_symlink():
            raise BadInput(f"{target}: it, or {part.name}, is a link, which is not written through; remove the link.")
        try:
            if target.exists():
                wrong = _difference(target, size, md5)
                if wrong:
                    raise BadInput(
                        f"{target}: is there already, but {wrong}; move it away, or name another folder with out=DIR."
                    )
                return target
            _download(url, part, size, progress)
            wrong = _difference(part, size, md5)
            if wrong:
                part.unlink()
                raise KofnError(
                    f"{url}: what came is not Tiny ImageNet, {wrong}; nothing was kept. Try again, or elsewhere."
                )
            flush(part)
            part.replace(target)
            flush(folder)
        except (urllib.error.URLError, http.client.HTTPException) as error:
            raise _no_answer(url, error) from error
        except OSError as error:
            raise storage_error(target, error) from error
        finally:
            target.with_name(f".{target.name}.lock").unlink(missing_ok=True)
    return target


def _difference(path: Path, size: int, md5: str) -> str | None:
    """Say how a file differs from what is expected; None where it does not."""
    found = path.stat().st_size
    if found != size:
        return f"expected {size:,} bytes, found {found:,}"
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return None if digest.hexdigest() == md5 else f"expected the MD5 {md5}, found {digest.hexdigest()}"


def _download(url: str, part: Path, size: int, progress: Progress | None) -> None:
    """Fetch until `part` has `size` bytes, going on where a connection broke off."""
    failures = 0
    while (have := part.stat().st_size if part.exists() else 0) != size:
        if have > size:
            part.unlink()
            continue
        try:
            ended = _receive(url, part, have, size, progress)
        except (TimeoutError, ConnectionError, http.client.HTTPException, urllib.error.URLError) as error:
            if isinstance(error, urllib.error.HTTPError) or failures + 1 == ATTEMPTS or not part.exists():
                raise _no_answer(url, error) from error
            ended = False
        now = part.stat().st_size
        if ended and now != size:
            return  # it ended of its own accord: another file, which the check of its size refuses
        failures = 0 if now > have else failures + 1
        if failures == ATTEMPTS:
            raise KofnError(
                f"{url}: broke off after {now:,} of {size:,} bytes, {ATTEMPTS} times; "
                "what came is kept, and the same command goes on from there."
            )


def _receive(url: str, part: Path, have: int, size: int, progress: Progress | None) -> bool:
    """Add what one request brings to `part`; say whether the server sent all that it had announced."""
    request = urllib.request.Request(
        url, headers={"User-Agent": "kofn", **({"Range": f"bytes={have}-"} if have else {})}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        announced = response.headers.get("Content-Length")
        done = have if goes_on else 0
        start = done
        try:
            file = part.open("ab" if goes_on else "wb")
        except OSError as error:
            raise storage_error(part, error) from error
        with file:
            # One byte more than expected is enough to know that it is another file.
            while done <= size and (block := response.read(_BLOCK)):
                try:
                    file.write(block)
                    file.flush()
                except OSError as error:
                    raise StorageError(
                        f"{part}: cannot be written, {(error.strerror or str(error)).lower()}; what came is kept: free "
                        "some space, and the same command goes on from there."
                    ) from error
                done += len(block)
                if progress:
                    progress(min(done, size), size)
    return announced is None or done - start >= int(announced)


def _no_answer(url: str, error: Exception) -> KofnError:
    if isinstance(error, urllib.error.HTTPError):
        reason = f"the server answered {error.code} {error.reason}"
    elif isinstance(error, urllib.error.URLError):
        reason = str(getattr(error.reason, "strerror", None) or error.reason).lower()
    else:
        reason = str(error) or type(error).__name__
    return KofnError(
        f"{url}: cannot be fetched, {reason}; check the network and try again, or get the file in "
        "another way and use its path."
    )
