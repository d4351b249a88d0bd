"""What every task begins with: the data, read and checked, and the forecasting task that is posed on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.trajectories import check_trajectories
from forecast.network.settings import AutoSettings, LstmSettings, ModelSettings, PretrainedSettings
from forecast.questions.kinds import question_of_head
from forecast.questions.split import shortened_split, with_room
from forecast.questions.task import (
    LEAST_STEPS,
    USUAL_HORIZON,
    check_splits,
    forecast_task,
    suggested_horizon,
    without_short,
)
from forecast.reading.covariates import check_known_ahead
from forecast.reading.settings import CsvSettings, RowSettings
from forecast.reading.sources import load_source
from forecast.series.date_features import choose_features, with_features
from forecast.series.panel import Source
from forecast.tasks.budget import within_limit
from forecast.tasks.candidates import check_recommended, without_idle
from forecast.tasks.contradictions import check_question, check_range, check_whole_series, value_range_of
from forecast.tasks.newer import series_number
from forecast.tasks.settings import splits_fit_of
from forecast.training.sizes import sized
from forecast.wording import counted, listed

if TYPE_CHECKING:
    from forecast.questions.task import ForecastTask
    from forecast.series.panel import Panel
    from forecast.tasks.settings import JobSettings


TRAINABLE_STEPS = 200
"""Steps of the typical series from which on `model=auto` trains a network (docs/pretrained.md has the curve)."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A job with its data read and its forecasting task settled.

    Attributes
    ----------
    notes : name the baselines that are left out
    short : series that are too short for the comparison, and forecast by the pretrained network alone; None: there are
        none
    shortened : whether all are too short to hold out a horizon, and are scored as far as they go

    """

    job: JobSettings
    source: Source
    task: ForecastTask
    notes: tuple[str, ...] = ()
    short: Panel | None = None
    shortened: bool = False

    @property
    def panel(self) -> Panel:
        """The data."""
        return self.source.panel

    @property
    def judged_panel(self) -> Panel:
        """The data as they are judged: with room for a whole horizon after the last origin."""
        return with_room(self.panel, self.task.split, self.task.problem.horizon)


def prepare(job: JobSettings, source: Source | None = None) -> Prepared:
    """Read the data and settle split, season and context.

    Raises
    ------
    ForecastError
        Data that cannot be read or are too short, a series to be drawn that they do not hold, sample trajectories of
        a network that has none, counts of which the logarithm is taken, or settings that contradict the question.

    """
    check_question(job)
    source = source or load_source(job.data)
    job, source = _with_horizon(job, source)
    if job.report.paths:
        check_trajectories(job.model, job.horizon)
    source.panel.calendar.after(source.panel.times.max(), job.horizon)  # fails now, and not after the training
    check_splits(source.panel, job.horizon, question_of_head(job.model.head), job.split.over)
    check_range(job, source.panel)
    source, short, shortened = _long_enough(job, source)
    job, source = _with_model(job, source, shortened=shortened)
    job = _on_calendar(job, source)
    check_recommended(job)
    job = within_limit(job, job.time_limit_s)
    source = _with_calendar(job, source)
    series_number(source.panel.ids, job.report.series)  # fails now, and not after the training
    check_known_ahead(source.panel, job.horizon)
    task = settle(job, source.panel, shortened=shortened)
    check_whole_series(job, source.panel, task)
    job, source = _with_size(job, source, task)
    job, omitted = without_idle(job, task)
    return Prepared(job, source, task, omitted, short, shortened)


def settle(job: JobSettings, panel: Panel, *, shortened: bool = False) -> ForecastTask:
    """Split the panel; season and context, where the user set none, are found on what lies before the test."""
    return forecast_task(
        panel,
        job.horizon,
        **_lengths(job),
        **job.split.model_dump(),
        target_type=question_of_head(job.model.head).name,
        value_range=value_range_of(job),
        shortened=shortened,
        **_around(job),
    )


def _lengths(job: JobSettings) -> dict[str, Any]:
    """Context and season as the user set them."""
    return {"context_steps": job.data.context_steps, "season_steps": job.data.season_steps}


def _around(job: JobSettings) -> dict[str, Any]:
    """Steps around each step of the horizon at which covariates are read; a source of one's own has none."""
    data = job.data
    return {"lags": data.ahead_lags, "leads": data.ahead_leads} if isinstance(data, RowSettings) else {}


def _long_enough(job: JobSettings, source: Source) -> tuple[Source, Panel | None, bool]:
    """Take out series that are too short (`data.on_short_series`); those that are to be forecast all the same.

    The third is whether all are too short to hold out a horizon: they are scored as far as they go.
    """
    question, panel = question_of_head(job.model.head), source.panel
    chosen = job.data.on_short_series if isinstance(job.data, CsvSettings) else "forecast"
    apart = chosen == "forecast" and len(panel) > 1 and not question.forecasts_probabilities
    notes: tuple[str, ...] = ()
    if isinstance(job.data, CsvSettings) and (apart or chosen == "drop"):
        fate = "forecast by the pretrained network alone, and not scored," if apart else "left out"
        try:
            panel, notes = without_short(panel, job.horizon, job.split, **_lengths(job), fate=fate)
        except ForecastError:  # all of them
            if not apart:
                raise
    fits = splits_fit_of(job, panel, job.horizon)
    if not fits:
        panel = panel.take(np.flatnonzero(panel.lengths >= LEAST_STEPS))
        notes = (_shortened_note(panel, job.horizon),)
    short = np.flatnonzero(~np.isin(source.panel.ids, panel.ids))
    forecast_apart = source.panel.take(short) if apart and len(short) else None
    return replace(source, panel=panel, notes=(*source.notes, *notes)), forecast_apart, not fits


def _shortened_note(panel: Panel, horizon: int) -> str:
    """Say that no series can hold out a horizon, and how its forecast is judged all the same."""
    if len(panel) > 1:
        return (
            f"no series is long enough to hold out {counted(horizon, 'row')}: each is forecast by what needs no "
            "training, and scored once, on its last third"
        )
    rows = int(shortened_split(panel, horizon).train[0])
    held_out = int(panel.lengths[0]) - rows
    last = f"its last {counted(held_out, 'row')}" if held_out > 1 else "its last row alone"
    return (
        f"{counted(rows + held_out, 'row')} are too few to hold out {horizon} of them: forecast by what needs no "
        f"training, and scored once, on {last}"
    )


def _with_horizon(job: JobSettings, source: Source) -> tuple[JobSettings, Source]:
    """Settle a horizon that was left open, and say what it came to where that is less than usual."""
    if job.horizon:
        return job, source
    horizon = suggested_horizon(source.panel)
    note = f"horizon {horizon}: of so few rows a fifth (`horizon=...` says another)"
    notes = (*source.notes, note) if horizon < USUAL_HORIZON and not source.panel.at_end else source.notes
    return job.model_copy(update={"horizon": horizon}), replace(source, notes=notes)


def _with_model(job: JobSettings, source: Source, *, shortened: bool) -> tuple[JobSettings, Source]:
    """Settle `model=auto`, and say what it came to."""
    if not isinstance(job.model, AutoSettings):
        return job, source
    typical = int(np.median(source.panel.lengths))
    rows = f"{counted(typical, 'row')}{' in the typical series' if len(source.panel) > 1 else ''}"
    model: ModelSettings = LstmSettings()
    begin = job.model.start
    if typical >= TRAINABLE_STEPS and not shortened and not begin:
        why = f"{rows}, enough to train a network on (from {TRAINABLE_STEPS} on)"
    else:
        model = PretrainedSettings(reference=job.model.reference, weights=job.model.weights, start=begin)
        why = f"{rows}, and a network that is trained on fewer than {TRAINABLE_STEPS} is rarely worth it"
        why = f"{rows}, too few to train a network on" if shortened else f"{why}; `model=lstm` trains one"
        why = f"{rows}, and a training that begins with it (`model.start=pretrained`)" if begin else why
        unread = _unread(source.panel)
        why += f"; {listed(unread)} {'is' if len(unread) == 1 else 'are'} not read by it" if unread else ""
    source = replace(source, notes=(*source.notes, f"model {model.name}: {why}"))
    return job.model_copy(update={"model": model}), source


def _with_size(job: JobSettings, source: Source, task: ForecastTask) -> tuple[JobSettings, Source]:
    """Settle the size of the network and of its batches where it is not the usual one, and say what it came to.

    The usual one stays open: a network that turns out to be better without a reference gets another.
    """
    model, training, note = sized(job.model, job.training, task.split.train, task.problem, job.model.reference)
    if not note:
        return job, source
    return job.model_copy(update={"model": model, "training": training}), replace(source, notes=(*source.notes, note))


def _on_calendar(job: JobSettings, source: Source) -> JobSettings:
    """Leave the regression on the calendar out where rows have no dates, unless it is all that was chosen."""
    dated = {name: one for name, one in job.baseline.items() if one.method != "calendar_regression"}
    if source.panel.times.dtype.kind == "M" or not dated or dated == job.baseline:
        return job
    return job.model_copy(update={"baseline": dated})


def _unread(panel: Panel) -> list[str]:
    """Name the covariates that the pretrained network does not read: those known up to now only, and of a series."""
    static = [] if panel.static is None else [channel.name for channel in panel.static.channels]
    return [*(channel.name for channel in panel.channels[1:]), *static]


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
