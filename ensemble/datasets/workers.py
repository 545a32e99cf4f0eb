"""Decoding many images on all cores, in processes that each write their rows into one file.

Threads do not do: PIL frees the interpreter's lock only inside a picture, and 64x64 pictures are so small that two
threads were slower than one (7,100 against 7,500 images/s), two processes twice as fast (15,300).
The processes are plain children that speak JSON lines: no fork of a process that has threads, no import of
the caller's script, nothing pickled; when the caller dies their input ends, and so do they.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.datasets.decode import decode
from ensemble.datasets.source import Kind, Reader
from ensemble.errors import BadInput, KofnError
from ensemble.machine import Progress, cores, threads_environment

BLOCK = 64  # images a message; their pixels are written at once
MIN_PER_PROCESS = 1000  # a process takes 0.2 s to start, as long as this many small images
MAX_PROCESSES = 16


@dataclass(frozen=True)
class DecodeJob:
    """What to do with each image.

    out: a file to write pixels into, row r at byte `offset` + r * height * width * 3; None to look only, in
    which case unreadable images are listed and not raised. height, width: what each must have; example: an
    image that has them. size: `decode`'s.
    """

    root: str
    kind: Kind
    prefix: str
    out: str | None = None
    offset: int = 0
    height: int = 0
    width: int = 0
    example: str = ""
    size: tuple[int, int] | None = None


@dataclass
class Tally:
    """What was seen: images done, grey ones, how many of each kind and "WxH", and messages on unreadable ones."""

    done: int = 0
    grey: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add another's counts to these."""
        self.done += other.done
        self.grey += other.grey
        self.kinds.update(other.kinds)
        self.sizes.update(other.sizes)
        self.unreadable.extend(other.unreadable)


def tally_of(content: dict[str, Any]) -> Tally:
    """Return the tally whose fields JSON holds."""
    counts = {name: Counter(content[name]) for name in ("kinds", "sizes")}
    return Tally(content["done"], content["grey"], **counts, unreadable=content["unreadable"])


def decode_all(
    job: DecodeJob, paths: Sequence[str], progress: Progress | None = None, processes: int | None = None
) -> Tally:
    """Decode `paths` as `job` says, row i from paths[i], on all cores the process may use.

    Raises `BadInput` for an image that is unreadable or of another size, OSError where `out` cannot be written.
    """
    processes = processes or min(cores(), MAX_PROCESSES, max(1, len(paths) // MIN_PER_PROCESS))
    blocks = ((i, list(paths[i : i + BLOCK])) for i in range(0, len(paths), BLOCK))
    tally = Tally()
    with contextlib.closing(_here(job, blocks) if processes == 1 else _apart(job, blocks, processes)) as parts:
        for part in parts:
            tally.add(part)
            if progress:
                progress(tally.done, len(paths))
    tally.unreadable.sort()
    return tally


class _Decoder:
    """Does blocks of a job, in whatever process."""

    def __init__(self, job: DecodeJob) -> None:
        self.job = job
        self.reader = Reader(Path(job.root), job.kind, job.prefix)
        self.file = None if job.out is None else os.open(job.out, os.O_WRONLY)

    def block(self, first: int, paths: Sequence[str]) -> Tally:
        tally = Tally(done=len(paths))
        job = self.job
        pixels = np.empty((len(paths), job.height, job.width, 3), np.uint8)
        for i, path in enumerate(paths):
            where = self.reader.where(path)
            try:
                image = decode(self.reader.read(path), where, None if job.size is None else (job.size[0], job.size[1]))
            except BadInput as error:
                if self.file is not None:
                    raise
                tally.unreadable.append(str(error))
                continue
            h, w = image.original
            tally.kinds[image.kind] += 1
            tally.sizes[f"{w}x{h}"] += 1
            tally.grey += image.grey
            if self.file is None:
                continue
            if image.pixels.shape[:2] != (job.height, job.width):
                raise BadInput(_mixed_sizes(job, where, w, h))
            pixels[i] = image.pixels
        if self.file is not None:
            # Not through a memory map: on a full disk that kills the process with a signal, this raises.
            data, at = pixels.data.cast("B"), job.offset + first * pixels[0].nbytes
            while data:
                written = os.pwrite(self.file, data, at)
                data, at = data[written:], at + written
        return tally

    def close(self) -> None:
        if self.file is not None:
            os.close(self.file)


def _mixed_sizes(job: DecodeJob, where: str, w: int, h: int) -> str:
    like = f"{job.example} is {job.width} x {job.height}" if job.example else f"expected {job.width} x {job.height}"
    return (
        f"{where}: is {w} x {h} pixels, but {like}; all images must have one size. "
        f"Make them so with 'ens-data pack {job.root} --size 64 --out DIR', and take that folder in its place."
    )


def _here(job: DecodeJob, blocks: Iterator[tuple[int, list[str]]]) -> Generator[Tally]:
    with contextlib.closing(_Decoder(job)) as decoder:
        for first, paths in blocks:
            yield decoder.block(first, paths)


def _apart(job: DecodeJob, blocks: Iterator[tuple[int, list[str]]], processes: int) -> Generator[Tally]:
    """Give blocks to child processes, two in flight each, and yield what they answer."""
    answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    guard = threading.Lock()
    children = [_start() for _ in range(processes)]

    def converse(child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        open_questions = 0
        try:
            child.stdin.write(json.dumps(asdict(job)) + "\n")
            while True:
                with guard:
                    block = next(blocks, None)
                if block is not None:
                    child.stdin.write(json.dumps(block) + "\n")
                    child.stdin.flush()
                    open_questions += 1
                elif not open_questions:
                    return
                if open_questions == 2 or block is None:
                    line = child.stdout.readline()
                    if not line.endswith("\n"):
                        raise BrokenPipeError
                    open_questions -= 1
                    answers.put(json.loads(line))
        except (OSError, ValueError):
            answers.put({"died": child.wait()})
        finally:
            answers.put(None)

    threads = [threading.Thread(target=converse, args=(child,), daemon=True) for child in children]
    for thread in threads:
        thread.start()
    try:
        talking = processes
        while talking:
            answer = answers.get()
            if answer is None:
                talking -= 1
            else:
                yield _understood(answer, job)
    finally:
        for child in children:
            child.kill()
        for thread in threads:
            thread.join()
        for child in children:
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what it did not read in time is lost with it
                        pipe.close()


def _understood(answer: dict[str, Any], job: DecodeJob) -> Tally:
    if "tally" in answer:
        return tally_of(answer["tally"])
    if "bad_input" in answer:
        raise BadInput(answer["bad_input"])
    if "errno" in answer:
        raise OSError(answer["errno"], os.strerror(answer["errno"]), job.out)
    if "died" in answer:
        raise KofnError(
            f"{job.root}: a process that decoded its images ended with status {answer['died']} "
            "(memory full?); run the same command again."
        )
    raise RuntimeError(f"in a decoding process:\n{answer['defect']}")


def _start() -> subprocess.Popen[str]:
    # Its own session: Ctrl-C reaches the caller alone, which then ends its children.
    return subprocess.Popen(
        [sys.executable, "-c", "from ensemble.datasets.workers import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path),
            **threads_environment(1),
        },
        encoding="utf-8",
        start_new_session=True,
    )


def serve() -> None:
    """Be a child: read a job, then blocks, from standard input; answer each in one line until the input ends."""
    decoder = None
    for line in sys.stdin:
        try:
            content = json.loads(line)
            if decoder is None:
                decoder = _Decoder(DecodeJob(**content))
                continue
            answer: dict[str, Any] = {"tally": vars(decoder.block(*content))}
        except BadInput as error:
            answer = {"bad_input": str(error)}
        except OSError as error:
            answer = {"errno": error.errno}
        except Exception:
            answer = {"defect": traceback.format_exc()}
        try:
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:  # the caller is gone
            os._exit(0)
