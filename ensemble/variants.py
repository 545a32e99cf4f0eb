"""The members of a study: named variants first, then a sequence that never changes its beginning."""

from typing import Any

from ensemble.errors import BadInput
from ensemble.recipe import Plan, Recipe

VARY = ("recipe", "seed", "both")


def variants(plan: Plan, count: int, vary: str = "recipe") -> list[Recipe]:
    """Return the recipes of members 0 to count - 1; those of a smaller count are its beginning.

    vary: "recipe" gives each member its own hyper-parameters and one common seed; "seed" the plain deep ensemble
    (one recipe, member i with the base's seed + i); "both" does both.
    """
    if count < 1:
        raise BadInput(f"--variants {count}: expected at least 1.")
    if vary not in VARY:
        raise BadInput(f"--vary {vary}: expected one of {', '.join(VARY)}.")
    base = plan.base.as_dict()
    made = []
    for i in range(count):
        settings: dict[str, Any] = {} if vary == "seed" else _settings(plan, i)
        if vary != "recipe":
            settings["seed"] = plan.base.seed + i
        made.append(Recipe.from_dict({**base, **settings}, f"{plan.source}, variant {i}"))
    return made


def _settings(plan: Plan, i: int) -> dict[str, Any]:
    # Without named variants the base itself is the first.
    named = plan.variants or ({},)
    if i < len(named):
        return dict(named[i])
    if not plan.ranges:
        raise BadInput(
            f"{plan.source}: names {len(plan.variants)} variants and no [ranges] to draw member {i} from; "
            f"ask for --variants {len(named)}, vary the seed with --vary seed, or add [ranges]."
        )
    drawn = i - len(named)
    point = _halton(drawn + 1, len(plan.ranges))
    settings = {}
    for u, (name, (low, high, scale)) in zip(point, sorted(plan.ranges.items()), strict=True):
        value = low * (high / low) ** u if scale == "log" else low + (high - low) * u
        settings[name] = float(f"{value:.3g}")
    return settings


def _halton(index: int, dimensions: int) -> list[float]:
    """Return point `index` of Halton's sequence: even coverage of the box, and each point known by its number.

    Index 0 is the corner of the box; callers begin at 1.
    """
    from scipy.stats import qmc

    sequence = qmc.Halton(d=dimensions, scramble=False)
    sequence.fast_forward(index)
    return [float(u) for u in sequence.random(1)[0]]
