"""Commands as processes that begin at once: forked from one that has loaded what they need, torch excepted.

So a kill or a race falls into what a command does, not into its loading, and a thousand of them take minutes. The
process that forks must have no threads: run `tests/kill.py` and `tests/race.py` as scripts.
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    "ens-import": "cli.importing", "ens-combine": "cli.combine", "ens-train": "cli.train", "ens-check": "cli.check",
    "ens-report": "cli.report", "ens-predict": "cli.predict", "ens-export": "cli.exporting", "ens-data": "cli.data",
}  # fmt: skip
LATER = (
    "h5py", "cli.combine_text", "cli.train_text", "cli.board", "ensemble.importing.import_members",
    "ensemble.study.check", "ensemble.training.plan_members", "ensemble.training.pool", "analysis.report_data",
    "analysis.selection.compare", "analysis.subsets.score", "analysis.study_reports",
)  # fmt: skip


def warm_up() -> None:
    """Load what the commands need."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    for name in (*MODULES.values(), *LATER):
        importlib.import_module(name)


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

    def kill(self, *, group: bool) -> None:
        """Kill it: with all that it started, or alone."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, signal.SIGKILL)

    @property
    def errors(self) -> str:
        """What it printed."""
        return self.said.read_text(errors="replace")


def start(words: Sequence[str], folder: Path, delay: float = 0.0) -> Running:
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
    train = "ens-train --data few --recipe digits --variants 2 --epochs 2 --name t --jobs 2 --quiet"
    for words in (train, "ens-import a.npz b.npz --split other --quiet"):
        done = run(words.split(), folder)
        if done.status:
            raise RuntimeError(f"{words}: {done.errors}")


def bits(folder: Path) -> dict[str, str]:
    """Return the digests of what a study in a folder holds, by file: of predictions, weights, recipes, tables, pins."""
    study = folder / "study"
    patterns = ("predictions/*.h5", "members/*/weights.safetensors", "members/*/recipe.toml", "subsets/*.h5")
    files = [*(p for pattern in patterns for p in study.glob(pattern)), *folder.glob("*.csv"), *folder.glob("*.h5")]
    found = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    if (study / "study.toml").exists():
        pins = tomllib.loads((study / "study.toml").read_text())
        found["study.toml"] = json.dumps({**pins, "data": {**pins["data"], "source": ""}}, sort_keys=True)
    return found


def findings(folder: Path) -> list[str]:
    """Return what ens-check says of the study in a folder, leftovers aside: they are removed by the next who writes."""
    from ensemble.study.check import check_study

    found = check_study(folder / "study").findings
    return [f"{f.path.name}: {f.kind}, {f.what}" for f in found if f.kind != "leftover"]


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
