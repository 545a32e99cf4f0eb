"""Commands killed at random moments, and what is left: `python tests/kill.py [--kills N] [--seed S] [--command NAME]`.

Each try begins with a copy of the same folder, starts a command in a process group of its own, kills with -9 (the whole
group, the parent alone, or one worker), and runs it again to its end. Every other kill comes after a random part of the
time that the command takes; the ones between come as it is about to change a file: to open one for writing, to rename,
to remove, to make a folder, at a random one of these moments, in whichever process it is. Then the study must have no
finding of `ens-check`, and the same bits as one of a run that nobody cut. Outcomes: equal; lost (something is missing),
mixed (ens-check finds something), other (bits differ), failed (the second run ended badly), outlived (workers were
there three seconds after their parent). Of the kills, "written" are those at whose moment the command had changed
files. A command that ended before its kill is no try, and begun again.
"""

import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from warm import TRAIN, Running, again, bits, findings, harness, marks, prepare, run, serving, start

COMMANDS = {
    "import": "ens-import a.npz b.npz c.npz d.npz --split more --quiet",
    "import --force": "ens-import c.npz --member a --split other --force --quiet",
    "save": "ens-combine --k all --save chosen --table t.csv --quiet",
    "select": "ens-combine --select greedy --save chosen --quiet",
    "table": "ens-combine --k all --table t.h5 --quiet",
    "shard": "ens-combine --split other --k all --only 1/2 --quiet",
    "merge": "ens-combine --split other --k all --merge --save chosen --table t.h5 --quiet",
    "export": "ens-export t-0 --out e.csv --quiet",
    "predict": "ens-predict --part val --split again --tta mirror --threads 1 --quiet",
    "report": "ens-report calibration --quiet",
    "page": "ens-report html --quiet",
    "check": "ens-check study --quiet",
    "pack": "ens-data pack few --out pack --quiet",
    "fetch": "ens-data fetch tiny-imagenet --out . --quiet",
    "train": f"{TRAIN} --name new --variants 2",
    "more": "ens-train --name t --variants 3 --quiet",
    "longer": "ens-train --name t --variants 2 --epochs 4 --quiet",
    "folds": f"{TRAIN} --name f --variants 1 --folds 2",
    "snapshots": f"{TRAIN} --name s --variants 1 --snapshots 2",
    "force": "ens-train --name t --variants 2 --force --quiet",
    "redo": "ens-train --name t --redo t-0 --redo t-1 --quiet",
}
# What comes before: some commands have something to go on from.
BEFORE = {"merge": [COMMANDS["shard"], COMMANDS["shard"].replace("1/2", "2/2")]}
# What a second run may say where the first one had come to its end.
DONE_BEFORE = {
    "save": "has that name already", "select": "has that name already", "merge": "has that name already",
    "export": "exists", "predict": "already", "pack": "exists",
}  # fmt: skip


def damage(folder: Path) -> None:
    """Change a bit of a member's weights and of another one's predictions, for `redo`."""
    for path in ("study/members/t-0/weights.safetensors", "study/predictions/t-1.val.h5"):
        content = bytearray((folder / path).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / path).write_bytes(content)


WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.rmtree"}


class Moments:
    """Counts the changes of files by a command and its workers, and kills one of them, or all, as one comes.

    chosen: the number of the change, from 1; 0 for none.
    """

    def __init__(self, chosen: int = 0, whom: str = "") -> None:
        self.chosen, self.whom = chosen, whom
        self.count = mmap.mmap(-1, 4)  # of all the processes

    def __int__(self) -> int:
        return int.from_bytes(self.count[:], "little")

    def watch(self) -> None:
        """Begin in this process, and those it forks."""
        parent = os.getpid()

        def hear(event: str, facts: tuple[object, ...]) -> None:
            if event in CHANGES or (event == "open" and isinstance(facts[2], int) and facts[2] & WRITES):
                self.count[:] = (int(self) + 1).to_bytes(4, "little")
                if int(self) == self.chosen:
                    if self.whom == "group":
                        os.killpg(parent, signal.SIGKILL)
                    os.kill(parent if self.whom == "parent" else os.getpid(), signal.SIGKILL)

        sys.addaudithook(hear)


def killed_at_a_change(words: list[str], folder: Path, changes: int, rng: random.Random) -> tuple[bool, str]:
    """Start a command that kills itself at one of its changes; return whether it did, and who died."""
    moments = Moments(rng.randint(1, changes), rng.choice(("group", "group", "parent", "worker")))
    process = start(words, folder, before=moments.watch)
    process.wait()
    return int(moments) >= moments.chosen, moments.whom


def killed(words: list[str], folder: Path, took: float, rng: random.Random) -> tuple[Running | None, float, str]:
    """Start a command and kill it; return it, or None where it ended by itself, the seconds it had, and who died."""
    wait, whom = rng.uniform(0.0, 1.0) * took, rng.choice(("group", "group", "parent", "worker"))
    process, began = start(words, folder), time.monotonic()
    while (so_far := time.monotonic() - began) < wait:
        if process.ended():
            return None, so_far, ""
        time.sleep(min(0.005, wait - so_far))
    whom = process.kill(whom, rng)
    late = process.wait() >= 0 and whom != "worker"
    return (None if late else process), wait, whom


def kills(command: str, count: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Return the outcomes of `count` kills of a command, and a line for each that must not be."""
    rng, totals, bad = random.Random(f"{command}-{seed}"), Counter(), []
    words = COMMANDS[command].split()
    with tempfile.TemporaryDirectory() as place:
        begin, folder = Path(place) / "begin", Path(place) / "try"
        prepare(begin)
        if command == "redo":
            damage(begin)
        for before in BEFORE.get(command, ()):
            run(before.split(), begin)
        with serving(begin):
            started = time.monotonic()
            moments = Moments()
            done = start(words, again(begin, folder), before=moments.watch)
            done.wait()
            took = time.monotonic() - started
            if done.status:
                raise RuntimeError(f"{command}: {done.errors}")
            right = bits(folder)
            while (number := totals.total() // 4) < count:  # four marks a kill
                before = marks(again(begin, folder))
                if number % 2 and int(moments):
                    hit, whom = killed_at_a_change(words, folder, int(moments), rng)
                    when = "at a change"
                    if not hit:  # another order of its processes, and fewer changes
                        continue
                else:
                    process, wait, whom = killed(words, folder, took, rng)
                    when = f"after {wait:.3f} s"
                    if process is None:
                        took = 0.7 * took + 0.3 * wait
                        continue
                written = marks(folder) != before
                result, why = left(command, folder, right)
                totals.update([result, whom, when.split()[0], "written" if written else "nothing yet"])
                if result != "equal":
                    bad.append(f"{command} {seed}-{number}: {result}, {whom} {when}: {why}")
    return totals, bad


def left(command: str, folder: Path, right: dict[str, str]) -> tuple[str, str]:
    """Run a command again where it was killed; return the outcome, and what is wrong with it."""
    deadline = time.monotonic() + 3
    while True:
        second = run(COMMANDS[command].split(), folder)
        if "another process" not in second.errors and "being changed by" not in second.errors:
            break
        if time.monotonic() > deadline:
            return "outlived", second.errors
        time.sleep(0.1)
    said = second.errors.strip()[-300:]
    if second.status and not (second.status == 2 and DONE_BEFORE.get(command, "\0") in said):
        return "failed", said
    if wrong := findings(folder):
        return "mixed", str(wrong)
    now = bits(folder)
    differ = sorted(k for k in right.keys() | now.keys() if right.get(k) != now.get(k))
    if right.keys() - now.keys():
        return "lost", str(differ)
    return ("other", str(differ)) if differ else ("equal", "")


if __name__ == "__main__":
    harness(__doc__, "--kills", "--command", COMMANDS, kills)
