"""A network on symbols on a span of a series, and how far back it remembers, measured on the symbol one step ahead.

cut       bits where the state is zero before row t - k, so that the network reads the last k + 1 symbols alone
gradient  norm of the slope of -log p with respect to what is read at t - k (root mean square over origins)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import torch
from torch.nn import functional

from forecast.inspection.hidden_units import Activity, activity_by_unrolling, activity_by_windows
from forecast.inspection.memory import Fall, fall_of
from forecast.inspection.page import Section
from forecast.network.heads import CategoricalHead
from forecast.network.inference import states_by_unrolling, states_by_windows
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.lines import rounded
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from torch import Tensor

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.reporting.charts import Values
    from forecast.reporting.lines import Array
    from forecast.series.panel import FloatArray, IntArray, Panel


MOST_STEPS, _MOST_ORIGINS, FURTHEST = 2_000, 400, 256
_GRADIENTS = 48
_COARSER = 1.3
"""From one lag to the next, where lags are many."""


class SymbolSystem:
    """A network on the steps `first <= step < end` of one series of a panel, the first `MOST_STEPS` of them.

    Attributes
    ----------
    rows : (step,) of the panel
    codes : (step,) symbols of these steps, -1 where none was observed
    origins : (origin,) rows from which forecasts of the next symbol are judged
    outcomes : (origin,) codes of the symbols that came

    """

    def __init__(self, fitted: FittedNetwork, past: Panel, number: int, first: int, end: int) -> None:
        if not isinstance(fitted.network.head, CategoricalHead):
            raise TypeError("the network forecasts no symbols")
        self.fitted, self.network, self.head = fitted, fitted.network, fitted.network.head
        self.data = fitted.data(past)
        self.past, self.number, self.horizon = past, number, fitted.reference.horizon
        self.windows = fitted.forecaster.training.regime == "windows"
        self.context_steps = fitted.problem.context_steps
        self.start = int(past.offsets[number])
        first = max(first, self.context_steps - 1 if self.windows else 1)
        self.rows = self.start + np.arange(first, min(end, first + MOST_STEPS))
        self.symbols = past.symbols
        self.codes = np.where(past.target_observed[self.rows], past.target[self.rows], -1).astype(np.int64)
        known = past.target_observed
        judged = self.rows[known[np.minimum(self.rows + 1, len(known) - 1)] & (self.rows + 1 < self.start + end)]
        self.origins = judged[:: max(-(-len(judged) // _MOST_ORIGINS), 1)]
        self.outcomes = torch.from_numpy(past.target[self.origins + 1].astype(np.int64))

    @cached_property
    def activity(self) -> Activity:
        """Outputs of all units, at all rows."""
        if self.windows:
            return activity_by_windows(self.network, self.data.inputs, self.context_steps, self.rows)
        return activity_by_unrolling(self.network, self.data.inputs, self.start, self.rows)

    @cached_property
    def features(self) -> Tensor:
        """What the decoder reads at the origins, (origin, unit): units of the last layer."""
        last = np.flatnonzero(self.activity.layer == self.activity.layer[-1])
        return torch.from_numpy(self.activity.outputs[self.origins - self.rows[0]][:, last].astype(np.float32))

    @cached_property
    def whole_bits(self) -> float:
        """Bits a symbol with the whole past."""
        return self.bits(self.features)

    def logits(self, features: Tensor, rows: IntArray) -> Tensor:
        """Logits of the symbol one step ahead of some rows, (origin, symbol)."""
        raw = self.network.forecast(features, self.data.inputs.known_ahead(rows, self.horizon))
        return (raw + self.head.base)[:, 0]

    @torch.no_grad()
    def bits(self, features: Tensor) -> float:
        """Bits a symbol of forecasts from the origins, features (origin, feature)."""
        return self.bits_of(self.logits(features, self.origins))

    def bits_of(self, logits: Tensor) -> float:
        """Bits a symbol of logits at the origins, (origin, symbol)."""
        return float(functional.cross_entropy(logits.double(), self.outcomes)) / math.log(2.0)  # from nats


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


def symbol_memory_of(system: SymbolSystem) -> SymbolMemory:
    """Measure what forecasts lose with the past, and how far back their gradients reach."""
    reach = int(system.origins[0]) - system.start
    furthest = min(FURTHEST, system.context_steps - 1 if system.windows else reach)
    by_lag: dict[int, float] = {}
    lag = 0.0
    while int(lag) <= furthest:
        reached = states_by_windows(system.network, system.data.inputs, int(lag) + 1, system.origins)
        by_lag[int(lag)] = system.bits(reached.features)
        lag = max(lag + 1, lag * _COARSER)
    lags, bits = np.array(list(by_lag)), np.array(list(by_lag.values()))
    return SymbolMemory(
        cut=fall_of(lags, np.maximum(bits - system.whole_bits, 0.0), from_peak=False),
        bits=bits,
        whole=system.whole_bits,
        base=system.bits_of(system.head.base[0].expand(len(system.origins), -1)),
        gradient=_gradient(system, furthest),
        origins=len(system.origins),
    )


def _gradient(system: SymbolSystem, furthest: int) -> Fall:
    chosen = np.unique(np.linspace(0, len(system.origins) - 1, _GRADIENTS).astype(np.int64))
    rows, network, inputs = system.origins[chosen], system.network, system.data.inputs
    steps = max(min(furthest, int(rows[0]) - system.start - 1), 0)
    read_rows = rows[:, None] + np.arange(-steps, 1)  # (origin, step)
    with torch.no_grad():
        read = network.read(torch.from_numpy(inputs.at(read_rows)), inputs.series_of(read_rows))
    read.requires_grad_()  # symbols have no slope, their embeddings do
    if system.windows:
        state = network.initial_state(len(rows))
    else:  # as in use: after all rows before
        series, before = np.full(len(rows), system.number), read_rows[:, 0] - 1
        state = states_by_unrolling(network, inputs, system.past.offsets[:-1], series, before).state
    features, _ = network.backbone(read, state)
    logits = system.logits(features[:, -1], rows)
    loss = functional.cross_entropy(logits, system.outcomes[torch.from_numpy(chosen)], reduction="sum")
    (slope,) = torch.autograd.grad(loss, read)
    squares = slope.double().square().sum(dim=2).mean(dim=0).numpy()  # (step,)
    return fall_of(np.arange(steps + 1), np.sqrt(squares)[::-1].copy())


def headline(memory: SymbolMemory, network: str, series: str) -> str:
    """Say the memory length, in symbols."""
    cut, whose = memory.cut, f"{network} on {series}"
    worth = f"all before the last symbol is worth {number(max(float(memory.bits[0]) - memory.whole, 0.0), 3)} bits"
    if cut.length is None:
        return f"{whose} remembers more than {counted(cut.walked, 'symbol')}; {worth}"
    if cut.length == 0:
        return f"{whose} remembers nothing before the last symbol that makes its forecasts better"
    return f"{whose} remembers {counted(cut.length, 'symbol')}; {worth}"


def _memory_says(memory: SymbolMemory) -> str:
    """Say what cutting the past off costs, and how far gradients reach."""
    return (
        f"The next symbol costs {number(memory.base, 3)} bits by the base rates, {number(float(memory.bits[0]), 3)} "
        f"where the last symbol alone is read and {number(memory.whole, 3)} with the whole past "
        f"({counted(memory.origins, 'forecast')}). What is lost with the past has fallen to 1/e {_where(memory.cut)}, "
        f"the slope of the forecast with respect to what was read {_where(memory.gradient)}."
    )


def _where(fall: Fall) -> str:
    if fall.length is None:
        return f"not within {counted(fall.walked, 'symbol')}"
    return f"{counted(fall.length, 'symbol')} back" if fall.length else "at once"


def _memory_figure(memory: SymbolMemory) -> Figure:
    whole = rounded(np.array([memory.whole]))[0]
    bits = charts.layered(charts.rule("whole").encode(y="y:Q"), _line("bits", "last symbols read", zero=False))
    panels = (
        charts.panel(
            bits,
            {"bits": _points(memory.cut.lags + 1, memory.bits), "whole": [{"y": whole}]},
            200,
            title="bits a symbol, where only the last ones are read (dashed: all)",
        ),
        charts.panel(
            _line("slope", "which symbol, from the last one on"),
            {"slope": _points(memory.gradient.lags + 1, memory.gradient.values)},
            200,
            title="slope of the forecast with respect to what was read",
        ),
    )
    return Figure("memory", "How far back it remembers", _memory_says(memory), panels, columns=2)


def _points(x: Array, y: Array) -> Values:
    return [{"x": at, "y": value} for at, value in zip(x.tolist(), rounded(y), strict=True)]


def _line(table: str, title: str, *, zero: bool = True) -> alt.Chart:
    tips = [charts.tip("x", title, ",d"), charts.tip("y", "value", ".4~g")]
    y = alt.Y("y:Q", title=None, scale=alt.Scale(zero=zero))
    x = alt.X("x:Q", title=title, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(type="log", nice=False))
    drawn: alt.Chart = (
        charts.chart(table)
        .mark_line(color=LIGHT.network, point={"size": 25, "color": LIGHT.network})
        .encode(x=x, y=y, tooltip=tips)
    )
    return drawn


def _numbers(memory: SymbolMemory | None) -> dict[str, Any]:
    if memory is None:
        return {}
    lengths = {"data": memory.cut.length, "gradient": memory.gradient.length, "walked": memory.cut.walked}
    return {"memory_steps": lengths, "memory": memory}


SECTION: Section[SymbolSystem, SymbolMemory] = Section(
    "memory",
    measure=symbol_memory_of,
    figures=lambda memory, _: (_memory_figure(memory),),
    sentences=lambda memory, _: (_memory_says(memory),),
    numbers=_numbers,
    headline=lambda memory, _, network, series: headline(memory, network, series),
)
