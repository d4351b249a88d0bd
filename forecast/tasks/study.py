"""A study of Optuna in its database: opened, joined or begun, what proposes its trials, and what ends them early."""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

from forecast.errors import ForecastError
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
    from collections.abc import Iterator
    from pathlib import Path

    from optuna import Study
    from optuna.trial import FrozenTrial

    from forecast.series.panel import Source
    from forecast.tasks.settings import JobSettings
    from forecast.tasks.space import Dimension, TuneSettings

    Space: TypeAlias = dict[str, Dimension]

__all__ = [
    "RetryHeartbeatStaleTrialCallback",
    "TrialPruned",
    "TrialState",
    "fingerprint",
    "open_storage",
    "open_study",
    "requeue_dead",
    "unwarned",
]  # those of Optuna too: here is said what to install where it is missing

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


def requeue_dead(study: Study, storage: RDBStorage) -> None:
    """Put trials whose machine died back into the queue.

    A machine may have died between taking a trial and its first sign of life, and Optuna then has it running for ever:
    whoever looks gives it a first sign, and it is stale like others when no second one follows.
    """
    with storage.engine.connect() as connection:
        alive = set(connection.execute(text("select trial_id from trial_heartbeats")).scalars())
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial._trial_id not in alive:
            storage.record_heartbeat(trial._trial_id)
    with unwarned():
        fail_stale_trials(study)


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
