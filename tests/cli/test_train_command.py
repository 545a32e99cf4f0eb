"""ens-train as a person or a script runs it: real processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import Done, call, process
from served import BIN, STANDS
from studies import Once

from ensemble.machine import cores
from ensemble.models import MODELS
from ensemble.study.atomic import locked
from ensemble.study.recipe import read_recipe
from ensemble.study.study import Study

pytestmark = pytest.mark.usefixtures("tried_briefly")


def run(*args: str | Path, cwd: Path, env: dict[str, str] | None = None) -> Done:
    return call("ens-train", *args, cwd=cwd, env=env)


def refused(done: Done, *words: str) -> None:
    assert done.status == 2, done.err
    assert "Traceback" not in done.err
    lines = [line for line in done.err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


@pytest.fixture(scope="module")
def begun(once: Once, few: Path) -> Path:
    """A folder with a study of two members, two epochs each, trained by the command in two more processes."""
    return once("begun", lambda folder: _begin(folder, few))


def _begin(folder: Path, few: Path) -> None:
    folder.mkdir()
    words = ("--data", few, "--recipe", "digits", "--variants", "2", "--epochs", "2", "--jobs", "2")
    done = process("ens-train", *words, "--json", cwd=folder)
    assert done.status == 0, done.err
    found = done.document
    assert found["study"] == "study"
    assert [m["name"] for m in found["members"]] == ["ting-m3-small-0", "ting-m3-small-1"]
    for member in found["members"]:
        assert member["status"] == "trained"
        assert member["error"] is None
        assert member["epochs"] == 2
        assert member["predictions"] == [f"study/predictions/{member['name']}.val.h5"]
        assert 0 <= member["last"]["val_accuracy"] <= member["best"]["val_accuracy"] <= 1
        assert member["best"]["epoch"] in (1, 2)
        assert member["images_per_second"] > 0
    assert "Next: ens-combine --k all" in done.err


@pytest.fixture
def trained(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it."""
    return shutil.copytree(begun, tmp_path_factory.mktemp("copy") / "trained")


def test_a_second_run_skips_and_reports_the_same_scores(trained: Path) -> None:
    done = run("--json", cwd=trained)
    assert done.status == 0, done.err
    members = done.document["members"]
    assert [m["status"] for m in members] == ["skipped", "skipped"]
    study = Study.open(trained / "study")
    for member in members:
        p = study.read(member["name"], "val")
        assert member["last"]["val_accuracy"] == pytest.approx(float((p.probs.argmax(1) == p.labels).mean()), abs=1e-9)


@pytest.mark.usefixtures("trained_here")
def test_more_variants_extend_the_study_with_its_own_options(trained: Path) -> None:
    before = {p.name: p.read_bytes() for p in (trained / "study" / "predictions").iterdir()}
    done = run("--variants", "3", cwd=trained)
    assert done.status == 0, done.err
    assert "2 finished before" in done.err
    assert done.out.count("skipped") == 2
    # The third has the study's two epochs, which nobody repeated.
    history = (trained / "study" / "members" / "ting-m3-small-2" / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 2
    after = {p.name: p.read_bytes() for p in (trained / "study" / "predictions").iterdir()}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"ting-m3-small-2.val.h5"}


@pytest.mark.usefixtures("trained_here")
def test_jobs_and_processes_give_the_same_bits(trained: Path, few: Path, tmp_path: Path) -> None:
    """One after another in this process, against two at once above; the option file gives the options."""
    (tmp_path / "options.toml").write_text(
        f"quiet = true\n[train]\ndata = '{few}'\nrecipe = 'digits'\nvariants = 2\nepochs = 2\njobs = 1\n"
    )
    done = run("--config", "options.toml", cwd=tmp_path, env={"ENS_STUDY": "other"})
    assert done.status == 0, done.err
    # Two epochs are few: that they ended at chance is said under --quiet too, and nothing else.
    assert [line for line in done.err.splitlines() if not line.startswith("Warning: ")] == []
    one, other = Study.open(trained / "study"), Study.open(tmp_path / "other")
    for member in ("ting-m3-small-0", "ting-m3-small-1"):
        assert np.array_equal(one.read(member, "val").probs, other.read(member, "val").probs)
        # A core's share each, however many train at once.
        assert {read_recipe(study.files(member).recipe)[1] for study in (one, other)} == {max(1, cores() // 2)}


def test_another_recipe_is_refused_and_the_difference_named(trained: Path) -> None:
    before = sorted((trained / "study").rglob("*"))
    done = run("--set", "batch_size=7", cwd=trained)
    refused(done, "recipe.toml", "there, 7 was asked for", "--force")
    assert sorted((trained / "study").rglob("*")) == before


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    done = run("--variants", "8", "--dry-run", "--json", cwd=tmp_path)
    assert done.status == 0, done.err
    members = done.document["members"]
    assert [m["action"] for m in members] == ["train"] * 8
    assert members[2]["recipe"]["learning_rate"] == 0.02
    assert list(tmp_path.iterdir()) == []


def test_list_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.train_text.MODELS", {name: MODELS[name] for name in ("ting-m1", "ting-m3")})
    done = run("--list-models", "--json", cwd=tmp_path)
    assert done.status == 0, done.err
    models = {m["name"]: m for m in done.document["models"]}
    m3 = models["ting-m3"]
    assert (m3["paper"], m3["parameters"], m3["statistics"], m3["input"]) == ("Ting", 2_269_224, 0, 64)
    assert m3["gflops"] == pytest.approx(0.309, abs=5e-4)
    assert m3["reported"] == {"accuracy": 0.342, "split": "test"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--variants", "0"], ["--variants 0", "at least 1"]),
        (["--model", "ting-m33"], ["--model ting-m33", "ting-m3"]),
        (["--data", "nowhere"], ["nowhere"]),
        (["--epochs", "0"], ["epochs must be at least 1, found 0"]),
        (["--recipe", "nowhere.toml"], ["nowhere.toml"]),
        (["--vary", "seeds"], ["seeds"]),
        (["--name", "../up"], ["../up", "letters, digits"]),
        (["--varants", "3"], ["--varants", "--variants"]),
        (["--device", "gpu"], ["--device gpu", "'cuda'"]),
        (["--config", "nowhere.toml"], ["nowhere.toml"]),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path: Path, args: list[str], words: list[str]) -> None:
    refused(run(*args, cwd=tmp_path), *words)
    assert list(tmp_path.iterdir()) == []


def test_bad_input_under_json_is_a_document_too(tmp_path: Path) -> None:
    done = run("--variants", "0", "--json", cwd=tmp_path)
    refused(done, "--variants 0")
    assert "at least 1" in done.document["error"]


def test_a_misspelt_key_of_the_option_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text("[train]\nvariant = 2\n")
    refused(run("--config", "options.toml", cwd=tmp_path), "options.toml", "train.variant", "variants")
    (tmp_path / "options.toml").write_text("epohcs = 2\n")
    refused(run("--config", "options.toml", cwd=tmp_path), "options.toml", "epohcs", "epochs")
    assert not (tmp_path / "study").exists()


def test_a_study_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the study should be")
    refused(run("--study", "taken", "--epochs", "1", cwd=tmp_path), "taken")
    assert (tmp_path / "taken").read_text() == "a file where the study should be"


def test_imported_predictions_are_not_overwritten(trained: Path, tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", Study.open(trained / "study").config)
    theirs = Study.open(trained / "study").read("ting-m3-small-0", "val")
    path = study.write(theirs)
    before = path.read_bytes()
    refused(run("--variants", "1", cwd=tmp_path), "ting-m3-small-0.val.h5", "--name")
    assert path.read_bytes() == before


@pytest.mark.usefixtures("trained_here")
def test_some_members_failing_is_status_3_and_the_others_are_safe(few: Path, tmp_path: Path) -> None:
    (tmp_path / "wild.toml").write_text(
        "model = 'ting-m3-small'\nbatch_size = 16\nepochs = 1\nmirror = false\n"
        "[[variants]]\nl2 = 1e-3\n[[variants]]\nlearning_rate = 1e6\n"
    )
    done = run("--data", few, "--recipe", "wild.toml", "--variants", "2", "--json", "--threads", "1", cwd=tmp_path)
    assert done.status == 3, done.err
    found = done.document
    assert [m["status"] for m in found["members"]] == ["trained", "failed"]
    assert "no longer a number" in found["members"][1]["error"]
    assert Study.open(tmp_path / "study").members("val") == ["ting-m3-small-0"]


@pytest.mark.usefixtures("trained_here")
def test_ctrl_c_is_a_clean_stop_that_resumes(few: Path, tmp_path: Path) -> None:
    words = ("--recipe", "digits", "--variants", "3", "--epochs", "60", "--jobs", "1", "--threads", "1")
    args = [STANDS.script("ens-train"), "--data", few, *words]
    train = subprocess.Popen(
        args, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    first = tmp_path / "study" / "predictions" / "ting-m3-small-0.val.h5"
    second = tmp_path / "study" / "members" / "ting-m3-small-1" / "history.csv"
    deadline = time.monotonic() + 120
    while not (first.exists() and second.exists()) and time.monotonic() < deadline:
        assert train.poll() is None, train.communicate()
        time.sleep(0.02)
    # As a terminal does: the signal goes to the whole group, the workers included.
    os.killpg(train.pid, signal.SIGINT)
    _, said = train.communicate(timeout=60)
    assert train.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    study = Study.open(tmp_path / "study")
    assert study.members("val") == ["ting-m3-small-0"]
    assert not list((tmp_path / "study").rglob("*.part"))
    done = run("--json", cwd=tmp_path)
    assert done.status == 0, done.err
    assert done.document["members"][0]["status"] == "skipped"
    # The third was asked for, though not begun: the bare command goes on with all of them.
    assert study.members("val") == [f"ting-m3-small-{i}" for i in range(3)]


def flip(path: Path) -> None:
    """Change a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.usefixtures("trained_here")
@pytest.mark.parametrize(
    ("part", "again"),
    [
        ("predictions/ting-m3-small-0.val.h5", "makes it again without training"),
        ("members/ting-m3-small-0/weights.safetensors", "trains the member over, to the same bits"),
    ],
)
def test_a_damaged_member_is_told_left_alone_and_redone(trained: Path, part: str, again: str) -> None:
    study = trained / "study"
    weights, predictions = (study / "members/ting-m3-small-0/weights.safetensors", study / "predictions")
    whole = {path: path.read_bytes() for path in (weights, *predictions.iterdir())}
    history = study / "members/ting-m3-small-0/history.csv"
    times = history.read_bytes()
    flip(study / part)
    damaged = (study / part).read_bytes()
    removed = study / "members/.ting-m3-small-9.00000000-1-00.part"  # by a process that was killed
    removed.mkdir()
    os.utime(removed, (0, 0))
    done = run("--variants", "3", "--json", cwd=trained)
    assert not removed.exists()
    assert done.status == 3, done.err
    assert [m["status"] for m in done.document["members"]] == ["failed", "skipped", "trained"]
    told = done.document["members"][0]["error"]
    assert told.startswith(f"study/{part}: ")
    assert "does not match its checksum" in told
    assert f"--redo ting-m3-small-0 {again}" in told
    assert "Make them again with --redo ting-m3-small-0." in done.err
    assert (study / part).read_bytes() == damaged
    assert call("ens-check", "study", cwd=trained).status == 1
    done = run("--redo", "ting-m3-small-0", "--dry-run", "--json", cwd=trained)
    assert [m["action"] for m in done.document["members"]] == ["redo", "skip", "skip"]
    assert (study / part).read_bytes() == damaged
    done = run("--redo", "ting-m3-small-0", "--json", cwd=trained)
    assert done.status == 0, done.err
    assert {path: path.read_bytes() for path in whole} == whole
    # What trained over has other seconds in its history, and only that.
    assert (history.read_bytes() == times) == ("without" in again)
    assert call("ens-check", "study", cwd=trained).status == 0
    assert run("--redo", "ting-m3-small-0", "--json", cwd=trained).document["members"][0]["status"] == "skipped"
    refused(run("--redo", "ting-m3-small-7", cwd=trained), "--redo ting-m3-small-7: is none of these members")


def _free(lock: Path) -> bool:
    with locked(lock, wait=False) as held:
        return held


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread looks, and a stopped process has none")
def test_workers_end_with_a_parent_that_was_killed(few: Path, tmp_path: Path) -> None:
    """They are stopped first, so that they notice nothing by themselves, as in the middle of a long batch."""
    words = ("--recipe", "digits", "--variants", "2", "--epochs", "100000", "--jobs", "2", "--quiet")
    train = subprocess.Popen([STANDS.script("ens-train"), "--data", few, *words], cwd=tmp_path)
    members = [tmp_path / "study" / "members" / f"ting-m3-small-{i}" for i in range(2)]
    deadline = time.monotonic() + 120
    while not all((member / "history.csv").exists() for member in members) and time.monotonic() < deadline:
        assert train.poll() is None
        time.sleep(0.02)
    locks = [next(member.glob("*lock")) for member in members]
    workers = [int(re.findall(r"process (\d+) of", lock.read_text())[0]) for lock in locks]
    (parent,) = {int(Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[1]) for worker in workers}
    assert parent not in workers
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    assert not any(_free(lock) for lock in locks)
    os.kill(parent, signal.SIGKILL)
    assert train.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while not all(_free(lock) for lock in locks) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(_free(lock) for lock in locks)


def test_a_full_disk_is_said_and_the_same_command_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """A tmpfs of 160 kB holds a member's weights but not two members' predictions (69 kB each with their ids)."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here, so no small disk can be made without rights")
    script = """
mount -t tmpfs -o size=160k tmpfs small || exit 77
"$0" --study small/study --variants 2 --epochs 1 --jobs 1 --threads 1 --json > full.json 2> full.txt; echo $? > full.rc
find small -name '*.part' > parts.txt
cp -a small roomy
"""
    (tmp_path / "small").mkdir()
    shell = [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", script, str(BIN / "ens-train")]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode in (1, 77) and not (tmp_path / "full.rc").exists():
        pytest.skip(f"needs to mount a tmpfs: {done.stderr.strip()}")
    full = json.loads((tmp_path / "full.json").read_text())
    assert int((tmp_path / "full.rc").read_text()) in (1, 3)
    assert "no space left on device" in full["error"]
    assert "Traceback" not in (tmp_path / "full.txt").read_text()
    assert (tmp_path / "parts.txt").read_text() == ""
    done = process("ens-train", "--study", "roomy/study", "--jobs", "1", "--json", cwd=tmp_path)
    assert done.status == 0, done.err
    statuses = [m["status"] for m in done.document["members"]]
    assert len(statuses) == 2 and set(statuses) <= {"trained", "resumed", "skipped"}
