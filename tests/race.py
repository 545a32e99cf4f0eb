"""Pairs of commands on one study at once: `python tests/race.py [--races N] [--seed S] [--pair NAME]`.

Each try begins with a copy of the same folder and starts two commands, up to a part of a second apart. What is left
must be what one after the other would have left, in either order, with the same exit statuses; or what one of them
alone would have left, where the other was refused. So nobody reports a success that did not last. ens-check must find
no more than it does then, and a command that only looks (ens-check, ens-report) must not call anything damaged.
Outcomes: equal; mixed (ens-check finds something), other (no order gives these bits and statuses), failed (what trains
cannot be gone on with), defect (a traceback, or a sentence that blames us).
"""

import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from warm import TRAIN, Running, again, bits, findings, harness, prepare, run, serving, start

_TRAIN = f"{TRAIN} --name new --variants 2"
_FORCE, _MORE = "ens-train --name t --force --quiet", "ens-train --name t --variants 3 --quiet"
_LONGER = "ens-train --name t --variants 2 --epochs 4 --quiet"
_PREDICT = "ens-predict --part val --split again --threads 1 --quiet"
_SAVE = "ens-combine --k all --save chosen --quiet"
PAIRS = {
    "import/import one name": (
        "ens-import a.npz --member m --split other", "ens-import b.npz --member m --split other"
    ),
    "import/import two names": ("ens-import c.npz --split other", "ens-import d.npz --split other"),
    "import/import --force": (
        "ens-import c.npz --member a --split other --force", "ens-import d.npz --member a --split other --force"
    ),
    "import/import a new study": ("ens-import a.npz --study n", "ens-import b.npz --study n"),
    "combine/combine one name": (_SAVE, "ens-combine --k 1 --save chosen --quiet"),
    "combine/combine two names": (_SAVE, "ens-combine --k all --save second --quiet"),
    "combine/combine one table": ("ens-combine --table t.h5 --quiet", "ens-combine --k 1 --table t.h5 --quiet"),
    "combine/import": (
        "ens-combine --split other --k all --save chosen --quiet", "ens-import c.npz --split other --quiet"
    ),
    "combine/import --force": (
        "ens-combine --split other --k all --save chosen --quiet", "ens-import c.npz --member a --split other --force"
    ),
    "import/check": ("ens-import c.npz d.npz --split other", "ens-check study"),
    "combine/check": (_SAVE, "ens-check study"),
    "import/report": ("ens-import c.npz d.npz --split other", "ens-report models"),
    "train/train": (_TRAIN, _TRAIN),
    "train/train two names": (_TRAIN, _TRAIN.replace("new", "more")),
    "train/combine": (_TRAIN, _SAVE),
    "train --force/train": (_FORCE, _MORE),
    "train --force/combine": (_FORCE, _SAVE),
    "train/import": (f"{TRAIN} --name new --variants 1", "ens-import c.npz --member new-0 --split other --quiet"),
    "train/check": (_TRAIN, "ens-check study"),
    "train/report": (_TRAIN, "ens-report training"),
    "train/predict": (_TRAIN, f"{_PREDICT} --member t-*"),
    "train --force/predict": (_FORCE, _PREDICT),
    "train --force/check": (_FORCE, "ens-check study"),
    "train --force/train --force": (_FORCE, _FORCE),
    "longer/train": (_LONGER, _MORE),
    "longer/combine": (_LONGER, _SAVE),
    "longer/predict": (_LONGER, _PREDICT),
    "combine --only/combine --only": ("ens-combine --split other --only 1/2 --quiet",) * 2,
    "train/page": (_TRAIN, "ens-report html"),
    "export/export": ("ens-export t-0 --out e.csv --quiet", "ens-export t-1 --out e.csv --quiet"),
    "pack/pack": ("ens-data pack few --out pack --quiet",) * 2,
    "fetch/fetch": ("ens-data fetch tiny-imagenet --out . --quiet",) * 2,
    "predict/predict": tuple(
        f"{_PREDICT} --tta {tta}" for tta in ("none", "mirror")
    ),
}  # fmt: skip
SETTLES = ("ens-train",)  # what is run again until it is done, as its refusal says
LOOKS = ("ens-check", "ens-report")


End = tuple[list[int | None], dict[str, str], list[str], bool]


def settled(commands: list[list[str]], folder: Path) -> list[str]:
    """Run again what trains, one after the other; return what went wrong."""
    wrong = []
    for words in commands:
        if words[0] in SETTLES:
            done = run([w for w in words if w != "--force"], folder)
            if done.status:
                wrong.append(done.errors.strip()[-300:])
    return wrong


def orders(commands: list[list[str]], begin: Path, folder: Path) -> list[End]:
    """Return exit statuses and what is left where the commands run one after the other, or one alone."""
    found = []
    for order in ((0, 1), (1, 0), (0,), (1,)):
        again(begin, folder)
        statuses: list[int | None] = [None, None]
        for which in order:
            statuses[which] = run(commands[which], folder).status
        refused = bool(settled(commands, folder))
        found.append((statuses, bits(folder), findings(folder), refused))
    return found


def judged(pair: list[Running], folder: Path, allowed: list[End]) -> tuple[str, str]:
    """Return the outcome of a race, and what is wrong with it."""
    said = " | ".join(process.errors.strip()[-300:] for process in pair)
    if "Traceback" in said or "defect" in said or any((p.status or 0) not in (0, 1, 2, 3) for p in pair):
        return "defect", said
    wrong = settled([list(p.words) for p in pair], folder)
    if bool(wrong) not in [refused for _, _, _, refused in allowed]:
        return "failed", str(wrong)
    for process in pair:
        if process.words[0] == "ens-check" and ("damaged" in process.errors or "mismatch" in process.errors):
            return "mixed", process.errors
    found = findings(folder)
    if found not in [
        there for _, _, there, _ in allowed
    ]:  # an ensemble whose members were replaced is stale in any order
        return "mixed", str(found)
    looks = any(process.words[0] in LOOKS for process in pair)
    now = _seen(bits(folder), looks)
    if any(p.words[0] in SETTLES and p.status for p in pair):  # its plan was noted before a member of it was refused
        now = {key: value for key, value in now.items() if key != "study.toml"}
        allowed = [(s, {k: v for k, v in right.items() if k != "study.toml"}, f, w) for s, right, f, w in allowed]
    ends = [(statuses, _seen(right, looks)) for statuses, right, _, _ in allowed]
    for statuses, right in ends:
        # Who only looks may see either; who was refused did nothing.
        fits = all(
            p.words[0] in LOOKS or p.words[0] in SETTLES or s == p.status or (s is None and p.status != 0)
            for p, s in zip(pair, statuses, strict=True)
        )
        if fits and now == right:
            return "equal", ""
    differ = sorted({k for _, right in ends for k in right.keys() | now.keys() if right.get(k) != now.get(k)})
    return "other", f"{[p.status for p in pair]} {differ} {said}"


def _seen(found: dict[str, str], looks: bool) -> dict[str, str]:
    """Leave out reports where one was made beside a change: it may show either state."""
    return {key: value for key, value in found.items() if not (looks and key.startswith("study/report/"))}


def races(name: str, count: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Return the outcomes of `count` races of a pair, and a line for each that must not be."""
    rng, totals, bad = random.Random(f"{name}-{seed}"), Counter(), []
    commands = [words.split() for words in PAIRS[name]]
    with tempfile.TemporaryDirectory() as place:
        begin, folder = Path(place) / "begin", Path(place) / "try"
        prepare(begin)
        with serving(begin):
            started = time.monotonic()
            allowed = orders(commands, begin, folder)
            took = (time.monotonic() - started) / 6
            for number in range(count):
                again(begin, folder)
                delays = [0.0, rng.choice((0.0, rng.uniform(0, 0.02), rng.uniform(0, took)))]
                rng.shuffle(delays)
                pair = [start(words, folder, delay) for words, delay in zip(commands, delays, strict=True)]
                for process in pair:
                    process.wait()
                result, why = judged(pair, folder, allowed)
                totals[result] += 1
                if result != "equal":
                    bad.append(f"{name} {seed}-{number}: {result} {delays} {why}")
    return totals, bad


if __name__ == "__main__":
    harness(__doc__, "--races", "--pair", PAIRS, races)
