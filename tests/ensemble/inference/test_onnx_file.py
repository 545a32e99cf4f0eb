"""Networks as ONNX: the runtime's probabilities are kofn's own, of members and ensembles; what is refused."""

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.common import run as run_command
from cli.exporting import export
from ensemble.datasets.own import make_dataset
from ensemble.errors import BadInput, KofnError
from ensemble.inference import onnx_file
from ensemble.inference.inputs import Inputs, fixed_steps
from ensemble.inference.members import ensemble_spec, open_member, open_members
from ensemble.inference.onnx_file import OnnxFile, export_onnx
from ensemble.study.recipe import builtin_plan
from ensemble.study.study import Study
from ensemble.training.base_plan import begin_study
from ensemble.training.job import TrainingJob
from ensemble.training.run import train_member

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

IMAGES = np.random.default_rng(1).integers(0, 256, (12, 20, 16, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two members that see images in their own ways, and ensembles of them."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("onnx") / "study"
    study = begin_study(root, make_dataset((IMAGES, LABELS), (IMAGES, LABELS)))
    plain = replace(builtin_plan("digits").base, epochs=1)
    own = replace(plain, normalise="caffe", input_size=24, augment_val="centre-crop:12")
    for name, recipe in (("plain", plain), ("own", own)):
        train_member(TrainingJob(study.root, name, recipe, 1, "cpu", ("val",)), lambda *_: None)
    stored = study.read("plain", "val")
    for rule in ("mean", "geometric"):
        study.write(replace(
            stored, member=f"both-{rule}", kind="ensemble", parents=("own", "plain"), weights=(0.75, 0.25),
            attributes={"rule": rule, "selection": "given"},
        ))  # fmt: skip
    return study


@pytest.fixture(scope="module")
def exported(study: Study, tmp_path_factory: pytest.TempPathFactory) -> OnnxFile:
    """The one file that is really made: torch's exporter takes its time."""
    return export_onnx(study, "both-geometric", tmp_path_factory.mktemp("file") / "both.onnx")


def run(path: Path, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]


def test_an_ensemble_predicts_as_its_members_do(study: Study, exported: OnnxFile) -> None:
    """All ways an image goes are in one file: mean image or channels, blue first, cropped, resized; any batch size."""
    own, plain = (open_member(study, name, "cpu").predict(IMAGES) for name in ("own", "plain"))
    logs = 0.75 * np.log(np.maximum(own, 2.0**-26)) + 0.25 * np.log(np.maximum(plain, 2.0**-26))
    geometric = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    assert np.allclose(run(exported.path, IMAGES), geometric, atol=1e-5)
    assert np.allclose(run(exported.path, IMAGES[:1]), geometric[:1], atol=1e-5)
    assert (exported.members, exported.weights, exported.rule) == (("own", "plain"), (0.75, 0.25), "geometric")
    assert exported.difference is not None
    assert exported.difference < 1e-5
    facts = {prop.key: json.loads(prop.value) for prop in onnx.load(exported.path).metadata_props}
    assert (facts["members"], facts["class_names"]) == (["own", "plain"], ["0", "1", "2"])
    spec = ensemble_spec(study, (), "both-mean")
    with torch.no_grad():
        mean = onnx_file._Together(open_members(study, spec.members, "cpu", 1), spec).eval()(torch.from_numpy(IMAGES))
    assert np.allclose(mean.numpy(), 0.75 * own + 0.25 * plain, atol=1e-6)


@pytest.mark.parametrize("size", [9, 40])
def test_cropping_and_resizing_are_products(size: int) -> None:
    inputs = Inputs(torch.tensor([3.0, 4.0, 5.0]), torch.tensor(2.0), size)
    seeing = onnx_file._Seeing(inputs, (20, 16, 3), "centre-crop:12")
    images = torch.from_numpy(IMAGES)
    slow = inputs(fixed_steps("centre-crop:12")(images))
    assert torch.allclose(seeing(images.float().permute(0, 3, 1, 2)), slow, atol=1e-3)


def test_what_cannot_be_written_is_said(
    study: Study, exported: OnnxFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=r"expected a file that ends in \.onnx"):
        export_onnx(study, "own", tmp_path / "own.bin")
    with pytest.raises(BadInput, match="has no saved ensemble 'nobody'"):
        export_onnx(study, "nobody", tmp_path / "x.onnx")
    other = Namespace(model_proto=onnx.load(exported.path))
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: other)
    with pytest.raises(KofnError, match=r"as ONNX it would predict something else, by up to 0\.\d+; nothing was"):
        export_onnx(study, "plain", tmp_path / "x.onnx")
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: 1 / 0)
    with pytest.raises(KofnError, match=r"plain: cannot be written as ONNX \(division by zero\)"):
        export_onnx(study, "plain", tmp_path / "x.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BadInput, match=r"pip install 'kofn\[onnx\]'"):
        export_onnx(study, "plain", tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_wrote(
    study: Study, exported: OnnxFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnx_file, "export_onnx", lambda *_: exported)
    where = ["both-geometric", "--study", str(study.root)]
    assert run_command(export, [*where, "--onnx", "--out", "both.onnx"]) == 0
    out, err = capsys.readouterr()
    assert out == "both.onnx: 2 members together, from images uint8 (N, 20, 16, 3) to probs float32 (N, 3)\n"
    assert "Tried with onnxruntime: off by at most" in err
    assert run_command(export, [*where, "--out", "both.onnx"]) == 2
    assert "predictions are no network; add --onnx" in capsys.readouterr().err
