"""What this machine offers: threads for this process and its children, memory that may run out, and a parent's end.

Here, and nowhere else, it is decided how many threads work: our own, which run compiled kernels, and those of BLAS,
OpenMP, numba and torch. A process has `cores()` of them; one that starts others shares them out with
`threads_environment`, in which a child's `cores()` is its share too; and while our own threads call BLAS, each has one
thread of it (`one_blas_thread`).
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

THREADS = "KOFN_THREADS"  # how many threads a process of ours has, where it is less than its cores
LIBRARIES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip


def cores() -> int:
    """Return how many threads this process may run: the cores it is bound to, and no more than `KOFN_THREADS` says."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = os.environ.get(THREADS, "")
    return min(there, int(told)) if told.isdecimal() and int(told) else there


def threads_environment(threads: int) -> dict[str, str]:
    """Return the variables by which a child process, and every library in it, has so many threads."""
    return dict.fromkeys((THREADS, *LIBRARIES), str(threads))


@contextlib.contextmanager
def one_blas_thread() -> Generator[None]:
    """Have BLAS and OpenMP work in the thread that calls them, and start none: for when our own threads call them."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def end_with_parent(parent: int) -> None:
    """Have this process killed when the process `parent`, which started it, ends: also by a kill, whatever runs here.

    On Linux the system does it at once; elsewhere a thread looks every second whether the parent is still there.
    """
    told = 1
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            told = ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if told != 0:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    elif os.getppid() != parent:  # it ended before the system was told
        os.kill(os.getpid(), signal.SIGKILL)


_PR_SET_PDEATHSIG = 1


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error is one of memory that ran out: Python's, NumPy's, or torch's on a CPU or a GPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = ("can't allocate memory", "not enough memory", "CUDA out of memory")
    return isinstance(error, RuntimeError) and any(words in str(error) for words in said)


Task = Callable[[], None]
Result = TypeVar("Result")


def run_all(tasks: Iterable[Task], threads: int, tick: Callable[[int], None] | None = None) -> None:
    """Run every task, `threads` of them at a time; `tick` is told from this thread how many are done.

    Tasks are short and hold no lock while they compute; they are drawn as they are needed. Where one fails, or this
    thread is interrupted, those that are running end, the others do not begin, and the error is raised here.
    """
    waiting = iter(tasks)
    done = 0
    if threads == 1:
        for done, task in enumerate(waiting, 1):
            task()
            if tick:
                tick(done)
        return
    with ThreadPoolExecutor(threads) as pool:
        running = {pool.submit(task) for task in islice(waiting, 4 * threads)}
        try:
            while running:
                ended, running = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
                running |= {pool.submit(task) for task in islice(waiting, len(ended))}
                done += len(ended)
                if tick:
                    tick(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def in_order(tasks: Iterable[Callable[[], Result]], threads: int) -> Iterator[Result]:
    """Give what the tasks return, in their order, while the next few are worked at by as many threads."""
    waiting = iter(tasks)
    with ThreadPoolExecutor(threads) as pool:
        running = deque(pool.submit(task) for task in islice(waiting, 2 * threads))
        try:
            while running:
                yield running.popleft().result()
                running.extend(pool.submit(task) for task in islice(waiting, 1))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


# Hears (done, total), in whatever is counted: images, epochs, subsets.
Progress = Callable[[int, int], None]
