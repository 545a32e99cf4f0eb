"""Commands killed at random moments, and what is left: `python tests/kill.py [--kills N] [--seed S] [--command NAME]`.

Each try begins with a copy of the same folder, starts a command in a process group of its own, kills it with -9 after a
random part of the time it takes (the whole group, or the parent alone), and runs it again to its end. Then the study
must have no finding of `ens-check`, and the same bits as one of a run that nobody cut. Outcomes: equal; lost (something
is missing), mixed (ens-check finds something), other (bits differ), failed (the second run ended badly), outlived
(workers were there three seconds after their parent). "late" counts kills that came after the end.
"""

import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from warm import again, bits, findings, harness, prepare, run, start

COMMANDS = {
    "import": "ens-import a.npz b.npz c.npz d.npz --split more --quiet",
    "save": "ens-combine --k all --save chosen --table t.csv --quiet",
    "table": "ens-combine --k all --table t.h5 --quiet",
    "export": "ens-export t-0 --out e.csv --quiet",
    "predict": "ens-predict --part val --split again --tta mirror --threads 1 --quiet",
    "train": "ens-train --name new --recipe digits --variants 2 --epochs 2 --jobs 2 --quiet",
    "more": "ens-train --name t --variants 3 --quiet",
    "force": "ens-train --name t --variants 2 --force --quiet",
    "redo": "ens-train --name t --redo t-0 --redo t-1 --quiet",
}
# What a second run may say where the first one had come to its end.
DONE_BEFORE = {"save": "has that name already", "export": "exists", "predict": "already"}


def damage(folder: Path) -> None:
    """Change a bit of a member's weights and of another one's predictions, for `redo`."""
    for path in ("study/members/t-0/weights.safetensors", "study/predictions/t-1.val.h5"):
        content = bytearray((folder / path).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / path).write_bytes(content)


def kills(command: str, count: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Return the outcomes of `count` kills of a command, and a line for each that must not be."""
    rng, totals, bad = random.Random(f"{command}-{seed}"), Counter(), []
    words = COMMANDS[command].split()
    with tempfile.TemporaryDirectory() as place:
        begin, whole, folder = (Path(place) / name for name in ("begin", "whole", "try"))
        prepare(begin)
        if command == "redo":
            damage(begin)
        started = time.monotonic()
        done = run(words, again(begin, whole))
        took = time.monotonic() - started
        if done.status:
            raise RuntimeError(f"{command}: {done.errors}")
        right = bits(whole)
        for number in range(count):
            process = start(words, again(begin, folder))
            wait, group = rng.uniform(0.0, 1.05) * took, rng.random() < 0.6
            time.sleep(wait)
            process.kill(group=group)
            late = process.wait() >= 0
            outlived, deadline = False, time.monotonic() + 3
            while True:
                second = run(words, folder)
                held = "another process" in second.errors or "being changed by" in second.errors
                outlived = held and time.monotonic() > deadline
                if not held or outlived:
                    break
                time.sleep(0.1)
            there = second.status == 2 and DONE_BEFORE.get(command, "\0") in second.errors
            wrong = findings(folder)
            now = bits(folder)
            result = (
                "outlived" if outlived
                else "failed" if second.status and not there
                else "mixed" if wrong
                else "lost" if right.keys() - now.keys()
                else "equal" if now == right
                else "other"
            )  # fmt: skip
            totals[result] += 1
            totals["late"] += late
            if result != "equal":
                differ = sorted(k for k in right.keys() | now.keys() if right.get(k) != now.get(k))
                said = second.errors.strip()[-300:]
                bad.append(
                    f"{command} {seed}-{number}: {result} after {wait:.2f} s, group {group}: {said} {wrong} {differ}"
                )
    return totals, bad


if __name__ == "__main__":
    harness(__doc__, "--kills", "--command", COMMANDS, kills)
