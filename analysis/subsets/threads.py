"""Threads that take one short task after another, so that the work can be watched and interrupted."""

import threading
from collections.abc import Callable, Iterable

Task = Callable[[], None]


def run_all(tasks: Iterable[Task], threads: int, tick: Callable[[int], None] | None = None) -> None:
    """Run every task, `threads` of them at a time; `tick` is told from this thread how many are done.

    Tasks are short and hold no lock while they compute. Where one fails, or this thread is interrupted, those that
    are running end, the others do not begin, and the error is raised here.
    """
    waiting = iter(tasks)
    if threads == 1:
        for done, task in enumerate(waiting, 1):
            task()
            if tick:
                tick(done)
        return
    lock = threading.Lock()
    errors: list[BaseException] = []
    done = 0

    def work() -> None:
        nonlocal done
        while True:
            with lock:
                task = None if errors else next(waiting, None)
            if task is None:
                return
            try:
                task()
            except BaseException as error:
                with lock:
                    errors.append(error)
                return
            with lock:
                done += 1

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            while worker.is_alive():
                worker.join(0.1)
                if tick:
                    tick(done)
    except BaseException as error:
        with lock:
            errors.append(error)
        raise
    finally:
        for worker in workers:
            worker.join()
    if errors:
        raise errors[0]
