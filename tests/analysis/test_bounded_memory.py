"""No analysis of members in files, and nothing that keeps or exports them, holds a member's probabilities."""

import resource
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from studies import drawn

from analysis import streamed
from analysis.abstention.of_ensemble import ensemble_abstention
from analysis.calibration.of_ensemble import ensemble_calibration
from analysis.diversity import ensemble_diversity
from analysis.ensemble import Ensemble, as_predictions, ensemble_of
from analysis.errors import find_errors
from analysis.label_errors import find_label_errors
from analysis.saved import ensemble_predictions, predictions_of, saved_ensemble
from analysis.stack import join
from ensemble.errors import StorageError
from ensemble.importing.writers import export_file
from ensemble.study import predictions, row_probs
from ensemble.study.check import check_study
from ensemble.study.predictions import Predictions, predictions_digest, read_predictions
from ensemble.study.study import Study, StudyConfig

C, N, M = 16, 160, 3
# How many numbers, rows or bytes are worked on at once, wherever that is said.
BLOCKS = {
    **{f"analysis.{module}.BLOCK_NUMBERS": 2**9 for module in (
        "abstention.conformal", "abstention.uncertainty", "calibration.of_ensemble", "copies", "diversity", "ensemble",
        "selection.data", "subsets.reference",
    )}, "ensemble.study.row_probs.BLOCK_NUMBERS": 2**9, "analysis.stack.LOOKED_NUMBERS": 2**9,
    "analysis.copies.LOOKED_AT": 9, "analysis.copies.FEWEST": 9, "analysis.subsets.engine.BLOCK_BYTES": 2**12,
    "ensemble.importing.writers.GROUP_NUMBERS": 2**9, "ensemble.importing.writers.FIRST": 10,
    "ensemble.study.predictions._ROWS": 32, "ensemble.study.predictions.LARGE": 0, "analysis.saved.MOST_HELD": 0,
    "analysis.streamed.PIECE_BYTES": 2**11,
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three members, and an ensemble of them that is kept."""
    rng = np.random.default_rng(0)
    names = tuple(f"n{i:02}" for i in range(C))
    made = Study.create(tmp_path_factory.mktemp("bounded") / "study", StudyConfig("toy", None, None, names, names))
    labels, ids = rng.integers(0, C, N), np.array([f"s{i}" for i in range(N)])
    members = []
    for i in range(M):
        probs = drawn(labels, C, i, 1.5)
        members.append(Predictions(f"m-{i}", "val", probs, ids, names, names, labels))
        made.write(members[-1])
    made.write(as_predictions(ensemble_of(join(members), [0.25, 0.5, 0.25], name="kept"), members, chosen_on="val"))
    return made


def opened(study: Study) -> Ensemble:
    return ensemble_of(streamed.stream([study.predictions_path(f"m-{i}", "val") for i in range(M)]))


def exported(ending: str) -> Callable[[Study, Path], object]:
    return lambda study, path: export_file(path.with_suffix(ending), ensemble_predictions(study, opened(study)))


WORK: dict[str, Callable[[Study, Path], object]] = {
    "ensemble": lambda study, _: opened(study),
    "calibration": lambda study, _: ensemble_calibration(opened(study)),
    "abstention": lambda study, _: ensemble_abstention(opened(study)),
    "errors": lambda study, _: find_errors(opened(study)),
    "label errors": lambda study, _: find_label_errors(opened(study)),
    "diversity": lambda study, _: ensemble_diversity(opened(study).stack),
    "a saved ensemble": lambda study, _: saved_ensemble(study, "kept"),
    "what it was made of": lambda study, _: study.changed({"m-0": "another"}, "val"),
    "checked": lambda study, _: check_study(study.root),
    "saved": lambda study, path: predictions.write_predictions(path, ensemble_predictions(study, opened(study))),
    "npz": exported(".npz"),
    "csv": exported(".csv"),
    "parquet": exported(".parquet"),
}


@pytest.fixture
def most_asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return how many samples were read or made at once, at most, where blocks are small and no file is."""
    asked = [0]

    def told(read: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def spied(*args: object) -> np.ndarray:
            found = read(*args)
            asked.append(found.shape[-2] if found.ndim > 1 else 0)
            return found

        return spied

    monkeypatch.setattr(predictions.RowReader, "take", told(predictions.RowReader.take))
    monkeypatch.setattr(streamed.StoredProbs, "__getitem__", told(streamed.StoredProbs.__getitem__))
    monkeypatch.setattr(row_probs.RowProbs, "__getitem__", told(row_probs.RowProbs.__getitem__))
    for name, value in BLOCKS.items():
        monkeypatch.setattr(name, value)
    return lambda: max(asked)


@pytest.mark.parametrize("name", WORK)
def test_no_analysis_reads_or_makes_all_samples_at_once(
    study: Study, name: str, tmp_path: Path, most_asked: Callable[[], int]
) -> None:
    WORK[name](study, tmp_path / "file")
    assert 0 < most_asked() < N / 3


def test_what_is_made_row_by_row_is_stored_and_exported_to_the_same_bits(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = predictions_of(study, "kept")
    monkeypatch.setattr(predictions, "LARGE", 0)
    monkeypatch.setattr(row_probs, "BLOCK_NUMBERS", 2**14)
    made = predictions_of(study, "kept", held=False)
    assert isinstance(made.probs, row_probs.RowProbs) and predictions_digest(made) == predictions_digest(held)
    predictions.write_predictions(tmp_path / "made.h5", made)
    predictions.write_predictions(tmp_path / "held.h5", held)
    found, expected = (read_predictions(tmp_path / name) for name in ("made.h5", "held.h5"))
    np.testing.assert_array_equal(found.probs, expected.probs)
    assert (found.made_from, found.weights) == (expected.made_from, expected.weights)
    for ending in (".npz", ".csv"):
        for name, p in (("made", made), ("held", held)):
            export_file(tmp_path / (name + ending), p)
    assert (tmp_path / "made.csv").read_bytes() == (tmp_path / "held.csv").read_bytes()
    one, other = (np.load(tmp_path / name) for name in ("made.npz", "held.npz"))
    assert one.files == other.files
    for name in one.files:
        np.testing.assert_array_equal(one[name], other[name])


def test_a_disk_that_fills_up_while_rows_are_stored_is_said_and_leaves_nothing(study: Study, tmp_path: Path) -> None:
    """HDF5 could not close its file on such a disk: what the disk does not take must not reach it as an error."""
    made = ensemble_predictions(study, opened(study))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**12, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"full\.h5"):
            predictions.write_predictions(tmp_path / "full.h5", made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []
