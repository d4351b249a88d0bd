"""Intervals and drift of a forecast in use: what actually came says how wide the next intervals have to be.

Adaptive conformal inference (Gibbs and Candes 2021, "Adaptive conformal inference under distribution shift"), for each
step of the horizon and each end of the interval by itself. An end is the quantile at level p of the latest scores
y - y_hat; it should lie above a share tau of what comes, and after each value

    p  <-  p + gamma (tau - 1[y at or below the end])

so that in the long run a share of tau lies below it, whatever the series does: the error after T values is at most
(p_T - p_0) / (gamma T). Where levels leave 0 to 1 the end lies beyond the largest score. Before anything has come,
scores are those of the backtest.

Scores of models with quantiles of their own are counted from these (y - q_tau), as `conformal` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.evaluation.conformal import conformal_quantiles, no_offsets
from forecast.forecasters.interface import QUANTILES
from forecast.questions.value_range import ANY_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.forecasters.interface import Forecasts
    from forecast.questions.value_range import ValueRange
    from forecast.series.panel import BoolArray, FloatArray

_GAMMA = 0.01
"""How far a level goes after each value."""
_SCORES = 200
"""Latest scores that quantiles are taken of."""
_BEYOND = 200
"""Places before the least and after the largest score, each further out by `_WIDENED` of the spread on that side. A
level goes on among them and turns back at the last but those that it can pass before scores are sorted again."""
_WIDENED = 0.05
_SORTED_EVERY = 20
"""Values after which the latest scores are sorted anew."""
_FURTHEST = _BEYOND - 1 - _SORTED_EVERY * _GAMMA * _SCORES
_NEVER = np.iinfo(np.int64).max
_FEWEST = 20
"""Scores without which an interval is not known, where the backtest has none."""
_MEMORY_STEPS = 50
"""Of the running mean that drift is seen by."""
_BAND = 5.0
"""Half the width of the band around the backtest's mean error, in standard deviations of the running mean."""


@dataclass(frozen=True, eq=False)
class Backtested:
    """What a backtest has found out about the errors of one series.

    Attributes
    ----------
    offsets : (step, level) of conformal intervals at `QUANTILES`, in units of `scale`; None: not known
    scale : of the series

    """

    offsets: FloatArray | None
    scale: float
    value_range: ValueRange = ANY_VALUE

    def quantiles(self, forecasts: Forecasts) -> FloatArray:
        """Quantiles of forecasts as the backtest has them, (origin, step, level)."""
        centre = forecasts.y_hat[:, :, None] if forecasts.quantiles is None else forecasts.quantiles
        offsets = no_offsets(*centre.shape[1:]) if self.offsets is None else self.offsets
        scale = np.full(len(centre), self.scale)
        return self.value_range.keep_quantiles(conformal_quantiles(centre, scale, offsets), QUANTILES)


class OnlineIntervals:
    """Adaptive conformal intervals of one series, brought up to date by each value.

    Parameters
    ----------
    backtested : where intervals begin
    first : forecast before the first value, of one origin
    levels : of both ends

    """

    def __init__(self, backtested: Backtested, first: Forecasts, levels: tuple[float, float]) -> None:
        self._range = backtested.value_range
        self._levels = np.array(levels)
        self._own = [QUANTILES.index(level) for level in levels]
        known = backtested.quantiles(first)[0]  # (step, level)
        centre = self._centre(first)  # (1, step, 1 or end)
        self._horizon = horizon = known.shape[0]
        self._scores = np.stack([_spread(known - centre[0, :, [i]].T) for i in range(centre.shape[2])], axis=1)
        # Scores that are known, values so far, and the value from which on all forecasts that are due had margins.
        self._counts = np.array([_SCORES, 0, horizon] if np.isfinite(known).all() else [0, 0, _NEVER])
        # Where in a table of scores the levels stand, (step, end): a row of it after the other, as in `_sorted`.
        rows = np.arange(horizon)[:, None] * centre.shape[2] + np.minimum(np.arange(2), centre.shape[2] - 1)
        self._first_place = rows * (_SCORES + 2 * _BEYOND) + float(_BEYOND)
        self._place = self._first_place + self._levels * _SCORES
        self._centres = np.full((horizon, horizon, centre.shape[2]), np.nan)  # (origin, step, 1 or end), newest last
        self._margins = np.full((horizon, horizon, 2), np.nan)  # (origin, step, end)
        self._table = self._sorted()
        self._centres[-1:], self._margins[-1] = centre, self._margin()

    def update(self, values: FloatArray, forecasts: Forecasts) -> FloatArray:
        """Take some values in turn, (row,), NaN where missing, and the forecasts after each; the ends, (row, 2, step).

        NaN where intervals are not known yet.
        """
        horizon, rows = self._horizon, len(values)
        centres = np.concatenate([self._centres, self._centre(forecasts)])  # (horizon + row, step, 1 or end)
        margins = np.concatenate([self._margins, np.empty((rows, horizon, 2))])
        # Of the value of row j, step h was forecast at row j - h.
        due = (np.arange(rows)[:, None] + horizon - 1 - np.arange(horizon)) * horizon + np.arange(horizon)
        flat = margins.reshape(-1, 2)
        scores = values[:, None, None] - centres.reshape(-1, centres.shape[2])[due]  # (row, step, 1 or end)
        whole, observed = ~np.isnan(scores).any(axis=(1, 2)), ~np.isnan(values)
        least, most = self._first_place - _FURTHEST, self._first_place + _SCORES + _FURTHEST
        count, began = int(self._counts[1]), 0
        for j in range(rows):
            if observed[j]:
                given = flat.take(due[j], axis=0)
                # At first some steps had not been forecast, or not with margins.
                known = None if count >= self._counts[2] else ~np.isnan(scores[j] + given)
                self._learn(scores[j], given, known)
            count += 1
            if count % _SORTED_EVERY == 0:
                self._keep(scores[began : j + 1][whole[began : j + 1]])
                began = j + 1
                self._table = self._sorted()
                np.clip(self._place, least, most, out=self._place)
                if self._counts[2] == _NEVER and self._counts[0] >= _FEWEST:
                    self._counts[2] = count + horizon
            margins[horizon + j] = self._margin()
        self._keep(scores[began:][whole[began:]])
        self._counts[1] = count
        self._centres, self._margins = centres[rows:], margins[rows:]
        return self._ends(forecasts, margins[horizon:])

    def latest(self, forecasts: Forecasts) -> FloatArray:
        """Ends of the interval around the forecast of the latest row, (1, 2, step)."""
        return self._ends(forecasts, self._margins[-1:])

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes, by name; `remember` goes on from it, bit for bit."""
        return {
            "scores": self._scores,
            "counts": self._counts,
            "place": self._place,
            "centres": self._centres,
            "margins": self._margins,
            "table": self._table,
        }

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        for name in self.memory():
            setattr(self, f"_{name}", memory[name])

    def _centre(self, forecasts: Forecasts) -> FloatArray:
        """What scores are counted from, (origin, step, 1 or end)."""
        if forecasts.quantiles is None:
            return forecasts.y_hat[:, :, None]
        return forecasts.quantiles[:, :, self._own]

    def _ends(self, forecasts: Forecasts, margins: FloatArray) -> FloatArray:
        """Ends of intervals, (row, 2, step), in their order and within the range of values."""
        ends = np.sort(self._centre(forecasts) + margins, axis=2)
        ends = self._range.keep_quantiles(ends, self._levels.tolist())
        return np.ascontiguousarray(ends.transpose(0, 2, 1))

    def _learn(self, scores: FloatArray, margins: FloatArray, known: BoolArray | None = None) -> None:
        """Move the levels by scores of a value, (step, 1 or end), against the margins that had been given for it."""
        moved = self._levels - (scores <= margins)
        moved *= _GAMMA * _SCORES
        self._place += moved if known is None else np.where(known, moved, 0.0)

    def _keep(self, newest: FloatArray) -> None:
        """Let scores, (row, step, 1 or end), take the place of the oldest."""
        if len(newest):
            self._scores = np.concatenate([self._scores, np.moveaxis(newest, 0, 2)], axis=2)[:, :, -_SCORES:]
            self._counts[0] = min(self._counts[0] + len(newest), _SCORES)

    def _sorted(self) -> FloatArray:
        """Scores in their order with places beyond both ends, (step, 1 or end, place)."""
        if self._counts[0] < _FEWEST:
            return np.full((*self._scores.shape[:2], _SCORES + 2 * _BEYOND), np.nan)
        ordered = np.sort(self._scores[:, :, -int(self._counts[0]) :], axis=2)
        if ordered.shape[2] < _SCORES:  # as many places however many scores there are
            places = (np.arange(_SCORES) * ordered.shape[2]) // _SCORES
            ordered = ordered[:, :, places]
        middle = ordered[:, :, [_SCORES // 2]]
        low, high = ordered[:, :, :1], ordered[:, :, -1:]
        out = _WIDENED * np.arange(1, _BEYOND + 1)
        return np.concatenate([low - (middle - low) * out[::-1], ordered, high + (high - middle) * out], axis=2)

    def _margin(self) -> FloatArray:
        """Distance of both ends from the centre at their levels, (step, end)."""
        margin: FloatArray = self._table.take(self._place.astype(np.int64))
        return margin


class Drift:
    """Tells when the errors of a series leave the band that the backtest expects, and when they come back.

    The running mean of the absolute one-step errors is looked at; the band is the backtest's mean error and five
    standard deviations of such a running mean around it.
    """

    def __init__(self, backtested: Backtested, first: Forecasts) -> None:
        expected = np.abs(_spread(backtested.quantiles(first)[0, :1] - first.y_hat[0, :1, None])[0])
        weight = 2 / (_MEMORY_STEPS + 1)
        self._weight = weight
        self._expected = float(expected.mean())
        self._width = _BAND * float(expected.std()) * math.sqrt(weight / (2 - weight))
        self._expecting = float(first.y_hat[0, 0])
        self._mean, self._outside = self._expected, False

    def update(self, values: FloatArray, forecasts: Forecasts) -> list[tuple[int, str]]:
        """Take some values in turn, (row,), and the forecasts after each; sentences with the rows that they are of."""
        notes: list[tuple[int, str]] = []
        mean, width = self._mean, self._width
        for j, (y, following) in enumerate(zip(values.tolist(), forecasts.y_hat[:, 0].tolist(), strict=True)):
            if not math.isnan(y) and width > 0:
                mean += self._weight * (abs(y - self._expecting) - mean)
                away = abs(mean - self._expected)
                if self._outside != (away > (width / 2 if self._outside else width)):
                    self._outside = not self._outside
                    notes.append((j, self._sentence(mean)))
            self._expecting = following
        self._mean = mean
        return notes

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes, by name."""
        state = (self._expected, self._width, self._expecting, self._mean, float(self._outside))
        return {"state": np.array(state)}

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        self._expected, self._width, self._expecting, self._mean, outside = memory["state"].tolist()
        self._outside = bool(outside)

    def _sentence(self, mean: float) -> str:
        usual = f"{self._expected:.4g} in the backtest (band {max(self._expected - self._width, 0):.4g} to "
        usual += f"{self._expected + self._width:.4g})"
        if not self._outside:
            return f"its errors are as expected again: {mean:.4g} on average, {usual}"
        size = "larger" if mean > self._expected else "smaller"
        return f"its errors are {size} than expected: {mean:.4g} on average of the last {_MEMORY_STEPS} rows, {usual}"


def _spread(quantiles: FloatArray) -> FloatArray:
    """Scores of which these are the quantiles, (step, level) -> (step, score); zeros where one is infinite."""
    levels, places = np.array(QUANTILES), (np.arange(_SCORES) + 0.5) / _SCORES
    scores = np.zeros((len(quantiles), _SCORES))
    for step, known in enumerate(quantiles):
        if np.isfinite(known).all():
            tails = known[0] * 2 - known[1], known[-1] * 2 - known[-2]
            scores[step] = np.interp(places, [0.0, *levels, 1.0], [tails[0], *known, tails[1]])
    return scores
