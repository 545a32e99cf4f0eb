"""Work done by a cluster of Ray: tasks that may be done twice, on any machine, tried again where one dies.

The one door to Ray. Where the study's folder is the same on all machines, tasks work in it as processes of one machine
do; where it is not, each works in a folder of its own, and what it has made comes back whole and is renamed into place.
"""

import contextlib
import logging
import os
import platform
import socket
import sys
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ensemble.errors import BadInput, KofnError
from ensemble.machine import Progress, is_out_of_memory, threads_environment
from ensemble.study.study import Study
from ensemble.training.elsewhere import files_of, own_folder, publish
from ensemble.training.job import ALLOCATOR, ATTEMPTS, Busy, Diverged, Event, Outcome, TrainingJob

ANSWER_SECONDS = 5.0  # for which an address may be silent
PROBE_SECONDS = 120.0  # for which a machine may take to say what it is
POLL_SECONDS = 0.2
BUSY_SECONDS = (10.0, 90.0)  # for which a member's lock is waited for: at first; after a death, whose lock may linger
WITHOUT_TOKEN = (
    "RAY_AUTH_MODE: is not set, and whoever reaches a Ray cluster without it can run programs there; set "
    "RAY_AUTH_MODE=token here and on every machine before `ray start`, with one token for all in ~/.ray/auth_token "
    "(`ray get-auth-token` shows it, and can generate it); RAY_AUTH_MODE=disabled says that the network is yours alone."
)


def run_on_ray(jobs: Sequence[TrainingJob], at_once: int, on_event: Event, engine: str) -> list[Outcome]:
    """Train every job on a cluster, at most `at_once` at the same time; return their outcomes in the order of `jobs`.

    engine: "ray" (the cluster that this machine is part of, or that RAY_ADDRESS names) or "ray://HOST:PORT" (Ray's
    client). Events, attempts and outcomes are as `ensemble.training.pool.run_jobs` has them; a job that is to stop does
    so an epoch later at most, or two. A task takes its threads
    in CPUs, and a GPU where its device is not the CPU and the cluster has some. Raises `BadInput`, before anything is
    trained, where nobody answers, versions differ, a machine lacks the images, or no machine is large enough.
    """
    if not jobs:
        return []
    # What Ray says of workers that died goes to standard output, where a command's document shall stand alone.
    with contextlib.redirect_stdout(sys.stderr), _connected(engine) as ray:
        shared = _check_nodes(ray, jobs)
        return _Run(ray, jobs, at_once, on_event, shared).outcomes()


def run_tasks(
    tasks: Sequence[tuple[str, Callable[[], None]]], folder: Path, engine: str, progress: Progress | None = None
) -> None:
    """Call every task on a cluster, each on a machine of its own while there are some; tried again where one dies.

    tasks: a name, and what is called there: it finds its input below `folder`, which all machines must see under the
    same path, keeps there what it makes, whole, and may be called twice. A task takes as many threads as the smallest
    machine offers. progress: told tasks done, and all. Raises `BadInput` as `run_on_ray` does, and where a machine does
    not see the folder; and the error of a task.
    """
    with contextlib.redirect_stdout(sys.stderr), _connected(engine) as ray:
        shared, resources = _ask_nodes(ray, folder.absolute(), ())
        if not shared:
            raise BadInput(
                f"engine={engine!r}: not every machine of the cluster sees {folder.absolute()}; put the study where "
                "all have it under the same path."
            )
        threads = int(min(found["CPU"] for found in resources if found.get("CPU", 0) >= 1))
        _call_all(ray, tasks, threads, progress)


def _call_all(
    ray: Any, tasks: Sequence[tuple[str, Callable[[], None]]], threads: int, progress: Progress | None
) -> None:
    waiting, running, attempts = list(range(len(tasks))), {}, [0] * len(tasks)
    call = ray.remote(_called)
    options = {"num_cpus": threads, "max_retries": 0, "runtime_env": {"env_vars": threads_environment(threads)}}
    done = 0
    try:
        while done < len(tasks):
            while waiting:
                task = waiting.pop(0)
                attempts[task] += 1
                running[call.options(**options, name=tasks[task][0]).remote(tasks[task][1])] = task
            ready, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
            for reference in ready:
                task = running.pop(reference)
                try:
                    refused = ray.get(reference)
                except ray.exceptions.RayError as error:
                    if attempts[task] == ATTEMPTS:
                        how = _how_it_died(error)
                        raise KofnError(
                            f"{tasks[task][0]}: its process died {ATTEMPTS} times, the last time it {how}"
                        ) from error
                    waiting.append(task)
                    continue
                if refused is not None:
                    raise BadInput(refused)
                done += 1
                if progress:
                    progress(done, len(tasks))
    finally:
        for reference in running:
            with contextlib.suppress(Exception):  # the connection is ended next, and its tasks with it
                ray.cancel(reference, force=True)


def _called(task: Callable[[], None]) -> str | None:
    """Call a task on a machine of the cluster; return what it refused, in words."""
    try:
        task()
    except KofnError as error:
        return f"{socket.gethostname()}: {error}"
    return None


@contextlib.contextmanager
def _connected(engine: str) -> Generator[Any]:
    try:
        import ray
    except ImportError as error:
        raise BadInput(f"engine={engine!r}: needs Ray, which is not installed: pip install 'kofn[ray]'.") from error
    if not os.environ.get("RAY_AUTH_MODE"):
        raise BadInput(f"engine={engine!r}: {WITHOUT_TOKEN}")
    address = engine if engine.startswith("ray://") else os.environ.get("RAY_ADDRESS") or "auto"
    if address != "auto":
        _check_answers(engine, address)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="kofn")
    except Exception as error:  # Ray raises a dozen kinds here
        raise BadInput(f"engine={engine!r}: {_why_not(error, address)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(engine: str, address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise BadInput(f"engine={engine!r}: expected ray://HOST:PORT, such as ray://head.example.org:10001.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"engine={engine!r}: nobody answers at {host}:{port} ({getattr(error, 'strerror', None) or error}); start "
            "the cluster with `ray start --head`, and take its client's port (10001 by default)."
        ) from error


def _why_not(error: BaseException, address: str) -> str:
    """Say why there is no connection, of what Ray says in many lines and of many causes."""
    kind, causes = type(error), []
    while error:
        causes.append(f"{type(error).__name__}: {' '.join(str(error).split())}")
        error = error.__cause__ or error.__context__  # ty: ignore[invalid-assignment]
    text = causes[0].partition(": ")[2][:300]
    if "ersion mismatch" in text or "Python minor versions differ" in text:
        return f"the cluster is of another version: {text}; install the same Python and Ray here and there."
    if any("AuthenticationError" in cause or "Unauthenticated" in cause for cause in causes):
        return (
            "the cluster refuses the token of this machine; give it the cluster's own, in RAY_AUTH_TOKEN or "
            "~/.ray/auth_token."
        )
    if issubclass(kind, ImportError) and address.startswith("ray://"):
        return "Ray's client needs grpcio: pip install 'kofn[ray]'."
    if "Could not find any running Ray instance" in text:
        return (
            "no cluster runs on this machine and RAY_ADDRESS names none; start one with `ray start --head`, or name it "
            "as engine='ray://HOST:PORT'."
        )
    return f"there is no connection to {address} ({kind.__name__}: {text})."


def _check_nodes(ray: Any, jobs: Sequence[TrainingJob]) -> bool:
    """Ask every machine what it is; return whether all see the study's folder. Raises `BadInput` as `run_on_ray`."""
    root = jobs[0].study.absolute()
    named = {Study.open(root).config.source or "", *(job.recipe.weights for job in jobs)}
    shared, resources = _ask_nodes(ray, root, sorted(path for path in named if path and Path(path).exists()))
    check_sizes(resources, jobs)
    return shared


def _ask_nodes(ray: Any, root: Path, needed: Sequence[str]) -> tuple[bool, list[dict[str, float]]]:
    """Return whether all machines see the folder `root`, and what each of them offers; needed: files that all see."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Defined here, so that it goes to the machines as it stands: none needs to have kofn for it.
    def probe(mark: str, paths: list[str]) -> dict[str, Any]:
        import os
        import platform
        from importlib.metadata import PackageNotFoundError, version

        found: dict[str, Any] = {"Python": platform.python_version()}
        for name in ("kofn", "torch"):
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = None
        return found | {"shared": os.path.exists(mark), "missing": [p for p in paths if not os.path.exists(p)]}  # noqa: PTH110

    alive = [node for node in ray.nodes() if node["Alive"]]
    mark = root / f".seen-{os.getpid()}-{time.time_ns()}"
    mark.touch()
    try:
        asked = [
            ray.remote(probe)
            .options(
                num_cpus=0, max_retries=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], False)
            )
            .remote(str(mark), list(needed))
            for node in alive
        ]
        try:
            facts = ray.get(asked, timeout=PROBE_SECONDS)
        except ray.exceptions.RayError as error:
            text = " ".join(str(error).split())[:300]
            raise BadInput(
                f"engine: a machine of the cluster does not answer ({type(error).__name__}: {text})."
            ) from error
    finally:
        mark.unlink(missing_ok=True)
    check_facts([(node["NodeManagerAddress"], found) for node, found in zip(alive, facts, strict=True)], root)
    return all(found["shared"] for found in facts), [node["Resources"] for node in alive]


def here() -> dict[str, str | None]:
    """Return what must be the same on every machine, and is it here."""
    try:
        return {"Python": platform.python_version(), "kofn": version("kofn"), "torch": version("torch")}
    except PackageNotFoundError as error:
        raise BadInput(
            f"engine: training needs {error.name}, which is not installed: pip install 'kofn[train]'."
        ) from error


def check_facts(facts: Sequence[tuple[str, dict[str, Any]]], root: Path) -> None:
    """Raise `BadInput` where a machine has other versions than this one, or lacks files that are needed.

    facts: address and what the machine says of itself.
    """
    own = here()
    for address, found in facts:
        for name, wanted in own.items():
            there = found[name]
            same = str(there).split(".")[:2] == str(wanted).split(".")[:2] if name == "Python" else there == wanted
            if not same:
                raise BadInput(
                    f"engine: the machine {address} has {name} {there or 'not at all'}, this one has {wanted}; a "
                    "study's members are made by one version: install the same everywhere."
                )
        if found["missing"]:
            raise BadInput(
                f"engine: the machine {address} does not see {', '.join(found['missing'])}, which training "
                f"{root} needs; put it where every machine has it under the same path."
            )


def check_sizes(resources: Sequence[dict[str, float]], jobs: Sequence[TrainingJob]) -> None:
    """Raise `BadInput` where a job fits no machine; resources: of each, as Ray tells them."""
    threads = max(job.threads for job in jobs)
    most = max(found.get("CPU", 0) for found in resources)
    if threads > most:
        raise BadInput(f"threads={threads}: the cluster's largest machine offers {most:g} CPUs; ask for fewer threads.")
    device = jobs[0].device
    if device.startswith("cuda:"):
        raise BadInput(f"device={device!r}: which GPU a task gets is Ray's to say; ask for device='cuda'.")
    if device == "cuda" and not any(found.get("GPU") for found in resources):
        raise BadInput("device='cuda': no machine of the cluster offers a GPU; `ray start --num-gpus` says how many.")


class _Mailbox:
    """What tasks say on their way, until the caller asks for it, and whether they are to stop: an actor of its own."""

    def __init__(self) -> None:
        self._letters: list[tuple] = []
        self._stopped: set[str] = set()

    def post(self, *letter: Any) -> bool:
        """Take what a task says, its title first; return whether it is to stop."""
        self._letters.append(letter)
        return letter[0] in self._stopped

    def stop(self, title: str) -> None:
        self._stopped.add(title)

    def empty(self) -> list[tuple]:
        letters, self._letters = self._letters, []
        return letters


@dataclass
class _Run:
    """Jobs on their way through a cluster."""

    ray: Any
    jobs: Sequence[TrainingJob]
    at_once: int
    on_event: Event
    shared: bool

    def __post_init__(self) -> None:
        gpus = any(node["Resources"].get("GPU") for node in self.ray.nodes() if node["Alive"])
        self._gpu = 1 if gpus and self.jobs[0].device != "cpu" else 0
        self._task = self.ray.remote(_train)
        self._mailbox = self.ray.remote(_Mailbox).options(num_cpus=0, max_restarts=-1).remote()
        self._attempts = [0] * len(self.jobs)
        self._begun: dict[str, int] = {}  # title -> the attempt that has been heard of

    def outcomes(self) -> list[Outcome]:
        ray, waiting, running = self.ray, list(range(len(self.jobs))), {}
        done: dict[int, Outcome] = {}
        try:
            while len(done) < len(self.jobs):
                while waiting and len(running) < self.at_once:
                    task = waiting.pop(0)
                    running[self._submit(task)] = task
                ready, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
                self._hear([self.jobs[task].title for task in running.values()])
                for reference in ready:
                    task = running.pop(reference)
                    try:
                        outcome = self._take(task, *ray.get(reference))
                    except ray.exceptions.RayError as error:
                        outcome = self._died(task, error)
                    if outcome is None:
                        waiting.insert(0, task)
                    else:
                        done[task] = outcome
                        self._begin(self.jobs[task].title, self._attempts[task])
                        self.on_event(outcome.member, "end", {"outcome": outcome})
        finally:
            for reference in running:
                with contextlib.suppress(Exception):  # the connection is ended next, and its tasks with it
                    ray.cancel(reference, force=True)
        return [done[i] for i in range(len(self.jobs))]

    def _submit(self, task: int) -> Any:
        job = self.jobs[task]
        self._attempts[task] += 1
        config = sent = None
        if not self.shared:
            config = (job.study / "study.toml").read_bytes()
            sent = files_of(job, job.study)
        environment = {"env_vars": {**ALLOCATOR, **threads_environment(job.threads)}}
        options = {"num_cpus": job.threads, "num_gpus": self._gpu, "max_retries": 0, "name": job.title}
        asked = replace(job, study=job.study.absolute())
        return self._task.options(**options, runtime_env=environment).remote(
            asked, config, sent, self._mailbox, self._attempts[task]
        )

    def _hear(self, titles: Sequence[str]) -> None:
        """Pass on what running tasks have said; of one that is over, or was begun anew, nothing more is wanted."""
        try:
            letters = self.ray.get(self._mailbox.empty.remote())
        except self.ray.exceptions.RayError:
            return  # its machine died; it is started again elsewhere
        attempts = {job.title: self._attempts[i] for i, job in enumerate(self.jobs)}
        for title, attempt, kind, facts in letters:
            if title in titles and attempt == attempts[title]:
                self._begin(title, attempt)
                if kind != "start" and self.on_event(title, kind, facts) == "stop":
                    self._mailbox.stop.remote(title)

    def _begin(self, title: str, attempt: int) -> None:
        if self._begun.get(title) != attempt:
            self._begun[title] = attempt
            self.on_event(title, "start", {"attempt": attempt})

    def _take(self, task: int, outcome: Outcome, made: dict[str, bytes] | None) -> Outcome:
        """Publish what a task has sent back, where it worked in a folder of its own."""
        if made is None or outcome.status == "failed":
            return outcome
        job = self.jobs[task]
        try:
            return replace(outcome, predictions=publish(job, made))
        except KofnError as error:
            return Outcome(job.title, "failed", error=str(error), error_code=error.exit_code)

    def _died(self, task: int, error: Exception) -> Outcome | None:
        """Tell of a task that ended with its process; return its outcome where it is given up."""
        title, attempt = self.jobs[task].title, self._attempts[task]
        how = _how_it_died(error)
        self._begin(title, attempt)
        self.on_event(title, "died", {"how": how, "attempt": attempt, "attempts": ATTEMPTS})
        if attempt < ATTEMPTS:
            return None
        return Outcome(title, "failed", error=f"its process died {ATTEMPTS} times, the last time it {how}")


def _how_it_died(error: Exception) -> str:
    kind = type(error).__name__
    if kind == "OutOfMemoryError":
        return "was ended by Ray for want of memory (try a smaller batch_size, or more threads=..., so that fewer run)"
    if kind in ("NodeDiedError", "LocalRayletDiedError"):
        return "was lost with its machine"
    if kind == "WorkerCrashedError":
        return "was ended from outside (perhaps for want of memory)"
    return f"was lost ({kind}: {' '.join(str(error).split())[:200]})"


def _train(
    job: TrainingJob, config: bytes | None, sent: dict[str, bytes] | None, mailbox: Any, attempt: int
) -> tuple[Outcome, dict[str, bytes] | None]:
    """Train a job on a machine of the cluster; return its outcome, and what it made where the study is elsewhere."""

    def report(kind: str, facts: dict[str, Any]) -> None:
        letter = mailbox.post.remote(job.title, attempt, kind, facts)
        if kind == "epoch" and _answer(letter):
            raise _Stopped

    report("start", {})
    try:
        if config is None or sent is None:
            return _patiently(job, report, attempt), None
        with own_folder(job, config, sent) as own:
            outcome = _patiently(own, report, attempt)
            return outcome, files_of(own, own.study)
    except _Stopped:
        return Outcome(job.title, "stopped"), None
    except KofnError as error:
        repeats = isinstance(error, Diverged)
        return Outcome(job.title, "failed", error=str(error), error_code=error.exit_code, repeats=repeats), None
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if is_out_of_memory(error):
            text = f"the memory of {socket.gethostname()} does not suffice ({text[:200]}); lower the setting batch_size"
            return Outcome(job.title, "failed", error=text), None
        return Outcome(
            job.title, "failed", error=f"{text}; this is a defect of kofn", detail=traceback.format_exc()
        ), None


class _Stopped(Exception):
    """A task is to stop."""


def _answer(letter: Any) -> bool:
    """Return what the mailbox says; where its machine died, that nothing is to stop."""
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(letter)
    except RayError:
        return False


def _patiently(job: TrainingJob, report: Callable[[str, dict[str, Any]], None], attempt: int) -> Outcome:
    """Train; where another process has the member, wait some seconds: the lock of one that died may outlive it."""
    from ensemble.training.run import train_member

    end = time.monotonic() + BUSY_SECONDS[attempt > 1]
    while True:
        try:
            return train_member(job, report)
        except Busy:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
