"""From prepared samples to numbers for every subset: each a sum over samples, cut into short tasks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from threading import Lock

import numpy as np

from analysis.metrics import floored_logs
from analysis.stack import BlockSource
from analysis.subsets.enumeration import Enumeration
from analysis.subsets.kernels import decide
from analysis.subsets.nll_brier import CHUNK, add_sums, add_up, unpacked
from analysis.subsets.prepare import Prepared, Question
from ensemble.machine import Progress, run_all

Tick = Callable[[float], None]
RIVALS = 2**16  # of a task: with a part's subsets a tenth of a second or so
GEOMETRIC_ROWS = 128


def count_wrong(enumeration: Enumeration, question: Question, threads: int, tick: Tick | None = None) -> np.ndarray:
    """Count for every subset the samples it has wrong: int64 (raw,). `tick` is told the share that is done."""
    wrong = np.full(enumeration.raw, question.wrong, np.int64)
    lock = Lock()

    def task(part: int, begin: int, end: int) -> None:
        found = enumeration.count_wrong(part, question, begin, end)
        with lock:
            wrong[enumeration.parts[part]] += found

    edges = _pieces(question, len(enumeration.parts), threads)
    total = (len(edges) - 1) * len(enumeration.parts)
    if not total:
        return wrong
    run_all(
        (partial(task, part, begin, end) for begin, end in pairwise(edges)
         for part in range(len(enumeration.parts))),
        threads,
        tick and (lambda done: tick(done / total)),
    )  # fmt: skip
    return wrong


def count_by_group(
    enumeration: Enumeration,
    question: Question,
    group: np.ndarray,
    out: np.ndarray,
    threads: int,
    tick: Tick | None = None,
) -> None:
    """Add to out (G, raw) for every subset and group the samples it has wrong, those it always has not among them.

    group: int64 (n,), of each of the question's samples.
    """
    order = question.order[np.argsort(group[question.order], kind="stable")]
    edges = np.searchsorted(group[order], np.arange(len(out) + 1))
    sorted_question = replace(question, order=order)
    parts = len(enumeration.parts)
    step = max(1, len(out) * parts // max(parts, 4 * threads))  # groups of a task: enough tasks for the threads
    cuts = [range(g, min(g + step, len(out))) for g in range(0, len(out), step)]
    run_all(
        (partial(enumeration.count_by_group, part, sorted_question, edges, groups, out, where.start)
         for part, where in enumerate(enumeration.parts) for groups in cuts),
        threads,
        tick and (lambda done: tick(done / (parts * len(cuts)))),
    )  # fmt: skip


def weigh_wrong(
    enumeration: Enumeration, asked: Sequence[tuple[Question, float]], kind: np.dtype, threads: int
) -> np.ndarray:
    """Sum for every subset the weights of the samples it has wrong, (raw,) of `kind`: questions, each with a weight.

    A part's questions are added in their order, so the bits of a sum do not depend on threads.
    """
    always = sum((weight * question.wrong for question, weight in asked), kind.type(0))
    wrong = np.full(enumeration.raw, always, kind)

    def task(part: int) -> None:
        ours = wrong[enumeration.parts[part]]
        for question, weight in asked:
            if weight and len(question.order):
                ours += weight * enumeration.count_wrong(part, question, 0, len(question.order))

    run_all((partial(task, part) for part in range(len(enumeration.parts))), threads)
    return wrong


def _pieces(question: Question, parts: int, threads: int) -> list[int]:
    """Return where to cut the order of samples: short tasks, and enough of them for the threads."""
    rivals = np.cumsum((question.ends - question.starts)[question.order])
    if not len(rivals):
        return [0]
    pieces = max(int(rivals[-1]) // RIVALS + 1, -(-4 * threads // parts) if len(rivals) > 64 else 1)
    cuts = np.searchsorted(rivals, np.linspace(0, rivals[-1], pieces + 1)[1:-1])
    return np.unique([0, *cuts, len(rivals)]).tolist()


def add_log_sums(
    enumeration: Enumeration, true: np.ndarray, out: np.ndarray, threads: int, tick: Tick | None = None
) -> None:
    """Add to out (raw,) each subset's sum of ln(sum of p(y)) over at most CHUNK samples: true (n, M)."""
    total = len(enumeration.parts)
    run_all(
        (partial(enumeration.log_sums, part, true, out[where]) for part, where in enumerate(enumeration.parts)),
        threads,
        tick and (lambda done: tick(done / total)),
    )


def log_sums(enumeration: Enumeration, true: np.ndarray, threads: int, tick: Tick | None = None) -> np.ndarray:
    """Return each subset's sum of ln(sum of p(y)) over all samples, float64 (raw,): true (n, M)."""
    out = np.zeros(enumeration.raw)
    starts = range(0, len(true), CHUNK)
    for i, start in enumerate(starts):
        step = tick and (lambda share, i=i: tick((i + share) / len(starts)))
        add_log_sums(enumeration, np.ascontiguousarray(true[start : start + CHUNK]), out, threads, step)
    return out


def gram(products: np.ndarray, members: int) -> np.ndarray:
    """Return the errors' Gram matrix, float64 (M, M), summed over samples: products (n, pairs).

    Sums of CHUNK samples are formed, then added, so that it does not matter in what portions samples came.
    """
    total = np.zeros(products.shape[1])
    for start in range(0, len(products), CHUNK):
        total += chunk_sum(products[start : start + CHUNK])
    return unpacked(total, members)


def chunk_sum(products: np.ndarray) -> np.ndarray:
    """Return the sum of at most CHUNK rows (n, pairs), added in their order."""
    out = np.zeros(products.shape[1])
    add_up(np.ascontiguousarray(products), out)
    return out


def forms(enumeration: Enumeration, matrix: np.ndarray, threads: int) -> np.ndarray:
    """Return the sum of the entries of each subset's part of a symmetric matrix (M, M): float64 (raw,)."""
    out = np.zeros(enumeration.raw)
    run_all(
        (partial(enumeration.forms, part, matrix, out[where]) for part, where in enumerate(enumeration.parts)), threads
    )
    return out


def geometric_sums(
    source: BlockSource,
    labels: np.ndarray,
    sizes: Sequence[int],
    rows: int,
    threads: int,
    times: np.ndarray | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return each subset's sums of NLL and of Brier under the geometric mean: two float64 (2^M,), by mask.

    Reads the source once more, `rows` samples at a time; times: int64 (N,), how often each counts; once if None.
    """
    members = len(source.members)
    nll, brier = np.zeros(2**members), np.zeros(2**members)

    def task(logs: np.ndarray, own: np.ndarray, size: int) -> None:
        add_sums(np.exp(logs / size), own, size, nll, brier)

    for block in source.blocks(rows):
        for start in range(block.start, block.stop, GEOMETRIC_ROWS):
            stop = min(start + GEOMETRIC_ROWS, block.stop)
            take = np.arange(start, stop)
            take = take if times is None else np.repeat(take, times[take])
            if len(take):
                logs, own = floored_logs(block.probs[:, take - block.offset]), labels[take]
                run_all((partial(task, logs, own, size) for size in sizes), threads)
            if progress:
                progress(stop, source.samples)
    return nll, brier


def right_of(masks: np.ndarray, held: Prepared) -> np.ndarray:
    """Return which samples the subsets with these masks, uint64 (S,), have right: bool (S, n)."""
    right = np.ones((len(masks), len(held)), np.bool_)
    decide(held.rivals, held.starts, held.counts[:, 0], masks, right)
    return right


def correct_by_class(masks: np.ndarray, held: Prepared, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count for each mask and class the samples that are right: int64 (S, C)."""
    counts = np.empty((len(masks), classes), np.int64)
    step = max(1, 2**26 // len(held))
    for start in range(0, len(masks), step):
        for i, row in enumerate(right_of(masks[start : start + step], held), start):
            counts[i] = np.bincount(labels[row], minlength=classes)
    return counts
