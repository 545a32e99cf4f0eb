"""The commands on the embedded digits, as a person waits for them.

    python -m benchmarks.commands

Figures to reach on two cores: six variants trained in under 30 s, each member 75-93 % on the held-out images, the
six together at least 2 points over the mean member; every report in under 15 s; `--help` of each command in under
0.2 s.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent
COMMANDS = ("ens-train", "ens-combine", "ens-report", "ens-import", "ens-predict", "ens-export", "ens-data")


def timed(*args: str) -> tuple[float, str]:
    """Return the seconds a command took and what it wrote on standard output."""
    begun = time.perf_counter()
    done = subprocess.run([str(BIN / args[0]), *args[1:]], capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, done.stdout


def main() -> None:
    """Print the table."""
    print(f"{'command':44}{'seconds':>9}")
    for command in COMMANDS:
        seconds = statistics.median(timed(command, "--help")[0] for _ in range(5))
        print(f"{command + ' --help (median of 5)':44}{seconds:9.2f}")
    with tempfile.TemporaryDirectory() as folder:
        study = f"{folder}/study"
        for line in ("ens-train --variants 6", "ens-combine --k all", "ens-report all"):
            seconds, out = timed(*line.split(), "--study", study, "--json")
            print(f"{line:44}{seconds:9.1f}")
            if "combine" in line:
                found = json.loads(out)
        singles, whole = found["by_size"][0], found["by_size"][-1]
    print(
        f"members {singles['min_accuracy']:.1%} to {singles['max_accuracy']:.1%}, mean {singles['mean_accuracy']:.1%}; "
        f"all {whole['k']} together {whole['mean_accuracy']:.1%}, "
        f"{100 * (whole['mean_accuracy'] - singles['mean_accuracy']):+z.1f} points over the mean member"
    )


if __name__ == "__main__":
    main()
