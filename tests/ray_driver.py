"""Trains the same members alone, on a Ray cluster whose worker is killed, and on one that does not see the folder.

`python tests/ray_driver.py FOLDER IMAGES`: a process of its own, since Ray reads its token when it is loaded.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from studies import train_here

from ensemble import begin_study, plan_members, train_members
from ensemble.study.atomic import file_sha256
from ensemble.study.study import Study
from ensemble.training import on_ray


def bits(study: Study) -> dict[str, list[str]]:
    """Return the digests of each member's weights and predictions."""
    return {
        name: [file_sha256(study.files(name).weights), study.read(name, "val").probs.tobytes().hex()[:64]]
        for name in study.members("val")
    }


def main(folder: Path, images: str) -> None:
    """Print what became of the members, as JSON."""
    choices: dict[str, Any] = {"recipe": "digits", "settings": {"batch_size": 16}, "threads": 1, "variants": 2}
    found: dict[str, Any] = {}
    for name, epochs in (("alone", 200), ("short", 5)):
        study = begin_study(folder / name, images)
        plan = plan_members(study, **choices, epochs=epochs)
        study.with_config(runs={plan.prefix: plan.record})
        train_here(plan.training_jobs(), 1, None)
        found[name] = bits(study)

    shared = begin_study(folder / "shared", images)
    heard: list[tuple[str, str]] = []

    def hear(title: str, kind: str, _facts: dict[str, Any]) -> None:
        heard.append((title, kind))
        files = shared.files(title)
        if "killed" not in found and kind == "epoch" and files.checkpoint.exists():
            found["killed"] = title
            os.kill(int(files.lock.read_text().split()[1]), signal.SIGKILL)

    outcomes = train_members(shared, on_event=hear, engine="ray", epochs=200, **choices)
    found["outcomes"] = [[o.member, o.status, o.error] for o in outcomes]
    found["heard"] = heard
    found["shared"] = bits(shared)
    combine = [str(Path(sys.executable).with_name("ens-combine")), "--study", str(shared.root), "--json"]
    found["combined"] = [
        subprocess.run([*combine, *words], capture_output=True, text=True, check=False).stdout
        for words in (["--engine", "ray"], [])
    ]
    found["parts"] = len(list((shared.root / "subsets").glob("*.h5")))

    setattr(on_ray, "_check_nodes", lambda *_: False)  # noqa: B010 - as where a machine does not see the folder
    apart = begin_study(folder / "apart", images)
    outcomes = train_members(apart, engine="ray", epochs=5, **choices)
    found["sent"] = [[o.member, o.status, *o.predictions] for o in outcomes]
    found["apart"] = bits(apart)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
