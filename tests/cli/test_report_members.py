"""ens-report models, layers, compare, training and filters as those who script them see them."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import flowing, process
from studies import add, copied, study_at

from analysis.report_data import histories
from cli.common import run
from cli.report import report
from ensemble.errors import DamageWarning
from ensemble.study.history import REQUIRED, write_history
from ensemble.study.predictions import write_predictions
from ensemble.study.study import Study

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two members a learning rate, one of an older version, one imported, one just begun."""
    study = study_at(tmp_path_factory.mktemp("mixed") / "study")
    for i, rate in enumerate((0.01, 0.01, 0.1, 0.1)):
        more: dict[str, Any] = {"learning_rate": rate, "seed": i, "augment": ("mirror", "flip")[i // 2]}
        add(study, f"m-{i}", accuracy=[0.2, 0.6 + i / 20, 0.5 + i / 20, 0.5 + i / 20], right=10 + i, network=True,
            early=True, weights=True, comparable=i != 3, **more)  # fmt: skip
    add(study, "old", accuracy=[0.1, 0.2, 0.3, 0.4], right=11, learning_rate=0.1, augment="flip")
    add(study, "rf", right=18)
    add(study, "new", learning_rate=0.1, augment="flip", epochs=4)
    return study


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    def call(study: Study, *options: str) -> tuple[int, str, str]:
        status = run(report, ["--study", str(study.root), "--out", str(tmp_path / "out"), *options])
        return status, *capsys.readouterr()

    return call


def document(ask: Ask, study: Study, *options: str) -> Any:
    status, out, err = ask(study, *options, "--json")
    assert status == 0, err
    return json.loads(out)


def test_models_says_what_is_known_and_null_what_is_not(mixed: Study, ask: Ask, tmp_path: Path) -> None:
    found = document(ask, mixed, "models")
    rows = {row["member"]: row for row in found["members"]}
    assert list(rows) == ["m-0", "m-1", "m-2", "m-3", "new", "old", "rf"]
    first = rows["m-0"]
    assert (first["layers"], first["parameters"], first["statistics"], first["gflops"]) == (3, 452, 8, 0.25)
    assert (first["training_seconds"], first["val_accuracy"], first["best_val_accuracy"], first["best_epoch"]) == (
        40,
        0.5,
        0.6,
        2,
    )
    assert (rows["m-3"]["comparable"], rows["m-3"]["start"]["from"]) == (False, "random")
    assert (rows["old"]["parameters"], rows["old"]["start"], rows["old"]["val_accuracy"]) == (None, None, 0.4)
    assert (rows["rf"]["val_accuracy"], rows["rf"]["training_seconds"], rows["rf"]["settings"]) == (0.9, None, None)
    assert rows["new"]["val_accuracy"] is None
    assert {Path(file).name for file in found["files"]} == {"models.png", "models.csv"}
    assert all(Path(file).stat().st_size for file in found["files"])


def test_models_fits_80_columns_and_grows(mixed: Study, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = ask(mixed, "models")
    table = out[: out.index("figure:")].splitlines()
    assert max(map(len, table)) <= 80, out
    assert "m-3 *" in out and "* random start, not comparable with its paper" in out
    assert "In a wider window, and in the table: " in out and "…" not in out
    assert "No network.json, so no sizes are known: old;" in out
    assert "Predictions only, so no training is known: rf." in out
    assert "Not an epoch trained yet: new." in out
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = ask(mixed, "models")
    assert "In a wider window" not in out
    assert all(head in out.splitlines()[1] for head in ("BN stats", "GFLOP", "train loss", "img/s", "best val"))


def test_models_says_which_weights_predict(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_at(tmp_path / "kept")
    add(study, "a", accuracy=[0.2, 0.6, 0.5], right=12, keep="best", tune=0.1)
    add(study, "b", accuracy=[0.2, 0.5], right=10, keep="average")
    add(study, "c", accuracy=[0.2, 0.5], right=10)
    add(study, "rf", right=9)
    kept = study.read("a", "val")
    write_predictions(study.predictions_path("a", "val"), replace(kept, attributes={**kept.attributes, "epoch": 2}))
    rows = {row["member"]: (row["kept"], row["kept_epoch"]) for row in document(ask, study, "models")["members"]}
    assert rows == {"a": ("best", 2), "b": ("average", 2), "c": ("last", 2), "rf": (None, None)}
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = ask(study, "models")
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
    assert all(word in lines[name] for name, word in (("a", "best on tune @ 2"), ("b", "average"), ("c", " last")))
    assert "kept" in lines["member"]
    _, out, _ = ask(study, "models", "--member", "c")
    assert "kept" not in out  # as everywhere else


def test_layers_of_each_network_once(mixed: Study, ask: Ask, tmp_path: Path) -> None:
    found = document(ask, mixed, "layers")
    (network,) = found["networks"]
    assert network["members"] == ["m-0", "m-1", "m-2", "m-3"]
    assert found["without"] == ["new", "old", "rf"]
    assert network["layers"][0] == {
        "name": "base.0",
        "kind": "Conv2d",
        "output": [4, 8, 8],
        "parameters": 112,
        "statistics": 0,
    }
    _, out, _ = ask(mixed, "layers")
    assert "base.0" in out and "4 x 8 x 8" in out and "3 layers with weights" in out and "452" in out
    with (tmp_path / "out" / "layers-m-0.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 7
    status, _, err = ask(mixed, "layers", "--member", "rf")
    assert (status, "no network.json of 1 member," in err) == (2, True)


def test_compare_names_what_is_confounded(mixed: Study, ask: Ask) -> None:
    found = document(ask, mixed, "compare", "--by", "lr", "--x", "images")
    (one,) = found["comparisons"]
    assert (one["by"], one["runs"], one["left_out"], one["untrained"]) == ("learning_rate", 5, ["rf"], ["new"])
    assert [group["value"] for group in one["groups"]] == [0.01, 0.1]
    assert one["groups"][0]["last"]["mean"] == pytest.approx(0.525)
    assert [(o["setting"], o["values"]) for o in one["confounded"]] == [
        ("augment", {"0.01": ["mirror"], "0.1": ["flip"]})
    ]
    (test,) = one["tests"]
    assert (test["of_one"], test["of_other"], test["samples"]) == (["m-0", "m-1"], ["m-2", "m-3"], 20)
    assert [Path(file).name for file in one["files"]] == [
        "compare-learning_rate-images.png",
        "compare-learning_rate.csv",
    ]
    _, out, _ = ask(mixed, "compare", "--by", "lr")
    assert "Confounded: the groups differ in augment too" in out
    assert "by the mean of 2 members, the first by name" in flowing(out)
    assert "5 training runs" in out


def test_compare_takes_one_setting_where_none_is_named_and_names_the_others(mixed: Study, ask: Ask) -> None:
    found = document(ask, mixed, "compare")
    assert [one["by"] for one in found["comparisons"]] == ["augment"]
    _, out, _ = ask(mixed, "compare")
    assert "More to compare: --by learning_rate" in out and out.count("Confounded") == 1


BAD = [
    (("compare", "--by", "learning_rat"), "--by learning_rat: is not a setting of a recipe; nearest: learning_rate"),
    (("compare", "--by", "dropout"), "have dropout 0.5, so there is nothing to compare; settings that differ: augment"),
    (("compare", "--member", "m-0"), "its members' recipes differ in nothing but seeds"),
    (("models", "--member", "x"), "no member matches 'x'; known: "),
    (("filters", "--layer", "9", "--member", "m-0"), "has no convolution 9; they are numbered 1 (base.0) to 2"),
    (("filters", "--layer", "2", "--epochs", "--member", "m-0"), "early kernels are kept of first layers only"),
    (("filters", "--sort", "colour", "--layer", "2", "--member", "m-0"), "needs filters of 3 channels, these have 4"),
    (("models", "--by", "lr"), "--by is for compare, not for models"),
    (("training", "--x", "hours"), "'hours' is not one of"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "said"), BAD)
def test_bad_input_is_named(mixed: Study, ask: Ask, options: tuple[str, ...], said: str) -> None:
    status, _, err = ask(mixed, *options)
    assert (status, said in err, "Traceback" in err) == (2, True, False), err


def test_filters_are_measured_beside_their_start(mixed: Study, ask: Ask) -> None:
    found = document(ask, mixed, "filters", "--epochs")
    assert found["without"] == ["old", "rf"]
    first = found["members"][0]
    assert first["file"].endswith("filters-m-0-epochs.png")
    assert list(first["measures_at"]) == ["begin", "first", "last"]
    # The last kernels are twice the first: no share has changed.
    assert first["measures"]["high_frequency"] == pytest.approx(first["measures_at"]["begin"]["high_frequency"])
    assert first["measures"]["dead"] == 0
    assert 1 <= first["measures"]["effective_rank"] <= first["measures"]["full_rank"] == 4


def test_a_deeper_layer_is_read_from_the_weights(mixed: Study, ask: Ask) -> None:
    found = document(ask, mixed, "filters", "--layer", "2", "--sort", "frequency")
    assert found["members"][0]["layer"] == "base.3"
    assert found["members"][0]["kernels"] == [2, 4, 3, 3]
    assert found["members"][0]["measures"]["effective_rank"] == pytest.approx(1)
    assert list(found["members"][0]["measures_at"]) == ["last"]
    _, out, _ = ask(mixed, "filters", "--layer", "2")
    assert "Left out: old: no weights are kept of it" in " ".join(out.split())


def test_training_of_many_members_is_a_range_and_a_panel_each(tmp_path: Path, ask: Ask) -> None:
    study = study_at(tmp_path / "many")
    for i in range(7):
        add(study, f"m-{i}", accuracy=[0.2, 0.5, 0.4], columns={"tune_accuracy": 0.3})
    found = document(ask, study, "training", "--x", "images")
    assert [Path(file).name for file in found["files"]] == ["training-images.png", "training-images-members.png"]
    assert found["members"][0]["rate_falls_at"] == [3]
    assert found["members"][0]["last"]["tune_accuracy"] == 0.3
    assert document(ask, study, "training", "--member", "m-[0-5]")["files"][0].endswith(".png")


def test_the_command_itself(mixed: Study, tmp_path: Path) -> None:
    done = process("ens-report", "compare", "--by", "augmentation", "--study", mixed.root, "--out", tmp_path / "o")
    assert done.status == 0, done.err
    assert "By augment, at the last epoch; 5 training runs" in done.out
    assert (tmp_path / "o" / "compare-augment.png").stat().st_size > 5000


def test_a_damaged_file_of_a_member_leaves_the_reports_of_the_others(mixed: Study, ask: Ask, tmp_path: Path) -> None:
    study = copied(mixed, tmp_path / "study")
    columns = {name: np.array([1.0, 2.0]) for name in REQUIRED}
    for name in ("m-1", "m-2"):
        write_history(study.files(name).history, columns)
    path = study.files("m-1").history
    path.write_bytes(path.read_bytes().replace(b"2.0", b"3.0", 1))
    whole = [m["name"] for m in document(ask, mixed, "training")["members"]]
    status, out, err = ask(study, "training", "--json")
    assert (status, [m["name"] for m in json.loads(out)["members"]]) == (0, [n for n in whole if n != "m-1"])
    assert flowing(err).count(f"Warning: {path}: line 3 does not match its checksum") == 1
    assert "The others are shown without it." in flowing(err)
    status, out, err = ask(study, "training", "--member", "m-1")
    assert status == 2
    assert f"{path}: line 3 does not match its checksum" in flowing(err)
    study.files("m-2").network.write_text("{")
    study.files("m-0").recipe.write_text("[")
    status, out, err = ask(study, "models")
    assert status == 0
    assert "m-1 is shown without its history." in flowing(err)
    assert "m-2 is shown without its network." in flowing(err)
    assert "m-0 is shown without its settings." in flowing(err)
    assert "Predictions only, so no training is known: rf." in out
    assert "No network.json, so no sizes are known: old;" in out
    study.files("m-3").first_layer.write_bytes(b"PK")
    status, out, err = ask(study, "filters", "--epochs")
    assert status == 0
    assert "m-3 is shown without its early kernels." in flowing(err)
    with pytest.warns(DamageWarning, match=r"m-1/history\.csv: line 3 .* The others are shown without it\."):
        assert len(histories(study)) == len(whole) - 1
