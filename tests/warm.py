"""Commands as processes that begin at once: forked from one that has loaded what they need, torch too.

So a kill or a race falls into what a command does, not into its loading, and a thousand of them take minutes. The
workers that a training starts are forked as well, from the command, with nothing of it open but their pipe, as a
spawned one has it. The process that forks must have no threads: run `tests/kill.py` and `tests/race.py` as scripts.
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import multiprocessing
import multiprocessing.context
import os
import random
import re
import shutil
import signal
import socket
import stat
import sys
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before they are loaded: see above

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    "ens-import": "cli.importing", "ens-combine": "cli.combine", "ens-train": "cli.train", "ens-check": "cli.check",
    "ens-report": "cli.report", "ens-predict": "cli.predict", "ens-export": "cli.exporting", "ens-data": "cli.data",
}  # fmt: skip
LATER = (
    "h5py", "cli.combine_text", "cli.combine_json", "cli.train_text", "cli.board", "ensemble.importing.import_members",
    "ensemble.study.check", "ensemble.training.plan_members", "ensemble.training.pool", "analysis.report_data",
    "analysis.selection.compare", "analysis.subsets.score", "analysis.subsets.shards", "analysis.study_reports",
    "ensemble.datasets.fetch", "matplotlib.backends.backend_agg", "analysis.figures", "analysis.page", "analysis.saved",
    "analysis.selection.choose", "PIL.Image",
)  # fmt: skip
TRAINING = (
    "torch", "ensemble.training.run", "ensemble.inference.predict", "ensemble.models", "ensemble.datasets.pack",
    "torch._dynamo", "torch.optim.swa_utils",
)  # fmt: skip
TRAIN = "ens-train --recipe digits --model tiny:network --epochs 2 --jobs 2 --quiet"
_NETWORK = """
from torch import nn

def network(classes, image_shape):
    return nn.Sequential(nn.Conv2d(image_shape[2], 2, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8, classes))
"""
FETCHED = 6_000_000  # bytes of what `ens-data fetch` fetches here


def warm_up() -> None:
    """Load what the commands need."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    for name in (*MODULES.values(), *LATER, *TRAINING):
        importlib.import_module(name)
    import torch
    from PIL import Image

    Image.init()
    torch.set_num_threads(1)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("the process that forks has threads, and its children could hang")


class _Worker(multiprocessing.context.ForkProcess):
    """A worker as a spawned one begins: no file of its parent is open but its pipe, no lock held, no signal caught."""

    _args: tuple[Any, ...]

    def run(self) -> None:
        from ensemble.study import atomic

        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        kept = {argument.fileno() for argument in self._args if isinstance(argument, Connection)}
        for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
            with contextlib.suppress(OSError):
                if number > 2 and number not in kept and not stat.S_ISFIFO(os.fstat(number).st_mode):
                    os.close(number)
        atomic._HELD.clear()
        super().run()


class Forks(multiprocessing.context.ForkContext):
    Process = _Worker


@dataclass
class Running:
    """A command that was started. words: its command line; said: the file of what it prints."""

    words: Sequence[str]
    pid: int
    said: Path
    status: int | None = None

    def wait(self) -> int:
        """Return its exit status once it has ended; below 0 the signal that ended it."""
        if self.status is None:
            _, ended = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(ended)
        return self.status

    def ended(self) -> bool:
        """Say whether it has ended, without waiting."""
        if self.status is None:
            pid, ended = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(ended)
        return self.status is not None

    def kill(self, whom: str, rng: random.Random) -> str:
        """Kill "group", all that it started and itself, "parent", itself alone, or one "worker"; return who it was.

        Where there is no worker, it is killed itself.
        """
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        with contextlib.suppress(ProcessLookupError):
            if whom == "group":
                os.killpg(self.pid, signal.SIGKILL)
                return whom
            workers = children.read_text().split() if whom == "worker" else []
            os.kill(int(rng.choice(workers)) if workers else self.pid, signal.SIGKILL)
            return "worker" if workers else "parent"
        return whom

    @property
    def errors(self) -> str:
        """What it printed."""
        return self.said.read_text(errors="replace")


def start(
    words: Sequence[str], folder: Path, delay: float = 0.0, before: Callable[[], object] | None = None
) -> Running:
    """Start a command in a folder after so many seconds, in a process group of its own."""
    said = folder / f".said-{time.monotonic_ns()}"
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # both sides do it: whoever comes first
        return Running(words, pid, said)
    status = 1
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        os.chdir(folder)
        os.environ["ENS_CACHE"] = str(folder / "cache")
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        time.sleep(delay)
        sys.argv = list(words)
        spawned = multiprocessing.get_context
        multiprocessing.get_context = lambda method=None: Forks() if method == "spawn" else spawned(method)  # ty: ignore
        _fetch_here(folder)
        if before is not None:
            before()
        importlib.import_module(MODULES[words[0]]).main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def run(words: Sequence[str], folder: Path) -> Running:
    """Run a command to its end."""
    running = start(words, folder)
    running.wait()
    return running


def prepare(folder: Path) -> None:
    """Make what every try begins with: files to import, images, and a study of two trained and two imported members."""
    from studies import few_images

    folder.mkdir()
    for number, name in enumerate("abcd"):
        raw = np.random.default_rng(number).random((32, 4)) + 0.01
        np.savez(
            folder / f"{name}.npz", probs=raw / raw.sum(1, keepdims=True), labels=np.repeat(np.arange(4), 8),
            sample_ids=[f"s{i}" for i in range(32)],
        )  # fmt: skip
    few_images(folder / "few")
    (folder / "served").write_bytes(random.Random(0).randbytes(FETCHED))
    (folder / "tiny.py").write_text(_NETWORK)
    for words in (f"{TRAIN} --data few --variants 2 --name t", "ens-import a.npz b.npz --split other --quiet"):
        done = run(words.split(), folder)
        if done.status:
            raise RuntimeError(f"{words}: {done.errors}")


@contextlib.contextmanager
def serving(folder: Path) -> Generator[None]:
    """Send the file `served` of a folder to whoever asks for it, slowly, from a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        global _PORT
        _PORT = server.getsockname()[1]
        pid = os.fork()
        if not pid:
            content = (folder / "served").read_bytes()
            while True:
                asked, _ = server.accept()
                with contextlib.suppress(OSError), asked:
                    found = re.search(rb"bytes=(\d+)-", asked.recv(4096))
                    at = int(found[1]) if found else 0
                    head = f"Content-Range: bytes {at}-{FETCHED - 1}/{FETCHED}\r\n" if found else ""
                    head = f"HTTP/1.0 {206 if found else 200} OK\r\n{head}Content-Length: {FETCHED - at}\r\n\r\n"
                    asked.sendall(head.encode())
                    for begin in range(at, FETCHED, FETCHED // 60):
                        asked.sendall(content[begin : min(begin + FETCHED // 60, FETCHED)])
                        time.sleep(0.005)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


_PORT = 0


def _fetch_here(folder: Path) -> None:
    """Have `ens-data fetch` fetch what `serving` sends."""
    from ensemble.datasets.fetch import fetch_tiny_imagenet

    digest = hashlib.md5((folder / "served").read_bytes(), usedforsecurity=False).hexdigest()
    here = {"url": f"http://127.0.0.1:{_PORT}/t.zip", "size": FETCHED, "md5": digest}
    fetch_tiny_imagenet.__kwdefaults__ = here


def bits(folder: Path) -> dict[str, str]:
    """Return the digests of what a study in a folder holds, by file: of predictions, weights, recipes, tables, pins."""
    study = folder / "study"
    patterns = (
        "predictions/*.h5",
        "members/*/weights.safetensors",
        "members/*/recipe.toml",
        "subsets/*.h5",
        "report/*",
    )
    files = [p for pattern in (*patterns, "report/*") for p in study.glob(pattern)]
    files += [p for pattern in ("*.csv", "*.h5", "t.zip", "pack/*") for p in folder.glob(pattern)]
    there = (p for p in files if p.is_file() and not p.name.startswith("."))
    found = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in there}
    if (study / "study.toml").exists():
        pins = tomllib.loads((study / "study.toml").read_text())
        found["study.toml"] = json.dumps({**pins, "data": {**pins["data"], "source": ""}}, sort_keys=True)
    return found


def findings(folder: Path) -> list[str]:
    """Return what ens-check says of the study in a folder, leftovers aside: they are removed by the next who writes."""
    from ensemble.study.check import check_study

    found = check_study(folder / "study").findings
    return [f"{f.path.name}: {f.kind}, {f.what}" for f in found if f.kind != "leftover"]


def marks(folder: Path) -> dict[str, tuple[int, int]]:
    """Return sizes and times of all files in a folder but what commands print: where they differ, it was written to."""
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            known = path.lstat()
            if not path.name.startswith(".said-"):
                found[str(path)] = (known.st_size, known.st_mtime_ns)
    return found


def again(begin: Path, folder: Path) -> Path:
    """Return a fresh copy of what a try begins with."""
    shutil.rmtree(folder, ignore_errors=True)
    return shutil.copytree(begin, folder)


def harness(
    doc: str,
    tries: str,
    one: str,
    known: Collection[str],
    attempt: Callable[[str, int, int], tuple[Counter[str], list[str]]],
) -> None:
    """Try what the command line asks for, print how often each outcome came, and end with 1 where one was bad.

    tries, one: the options for how many of each, and for which. attempt: (name, tries, seed) -> outcomes, what was bad.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(tries, dest="tries", type=int, default=20, help="of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(one, dest="names", choices=list(known), action="append")
    asked = parser.parse_args()
    warm_up()
    worst: list[str] = []
    for name in asked.names or known:
        totals, bad = attempt(name, asked.tries, asked.seed)
        worst += bad
        print(f"{name:{max(map(len, known))}}", dict(totals), flush=True)
    print(*worst, sep="\n")
    sys.exit(bool(worst))
