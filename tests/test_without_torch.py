"""Import and analysis work where torch cannot be imported: `kofn` without its extra `train`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

BLOCKED = """
import importlib, json, sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "safetensors", "timm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
try:
    import torch
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("torch was not kept away")
for module, *words in json.loads(sys.argv[1]):
    sys.argv = words
    try:
        importlib.import_module(module).main()
    except SystemExit as ended:
        print("status", ended.code)
"""


def run(folder: Path, *commands: tuple[str, ...]) -> list[str]:
    """Run commands' entry functions in a process without torch, and return what each wrote to standard output."""
    command = [sys.executable, "-W", "error", "-c", BLOCKED, json.dumps(commands)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    said = done.stdout.split("status 0\n")
    assert len(said) == len(commands) + 1 and done.returncode == 0, done.stdout + done.stderr
    return said[:-1]


def test_import_combine_and_report(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 12, 300)
    for i in range(3):
        logits = rng.normal(size=(300, 12))
        logits[np.arange(300), labels] += 2
        np.savez(tmp_path / f"m-{i}.npz", logits=logits, labels=labels, sample_ids=[f"s{j}" for j in range(300)])
    imported, combined, classes, _ = run(
        tmp_path, ("cli.importing", "ens-import", "m-0.npz", "m-1.npz", "m-2.npz"),
        ("cli.combine", "ens-combine", "--k", "all", "--json"), ("cli.report", "ens-report", "per-class", "--json"),
        ("cli.report", "ens-report", "curve"),
    )  # fmt: skip
    assert "m-2" in imported and '"subsets": 7' in combined and '"worst_k": 3' in classes
    assert list((tmp_path / "study/report").glob("*.png"))
