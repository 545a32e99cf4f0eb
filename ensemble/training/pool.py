"""Several members at once, each in a process of its own that is started again when it dies."""

import contextlib
import multiprocessing
import os
import re
import signal
import sys
import traceback
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from typing import Any

from ensemble.errors import BadInput, KofnError
from ensemble.machine import Progress, end_with_parent, is_out_of_memory, threads_environment
from ensemble.study.atomic import remove_folder, remove_leftovers
from ensemble.study.history import best_epoch, read_epochs
from ensemble.study.study import Study
from ensemble.study.weights import read_first_layer
from ensemble.training.damage import damage_text, discard, trains_over
from ensemble.training.job import ALLOCATOR, ATTEMPTS, Diverged, Event, Outcome, TrainingJob, after_training
from ensemble.training.kept import Kept
from ensemble.training.plan_members import MemberPlan, TrainingPlan, plan_members


def run_jobs(jobs: Sequence[TrainingJob], at_once: int, on_event: Event) -> list[Outcome]:
    """Train every job, at most `at_once` at the same time; return their outcomes in the order of `jobs`.

    A process that dies (killed, out of memory) is replaced and its member goes on from its checkpoint, three
    attempts in all; an error that would only repeat itself is not tried again. `on_event(title, kind, facts)`
    hears "start", "note", "batch", "features", "epoch", "died" and "end", and ends a job where it returns "stop". When
    the caller is interrupted or killed, the processes are ended: what they had finished is whole, since files are
    renamed into place.
    """
    waiting = list(range(len(jobs)))
    attempts = dict.fromkeys(waiting, 0)
    outcomes: dict[int, Outcome] = {}
    workers: list[_Worker] = []
    try:
        while len(outcomes) < len(jobs):
            for worker in [w for w in workers if w.task is None]:
                if waiting:
                    _give(worker, waiting, jobs, attempts, on_event)
            while waiting and len(workers) < min(at_once, len(jobs)):
                workers.append(_Worker.start(jobs[waiting[0]].threads))
                _give(workers[-1], waiting, jobs, attempts, on_event)
            busy = [w for w in workers if w.task is not None]
            for ready in wait([w.pipe for w in busy]):
                worker = next(w for w in busy if w.pipe is ready)
                task = worker.task
                assert task is not None
                job = jobs[task]
                try:
                    kind, facts = worker.pipe.recv()
                except (EOFError, ConnectionResetError):
                    worker.process.join()
                    workers.remove(worker)
                    how = _how_it_died(worker.process.exitcode)
                    on_event(job.title, "died", {"how": how, "attempt": attempts[task], "attempts": ATTEMPTS})
                    if attempts[task] < ATTEMPTS:
                        waiting.insert(0, task)
                    else:
                        error = f"its process died {ATTEMPTS} times, the last time it {how}"
                        outcomes[task] = Outcome(job.title, "failed", error=error)
                        on_event(job.title, "end", {"outcome": outcomes[task]})
                    continue
                if kind == "end":
                    outcomes[task] = facts["outcome"]
                    worker.task = None
                said = on_event(job.title, kind, facts)
                if said == "stop" and worker.task is not None:
                    worker.stop()
                    workers.remove(worker)
                    outcomes[task] = Outcome(job.title, "stopped")
                    on_event(job.title, "end", {"outcome": outcomes[task]})
    finally:
        for worker in workers:
            worker.stop()
    return [outcomes[i] for i in range(len(jobs))]


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: int | None = None

    @classmethod
    def start(cls, threads: int) -> "_Worker":
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        with _without_main(), _environment({**ALLOCATOR, **threads_environment(threads)}):
            process.start()
        theirs.close()
        return cls(process, ours)

    def stop(self) -> None:
        # Closing the pipe ends an idle worker; a busy one is ended by the signal. Both are safe at any moment.
        self.pipe.close()
        self.process.terminate()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _give(
    worker: _Worker, waiting: list[int], jobs: Sequence[TrainingJob], attempts: dict[int, int], on_event: Event
) -> None:
    task = waiting.pop(0)
    worker.task = task
    attempts[task] += 1
    on_event(jobs[task].title, "start", {"attempt": attempts[task]})
    # A worker that died meanwhile is noticed when its pipe is read.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        worker.pipe.send(jobs[task])


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Generator[None]:
    """Set variables a child process reads when it starts; what the user set himself stays."""
    added = {key: value for key, value in values.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            del os.environ[key]


@contextlib.contextmanager
def _without_main() -> Generator[None]:
    """Keep a child from running the caller's script again, as `spawn` has it: all it runs is of this package."""
    main = vars(sys.modules["__main__"])
    kept = {key: main.pop(key) for key in ("__file__", "__spec__") if key in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(kept)


def _how_it_died(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        memory = " (perhaps for want of memory: try fewer jobs=...)" if name == "SIGKILL" else ""
        return f"was ended by {name}{memory}"
    return f"left with status {exitcode}"


def _memory(job: TrainingJob, error: Exception) -> str:
    """Say that memory ran out, and what to lower."""
    where = "the GPU" if "CUDA" in str(error) else "this machine"
    size = f" or input_size ({job.recipe.input_size} now)" if job.recipe.input_size else ""
    return (
        f"{job.title}: the memory of {where} does not suffice ({str(error).splitlines()[0][:150]}); lower the setting "
        f"batch_size ({job.recipe.batch_size} now){size}, take a smaller model, or train fewer members at once with "
        "jobs=1."
    )


def _serve(pipe: Connection, parent: int) -> None:
    """Run in the worker of the process `parent`: train what comes through the pipe until it closes."""
    end_with_parent(parent)
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout = sys.stderr  # what a user's network prints is not a part of a command's document
    from ensemble.training.run import train_member

    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            outcome = train_member(job, lambda kind, facts: pipe.send((kind, facts)))
        except KofnError as error:
            repeats = isinstance(error, Diverged)
            outcome = Outcome(job.title, "failed", error=str(error), error_code=error.exit_code, repeats=repeats)
        except BrokenPipeError:
            return  # the parent is gone, and nobody waits for this member
        except Exception as error:
            text = f"{type(error).__name__}: {error}; this is a defect of kofn"
            outcome = (
                Outcome(job.title, "failed", error=_memory(job, error))
                if is_out_of_memory(error)
                else Outcome(job.title, "failed", error=text, detail=traceback.format_exc())
            )
        pipe.send(("end", {"outcome": outcome}))


def train_members(
    study: Study | str | Path, plan: TrainingPlan | None = None, *, progress: Progress | None = None,
    on_event: Event | None = None, **choices: Any,
) -> list[Outcome]:  # fmt: skip
    """Train what a plan asks of a study, and return what became of each network: members in order, then folds.

    Members that are finished are skipped, one that was cut off goes on where it was. A network that cannot be trained
    has an outcome of status "failed", with its `error`, and so has a member whose files are damaged; the others are
    safe. Of a plan's part it has the outcomes of that part; a member of which only folds are in it has status
    "elsewhere".

    plan: of `plan_members`; without one the `choices` are what that takes (model, recipe, variants, epochs, ...).
    progress: hears (epochs trained, epochs in all), over all networks. on_event: hears of each network by its title,
    what happened and the facts, as `ensemble.training.pool.run_jobs` says.

    Raises `BadInput` as `plan_members` does.
    """
    study = Study.of(study)
    if plan is None:
        plan = plan_members(study, **choices)
    elif choices:
        raise BadInput(f"plan: is made already; give {', '.join(choices)} to plan_members.")
    elif plan.study.root != study.root:
        raise BadInput(f"plan: is of the study {plan.study.root}, not of {study.root}; plan its members again.")
    study = _with_plan(plan)
    remove_leftovers(study.root / "members")  # of members whose removal was killed
    for member in plan:
        if plan.force or (member.action == "redo" and trains_over(study, member.name, member.damage)):
            clear(study, member.name)
        elif member.action == "redo":
            discard(study, member.name, member.damage)
    jobs = plan.training_jobs()
    skipped = {m.name: _left_alone(study, m, plan.splits) for m in plan if not m.trains}
    heard = _heard(jobs, progress, on_event)
    trained = {outcome.member: outcome for outcome in _run(jobs, plan, heard)}
    return [(skipped | trained)[m.name] for m in plan] + [trained[job.title] for job in jobs if job.fold is not None]


def _run(jobs: list[TrainingJob], plan: TrainingPlan, on_event: Event) -> list[Outcome]:
    if plan.engine == "local":
        return run_jobs(jobs, plan.jobs, on_event)
    from ensemble.training.on_ray import run_on_ray

    return run_on_ray(jobs, plan.jobs, on_event, plan.engine)


def _with_plan(plan: TrainingPlan) -> Study:
    """Write into study.toml what is asked for, so that the study goes on with it; return the study."""
    config, root = plan.study.config, plan.study.root
    runs = {key: value for key, value in config.runs.items() if key != plan.prefix}
    return Study(root, config).with_config(runs={**runs, plan.prefix: plan.record})


def _heard(jobs: list[TrainingJob], progress: Progress | None, on_event: Event | None) -> Event:
    done: dict[str, int] = {}
    total = sum(job.recipe.epochs for job in jobs)

    def hear(title: str, kind: str, facts: dict[str, Any]) -> object:
        if progress is not None and kind == "epoch":
            done[title] = facts["epoch"]
            progress(sum(done.values()), total)
        return None if on_event is None else on_event(title, kind, facts)

    return hear


def _left_alone(study: Study, member: MemberPlan, splits: tuple[str, ...]) -> Outcome:
    if member.action == "skip":
        return finished_outcome(study, member, splits)
    if member.action == "elsewhere":
        return Outcome(member.name, "elsewhere")
    return Outcome(member.name, "failed", error=damage_text(study, member.name, member.damage), error_code=2)


def finished_outcome(study: Study, member: MemberPlan, splits: tuple[str, ...]) -> Outcome:
    """Return what a member that needs nothing more has come to, read from its history."""
    epochs = read_epochs(study.files(member.name).history, upto=member.recipe.epochs)
    outputs = member.recipe.outputs(member.name)
    config, kernels = study.config, (read_first_layer(study.files(outputs[-1]).first_layer) or {}).get("last")
    kept = Kept(member.recipe).epoch(epochs)
    findings = (
        after_training(epochs[:kept], len(config.class_ids), config.splits["val"].samples, kernels) if epochs else ()
    )
    return Outcome(
        member=member.name,
        status="skipped",
        epochs=len(epochs),
        last=epochs[-1] if epochs else None,
        best=best_epoch(epochs) if epochs else None,
        seconds=sum(e.seconds for e in epochs),
        images_per_second=median(e.images_per_second for e in epochs) if epochs else 0.0,
        predictions=tuple(str(study.predictions_path(output, split)) for output in outputs for split in splits),
        findings=findings,
        repeats=bool(findings),
        kept=kept or None,
    )


def clear(study: Study, name: str) -> None:
    """Remove what a member has, predictions first, so that a kill leaves no predictions without their member.

    Its snapshots go with it, and its folds.
    """
    there = (study.root / "members").glob(f"{name}-s*/recipe.toml")
    snapshots = [path.parent.name for path in there if re.fullmatch(r"\d+", path.parent.name[len(name) + 2 :])]
    with study.member_alone(name), study.alone():  # refused while another process trains it
        for gone in (*snapshots, name):
            for split in study.splits():
                study.predictions_path(gone, split).unlink(missing_ok=True)
            folder = study.member_dir(gone)
            if folder.exists():
                remove_folder(folder)
