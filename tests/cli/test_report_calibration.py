"""ens-report calibration and diversity as those who script them see them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import flowing, process
from studies import drawn

from analysis.calibration.calibration import measure_calibration
from analysis.calibration.temperature import temperature
from analysis.stack import join
from analysis.subsets.reference import subset_preds, subset_table
from cli.common import run
from cli.report import report
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig

Ask = Callable[..., tuple[int, str, str]]
SCORES = ("name", "accuracy", "confidence", "nll", "brier", "ece", "adaptive_ece", "class_wise_ece", "brier_parts")


def write(study: Study, name: str, split: str, labels: np.ndarray | None, probs: np.ndarray, **more) -> None:
    ids = np.array([f"s{i}" for i in range(len(probs))])
    classes = study.config.class_ids
    study.write(Predictions(name, split, probs.astype(np.float32), ids, classes, classes, labels, **more))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Four members, one of them perfect on the split `easy`; 12 samples on `few`; an unlabelled split; a pair saved."""
    ids = tuple(f"n{i}" for i in range(4))
    made = Study.create(tmp_path_factory.mktemp("cal") / "study", StudyConfig("imported", None, None, ids, ids))
    labels = np.arange(200) % 4
    for i in range(4):
        probs = drawn(labels, 4, i)
        write(made, f"m-{i}", "val", labels, probs)
        write(made, f"m-{i}", "test", None, probs)
        write(made, f"m-{i}", "few", labels[:12], probs[:12])
        write(made, f"m-{i}", "easy", labels, np.eye(4)[labels] if i == 3 else probs)
    pair = (drawn(labels, 4, 0) + drawn(labels, 4, 1)) / 2
    write(made, "pair", "val", labels, pair, kind="ensemble", parents=("m-0", "m-1"), weights=(0.5, 0.5))
    return made


@pytest.fixture
def ask(study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    def call(*options: str, drawn: bool = False) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            if not drawn:
                patch.setattr("analysis.figures.style.save", lambda _figure, path: path)
            status = run(report, [*options, "--study", str(study.root), "--out", str(tmp_path)])
        return status, *capsys.readouterr()

    return call


def document(ask: Ask, *options: str) -> dict:
    status, out, err = ask(*options, "--json")
    assert status == 0, err
    return json.loads(out)


def test_as_a_process(study: Study, tmp_path: Path) -> None:
    words = ("calibration", "--study", study.root, "--out", tmp_path)
    done = process("ens-report", *words, env={"COLUMNS": "80"})
    assert done.status == 0, done.err
    assert max(map(len, done.out.replace(str(tmp_path), "").splitlines())) <= 112
    assert all(str(path) in done.out for path in tmp_path.iterdir())
    made = ["calibration-by-size.png", "calibration.csv", "calibration.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == made
    assert "Next: ens-report diversity" in done.err


def test_json_of_calibration(study: Study, ask: Ask, tmp_path: Path) -> None:
    found = document(ask, "calibration")
    assert list(found) == [
        "schema", "kind", "split", "of", "rule", "samples", "classes", "bins", "binning", "groups", "ensemble",
        "ece_by_chance", "reliability", "temperature", "members", "by_size", "equivalent", "equivalent_lacking",
        "definition", "files",
    ]  # fmt: skip
    assert 0 < found["ece_by_chance"]["p"] <= 1 and found["ece_by_chance"]["draws"] == 999
    stack = join(study.select("val"))
    labels, preds = stack.require_labels(), subset_preds(stack, range(4))
    own = measure_calibration(stack.mean_probs(), labels, preds)
    assert tuple(found["ensemble"]) == SCORES
    assert found["ensemble"]["ece"] == pytest.approx(own.ece)
    assert [b["samples"] for b in found["reliability"]] == own.counts.tolist()
    assert found["reliability"][0] == {
        "from": 0, "to": pytest.approx(1 / 15), "samples": 0, "confidence": None, "accuracy": None, "low": None,
        "high": None,
    }  # fmt: skip
    table = subset_table(stack, range(1, 5))
    assert found["ensemble"]["nll"] == pytest.approx(table.find(15).nll)
    hot = temperature(stack.mean_probs(), labels, stack.sample_ids)
    assert found["temperature"]["value"] == pytest.approx(hot.value)
    assert found["temperature"]["after"]["ece"] == pytest.approx(measure_calibration(hot.probs, labels, preds).ece)
    assert found["temperature"]["after"]["accuracy"] == found["ensemble"]["accuracy"]
    assert [m["name"] for m in found["members"]] == list(stack.members)
    for member, probs in zip(found["members"], stack.probs, strict=True):
        assert member["ece"] == pytest.approx(measure_calibration(probs, labels).ece)
        assert 0.05 < member["temperature"] < 20
    assert [(s["k"], s["subsets"]) for s in found["by_size"]["sizes"]] == [(1, 4), (2, 6), (3, 4), (4, 1)]
    sizes = table.by_size()
    assert [s["brier"]["mean"] for s in found["by_size"]["sizes"]] == pytest.approx([s.mean_brier for s in sizes])
    with (tmp_path / "calibration.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["ensemble", "ensemble after temperature, held out", *["member"] * 4]
    assert float(rows[0]["ece"]) == found["ensemble"]["ece"]


def test_what_is_said_is_what_is_found(ask: Ask) -> None:
    found = document(ask, "calibration")
    _, out, _ = ask("calibration")
    before, after = found["ensemble"], found["temperature"]["after"]
    assert f"temperature: {found['temperature']['value']:.3f} (" in out and "over 10 folds" in out
    assert f"takes the NLL from {before['nll']:.4f} to {after['nll']:.4f}" in out
    parts = before["brier_parts"]
    assert f"{before['brier']:.4f}         {parts['reliability']:.4f}" in out
    assert "averaging 4 members: confidence less accuracy from" in out
    assert "means over all 15 subsets" in out


def test_bins_and_binning(ask: Ask) -> None:
    found = document(ask, "calibration", "--bins", "5", "--binning", "adaptive")
    assert [b["samples"] for b in found["reliability"]] == [40] * 5
    assert (found["bins"], found["binning"]) == (5, "adaptive")
    assert Path(found["files"][0]).name == "calibration-adaptive-5-bins.png"


@pytest.mark.parametrize(("name", "members"), [("pair", ["m-0", "m-1"]), ("m-2", [])])
def test_of_a_saved_ensemble_beside_its_parents_or_one_member_alone(ask: Ask, name: str, members: list[str]) -> None:
    found = document(ask, "calibration", "--ensemble", name)
    assert [m["name"] for m in found["members"]] == members
    assert (found["by_size"] is None) == (not members)
    assert found["temperature"] is not None
    _, out, _ = ask("calibration", "--ensemble", name)
    assert ("One member: there is nothing to average, so nothing by size." in out) == (not members)


def test_too_few_samples_for_a_temperature(ask: Ask) -> None:
    found = document(ask, "calibration", "--split", "few")
    assert found["temperature"] is None and found["members"][0]["temperature"] is None
    _, out, _ = ask("calibration", "--split", "few")
    assert "No temperature: 12 samples are too few to fit one and hold some out." in out


def test_a_perfect_ensemble_has_a_temperature_at_the_end(ask: Ask) -> None:
    found = document(ask, "calibration", "--split", "easy", "--members", "m-3")
    assert found["ensemble"]["ece"] == 0 and found["temperature"]["at_end"]
    _, out, _ = ask("calibration", "--split", "easy", "--members", "m-3")
    assert "temperature: 0.05, the end of the range that is searched" in out


def test_json_of_diversity(study: Study, ask: Ask, tmp_path: Path) -> None:
    found = document(ask, "diversity")
    assert list(found) == [
        "schema", "kind", "split", "members", "copies", "samples", "classes", "labelled", "order", "matrices", "means",
        "undefined", "errors", "entropy", "variance", "oracle", "all_right", "accuracy", "ambiguity", "gains", "files",
    ]  # fmt: skip
    stack = join(study.select("val"))
    said = [subset_preds(stack, [i]) for i in range(4)]
    assert list(found["matrices"]) == ["disagreement", "one_right", "double_fault", "q", "correlation"]
    assert found["matrices"]["disagreement"][1][2] == np.mean(said[1] != said[2])
    assert sorted(found["order"]) == list(stack.members)
    spread = found["ambiguity"]
    assert spread["ensemble"] == pytest.approx(np.mean(spread["members"]) - spread["ambiguity"], abs=1e-12)
    table = subset_table(stack, [1, 2])
    for pair in found["gains"]["pairs"]:
        mask = sum(1 << stack.members.index(name) for name in pair["members"])
        assert pair["gain"] == pytest.approx(table.gain(table.find(mask)), abs=1e-12)
    with (tmp_path / "diversity.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert [float(row["gain"]) for row in rows] == [pair["gain"] for pair in found["gains"]["pairs"]]
    _, out, _ = ask("diversity")
    assert f"Q {found['means']['q']:.2f}" in out
    assert "less {:.4f} of ambiguity, is the mean's {:.4f}".format(spread["ambiguity"], spread["ensemble"]) in flowing(
        out
    )
    assert f"disagreement: {found['gains']['rank_correlation']:.2f}. Pairs share members" in out


def test_without_labels_what_can_be_done_is(ask: Ask) -> None:
    found = document(ask, "diversity", "--split", "test")
    assert found["labelled"] is False and found["gains"] is None and found["ambiguity"]["ensemble"] is None
    assert found["matrices"]["q"] is None and found["matrices"]["disagreement"][0][1] > 0
    assert found["ambiguity"]["ambiguity"] > 0
    assert [Path(file).name for file in found["files"]] == ["diversity-test.png", "diversity-test.csv"]
    status, out, _ = ask("diversity", "--split", "test", "--intersect")
    assert status == 0
    assert "test has no labels: the disagreement and the distance from the ensemble need none" in flowing(out)
    status, _, err = ask("calibration", "--split", "test")
    assert (status, "split 'test' has no labels" in err) == (2, True)


def test_a_perfect_member_is_no_crash(ask: Ask, tmp_path: Path) -> None:
    found = document(ask, "diversity", "--split", "easy")
    assert found["undefined"] == {"m-3": "right on every sample"}
    assert found["matrices"]["q"][0][3] is None and found["matrices"]["q"][0][1] is not None
    _, out, err = ask("diversity", "--split", "easy", drawn=True)
    made = ["diversity-easy.csv", "diversity-easy.png", "diversity-gains-easy.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == made
    assert max(map(len, out.replace(str(tmp_path), "").splitlines())) <= 112
    assert "Next: ens-report calibration --split easy" in err
    assert "m-3 is right on every sample: Q and the correlation of errors are 0 / 0 with it, and left out." in flowing(
        out
    )


def test_one_member_has_nothing_to_compare(ask: Ask, tmp_path: Path) -> None:
    found = document(ask, "diversity", "--members", "m-1")
    assert (found["files"], found["gains"], found["entropy"], found["ambiguity"]["ambiguity"]) == ([], None, None, 0)
    _, out, _ = ask("diversity", "--members", "m-1")
    assert "m-1 is the only member: there is no pair to compare, and the mean is the member." in flowing(out)
    assert not list(tmp_path.iterdir())


def test_two_members_are_a_pair(ask: Ask) -> None:
    found = document(ask, "diversity", "--members", "m-[01]")
    assert [Path(file).name for file in found["files"]] == ["diversity-m-(01).png", "diversity-m-(01).csv"]
    assert found["gains"]["rank_correlation"] is None
    _, out, _ = ask("diversity", "--members", "m-[01]")
    assert "1 pair: disagreement" in out and "gain over the better member: m-0 + m-1, " in flowing(out)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("calibration", "--bins", "0"), "0 is not in the range"),
        (("calibration", "--binning", "mass"), "'mass' is not one of"),
        (("diversity", "--bins", "5"), "--bins is for calibration, not for diversity."),
        (("calibration", "--ensemble", "piar"), "besides 'all' and 'best'"),
    ],
)
def test_bad_input(ask: Ask, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    status, out, err = ask(*options)
    assert (status, out) == (2, "")
    assert said in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())
