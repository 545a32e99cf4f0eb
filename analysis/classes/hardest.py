"""How surely a class is among the hardest or the easiest: draws from a beta-binomial model of all classes."""

import numpy as np

DRAWS = 4000
# Each of a and b is held between this and a thousand times the largest class.
SMALLEST = 0.05
LARGEST = 1000


def worst_share(correct: np.ndarray, samples: np.ndarray, k: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Return for each class the share of draws in which it is among the k hardest, float64 (C,); see `end_shares`."""
    return end_shares(correct, samples, k, draws, seed)[0]


def end_shares(
    correct: np.ndarray, samples: np.ndarray, k: int, draws: int = DRAWS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each class the share of draws in which it is among the k hardest, and among the k easiest.

    correct, samples: int64 (C,); both results float64 (C,). Class c's accuracy is drawn from its posterior
    Beta(a + correct, b + samples - correct), the prior Beta(a, b) fitted across classes by `fit_prior`; in each draw
    the k lowest are the hardest, the k highest the easiest. The shares of the classes that have samples sum to k, or
    to their number where they are fewer. NaN for a class without samples, and everywhere where k is 0. Draws are
    seeded: the same counts give the same shares.
    """
    hard, easy = np.full(len(samples), np.nan), np.full(len(samples), np.nan)
    seen = np.flatnonzero(samples > 0)
    if k < 1 or not seen.size:
        return hard, easy
    right, wrong = correct[seen], samples[seen] - correct[seen]
    a, b = fit_prior(right, wrong)
    rng = np.random.default_rng(seed)
    # A beta variable is G / (G + H) of two gamma variables. Its log-odds are in the same order and, unlike itself,
    # never round to the same number near 0 or 1, so there are no ties to settle.
    odds = np.log(rng.standard_gamma(a + right, (draws, len(seen)))) - np.log(
        rng.standard_gamma(b + wrong, (draws, len(seen)))
    )
    k = min(k, len(seen))
    ranked = np.argpartition(odds, sorted({k - 1, len(seen) - k}), axis=1)
    for shares, part in ((hard, ranked[:, :k]), (easy, ranked[:, len(seen) - k :])):
        shares[seen] = np.bincount(part.ravel(), minlength=len(seen)) / draws
    return hard, easy


def fit_prior(right: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Return (a, b) of the Beta prior under which the counts of all classes are likeliest.

    right, wrong: int64 (C,), at least one sample a class. Maximises sum ln B(a + right, b + wrong) - ln B(a, b), the
    beta-binomial likelihood (J. G. Skellam, JRSS B 10, 1948), over ln a and ln b. Where classes differ no more than
    chance makes them (all alike, or one class only) the likelihood has its maximum at a + b = infinity, where a and b
    only keep their ratio: so neither goes above a thousand times the largest class, which still leaves the data one
    part in a thousand. Neither goes below 0.05, where classes are all right or all wrong.
    """
    from scipy.optimize import minimize
    from scipy.special import betaln, digamma

    right, wrong = right.astype(np.float64), wrong.astype(np.float64)
    total = right + wrong

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        a, b = np.exp(logs)
        value = (betaln(a, b) - betaln(a + right, b + wrong)).mean()
        both = digamma(a + b + total) - digamma(a + b)
        slope = np.array(
            [a * (both - digamma(a + right) + digamma(a)).mean(), b * (both - digamma(b + wrong) + digamma(b)).mean()]
        )
        return float(value), slope

    low, high = np.log(SMALLEST), np.log(LARGEST * total.max())
    mean = np.clip(right.sum() / total.sum(), 0.01, 0.99)
    # The likelihood may be flat far out, and with one sample a class it says nothing of a + b: start from strong,
    # middling and weak priors, and of equally likely ones keep the strongest, which claims least.
    starts = [np.clip(np.log([mean * s, (1 - mean) * s]), low, high) for s in (np.exp(high), total.mean(), 1.0)]
    fits = [
        minimize(loss, s, jac=True, method="L-BFGS-B", bounds=[(low, high)] * 2, options={"ftol": 1e-14, "gtol": 1e-10})
        for s in starts
    ]
    likeliest = min(fit.fun for fit in fits)
    a, b = np.exp(next(fit.x for fit in fits if fit.fun <= likeliest + 1e-9))
    return float(a), float(b)
