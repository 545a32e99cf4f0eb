"""What this machine offers: how many processor cores this process may use, and whether its memory ran out."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice


def cores() -> int:
    """Return how many processor cores this process may use: those it is bound to, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error is one of memory that ran out: Python's, NumPy's, or torch's on a CPU or a GPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = ("can't allocate memory", "not enough memory", "CUDA out of memory")
    return isinstance(error, RuntimeError) and any(words in str(error) for words in said)


Task = Callable[[], None]


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


# Hears (done, total), in whatever is counted: images, epochs, subsets.
Progress = Callable[[int, int], None]
