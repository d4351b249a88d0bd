"""torch's LSTM, GRU and RNN with compiled layers where these are faster; parameters, numbers, interface are torch's.

Those of `kernels` have a gradient; that of `walks` (LSTM) has none: it is for few lanes in use.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    Weights: TypeAlias = tuple[Tensor, ...]
    Layer: TypeAlias = Callable[..., tuple[Tensor, ...]]

AVAILABLE = find_spec("numba") is not None
"""Whether the extra `[fast]` is installed."""

_LARGEST_WORK = 64 * 64 * 64
"""lanes x hidden units squared, a step's work, above which torch gains more by a second thread, where it has one."""

_LARGEST_LAYER = 128
"""Units of a layer up to which that is so with one thread: of an LSTM's training a compiled step takes 0.7 to 0.86 of
torch's time with 64 units (8 to 256 lanes), 0.8 to 0.96 with 128, as much or half as much more with 256."""

_LARGEST_WALK = 2 * 64 * 64
"""A step's work up to which an LSTM walks compiled without a gradient.

Microseconds a step, compiled and torch's: 1.6 and 2.6 (1 lane, 64 units), 2.7 and 3.1 (2 lanes), 4.7 and 4.4 (4 lanes);
3.1 and 3.2 (8 lanes, 32 units), 13.7 and 11.2 (32 lanes).
"""

_STEPS_THAT_PAY = 600_000
"""Steps of lanes that an LSTM has walked, trained on or not, or has before it for certain, when numba is loaded for it.

Loading takes 0.6 s (import and kernels from their cache), as much as so many steps save: who has gone that far is
likely to go on, and who has not loses nothing, as the default command would.
"""


class _Compiled:
    """A GRU or an RNN with compiled layers from its first step on."""

    def forward(self: Any, input: Tensor, hx: Tensor | None = None, begins: Tensor | None = None) -> Any:  # noqa: A002
        """(lane, step, input), (layer, lane, hidden) -> (lane, step, hidden), (layer, lane, hidden); as an LSTM."""
        if hx is None or (begins is None and not self.compiled(input)):
            return super().forward(input, hx)  # type: ignore[misc]
        outputs, (h,) = _stacked(self, input, (hx,), self._layer(), begins)
        return outputs, h

    def compiled(self: Any, x: Tensor) -> bool:
        """Whether these inputs go through compiled layers."""
        return _pays(self, x)

    def resets(self, x: Tensor) -> bool:
        """Whether lanes of these inputs may begin anew at any step."""
        return self.compiled(x)


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
        begins: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(lane, step, input), (layer, lane, hidden) twice -> (lane, step, hidden), (layer, lane, hidden) twice.

        Where it `resets`, or did for the inputs that these are a part of, the state of a lane is zero before the step
        that `begins` (lane,) says, if it is one of these.
        """
        self.walked += input.shape[0] * input.shape[1]
        if hx is None or (begins is None and not self.compiled(input)):
            outputs, after = super().forward(input, hx)
            return outputs, after
        outputs, (h, c) = _stacked(self, input, hx, _lstm_layer(), begins)
        return outputs, (h, c)

    def compiled(self, x: Tensor) -> bool:
        """Whether these inputs go through compiled layers: with a gradient, or, very few lanes, without."""
        few = x.shape[0] * self.hidden_size**2 <= _LARGEST_WALK
        return self.walked >= _STEPS_THAT_PAY and (torch.is_grad_enabled() or few) and _pays(self, x)

    def resets(self, x: Tensor) -> bool:
        """Whether lanes of these inputs may begin anew at any step."""
        return torch.is_grad_enabled() and self.compiled(x)


def compile_from_now_on(network: nn.Module) -> None:
    """Let LSTMs use their compiled layers, however few steps they have walked."""
    for module in network.modules():
        if isinstance(module, FusedLstm):
            module.walked = max(module.walked, _STEPS_THAT_PAY)


def compile_for(network: nn.Module, steps: int) -> None:
    """Let LSTMs use their compiled layers from their first step on, if so many steps lie before them that it pays."""
    if steps >= _STEPS_THAT_PAY:
        compile_from_now_on(network)


class FusedGru(_Compiled, nn.GRU):  # type: ignore[misc]
    """A GRU, batches first, unidirectional."""

    def _layer(self) -> Layer:
        # numba takes most of a second to import; opening a run or a short training of an LSTM does without it.
        from forecast.network.kernels import gru_layer  # noqa: PLC0415

        return gru_layer


class FusedRnn(_Compiled, nn.RNN):  # type: ignore[misc]
    """An RNN with tanh or ReLU, batches first, unidirectional."""

    def _layer(self) -> Layer:
        from forecast.network.kernels import rnn_layer  # noqa: PLC0415

        return partial(rnn_layer, relu=self.nonlinearity == "relu")


class SigmoidRnn(_Compiled, nn.RNN):
    """An RNN with the logistic function, batches first, unidirectional: h_t = sigma(W x_t + U h_{t-1} + b).

    As sigma(a) = (tanh(a / 2) + 1) / 2, it is a network with tanh in other units, g = 2 h - 1: with W / 2, U / 4 and
    b / 2 + U 1 / 4. So it runs in the same kernels.
    """

    def forward(self, input: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # noqa: A002
        """(lane, step, input), (layer, lane, hidden) -> (lane, step, hidden), (layer, lane, hidden)."""
        outputs, (h,) = _stacked(self, input, (hx,), self._compiled if self.compiled(input) else self._plain)
        return outputs, h

    def resets(self, x: Tensor) -> bool:
        """A state of zero is another number in other units."""
        return False

    def _compiled(self, x: Tensor, weights: Weights, h0: Tensor) -> tuple[Tensor, Tensor]:
        from forecast.network.kernels import rnn_layer  # noqa: PLC0415

        g, end = rnn_layer(x, _in_other_units(weights), 2 * h0 - 1)
        return (g + 1) / 2, (end + 1) / 2

    def _plain(self, x: Tensor, weights: Weights, h0: Tensor) -> tuple[Tensor, Tensor]:
        other = _in_other_units(weights)
        g, end = torch._VF.rnn_tanh(x, (2 * h0 - 1)[None], other, True, 1, 0.0, self.training, False, False)
        return (g + 1) / 2, (end[0] + 1) / 2


def _in_other_units(weights: Weights) -> Weights:
    own, carried, own_bias, bias = weights
    return own / 2, carried / 4, own_bias / 2, bias / 2 + carried.sum(dim=1) / 4


Core: TypeAlias = FusedLstm | FusedGru | FusedRnn | SigmoidRnn


def _layer_weights(core: nn.RNNBase, layer: int) -> tuple[Tensor, ...]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return tuple(getattr(core, f"{name}_l{layer}") for name in names)


def _pays(core: nn.RNNBase, x: Tensor) -> bool:
    """Whether the compiled layers can be used (numba, single precision, a CPU) and win."""
    alone = torch.get_num_threads() == 1 and core.hidden_size <= _LARGEST_LAYER
    wins = x.shape[1] > 1 and (alone or x.shape[0] * core.hidden_size**2 <= _LARGEST_WORK)
    return AVAILABLE and wins and x.dtype == torch.float32 and x.device.type == "cpu"


def _lstm_layer() -> Layer:
    if torch.is_grad_enabled():
        from forecast.network.kernels import lstm_layer  # noqa: PLC0415

        return lstm_layer
    from forecast.network.walks import walked_lstm_layer  # noqa: PLC0415

    return walked_lstm_layer


def _stacked(
    core: nn.RNNBase, x: Tensor, state: tuple[Tensor, ...], layer: Layer, begins: Tensor | None = None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All layers; `x` (lane, step, input) -> outputs, and the state after the last step, (layer, lane, hidden) each."""
    outputs, last, resets = x.transpose(0, 1), [], () if begins is None else (begins,)
    for number in range(core.num_layers):
        outputs, *after = layer(outputs, _layer_weights(core, number), *(part[number] for part in state), *resets)
        last.append(after)
        outputs = _between(core, outputs, number)
    return outputs.transpose(0, 1), tuple(map(torch.stack, zip(*last, strict=True)))


def _between(core: nn.RNNBase, outputs: Tensor, layer: int) -> Tensor:
    """Silence some outputs of a layer that is not the last, while training."""
    if layer + 1 == core.num_layers:
        return outputs
    return functional.dropout(outputs, core.dropout, training=core.training)
