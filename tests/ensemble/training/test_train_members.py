"""The whole way in Python, from a study's beginning to its ensembles, as a plain script without a main guard."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import combine
from ensemble import Recipe, begin_study, load_dataset, open_member, open_study, plan_members, predict, train_members
from ensemble.errors import BadInput
from ensemble.study.recipe import builtin_plan, write_recipe
from ensemble.study.study import Study
from ensemble.training import plan_members as plan_module
from ensemble.training import pool
from ensemble.training.job import Outcome, TrainingJob
from ensemble.training.plan_members import TrainingPlan
from ensemble.training.run import train_member

SCRIPT = """
import json
from kofn import begin_study, plan_members, train_members

study = begin_study("study", "digits")
plan = plan_members(study, variants=2, epochs=2, jobs=1, threads=1)
heard = []
outcomes = train_members(study, plan, progress=lambda done, total: heard.append((done, total)))
again = train_members(study, variants=2)
print(json.dumps({
    "actions": [m.action for m in plan], "statuses": [o.status for o in outcomes + again], "heard": heard,
}))
"""


def test_the_whole_way(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "actions": ["train", "train"], "statuses": ["trained", "trained", "skipped", "skipped"],
        "heard": [[1, 4], [2, 4], [3, 4], [4, 4]],
    }  # fmt: skip
    study = open_study(tmp_path / "study")
    members = [open_member(study, name, "cpu") for name in study.members("val")]
    of_study = predict(study, part="val", threads=1)
    of_arrays = predict(members, load_dataset("digits").split("val").images)
    labels = of_study[0].labels
    assert labels is not None and len(of_study) == 2 and len(combine([p.probs for p in of_study], labels)) == 3
    for ours, kept in zip(of_arrays, of_study, strict=True):
        assert (ours.probs == kept.probs).all() and (study.read(kept.member, "val").probs == kept.probs).all()
        assert (ours.ids_given, kept.ids_given) == (False, True)
    # The study goes on with what was asked for: two epochs each.
    assert [len(plan_members(study)), plan_members(study, variants=3)[2].recipe.epochs] == [2, 2]
    assert {member.action for member in plan_members(study, epochs=5)} == {"extend"}
    with pytest.raises(BadInput, match=r"batch_size is \d+ there, 7 was asked for; .* or force=True to start it over"):
        plan_members(study, settings={"batch_size": 7})


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return begin_study(str(tmp_path / "study"))


def test_a_study_is_begun_once(study: Study, tmp_path: Path) -> None:
    assert (study.config.data, study.config.source) == ("digits", "digits")
    assert begin_study(study.root, "digits").config == open_study(study.root).config == study.config
    with pytest.raises(BadInput, match=r"is not a study, study\.toml is missing"):
        open_study(tmp_path)


def test_a_recipe_or_a_plan_of_ones_own(study: Study) -> None:
    own = Recipe(model="ting-m3-small", epochs=3, augment="")
    (only,) = plan_members(study, recipe=own, variants=1)
    assert (only.name, only.recipe, only.action) == ("ting-m3-small-0", own, "train")
    plan = plan_members(study, recipe=builtin_plan("digits"), variants=7, name="mine", settings={"batch_size": 8})
    assert isinstance(plan, TrainingPlan)
    assert [m.name for m in plan][-1] == "mine-6"
    assert {m.recipe.batch_size for m in plan} == {8}
    assert len({m.recipe.learning_rate for m in plan}) > 3
    assert not (study.root / "members").exists()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"variants": 0}, "variants=0: expected at least 1"),
        ({"folds": 1}, "folds=1: expected 2 or more"),
        ({"device": "gpu"}, "device='gpu': expected 'auto'"),
        ({"model": "ting-m33"}, "model='ting-m33': is not known; nearest: ting-m3"),
        ({"recipe": "tinge"}, "recipe='tinge': is neither a file nor a recipe that ships"),
        ({"weights": "nowhere.pth"}, "weights='nowhere.pth': there is no such file"),
        ({"settings": {"model": "ting-m1"}}, "choose the network with model='ting-m1'"),
        ({"settings": {"batchsize": 3}}, "'batchsize' is not a setting of a recipe"),
        ({"snapshots": 1}, "snapshots=1: expected 2 or more"),
        ({"vary": "seeds"}, "vary='seeds': expected one of recipe, seed, both"),
    ],
)
def test_errors_speak_of_python(study: Study, choices: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput) as error:
        plan_members(study, **choices)  # ty: ignore[invalid-argument-type]
    assert message in str(error.value)
    assert "--" not in str(error.value).replace("'ens-train --list-models'", "")


def test_a_plan_is_of_its_own_study(study: Study, tmp_path: Path) -> None:
    plan = plan_members(study, variants=1)
    with pytest.raises(BadInput, match="is of the study"):
        train_members(begin_study(tmp_path / "other"), plan)
    with pytest.raises(BadInput, match="give epochs to plan_members"):
        train_members(study, plan, epochs=3)
    assert not (study.root / "members").exists()


@pytest.mark.parametrize(
    ("variants", "on", "threads"), [(6, 2, 1), (1, 2, 2), (6, 16, 2), (3, 16, 5), (32, 16, 1)]
)  # fmt: skip
def test_threads_are_the_cores_share_whatever_trains_at_once(
    study: Study, monkeypatch: pytest.MonkeyPatch, variants: int, on: int, threads: int
) -> None:
    monkeypatch.setattr(plan_module, "cores", lambda: on)
    for jobs in (None, 1, 2, 5):
        plan = plan_members(study, variants=variants, jobs=jobs, device="cpu")
        assert {m.threads for m in plan} == {threads}
        assert plan.jobs == (jobs or min(variants, on // threads))
    assert plan_members(study, variants=variants, device="cuda", jobs=3)[0].threads == on


def test_threads_stay_as_planned_on_other_machines_and_for_those_that_failed(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "cores", lambda: 4)
    monkeypatch.setattr(pool, "run_jobs", lambda jobs, *_: [Outcome(job.title, "failed", error="E.") for job in jobs])
    train_members(study, variants=2, device="cpu")
    assert [m.threads for m in plan_members(study)] == [2, 2]
    monkeypatch.setattr(plan_module, "cores", lambda: 16)
    assert [m.threads for m in plan_members(study, variants=4, jobs=1, device="cpu")] == [2, 2, 4, 4]
    assert [m.threads for m in plan_members(study, variants=1, force=True)] == [2]
    assert [m.threads for m in plan_members(study, threads=3)] == [3, 3]
    train_members(study, variants=1, threads=3, device="cpu")
    assert [m.threads for m in plan_members(study, variants=2)] == [3, 2]
    text = study.path.read_text().replace("threads = [", "threads = [0, ").split("\n", 1)[1]
    study.path.write_text(text)
    with pytest.raises(BadInput, match=r"runs.ting-m3-small.threads: expected a list of whole numbers above 0"):
        plan_members(study)


def test_a_member_that_another_process_began_with_other_threads_is_refused(study: Study) -> None:
    (member,) = plan_members(study, variants=1, threads=2)
    write_recipe(study.files(member.name).recipe, member.recipe, 1)
    with pytest.raises(BadInput, match="another recipe or number of threads by another process"):
        train_member(TrainingJob(study.root, member.name, member.recipe, 2, "cpu", ("val",)), lambda *_: None)
