"""README and docs/: every command they name exists, quick blocks run, and the pages build without a warning."""

import ast
import re
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import call
from doc_blocks import PAGES, ROOT, Block, blocks_of, is_quick, run_block
from served import STANDS

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS = sorted({line for block in BLOCKS for line in block.commands()})
QUICK = [page.relative_to(ROOT).as_posix() for page in PAGES if any(block.when == "run" for block in blocks_of(page))]


def test_there_are_blocks_that_run() -> None:
    assert len(COMMANDS) > 30
    assert QUICK


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_understood(line: str) -> None:
    """Its options exist: asked for with --help at the end, a misspelt one would be refused all the same."""
    program, *words = shlex.split(re.split(r" [|>&]|;", line)[0])
    done = call(program, *words, "--help")
    assert done.status == 0, done.err
    known = set(re.findall(r"--[a-z0-9-]+", done.out))
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known


def run_quick(page: Path, folder: Path) -> None:
    """Run the quick blocks of a page in a folder: README's as they stand, other pages' commands in this process."""
    for block in blocks_of(page):
        if not is_quick(block):
            continue
        lines = block.code.replace("\\\n", " ").strip().splitlines()
        if page.name == "README.md" or lines != block.commands():
            done = run_block(block, folder)
            assert done.returncode == 0, f"{block.name}\n{done.stdout}\n{done.stderr}"
        else:
            for line in lines:
                program, *words = shlex.split(line)
                told = call(program, *words, cwd=folder)
                assert told.status == 0, f"{block.name}: {line}\n{told.out}\n{told.err}"


def test_readmes_quick_blocks_run_and_the_tutorial_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tutorial begins with README's first command, which says in README's folder that nothing is left to do.

    Two epochs will do, where a reader has thirty: nothing here looks at how good the members are.
    """
    monkeypatch.setenv("ENS_TRAIN_EPOCHS", "2")
    pages = ROOT / "README.md", ROOT / "docs" / "tutorial.md"
    for page in pages:
        first = next(block for block in blocks_of(page) if block.when == "run")
        assert first.commands()[0] == "ens-train --variants 6"
        run_quick(page, tmp_path)


@pytest.mark.parametrize("name", [name for name in QUICK if name not in ("README.md", "docs/tutorial.md")])
def test_quick_blocks_run(name: str, tmp_path: Path) -> None:
    run_quick(ROOT / name, tmp_path)


def test_examples_import_from_the_door_alone() -> None:
    """A user imports from kofn, ensemble or analysis, and nowhere deeper."""
    doors = {"kofn", "ensemble", "analysis"}
    seen = 0
    for block in BLOCKS:
        if block.language != "python":
            continue
        for node in ast.walk(ast.parse(block.code)):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                assert module in doors or module.split(".")[0] not in {*doors, "cli"}, f"{block.name}: {module}"
                seen += module in doors
    assert seen >= 5


WHERE = re.findall(
    r"^\| .* \| `([^`]+)` \| `([^`]+)` \|$", (ROOT / "docs" / "where.md").read_text("utf-8"), re.MULTILINE
)


@pytest.mark.parametrize(("file", "name"), WHERE)
def test_things_are_where_the_page_says(file: str, name: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    last = name.split(".")[-1] if file.endswith(".py") else name
    assert re.search(rf"^ *(def |class |from .* as )?{re.escape(last)}\b", text, re.MULTILINE) or f"    {last}:" in text


@pytest.mark.parametrize("page", ["docs/where.md", "CONTRIBUTING.md"])
def test_paths_that_a_page_names_are_there(page: str) -> None:
    named = re.findall(
        r"`((?:ensemble|analysis|cli|tests|docs|benchmarks)/[\w/.-]*)`", (ROOT / page).read_text("utf-8")
    )
    assert len(named) > 5
    assert not [path for path in named if not (ROOT / path).exists()]


def test_a_block_that_fails_is_noticed(tmp_path: Path) -> None:
    for language, code in (("sh", "false\ntrue\n"), ("sh", "ens-combine --k 99 | cat\n"), ("python", "1 / 0\n")):
        block = Block(ROOT / "README.md", 1, "run", language, code)
        assert run_block(block, tmp_path).returncode != 0


def test_blocks_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n\n<!-- run -->\n```sh\nens-train  # all\nls\n```\n\n```python\nb = 1\n```\n")
    one, two = blocks_of(page)
    assert (one.when, one.language, one.line, one.commands()) == ("run", "sh", 5, ["ens-train"])
    assert (two.when, two.language, two.code, two.commands()) == ("", "python", "b = 1\n", [])


@pytest.mark.skipif(find_spec("sphinx") is None, reason="the documentation is built by the extra `docs`")
def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    code = "import sys; from sphinx.cmd.build import main; sys.exit(main(sys.argv[1:]))"
    words = ("-q", "-W", "--keep-going", "-b", "html", "-d", tmp_path / "trees", ROOT / "docs", tmp_path / "out")
    done = subprocess.run([STANDS.script("python"), "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / "out" / "reference" / "commands.html").read_text(encoding="utf-8")
    for script in ("ens-train", "ens-combine", "ens-report", "ens-import", "ens-data", "ens-predict"):
        assert f'id="{script}"' in commands
    assert "--variants INTEGER" in commands
