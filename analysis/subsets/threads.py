"""Short tasks on threads, one after another, so that the work can be watched and interrupted."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice

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
