"""The pretrained network in use: a row comes in, a forecast goes out, at a cost that does not grow with the past.

Its first rows go through numpy and torch, over a millisecond each. From then on, where numba is installed, each series
is a `network.compiled.pretrained.SingleSeries`: the same numbers to single precision, in a tenth of the time. Loading
it takes a second, and once in the life of an installation, when it is compiled, a quarter of a minute.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.covariate_effects import known_ahead_alone
from forecast.forecasters.covariate_stream import CovariateStream
from forecast.forecasters.interface import QUANTILES, Forecasts
from forecast.forecasters.live import Forecast, counted_from
from forecast.network.compiled.modules import AVAILABLE
from forecast.network.pretrained import MEDIAN
from forecast.reference.bank import Bank, features
from forecast.reference.running import joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from forecast.forecasters.pretrained import FittedPretrained
    from forecast.network.compiled.pretrained import SingleSeries
    from forecast.network.pretrained import State
    from forecast.series.panel import BoolArray, FloatArray, Panel

_ROWS_THAT_PAY = 2_000
"""Rows of all series after which they are compiled. It follows from the rows alone, so that a stream that goes on from
its state forecasts the same bits as one that was not interrupted."""
_STEPS_AT_ONCE = 256


class LivePretrained:
    """The network after the latest row of each series. The fitted one is not changed."""

    def __init__(self, fitted: FittedPretrained, past: Panel) -> None:
        self._network, self._horizon, self._seasons = fitted.network, fitted.problem.horizon, fitted.seasons
        self._ids, self._calendar, self._last = past.ids, past.calendar, past.times[past.offsets[1:] - 1]
        # Series have steps, and with them phases of the season, of their own.
        self._banks = [Bank(1, *self._seasons) for _ in past.ids]
        self._states: list[State | None] = [None] * len(past)
        self._contexts: list[torch.Tensor] = [torch.empty(0)] * len(past)
        self._compiled: list[SingleSeries] = []  # one a series: what stands above is then of before
        self._rows, self._rows_since = 0, 0  # since it was started, and since `_last`
        self._effects = fitted.effects
        self._alone = len(past) == 1 and not fitted.effects
        self._stream = CovariateStream(fitted.effects.encoding, known_ahead_alone(past)) if fitted.effects else None
        effects = fitted.effects.at(past, 0) if fitted.effects else [np.zeros(0)] * len(past)
        for i, (_, rows) in enumerate(past.series()):
            values = past.target[rows]
            values = fitted.effects.take_off(values, effects[i]) if fitted.effects else values
            self._read(i, values, past.target_observed[rows])

    def update(self, row: npt.ArrayLike, past: Sequence[Sequence[Any]] | None = None) -> Forecast:
        """Take the next value of every series, (series,), NaN where it is missing; and forecast. `past` is not read.

        Raises
        ------
        ForecastError
            Another number of values than there are series, or one that is infinite.

        """
        self._take(row)
        return self.forecast()

    def update_many(self, values: FloatArray, pasts: Sequence[Any] | None = None) -> Forecasts:
        """Take some next values of the only series in turn, (step,), and forecast after each."""
        quantiles = np.empty((len(values), self._horizon, len(QUANTILES)))
        for i, value in enumerate(values):
            self._take(value)
            quantiles[i] = self._quantiles()[0]
        return Forecasts(quantiles[:, :, MEDIAN], quantiles)

    def forecast(self) -> Forecast:
        """Forecast from where the series stand now."""
        quantiles = self._quantiles()
        return Forecast(self._ids, quantiles[:, :, MEDIAN], self._calendar, self._last, self._rows_since, quantiles)

    def weighing(self) -> tuple[FloatArray, FloatArray]:
        """Weights over the candidates, (series, horizon, candidate), and the correction in the target's unit."""
        self._put_back()
        at = joined([bank.snapshot(self._horizon) for bank in self._banks])
        return self._network.weighing(torch.cat(self._contexts), at, self._horizon, self._seasons)

    @property
    def known_steps(self) -> int | None:
        """Steps after the latest row that covariates are known of; None: as many as are asked for."""
        return self._stream.known_steps if self._stream else None

    def learn(self, steps_ahead: int, given: Mapping[str, Any], series: int = 0) -> None:
        """Take the covariates that are known `steps_ahead` steps after the latest row; the last word holds.

        Raises
        ------
        ForecastError
            As `CovariateStream.learn`.

        """
        if self._stream:
            self._stream.learn(series, steps_ahead, given)

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes from row to row, by name."""
        self._put_back()
        kept = {"last": self._last.astype(np.int64), "rows": np.array([self._rows_since, self._rows])}
        for i, bank in enumerate(self._banks):
            kept |= {f"bank{i}.{name}": array for name, array in bank.memory().items()}
            kept[f"context{i}"] = self._contexts[i].numpy()
            kept |= {f"state{i}.{j}": part.numpy() for j, part in enumerate(self._states[i] or ())}
        stream = self._stream.memory() if self._stream else {}
        return kept | {f"covariates.{name}": array for name, array in stream.items()}

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        last: Any = memory["last"].astype(self._last.dtype)
        self._last, self._rows_since, self._rows = last, int(memory["rows"][0]), int(memory["rows"][-1])
        for i, bank in enumerate(self._banks):
            prefix = f"bank{i}."
            bank.remember({name.removeprefix(prefix): a for name, a in memory.items() if name.startswith(prefix)})
            self._contexts[i] = torch.from_numpy(memory[f"context{i}"])
            parts = [torch.from_numpy(memory[f"state{i}.{j}"]) for j in range(len(self._states[i] or ()))]
            self._states[i] = (parts[0], parts[1])
        if self._stream:
            own = "covariates."
            self._stream.remember({name.removeprefix(own): a for name, a in memory.items() if name.startswith(own)})
        self._compiled = []
        self._compile()

    def _take(self, row: npt.ArrayLike) -> None:
        """Read the next value of every series."""
        if self._compiled and self._alone and isinstance(row, float) and math.isfinite(row):
            self._compiled[0].update(row, observed=True)  # most rows there are
        else:
            self._take_checked(*self._parse(row))
        self._rows += 1
        self._last, self._rows_since = counted_from(self._calendar, self._last, self._rows_since + 1)
        if not self._compiled:
            self._compile()

    def _take_checked(self, y: FloatArray, observed: BoolArray) -> None:
        """Read values, (series,), those that were observed."""
        if self._effects and self._stream:
            y = self._effects.take_off(y, self._ahead(1)[:, 0])
            self._stream.push(None, None)
        for i in range(len(y)):
            if self._compiled:
                self._compiled[i].update(float(y[i]), observed=bool(observed[i]))
            else:
                self._read(i, y[i : i + 1], observed[i : i + 1])

    def _parse(self, row: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
        """Values of a row, 0 where one is missing, and which are not, (series,) each."""
        y = np.array([row]) if isinstance(row, float) else np.asarray(row, dtype=np.float64).reshape(-1)
        if len(y) == len(self._ids) and np.isfinite(y).all():
            return y, np.ones(len(y), dtype=np.bool_)
        if len(y) != len(self._ids) or np.isinf(y).any():
            raise ForecastError(
                f"`update` takes one number for each of {len(self._ids)} series, found {row!r}: hand the values in the "
                f"order of the series, NaN where one is missing"
            )
        observed = ~np.isnan(y)
        return np.where(observed, y, 0.0), observed

    def _quantiles(self) -> FloatArray:
        """Forecast from where the series stand now, (series, horizon, level)."""
        if self._compiled:
            quantiles = np.array([one.quantiles for one in self._compiled])
        else:
            at = joined([bank.snapshot(self._horizon) for bank in self._banks])
            quantiles = self._network.quantiles(torch.cat(self._contexts), at, self._horizon, self._seasons)
        return self._effects.put_back(quantiles, self._ahead(self._horizon)[:, :, None]) if self._effects else quantiles

    def _ahead(self, steps: int) -> FloatArray:
        """Effects of the next steps, (series, step)."""
        span = self._stream.ahead(steps) if self._stream else None
        if self._effects is None or span is None:
            return np.zeros((len(self._ids), steps))
        return self._effects.of_span(span.astype(np.float64))

    def _read(self, series: int, values: FloatArray, observed: BoolArray) -> None:
        """Read some steps of one series, (step,)."""
        bank, state = self._banks[series], self._states[series]
        for begin in range(0, len(values), _STEPS_AT_ONCE):  # a long past is not held as features all at once
            end = min(begin + _STEPS_AT_ONCE, len(values))
            steps = [bank.update(values[t : t + 1], observed[t : t + 1]) for t in range(begin, end)]
            context, state = self._network.read(features(steps, *self._seasons), state)
            self._contexts[series] = context[:, -1]
        self._states[series] = state

    def _compile(self) -> None:
        """Go on compiled, once enough rows have come and all series are old enough."""
        states = [state for state in self._states if state is not None]
        if self._rows * len(states) < _ROWS_THAT_PAY or not AVAILABLE or not all(bank.grown for bank in self._banks):
            return
        from forecast.network.compiled.pretrained import SingleSeries  # noqa: PLC0415  # it imports numba

        self._compiled = [
            SingleSeries(self._network, bank, state, context, self._horizon)
            for bank, state, context in zip(self._banks, states, self._contexts, strict=True)
        ]

    def _put_back(self) -> None:
        """Let banks and states stand where the compiled series do."""
        for i, one in enumerate(self._compiled):
            (h, c), context = one.put_back(self._banks[i])
            self._states[i] = torch.from_numpy(h), torch.from_numpy(c)
            self._contexts[i] = torch.from_numpy(context)
