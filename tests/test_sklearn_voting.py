"""All 63 subsets of six scikit-learn classifiers predict, sample by sample, what its soft voting predicts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import process
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from analysis.stack import join
from analysis.subsets.reference import subset_table
from ensemble.study.study import Study

CLOSE = 1e-6


def fitted(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    members = {
        "forest": RandomForestClassifier(20, random_state=0),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        "bayes": GaussianNB(),
        "neighbours": KNeighborsClassifier(4),
        "tree": DecisionTreeClassifier(max_depth=8, random_state=0),
        "network": make_pipeline(StandardScaler(), MLPClassifier((32,), tol=1e-3, random_state=0)),
    }
    return {name: model.fit(x, y) for name, model in members.items()}


def prefitted(members: dict[str, Any], chosen: tuple[str, ...], y: np.ndarray) -> VotingClassifier:
    """Return soft voting over members that are fitted already."""
    voting = VotingClassifier([(name, members[name]) for name in chosen], voting="soft")
    voting.estimators_ = [members[name] for name in chosen]
    voting.le_ = LabelEncoder().fit(y)
    voting.classes_ = voting.le_.classes_
    return voting


def test_all_subsets_agree_with_soft_voting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = load_digits(return_X_y=True)
    x_train, y_train, x_val, y_val = x[:600], y[:600], x[600:], y[600:]
    members = fitted(x_train, y_train)
    for name, model in members.items():
        np.savez(tmp_path / f"{name}.npz", probs=model.predict_proba(x_val), labels=y_val)
    assert process("ens-import", *(f"{name}.npz" for name in members), cwd=tmp_path).status == 0

    stack = join(Study.open(tmp_path / "study").select("val"))
    table = subset_table(stack, range(1, 7))
    assert len(table.masks) == 63
    q = stack.quantised()
    near, agreed = 0, 0
    for mask, correct in zip(table.masks.tolist(), table.correct.tolist(), strict=True):
        indices = [i for i in range(6) if mask >> i & 1]
        ours = q[indices].sum(axis=0).argmax(axis=1)
        assert int((ours == stack.labels).sum()) == correct
        voting = prefitted(members, tuple(stack.members[i] for i in indices), y)
        means = voting.predict_proba(x_val)
        theirs = voting.predict(x_val)
        top = np.sort(means, axis=1)[:, -2:]
        apart = top[:, 1] - top[:, 0] > CLOSE
        assert np.array_equal(ours[apart], theirs[apart])
        near += int((~apart).sum())
        agreed += int(apart.sum())
    with capsys.disabled():
        print(f"\nsoft voting: {agreed:,} decisions equal; {near:,} with the two top means within {CLOSE:g} left out")  # noqa: T201
    assert near < 0.02 * (near + agreed)
