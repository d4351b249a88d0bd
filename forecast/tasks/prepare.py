"""What every task begins with: the data, the forecasting task that is posed on them, and the forecasters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.evaluation.backtest import OK
from forecast.forecasters.baselines import SHIPPED, build_baseline, refusal
from forecast.forecasters.ensemble import combined_by, ensemble
from forecast.forecasters.naive import BaseRate, SymbolRates, UntrainedReference
from forecast.forecasters.recurrent import Recurrent, check_head
from forecast.forecasters.settings import NgramSettings
from forecast.forecasters.trajectories import check_trajectories
from forecast.forecasters.transformed import transformed
from forecast.questions.kinds import BASE_RATE, question_of_head
from forecast.questions.task import check_splits, forecast_task, without_short
from forecast.reading.covariates import check_known_ahead
from forecast.reading.settings import CsvSettings, RowSettings
from forecast.reading.sources import load_source
from forecast.series.date_features import choose_features, with_features
from forecast.series.panel import Source
from forecast.tasks.newer import series_number
from forecast.wording import listed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from forecast.evaluation.backtest import Fits
    from forecast.forecasters.baselines import BaselineSettings
    from forecast.forecasters.interface import Forecaster
    from forecast.questions.task import ForecastTask
    from forecast.series.panel import Panel
    from forecast.tasks.settings import JobSettings
    from forecast.training.job import Epoch

    OnEpoch: TypeAlias = Callable[[Epoch], None]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A job with its data read and its forecasting task settled; `notes` name the baselines that are left out."""

    job: JobSettings
    source: Source
    task: ForecastTask
    notes: tuple[str, ...] = ()

    @property
    def panel(self) -> Panel:
        """The data."""
        return self.source.panel


def prepare(job: JobSettings, source: Source | None = None) -> Prepared:
    """Read the data and settle split, season and context.

    Raises
    ------
    ForecastError
        Data that cannot be read or are too short, a series to be drawn that they do not hold, sample trajectories of
        a network that has none, counts of which the logarithm is taken, or settings that contradict the question.

    """
    _check_counted(job)
    check_question(job)
    if job.report.paths:
        check_trajectories(job.model, job.horizon)
    source = source or load_source(job.data)
    source.panel.calendar.after(source.panel.times.max(), job.horizon)  # fails now, and not after the training
    check_splits(source.panel, job.horizon, question_of_head(job.model.head), job.split.over)
    source = _with_calendar(job, _long_enough(job, source))
    series_number(source.panel.ids, job.report.series)  # fails now, and not after the training
    check_known_ahead(source.panel, job.horizon)
    task = settle(job, source.panel)
    check_whole_series(job, source.panel, task)
    return Prepared(job, source, task, omitted_baselines(job))


def check_question(job: JobSettings) -> None:
    """Refuse settings that contradict the question which the head answers.

    Raises
    ------
    ForecastError
        A baseline of directions or symbols in a job on values; a baseline under the name of the base rate, prediction
        intervals, or a strategy, where probabilities are forecast; medians of probabilities of symbols.

    """
    question = question_of_head(job.model.head)
    if not question.forecasts_probabilities:
        for settings in job.baseline.values():
            if reason := refusal(settings, question):
                raise ForecastError(f"the baseline {settings.name!r} {reason}")
        return
    head = job.model.head
    check_head(job.model)
    if BASE_RATE in job.baseline:
        raise ForecastError(f"`baseline.{BASE_RATE}` is the row of the base rate itself: give it another name")
    if job.split.calibration:
        raise ForecastError(
            f"`split.calibration` is for the intervals of forecast values, and `model.head={head}` has none, "
            f"found {job.split.calibration:g}: set `split.calibration=null`"
        )
    if question.categorical and job.combine == "median":
        raise ForecastError(
            f"medians of probabilities do not add up to one, and `model.head={head}` asks for those of symbols: set "
            f"`combine=mean`, or nothing"
        )


def _check_counted(job: JobSettings) -> None:
    """Refuse logarithms to a head that forecasts counts."""
    if job.model.head == "negative_binomial" and job.data.transform == "log":
        raise ForecastError(
            "`model.head=negative_binomial` forecasts counts, which logarithms are not, found `data.transform=log`: "
            "set `data.transform=none`, or `model.head=quantile`"
        )


def settle(job: JobSettings, panel: Panel) -> ForecastTask:
    """Split the panel; season and context, where the user said none, are found on what lies before the test."""
    return forecast_task(
        panel,
        job.horizon,
        context_steps=job.data.context_steps,
        season_steps=job.data.season_steps,
        validation=job.split.validation,
        test=job.split.test,
        calibration=job.split.calibration,
        target_type=question_of_head(job.model.head).name,
        over=job.split.over,
    )


def _long_enough(job: JobSettings, source: Source) -> Source:
    """Leave out series that are too short, with `data.on_short_series=drop`."""
    data = job.data
    if not isinstance(data, CsvSettings) or data.on_short_series == "error":
        return source
    panel, notes = without_short(
        source.panel,
        job.horizon,
        context_steps=data.context_steps,
        season_steps=data.season_steps,
        validation=job.split.validation,
        test=job.split.test,
        calibration=job.split.calibration,
        over=job.split.over,
    )
    return replace(source, panel=panel, notes=(*source.notes, *notes))


def _with_calendar(job: JobSettings, source: Source) -> Source:
    """Add covariates of the date: those of `data.calendar`, or those that suit the frequency."""
    data = job.data
    if not isinstance(data, RowSettings):
        return source
    names = choose_features(source.panel, data.calendar, data.country)
    if not names:
        return source
    panel = with_features(source.panel, names, job.horizon)
    return replace(source, panel=panel, found={**source.found, "covariates of the date": ", ".join(names)})


def check_whole_series(job: JobSettings, panel: Panel, task: ForecastTask) -> None:
    """Refuse, with `split.over=series`, what needs to have seen a series, or steps before its first origin.

    Raises
    ------
    ForecastError
        An embedding of series; windows, unless each series has a label at its end and is as long as a context.

    """
    if job.split.over != "series":
        return
    if getattr(job.model, "id_embedding", 0):
        raise ForecastError(
            f"`model.id_embedding={job.model.id_embedding}` learns something of each series, and with "
            "`split.over=series` those of validation and test are never trained on: set `model.id_embedding=0`"
        )
    if job.training.regime == "windows":
        _check_windows(panel, task.problem.context_steps)


def _check_windows(panel: Panel, context_steps: int) -> None:
    """Windows need a whole context before each origin, and the first origin of a series is its first row."""
    known = panel.lengths - 1 if panel.at_end else np.ones(len(panel), dtype=np.int64)
    short = np.flatnonzero(known < context_steps)
    if len(short) == 0:
        return
    what = "has its only origin after" if panel.at_end else "has its first origin after"
    i = int(short[0])
    raise ForecastError(
        f"`training.regime=windows` needs {context_steps} steps up to an origin (`data.context_steps`), and with "
        f"`split.over=series` series {panel.ids[i]!r} {what} {known[i]}: set `training.regime=stream`"
        + (f", or `data.context_steps={int(known.min())}`" if panel.at_end else "")
    )


def network(job: JobSettings, on_epoch: OnEpoch | None = None) -> Forecaster:
    """Return the untrained network of a job, or its ensemble of networks."""
    members = ensemble(recurrent(job, on_epoch), job.ensemble, combined_by(job.combine, job.model))
    return transformed(members, job.data.transform)


def recurrent(job: JobSettings, on_epoch: OnEpoch | None = None) -> Recurrent:
    """Return one untrained network of a job: no ensemble, no transform of the target."""
    return Recurrent(settings=job.model, training=job.training, seed=job.seed, on_epoch=on_epoch)


def forecasters(job: JobSettings, on_epoch: OnEpoch | None = None) -> tuple[Forecaster, ...]:
    """Return all forecasters of a job: the network, its untrained reference, the baselines."""
    return (network(job, on_epoch), reference(job), *baselines(job))


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
    return tuple(
        transformed(build_baseline(settings, job.seed), job.data.transform) for settings in chosen_baselines(job)
    )


def chosen_baselines(job: JobSettings) -> tuple[BaselineSettings, ...]:
    """Return the settings of the baselines that run: those chosen, then those that the question brings along.

    Before a label at the end of a series no symbol comes: n-grams, which would repeat the base rate, run only if they
    are chosen by name.
    """
    question = question_of_head(job.model.head)
    chosen = tuple(settings for settings in job.baseline.values() if not refusal(settings, question))
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
