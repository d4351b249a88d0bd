"""A regression on the calendar: trend, seasons, each holiday by its name, and covariates with the steps around them.

    y_t = a + b t + sum of slope changes + seasons + holidays + covariates + e_t,  e_{t+h} = r^h level of e at t

in closed form for each series: ridge regression, each coefficient shrunk in proportion to the variance of e over its
own prior variance (that of a normal prior), so that many observations outweigh it. Of the target or of its logarithm,
with a season of the year or without, more or less bent and shrunk: the best on validation, one choice for all series.
As a series goes on it is fitted again, from its first row on, at every so many rows; between these what has been left
over lately is carried on. The idea is that of Taylor and Letham (2018), without sampling and without a search.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_banded

from forecast.errors import ForecastError
from forecast.forecasters.interface import Forecasts, Kind
from forecast.reference.encoding import ahead_rows, fit_encoding
from forecast.series.calendar_columns import YEAR, Column, choose_columns
from forecast.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.reference.encoding import ChannelEncoding, CovariateEncoding
    from forecast.series.calendar_columns import CalendarColumns
    from forecast.series.panel import FloatArray, IntArray, Panel

TREND, COVARIATE, PAST = "trend", "covariate", "past"
_BENDS = 10
"""Changes of the slope that the training split has room for."""
_REFITS = 16
"""A series is fitted again when it has grown by this part of its training split, or by a horizon."""
_MOST_ORIGINS = 60
"""Of a series on the validation split that choices are made by."""
_SMOOTHING, _DECAY = (0.05, 0.2, 0.5, 1.0), (0.0, 0.7, 0.9, 0.97, 1.0)
_ENOUGH = 0.99
"""Share of the plainer choice's error that another must be at, at most, to be chosen."""


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


@dataclass(frozen=True)
class CalendarRegression:
    """An unfitted calendar regression; `plan` is None until validation has chosen one."""

    name: str
    plan: Plan | None = None
    kind: Kind = "calendar"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedCalendarRegression:
        """Fit each series on its training split; the validation split chooses the plan."""
        columns = choose_columns(past, problem.season_steps)
        encoding = fit_encoding(past.cut(train_steps), train_steps, problem.lags, problem.leads)
        design = Design(columns, encoding, problem.horizon, train_steps)
        series = list(design.of(past))
        plan = self.plan or _choose(series, design, past, problem.horizon)
        fits = tuple(_fit_rows(one, plan, int(steps)) for one, steps in zip(series, train_steps, strict=True))
        return FittedCalendarRegression(self, problem, past.ids, design, plan, fits)


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients of a series' first rows.

    Attributes
    ----------
    columns : what each coefficient belongs to
    weights : (column,) in the target's units, or of its logarithm
    covariance : (column, column) of the weights, were what is left over without memory
    variance : of what is left over

    """

    columns: tuple[Column, ...]
    weights: FloatArray
    covariance: FloatArray
    variance: float

    @property
    def by_column(self) -> dict[tuple[str, str], float]:
        """Weights by part and name."""
        return {(c.part, c.name): float(w) for c, w in zip(self.columns, self.weights, strict=True)}


@dataclass(frozen=True, eq=False)
class SeriesDesign:
    """Columns of a series, of all its rows and a horizon beyond.

    Attributes
    ----------
    columns : of `values`, (row + horizon, column)
    past_columns : of `past`, (row, column), covariates that are known up to a row
    y : (row,) NaN where it was not observed

    """

    columns: tuple[Column, ...]
    values: FloatArray
    past_columns: tuple[Column, ...]
    past: FloatArray
    y: FloatArray
    bends: FloatArray

    def target(self, plan: Plan) -> FloatArray:
        """The target, or its logarithm."""
        return np.log(self.y) if plan.log else self.y

    def used(self, plan: Plan, rows: int) -> tuple[tuple[Column, ...], FloatArray, FloatArray]:
        """Columns of a plan fitted on so many rows, their values, (row + horizon, column), and those of the past."""
        kept = [i for i, column in enumerate(self.columns) if plan.year or column.part != YEAR]
        bends = self.bends[self.bends <= rows - (self.bends[0] if len(self.bends) else 0)]
        steps, span = np.arange(len(self.values)), self.bends[0] * _BENDS if len(self.bends) else max(rows, 1)
        trend = np.maximum(steps[:, None] - np.concatenate([[0.0], bends]), 0.0) / span
        lines = [Column(TREND, "slope", 3.0), *(Column(TREND, f"bend at {bend:g}", plan.bend) for bend in bends)]
        columns = [Column(TREND, "level", 1e3), *lines]
        shrunk = [column._replace(prior=column.prior / plan.shrink) for column in (self.columns[i] for i in kept)]
        table = np.column_stack([np.ones(len(steps)), trend, self.values[:, kept]])
        past = self.past_columns if plan.past else ()
        return (*columns, *shrunk, *past), table, self.past if plan.past else self.past[:, :0]


@dataclass(frozen=True, eq=False)
class Design:
    """What makes columns of a panel; fixed when it is fitted."""

    calendar: CalendarColumns
    encoding: CovariateEncoding
    horizon: int
    train_steps: IntArray

    def of(self, past: Panel) -> Iterator[SeriesDesign]:
        """Columns of each series."""
        ahead = self.encoding.ahead_columns(past)
        rows_ahead = ahead_rows(past, lambda rows: np.searchsorted(past.offsets, rows, side="right") - 1)
        names = _names(self.encoding.ahead)[: self.encoding.given]
        past_columns = tuple(Column(PAST, name, 1.0) for name in _names(self.encoding.past))
        for i, (_, rows) in enumerate(past.series()):
            steps = np.arange(rows.stop - rows.start + self.horizon)
            beyond = past.calendar.after(past.times[rows.stop - 1], self.horizon)
            times = np.concatenate([past.times[rows], beyond])
            columns, values = self.calendar.at(past, times, steps.astype(np.float64))
            parts = [values]
            for lag in range(-self.encoding.leads, self.encoding.lags + 1) if names else ():
                at = rows_ahead(np.array([rows.start]), steps - lag)[0]
                parts.append(ahead[at, : self.encoding.given].astype(np.float64))
                columns += [Column(COVARIATE, _shifted(name, lag), 0.5 if lag else 1.0) for name in names]
            y = np.where(past.target_observed[rows], past.target[rows], np.nan)
            yield SeriesDesign(
                columns=tuple(columns),
                values=np.concatenate(parts, axis=1),
                past_columns=past_columns,
                past=self.encoding.past_columns(past, np.arange(rows.start, rows.stop)).astype(np.float64),
                y=y,
                bends=_bends(int(self.train_steps[i]), len(steps)),
            )


@dataclass(frozen=True, eq=False)
class FittedCalendarRegression:
    """A calendar regression of every series."""

    forecaster: CalendarRegression
    problem: Problem
    ids: tuple[str, ...]
    design: Design
    plan: Plan
    fits: tuple[Fit, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what it is made of."""
        parts = dict.fromkeys(column.part for column in self.fits[0].columns)
        scale = "of the logarithm" if self.plan.log else "of the value"
        return (f"a regression {scale} on {listed(list(parts))}",)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast each origin by the latest fit before it, and carry on what has been left over lately."""
        if past.ids != self.ids:
            raise ForecastError("a calendar regression forecasts the series that it was fitted on: train again")
        y_hat = np.empty((len(origins), self.problem.horizon))
        for i, series in enumerate(self.design.of(past)):
            which = np.flatnonzero(origins.series == i)
            if not len(which):
                continue
            steps, fitted = origins.steps[which], int(self.design.train_steps[i])
            every = max(self.problem.horizon, -(-fitted // _REFITS))
            rows = fitted + np.maximum(steps + 1 - fitted, 0) // every * every
            for latest in np.unique(rows):
                fit = self.fits[i] if latest == fitted else _fit_rows(series, self.plan, int(latest))
                of_fit = rows == latest
                y_hat[which[of_fit]] = _forecasts_of(
                    series, self.plan, fit, int(latest), steps=steps[of_fit], horizon=self.problem.horizon
                )
        return Forecasts(y_hat)

    def chosen(self) -> CalendarRegression:
        """Return the forecaster with the plan that validation chose."""
        return replace(self.forecaster, plan=self.plan)


def _fit_rows(series: SeriesDesign, plan: Plan, rows: int) -> Fit:
    """Fit the first rows of a series."""
    columns, values, past = series.used(plan, rows)
    y = series.target(plan)[:rows]
    seen = np.isfinite(y)
    x = np.concatenate([values[:rows], past[:rows]], axis=1)[seen]  # (observed row, column)
    y = y[seen]
    level, unit = (float(y.mean()), float(y.std()) or 1.0) if len(y) else (0.0, 1.0)
    z = (y - level) / unit
    gram, cross, squares = x.T @ x, x.T @ z, float(z @ z)  # X'X, X'z, z'z
    precision = np.array([column.prior for column in columns]) ** -2.0
    variance = 0.1
    for _ in range(4):  # the variance of what is left over, and the shrinkage that it asks for
        # (X'X + s^2 P) w = X'z: ridge with a prior spread of each weight, P its inverse square
        factor = cho_factor(gram + np.diag(variance * precision + 1e-9))
        weights = cho_solve(factor, cross)
        residual_squares = squares - 2 * float(weights @ cross) + float(weights @ gram @ weights)  # |z - X w|^2
        variance = max(residual_squares / max(len(z) - len(weights) / 2, len(z) / 2, 1.0), 1e-6)
    covariance = variance * cho_solve(factor, np.eye(len(weights))) * unit**2
    weights = weights * unit
    weights[0] += level
    return Fit(columns, weights, covariance, variance * unit**2)


def _forecasts_of(
    series: SeriesDesign, plan: Plan, fit: Fit, rows: int, *, steps: IntArray, horizon: int
) -> FloatArray:
    """Forecast a series after some of its steps, (origin, horizon), by a fit of its first rows."""
    regression, residuals = _regression(series, plan, fit, rows)
    forecasts: FloatArray = _carried(regression, _level(residuals, plan.smoothing), plan.decay, steps, horizon)
    return np.exp(forecasts) if plan.log else forecasts


class _Regression(NamedTuple):
    """What a fit says of each row and a horizon beyond, and of the covariates that end at a row, (row,)."""

    ahead: FloatArray
    past: FloatArray


def _regression(series: SeriesDesign, plan: Plan, fit: Fit, rows: int) -> tuple[_Regression, FloatArray]:
    """The regression, and what it leaves over of each row that was observed, NaN elsewhere."""
    columns, values, past = series.used(plan, rows)
    known = fit.by_column
    weights = np.array([known.get((column.part, column.name), 0.0) for column in columns])
    split = values.shape[1]
    regression = _Regression(values @ weights[:split], past @ weights[split:])
    target = series.target(plan)
    return regression, target - regression.ahead[: len(target)] - regression.past


def _level(residuals: FloatArray, smoothing: float) -> FloatArray:
    """Exponential mean of what is left over, (row,), a missing one standing for the one before."""
    seen = np.maximum.accumulate(np.where(np.isfinite(residuals), np.arange(len(residuals)), -1))
    filled = np.where(seen >= 0, np.nan_to_num(residuals)[seen], 0.0)
    return exponential_mean(filled, smoothing, 0.0)  # l_t = a r_t + (1 - a) l_{t-1}


def exponential_mean(values: FloatArray, smoothing: float, start: FloatArray | float) -> FloatArray:
    """Run the exponential means l_t = l_{t-1} + smoothing (y_t - l_{t-1}) along the first axis, (step, ...).

    As a bidiagonal system of equations: `scipy.signal` takes long to import.
    """
    right = (smoothing * values).reshape(len(values), -1)
    if not len(right):
        return values
    right[0] += (1 - smoothing) * np.reshape(start, -1)
    bands = np.ones((2, len(right)))
    bands[1] = smoothing - 1
    solved: FloatArray = solve_banded((1, 0), bands, right, check_finite=False).reshape(values.shape)
    return solved


def _carried(regression: _Regression, level: FloatArray, decay: float, steps: IntArray, horizon: int) -> FloatArray:
    ahead = np.arange(1, horizon + 1)
    carried = level[steps][:, None] * decay**ahead + regression.past[steps][:, None]
    forecasts: FloatArray = regression.ahead[steps[:, None] + ahead] + carried  # (origin, horizon)
    return forecasts


def _choose(series: list[SeriesDesign], design: Design, past: Panel, horizon: int) -> Plan:
    """Choose a plan by the mean absolute error on the validation split, one question after the other."""
    first = Plan(year=False, past=False)
    origins = [_origins(one, int(steps), horizon) for one, steps in zip(series, design.train_steps, strict=True)]
    if not any(len(steps) for steps in origins):
        return Plan()
    judge = _Judge(series, design.train_steps, origins, horizon)
    best, plan = judge.error(first)
    positive = bool((past.target[past.target_observed] > 0).all())
    questions: list[list[dict[str, Any]]] = [
        [{"year": True}] if YEAR in design.calendar.orders else [],
        [{"log": True}] if positive else [],
        [{"bend": 0.03}, {"bend": 3.0}],
        [{"shrink": 3.0}],
        [{"past": True}] if design.encoding.past.size else [],
    ]
    for question in questions:
        for change in question:
            error, other = judge.error(plan._replace(**change))
            if error < _ENOUGH * best:
                best, plan = error, other
    return plan


def _origins(series: SeriesDesign, train_steps: int, horizon: int) -> IntArray:
    """Steps of the validation split to forecast from, evenly spread."""
    steps = np.arange(max(train_steps - 1, 0), len(series.y) - horizon)
    return steps[np.linspace(0, len(steps) - 1, min(len(steps), _MOST_ORIGINS)).astype(np.int64)]


@dataclass(frozen=True, eq=False)
class _Judge:
    series: list[SeriesDesign]
    train_steps: IntArray
    origins: list[IntArray]
    horizon: int

    def error(self, plan: Plan) -> tuple[float, Plan]:
        """Mean absolute error in units of each series, and the plan with the best way to carry on what is left over."""
        errors = np.zeros((len(_SMOOTHING), len(_DECAY)))
        for series, rows, steps in zip(self.series, self.train_steps.tolist(), self.origins, strict=True):
            truth = series.y[steps[:, None] + np.arange(1, self.horizon + 1)]  # (origin, horizon)
            if not np.isfinite(truth).any():
                continue
            unit = float(np.nanmean(np.abs(np.diff(series.y[:rows])))) or 1.0
            regression, residuals = _regression(series, plan, _fit_rows(series, plan, rows), rows)
            for i, smoothing in enumerate(_SMOOTHING):
                level = _level(residuals, smoothing)
                for j, decay in enumerate(_DECAY):
                    y_hat = _carried(regression, level, decay, steps, self.horizon)
                    with np.errstate(over="ignore"):
                        y_hat = np.exp(y_hat) if plan.log else y_hat
                    errors[i, j] += float(np.nanmean(np.abs(y_hat - truth))) / unit
        i, j = divmod(int(errors.argmin()), len(_DECAY))
        return float(errors[i, j]), plan._replace(smoothing=_SMOOTHING[i], decay=_DECAY[j])


def _bends(train_steps: int, steps: int) -> FloatArray:
    """Steps at which the slope may change, evenly spaced, as far as the series goes."""
    spacing = max(-(-train_steps // _BENDS), 2)
    return np.arange(spacing, steps, spacing, dtype=np.float64)


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
