"""When not to answer: curves, areas, sets and parts of uncertainty against hand-worked numbers and slow references."""

import math
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from studies import drawn

from analysis.abstention.conformal import PENALTIES, TUNED, _prepared, conformal_sets, least_alpha
from analysis.abstention.of_ensemble import ensemble_abstention
from analysis.abstention.selective import risk_coverage
from analysis.abstention.shifted import detect_shift
from analysis.abstention.uncertainty import ensemble_scores, uncertainty_parts
from analysis.calibration.temperature import temperature
from analysis.ensemble import ensemble_of
from analysis.stack import stack_arrays
from analysis.statistics import auroc, auroc_interval
from ensemble.errors import BadInput

TIES = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


def test_a_curve_worked_by_hand() -> None:
    curve = risk_coverage([0.9, 0.8, 0.7, 0.6], np.array([True, False, True, False]))
    assert curve.risk.tolist() == [0, 1 / 2, 1 / 3, 1 / 2]
    assert curve.aurc == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    # Both errors last: 0, 0, 1/3, 2/4.
    assert curve.least_aurc == pytest.approx((1 / 3 + 1 / 2) / 4)
    assert curve.auroc == 3 / 4  # of four pairs of right and wrong, .7 against .8 alone goes the wrong way
    assert curve.coverage_at(0.4) == (0.75, 0.7)
    assert curve.coverage_at(0.2) == (0.25, 0.9)
    assert curve.risk_at(0.5) == 0.5 and curve.risk_at(0.51) == 1 / 3


@given(TIES)
def test_the_curve_is_the_mean_over_all_orders_of_equal_certainties(drawn_: list[tuple[int, bool]]) -> None:
    certainty, correct = np.array([c for c, _ in drawn_], float), np.array([r for _, r in drawn_])
    orders = [o for o in permutations(range(len(drawn_))) if all(np.diff(certainty[list(o)]) <= 0)]
    slow = np.mean(
        [[(~correct[list(o)])[: i + 1].mean() for i in range(len(drawn_))] for o in orders], axis=0
    )  # fmt: skip
    curve = risk_coverage(certainty, correct)
    assert curve.risk == pytest.approx(slow)
    # No other order of errors has a smaller area than the least.
    n = len(correct)
    least = min(
        np.mean([sum(wrong[: i + 1]) / (i + 1) for i in range(n)])
        for wrong in product([0, 1], repeat=n)
        if sum(wrong) == (~correct).sum()
    )
    assert curve.least_aurc == pytest.approx(least)
    assert curve.excess_aurc >= -1e-12
    back = risk_coverage(certainty[::-1], correct[::-1])
    assert back.aurc == pytest.approx(curve.aurc)
    share, threshold = curve.coverage_at(0.3)
    kept = certainty >= threshold
    assert share == kept.mean() and (not kept.any() or (~correct[kept]).mean() <= 0.3 + 1e-12)


@given(TIES.filter(lambda d: len({r for _, r in d}) == 2))
def test_auroc_is_the_share_of_pairs_and_scikit_learns(drawn_: list[tuple[int, bool]]) -> None:
    certainty, correct = np.array([c for c, _ in drawn_], float), np.array([r for _, r in drawn_])
    pairs = [(a > b) + (a == b) / 2 for a in certainty[correct] for b in certainty[~correct]]
    area = auroc(certainty[correct], certainty[~correct])
    assert area == pytest.approx(np.mean(pairs)) == pytest.approx(roc_auc_score(correct, certainty))
    low, high = auroc_interval(area, int(correct.sum()), int((~correct).sum()))
    assert 0 <= low <= area <= high <= 1 and low < high


def test_aurocs_interval_holds_the_truth_and_is_none_without_errors() -> None:
    rng = np.random.default_rng(0)
    truth = 0.5 * math.erfc(-2.0 / 2)  # P(X + 2 > Y) of two standard normals
    held = [
        low <= truth <= high
        for low, high in (
            auroc_interval(auroc(rng.normal(2, 1, 60), rng.normal(0, 1, 15)), 60, 15) for _ in range(400)
        )
    ]  # fmt: skip
    assert 0.92 <= np.mean(held) <= 0.995
    assert auroc_interval(1.0, 20, 10)[0] < 0.95 and auroc_interval(1.0, 20, 10)[1] == 1.0
    curve = risk_coverage([0.5, 0.4], np.array([True, True]))
    assert math.isnan(curve.auroc) and math.isnan(curve.low) and curve.aurc == 0 == curve.least_aurc


def test_parts_worked_by_hand_and_bounded() -> None:
    # Two members, each certain of another class: all of it is disagreement. Two alike and unsure: none of it.
    parts = uncertainty_parts(np.array([[[1, 0], [0.5, 0.5]], [[0, 1], [0.5, 0.5]]], float))
    assert parts.total == pytest.approx([math.log(2)] * 2)
    assert parts.aleatoric == pytest.approx([0, math.log(2)])
    assert parts.mutual_information == pytest.approx([math.log(2), 0])
    probs = drawn(np.arange(50) % 5, 5, 3, members=4)
    weights = np.array([0.5, 0.3, 0.2, 0])
    parts = uncertainty_parts(probs, weights)
    for i in range(50):
        mean = sum(w * p[i] for w, p in zip(weights, probs, strict=True))
        slow = sum(w * sum(q * math.log(mq) for q, mq in zip(p[i], p[i], strict=True))
                   for w, p in zip(weights, probs, strict=True))  # fmt: skip
        assert parts.aleatoric[i] == pytest.approx(-slow)
        assert parts.total[i] == pytest.approx(-sum(m * math.log(m) for m in mean))
        # The mutual information is the mean divergence of members from their mean.
        kl = sum(w * sum(q * math.log(q / m) for q, m in zip(p[i], mean, strict=True))
                 for w, p in zip(weights, probs, strict=True))  # fmt: skip
        assert parts.mutual_information[i] == pytest.approx(kl)
    assert (parts.mutual_information >= 0).all()


def test_scores_of_an_ensemble() -> None:
    y = np.arange(30) % 3
    probs = drawn(y, 3, 1, members=2)
    logits = [np.log(own) + 1 for own in probs]  # a softmax of log p + 1: its energy is 1
    ensemble = ensemble_of(stack_arrays(probs, y))
    scores, parts = ensemble_scores(ensemble, logits)
    mean = ensemble.probs
    assert scores["confidence"] == pytest.approx(mean.max(axis=1))
    two = np.sort(mean, axis=1)
    assert scores["margin"] == pytest.approx(two[:, -1] - two[:, -2])
    assert scores["energy"] == pytest.approx(np.ones(30), abs=1e-6)
    assert parts is not None and scores["entropy"] == pytest.approx(-parts.total)
    assert set(ensemble_scores(ensemble_of(stack_arrays(probs[:1], y)))[0]) == {"confidence", "margin", "entropy"}


def slow_sets(
    probs: np.ndarray, y: np.ndarray, u: np.ndarray, fitted: list[int], out: list[int], method: str, alpha: float
) -> tuple[list[int], list[bool]]:
    """Sets by the papers' formulas, one sample and class after the other."""

    def score(i: int, c: int, penalty: float = 0.0, free: int = 0) -> float:
        p = probs[i]
        if method == "lac":
            return 1 - p[c]
        before = [k for k in range(len(p)) if p[k] > p[c] or (p[k] == p[c] and k < c)]
        return sum(p[k] for k in before) + u[i] * p[c] + penalty * max(len(before) + 1 - free, 0)

    def nth(values: list[float]) -> float:
        return sorted(values)[min(math.ceil((len(values) + 1) * (1 - alpha) - 1e-9), len(values)) - 1]

    penalty, free = 0.0, 0
    if method == "raps":
        tune, fitted = fitted[: len(fitted) // TUNED], fitted[len(fitted) // TUNED :]
        free = int(nth([1 + sum(probs[i] > probs[i][y[i]]) for i in tune]))
        sizes = []
        for p in PENALTIES:
            q = nth([score(i, y[i], p, free) for i in tune])
            sizes.append(sum(score(i, c, p, free) <= q + 1e-12 for i in tune for c in range(probs.shape[1])))
        penalty = PENALTIES[int(np.argmin(sizes))]
    q = nth([score(i, y[i], penalty, free) for i in fitted])
    inside = [[score(i, c, penalty, free) <= q + 1e-12 for c in range(probs.shape[1])] for i in out]
    return [sum(row) for row in inside], [row[y[i]] for row, i in zip(inside, out, strict=True)]


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
@pytest.mark.parametrize("folds", [None, 4])
def test_sets_are_those_of_the_formulas(method: str, folds: int | None) -> None:
    n, c = 90, 6
    y = np.random.default_rng(5).integers(0, c, n)
    probs = drawn(y, c, 6, 1.0)
    found = conformal_sets(probs, y, method, 0.2, folds)
    # The order, the parts and u, as documented: by seed, on row numbers where there are no ids.
    place = np.random.default_rng([0, n, 1]).permutation(n)
    order = np.argsort(place)
    u = np.empty(n)
    u[order] = np.random.default_rng([0, n]).random(n)
    parts = place * 2 // n if folds is None else place % folds
    for held in [1] if folds is None else range(folds):
        out = np.flatnonzero(parts == held)
        sizes, covered = slow_sets(probs, y, u, [i for i in order if parts[i] != held], out.tolist(), method, 0.2)
        at = np.isin(found.rows, out)
        assert found.sizes[at].tolist() == sizes
        assert found.covered[at].tolist() == covered
    assert len(found.sizes) == (n if folds else n - n // 2 - n % 2)


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
def test_sets_hold_the_truth_as_often_as_promised_and_are_the_same_in_any_order(method: str) -> None:
    y = np.random.default_rng(7).integers(0, 10, 8000)
    probs = drawn(y, 10, 8, 2.0)
    ids = np.array([f"s{i:05d}" for i in range(2000)])
    found = conformal_sets(probs[:2000], y[:2000], method, 0.1, ids=ids)
    assert 0.88 < found.coverage < 0.92
    low, high = found.interval
    assert low < found.coverage < high
    inside = found.sets(probs[2000:])
    assert 0.88 < inside[np.arange(6000), y[2000:]].mean() < 0.92
    turned = conformal_sets(probs[:2000][::-1], y[:2000][::-1], method, 0.1, ids=ids[::-1])
    assert turned.sizes[::-1].tolist() == found.sizes.tolist()
    assert turned.threshold == found.threshold
    wide = conformal_sets(probs[:2000], y[:2000], method, 0.02, ids=ids)
    assert wide.mean_size > found.mean_size
    by_class = found.by_class()
    assert by_class["samples"].sum() == 2000
    assert (by_class["coverage"] * by_class["samples"]).sum() / 2000 == pytest.approx(found.coverage)
    assert found.by_size().sum(axis=0).tolist() == [2000, int(found.covered.sum())]


def test_a_level_that_so_few_samples_cannot_support_is_refused_with_the_least() -> None:
    y = np.arange(20) % 2
    probs = drawn(y, 2, 0)
    with pytest.raises(BadInput, match=r"alpha = 0.05 is less than 10 samples .* by lac; the least is 0.09091"):
        conformal_sets(probs, y, "lac", 0.05, None)
    assert least_alpha(10) == 1 / 11 and least_alpha(10, "raps") == 1 / 9
    conformal_sets(probs, y, "lac", 0.09091, None)  # what the sentence names can be had
    with pytest.raises(BadInput, match=r"the least is 0.1112"):
        conformal_sets(probs, y, "raps", 0.1, None)
    ensemble = ensemble_of(stack_arrays(probs[None], y))
    found = ensemble_abstention(ensemble)
    assert not found.sets
    assert found.lacking == "20 samples are too few for sets that miss 10%; at least 21 are needed."
    with pytest.raises(BadInput, match=r"alpha=0.1: 20 samples .* the least that all methods can keep to is 0.1112"):
        ensemble_abstention(ensemble, 0.1)
    with pytest.raises(BadInput, match=r"alpha=nan: expected a share of sets that may miss"):
        ensemble_abstention(ensemble, np.nan)
    assert ensemble_abstention(ensemble, 0.1112).sets
    more = np.arange(21) % 2
    assert ensemble_abstention(ensemble_of(stack_arrays(drawn(more, 2, 0)[None], more))).sets
    for wrong in ({"alpha": 1.0}, {"method": "lacs"}, {"folds": 1}, {"class_ids": ("a",)}):
        with pytest.raises(BadInput, match="conformal_sets: "):
            conformal_sets(probs, y, **{"alpha": 0.3, **wrong})  # ty: ignore[invalid-argument-type]


def test_shift_worked_by_hand() -> None:
    usual = {"confidence": np.linspace(0.05, 1, 20), "margin": np.ones(20)}
    found = detect_shift(usual, {"confidence": np.array([0.05, 0.1, 0.075]), "margin": np.ones(3)})
    # 19 of 20 are .95 of them: the threshold is .1, and one of three reaches it.
    assert found.fpr.tolist() == [1 / 3, 1.0]
    pairs = [(a > b) + (a == b) / 2 for a in usual["confidence"] for b in (0.05, 0.1, 0.075)]
    assert found.auroc.tolist() == pytest.approx([np.mean(pairs), 0.5])
    with pytest.raises(BadInput, match="scores that both have"):
        detect_shift(usual, {"energy": np.ones(3)})


def test_bad_input_of_a_curve() -> None:
    for certainty, correct in (([], []), ([0.5], [1]), ([np.nan], [True]), ([0.1, 0.2], [True])):
        with pytest.raises(BadInput, match="risk_coverage: expected"):
            risk_coverage(certainty, np.array(correct))


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
def test_sets_are_mapies(method: str) -> None:
    """The same sets as MAPIE 1 makes of the same halves and the same u; skipped where it is not installed.

    It draws u from one seed for those that calibrate and again for those that are given sets, and takes 1 - u for ours.
    RAPS is held against it up to the threshold, by its own penalty and rank: it randomises the last class otherwise.
    """
    mapie = pytest.importorskip("mapie.classification")
    from mapie.conformity_scores import RAPSConformityScore
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import StratifiedShuffleSplit

    class Given(ClassifierMixin, BaseEstimator):
        def fit(self, x: np.ndarray, y: np.ndarray) -> "Given":
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return x

        def predict(self, x: np.ndarray) -> np.ndarray:
            return x.argmax(axis=1)

    y = np.random.default_rng(9).integers(0, 5, 400)
    probs = drawn(y, 5, 10, 1.0)
    given = RAPSConformityScore() if method == "raps" else method
    theirs = mapie.SplitConformalClassifier(
        Given().fit(probs, y), confidence_level=0.9, conformity_score=given, prefit=True, random_state=0
    )
    theirs.conformalize(probs[:200], y[:200])
    how = {} if method == "lac" else {"conformity_score_params": {"include_last_label": "randomized"}}
    inside = theirs.predict_set(probs[200:], **how)[1][:, :, 0]
    u = 1 - np.random.RandomState(0).uniform(size=200)  # the generator that it takes
    if method == "raps":
        inner = theirs._mapie_classifier.conformity_score_function_
        parts = StratifiedShuffleSplit(n_splits=1, test_size=inner.size_raps, random_state=0)  # as it sets some aside
        rest, _ = next(parts.split(probs[:200], y[:200]))
        own = _prepared(probs[rest], y[rest], "raps", 0.1, u[: len(rest)])
        free = int(inner.k_star[0])
        assert own._quantile(np.arange(len(rest)), inner.lambda_star, free) == pytest.approx(
            inner.quantiles_[0], rel=1e-12
        )
        return
    samples = _prepared(probs, y, method, 0.1, np.tile(u, 2))
    sizes, covered = samples.measured(np.arange(200, 400), [samples.calibrated(np.arange(200))], np.zeros(200, int))
    assert sizes.tolist() == inside.sum(axis=1).tolist()
    assert covered.tolist() == inside[np.arange(200), y[200:]].tolist()


def frames(videos: int, each: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Videos whose frames are all but alike: probabilities, labels, and the video of each."""
    rng = np.random.default_rng(seed)
    y = np.repeat(rng.integers(0, 4, videos), each)
    logits = np.repeat(rng.normal(size=(videos, 4)), each, axis=0) + 0.05 * rng.normal(size=(len(y), 4))
    logits[np.arange(len(y)), y] += 1.0
    exp = np.exp(logits)
    return exp / exp.sum(axis=1, keepdims=True), y, np.repeat(np.arange(videos), each)


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
@pytest.mark.parametrize("folds", [None, 10])
def test_no_set_is_calibrated_by_its_own_group(method: str, folds: int | None) -> None:
    probs, y, groups = frames(30, 6, 0)
    found = conformal_sets(probs, y, method, 0.2, folds, groups=[f"video {g}" for g in groups])
    assert found.groups is not None
    outside = set(groups.tolist()) - set(groups[found.rows].tolist())
    assert (folds is None) == bool(outside)  # of a split no video is on both sides
    if folds is None:
        assert sorted(np.bincount(groups[found.rows])[list(set(groups[found.rows].tolist()))]) == [6] * 15
    # Its own neighbours taken away, a sample's set stays as it is: they had no part in it.
    plain = conformal_sets(probs, y, method, 0.2, folds)
    low, high = found.interval
    assert high - low > 1.3 * (plain.interval[1] - plain.interval[0]) * (1 if folds else 0.9)
    order = np.random.default_rng(1).permutation(len(y))
    ids = np.array([f"s{i:03d}" for i in range(len(y))])
    one, two = (
        conformal_sets(probs[o], y[o], method, 0.2, folds, ids=ids[o], groups=groups[o])
        for o in (np.arange(180), order)
    )
    assert one.coverage == two.coverage
    assert one.threshold == two.threshold


def test_groups_show_how_often_sets_hold_the_truth_in_new_groups() -> None:
    """Frame by frame the coverage seen is what was promised, whatever it is in new videos, and surely so."""
    new, new_y, _ = frames(3000, 1, 99)
    held = []
    for seed in range(40):
        probs, y, groups = frames(25, 16, seed)
        pair = [conformal_sets(probs, y, "lac", 0.2, groups=of) for of in (None, groups)]
        truth = [found.sets(new)[np.arange(3000), new_y].mean() for found in pair]
        held.append([found.interval[0] <= t <= found.interval[1] for found, t in zip(pair, truth, strict=True)])
    plain, grouped = np.mean(held, axis=0)
    assert plain < 0.7
    assert grouped > 0.9


def test_the_auroc_of_groups_counts_them() -> None:
    probs, y, groups = frames(40, 5, 3)
    certainty, right = probs.max(axis=1), probs.argmax(axis=1) == y
    plain, grouped = risk_coverage(certainty, right), risk_coverage(certainty, right, groups=groups)
    assert grouped.auroc == plain.auroc
    assert 1.6 < (grouped.high - grouped.low) / (plain.high - plain.low) < 2.8  # about five frames a video
    alone = risk_coverage(certainty, right, groups=np.arange(200))
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), abs=0.02)
    ensemble = ensemble_of(stack_arrays(probs[None], y))
    found = ensemble_abstention(ensemble, groups=groups)
    assert found.curves["confidence"].low == grouped.low
    assert found.sets[0].groups is not None
    two = ensemble_abstention(ensemble, groups=np.arange(200) < 190)
    assert two.lacking.startswith("groups that are kept together leave too few samples: ")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.5])
def test_what_are_no_probabilities_is_refused(wrong: float) -> None:
    y = np.arange(40) % 3
    probs = drawn(y, 3, 0)
    probs[7, 1] = wrong
    with pytest.raises(BadInput, match="member 0, rows from 0: probabilities must"):
        uncertainty_parts(probs[None])
    if not np.isfinite(wrong):
        with pytest.raises(BadInput, match="probabilities must be finite"):
            conformal_sets(probs, y, "aps", 0.2)
        with pytest.raises(BadInput, match="probabilities must be finite"):
            temperature(probs, y)
