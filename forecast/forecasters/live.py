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
from forecast.forecasters.interface import Forecasts, of_probabilities
from forecast.forecasters.strategies import Recursion, StartingPoint, averaged, read_forecasts
from forecast.network.inference import head_on_cpu
from forecast.network.single_step import WindowSteps, linear_readout, softmax_readout, steps_from
from forecast.network.state import StateAtOrigin
from forecast.reference.history_buffer import HistoryBuffer, StepwiseReference
from forecast.series.date_features import feature_values, features_of
from forecast.series.panel import window_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.network import Network
    from forecast.network.single_step import Steps
    from forecast.network.state import State
    from forecast.reference.encoding import CovariateEncoding, Float32Array
    from forecast.reference.references import Reference
    from forecast.series.calendar import Calendar
    from forecast.series.panel import BoolArray, Channel, FloatArray, Panel, TimeArray
    from forecast.training.data import NetworkData

_BUFFER_STEPS = 256
"""Steps, at least, that a history buffer grows by before it drops what is no longer read."""
_FEATURES_AT_ONCE = 512
"""Steps that features of the date are computed for in one go."""
_NO_COLUMNS = np.zeros((1, 0), dtype=np.float32)


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
class PastEnd:
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
        end: PastEnd,
        covariates: CovariateStream,
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
        self._end = end
        self._covariates = covariates
        self._plain = len(scale) == 1 and not (end.symbols or covariates.may_miss)
        self._steps = steps
        # Where one pass gives the whole horizon and the read-out is linear, it is one product of matrices.
        whole = reference.horizon == horizon
        self._linear = linear_readout(network) if whole else None
        self._softmax = softmax_readout(network) if whole else None
        self._horizon = horizon
        self._earlier = earlier  # forecasts of earlier origins that are averaged with, newest first
        self._rows_since = 0
        self._latest = self._forecast_latest()

    @classmethod
    def warmed(
        cls,
        network: Network,
        data: NetworkData,
        reference: Reference,
        *,
        covariates: CovariateStream,
        context_steps: int | None,
        horizon: int,
        earlier: tuple[Forecasts, ...] = (),
    ) -> Live:
        """Unroll the network over a past, whole (`context_steps` None) or as far as a window reaches.

        `earlier` are the forecasts of the origins before its end, the newest first, that forecasts are averaged with;
        NaN where a series has none.
        """
        past, scale, inputs = data.past, data.scale, data.inputs.at
        latest = past.offsets[1:] - 1
        buffer = HistoryBuffer(data.known, latest, past.lengths, reference, max(reference.memory_steps, _BUFFER_STEPS))
        settings: dict[str, Any] = {"covariates": covariates, "horizon": horizon, "earlier": earlier}
        settings["end"] = PastEnd(past.ids, past.calendar, past.times[latest], past.symbols)
        if context_steps is not None:
            if past.lengths.min() < context_steps:
                raise ForecastError(
                    f"a network trained on windows starts from {context_steps} steps, found {past.lengths.min()}: "
                    f"hand it a longer past, or train with `training.regime=stream`"
                )
            window = WindowSteps(network, inputs(window_rows(latest, context_steps)))
            return cls(network, reference, scale, buffer, steps=window, **settings)
        with torch.no_grad():
            unrolled = [
                _unroll(network, inputs(np.arange(rows.start, rows.stop)), i)
                for i, (_, rows) in enumerate(past.series())
            ]
        state = tuple(torch.cat(parts) for parts in zip(*(after for _, after in unrolled), strict=True))
        reached = StateAtOrigin(torch.cat([features[:, -1] for features, _ in unrolled]), state)
        return cls(network, reference, scale, buffer, steps=steps_from(network, reached), **settings)

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
        y, missing = self._parse(row)
        columns = self._covariates.push(past, missing)
        # A missing value is read as the latest one, beside its mark.
        inputs = self._stepwise.push(y if missing is None else np.where(missing, self._buffer.latest, y))
        self._rows_since += 1
        x = (inputs / self._unit).astype(np.float32)  # (series, column)
        self._steps.advance(np.concatenate([x, columns], axis=1) if columns.shape[1] else x)
        if self._earlier:
            self._earlier = (self._latest, *self._earlier[:-1])
        self._latest = self._forecast_latest()
        return self.forecast()

    def _parse(self, row: npt.ArrayLike) -> tuple[FloatArray, BoolArray | None]:
        """Values of a row and which are missing, (series,) each; None where none may be."""
        if self._plain and isinstance(row, float) and math.isfinite(row):
            return np.array([row]), None  # most rows there are; the checks below cost more than a step of the network
        y = _codes(row, self._end.symbols) if self._end.symbols else np.asarray(row, dtype=np.float64).reshape(-1)
        missing = np.isnan(y) if self._covariates.may_miss else None
        valid = np.isfinite(y) if missing is None else np.isfinite(y) | missing
        if y.shape != self._scale.shape or np.count_nonzero(valid) < len(y):
            raise ForecastError(
                f"`update` takes one finite number for each of {len(self._scale)} series, found {row!r}: "
                f"hand the values in the order of the series"
            )
        return y, missing

    def forecast(self) -> Forecast:
        """Forecast from where the series stand now."""
        end, forecasts = self._end, averaged([self._latest, *self._earlier]) if self._earlier else self._latest
        return Forecast(
            end.ids,
            forecasts.y_hat,
            end.calendar,
            end.last,
            self._rows_since,
            forecasts.quantiles,
            forecasts.probabilities,
            end.symbols,
        )

    def _forecast_latest(self) -> Forecasts:
        """Forecast from the latest row alone, an origin of each series."""
        if self._linear is not None:
            y_hat = self._linear.of(self._steps.features) * self._unit
            y_hat += self._stepwise.forecast
            return Forecasts(y_hat)
        if self._softmax is not None:
            return of_probabilities(self._softmax.of(self._steps.features))
        ahead = self._covariates.ahead(self._horizon)
        if self._reference.horizon < self._horizon:
            buffer = self._buffer
            start = StartingPoint(buffer.features, buffer.rows, buffer.lived, self._steps.at_origin, ahead)
            return Recursion(self._network, self._reference, self._scale, self._horizon).forecast(start)
        with torch.no_grad():
            known = None if ahead is None else torch.from_numpy(ahead).to(self._network.device)
            raw = self._network.forecast(torch.from_numpy(self._steps.features).to(self._network.device), known).cpu()
        return read_forecasts(head_on_cpu(self._network), raw, self._stepwise.forecast, self._scale)


def _codes(row: npt.ArrayLike, symbols: tuple[str, ...]) -> FloatArray:
    """Codes of symbols that are handed over as they are written, or as codes already, (series,); NaN is missing."""
    values = np.atleast_1d(np.asarray(row))
    if values.dtype.kind not in "UO":
        codes = values.astype(np.float64).reshape(-1)
        known = np.isnan(codes) | ((codes >= 0) & (codes < len(symbols)) & (codes == np.floor(codes)))
        if not known.all():
            raise ForecastError(f"a code of a symbol is a whole number from 0 to {len(symbols) - 1}, found {row!r}")
        return codes
    code_of = {symbol: float(code) for code, symbol in enumerate(symbols)}
    texts = values.reshape(-1).tolist()
    unknown = [text for text in texts if text is not None and text not in code_of]
    if unknown:
        raise ForecastError(
            f"the network was trained on {len(symbols)} symbols, and {unknown[0]!r} is none of them: "
            f"hand over what it knows"
        )
    return np.array([math.nan if text is None else code_of[text] for text in texts])


def _unroll(network: Network, inputs: Float32Array, series: int) -> tuple[torch.Tensor, State]:
    """Features and state after all rows of one series."""
    x = torch.from_numpy(inputs).to(network.device)[None]  # (1, step, column)
    return network.features(x, torch.full(x.shape[:2], series, device=x.device), network.initial_state(1))


class CovariateStream:
    """Streams covariates to `Live`: those of a new row, and those known ahead of it.

    Features of the date are computed as far as they are asked for; other covariates that are known ahead reach as far
    as the panel that the stream began with.
    """

    def __init__(self, encoding: CovariateEncoding, past: Panel) -> None:
        self._encoding = encoding
        self._channels = past.channels[1:]
        self._calendar: Calendar = past.calendar
        self._last: TimeArray = past.times[past.offsets[1:] - 1]
        self._since = 0  # rows since the past
        self._ids = past.ids
        self._empty = not (encoding.input_size or self._channels)
        self._ahead_channels: tuple[Channel, ...] = ()
        self._ahead: list[Float32Array] = [np.zeros((0, 0), dtype=np.float32)] * len(past)
        if past.ahead is not None:
            columns, offsets = encoding.ahead_columns(past), past.ahead.offsets
            self._ahead_channels = past.ahead.channels
            # Rows are counted from the end of the past: row 0 is the last step that the past has.
            first_rows = offsets[:-1] + past.lengths - 1
            self._ahead = [columns[first:end] for first, end in zip(first_rows, offsets[1:], strict=True)]

    @property
    def may_miss(self) -> bool:
        """Whether a target may be missing."""
        return self._encoding.target_marked

    def push(self, past: Sequence[Sequence[Any]] | None, missing: BoolArray | None) -> Float32Array:
        """Take a step and return its encoded covariates, (series, column), and the mark of a missing target last.

        Parameters
        ----------
        past
            (series, channel) values of the covariates that are known up to now, categories by their names, None where
            there is none.
        missing
            (series,) whether the target of the step is missing; None where it may not be.

        """
        if self._empty and past is None:
            return _NO_COLUMNS
        parts = [self._past_columns(past)]
        if self._encoding.ahead.size:
            parts.append(self._ahead_from(self._since + 1, 1)[:, 0])
        if missing is not None:
            parts.append(missing[:, None].astype(np.float32))
        self._since += 1  # last of all: what cannot be read leaves everything as it was
        return np.concatenate(parts, axis=1)

    def ahead(self, horizon: int) -> Float32Array | None:
        """Covariates known ahead of the next steps, (series, horizon, column); None where there are none."""
        return self._ahead_from(self._since + 1, horizon) if self._encoding.ahead.size else None

    def _past_columns(self, past: Sequence[Sequence[Any]] | None) -> Float32Array:
        """Encode covariates that are known up to now, (series, column)."""
        names = [channel.name for channel in self._channels]
        shape = (len(self._ids), len(names))
        given = np.array([] if past is None else past, dtype=object).reshape(-1, len(names) or 1)
        if (past is None and names) or (past is not None and given.shape != shape):
            raise ForecastError(
                f"`update` takes the covariates {', '.join(names) or 'none'} of each of {shape[0]} series as `past=`, "
                f"found {past!r}: hand over a list of lists, None where a value is missing"
            )
        values, masked = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        for i, j in np.ndindex(*shape):
            masked[i, j] = given[i, j] is None or given[i, j] != given[i, j]  # None or NaN
            if not masked[i, j]:
                values[i, j] = _number(given[i, j], self._channels[j])
        return self._encoding.past.encode(values, masked, self._channels)

    def _ahead_from(self, first: int, steps: int) -> Float32Array:
        """Columns known ahead of the steps `first` to `first + steps - 1` after the past, (series, step, column)."""
        for i in range(len(self._ids)):
            while len(self._ahead[i]) < first + steps:
                self._extend(i)
        return np.stack([table[first : first + steps] for table in self._ahead])

    def _extend(self, series: int) -> None:
        """Compute features of the date further ahead.

        Raises
        ------
        ForecastError
            Not all covariates known ahead are features of the date.

        """
        given = [channel.name for channel in self._ahead_channels if channel.computed is None]
        known = len(self._ahead[series])
        if given:
            raise ForecastError(
                f"the covariates known ahead ({', '.join(given)}) of series {self._ids[series]!r} end "
                f"{known - 1 - self._since} steps ahead: start again from data that have them for longer"
            )
        times = self._calendar.after(self._last[series], known - 1 + _FEATURES_AT_ONCE)[known - 1 :]
        values = feature_values(features_of(self._ahead_channels), times, self._calendar)
        columns = self._encoding.ahead.encode(values, np.zeros(values.shape, dtype=np.bool_), self._ahead_channels)
        self._ahead[series] = np.concatenate([self._ahead[series], columns])


def _number(value: Any, channel: Channel) -> float:
    """Code of a category (-1 where it was not known in training), or the number itself."""
    if channel.categories:
        text = str(value)
        return float(channel.categories.index(text)) if text in channel.categories else -1.0
    return float(value)
