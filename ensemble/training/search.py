"""A search for recipes: trials drawn by Optuna from a plan's ranges, scored on tune, the best of them kept as members.

The one door to Optuna. Trials and scores stand in a relational store, so that a search is gone on with, and several
workers share it; each trial is trained in a folder of the study of its own, and goes on from its checkpoint.
"""

import contextlib
import json
import shutil
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ensemble.errors import BadInput
from ensemble.machine import cores
from ensemble.study.atomic import locked
from ensemble.study.history import Epoch, read_epochs
from ensemble.study.names import check_name
from ensemble.study.part import check_engine
from ensemble.study.recipe import Plan, Recipe
from ensemble.study.study import Study
from ensemble.study.tabular import Rows
from ensemble.training.base_plan import Choices, plan_of
from ensemble.training.elsewhere import files_of, publish
from ensemble.training.job import Event, Outcome, TrainingJob
from ensemble.training.kept import best_on_tune
from ensemble.training.pool import run_jobs

TUNE = 0.1  # of train, where the recipe holds nothing out
MEMBERS = 5  # of the trials are kept
STARTUP = 5  # trials that are drawn at random, and never pruned
WARMUP = 0.2  # of its epochs, in which a trial is never pruned


@dataclass(frozen=True)
class Trial:
    """One trial. state: "complete", "pruned", "failed" or "running"; score: accuracy on tune, None where none is."""

    number: int
    state: str
    score: float | None
    settings: dict[str, Any]


@dataclass(frozen=True)
class Search(Rows):
    """What a search has come to. trials: all of the store, by number; members: the best few, best first, as kept.

    here: how many trials this process has trained.
    """

    trials: tuple[Trial, ...]
    members: tuple[str, ...]
    here: int

    def _columns(self) -> dict[str, Any]:
        return {name: [getattr(trial, name) for trial in self.trials] for name in ("number", "state", "score")}


def search_members(
    study: Study | str | Path, trials: int, *, members: int = MEMBERS, store: str | None = None, jobs: int = 1,
    threads: int | None = None, device: str = "auto", on_event: Event | None = None, engine: str = "local",
    **choices: Any,
) -> Search:  # fmt: skip
    """Search for recipes in the ranges of a plan until there are so many trials, and keep the best few as members.

    A trial is a recipe of the plan's base whose settings with ranges are drawn by Optuna's TPE; it is scored by its
    accuracy on tune, the part of train that is held out for such choices (a tenth where the recipe holds none out),
    never by val; after a fifth of its epochs it is pruned where it is worse than the median of the others. Members are
    called `name`-tNUMBER by their trials. Called again, and by several processes at once, it goes on.

    study: where. trials: how many in all, pruned and failed ones among them. members: how many are kept. store: the URL
    of a database, such as postgresql://host/name; without one SQLite in the study's folder. jobs: trials at once of
    this process. threads: of the CPU, of each; device: "auto", "cpu", "cuda" or "cuda:N". on_event: hears as
    `train_members` has it. engine: what trains, as `plan_members` has it; on a cluster of Ray `jobs` trials at once are
    its tasks, of one thread each unless told. choices: model, recipe, name, epochs, seed, weights, keep, precision and
    settings, as `plan_members` has them.

    Raises `BadInput` where Optuna is missing, the plan has no ranges, the store cannot be opened, or holds a search of
    another base or other ranges.
    """
    study = Study.of(study)
    for name, count in (("trials", trials), ("members", members)):
        if count < 1:
            raise BadInput(f"{name}={count}: expected at least 1.")
    prefix, plan, _ = plan_of(study, Choices(**choices))
    check_name(f"{prefix}-t{trials}", "name of members")
    plan = searched(plan)
    study = Study.create(study.root, study.config)
    scratch = Study.create(study.root / "search" / prefix, replace(study.config, runs={}))
    with _opened(store, scratch, prefix, plan) as found:
        threads = threads or (max(1, cores() // jobs) if check_engine(engine) == "local" else 1)
        run = _Searching(found, scratch, prefix, plan, threads, device, on_event, engine)
        while run.round(trials, jobs):
            pass
        kept = tuple(run.publish(study, number) for number in run.best(members))
        return Search(run.trials(), kept, run.here)


def searched(plan: Plan) -> Plan:
    """Return a plan whose trials can be scored; raise `BadInput` where it has no ranges to search in."""
    if not plan.ranges:
        raise BadInput(
            f"{plan.source or 'plan'}: has no [ranges] to search in; give it some, such as learning_rate = "
            '[1e-4, 1e-1, "log"], in a recipe of your own.'
        )
    if plan.base.snapshots:
        raise BadInput(f"{plan.source or 'plan'}: a trial is one member, and snapshots are several; leave them out.")
    return plan if plan.base.tune else plan.with_settings(tune=TUNE)


@contextlib.contextmanager
def _opened(store: str | None, scratch: Study, prefix: str, plan: Plan) -> Generator[Any]:
    """Give the search in a store, begun there or there before."""
    try:
        import optuna
    except ImportError as error:
        raise BadInput("search: needs Optuna, which is not installed: pip install 'kofn[search]'.") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = store or f"sqlite:///{(scratch.root / 'trials.db').absolute()}"
    asked = json.dumps(
        {"base": plan.base.as_dict(), "ranges": {k: list(v) for k, v in sorted((plan.ranges or {}).items())}}
    )
    name = f"{prefix} on {scratch.config.fingerprint or scratch.config.data}"
    try:
        with locked(scratch.root / "begin.lock"):  # the tables of a new database are made by one
            storage = optuna.storages.RDBStorage(url)
            found = optuna.create_study(
                storage=storage, study_name=name, direction="maximize", load_if_exists=True,
                sampler=optuna.samplers.TPESampler(n_startup_trials=STARTUP, multivariate=True, seed=None),
                pruner=optuna.pruners.MedianPruner(STARTUP, n_warmup_steps=int(WARMUP * plan.base.epochs)),
            )  # fmt: skip
            there = found.user_attrs.get("asked")
            if there is None:
                found.set_user_attr("asked", asked)
                there = asked
    except Exception as error:  # of the database's driver, whichever that is
        reason = " ".join(str(error).split())[:300]
        raise BadInput(f"store={url!r}: cannot be opened ({type(error).__name__}: {reason}).") from error
    differing = _differences(json.loads(there), json.loads(asked))
    if differing:
        raise BadInput(
            f"store={url!r}: holds a search {prefix!r} of other settings: {differing}; ask for what is there, or "
            "choose another name=..."
        )
    try:
        yield found
    finally:
        storage.remove_session()


def _differences(there: dict[str, Any], asked: dict[str, Any]) -> str:
    pairs = [
        (key if part == "base" else f"ranges.{key}", there[part].get(key), asked[part].get(key))
        for part in ("base", "ranges")
        for key in sorted(there[part].keys() | asked[part].keys())
    ]
    return "; ".join(f"{key} is {old!r} there, {new!r} was asked for" for key, old, new in pairs if old != new)


class _Searching:
    """The trials of one process, a round of some at once after another."""

    def __init__(
        self, found: Any, scratch: Study, prefix: str, plan: Plan, threads: int, device: str, on_event: Event | None,
        engine: str,
    ) -> None:  # fmt: skip
        self.found, self.scratch, self.prefix, self.plan, self.engine = found, scratch, prefix, plan, engine
        self.threads, self.device, self.on_event = threads, device, on_event
        self.here = 0
        self._reported: dict[int, set[int]] = {}  # trial -> epochs whose score the store has

    def round(self, trials: int, jobs: int) -> bool:
        """Train up to `jobs` trials, those first that a dead process left; return whether there may be more to do."""
        with ExitStack() as held:
            mine = []
            while len(mine) < jobs and (trial := self._next(trials, held)) is not None:
                mine.append(trial)
            if not mine:
                return False
            asked = {self._member(trial.number): trial for trial in mine}
            jobs_of = [self._job(trial.number, self._recipe(trial.params)) for trial in mine]
            hear = self._hearing(asked)
            if self.engine == "local":
                outcomes = run_jobs(jobs_of, len(jobs_of), hear)
            else:
                from ensemble.training.on_ray import run_on_ray

                outcomes = run_on_ray(jobs_of, len(jobs_of), hear, self.engine)
            for outcome in outcomes:
                self._tell(asked[outcome.member], outcome)
        return True

    def _member(self, number: int) -> str:
        return f"{self.prefix}-t{number}"

    def _job(self, number: int, recipe: Recipe) -> TrainingJob:
        splits = ("val", *(("test",) if "test" in self.scratch.config.splits else ()))
        return TrainingJob(self.scratch.root, self._member(number), recipe, self.threads, self.device, splits)

    def _recipe(self, params: dict[str, Any]) -> Recipe:
        settings = {name: float(f"{value:.3g}") for name, value in params.items()}
        return Recipe.from_dict({**self.plan.base.as_dict(), **settings}, "trial")

    def _next(self, trials: int, held: ExitStack) -> Any | None:
        """Return a trial whose lock is this process's from now on; None where there are enough of them."""
        import optuna

        with locked(self.scratch.root / "begin.lock"):
            all_trials = self.found.get_trials(deepcopy=False)
            running = (t for t in all_trials if t.state == optuna.trial.TrialState.RUNNING)
            left = next((t for t in running if self._hold(t.number, held)), None)
            if left is not None:
                trial = optuna.trial.Trial(self.found, left._trial_id)
            elif len(all_trials) >= trials:
                return None
            else:
                trial = self.found.ask()
                self._hold(trial.number, held)
            for name, (low, high, scale) in sorted((self.plan.ranges or {}).items()):
                trial.suggest_float(name, low, high, log=scale == "log")  # what was drawn stays
            self._reported[trial.number] = set(left.intermediate_values if left else ())
            self.here += 1
            return trial

    def _hold(self, number: int, held: ExitStack) -> bool:
        """Take the lock of a trial until its round is over; say whether no other process has it."""
        with ExitStack() as attempt:
            if attempt.enter_context(locked(self.scratch.root / "locks" / str(number), wait=False)):
                held.push(attempt.pop_all())
                return True
        return False

    def _hearing(self, asked: dict[str, Any]) -> Event:
        """Return what hears of the trials' epochs, and says "stop" where one is to be pruned."""

        def hear(title: str, kind: str, facts: dict[str, Any]) -> str | None:
            if self.on_event is not None:
                self.on_event(title, kind, facts)
            if kind != "epoch":
                return None
            trial = asked[title]
            if facts["epoch"] not in self._reported[trial.number]:
                trial.report(facts["tune_accuracy"], facts["epoch"])
            return "stop" if facts["epoch"] < facts["epochs"] and trial.should_prune() else None

        return hear

    def _tell(self, trial: Any, outcome: Outcome) -> None:
        """Write down how a trial ended, and drop the files of one that cannot become a member."""
        from optuna.trial import TrialState

        if outcome.status in ("trained", "resumed", "skipped"):
            self.found.tell(trial, self._score(trial.number), skip_if_finished=True)
            return
        state = TrialState.PRUNED if outcome.status == "stopped" else TrialState.FAIL
        if outcome.error:
            trial.set_user_attr("error", outcome.error)
        self.found.tell(trial, state=state, skip_if_finished=True)
        shutil.rmtree(self.scratch.member_dir(self._member(trial.number)), ignore_errors=True)

    def _score(self, number: int) -> float:
        """Return the accuracy on tune of the epoch whose weights are kept."""
        epochs = read_epochs(self.scratch.files(self._member(number)).history, upto=self.plan.base.epochs)
        return score_of(self.plan.base, epochs)

    def trials(self) -> tuple[Trial, ...]:
        """Return all trials of the store, by number."""
        names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        return tuple(
            Trial(
                t.number,
                names.get(t.state.name, "running"),
                t.value,
                asdict(self._recipe(t.params)) if t.params else {},
            )
            for t in self.found.get_trials(deepcopy=False)
        )

    def best(self, count: int) -> list[int]:
        """Return the numbers of the best complete trials, best first; of equals the earlier one."""
        complete = [trial for trial in self.trials() if trial.state == "complete"]
        return [t.number for t in sorted(complete, key=lambda t: (-(t.score or 0.0), t.number))[:count]]

    def publish(self, study: Study, number: int) -> str:
        """Make a trial a member of the study, unless it is one already or was trained elsewhere; return its name."""
        member = self._member(number)
        if not study.files(member).weights.exists():
            trial = next(t for t in self.trials() if t.number == number)
            job = self._job(number, Recipe.from_dict(trial.settings, "trial"))
            if not self.scratch.files(member).weights.exists():
                raise BadInput(
                    f"{self.scratch.root}: lacks {member}, trial {number} of the store, which another machine trained: "
                    "give all of them one folder."
                )
            publish(replace(job, study=study.root), files_of(job, self.scratch.root))
        return member


def score_of(recipe: Recipe, epochs: Sequence[Epoch]) -> float:
    """Return the accuracy on tune of the epoch whose weights a recipe keeps."""
    kept = best_on_tune(epochs) if recipe.keep == "best" else len(epochs)
    return epochs[kept - 1].tune_accuracy
