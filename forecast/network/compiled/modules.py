"""torch's LSTM, GRU and RNN with compiled layers where these are faster; parameters, numbers, interface are torch's.

This module imports no numba: that takes most of a second, and opening a run or a short training of an LSTM does
without.
"""

from __future__ import annotations

from functools import cache, partial
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
"""Units of a layer up to which that is so with one thread: of an LSTM's training a compiled step takes 0.7 to 0.91 of
torch's time with 64 units (4 to 256 lanes), 0.8 to 1.04 with 128, as much or half as much more with 256."""

_LARGEST_INFERENCE = 2 * 64 * 64
"""A step's work up to which an LSTM without a gradient is compiled.

Microseconds a step, compiled and torch's: 1.6 and 2.6 (1 lane, 64 units), 2.7 and 3.1 (2 lanes), 4.7 and 4.4 (4 lanes);
3.1 and 3.2 (8 lanes, 32 units), 13.7 and 11.2 (32 lanes).
"""

_STEPS_THAT_PAY = 300_000
"""Steps of all lanes for which an LSTM is compiled.

Loading numba takes 0.6 s, as much as 600,000 steps save, and a training takes about twice the epochs that it takes at
least. A network that is opened and asked for little at a time stays with torch's kernel, whose step of a single series
takes 1 us more: 10 ms of 10,000 rows.
"""


def compile_lstms(network: nn.Module, steps: int | None = None) -> None:
    """Let LSTMs use compiled layers from now on if that pays for so many steps; None: in any case."""
    if steps is None or steps >= _STEPS_THAT_PAY:
        for module in network.modules():
            if isinstance(module, FusedLstm):
                module.may_compile = True


@cache
def lstm_trains_faster() -> bool:
    """Whether a compiled step of an LSTM's training beats torch's kernel: not on AMD's processors, nor with AVX2 alone.

    With AVX2 it takes 1.0 to 1.7 of torch's time at 4 to 32 lanes of 32 or 64 units, as OpenBLAS has kernels for small
    products with AVX-512 alone; on an AMD EPYC with AVX-512 1.38. A rule, not a timing of both, which once would come
    out so and once so: the same seed has to give the same bits.
    """
    from llvmlite import binding  # noqa: PLC0415  # numba's, which is loaded next

    return torch.backends.cpu.get_cpu_capability() != "AVX2" and not binding.get_host_cpu_name().startswith("znver")


class _Compiled:
    """A GRU or an RNN with compiled layers."""

    def forward(self: Any, input: Tensor, hx: Tensor | None = None, resets: Tensor | None = None) -> Any:  # noqa: A002
        """(lane, step, input), (layer, lane, hidden) -> (lane, step, hidden), (layer, lane, hidden); as an LSTM."""
        if hx is None or (resets is None and not self.compiled(input)):
            return super().forward(input, hx)  # type: ignore[misc]
        outputs, (h,) = _run_layers(self, input, (hx,), self._layer(), resets)
        return outputs, h

    def compiled(self: Any, x: Tensor) -> bool:
        """Whether these inputs go through compiled layers."""
        return _pays(self, x)

    def can_reset(self, x: Tensor) -> bool:
        """Whether lanes of these inputs may be reset at any step."""
        return self.compiled(x)


class FusedLstm(nn.LSTM):
    """An LSTM, batches first, unidirectional.

    Attributes
    ----------
    may_compile : whether so many steps lie before it that loading numba pays

    """

    may_compile = False

    def forward(  # type: ignore[override]
        self,
        input: Tensor,  # noqa: A002
        hx: tuple[Tensor, Tensor] | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(lane, step, input), (layer, lane, hidden) twice -> (lane, step, hidden), (layer, lane, hidden) twice.

        Where it `can_reset`, or could for the inputs that these are a part of, the state of a lane is zero before the
        step in `resets` (lane,), if it is one of these.
        """
        if hx is None or (resets is None and not self.compiled(input)):
            outputs, after = super().forward(input, hx)
            return outputs, after
        outputs, (h, c) = _run_layers(self, input, hx, _lstm_layer(), resets)
        return outputs, (h, c)

    def compiled(self, x: Tensor) -> bool:
        """Whether these inputs go through compiled layers: with a gradient, or, few lanes, without."""
        if not self.may_compile or not _pays(self, x):
            return False
        few = x.shape[0] * self.hidden_size**2 <= _LARGEST_INFERENCE
        return lstm_trains_faster() if torch.is_grad_enabled() else few

    def can_reset(self, x: Tensor) -> bool:
        """Whether lanes of these inputs may be reset at any step."""
        return torch.is_grad_enabled() and self.compiled(x)


class FusedGru(_Compiled, nn.GRU):  # type: ignore[misc]
    """A GRU, batches first, unidirectional."""

    def _layer(self) -> Layer:
        from forecast.network.compiled.layers import gru_layer  # noqa: PLC0415

        return gru_layer


class FusedRnn(_Compiled, nn.RNN):  # type: ignore[misc]
    """An RNN with tanh or ReLU, batches first, unidirectional."""

    def _layer(self) -> Layer:
        from forecast.network.compiled.layers import rnn_layer  # noqa: PLC0415

        return partial(rnn_layer, relu=self.nonlinearity == "relu")


class SigmoidRnn(_Compiled, nn.RNN):
    """An RNN with the logistic function, batches first, unidirectional: h_t = sigma(W x_t + U h_{t-1} + b).

    As sigma(a) = (tanh(a / 2) + 1) / 2, it is an RNN with tanh whose output is g = 2 h - 1, with weights W / 2, U / 4
    and bias b / 2 + U 1 / 4. So it runs in the same kernels.
    """

    def forward(self, input: Tensor, hx: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # noqa: A002
        """(lane, step, input), (layer, lane, hidden) -> (lane, step, hidden), (layer, lane, hidden)."""
        outputs, (h,) = _run_layers(self, input, (hx,), self._compiled if self.compiled(input) else self._plain)
        return outputs, h

    def can_reset(self, x: Tensor) -> bool:
        """Never: h = 0 is g = -1, and compiled loops reset to zero."""
        return False

    def _compiled(self, x: Tensor, weights: Weights, h0: Tensor) -> tuple[Tensor, Tensor]:
        from forecast.network.compiled.layers import rnn_layer  # noqa: PLC0415

        g, end = rnn_layer(x, tanh_weights(weights), 2 * h0 - 1)
        return (g + 1) / 2, (end + 1) / 2

    def _plain(self, x: Tensor, weights: Weights, h0: Tensor) -> tuple[Tensor, Tensor]:
        of_g = tanh_weights(weights)
        g, end = torch._VF.rnn_tanh(x, (2 * h0 - 1)[None], of_g, True, 1, 0.0, self.training, False, False)
        return (g + 1) / 2, (end[0] + 1) / 2


def tanh_weights(weights: Weights) -> Weights:
    """Weights of g = 2 h - 1: W / 2, U / 4, b_in / 2, b / 2 + U 1 / 4."""
    w, u, b_in, b = weights
    return w / 2, u / 4, b_in / 2, b / 2 + u.sum(dim=1) / 4


Core: TypeAlias = FusedLstm | FusedGru | FusedRnn | SigmoidRnn


def layer_weights(core: nn.RNNBase, layer: int) -> Weights:
    """Torch's weights of a layer: W, (gate * hidden, input), U, (gate * hidden, hidden), and their biases."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return tuple(getattr(core, f"{name}_l{layer}") for name in names)


def _pays(core: nn.RNNBase, x: Tensor) -> bool:
    """Whether the compiled layers can be used (numba, single precision, a CPU) and win."""
    alone = torch.get_num_threads() == 1 and core.hidden_size <= _LARGEST_LAYER
    wins = x.shape[1] > 1 and (alone or x.shape[0] * core.hidden_size**2 <= _LARGEST_WORK)
    return AVAILABLE and wins and x.dtype == torch.float32 and x.device.type == "cpu"


def _lstm_layer() -> Layer:
    from forecast.network.compiled import layers  # noqa: PLC0415

    return layers.lstm_layer if torch.is_grad_enabled() else layers.lstm_inference_layer


def _run_layers(
    core: nn.RNNBase, x: Tensor, state: tuple[Tensor, ...], layer: Layer, resets: Tensor | None = None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All layers; `x` (lane, step, input) -> outputs, and the state after the last step, (layer, lane, hidden) each."""
    outputs, last, options = x.transpose(0, 1), [], () if resets is None else (resets,)  # (step, lane, input)
    for number in range(core.num_layers):
        outputs, *after = layer(outputs, layer_weights(core, number), *(part[number] for part in state), *options)
        last.append(after)
        if number + 1 < core.num_layers:
            outputs = functional.dropout(outputs, core.dropout, training=core.training)
    return outputs.transpose(0, 1), tuple(map(torch.stack, zip(*last, strict=True)))
