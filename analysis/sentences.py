"""What terminal, page and pictures say of results in sentences: each true in every case in which it can appear."""

from collections.abc import Sequence

GLOSSARY = "docs/glossary.md"
WAYS = {"best": "the best subset", "greedy": "greedy selection", "weights": "the weights", "stack": "stacking"}
UNEQUAL = {"greedy": "greedy", "weights": "weights", "stack": "stacking", "given": "given weights"}
SAME = 5e-4  # accuracies nearer than this read alike: a twentieth of a point


def percent(share: float, digits: int = 1) -> str:
    """Return a fraction in percent, without the sign."""
    return f"{100 * share:.{digits}f}"


def span(low: float | None, high: float | None, digits: int = 1) -> str:
    """Return an interval of fractions in percent; nothing where there is none."""
    return "" if low is None or high is None else f"{percent(low, digits)}–{percent(high, digits)}"


def many(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 subset", "3 subsets", "2 classes"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def capital(text: str) -> str:
    """Return a sentence with a capital at its beginning; names inside stay as they are."""
    return text[:1].upper() + text[1:]


def oracle(any_right: float, all_right: float) -> str:
    """Say what part of the images at least one member, and every member, has right.

    Of a method that picks one member's prediction for each image the first is the limit. It is none for a mean of
    probabilities: the class that all members have second can win where each has another first.
    """
    return (
        f"At least one member is right on {percent(any_right)} % of the images (the oracle accuracy), every one on "
        f"{percent(all_right)} %. Picking one member's prediction for each image cannot do better than the oracle; "
        "averaging probabilities can, where the members' second choices agree."
    )


def wrong_for_all(none_right: int, and_ensemble: int, unanimous: int, members: int) -> str:
    """Say on how many images no member is right, on how many of them the ensemble is not either.

    unanimous: on how many of the latter all members predict the same class.
    """
    if members == 1:
        return f"{many(and_ensemble, 'image')} that the member gets wrong"
    rescued = none_right - and_ensemble
    told = f"{many(and_ensemble, 'image')} that the ensemble and all {members} members get wrong"
    if unanimous:
        told += f" ({unanimous:,} with one and the same class)"
    if rescued:
        told += f"; on {rescued:,} more no member is right, but the ensemble is"
    return told


def flattery(apparent: float, honest: float, split: str) -> str:
    """Say what the accuracy of something chosen on `split` is worth: fractions."""
    if honest > apparent - SAME:
        return (
            f"It was chosen on {split}, but its honest score is no lower than the {percent(apparent)} % it has there."
        )
    return (
        f"It was chosen on {split}, so the {percent(apparent)} % it has there are likely to flatter it: its honest "
        f"score is {percent(honest)} %."
    )


def chosen_on(choices: int, split: str) -> str:
    """Say from how many subsets an ensemble was chosen on the split that scores it; 0 where its weights were fitted."""
    how = f"chosen from {choices:,} subsets" if choices else "fitted"
    return f"It was {how} on {split}, the split that scores it, so this score is likely to flatter it."


def compared(way: str, samples: int, difference: float, low: float, high: float, won: int, lost: int) -> str:
    """Say what a way of choosing gains over taking the best member, each scored on samples after those it chose on.

    way: "best", "greedy", "weights" or "stack". difference, low, high: fractions, the gain and its interval.
    """
    return (
        f"Way against way: {WAYS[way]} and the best member, each chosen anew on the samples before and scored on the "
        f"next, {samples:,} in all: {100 * difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f}) for "
        f"{WAYS[way]}, {won:,} won and {lost:,} lost."
    )


def two_gains(way: str) -> str:
    """Say why the gain of the chosen ensemble and the one of `compared` differ."""
    return (
        f"This is what choosing {WAYS[way]} gains on samples that had no part in the choice, on average over what was "
        "chosen from fewer samples; the gain above is that of the one ensemble, on the samples it was chosen on."
    )


def unequal(names: Sequence[str]) -> str:
    """Say that some ways to choose weigh members, and what that means beside the best subset; nothing for none."""
    there = [UNEQUAL[name] for name in names if name in UNEQUAL]
    if not there:
        return ""
    one = len(there) == 1
    listed = there[0] if one else f"{', '.join(there[:-1])} and {there[-1]}"
    return (
        f"{listed} may weigh members unequally, so {'it' if one else 'they'} may score above the best subset, whose "
        "members count alike."
    )


def chance(p: float) -> str:
    """Say that a difference may be chance; nothing where p is below 5 %."""
    return "" if p < 0.05 else " This may be chance."
