"""A page's value becomes one HTML file that asks nothing of any network."""

import base64
import hashlib
import io
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from analysis.page import sections
from analysis.page.limit import within
from analysis.page.markup import Markup, join, picture, shown, tag
from analysis.page.packed import document, harmless
from analysis.page.pictures import Encode
from analysis.page.value import Page
from analysis.page.words import classes_words, facts, heading
from analysis.sentences import weak_judges
from ensemble.study.atomic import write_text

# In the order they build on one another; each is a few dozen lines, and they share one scope.
SCRIPTS = (
    "base", "data", "study", "state", "scale", "grid", "paint", "tip", "front", "scatter", "pointer", "keys", "filter",
    "ranking", "chosen", "versus", "sortable", "classes", "curves", "class", "matrix", "errors", "reliability", "take",
    "peek", "main",
)  # fmt: skip


def write_page(page: Page, path: Path, encode: Encode | None = None) -> Page:
    """Write the page, whole or not at all; return it as it is written, in less than 4 MB: see `limit.within`.

    encode: gives a MIME type and a file's bytes for pixels; without it there are no filters.
    """
    html, page = page_html(page, encode)
    write_text(path, html)
    return page


def page_html(page: Page, encode: Encode | None = None) -> tuple[str, Page]:
    """Return the page as HTML, and as it stands there."""
    template = Template(_resource("template.html"))
    fixed = _fixed(page, encode)
    last: list[tuple[Page, str]] = []  # the page that is kept is not made twice

    def html(one: Page) -> str:
        left = one.lacking.get("further samples", "")
        return template.substitute(fixed, counted=join([left]), how=sections.how(one), data=harmless(document(one)))

    def size_of(one: Page) -> int:
        last[:] = [(one, html(one))]
        return len(last[0][1].encode())

    page = within(page, size_of)
    return last[0][1] if last[0][0] is page else html(page), page


def _fixed(page: Page, encode: Encode | None) -> dict[str, str]:
    """Return what stands in the template's places, but for what a page that is too large has less of."""
    style, script = _resource("style.css"), _script()
    parts = [sections.members(page), sections.diversity(page), sections.training(page), sections.filters(page, encode)]
    one = len(page.members) == 1
    there = {"members": "Members", "diversity": "Diversity", "training": "Training", "filters": "Filters"}
    linked = [(key, title) for (key, title), part in zip(there.items(), parts, strict=True) if part]
    return {
        "policy": policy(style, script),
        "title": join(
            [f"{shown(heading(page))}: {'one classifier' if one else 'every ensemble'} on {page.table.split}"]
        ),
        "kind": "one-member" if one else "many-members",
        "eyebrow": "one classifier" if one else "every k-of-n ensemble of a study",
        "skip": "the scores" if one else "the chart",
        "subsets": "Scores" if one else "Every subset",
        "errors": "images that it predicts wrongly. Those"
        if one
        else "images predicted wrongly, or rightly although most members are wrong. Those that all get wrong",
        "weak": join([weak_judges(page.table.find(2 ** len(page.members) - 1).accuracy, len(page.members))]),
        "style": style,
        "study": join([shown(heading(page))]),
        "facts": join([facts(page)]),
        "links": _links(linked, one),
        "summary": sections.summary(page),
        "sizes": "" if one else sections.sizes(page),
        "worth": "" if one else sections.worth(page),
        "cost": sections.cost(page) or "",
        "curve": ""
        if one
        else join(
            (
                _drawn(_curve, page, "Accuracy of every subset by the number of its members"),
                tag("p", "With JavaScript this chart can be explored, filtered and searched.", class_="note"),
            )
        ),
        "classwords": join([classes_words(page)]),
        "classrows": sections.class_rows(page),
        "classpicture": _drawn(_classes, page, "The hardest and the easiest classes"),
        "sections": join(parts),
        "version": version("kofn"),
        "script": script,
    }


def policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy under which this style and this script may run, and nothing may be fetched."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _resource(name: str) -> str:
    return (files("analysis.page") / name).read_text(encoding="utf-8")


def _script() -> str:
    body = "\n".join(_resource(f"script/{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}}})();\n'


def _links(further: list[tuple[str, str]], one: bool) -> Markup:
    shown_ = [("summary", "In short"), ("subsets", "Scores" if one else "Subsets"), ("classes", "Classes"),
              ("confusion", "Confusion"), ("errors", "Errors"), ("reliability", "Calibration"),
              *further, ("how", "How")]  # fmt: skip
    return join(
        tag(
            "li",
            tag("a", title, href=f"#{key}"),
            class_="live-only" if key in ("confusion", "errors", "reliability") else None,
        )
        for key, title in shown_
    )


def _drawn(draw: Callable[[Page], bytes], page: Page, alt: str) -> Markup:
    return tag("p", picture("image/png", draw(page), alt, class_="figure"))


def _curve(page: Page) -> bytes:
    from analysis.figures.curve import curve_figure
    from analysis.figures.style import style

    best = page.choice("best")
    with style():
        return _png(curve_figure(page.table, 5.4, 3.6, honest=best.honest if best else None))


def _classes(page: Page) -> bytes:
    from analysis.figures.per_class import per_class_figure
    from analysis.figures.style import style

    with style():
        return _png(per_class_figure(page.classes, f"Accuracy by class on {page.table.split}, all members"))


def _png(figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, metadata={"Software": None})
    return file.getvalue()
