"""Recipes searched for by Optuna: scored on tune, pruned, gone on with after a death, the best kept as members."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import call

pytest.importorskip("optuna", reason="needs the extra `search`")

from ensemble import begin_study
from ensemble.errors import BadInput
from ensemble.study.check import check_study
from ensemble.study.history import read_epochs
from ensemble.study.recipe import Plan, Recipe, builtin_plan, read_recipe
from ensemble.study.study import Study
from ensemble.training import search
from ensemble.training.job import Event, Outcome, TrainingJob
from ensemble.training.search import Search, search_members

RECIPE = """
model = "ting-m3-small"
batch_size = 16
epochs = 4
augment = ""
tune = 0.25
[ranges]
learning_rate = [1e-4, 1e-1, "log"]
dropout = [0.1, 0.5, "linear"]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "wide.toml").write_text(RECIPE)
    return tmp_path / "wide.toml"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trials are trained in this process; the names of those that were."""
    names: list[str] = []

    def here(jobs: list[TrainingJob], at_once: int, on_event: Event) -> list[Outcome]:
        """As `run_jobs`, which ends a job by ending its process; here by what its report raises."""
        from ensemble.training.run import train_member

        class Stop(Exception):
            pass

        outcomes = []
        for job in jobs:
            names.append(job.title)

            def report(kind: str, facts: dict[str, Any], title: str = job.title) -> None:
                if on_event(title, kind, facts) == "stop":
                    raise Stop

            try:
                outcomes.append(train_member(job, report))
            except Stop:
                outcomes.append(Outcome(job.title, "stopped"))
        return outcomes

    monkeypatch.setattr(search, "run_jobs", here)
    return names


def scores(found: Search) -> dict[int, float]:
    return {trial.number: trial.score for trial in found.trials if trial.score is not None}


def test_a_search_keeps_the_best_on_tune_and_goes_on(
    few: Path, recipe: Path, tmp_path: Path, trained: list[str]
) -> None:
    study = begin_study(tmp_path / "study", few)
    first = search_members(study, 3, members=2, recipe=recipe, name="found", threads=1)
    assert (first.here, [trial.state for trial in first.trials]) == (3, ["complete"] * 3)
    best = sorted(scores(first), key=lambda n: (-scores(first)[n], n))
    assert first.members == tuple(f"found-t{n}" for n in best[:2])
    assert trained == ["found-t0", "found-t1", "found-t2"]
    for name in first.members:
        number = int(name.removeprefix("found-t"))
        pinned, _ = read_recipe(study.files(name).recipe)
        assert 1e-4 <= pinned.learning_rate <= 1e-1
        assert {**pinned.as_dict(), **first.trials[number].settings} == pinned.as_dict()
        epochs = read_epochs(study.files(name).history, upto=99)
        assert scores(first)[number] == epochs[-1].tune_accuracy  # of the weights that are kept
        assert (study.read(name, "val").recipe or {})["tune"] == 0.25
    assert len({trial.settings["learning_rate"] for trial in first.trials}) == 3
    # Nothing is left to do; then one more trial, of which the others stay.
    assert search_members(study, 3, members=2, recipe=recipe, name="found", threads=1).here == 0
    more = search_members(study, 4, members=2, recipe=recipe, name="found", threads=1)
    assert (more.here, more.trials[:3]) == (1, first.trials)
    assert check_study(study.root).findings == []
    with pytest.raises(BadInput, match=r"search 'found' of other settings: epochs is 4 there, 5 was asked for"):
        search_members(study, 9, recipe=recipe, name="found", epochs=5)


def test_a_trial_whose_process_died_is_gone_on_with(
    few: Path, recipe: Path, tmp_path: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin_study(tmp_path / "study", few)
    here = search.run_jobs

    def dies(jobs: list[TrainingJob], at_once: int, on_event: Event) -> list[Outcome]:
        def hear(title: str, kind: str, facts: dict[str, Any]) -> object:
            on_event(title, kind, facts)
            if kind == "epoch" and facts["epoch"] == 2:
                raise KeyboardInterrupt  # after its score was told
            return None

        return here(jobs, at_once, hear)

    monkeypatch.setattr(search, "run_jobs", dies)
    with pytest.raises(KeyboardInterrupt):
        search_members(study, 2, recipe=recipe, name="found", threads=1)
    monkeypatch.setattr(search, "run_jobs", here)
    found = search_members(study, 2, recipe=recipe, name="found", threads=1)
    assert trained == ["found-t0", "found-t0", "found-t1"]
    assert [trial.state for trial in found.trials] == ["complete", "complete"]


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_what_is_worse_than_the_median_is_pruned(
    few: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """Six trials with scores by number alone: the sixth is the worst, and is stopped after its second epoch."""
    told: list[tuple[str, int]] = []

    def drawn(jobs: list[TrainingJob], at_once: int, on_event: Event) -> list[Outcome]:
        (job,) = jobs
        number = int(job.title.rpartition("-t")[2])
        for epoch in range(1, 11):
            told.append((job.title, epoch))
            facts = {"epoch": epoch, "epochs": 10, "tune_accuracy": 0.9 - 0.1 * number}
            if on_event(job.title, "epoch", facts) == "stop":
                return [Outcome(job.title, "stopped")]
        return [Outcome(job.title, "trained")]

    def far(jobs: list[TrainingJob], at_once: int, on_event: Event, engine: str) -> list[Outcome]:
        assert (engine, [job.threads for job in jobs]) == ("ray", [1])
        return drawn(jobs, at_once, on_event)

    monkeypatch.setattr(search, "run_jobs", drawn)
    monkeypatch.setattr("ensemble.training.on_ray.run_on_ray", far)
    monkeypatch.setattr(search._Searching, "_score", lambda _self, number: 0.9 - 0.1 * number)
    monkeypatch.setattr(search._Searching, "publish", lambda _self, _study, number: f"found-t{number}")
    study = begin_study(tmp_path / "study", few)
    threads = 1 if engine == "local" else None
    found = search_members(study, 6, members=2, recipe=recipe, name="found", epochs=10, engine=engine, threads=threads)
    assert [trial.state for trial in found.trials] == ["complete"] * 5 + ["pruned"]
    assert [epoch for title, epoch in told if title == "found-t5"] == [1, 2]
    assert found.members == ("found-t0", "found-t1")


def test_two_workers_share_a_search(few: Path, recipe: Path, tmp_path: Path, trained: list[str]) -> None:
    """While one trains a trial, another takes the next one and leaves that alone."""
    study = begin_study(tmp_path / "study", few)
    inner: list[Search] = []

    def hear(title: str, kind: str, facts: dict[str, Any]) -> None:
        if not inner and kind == "epoch" and facts["epoch"] == 1:
            inner.append(search_members(study, 3, members=1, recipe=recipe, name="found", threads=1))

    outer = search_members(study, 3, members=1, recipe=recipe, name="found", threads=1, on_event=hear)
    assert trained == ["found-t0", "found-t1", "found-t2"]
    assert (inner[0].here, [t.state for t in inner[0].trials]) == (2, ["running", "complete", "complete"])
    assert (outer.here, [t.state for t in outer.trials]) == (1, ["complete"] * 3)


def test_what_cannot_be_searched_is_said(few: Path, tmp_path: Path) -> None:
    study = begin_study(tmp_path / "study", few)
    plan = Plan(Recipe(model="ting-m3-small", epochs=1), source="mine.toml")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"recipe": plan}, r"mine\.toml: has no \[ranges\] to search in"),
        (
            {"recipe": "digits", "store": "sqlite:////nowhere/at/all.db"},
            r"store='sqlite:////nowhere.*: cannot be opened",
        ),
        ({"recipe": "digits", "store": "mysql"}, "store='mysql': cannot be opened"),
        ({"members": 0}, "members=0: expected at least 1"),
    ]
    for choices, message in cases:
        with pytest.raises(BadInput, match=message):
            search_members(study, 1, **choices)
    assert builtin_plan("digits").ranges


@pytest.mark.usefixtures("trained")
def test_the_command_sets_the_mean_beside_the_best(few: Path, recipe: Path, tmp_path: Path) -> None:
    words = ("--data", few, "--recipe", recipe, "--name", "found", "--threads", "1", "--search", "3", "--variants", "2")
    done = call("ens-train", *words, "--json", cwd=tmp_path)
    assert done.status == 0, done.err
    told = done.document
    study = Study.open(tmp_path / "study")
    names = [member["name"] for member in told["members"]]
    assert sorted(names) == study.members("val")
    labels = np.asarray(study.read(names[0], "val").labels)
    probs = np.stack([study.read(name, "val").probs for name in names])
    assert told["members"][0]["val_accuracy"] == (probs[0].argmax(1) == labels).mean()
    assert told["ensemble"]["accuracy"] == pytest.approx((probs.mean(0).argmax(1) == labels).mean())
    assert told["ensemble"]["difference"] == pytest.approx(
        told["ensemble"]["accuracy"] - told["members"][0]["val_accuracy"]
    )
    assert told["trials"] == {"complete": 3, "pruned": 0, "failed": 0, "running": 0}
    refused = call("ens-train", *words, "--folds", "2", cwd=tmp_path)
    assert (refused.status, "--folds is not for --search" in refused.err) == (2, True)
    alone = call("ens-train", "--store", "sqlite:///x.db", cwd=tmp_path)
    assert (alone.status, "name it with --search TRIALS" in alone.err) == (2, True)
