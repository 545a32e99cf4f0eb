"""The members of a study side by side: what each is, how long it trained, how well it does."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from analysis.csv_cells import write_csv
from analysis.report_data import NotAvailable
from analysis.stack import join
from analysis.subsets.reference import subset_preds
from ensemble.errors import BadInput, DamageWarning
from ensemble.study.history import History, has_epochs, read_history
from ensemble.study.names import matching, natural_key
from ensemble.study.network_file import NetworkSummary, read_network
from ensemble.study.predictions import Predictions, read_header
from ensemble.study.recipe import read_recipe
from ensemble.study.study import Study

T = TypeVar("T")
RANDOM_START = "random start, not comparable"


@dataclass(frozen=True, eq=False)
class Member:
    """One member with what is known of it; what is not is None.

    settings: its recipe's by name, empty where it has none; accuracy: of its stored predictions on the study's split
    that was asked for, a fraction; comparable: False for a random start of a network that its paper starts from
    trained weights; damaged: of "history", "network" and "settings" those whose file cannot be read.
    """

    name: str
    settings: Mapping[str, Any]
    network: NetworkSummary | None
    history: History | None
    predictions: Predictions | None
    accuracy: float | None
    comparable: bool
    damaged: tuple[str, ...] = ()

    @property
    def model(self) -> str | None:
        """The name of its network."""
        return self.network.model if self.network else self.settings.get("model")

    @property
    def epochs(self) -> int | None:
        """How many epochs it was trained."""
        return self.history.last()[0] if self.history else None

    @property
    def seconds(self) -> float | None:
        """How long its epochs took together, validation included."""
        return float(np.nansum(self.history.columns["seconds"])) if self.history else None

    @property
    def images_per_second(self) -> float | None:
        """The median over its epochs of training images a second."""
        if self.history is None:
            return None
        rates = self.history.columns["images_per_second"]
        return float(np.nanmedian(rates)) if np.isfinite(rates).any() else None

    def at_end(self, column: str) -> float | None:
        """Return a column of its history after the last epoch; None where that was not measured."""
        values = None if self.history is None else self.history.columns.get(column)
        return None if values is None or not np.isfinite(values[-1]) else float(values[-1])

    @property
    def kept(self) -> str | None:
        """Which of its weights predict: "last", "best" (on tune) or "average"; None where its recipe is not known."""
        return self.settings.get("keep", "last") if self.settings else None

    @property
    def kept_epoch(self) -> int | None:
        """The epoch whose weights predict, of an average the last one; None where its predictions do not say."""
        epoch = None if self.predictions is None else self.predictions.attributes.get("epoch")
        return None if epoch is None else int(epoch)

    @property
    def last(self) -> float | None:
        """Its validation accuracy after the last epoch; without a history, that of its predictions for val."""
        if self.history is None and self.predictions is not None and self.predictions.split == "val":
            return self.accuracy
        return self.at_end("val_accuracy")

    @property
    def best(self) -> tuple[int, float] | None:
        """The epoch of its highest validation accuracy, and that accuracy."""
        if self.history is None or not np.isfinite(self.history.columns["val_accuracy"]).any():
            return None
        return self.history.best()


def members_of(study: Study, split: str, patterns: Sequence[str] = ()) -> list[Member]:
    """Return the members that match one of the patterns, all without them, in natural order; saved ensembles are none.

    A member is what has predictions for `split`, or a folder with a recipe or a history. Raises `BadInput` where a
    pattern matches nothing or predictions cannot be read, `NotAvailable` where only saved ensembles are left. What else
    is damaged is left out with a `DamageWarning`.
    """
    predicted = set(study.members(split))
    folders = {*study.members_with("recipe"), *study.members_with("history")}
    known = sorted(predicted | folders, key=natural_key)
    chosen = matching(patterns, known, study.root)
    found = [_member(study, split if name in predicted else None, name) for name in chosen]
    members = [member for member in found if member is not None]
    if not members:
        raise NotAvailable(
            f"{study.root}: has no members for split {split!r}{', saved ensembles only' if chosen else ''}; "
            "train some with ens-train or bring some with ens-import."
        )
    return members


def _member(study: Study, split: str | None, name: str) -> Member | None:
    """Read all that is known of one member; None where the name is that of a saved ensemble."""
    if split and read_header(study.predictions_path(name, split)).kind != "member":
        return None
    predictions = study.read(name, split) if split else None
    files = study.files(name)
    damaged: list[str] = []

    def unless_damaged(part: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except BadInput as error:
            damaged.append(part)
            warnings.warn(DamageWarning(f"{error} {name} is shown without its {part}."), stacklevel=4)
            return None

    network = unless_damaged("network", lambda: read_network(files.network))
    history = unless_damaged(
        "history", lambda: read_history(files.history, name) if has_epochs(files.history) else None
    )
    settings = unless_damaged("settings", lambda: _settings(files.recipe))
    recorded = dict(predictions.recipe or {}) if predictions is not None else {}
    random = predictions is not None and predictions.attributes.get("comparable", True) in (False, 0)
    return Member(
        name=name,
        settings=settings or {k: v for k, v in recorded.items() if k != "threads"},
        network=network,
        history=history,
        predictions=predictions,
        accuracy=_accuracy(predictions),
        comparable=not random and (network is None or network.comparable),
        damaged=tuple(damaged),
    )


def _settings(path: Path) -> dict[str, Any] | None:
    return read_recipe(path)[0].as_dict() if path.is_file() else None


def _accuracy(predictions: Predictions | None) -> float | None:
    if predictions is None or predictions.labels is None or len(predictions) == 0:
        return None
    stack = join([predictions])
    return float((subset_preds(stack, [0]) == stack.require_labels()).mean())


HEADER = (
    "member", "model", "layers", "parameters", "statistics", "gflops", "epochs", "training_seconds",
    "images_per_second", "train_accuracy", "train_cross_entropy", "val_accuracy", "val_cross_entropy",
    "best_val_accuracy", "best_epoch", "kept", "kept_epoch", "split", "split_accuracy", "comparable",
)  # fmt: skip


def row_of(member: Member, split: str) -> dict[str, Any]:
    """Return a member by the names of `HEADER`; None where something is not known."""
    network, best = member.network, member.best
    return dict(
        zip(
            HEADER,
            (
                member.name, member.model, *((network.depth, network.parameters, network.statistics, network.gflops)
                                             if network else (None,) * 4),
                member.epochs, member.seconds, member.images_per_second, member.at_end("train_accuracy"),
                member.at_end("train_cross_entropy"), member.last, member.at_end("val_cross_entropy"),
                best[1] if best else None, best[0] if best else None, member.kept, member.kept_epoch, split,
                member.accuracy, member.comparable,
            ),
            strict=True,
        )
    )  # fmt: skip


def write_models_csv(path: Path, members: Sequence[Member], split: str) -> None:
    """Write one row a member with the columns of `HEADER`, whole or not at all."""
    write_csv(path, HEADER, [list(row_of(member, split).values()) for member in members])


LAYERS_HEADER = ("layer", "kind", "output", "parameters", "statistics")


def write_layers_csv(path: Path, network: NetworkSummary) -> None:
    """Write one row a layer and a last one, `total`, whole or not at all."""
    rows: list[tuple[object, ...]] = [(s.name, s.kind, s.shape, s.parameters, s.statistics) for s in network.layers]
    write_csv(path, LAYERS_HEADER, [*rows, ("total", "", "", network.parameters, network.statistics)])
