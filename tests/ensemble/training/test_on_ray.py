"""Members trained by a real Ray cluster: two nodes on this machine, with a token, and one worker killed."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from commands import call
from studies import train_here

from ensemble import begin_study, plan_members
from ensemble.errors import BadInput, KofnError
from ensemble.study.atomic import file_sha256
from ensemble.study.study import Study
from ensemble.training.elsewhere import files_of, own_folder, publish
from ensemble.training.job import TrainingJob
from ensemble.training.plan_members import TrainingPlan

SETTINGS: dict[str, Any] = {"recipe": "digits", "settings": {"batch_size": 16}, "threads": 1}


def planned(study: Study, **choices: Any) -> TrainingPlan:
    plan = plan_members(study, **SETTINGS, **choices)
    study.with_config(runs={plan.prefix: plan.record})
    return plan


def same_bits(one: Study, other: Study) -> bool:
    names = one.members("val")
    return names == other.members("val") and all(
        file_sha256(one.files(name).weights) == file_sha256(other.files(name).weights)
        and (one.read(name, "val").probs == other.read(name, "val").probs).all()
        for name in names
    )


# -- without a cluster ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folds", [0, 2])
def test_what_is_made_elsewhere_comes_home_whole(few: Path, tmp_path: Path, folds: int) -> None:
    alone, home = (begin_study(tmp_path / name, few) for name in ("alone", "home"))
    choices = {"variants": 1, "epochs": 2, **({"folds": folds} if folds else {})}
    assert {o.status for o in train_here(planned(alone, **choices).training_jobs(), 1, None)} == {"trained"}
    for job in planned(home, **choices).training_jobs():
        config = (home.root / "study.toml").read_bytes()
        with own_folder(job, config, files_of(job, home.root)) as own:
            assert own.study != job.study
            assert [o.status for o in train_here([own], 1, None)] == ["trained"]
            made = files_of(own, own.study)
        assert not own.study.exists()
        assert "lock" not in {Path(name).name for name in made}
        paths = publish(job, made)
        assert all(Path(path).parent == home.root / "predictions" for path in paths)
    assert same_bits(alone, home)
    assert {p.action for p in plan_members(home)} == {"skip"}
    if folds:
        oof = [study.read("ting-m3-small-0", "train-oof").probs for study in (alone, home)]
        assert (oof[0] == oof[1]).all()


def test_files_that_are_no_members_are_not_written(few: Path, tmp_path: Path) -> None:
    study = begin_study(tmp_path / "study", few)
    (job,) = planned(study, variants=1).training_jobs()
    for name in ("members/../../out", "study.toml", "/etc/x", "predictions/../study.toml"):
        with pytest.raises(KofnError, match="which is no file of a member"):
            publish(job, {name: b"x"})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("engine", "message"), [
    ("rays", "engine='rays': expected 'local', 'ray', or ray://HOST:PORT"),
    ("ray://head", "expected 'local', 'ray', or ray://HOST:PORT"),
    ("ray:head:1", "expected 'local', 'ray', or ray://HOST:PORT"),
])  # fmt: skip
def test_what_is_no_engine(tmp_path: Path, engine: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        plan_members(begin_study(tmp_path / "study"), engine=engine)
    assert message in str(error.value)


ray = pytest.importorskip("ray", reason="needs the extra `ray`")
from ensemble.training import on_ray  # noqa: E402


def test_other_versions_and_unseen_folders_are_named() -> None:
    own = {**on_ray.here(), "missing": [], "shared": True}
    on_ray.check_facts([("10.0.0.1", own), ("10.0.0.2", {**own, "Python": f"{own['Python']}9"})], Path("s"))
    for change, message in (
        ({"Python": "3.99.1"}, "machine 10.0.0.2 has Python 3.99.1, this one has 3."),
        ({"kofn": "9.9"}, "machine 10.0.0.2 has kofn 9.9, this one has"),
        ({"kofn": None}, "machine 10.0.0.2 has kofn not at all"),
        ({"torch": "1.0"}, "machine 10.0.0.2 has torch 1.0"),
        ({"missing": ["/data"]}, "machine 10.0.0.2 does not see /data, which training s needs"),
    ):
        with pytest.raises(BadInput) as error:
            on_ray.check_facts([("10.0.0.1", own), ("10.0.0.2", {**own, **change})], Path("s"))
        assert message in str(error.value)


def test_what_fits_no_machine_is_said(few: Path, tmp_path: Path) -> None:
    (job,) = planned(begin_study(tmp_path / "study", few), variants=1).training_jobs()
    nodes = [{"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}]
    on_ray.check_sizes(nodes, [replace(job, threads=4, device="cuda")])
    for changes, resources, message in (
        ({"threads": 5}, nodes, "threads=5: the cluster's largest machine offers 4 CPUs"),
        ({"device": "cuda:1"}, nodes, "which GPU a task gets is Ray's to say"),
        ({"device": "cuda"}, nodes[:1], "no machine of the cluster offers a GPU"),
    ):
        with pytest.raises(BadInput, match=message):
            on_ray.check_sizes(resources, [replace(job, **changes)])


class HereRay:
    """A cluster of this process: a task is run when it is waited for, an actor's method at once."""

    exceptions = ray.exceptions

    def __init__(self) -> None:
        self.options_seen: list[dict[str, Any]] = []
        self.most_at_once = 0
        self.found: tuple[Any, Exception | None] = (None, None)
        self.last: Any = None

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 1.0, "GPU": 2.0}}]

    def remote(self, made: Any) -> Any:
        run = self

        class Call:
            def __init__(self, function: Any) -> None:
                self.function = function

            def remote(self, *arguments: Any) -> Any:
                return lambda: self.function(*arguments)

        class Actor:
            def __init__(self) -> None:
                self.own = made()

            def __getattr__(self, name: str) -> Any:
                method = getattr(self.own, name)

                class Now:
                    def remote(self, *arguments: Any) -> Any:
                        found = method(*arguments)
                        return lambda: found

                return Now()

        class Class:
            def options(self, **_options: Any) -> "Class":
                return self

            def remote(self) -> Actor:
                return Actor()

        class Task:
            def options(self, **options: Any) -> Call:
                run.options_seen.append(options)
                return Call(made)

        return Class() if isinstance(made, type) else Task()

    def wait(self, references: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        self.most_at_once = max(self.most_at_once, len(references))
        try:
            self.found = (references[0](), None)
        except ray.exceptions.RayError as error:
            self.found = (None, error)
        self.last = references[0]
        return [references[0]], references[1:]

    def get(self, reference: Any) -> Any:
        if reference is not self.last:
            return reference()
        value, error = self.found
        if error is not None:
            raise error
        return value

    def cancel(self, reference: Any, force: bool) -> None:
        raise AssertionError("nothing is left to cancel")


def _run_here(
    jobs: list[TrainingJob],
    monkeypatch: pytest.MonkeyPatch,
    deaths: dict[str, int],
    *,
    at_once: int = 9,
    shared: bool = True,
) -> tuple[HereRay, list[Any], list[tuple[str, str]]]:  # fmt: skip
    """Run jobs through the engine on a cluster of this process, on which some tasks die so often."""
    left, train = dict(deaths), on_ray._train

    def dies(job: TrainingJob, *rest: Any) -> Any:
        if left.get(job.title, 0):
            left[job.title] -= 1
            raise ray.exceptions.WorkerCrashedError
        return train(job, *rest)

    monkeypatch.setattr(on_ray, "_train", dies)
    monkeypatch.setattr(on_ray, "_answer", lambda letter: letter())
    here, heard = HereRay(), []
    run = on_ray._Run(here, jobs, at_once, lambda title, kind, _facts: heard.append((title, kind)), shared)
    return here, run.outcomes(), heard


@pytest.mark.parametrize("shared", [True, False])
def test_a_task_that_dies_is_tried_again(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    alone, study = (begin_study(tmp_path / name, few) for name in ("alone", "study"))
    train_here(planned(alone, variants=2, epochs=1).training_jobs(), 1, None)
    jobs = planned(study, variants=2, epochs=1).training_jobs()
    here, outcomes, heard = _run_here(jobs, monkeypatch, {"ting-m3-small-1": 2}, at_once=1, shared=shared)
    assert [(o.member, o.status, o.error) for o in outcomes] == [(job.title, "trained", None) for job in jobs]
    assert [kind for of, kind in heard if of == "ting-m3-small-1" and kind in ("start", "died", "end")] == [
        "start", "died", "start", "died", "start", "end",
    ]  # fmt: skip
    assert ("ting-m3-small-0", "epoch") in heard
    assert here.most_at_once == 1
    assert {(o["num_cpus"], o["num_gpus"], o["max_retries"]) for o in here.options_seen} == {(1, 1, 0)}
    assert same_bits(alone, study)
    assert [Path(path).parent for o in outcomes for path in o.predictions] == [study.root / "predictions"] * 2


def test_a_task_that_always_dies_is_given_up(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = planned(begin_study(tmp_path / "study", few), variants=1, device="cpu").training_jobs()
    here, (outcome,), heard = _run_here([job], monkeypatch, {job.title: 9})
    assert outcome.status == "failed"
    assert (
        outcome.error
        == "its process died 3 times, the last time it was ended from outside (perhaps for want of memory)"
    )
    assert [kind for _, kind in heard] == ["start", "died"] * 3 + ["end"]
    assert [o["num_gpus"] for o in here.options_seen] == [0] * 3


def test_a_job_that_is_to_stop_is_told_so_by_the_mailbox(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = planned(begin_study(tmp_path / "study", few), variants=1, epochs=9).training_jobs()
    monkeypatch.setattr(on_ray, "_answer", lambda letter: letter())
    here = HereRay()
    mailbox = here.remote(on_ray._Mailbox).remote()
    mailbox.stop.remote("another")
    mailbox.stop.remote(job.title)
    outcome, made = on_ray._train(job, None, None, mailbox, 1)
    assert (outcome.status, made) == ("stopped", None)
    letters = mailbox.empty.remote()()
    assert [facts["epoch"] for _, _, kind, facts in letters if kind == "epoch"] == [1]


def test_what_is_heard_to_stop_is_passed_on(few: Path, tmp_path: Path) -> None:
    (job,) = planned(begin_study(tmp_path / "study", few), variants=1).training_jobs()
    run = on_ray._Run(HereRay(), [job], 1, lambda _title, kind, _facts: "stop" if kind == "epoch" else None, True)
    run._attempts = [1]
    post = run._mailbox.post.remote
    assert post(job.title, 1, "batch", {})() is False
    run._hear([job.title])
    assert post(job.title, 1, "epoch", {})() is False
    run._hear([job.title])
    assert post(job.title, 1, "epoch", {})() is True
    assert post("another", 1, "epoch", {})() is False


def test_tasks_are_called_again_where_a_worker_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaths, told = {"b": 2}, []
    called = on_ray._called

    def dies(task: Any) -> Any:
        if deaths.get(task.args[0].name, 0):
            deaths[task.args[0].name] -= 1
            raise ray.exceptions.WorkerCrashedError
        return called(task)

    monkeypatch.setattr(on_ray, "_called", dies)
    here = HereRay()
    tasks = [(name, partial(Path.touch, tmp_path / name)) for name in "abc"]
    on_ray._call_all(here, tasks, 2, lambda *done: told.append(done))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert {(o["num_cpus"], o["max_retries"]) for o in here.options_seen} == {(2, 0)}
    assert {o["runtime_env"]["env_vars"]["OMP_NUM_THREADS"] for o in here.options_seen} == {"2"}
    assert len(here.options_seen) == 5
    deaths["c"] = 9
    with pytest.raises(KofnError, match="c: its process died 3 times, the last time it was ended from outside"):
        on_ray._call_all(HereRay(), tasks, 1, None)


def test_what_a_task_refuses_is_said_with_its_machine() -> None:
    def refuse() -> None:
        raise BadInput("the file is gone.")

    with pytest.raises(BadInput, match=f"{socket.gethostname()}: the file is gone"):
        on_ray._call_all(HereRay(), [("part 1/1", refuse)], 1, None)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_nobody_answers_and_no_token_before_anything_is_trained(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    words = ("--data", few, "--variants", "1", "--engine", f"ray://127.0.0.1:{_free_port()}")
    done = call("ens-train", *words, cwd=tmp_path)
    assert (done.status, "RAY_AUTH_MODE: is not set" in done.err) == (2, True)
    done = call("ens-train", *words, cwd=tmp_path, env={"RAY_AUTH_MODE": "token"})
    assert (done.status, "nobody answers at 127.0.0.1" in done.err) == (2, True)
    assert not (tmp_path / "study/members").exists()


class Cluster:
    """Two nodes, each with processes of its own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port, self.token = _free_port(), secrets.token_hex(32)
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0"}
        self.environment = {**own, "RAY_ADDRESS": f"127.0.0.1:{self.port}"}
        own["PYTHONPATH"] = str(Path(__file__).parents[3])
        common = ["--num-cpus", "1", "--object-store-memory", "80000000", "--disable-usage-stats", "--block"]
        where = ["--node-ip-address", "127.0.0.1", "--port", str(self.port), "--temp-dir", str(folder)]
        head = ["--head", *where, "--include-dashboard", "false"]
        self.processes = []
        for words in (head, ["--address", f"127.0.0.1:{self.port}", "--node-ip-address", "127.0.0.1"]):
            # A session of its own: all that a node starts is ended with it.
            self.processes.append(subprocess.Popen(
                [Path(sys.executable).with_name("ray"), "start", *words, *common], env={**os.environ, **own},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            ))  # fmt: skip
            self._wait(self.port)

    @staticmethod
    def _wait(port: int) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(f"no head at {port}")

    def stop(self) -> None:
        for process in self.processes:
            _end_session(process.pid)
            process.wait()


def _end_session(session: int) -> None:
    """End every process of a session that this test began."""
    for _ in range(3):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.getsid(int(entry.name)) == session:
                        os.kill(int(entry.name), signal.SIGKILL)
                except ProcessLookupError:
                    continue
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # the name of a socket below it has 107 letters at most
    found = Cluster(folder)
    try:
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif("KOFN_RAY_CLUSTER" not in os.environ, reason="half a minute and more: set KOFN_RAY_CLUSTER=1")
@pytest.mark.skipif(sys.platform != "linux", reason="ends processes by what /proc says of them")
def test_a_cluster_makes_what_one_machine_makes_though_a_worker_is_killed(
    cluster: Cluster, few: Path, tmp_path: Path
) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, root / "tests" / "ray_driver.py", tmp_path, few], capture_output=True, text=True, check=False,
        env={**os.environ, **cluster.environment, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])  # Ray says things before
    title = found["killed"]
    assert {member: status for member, status, _ in found["outcomes"]}[title] == "resumed"
    assert [error for _, _, error in found["outcomes"]] == [None, None]
    kinds = [kind for of, kind in found["heard"] if of == title]
    assert (kinds.count("start"), kinds.count("died"), kinds[-1]) == (2, 1, "end")
    assert len(found["alone"]) == 2
    assert found["shared"] == found["alone"]
    # Subsets are scored in parts by the cluster to what one machine says of them.
    far, alone = found["combined"]
    assert (json.loads(far), found["parts"]) == (json.loads(alone), 3)
    # Where the machines do not see the study's folder, what they make comes back whole.
    assert found["apart"] == found["short"]
    names = [f"ting-m3-small-{i}" for i in range(2)]
    paths = [str(tmp_path / "apart" / "predictions" / f"{name}.val.h5") for name in names]
    assert found["sent"] == [[name, "trained", path] for name, path in zip(names, paths, strict=True)]


def test_why_there_is_no_connection_is_said() -> None:
    try:
        try:
            raise ray.exceptions.AuthenticationError("RPC error: InvalidAuthToken: token is missing or incorrect")
        except ray.exceptions.AuthenticationError as error:
            raise RuntimeError("Failed to connect to GCS.") from error
    except RuntimeError as error:
        assert "refuses the token of this machine" in on_ray._why_not(error, "10.0.0.1:6379")
    for said, message in (
        (
            RuntimeError("Version mismatch: Ray 2.52 Python: 3.12.1"),
            "the cluster is of another version: Version mismatch",
        ),
        (ConnectionError("Could not find any running Ray instance."), "no cluster runs on this machine"),
        (ImportError("grpc"), "Ray's client needs grpcio"),
        (OSError("so it is"), "there is no connection to ray://h:1 (OSError: so it is)"),
    ):
        assert message in on_ray._why_not(said, "ray://h:1")


def test_jobs_of_nothing_need_no_cluster() -> None:
    nothing: list[TrainingJob] = []
    assert on_ray.run_on_ray(nothing, 1, lambda *_: None, "ray") == []
