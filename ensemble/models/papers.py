"""The trainings of the five papers that printed a number, each with the recipe that is its own here."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ensemble.models import model_named
from ensemble.study.recipe import PaperRun, Plan, builtin_plan, variants


def paper_runs() -> list[PaperRun]:
    """Return every training of the five papers that printed a number, in the order of the papers."""
    content = tomllib.loads((files("ensemble.models") / "papers.toml").read_text(encoding="utf-8"))
    return [_run(row) for row in content["run"]]


def _run(row: Mapping[str, Any]) -> PaperRun:
    model = model_named(row["model"])
    name = row.get("recipe", model.recipe)
    own = {} if "recipe" in row else dict(model.settings)
    settings = {"model": model.name, **own, **row.get("set", {})}
    plan: Plan = builtin_plan(name).with_settings(**settings).holding(settings.keys())
    members = row.get("members", 1)
    words = [f"ens-train --model {model.name}"]
    words += [f"--recipe {name}"] if "recipe" in row else []
    words += [f"--variants {members}"]
    words += [f"--set {key}={_written(value)}" for key, value in row.get("set", {}).items()]
    words += ["--weights hub"] if row.get("weights") else []
    numbers = tuple((n[0], float(n[1]), n[2], n[3] if len(n) > 3 else None) for n in row["numbers"])
    return PaperRun(
        row["paper"], row["system"], tuple(variants(plan, members)), numbers, row.get("below", False),
        row.get("note", ""), " ".join(words),
    )  # fmt: skip


def _written(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) and " " in value else str(value)
