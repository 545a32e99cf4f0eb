"""Saved ensembles on every split of their members: computed anew, never stale, refused where they cannot be."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from analysis.ensemble import as_predictions, chosen_ensemble, ensemble_of
from analysis.page.value import ONE_BY_ONE, page_of
from analysis.report_data import ReportData, open_ensemble
from analysis.saved import groups_of, names_on, predictions_of, saved_ensemble, select_predictions
from analysis.selection.stacking import fit
from analysis.stack import join
from analysis.statistics import group_codes
from analysis.study_reports import study_report
from cli.combine import combine
from cli.common import run
from cli.report import report
from ensemble.errors import BadInput
from ensemble.study.definitions import find_definition, saved_ensembles
from ensemble.study.predictions import Predictions, predictions_digest, read_predictions, write_predictions
from ensemble.study.study import Study, StudyConfig

CLASSES = ("ant", "bee", "cow")
DATA = Path(__file__).parents[1] / "data" / "format-v1"


def made(name: str, split: str, n: int, seed: int, labelled: bool = True) -> Predictions:
    """One member that leans to the truth; its rows are in an order of its own."""
    truth = np.random.default_rng(n).integers(0, 3, n)
    rng = np.random.default_rng([seed, n])
    probs = rng.dirichlet(np.ones(3), n) + 0.7 * np.eye(3)[truth]
    order = rng.permutation(n)
    return Predictions(
        name, split, (probs / probs.sum(axis=1, keepdims=True))[order].astype(np.float32),
        np.array([f"{split}{i}" for i in range(n)])[order], CLASSES, CLASSES, truth[order] if labelled else None,
    )  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Three members on a labelled val and an unlabelled test."""
    study = Study.create(tmp_path, StudyConfig("imported", None, None, CLASSES, CLASSES))
    for seed, name in enumerate(("ada", "bob", "cy")):
        study.write(made(name, "val", 90, seed))
        study.write(made(name, "test", 40, seed, labelled=False))
    return study


def save(study: Study, name: str, weights: dict[str, float], rule: str = "mean", split: str = "val") -> None:
    sources = [study.read(member, split) for member in weights]
    own = ensemble_of(join(sources), weights, rule, name)
    study.write(as_predictions(own, sources, selection="given", chosen_on=split))


def by_hand(study: Study, weights: dict[str, float], split: str, ids: np.ndarray) -> np.ndarray:
    """The weighted mean, sample by sample."""
    total = np.zeros((len(ids), 3))
    for name, weight in weights.items():
        p = study.read(name, split)
        at = {str(i): row for row, i in enumerate(p.sample_ids)}
        total += weight * p.probs[[at[str(i)] for i in ids]]
    return total


@pytest.mark.parametrize("rule", ["mean", "geometric"])
def test_it_lives_on_every_split_of_its_members(study: Study, rule: str) -> None:
    weights = {"ada": 0.5, "bob": 0.3, "cy": 0.2}
    save(study, "blend", weights, rule)
    own = saved_ensemble(study, "blend", "test")
    assert (own.split, own.stack.labels, own.accuracy, own.members) == ("test", None, None, ("ada", "bob", "cy"))
    wanted = by_hand(study, weights, "test", own.stack.sample_ids)
    if rule == "geometric":
        logs = sum(w * np.log(np.maximum(own.stack.probs[own.stack.index(m)], 2.0**-26)) for m, w in weights.items())
        wanted = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    assert own.probs == pytest.approx(wanted, abs=1e-6)
    assert (own.preds == wanted.argmax(axis=1)).all()
    kept = predictions_of(study, "blend", "test")
    assert (kept.kind, kept.parents, kept.attributes["rule"]) == ("ensemble", ("ada", "bob", "cy"), rule)
    assert (own.definition is not None) and own.definition.chosen_on == "val" and own.definition.selection == "given"
    assert (own.changed, names_on(study, "test")) == ((), ["ada", "blend", "bob", "cy"])
    assert [p.member for p in select_predictions(study, "test")] == ["ada", "bob", "cy"]
    assert [p.member for p in select_predictions(study, "test", ["b*"])] == ["blend", "bob"]
    assert open_ensemble(study, "blend", "test").probs.tolist() == own.probs.tolist()
    # On the split it was chosen on nothing is other than what was stored.
    there = saved_ensemble(study, "blend", "val")
    stored = read_predictions(study.predictions_path("blend", "val"))
    assert predictions_of(study, "blend", "val").probs.tolist() == stored.probs.tolist()
    assert there.accuracy == (there.preds == there.stack.require_labels()).mean()


def test_changed_members_are_named_and_nothing_stale_is_read(study: Study) -> None:
    weights = {"ada": 0.5, "bob": 0.5}
    save(study, "pair", weights)
    before = saved_ensemble(study, "pair", "val")
    study.write(made("bob", "val", 90, 77))
    own = saved_ensemble(study, "pair", "val")
    assert own.changed == ("bob",) and not np.allclose(own.probs, before.probs)
    assert own.probs == pytest.approx(by_hand(study, weights, "val", own.stack.sample_ids))
    with pytest.raises(BadInput, match=r"pair\.val\.h5: was computed from other predictions of bob than there are now"):
        study.read("pair", "val")
    assert [p.member for p in study.select("val")] == ["ada", "bob", "cy"]
    assert select_predictions(study, "val", ["pair"])[0].probs == pytest.approx(own.probs, abs=1e-6)
    assert saved_ensemble(study, "pair", "test").changed == ("bob",)  # chosen by what is no more
    save(study, "pair", weights)
    assert saved_ensemble(study, "pair", "val").changed == ()


def test_a_regression_is_fitted_again_to_the_split_it_was_chosen_on(study: Study) -> None:
    sources = study.select("val", ["ada", "cy"])
    stack = join(sources)
    regression = fit(stack.probs, stack.require_labels())
    apart = np.full((90, 3), 1 / 3)
    own = chosen_ensemble(stack, regression, name="stacked", probs=apart)
    study.write(as_predictions(own, sources, selection="stack", chosen_on="val"))
    assert saved_ensemble(study, "stacked", "val").probs == pytest.approx(apart, abs=1e-7)  # those made out of fold

    def features(split: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        both = join(study.select(split, ["ada", "cy"]))
        return np.log(np.concatenate(list(both.probs.astype(float)), axis=1)), both.labels, both.sample_ids

    x, y, _ = features("val")
    model = LogisticRegression(C=0.01, max_iter=100).fit(x, y)
    found = saved_ensemble(study, "stacked", "test")
    x, _, ids = features("test")
    assert found.stack.sample_ids.tolist() == ids.tolist()
    assert found.probs == pytest.approx(model.predict_proba(x), abs=1e-6)
    assert (found.weights, found.rule, found.title) == (None, "stack", "stacked, regression on 2 members")
    study.write(made("cy", "val", 90, 78))
    with pytest.raises(BadInput, match="a regression on predictions of cy for 'val' that have changed since"):
        saved_ensemble(study, "stacked", "test")


def test_members_without_predictions_for_the_split(study: Study) -> None:
    save(study, "pair", {"ada": 0.5, "bob": 0.5})
    study.predictions_path("bob", "test").unlink()
    with pytest.raises(BadInput, match=r"made of ada, bob, and bob has no predictions for split 'test'; .*: val"):
        saved_ensemble(study, "pair", "test")
    assert "pair" not in names_on(study, "test")
    study.predictions_path("bob", "val").unlink()
    alone = saved_ensemble(study, "pair", "val")  # what was stored is all there is
    assert (alone.members, alone.definition is not None and alone.definition.members) == (("pair",), ("ada", "bob"))
    with pytest.raises(BadInput, match=r"has no saved ensemble 'pear'; .*pair"):
        saved_ensemble(study, "pear")


def test_an_ensemble_of_ensembles_and_none_of_itself(study: Study) -> None:
    save(study, "pair", {"ada": 0.5, "bob": 0.5})
    save(study, "more", {"pair": 0.6, "cy": 0.4})
    own = saved_ensemble(study, "more", "test")
    wanted = by_hand(study, {"ada": 0.3, "bob": 0.3, "cy": 0.4}, "test", own.stack.sample_ids)
    assert own.probs == pytest.approx(wanted, abs=1e-6)
    assert saved_ensembles(study) == ["more", "pair"]
    path = study.predictions_path("pair", "val")
    own_parts = replace(read_predictions(path), parents=("more", "bob"), attributes={"rule": "mean"})
    write_predictions(path, own_parts)
    with pytest.raises(BadInput, match="takes part in itself, by way of"):
        saved_ensemble(study, "more", "val")


def test_samples_in_common_where_it_was_chosen_on_such(study: Study) -> None:
    cy = study.read("cy", "val")
    study.write(replace(cy, probs=cy.probs[:80], sample_ids=cy.sample_ids[:80], labels=cy.labels[:80]))  # ty: ignore
    sources = study.select("val", ["ada", "cy"])
    own = ensemble_of(join(sources, intersect=True), name="pair")
    study.write(as_predictions(own, sources, selection="given", chosen_on="val"))
    assert len(saved_ensemble(study, "pair", "val")) == 80


def test_ensembles_of_older_versions_open(tmp_path: Path) -> None:
    old = read_predictions(DATA / "ensemble.h5")
    study = Study.create(tmp_path, StudyConfig("old", None, None, old.class_ids, old.class_names))
    write_predictions(study.predictions_path(old.member, old.split), old)
    found = find_definition(study, old.member)
    assert found is not None and found.weights == dict(zip(old.parents, old.weights, strict=True))
    assert (found.chosen_on, found.made_from, found.splits) == (None, {}, (old.split,))
    assert saved_ensemble(study, old.member, old.split).preds.tolist() == old.probs.argmax(axis=1).tolist()


def test_the_digest_is_of_what_is_predicted(study: Study) -> None:
    ada = study.read("ada", "val")
    assert predictions_digest(ada) == predictions_digest(replace(ada, labels=None, member="eve"))
    other = ada.probs.copy()
    other[3] = other[3][::-1]
    for changed in (replace(ada, probs=other), replace(ada, sample_ids=np.roll(ada.sample_ids, 1)),
                    replace(ada, class_ids=("ant", "bee", "cat"))):  # fmt: skip
        assert predictions_digest(changed) != predictions_digest(ada)


def test_groups_that_predictions_hold_are_kept_unasked(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    stack = join(study.select("val"))
    assert groups_of(study, stack) is None
    position = {sample: int(sample.removeprefix("val")) for sample in stack.sample_ids.tolist()}

    def hold(member: str, group: Callable[[int], str]) -> None:
        known = study.read(member, "val")
        study.predictions_path(member, "val").unlink()
        names = np.array([group(position[sample]) for sample in known.sample_ids.tolist()])
        study.write(replace(known, extras={"group": names}))

    hold("ada", lambda i: f"patient {i // 6}")
    found = groups_of(study, stack)
    assert found is not None
    assert found.tolist() == group_codes([position[s] // 6 for s in stack.sample_ids.tolist()], 90).tolist()
    hold("bob", lambda _: "one")  # says nothing
    hold("cy", lambda i: f"PATIENT {i // 6}")  # the same under other names
    again = groups_of(study, stack)
    assert again is not None
    assert again.tolist() == found.tolist()
    assert study_report(study, "per-class").groups == 15
    where = ["--study", str(study.root), "--json"]
    for command, words in ((combine, []), (report, ["versus", "ada", "cy"]), (report, ["curve"])):
        assert run(command, [*words, *where]) == 0
        groups = json.loads(capsys.readouterr().out)["groups"]
        assert (groups["count"] if isinstance(groups, dict) else groups) == 15
    assert run(report, ["diversity", *where[:2]]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Samples here belong together in groups, and diversity takes them one by one" in said
    assert ONE_BY_ONE in page_of(ReportData(study, "val")).warnings
    hold("cy", lambda i: f"patient {i // 5}")
    assert ONE_BY_ONE in page_of(ReportData(study, "val")).warnings
    with pytest.raises(BadInput, match=r"of ada and cy for 'val' say otherwise which .* as groups=FILE"):
        groups_of(study, stack)
    own = study.root / "own.csv"
    own.write_text("id,group\n" + "".join(f"{s},{i % 2}\n" for s, i in position.items()))
    asked = groups_of(study, stack, own)
    assert asked is not None
    assert len(set(asked.tolist())) == 2
