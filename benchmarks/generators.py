"""Predictions made up for benchmarks, seeded: members that mostly agree, and members that hardly do."""

import numpy as np

# Logits: a part all members share, the true class's lead over it, and a part of each member's own.
EASY = {"shared": 1.5, "lead": 3.5, "own": 0.8}
HARD = {"shared": 0.5, "lead": 1.0, "own": 1.0}
DIGITS = {"shared": 1.5, "lead": 12.0, "spread": 4.0, "own": 1.0}  # of 10 classes: 99.4 to 99.6 % right, MNIST's like
KINDS = {"easy": EASY, "hard": HARD, "digits": DIGITS}


def member_blocks(
    members: int, samples: int, classes: int, kind: str = "easy", seed: int = 0
) -> tuple[list[np.random.Generator], np.ndarray, np.ndarray]:
    """Return a generator for each member, the shared logits float32 (N, C) and the labels int64 (N,)."""
    values = KINDS[kind]
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    shared = rng.standard_normal((samples, classes), dtype=np.float32) * np.float32(values["shared"])
    # How clear a sample is differs from one to the next.
    clear = rng.standard_normal(samples, dtype=np.float32) / values.get("spread", 1.5)
    shared[np.arange(samples), labels] += values["lead"] * (1 + clear)
    return rng.spawn(members), shared, labels


def member_probs(rng: np.random.Generator, shared: np.ndarray, kind: str = "easy") -> np.ndarray:
    """Return one member's softmax float32 (N, C)."""
    logits = shared + rng.standard_normal(shared.shape, dtype=np.float32) * np.float32(KINDS[kind]["own"])
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    return logits / logits.sum(axis=1, keepdims=True)


def predictions(
    members: int, samples: int, classes: int, kind: str = "easy", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities float32 (M, N, C) and labels int64 (N,)."""
    streams, shared, labels = member_blocks(members, samples, classes, kind, seed)
    probs = np.empty((members, samples, classes), np.float32)
    for into, rng in zip(probs, streams, strict=True):
        into[:] = member_probs(rng, shared, kind)
    return probs, labels
