"""Predictions as files for other programs, read back by the slow way and by ens-import."""

import csv
from pathlib import Path

import numpy as np
import pytest

from analysis.ensemble import ensemble_of
from analysis.prediction_files import ANSWERS, check_export, export, write_answers
from analysis.stack import join
from ensemble.errors import BadInput
from ensemble.importing.parse import Classes, import_file
from ensemble.study.predictions import Predictions

HOSTILE = ("=cmd()", "+1", "-2", "@x", 'cat, a "pet"\nhere', "</script>")


def predictions(labels: bool = True, class_ids: tuple[str, ...] = HOSTILE) -> Predictions:
    rng = np.random.default_rng(0)
    return Predictions(
        "m-0", "new", rng.dirichlet(np.ones(len(class_ids)), 7).astype(np.float32),
        np.array(["=1+1", "a", "b/c", "-x", "@y", "é", "+"]), class_ids, tuple(f"={c}" for c in class_ids),
        labels=np.arange(7) % len(class_ids) if labels else None,
    )  # fmt: skip


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_answers_hold_every_probability_and_nothing_a_spreadsheet_runs(tmp_path: Path) -> None:
    said = ensemble_of(join([predictions()]))
    write_answers(tmp_path / "a.csv", said)
    header, *rows = rows_of(tmp_path / "a.csv")
    ids = sorted(HOSTILE)
    assert [cell.removeprefix("'") for cell in header] == [*ANSWERS, *ids]
    assert not [cell for row in (header, *rows) for cell in row if cell[0] in "=+-@"]
    for i, row in enumerate(rows):
        y = said.preds[i]
        assert [cell.removeprefix("'") for cell in row[:3]] == [said.stack.sample_ids[i], ids[y], f"={ids[y]}"]
        np.testing.assert_array_equal(np.array(row[4:], np.float32), said.probs[i].astype(np.float32))
        assert row[3] == max(row[4:], key=float)


@pytest.mark.parametrize("ending", [".npz", ".csv", ".parquet"])
@pytest.mark.parametrize("labels", [True, False])
def test_what_is_exported_is_imported_the_same(ending: str, labels: bool, tmp_path: Path) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    p = predictions(labels, ("cat", "dog", "eel"))
    p = Predictions(
        p.member, p.split, p.probs, np.array([f"s{i}" for i in range(7)]), p.class_ids, p.class_ids, p.labels
    )
    export(tmp_path / f"m{ending}", p)
    found = import_file(tmp_path / f"m{ending}", study_classes=Classes(p.class_ids, p.class_names)).predictions
    np.testing.assert_array_equal(found.probs, p.probs)
    assert found.sample_ids.tolist() == p.sample_ids.tolist()
    assert found.class_ids == p.class_ids
    if p.labels is None:
        assert found.labels is None
    else:
        np.testing.assert_array_equal(found.labels, p.labels)


def test_an_npz_keeps_hostile_names_as_they_are(tmp_path: Path) -> None:
    p = predictions()
    export(tmp_path / "m.npz", p)
    with np.load(tmp_path / "m.npz") as found:
        assert found["class_ids"].tolist() == list(HOSTILE)
        assert found["class_names"].tolist() == list(p.class_names)
        assert found["sample_ids"].tolist() == p.sample_ids.tolist()
    export(tmp_path / "m.csv", p)
    header, *rows = rows_of(tmp_path / "m.csv")
    assert [cell.removeprefix("'") for cell in header] == ["id", "label", *HOSTILE]
    assert not [cell for row in (header, *rows) for cell in row if cell[0] in "=+-@"]
    assert not list(tmp_path.glob(".*"))


def test_bad_names_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for name, message in {
        "m.txt": "its name must end in .npz, .csv, .parquet; for example m.npz.",
        "m": "its name must end in",
    }.items():
        with pytest.raises(BadInput, match=message):
            check_export(tmp_path / name)
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(BadInput, match=r"d\.csv: is a folder"):
        check_export(tmp_path / "d.csv")
    with pytest.raises(BadInput, match=r"a class is called 'ID', as a column of its own is; export to \.npz"):
        check_export(tmp_path / "m.csv", ("ID", "dog"))
    check_export(tmp_path / "m.npz", ("ID", "dog"))
