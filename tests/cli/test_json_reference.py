"""docs/reference/json.md against what the commands print: every key it names is there, and no other."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from studies import add, study_at, train_here

from cli.check import check
from cli.combine import combine
from cli.common import run
from cli.data import data
from cli.exporting import export
from cli.importing import import_
from cli.predict import predict
from cli.report import report
from cli.reports import KINDS
from cli.train import train
from ensemble.datasets import load_dataset
from ensemble.inference.onnx_file import OnnxFile
from ensemble.models import MODELS
from ensemble.models.papers import paper_runs
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, config_of

Ask = Callable[..., dict[str, Any]]
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
WORDS = {
    "text": lambda v: isinstance(v, str),
    "path": lambda v: isinstance(v, str) and v != "",
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "fraction": lambda v: isinstance(v, int | float) and not isinstance(v, bool) and -1e-9 <= v <= 1 + 1e-9,
    "object": lambda v: isinstance(v, dict),
    "objects": lambda v: isinstance(v, dict),
    "null": lambda v: v is None,
}  # fmt: skip


@dataclass
class Key:
    """A documented key: the words of its type, and its own keys, those of an object or of a list's objects."""

    path: str
    words: str = "object"
    optional: bool = False
    like: str = ""
    keys: dict[str, "Key"] = field(default_factory=dict)

    @property
    def any_name(self) -> "Key | None":
        """The key that stands for all names."""
        return next((key for name, key in self.keys.items() if name.startswith("<")), None)


def rows_of(page: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Find the tables: a heading, and key and type of each row."""
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| .*\|$", section, re.MULTILINE)
        assert len(rows) == section.count("\n|") - 2, f"{section.splitlines()[0]}: a row that cannot be read"
        yield section.splitlines()[0], rows


def schema_of(rows: list[tuple[str, str]]) -> Key:
    """Build the tree of a table's keys; every container has a row before its keys."""
    root, places = Key(""), {}
    for path, said in rows:
        assert path not in places, f"{path} is documented twice"
        above, _, name = path.rpartition(".")
        parent = places[above.replace("[]", "")] if above else root
        like = re.search(r", as `(.+)`$", said)
        words = said[: like.start()] if like else said
        optional = words.endswith(", optional")
        own = Key(path, words.removesuffix(", optional"), optional, like[1].replace("[]", "") if like else "")
        assert ("[]" in above) or not above.endswith("]")
        parent.keys[name] = own
        places[path.replace("[]", "")] = own
    for key in places.values():
        if key.like:
            key.keys = {**places[key.like].keys, **key.keys}
    return root


def choices(words: str) -> list[str]:
    """Part the words of a type at "," and "or", not within parentheses."""
    found, depth, start = [], 0, 0
    for match in re.finditer(r"[()]|, | or ", words):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0 and match[0] not in "()":
            found.append(words[start : match.start()])
            start = match.end()
    return [*found, words[start:]]


def fits(value: Any, words: str) -> bool:
    """Say whether a value is of a type."""
    for one in choices(words):
        if one.startswith("list of "):
            inner = one.removeprefix("list of ")
            inner = inner[1:-1] if inner.startswith("(") else inner
            if isinstance(value, list) and all(fits(item, inner) for item in value):
                return True
        elif WORDS[one](value):
            return True
    return False


@dataclass
class Reference:
    """The page, and what was seen of it: `seen` holds documents' keys that had a value other than null."""

    schemas: dict[str, Key]
    seen: set[tuple[str, str]] = field(default_factory=set)

    def hold(self, name: str, document: dict[str, Any]) -> None:
        """Hold a document, its `schema` aside, against its table."""
        self._object(name, document, self.schemas[name], name)

    def _object(self, name: str, found: dict[str, Any], own: Key, where: str) -> None:
        if own.any_name is not None:
            for key, value in found.items():
                self._value(name, value, own.any_name, f"{where}.{key}")
            return
        undocumented = set(found) - set(own.keys)
        assert not undocumented, f"{where}: {sorted(undocumented)} are not in {PAGE.name}"
        vanished = {key for key, value in own.keys.items() if not value.optional} - set(found)
        assert not vanished, f"{where}: {sorted(vanished)} are in {PAGE.name} only"
        for key, value in found.items():
            self._value(name, value, own.keys[key], f"{where}.{key}")

    def _value(self, name: str, value: Any, own: Key, where: str) -> None:
        assert fits(value, own.words), f"{where}: {PAGE.name} says {own.words}, found {value!r}"[:300]
        if value is not None or own.words == "null":
            self.seen.add((name, own.path))
        if name == "ens-report all" and own.path == "reports.<kind>" and value is not None:
            self.hold(f"ens-report {where.rpartition('.')[2]}", value)
        elif isinstance(value, dict):
            self._object(name, value, own, where)
        elif isinstance(value, list) and own.keys:
            for item in value:
                self._object(name, item, own, f"{where}[]")

    def unseen(self, *commands: str) -> list[str]:
        """Return the documented keys of commands that no document had, or only as null."""

        def under(name: str, own: Key) -> Iterator[str]:
            for key in own.keys.values():
                if (name, key.path) not in self.seen:
                    yield f"{name}: {key.path}"
                yield from under(name, key)

        chosen = {name: own for name, own in self.schemas.items() if name.startswith(commands)}
        return sorted({line for name, own in chosen.items() for line in under(name, own)})


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """A function (command, words, status) that runs a command in an empty folder and returns its document."""

    def ask(command: Any, words: str, status: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        ended = run(command, [*words.split(), "--json"])
        out, err = capsys.readouterr()
        assert ended == status, err
        found = json.loads(out)
        assert found.pop("schema") == 1
        return found

    def touch(_figure: Any, path: Path) -> Path:
        path.touch()
        return path

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("analysis.figures.style.save", touch)
    monkeypatch.setenv("ENS_CACHE", str(tmp_path / "cache"))
    return ask


def small_study(root: Path) -> Study:
    """Four members on the digits, all a report can ask for; learning rate, mirrors and dropout vary."""
    dataset = load_dataset("digits")
    val = dataset.split("val")
    rows, labels = np.arange(300), np.asarray(val.labels)[:300]
    study = Study.create(root, config_of(dataset))
    classes = study.config.class_ids, study.config.class_names
    for i in range(4):
        name, counted = f"m-{i}", {"val_recall": " ".join(["2/10"] * 10)} if i else {}
        columns = {"tune_cross_entropy": 1.9, "tune_accuracy": 0.4, **counted}
        add(study, name, accuracy=[0.2, 0.6, 0.4 + i / 20, 0.5], network=True, early=True, weights=True,
            columns=columns, learning_rate=(0.01, 0.1)[i // 2], augment=("mirror", "flip")[i % 2],
            dropout=(0.4, 0.5)[i // 2])  # fmt: skip
        logits = np.random.default_rng(i).normal(size=(300, 10)) + np.random.default_rng(9).normal(size=(300, 10))
        logits[rows, labels] += 2
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        first = np.random.default_rng(i).normal(size=(4, 3, 3, 3)).astype(np.float32)
        study.write(Predictions(name, "val", probs, val.sample_ids[:300], *classes, labels, first_layer=first))
    # As a start from a file is told.
    path = study.member_dir("m-0") / "network.json"
    network = json.loads(path.read_text())
    told = {"says": "started from x.pth", "skipped_why": {"head.0": "another shape"}, "fresh_names": ["head.0"]}
    path.write_text(json.dumps(network | {"start": network["start"] | told}))
    return study


@pytest.fixture
def page() -> Reference:
    return Reference({name: schema_of(rows) for name, rows in rows_of(PAGE.read_text(encoding="utf-8"))})


@pytest.mark.usefixtures("tried_briefly")
def test_training_and_new_images(
    told: Ask, page: Reference, tmp_path: Path, trained_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two members with two folds each; the second fails. Then the first is there, and the others are planned."""
    (tmp_path / "wild.toml").write_text(
        "model = 'ting-m3-small'\nbatch_size = 16\nepochs = 1\naugment = ''\n"
        "[[variants]]\nl2 = 1e-3\n[[variants]]\nlearning_rate = 1e6\n"
    )
    words = "--study t --recipe wild.toml --jobs 1 --threads 1"
    page.hold("ens-train", told(train, f"{words} --variants 2 --folds 2", 3))
    page.hold("ens-train", told(train, f"{words} --variants 1"))
    page.hold("ens-train", told(train, f"{words} --variants 2 --only 1/8"))
    page.hold("ens-train --dry-run", told(train, f"{words} --variants 2 --only 2/2 --dry-run"))
    monkeypatch.setattr("ensemble.training.search.run_jobs", train_here)
    page.hold("ens-train --search", told(train, f"{words} --recipe digits --epochs 1 --name found --search 1"))
    # Networks that differ in what is known of them, and are small enough to be measured at once.
    some = ("ting-m1", "basutkar-1", "mkrtchyan-alexnet", "de-vgg16", "ting-m3-small")
    monkeypatch.setattr("cli.train_text.MODELS", {name: MODELS[name] for name in some})
    page.hold("ens-train --list-models", told(train, "--list-models"))
    page.hold("ens-train --list-recipes", told(train, "--list-recipes"))
    page.hold("ens-train --show-recipe", told(train, "--show-recipe ting"))
    page.hold("ens-predict", told(predict, "--study t --part val --split again --out a.csv --tta mirror --threads 1"))
    split = load_dataset("digits").split("val")
    Image.fromarray(split.images[0, ..., 0]).save("one.png")
    told(combine, "--study t --save own")
    page.hold("ens-predict", told(predict, "--study t --data one.png --ensemble own --threads 1"))
    assert page.unseen("ens-train", "ens-predict") == []


def test_members_and_reports(told: Ask, page: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every report at once; then reports that have more to tell or less; then members that are predictions only."""
    assert {f"ens-report {kind}" for kind in (*KINDS, "versus", "all")} == {
        n for n in page.schemas if n.startswith("ens-report")
    }
    study = small_study(tmp_path / "study")
    page.hold("ens-combine", told(combine, "--save pair --max-size 2"))
    page.hold("ens-combine --only", told(combine, "--only 1/2"))
    page.hold("ens-report all", told(report, "all --images 2 --ensemble pair"))
    ids = study.read("m-0", "val").sample_ids
    (tmp_path / "groups.csv").write_text("id,group\n" + "".join(f"{s},{i // 3}\n" for i, s in enumerate(ids)))
    for options in (
        "--groups groups.csv",
        "--rule vote",
        "--k 2 --select greedy",
        "--members m-0",
        "--weights m-0=.5,m-1=.5",
    ):
        page.hold("ens-combine", told(combine, options))
    (tmp_path / "weights.csv").write_text("class,weight\n" + "".join(f"{c},{1 + c}\n" for c in range(10)))
    weighted = "--metric balanced_accuracy --class-weights weights.csv"
    page.hold("ens-combine", told(combine, f"{weighted} --cost gflops --max-cost 9"))
    page.hold("ens-combine", told(combine, "--metric auroc --select stack --members m-0 --members m-1"))
    page.hold("ens-report cost", told(report, "cost --cost parameters --metric nll"))
    page.hold("ens-report versus", told(report, "versus m-0 pair"))
    page.hold("ens-report versus", told(report, "versus m-0 m-1 --groups groups.csv"))
    for kind in ("per-class", "curve", "cost", "confusion", "calibration", "abstain"):
        page.hold(f"ens-report {kind}", told(report, f"{kind} --groups groups.csv"))
    page.hold("ens-export", told(export, "m-0 --out m.csv"))
    page.hold("ens-export", told(export, "pair --out pair.npz"))
    networks = OnnxFile(Path("pair.onnx"), ("m-0", "m-1"), (0.5, 0.5), "mean", (16, 16, 1), 10, 1e-7)
    monkeypatch.setattr("ensemble.inference.onnx_file.export_onnx", lambda *_: networks)
    page.hold("ens-export --onnx", told(export, "pair --onnx --out pair.onnx"))
    page.hold("ens-report per-class", told(report, "per-class --member m-0"))
    page.hold("ens-report calibration", told(report, "calibration --member m-0"))
    page.hold("ens-report filters", told(report, "filters --layer 2"))
    known = study.read("m-0", "val")
    study.write(replace(known, split="blurred"))
    page.hold("ens-report abstain", told(report, "abstain --ensemble m-0"))
    study.write(replace(study.read("m-1", "val"), split="blurred"))
    page.hold("ens-report abstain", told(report, "abstain --alpha 0.05"))
    page.hold("ens-report abstain", told(report, "abstain --shifted blurred --ensemble pair"))
    study.write(replace(known, member="perfect", probs=np.eye(10)[np.asarray(known.labels)]))
    page.hold("ens-report diversity", told(report, "diversity"))
    for i in range(2):
        study.write(replace(study.read(f"m-{i}", "val"), split="test", labels=None))
    page.hold("ens-report diversity", told(report, "diversity --split test"))
    page.hold("ens-report compare", told(report, "compare --by lr --split test"))

    papers = study_at(tmp_path / "papers")
    add(papers, "m-0", accuracy=[0.2] * 75, right=5, **paper_runs()[0].recipes[0].as_dict())
    page.hold("ens-report papers", told(report, "papers --study papers"))
    page.hold("ens-report models", told(report, "models --study papers"))

    # 43 classes, one without samples, and no images: there are clusters, and kinds that are skipped.
    labels = np.repeat(np.arange(42), 5)
    for i in range(2):
        probs = np.random.default_rng(i).dirichlet(np.ones(43), 210)
        probs[np.arange(210), labels] += 0.05
        probs += 0.1 * (np.arange(43) // 4 == labels[:, None] // 4)
        np.savez(f"rf-{i}.npz", probs=probs / probs.sum(axis=1, keepdims=True), labels=labels)
        np.save(f"bare-{i}.npy", probs / probs.sum(axis=1, keepdims=True))
    page.hold("ens-import", told(import_, "rf-0.npz rf-1.npz --study i"))
    page.hold("ens-import", told(import_, "bare-0.npy --study bare"))
    Path("named.csv").write_text("id,fold,cat,dog,label\na,0,0.25,0.75,dog\nb,1,0.5,0.5,cat\n", encoding="utf-8")
    page.hold("ens-import", told(import_, "named.csv --study named"))
    page.hold("ens-report abstain", told(report, "abstain --study named"))  # too few samples for sets
    page.hold("ens-report calibration", told(report, "calibration --study named --ensemble named"))
    page.hold("ens-report all", told(report, "all --pdf --study i"))
    (study.root / "predictions" / "stray").touch()
    page.hold("ens-check", told(check, "", 1))
    assert page.unseen("ens-combine", "ens-report", "ens-export", "ens-import", "ens-check") == []


def test_images(
    told: Ask, page: Reference, tmp_path: Path, tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path / "pets")
    page.hold("ens-data pack", told(data, "pack pets --size 16"))
    page.hold("ens-data list", told(data, "list"))
    page.hold("ens-data check", told(data, "check pets"))
    (tmp_path / "pets/val/cat/cat_0.png").write_bytes(b"")
    page.hold("ens-data check", told(data, "check pets", 2))
    monkeypatch.setattr("ensemble.datasets.fetch.fetch_tiny_imagenet", lambda out, _progress: out / "tiny.zip")
    page.hold("ens-data fetch", told(data, "fetch tiny-imagenet"))
    assert page.unseen("ens-data") == []


@pytest.mark.parametrize("command", [combine, report, export, predict])
def test_a_failure_is_a_document(told: Ask, command: Any) -> None:
    words = {"ens-report": "curve ", "ens-export": "all --out a.csv "}.get(str(command.name), "")
    found = told(command, f"{words}--study nowhere", 2)
    assert list(found) == ["error"] and "nowhere" in found["error"]


BAD = [
    ({"a": 1.5}, "x.a: json.md says fraction, found 1.5"),
    ({"a": None}, "says fraction"),
    ({"a": True}, "says fraction"),
    ({}, r"\['a'\] are in json.md only"),
    ({"a": 0.5, "b": 1}, r"\['b'\] are not in json.md"),
    ({"a": 0.5, "l": [{"n": 1}, {}]}, r"x.l\[\]: \['n'\] are in json.md only"),
    ({"a": 0.5, "l": None}, "says list of objects"),
    ({"a": 0.5, "m": {"any": {}}}, r"x.m.any: \['n'\] are in json.md only"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "said"), BAD)
def test_what_does_not_fit_the_page_is_noticed(found: dict[str, Any], said: str) -> None:
    rows = [("a", "fraction"), ("l", "list of objects, optional"), ("l[].n", "integer"), ("m", "object, optional"),
            ("m.<name>", "object, as `l[]`")]  # fmt: skip
    own = Reference({"x": schema_of(rows)})
    own.hold("x", {"a": 0.5, "l": [{"n": 1}], "m": {"some": {"n": 2}, "other": {"n": 3}}})
    assert own.unseen("x") == []
    with pytest.raises(AssertionError, match=said):
        own.hold("x", found)
    fresh = Reference({"x": schema_of(rows)})
    fresh.hold("x", {"a": 0.5, "l": []})
    assert fresh.unseen("x") == ["x: l[].n", "x: m", "x: m.<name>"]
