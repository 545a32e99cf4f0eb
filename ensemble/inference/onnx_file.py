"""Trained members as an ONNX file: from the images' bytes to the probabilities they predict together."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ensemble.errors import BadInput, KofnError, reason_of
from ensemble.inference.inputs import Inputs, centre_crop, resized
from ensemble.inference.members import EnsembleSpec, TrainedMember, ensemble_spec, open_members
from ensemble.study.atomic import replacing
from ensemble.study.image_spec import parse_augment
from ensemble.study.study import Study
from ensemble.study.tabular import Tabular

OPSET = 18
LEAST = 2.0**-26  # of a probability under the geometric mean, as everywhere in kofn
TRIED = 8  # images that a file is tried on
CLOSE = 1e-4


@dataclass(frozen=True)
class OnnxFile(Tabular):
    """An ONNX file that was written. Its input `images` is uint8 (N, H, W, Ch), its output `probs` float32 (N, C).

    members, weights: who predicts; rule: "mean" or "geometric", of their probabilities; image_shape: (H, W, Ch).
    difference: the largest one to kofn's own probabilities, on random images; None where onnxruntime is not there.
    """

    path: Path
    members: tuple[str, ...]
    weights: tuple[float, ...]
    rule: str
    image_shape: tuple[int, int, int]
    classes: int
    difference: float | None


def export_onnx(study: Study | str | Path, name: str, out: str | Path) -> OnnxFile:
    """Write a member's network, or those of an ensemble with their weights, as one ONNX file (opset 18, float32).

    study: where they were trained. name: a member, a saved ensemble, or "all" for the mean of all members. out: the
    file, ending in .onnx; one that is there is replaced. Normalisation, cropping and resizing are part of it. Its
    metadata hold `members`, `weights`, `rule`, `class_ids` and `class_names`, as JSON. Where onnxruntime is installed
    the file is tried on random images.

    Raises `BadInput` where there is no such member, it has no network, or the extra `onnx` is missing; `KofnError`
    where a network cannot be written so, or what was written computes something else.
    """
    study = Study.of(study)
    path = Path(out)
    if path.suffix != ".onnx":
        raise BadInput(f"out={str(out)!r}: expected a file that ends in .onnx.")
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ModuleNotFoundError as error:
        raise BadInput(
            f"out={str(out)!r}: ONNX needs {error.name}, which is missing: pip install 'kofn[onnx]'."
        ) from error
    spec = ensemble_spec(study, (), name)
    members = open_members(study, spec.members, "cpu", torch.get_num_threads())
    together = _Together(members, spec).eval()
    example = _examples(members[0].image_shape)
    try:
        with _quietly():
            program = torch.onnx.export(
                together, (example[:2],), dynamo=True, opset_version=OPSET, input_names=["images"],
                output_names=["probs"], dynamic_shapes=({0: torch.export.Dim("N", min=1)},), verbose=False,
            )  # fmt: skip
        assert program is not None
        model = program.model_proto
    except Exception as error:  # whatever a network, torch's exporter or its libraries raise
        reason = reason_of(error)
        raise KofnError(
            f"{name}: cannot be written as ONNX ({reason}); export its predictions, or use ens-predict."
        ) from error
    one = members[0]
    facts = {
        "members": list(spec.members), "weights": [spec.weights[m] for m in spec.members], "rule": spec.rule,
        "class_ids": list(one.class_ids), "class_names": list(one.class_names),
    }  # fmt: skip
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in facts.items()})
    written = model.SerializeToString()
    with torch.no_grad():
        expected = together(example).numpy()
    difference = _difference(written, example.numpy(), expected)
    if difference is not None and difference > CLOSE:
        raise KofnError(
            f"{name}: as ONNX it would predict something else, by up to {difference:.2g}; nothing was written: "
            "export its predictions, or use ens-predict."
        )
    with replacing(path) as temporary:
        temporary.write_bytes(written)
    weights = tuple(spec.weights[m] for m in spec.members)
    return OnnxFile(path, spec.members, weights, spec.rule, one.image_shape, len(one.class_ids), difference)


class _Together(nn.Module):
    """Members from images to the probabilities they predict together, in float32."""

    def __init__(self, members: Sequence[TrainedMember], spec: EnsembleSpec) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(_Seeing(m.inputs, m.image_shape, m.recipe.augment_val) for m in members)
        self.networks = nn.ModuleList(m.network.to(memory_format=torch.contiguous_format) for m in members)
        self.weights = [float(spec.weights[m.member]) for m in members]
        self.geometric = spec.rule == "geometric"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Turn uint8 (N, H, W, Ch) into probabilities (N, C)."""
        pixels = images.float().permute(0, 3, 1, 2)
        each = [
            torch.softmax(network(inputs(pixels)), 1)
            for inputs, network in zip(self.inputs, self.networks, strict=True)
        ]
        if self.geometric:
            each = [torch.log(probs.clamp(min=LEAST)) for probs in each]
        summed = torch.stack([probs * weight for probs, weight in zip(each, self.weights, strict=True)]).sum(0)
        return torch.softmax(summed, 1) if self.geometric else summed


class _Seeing(nn.Module):
    """What `Inputs`, and the centre crop of validation, do to pixels (N, Ch, H, W) in 0..255.

    Cropping and resizing are linear along each axis, so they are two matrices each: every runtime knows products.
    """

    mean: torch.Tensor
    std: torch.Tensor
    crop_down: torch.Tensor
    crop_across: torch.Tensor
    resize_down: torch.Tensor
    resize_across: torch.Tensor

    def __init__(self, inputs: Inputs, image_shape: tuple[int, int, int], augment_val: str) -> None:
        super().__init__()
        height, width, _ = image_shape
        self.bgr = inputs.bgr
        for key, values in (("mean", inputs.mean), ("std", inputs.std)):
            # From what stretches to (H, W, Ch) to what stretches to (Ch, H, W).
            shaped = values.reshape((1,) * (3 - values.dim()) + tuple(values.shape))
            self.register_buffer(key, shaped.permute(2, 0, 1).contiguous())
        sides = [op.values[0] for ops in parse_augment(augment_val) for op in ops if op.name == "centre-crop"]
        crop = _matrices(lambda pixels: centre_crop(pixels, sides[0]), height, width) if sides else None
        resize = _matrices(lambda pixels: resized(pixels, inputs.size), height, width) if inputs.size else None
        self.cropping, self.resizing = crop is not None, resize is not None
        for key, pair in (("crop", crop), ("resize", resize)):
            for axis, matrix in zip(("down", "across"), pair or (), strict=False):
                self.register_buffer(f"{key}_{axis}", matrix)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what the network takes."""
        if self.cropping:
            pixels = self.crop_down @ pixels @ self.crop_across
        if self.bgr:
            pixels = pixels.flip(1)
        pixels = (pixels - self.mean) / self.std
        return self.resize_down @ pixels @ self.resize_across if self.resizing else pixels


def _matrices(
    change: Callable[[torch.Tensor], torch.Tensor], height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return D (h, H) and A (W, w) with `change(x)` = D x A of any x (H, W), where the change is such a product.

    Every row of D and column of A sums to one, so the picture whose row i is all 1 becomes column i of D, all along.
    """
    down = change(torch.eye(height)[:, None, :, None].expand(-1, 1, -1, width).contiguous())[:, 0, :, 0].T
    across = change(torch.eye(width)[:, None, None, :].expand(-1, 1, height, -1).contiguous())[:, 0, 0, :]
    return down.contiguous(), across.contiguous()


def _examples(image_shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (TRIED, *image_shape), dtype=np.uint8))


def _difference(model: bytes, images: np.ndarray, expected: np.ndarray) -> float | None:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return None
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return float(np.abs(session.run(["probs"], {"images": images})[0] - expected).max())


@contextlib.contextmanager
def _quietly() -> Generator[None]:
    """Keep the exporter's own remarks, of which a user can do nothing, off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
