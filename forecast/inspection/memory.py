"""Memory length as one number: the lag at which a measure has fallen to 1/e of what it is at lag 0, from three sides.

Of the network alone, the reference's own path left out:

    echo      a disturbance of what the network reads at one step; how far apart the states are k steps later, with it
              and without it (root mean square over places in the data)
    gradient  norm of d forecast_t / d input_{t-k}, inputs in their units (root mean square over origins)
    cut       the state is zero before row t - k, so that the network reads k + 1 rows: how much larger that makes the
              forecast's error on the data, as the root of the mean squared error that is added

Where rises are asked for the gradient is that of the logit, and the mean squared error of a probability is its Brier
score. A network that reads a window from both of its ends carries no state in which anything could echo.

A leaky integrator h_t = a h_{t-1} + x_t has a^k in each of them, so a memory length of -1 / log a.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.inspection.answer import answer_of
from forecast.network.cpu import threads_for
from forecast.network.head import Level
from forecast.network.inference import head_on_cpu, states_by_windows
from forecast.network.trace import trace

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.network.state import State
    from forecast.series.panel import FloatArray, IntArray

SHARE = 1 / np.e
_PLACES = 16
_ORIGINS = 48
_COARSER = 1.12
"""From one lag to the next, where lags are many."""


@dataclass(frozen=True, eq=False)
class Fall:
    """How a measure falls with the lag.

    Attributes
    ----------
    lags, values : (lag,)
    length : smallest lag at which it is at most 1/e of its value at lag 0, or after its peak of its value there, for an
        echo or a gradient that begins at zero; None where it never is, 0 where there is nothing that could fall
    walked : the longest lag that was looked at
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

    Where rises are asked for errors are roots of Brier scores, and the reference is the base rate.

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
    above = values > SHARE * values[begin]
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
    places = np.unique(np.linspace(min(last, length // 3), last, _PLACES).astype(np.int64))
    rows = np.minimum(places[:, None] + np.arange(steps + 1), length - 1)
    x = torch.from_numpy(system.data.inputs.at(rows))
    disturbed = x.clone()
    disturbed[:, 0] += torch.from_numpy(_disturbance(system))
    state = network.initial_state(len(places)) if system.window_steps else system.reach(places - 1).state
    series = torch.zeros(rows.shape, dtype=torch.int64)
    with threads_for(len(places), network.backbone.feature_size):
        plain, other = (trace(network, read, series, state).states for read in (x, disturbed))
    return fall_of(np.arange(steps + 1), np.sqrt(np.mean(distance(plain, other) ** 2, axis=0)))


def distance(one: State, other: State) -> FloatArray:
    """Euclidean distance of states, each part (lane, step, ...), after each step, (lane, step)."""
    parts = [(a - b).flatten(2).double().square().sum(dim=2) for a, b in zip(one, other, strict=True)]
    apart: FloatArray = torch.stack(parts).sum(dim=0).sqrt().numpy()
    return apart


def _disturbance(system: System) -> FloatArray:
    """What one spread more at a step changes in what is read there, (input,): references are linear in the series."""
    values = np.full((2, system.warmup), system.centre)
    values[1, -1] += system.spread
    lanes = system.lanes(2)
    inputs = system.reading(lanes, system.made_up(values)).inputs.at
    flat, disturbed = inputs(np.array([system.warmup - 1, 2 * system.warmup - 1]))
    change: FloatArray = disturbed - flat
    return change


def gradient_of(system: System) -> Fall:
    """Follow the forecast's gradient back to each input; all examined horizon steps count."""
    steps, network, data = system.span, system.single.network, system.data
    chosen = np.unique(np.linspace(0, len(system.origins) - 1, _ORIGINS).astype(np.int64))
    rows = system.origins[chosen]
    # A window is read whole: what lies before the lags that are looked at belongs to it.
    read = rows[:, None] + np.arange(-(steps if system.window_steps is None else system.window_steps - 1), 1)
    x = torch.from_numpy(data.inputs.at(read)).requires_grad_()
    before = network.initial_state(len(rows)) if system.window_steps else system.reach(read[:, 0] - 1).state
    with threads_for(len(rows), network.backbone.feature_size):
        features, _ = network.features(x, torch.zeros(read.shape, dtype=torch.int64), before)
        raw = network.forecast(features[:, -1], data.inputs.known_ahead(rows, system.horizon))
        answer = answer_of(head_on_cpu(network), raw, data.level(rows) or _nowhere(raw))
        squares = np.zeros(read.shape)
        for step in system.steps:
            (slope,) = torch.autograd.grad(answer[:, step - 1].sum(), x, retain_graph=True)
            squares += (slope * network.input_unit).double().square().sum(dim=2).numpy()
    return fall_of(np.arange(steps + 1), np.sqrt(squares.mean(axis=0))[::-1][: steps + 1].copy())


def _nowhere(raw: torch.Tensor) -> Level:
    """A level for heads that do not ask for one."""
    return Level(raw.new_zeros(raw.shape[:-1]), raw.new_ones((len(raw), 1)))


def cut_of(system: System) -> Cut:
    """Cut the past off before each of some lags, on data; the lag of the memory length is found exactly."""
    rows = system.origins
    came = system.outcomes(rows)

    def error(forecast: FloatArray) -> float:
        return float(np.nanmean((forecast - came) ** 2))

    known: dict[int, float] = {}

    def added(lag: int) -> float:
        if lag not in known:
            reached = states_by_windows(system.single.network, system.data.inputs, lag + 1, rows)
            known[lag] = error(system.forecast_from(reached, rows))
        return float(np.sqrt(max(known[lag] - whole, 0.0)))

    whole = error(system.forecast_from(system.reach(rows), rows))
    for lag in _coarse_lags(system.span):
        added(lag)
    low, high = 0, next((lag for lag in sorted(known) if added(lag) <= SHARE * added(0)), None)
    if high is not None:
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
