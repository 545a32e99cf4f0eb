"""What a page says in plain words, out of its numbers."""

from analysis.classes.confusion import first_names
from analysis.copies import copies_words
from analysis.page.choices import Choice
from analysis.page.markup import shown
from analysis.page.value import Page
from analysis.sentences import (
    capital,
    chance,
    compared,
    flattery,
    many,
    nothing_between,
    p_text,
    power,
    ranged,
    span,
    two_gains,
)
from analysis.subsets.table import name_set
from ensemble.study.tabular import percent

NARROW = "\u00a0%"  # a sign that never stands alone at the start of a line
LONG = 72  # letters of names in a sentence or a cell; of more it is their number that is told first
SMALL = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def heading(page: Page) -> str:
    """Return the page's heading: the data and the folder of a study, the title of bare predictions."""
    return page.study if page.data in ("predictions", page.study) else f"{page.data} / {page.study}"


def facts(page: Page) -> str:
    """Return the study's facts in a line."""
    table = page.table
    return " · ".join(
        (
            many(len(table.members), "member"),
            f"{table.samples:,} images of {many(table.classes, 'class', 'classes')}",
            f"split {table.split}",
            *((f"{table.count:,} subsets, every one scored",) if table.count > 1 else ()),
        )
    )


def lead(page: Page) -> str:
    """Return the first sentences: how good the members are alone, all together, and as the best subset."""
    table = page.table
    members = len(table.members)
    alone = [member.scores["accuracy"] for member in page.members]
    if members == 1:
        return f"One member looked at {table.samples:,} images and is right on {percent(alone[0])}\u00a0% of them."
    count = SMALL[members] if members < len(SMALL) else f"{members}"
    everyone = table.find(2**members - 1).accuracy
    together = "both" if members == 2 else f"all {count.lower()}"
    text = (
        f"{count} members looked at {table.samples:,} images of {many(table.classes, 'class', 'classes')}. "
        f"Alone they are right on {ranged(min(alone), max(alone)).replace(' %', NARROW)} of them; "
        f"{together} together on {percent(everyone)}\u00a0%."
    )
    same = copies_words(page.copies, [shown(name) for name in table.members])
    return " ".join(part for part in (text, same, best_words(page)) if part)


def best_words(page: Page) -> str:
    """Say which subset is best, and what that is worth."""
    table, choice = page.table, page.choice("best")
    best = table.best()
    names = shown(name_set(best.members, table.members))
    who = names if len(names) <= LONG else f"one of {len(best.members)} members"
    text = f"The best of the {many(table.count, 'subset')}, {who}, is right on {percent(best.accuracy)}\u00a0%."
    alike = int((table.correct == best.correct).sum())
    if alike > 1 and len(table) == table.count:
        text += f" {alike:,} subsets are as accurate; of these it has the fewest members, or else the lowest NLL."
    honest = None if choice is None else choice.honest
    if honest is None or honest.score is None:
        return f"{text} There are too few images for an honest score of that choice."
    worth = flattery(best.accuracy, honest.score, "these very images").replace(" %", "\u00a0%")
    return f"{text} {worth} Its 95\u00a0% interval is {span(honest.low, honest.high)}\u00a0%."


def paired_words(page: Page) -> str:
    """Say what choosing the best subset gains over taking the best member, with its interval, its p and its caveat."""
    found = page.paired
    if found is None:
        return ""
    if not found.won + found.lost:
        return nothing_between("best", found.samples)
    gain = compared("best", found.samples, found.difference, found.low, found.high, found.won, found.lost)
    return (
        f"{gain.replace('(-', '(−').replace(' -', ' −')} {p_text(found.p)} (McNemar, mid-p).{chance(found.p)} "
        f"{power(found.power_80)} {two_gains('best', 'the difference of the two apparent accuracies above')}"
    )


def classes_words(page: Page) -> str:
    """Say which class is hardest and which easiest, or how many share the lowest and the highest recall."""
    value = page.classes
    if not value.scored:
        return "No class has images on this split."

    names = first_names(value.class_names, value.class_ids)

    def one(row: int, hard: bool) -> str:
        alike = value.lowest if hard else value.highest
        found = f"{shown(names[row])} ({value.correct[row]} of {value.samples[row]} right)"
        if alike == 1:
            surely = f", truly so with a probability of {percent(value.hardest_share, 0)}\u00a0%" if hard else ""
            return f"the {'hardest' if hard else 'easiest'} class is {found}{surely}"
        recall = f"recall, {percent(value.accuracy[row], 0)}\u00a0%"
        return f"{alike} classes share the {'lowest' if hard else 'highest'} {recall}, {found} among them"

    if value.scored == 1:
        return f"All images are of one class, {shown(names[0])}: {value.correct[0]} of {value.samples[0]} right."
    if value.lowest == value.scored:
        return f"All {value.scored} classes have one recall, {percent(value.accuracy[0], 0)}\u00a0%."
    parts = f"{one(0, True)}; {one(value.scored - 1, False)}."
    return f"For all members together {parts}" if len(page.members) > 1 else capital(parts)


def choice_words(choice: Choice, page: Page) -> str:
    """Name a choice."""
    return {
        "best": f"best of all {many(page.table.count, 'subset')}",
        "member": "best member",
        "size": f"best {choice.size} members",
        "all": "all members, nothing chosen" if len(page.members) > 1 else "the only member",
        "greedy": "greedy, weighted",
        "weights": "best weights",
        "stack": "stacking",
    }[choice.name]


def chosen_words(choice: Choice, page: Page) -> str:
    """Name the members of what was chosen, with their weights where these differ."""
    members = page.table.members
    if choice.mask is not None:
        return shown(name_set(page.table.members_of(choice.mask), members))
    if choice.weights is None:
        return "a regression on all members"
    return ", ".join(f"{percent(weight, 0)}\u00a0% {shown(members[i])}" for i, weight in choice.weights.items())
