"""torch's LSTM, GRU and RNN with compiled layers where these are faster; parameters, numbers, interface are torch's.

Those of `kernels` (GRU, RNN) have a gradient; that of `walks` (LSTM) has none: it is for few lanes in use.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional

AVAILABLE = find_spec("numba") is not None
"""Whether the extra `[fast]` is installed."""

_LARGEST_WORK = 64 * 64 * 64
"""lanes x hidden units squared, a step's work, above which torch's many calls no longer cost more than they do."""

_LARGEST_WALK = 2 * 64 * 64
"""The same of a walk without gradient. Microseconds a step of an LSTM, compiled and torch's: 1.6 and 2.6 (1 lane, 64
units), 2.7 and 3.1 (2 lanes), 4.7 and 4.4 (4 lanes); 3.1 and 3.2 (8 lanes, 32 units), 13.7 and 11.2 (32 lanes)."""

_STEPS_THAT_PAY = 300_000
"""Steps of lanes that an LSTM has walked, trained on or not, before numba is loaded for it.

Loading takes 0.6 s (import and kernels from their cache), as much as so many steps save: who has gone that far is
likely to go on, and who has not loses nothing, as the default command would.
"""


class FusedLstm(nn.LSTM):
    """An LSTM, batches first, unidirectional.

    Attributes
    ----------
    walked : steps of lanes so far

    """

    walked = 0

    def forward(  # type: ignore[override]
        self,
        input: Tensor,  # noqa: A002
        hx: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(lane, step, input), (layer, lane, hidden) twice -> (lane, step, hidden), (layer, lane, hidden) twice."""
        self.walked += input.shape[0] * input.shape[1]
        if hx is None or self.walked < _STEPS_THAT_PAY or not _walks(self, input):
            outputs, after = super().forward(input, hx)
            return outputs, after
        from forecast.network.walks import lstm_layer  # noqa: PLC0415

        outputs, last = input.transpose(0, 1), []
        for layer in range(self.num_layers):
            outputs, c = lstm_layer(outputs, _layer_weights(self, layer), hx[0][layer], hx[1][layer])
            last.append((outputs[-1], c))
            outputs = _between(self, outputs, layer)
        h, c = (torch.stack(part) for part in zip(*last, strict=True))
        return outputs.transpose(0, 1), (h, c)


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
            outputs = _between(self, outputs, layer)
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


def _walks(core: nn.RNNBase, x: Tensor) -> bool:
    """Whether the compiled walk can be used, which knows no gradient, and wins (very small)."""
    small = x.shape[0] * core.hidden_size**2 <= _LARGEST_WALK
    return small and not torch.is_grad_enabled() and _pays(core, x)


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
        outputs = _between(core, outputs, layer)
    return outputs.transpose(0, 1), torch.stack(last)


def _between(core: nn.RNNBase, outputs: Tensor, layer: int) -> Tensor:
    """Silence some outputs of a layer that is not the last, while training."""
    if layer + 1 == core.num_layers:
        return outputs
    return functional.dropout(outputs, core.dropout, training=core.training)
