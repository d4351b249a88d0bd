"""What the hidden units of a network do on a span of a series: their outputs and gates, what they follow, their worth.

A unit follows the level of the series, the place in its season or its last change, whichever explains most of its
variance (R squared) by a straight line; for the season by a value for each of its phases, less what so many values
would explain of noise (adjusted R squared): a unit may follow the season ahead of it or behind, and in any shape.

A unit is switched off by holding its output at its mean over the span where the decoder reads it: what the unit
itself, or others by way of it, go on to remember is left as it is. Only units of the last layer are read there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from forecast.forecasters.strategies import read_forecasts
from forecast.inspection.answers import answer_kind
from forecast.network.cells import Recurrent
from forecast.network.inference import head_on_cpu
from forecast.network.mingru import MinGru
from forecast.network.trace import trace
from forecast.series.panel import window_rows

if TYPE_CHECKING:
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.network.inputs import NetworkInputs
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.series.panel import BoolArray, FloatArray, IntArray
    from forecast.training.data import NetworkData


_STEPS_AT_ONCE = 32_768
_WINDOWS = 128


class Activity(NamedTuple):
    """Outputs and gates of all units: of the first layer, of the second, ...; those of the last are what is decoded.

    Of a backbone whose cells are not known there is only what is decoded. Where layers are added up or normalised the
    last one's outputs are what comes of that.

    Attributes
    ----------
    outputs : (step, unit)
    gates : by name, each (step, unit)
    layer : (unit,) counted from 1

    """

    outputs: FloatArray
    gates: dict[str, FloatArray]
    layer: IntArray


@torch.no_grad()
def activity_by_unrolling(network: Network, inputs: NetworkInputs, start: int, rows: IntArray) -> Activity:
    """Outputs and gates at `rows` of a state that is carried there from row `start`, the first of their series."""
    state = network.initial_state(1)
    for first in range(start, int(rows[0]), _STEPS_AT_ONCE):
        before = np.arange(first, min(first + _STEPS_AT_ONCE, int(rows[0])))
        _, state = network.features(*_read(network, inputs, before[None]), state)
    return _activity(network, *_read(network, inputs, rows[None]), state, step=slice(None))


@torch.no_grad()
def activity_by_windows(network: Network, inputs: NetworkInputs, context_steps: int, rows: IntArray) -> Activity:
    """Outputs and gates at the last step of each window, which end at `rows`."""
    parts = []
    for first in range(0, len(rows), _WINDOWS):
        window = window_rows(rows[first : first + _WINDOWS], context_steps)  # (lane, step)
        state = network.initial_state(len(window))
        if state and context_steps > 1:  # what reads both ways carries none, and has to be handed the whole window
            _, state = network.features(*_read(network, inputs, window[:, :-1]), state)
            window = window[:, -1:]
        parts.append(_activity(network, *_read(network, inputs, window), state, step=slice(-1, None)))
    gates = {name: np.concatenate([part.gates[name] for part in parts]) for name in parts[0].gates}
    return Activity(np.concatenate([part.outputs for part in parts]), gates, parts[0].layer)


def _read(network: Network, inputs: NetworkInputs, rows: IntArray) -> tuple[Tensor, Tensor]:
    """Inputs at some rows, and the numbers of their series, (lane, step, ...)."""
    x = torch.from_numpy(inputs.at(rows)).to(network.device)
    return x, inputs.series_of(rows).to(network.device)


def _activity(network: Network, x: Tensor, series: Tensor, state: State, step: slice) -> Activity:
    """Outputs and gates at some steps of all lanes, one lane after the other."""
    traced = trace(network, x, series, state) if _has_cells(network) else None
    if traced is None:
        features, _ = network.features(x, series, state)
        outputs = _flat(features[:, step])
        return Activity(outputs, {}, np.ones(outputs.shape[1], dtype=np.int64))
    # (lane, step, layer, unit) but for the last layer, whose outputs are what the decoder reads
    h = torch.cat([traced.outputs[:, step, :-1].flatten(2), traced.features[:, step]], dim=2)
    gates = {name: _flat(gate[:, step]) for name, gate in traced.gates.items()}
    layers, units = traced.outputs.shape[2:]
    return Activity(_flat(h), gates, np.repeat(np.arange(1, layers + 1), units))


def _has_cells(network: Network) -> bool:
    """Whether there are cells whose outputs and gates are known."""
    return any(isinstance(module, (Recurrent, MinGru)) for module in network.modules())


def _flat(part: Tensor) -> FloatArray:
    """(lane, step, ...) -> (lane * step, unit)."""
    return part.flatten(0, 1).flatten(1).cpu().numpy().astype(np.float64)


def unit_name(layer: IntArray, unit: int) -> str:
    """Name a unit, where units are of these layers, (unit,): its number in its layer, and which of several that is.

    >>> unit_name(np.array([1, 1]), 1), unit_name(np.array([1, 1, 2, 2]), 2)
    ('unit 2', 'unit 1 of layer 2')
    """
    number = unit - int(np.flatnonzero(layer == layer[unit])[0]) + 1
    return f"unit {number}" if layer[-1] == 1 else f"unit {number} of layer {int(layer[unit])}"


Followed: TypeAlias = Literal["level", "season", "change", "nothing"]

FOLLOWED: tuple[Followed, ...] = get_args(Followed)

THRESHOLD = 0.5
"""Share of its variance from which on a unit is said to follow something."""

_STILL = 1e-6
"""What moves less than this, as a part of what it could, does not move: rounding has no variance to explain."""


@dataclass(frozen=True, eq=False)
class Following:
    """What units follow.

    Attributes
    ----------
    what : (unit,) of `FOLLOWED`
    fits : (unit, 3) shares of variance that level, season and change explain; NaN where a quantity says nothing
    peak : (unit,) the phase of the season at which each is highest, 0 where there is no season
    signs : (unit, 3) of the correlations with level and change, 0 in between
    silent : (unit,) whether it never moves

    """

    what: tuple[Followed, ...]
    fits: FloatArray
    peak: IntArray
    signs: FloatArray
    silent: BoolArray

    def order(self) -> IntArray:
        """Units by what they follow, each kind so that like stands by like, (unit,)."""
        best = np.nan_to_num(self.fits).max(axis=1)

        def place(unit: int) -> tuple[float, ...]:
            group = FOLLOWED.index(self.what[unit])
            if self.what[unit] == "nothing":
                return group, self.silent[unit], -best[unit]
            if self.what[unit] == "season":
                return group, self.peak[unit], -best[unit]
            return group, -self.signs[unit, group] * best[unit]

        return np.array(sorted(range(len(self.what)), key=place), dtype=np.int64)


def follow(outputs: FloatArray, level: FloatArray, change: FloatArray, phase: IntArray, size: float) -> Following:
    """Say what units follow: `outputs` (step, unit), level, last change and phase of the season (step,).

    `size` is that of the series' movements: a level or a change that moves next to nothing of it says nothing. Nor does
    a season of one step, or of which the span holds less than two.
    """
    silent = np.ptp(outputs, axis=0) <= _STILL * np.maximum(np.abs(outputs).max(axis=0), 1.0)
    fits, signs = np.full((outputs.shape[1], 3), np.nan), np.zeros((outputs.shape[1], 3))
    for column, quantity in ((0, level), (2, change)):
        if np.ptp(quantity) > _STILL * size:
            r = _correlations(outputs, quantity, silent)
            fits[:, column], signs[:, column] = r**2, np.sign(r)
    peak = np.zeros(outputs.shape[1], dtype=np.int64)
    phases = int(phase.max(initial=0)) + 1
    if phases > 1 and len(phase) >= 2 * phases:
        fits[:, 1], peak = _by_phase(outputs, phase, phases, silent)
    best = np.argmax(np.where(np.isnan(fits), -1.0, fits), axis=1)
    reached = fits[np.arange(len(fits)), best] >= THRESHOLD  # a NaN reaches nothing
    kinds = np.where(reached & ~silent, best, FOLLOWED.index("nothing"))
    return Following(tuple(FOLLOWED[kind] for kind in kinds.tolist()), fits, peak, signs, silent)


def _correlations(outputs: FloatArray, quantity: FloatArray, silent: BoolArray) -> FloatArray:
    """Pearson's correlation of each unit, 0 of one that is silent, (unit,)."""
    x, y = outputs - outputs.mean(axis=0), quantity - quantity.mean()
    sizes = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
    r: FloatArray = np.where(silent, 0.0, y @ x / np.where(silent, 1.0, sizes))
    return r


def _by_phase(outputs: FloatArray, phase: IntArray, phases: int, silent: BoolArray) -> tuple[FloatArray, IntArray]:
    """Adjusted share of variance between phases, and the phase at which each unit is highest; both (unit,)."""
    counts = np.bincount(phase, minlength=phases)
    sums = np.zeros((phases, outputs.shape[1]))  # (phase, unit)
    np.add.at(sums, phase, outputs)
    means = sums / counts[:, None]
    within = ((outputs - means[phase]) ** 2).sum(axis=0)
    whole = ((outputs - outputs.mean(axis=0)) ** 2).sum(axis=0)
    steps = len(outputs)
    # 1 - adjusted R squared = (within / whole) (n - 1) / (n - phases)
    unexplained = within / np.where(silent, 1.0, whole) * (steps - 1) / (steps - phases)
    return np.where(silent, 0.0, np.maximum(1 - unexplained, 0.0)), means.argmax(axis=0)


_MOST_ORIGINS = 200
"""Forecasts that a unit is switched off for, at most, evenly spread."""


@dataclass(frozen=True, eq=False)
class Effects:
    """Forecasts without some units, in the target's units, or in probabilities of a rise.

    Attributes
    ----------
    units : (unit,) those of the last layer, as numbered in the map; that which changes forecasts most comes first
    change : (unit,) by how much forecasts change, the mean absolute change over origins and horizon steps
    error : (unit,) mean absolute error of the forecasts without the unit, or Brier score of probabilities; NaN where
        nothing came that was observed
    error_of_all : the same of the whole network
    change_without_any, error_without_any : the same with all units of the last layer switched off at once
    origins : how many forecasts were made
    horizon : steps that each looks ahead

    """

    units: IntArray
    change: FloatArray
    error: FloatArray
    error_of_all: float
    change_without_any: float
    error_without_any: float
    origins: int
    horizon: int


def switch_off(fitted: FittedNetwork, data: NetworkData, activity: Activity, rows: IntArray) -> Effects:
    """Hold each unit of the last layer at its mean over some rows, one after the other, and forecast again."""
    horizon = fitted.reference.horizon
    units = np.flatnonzero(activity.layer == activity.layer[-1])
    places = np.arange(len(rows) - horizon)
    places = places[:: -(-len(places) // _MOST_ORIGINS)]  # (origin,) of the rows
    decoder = _Decoder(fitted, data, rows[places])
    outputs, mean = activity.outputs[places][:, units], activity.outputs[:, units].mean(axis=0)  # (origin, unit)
    whole, without_any = decoder.forecast(outputs), decoder.forecast(np.broadcast_to(mean, outputs.shape))
    change, error = np.empty(len(units)), np.empty(len(units))
    for i in range(len(units)):
        held = outputs.copy()
        held[:, i] = mean[i]
        without = decoder.forecast(held)
        change[i], error[i] = np.abs(without - whole).mean(), decoder.error(without)
    order = np.argsort(-change, kind="stable")
    return Effects(
        units=units[order],
        change=change[order],
        error=error[order],
        error_of_all=decoder.error(whole),
        change_without_any=float(np.abs(without_any - whole).mean()),
        error_without_any=decoder.error(without_any),
        origins=len(places),
        horizon=horizon,
    )


class _Decoder:
    """Forecasts from some rows, as a function of what the decoder reads of the units."""

    def __init__(self, fitted: FittedNetwork, data: NetworkData, rows: IntArray) -> None:
        network, horizon = fitted.network, fitted.reference.horizon
        self._network, self._head = network, head_on_cpu(network)
        self._kind = answer_kind(fitted)
        self._reference = fitted.reference.at(data.known, rows)
        self._scale = fitted.scale[data.known.series(rows)]
        known = data.inputs.known_ahead(rows, horizon)
        self._known = None if known is None else known.to(network.device)
        self._outcomes = fitted.problem.question.outcomes(data.past, rows, horizon)  # (origin, horizon)

    @torch.no_grad()
    def forecast(self, features: FloatArray) -> FloatArray:
        """(origin, feature) -> (origin, horizon)."""
        read = torch.from_numpy(features.astype(np.float32)).to(self._network.device)
        raw = self._network.forecast(read, self._known).cpu()
        return read_forecasts(self._head, raw, self._reference, self._scale).y_hat

    def error(self, forecast: FloatArray) -> float:
        """Mean absolute error, or Brier score, where the target was observed; NaN where it never was."""
        apart = np.abs(self._outcomes - forecast)[~np.isnan(self._outcomes)]
        return float(self._kind.absolute_error(apart).mean()) if len(apart) else float("nan")
