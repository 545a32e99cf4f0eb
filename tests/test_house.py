"""The house: which room may import which, and which room is the door of which heavy library."""

import ast
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("ensemble", "analysis", "cli")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# What analysis may take from ensemble: values and files, never what trains.
FROM_ENSEMBLE = (
    "ensemble.errors",
    "ensemble.machine",
    "ensemble.study",
    "ensemble.importing.parquet",
    "ensemble.importing.writers",
)

# Packages in the order of their arrows: each may import those before it and itself.
ORDER = {
    "ensemble": (
        "errors",
        "machine",
        "own_code",
        "study",
        "models",
        "datasets",
        "inference",
        "importing",
        "training",
    ),
}

DOORS = {
    "h5py": {"ensemble/study/hdf5.py"},
    "matplotlib": {"analysis/figures/"},
    "safetensors": {"ensemble/study/weights.py"},
    "torch": {"ensemble/models/", "ensemble/inference/", "ensemble/training/", "ensemble/study/weights.py"},
    "torchvision": {"ensemble/models/"},
    "timm": {"ensemble/models/"},
    "PIL": {"ensemble/datasets/decode.py"},
    "sklearn": {"ensemble/datasets/digits.py", "analysis/selection/stacking.py"},
    "rich": {"cli/common.py", "cli/board.py"},
    "multiprocessing": {"ensemble/training/pool.py"},
    "pyarrow": {"ensemble/importing/parquet.py"},
    "numba": {"analysis/subsets/kernels.py"},
    "ray": {"ensemble/training/on_ray.py"},
    "optuna": {"ensemble/training/search.py"},
    "pandas": {"ensemble/study/tabular.py"},
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """Every node of a file's tree."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports_of(path: Path, *, typing: bool = False) -> list[str]:
    """Every module a file imports, at its top or inside a function; those for the type checker alone where `typing`."""
    typing_only = {
        id(node)
        for block in nodes_of(path)
        if not typing and isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = []
    for node in nodes_of(path):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: relative import"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_go_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    allowed = {"ensemble": {"ensemble"}, "analysis": {"analysis", "ensemble"}, "cli": set(PACKAGES)}[package]
    for module in imports_of(path):
        top = module.split(".")[0]
        if top in PACKAGES:
            assert top in allowed, f"{name_of(path)} imports {module}"
        if package == "analysis" and top == "ensemble" and module != "ensemble":
            assert any(module == m or module.startswith(m + ".") for m in FROM_ENSEMBLE), f"{name_of(path)}: {module}"


def modules_of(path: Path) -> set[str]:
    """The files of this tree that a file imports, be it for the type checker alone."""
    return {module for module in imports_of(path, typing=True) if module in there()}


@cache
def there() -> set[str]:
    return {dotted(path) for path in FILES}


@cache
def dotted(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_no_imports_go_in_a_circle() -> None:
    arrows = {dotted(path): modules_of(path) for path in FILES}
    # Whoever imports nothing that is left is taken away, again and again; a circle stays.
    left = {name: {m for m in to if m != name and not name.startswith(m + ".")} for name, to in arrows.items()}
    while free := [name for name, to in left.items() if not to & left.keys()]:
        for name in free:
            del left[name]
    assert not left, {name: sorted(to & left.keys()) for name, to in left.items()}


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith("ensemble/")], ids=name_of)
def test_packages_stand_one_above_the_other(path: Path) -> None:
    order = ORDER["ensemble"]
    own = dotted(path).split(".")[1:2]
    if not own or own[0] not in order:
        return
    allowed = order[: order.index(own[0]) + 1]
    for module in imports_of(path):
        parts = module.split(".")
        if parts[0] == "ensemble" and len(parts) > 1 and parts[1] in order:
            assert parts[1] in allowed, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_each_heavy_library_has_its_door(path: Path) -> None:
    here = name_of(path)
    for module in imports_of(path):
        doors = DOORS.get(module.split(".")[0])
        if doors is not None:
            assert any(here == door or (door.endswith("/") and here.startswith(door)) for door in doors), module


def loaded_after(code: str) -> set[str]:
    """Top-level names of the modules that are loaded once `code` has run in a fresh interpreter."""
    script = f"import sys\n{code}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_is_light(package: str) -> None:
    heavy = {"torch", "matplotlib", "sklearn", "safetensors", "PIL"}
    assert not heavy & loaded_after(f"import {package}")


def test_planning_loads_nothing_that_trains(tmp_path: Path) -> None:
    """So that `ens-train` of a finished study answers at once."""
    code = f"import kofn; kofn.plan_members(kofn.begin_study({str(tmp_path / 'study')!r}, 'digits'), variants=2)"
    assert not {"torch", "sklearn", "matplotlib"} & loaded_after(code)


COMMANDS = {"ens-train": "cli.train", "ens-combine": "cli.combine", "ens-report": "cli.report",
            "ens-import": "cli.importing", "ens-data": "cli.data", "ens-predict": "cli.predict",
            "ens-export": "cli.exporting", "ens-check": "cli.check"}  # fmt: skip


@pytest.mark.parametrize(("command", "module"), COMMANDS.items())
def test_help_teaches_by_example_and_loads_nothing_heavy(command: str, module: str) -> None:
    code = f"""
import contextlib, io
from {module} import main
sys.argv = ["{command}", "--help"]
text = io.StringIO()
with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
    main()
assert "Usage: {command}" in text.getvalue(), text.getvalue()
assert "Examples:" in text.getvalue() and text.getvalue().count("{command} ") >= 3, text.getvalue()
assert max(map(len, text.getvalue().splitlines())) <= 80, text.getvalue()
"""
    assert not {
        "torch",
        "matplotlib",
        "sklearn",
        "scipy",
        "numba",
        "numpy",
        "h5py",
        "PIL",
        "rich",
        "pandas",
    } & loaded_after(code)


def test_every_folder_of_code_is_a_package_and_so_installed() -> None:
    for path in FILES:
        assert (path.parent / "__init__.py").exists(), name_of(path)


def test_nothing_is_ever_unpickled() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "pickle" not in {m.split(".")[0] for m in imports_of(path)}, name_of(path)
        assert "allow_pickle=True" not in text, name_of(path)
        for call in text.split("torch.load(")[1:]:
            assert "weights_only=True)" in call.partition("\n")[0], name_of(path)


# Packages whose `__init__` is a face, and the modules that others may open beside it: what would load torch or PIL
# with the face, and the values of one capability. The list is here to be read, and not to grow.
FACES = {
    "ensemble.datasets": {"decode", "fetch", "mapped", "new_images", "pack", "submission"},
    "ensemble.models": {"hub", "measure", "network", "papers"},
}


def face_of(package: str) -> set[str]:
    """Return the public names of a package's `__init__`: its `__all__`, or what is defined there."""
    tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    defined |= {ast.unparse(node.target) for node in tree.body if isinstance(node, ast.AnnAssign)}
    return {name for name in defined if not name.startswith("_")}


@pytest.mark.parametrize("package", FACES)
def test_nothing_outside_a_package_imports_deeper_than_its_face(package: str) -> None:
    face, opened = face_of(package), set()
    assert len(face) >= 5
    for path in FILES:
        if dotted(path).startswith(package):
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
                module = str(node.module).removeprefix(f"{package}.")
                assert module in FACES[package], f"{name_of(path)} imports {node.module}, and {package} has a face"
                known = face & {alias.name for alias in node.names}
                assert not known, f"{name_of(path)}: {package} has {sorted(known)} in its face"
                opened.add(module)
    assert opened == FACES[package], "nobody opens it any more"


@pytest.mark.parametrize("package", ["analysis", "ensemble", "kofn"])
def test_every_public_name_is_a_callable_or_a_value(package: str) -> None:
    """No name is a module's, also once every module of the house is loaded and stands beside the names."""
    for path in FILES:
        import_module(dotted(path))
    module = import_module(package)
    assert len(module.__all__) >= 15
    modules = [name for name in module.__all__ if isinstance(getattr(module, name), ModuleType)]
    assert not modules, f"{package}: a module has the name of a public value"


@pytest.mark.parametrize("package", ["analysis", "ensemble"])
def test_kofn_names_a_foreign_folder_on_the_path(package: str, tmp_path: Path) -> None:
    """A user's own folder of that name, where Python is started, comes before ours."""
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("mine = 1\n")
    call, environment = [sys.executable, "-c", "import kofn"], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: kofn needs its own package {package!r}, and {tmp_path / package} stands before it on the path; "
        "rename that folder or run from another one."
    )
    # A folder that is no package hides nothing.
    (tmp_path / package / "__init__.py").unlink()
    shutil.rmtree(tmp_path / package / "__pycache__", ignore_errors=True)
    subprocess.run(call, cwd=tmp_path, env=environment, check=True)
