"""The quick forms of tests/fuzz.py, tests/kill.py and tests/race.py, odd files, and what went wrong once."""

import os
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import odd_files
import pytest
from fuzz import READERS, mutant, same
from served import STANDS

from ensemble.errors import BadInput, KofnError
from ensemble.importing.parse import import_files
from ensemble.study import child
from ensemble.study.weights import load_tensors, read_tensors

CRASHERS = Path(__file__).parent / "data" / "crashers"
OWN = [name for name, reader in READERS.items() if reader.own]
QUICK = [
    name for name in READERS if name not in ("import .parquet", "import .h5", "import kofn v1")
]  # no child process


@pytest.mark.parametrize("name", QUICK)
def test_damage_is_refused_in_a_sentence_or_touches_nothing(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    good = reader.make(tmp_path)
    data, right = good.read_bytes(), reader.read(good)
    for number in range(60 if reader.own else 20):
        good.write_bytes(mutant(name, data, f"quick-{number}"))
        try:
            value = reader.read(good)
        except KofnError as error:
            assert str(error).endswith("."), error
            assert "\n" not in str(error)
        else:
            assert not reader.own or same(value, right), f"{name} quick-{number} was read as something else"


@pytest.mark.parametrize("name", OWN)
def test_every_flipped_bit_of_a_file_of_ours_is_noticed(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    good = reader.make(tmp_path)
    data = good.read_bytes()
    places = [*range(min(len(data), 160)), *np.random.default_rng(0).integers(0, len(data), 60).tolist()]
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << (place % 8)
        good.write_bytes(damaged)
        with pytest.raises(BadInput):
            reader.read(good)


@pytest.mark.parametrize("path", sorted(CRASHERS.glob("*.[nhp]*")), ids=lambda p: p.name)
def test_what_went_wrong_once_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "SECONDS", 1)
    with pytest.raises(BadInput, match=path.name):
        import_files([path])


@pytest.mark.parametrize("path", sorted(CRASHERS.glob("*.safetensors")), ids=lambda p: p.name)
def test_weights_that_went_wrong_once_are_refused_or_tensors(path: Path) -> None:
    with pytest.raises(BadInput, match=path.name):
        load_tensors(path, "kofn.weights")
    try:
        tensors, facts = read_tensors(path)
    except BadInput:
        return
    assert isinstance(tensors, dict)
    assert isinstance(facts, dict)


@cache
def odd_contents() -> Any:
    with warnings.catch_warnings(action="ignore"):  # names that stand twice, on purpose
        return odd_files.contents()


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("kind", odd_files.READ)
def test_an_odd_file_is_refused_in_a_sentence_or_is_what_it_says(kind: str, tmp_path: Path) -> None:
    cases, read = odd_contents()[kind]
    found = set()
    for number, (name, make) in enumerate(cases.items()):
        if name in odd_files.HEAVY and not os.environ.get("KOFN_HEAVY"):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        with warnings.catch_warnings(action="ignore"):
            make(folder)
        try:
            read(folder)
            found.add(name)
        except BadInput as error:
            said = str(error)
            assert said.endswith("."), f"{name}: {said}"
            assert f"{folder.name}/x." in said or kind == "image", f"{name}: {said}"
    assert found - odd_files.HEAVY == odd_files.READ[kind]  # of the heavy ones some are read


def test_an_archive_that_unpacks_to_far_more_is_refused_unless_asked_for() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bomb.npz"
        np.savez_compressed(path, probs=np.zeros((20_000_000, 2), dtype=np.float32))
        with pytest.raises(BadInput, match="--large"):
            import_files([path])


def harness(script: str, *words: str) -> str:
    """Run a harness in a process of its own, which has no threads and can fork."""
    code = f"import runpy; runpy.run_path({str(Path(__file__).with_name(script))!r}, run_name='__main__')"
    done = subprocess.run([STANDS.script("python"), "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_killed_commands_go_on_to_the_same_bits() -> None:
    told = harness("kill.py", "--kills", "3", "--command", "import", "--command", "save")
    assert told.count("'equal': 3") == 2, told


def test_races_end_as_one_after_the_other_does() -> None:
    pairs = ("import/import one name", "import/import --force", "combine/combine one name")
    told = harness("race.py", "--races", "1", *(word for pair in pairs for word in ("--pair", pair)))
    assert told.count("'equal': 1") == 3, told
