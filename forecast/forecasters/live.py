"""A network in use: a row comes in, a forecast goes out, at the cost of one cell step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import sliding_window_view

from forecast.errors import ForecastError
from forecast.forecasters.interface import Forecasts, of_probabilities
from forecast.forecasters.strategies import Recursion, StartingPoint, averaged, read_forecasts
from forecast.network.decoders import DirectDecoder
from forecast.network.inference import head_on_cpu
from forecast.network.single_readout import linear_readout, softmax_readout
from forecast.network.single_step import CellSteps, WindowSteps, steps_from
from forecast.network.state import StateAtOrigin
from forecast.reference.calendar_reference import CalendarAhead, CalendarReference
from forecast.reference.causal_features import in_target_units
from forecast.reference.history_buffer import HistoryBuffer, StepwiseReference
from forecast.series.panel import window_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.forecasters.covariate_stream import CovariateStream
    from forecast.network.network import Network
    from forecast.network.single_readout import LinearReadout
    from forecast.network.single_step import Steps
    from forecast.network.state import State
    from forecast.reference.encoding import Float32Array
    from forecast.reference.references import Reference
    from forecast.series.calendar import Calendar
    from forecast.series.panel import BoolArray, FloatArray, TimeArray
    from forecast.training.data import NetworkData

_BUFFER_STEPS = 256
"""Steps, at least, that a history buffer grows by before it drops what is no longer read."""
_COUNTED_STEPS = 512
"""Steps after a known time that are counted from it, at most: what a time costs does not grow with the stream."""


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
class _PastEnd:
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
        end: _PastEnd,
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
        self._calendar = CalendarAhead(reference, end.calendar) if isinstance(reference, CalendarReference) else None
        self._covariates = covariates
        self._plain = len(scale) == 1 and not (end.symbols or covariates.may_miss or covariates.reads_past)
        self._steps = steps
        # Where one pass gives the whole horizon and the read-out is linear, it is one product of matrices.
        whole = reference.horizon == horizon
        self._linear = linear_readout(network) if whole else None
        alone = len(scale) == 1 and not (end.symbols or earlier or covariates.reads_past or reference.channel_count)
        self._at_once = (steps, self._linear) if alone and self._linear and isinstance(steps, CellSteps) else None
        self._ahead_read: dict[int, tuple[Float32Array, Float32Array]] = {}  # by series: columns, what is read of them
        self._softmax = softmax_readout(network) if whole else None
        if isinstance(network.decoder, DirectDecoder) and network.decoder.reader is not None:
            network.decoder.reader.keep_kernel()
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
        settings["end"] = _PastEnd(past.ids, past.calendar, past.times[latest], past.symbols)
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
        channels = self._channels(y, missing)
        if missing is not None and np.count_nonzero(missing):
            y = np.where(missing, self._buffer.next_if_missing, y)
        inputs = self._stepwise.push(y, channels)
        self._count(1)
        x = (inputs / self._unit).astype(np.float32)  # (series, column)
        self._steps.advance(np.concatenate([x, columns], axis=1) if columns.shape[1] else x)
        if self._earlier:
            self._earlier = (self._latest, *self._earlier[:-1])
        self._latest = self._forecast_latest()
        return self.forecast()

    def _channels(self, y: FloatArray, missing: BoolArray | None) -> FloatArray | None:
        """What the reference reads of a new row beside its values, (series, channel); None where it reads none."""
        if self._calendar is not None:
            before = self._buffer.features.table[5:, :, self._buffer.at].T
            span = self._covariates.ahead(self._reference.horizon)
            ahead = self._calendar.at(self._end.last, self._rows_since + 1, span)
            past = self._covariates.latest_columns
            return self._calendar.reference.channels_after(before, y, missing, past, ahead)
        if not self._reference.channel_count:
            return None
        return in_target_units(*self._covariates.latest_past, self._reference.channels[self._buffer.features.number])

    def update_many(self, values: FloatArray, pasts: Sequence[Any] | None = None) -> Forecasts:
        """Take some next values of the only series in turn, (step,), and forecast after each: (step, horizon).

        Bit for bit the forecasts of `update`, in half the time. A value may be missing (NaN), also where the network
        was trained on none that were. `pasts` has a `past` of `update` for each value.
        """
        missing = np.isnan(values)
        if not self._at_once:
            return self._one_by_one(values, missing, pasts or [None] * len(values))
        if np.count_nonzero(missing):
            values = self._buffer.filled(values, missing)
        steps, readout = self._at_once
        ahead = self._read_ahead(readout, len(values) + self._horizon)
        columns = self._covariates.push_many(missing)
        inputs, reference = self._stepwise.push_many(values)  # (step, input), (step, horizon)
        x = (inputs / self._unit).astype(np.float32)
        features = steps.run(np.concatenate([x, columns], axis=1) if columns.shape[1] else x)
        self._count(len(values))
        # (step, horizon, known): the horizon of a step begins with the step after it
        known = sliding_window_view(ahead[0][1:], self._horizon, axis=0).swapaxes(1, 2) if ahead else None
        y_hat = readout.of_each(features, known) * self._unit
        y_hat += reference
        self._latest = Forecasts(y_hat[-1:])
        return Forecasts(y_hat)

    def _read_ahead(self, readout: LinearReadout, steps: int) -> list[Float32Array]:
        """What a read-out reads of the next steps, (step, known) for each series; empty: it reads nothing ahead."""
        if readout.ahead is None:
            return []
        read = []
        for i, (table, first) in enumerate(self._covariates.date_tables(steps)):
            if i not in self._ahead_read or self._ahead_read[i][0] is not table:
                self._ahead_read[i] = table, readout.ahead.known_of(table)
            read.append(self._ahead_read[i][1][first : first + steps])
        return read

    def _one_by_one(self, values: FloatArray, missing: BoolArray, pasts: Sequence[Any]) -> Forecasts:
        """Do `update_many` by `update`."""
        forecasts = []
        for value, hidden, past in zip(values.tolist(), missing.tolist(), pasts, strict=True):
            known = value if self._covariates.may_miss or not hidden else self._buffer.next_if_missing
            forecasts.append(self.update(known, past))
        return joined_forecasts(forecasts)

    def _count(self, steps: int) -> None:
        last, self._rows_since = counted_from(self._end.calendar, self._end.last, self._rows_since + steps)
        if last is not self._end.last:
            self._end = replace(self._end, last=last)

    @property
    def known_steps(self) -> int | None:
        """Steps ahead that covariates are known of; None: as many as are asked for."""
        return self._covariates.known_steps

    def learn(self, steps_ahead: int, given: Mapping[str, Any], series: int = 0) -> None:
        """Take what is known of a step ahead: all covariates known ahead that do not follow from the date."""
        self._covariates.learn(series, steps_ahead, given)

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes from row to row, by name; `remember` goes on from it, bit for bit."""
        kept = {f"{part}.{name}": a for part, owner in self._parts().items() for name, a in owner.memory().items()}
        kept["reference"] = self._stepwise.forecast
        kept["last"], kept["rows"] = self._end.last.astype(np.int64), np.array([self._rows_since])
        for i, forecasts in enumerate((self._latest, *self._earlier)):
            kept |= {f"forecast{i}.{name}": array for name, array in _arrays_of(forecasts).items()}
        return kept

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        for part, owner in self._parts().items():
            owner.remember({name.removeprefix(f"{part}."): a for name, a in memory.items() if name.startswith(part)})
        self._stepwise.forecast = memory["reference"]
        last: Any = memory["last"].astype(self._end.last.dtype)
        self._end = replace(self._end, last=last)
        self._rows_since = int(memory["rows"][0])
        kept = [
            Forecasts(**{name: memory[f"forecast{i}.{name}"] for name in _arrays_of(forecasts)})
            for i, forecasts in enumerate((self._latest, *self._earlier))
        ]
        self._latest, self._earlier = kept[0], tuple(kept[1:])

    def _parts(self) -> dict[str, HistoryBuffer | Steps | CovariateStream]:
        return {"buffer": self._buffer, "steps": self._steps, "covariates": self._covariates}

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
            read = self._read_ahead(self._linear, self._horizon)
            y_hat = self._linear.of_each(self._steps.features, np.stack(read) if read else None) * self._unit
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


def counted_from(calendar: Calendar, last: TimeArray, rows: int) -> tuple[TimeArray, int]:
    """Count rows from times that are near: `last` (series,) and the rows since, both moved on where these are many."""
    if rows <= _COUNTED_STEPS:
        return last, rows
    moved: Any = np.array([calendar.after(time, rows)[-1] for time in last])
    return moved, 0


def joined_forecasts(forecasts: Sequence[Forecast]) -> Forecasts:
    """Put forecasts of one series, each after another row, together: (step, horizon)."""
    quantiles = [forecast.quantiles for forecast in forecasts if forecast.quantiles is not None]
    probabilities = [forecast.probabilities for forecast in forecasts if forecast.probabilities is not None]
    return Forecasts(
        np.concatenate([forecast.y_hat for forecast in forecasts]),
        np.concatenate(quantiles) if quantiles else None,
        probabilities=np.concatenate(probabilities) if probabilities else None,
    )


def _arrays_of(forecasts: Forecasts) -> dict[str, FloatArray]:
    kept = {"y_hat": forecasts.y_hat, "quantiles": forecasts.quantiles, "probabilities": forecasts.probabilities}
    return {name: array for name, array in kept.items() if array is not None}


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
            f"correct the row, or train on data that hold it"
        )
    return np.array([math.nan if text is None else code_of[text] for text in texts])


def _unroll(network: Network, inputs: Float32Array, series: int) -> tuple[torch.Tensor, State]:
    """Features and state after all rows of one series."""
    x = torch.from_numpy(inputs).to(network.device)[None]  # (1, step, column)
    return network.features(x, torch.full(x.shape[:2], series, device=x.device), network.initial_state(1))
