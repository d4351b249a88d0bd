"""What the hidden units of a network did on a span of a series: their outputs and gates at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from forecast.network.cells import Recurrent
from forecast.network.mingru import MinGru
from forecast.network.trace import trace
from forecast.series.panel import window_rows

if TYPE_CHECKING:
    from forecast.network.inputs import NetworkInputs
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.series.panel import FloatArray, IntArray

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
def activity_by_walk(network: Network, inputs: NetworkInputs, start: int, rows: IntArray) -> Activity:
    """Carry the state from row `start`, the first of a series, over the rows after it; `rows` are the last of them."""
    state = network.initial_state(1)
    for first in range(start, int(rows[0]), _STEPS_AT_ONCE):
        before = np.arange(first, min(first + _STEPS_AT_ONCE, int(rows[0])))
        _, state = network.features(*_read(network, inputs, before[None]), state)
    return _seen(network, *_read(network, inputs, rows[None]), state, step=slice(None))


@torch.no_grad()
def activity_by_windows(network: Network, inputs: NetworkInputs, context_steps: int, rows: IntArray) -> Activity:
    """Run each window that ends at one of the rows; what is seen is its last step."""
    parts = []
    for first in range(0, len(rows), _WINDOWS):
        window = window_rows(rows[first : first + _WINDOWS], context_steps)
        state = network.initial_state(len(window))
        if state and context_steps > 1:  # what reads both ways carries none, and has to be handed the whole window
            _, state = network.features(*_read(network, inputs, window[:, :-1]), state)
            window = window[:, -1:]
        parts.append(_seen(network, *_read(network, inputs, window), state, step=slice(-1, None)))
    gates = {name: np.concatenate([part.gates[name] for part in parts]) for name in parts[0].gates}
    return Activity(np.concatenate([part.outputs for part in parts]), gates, parts[0].layer)


def _read(network: Network, inputs: NetworkInputs, rows: IntArray) -> tuple[Tensor, Tensor]:
    """Inputs at some rows, and the numbers of their series, (lane, step, ...)."""
    x = torch.from_numpy(inputs.at(rows)).to(network.device)
    return x, inputs.series_of(rows).to(network.device)


def _seen(network: Network, x: Tensor, series: Tensor, state: State, step: slice) -> Activity:
    """Look at some steps of all lanes, one after the other."""
    seen = trace(network, x, series, state) if _has_cells(network) else None
    if seen is None:
        features, _ = network.features(x, series, state)
        outputs = _flat(features[:, step])
        return Activity(outputs, {}, np.ones(outputs.shape[1], dtype=np.int64))
    h = torch.cat([seen.outputs[:, step, :-1].flatten(2), seen.features[:, step]], dim=2)
    gates = {name: _flat(gate[:, step]) for name, gate in seen.gates.items()}
    return Activity(_flat(h), gates, np.repeat(np.arange(1, seen.outputs.shape[2] + 1), seen.outputs.shape[3]))


def _has_cells(network: Network) -> bool:
    """Whether there are cells whose outputs and gates are known."""
    return any(isinstance(module, (Recurrent, MinGru)) for module in network.modules())


def _flat(part: Tensor) -> FloatArray:
    """(lane, step, ...) -> (lane * step, unit)."""
    return part.flatten(0, 1).flatten(1).cpu().numpy().astype(np.float64)
