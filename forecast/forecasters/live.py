"""A network in use: a row comes in, a forecast goes out, at the cost of one cell step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from forecast.batches.windows import window_rows
from forecast.errors import ForecastError
from forecast.forecasters.forks import averaged
from forecast.forecasters.interface import QUANTILES, Forecasts
from forecast.forecasters.recursion import Recursion, Standing
from forecast.network.head import Level
from forecast.network.inference import head_on_cpu
from forecast.network.reached import Reached
from forecast.series.onward import Onward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.beside import Beside
    from forecast.network.head import Head
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.series.calendar import Calendar
    from forecast.series.encoding import Float32Array
    from forecast.series.panel import FloatArray, TimeArray
    from forecast.series.references import Reference
    from forecast.training.data import NetworkData


@dataclass(frozen=True, eq=False)
class Forecast:
    """The forecast of every series after its latest row.

    Attributes
    ----------
    y_hat : (series, horizon)
    quantiles : (series, horizon, probability) at `QUANTILES`, never crossing; None: points alone

    """

    ids: tuple[str, ...]
    y_hat: FloatArray
    calendar: Calendar
    last: TimeArray
    rows_since: int
    quantiles: FloatArray | None = None

    @cached_property
    def ds(self) -> list[TimeArray]:
        """Times that the forecast is for, (horizon,) for each series."""
        steps = self.rows_since + self.y_hat.shape[1]
        return [self.calendar.after(last, steps)[self.rows_since :] for last in self.last]


@dataclass(frozen=True, eq=False)
class Ends:
    """Where a past ended.

    Attributes
    ----------
    last : (series,) time of the last row of each

    """

    ids: tuple[str, ...]
    calendar: Calendar
    last: TimeArray


class Live:
    """A fitted network that is fed one row at a time and never looks at the past again.

    Made by `FittedNetwork.start`. The fitted network is not changed; two of them do not disturb each other.
    """

    def __init__(
        self,
        network: Network,
        reference: Reference,
        scale: FloatArray,
        onward: Onward,
        *,
        ends: Ends,
        beside: Beside,
        reached: Reached,
        window: Float32Array | None,
        horizon: int,
        earlier: tuple[Forecasts, ...] = (),
    ) -> None:
        self._network = network
        self._reference = reference
        self._scale = scale
        self._onward = onward
        self._ends = ends
        self._beside = beside
        self._series = torch.arange(len(scale))[:, None]  # (series, step)
        self._reached = reached
        self._window = window  # (series, context step, input), read anew each time; None where a state is carried
        self._horizon = horizon
        self._earlier = earlier  # forecasts of earlier origins that are averaged with, newest first
        self._rows_since = 0
        self._own = self._own_forecast()

    @classmethod
    def warmed(
        cls,
        network: Network,
        data: NetworkData,
        *,
        beside: Beside,
        context_steps: int | None,
        horizon: int,
        earlier: tuple[Forecasts, ...] = (),
    ) -> Live:
        """Walk over a past, whole (`context_steps` None) or as far as a window reaches.

        `earlier` are the forecasts of the origins before its end, the newest first, that forecasts are averaged with;
        NaN where a series has none.
        """
        past, reference, scale, inputs = data.past, data.reference, data.scale, data.readings.inputs
        latest = past.offsets[1:] - 1
        onward = Onward(data.known, latest, past.lengths, reference, reference.memory_steps)
        told: dict[str, Any] = {"beside": beside, "horizon": horizon, "earlier": earlier}
        told["ends"] = Ends(past.ids, past.calendar, past.times[latest])
        if context_steps is not None:
            if past.lengths.min() < context_steps:
                raise ForecastError(
                    f"a network trained on windows starts from {context_steps} steps, found {past.lengths.min()}: "
                    f"hand it a longer past, or train with `training.regime=stream`"
                )
            window = inputs(window_rows(latest, context_steps))
            reached = _read_window(network, window)
            return cls(network, reference, scale, onward, reached=reached, window=window, **told)
        with torch.no_grad():
            ends = [
                _walk(network, inputs(np.arange(rows.start, rows.stop)), i) for i, (_, rows) in enumerate(past.series())
            ]
        state = tuple(torch.cat(parts) for parts in zip(*(after for _, after in ends), strict=True))
        reached = Reached(torch.cat([features[:, -1] for features, _ in ends]), state)
        return cls(network, reference, scale, onward, reached=reached, window=None, **told)

    def update(self, row: npt.ArrayLike, past: Sequence[Sequence[Any]] | None = None) -> Forecast:
        """Take the next value of every series, (series,), or a number where there is one series; and forecast.

        `past` are the covariates that are known up to now, (series, channel), where the network was trained with such.
        A value may be missing (NaN) where it was trained on data with missing values.

        Raises
        ------
        ForecastError
            Another number of values than there are series, one that is infinite, or a missing one that may not be.

        """
        y = np.atleast_1d(np.asarray(row, dtype=np.float64))
        if y.shape != self._scale.shape or np.isinf(y).any() or (np.isnan(y).any() and not self._beside.may_miss):
            raise ForecastError(
                f"`update` takes one finite number for each of {len(self._scale)} series, found {row!r}: "
                f"hand the values in the order of the series"
            )
        columns = self._beside.go_on(past, np.isnan(y))
        self._onward.push(np.where(np.isnan(y), self._onward.latest, y))
        self._rows_since += 1
        inputs = self._reference.inputs(self._onward.known, self._onward.rows) / self._scale[:, None]
        x = np.concatenate([inputs.astype(np.float32), columns], axis=1)[:, None]  # (series, step, input)
        if self._window is None:
            with torch.no_grad():
                features, state = self._network.features(
                    torch.from_numpy(x).to(self._network.device),
                    self._series.to(self._network.device),
                    self._reached.state,
                )
            self._reached = Reached(features[:, -1], state)
        else:
            self._window = np.concatenate([self._window[:, 1:], x], axis=1)
            self._reached = _read_window(self._network, self._window)
        self._earlier = (self._own, *self._earlier)[: len(self._earlier)]
        self._own = self._own_forecast()
        return self.forecast()

    def forecast(self) -> Forecast:
        """Forecast from where the series stand now."""
        ends, told = self._ends, averaged([self._own, *self._earlier])
        return Forecast(ends.ids, told.y_hat, ends.calendar, ends.last, self._rows_since, told.quantiles)

    def _own_forecast(self) -> Forecasts:
        """What is forecast from the latest row alone, an origin of each series."""
        known, rows = self._onward.known, self._onward.rows
        ahead = self._beside.ahead(self._horizon)
        if self._reference.horizon < self._horizon:
            standing = Standing(known, rows, self._onward.lived, self._reached, ahead)
            return Recursion(self._network, self._reference, self._scale, self._horizon).forecast(standing)
        with torch.no_grad():
            told = None if ahead is None else torch.from_numpy(ahead).to(self._network.device)
            raw = self._network.forecast(self._reached.features, told).cpu()
        return read_forecasts(head_on_cpu(self._network), raw, self._reference.at(known, rows), self._scale)


@torch.no_grad()
def read_forecasts(head: Head, raw: torch.Tensor, reference: FloatArray, scale: FloatArray) -> Forecasts:
    """Make forecasts in the target's units of raw numbers, (origin, horizon, size).

    `reference` is (origin, horizon), `scale` (origin,).
    """
    unit, level = scale[:, None], level_of(reference, scale)
    y_hat = reference + head.point(raw, level).numpy() * unit
    if not head.is_distribution:
        return Forecasts(y_hat)
    quantiles = reference[..., None] + head.quantiles(raw, QUANTILES, level).numpy() * unit[..., None]
    return Forecasts(y_hat, np.sort(quantiles, axis=-1))  # rounding alone could cross them


def level_of(reference: FloatArray, scale: FloatArray) -> Level:
    """Where series stand, of the reference's forecasts, (origin, horizon), and the unit of differences, (origin,)."""
    return Level(*(torch.from_numpy(part.astype(np.float32)) for part in (reference, scale[:, None])))


def _read_window(network: Network, window: Float32Array) -> Reached:
    """Run windows from a zero state, (series, context step, input)."""
    x = torch.from_numpy(window).to(network.device)
    series = torch.arange(len(x), device=x.device)[:, None].expand(-1, x.shape[1])
    with torch.no_grad():
        features, state = network.features(x, series, network.initial_state(len(x)))
    return Reached(features[:, -1], state)


def _walk(network: Network, inputs: Float32Array, series: int) -> tuple[torch.Tensor, State]:
    """Features and state after all rows of one series."""
    x = torch.from_numpy(inputs).to(network.device)[None]
    return network.features(x, torch.full(x.shape[:2], series, device=x.device), network.initial_state(1))
