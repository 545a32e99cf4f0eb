"""Members grouped by one setting of their recipes: what comes out, and what else differs between the groups."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from analysis.csv_cells import write_csv
from analysis.members.models import Member
from analysis.report_data import NotAvailable
from analysis.stack import join
from analysis.statistics import holm, mcnemar
from analysis.subsets.reference import subset_preds
from ensemble.errors import BadInput, nearest
from ensemble.study.names import natural_key
from ensemble.study.recipe import Recipe

ALIASES: Mapping[str, str] = {
    "lr": "learning_rate", "augmentation": "augment", "block": "model", "backbone": "model", "network": "model",
    "optimizer": "optimiser", "batch": "batch_size", "size": "input_size", "resolution": "input_size",
    "scheduler": "schedule",
}  # fmt: skip
SETTINGS = tuple(field.name for field in fields(Recipe))
MOST_TESTED = 6  # groups of which each pair is tested; of more, each against the first


@dataclass(frozen=True)
class Spread:
    """A score over the members of a group: how many have it, their mean, standard deviation (n - 1) and range."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Group:
    """The members that share one value of the setting; `label` is the value as text."""

    value: Any
    label: str
    members: tuple[Member, ...]

    def spread(self, score: str) -> Spread:
        """Summarise over members: "last", "best" (of validation), or a column of the history at its end."""
        found = [_score(member, score) for member in self.members]
        values = np.array([v for v in found if v is not None])
        if not len(values):
            return Spread(0, math.nan, math.nan, math.nan, math.nan)
        sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        return Spread(len(values), float(values.mean()), sd, float(values.min()), float(values.max()))


@dataclass(frozen=True)
class Other:
    """Another setting that is not the same for all members: its values in each group, most frequent first."""

    setting: str
    values: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Tested:
    """Two groups on the same images: McNemar's mid-p of the one against the other, each speaking as one.

    one, other: labels; of_one, of_other: the members that spoke (their mean, where several); difference: accuracy of
    one minus that of other; won, lost: images only the one, or only the other, has right; adjusted: Holm's over all
    tests of the comparison.
    """

    one: str
    other: str
    of_one: tuple[str, ...]
    of_other: tuple[str, ...]
    difference: float
    won: int
    lost: int
    samples: int
    p: float
    adjusted: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a setting's values came to.

    confounded: settings whose values are spread otherwise in one group than in another, so that a difference between
    groups may be theirs; balanced: settings that differ within groups, but alike in each; seeds: how many seeds there
    are in each group; left_out: members whose recipe does not say the setting; untrained: those without a result yet;
    short: those in the groups that were trained for fewer epochs than their recipe says; tests: none where the
    predictions cannot be set side by side, and then `untested` says why.
    """

    setting: str
    groups: tuple[Group, ...]
    confounded: tuple[Other, ...]
    balanced: tuple[Other, ...]
    seeds: tuple[int, ...]
    left_out: tuple[str, ...]
    untrained: tuple[str, ...]
    short: tuple[str, ...]
    tests: tuple[Tested, ...]
    untested: str = ""

    @property
    def runs(self) -> int:
        """How many training runs it rests on."""
        return sum(len(group.members) for group in self.groups)


def setting_named(name: str) -> str:
    """Return the recipe's name of a setting, `ALIASES` among them; raise `BadInput` with the nearest."""
    plain = name.strip().replace("-", "_").lower()
    found = ALIASES.get(plain, plain)
    if found not in SETTINGS:
        raise BadInput(f"by={name!r}: is not a setting of a recipe; {nearest(plain, (*SETTINGS, *ALIASES))}.")
    return found


def differing(members: Sequence[Member]) -> list[str]:
    """Return the settings in which the recipes of trained members differ, model first, seeds and checksums left out."""
    known = [member.settings for member in _trained(members)]
    differ = [s for s in SETTINGS if s not in _CHANCE and len({text_of(one.get(s)) for one in known if s in one}) > 1]
    return sorted(differ, key=lambda setting: setting != "model")


def _trained(members: Sequence[Member]) -> list[Member]:
    return [member for member in members if member.history is not None or member.predictions is not None]


_CHANCE = ("seed", "weights_sha256")


def compare_members(members: Sequence[Member], by: str, intersect: bool = False) -> Comparison:
    """Group members by a setting; raises `BadInput` for an unknown one, `NotAvailable` where they all share its value.

    intersect: where members differ in samples, test on the common ones.
    """
    setting = setting_named(by)
    done = _trained(members)
    known = [member for member in done if setting in member.settings]
    values = {text_of(member.settings[setting]): member.settings[setting] for member in known}
    if len(values) < 2:
        others = differing(done)
        raise NotAvailable(
            f"by={by!r}: "
            + (
                f"all {len(known)} members have {setting} {next(iter(values))}"
                if values
                else f"no member says {setting}"
            )
            + f", so there is nothing to compare; settings that differ: {', '.join(others) or 'none'}."
        )
    labels = sorted(values, key=lambda label: _order(values[label]))
    groups = tuple(
        Group(values[label], label, tuple(m for m in known if text_of(m.settings[setting]) == label))
        for label in labels
    )
    confounded, balanced = _others(groups, setting)
    tests, untested = _tests(groups, intersect)
    return Comparison(
        setting=setting,
        groups=groups,
        confounded=confounded,
        balanced=balanced,
        seeds=tuple(len({member.settings.get("seed") for member in group.members}) for group in groups),
        left_out=tuple(member.name for member in done if setting not in member.settings),
        untrained=tuple(member.name for member in members if member not in done),
        short=tuple(m.name for m in known if m.epochs is not None and m.epochs < m.settings.get("epochs", 0)),
        tests=tests,
        untested=untested,
    )


def text_of(value: Any) -> str:
    """Return a setting's value as text: numbers in their fewest digits, nothing as "none"."""
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value in ("", None) else str(value)


def _order(value: Any) -> tuple:
    if isinstance(value, int | float):
        return 0, float(value), ()
    return 1, 0.0, natural_key(str(value))


def _score(member: Member, score: str) -> float | None:
    if score == "best":
        return member.best[1] if member.best else None
    return member.last if score == "last" else member.at_end(score)


def _others(groups: Sequence[Group], setting: str) -> tuple[tuple[Other, ...], tuple[Other, ...]]:
    """Return the settings spread differently between groups, and those that differ alike within each."""
    confounded, balanced = [], []
    for other in SETTINGS:
        if other == setting or other in _CHANCE:
            continue
        counts = [Counter(text_of(m.settings[other]) for m in g.members if other in m.settings) for g in groups]
        if len({value for count in counts for value in count}) < 2:
            continue
        shares = [{v: Fraction(n, count.total()) for v, n in count.items()} for count in counts]
        named = Other(other, tuple(tuple(v for v, _ in count.most_common()) for count in counts))
        (balanced if all(share == shares[0] for share in shares) else confounded).append(named)
    return tuple(confounded), tuple(balanced)


def _tests(groups: Sequence[Group], intersect: bool) -> tuple[tuple[Tested, ...], str]:
    """Test groups in pairs, on as many members of each as the smallest has: the first by name, chosen by no score."""
    there = [(g.label, [m.predictions for m in g.members if m.predictions is not None]) for g in groups]
    there = [(label, found) for label, found in there if found]
    if len(there) < 2:
        return (), "fewer than two groups have predictions for this split"
    size = min(len(found) for _, found in there)
    tested = [(label, found[:size]) for label, found in there]
    everyone = [p for _, found in tested for p in found]
    if any(p.labels is None for p in everyone):
        return (), "this split has no labels"
    try:
        stack = join(everyone, intersect)
    except BadInput as error:
        return (), str(error).rstrip(".")
    labels, at = stack.require_labels(), {name: i for i, name in enumerate(stack.members)}
    right = [subset_preds(stack, sorted(at[p.member] for p in found)) == labels for _, found in tested]
    pairs = list(combinations(range(len(tested)), 2))
    if len(tested) > MOST_TESTED:
        pairs = [(i, 0) for i in range(1, len(tested))]
    counts = [(int((right[i] & ~right[j]).sum()), int((right[j] & ~right[i]).sum())) for i, j in pairs]
    p_values = [mcnemar(won, lost) for won, lost in counts]
    return tuple(
        Tested(
            one=tested[i][0],
            other=tested[j][0],
            of_one=tuple(p.member for p in tested[i][1]),
            of_other=tuple(p.member for p in tested[j][1]),
            difference=(won - lost) / stack.samples,
            won=won,
            lost=lost,
            samples=stack.samples,
            p=p,
            adjusted=float(q),
        )
        for (i, j), (won, lost), p, q in zip(pairs, counts, p_values, holm(p_values), strict=True)
    ), ""


HEADER = (
    "setting", "value", "runs", "seeds", "members", "last_val_accuracy", "last_sd", "last_low", "last_high",
    "best_val_accuracy", "best_sd", "train_accuracy", "train_cross_entropy", "val_cross_entropy", "confounded_with",
)  # fmt: skip


def write_compare_csv(path: Path, value: Comparison) -> None:
    """Write one row a group, fractions in full, whole or not at all."""
    rows = []
    for group, seeds in zip(value.groups, value.seeds, strict=True):
        last, best = group.spread("last"), group.spread("best")
        ends = (group.spread(c).mean for c in ("train_accuracy", "train_cross_entropy", "val_cross_entropy"))
        rows.append([
            value.setting, group.label, len(group.members), seeds, "+".join(m.name for m in group.members),
            last.mean, last.sd, last.low, last.high, best.mean, best.sd, *ends,
            "+".join(other.setting for other in value.confounded),
        ])  # fmt: skip
    write_csv(path, HEADER, rows)
