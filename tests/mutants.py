"""Mutation testing: `python tests/mutants.py [--count N] [--seed S] [--module PATH]`; do the tests see a wrong line?

cosmic-ray lists every small change of a module (an operator, a comparison, a constant, a condition, a loop), N are
drawn by the seed, those of annotations left out, and the module's tests are run on each in a copy of the tree: by a
fork of this process, which has loaded the libraries, so that a mutant costs what its tests do. What survives is
printed, with its change: a test is missing, or the change means nothing. Needs the extra `dev`.
"""

import argparse
import ast
import contextlib
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # a process with threads cannot be forked

import pytest
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 20  # of processor time beside four times what the tests take; a mutant that takes more is noticed
LIBRARIES = ("numpy", "scipy.special", "scipy.stats", "h5py", "hypothesis", "safetensors.numpy", "PIL.Image", "click")
QUIETLY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # libraries are there before pytest is
MODULES = {
    "analysis/metrics.py": (
        "tests/analysis/test_metrics.py tests/analysis/selection/test_selection.py::test_weights_as_whole_numbers"
    ),
    "analysis/statistics.py": (
        "tests/analysis/test_statistics.py tests/analysis/selection/test_paired.py "
        "tests/analysis/selection/test_cross_validation.py::test_the_interval_of_a_mean "
        "tests/analysis/selection/test_cross_validation.py::test_the_design_effect_by_hand "
        "tests/analysis/classes/test_per_class.py::test_the_design_effect_of_classes_by_hand "
        "tests/analysis/test_abstention.py::test_auroc_is_the_share_of_pairs_and_scikit_learns "
        "tests/analysis/test_abstention.py::test_aurocs_interval_holds_the_truth_and_is_none_without_errors "
        "tests/analysis/test_abstention.py::test_the_auroc_of_groups_counts_them"
    ),
    "ensemble/study/seals.py": "tests/ensemble/study/test_seals.py",
    "ensemble/study/history.py": "tests/ensemble/study/test_history.py tests/ensemble/study/test_seals.py",
    "ensemble/study/arrays.py": "tests/ensemble/study/test_arrays.py tests/ensemble/importing/test_kinds.py",
    "ensemble/study/hdf5.py": (
        "tests/ensemble/study/test_prediction_files_damage.py tests/ensemble/study/test_prediction_files.py"
    ),
}


def _meaning(code: str) -> str:
    """Return what a module does, without its annotations."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def changes(module: str, seed: int) -> Iterator[tuple[int, str]]:
    """Go through a module's mutants in an order drawn by the seed: the line of the change, and the whole code."""
    code = Path(module).read_text(encoding="utf-8")
    with use_db(":memory:", WorkDB.Mode.create) as work:
        init([Path(module)], work, {})
        every = sorted((item.mutations[0] for item in work.pending_work_items), key=str)
    random.Random(f"{module}-{seed}").shuffle(every)
    seen = {_meaning(code)}
    for item in every:
        changed = mutate_code(code, get_operator(item.operator_name)(**item.operator_args), item.occurrence)
        with contextlib.suppress(SyntaxError):  # of a keyword's star taken for a product
            if changed and (meaning := _meaning(changed)) not in seen:
                seen.add(meaning)
                yield item.start_pos[0], changed


def fails(tests: str, seconds: int | None = None) -> tuple[bool, float]:
    """Run tests in a fork; return whether any failed, or took more processor time than that, and what they took."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for descriptor in range(3):
                os.dup2(nowhere, descriptor)
            if seconds:
                sys.dont_write_bytecode = True
                os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
                signal.alarm(20 * seconds)  # asleep, it takes no processor time
            status = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *QUIETLY, *tests.split()]))
        finally:
            os._exit(status)
    _, ended, used = os.wait4(pid, 0)
    return ended != 0, used.ru_utime + used.ru_stime


def tried(module: str, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Return how many of a module's mutants were noticed, and the changes of those that were not."""
    totals, survived, path = Counter(), [], Path(module)
    failed, took = fails(MODULES[module])
    if failed:
        raise RuntimeError(f"{module}: its tests fail without any change: {MODULES[module]}")
    code = path.read_text(encoding="utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()
    for line, changed in changes(module, seed):
        if totals.total() == count:
            break
        path.write_text(changed, encoding="utf-8")
        noticed, _ = fails(MODULES[module], SECONDS + int(4 * took))
        path.write_text(code, encoding="utf-8")
        totals["noticed" if noticed else "survived"] += 1
        if not noticed:
            pairs = zip(code.splitlines(), changed.splitlines(), strict=False)
            told = next((f"{' '.join(a.split())}  ->  {' '.join(b.split())}" for a, b in pairs if a != b), "")
            survived.append(f"{module}:{line}: {told}")
    return totals, survived


def main() -> None:
    """Run what the command line asks for, in a copy of the tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="mutants a module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", choices=list(MODULES), action="append")
    asked = parser.parse_args()
    for name in LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "build", "docs"))
        os.chdir(copy)
        os.environ["PYTHONPATH"] = str(copy)
        sys.path[:] = [str(copy), *(entry for entry in sys.path if Path(entry).resolve() not in (ROOT, ROOT / "tests"))]
        for module in asked.module or MODULES:
            totals, survived = tried(module, asked.count, asked.seed)
            print(f"{module:32}", dict(totals), *survived, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
