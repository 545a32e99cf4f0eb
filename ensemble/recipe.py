"""A recipe: every choice that makes one member, as a small frozen value kept beside its result in TOML."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w

from ensemble.errors import BadInput, nearest
from ensemble.files import write_text

OPTIMISERS = ("sgd", "adam", "adamw", "radam", "nadam", "rmsprop")
SCHEDULES = ("step", "inverse", "plateau", "cosine")
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "elu", "gelu", "silu")


@dataclass(frozen=True)
class Recipe:
    """How one member is trained; docs/recipes.md explains each setting.

    The network: model, padding ("same" or "valid"), activation, head (of models with several; "" its own), dropout.
    Its input: input_size (0: the images' own; else they are resized on the device), normalise (`ensemble.inputs`),
    augment and augment_val (the notation of `ensemble.augmentation`), mixup and cutmix (alpha of their Beta; 0 none).
    The loss: label_smoothing; l2 is lam in lam * sum(W^2) over kernels, as Keras writes it, times a layer's own
    `l2_scale`; weight_decay is torch's, over all parameters, decoupled for adamw.
    The updates: optimiser, learning_rate, momentum, nesterov, epsilon, batch_size, epochs, ema (0: none; else the decay
    of the averaged weights, which then make the predictions).
    The rate: schedule "step" (times decay_factor every decay_epochs), "inverse" (1 / (1 + decay * updates)), "plateau"
    (times decay_factor after `patience` epochs without a better loss on tune), "cosine" (to zero, after warmup_epochs
    of a linear rise; in `snapshots` equal cycles, each of which ends in predictions, where above 0).
    The data: tune, the share of train held out, stratified, for what chooses something while training.
    The start: weights ("": random; "random": random where the model asks for weights; "hub"; or a file), weights_sha256
    (of that file), frozen_epochs (the first ones train the head alone), unfrozen_rate (learning rate from then on).
    """

    model: str
    padding: str = "same"
    activation: str = "relu"
    head: str = ""
    dropout: float = 0.5
    input_size: int = 0
    normalise: str = "mean-image"
    augment: str = "mirror"
    augment_val: str = ""
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    l2: float = 1e-3
    weight_decay: float = 0.0
    optimiser: str = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = True
    epsilon: float = 1e-8
    batch_size: int = 128
    epochs: int = 75
    ema: float = 0.0
    schedule: str = "step"
    decay_factor: float = 0.85
    decay_epochs: int = 10
    decay: float = 0.0
    patience: int = 5
    warmup_epochs: int = 0
    snapshots: int = 0
    tune: float = 0.0
    weights: str = ""
    weights_sha256: str = ""
    frozen_epochs: int = 0
    unfrozen_rate: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        shares = ("dropout", "label_smoothing", "ema", "momentum", "tune")
        for name, ok, expected in (
            ("padding", self.padding in ("same", "valid"), "'same' or 'valid'"),
            ("activation", self.activation in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}"),
            ("optimiser", self.optimiser in OPTIMISERS, f"one of {', '.join(OPTIMISERS)}"),
            ("schedule", self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("epsilon", self.epsilon > 0, "above 0"),
            ("decay_factor", 0 < self.decay_factor <= 1, "above 0 and at most 1"),
            *((name, 0 <= getattr(self, name) < 1, "at least 0 and below 1") for name in shares),
            *((name, getattr(self, name) >= 0, "at least 0") for name in (
                "l2", "weight_decay", "mixup", "cutmix", "input_size", "decay", "warmup_epochs", "snapshots",
                "frozen_epochs", "unfrozen_rate",
            )),
            *((name, getattr(self, name) >= 1, "at least 1") for name in (
                "decay_epochs", "patience", "batch_size", "epochs",
            )),
            ("seed", 0 <= self.seed < 2**31, "between 0 and 2^31 - 1"),
        ):  # fmt: skip
            if not ok:
                raise BadInput(f"recipe: {name} must be {expected}, found {getattr(self, name)!r}.")

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch counted from 0: lr * factor^(epoch // decay_epochs)."""
        return self.learning_rate * self.decay_factor ** (epoch // self.decay_epochs)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, in order."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> "Recipe":
        """Make a recipe of named values; raise `BadInput` on an unknown name or a value of the wrong type."""
        kinds = {f.name: f.type for f in fields(cls)}
        clean: dict[str, Any] = {}
        values = dict(values)
        if "mirror" in values:  # what recipes said before they had `augment`
            values.setdefault("augment", "mirror" if values.pop("mirror") else "")
        for key, value in values.items():
            if key not in kinds:
                raise BadInput(f"{where}: {key!r} is no setting of a recipe; {nearest(key, kinds)}.")
            kind = kinds[key]
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not kind:
                wanted = getattr(kind, "__name__", str(kind))
                raise BadInput(f"{where}: {key} must be of type {wanted}, found {value!r}.")
            clean[key] = value
        if "model" not in clean:
            raise BadInput(f"{where}: a recipe needs the key 'model'.")
        return cls(**clean)


@dataclass(frozen=True)
class Plan:
    """A base recipe, its named variants (settings that differ), and the ranges further variants are drawn from.

    ranges: setting -> (low, high, "log" or "linear").
    """

    base: Recipe
    variants: tuple[Mapping[str, Any], ...] = ()
    ranges: Mapping[str, tuple[float, float, str]] | None = None
    source: str = ""

    def with_settings(self, **settings: Any) -> "Plan":
        """Return the plan with settings of its base replaced; the variants keep their own."""
        return replace(self, base=Recipe.from_dict({**self.base.as_dict(), **settings}, self.source or "recipe"))


def read_plan(path: Path, plan_of: Callable[[str | None], Plan]) -> Plan:
    """Read a plan from TOML: settings at the top, `[[variants]]`, and `[ranges]` with [low, high, scale] each.

    What the file leaves out is as in `plan_of(model)`, the plan that ships for the file's model (None where it names
    none). What it sets is so for every member: the shipped variants and ranges then leave that setting alone. With
    variants of its own, or ranges, it takes nothing of the shipped ones.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a recipe, {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: expected TOML, {error}.") from error
    model = content.get("model")
    under = plan_of(model if isinstance(model, str) else None)
    own = {key: value for key, value in content.items() if key not in ("variants", "ranges", "about")}
    merged = {**under.base.as_dict(), **content}
    if "variants" not in content and "ranges" not in content:
        merged["variants"] = [{k: v for k, v in variant.items() if k not in own} for variant in under.variants]
        merged["ranges"] = {k: list(v) for k, v in (under.ranges or {}).items() if k not in own}
    return plan_from_dict(merged, str(path))


def builtin_plan(name: str) -> Plan:
    """Return the plan that ships for a model, `ensemble/recipes/<name>.toml`."""
    file = files("ensemble.recipes") / f"{name}.toml"
    return plan_from_dict(tomllib.loads(file.read_text(encoding="utf-8")), f"recipes/{name}.toml")


def plan_from_dict(content: Mapping[str, Any], where: str) -> Plan:
    """Make a plan of the content of its TOML; raise `BadInput` naming the key that is wrong."""
    content = dict(content)
    variants = content.pop("variants", [])
    ranges = content.pop("ranges", {})
    content.pop("about", None)  # free text: source, expected time and accuracy
    base = Recipe.from_dict(content, where)
    if not isinstance(variants, list) or not all(isinstance(v, dict) for v in variants):
        raise BadInput(f"{where}: [[variants]] must be tables of settings.")
    for variant in variants:
        Recipe.from_dict({**base.as_dict(), **variant}, f"{where}, variants")
    clean = {}
    for key, value in ranges.items():
        good = isinstance(value, list) and len(value) == 3 and value[2] in ("log", "linear")
        if not good or not all(isinstance(v, int | float) for v in value[:2]) or not value[0] < value[1]:
            raise BadInput(f'{where}: ranges.{key} must be [low, high, "log" or "linear"], found {value!r}.')
        if value[2] == "log" and value[0] <= 0:
            raise BadInput(f"{where}: ranges.{key} is logarithmic, so low must be above 0, found {value[0]!r}.")
        for end in value[:2]:
            Recipe.from_dict({**base.as_dict(), key: float(end)}, f"{where}, ranges")
        clean[key] = (float(value[0]), float(value[1]), str(value[2]))
    return Plan(base=base, variants=tuple(variants), ranges=clean, source=where)


def read_recipe(path: Path) -> tuple[Recipe, int]:
    """Read a member's pinned recipe and its number of threads."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a member's recipe, {error}.") from error
    threads = content.pop("threads", 0)
    if type(threads) is not int or threads < 1:
        raise BadInput(f"{path}: 'threads' must be a whole number of at least 1, found {threads!r}.")
    return Recipe.from_dict(content, str(path)), threads


def write_recipe(path: Path, recipe: Recipe, threads: int) -> None:
    """Pin a member's recipe and its number of threads."""
    write_text(path, tomli_w.dumps({**recipe.as_dict(), "threads": threads}))
