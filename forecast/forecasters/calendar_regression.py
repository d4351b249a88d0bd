"""The calendar regression (`reference.calendar_regression`) as a forecaster.

As a series goes on it is fitted again, from its first row on, at every so many rows; between these what has been left
over lately is carried on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.interface import Forecasts, Kind
from forecast.reference.calendar_choice import choose_plan
from forecast.reference.calendar_regression import design_of, fit_rows, forecasts_of
from forecast.wording import listed

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.reference.calendar_regression import Design, Fit, Plan
    from forecast.series.panel import IntArray, Panel

_REFITS = 16
"""A series is fitted again when it has grown by this part of its training split, or by a horizon."""


@dataclass(frozen=True)
class CalendarRegression:
    """An unfitted calendar regression; `plan` is None until validation has chosen one."""

    name: str
    plan: Plan | None = None
    kind: Kind = "calendar"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedCalendarRegression:
        """Fit each series on its training split; the validation split chooses the plan."""
        design = design_of(past, train_steps, problem)
        series = list(design.of(past))
        plan = self.plan or choose_plan(series, design, past, problem.horizon)
        fits = tuple(fit_rows(one, plan, int(steps)) for one, steps in zip(series, train_steps, strict=True))
        return FittedCalendarRegression(self, problem, past.ids, design, plan, fits)


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
                fit = self.fits[i] if latest == fitted else fit_rows(series, self.plan, int(latest))
                of_fit = rows == latest
                y_hat[which[of_fit]] = forecasts_of(
                    series, self.plan, fit, int(latest), steps=steps[of_fit], horizon=self.problem.horizon
                )
        return Forecasts(y_hat)

    def chosen(self) -> CalendarRegression:
        """Return the forecaster with the plan that validation chose."""
        return replace(self.forecaster, plan=self.plan)
