"""How the documentation is built: `make docs`, warnings are errors."""

import ast
import importlib.metadata
import json
import re
import sys
from importlib import import_module
from pathlib import Path

import click
from docutils import nodes
from docutils.statemachine import StringList
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import kofn

sys.path.insert(0, str(Path(__file__).parent / "notebooks"))
as_markdown = import_module("run").as_markdown

ROOT = Path(__file__).parent.parent
project = "kofn"
release = importlib.metadata.version("kofn")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
source_suffix = {".md": "markdown", ".ipynb": "notebook"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "kofn"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#0072B2"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#56B4E9"},
}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Values are documented where they are defined; their fields stand in the docstring's own words.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
toc_object_entries = False
# Nothing is asked of the network while building.
html_static_path: list[str] = []


class Commands(SphinxDirective):
    """Every installed command with what its --help says, in words and order as on a terminal 100 columns wide."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each command, subcommands after their group."""
        found: list[nodes.Node] = []
        for script in sorted(importlib.metadata.distribution("kofn").entry_points, key=lambda e: e.name):
            module = import_module(script.module)
            command = next(c for c in vars(module).values() if isinstance(c, click.Command) and _runs(module, c))
            found += self._sections(command, script.name, None)
        return found

    def _sections(self, command: click.Command, path: str, parent: click.Context | None) -> list[nodes.Node]:
        context = click.Context(command, info_name=path if parent is None else command.name, parent=parent,
                                max_content_width=100, terminal_width=100)  # fmt: skip
        section = nodes.section(ids=[path.replace(" ", "-")], names=[path])
        section += nodes.title(text=path)
        section += nodes.literal_block(text=command.get_help(context), language="none")
        found: list[nodes.Node] = [section]
        for name, sub in getattr(command, "commands", {}).items():
            found += self._sections(sub, f"{path} {name}", context)
        return found


class House(SphinxDirective):
    """Every module of the three packages with the first line of its docstring, folder by folder."""

    def run(self) -> list[nodes.Node]:
        """Return a section a folder, with a table of its modules."""
        found: list[nodes.Node] = []
        for package in ("ensemble", "analysis", "cli"):
            for folder in sorted({path.parent for path in (ROOT / package).rglob("*.py")}):
                name = folder.relative_to(ROOT).as_posix()
                section = nodes.section(ids=[name.replace("/", "-")], names=[name])
                section += nodes.title(text=name)
                section += nodes.paragraph(text=_first_line(folder / "__init__.py"))
                modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
                items = nodes.definition_list()
                for path in modules:
                    items += nodes.definition_list_item(
                        "", nodes.term("", "", nodes.literal(text=path.stem)),
                        nodes.definition("", nodes.paragraph(text=_first_line(path))),
                    )  # fmt: skip
                if modules:
                    section += items
                found.append(section)
        return found


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


class Door(SphinxDirective):
    """Every public name of `kofn`, grouped by the package that defines it: the reference of Python."""

    def run(self) -> list[nodes.Node]:
        """Return a section a package, with each name's signature and docstring."""
        groups: dict[str, list[str]] = {}
        for name in kofn.__all__:
            groups.setdefault(_home(getattr(kofn, name)), []).append(name)
        lines: list[str] = []
        for home in sorted(groups, key=lambda home: (home.split(".")[0] != "ensemble", home)):
            lines += [f"## {home}", "", "```{eval-rst}"]
            for name in groups[home]:
                value = getattr(kofn, name)
                kind = "autoclass" if isinstance(value, type) else "autofunction" if callable(value) else "autodata"
                lines += [f".. {kind}:: kofn.{name}", *(["   :members:"] if kind == "autoclass" else []), ""]
            lines += ["```", ""]
        section = nodes.section()
        section.document = self.state.document
        self.state.nested_parse(StringList(lines, source="kofn"), 0, section, match_titles=True)
        return list(section.children)


def _home(value: object) -> str:
    """Return the package, such as `analysis.selection`, that defines a value."""
    return ".".join(str(getattr(value, "__module__", type(value).__module__)).split(".")[:2])


def _runs(module: object, command: click.Command) -> bool:
    """Say whether a module's `main` runs this command, rather than one of its subcommands."""
    return command in [cell.cell_contents for cell in module.main.__closure__]  # ty: ignore[missing-attribute]


_FIELDS = re.compile(r"([a-z_][\w]*(?:, [a-z_][\w]*)*): (.*)")


def plain(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Turn a docstring of the house, plain text with a line `name: what it is` a field, into reStructuredText."""
    made: list[str] = []
    within = False  # a list of fields
    for line in lines:
        text = re.sub(r"([\\*|]|_(?=\W|$))", r"\\\1", line.strip())
        text = re.sub(r"`([^`]+)`", r"``\1``", text)
        field = _FIELDS.fullmatch(text)
        if field is not None:
            made += ([] if within else [""]) + [f"- **{field[1]}**: {field[2]}"]
            within = True
        elif within and text.startswith("Raises "):
            made += ["", text]
            within = False
        elif not text:
            made.append("")
            within = False
        else:
            made.append(f"  {text}" if within else text)
    lines[:] = made


class Notebook(MystParser):
    """Reads a notebook that was run as a page."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Parse it as the Markdown that it reads like."""
        super().parse(as_markdown(json.loads(inputstring)), document)


def setup(app: Sphinx) -> None:
    """Register the directives, and how docstrings and notebooks are read."""
    app.add_source_parser(Notebook)
    app.add_directive("commands", Commands)
    app.add_directive("house", House)
    app.add_directive("door", Door)
    app.connect("autodoc-process-docstring", plain)
