"""Members on a cluster whose machines die: how long a study takes, and what is lost, simulated.

    python -m benchmarks.cluster                          100 members on 64 GPUs, as docs/scale.md has it
    python -m benchmarks.cluster --members 24 --gpus 8 --hours 3 --mtbf 200

Each slot trains a member at a time, from checkpoint to checkpoint. A slot's machine dies now and then, at times drawn
from an exponential distribution; it is back after a while, and the member goes on from its last checkpoint. `parts` is
`--only I/N`, where a member stays with its slot; `queue` is `--engine ray`, where the next free slot takes it.
"""

import argparse
import heapq
import math
from dataclasses import dataclass
from itertools import count

import numpy as np


@dataclass(frozen=True)
class Setting:
    """hours: of a member, undisturbed; spread: standard deviation of its logarithm over members.

    epochs: checkpoints lie between them. start: hours from a task's begin to its first image; mtbf: mean hours between
    two deaths of a slot's machine; back: hours until it can be used again.
    """

    members: int
    gpus: int
    hours: float
    epochs: int = 90
    spread: float = 0.0
    start: float = 2 / 60
    mtbf: float = math.inf
    back: float = 0.25


@dataclass(frozen=True)
class Course:
    """hours: until the last member is done; busy: GPU hours of training that was kept; lost: that was done again."""

    hours: float
    busy: float
    lost: float
    deaths: int


def simulate(setting: Setting, queue: bool, seed: int = 0) -> Course:
    """Return what becomes of a study; queue: whether members are taken by whichever slot is free."""
    rng = np.random.default_rng(seed)
    lengths = setting.hours * np.exp(setting.spread * rng.normal(size=setting.members) - setting.spread**2 / 2)
    left = lengths.copy()  # hours of training that no checkpoint holds yet
    shared = list(range(setting.members))
    waiting = [shared if queue else shared[slot :: setting.gpus] for slot in range(setting.gpus)]
    busy = lost = last = 0.0
    deaths, order = 0, count()
    idle: list[int] = []
    events = [(0.0, next(order), slot, -1) for slot in range(setting.gpus)]  # member -1: the slot is free
    while events:
        now, _, slot, member = heapq.heappop(events)
        if member >= 0:  # its machine died in mid-training, and is free again in a while
            waiting[slot].insert(0, member)
            heapq.heappush(events, (now + setting.back, next(order), slot, -1))
            if queue and idle:
                heapq.heappush(events, (now, next(order), idle.pop(), -1))
            continue
        if not waiting[slot]:
            idle.append(slot)
            continue
        member = waiting[slot].pop(0)
        dies = rng.exponential(setting.mtbf) if math.isfinite(setting.mtbf) else math.inf
        if dies >= setting.start + left[member]:
            last = max(last, now + setting.start + left[member])
            busy += left[member]
            heapq.heappush(events, (now + setting.start + left[member], next(order), slot, -1))
            continue
        deaths += 1
        epoch = lengths[member] / setting.epochs
        trained = max(0.0, dies - setting.start)
        kept = math.floor(trained / epoch + 1e-9) * epoch
        left[member] -= kept
        busy += kept
        lost += dies - kept
        heapq.heappush(events, (now + dies, next(order), slot, member))
    return Course(last, busy, lost, deaths)


def main() -> None:
    """Print a table: the two ways, for several lengths of life."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--hours", type=float, default=32.0, help="of a member")
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--spread", type=float, default=0.1)
    parser.add_argument("--mtbf", type=float, nargs="*", default=[math.inf, 1000.0, 200.0, 24.0])
    parser.add_argument("--runs", type=int, default=20)
    asked = parser.parse_args()
    print(
        f"{asked.members} members of {asked.hours:g} h ({asked.epochs} epochs) on {asked.gpus} GPUs, {asked.runs} runs"
    )
    columns = ("life of a machine", 18), ("way", 8), ("hours", 9), ("10-90 %", 16), ("GPU hours", 11), ("lost", 8)
    print("".join(f"{name:>{width}}" for name, width in (*columns, ("deaths", 8), ("busy", 7))))
    for mtbf in asked.mtbf:
        setting = Setting(asked.members, asked.gpus, asked.hours, asked.epochs, asked.spread, mtbf=mtbf)
        for queue in (False, True):
            found = [simulate(setting, queue, seed) for seed in range(asked.runs)]
            hours = np.array([c.hours for c in found])
            low, high = np.percentile(hours, [10, 90])
            busy, lost = (float(np.mean([getattr(c, name) for c in found])) for name in ("busy", "lost"))
            share = busy / (asked.gpus * hours.mean())
            life = "never dies" if math.isinf(mtbf) else f"{mtbf:g} h"
            deaths = float(np.mean([c.deaths for c in found]))
            spread = f"{low:.1f} to {high:.1f}"
            print(f"{life:>18}{'queue' if queue else 'parts':>8}{hours.mean():9.1f}{spread:>16}{busy:11,.0f}"
                  f"{lost / (busy + lost):8.1%}{deaths:8.0f}{share:7.0%}")  # fmt: skip


if __name__ == "__main__":
    main()
