"""ens-combine as those who script it see it."""

import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import flowing
from served import STANDS
from studies import add, drawn, study_at

from analysis import select
from analysis.metrics import METRICS
from analysis.stack import join
from analysis.subsets.reference import subset_table
from cli.combine import combine
from cli.common import run
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig

CLASSES = tuple(f"n{i}" for i in range(8))
SAMPLES = 60
HONEST = ["honest_accuracy", "honest_low", "honest_high", "honest_how"]


LABELS = np.random.default_rng(99).integers(0, len(CLASSES), SAMPLES)
IDS = np.array([f"s{i}" for i in range(SAMPLES)])


def softmax(seed: int) -> np.ndarray:
    return drawn(LABELS, len(CLASSES), seed, 1.2)


def predictions(
    name: str, probs: np.ndarray, split: str = "val", labels: np.ndarray | None = LABELS, ids: np.ndarray = IDS
) -> Predictions:
    return Predictions(name, split, probs, ids, CLASSES, CLASSES, labels)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study.create(tmp_path / "study", StudyConfig("imported", None, None, CLASSES, CLASSES))
    for i in range(4):
        made.write(predictions(f"m3-{i}", softmax(i)))
    made.write(predictions("net-0", softmax(7)))
    return made


def ask(study: Study, capsys, *options: str) -> tuple[int, str, str]:
    status = run(combine, ["--study", str(study.root), *options])
    out, err = capsys.readouterr()
    return status, out, err


def document(study: Study, capsys, *options: str) -> dict:
    status, out, err = ask(study, capsys, "--json", *options)
    assert status == 0, err
    return json.loads(out)


def test_the_command_as_a_process(study: Study, tmp_path: Path) -> None:
    command = [STANDS.script("ens-combine"), "--study", study.root, "--table", tmp_path / "t.csv", "--save", "top"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "31 subsets of 5 members, 60 samples of val, 8 classes" in done.stdout
    assert "\nBest: " in done.stdout
    assert "over the best member, " in done.stdout
    assert "chosen from 31 subsets on val, the split that scores it, so this score is likely to flatter it" in " ".join(
        done.stdout.split()
    )
    assert f"Next: ens-report per-class --ensemble top --study {study.root}" in done.stderr
    assert f"      ens-report curve --study {study.root}" in done.stderr
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 32
    # The same again: the name is taken, and nothing else is on standard output than the error as JSON.
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert json.loads(again.stdout)["error"].endswith("has that name already; choose another one.")


def test_json_has_every_key_of_the_contract(study: Study, capsys) -> None:
    found = document(study, capsys, "--k", "all")
    assert list(found) == [
        "schema", "split", "rule", "metric", "samples", "classes", "members", "groups", "subsets", "by_size", "best",
        "paired", "ways", "not_run", "shapley", "cost", "front", "left_out", "copies",
    ]  # fmt: skip
    assert [found[key] for key in ("cost", "front", "left_out")] == [None] * 3
    assert [found[key] for key in list(found)[:8]] == [
        1, "val", "mean", "accuracy", SAMPLES, 8, ["m3-0", "m3-1", "m3-2", "m3-3", "net-0"], None,
    ]  # fmt: skip
    assert found["subsets"] == 31
    assert [(s["k"], s["subsets"]) for s in found["by_size"]] == [(1, 5), (2, 10), (3, 10), (4, 5), (5, 1)]
    table = subset_table(join(study.select("val")), range(1, 6))
    for ours, theirs in zip(found["by_size"], table.by_size(), strict=True):
        assert list(ours) == [
            "k", "subsets", "mean_accuracy", "min_accuracy", "max_accuracy",
            "mean_top5", "mean_nll", "mean_brier", "best", "mean_score", "min_score", "max_score",
        ]  # fmt: skip
        for end in ("mean", "min", "max"):
            assert ours[f"{end}_score"] == pytest.approx(ours[f"{end}_accuracy"], abs=1e-15)
        assert ours["mean_accuracy"] == theirs.mean_accuracy
        assert ours["mean_nll"] == pytest.approx(theirs.mean_nll, abs=1e-12)
        assert ours["best"] == list(theirs.best.members)
    best = table.best()
    assert found["best"] == {
        "members": list(best.members), "weights": None, "k": best.size, "accuracy": best.accuracy, "top5": best.top5,
        "nll": pytest.approx(best.nll, abs=1e-12), "brier": pytest.approx(best.brier, abs=1e-12),
        "others": {}, **{key: found["best"][key] for key in [*HONEST, "choices", "honest"]},
    }  # fmt: skip
    assert list(found["best"])[-6:] == [*HONEST, "choices", "honest"]
    assert (found["best"]["choices"], found["not_run"]) == (31, ["stack"])
    assert list(found["best"]["honest"]) == ["accuracy", "nll", "brier"]
    for name, score in found["best"]["honest"].items():
        sign = 1 if name == "accuracy" else -1
        assert score["low"] < score["score"] < score["high"]
        assert score["apparent"] == pytest.approx(found["best"][name])
        assert score["optimism"] == pytest.approx(sign * (found["best"][name] - score["score"]))
        assert score["optimism_low"] < score["optimism"] < score["optimism_high"]
    assert found["best"]["honest"]["accuracy"]["score"] == found["best"]["honest_accuracy"]
    assert found["best"]["honest_low"] < found["best"]["honest_accuracy"] < found["best"]["honest_high"]
    assert found["best"]["honest_accuracy"] < best.accuracy
    assert found["best"]["honest_how"].startswith("200 bootstraps of 60 blocks")
    known = select(join(study.select("val")))
    test = found["paired"]
    assert known.paired is not None
    assert (test["won"], test["lost"], test["p"]) == (known.paired.won, known.paired.lost, known.paired.p)
    assert test["difference"] == (test["won"] - test["lost"]) / test["samples"]
    assert test["power_80"] == known.paired.smallest
    assert [way["name"] for way in found["ways"]] == ["member", "all", "best", "greedy", "weights"]
    for ours, theirs in zip(found["ways"], known.ways, strict=True):
        assert ours["members"] == [found["members"][i] for i in theirs.chosen.members]
        assert (ours["accuracy"], ours["honest_accuracy"]) == (theirs.honest.apparent, theirs.honest.score)
        assert ours["honest"]["nll"]["score"] == theirs.scores["nll"].score
        assert (ours["honest"]["nll"]["optimism"] is None) == (ours["name"] == "all")
        assert (ours["weights"] is None) == (ours["name"] in ("member", "all", "best"))
    assert found["ways"][2]["members"] == found["best"]["members"]
    assert list(found["shapley"]) == ["accuracy", "nll", "brier"]
    for name, values in found["shapley"].items():
        assert values["empty"] == METRICS[name].empty(8)
        assert values["all"] == pytest.approx(table.find(31).score(name), abs=1e-12)
        assert list(values["values"]) == found["members"]
        assert sum(values["values"].values()) == pytest.approx(values["all"] - values["empty"], abs=1e-12)
    assert document(study, capsys, "--k", "1-4")["shapley"] is None


@pytest.mark.parametrize(("k", "sizes"), [("2", [2]), ("2-4", [2, 3, 4]), ("5", [5]), ("1-1", [1])])
def test_sizes(study: Study, capsys, k: str, sizes: list[int]) -> None:
    assert [s["k"] for s in document(study, capsys, "--k", k)["by_size"]] == sizes


@pytest.mark.parametrize(
    ("k", "message"),
    [
        ("9", "--k 9: there are only 5 members to combine; ask for --k 1-5."),
        ("2-9", "--k 2-9: there are only 5 members to combine; ask for --k 1-5."),
        ("0", "Invalid value for '--k': sizes start at 1 and a range goes upward, as in 2-5; found '0'."),
        ("5-2", "Invalid value for '--k': sizes start at 1 and a range goes upward, as in 2-5; found '5-2'."),
        ("abc", "Invalid value for '--k': expected 'all', a size such as 3 or a range such as 2-5, found 'abc'."),
        ("-3", "Invalid value for '--k': expected 'all', a size such as 3 or a range such as 2-5, found '-3'."),
    ],
)
def test_bad_sizes(study: Study, capsys, k: str, message: str) -> None:
    status, out, err = ask(study, capsys, "--k", k)
    assert (status, out) == (2, "")
    assert err.removeprefix("Error: ").startswith(message)
    assert "Traceback" not in err


@pytest.mark.parametrize("metric", ["accuracy", "nll", "brier", "top5"])
def test_the_best_by_a_metric(study: Study, capsys, metric: str) -> None:
    assert metric in METRICS
    assert len(METRICS) == 4
    found = document(study, capsys, "--metric", metric, "--max-size", "3")
    table = subset_table(join(study.select("val")), range(1, 6))
    best = table.best(metric, max_size=3)
    assert found["metric"] == metric
    assert found["best"]["members"] == list(best.members)
    assert found["best"]["k"] <= 3
    assert found["by_size"][1]["best"] == list(table.by_size(metric)[1].best.members)
    status, out, _ = ask(study, capsys, "--metric", metric, "--max-size", "3")
    assert status == 0
    assert f"Best of at most 3: {' + '.join(best.members)}" in out
    assert "chosen from 25 subsets" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rule", "votes"], "'votes' is not one of 'mean', 'geometric', 'vote'"),
        (["--select", "gredy"], "'gredy' is not one of 'best', 'greedy', 'weights', 'stack'"),
        (
            ["--select", "greedy", "--rule", "vote"],
            "'greedy' combines by the arithmetic mean, and not by the rule 'vote'; choose by 'best'",
        ),
        (
            ["--select", "stack", "--max-size", "2"],
            "'stack' has no most members; leave that out, or choose by 'best' or 'greedy'",
        ),
        (["--weights", "m3-0=.5,m3-1=.4"], "sum to 1 within 1e-6, found 0.9; divide each by 0.9"),
        (["--weights", "m3-0=.5,m3-9=.5"], "weights: 'm3-9' is not among the members joined; "),
        (["--weights", "m3-0=.5,m3-0=.5"], "'m3-0' was given twice; name each member once"),
        (["--weights", "m3-0=1.5,m3-1=-.5"], "weights: m3-1=-0.5, expected a weight of 0 or more"),
        (["--weights", "m3-0=nan"], "weights: m3-0=nan, expected a weight of 0 or more"),
        (["--weights", "m3-0=0"], "sum to 1 within 1e-6, found 0."),
        (["--weights", "m3-0"], "expected NAME=WEIGHT pairs such as a=.5,b=.5, found 'm3-0'"),
        (["--weights", "m3-0=x"], "expected NAME=WEIGHT pairs such as a=.5,b=.5, found 'm3-0=x'"),
        (["--weights", ""], "expected NAME=WEIGHT pairs"),
        (["--metric", "acc"], "'acc' is not one of 'accuracy', 'nll', 'brier', 'top5'"),
        (["--max-size", "0"], "0 is not in the range x>=1"),
        (["--k", "3", "--max-size", "2"], "no subset has 2 members or fewer: the smallest that was scored has 3"),
        (["--members", "m4-*"], "no member matches 'm4-*' for split 'val'; known: "),
        (["--split", "test"], "has no predictions for split 'test'; splits with predictions: val"),
        (["--table", "t.xls"], "t.xls: a table's name must end in .csv, .parquet, .h5"),
        (["--save", "m3-0"], "has that name already"),
        (["--save", "a b"], "--save 'a b': use letters, digits, _ and - only"),
        (["--memberz", "x"], "No such option"),
    ],
)
def test_bad_options(study: Study, capsys, options: list[str], message: str) -> None:
    before = sorted(study.root.rglob("*"))
    status, out, err = ask(study, capsys, *options)
    assert status == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert sorted(study.root.rglob("*")) == before


def test_members_by_pattern_and_one_alone(study: Study, capsys) -> None:
    found = document(study, capsys, "--members", "m3-[01]", "--members", "net-*")
    assert found["members"] == ["m3-0", "m3-1", "net-0"]
    status, out, _ = ask(study, capsys, "--members", "net-0")
    assert status == 0
    assert "1 subset of 1 member, " in out
    assert "flatter" not in out  # nothing was chosen


def test_the_table_holds_every_subset(study: Study, capsys, tmp_path: Path) -> None:
    document(study, capsys, "--table", str(tmp_path / "t.csv"))
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = subset_table(join(study.select("val")), range(1, 6))
    assert [int(r["mask"]) for r in rows] == list(range(1, 32))
    assert rows[4]["members"] == "m3-0+m3-2"
    assert [int(r["correct"]) for r in rows] == table.correct.tolist()
    assert [float(r["brier"]) for r in rows] == pytest.approx(table.brier, abs=1e-12)


def test_a_saved_ensemble_takes_part_when_named(study: Study, capsys) -> None:
    best = document(study, capsys, "--k", "3", "--save", "trio")["best"]
    saved = study.read("trio", "val")
    assert (saved.kind, list(saved.parents), saved.weights) == ("ensemble", best["members"], (1 / 3,) * 3)
    stack = join(study.select("val", best["members"]))
    mean = stack.probs.astype(np.float64).mean(axis=0)
    assert np.array_equal(saved.probs, (mean / mean.sum(axis=1, keepdims=True)).astype(np.float32))
    assert saved.labels is not None
    assert np.array_equal(saved.labels, stack.require_labels())
    assert "trio" not in document(study, capsys)["members"]
    again = document(study, capsys, "--members", "trio")
    assert again["best"]["nll"] == pytest.approx(best["nll"], abs=1e-6)
    assert "trio" in document(study, capsys, "--members", "*")["members"]


def test_only_saved_ensembles_left(study: Study, capsys) -> None:
    document(study, capsys, "--save", "all-of-them")
    for name in study.members("val"):
        if name != "all-of-them":
            study.predictions_path(name, "val").unlink()
    status, _, err = ask(study, capsys)
    assert status == 2
    assert "has saved ensembles only, all-of-them; they take part when they are named with --members NAME." in err


def test_other_samples_are_refused_unless_intersected(study: Study, capsys) -> None:
    study.write(predictions("part", softmax(3)[5:], labels=LABELS[5:], ids=IDS[5:]))
    status, _, err = ask(study, capsys)
    assert status == 2
    assert "'m3-0' has 60 samples and 'part' has 55" in err
    assert "--intersect takes the common ones." in err
    status, out, err = ask(study, capsys, "--intersect", "--quiet")
    assert status == 0
    assert "55 samples of val" in out
    assert "Warning: the members share 55 samples, which are scored; left out: m3-0 5, m3-1 5" in err


def test_no_chance_for_the_true_class_is_told(study: Study, capsys) -> None:
    probs = np.zeros((SAMPLES, len(CLASSES)))
    probs[np.arange(SAMPLES), (LABELS + 1) % 8] = 1
    study.write(predictions("sure", probs))
    status, _, err = ask(study, capsys)
    assert status == 0
    assert "60 of 360 member probabilities of the true class lay below 1e-12 and count as 1e-12 in the NLL." in err


def test_an_unlabelled_split_cannot_be_scored(study: Study, capsys) -> None:
    study.write(predictions("m3-0", softmax(0), split="test", labels=None))
    status, _, err = ask(study, capsys, "--split", "test")
    assert status == 2
    assert "split 'test' has no labels, so nothing can be scored on it" in err


def test_the_next_command_keeps_the_split(study: Study, capsys) -> None:
    study.write(predictions("m3-0", softmax(0), split="test"))
    _, _, err = ask(study, capsys, "--split", "test")
    assert f"Next: ens-report per-class --split test --study {study.root}" in err
    assert "Next" not in ask(study, capsys, "--quiet")[2]


def test_options_from_a_file(study: Study, capsys, tmp_path: Path) -> None:
    path = tmp_path / "kofn.toml"
    path.write_text('[combine]\nk = 2\nmetric = "nll"\nmembers = ["m3-*"]\n')
    found = document(study, capsys, "--config", str(path))
    assert (found["metric"], found["subsets"]) == ("nll", 6)


def test_some_sizes_of_many_members(tmp_path: Path, capsys) -> None:
    made = Study.create(tmp_path / "many", StudyConfig("imported", None, None, CLASSES, CLASSES))
    for i in range(17):
        made.write(predictions(f"m-{i}", softmax(i)))
    assert document(made, capsys, "--members", "m-?")["subsets"] == 1023
    assert document(made, capsys, "--k", "1-2")["subsets"] == 17 + 136


@pytest.mark.parametrize("select", ["greedy", "weights", "stack"])
def test_other_ways_to_choose(study: Study, capsys, select: str) -> None:
    best = document(study, capsys, "--select", select, "--save", "mix")["best"]
    saved = study.read("mix", "val")
    stack = join(study.select("val"))
    if select == "stack":
        assert (best["weights"], best["members"]) == (None, list(stack.members))
        assert (saved.parents, saved.attributes["stacked"]) == ((), "+".join(stack.members))
        assert (saved.attributes["rule"], saved.attributes["fitted"]) == ("stack", "out of fold")
        # What is kept of a regression was said without the sample: it is no better than the honest score says.
        right = (saved.probs.argmax(axis=1) == LABELS).mean()
        assert right < best["accuracy"]
        assert right == pytest.approx(best["honest_accuracy"], abs=0.1)
    else:
        assert sum(best["weights"]) == pytest.approx(1)
        assert len(best["weights"]) == len(best["members"]) == best["k"]
        assert saved.parents == tuple(best["members"])
        assert saved.weights == pytest.approx(best["weights"])
        own = [stack.members.index(m) for m in best["members"]]
        mean = np.tensordot(best["weights"], stack.probs[own].astype(np.float64), axes=1)
        assert saved.probs == pytest.approx(mean, abs=1e-6)
        assert best["accuracy"] == pytest.approx((mean.argmax(axis=1) == LABELS).mean())
    assert saved.attributes["selection"] == select
    assert best["honest_accuracy"] < best["accuracy"] or select == "weights"
    assert study.read("mix", "val").kind == "ensemble"


def test_weights_of_ones_own(study: Study, capsys) -> None:
    best = document(study, capsys, "--weights", "m3-2=.75, m3-0=0.25, net-0=0", "--save", "own")["best"]
    assert (best["members"], best["weights"], best["k"]) == (["m3-0", "m3-2"], [0.25, 0.75], 2)
    stack = join(study.select("val", best["members"]))
    mean = np.tensordot([0.25, 0.75], stack.probs.astype(np.float64), axes=1)
    assert best["accuracy"] == best["honest_accuracy"] == (mean.argmax(axis=1) == LABELS).mean()
    assert best["brier"] == pytest.approx(METRICS["brier"].value(mean, LABELS))
    assert best["honest_how"].startswith("nothing was chosen on these 60 samples")
    assert study.read("own", "val").weights == (0.25, 0.75)
    status, out, _ = ask(study, capsys, "--weights", "m3-2=.75,m3-0=.25")
    assert status == 0
    assert "As given: 0.25 m3-0 + 0.75 m3-2" in out
    assert "flatter" not in out
    status, _, err = ask(study, capsys, "--weights", "m3-2=1", "--select", "greedy")
    assert status == 2
    assert "--weights names the ensemble, so --select has nothing to choose; drop one." in err


def test_what_the_terminal_shows(study: Study, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    status, out, _ = ask(study, capsys)
    assert status == 0
    shown = out
    lines = [line.split() for line in out.splitlines()]
    for name in ("best member", "all members", "* best subset", "greedy", "weights"):
        row = next(line for line in lines if " ".join(line).startswith(name))
        assert sum(cell.endswith("%") for cell in row) == 2, row
    best = document(study, capsys)["best"]
    assert f"Honest accuracy {100 * best['honest_accuracy']:.2f}%, 95 % interval" in out
    out = " ".join(out.split())
    alone = subset_table(join(study.select("val")), [1]).best()
    gain = f"{alone.members[0]} ({100 * alone.accuracy:.2f}%): {100 * (best['accuracy'] - alone.accuracy):+.2f} points"
    assert f"Gain in accuracy over the best member, {gain}" in out
    assert "Honest: 200 bootstraps of 60 blocks, scored on the samples not drawn: an estimate of" in out
    assert "each chosen anew on the samples before and scored on the next, 48 in all: " in out
    assert "(McNemar, mid-p)" in out
    assert "would be found in 80 of 100 such sets, smaller ones less often." in out
    assert "Not run, since they take longer: --select stack." in out
    shares = [line for line in shown.splitlines() if "█" in line]
    assert len(shares) == 5
    assert max(len(line.split("█")) for line in shares) == 25
    _, out, _ = ask(study, capsys, "--metric", "nll", "--k", "1-3", "--select", "weights")
    assert "Chosen by weights: " in out
    assert "It was fitted on val, the split that scores it" in out
    assert "Shapley" not in out
    assert next(line for line in out.splitlines() if "chosen by" in line).split()[-2:] == ["NLL", "honest"]


def test_too_few_samples_for_an_honest_score(tmp_path: Path, capsys) -> None:
    made = Study.create(tmp_path / "few", StudyConfig("imported", None, None, CLASSES, CLASSES))
    for i in range(3):
        made.write(predictions(f"m-{i}", softmax(i)[:12], labels=LABELS[:12], ids=IDS[:12]))
    best = document(made, capsys)["best"]
    assert [best[key] for key in HONEST[:3]] == [None, None, None]
    assert best["honest_how"] == "none: 12 samples are too few to hold out a tenth of, at least 20 are needed"
    status, out, _ = ask(made, capsys)
    assert status == 0
    assert "Honest score: none: 12 samples are too few to hold out a tenth of, at least 20 are needed." in flowing(out)


@pytest.mark.parametrize("rule", ["geometric", "vote"])
def test_honest_scores_of_other_rules(study: Study, capsys, rule: str) -> None:
    found = document(study, capsys, "--rule", rule)
    best = found["best"]
    assert best["honest_low"] < best["honest_accuracy"] < best["honest_high"]
    if rule == "vote":
        assert best["nll"] is None
        assert set(found["shapley"]["nll"]["values"].values()) == {None}
    status, out, _ = ask(study, capsys, "--rule", rule)
    assert status == 0
    assert "greedy" not in out


def test_no_study(tmp_path: Path, capsys) -> None:
    assert run(combine, ["--study", str(tmp_path / "none")]) == 2
    assert "is not a study" in capsys.readouterr().err


def test_groups_of_samples(study: Study, capsys, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("id,group\n" + "".join(f"{name},p{i // 4}\n" for i, name in enumerate(IDS)) + "other,p0\n")
    found = document(study, capsys, "--groups", str(path))
    known = select(join(study.select("val")), groups=np.arange(SAMPLES) // 4)
    assert found["groups"] == {"count": 15, "effective_samples": known.result.honest.effective, "equal": 15}
    assert found["best"]["honest_accuracy"] == pytest.approx(known.result.honest.score, abs=0.05)
    assert "200 bootstraps of 15 blocks" in found["best"]["honest_how"]
    assert "15 groups are kept together" in found["best"]["honest_how"]
    status, out, _ = ask(study, capsys, "--groups", str(path))
    assert status == 0
    assert "The 60 samples lie in 15 groups that are kept together; for accuracy they count as" in " ".join(out.split())


def test_a_member_without_predictions_is_told(tmp_path: Path, capsys) -> None:
    study = study_at(tmp_path / "study")
    for name, right in (("a", 9), ("bb", 12)):
        add(study, name, right=right)
    for name in ("a", "cut-off", "shots"):
        files = study.files(name)
        files.folder.mkdir(parents=True)
        files.recipe.write_text("")
    add(study, "shots-s1", right=14)  # kept as its snapshots
    assert "Warning: without cut-off: no predictions for val are here" in ask(study, capsys)[2]
    assert "Warning" not in ask(study, capsys, "--members", "a", "--members", "bb")[2]


def test_what_was_not_asked_for_is_not_shown(tmp_path: Path, capsys) -> None:
    """Of two classes top-5 is always right; of a budget larger subsets are no offer; a member is named twice."""
    study = study_at(tmp_path / "study")
    for name, right in (("a", 9), ("bb", 12), ("ccc", 15)):
        add(study, name, right=right)
    names = [word for name in ("a", "bb", "a", "ccc") for word in ("--members", name)]
    status, out, err = ask(study, capsys, *names, "--max-size", "2")
    assert status == 0
    assert "Warning: named more than once, it takes part once: a." in err
    assert "top-5" not in out
    assert [line.split()[0] for line in out.splitlines() if line[:2].strip() in ("1", "2", "3")] == ["1", "2"]
    assert "Subsets of more than 2 members were scored too, and are not shown; --k 1-2 scores none." in " ".join(
        out.split()
    )
    assert len(json.loads(ask(study, capsys, "--max-size", "2", "--json")[1])["by_size"]) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,group\ns0,a\n", "has no group for 59 of the 60 samples, 's1' for one"),
        ("sample,patient\ns0,a\n", "expected a heading with the columns id and group, found sample, patient"),
        ("id,group\ns0,\n", "line 2: expected an id and a group, found an empty cell"),
        ("id,group\ns0,a\ns0,b\n", "line 3: 's0' has group 'a' above"),
        ("id,group\n" + "".join(f"s{i},a\n" for i in range(60)), "all 60 samples are of one group; two are needed"),
        (
            "id,group\n" + "".join(f"s{i},{'NaN' if i % 3 else i}\n" for i in range(60)),
            "the group 'NaN', which stands for",
        ),
        ("", "expected a heading with the columns id and group, found nothing"),
        (None, "is not there; expected a CSV file with the columns id and group"),
        ("a folder", "g.csv: expected a file, found a folder"),
    ],
)
def test_groups_that_are_none(study: Study, capsys, tmp_path: Path, text: str | None, message: str) -> None:
    if text == "a folder":
        (tmp_path / "g.csv").mkdir()
    elif text is not None:
        (tmp_path / "g.csv").write_text(text)
    status, out, err = ask(study, capsys, "--groups", str(tmp_path / "g.csv"))
    assert (status, out) == (2, "")
    assert message in err
