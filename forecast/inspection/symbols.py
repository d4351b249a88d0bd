"""What a network on symbols does inside, on a span of a series, measured on the symbol one step ahead.

units     what each is worth: bits a symbol with its output held at its mean where the decoder reads it, less those
of the whole network; how much of its variance the symbol just read explains (the rest is memory); how
many steps it holds (lag at which its autocorrelation has fallen to 1/e)
cut       bits where the state is zero before row t - k, so that the network reads the last k + 1 symbols alone
gradient  norm of the slope of -log chance with respect to what is read at t - k (root mean square over origins)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from forecast.inspection.activity import Activity, activity_by_walk, activity_by_windows
from forecast.inspection.memory import SHARE, Fall, fall_of
from forecast.network.heads import CategoricalHead
from forecast.network.inference import states_by_unrolling, states_by_windows
from forecast.questions.kinds import SYMBOL
from forecast.training.data import network_data

if TYPE_CHECKING:
    from torch import Tensor

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.network.state import State
    from forecast.series.panel import FloatArray, IntArray, Panel

MOST_STEPS, _MOST_ORIGINS, _FURTHEST = 2_000, 400, 256
_GRADIENTS = 48
_COARSER = 1.3
"""From one lag to the next, where lags are many."""


@dataclass(frozen=True, eq=False)
class SymbolUnits:
    """The hidden units on a span.

    Attributes
    ----------
    outputs : (step, unit), of the first layer, the second, ...
    layer : (unit,) counted from 1
    added : (unit,) bits that the forecast costs more without the unit; NaN where the decoder does not read it
    explained : (unit,) share of its variance that the symbol just read explains
    holds : (unit,) steps after which it has forgotten what it was
    mean : (symbol, unit) mean value where the symbol has just been read; NaN where it never was
    bits, bits_without_any : of the whole network, and with all units of the last layer switched off
    origins : forecasts that a unit was switched off for

    """

    outputs: FloatArray
    layer: IntArray
    added: FloatArray
    explained: FloatArray
    holds: IntArray
    mean: FloatArray
    bits: float
    bits_without_any: float
    origins: int

    def name(self, unit: int) -> str:
        """Name a unit: its number in its layer, and the layer where there are several."""
        layer = int(self.layer[unit])
        number = unit - int(np.flatnonzero(self.layer == layer)[0]) + 1
        return f"unit {number}" if self.layer[-1] == 1 else f"unit {number} of layer {layer}"

    @property
    def order(self) -> IntArray:
        """Units that the decoder reads, (unit,), the one that is worth most first."""
        read = np.flatnonzero(~np.isnan(self.added))
        return read[np.argsort(-self.added[read], kind="stable")]


@dataclass(frozen=True, eq=False)
class SymbolMemory:
    """How far back a network on symbols remembers.

    Attributes
    ----------
    cut : fall of the bits that are added
    bits : (lag,) where the past before each lag is cut off
    whole, base : bits with the whole past, and of the base rates that an untrained network says
    gradient : fall of the slope with the lag
    origins : how many forecasts were judged

    """

    cut: Fall
    bits: FloatArray
    whole: float
    base: float
    gradient: Fall
    origins: int


@dataclass(frozen=True, eq=False)
class SymbolProbe:
    """A network on a span of symbols.

    Attributes
    ----------
    codes : (step,) symbols of the span, -1 where none was observed

    """

    symbols: tuple[str, ...]
    codes: IntArray
    units: SymbolUnits
    memory: SymbolMemory


class _Span:
    """A network on some rows of one series of a panel."""

    def __init__(self, fitted: FittedNetwork, past: Panel, number: int, first: int, end: int) -> None:
        self.network = fitted.network
        if not isinstance(fitted.network.head, CategoricalHead):
            raise TypeError("the network forecasts no symbols")
        self.head = fitted.network.head
        self.data = network_data(past, fitted.reference, fitted.scale, fitted.encoding, question=SYMBOL)
        self.past, self.number, self.horizon = past, number, fitted.reference.horizon
        self.windows = fitted.forecaster.training.regime == "windows"
        self.context_steps = fitted.problem.context_steps
        self.start = int(past.offsets[number])
        first = max(first, self.context_steps - 1 if self.windows else 1)
        self.rows = self.start + np.arange(first, min(end, first + MOST_STEPS))
        known = past.target_observed
        judged = self.rows[known[np.minimum(self.rows + 1, len(known) - 1)] & (self.rows + 1 < self.start + end)]
        self.origins = judged[:: max(-(-len(judged) // _MOST_ORIGINS), 1)]
        self.came = torch.from_numpy(past.target[self.origins + 1].astype(np.int64))

    def activity(self) -> Activity:
        """What all units did."""
        if self.windows:
            return activity_by_windows(self.network, self.data.inputs, self.context_steps, self.rows)
        return activity_by_walk(self.network, self.data.inputs, self.start, self.rows)

    def logits(self, features: Tensor, rows: IntArray) -> Tensor:
        """Logits of the symbol one step ahead of some rows, (origin, symbol)."""
        raw = self.network.forecast(features, self.data.inputs.known_ahead(rows, self.horizon))
        return (raw + self.head.base)[:, 0]

    @torch.no_grad()
    def bits(self, features: Tensor) -> float:
        """Bits a symbol of forecasts from the origins, features (origin, feature)."""
        return self.cost(self.logits(features, self.origins))

    def cost(self, logits: Tensor) -> float:
        """Bits a symbol of logits at the origins, (origin, symbol)."""
        return float(functional.cross_entropy(logits.double(), self.came)) / math.log(2.0)

    def before(self, rows: IntArray) -> State:
        """States after some rows, as in use."""
        series = np.full(len(rows), self.number)
        return states_by_unrolling(self.network, self.data.inputs, self.past.offsets[:-1], series, rows).state


def probe_symbols(fitted: FittedNetwork, past: Panel, number: int, first: int, end: int) -> SymbolProbe:
    """Look at the steps `first <= step < end` of one series, the first `MOST_STEPS` of them."""
    span = _Span(fitted, past, number, first, end)
    codes = np.where(past.target_observed[span.rows], past.target[span.rows], -1).astype(np.int64)
    units = _units(span, codes, len(past.symbols))
    return SymbolProbe(past.symbols, codes, units, _memory(span, units))


def _units(span: _Span, codes: IntArray, symbols: int) -> SymbolUnits:
    activity = span.activity()
    outputs = activity.outputs
    last = np.flatnonzero(activity.layer == activity.layer[-1])
    places = span.origins - span.rows[0]
    read = torch.from_numpy(outputs[places][:, last].astype(np.float32))
    means = torch.from_numpy(outputs[:, last].mean(axis=0).astype(np.float32))
    whole = span.bits(read)
    added = np.full(outputs.shape[1], np.nan)
    for i, unit in enumerate(last.tolist()):
        held = read.clone()
        held[:, i] = means[i]
        added[unit] = span.bits(held) - whole
    mean, explained = explained_by(outputs, codes, symbols)
    return SymbolUnits(
        outputs=outputs,
        layer=activity.layer,
        added=added,
        explained=explained,
        holds=holding_steps(outputs),
        mean=mean,
        bits=whole,
        bits_without_any=span.bits(means.expand(len(read), -1)),
        origins=len(places),
    )


def explained_by(outputs: FloatArray, codes: IntArray, symbols: int) -> tuple[FloatArray, FloatArray]:
    """Mean output by symbol, (symbol, unit), and the share of variance that these explain, (unit,).

    Outputs are (step, unit), codes (step,); steps whose code is below 0 do not count. A unit that never moves has 0.
    """
    there = codes >= 0
    outputs, codes = outputs[there], codes[there]
    counts = np.bincount(codes, minlength=symbols)[:, None]
    sums = np.zeros((symbols, outputs.shape[1]))
    np.add.at(sums, codes, outputs)
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    centre = outputs.mean(axis=0)
    between = np.nansum(counts * (mean - centre) ** 2, axis=0)
    total = ((outputs - centre) ** 2).sum(axis=0)
    return mean, np.where(total > 1e-12 * len(outputs), between / np.maximum(total, 1e-300), 0.0)


def holding_steps(outputs: FloatArray, furthest: int = _FURTHEST) -> IntArray:
    """Smallest lag at which the autocorrelation of each unit is at most 1/e, (unit,), at most `furthest`."""
    centred = outputs - outputs.mean(axis=0)
    variance = np.maximum((centred**2).mean(axis=0), 1e-300)
    furthest = min(furthest, len(outputs) - 1)
    holds = np.full(outputs.shape[1], furthest, dtype=np.int64)
    open_units = np.arange(outputs.shape[1])
    for lag in range(1, furthest):
        alike = (centred[lag:, open_units] * centred[:-lag, open_units]).mean(axis=0) / variance[open_units]
        holds[open_units[alike <= SHARE]] = lag
        open_units = open_units[alike > SHARE]
        if not len(open_units):
            break
    return holds


def _memory(span: _Span, units: SymbolUnits) -> SymbolMemory:
    reach = int(span.origins[0]) - span.start
    furthest = min(_FURTHEST, span.context_steps - 1 if span.windows else reach)
    known: dict[int, float] = {}
    lag = 0.0
    while int(lag) <= furthest:
        reached = states_by_windows(span.network, span.data.inputs, int(lag) + 1, span.origins)
        known[int(lag)] = span.bits(reached.features)
        lag = max(lag + 1, lag * _COARSER)
    lags = np.array(list(known))
    bits = np.array(list(known.values()))
    return SymbolMemory(
        cut=fall_of(lags, np.maximum(bits - units.bits, 0.0), from_peak=False),
        bits=bits,
        whole=units.bits,
        base=span.cost(span.head.base[0].expand(len(span.origins), -1)),
        gradient=_gradient(span, furthest),
        origins=len(span.origins),
    )


def _gradient(span: _Span, furthest: int) -> Fall:
    chosen = np.unique(np.linspace(0, len(span.origins) - 1, _GRADIENTS).astype(np.int64))
    rows, network = span.origins[chosen], span.network
    steps = max(min(furthest, int(rows[0]) - span.start - 1), 0)
    read_rows = rows[:, None] + np.arange(-steps, 1)
    inputs = span.data.inputs
    x = torch.from_numpy(inputs.at(read_rows))
    with torch.no_grad():
        read = network.read(x, inputs.series_of(read_rows))
    read.requires_grad_()
    state = network.initial_state(len(rows)) if span.windows else span.before(read_rows[:, 0] - 1)
    features, _ = network.backbone(read, state)
    logits = span.logits(features[:, -1], rows)
    loss = functional.cross_entropy(logits, span.came[torch.from_numpy(chosen)], reduction="sum")
    (slope,) = torch.autograd.grad(loss, read)
    squares = slope.double().square().sum(dim=2).mean(dim=0).numpy()
    return fall_of(np.arange(steps + 1), np.sqrt(squares)[::-1].copy())
