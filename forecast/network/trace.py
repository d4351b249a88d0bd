"""What goes on inside a network while it reads: features, states and gates at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from forecast.network.cells import Recurrent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.network.network import Network
    from forecast.network.state import State


class Trace(NamedTuple):
    """What was inside.

    Attributes
    ----------
    features : (lane, step, feature)
    states : the parts of the state after each step, (lane, step, ...)
    gates : by name, each (lane, step, layer, hidden); an LSTM has `input`, `forget`, `output` and `candidate`, a GRU
        `reset`, `update` and `candidate`; no gates where the cell has none that are known

    """

    features: Tensor
    states: State
    gates: Mapping[str, Tensor]


def trace(network: Network, x: Tensor, series: Tensor, state: State) -> Trace:
    """Run over (lane, step, input), step by step; `series` is (lane, step), `state` what is carried in."""
    read = network.read(x, series)
    features, states = [], []
    carried = state
    for step in range(x.shape[1]):
        feature, carried = network.backbone(read[:, step : step + 1], carried)
        features.append(feature[:, 0])
        states.append(carried)
    parts = tuple(torch.stack(part, dim=1) for part in zip(*states, strict=True))
    return Trace(torch.stack(features, dim=1), parts, _gates(network, read, state, parts))


def _gates(network: Network, read: Tensor, state: State, states: State) -> dict[str, Tensor]:
    """Work gates out again, of what each layer read and carried: by the equations of `cells`."""
    backbone = network.backbone
    if not isinstance(backbone, Recurrent) or isinstance(backbone.core, nn.RNN):
        return {}
    core, layers = backbone.core, []
    before = torch.cat([state[0][:, None], states[0][:, :-1]], dim=1)  # (lane, step, layer, hidden)
    for layer in range(core.num_layers):
        own = read if layer == 0 else states[0][:, :, layer - 1]
        layers.append(_layer_gates(core, layer, own, before[:, :, layer]))
    return {name: torch.stack([gates[name] for gates in layers], dim=2) for name in layers[0]}


def _layer_gates(core: nn.RNNBase, layer: int, own: Tensor, before: Tensor) -> dict[str, Tensor]:
    weights = (getattr(core, f"{name}_l{layer}") for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh"))
    own_weight, own_bias, weight, bias = weights
    of_input = nn.functional.linear(own, own_weight, own_bias)
    of_state = nn.functional.linear(before, weight, bias)
    if isinstance(core, nn.LSTM):
        i, f, g, o = (of_input + of_state).chunk(4, dim=-1)
        opened = {"input": i, "forget": f, "output": o}
        return {**{name: torch.sigmoid(gate) for name, gate in opened.items()}, "candidate": torch.tanh(g)}
    size = core.hidden_size
    r, z = torch.sigmoid(of_input[..., : 2 * size] + of_state[..., : 2 * size]).chunk(2, dim=-1)
    n = torch.tanh(of_input[..., 2 * size :] + r * of_state[..., 2 * size :])
    return {"reset": r, "update": z, "candidate": n}
