"""Calls of forecasters that are not trusted: timed, their failures caught, and what they return checked."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.interface import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.forecasters.interface import Fitted, Forecasts
    from forecast.questions.problem import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import Panel

logger = logging.getLogger(__name__)
T = TypeVar("T")


def timed(call: Callable[[], T]) -> tuple[T | Exception, float]:
    """Return what a call gave or raised, and its seconds; an interrupt goes through."""
    begun = time.perf_counter()
    try:
        return call(), time.perf_counter() - begun
    except Exception as error:  # whatever a forecaster raises is its row's reason
        logger.debug("a forecaster failed", exc_info=True)
        return error, time.perf_counter() - begun


def reason_of(error: Exception) -> str:
    """Say in one line, for the leaderboard, why a call failed."""
    said = " ".join(str(error).split())
    if isinstance(error, ForecastError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def checked_forecast(fitted: Fitted, past: Panel, origins: Origins, problem: Problem) -> Forecasts:
    """Let a forecaster forecast, and demand the form that was asked for: nobody is scored on anything else.

    Raises
    ------
    ValueError
        Another shape than (origin, step); a number that is not finite; values where probabilities were asked for;
        quantiles of another shape or other levels.

    """
    made = fitted.forecast(past, origins)
    expected = (len(origins), problem.horizon)
    if made.y_hat.shape != expected:
        raise ValueError(f"the forecast has shape {made.y_hat.shape} where (origin, step) = {expected} was asked")
    wrong = np.flatnonzero(~np.isfinite(made.y_hat).all(axis=1))
    if len(wrong):
        raise ValueError(f"the forecast is not finite at {len(wrong)} of {len(origins)} origins")
    if message := problem.question.problem_with(made.y_hat, made.probabilities, len(past.symbols)):
        raise ValueError(message)
    if made.quantiles is None:
        return made
    expected_levels = (*expected, len(QUANTILES))
    if made.quantiles.shape != expected_levels or not np.isfinite(made.quantiles).all():
        found = made.quantiles.shape
        raise ValueError(f"its quantiles have shape {found}, expected {expected_levels} finite ones of {QUANTILES}")
    return made
