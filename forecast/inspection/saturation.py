"""How much of a network is saturated: gates that stand open or shut, activations at their ends, units that are off.

What is saturated passes no gradient on, or (a gate that stands open) all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from forecast.network.compiled.modules import SigmoidRnn
from forecast.network.trace import Trace, trace
from forecast.network.wrappers import Patched

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.training.batches import Batch

SHUT, OPEN = 0.05, 0.95
"""A gate below or above stands shut or open."""
AT_END = 0.97
"""An activation between -1 and 1 that is larger than this stands at its end."""


@torch.no_grad()
def saturation(network: Network, batch: Batch, state: State) -> dict[str, float]:
    """Shares of all lanes, steps and units, by what they are of.

    Of each gate `<gate> shut` (below 0.05) and `<gate> open` (above 0.95); of what lies between -1 and 1 (candidates,
    the state of an RNN with tanh and of a GRU, tanh of an LSTM's cell) how much is beyond 0.97, `<what> at its end`; of
    an RNN with ReLU the `units off` (zero).
    """
    traced = trace(network, batch.x, batch.series, state)
    shares = {}
    for name, gate in traced.gates.items():
        if name == "candidate":
            shares["candidate at its end"] = _share(gate.abs() > AT_END)
        else:
            shares[f"{name} gate shut"] = _share(gate < SHUT)
            shares[f"{name} gate open"] = _share(gate > OPEN)
    return shares | _of_state(network, traced)


def _of_state(network: Network, traced: Trace) -> dict[str, float]:
    segmented = isinstance(network.backbone, Patched)
    bare = network.backbone.inner if isinstance(network.backbone, Patched) else network.backbone
    core = getattr(bare, "core", None)
    parts = traced.states[1:] if segmented else traced.states
    if isinstance(core, nn.LSTM):
        return {"cell at its end": _share(torch.tanh(parts[1]).abs() > AT_END)}
    if isinstance(core, SigmoidRnn):  # between 0 and 1
        return {"state at its end": _share((2 * parts[0] - 1).abs() > AT_END)}
    if isinstance(core, nn.RNN) and core.nonlinearity == "relu":
        return {"units off": _share(parts[0] == 0)}
    return {"state at its end": _share(parts[0].abs() > AT_END)} if isinstance(core, (nn.RNN, nn.GRU)) else {}


def _share(which: torch.Tensor) -> float:
    return float(which.double().mean())
