"""Mutation testing: `python tests/mutants.py [--count N] [--seed S] [--module PATH]`; do the tests see a wrong line?

cosmic-ray lists every small change of a module (an operator, a comparison, a constant, a condition, a loop), N are
drawn by the seed, and the module's tests are run on each in a copy of the tree. What survives is printed, with its
change: a test is missing, or the change means nothing. Needs the extra `dev`.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 120.0  # of a test run; a mutant that takes longer is noticed
MODULES = {
    "analysis/metrics.py": "tests/analysis/test_metrics.py tests/analysis/selection/test_selection.py",
    "analysis/statistics.py": "tests/analysis/test_statistics.py",
    "ensemble/study/seals.py": "tests/ensemble/study/test_recipe.py tests/ensemble/study/test_check.py",
    "ensemble/study/history.py": "tests/ensemble/study/test_history.py",
    "ensemble/study/arrays.py": "tests/ensemble/importing/test_importing.py -k 'bad_files or npy or npz or one_class'",
}


def tried(module: str, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Return how many of a module's mutants were noticed, and the changes of those that were not."""
    totals, survived = Counter(), []
    test = f"{sys.executable} -m pytest -q -x -p no:cacheprovider {MODULES[module]}"
    with use_db(":memory:", WorkDB.Mode.create) as work:
        init([Path(module)], work, {})
        every = sorted(work.pending_work_items, key=lambda item: str(item.mutations))
    for item in random.Random(f"{module}-{seed}").sample(every, min(count, len(every))):
        result = mutate_and_test(item.mutations, test, SECONDS)
        if result.worker_outcome is not WorkerOutcome.NORMAL:
            totals["no change"] += 1
            continue
        noticed = result.test_outcome is not TestOutcome.SURVIVED
        totals["noticed" if noticed else "survived"] += 1
        if not noticed:
            lines = (result.diff or "").splitlines()
            at = item.mutations[0].start_pos[0]
            change = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
            survived.append(f"{module}:{at}: " + "  ".join(" ".join(line.split()) for line in change))
    return totals, survived


def main() -> None:
    """Run what the command line asks for, in a copy of the tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="mutants a module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", choices=list(MODULES), action="append")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "build", "docs"))
        os.chdir(copy)
        os.environ |= {"PYTHONPATH": f"{copy}", "PYTHONDONTWRITEBYTECODE": "1"}
        for module in asked.module or MODULES:
            subprocess.run(
                f"{sys.executable} -m pytest -q -x -p no:cacheprovider {MODULES[module]}", shell=True, check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            totals, survived = tried(module, asked.count, asked.seed)
            print(f"{module:32}", dict(totals), *survived, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
