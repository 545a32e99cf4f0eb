"""What is known of each member, and what is not."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from studies import LAYERS, add, study_at

from analysis.members.models import HEADER, members_of, row_of, write_layers_csv, write_models_csv
from analysis.report_data import NotAvailable
from ensemble.errors import BadInput
from ensemble.study.network_file import read_network
from ensemble.study.predictions import Predictions


def test_a_member_with_everything(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "m-0", accuracy=[0.5, 0.8, 0.7], right=15, network=True)
    (member,) = members_of(study, "val")
    assert (member.model, member.epochs, member.seconds, member.images_per_second) == ("ting-m1", 3, 30, 102)
    assert (member.last, member.best, member.accuracy) == (0.7, (2, 0.8), 0.75)
    assert (member.at_end("train_accuracy"), member.at_end("train_cross_entropy")) == (0.35, pytest.approx(2 / 3))
    assert member.network is not None
    # Two convolutions and a dense layer; batch norm is none.
    assert (member.network.depth, member.network.parameters, member.network.statistics) == (3, 452, 8)
    row = row_of(member, "val")
    assert tuple(row) == HEADER
    assert (row["layers"], row["gflops"], row["best_epoch"], row["comparable"]) == (3, 0.25, 2, True)


def test_an_imported_member_has_its_predictions_only(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "rf", right=12)
    (member,) = members_of(study, "val")
    assert (member.last, member.best, member.seconds, member.network, dict(member.settings)) == (
        0.6,
        None,
        None,
        None,
        {},
    )
    assert row_of(member, "val")["parameters"] is None


def test_a_member_that_only_begun_is_there(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "m-0", accuracy=[])
    (member,) = members_of(study, "val")
    assert (member.history, member.last, member.seconds) == (None, None, None)


@pytest.mark.parametrize("network", [True, False])
def test_a_random_start_is_not_comparable(tmp_path: Path, network: bool) -> None:
    study = study_at(tmp_path)
    add(study, "m-0", accuracy=[0.5], right=None if network else 9, network=network, comparable=False)
    assert [m.comparable for m in members_of(study, "val")] == [False]


def test_saved_ensembles_are_no_members(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "m-0", right=12)
    one = study.read("m-0", "val")
    study.write(
        Predictions("both", "val", one.probs, one.sample_ids, one.class_ids, one.class_names, one.labels,
                    kind="ensemble", parents=("m-0",), weights=(1.0,))
    )  # fmt: skip
    assert [m.name for m in members_of(study, "val")] == ["m-0"]
    with pytest.raises(NotAvailable, match="saved ensembles only"):
        members_of(study, "val", ["both"])
    with pytest.raises(BadInput, match="no member matches 'm-9'; known: m-0"):
        members_of(study, "val", ["m-9"])


def test_the_table_is_harmless_and_empty_where_nothing_is_known(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "m-0", accuracy=[0.5, 0.8], network=True)
    add(study, "rf", right=12)
    write_models_csv(tmp_path / "t.csv", members_of(study, "val"), "val")
    with (tmp_path / "t.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["parameters"], first["best_val_accuracy"], first["split_accuracy"]) == ("452", "0.8", "")
    assert (second["parameters"], second["val_accuracy"], second["training_seconds"]) == ("", "0.6", "")


def test_the_layers_table_ends_in_the_totals(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "m-0", accuracy=[0.5], network=True)
    network = read_network(study.member_dir("m-0") / "network.json")
    assert network is not None
    write_layers_csv(tmp_path / "l.csv", network)
    with (tmp_path / "l.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["layer"], rows[0]["output"], rows[0]["parameters"]) == ("base.0", "4 x 8 x 8", "112")
    assert (rows[-1]["layer"], rows[-1]["parameters"], rows[-1]["statistics"]) == ("total", "452", "8")
    assert len(rows) == len(LAYERS) + 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read as the description of a network"),
        (json.dumps({"schema": 2}), "has schema 2, this program reads 1"),
        (json.dumps({"schema": 1, "model": "m"}), "cannot be read as the description"),
        (json.dumps([1]), "cannot be read as the description"),
    ],
)
def test_a_damaged_description_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "network.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=said) as error:
        read_network(path)
    assert str(path) in str(error.value)
    assert read_network(tmp_path / "none.json") is None


def test_a_history_without_validation(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "m-0", accuracy=[np.nan, np.nan])
    (member,) = members_of(study, "val")
    assert (member.last, member.best) == (None, None)
