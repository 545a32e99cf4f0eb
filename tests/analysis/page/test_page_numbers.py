"""Every number that the page of the digits shows stands in the JSON of the other reports."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import unpack
from commands import Reported, call

from analysis.sentences import p_text
from analysis.subsets.table import name_set
from ensemble.study.study import Study


class Tables(HTMLParser):
    """The rows of every table, by its caption or its heading, and the text of every section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self.sections: dict[str, str] = {}
        self._section = self._caption = ""
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag not in ("img", "br", "meta", "link", "input"):
            self._open.append(tag)
        if tag == "section":
            self._section = self._caption = str(dict(attrs)["id"])
        if tag == "tr":
            self.rows.setdefault(self._caption, []).append([])
        if tag in ("td", "th"):
            self.rows[self._caption][-1].append("")
        if tag == "caption":
            self._caption = ""

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        data = data.replace("\u00a0", " ")
        if "script" in self._open or "style" in self._open:
            return
        self.sections[self._section] = self.sections.get(self._section, "") + data
        if "caption" in self._open:
            self._caption += data
        elif "td" in self._open or "th" in self._open:
            self.rows[self._caption][-1][-1] += data


@pytest.fixture(scope="module")
def path(reported: Reported) -> Path:
    return reported.folder / "index.html"


@pytest.fixture(scope="module")
def tables(path: Path) -> Tables:
    return Tables(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data(path: Path) -> dict[str, Any]:
    (text,) = re.findall(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(text)


@pytest.fixture(scope="module")
def combined(digits: Study) -> dict[str, Any]:
    return call("ens-combine", "--study", digits.root, "--json").document


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}"


def test_sizes_are_those_of_combine(tables: Tables, combined: dict, data: dict) -> None:
    members = combined["members"]
    assert tables.rows["All subsets by their size"][1:] == [
        [str(s["k"]), f"{s['subsets']:,}", *(percent(s[f"{key}_accuracy"]) for key in ("mean", "min", "max")),
         f"{s['mean_nll']:.4f}", name_set(s["best"], members)]
        for s in combined["by_size"]
    ]  # fmt: skip
    assert [(s["k"], s["subsets"], s["mean"]) for s in data["bySize"]] == [
        (s["k"], s["subsets"], s["mean_accuracy"]) for s in combined["by_size"]
    ]


def test_choices_and_the_first_lines_are_those_of_combine(tables: Tables, combined: dict) -> None:
    rows = {row[0]: row[1:4] for row in tables.rows["Ways to choose, apparent and honest accuracy"][1:]}
    ways = {way["name"]: way for way in combined["ways"]}
    names = {"best": f"Best of all {combined['subsets']} subsets", "member": "Best member",
             "all": "All members, nothing chosen", "greedy": "Greedy, weighted", "weights": "Best weights"}  # fmt: skip
    for key, name in names.items():
        way = ways[key]
        interval = f"{percent(way['honest_low'])}–{percent(way['honest_high'])}"
        assert rows[name] == [percent(way["accuracy"]), percent(way["honest_accuracy"]), interval], key
    summary = tables.sections["summary"]
    best = combined["best"]
    for number in (ways["member"]["accuracy"], ways["all"]["accuracy"], best["accuracy"], best["honest_accuracy"]):
        assert f"{percent(number)} %" in summary
    for way in (ways["all"], best):
        assert f"95 % interval {percent(way['honest_low'])}–{percent(way['honest_high'])} %" in summary
    gain = combined["paired"]
    points = [f"{100 * gain[key]:+.2f}".replace("-", "−") for key in ("difference", "low", "high")]
    assert f"{points[0]} points ({points[1]} to {points[2]}) for the best subset, {gain['won']} won" in summary
    assert p_text(gain["p"]) in summary and "no part in the choice" in summary
    assert (
        f"{len(combined['members'])} members · {combined['samples']:,} images of {combined['classes']}"
        in (tables.sections[""])
    )


def test_choices_of_one_size_and_top5_are_those_of_combine(tables: Tables, digits: Study) -> None:
    rows = {row[0]: row[1:] for row in tables.rows["Ways to choose, apparent and honest accuracy"][1:]}
    for k in (2, 3):
        best = call("ens-combine", "--study", digits.root, "--json", "--k", str(k)).document["best"]
        interval = f"{percent(best['honest_low'])}–{percent(best['honest_high'])}"
        assert rows[f"Best {k} members"][:3] == [
            percent(best["accuracy"]), percent(best["honest_accuracy"]), interval
        ]  # fmt: skip
    for row in tables.rows["Every member alone, and its share"][1:]:
        alone = call("ens-combine", "--study", digits.root, "--json", "--members", row[0]).document["best"]
        assert row[2] == percent(alone["top5"])


def test_members_are_those_of_combine_and_calibration(tables: Tables, combined: dict, documents: Reported) -> None:
    alone = {member["name"]: member for member in documents["calibration"]["members"]}
    for row in tables.rows["Every member alone, and its share"][1:]:
        own = alone[row[0]]
        assert [row[1], *row[3:5]] == [percent(own["accuracy"]), f"{own['nll']:.4f}", f"{own['brier']:.4f}"]
        share = combined["shapley"]["accuracy"]["values"][row[0]]
        assert row[5] == f"{100 * share:+.2f}".replace("-", "−")


def test_classes_are_those_of_per_class(tables: Tables, documents: Reported) -> None:
    assert tables.rows["classes"][1:] == [
        [c["name"], f"{percent(c['accuracy'], 0)} % {percent(c['low'], 0)}–{percent(c['high'], 0)}",
         f"{c['correct']}/{c['samples']}", "–",
         f"{c['confused_with'][0]['name']} ({c['confused_with'][0]['count']})" if c["confused_with"] else "–"]
        for c in documents["per-class"]["classes"]
    ]  # fmt: skip


def test_counts_are_those_of_confusion(data: dict, documents: Reported) -> None:
    """The matrix is counted from the carried predictions, in the order of the report's classes."""
    preds = unpack(data["panels"]["preds"])[:, data["panels"]["masks"].index(data["start"])]
    starts = unpack(data["classes"]["starts"])
    order = unpack(data["order"])
    counts = np.array([np.bincount(preds[a:b], minlength=len(order)) for a, b in pairwise(starts)])
    assert counts[np.ix_(order, order)].tolist() == documents["confusion"]["counts"]


def test_bins_are_those_of_calibration(data: dict, documents: Reported) -> None:
    found = documents["calibration"]
    place = data["panels"]["masks"].index(data["start"])
    assert data["panels"]["ece"][place] == pytest.approx(found["ensemble"]["ece"], abs=1e-12)
    counts, confidence, accuracy = (unpack(data["panels"][key])[place] for key in ("counts", "confidence", "accuracy"))
    assert counts.tolist() == [b["samples"] for b in found["reliability"]]
    for own, key in ((confidence, "confidence"), (accuracy, "accuracy")):
        assert own == pytest.approx([b[key] or 0 for b in found["reliability"]], abs=1e-6)


def test_pairs_are_those_of_diversity(tables: Tables, documents: Reported) -> None:
    found = documents["diversity"]
    order = [found["members"].index(name) for name in found["order"]]
    shown = [row[1:] for row in tables.rows["diversity"][1:]]
    for i, row in zip(order, shown, strict=True):
        assert row == ["·" if i == j else percent(found["matrices"]["disagreement"][i][j], 0) for j in order]
    for key in ("oracle", "all_right"):
        assert f"{percent(found[key])} %" in tables.sections["diversity"]


def test_curves_end_as_training_says(path: Path, documents: Reported) -> None:
    titles = re.findall(r"<title>(\d+) epochs, ([\d.]+) % on val at the end</title>", path.read_text(encoding="utf-8"))
    assert titles == [
        (str(member["epochs"]), percent(member["last"]["val_accuracy"])) for member in documents["training"]["members"]
    ]
