"""Who is asked a job's question: the direction has baselines of its own, and some that it leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.forecasters.direction import BASE_RATE, check_direction
from forecast.forecasters.settings import ReferenceSettings, RegressionSettings, RuleSettings
from forecast.forecasters.table import why_unanswered
from forecast.network.settings import asked_by
from forecast.reporting.wording import listed

if TYPE_CHECKING:
    from forecast.forecasters.settings import BaselineSettings
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
"""Baselines that are asked for the direction beside those that are chosen, unless one of them is among these."""


def asked_baselines(job: JobSettings) -> tuple[BaselineSettings, ...]:
    """Return the settings of the baselines that are asked, those of the question's own last."""
    asks = asked_by(job.model.head)
    chosen = tuple(one for one in job.baseline.values() if not why_unanswered(one, asks))
    names = {one.name for one in job.baseline.values()}
    if asks == "value" or not names or names & {one.name for one in OF_DIRECTION}:
        return chosen
    return (*chosen, *OF_DIRECTION)


def left_out(job: JobSettings) -> tuple[str, ...]:
    """Say which of the chosen baselines are not asked, and why."""
    asks, reasons = asked_by(job.model.head), dict[str, list[str]]()
    for one in job.baseline.values():
        if why := why_unanswered(one, asks):
            reasons.setdefault(why, []).append(one.name)
    return tuple(f"{listed(names)} left out of the direction: {why}" for why, names in reasons.items())


def check_question(job: JobSettings) -> None:
    """Refuse what makes no sense of the question that a job asks.

    Raises
    ------
    ForecastError
        A baseline that is only asked for the direction, in a job that asks for values; a baseline under the name of
        the base rate, intervals, or a strategy that the direction has not.

    """
    if asked_by(job.model.head) == "value":
        for one in job.baseline.values():
            if why := why_unanswered(one, "value"):
                raise ForecastError(f"the baseline {one.name!r} {why}")
        return
    check_direction(job.model)
    if BASE_RATE in job.baseline:
        raise ForecastError(f"`baseline.{BASE_RATE}` is the row of the base rate itself: give it another name")
    if job.split.calibration:
        raise ForecastError(
            f"`split.calibration` is for the intervals of forecast values, and `model.head=direction` has none, "
            f"found {job.split.calibration:g}: say `split.calibration=null`"
        )
