"""Inner values of a network while it reads: features, states, outputs and gates of every cell at every step."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from forecast.network.cells import Recurrent
from forecast.network.compiled.modules import layer_weights
from forecast.network.mingru import MinGru

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from forecast.network.network import Network
    from forecast.network.state import State


class Trace(NamedTuple):
    """Inner values at every step.

    Attributes
    ----------
    features : (lane, step, feature)
    states : the parts of the state after each step, (lane, step, ...)
    outputs : h of every layer, (lane, step, layer, hidden), from the first to the last; no layers of unknown cells
    gates : by name, each (lane, step, layer, hidden); an LSTM has `input`, `forget`, `output` and `candidate`, a GRU
        `reset`, `update` and `candidate`, a minGRU `forget`, the share of h that it keeps; none where the cell has none

    """

    features: Tensor
    states: State
    outputs: Tensor
    gates: Mapping[str, Tensor]


class _Step(NamedTuple):
    """One call of a cell: its input, (lane, 1, input), and its state before and after."""

    x: Tensor
    before: State
    after: State


def trace(network: Network, x: Tensor, series: Tensor, state: State) -> Trace:
    """Run over (lane, step, input) from `state`, step by step; `series` is (lane, step).

    Only for networks that carry a state: a bidirectional one reads its window as a whole.
    """
    read = network.read(x, series)
    features, states = [], []
    carried = state
    with _recorded(network.backbone) as cells:
        for step in range(x.shape[1]):
            feature, carried = network.backbone(read[:, step : step + 1], carried)
            features.append(feature[:, 0])
            states.append(carried)
    parts = tuple(torch.stack(part, dim=1) for part in zip(*states, strict=True))
    seen = torch.stack(features, dim=1)
    each = [_layers(cell, steps) for cell, steps in cells]
    if not each:
        return Trace(seen, parts, seen.new_zeros(*seen.shape[:2], 0, 0), {})
    outputs = torch.cat([h for h, _ in each], dim=2)
    return Trace(seen, parts, outputs, {name: torch.cat([g[name] for _, g in each], dim=2) for name in each[0][1]})


@contextmanager
def _recorded(backbone: Any) -> Iterator[list[tuple[nn.Module, list[_Step]]]]:
    """Record the calls of every cell of a backbone, in the order of the layers, also inside stacks and patches.

    Each is called once a step if the backbone is called for one step at a time.
    """
    cells: list[tuple[nn.Module, list[_Step]]] = []
    handles = []
    for module in backbone.modules():
        if isinstance(module, (Recurrent, MinGru)):
            steps: list[_Step] = []
            cells.append((module, steps))
            handles.append(module.register_forward_hook(_recorder(steps)))
    try:
        yield cells
    finally:
        for handle in handles:
            handle.remove()


def _recorder(steps: list[_Step]) -> Any:
    def record(_: nn.Module, arguments: tuple[Tensor, State], results: tuple[Tensor, State]) -> None:
        steps.append(_Step(arguments[0], arguments[1], results[1]))

    return record


def _layers(cell: nn.Module, steps: Sequence[_Step]) -> tuple[Tensor, dict[str, Tensor]]:
    """Outputs of the layers of a cell, (lane, step, layer, hidden), and gates, by the equations in `cells`."""
    inputs = torch.cat([step.x for step in steps], dim=1)  # (lane, step, input)
    before, after = (torch.stack(part, dim=1) for part in zip(*((s.before[0], s.after[0]) for s in steps), strict=True))
    if isinstance(cell, MinGru):
        update, _ = cell.gates(inputs).chunk(2, dim=-1)
        return after[:, :, None], {"forget": 1 - torch.sigmoid(update)[:, :, None]}
    if not isinstance(cell, Recurrent) or isinstance(cell.core, nn.RNN):
        return after, {}
    layers = []
    for layer in range(cell.core.num_layers):
        read = inputs if layer == 0 else after[:, :, layer - 1]
        layers.append(_layer_gates(cell.core, layer, read, before[:, :, layer]))
    return after, {name: torch.stack([gates[name] for gates in layers], dim=2) for name in layers[0]}


def _layer_gates(core: nn.RNNBase, layer: int, x: Tensor, h_before: Tensor) -> dict[str, Tensor]:
    """Gates of a layer, (lane, step, hidden) each."""
    w, u, b_in, b = layer_weights(core, layer)
    of_input = nn.functional.linear(x, w, b_in)  # W x_t + b, (lane, step, gate * hidden)
    of_state = nn.functional.linear(h_before, u, b)  # U h_{t-1} + b'
    if isinstance(core, nn.LSTM):
        i, f, g, o = (of_input + of_state).chunk(4, dim=-1)
        sigmoids = {"input": i, "forget": f, "output": o}
        return {**{name: torch.sigmoid(gate) for name, gate in sigmoids.items()}, "candidate": torch.tanh(g)}
    size = core.hidden_size
    r, z = torch.sigmoid(of_input[..., : 2 * size] + of_state[..., : 2 * size]).chunk(2, dim=-1)
    n = torch.tanh(of_input[..., 2 * size :] + r * of_state[..., 2 * size :])
    return {"reset": r, "update": z, "candidate": n}
