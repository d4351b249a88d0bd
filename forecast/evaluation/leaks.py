"""Does a forecast know its own future? Change the future behind its back, and see.

After each of several origins of the test split everything is changed, and once it is cut off; whatever was
forecast at that origin or before it has to stay where it was.
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
"""Origins a series at which the future is changed, spread over the test split."""

_ROUNDING = 1e-5
"""A forecast moved when it differs by more than this share of the series' largest value; a probability, of 1."""


@dataclass(frozen=True)
class Leak:
    """A forecast that moved when only its future did."""

    model: str
    unique_id: str
    origin: str
    """Time of the origin, as the user writes it."""
    by: float
    """How far it moved, in the target's units."""


def find_leaks(
    fitted: Mapping[str, Fitted], panel: Panel, split: Split, problem: Problem, seed: int = 0
) -> tuple[Leak, ...]:
    """Change the future behind the back of what was fitted before the test split; the first leak of each, by name."""
    origins = _origins(panel, split, problem)
    largest = np.array([np.abs(panel.target[rows]).max(initial=0.0) for _, rows in panel.series()])
    if problem.question.forecasts_probabilities:
        largest = np.ones(len(panel))
    found = (_first_leak(name, one, panel, origins, largest=largest, seed=seed) for name, one in fitted.items())
    return tuple(leak for leak in found if leak is not None)


def change_after(panel: Panel, known: IntArray, seed: int) -> Panel:
    """Change what is not known ahead after the first `known[i]` steps of each series; positive values stay so."""
    noise = np.random.default_rng(seed)
    values = panel.values.copy()
    for i, (_, rows) in enumerate(panel.series()):
        after = slice(rows.start + int(known[i]), rows.stop)
        for j, channel in enumerate(panel.channels):
            if channel.role in ("target", "past"):
                changed = _other_categories if channel.categories else _changed
                values[after, j] = changed(panel.values[rows, j], int(known[i]), noise)
    return replace(panel, values=values)


def _changed(y: FloatArray, known: int, noise: np.random.Generator) -> FloatArray:
    later = y[known:]
    if (y > 0).all():
        return later * noise.uniform(1.5, 4.0, len(later))
    spread = float(np.std(y)) or 1.0
    return later + spread * noise.uniform(2.0, 8.0, len(later))


def _other_categories(codes: FloatArray, known: int, noise: np.random.Generator) -> FloatArray:
    """Put the categories of other steps there: numbers would be none."""
    return noise.choice(codes, len(codes) - known)


def _origins(panel: Panel, split: Split, problem: Problem) -> Origins:
    """Up to `ORIGINS` origins a series, evenly over the test split."""
    every = rolling_origins(panel, split.before_test, panel.lengths, problem.horizon)
    chosen: list[IntArray] = []
    for i in range(len(panel)):
        mine = np.flatnonzero(every.series == i)
        places = np.unique(np.linspace(0, len(mine) - 1, ORIGINS).round().astype(np.int64))
        chosen.append(mine[places] if len(mine) else mine)
    return every[np.concatenate(chosen)]


def _first_leak(
    name: str, fitted: Fitted, panel: Panel, origins: Origins, *, largest: FloatArray, seed: int
) -> Leak | None:
    """Find the first origin whose forecast moves; `largest` (series,) is what rounding is a share of."""
    honest = _told(fitted, panel, origins)
    for known, here in _turns(origins, len(panel)):
        for changed in (change_after(panel, known, seed), panel.cut(known)):
            moved = np.abs(_told(fitted, changed, origins[here]) - honest[here]).max(axis=1)
            beyond = ~(moved <= _ROUNDING * largest[origins.series[here]])  # a NaN has moved as well
            if beyond.any():
                return _leak(name, panel, origins[here], int(np.argmax(beyond)), moved)
    return None


def _told(fitted: Fitted, panel: Panel, origins: Origins) -> FloatArray:
    """Numbers that a forecaster says at each origin, (origin, number)."""
    made = fitted.forecast(panel, origins)
    told: FloatArray = made.y_hat if made.probabilities is None else made.probabilities.reshape(len(origins), -1)
    return told


def _turns(origins: Origins, series: int) -> Iterator[tuple[IntArray, BoolArray]]:
    """For the first, second, ... origin of every series: steps known there, and the origins up to there."""
    turn = np.array([np.sum(origins.series[:i] == s) for i, s in enumerate(origins.series)], dtype=np.int64)
    for number in range(int(turn.max(initial=-1)) + 1):
        here = turn <= number
        yield origins[here].last_known(series), here


def _leak(name: str, panel: Panel, origins: Origins, which: int, moved: FloatArray) -> Leak:
    row = origins.rows(panel)[which : which + 1]
    return Leak(
        model=name,
        unique_id=panel.ids[int(origins.series[which])],
        origin=panel.calendar.write(panel.times[row])[0],
        by=float(moved[which]),
    )
