"""Tables as LaTeX and Markdown, and the metrics, costs and groups of the commands."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import call, flowing
from hypothesis import given
from hypothesis import strategies as st

from cli.markup import markdown, sentence, table, tex
from ensemble.study.study import Study

ROWS = (("a_1", "██─", "12.5", "10-15"), ("50% & <b>", "▌", "-3.0", "-"))


def test_latex_by_hand() -> None:
    assert table("tex", ("class", "", "recall", "95 %"), ROWS, "Recall in %", (0, 1)).splitlines() == [
        r"\begin{table}", r"\centering", r"\caption{Recall in \%}", r"\begin{tabular}{lrr}", r"\toprule",
        r"class & recall & 95 \% \\", r"\midrule", r"a\_1 & 12.5 & 10--15 \\",
        r"50\% \& \textless{}b\textgreater{} & $-$3.0 & - \\", r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip


def test_markdown_by_hand() -> None:
    assert table("md", ("class", "", "recall", "95 %"), ROWS, None, (0, 1)).splitlines() == [
        "| class | recall | 95 % |", "| --- | ---: | ---: |", r"| a\_1 | 12.5 | 10-15 |",
        r"| 50% \& \<b\> | -3.0 | - |",
    ]  # fmt: skip
    assert table("md", ("a",), [("1",)], "A|B").startswith("A\\|B\n\n| a |")


def test_sentences_are_comments_or_paragraphs() -> None:
    assert sentence("tex", "best: a\n  and b") == "% best: a\n% and b"
    assert sentence("md", "best: a_b\n") == "best: a\\_b\n"
    assert sentence("tex", "") == ""


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_no_sign_of_a_name_acts(name: str) -> None:
    """In LaTeX nothing special stands bare; a Markdown row has as many cells as columns, whatever is in them."""
    bare = re.sub(
        r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textquotedbl)\{\}", "", tex(name)
    )
    assert not re.search(r"(?<!\\)[{}&%$#_~^<>]", bare)
    row = table("md", ("a", "b"), [(name, "1")], None, (0,)).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert markdown(name).replace("\\", "") == name.replace("\\", "")


@pytest.mark.usefixtures("undrawn")
def test_reports_and_combine_write_them(digits: Study, tmp_path: Path) -> None:
    where = ("--study", digits.root, "--quiet")
    done = call("ens-report", "per-class", *where, "--out", tmp_path, "--format", "tex", "--format", "pdf")
    assert (done.status, done.err) == (0, "")
    assert done.out.count(r"\begin{tabular}") == done.out.count(r"\bottomrule") == 1
    assert "█" not in done.out
    rest = re.sub(r"\\begin\{table\}.*?\\end\{table\}", "", done.out, flags=re.DOTALL)
    assert all(line.startswith("%") for line in rest.splitlines() if line)
    assert "% figure:" in rest and "per-class.pdf" in rest
    done = call("ens-combine", *where, "--format", "md", "--members", "m3-0", "--members", "m3-1")
    assert "| k | subsets | accuracy |" in done.out
    assert all(line.count("|") >= 4 for line in done.out.splitlines() if line.startswith("|"))
    (tmp_path / "kofn.toml").write_text('[report]\nformat = "md"\n')
    done = call("ens-report", "diversity", *where, "--out", tmp_path, "--config", tmp_path / "kofn.toml")
    assert done.status == 0
    assert "| --- |" in done.out
    done = call("ens-combine", *where, "--format", "html")
    assert done.status == 2


def test_costs_and_weights_on_the_command_line(digits: Study, tmp_path: Path) -> None:
    where = ("--study", digits.root, "--quiet")
    costs = tmp_path / "costs.csv"
    costs.write_text("member,cost\n" + "".join(f"m3-{i},{c}\n" for i, c in enumerate((1, 2, 3.5, 0.5))))
    weights = tmp_path / "weights.csv"
    weights.write_text("class,weight\n" + "".join(f"{c},{1 + 4 * (c == 3)}\n" for c in range(10)))
    asked = ("--metric", "balanced_accuracy", "--class-weights", weights, "--cost", costs, "--max-cost", "4")
    found = call("ens-combine", *where, *asked, "--json").document
    assert found["metric"] == "weighted_balanced_accuracy"
    assert found["left_out"] == []
    assert found["cost"]["members"] == {"m3-0": 1, "m3-1": 2, "m3-2": 3.5, "m3-3": 0.5}
    assert found["front"][-1]["members"] == found["best"]["members"]
    assert [p["cost"] for p in found["front"]] == sorted(p["cost"] for p in found["front"])
    assert found["front"][-1]["cost"] <= 4
    own = found["best"]["honest"]["weighted_balanced_accuracy"]
    assert own["low"] < own["score"] < own["high"]
    # By the definition: the mean recall, class 3 five times.
    kept = np.mean([digits.read(m, "val").probs for m in found["best"]["members"]], axis=0)
    labels = np.asarray(digits.read("m3-0", "val").labels)
    recall = [(kept.argmax(axis=1)[labels == c] == c).mean() for c in range(10)]
    expected = np.average(recall, weights=[1 + 4 * (c == 3) for c in range(10)])
    assert found["best"]["others"]["weighted_balanced_accuracy"] == pytest.approx(expected)
    said = flowing(call("ens-combine", *where, *asked).out)
    assert "Honest class-weighted balanced accuracy" in said
    assert "against cost, the sum of the costs of" in said
    for words, sentence_ in (
        (("--cost", "gflops"), "no network.json, which says what a network costs, of 4 of 4 members, 'm3-0' for one"),
        (("--max-cost", "3"), "--max-cost 3: needs what each member costs"),
        (("--cost", costs, "--select", "greedy"), "only the best subset is chosen by its cost"),
        (("--cost", costs, "--max-cost", "0.1"), "no subset costs 0.1 or less: the cheapest costs 0.5"),
        (("--metric", "auroc", "--rule", "vote"), "a vote gives no probabilities to rank samples by"),
    ):
        done = call("ens-combine", *where, *words)
        assert done.status == 2, words
        assert re.search(sentence_, flowing(done.err)), done.err


@pytest.mark.usefixtures("undrawn")
def test_groups_in_reports(digits: Study, tmp_path: Path) -> None:
    where = ("--study", digits.root, "--quiet", "--out", tmp_path)
    ids = digits.read("m3-0", "val").sample_ids
    groups = tmp_path / "groups.csv"
    groups.write_text("id,group\n" + "".join(f"{s},{i // 8}\n" for i, s in enumerate(ids)))
    found = call("ens-report", "per-class", *where, "--groups", groups, "--json").document
    assert found["groups"] == -(-len(ids) // 8)
    assert all(0 < c["effective_samples"] <= c["samples"] for c in found["classes"])
    said = flowing(call("ens-report", "per-class", *where, "--groups", groups).out)
    assert "groups that belong together; class by class they count as" in said
    assert "Obuchowski's test" in said and "Cohen's kappa" in said
    found = call("ens-report", "versus", "m3-0", "m3-3", *where, "--groups", groups, "--json").document
    assert found["effective_samples"] <= found["samples"]
    done = call("ens-report", "diversity", *where, "--groups", groups)
    assert done.status == 2
    assert "--groups is for per-class and curve" in done.err and "not for diversity" in done.err
    assert json.dumps(found)
