"""Who is asked a job's question: directions and symbols have baselines of their own, and some that they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.forecasters.asked import check_head
from forecast.forecasters.baselines import SHIPPED, refusal
from forecast.forecasters.settings import (
    NgramSettings,
)
from forecast.questions.kinds import BASE_RATE, question_of_head
from forecast.reading.settings import CsvSettings
from forecast.wording import listed

if TYPE_CHECKING:
    from forecast.forecasters.baselines import BaselineSettings
    from forecast.tasks.settings import JobSettings


def asked_baselines(job: JobSettings) -> tuple[BaselineSettings, ...]:
    """Return the settings of the baselines that are asked, those of the question's own last.

    Before a label at the end of a series no symbol comes: n-grams, which would repeat the base rate, are asked only by
    name.
    """
    question = question_of_head(job.model.head)
    chosen = tuple(one for one in job.baseline.values() if not refusal(one, question))
    names = {one.name for one in job.baseline.values()}
    if not names or names & set(question.baselines):
        return chosen
    labels = isinstance(job.data, CsvSettings) and job.data.target_at == "end"
    shipped = (SHIPPED[name] for name in question.baselines)
    return (*chosen, *(one for one in shipped if not (labels and isinstance(one, NgramSettings))))


def left_out(job: JobSettings) -> tuple[str, ...]:
    """Say which of the chosen baselines are not asked, and why."""
    question, reasons = question_of_head(job.model.head), dict[str, list[str]]()
    for one in job.baseline.values():
        if why := refusal(one, question):
            reasons.setdefault(why, []).append(one.name)
    return tuple(f"{listed(names)} left out of {question.phrase}: {why}" for why, names in reasons.items())


def check_question(job: JobSettings) -> None:
    """Refuse what makes no sense of the question that a job asks.

    Raises
    ------
    ForecastError
        A baseline of directions or symbols in a job that asks for values; a baseline under the name of the base rate,
        intervals, or a strategy, where probabilities are asked for; medians of those of symbols.

    """
    question = question_of_head(job.model.head)
    if not question.forecasts_probabilities:
        for one in job.baseline.values():
            if why := refusal(one, question):
                raise ForecastError(f"the baseline {one.name!r} {why}")
        return
    head = job.model.head
    check_head(job.model)
    if BASE_RATE in job.baseline:
        raise ForecastError(f"`baseline.{BASE_RATE}` is the row of the base rate itself: give it another name")
    if job.split.calibration:
        raise ForecastError(
            f"`split.calibration` is for the intervals of forecast values, and `model.head={head}` has none, "
            f"found {job.split.calibration:g}: say `split.calibration=null`"
        )
    if question.categorical and job.combine == "median":
        raise ForecastError(
            f"medians of probabilities do not add up to one, and `model.head={head}` asks for those of symbols: say "
            f"`combine=mean`, or nothing"
        )
