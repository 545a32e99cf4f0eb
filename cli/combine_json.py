"""What ens-combine says as JSON: what was chosen, other ways, a front of costs; and an ensemble, for all commands."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from analysis.ensemble import Ensemble
    from analysis.selection.choose import EnsembleSelection
    from analysis.selection.compare import SelectionResult
    from analysis.selection.costs import CostFront
    from analysis.selection.cross_validation import HonestScore
    from analysis.statistics import Paired


def document(found: "EnsembleSelection", cost: str | None = None, max_cost: float | None = None) -> dict[str, Any]:
    """Return the JSON of docs/reference/json.md."""
    table, result = found.table, found.result
    contributions = {s.metric: {"empty": s.empty, "all": s.all, "values": s.values} for s in found.shapley()}
    return {
        "split": table.split,
        "rule": table.rule,
        "metric": found.metric,
        "samples": table.samples,
        "classes": table.classes,
        "members": table.members,
        "groups": groups_document(found),
        "subsets": table.count,
        "by_size": [vars(s) | {"best": s.best.members} for s in table.by_size(found.metric)],
        "best": {
            "members": found.members,
            "weights": _own_weights(result),
            "k": len(found.members),
            **{name: score for name, score in found.scores.items() if name not in table.others},
            "others": {name: found.scores[name] for name in table.others},
            "honest_accuracy": result.honest.score,
            "honest_low": result.honest.low,
            "honest_high": result.honest.high,
            "honest_how": result.honest.how,
            "choices": result.choices,
            "honest": {name: _honest(score) for name, score in result.scores.items()},
        },
        "paired": None if found.paired is None else _paired(found.paired),
        "ways": [
            {
                "name": way.name,
                "members": [table.members[i] for i in way.chosen.members],
                "weights": _own_weights(way),
                "accuracy": way.honest.apparent,
                "honest_accuracy": way.honest.score,
                "honest_low": way.honest.low,
                "honest_high": way.honest.high,
                "honest": {name: _honest(score, way.selection is not None) for name, score in way.scores.items()},
                "converged": getattr(way.chosen, "converged", None),
            }
            for way in found.ways
        ],
        "not_run": found.slow,
        "shapley": contributions or None,
        "cost": None if found.front is None else {
            "of": cost, "by": found.front.by, "max_cost": max_cost,
            "members": dict(zip(table.members, found.front.costs, strict=True)),
        },
        "front": None if found.front is None else front_document(found.front),
        "left_out": _left_out(found),
    }  # fmt: skip


def front_document(front: "CostFront") -> list[dict[str, Any]]:
    """Return the points of a front for the JSON document."""
    return [
        {
            "members": p.members, "cost": p.cost, "score": p.score, "honest": p.honest.score,
            "honest_low": p.honest.low, "honest_high": p.honest.high,
        }
        for p in front.points
    ]  # fmt: skip


def _left_out(found: "EnsembleSelection") -> list[str] | None:
    """Return the ids of the classes that a mean over classes leaves out; None where the metric is none."""
    from analysis.class_metrics import CLASS_METRICS, base_of

    base, data = base_of(found.metric), found.data
    if base not in CLASS_METRICS:
        return None
    ids = getattr(data.source, "class_ids", [str(c) for c in range(data.source.classes)])
    return [str(ids[c]) for c in CLASS_METRICS[base].left_out(data.labels, data.source.classes)]


def _honest(score: "HonestScore", chosen: bool = True) -> dict[str, float | None]:
    low, high = (score.optimism_interval if chosen else None) or (None, None)
    return {
        "apparent": score.apparent,
        "score": score.score,
        "low": score.low,
        "high": score.high,
        "optimism": score.optimism if chosen else None,
        "optimism_low": low,
        "optimism_high": high,
    }


def groups_document(found: "EnsembleSelection") -> dict[str, float | None] | None:
    """Return how many groups the samples are of, for the JSON document; None where there are none."""
    groups = found.data.groups
    if groups is None:
        return None
    from analysis.statistics import count_groups

    return {
        "count": int(groups.max()) + 1,
        "effective_samples": found.result.honest.effective,
        "equal": count_groups(groups),
    }


def _own_weights(result: "SelectionResult") -> "np.ndarray | None":
    """Return the weights of the members that take part; None for equal ones, and for a regression."""
    weights = result.chosen.weights
    if weights is None or result.name in ("best", "member", "all"):
        return None
    return weights[list(result.chosen.members)]


def _paired(found: "Paired") -> dict[str, Any]:
    return {
        "against": "best member",
        "samples": found.samples,
        "won": found.won,
        "lost": found.lost,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "power_80": found.power_80,
    }


def ensemble_document(ensemble: "Ensemble") -> dict[str, Any]:
    """Return what an ensemble is for the JSON document."""
    found, weights = ensemble.definition, ensemble.weights
    return {
        "name": ensemble.name, "members": ensemble.members, "rule": ensemble.rule,
        "weights": None if weights is None else dict(zip(ensemble.members, weights, strict=True)),
        "selection": found.selection if found else None, "chosen_on": found.chosen_on if found else None,
        "changed": ensemble.changed,
    }  # fmt: skip
