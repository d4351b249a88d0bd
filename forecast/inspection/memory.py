"""Memory length: the lag at which a measure has fallen to 1/e of what it is at lag 0, from three sides.

Of the network alone, the reference's own path left out:

    echo      a disturbance of what the network reads at one step; how far apart the states are k steps later, with it
              and without it (root mean square over places in the data)
    gradient  norm of d forecast_t / d input_{t-k}, inputs in their units (root mean square over origins)
    cut       the state is zero before row t - k, so that the network reads k + 1 rows: how much larger that makes the
              forecast's error on the data, as the root of the mean squared error that is added

Where rises are forecast the gradient is that of the logit, and the mean squared error of a probability is its Brier
score. A network that reads a window from both of its ends carries no state in which anything could echo.

A leaky integrator h_t = a h_{t-1} + x_t has a^k in each of them, so a memory length of -1 / log a.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forecast.inspection.answers import VALUES, AnswerKind
from forecast.inspection.curves import Axis, Curve, panel
from forecast.inspection.page import Section
from forecast.network.cpu import threads_for
from forecast.network.head import Level
from forecast.network.inference import head_on_cpu, states_by_windows
from forecast.network.trace import trace
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.network.state import State
    from forecast.series.panel import FloatArray, IntArray

SHARE = 1 / np.e
_PLACES = 16
_ORIGINS = 48
_COARSER = 1.12
"""From one lag to the next, where lags are many."""

_HARDLY = 0.01
"""Share of the error below which a loss is hardly anything."""

_CUT = "past cut off"


@dataclass(frozen=True, eq=False)
class Fall:
    """How a measure falls with the lag.

    Attributes
    ----------
    lags, values : (lag,)
    length : smallest lag at which it is at most 1/e of its value at lag 0, or after its peak of its value there, for an
        echo or a gradient that begins at zero; None where it never is, 0 where there is nothing that could fall
    walked : the longest lag that was measured (so called in probe.json)
    peak : lag of the largest value
    again : last lag after `length` at which it is above 1/e once more; None where it stays below

    """

    lags: IntArray
    values: FloatArray
    length: int | None
    walked: int
    peak: int
    again: int | None

    @property
    def monotone(self) -> bool:
        """Whether it never rises by more than a twentieth of its largest value."""
        return not len(self.values) or bool((np.diff(self.values) <= 0.05 * self.values.max()).all())


@dataclass(frozen=True, eq=False)
class Cut:
    """What a network loses with its past, on data.

    Attributes
    ----------
    fall : of the root of the mean squared error that is added
    rmse : (lag,) of the forecast whose past before each lag is cut off
    whole, reference : RMSE with the whole past, and of the reference alone
    origins : how many forecasts were judged

    Where rises are forecast errors are roots of Brier scores, and the reference is the base rate.

    """

    fall: Fall
    rmse: FloatArray
    whole: float
    reference: float
    origins: int


@dataclass(frozen=True, eq=False)
class Memory:
    """The three sides; no echo where no state is carried."""

    echo: Fall | None
    gradient: Fall
    cut: Cut


def memory_of(system: System) -> Memory:
    """Measure the memory of a network from all three sides."""
    echo = echo_of(system) if system.carries_state else None
    return Memory(echo, gradient_of(system), cut_of(system))


def fall_of(lags: IntArray, values: FloatArray, *, from_peak: bool = True) -> Fall:
    """Find the memory length in a measure by lag; of one that begins at zero from its peak on, if that is wanted.

    >>> fall_of(np.arange(4), np.array([1.0, 0.5, 0.3, 0.4])).length
    2
    """
    peak = int(np.argmax(values))
    begin = peak if from_peak and values[0] <= 0 else 0
    if values[begin] <= 0:
        return Fall(lags, values, 0, int(lags[-1]), int(lags[peak]), None)
    above = values > SHARE * values[begin]  # (lag,)
    below = np.flatnonzero(~above & (np.arange(len(values)) >= begin))
    length = int(lags[below[0]]) if len(below) else None
    later = np.flatnonzero(above & (np.arange(len(values)) > below[0])) if len(below) else np.zeros(0)
    return Fall(lags, values, length, int(lags[-1]), int(lags[peak]), int(lags[later[-1]]) if len(later) else None)


@torch.no_grad()
def echo_of(system: System) -> Fall:
    """Disturb what is read at one step by what a spread more in the series makes of it, and watch the states."""
    steps, network = system.span, system.single.network
    length = len(system.past.target)
    last = max(length - steps - 1, 1)
    places = np.unique(np.linspace(min(last, length // 3), last, _PLACES).astype(np.int64))  # (place,)
    rows = np.minimum(places[:, None] + np.arange(steps + 1), length - 1)  # (place, step)
    x = torch.from_numpy(system.data.inputs.at(rows))  # (place, step, input)
    disturbed = x.clone()
    disturbed[:, 0] += torch.from_numpy(_disturbance(system))
    state = network.initial_state(len(places)) if system.window_steps else system.reach(places - 1).state
    series = torch.zeros(rows.shape, dtype=torch.int64)
    with threads_for(len(places), network.backbone.feature_size):
        plain, other = (trace(network, read, series, state).states for read in (x, disturbed))
    return fall_of(np.arange(steps + 1), np.sqrt(np.mean(distance(plain, other) ** 2, axis=0)))


def distance(states: State, others: State) -> FloatArray:
    """Euclidean distance of states, each part (lane, step, ...), after each step, (lane, step)."""
    parts = [(a - b).flatten(2).double().square().sum(dim=2) for a, b in zip(states, others, strict=True)]
    apart: FloatArray = torch.stack(parts).sum(dim=0).sqrt().numpy()
    return apart


def _disturbance(system: System) -> FloatArray:
    """What one spread more at a step changes in what is read there, (input,): references are linear in the series."""
    values = np.full((2, system.warmup), system.centre)
    values[1, -1] += system.spread
    inputs = system.lanes(2).data(system.made_up(values)).inputs.at
    flat, disturbed = inputs(np.array([system.warmup - 1, 2 * system.warmup - 1]))  # the last row of each lane
    change: FloatArray = disturbed - flat
    return change


def gradient_of(system: System) -> Fall:
    """Follow the forecast's gradient back to each input; all examined horizon steps count."""
    steps, network, data = system.span, system.single.network, system.data
    chosen = np.unique(np.linspace(0, len(system.origins) - 1, _ORIGINS).astype(np.int64))
    rows = system.origins[chosen]
    # A window is read whole: what lies before the lags that are looked at belongs to it.
    read = rows[:, None] + np.arange(-(steps if system.window_steps is None else system.window_steps - 1), 1)
    x = torch.from_numpy(data.inputs.at(read)).requires_grad_()  # (origin, step, input)
    before = network.initial_state(len(rows)) if system.window_steps else system.reach(read[:, 0] - 1).state
    with threads_for(len(rows), network.backbone.feature_size):
        features, _ = network.features(x, torch.zeros(read.shape, dtype=torch.int64), before)
        raw = network.forecast(features[:, -1], data.inputs.known_ahead(rows, system.horizon))
        # A head that needs no level gets one of nothing.
        level = data.level(rows) or Level(raw.new_zeros(raw.shape[:-1]), raw.new_ones((len(raw), 1)))
        answer = system.kind.answer(head_on_cpu(network), raw, level)  # (origin, horizon)
        squares = np.zeros(read.shape)
        for step in system.steps:
            (slope,) = torch.autograd.grad(answer[:, step - 1].sum(), x, retain_graph=True)
            squares += (slope * network.input_unit).double().square().sum(dim=2).numpy()  # (origin, step)
    # root mean square over origins, lag 0 first
    return fall_of(np.arange(steps + 1), np.sqrt(squares.mean(axis=0))[::-1][: steps + 1].copy())


def cut_of(system: System) -> Cut:
    """Cut the past off before each of some lags, on data; all lags near the memory length are among them."""
    rows = system.origins
    outcomes = system.outcomes(rows)

    def error(forecast: FloatArray) -> float:
        return float(np.nanmean((forecast - outcomes) ** 2))

    known: dict[int, float] = {}  # mean squared error by lag

    def added(lag: int) -> float:
        if lag not in known:
            reached = states_by_windows(system.single.network, system.data.inputs, lag + 1, rows)
            known[lag] = error(system.forecast_from(reached, rows))
        return float(np.sqrt(max(known[lag] - whole, 0.0)))

    whole = error(system.forecast_from(system.reach(rows), rows))
    for lag in _coarse_lags(system.span):
        added(lag)
    high = next((lag for lag in sorted(known) if added(lag) <= SHARE * added(0)), None)
    if high is not None:  # every lag between the last that is above 1/e and the first that is not
        low = max((lag for lag in known if lag < high), default=0)
        for lag in range(low + 1, high):
            added(lag)
    lags = np.array(sorted(known))
    fall = fall_of(lags, np.array([added(lag) for lag in lags.tolist()]), from_peak=False)
    rmse = np.sqrt([known[lag] for lag in lags.tolist()])
    reference = error(system.untrained(rows))
    return Cut(fall, rmse, float(np.sqrt(whole)), float(np.sqrt(reference)), len(rows))


def _coarse_lags(last: int) -> list[int]:
    """Lags from 0 to the last, ever further apart."""
    lags, lag = [0], 1.0
    while lag < last:
        lags.append(int(lag))
        lag = max(lag + 1, lag * _COARSER)
    return sorted({*lags, last})


def headline(cut: Cut, kind: AnswerKind, network: str, series: str) -> str:
    """Say the memory length on data."""
    whose = f"{network} on {series}"
    worth = ", and hardly anything hangs on it" if _lost(cut, kind) < _HARDLY else ""
    if cut.fall.length is None:
        return f"{whose} remembers more than {counted(cut.fall.walked, 'step')}{worth}"
    if not cut.fall.length:
        return f"{whose} remembers nothing that makes its forecasts better"
    return f"{whose} remembers {counted(cut.fall.length, 'step')}{worth}"


def _lost(cut: Cut, kind: AnswerKind) -> float:
    """How much larger the error is without any past, as a share of the error with it."""
    bare, with_all = float(kind.errors(cut.rmse[0])), float(kind.errors(cut.whole))
    return bare / with_all - 1 if with_all > 0 else 0.0


def _cut_says(cut: Cut, kind: AnswerKind) -> str:
    """Say what cutting the past off costs."""
    bare, with_all = float(kind.errors(cut.rmse[0])), float(kind.errors(cut.whole))
    alone = f"{kind.error} {number(bare, 4)} where only the origin's own row is read"
    errors = f"{alone}, {number(with_all, 4)} with the whole past"
    if not cut.fall.length and cut.fall.length is not None:
        return f"With its past cut off at the origin the network errs no more than with all of it ({errors})."
    ends = (
        f"is still more than 1/e of that after {counted(cut.fall.walked, 'step')}"
        if cut.fall.length is None
        else f"has fallen to 1/e of that when the last {counted(cut.fall.length, 'step')} before the origin are left"
    )
    hardly = " It is hardly anything." if _lost(cut, kind) < _HARDLY else ""
    root = ", as a root," if kind.squared else ""
    again = f" It rises above 1/e once more up to lag {cut.fall.again}." if cut.fall.again is not None else ""
    return f"Losing all of its past adds to the network's error ({errors}); what is added{root} {ends}.{again}{hardly}"


def _echo_says(echo: Fall | None) -> str:
    """Say how long a disturbance stays in the state."""
    if echo is None:
        return "Each window is read anew and from both ends: no state is carried on in which anything could echo."
    return f"A disturbance of what is read at one step echoes in the state for {_length(echo)}."


def _gradient_says(gradient: Fall, kind: AnswerKind) -> str:
    """Say how far back the forecast depends on what was read."""
    if not gradient.values.max() > 0:
        return f"The {kind.name} does not depend on anything that the network reads."
    return f"The slope of the {kind.name} to what was read falls to 1/e within {_length(gradient)}."


def _length(fall: Fall) -> str:
    steps = f"more than {counted(fall.walked, 'step')}" if fall.length is None else counted(fall.length, "step")
    if fall.again is not None:
        return f"{steps} (it does not fall steadily: above 1/e once more up to lag {fall.again})"
    if not fall.monotone and fall.peak > 0:
        return f"{steps} (it does not fall steadily: it is largest at lag {fall.peak})"
    return steps if fall.monotone else f"{steps} (it does not fall steadily)"


def _memory_figure(memory: Memory, kind: AnswerKind = VALUES) -> Figure:
    """Draw how three measures fall with the lag, and the error on data without what lies before it."""
    falls = {
        _CUT: (memory.cut.fall, LIGHT.network, 2.6),
        **({} if memory.echo is None else {"echo in the state": (memory.echo, LIGHT.truth, 1.6)}),
        "gradient": (memory.gradient, LIGHT.other, 1.8),
    }
    curves = [
        Curve(of, colour, fall.lags, fall.values / (fall.values[0] or fall.values.max()), wide)
        for of, (fall, colour, wide) in falls.items()
        if fall.values.max() > 0
    ]
    last = _interesting(memory, int(memory.cut.fall.lags[-1]))
    shown = [curve for curve in curves if curve.of != _CUT or memory.cut.fall.values[0] > 0]
    top = min(max((float(curve.y.max()) for curve in shown), default=1.0), 2.0)
    falling = panel(
        shown,
        Axis("steps back", log=False, limits=(0, last)),
        Axis("share of lag 0", limits=(0.0, top * 1.04)),
        title="how each measure falls (dashed: 1/e)",
        across=1 / np.e,
    )
    ends = np.array([0, last])
    errors = [
        Curve(_CUT, LIGHT.network, memory.cut.fall.lags, kind.errors(memory.cut.rmse), 2.6),
        Curve(kind.untrained, LIGHT.baseline, ends, np.full(2, kind.errors(memory.cut.reference))),
    ]
    judged = panel(
        errors,
        Axis("steps before the origin that are left", limits=(0, last)),
        Axis(kind.error),
        title=f"error on the data, {memory.cut.origins} origins (dashed: with the whole past)",
        across=float(kind.errors(memory.cut.whole)),
    )
    keys = charts.keys(
        {_CUT: LIGHT.network} | {curve.of: curve.colour for curve in shown} | {kind.untrained: LIGHT.baseline}
    )
    says = _memory_says(memory, kind)
    return Figure("memory", "How far back it remembers", says, (falling, judged), keys, columns=2)


def _memory_says(memory: Memory, kind: AnswerKind) -> str:
    """Say what memory length is, and what of the measures there is."""
    echo = (
        _echo_says(None)
        if memory.echo is None
        else "The echo: how far apart states are that were disturbed at one step."
    )
    before = (
        "the network reads no more than so many steps before the origin"
        if memory.echo is None
        else "the state is zero so many steps before the origin"
    )
    return (
        f"Memory length is the lag at which a measure has fallen to 1/e of what it is at lag 0. {echo} The gradient: "
        f"how much the {kind.name} depends on what was read so long ago. The cut: what it adds to the error on the "
        f"data ({kind.added}) if {before}. All of them are of the network; what the reference remembers is left out."
    )


def _interesting(memory: Memory, longest: int) -> int:
    """Lags that are drawn: four times the longest memory length, so that its fall can be seen."""
    lengths = [fall.length for fall in (memory.cut.fall, memory.echo, memory.gradient) if fall is not None]
    wanted = max((longest if length is None else 4 * length for length in lengths), default=longest)
    return min(max(wanted, 24), longest)


def _sentences(memory: Memory, system: System) -> tuple[str, ...]:
    return (
        _cut_says(memory.cut, system.kind),
        f"{_echo_says(memory.echo)} {_gradient_says(memory.gradient, system.kind)}",
    )


def _numbers(memory: Memory | None) -> dict[str, Any]:
    if memory is None:
        return {}
    lengths = {
        "data": memory.cut.fall.length,
        "echo": None if memory.echo is None else memory.echo.length,
        "gradient": memory.gradient.length,
        "walked": memory.cut.fall.walked,
    }
    return {"memory_steps": lengths, "found": {"memory": memory}}


SECTION: Section[System, Memory] = Section(
    "memory",
    measure=memory_of,
    figures=lambda memory, system: (_memory_figure(memory, system.kind),),
    sentences=_sentences,
    numbers=_numbers,
    headline=lambda memory, system, network, series: headline(memory.cut, system.kind, network, series),
)
