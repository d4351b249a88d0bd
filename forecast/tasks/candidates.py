"""The forecasters that a job compares: the network, its reference, and the baselines that answer the question."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.evaluation.fits import OK
from forecast.forecasters.baselines import SHIPPED, build_baseline, refusal
from forecast.forecasters.combination import COMBINATION
from forecast.forecasters.ensemble import combined_by, ensemble
from forecast.forecasters.naive import BaseRate, SymbolRates, UntrainedReference
from forecast.forecasters.pretrained import Pretrained, Tuning
from forecast.forecasters.recurrent import NamedNetwork, Recurrent
from forecast.forecasters.settings import NgramSettings, PretrainedBaselineSettings
from forecast.forecasters.transformed import transformed
from forecast.network.settings import AutoSettings, PretrainedSettings
from forecast.questions.kinds import question_of_head
from forecast.reading.settings import CsvSettings
from forecast.runs.checkpoint import Kept
from forecast.runs.run import open_weights
from forecast.wording import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from forecast.evaluation.fits import Fits
    from forecast.forecasters.baselines import BaselineSettings
    from forecast.forecasters.interface import Forecaster
    from forecast.network.pretrained import PretrainedNetwork
    from forecast.questions.task import ForecastTask
    from forecast.runs.checkpoint import Checkpoint
    from forecast.tasks.settings import JobSettings
    from forecast.training.job import Epoch, Stages

    OnEpoch: TypeAlias = Callable[[Epoch], None]


_ON_WINDOWS = ("regression", "network")
"""Methods of baselines that learn from windows."""

ZERO_SHOT = "zero_shot"
"""The row of the pretrained network as it is, beside the one that was trained on."""
_FEWEST_WINDOWS = 3
"""With fewer they repeat what they have seen."""


def without_idle(job: JobSettings, task: ForecastTask) -> tuple[JobSettings, tuple[str, ...]]:
    """Leave out baselines that cannot be trained on so few rows, or repeat another; notes on all that are left out."""
    notes = omitted_baselines(job)
    for names, why in (
        (_not_trainable(job, task), "too few rows to train on"),
        (_repeated(job, task), "without a season it forecasts what naive does"),
    ):
        if names:
            kept = {key: settings for key, settings in job.baseline.items() if settings.name not in names}
            job = job.model_copy(update={"baseline": kept})
            notes += (f"{listed(names)} left out: {why}",)
    return job, notes


def _not_trainable(job: JobSettings, task: ForecastTask) -> list[str]:
    """Name the baselines that learn from windows with a whole horizon after them, where there are next to none."""
    if task.problem.question.forecasts_probabilities:
        return []
    steps = task.problem.context_steps + task.problem.horizon
    if np.maximum(task.split.train - steps + 1, 0).sum() >= _FEWEST_WINDOWS:
        return []
    trained = [settings.name for settings in job.baseline.values() if settings.method in _ON_WINDOWS]
    return [name for name in trained if name != job.recommend]


def _repeated(job: JobSettings, task: ForecastTask) -> list[str]:
    """Name the seasonal rules that repeat the row of naive, because there is no season."""
    methods = {settings.method for settings in job.baseline.values()}
    if task.problem.season_steps > 1 or task.problem.question.forecasts_probabilities or "naive" not in methods:
        return []
    seasonal = [settings.name for settings in job.baseline.values() if settings.method == "seasonal_naive"]
    return [name for name in seasonal if name != job.recommend]


def check_recommended(job: JobSettings) -> None:
    """Refuse a model to be recommended that the job does not have."""
    names = [job.model.name, reference(job).name, *(settings.name for settings in chosen_baselines(job)), COMBINATION]
    if job.recommend in (None, *names):
        return
    hint = did_you_mean(str(job.recommend), names, f"there are {', '.join(names)}", "{!r}")
    raise ForecastError(f"`recommend={job.recommend}` should be a model of this job: {hint}")


def network(job: JobSettings, on_epoch: OnEpoch | None = None, stages: Stages | None = None) -> Forecaster:
    """Return the untrained network of a job, or its ensemble of networks; `stages` keep their trainings."""
    if isinstance(job.model, PretrainedSettings):
        if job.ensemble > 1:
            raise ForecastError(
                f"`ensemble={job.ensemble}` networks differ in the seed of their training, and `model=pretrained` was "
                f"trained before: set `ensemble=1`, or another `model`"
            )
        tuning = Tuning(job.seed, job.training.time_limit_s) if job.model.start else None
        return transformed(Pretrained(job.model.name, "network", _weights(job.model), tuning), job.data.transform)
    members = ensemble(recurrent(job, on_epoch, stages), job.ensemble, combined_by(job.combine, job.model))
    return transformed(members, job.data.transform)


def _weights(model: PretrainedSettings) -> PretrainedNetwork | None:
    """Open the weights that a job names; None: those of the package."""
    return open_weights(model.weights, "model.weights") if model.weights else None


def recurrent(job: JobSettings, on_epoch: OnEpoch | None = None, stages: Stages | None = None) -> Recurrent:
    """Return one untrained network of a job: no ensemble, no transform of the target."""
    if isinstance(job.model, PretrainedSettings):
        raise TypeError("the pretrained network is not trained: there is no forecaster that would do it")
    return Recurrent(settings=job.model, training=job.training, seed=job.seed, on_epoch=on_epoch, stages=stages)


def forecasters(
    job: JobSettings, on_epoch: OnEpoch | None = None, checkpoint: Checkpoint | None = None
) -> tuple[Forecaster, ...]:
    """Return all forecasters of a job, the network, its untrained reference, the baselines; `checkpoint` keeps them."""
    others = (reference(job), *baselines(job))
    if checkpoint is not None:
        others = tuple(Kept(other, checkpoint.stage(other.name)) for other in others)
    return (network(job, on_epoch, checkpoint), *others)


def reference(job: JobSettings) -> Forecaster:
    """Return the network's reference, untrained as it begins: a forecaster of its own."""
    question = question_of_head(job.model.head)
    if question.binary:
        return BaseRate()
    if question.categorical:
        return SymbolRates()
    return transformed(UntrainedReference("reference", job.model.reference), job.data.transform)


def baselines(job: JobSettings) -> tuple[Forecaster, ...]:
    """Return the baselines of a job that answer its question, in the order of the configuration."""
    built = (build_baseline(settings, job.seed) for settings in chosen_baselines(job))
    return tuple(transformed(_trained_as_asked(forecaster, job), job.data.transform) for forecaster in built)


def _trained_as_asked(forecaster: Forecaster, job: JobSettings) -> Forecaster:
    """Give a further network the training of the job, and the reference that its network adds to, or its weights."""
    if isinstance(forecaster, Pretrained):
        weights = _weights(job.model) if isinstance(job.model, PretrainedSettings) else None
        tuning = forecaster.tuning and replace(forecaster.tuning, time_limit_s=job.training.time_limit_s)
        return replace(forecaster, network=weights, tuning=tuning)
    if not isinstance(forecaster, NamedNetwork) or isinstance(job.model, AutoSettings):
        return forecaster
    settings = forecaster.network.settings.model_copy(update={"reference": job.model.reference})
    return replace(forecaster, network=replace(forecaster.network, settings=settings, training=job.training))


def chosen_baselines(job: JobSettings) -> tuple[BaselineSettings, ...]:
    """Return the settings of the baselines that run: those chosen, then those that the question brings along.

    Before a label at the end of a series no symbol comes: n-grams, which would repeat the base rate, run only if they
    are chosen by name.
    """
    question = question_of_head(job.model.head)
    chosen = tuple(settings for settings in job.baseline.values() if not refusal(settings, question))
    if isinstance(job.model, PretrainedSettings):  # as it is it is a row already, or one under another name
        as_it_is = [one for one in chosen if isinstance(one, PretrainedBaselineSettings) and not one.start]
        others = tuple(settings for settings in chosen if settings not in as_it_is)
        untuned = [settings.model_copy(update={"name": ZERO_SHOT}) for settings in as_it_is]
        chosen = (*untuned[:1], *others) if job.model.start else others
    names = {settings.name for settings in job.baseline.values()}
    if not names or names & set(question.baselines):
        return chosen
    labels = isinstance(job.data, CsvSettings) and job.data.target_at == "end"
    shipped = [SHIPPED[name] for name in question.baselines]
    return (*chosen, *(settings for settings in shipped if not (labels and isinstance(settings, NgramSettings))))


def omitted_baselines(job: JobSettings) -> tuple[str, ...]:
    """Say which of the chosen baselines do not run, and why: a sentence for each reason."""
    question = question_of_head(job.model.head)
    names_by_reason: dict[str, list[str]] = {}
    for settings in job.baseline.values():
        if reason := refusal(settings, question):
            names_by_reason.setdefault(reason, []).append(settings.name)
    return tuple(
        f"{listed(names)} left out of {question.phrase}: {reason}" for reason, names in names_by_reason.items()
    )


def raise_failure(fits: Fits, name: str) -> None:
    """Raise what kept a forecaster from being fitted: without its network a job is at its end.

    Raises
    ------
    ForecastError
        Its own reason.

    """
    for attempt in fits.attempts:
        if attempt.name == name and attempt.status != OK:
            raise attempt.error or ForecastError(f"{name} failed: {attempt.status}")
