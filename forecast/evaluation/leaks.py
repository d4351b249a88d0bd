"""Does a forecast depend on its own future? Change the future and see whether the forecast moves.

After each of several origins of the test split everything is changed, and once it is cut off; forecasts at that origin
and before it have to stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.questions.split import rolling_origins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forecast.forecasters.interface import Fitted
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins, Split
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel

ORIGINS = 5
"""Of each series, after which the future is changed, spread over the test split."""

_ROUNDING = 1e-5
"""A forecast has moved if it differs by more than this share of the series' largest value, or of 1 (probabilities)."""


@dataclass(frozen=True)
class Leak:
    """A forecast that moved although only its future was changed."""

    model: str
    unique_id: str
    origin: str
    """Time of the origin, as the user writes it."""
    by: float
    """How far it moved, in the target's units."""


def find_leaks(
    fitted: Mapping[str, Fitted], panel: Panel, split: Split, problem: Problem, seed: int = 0
) -> tuple[Leak, ...]:
    """Return the first leak of each forecaster that has one; all were fitted before the test split."""
    origins = _origins(panel, split, problem)
    largest = np.array([np.abs(panel.target[rows]).max(initial=0.0) for _, rows in panel.series()])
    if problem.question.forecasts_probabilities:
        largest = np.ones(len(panel))
    leaks = (_first_leak(name, model, panel, origins, largest=largest, seed=seed) for name, model in fitted.items())
    return tuple(leak for leak in leaks if leak is not None)


def change_after(panel: Panel, known: IntArray, seed: int) -> Panel:
    """Change targets and past covariates after the first `known[i]` steps of series i; positive ones stay positive."""
    rng = np.random.default_rng(seed)
    values = panel.values.copy()
    for i, (_, rows) in enumerate(panel.series()):
        after = slice(rows.start + int(known[i]), rows.stop)
        for j, channel in enumerate(panel.channels):
            if channel.role in ("target", "past"):
                change = _other_categories if channel.categories else _other_values
                values[after, j] = change(panel.values[rows, j], int(known[i]), rng)
    return replace(panel, values=values)


def _other_values(y: FloatArray, known: int, rng: np.random.Generator) -> FloatArray:
    later = y[known:]
    if (y > 0).all():
        return later * rng.uniform(1.5, 4.0, len(later))
    spread = float(np.std(y)) or 1.0
    return later + spread * rng.uniform(2.0, 8.0, len(later))


def _other_categories(codes: FloatArray, known: int, rng: np.random.Generator) -> FloatArray:
    """Draw from the codes that occur: any other number would not be a category."""
    return rng.choice(codes, len(codes) - known)


def _origins(panel: Panel, split: Split, problem: Problem) -> Origins:
    """Up to `ORIGINS` origins a series, evenly over the test split."""
    every = rolling_origins(panel, split.before_test, panel.lengths, problem.horizon)
    chosen: list[IntArray] = []
    for i in range(len(panel)):
        of_series = np.flatnonzero(every.series == i)
        places = np.unique(np.linspace(0, len(of_series) - 1, ORIGINS).round().astype(np.int64))
        chosen.append(of_series[places] if len(of_series) else of_series)
    return every[np.concatenate(chosen)]


def _first_leak(
    name: str, fitted: Fitted, panel: Panel, origins: Origins, *, largest: FloatArray, seed: int
) -> Leak | None:
    """Find the first origin whose forecast moves; `largest` (series,) is what rounding is a share of."""
    unchanged = _forecast(fitted, panel, origins)  # (origin, number)
    for known, up_to in _rounds(origins, len(panel)):
        for changed in (change_after(panel, known, seed), panel.cut(known)):
            moved = np.abs(_forecast(fitted, changed, origins[up_to]) - unchanged[up_to]).max(axis=1)  # (origin,)
            leaks = ~(moved <= _ROUNDING * largest[origins.series[up_to]])  # a NaN has moved as well
            if leaks.any():
                return _leak(name, panel, origins[up_to], int(np.argmax(leaks)), moved)
    return None


def _forecast(fitted: Fitted, panel: Panel, origins: Origins) -> FloatArray:
    """All numbers that are forecast at each origin: values by step, or probabilities by step and symbol."""
    forecasts = fitted.forecast(panel, origins)
    if forecasts.probabilities is None:
        return forecasts.y_hat
    numbers: FloatArray = forecasts.probabilities.reshape(len(origins), -1)
    return numbers


def _rounds(origins: Origins, series: int) -> Iterator[tuple[IntArray, BoolArray]]:
    """For the first, second, ... origin of every series: the steps known there, and which origins lie up to there."""
    nth = np.array([np.sum(origins.series[:i] == s) for i, s in enumerate(origins.series)], dtype=np.int64)
    for n in range(int(nth.max(initial=-1)) + 1):
        up_to = nth <= n
        yield origins[up_to].last_known(series), up_to


def _leak(name: str, panel: Panel, origins: Origins, which: int, moved: FloatArray) -> Leak:
    row = origins.rows(panel)[which : which + 1]
    return Leak(
        model=name,
        unique_id=panel.ids[int(origins.series[which])],
        origin=panel.calendar.write(panel.times[row])[0],
        by=float(moved[which]),
    )
