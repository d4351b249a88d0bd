"""What each thing does, with sign and unit: parts of the calendar regression, and covariates of a network.

Of the regression an effect is a contrast of its coefficients (a Monday less the mean of all days, a promotion less
none) with the 90 % interval of these, wider where what is left over hangs together from row to row. Of any other model
it is partial: how much its forecasts from origins of the test split move when a covariate that is known ahead is set to
zero over the horizon, or raised by 1, with what nine in ten of the forecast steps lie between.
"""

from __future__ import annotations

import calendar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.forecasters.calendar_regression import FittedCalendarRegression
from forecast.forecasters.ensemble import FittedEnsemble
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.transformed import FittedTransformed
from forecast.questions.split import Origins
from forecast.reference.calendar_regression import COVARIATE, TREND
from forecast.reference.references import CALENDAR
from forecast.series.calendar import to_wall
from forecast.series.calendar_columns import DAY, HOLIDAYS, WEEK, YEAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forecast.forecasters.interface import Fitted
    from forecast.questions.split import Split
    from forecast.reference.calendar_regression import Fit, SeriesDesign
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel

EFFECT_COLUMNS = ("model", "unique_id", "part", "name", "effect", "low", "high", "factor", "factor_low", "factor_high")
_NORMAL_90 = 1.645
_MOST_SERIES = 100
_MOST_ORIGINS = 6
_MONTHS = tuple(calendar.month_name)[1:]
_DAYS = tuple(calendar.day_name)


def effects_of(models: Mapping[str, Fitted], panel: Panel, split: Split) -> pd.DataFrame | None:
    """Effects of fitted models by name, `EFFECT_COLUMNS`; None where there are none.

    Effects are in the target's unit, factors are those by which it is multiplied (NaN where its level is not above
    zero). Of many series the first 100 are looked at.
    """
    tables = []
    for name, fitted in models.items():
        inner = fitted.fitted if isinstance(fitted, FittedTransformed) else fitted
        if isinstance(inner, FittedCalendarRegression):
            logs = inner.plan.log + (inner is not fitted)
            rows = _of_regression(inner, panel, log=logs == 1) if logs < 2 else []
        else:
            by_date = isinstance(inner, FittedNetwork | FittedEnsemble) and inner.members[0].reference.name == CALENDAR
            rows = _partial(fitted, panel, split, by_date=by_date)
        tables.append(pd.DataFrame([{"model": name, **row} for row in rows], columns=list(EFFECT_COLUMNS)))
    table = pd.concat(tables, ignore_index=True) if tables else None
    return table if table is not None and len(table) else None


def _of_regression(fitted: FittedCalendarRegression, panel: Panel, *, log: bool) -> list[dict[str, Any]]:
    rows = []
    some = panel.take(np.arange(min(len(panel), _MOST_SERIES)))
    chosen = replace(fitted.design, train_steps=fitted.design.train_steps[: len(some)])
    for i, series in enumerate(chosen.of(some)):
        fit, count = fitted.fits[i], int(chosen.train_steps[i])
        every, table = series.table(count)
        table = table[:, fitted.plan.priors(every) > 0]
        fitted_values = table @ fit.weights
        level = float(np.exp(fitted_values.mean()) if log else fitted_values.mean())
        memory = _memory(series, fit, table, log=fitted.plan.log)
        first = int(some.offsets[i])
        times = some.times[first : first + count]
        zone = some.calendar.timezone
        wall = to_wall(times, zone) if zone not in {None, "UTC"} and times.dtype.kind == "M" else times
        parts = np.array([column.part for column in fit.columns])
        names = [column.name for column in fit.columns]
        for part, name, contrast in _contrasts(parts, names, table, wall):
            effect = float(contrast @ fit.weights)
            wide = _NORMAL_90 * float(np.sqrt(max(float(contrast @ fit.covariance @ contrast), 0.0) * memory))
            rows.append(
                {"unique_id": some.ids[i], "part": part, "name": name} | _in_units(effect, wide, level, log=log)
            )
    return rows


def _memory(series: SeriesDesign, fit: Fit, table: FloatArray, *, log: bool) -> float:
    """By how much residuals that correlate from row to row, AR(1), widen variances: (1 + r) / (1 - r)."""
    y = series.y[: len(table)]
    residuals = (np.log(y) if log else y) - table @ fit.weights
    pairs = np.isfinite(residuals[1:]) & np.isfinite(residuals[:-1])
    if pairs.sum() < 10:
        return 1.0
    r = float(np.corrcoef(residuals[1:][pairs], residuals[:-1][pairs])[0, 1])
    return float(np.clip((1 + r) / max(1 - r, 0.05), 1.0, 20.0)) if np.isfinite(r) else 1.0


def _in_units(effect: float, wide: float, level: float, *, log: bool) -> dict[str, float]:
    """Effects and factors with their intervals, of an effect on the value or its logarithm."""
    ends = np.array([effect, effect - wide, effect + wide])
    factors = np.exp(ends) if log else 1 + ends / level if level > 0 else np.full(3, np.nan)
    units = level * (factors - 1) if log else ends
    names = ("effect", "low", "high", "factor", "factor_low", "factor_high")
    return dict(zip(names, map(float, (*units, *factors)), strict=True))


def _contrasts(
    parts: np.ndarray[Any, Any], names: list[str], table: FloatArray, wall: Any
) -> Iterator[tuple[str, str, FloatArray]]:
    """Part, name and contrast (column,) of each effect, of rows at wall-clock times."""
    rows = len(table)
    year = 365 if wall.dtype.kind != "M" or rows < 2 else round(365.25 / max(_days_a_step(wall), 1e-9))
    back = min(max(year, 1), rows - 1)
    moved = np.where(parts == TREND, table[-1] - table[-1 - back], 0.0)
    yield TREND, "over the last year" if back == year else f"over the last {back} steps", moved
    for part, groups in _phases(parts, wall).items():
        for name, rows_of in groups:
            yield part, name, np.where(parts == part, table[rows_of].mean(axis=0) - table.mean(axis=0), 0.0)
    places = {(part, name): i for i, (part, name) in enumerate(zip(parts.tolist(), names, strict=True))}
    for (part, name), i in places.items():
        if part == HOLIDAYS and not name.startswith("any holiday") and table[:, i].any():
            contrast = np.zeros(len(parts))
            contrast[i] = 1.0
            around = name.rpartition(", ")[2]
            every = f"any holiday, {around}" if around in {"the day before", "the day after"} else "any holiday"
            contrast[places[HOLIDAYS, every]] = 1.0
            yield part, name, contrast
        elif part == COVARIATE:
            levels = np.unique(table[:, i])
            if len(levels) < 2:
                continue
            contrast = np.zeros(len(parts))
            contrast[i] = levels[-1] - levels[0] if len(levels) == 2 else table[:, i].std() or 1.0
            yield part, name if len(levels) == 2 else f"{name}, per standard deviation", contrast


def _phases(parts: np.ndarray[Any, Any], wall: Any) -> dict[str, list[tuple[str, BoolArray]]]:
    """Rows of each day of the week, month and hour, of the seasons that there are."""
    if wall.dtype.kind != "M":
        return {}
    when = pd.DatetimeIndex(wall)
    kinds: dict[str, tuple[Any, tuple[str, ...]]] = {
        WEEK: (when.day_of_week, _DAYS),
        YEAR: (when.month - 1, _MONTHS),
        DAY: (when.hour, tuple(f"{hour}:00" for hour in range(24))),
    }
    return {
        part: [(name, phase == k) for k, name in enumerate(names) if (phase == k).any()]
        for part, (phase, names) in kinds.items()
        if (parts == part).any()
    }


def _days_a_step(wall: Any) -> float:
    return float(np.median(np.diff(wall).astype("timedelta64[s]").astype(np.int64))) / 86_400


def _partial(fitted: Fitted, panel: Panel, split: Split, *, by_date: bool) -> list[dict[str, Any]]:
    """Partial effects of the covariates known ahead, all series together, over origins of the test split.

    `by_date` says that the model knows holidays by their dates, whatever the columns of holidays say.
    """
    ahead = panel.ahead
    if ahead is None:
        return []
    groups: dict[str, list[int]] = {}
    for j, channel in enumerate(ahead.channels):
        holidays = channel.computed is not None and "holiday" in channel.computed and not by_date
        if not channel.categories and (channel.computed is None or holidays):
            groups.setdefault(channel.computed or channel.name, []).append(j)
    if not groups:
        return []
    rows = []
    for name, columns in groups.items():
        seen = np.unique(ahead.values[:, columns[0]])  # noqa: PD011  # no table of pandas
        flag = len(seen) <= 2 and bool(np.isin(seen, (0.0, 1.0)).all())
        moved, forecast = _moved(fitted, panel, split, columns, flag=flag)
        if not len(moved):
            continue
        effect, (low, high) = float(moved.mean()), np.quantile(moved, (0.05, 0.95))
        without = float((forecast - moved).mean())
        factors = [1 + part / without if without > 0 else np.nan for part in (effect, low, high)]
        label = name if flag else f"{name}, per 1 more"
        row: dict[str, Any] = {"unique_id": "", "part": HOLIDAYS if "holiday" in name else COVARIATE, "name": label}
        row |= {"effect": effect, "low": float(low), "high": float(high)}
        rows.append(row | dict(zip(("factor", "factor_low", "factor_high"), map(float, factors), strict=True)))
    return rows


def _moved(
    fitted: Fitted, panel: Panel, split: Split, columns: list[int], *, flag: bool
) -> tuple[FloatArray, FloatArray]:
    """By how much forecast steps move with a covariate, and the forecasts with it: of flags where one is set."""
    ahead = panel.ahead
    if ahead is None:
        raise TypeError("a panel without covariates known ahead")
    moved, forecasts = [], []
    every = np.arange(len(panel))
    for share in np.linspace(0, 1, _MOST_ORIGINS):
        last = split.before_test - 1 + np.floor(share * (panel.lengths - split.before_test - 1).clip(min=0)).astype(int)
        origins = Origins(every, last.astype(np.int64))
        past = panel.cut(last + 1)
        values = ahead.values.copy()  # noqa: PD011
        cells = np.ix_(_rows_after(ahead.offsets, last), np.array(columns))
        values[cells] = 0.0 if flag else values[cells] + 1.0
        with_it = fitted.forecast(past, origins).y_hat
        other = fitted.forecast(replace(past, ahead=replace(ahead, values=values)), origins).y_hat
        # Rows of what is known ahead, (series, horizon)
        steps = ahead.offsets[:-1][:, None] + last[:, None] + np.arange(1, with_it.shape[1] + 1)
        steps = np.minimum(steps, ahead.offsets[1:][:, None] - 1)
        first = ahead.values[:, columns[0]]  # noqa: PD011
        used = first[steps] == 1.0 if flag else np.ones(with_it.shape, dtype=np.bool_)
        moved.append((with_it - other if flag else other - with_it)[used])
        forecasts.append((with_it if flag else other)[used])
    return np.concatenate(moved), np.concatenate(forecasts)


def _rows_after(offsets: IntArray, last: IntArray) -> IntArray:
    """Rows of what is known ahead that lie after step `last[i]` of each series."""
    pairs = zip((offsets[:-1] + last + 1).tolist(), offsets[1:].tolist(), strict=True)
    return np.concatenate([np.arange(first, end) for first, end in pairs])
