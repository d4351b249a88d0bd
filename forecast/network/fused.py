"""torch's GRU and RNN with compiled layers where these are faster; parameters, numbers and interface are torch's."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional

AVAILABLE = find_spec("numba") is not None
"""Whether the extra `[fast]` is installed."""

_LARGEST_WORK = 64 * 64 * 64
"""lanes x hidden units squared, a step's work, above which torch's many calls no longer cost more than they do."""


class FusedGru(nn.GRU):
    """A GRU, batches first, unidirectional."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # noqa: A002
        """(lane, step, input), (layer, lane, hidden) -> (lane, step, hidden), (layer, lane, hidden)."""
        if hx is None or not _pays(self, input):
            return super().forward(input, hx)
        return _stacked(self, input, hx)


class FusedRnn(nn.RNN):
    """An RNN with tanh or ReLU, batches first, unidirectional."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # noqa: A002
        """(lane, step, input), (layer, lane, hidden) -> (lane, step, hidden), (layer, lane, hidden)."""
        if hx is None or not _pays(self, input):
            return super().forward(input, hx)
        return _stacked(self, input, hx)


class SigmoidRnn(nn.RNN):
    """An RNN with the logistic function, batches first, unidirectional: h_t = sigma(W x_t + U h_{t-1} + b).

    As sigma(a) = (tanh(a / 2) + 1) / 2, it is a network with tanh in other units, g = 2 h - 1: with W / 2, U / 4 and
    b / 2 + U 1 / 4. So it runs in the same kernels.
    """

    def forward(self, input: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # noqa: A002
        """(lane, step, input), (layer, lane, hidden) -> (lane, step, hidden), (layer, lane, hidden)."""
        outputs, last = input, []
        for layer in range(self.num_layers):
            own_weight, weight, own_bias, bias = _layer_weights(self, layer)
            g, end = self._in_other_units(
                outputs,
                (2 * hx[layer] - 1)[None],
                (own_weight / 2, weight / 4, own_bias / 2, bias / 2 + weight.sum(dim=1) / 4),
            )
            outputs = (g + 1) / 2
            last.append((end[0] + 1) / 2)
            if layer + 1 < self.num_layers:
                outputs = functional.dropout(outputs, self.dropout, training=self.training)
        return outputs, torch.stack(last)

    def _in_other_units(self, x: Tensor, g0: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """One layer with tanh, (lane, step, input), (1, lane, hidden) -> (lane, step, hidden), (1, lane, hidden)."""
        if _pays(self, x):
            from forecast.network.kernels import RnnLayer  # noqa: PLC0415

            own_weight, weight, own_bias, bias = weights
            own = functional.linear(x.transpose(0, 1), own_weight, own_bias)
            g = RnnLayer.apply(own, weight, bias, g0[0], False)  # type: ignore[no-untyped-call]
            return g.transpose(0, 1), g[-1:]
        g, end = torch._VF.rnn_tanh(x, g0, weights, True, 1, 0.0, self.training, False, True)
        return g, end


def _layer_weights(core: nn.RNNBase, layer: int) -> tuple[Tensor, ...]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return tuple(getattr(core, f"{name}_l{layer}") for name in names)


def _pays(core: nn.RNNBase, x: Tensor) -> bool:
    """Whether the compiled layers can be used (numba, single precision, a CPU) and win (small, several steps)."""
    small = x.shape[0] * core.hidden_size**2 <= _LARGEST_WORK and x.shape[1] > 1
    return AVAILABLE and small and x.dtype == torch.float32 and x.device.type == "cpu"


def _stacked(core: nn.GRU | nn.RNN, x: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
    # numba takes most of a second to import; opening a run or an LSTM does without it.
    from forecast.network.kernels import GruLayer, RnnLayer  # noqa: PLC0415

    outputs, last = x.transpose(0, 1), []
    for layer in range(core.num_layers):
        own_weight, weight, own_bias, bias = _layer_weights(core, layer)
        own = functional.linear(outputs, own_weight, own_bias)
        if isinstance(core, nn.GRU):
            outputs = GruLayer.apply(own, weight, bias, h0[layer])  # type: ignore[no-untyped-call]
        else:
            outputs = RnnLayer.apply(own, weight, bias, h0[layer], core.nonlinearity == "relu")  # type: ignore[no-untyped-call]
        last.append(outputs[-1])
        if layer + 1 < core.num_layers:
            outputs = functional.dropout(outputs, core.dropout, training=core.training)
    return outputs.transpose(0, 1), torch.stack(last)
