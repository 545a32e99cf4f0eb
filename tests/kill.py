"""Commands killed at random moments, and what is left: `python tests/kill.py [--kills N] [--seed S] [--command NAME]`.

Each try begins with a copy of the same folder, starts a command in a process group of its own, kills it after a random
part of the time it takes (the whole group, or the parent alone), and runs it again to its end. Then the study must have
no finding of `ens-check`, and the same bits of weights and predictions as a run that nobody cut. Outcomes: equal; lost
(something is missing), mixed (ens-check finds something), other (bits differ), failed (the second run ended badly).
`--races N` starts pairs of commands on one study at once: both may succeed only where both lasted.
"""

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RUN = "import sys; sys.path.insert(0, {root!r}); from cli.{module} import main; sys.argv[0] = {name!r}; main()"
COMMANDS = {
    "import": ("importing", ["a.npz", "b.npz", "c.npz", "d.npz", "--quiet"]),
    "save": ("combine", ["--k", "all", "--save", "chosen", "--quiet"]),
    "train": ("train", ["--variants", "2", "--epochs", "2", "--jobs", "2", "--threads", "1", "--quiet"]),
}


def start(command: str, folder: Path, *more: str) -> subprocess.Popen:
    """Start a command in a folder, in a process group of its own."""
    module, words = COMMANDS[command]
    script = RUN.format(root=str(ROOT), module=module, name=f"ens-{module}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENS_CACHE": str(folder / "cache")}
    return subprocess.Popen(
        [sys.executable, "-c", script, *words, *more], cwd=folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def prepare(command: str, folder: Path) -> None:
    """Make what a command begins with."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcd":
        raw = rng.random((200, 10)) + 0.01
        labels = np.arange(200) % 10
        np.savez(
            folder / f"{name}.npz",
            probs=raw / raw.sum(1, keepdims=True),
            labels=labels,
            sample_ids=[f"s{i}" for i in range(200)],
        )
    if command == "save":
        assert start("import", folder).wait() == 0


def bits(folder: Path) -> dict[str, str]:
    """Return the digests of all weights and predictions of the study in a folder."""
    study = folder / "study"
    files = [*study.glob("predictions/*.h5"), *study.glob("members/*/weights.safetensors")]
    return {str(p.relative_to(study)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def outcome(folder: Path, right: dict[str, str]) -> str:
    """Say what became of a study that was cut off and gone on with."""
    from ensemble.study.check import check_study

    found = check_study(folder / "study")
    if [f for f in found.findings if f.kind != "leftover"]:
        return "mixed"
    now = bits(folder)
    if right.keys() - now.keys():
        return "lost"
    return "equal" if now == right else "other"


def kills(command: str, count: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Return the outcomes of `count` kills of a command, and a line for each that must not be."""
    rng, totals, bad = random.Random(f"{command}-{seed}"), Counter(), []
    with tempfile.TemporaryDirectory() as place:
        begin, whole = Path(place) / "begin", Path(place) / "whole"
        prepare(command, begin)
        shutil.copytree(begin, whole)
        started = time.monotonic()
        process = start(command, whole)
        _, error = process.communicate()
        took = time.monotonic() - started
        if process.returncode:
            raise RuntimeError(f"{command}: {error}")
        right = bits(whole)
        for number in range(count):
            folder = Path(place) / "try"
            shutil.copytree(begin, folder)
            process = start(command, folder)
            wait, group = rng.uniform(0.1, 1.05) * took, rng.random() < 0.6
            time.sleep(wait)
            with contextlib.suppress(ProcessLookupError):  # it was over before
                (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
            process.communicate()
            error, status = "", 1
            for _ in range(20):  # workers that outlive their parent end within seconds
                again = start(command, folder)
                _, error = again.communicate()
                status = again.returncode
                if (
                    status == 0
                    or "already" in error
                    or ("being changed" not in error and "another process" not in error)
                ):
                    break
                time.sleep(1)
            there = status == 2 and command == "save" and "has that name already" in error
            result = outcome(folder, right) if status == 0 or there else "failed"
            totals[result] += 1
            if result != "equal":
                bad.append(
                    f"{command} {seed}-{number}: {result} after {wait:.2f} s, group {group}: {error.strip()[-300:]}"
                )
            shutil.rmtree(folder)
    return totals, bad


def races(count: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Start two imports of one name with other contents at once; return how often exactly one of them succeeded."""
    totals, bad = Counter(), []
    with tempfile.TemporaryDirectory() as place:
        begin = Path(place) / "begin"
        prepare("import", begin)
        for number in range(count):
            folder = Path(place) / "try"
            shutil.copytree(begin, folder)
            pair = []
            for name in "ab":
                script = RUN.format(root=str(ROOT), module="importing", name="ens-import")
                pair.append(subprocess.Popen(
                    [sys.executable, "-c", script, f"{name}.npz", "--member", "m", "--quiet"], cwd=folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                    text=True,
                ))  # fmt: skip
            errors = [process.communicate()[1] for process in pair]
            done = [process.returncode for process in pair]
            from ensemble.study.study import Study

            result = "mixed"
            if sorted(done) == [0, 2]:
                winner = "ab"[done.index(0)]
                probs = np.load(folder / f"{winner}.npz")["probs"].astype(np.float32)
                result = (
                    "equal" if np.array_equal(Study.open(folder / "study").read("m", "val").probs, probs) else "lost"
                )
            totals[result] += 1
            if result != "equal":
                bad.append(f"race {seed}-{number}: {result} {done} {errors}")
            shutil.rmtree(folder)
    return totals, bad


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each command")
    parser.add_argument("--races", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=list(COMMANDS), action="append")
    asked = parser.parse_args()
    worst: list[str] = []
    for command in asked.command or COMMANDS if asked.kills else ():
        totals, bad = kills(command, asked.kills, asked.seed)
        worst += bad
        print(f"{command:8}", dict(totals), flush=True)
    if asked.races:
        totals, bad = races(asked.races, asked.seed)
        worst += bad
        print("races   ", dict(totals), flush=True)
    print(*worst, sep="\n")
    sys.exit(bool(worst))


if __name__ == "__main__":
    main()
