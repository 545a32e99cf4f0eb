"""Import and analysis work where torch cannot be imported: `kofn` without its extra `train`."""

import subprocess
import sys
from pathlib import Path

import numpy as np

BLOCKED = """
import importlib, sys
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
module, *sys.argv = sys.argv[1:]
importlib.import_module(module).main()
"""


def run(folder: Path, module: str, *arguments: str) -> str:
    """Run a command's entry function in a process without torch, and return its standard output."""
    command = [sys.executable, "-W", "error", "-c", BLOCKED, module, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_combine_and_report(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 12, 300)
    for i in range(3):
        logits = rng.normal(size=(300, 12))
        logits[np.arange(300), labels] += 2
        np.savez(tmp_path / f"m-{i}.npz", logits=logits, labels=labels, sample_ids=[f"s{j}" for j in range(300)])
    assert "m-2" in run(tmp_path, "cli.importing", "ens-import", "m-0.npz", "m-1.npz", "m-2.npz")
    assert '"subsets": 7' in run(tmp_path, "cli.combine", "ens-combine", "--k", "all", "--json")
    assert '"worst_k": 3' in run(tmp_path, "cli.report", "ens-report", "per-class", "--json")
    run(tmp_path, "cli.report", "ens-report", "curve")
    assert list((tmp_path / "study/report").glob("*.png"))
