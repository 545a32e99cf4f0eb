"""The embedded digits are the same bytes everywhere."""

import numpy as np
from sklearn.datasets import load_digits as original

from ensemble.datasets import check_source, load_dataset
from ensemble.datasets.digits import load_digits


def test_digits_are_as_measured():
    data = load_dataset("digits")
    train, val = data.split("train"), data.split("val")
    assert train.images.shape == (200, 16, 16, 1)
    assert val.images.shape == (1597, 16, 16, 1)
    assert train.images.dtype == np.uint8
    assert train.labels is not None
    assert np.bincount(train.labels).tolist() == [20] * 10
    assert data.class_ids == data.class_names == tuple("0123456789")
    ids = np.concatenate([train.sample_ids, val.sample_ids])
    assert sorted(ids) == [f"{i:04d}" for i in range(1797)]
    assert (data.name, data.source) == ("digits", "digits")


def test_digits_are_scikit_learns_with_noise():
    data, raw = load_dataset("digits"), original()
    for split in data.splits.values():
        rows = split.sample_ids.astype(int)
        np.testing.assert_array_equal(split.labels, raw.target[rows])
        clean = np.kron(raw.images[rows] / 16, np.ones((1, 2, 2)))
        noise = split.images[..., 0] / 85.0 - 1.0 - clean
        assert abs(noise.mean()) < 0.005
        assert abs(noise.std() - 0.3) < 0.005


def test_digits_never_change():
    # A study pins this: another number here means other images, and no study could be gone on with.
    assert load_dataset("digits").fingerprint == "663a3b496f45ff657ec6ec51f8f5e867a5e4efb3130e09cb68ac25dedf157a55"


def test_where_their_file_has_moved_scikit_learn_is_asked(monkeypatch):
    expected = load_digits().fingerprint
    monkeypatch.setattr("ensemble.datasets.digits.find_spec", lambda _name: None)
    assert load_digits().fingerprint == expected


def test_digits_check_sound():
    report = check_source("digits")
    assert report.ok
    assert report.sizes == {"16x16": 1797}
    assert report.splits["train"].fewest == 20
