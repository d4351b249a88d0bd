"""The reference `calendar`: a calendar regression, fitted once, to which a network adds.

    forecast of y_{t+h} = g_{t+h} + p_t + s_t + r^h (l_t - s_t),   e_t = y_t - g_t - p_t

or the exponential of that, with logarithms for y. g is what trend, seasons, holidays and covariates that are known
ahead make of a step, p what covariates do that are known up to a row alone; l and s are exponential means of what is
left over, a quick one and a slow one. The baseline is fitted again as rows come in; the reference is not, and without s
it would go back to a trend that it has long left. At a row the reference reads all of it as `channels`, (e_t, l_t, s_t,
p_t, g_{t+1}, ..., g_{t+H}), so that it goes on from row to row without the past (`Live`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.reference.calendar_choice import choose_plan
from forecast.reference.calendar_regression import (
    COVARIATE,
    PAST,
    SLOW,
    Design,
    Plan,
    design_of,
    exponential_mean,
    filled,
    fit_rows,
    regression_of,
)
from forecast.reference.causal_features import PanelFeatures, runs
from forecast.reference.encoding import fit_encoding
from forecast.reference.references import CALENDAR, Reference, centres, value_bounds
from forecast.series.calendar_columns import CalendarColumns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.questions.kinds import Problem
    from forecast.reference.calendar_regression import SeriesDesign
    from forecast.reference.causal_features import CausalFeatures
    from forecast.reference.encoding import CovariateEncoding, Float32Array
    from forecast.series.calendar import Calendar
    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel, TimeArray

_COUNTED_STEPS = 512
"""Steps after a known time that are computed at once."""
_KNOWN = 4
"""Channels before those of the steps ahead."""
_LARGEST = 700.0
"""Of a logarithm that is forecast: the exponential of more is beyond floating point."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CalendarReference(Reference):
    """A fitted calendar regression as a reference.

    Attributes
    ----------
    plan : what validation chose
    columns : of the calendar
    names : (column,) part and name of each coefficient, those of all series together
    coefficients : (series, column), 0 where a series has no such column
    train_steps : (series,) that it was fitted on
    first : (series,) int64, time of the first of them
    encoding : of the covariates, the network's own

    """

    plan: Plan
    columns: CalendarColumns
    names: tuple[tuple[str, str], ...]
    coefficients: FloatArray
    train_steps: IntArray
    first: IntArray
    encoding: CovariateEncoding

    @property
    def design(self) -> Design:
        """What makes columns of a panel."""
        return Design(self.columns, self.encoding, self.horizon, self.train_steps, self.first)

    @property
    def channel_count(self) -> int:
        """Numbers that are read at a row beside the target."""
        return _KNOWN + self.horizon

    def known(self, i: int) -> dict[tuple[str, str], float]:
        """Coefficients of a series by part and name."""
        return dict(zip(self.names, self.coefficients[i].tolist(), strict=True))

    def causal_features(self, past: Panel) -> CausalFeatures:
        """Causal features of every row of a past."""
        return _CalendarFeatures(past, self.smoothing, self.season_steps, reference=self)

    def _blend(self, features: CausalFeatures, rows: IntArray, ahead: IntArray) -> FloatArray:
        """Forecasts of the steps t + `ahead`, (row, step)."""
        of_rows = features.channels_of(self) if isinstance(features, _CalendarFeatures) else features.channels
        at = of_rows[rows]
        level, slow, of_past = at[:, 1:2], at[:, 2:3], at[:, 3:4]
        forecasts: FloatArray = at[:, _KNOWN - 1 + ahead] + of_past + slow + (level - slow) * self.plan.decay**ahead
        return np.exp(np.minimum(forecasts, _LARGEST)) if self.plan.log else forecasts

    def refit(self, past: Panel, train_steps: IntArray, left_out: IntArray | None = None) -> Reference:
        """Fit coefficients and centres on another training split, by the same plan; without the steps `left_out`."""
        first: IntArray = past.times[past.offsets[:-1]].astype(np.int64)
        encoding = fit_encoding(past, train_steps, self.encoding.lags, self.encoding.leads)
        bounds = value_bounds(past, train_steps) if self.reads_level else self.bounds
        bare = replace(self, train_steps=train_steps, first=first, encoding=encoding)
        bare = replace(bare, centre=centres(past, train_steps), bounds=bounds)
        return _fitted(bare, list(bare.design.of(past)), left_out)

    def channels_after(
        self, before: FloatArray, y: FloatArray, missing: BoolArray | None, past: Float32Array, ahead: FloatArray
    ) -> FloatArray:
        """Channels of the next row, (series, channel), from those `before` it and its values, (series,).

        `past` (series, column) are its covariates that are known up to it, `ahead` (series, horizon) what
        `CalendarAhead` says of the steps after it.
        """
        of_past = (past * self.weights_of(PAST)).sum(axis=1) if self.plan.past else np.zeros(len(y))
        target = np.log(np.where(y > 0, y, np.nan)) if self.plan.log else y
        residual = target - before[:, _KNOWN] - of_past
        hidden = ~np.isfinite(residual) if missing is None else missing | ~np.isfinite(residual)
        residual = np.where(hidden, before[:, 0], residual)
        level = before[:, 1] + self.plan.smoothing * (residual - before[:, 1])
        slow = before[:, 2] + SLOW * (residual - before[:, 2])
        return np.concatenate([np.stack([residual, level, slow, of_past], axis=1), ahead], axis=1)

    def weights_of(self, part: str) -> FloatArray:
        """Coefficients of all columns of covariates, `COVARIATE` or `PAST`, (series, column)."""
        places = {name: place for place, name in enumerate(self.names)}
        which = [places.get((part, name), -1) for name in self.design.covariate_names[part]]
        return np.column_stack([self.coefficients, np.zeros(len(self.coefficients))])[:, which]  # -1: no such column

    def facts(self) -> dict[str, Any]:
        """Fields of plain values, for JSON."""
        columns = {"orders": self.columns.orders, "country": self.columns.country, "season": self.columns.season_steps}
        return {**super().facts(), CALENDAR: {**self.plan._asdict(), **columns, "names": self.names}}

    def arrays(self) -> dict[str, Any]:
        """Fitted arrays by name; those of the encoding are the network's."""
        own = {"coefficients": self.coefficients, "train_steps": self.train_steps, "first": self.first}
        return {**super().arrays(), **own}


def fit_calendar(bare: Reference, past: Panel, train_steps: IntArray, problem: Problem) -> CalendarReference:
    """Fit the coefficients of each series on its training split; the validation split chooses the plan.

    `bare` is the reference without them.
    """
    design = design_of(past, train_steps, problem)
    series = list(design.of(past))
    unfitted = CalendarReference(
        **_fields(bare),
        plan=choose_plan(series, design, past, problem.horizon),
        columns=design.calendar,
        names=(),
        coefficients=np.zeros((len(past), 0)),
        train_steps=train_steps,
        first=design.first,
        encoding=design.encoding,
    )
    return _fitted(unfitted, series, None)


def empty_calendar(bare: Reference, facts: Mapping[str, Any], encoding: CovariateEncoding) -> CalendarReference:
    """Make the reference that `facts` describe (`CalendarReference.facts`), with zeros in its arrays."""
    series, names = len(bare.centre), tuple((part, name) for part, name in facts["names"])
    return CalendarReference(
        **_fields(bare),
        plan=Plan(**{name: facts[name] for name in Plan._fields}),
        columns=CalendarColumns(facts["orders"], facts["country"], facts["season"]),
        names=names,
        coefficients=np.zeros((series, len(names))),
        train_steps=np.zeros(series, dtype=np.int64),
        first=np.zeros(series, dtype=np.int64),
        encoding=encoding,
    )


def _fields(reference: Reference) -> dict[str, Any]:
    return {one.name: getattr(reference, one.name) for one in fields(reference)}


def _fitted(bare: CalendarReference, series: Sequence[SeriesDesign], left_out: IntArray | None) -> CalendarReference:
    """Fit coefficients by the plan."""
    without = np.zeros((len(series), 2), dtype=np.int64) if left_out is None else left_out
    fits = [
        fit_rows(one, bare.plan, steps, slice(*rows)).by_column
        for one, steps, rows in zip(series, bare.train_steps.tolist(), without.tolist(), strict=True)
    ]
    names = tuple(dict.fromkeys(name for fit in fits for name in fit))
    coefficients = np.array([[fit.get(name, 0.0) for name in names] for fit in fits]).reshape(len(fits), len(names))
    return replace(bare, names=names, coefficients=coefficients)


@dataclass(frozen=True, eq=False)
class _CalendarFeatures(PanelFeatures):
    """Causal features with the channels of a calendar regression; of others fitted on parts of the same rows, too."""

    reference: CalendarReference = field(kw_only=True)
    _by_reference: dict[CalendarReference, FloatArray] = field(default_factory=dict, init=False)

    @property
    def channels(self) -> FloatArray:
        """Channels, (row, channel)."""
        return self.channels_of(self.reference)

    def channels_of(self, reference: CalendarReference) -> FloatArray:
        """Channels by the coefficients of a reference, (row, channel)."""
        if reference not in self._by_reference:
            parts = [np.zeros((0, reference.channel_count))]
            for i, series in enumerate(reference.design.of(self.past)):
                steps = int(reference.train_steps[i])
                regression, residuals = regression_of(series, reference.plan, reference.known(i), steps)
                residuals = filled(residuals)
                level, slow = (exponential_mean(residuals, of, 0.0) for of in (reference.plan.smoothing, SLOW))
                ahead = runs(regression.ahead, np.arange(1, len(residuals) + 1), reference.horizon)
                parts.append(np.column_stack([residuals, level, slow, regression.past, ahead]))
            self._by_reference[reference] = np.concatenate(parts)
        return self._by_reference[reference]


class CalendarAhead:
    """What a calendar regression says of the steps after the latest row, g_{t+1} to g_{t+H}, as rows come in.

    Attributes
    ----------
    reference : the regression

    """

    def __init__(self, reference: CalendarReference, calendar: Calendar) -> None:
        self.reference, self._calendar = reference, calendar
        self._of_covariates = reference.weights_of(COVARIATE)
        self._last: TimeArray | None = None
        self._dated = np.zeros((0, 0))  # (series, step), from the step after `_last` on

    def at(self, last: TimeArray, rows_since: int, span: Float32Array | None) -> FloatArray:
        """Regression over the horizon that begins `rows_since` rows after `last` (series,), (series, horizon).

        `span` are the columns of covariates around it, (series, step, column).
        """
        horizon, encoding = self.reference.horizon, self.reference.encoding
        if last is not self._last or rows_since + horizon > self._dated.shape[1]:
            steps = max(_COUNTED_STEPS, rows_since) + horizon
            self._last, self._dated = last, np.stack([self._far(i, time, steps) for i, time in enumerate(last)])
        regression: FloatArray = self._dated[:, rows_since : rows_since + horizon]
        if span is None or not encoding.given:
            return regression
        firsts = [encoding.lags - lag for lag in self.reference.design.lags]
        columns = np.concatenate([span[:, first : first + horizon, : encoding.given] for first in firsts], axis=2)
        of_covariates: FloatArray = np.einsum("nhk,nk->nh", columns, self._of_covariates)
        return regression + of_covariates

    def _far(self, i: int, last: Any, steps: int) -> FloatArray:
        """What follows from the dates alone, of so many steps of a series after its time `last`, (step,)."""
        reference = self.reference
        dated = reference.design.dated(i, self._calendar, self._calendar.after(last, steps))
        regression, _ = regression_of(dated, reference.plan, reference.known(i), int(reference.train_steps[i]))
        return regression.ahead
