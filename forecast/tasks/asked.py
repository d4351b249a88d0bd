"""Who is asked a job's question: directions and symbols have baselines of their own, and some that they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.forecasters.asked import check_head
from forecast.forecasters.direction import BASE_RATE
from forecast.forecasters.settings import (
    ClassifierSettings,
    NgramSettings,
    ReferenceSettings,
    RegressionSettings,
    RuleSettings,
)
from forecast.forecasters.table import why_unanswered
from forecast.network.settings import asked_by
from forecast.reading.settings import CsvSettings
from forecast.wording import listed

if TYPE_CHECKING:
    from forecast.forecasters.settings import BaselineSettings
    from forecast.questions.problem import Asks
    from forecast.tasks.settings import JobSettings

OF_DIRECTION: tuple[BaselineSettings, ...] = (
    RuleSettings(name="momentum", method="momentum"),
    ReferenceSettings(name="closed_form", method="reference"),
    RegressionSettings(
        name="logistic",
        method="regression",
        regressor="logistic",
        params={"max_iter": 1000},
        choose={"C": [1e-4, 1e-3, 1e-2, 0.1, 1.0]},
        max_windows=5000,
    ),
)
OF_SYMBOLS: tuple[BaselineSettings, ...] = (
    NgramSettings(name="trigram", method="ngram", order=3),
    NgramSettings(name="ngram", method="ngram"),
    ClassifierSettings(name="softmax", method="classifier"),
)
OWN: dict[Asks, tuple[BaselineSettings, ...]] = {"value": (), "direction": OF_DIRECTION, "symbol": OF_SYMBOLS}
"""Baselines that are asked a question beside those that are chosen, unless one of them is among these."""

_CALLED: dict[Asks, str] = {"value": "the values", "direction": "the direction", "symbol": "the symbols"}


def asked_baselines(job: JobSettings) -> tuple[BaselineSettings, ...]:
    """Return the settings of the baselines that are asked, those of the question's own last.

    Before a label at the end of a series no symbol comes: n-grams, which would repeat the base rate, are asked only by
    name.
    """
    asks = asked_by(job.model.head)
    chosen = tuple(one for one in job.baseline.values() if not why_unanswered(one, asks))
    names = {one.name for one in job.baseline.values()}
    if not names or names & {one.name for one in OWN[asks]}:
        return chosen
    labels = isinstance(job.data, CsvSettings) and job.data.target_at == "end"
    return (*chosen, *(one for one in OWN[asks] if not (labels and isinstance(one, NgramSettings))))


def left_out(job: JobSettings) -> tuple[str, ...]:
    """Say which of the chosen baselines are not asked, and why."""
    asks, reasons = asked_by(job.model.head), dict[str, list[str]]()
    for one in job.baseline.values():
        if why := why_unanswered(one, asks):
            reasons.setdefault(why, []).append(one.name)
    return tuple(f"{listed(names)} left out of {_CALLED[asks]}: {why}" for why, names in reasons.items())


def check_question(job: JobSettings) -> None:
    """Refuse what makes no sense of the question that a job asks.

    Raises
    ------
    ForecastError
        A baseline of directions or symbols in a job that asks for values; a baseline under the name of the base rate,
        intervals, or a strategy, where probabilities are asked for; medians of those of symbols.

    """
    if asked_by(job.model.head) == "value":
        for one in job.baseline.values():
            if why := why_unanswered(one, "value"):
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
    if asked_by(head) == "symbol" and job.combine == "median":
        raise ForecastError(
            f"medians of probabilities do not add up to one, and `model.head={head}` asks for those of symbols: say "
            f"`combine=mean`, or nothing"
        )
