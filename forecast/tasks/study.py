"""A study of Optuna in its database: opened, joined or begun, what proposes its trials, and what ends them early."""

from __future__ import annotations

import contextlib
import json
import math
import time
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

from forecast.errors import ForecastError, Stopped
from forecast.settings import dotted

try:
    import optuna
    from optuna import TrialPruned
    from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
    from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
    from optuna.trial import TrialState
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError
except ModuleNotFoundError as missing:
    raise ForecastError(
        f"task=tune needs {missing.name}, which is not installed: pip install 'recurrent-forecast[tune]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from forecast.series.panel import Source
    from forecast.tasks.settings import JobSettings
    from forecast.tasks.space import Dimension, TuneSettings

    Space: TypeAlias = dict[str, Dimension]

__all__ = ["SharedStudy", "TrialPruned", "fingerprint", "is_scored", "open_storage", "open_study", "score_of"]
# the exception of Optuna too: here is said what to install where it is missing

_DATABASE = "study.db"
_MOST_RETRIES = 3
"""Times that a trial whose machine died is taken up again: beyond them it is taken for what kills machines."""
_FIRST_TRIALS, _FIRST_EPOCHS = 5, 5
"""Trials, and epochs of each, before which none is ended early."""


@contextlib.contextmanager
def open_storage(settings: TuneSettings, folder: Path) -> Iterator[RDBStorage]:
    """Open the database of a study, whose trials give signs of life.

    Raises
    ------
    ForecastError
        It cannot be reached.

    """
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    if settings.storage is None:
        folder.mkdir(parents=True, exist_ok=True)
    address = settings.storage or f"sqlite:///{(folder / _DATABASE).absolute()}"
    address = address.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        with unwarned():
            storage = RDBStorage(
                address,
                heartbeat_interval=settings.heartbeat_s,
                grace_period=2 * settings.heartbeat_s,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(_MOST_RETRIES),
            )
    except (SQLAlchemyError, ImportError, optuna.exceptions.StorageInternalError) as error:
        inner = error.__cause__ or error
        reason = str(getattr(inner, "orig", None) or inner).strip().split("\n")[0]
        raise ForecastError(
            f"`tune.storage`: the database {address.rpartition('@')[2]} cannot be used ({reason}): correct it, as in "
            f"postgresql://user@host/database, or leave it out"
        ) from None
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def open_study(job: JobSettings, storage: RDBStorage, space: Space, common: dict[str, str]) -> Study:
    """Join the study, or begin it with the settings as they are.

    Raises
    ------
    ForecastError
        The database holds a study of this name over other data or settings.

    """
    name = job.tune.study
    tools: dict[str, Any] = {"sampler": _sampler(job), "pruner": _pruner(job)}
    try:
        study: Study = optuna.create_study(storage=storage, study_name=name, **tools)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name, **tools)
        _check_common(study, common)
        study.sampler.reseed_rng()  # or else it would propose once more what it did at the beginning
        return study
    values = job.model_dump(mode="json")
    present = {key: _value_of(values, key) for key in space}
    study.enqueue_trial({key: value for key, value in present.items() if value in space[key]})
    study.set_user_attr("common", common)
    return study


class SharedStudy:
    """A study as all its machines see it: which trials run, which have ended, which is the best."""

    def __init__(self, study: Study, storage: RDBStorage) -> None:
        self._study, self._storage = study, storage

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return all trials, or those in some states, by number."""
        return self._study.get_trials(deepcopy=False, states=states or None)

    def running(self) -> int:
        """Count the trials that run, on whatever machine."""
        return len(self.trials(TrialState.RUNNING))

    def has_waiting(self) -> bool:
        """Whether a trial is queued."""
        return bool(self.trials(TrialState.WAITING))

    def done(self) -> list[FrozenTrial]:
        """Trials that came to an end of their own: scored, ended early, or refused."""
        return [trial for trial in self.trials() if _is_done(trial)]

    def ended(self) -> list[FrozenTrial]:
        """Trials in the order in which they ended."""
        ended = [(trial.datetime_complete, trial.number, trial) for trial in self.trials()]
        return [trial for at, _, trial in sorted((one for one in ended if one[0] is not None), key=lambda one: one[:2])]

    def best(self) -> FrozenTrial | None:
        """Return the trial with the lowest score, the earlier one where two are equal."""
        return min(filter(is_scored, self.done()), key=score_of, default=None)

    def frozen(self, trial: Trial) -> FrozenTrial:
        """Return what the database holds of a trial."""
        return next(one for one in self.trials() if one.number == trial.number)

    def is_surplus(self, trial: Trial, wanted: int) -> bool:
        """Whether as many as are wanted were begun before this one; those of dead machines are run anyway."""
        if "failed_trial" in self.frozen(trial).system_attrs:
            return False
        kept = (TrialState.RUNNING, TrialState.WAITING)
        before = [one for one in self.trials() if one.number < trial.number]
        return sum(one.state in kept or _is_done(one) for one in before) >= wanted

    def run_one(self, objective: Callable[[Trial], float], catch: tuple[type[Exception], ...]) -> None:
        """Take the next trial, queued or proposed, and run it; what is not caught fails it and is raised."""
        with unwarned():
            self._study.optimize(objective, n_trials=1, catch=catch)

    def put_back(self, trial: Trial, broken_off: BaseException) -> None:
        """Queue a trial that was broken off once more."""
        if isinstance(broken_off, Stopped):  # which Optuna does not catch
            self._study.tell(trial, state=TrialState.FAIL)
        with unwarned():
            RetryHeartbeatStaleTrialCallback()(self._study, self.frozen(trial))

    def requeue_dead(self) -> None:
        """Put trials whose machine died back into the queue.

        A machine may have died between taking a trial and its first sign of life, and Optuna then has it running for
        ever: whoever looks gives it a first sign, and it is stale like others when no second one follows.
        """
        with self._storage.engine.connect() as connection:
            alive = set(connection.execute(text("select trial_id from trial_heartbeats")).scalars())
        for trial in self.trials(TrialState.RUNNING):
            if trial._trial_id not in alive:
                self._storage.record_heartbeat(trial._trial_id)
        with unwarned():
            fail_stale_trials(self._study)

    @property
    def evaluated(self) -> str | None:
        """Where the best is evaluated on the test split; None where nobody has begun to."""
        return self._study.user_attrs.get("evaluated")

    @evaluated.setter
    def evaluated(self, place: str) -> None:
        self._study.set_user_attr("evaluated", place)


def is_scored(trial: FrozenTrial) -> bool:
    """Whether a trial has a score; the value of one that ended early is its last loss."""
    return trial.state == TrialState.COMPLETE


def score_of(trial: FrozenTrial) -> float:
    """Return the score of a trial, infinite where it has none."""
    return float(trial.value) if trial.value is not None and is_scored(trial) else math.inf


def _is_done(trial: FrozenTrial) -> bool:
    """Whether a trial came to an end of its own: one that failed says why, and one whose machine died does not."""
    return trial.state.is_finished() and (trial.state != TrialState.FAIL or "status" in trial.user_attrs)


def _value_of(values: dict[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return values[section].get(name)


def _check_common(study: Study, common: dict[str, str]) -> None:
    """Refuse to go on with a study over other data or settings; another machine may be about to say which they are."""
    for _ in range(100):
        if (first := study.user_attrs.get("common")) is not None:
            break
        time.sleep(0.1)
    else:
        raise ForecastError(f"`tune.study={study.study_name}` is no study of this program: choose another name")
    for key in first | common:
        if first.get(key) != common.get(key):
            before, now = first.get(key, "nothing"), common.get(key, "nothing")
            raise ForecastError(
                f"the study {study.study_name!r} was begun with {key} {before}, found {now}: say the same, or choose "
                f"another `tune.study` or folder"
            )


def _sampler(job: JobSettings) -> BaseSampler:
    if job.tune.sampler == "random":
        return RandomSampler(seed=job.seed)
    if job.tune.sampler == "gp":
        return GPSampler(seed=job.seed)
    with unwarned():
        # Settings that belong together are sampled together, also where some of them do not apply.
        return TPESampler(seed=job.seed, multivariate=True, group=True)


def _pruner(job: JobSettings) -> BasePruner:
    """Return what ends trials early; it compares losses of one unit, those of trials with one head and loss."""
    if job.tune.pruner == "none":
        return NopPruner()
    inner: BasePruner = (
        MedianPruner(n_startup_trials=_FIRST_TRIALS, n_warmup_steps=_FIRST_EPOCHS)
        if job.tune.pruner == "median"
        else SuccessiveHalvingPruner(min_resource=_FIRST_EPOCHS)
    )

    class OfOneLoss(BasePruner):
        def prune(self, study: Study, trial: FrozenTrial) -> bool:
            return inner.prune(_Alike(study, trial), trial)  # type: ignore[arg-type]  # stands in for the study

    return OfOneLoss()


class _Alike:
    """A study as a pruner sees it, with those trials alone whose validation losses have the unit of one trial's."""

    def __init__(self, study: Study, trial: FrozenTrial) -> None:
        self._whole, self._trial = study, trial

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def get_trials(self, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        """Return the trials with the same head and loss."""
        unit = _unit(self._trial)
        return [one for one in self._whole.get_trials(deepcopy=deepcopy, states=states) if _unit(one) == unit]


def _unit(trial: FrozenTrial) -> tuple[Any, Any]:
    return trial.params.get("model.head"), trial.params.get("model.loss")


def fingerprint(values: dict[str, Any], space: Space, source: Source) -> dict[str, str]:
    """Return what all machines and all parts of a study have to have in common, as texts by name."""
    kept = {name: part for name, part in values.items() if name not in ("tune", "task", "report", "run")}
    kept["data"] = {key: value for key, value in values["data"].items() if key != "path"}
    searched = {f"tune.space.{key}": repr(dimension) for key, dimension in space.items()}
    settings = {name: json.dumps(value) for name, value in dotted(kept).items() if value != {}}
    return {**settings, **searched, "the data": source.fingerprint, "tune.seeds": str(values["tune"]["seeds"])}


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """Silence what Optuna says of its heartbeat, which it calls experimental since 2021."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="optuna")
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        yield
