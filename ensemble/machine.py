"""What this machine offers: how many processor cores this process may use, and whether its memory ran out."""

import os


def cores() -> int:
    """Return how many processor cores this process may use: those it is bound to, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error is one of memory that ran out: Python's, NumPy's, or torch's on a CPU or a GPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = ("can't allocate memory", "not enough memory", "CUDA out of memory")
    return isinstance(error, RuntimeError) and any(words in str(error) for words in said)
