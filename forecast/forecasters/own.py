"""Forecasters of the user's own: a regressor of scikit-learn, or any object with `fit` and `forecast`."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.interface import Fitted, Forecaster, Forecasts, Kind
from forecast.forecasters.regression import Regression

if TYPE_CHECKING:
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel


def as_forecaster(own: Any, name: str | None = None) -> Forecaster:
    """Make a forecaster of an object of the user's own; `name` stands in the tables (None: its class).

    A `Forecaster` stays as it is. A regressor of scikit-learn reads windows, as those of `baseline` do. Of any other
    object a copy is fitted on the values of a series up to each origin, `fit(values)`, and `forecast(horizon)` gives
    the values that come next.

    Raises
    ------
    ForecastError
        It has neither.

    >>> from sklearn.linear_model import Ridge
    >>> as_forecaster(Ridge()).name
    'ridge'
    """
    called = name or str(getattr(own, "name", type(own).__name__.lower()))
    if hasattr(own, "fit") and hasattr(own, "kind") and hasattr(own, "name"):
        forecaster: Forecaster = own
        return forecaster
    if hasattr(own, "fit") and hasattr(own, "predict") and hasattr(own, "get_params"):
        return Regression(called, own)
    if hasattr(own, "fit") and hasattr(own, "forecast"):
        return OwnForecaster(called, own)
    raise ForecastError(
        f"a forecaster of your own has `fit` and `forecast`, or is a regressor of scikit-learn, found {own!r}"
    )


@dataclass(frozen=True)
class OwnForecaster:
    """An object with `fit(values)` and `forecast(horizon)`, fitted anew at each origin on the series up to it."""

    name: str
    own: Any

    @property
    def kind(self) -> Kind:
        """The sort of forecaster."""
        return "statistical"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> Fitted:
        """Remember the horizon: it is fitted at the origins."""
        return _FittedOwn(self, problem.horizon)


@dataclass(frozen=True)
class _FittedOwn:
    """Fits a copy at each origin."""

    forecaster: OwnForecaster
    horizon: int

    @property
    def notes(self) -> tuple[str, ...]:
        """Say that it is fitted at each origin."""
        return ("fitted anew at each origin, on the values of the series up to it",)

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast from each origin.

        Raises
        ------
        ForecastError
            It gives another number of values than the horizon has steps.

        """
        forecasts = [
            self._from(past.target[past.offsets[series] : past.offsets[series] + step + 1])
            for series, step in zip(origins.series.tolist(), origins.steps.tolist(), strict=True)
        ]
        return Forecasts(np.stack(forecasts) if forecasts else np.empty((0, self.horizon)))

    def chosen(self) -> Forecaster:
        """Return the forecaster: nothing is chosen."""
        return self.forecaster

    def _from(self, values: FloatArray) -> FloatArray:
        estimator = copy.deepcopy(self.forecaster.own)
        estimator = estimator.fit(values.copy()) or estimator
        y_hat = np.asarray(estimator.forecast(self.horizon), dtype=np.float64).reshape(-1)
        if len(y_hat) != self.horizon:
            raise ForecastError(
                f"`forecast({self.horizon})` of {self.forecaster.name} gave {len(y_hat)} values: return one a step"
            )
        return y_hat
