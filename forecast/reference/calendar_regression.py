"""A regression on the calendar: trend, seasons, each holiday by its name, and covariates with the steps around them.

    y_t = a + b t + sum of slope changes + seasons + holidays + covariates + e_t,  e_{t+h} = s_t + r^h (l_t - s_t)

in closed form for each series: ridge regression, each coefficient shrunk in proportion to the variance of e over its
own prior variance (that of a normal prior), so that many observations outweigh it. Of the target or of its logarithm,
with a season of the year or without, more or less bent and shrunk: `calendar_choice` chooses one plan for all series.
What has been left over lately is carried on, by a quick exponential mean l and a slow one s. The idea is that of
Taylor and Letham (2018), without sampling and without a search.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import lapack

from forecast.reference.encoding import ahead_rows, fit_encoding
from forecast.series.calendar_columns import YEAR, Column, choose_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from forecast.questions.kinds import Problem
    from forecast.reference.encoding import ChannelEncoding, CovariateEncoding
    from forecast.series.calendar import Calendar
    from forecast.series.calendar_columns import CalendarColumns
    from forecast.series.panel import FloatArray, IntArray, Panel, TimeArray

TREND, COVARIATE, PAST = "trend", "covariate", "past"
_BENDS = 10
"""Changes of the slope that the training split has room for."""
SLOW = 0.05
"""Smoothing of the slow mean of what is left over, which a quick one goes back to: without it forecasts go back to a
trend that the series has long left."""


@dataclass(frozen=True, eq=False)
class SeriesDesign:
    """Columns of a series, of all its rows and a horizon beyond.

    Attributes
    ----------
    steps : (row + horizon,) from the first row that was fitted on
    spacing : steps from one change of the slope to the next
    columns : of `values`, (row + horizon, column)
    past_columns : of `past`, (row, column), covariates that are known up to a row
    y : (row,) NaN where it was not observed

    """

    steps: FloatArray
    spacing: int
    columns: tuple[Column, ...]
    values: FloatArray
    past_columns: tuple[Column, ...] = ()
    past: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    y: FloatArray = field(default_factory=lambda: np.zeros(0))

    def target(self, *, log: bool) -> FloatArray:
        """The target, or its logarithm, which only values above zero have."""
        return np.log(np.where(self.y > 0, self.y, np.nan)) if log else self.y

    def trend(self, rows: int) -> tuple[list[Column], FloatArray]:
        """Columns of a trend that is fitted on so many rows, and their values, (row + horizon, column)."""
        bends = self.spacing * np.arange(1, rows // self.spacing)
        since = np.maximum(self.steps - np.concatenate([[0.0], bends])[:, None], 0.0)
        columns = [Column(TREND, "level", 1e3), Column(TREND, "slope", 3.0)]
        columns += [Column(TREND, f"bend {j + 1}", 1.0) for j in range(len(bends))]
        return columns, np.concatenate([np.ones((1, len(self.steps))), since / (self.spacing * _BENDS)]).T

    def table(self, rows: int) -> tuple[tuple[Column, ...], FloatArray]:
        """Every column of the first rows that a plan may use, and the values, (row, column)."""
        columns, trend = self.trend(rows)
        values = np.concatenate([one[:rows].T for one in (trend, self.values, self.past)]).T
        return (*columns, *self.columns, *self.past_columns), values


@dataclass(frozen=True, eq=False)
class Design:
    """What makes columns of a panel; fixed when it is fitted.

    Attributes
    ----------
    train_steps : (series,)
    first : (series,) int64, time of the first row that was fitted on

    """

    calendar: CalendarColumns
    encoding: CovariateEncoding
    horizon: int
    train_steps: IntArray
    first: IntArray

    @property
    def covariate_names(self) -> dict[str, list[str]]:
        """Names of the columns of covariates that are known ahead, lag by lag, and of those that are not."""
        ahead = _names(self.encoding.ahead)[: self.encoding.given]
        shifted = [_shifted(name, lag) for lag in self.lags for name in ahead]
        return {COVARIATE: shifted, PAST: _names(self.encoding.past)}

    @property
    def lags(self) -> range:
        """Steps that a covariate lies before the step that it acts on."""
        return range(-self.encoding.leads, self.encoding.lags + 1)

    def of(self, past: Panel) -> Iterator[SeriesDesign]:
        """Columns of each series."""
        ahead = self.encoding.ahead_columns(past)[:, : self.encoding.given].astype(np.float64)
        rows_ahead = ahead_rows(past, lambda rows: np.searchsorted(past.offsets, rows, side="right") - 1)
        names = self.covariate_names
        priors = [0.5 if lag else 1.0 for lag in self.lags for _ in range(self.encoding.given)]
        columns = [Column(COVARIATE, *one) for one in zip(names[COVARIATE], priors, strict=True)]
        past_columns = tuple(Column(PAST, name, 1.0) for name in names[PAST])
        seen = past.target_observed if past.masked is None else past.target_observed & ~past.masked[:, 0]
        for i, (_, rows) in enumerate(past.series()):
            beyond = past.calendar.after(past.times[rows.stop - 1], self.horizon)
            dated = self.dated(i, past.calendar, np.concatenate([past.times[rows], beyond]))
            steps, lags = np.arange(len(dated.steps)), self.lags if columns else ()
            lagged = [ahead[rows_ahead(np.array([rows.start]), steps - lag)[0]] for lag in lags]
            yield replace(
                dated,
                columns=(*dated.columns, *columns),
                values=np.concatenate([dated.values, *lagged], axis=1),
                past_columns=past_columns,
                past=self.encoding.past_columns(past, np.arange(rows.start, rows.stop)).astype(np.float64),
                y=np.where(seen[rows], past.target[rows], np.nan),
            )

    def dated(self, i: int, calendar: Calendar, times: TimeArray) -> SeriesDesign:
        """Columns of some times of a series, one a step, that follow from these alone."""
        ends = np.array([self.first[i], times[0].astype(np.int64)])
        ordered: Any = np.sort(ends).astype(times.dtype)
        apart = int(calendar.between(ordered)[0])
        steps = np.arange(len(times)) + (apart if ends[0] <= ends[1] else -apart)
        columns, values = self.calendar.at(calendar, times, steps.astype(np.float64))
        spacing = max(-(-int(self.train_steps[i]) // _BENDS), 2)
        return SeriesDesign(steps.astype(np.float64), spacing, tuple(columns), values)


def design_of(past: Panel, train_steps: IntArray, problem: Problem) -> Design:
    """Choose what makes columns of a panel, from the first `train_steps[i]` steps of each series."""
    first: IntArray = past.times[past.offsets[:-1]].astype(np.int64)
    encoding = fit_encoding(past, train_steps, problem.lags, problem.leads)
    return Design(choose_columns(past, problem.season_steps), encoding, problem.horizon, train_steps, first)


def _names(encoding: ChannelEncoding) -> list[str]:
    """Name every column of an encoding: the channel's, with the category."""
    names = []
    for channel, marked in zip(encoding.channels, encoding.marked, strict=True):
        names += [f"{channel.name}={category}" for category in channel.categories] or [channel.name]
        names += [f"{channel.name} is missing"] * int(marked)
    return names


def _shifted(name: str, lag: int) -> str:
    """Name a covariate of some steps before (a lag) or after."""
    return name if not lag else f"{name}, {abs(lag)} {'after' if lag > 0 else 'before'}"


class Plan(NamedTuple):
    """What validation chooses.

    Attributes
    ----------
    bend : prior standard deviation of a change of the slope, in those of the target over the training split
    shrink : by how much more than their priors say coefficients of seasons, holidays and covariates are shrunk
    smoothing, decay : of what is left over: its exponential mean, and what remains of it after a step

    """

    log: bool = False
    year: bool = True
    bend: float = 0.3
    shrink: float = 1.0
    past: bool = False
    smoothing: float = 0.2
    decay: float = 0.9

    def priors(self, columns: Sequence[Column]) -> FloatArray:
        """Prior standard deviation of each weight, (column,), in those of the target; 0 of one that is not used."""
        factors = {TREND: 1.0, YEAR: self.year / self.shrink, PAST: float(self.past)}
        priors = np.array([c.prior * factors.get(c.part, 1 / self.shrink) for c in columns])
        priors[2 : sum(c.part == TREND for c in columns)] *= self.bend  # after the level and the slope
        return priors


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients of a series' first rows.

    Attributes
    ----------
    columns : what each coefficient belongs to
    weights : (column,) in the target's units, or of its logarithm
    variance : of what is left over
    factor : (column, column) U'U = X'X + s^2 P

    """

    columns: tuple[Column, ...]
    weights: FloatArray
    variance: float
    factor: FloatArray

    @property
    def covariance(self) -> FloatArray:
        """(column, column) of the weights, were what is left over without memory."""
        inverse: FloatArray = lapack.dpotrs(self.factor, np.eye(len(self.weights)))[0]
        return self.variance * inverse

    @property
    def by_column(self) -> dict[tuple[str, str], float]:
        """Weights by part and name."""
        return {(c.part, c.name): float(w) for c, w in zip(self.columns, self.weights, strict=True)}


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """What every plan for a target is fitted by, of a series' first rows.

    Attributes
    ----------
    columns : every column that a plan may use
    gram, cross, squares : X'X, (column, column), X'z, (column,), and z'z
    count : rows with a target
    level, unit : of the target y = level + unit z

    """

    columns: tuple[Column, ...]
    gram: FloatArray
    cross: FloatArray
    squares: float
    count: int
    level: float
    unit: float

    def fit(self, plan: Plan) -> Fit:
        """Fit the columns that a plan uses."""
        priors = plan.priors(self.columns)
        used = np.flatnonzero(priors)
        gram, cross, precision = self.gram[np.ix_(used, used)], self.cross[used], priors[used] ** -2.0
        freedom = max(self.count - len(used) / 2, self.count / 2, 1.0)
        variance = 0.1
        for _ in range(4):  # the variance of what is left over, and the shrinkage that it asks for
            # (X'X + s^2 P) w = X'z: ridge with a prior spread of each weight, P its inverse square
            factor, weights, failed = lapack.dposv(gram + np.diag(variance * precision + 1e-9), cross)
            if failed:
                raise np.linalg.LinAlgError("the normal equations of a calendar regression are singular")
            left_over = self.squares - 2 * float(weights @ cross) + float(weights @ gram @ weights)  # |z - X w|^2
            variance = max(left_over / freedom, 1e-6)
        weights = weights * self.unit
        weights[0] += self.level
        return Fit(tuple(self.columns[i] for i in used), weights, variance * self.unit**2, factor)


def normal_equations(series: SeriesDesign, rows: int, *, log: bool, left_out: slice = slice(0, 0)) -> NormalEquations:
    """Sum up the first rows of a series, without some of them."""
    columns, table = series.table(rows)
    y = series.target(log=log)[:rows]
    seen = np.isfinite(y)
    seen[left_out] = False
    x, y = table.T[:, seen], y[seen]  # (column, observed row)
    level, unit = (float(y.mean()), float(y.std()) or 1.0) if len(y) else (0.0, 1.0)
    z = (y - level) / unit
    return NormalEquations(columns, x @ x.T, x @ z, float(z @ z), len(y), level, unit)


def fit_rows(series: SeriesDesign, plan: Plan, rows: int, left_out: slice = slice(0, 0)) -> Fit:
    """Fit the first rows of a series, without some of them."""
    return normal_equations(series, rows, log=plan.log, left_out=left_out).fit(plan)


def forecasts_of(series: SeriesDesign, plan: Plan, fit: Fit, rows: int, *, steps: IntArray, horizon: int) -> FloatArray:
    """Forecast a series after some of its steps, (origin, horizon), by a fit of its first rows."""
    regression, residuals = regression_of(series, plan, fit.by_column, rows)
    residuals = filled(residuals)
    levels = [exponential_mean(residuals, of, 0.0)[steps, None] for of in (plan.smoothing, SLOW)]
    forecasts = carried_on(regression, levels, plan.decay, steps, horizon)
    return np.exp(forecasts) if plan.log else forecasts


class Regression(NamedTuple):
    """What coefficients say of each row and a horizon beyond, and of the covariates that end at a row, (row,)."""

    ahead: FloatArray
    past: FloatArray


def regression_of(
    series: SeriesDesign, plan: Plan, known: Mapping[tuple[str, str], float], rows: int
) -> tuple[Regression, FloatArray]:
    """The regression by the `known` weights, and what it leaves over of each row that was observed, NaN elsewhere."""
    columns, trend = series.trend(rows)
    blocks = ((columns, trend), (series.columns, series.values), (series.past_columns, series.past))
    of_trend, of_others, of_past = (
        values @ np.array([known.get((column.part, column.name), 0.0) for column in some]) for some, values in blocks
    )
    target = series.target(log=plan.log)
    regression = Regression(of_trend + of_others, of_past)
    return regression, target - regression.ahead[: len(target)] - of_past


def filled(residuals: FloatArray) -> FloatArray:
    """Put the residual before in place of each that is missing, (row,); 0 before the first."""
    seen = np.maximum.accumulate(np.where(np.isfinite(residuals), np.arange(len(residuals)), -1))
    return np.where(seen >= 0, np.nan_to_num(residuals)[seen], 0.0)


def exponential_mean(values: FloatArray, smoothing: float, start: FloatArray | float) -> FloatArray:
    """Run the exponential means l_t = l_{t-1} + smoothing (y_t - l_{t-1}) along the first axis, (step, ...).

    As a bidiagonal system of equations: `scipy.signal` takes long to import.
    """
    if not len(values):
        return values
    right = (smoothing * values).reshape(len(values), -1)
    right[0] += (1 - smoothing) * np.reshape(start, -1)
    bands = np.full((2, len(right)), smoothing - 1)
    solved: FloatArray = lapack.dtbtrs(bands, right, uplo="L", diag="U")[0]
    return solved.reshape(values.shape)


def carried_on(
    regression: Regression, levels: Sequence[FloatArray], decay: FloatArray | float, steps: IntArray, horizon: int
) -> FloatArray:
    """Add to the regression what is left over, a level and the slow one that it goes back to, (..., origin, horizon).

    The level may be one of several, (..., origin, 1), and so may `decay`, (..., 1, 1).
    """
    ahead, (level, slow) = np.arange(1, horizon + 1), levels
    carried = slow + (level - slow) * decay**ahead + regression.past[steps, None]
    forecasts: FloatArray = regression.ahead[steps[:, None] + ahead] + carried
    return forecasts
