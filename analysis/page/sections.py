"""The parts of a page that stay as they are, whatever subset is chosen: they are readable without JavaScript."""

import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np

from analysis.classes.per_class import short_names
from analysis.page.markup import Markup, join, name, picture, shown, table, tag
from analysis.page.pictures import Encode
from analysis.page.value import Page
from analysis.page.words import LONG, choice_words, chosen_words, classes_words, lead, paired_words
from analysis.selection.costs import cost_text
from analysis.sentences import GLOSSARY, many, oracle, ranged, span
from analysis.subsets.table import name_set
from ensemble.study.history import History
from ensemble.study.tabular import percent

HEATS = 5
MOST_OF_FILTERS = 400_000  # bytes of their pictures
LARGER, GAP = 4, 3  # pixels of a filter's weight, and between filters


def summary(page: Page) -> Markup:
    """Return the first section: a few sentences, four numbers, and what is missing."""
    best, everyone = page.choice("best"), page.choice("all")
    member = page.choice("member") or everyone
    tiles = []
    if member is not None and everyone is not member:
        tiles.append(_tile("Best member, apparent accuracy", member.honest.apparent, chosen_words(member, page)))
        if member.honest.score is not None:
            interval = f"95\u00a0% interval {span(member.honest.low, member.honest.high)}\u00a0%"
            tiles.append(_tile("Best member, honest score", member.honest.score, interval))
    if everyone is not None:
        interval = f"95\u00a0% interval {span(everyone.honest.low, everyone.honest.high)}\u00a0%"
        tiles.append(_tile(choice_words(everyone, page).capitalize(), everyone.honest.apparent, interval))
    if best is not None:
        of = (best.mask or 0).bit_count()
        tiles.append(_tile("Best subset, apparent accuracy", best.honest.apparent, chosen_words(best, page), of))
        if best.honest.score is not None:
            interval = f"95\u00a0% interval {span(best.honest.low, best.honest.high)}\u00a0%"
            tiles.append(_tile("Best subset, honest score", best.honest.score, interval))
    return join((
        *(tag("p", shown(warning), class_="callout name") for warning in page.warnings),
        tag("p", lead(page), class_="lead name"), tag("dl", *tiles, class_="tiles"),
        tag("p", paired_words(page)) if page.paired is not None else None, tag("p", classes_words(page)),
    ))  # fmt: skip


def _tile(title: str, share: float, note: str, members: int = 1) -> Markup:
    value = tag("strong", percent(share), tag("small", " %"))
    return tag("div", tag("dt", title), tag("dd", value, _named(note, members, "note name")), class_="tile")


def _named(names: str, members: int, kind: str = "name") -> Markup:
    """Return the names of a subset's members, unbroken; of many letters how many they are, which unfolds to them."""
    parts = [tag("span", part, class_="whole") for part in names.split(" + ")]
    listed = tag("span", join(parts, " + "), class_=kind)
    if len(names) <= LONG:
        return listed
    return tag("details", tag("summary", many(members, "member")), listed)


def sizes(page: Page) -> Markup:
    """Return the table of all subsets by their size."""
    rows = [
        (str(s.k), f"{s.subsets:,}", *map(percent, (s.mean_accuracy, s.min_accuracy, s.max_accuracy)),
         f"{s.mean_nll:.4f}", _named(shown(name_set(s.best.members, page.table.members)), s.k))
        for s in page.table.by_size()
    ]  # fmt: skip
    heads = ("k", "subsets", "mean %", "lowest %", "highest %", "mean NLL", "the most accurate")
    return table("All subsets by their size", heads, rows, left=(0, 6))


def worth(page: Page) -> Markup:
    """Return the table of what was chosen, with the score that does not flatter beside the one that does."""
    rows = []
    for choice in page.choices:
        honest = choice.honest
        rows.append((
            choice_words(choice, page).capitalize(),
            percent(honest.apparent),
            "–" if honest.score is None else percent(honest.score),
            span(honest.low, honest.high) or "–",
            "–" if choice.stability is None else percent(choice.stability, 0),
            _weighed(chosen_words(choice, page).split(", "))
            if choice.weights and choice.mask is None
            else _named(chosen_words(choice, page), (choice.mask or 0).bit_count()),
        ))  # fmt: skip
    heads = ("chosen", "apparent %", "honest %", "95 % interval", "same choice %", "members")
    words = (
        "What is chosen because it scores best on some images scores better there than on others: chance helped it "
        "win. So each choice was made again on a part of the images and scored on the others, which it had not seen, "
        "many times over. The honest score is what that way of choosing is worth on "
        "new images, the members as they are. “Same choice” tells how often those selections took the same members."
    )
    if all(choice.honest.score is None for choice in page.choices if choice.name != "all"):
        words = (
            "What is chosen because it scores best on some images scores better there than on others: chance helped it "
            "win. Here there are too few images to choose on some and score on others, so there is no honest score."
        )
    return tag("div", tag("h3", "What choosing is worth"), tag("p", words), table(
        "Ways to choose, apparent and honest accuracy", heads, rows, left=(0, 5)))  # fmt: skip


def cost(page: Page) -> Markup | None:
    """Return the table of the front: what accuracy can be had for what cost."""
    front = page.front
    if front is None or len(page.members) < 2:
        return None
    rows = [
        (cost_text(p.cost), percent(p.score), "–" if p.honest.score is None else percent(p.honest.score),
         span(p.honest.low, p.honest.high) or "–", _named(shown(name_set(p.members, front.members)), len(p.members)))
        for p in front.points
    ]  # fmt: skip
    words = (
        f"A subset’s cost is the sum of its members’: {shown(front.what)}. Of all {page.table.count:,} subsets the "
        f"front holds {len(rows):,}: no other has as high an accuracy at their cost or below. The honest score is that "
        "of choosing the most accurate subset of at most this cost, on images that had no part in the choice."
    )
    heads = ("cost", "apparent %", "honest %", "95 % interval", "members")
    buttons = tag("div", tag("button", "Show in the chart", type="button", id="show-cost"),
                  tag("button", "Table (CSV)", type="button", id="take-front"),
                  class_="toolbar takes live-only")  # fmt: skip
    return tag("div", tag("h3", "What accuracy costs"), tag("p", words), buttons,
               table("The front of accuracy against cost", heads, rows, left=(0, 4)), id="cost")  # fmt: skip


def _weighed(parts: Sequence[str]) -> Markup:
    """Return weights with their members' names, each with its comma unbroken."""
    commas = [*("," for _ in parts[1:]), ""]
    return join((tag("span", f"{part}{c}", class_="name whole") for part, c in zip(parts, commas, strict=True)), " ")


def class_rows(page: Page) -> Markup:
    """Return the rows of the table of classes for all members together, hardest first."""
    value = page.classes
    names = [shown(text) for text in short_names(value)]
    rows = []
    for i in range(len(value)):
        other = value.confused_with[i][:1]
        if not value.samples[i]:
            cells = [tag("td", "no images on this split", colspan=4, class_="none")]
        else:
            confused = f"{shown(other[0].name.split(', ')[0], shown(other[0].id))} ({other[0].count})" if other else "–"
            cells = [
                tag("td", f"{percent(value.accuracy[i], 0)} % ", tag("small", span(value.low[i], value.high[i], 0))),
                tag("td", f"{value.correct[i]}/{value.samples[i]}"),
                tag("td", "–"),
                tag("td", confused, class_="name confused-with"),
            ]
        rows.append(tag("tr", tag("th", name(names[i]), scope="row"), *cells))
    return join(rows)


def members(page: Page) -> Markup:
    """Return the section of single members."""
    settings = list(dict.fromkeys(key for member in page.members for key in member.settings))
    several = len(page.members) > 1
    worth_heads = ("Shapley value, points", "all but it %") if several else ()
    top5 = ("top-5 %",) if page.table.classes > 5 else ()
    heads = ("member", "accuracy %", *top5, "NLL", "Brier", *worth_heads, *settings)
    rows = []
    for member in page.members:
        scores = member.scores
        worth_cells = (
            f"{100 * member.share:+z.2f}".replace("-", "−"), "–" if member.without is None else percent(member.without),
        )  # fmt: skip
        rows.append((
            join((name(shown(member.name)), " (random start)" if member.random_start else None)),
            percent(scores["accuracy"]), *(percent(scores["top5"]) for _ in top5),
            f"{scores['nll']:.4f}", f"{scores['brier']:.4f}",
            *(worth_cells if several else ()),
            *(name(shown(member.settings.get(key, "–"))) for key in settings),
        ))  # fmt: skip
    words = (
        "A member’s Shapley value is its share in the way from guessing to all members together: what it adds, "
        "averaged over every order in which they could join. “All but it”: the accuracy of all other members together."
    )
    if len(settings) > 1:
        words += (
            " Then come the networks and the settings in which recipes differ, by their names there; “–”: that "
            "member’s recipe does not name it. Where the table is wider than the page it scrolls sideways."
        )
    left = tuple(len(heads) - len(settings) + i for i, key in enumerate(settings) if key == "model")
    if not several:
        return _section("members", "The member", table("Its scores and settings", heads, rows, (0, *left)))
    return _section("members", "Members", tag("p", words, class_="intro"),
                    table("Every member alone, and its share", heads, rows, (0, *left), sortable=True))  # fmt: skip


def diversity(page: Page) -> Markup | None:
    """Return the section on how often members differ, those that differ least side by side."""
    found = page.diversity
    count = len(found.members)
    if count < 2:
        return None
    values = found.disagreement[np.ix_(found.order, found.order)]
    apart = values[~np.eye(count, dtype=bool)]
    low, high = float(apart.min()), float(apart.max())
    names = [shown(found.members[i]) for i in found.order]

    def cell(i: int, j: int) -> Markup:
        if i == j:
            return tag("td", "·", class_="self")
        heat = 1 + min(HEATS - 1, int(HEATS * (values[i, j] - low) / (high - low or 1)))
        return tag("td", percent(values[i, j], 0), class_=f"heat-{heat}", title=f"{names[i]} and {names[j]}")

    every = range(count)
    heads = [tag("th", str(j + 1), tag("span", f", {names[j]}", class_="hidden"), scope="col") for j in every]
    rows = [tag("tr", tag("th", f"{i + 1} ", name(names[i]), scope="row"), *(cell(i, j) for j in every)) for i in every]
    words = (
        "On how many of a hundred images two members predict different classes. Members that err alike add little to "
        f"each other: here two of them differ on {percent(apart.mean(), 0)}\u00a0% of the images"
        + (f" on average, from {ranged(low, high, 0)}." if percent(low, 0) != percent(high, 0) else ".")
    )
    if found.oracle is not None and found.all_right is not None:
        words += f" {oracle(found.oracle, found.all_right)}".replace(" %", "\u00a0%")
    head = tag("thead", tag("tr", tag("th", "member", scope="col"), *heads))
    frame = tag("div", tag("table", head, tag("tbody", *rows), class_="matrix"), class_="scroller", tabindex=0,
                role="region", aria_label="How often two members differ")  # fmt: skip
    return _section("diversity", "How much members differ", tag("p", words, class_="intro"),
                    tag("div", frame, class_="card"))  # fmt: skip


def training(page: Page) -> Markup | None:
    """Return the section of training curves, a small drawing a member."""
    if not page.histories:
        return None
    shared = limits(page.histories)
    figures = [
        tag("figure", tag("figcaption", tag("b", shown(history.member), class_="name")), training_plot(history, shared))
        for history in page.histories
    ]
    key = tag("p", tag("span", class_="key train"), "train", tag("span", class_="key"), "val", class_="note")
    return _section("training", "Training", tag("p", "After each epoch; all drawings share their scales.",
                    class_="intro"), key, tag("div", *figures, class_="small-multiples"))  # fmt: skip


def filters(page: Page, encode: Encode | None) -> Markup | None:
    """Return the section of first-layer filters, a picture a member."""
    if not page.filters or encode is None:
        return None
    figures, room = [], MOST_OF_FILTERS
    for grid in page.filters:
        mime, data = encode(montage(grid.tiles, grid.columns), None)
        room -= len(data)
        if room < 0 and figures:
            break
        out, channels, height, width = grid.kernels.shape
        text = f"{many(out, 'filter')} of {height} × {width}" + (f", {channels} channels" if channels > 1 else "")
        figures.append(tag(
            "figure", picture(mime, data, f"{text} of {shown(grid.member)}"),
            tag("figcaption", tag("b", shown(grid.member), class_="name"), tag("br"), tag("small", text)),
        ))  # fmt: skip
    words = "The first convolution’s weights, each filter from its smallest weight, dark, to its largest."
    if len(figures) < len(page.filters):
        words += f" Shown are those of {len(figures)} of {len(page.filters)} members; ens-report filters shows all."
    return _section("filters", "First-layer filters", tag("p", words, class_="intro"),
                    tag("div", *figures, class_="tiles-of-filters"))  # fmt: skip


def montage(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Return tiles float32 (T, h, w, Ch), 0..1, as one image uint8 (H, W, Ch), white between them."""
    large = np.rint(255 * tiles).astype(np.uint8).repeat(LARGER, axis=1).repeat(LARGER, axis=2)
    count, h, w, channels = large.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (h + GAP) - GAP, columns * (w + GAP) - GAP, channels), 255, np.uint8)
    for i, tile in enumerate(large):
        top, left = i // columns * (h + GAP), i % columns * (w + GAP)
        sheet[top : top + h, left : left + w] = tile
    return sheet


def how(page: Page) -> Markup:
    """Return how everything was computed, and the commands that do it again."""
    table_ = page.table
    words = (
        "An ensemble’s probabilities are the mean of its members’; it predicts the class with the largest, the first "
        "of equals. Members’ probabilities are summed as whole numbers, rounded to 2⁻²⁶, so that every count here is "
        f"exact and the same in any order; every one of the {table_.count:,} subsets was scored on all "
        f"{table_.samples:,} images."
        if table_.count > 1
        else "The class with the largest probability, the first of equals, is predicted; probabilities are compared as "
        "whole numbers, rounded to 2⁻²⁶."
    )
    words += (
        " Intervals of shares are Wilson’s, at 95 %. NLL is the mean negative logarithm of "
        "the probability of the truth, in nats; the Brier score the summed squared error, between 0 and 2."
    )
    if table_.floored:
        floored = many(table_.floored, "member probability", "member probabilities")
        words += f" {floored} of the truth below 1e-12 count as 1e-12."
    honest = page.choices[0].honest.how if page.choices else ""
    facts = [
        ("Study", shown(page.study)), ("Data", shown(page.data)),
        ("Split", ": ".join(part for part in (table_.split, page.definition) if part)),
        ("Images", f"fingerprint {page.fingerprint}" if page.fingerprint else "not known"),
        ("Versions", f"kofn {version('kofn')}, Python {platform.python_version()}, NumPy {version('numpy')}, "
                     f"SciPy {version('scipy')}"),
        ("Honest scores", honest or "none"),
        *((f"No {key}", shown(why)) for key, why in page.lacking.items()),
    ]  # fmt: skip
    listed = tag("dl", *(join((tag("dt", key), tag("dd", text))) for key, text in facts), class_="facts-list")
    again = (tag("h3", "Again, by hand"), tag("pre", "\n".join(page.commands), tabindex=0)) if page.commands else ()
    terms = tag("dl", *(join((tag("dt", term), tag("dd", text))) for term, text in GLOSSARY.items()),
                class_="facts-list")  # fmt: skip
    return join(
        (tag("p", words), listed, *again, tag("details", tag("summary", "What the terms mean"), terms, id="glossary"))
    )


def _section(key: str, title: str, *parts: str | None) -> Markup:
    heading = tag("h2", title, id=f"{key}-title")
    return tag("section", heading, *parts, id=key, aria_labelledby=f"{key}-title")


WIDTH, HEIGHT = 260, 220
MOST_EPOCHS = 220  # points of a line, one a pixel
LEFT, RIGHT = 34, 252
PANELS = (("accuracy", "Accuracy (%)", 22, 96), ("cross_entropy", "Cross-entropy", 130, 200))
Limits = dict[str, tuple[float, float]]


def limits(histories: Sequence[History]) -> Limits:
    """Return the range that every member's drawing shares, so that they can be compared: accuracies in percent."""
    found = {}
    for what, _, _, _ in PANELS:
        values = np.concatenate([_values(h, f"{part}_{what}") for h in histories for part in ("train", "val")])
        values = values[np.isfinite(values)]
        high, low = (float(values.max()), float(values.min())) if values.size else (1.0, 0.0)
        # Losses that hardly move, as of many classes at first, would be a flat line over much empty ground.
        foot = np.floor(10 * low) / 10 if what == "cross_entropy" and low > 0.6 * high else 0.0
        found[what] = (float(foot), high + 0.05 * (high - foot) or 1.0)
    return found


def training_plot(history: History, shared: Limits) -> Markup:
    """Return the drawing, train dashed and val drawn through."""
    epochs = history.columns["epoch"]
    if len(epochs) > MOST_EPOCHS:  # more than the drawing has room for
        rows = np.linspace(0, len(epochs) - 1, MOST_EPOCHS).round().astype(int)
        history = replace(history, columns={name: values[rows] for name, values in history.columns.items()})
        epochs = epochs[rows]
    parts = [_panel(history, epochs, shared[what], panel) for panel in PANELS for what in panel[:1]]
    last = int(epochs[-1])
    accuracy = history.last()[1]
    title = f"{last} epochs" + (f", {100 * accuracy:.1f} % on val at the end" if accuracy == accuracy else "")
    axis = tag("text", f"epoch {last}", x=RIGHT, y=HEIGHT - 3, text_anchor="end")
    return tag("svg", tag("title", title), *parts, axis, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")


def _panel(history: History, epochs: np.ndarray, shared: tuple[float, float], panel: tuple) -> Markup:
    what, title, top, bottom = panel
    low, high = shared
    parts = [tag("text", title, x=0, y=top - 11, class_="title")]
    for value in (low, _round(high)):
        y = bottom - (value - low) / (high - low) * (bottom - top)
        parts.append(tag("line", class_="grid", x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}"))
        parts.append(tag("text", f"{value:g}", x=LEFT - 5, y=f"{y + 4:.1f}", text_anchor="end"))
    for part in ("train", "val"):
        values = _values(history, f"{part}_{what}")
        seen = np.isfinite(values)
        across = LEFT + (epochs - 1) / max(1, epochs[-1] - 1) * (RIGHT - LEFT)
        up = bottom - (values - low) / (high - low) * (bottom - top)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across[seen], up[seen], strict=True))
        parts.append(tag("polyline", class_=f"curve {part}", points=points))
    return join(parts)


def _values(history: History, column: str) -> np.ndarray:
    values = history.columns[column]
    return 100 * values if column.endswith("accuracy") else values


def _round(high: float) -> float:
    """Return the largest round number that is not above `high`."""
    power = 10.0 ** np.floor(np.log10(high))
    return float(max(step * power for step in (1, 2, 2.5, 5, 8) if step * power <= high))
