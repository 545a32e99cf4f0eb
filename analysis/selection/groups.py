"""Which samples belong together: a file of sample ids and the group of each, joined to the samples by id."""

import csv
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput, storage_error
from ensemble.study.predictions import read_predictions

COLUMNS = ("id", "group")


def read_groups(path: str | Path, sample_ids: np.ndarray) -> np.ndarray:
    """Return the group of each sample, str (N,), in the order of `sample_ids`, str (N,).

    path: a CSV file with a heading and the columns `id` and `group`, or predictions (.h5) that hold `group`; it may
    name other samples too. Raises `BadInput` where a sample has no group, an id stands there twice with two
    groups, or all samples are of one group.
    """
    path = Path(path)
    known = _of_predictions(path) if path.suffix.lower() == ".h5" else _of_csv(path)
    missing = [str(sample) for sample in sample_ids if str(sample) not in known]
    if missing:
        raise BadInput(
            f"{path}: has no group for {len(missing):,} of the {len(sample_ids):,} samples, {missing[0]!r} for one; "
            "name every sample, one that belongs to no other with a group of its own."
        )
    groups = np.array([known[str(sample)] for sample in sample_ids])
    check_groups(groups, str(path))
    return groups


def check_groups(groups: np.ndarray, where: str = "groups") -> None:
    """Raise `BadInput` where there are fewer than two groups, so that nothing can be held out."""
    if len(np.unique(groups)) < 2:
        raise BadInput(f"{where}: all {len(groups):,} samples are of one group; two are needed to hold one out.")


def _of_csv(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            absent = [name for name in COLUMNS if name not in columns]
            if absent:
                raise BadInput(
                    f"{path}: expected a heading with the columns id and group, found "
                    f"{', '.join(columns) or 'nothing'}."
                )
            for row in rows:
                sample, group = row["id"], row["group"]
                if not sample or not group:
                    raise BadInput(f"{path}: line {rows.line_num}: expected an id and a group, found an empty cell.")
                if found.setdefault(sample, group) != group:
                    raise BadInput(f"{path}: line {rows.line_num}: {sample!r} has group {found[sample]!r} above.")
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: expected CSV in UTF-8, {error}.") from error
    except FileNotFoundError as error:
        raise BadInput(f"{path}: is not there; expected a CSV file with the columns id and group.") from error
    except OSError as error:
        raise storage_error(path, error) from error
    return found


def _of_predictions(path: Path) -> dict[str, str]:
    held = read_predictions(path, extras=True)
    if "group" not in held.extras:
        raise BadInput(f"{path}: these predictions hold no `group`; give a CSV file with the columns id and group.")
    return dict(zip(held.sample_ids.tolist(), held.extras["group"].tolist(), strict=True))
