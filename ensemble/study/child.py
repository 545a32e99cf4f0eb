"""Files of strangers, read at arm's length: in a child process that has little time and little memory.

The HDF5 and Parquet libraries can loop for ever, crash or take all memory on a few bytes that are made so. Whatever
becomes of the child, the parent says it in a sentence.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.machine import end_with_parent, threads_environment
from ensemble.study.seals import open_regular

# CPU seconds and bytes that any file may take, and what each byte of it adds.
SECONDS, BYTES = 4, 2**28
SECONDS_PER_BYTE, BYTES_PER_BYTE = 1e-7, 12
_CHILD = "KOFN_CHILD"
_large: ContextVar[bool] = ContextVar("large", default=False)
OWN_HUGE = "where it is your own and as large as that, read it within kofn.large_files(), or by 'ens-import --large'"


@contextlib.contextmanager
def large_files() -> Generator[None]:
    """Within the block, files of others are read however much time and memory they take."""
    token = _large.set(True)
    try:
        yield
    finally:
        _large.reset(token)


def is_large() -> bool:
    """Say whether files may take what they want."""
    return _large.get()


def is_child() -> bool:
    """Say whether this process is a child that reads a file for another."""
    return _CHILD in os.environ


def in_child(function: str, path: Path, *arguments: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Call a function "module:name" with a file's path and JSON-like arguments in a process of its own.

    The function returns a JSON-like value and arrays by name. Raises the `BadInput` that it raised, and another where
    the child died, or took too much time or memory.
    """
    module, name = function.split(":")
    if is_child():
        return getattr(import_module(module), name)(path, *arguments)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
    seconds, room = (0, 0) if is_large() else (int(SECONDS + SECONDS_PER_BYTE * size), BYTES + BYTES_PER_BYTE * size)
    asked = json.dumps(
        [module, name, os.fspath(path.absolute()), os.fspath(path), arguments, seconds, room, os.getpid()]
    )
    environment = {
        **os.environ, _CHILD: "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "ARROW_DEFAULT_MEMORY_POOL": "system", **threads_environment(1),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from ensemble.study.child import main; main()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    timer = threading.Timer(20 * seconds or 10**6, process.kill)  # asleep, it takes no CPU time
    timer.daemon = True
    timer.start()
    try:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(asked.encode())
        answer = _answer(process.stdout)
        process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.stdout.close()
        process.wait()
    if answer is None:
        raise BadInput(f"{path}: {_how_it_died(process.returncode, seconds, room)}; it is damaged or made to harm.")
    kind, value, arrays = answer
    if kind == "bad":
        raise BadInput(value)
    if kind == "memory":
        raise BadInput(
            f"{path}: takes more than {room // 2**20:,} MiB of memory to read, {OWN_HUGE}; else it is damaged."
        )
    if kind == "defect":
        raise BadInput(f"{path}: cannot be read ({value}); it is damaged, or not what its name says.")
    return value, arrays


def _how_it_died(status: int, seconds: int, room: int) -> str:
    if status in (-24, -9):  # SIGXCPU, SIGKILL
        return f"the library that reads it came to no end in {seconds} seconds; {OWN_HUGE}"
    return f"the library that reads it crashed within {room // 2**20:,} MiB of memory"


def _answer(stream: IO[bytes]) -> tuple[str, Any, dict[str, np.ndarray]] | None:
    """Return what a child said; None where it did not come to an end."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    kind, value, described = json.loads(line)
    arrays: dict[str, np.ndarray] = {}
    for name, dtype, shape in described:
        if dtype == "json":
            text = stream.readline()
            if not text.endswith(b"\n"):
                return None
            arrays[name] = np.array(json.loads(text), dtype=object)
            continue
        array = np.empty(shape, dtype=np.dtype(dtype))
        view = array.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            count = stream.readinto(view[done:])  # ty: ignore[missing-attribute]
            if not count:
                return None
            done += count
        arrays[name] = array
    return kind, value, arrays


def main() -> None:
    """Do what a parent asks for on standard input, and answer on standard output."""
    import resource

    module, name, path, shown, arguments, seconds, room, parent = json.loads(sys.stdin.buffer.read())
    end_with_parent(parent)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    function = getattr(import_module(module), name)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        statm = Path("/proc/self/statm")
        used = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 2**32
        resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
    try:
        value, arrays = function(Path(path), *arguments)
        answer: tuple[str, Any] = ("value", value)
    except BadInput as error:
        answer, arrays = ("bad", str(error).replace(path, shown)), {}
    except MemoryError:
        answer, arrays = ("memory", None), {}
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        answer, arrays = ("memory" if _of_memory(text) else "defect", text), {}
    described = [
        (n, "json" if a.dtype.hasobject else a.dtype.newbyteorder("=").str, a.shape) for n, a in arrays.items()
    ]
    out.write(json.dumps([*answer, described]).encode() + b"\n")
    for array in arrays.values():
        if array.dtype.hasobject:
            out.write(json.dumps(array.tolist(), default=str).encode() + b"\n")
        else:
            out.write(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(-1).view(np.uint8).data)
    out.flush()
    os._exit(0)


def _of_memory(text: str) -> bool:
    return any(words in text.lower() for words in ("allocat", "out of memory", "malloc", "memory"))
