"""Settings that contradict the question, or the data: refused before anything is trained, each with what to set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.baselines import refusal
from forecast.forecasters.recurrent import check_head
from forecast.questions.kinds import BASE_RATE, question_of_head
from forecast.questions.value_range import ANY_VALUE, ValueRange
from forecast.reading.settings import RowSettings
from forecast.wording import counted

if TYPE_CHECKING:
    from forecast.questions.task import ForecastTask
    from forecast.series.panel import Panel
    from forecast.tasks.settings import JobSettings


def check_question(job: JobSettings) -> None:
    """Refuse settings that contradict the question which the head answers.

    Raises
    ------
    ForecastError
        A baseline of directions or symbols in a job on values; a baseline under the name of the base rate, prediction
        intervals, or a strategy, where probabilities are forecast; medians of probabilities of symbols.

    """
    _check_counted(job)
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


def value_range_of(job: JobSettings) -> ValueRange:
    """Return what `data.minimum`, `data.maximum` and `data.integer` say of the values that there can be."""
    data = job.data
    if not isinstance(data, RowSettings):
        return ANY_VALUE
    return ValueRange(data.minimum, data.maximum, data.integer)


def check_range(job: JobSettings, panel: Panel) -> None:
    """Refuse data outside of the range that all values are said to have, and one where no values are forecast."""
    value_range, question = value_range_of(job), question_of_head(job.model.head)
    if value_range == ANY_VALUE:
        return
    if question.forecasts_probabilities:
        raise ForecastError(
            f"`data.minimum`, `data.maximum` and `data.integer` are of forecast values, and "
            f"`model.head={job.model.head}` forecasts probabilities: leave them out"
        )
    wrong = panel.target_observed & (value_range.keep(panel.target) != panel.target)
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    series = panel.ids[int(np.searchsorted(panel.offsets, row, side="right")) - 1]
    when, value = panel.calendar.write(panel.times[row : row + 1])[0], panel.target[row]
    low, high = value_range.minimum, value_range.maximum
    setting = f"data.minimum={low:g}" if low is not None and value < low else "data.integer=true"
    setting = f"data.maximum={high:g}" if high is not None and value > high else setting
    raise ForecastError(
        f"`{setting}` keeps forecasts where all values are, and {counted(int(wrong.sum()), 'value')} of the data "
        f"{'is' if wrong.sum() == 1 else 'are'} not there, first {value:g} at {when} in series {series!r}: choose what "
        f"holds for all of them, or leave it out"
    )


def check_whole_series(job: JobSettings, panel: Panel, task: ForecastTask) -> None:
    """Refuse, with `split.over=series`, what needs to have seen a series, or steps before its first origin.

    Raises
    ------
    ForecastError
        Refits as time goes on; an embedding of series; windows, unless each series has a label at its end and is as
        long as a context.

    """
    if job.split.over != "series":
        return
    if job.backtest.refit_every is not None:
        raise ForecastError(
            f"`backtest.refit_every={job.backtest.refit_every}` fits again as time goes on, and with "
            "`split.over=series` all series of the test begin at once: leave it out"
        )
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
