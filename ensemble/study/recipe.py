"""A recipe: every choice that makes one member, as a small frozen value kept beside its result in TOML."""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w

from ensemble.errors import BadInput, nearest
from ensemble.study.atomic import write_text
from ensemble.study.image_spec import parse_augment, parse_normalise, parse_resizing
from ensemble.study.seals import read_toml, sealed_text
from ensemble.study.tabular import Rows, Tabular

LARGEST = 10**15  # of any number in a recipe
OPTIMISERS = ("sgd", "adam", "adamw", "radam", "nadam", "rmsprop")
SCHEDULES = ("step", "inverse", "plateau", "cosine", "linear")
TO_ZERO = ("cosine", "linear")  # schedules that fall to zero at the last epoch, so that every rate depends on how many
KEEP = ("last", "best", "average")
PRECISIONS = ("auto", "float32", "bfloat16", "native")
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "elu", "gelu", "silu")


def _is_activation(text: str) -> bool:
    name, colon, slope = text.partition(":")
    return text in ACTIVATIONS or (name == "leaky_relu" and bool(colon) and bool(re.fullmatch(r"0?\.\d+|0|1", slope)))


@dataclass(frozen=True)
class Recipe(Tabular):
    """How one member is trained; docs/recipes.md explains each setting.

    The network: model, padding ("same" or "valid"), activation, head (of models with several; "" its own), dropout.
    Its input: input_size (0: the images' own; else they are resized on the device), progressive_resizing (smaller sizes
    that training begins with), normalise (`ensemble.inference.inputs`), augment and augment_val (the notation of all of
    these is that of `ensemble.study.image_spec`), mixup and cutmix (alpha of their Beta; 0 none).
    The loss: label_smoothing; l2 is lam in lam * sum(W^2) over kernels, as Keras writes it, times a layer's own
    `l2_scale`; weight_decay is torch's, over all parameters, decoupled for adamw.
    The updates: optimiser, learning_rate, momentum (of Adam and its kin the first beta; the second is .999), nesterov
    (of sgd), epsilon, batch_size, epochs, ema (0: none; else the decay of the averaged weights, which then make the
    predictions), ema_corrected (whether the average is freed of the bias to where it began).
    The rate: schedule "step" (times decay_factor every decay_epochs), "inverse" (1 / (1 + decay * updates)), "plateau"
    (times decay_factor after more than `patience` epochs without a better loss on tune), "cosine" or "linear" (to zero
    that way, after warmup_epochs of a linear rise; in `snapshots` equal cycles, each of which ends in predictions,
    where above 0).
    The data: tune, the share of train held out, stratified, for what chooses something while training.
    The start: weights ("": random; "random": random where the model asks for weights; "hub"; or a file), weights_sha256
    (of that file), frozen_epochs (the first ones train the head alone), unfrozen_rate (learning rate from then on).
    What is kept: keep ("last": the last epoch's weights; "best": those of the highest accuracy on tune; "average": the
    mean of the weights after each of the last `average_last` epochs, 0: a quarter of them), stop_after (epochs without
    a better accuracy on tune after which training ends; 0: never). precision ("auto": bfloat16 where a GPU has it;
    "native": where a CPU has instructions for it, too).
    """

    model: str
    padding: str = "same"
    activation: str = "relu"
    head: str = ""
    dropout: float = 0.5
    input_size: int = 0
    progressive_resizing: str = ""
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
    ema_corrected: bool = False
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
    keep: str = "last"
    average_last: int = 0
    stop_after: int = 0
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        shares = ("dropout", "label_smoothing", "ema", "momentum", "tune")
        for name, ok, expected in (
            ("padding", self.padding in ("same", "valid"), "'same' or 'valid'"),
            ("activation", _is_activation(self.activation), f"one of {', '.join(ACTIVATIONS)}, or leaky_relu:SLOPE"),
            ("optimiser", self.optimiser in OPTIMISERS, f"one of {', '.join(OPTIMISERS)}"),
            ("schedule", self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
            ("keep", self.keep in KEEP, f"one of {', '.join(KEEP)}"),
            ("precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("epsilon", self.epsilon > 0, "above 0"),
            ("decay_factor", 0 < self.decay_factor <= 1, "above 0 and at most 1"),
            *((name, 0 <= getattr(self, name) < 1, "at least 0 and below 1") for name in shares),
            *((name, getattr(self, name) >= 0, "at least 0") for name in (
                "l2", "weight_decay", "mixup", "cutmix", "input_size", "decay", "warmup_epochs", "snapshots",
                "frozen_epochs", "unfrozen_rate", "average_last", "stop_after",
            )),
            *((name, getattr(self, name) >= 1, "at least 1") for name in (
                "decay_epochs", "patience", "batch_size", "epochs",
            )),
            ("seed", 0 <= self.seed < 2**31, "between 0 and 2^31 - 1"),
        ):  # fmt: skip
            if not ok:
                raise BadInput(f"recipe: {name} must be {expected}, found {getattr(self, name)!r}.")
        parse_augment(self.augment)
        parse_normalise(self.normalise)
        self._check_together()

    def _check_together(self) -> None:
        """Raise `BadInput` where two settings contradict each other, or one would do nothing."""
        cycles, smaller = (
            max(self.snapshots, 1),
            sum(stage.epochs for stage in parse_resizing(self.progressive_resizing)),
        )
        fewer = max(self.epochs // cycles, 1) * cycles
        for bad, message in (
            (self.optimiser == "adamw" and self.l2 > 0,
             f"l2 = {self.l2:g} with optimiser 'adamw': l2 is a penalty in the loss, as Keras has it, and adamw's "
             "decay is not; set l2 = 0 and use weight_decay, or take optimiser 'adam'."),
            (self.schedule == "plateau" and self.tune == 0,
             "schedule 'plateau' looks at the loss on tune, the part of train that is held out for such choices; set "
             "tune, to 0.1 say."),
            (self.schedule not in TO_ZERO and (self.snapshots > 0 or self.warmup_epochs > 0),
             f"warmup_epochs and snapshots are of schedule 'cosine' or 'linear', found {self.schedule!r}; set schedule "
             "to one of them, or both to 0."),
            (self.schedule != "inverse" and self.decay > 0,
             f"decay is of schedule 'inverse', found {self.schedule!r}; set schedule to 'inverse', or decay to 0."),
            (self.epochs % cycles > 0,
             f"snapshots = {cycles} are cycles of equal length, and {self.epochs} epochs cannot be parted so; set "
             f"epochs to {fewer} or {fewer + cycles}."),
            ((self.keep == "best" or self.stop_after > 0) and self.tune == 0,
             "keep = 'best' and stop_after look at the accuracy on tune, the part of train that is held out for such "
             "choices, and never at val; set tune, to 0.1 say."),
            (self.snapshots > 0 and (self.keep != "last" or self.stop_after > 0),
             "snapshots are kept at the end of their cycles; leave keep at 'last' and stop_after at 0."),
            (self.average_last > 0 and self.keep != "average",
             f"average_last is of keep = 'average', found {self.keep!r}; set keep to 'average', or average_last to 0."),
            (self.average_last > self.epochs,
             f"average_last = {self.average_last} is more than the {self.epochs} epochs; set it lower."),
            (self.snapshots > 0 and self.frozen_epochs > 0,
             "snapshots and frozen_epochs do not go together; set one of them to 0."),
            (self.unfrozen_rate > 0 and self.frozen_epochs == 0,
             "unfrozen_rate is of the epochs after frozen_epochs, which are 0; set learning_rate instead."),
            (smaller >= self.epochs and smaller > 0,
             f"progressive_resizing {self.progressive_resizing!r} takes {smaller} epochs before the size that is "
             f"validated, and there are {self.epochs}; shorten it, or set epochs to {smaller + 1} or more."),
            (smaller > 0 and (self.snapshots > 0 or self.frozen_epochs > 0),
             "progressive_resizing goes with neither snapshots, which predict at the validated size from the first "
             "cycle on, nor frozen_epochs, whose features are computed once; leave one of them out."),
            (len(parse_augment(self.augment_val)) > 1,
             f"augment_val {self.augment_val!r}: validation holds each image once; write one set, without '+'."),
        ):  # fmt: skip
            if bad:
                raise BadInput(f"recipe: {message}")

    def outputs(self, member: str) -> tuple[str, ...]:
        """Return the names under which a member's predictions are kept: its own, or one for each snapshot."""
        return tuple(f"{member}-s{i}" for i in range(1, self.snapshots + 1)) or (member,)

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
                raise BadInput(f"{where}: {key!r} is not a setting of a recipe; {nearest(key, kinds)}.")
            kind = kinds[key]
            if kind is float and isinstance(value, int) and not isinstance(value, bool) and -LARGEST < value < LARGEST:
                value = float(value)
            if isinstance(value, int | float) and not -LARGEST < value < LARGEST:
                raise BadInput(f"{where}: {key} must be a finite number, found {value!r:.40}.")
            if type(value) is not kind:
                wanted = getattr(kind, "__name__", str(kind))
                raise BadInput(f"{where}: {key} must be of type {wanted}, found {value!r}.")
            clean[key] = value
        if "model" not in clean:
            raise BadInput(f"{where}: a recipe needs the key 'model'.")
        try:
            return cls(**clean)
        except BadInput as error:
            raise BadInput(f"{where}: {str(error).removeprefix('recipe: ')}") from error


@dataclass(frozen=True)
class Plan(Rows):
    """A base recipe, its named variants (settings that differ), and the ranges further variants are drawn from.

    ranges: setting -> (low, high, "log" or "linear"). about: what it is, in words.
    """

    base: Recipe
    variants: tuple[Mapping[str, Any], ...] = ()
    ranges: Mapping[str, tuple[float, float, str]] | None = None
    source: str = ""
    about: str = ""

    def _columns(self) -> dict[str, Any]:
        names = sorted({name for variant in self.variants for name in variant})
        return {name: [variant.get(name, getattr(self.base, name)) for variant in self.variants] for name in names}

    def with_settings(self, **settings: Any) -> "Plan":
        """Return the plan with settings of its base replaced; the variants keep their own."""
        return replace(self, base=Recipe.from_dict({**self.base.as_dict(), **settings}, "recipe"))

    def holding(self, names: Collection[str]) -> "Plan":
        """Return the plan with some settings of its base holding for every member: nothing varies them."""
        variants = tuple({k: v for k, v in variant.items() if k not in names} for variant in self.variants)
        return replace(self, variants=variants, ranges={k: v for k, v in (self.ranges or {}).items() if k not in names})


@dataclass(frozen=True)
class PaperRun:
    """One training of a paper: the recipes of its members, and the numbers it printed."""

    paper: str
    system: str
    recipes: tuple[Recipe, ...]
    numbers: tuple[tuple[str, float, str, int | None], ...]
    below: bool
    note: str
    command: str


def read_plan(path: Path, plan_of: Callable[[str | None], Plan]) -> Plan:
    """Read a plan from TOML: settings at the top, `[[variants]]`, and `[ranges]` with [low, high, scale] each.

    What the file leaves out is as in `plan_of(model)`, the plan that ships for the file's model (None where it names
    none). What it sets is so for every member: the shipped variants and ranges then leave that setting alone. With
    variants of its own, or ranges, it takes nothing of the shipped ones.
    """
    content = read_toml(path, "a recipe")
    model = content.get("model")
    under = plan_of(model if isinstance(model, str) else None)
    own = {key: value for key, value in content.items() if key not in ("variants", "ranges", "about")}
    merged = {**under.base.as_dict(), **content}
    if "variants" not in content and "ranges" not in content:
        merged["variants"] = [{k: v for k, v in variant.items() if k not in own} for variant in under.variants]
        merged["ranges"] = {k: list(v) for k, v in (under.ranges or {}).items() if k not in own}
    return plan_from_dict(merged, str(path))


def shipped_names() -> list[str]:
    """Return the names of the plans that ship, sorted."""
    return sorted(f.name.removesuffix(".toml") for f in files("ensemble.recipes").iterdir() if f.name.endswith(".toml"))


def builtin_plan(name: str) -> Plan:
    """Return the plan that ships under a name, `ensemble/recipes/<name>.toml`."""
    return plan_from_dict(tomllib.loads(recipe_text(name)), f"recipes/{name}.toml")


def recipe_text(name: str) -> str:
    """Return the TOML of the plan that ships under a name."""
    return (files("ensemble.recipes") / f"{name}.toml").read_text(encoding="utf-8")


def plan_from_dict(content: Mapping[str, Any], where: str) -> Plan:
    """Make a plan of the content of its TOML; raise `BadInput` naming the key that is wrong."""
    content = dict(content)
    variants = content.pop("variants", [])
    ranges = content.pop("ranges", {})
    about = str(content.pop("about", "")).strip()  # free text: source, expected time and accuracy
    base = Recipe.from_dict(content, where)
    if not isinstance(variants, list) or not all(isinstance(v, dict) for v in variants):
        raise BadInput(f"{where}: [[variants]] must be tables of settings.")
    for variant in variants:
        Recipe.from_dict({**base.as_dict(), **variant}, f"{where}, variants")
    clean = {}
    if not isinstance(ranges, dict):
        raise BadInput(f"{where}: [ranges] must be a table of settings, found {ranges!r:.80}.")
    for key, value in ranges.items():
        good = isinstance(value, list) and len(value) == 3 and value[2] in ("log", "linear")
        ends = [v for v in value[:2] if isinstance(v, int | float) and -LARGEST < v < LARGEST] if good else []
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise BadInput(f'{where}: ranges.{key} must be [low, high, "log" or "linear"], found {value!r}.')
        if value[2] == "log" and value[0] <= 0:
            raise BadInput(f"{where}: ranges.{key} is logarithmic, so low must be above 0, found {value[0]!r}.")
        for end in value[:2]:
            Recipe.from_dict({**base.as_dict(), key: float(end)}, f"{where}, ranges")
        clean[key] = (float(value[0]), float(value[1]), str(value[2]))
    return Plan(base=base, variants=tuple(variants), ranges=clean, source=where, about=about)


def parse_setting(text: str) -> tuple[str, Any]:
    """Return name and value of "NAME=VALUE", of the setting's type; raise `BadInput` where it is none."""
    name, equals, written = text.partition("=")
    name, written = name.strip(), written.strip()
    kinds = {f.name: f.type for f in fields(Recipe)}
    if not equals:
        raise BadInput(f"set={text!r}: expected NAME=VALUE, as in set='batch_size=64'.")
    if name not in kinds:
        raise BadInput(f"set={text!r}: {name!r} is not a setting of a recipe; {nearest(name, kinds)}.")
    if kinds[name] is bool:
        if written not in ("true", "false"):
            raise BadInput(f"set={text!r}: {name} must be true or false, found {written!r}.")
        return name, written == "true"
    try:
        return name, kinds[name](written)  # ty: ignore[not-callable]
    except ValueError as error:
        number = "a whole number" if kinds[name] is int else "a number"
        raise BadInput(f"set={text!r}: {name} must be {number}, found {written!r}.") from error


def read_recipe(path: Path) -> tuple[Recipe, int]:
    """Read a member's pinned recipe and its number of threads."""
    content = read_toml(path, "a member's recipe")
    threads = content.pop("threads", 0)
    if type(threads) is not int or threads < 1:
        raise BadInput(f"{path}: 'threads' must be a whole number of at least 1, found {threads!r}.")
    return Recipe.from_dict(content, str(path)), threads


def write_recipe(path: Path, recipe: Recipe, threads: int) -> None:
    """Pin a member's recipe and its number of threads."""
    write_text(path, sealed_text(tomli_w.dumps({**recipe.as_dict(), "threads": threads})))


VARY = ("recipe", "seed", "both")


def variants(plan: Plan, count: int, vary: str = "recipe") -> list[Recipe]:
    """Return the recipes of members 0 to count - 1; those of a smaller count are its beginning.

    vary: "recipe" gives each member its own hyper-parameters and one common seed; "seed" the plain deep ensemble
    (one recipe, member i with the base's seed + i); "both" does both.
    """
    if count < 1:
        raise BadInput(f"variants={count}: expected at least 1.")
    if vary not in VARY:
        raise BadInput(f"vary={vary!r}: expected one of {', '.join(VARY)}.")
    base = plan.base.as_dict()
    made = []
    for i in range(count):
        settings: dict[str, Any] = {} if vary == "seed" else _settings(plan, i)
        if vary != "recipe":
            settings["seed"] = plan.base.seed + i
        made.append(Recipe.from_dict({**base, **settings}, f"{plan.source}, variant {i}"))
    return made


def _settings(plan: Plan, i: int) -> dict[str, Any]:
    # Without named variants the base itself is the first.
    named = plan.variants or ({},)
    if i < len(named):
        return dict(named[i])
    if not plan.ranges:
        raise BadInput(
            f"{plan.source}: names {len(plan.variants)} variants and no [ranges] to draw member {i} from; "
            f"ask for variants={len(named)}, vary the seed with vary='seed', or add [ranges]."
        )
    drawn = i - len(named)
    point = _halton(drawn + 1, len(plan.ranges))
    settings = {}
    for u, (name, (low, high, scale)) in zip(point, sorted(plan.ranges.items()), strict=True):
        value = low * (high / low) ** u if scale == "log" else low + (high - low) * u
        settings[name] = float(f"{value:.3g}")
    return settings


def _halton(index: int, dimensions: int) -> list[float]:
    """Return point `index` of Halton's sequence: even coverage of the box, and each point known by its number.

    Index 0 is the corner of the box; callers begin at 1.
    """
    from scipy.stats import qmc

    sequence = qmc.Halton(d=dimensions, scramble=False)
    sequence.fast_forward(index)
    return [float(u) for u in sequence.random(1)[0]]
