"""Every system of the five papers, trained through ens-train, and all of them in one ensemble.

    python -m benchmarks.systems DATA STUDY                  one epoch each: that they train, and what it costs
    python -m benchmarks.systems DATA STUDY --epochs 0       each by its own recipe: the papers' study, days on a CPU
    python -m benchmarks.systems DATA STUDY --weights hub    those that begin with ImageNet weights, with them

DATA is Tiny ImageNet or a part of it. Printed is a line for each system as it ends, then what the mixed ensemble does;
run again, it goes on where it was.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ensemble.models import MODELS

PAPERS = ("Ting", "Basutkar", "Mkrtchyan", "Bastidas", "De")
SYSTEMS = [model for model in MODELS.values() if model.paper in PAPERS and model.reported]


def ask(command: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json; return its status and its document."""
    script = Path(sys.executable).with_name(command)
    done = subprocess.run([script, "--json", *options], capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise SystemExit(f"{command} {' '.join(options)}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def train(name: str, pretrained: bool, asked: argparse.Namespace) -> dict[str, Any]:
    """Train one system, and return its row of the document; "status" is what went wrong where it did."""
    options = ["--study", asked.study, "--data", asked.data, "--model", name, "--variants", "1"]
    options += ["--epochs", str(asked.epochs)] if asked.epochs else []
    options += ["--weights", asked.weights] if pretrained else []
    _, document = ask("ens-train", *options)
    return document["members"][0] if document.get("members") else {"status": document["error"]}


def main() -> None:
    """Train them one after another, then combine them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data")
    options.add_argument("study")
    options.add_argument("--epochs", type=int, default=1, help="0: as each recipe says")
    options.add_argument("--weights", default="random", help="of those that begin with ImageNet weights")
    asked = options.parse_args()
    print("| system | status | epochs | images/s | seconds | val % |\n|---|---|---|---|---|---|")
    for model in SYSTEMS:
        row = train(model.name, model.pretrained, asked)
        if row.get("last") is None:
            print(f"| {model.name} | {row['status']} | - | - | - | - |", flush=True)
            continue
        accuracy = 100 * row["last"]["val_accuracy"]
        mark = ", random start" if model.pretrained and asked.weights == "random" else ""
        print(f"| {model.name} | {row['status']}{mark} | {row['epochs']} | {row['images_per_second']:,.0f} | "
              f"{row['seconds']:,.0f} | {accuracy:.1f} |", flush=True)  # fmt: skip
    _, found = ask("ens-combine", "--study", asked.study, "--k", "1-3")
    together, best = ask("ens-combine", "--study", asked.study, "--k", str(len(found["members"])))[1], found["best"]
    print(f"\n{len(found['members'])} members together: {100 * together['best']['accuracy']:.1f} %; "
          f"best of {found['subsets']:,} subsets of up to three: {100 * best['accuracy']:.1f} %, "
          f"{' + '.join(best['members'])} (honest {100 * best['honest_accuracy']:.1f} %)")  # fmt: skip


if __name__ == "__main__":
    main()
