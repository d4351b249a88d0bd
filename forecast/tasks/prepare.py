"""What every task begins with: the data, the question that is asked of them, and who shall answer it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.evaluation.backtest import OK
from forecast.forecasters.baselines import build_baseline
from forecast.forecasters.copula import check_paths
from forecast.forecasters.direction import BaseRate
from forecast.forecasters.ensemble import combined_by, ensemble
from forecast.forecasters.naive import UntrainedReference
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.symbols import SymbolRates
from forecast.forecasters.transformed import transformed
from forecast.questions.kinds import question_of_head
from forecast.questions.short import without_short
from forecast.questions.task import check_splits, forecast_task
from forecast.reading.covariates import missing_ahead
from forecast.reading.settings import CsvSettings, RowSettings
from forecast.reading.sources import load_source
from forecast.series.date_features import choose_features, with_features
from forecast.series.panel import Source
from forecast.tasks.asked import asked_baselines, check_question, left_out
from forecast.tasks.newer import series_number
from forecast.tasks.whole_series import check_whole_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from forecast.evaluation.backtest import Fits
    from forecast.forecasters.interface import Forecaster
    from forecast.questions.task import ForecastTask
    from forecast.series.panel import Panel
    from forecast.tasks.settings import JobSettings
    from forecast.training.history import Epoch

    OnEpoch: TypeAlias = Callable[[Epoch], None]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A job with its data read and its question settled; `notes` are sentences on what was asked of whom."""

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
        Data that cannot be read or are too short, a series to be drawn that they do not hold, paths of a network that
        has none, counts of which the logarithm is taken, or what makes no sense of the question.

    """
    _check_counted(job)
    check_question(job)
    if job.report.paths:
        check_paths(job.model, job.horizon)
    source = source or load_source(job.data)
    check_splits(source.panel, job.horizon, question_of_head(job.model.head), job.split.over)
    source = _with_calendar(job, _long_enough(job, source))
    series_number(source.panel.ids, job.report.series)  # said now, and not after the training
    missing_ahead(source.panel, job.horizon)
    task = settle(job, source.panel)
    check_whole_series(job, source.panel, task)
    return Prepared(job, source, task, left_out(job))


def settle(job: JobSettings, panel: Panel) -> ForecastTask:
    """Split the panel; season and context, where the user said none, are found on the training split alone."""
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
    """Leave out series that are too short, if that was asked for."""
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
    """Add what the dates say, if it was asked for or suits the steps."""
    data = job.data
    if not isinstance(data, RowSettings):
        return source
    names = choose_features(source.panel, data.calendar, data.country)
    if not names:
        return source
    panel = with_features(source.panel, names, job.horizon)
    return replace(source, panel=panel, found={**source.found, "covariates of the date": ", ".join(names)})


def network(job: JobSettings, on_epoch: OnEpoch | None = None) -> Forecaster:
    """Return the untrained network of a job, or its ensemble of networks."""
    many = ensemble(recurrent(job, on_epoch), job.ensemble, combined_by(job.combine, job.model))
    return transformed(many, job.data.transform)


def recurrent(job: JobSettings, on_epoch: OnEpoch | None = None) -> Recurrent:
    """Return the untrained network of a job alone: no ensemble, and of the target as it is handed over."""
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
    return tuple(transformed(build_baseline(one, job.seed), job.data.transform) for one in asked_baselines(job))


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


def _check_counted(job: JobSettings) -> None:
    """Refuse logarithms to a head that forecasts counts."""
    if job.model.head == "negative_binomial" and job.data.transform == "log":
        raise ForecastError(
            "`model.head=negative_binomial` forecasts counts, which logarithms are not, found `data.transform=log`: "
            "say `data.transform=none`, or `model.head=quantile`"
        )
