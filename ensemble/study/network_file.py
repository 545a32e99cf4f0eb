"""A member's network.json: what its network is, layer by layer, and how it was started; written and read here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensemble.errors import BadInput
from ensemble.study.atomic import write_text
from ensemble.study.seals import BLANK, check_seal, read_text, sealed

SCHEMA = 1


@dataclass(frozen=True)
class Layer:
    """One row of the summary, in the order in which an image passes.

    output: the shape without the batch, channels first; empty where it is no array. statistics: running means and
    variances of batch norm.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    statistics: int

    @property
    def shape(self) -> str:
        """The output as text, "32 x 64 x 64"."""
        return " x ".join(map(str, self.output))


@dataclass(frozen=True)
class NetworkSummary:
    """A network and its sizes. gflops: of one image, 2 x multiply-adds / 1e9; start: where its weights came from."""

    model: str
    parameters: int
    statistics: int
    gflops: float | None
    layers: tuple[Layer, ...]
    start: Mapping[str, Any]

    @property
    def depth(self) -> int:
        """How many convolutions and dense layers it has, as papers count layers."""
        weighing = ("conv", "linear", "dense")
        return sum(1 for layer in self.layers if layer.parameters and any(w in layer.kind.lower() for w in weighing))

    @property
    def comparable(self) -> bool:
        """False for a random start of a network that its paper starts from trained weights."""
        return bool(self.start.get("comparable", True))


def read_network(path: Path) -> NetworkSummary | None:
    """Read `members/<name>/network.json`; None where there is none, as with members of older versions.

    Raises `BadInput` naming the file where it is not such a description.
    """
    if not path.is_file():
        return None
    check_seal(path, nearly=True)
    try:
        content = json.loads(read_text(path))
        if content["schema"] != SCHEMA:
            raise BadInput(f"{path}: has schema {content['schema']!r}, this program reads {SCHEMA}; update kofn.")
        layers = tuple(
            Layer(str(row["name"]), str(row["kind"]), tuple(map(int, row["output"])), int(row["parameters"]),
                  int(row["statistics"]))
            for row in content["layers"]
        )  # fmt: skip
        gflops = content.get("gflops")
        return NetworkSummary(
            model=str(content["model"]),
            parameters=int(content["parameters"]),
            statistics=int(content["statistics"]),
            gflops=None if gflops is None else float(gflops),
            layers=layers,
            start=dict(content.get("start") or {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInput(
            f"{path}: cannot be read as the description of a network, {error!r}; restore it from a copy or delete it."
        ) from error


def write_network(path: Path, model: str, described: Mapping[str, Any], start: Mapping[str, Any]) -> None:
    """Write what `ensemble.models.measure.describe` found of a model's network, and how that was started."""
    content = {"seal": BLANK, "schema": SCHEMA, "model": model, **described, "start": dict(start)}
    write_text(path, sealed(f"{json.dumps(content)}\n".encode()).decode())
