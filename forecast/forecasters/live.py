"""A network in use: a row comes in, a forecast goes out, at the cost of one cell step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from forecast.errors import ForecastError
from forecast.forecasters.forks import averaged
from forecast.forecasters.interface import QUANTILES, Forecasts, of_probabilities
from forecast.forecasters.recursion import Recursion, Standing
from forecast.network.head import Level
from forecast.network.heads import CategoricalHead
from forecast.network.inference import head_on_cpu
from forecast.network.single_step import WindowSteps, linear_readout, softmax_readout, steps_from
from forecast.network.state import StateAtOrigin
from forecast.reference.history_buffer import HistoryBuffer, StepwiseReference
from forecast.series.panel import window_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.beside import Beside
    from forecast.network.head import Head
    from forecast.network.network import Network
    from forecast.network.single_step import Steps
    from forecast.network.state import State
    from forecast.reference.encoding import Float32Array
    from forecast.reference.references import Reference
    from forecast.series.calendar import Calendar
    from forecast.series.panel import BoolArray, FloatArray, TimeArray
    from forecast.training.data import NetworkData


_ROOM = 256
"""Steps at least that go on before what is no longer read is let go."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """The forecast of every series after its latest row.

    Attributes
    ----------
    y_hat : (series, horizon)
    quantiles : (series, horizon, probability) at `QUANTILES`, never crossing; None: points alone
    probabilities : (series, horizon, symbol) where the network forecasts symbols; `y_hat` are codes then
    symbols : what the codes stand for

    """

    ids: tuple[str, ...]
    y_hat: FloatArray
    calendar: Calendar
    last: TimeArray
    rows_since: int
    quantiles: FloatArray | None = None
    probabilities: FloatArray | None = None
    symbols: tuple[str, ...] = ()

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
    symbols : what the codes of the target stand for; none where it is a number

    """

    ids: tuple[str, ...]
    calendar: Calendar
    last: TimeArray
    symbols: tuple[str, ...] = ()


class Live:
    """A fitted network that is fed one row at a time and never looks at the past again.

    Made by `FittedNetwork.start`. The fitted network is not changed; two of them do not disturb each other.
    """

    def __init__(
        self,
        network: Network,
        reference: Reference,
        scale: FloatArray,
        buffer: HistoryBuffer,
        *,
        ends: Ends,
        beside: Beside,
        steps: Steps,
        horizon: int,
        earlier: tuple[Forecasts, ...] = (),
    ) -> None:
        self._network = network
        self._reference = reference
        self._scale = scale
        # One number is not spread over an array, which takes numpy as long as the product.
        self._unit: FloatArray | np.float64 = scale[:, None] if len(scale) > 1 else np.float64(scale[0])
        self._buffer = buffer
        self._stepwise = StepwiseReference(reference, buffer)
        self._ends = ends
        self._beside = beside
        self._plain = len(scale) == 1 and not (ends.symbols or beside.may_miss)
        self._steps = steps
        whole = reference.horizon == horizon
        self._straight = linear_readout(network) if whole else None
        self._linear_probabilities = softmax_readout(network) if whole else None
        self._horizon = horizon
        self._earlier = earlier  # forecasts of earlier origins that are averaged with, newest first
        self._rows_since = 0
        self._own = self._own_forecast()

    @classmethod
    def warmed(
        cls,
        network: Network,
        data: NetworkData,
        reference: Reference,
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
        past, scale, inputs = data.past, data.scale, data.inputs.at
        latest = past.offsets[1:] - 1
        buffer = HistoryBuffer(data.known, latest, past.lengths, reference, max(reference.memory_steps, _ROOM))
        told: dict[str, Any] = {"beside": beside, "horizon": horizon, "earlier": earlier}
        told["ends"] = Ends(past.ids, past.calendar, past.times[latest], past.symbols)
        if context_steps is not None:
            if past.lengths.min() < context_steps:
                raise ForecastError(
                    f"a network trained on windows starts from {context_steps} steps, found {past.lengths.min()}: "
                    f"hand it a longer past, or train with `training.regime=stream`"
                )
            window = WindowSteps(network, inputs(window_rows(latest, context_steps)))
            return cls(network, reference, scale, buffer, steps=window, **told)
        with torch.no_grad():
            ends = [
                _walk(network, inputs(np.arange(rows.start, rows.stop)), i) for i, (_, rows) in enumerate(past.series())
            ]
        state = tuple(torch.cat(parts) for parts in zip(*(after for _, after in ends), strict=True))
        reached = StateAtOrigin(torch.cat([features[:, -1] for features, _ in ends]), state)
        return cls(network, reference, scale, buffer, steps=steps_from(network, reached), **told)

    def update(self, row: npt.ArrayLike, past: Sequence[Sequence[Any]] | None = None) -> Forecast:
        """Take the next value of every series, (series,), or a number where there is one series; and forecast.

        `past` are the covariates that are known up to now, (series, channel), where the network was trained with such.
        A value may be missing (NaN) where it was trained on data with missing values. Symbols are handed over as they
        are written, or as their codes.

        Raises
        ------
        ForecastError
            Another number of values than there are series, one that is infinite, or a missing one that may not be.

        """
        y, missing = self._taken(row)
        columns = self._beside.go_on(past, missing)
        inputs = self._stepwise.push(y if missing is None else np.where(missing, self._buffer.latest, y))
        self._rows_since += 1
        x = (inputs / self._unit).astype(np.float32)
        self._steps.advance(np.concatenate([x, columns], axis=1) if columns.shape[1] else x)
        if self._earlier:
            self._earlier = (self._own, *self._earlier[:-1])
        self._own = self._own_forecast()
        return self.forecast()

    def _taken(self, row: npt.ArrayLike) -> tuple[FloatArray, BoolArray | None]:
        """Values of a row and which are missing, (series,) each; None where none may be."""
        if self._plain and isinstance(row, float) and math.isfinite(row):
            return np.array([row]), None  # most rows there are; the checks below cost more than a step of the network
        y = _codes(row, self._ends.symbols) if self._ends.symbols else np.asarray(row, dtype=np.float64).reshape(-1)
        missing = np.isnan(y) if self._beside.may_miss else None
        there = np.isfinite(y) if missing is None else np.isfinite(y) | missing
        if y.shape != self._scale.shape or np.count_nonzero(there) < len(y):
            raise ForecastError(
                f"`update` takes one finite number for each of {len(self._scale)} series, found {row!r}: "
                f"hand the values in the order of the series"
            )
        return y, missing

    def forecast(self) -> Forecast:
        """Forecast from where the series stand now."""
        ends, told = self._ends, averaged([self._own, *self._earlier]) if self._earlier else self._own
        return Forecast(
            ends.ids,
            told.y_hat,
            ends.calendar,
            ends.last,
            self._rows_since,
            told.quantiles,
            told.probabilities,
            ends.symbols,
        )

    def _own_forecast(self) -> Forecasts:
        """What is forecast from the latest row alone, an origin of each series."""
        if self._straight is not None:
            y_hat = self._straight.of(self._steps.features) * self._unit
            y_hat += self._stepwise.forecast
            return Forecasts(y_hat)
        if self._linear_probabilities is not None:
            return of_probabilities(self._linear_probabilities.of(self._steps.features))
        ahead = self._beside.ahead(self._horizon)
        if self._reference.horizon < self._horizon:
            buffer = self._buffer
            standing = Standing(buffer.features, buffer.rows, buffer.lived, self._steps.at_origin, ahead)
            return Recursion(self._network, self._reference, self._scale, self._horizon).forecast(standing)
        with torch.no_grad():
            told = None if ahead is None else torch.from_numpy(ahead).to(self._network.device)
            raw = self._network.forecast(torch.from_numpy(self._steps.features).to(self._network.device), told).cpu()
        return read_forecasts(head_on_cpu(self._network), raw, self._stepwise.forecast, self._scale)


@torch.no_grad()
def read_forecasts(head: Head, raw: torch.Tensor, reference: FloatArray, scale: FloatArray) -> Forecasts:
    """Make forecasts of raw numbers, (origin, horizon, size): in the target's units, or probabilities.

    `reference` is (origin, horizon), `scale` (origin,).
    """
    if head.question.binary:
        return Forecasts(head.point(raw, None).numpy())
    if isinstance(head, CategoricalHead):
        return of_probabilities(head.probabilities(raw).numpy())
    unit, level = scale[:, None], level_of(reference, scale) if head.needs_level else None
    y_hat = head.point(raw, level).double().numpy()
    y_hat *= unit
    y_hat += reference
    if not head.is_distribution:
        return Forecasts(y_hat)
    quantiles = reference[..., None] + head.quantiles(raw, QUANTILES, level).numpy() * unit[..., None]
    return Forecasts(y_hat, np.sort(quantiles, axis=-1))  # rounding alone could cross them


def _codes(row: npt.ArrayLike, symbols: tuple[str, ...]) -> FloatArray:
    """Codes of symbols that are handed over as they are written, or as codes already, (series,)."""
    handed = np.atleast_1d(np.asarray(row))
    if handed.dtype.kind not in "UO":
        codes = handed.astype(np.float64).reshape(-1)
        known = np.isnan(codes) | ((codes >= 0) & (codes < len(symbols)) & (codes == np.floor(codes)))
        if not known.all():
            raise ForecastError(f"a code of a symbol is a whole number from 0 to {len(symbols) - 1}, found {row!r}")
        return codes
    place = {symbol: float(code) for code, symbol in enumerate(symbols)}
    unknown = [one for one in handed.reshape(-1).tolist() if one is not None and one not in place]
    if unknown:
        raise ForecastError(
            f"the network was trained on {len(symbols)} symbols, and {unknown[0]!r} is none of them: "
            f"hand over what it knows"
        )
    return np.array([math.nan if one is None else place[one] for one in handed.reshape(-1).tolist()])


def level_of(reference: FloatArray, scale: FloatArray) -> Level:
    """Where series stand, of the reference's forecasts, (origin, horizon), and the unit of differences, (origin,)."""
    return Level(*(torch.from_numpy(part.astype(np.float32)) for part in (reference, scale[:, None])))


def _walk(network: Network, inputs: Float32Array, series: int) -> tuple[torch.Tensor, State]:
    """Features and state after all rows of one series."""
    x = torch.from_numpy(inputs).to(network.device)[None]
    return network.features(x, torch.full(x.shape[:2], series, device=x.device), network.initial_state(1))
