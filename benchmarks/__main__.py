"""Run the benchmarks that take a minute or two each; what is long is run by its own name."""

import subprocess
import sys

SHORT = ("commands", "training", "packing", "greedy")

for name in SHORT:
    print(f"\n== python -m benchmarks.{name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
