"""How the documentation is built: `make docs`, warnings are errors."""

import importlib.metadata
import re
from importlib import import_module

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

project = "kofn"
release = importlib.metadata.version("kofn")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
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


def setup(app: Sphinx) -> None:
    """Register the directive, and how docstrings are read."""
    app.add_directive("commands", Commands)
    app.connect("autodoc-process-docstring", plain)
