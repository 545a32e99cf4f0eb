"""One place says how many threads work: in this process, in its children, and in the libraries of both."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from subset_cases import random_source
from threadpoolctl import threadpool_info

from analysis.selection import class_sums
from analysis.selection.best import Best
from analysis.selection.data import selection_data
from analysis.selection.resampling import bootstraps
from analysis.stack import stack_arrays
from analysis.subsets import leading
from analysis.subsets.engine import lattice_table
from analysis.subsets.leading import leading_table
from ensemble.machine import cores, one_blas_thread, threads_environment

ASK = """
import json, numba, numpy, scipy.linalg, threading
from threadpoolctl import threadpool_info
from ensemble.machine import cores
numpy.ones((300, 300)) @ numpy.ones((300, 300))
print(json.dumps({"cores": cores(), "numba": numba.config.NUMBA_NUM_THREADS,
                  "pools": [pool["num_threads"] for pool in threadpool_info()],
                  "running": len(__import__("os").listdir("/proc/self/task"))}))
"""


def pools() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux shows them")
def test_a_child_and_every_library_in_it_have_the_threads_it_is_given() -> None:
    environment = {**os.environ, **threads_environment(1)}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["cores"] == found["numba"] == 1
    assert found["pools"]
    assert set(found["pools"]) == {1}
    assert found["running"] == 1


@pytest.mark.parametrize(("told", "expected"), [("1", 1), ("", None), ("0", None), ("no", None), ("100000", None)])
def test_cores_are_at_most_those_the_process_was_given(
    told: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KOFN_THREADS", raising=False)
    there = cores()
    monkeypatch.setenv("KOFN_THREADS", told)
    assert cores() == (expected or there)


def test_while_our_own_threads_work_blas_has_none_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    np.ones((3, 3)) @ np.ones((3, 3))
    monkeypatch.setattr(leading, "SHARD", 2**15)
    before, seen = pools(), []
    leading_table(random_source(17, 60, 4), progress=lambda *_: seen.append(set(pools())), threads=2)
    assert seen
    assert all(found == {1} for found in seen)
    assert pools() == before
    with one_blas_thread():
        assert set(pools()) == {1}


def test_the_small_products_of_an_auroc_are_made_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    data, seen = selection_data(stack_arrays(rng.dirichlet(np.ones(3), (2, 60)), labels)), []
    plain = class_sums.ratios
    monkeypatch.setattr(class_sums, "ratios", lambda *rest: seen.append(set(pools())) or plain(*rest))
    before = pools()
    drawn = bootstraps(data.blocks_of_samples, 5)
    subsets = class_sums.WholeSets(data, [1, 2], "auroc")
    subsets.scores(drawn.block, drawn.weights)
    class_sums.pooled(data, Best(data, subsets, "auroc").choose_again(drawn), drawn, "auroc")
    assert len(seen) > 3
    assert all(found == {1} for found in seen)
    assert pools() == before


def test_the_lattice_runs_as_many_threads_as_it_is_told() -> None:
    before, most = threading.active_count(), 0

    def count(_done: int, _total: int) -> None:
        nonlocal most
        most = max(most, threading.active_count())

    lattice_table(random_source(16, 3000, 4, signal=0.3), range(1, 17), progress=count, threads=3)
    assert before < most <= before + 3
