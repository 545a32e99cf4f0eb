"""A page without a study: of arrays in Python, of files on the command line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import unpack
from click.testing import CliRunner
from studies import drawn

from analysis import report, stack_arrays, subset_table
from cli import report as command
from ensemble.errors import BadInput


def arrays(members: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(members)
    labels = rng.integers(0, 4, 60)
    logits = rng.normal(size=(members, 60, 4))
    logits[:, np.arange(60), labels] += 1.5
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels


def carried(path: Path) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(text)


def test_arrays_become_a_page_with_their_scores(tmp_path: Path) -> None:
    probs, labels = arrays()
    path = report(probs, labels, tmp_path / "page.html", members=["a", "b", "c"], class_names=["n", "e", "s", "w"],
                  title="Winds <1>")  # fmt: skip
    data = carried(path)
    assert (data["members"], data["classes"]["names"], data["samples"]) == (["a", "b", "c"], ["n", "e", "s", "w"], 60)
    table = subset_table(stack_arrays(probs, labels), range(1, 4))
    means = [size.mean_accuracy for size in table.by_size()]
    assert [size["mean"] for size in data["bySize"]] == means and data["best"] == table.best().mask
    text = path.read_text()
    assert '<h1 class="name">Winds &lt;1&gt;</h1>' in text and "Again, by hand" not in text
    alone = carried(report(probs[0], labels, tmp_path / "one.html"))
    assert alone["members"] == ["m-0"]


def test_a_page_of_one_speaks_of_no_choice(tmp_path: Path) -> None:
    probs, labels = arrays()
    text = report(probs[0], labels, tmp_path / "one.html").read_text()
    body = re.sub(r"<(style|script)\b.*?</\1>", "", text, flags=re.DOTALL)
    many = report(probs, labels, tmp_path / "three.html").read_text()
    for words in ("What choosing is worth", "All subsets by their size", "Shapley value, points", "every one scored",
                  "Those that all get wrong", "every k-of-n ensemble"):  # fmt: skip
        assert words in many and words not in body, words
    # What stands in the template for all pages is not shown to a reader of this one.
    assert '<html lang="en" class="plain one-member">' in text and ".one-member .of-many" in text


def test_members_at_chance_are_remarked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    probs = drawn(labels, 4, rng, members=3, common=1)  # they err alike, as networks do
    guess = rng.dirichlet(np.ones(4), 200)
    found = re.findall(
        r'<p class="callout name">(.*?)</p>', report([*probs, guess], labels, tmp_path / "a.html").read_text()
    )
    assert len(found) == 1 and found[0].startswith("m-3: ") and "no better than chance" in found[0]
    assert "callout name" not in report(probs, labels, tmp_path / "b.html").read_text()
    np.savez(tmp_path / "guess.npz", probs=guess, labels=labels)
    done = CliRunner().invoke(command.report, ["html", str(tmp_path / "guess.npz"), "--out", str(tmp_path / "out")])
    assert "guess: " in done.stderr and "no better than chance" in done.stderr


def test_what_says_nothing_is_left_out(tmp_path: Path) -> None:
    """Of two classes the truth is always among five; of classes alike in recall none is the hardest."""
    labels = np.arange(20) % 2
    right = np.eye(2)[labels]
    plain = report([right, right], labels, tmp_path / "a.html").read_text().replace("\u00a0", " ")
    assert "top-5 %" not in plain.split('id="members"')[1] and "All 2 classes have one recall, 100 %." in plain
    assert "differ on 0 % of the images. " in plain, "one pair has no range"
    labels = np.repeat(np.arange(6), 5)
    probs = np.eye(6)[np.where(np.arange(30) % 5 == 0, (labels + 1) % 6, labels)]
    probs[labels == 2] = np.eye(6)[3]
    text = report([probs, probs], labels, tmp_path / "b.html").read_text().replace("\u00a0", " ")
    assert "top-5 %" in text.split('id="members"')[1]
    assert re.search(
        r"For all members together the hardest class is 2 \(0 of 5 right\), truly so with a probability of 9\d %; "
        r"5 classes share the highest recall, 80 %, 5 \(4 of 5 right\) among them\.",
        text,
    )


def test_odd_studies_are_told_as_they_are(tmp_path: Path) -> None:
    """All members alike, one class alone, five images: no range of one number, no hardest of one class."""

    def told(probs: np.ndarray, labels: np.ndarray) -> str:
        return report(probs, labels, tmp_path / "odd.html").read_text().replace("\u00a0", " ")

    labels = np.arange(60) % 3
    same = drawn(labels, 3, 1, 1.0)
    text = told(np.stack([same, same, same]), labels)
    right = f"{100 * (same.argmax(axis=1) == labels).mean():.1f}"
    assert f"Alone they are right on {right} % of them; all three together on {right} %." in text
    assert "7 subsets are as accurate; of these it has the fewest members, or else the lowest NLL." in text
    assert "differ on 0 % of the images. " in text
    text = told(drawn(np.zeros(50, int), 3, 1, 1.0, members=2), np.zeros(50, int))
    assert "All images are of one class, 0: " in text and "hardest class is" not in text
    text = told(np.eye(3)[[[0, 1, 2, 0, 2], [0, 1, 1, 0, 1]]], np.array([0, 1, 2, 0, 1]))
    assert "There are too few images for an honest score of that choice." in text
    assert "right on 100.0 % of the images (the oracle accuracy), every one on 60.0 %.<" in text, "nothing is better"


def test_many_long_names_are_folded(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 90)
    names = [f"network-of-a-long-name-{'abcdef'[i]}{i}-run" for i in range(6)]
    probs = drawn(labels, 4, rng, members=6, common=3)
    text = report(probs, labels, tmp_path / "a.html", members=names).read_text()
    best = subset_table(stack_arrays(probs, labels, names), range(1, 7)).by_size()[3].best
    unfolded = " + ".join(f'<span class="whole">{name}</span>' for name in best.members)
    assert f'<details><summary>4 members</summary><span class="name">{unfolded}</span></details>' in text


def test_of_too_many_subsets_for_a_table_the_best_are_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page of 25 to 32 members says, on ten of them."""
    labels = np.arange(70) % 6 % 5  # one class has more samples than the others
    probs = drawn(labels, 5, 4, members=10, common=2)
    costs = np.arange(10) + 1.0
    full = carried(report(probs, labels, tmp_path / "full.html"))
    for name, value in (("score.MOST_ROWS", 500), ("shard_sums.KEPT", 16), ("beyond.KEPT", 16)):
        monkeypatch.setattr(f"analysis.subsets.{name}", value)
    monkeypatch.setattr("analysis.page.value.MOST_SUBSETS", 500)
    data = carried(path := report(probs, labels, tmp_path / "page.html", costs=costs))
    masks = unpack(data["points"]["masks"])
    assert data["points"]["leading"] and data["points"]["all"] == 1023 and len(masks) < 200
    assert data["bySize"] == full["bySize"] and data["best"] == full["best"]
    correct = unpack(full["points"]["correct"])
    assert unpack(data["points"]["correct"]).tolist() == correct[masks - 1].tolist()
    strips = data["points"]["strips"]["accuracy"]
    counts = unpack(strips["counts"])
    assert counts.sum(axis=1).tolist() == [size["subsets"] for size in full["bySize"]]
    assert strips["low"] <= correct.min() / 70 and correct.max() / 70 <= strips["high"]
    texts = [(tmp_path / name).read_text() for name in ("full.html", "page.html")]
    rows = [re.findall('id="members".*?</table>', text, re.DOTALL) for text in texts]
    assert rows[0] == rows[1], "Shapley values, and what all others reach"
    assert "1,023 subsets, every one scored" in path.read_text() and data["cost"] is None
    assert "The front is made of up to 500 subsets" in texts[1]
    honest = [{c["name"]: c["how"] for c in found["choices"]}["best"] for found in (full, data)]
    assert honest[1] == f"{honest[0]}; chosen each time among the 16 that are best on all samples"


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    probs, labels = arrays()
    with pytest.raises(BadInput, match="class_names: expected 4, one a column of probs, found 3"):
        report(probs, labels, tmp_path / "page.html", class_names=["a", "b", "c"])
    with pytest.raises(BadInput, match="labels"):
        report(probs, labels[:-1], tmp_path / "page.html")
    with pytest.raises(BadInput, match=r"33 members have 8,589,934,591 subsets; all of them are scored of up to 32"):
        report(np.repeat(probs[:1], 33, axis=0), labels, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_files_become_the_same_page_without_a_study(tmp_path: Path) -> None:
    probs, labels = arrays()
    files = []
    for i, name in enumerate("abc"):
        files.append(tmp_path / f"{name}.npz")
        np.savez(files[-1], probs=probs[i], labels=labels)
    before = [file.read_bytes() for file in files]
    done = CliRunner().invoke(command.report, ["html", *map(str, files), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["members"], told["subsets"], told["images"]) == (["a", "b", "c"], 7, 0)
    data = carried(tmp_path / "out" / "index.html")
    mine = carried(report(probs, labels, tmp_path / "page.html", members=list("abc")))
    assert data["points"] == mine["points"] and data["choices"] == mine["choices"]
    assert "ens-report html a.npz b.npz c.npz" in (tmp_path / "out" / "index.html").read_text()
    assert [file.read_bytes() for file in files] == before and not (tmp_path / "study").exists()


def test_other_reports_want_a_study(tmp_path: Path) -> None:
    done = CliRunner().invoke(command.report, ["curve", str(tmp_path / "a.npz")])
    assert done.exit_code == 2 and "import the file with ens-import, or ask for html" in done.output
