"""A forecaster of a transformed target, whose forecasts are transformed back.

In logs, growth by a factor is growth by a step. Back in the target's units a forecast is the exponential of a forecast
of the log: a median rather than a mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.interface import Fitted, Forecaster, Forecasts, Kind
from forecast.questions.kinds import VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from forecast.forecasters.live import Forecast, Live
    from forecast.questions.kinds import Problem, Question
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel

Transform: TypeAlias = Literal["none", "log"]


@dataclass(frozen=True)
class Transformed:
    """A forecaster of the log of the target, under the name of the one that it wraps."""

    forecaster: Forecaster

    @property
    def name(self) -> str:
        """The name of the wrapped forecaster."""
        return self.forecaster.name

    @property
    def kind(self) -> Kind:
        """The kind of the wrapped forecaster."""
        return self.forecaster.kind

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedTransformed:
        """Fit the wrapped forecaster on the log of the target.

        Raises
        ------
        ForecastError
            A target that is not above zero.

        """
        return FittedTransformed(self.forecaster.fit(log_target(past), train_steps, problem), problem.question)


@dataclass(frozen=True)
class FittedTransformed:
    """What was fitted on the log; `fitted` is the wrapped object, whose losses and weights are in log units.

    The log rises where the target does: probabilities of a rise (`question`) need no transform.
    """

    fitted: Fitted
    question: Question = VALUE

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of the wrapped object."""
        return self.fitted.notes

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast the log and take the exponential; a forecast beyond the range of floats is infinite."""
        forecasts = self.fitted.forecast(log_target(past), origins)
        if self.question.binary:
            return forecasts
        with np.errstate(over="ignore"):
            return Forecasts(
                np.exp(forecasts.y_hat),
                None if forecasts.quantiles is None else np.exp(forecasts.quantiles),
                None if forecasts.members is None else np.exp(forecasts.members),
            )

    def sample_trajectories(self, past: Panel, origins: Origins, count: int, seed: int = 0) -> FloatArray:
        """Sample trajectories of the log and take the exponential, (origin, trajectory, horizon).

        Raises
        ------
        ForecastError
            What was wrapped is not a network, or one without sample trajectories.

        """
        if not isinstance(self.fitted, HasTrajectories):
            raise ForecastError(
                f"only a network has sample trajectories, found {type(self.fitted).__name__}: use `forecast`"
            )
        with np.errstate(over="ignore"):
            drawn: FloatArray = np.exp(self.fitted.sample_trajectories(log_target(past), origins, count, seed))
        return drawn

    def start(self, past: Panel) -> LiveTransformed:
        """Warm the wrapped network over a past, to go on one row at a time.

        Raises
        ------
        ForecastError
            What was wrapped is not a network.

        """
        return LiveTransformed(_startable(self.fitted).start(log_target(past)), self.question)

    def of_series(self, i: int) -> FittedTransformed:
        """Return what was fitted for one of its series alone.

        Raises
        ------
        ForecastError
            What was wrapped is not a network.

        """
        alone: Any = _startable(self.fitted).of_series(i)
        return replace(self, fitted=alone)

    def chosen(self) -> Transformed:
        """Return the forecaster with everything fixed that was chosen on validation."""
        return Transformed(self.fitted.chosen())


@runtime_checkable
class Startable(Protocol):
    """Something fitted that can go on one row at a time."""

    def start(self, past: Panel) -> Live:
        """Warm it over a past."""
        ...

    def of_series(self, i: int) -> Startable:
        """Return it for one of its series alone."""
        ...


def _startable(fitted: Fitted) -> Startable:
    if not isinstance(fitted, Startable):
        raise ForecastError(f"only a network goes on row by row, found {type(fitted).__name__}: use `forecast`")
    return fitted


@runtime_checkable
class HasTrajectories(Protocol):
    """Something fitted that gives sample trajectories."""

    def sample_trajectories(self, past: Panel, origins: Origins, count: int, seed: int = 0) -> FloatArray:
        """Sample what may come after each origin, (origin, trajectory, horizon)."""
        ...


@dataclass(frozen=True)
class LiveTransformed:
    """A network of the log in use: rows and forecasts are in the units of the target."""

    live: Live
    question: Question = VALUE

    def update(self, row: npt.ArrayLike, past: Sequence[Sequence[Any]] | None = None) -> Forecast:
        """Take the next value of every series, (series,), above zero, with covariates as `Live.update` does."""
        y = np.asarray(row, dtype=np.float64)
        if (y <= 0).any():
            raise ForecastError(f"`data.transform=log` needs values above zero, found {row!r}: train without it")
        return self._in_target_units(self.live.update(np.log(y), past))

    def forecast(self) -> Forecast:
        """Forecast from where the series stand now."""
        return self._in_target_units(self.live.forecast())

    def update_many(self, values: FloatArray, pasts: Sequence[Any] | None = None) -> Forecasts:
        """Take some next values of the only series in turn, as `Live.update_many` does."""
        if (values <= 0).any():
            raise ForecastError(
                f"`data.transform=log` needs values above zero, found {np.nanmin(values):g}: train without it"
            )
        logs = self.live.update_many(np.log(values), pasts)
        if self.question.binary:
            return logs
        with np.errstate(over="ignore"):
            return Forecasts(np.exp(logs.y_hat), None if logs.quantiles is None else np.exp(logs.quantiles))

    @property
    def known_steps(self) -> int | None:
        """Steps ahead that covariates are known of; None: as many as are asked for."""
        return self.live.known_steps

    def learn(self, steps_ahead: int, given: Mapping[str, Any], series: int = 0) -> None:
        """Take what is known of a step ahead, as `Live.learn` does."""
        self.live.learn(steps_ahead, given, series)

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes from row to row, by name."""
        return self.live.memory()

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        self.live.remember(memory)

    def _in_target_units(self, forecast: Forecast) -> Forecast:
        if self.question.binary:
            return forecast
        with np.errstate(over="ignore"):
            quantiles = None if forecast.quantiles is None else np.exp(forecast.quantiles)
            return replace(forecast, y_hat=np.exp(forecast.y_hat), quantiles=quantiles)


def transformed(forecaster: Forecaster, transform: Transform) -> Forecaster:
    """Wrap a forecaster in a transform; `none` leaves it as it is."""
    return forecaster if transform == "none" else Transformed(forecaster)


def log_target(panel: Panel) -> Panel:
    """Return the panel with the natural logarithm of its target.

    Raises
    ------
    ForecastError
        A target that is not above zero, with its series and time.

    """
    masked = np.zeros(len(panel.target), dtype=np.bool_) if panel.masked is None else panel.masked[:, 0]
    refused = np.flatnonzero(~(panel.target > 0) & ~masked)
    if len(refused):
        row = refused[0]
        series = int(np.searchsorted(panel.offsets, row, side="right")) - 1
        when = panel.calendar.write(panel.times[refused[:1]])[0]
        raise ForecastError(
            f"`data.transform=log` needs targets above zero: series {panel.ids[series]!r} has "
            f"{panel.target[row]:g} at {when}, {len(refused)} of {len(panel.target)} values are zero or below: "
            f"set `data.transform=none`"
        )
    log = np.log(np.where(masked, 1.0, panel.target))
    return replace(panel, values=np.column_stack([log, panel.values[:, 1:]]))
