"""The pretrained network on one series, a row at a time, compiled: bank, LSTM and decoder without a call of torch.

The equations are those of `network.pretrained`, in single precision as there; the products are a BLAS's.
"""

from __future__ import annotations

from math import exp, isnan, log
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from forecast.network.compiled import bank, cached
from forecast.network.compiled.loops import sigmoid, tanh
from forecast.network.pretrained import ALWAYS_THE_SAME, FARTHEST, GAPS, LEVELS, MEDIAN, PLAIN, WIDER, place_in_horizon
from forecast.reference.smoothers import CANDIDATES, FEATURES, LEAST_ERROR

if TYPE_CHECKING:
    from torch import Tensor, nn

    from forecast.network.pretrained import PretrainedNetwork
    from forecast.network.pretrained import State as NetworkState
    from forecast.reference.bank import Bank
    from forecast.reference.encoding import Float32Array

_GAPS = GAPS.numpy()
_FAST = {"reassoc", "contract", "nsz", "arcp", "afn"}
_NEURAL, _PLAIN, _WIDER = np.float32(1 - PLAIN), np.float32(PLAIN), np.float32(WIDER)
_FARTHEST = np.float32(FARTHEST)


class Encoder(NamedTuple):
    """Weights as torch has them, (output, input), their biases; and the state, which each step overwrites."""

    encoder: Float32Array
    encoder_bias: Float32Array
    inputs: Float32Array
    hidden: Float32Array
    bias: Float32Array
    state: Float32Array
    state_bias: Float32Array
    h: Float32Array
    c: Float32Array
    context: Float32Array


class Decoder(NamedTuple):
    """Weights (input, output), and their biases; `place` is what the place in the horizon adds, (horizon, width)."""

    candidates: Float32Array
    place: Float32Array
    middle: Float32Array
    middle_bias: Float32Array
    last: Float32Array
    last_bias: Float32Array


class SingleSeries:
    """The network after some rows of a series whose bank is grown; it takes a row at a time.

    Attributes
    ----------
    quantiles : (horizon, level) of the next steps, at `LEVELS`; the next row overwrites them

    """

    def __init__(
        self, network: PretrainedNetwork, of: Bank, state: NetworkState, context: Tensor, horizon: int
    ) -> None:
        """Go on from a bank of one series, the state of the LSTM, (1, 1, hidden) twice, and the context, (1, width)."""
        self._bank = bank.state_of(of, horizon)
        self._encoder, self._decoder = _encoder_of(network, state, context), _decoder_of(network, horizon, of.season)
        self._features, self._candidates = np.empty(FEATURES), np.empty((horizon, CANDIDATES))
        self.quantiles = np.empty((horizon, len(LEVELS)))
        bank.candidates(self._bank, self._candidates)
        _decode(self._decoder, self._bank, self._encoder.context, self._candidates, self.quantiles)

    def update(self, y: float, *, observed: bool) -> None:
        """Read a value, and forecast; one that is not observed may be anything finite."""
        _step(self._bank, self._encoder, self._decoder, y, observed, self._features, self._candidates, self.quantiles)

    def put_back(self, into: Bank) -> tuple[tuple[Float32Array, Float32Array], Float32Array]:
        """Let a bank stand where this one does; copies of the LSTM's state and of the context."""
        bank.put_back(self._bank, into)
        h, c, context = self._encoder.h, self._encoder.c, self._encoder.context
        return (h.reshape(1, 1, -1).copy(), c.reshape(1, 1, -1).copy()), context.reshape(1, -1).copy()


def _encoder_of(network: PretrainedNetwork, state: NetworkState, context: Tensor) -> Encoder:
    rnn: Any = network.rnn
    parts = [*_parts(network.encoder), rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0 + rnn.bias_hh_l0]
    parts += [*_parts(network.state), *(part.reshape(-1) for part in (*state, context))]
    return Encoder(*(part.detach().numpy().copy() for part in parts))


def _decoder_of(network: PretrainedNetwork, horizon: int, season: int) -> Decoder:
    """Put the three last layers side by side, and biases that are always added with each other."""
    weight, bias = _parts(network.candidates)
    place = place_in_horizon(horizon, season) @ network.place.weight.T + bias
    middle, middle_bias = _parts(network.middle)
    last, last_bias = ([*of] for of in zip(*map(_parts, (network.weights, network.trust, network.spread)), strict=True))
    columns = np.concatenate([part.detach().T.numpy() for part in last], axis=1)
    biases = np.concatenate([part.detach().numpy() for part in last_bias])
    rest = [np.ascontiguousarray(part.detach().numpy()) for part in (weight.T, place, middle.T, middle_bias)]
    return Decoder(*[*rest, columns, biases])


def _parts(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    return layer.weight, layer.bias


@cached(error_model="numpy")
def _step(  # noqa: PLR0917  # numba takes no keywords
    s: bank.State, e: Encoder, d: Decoder, y: Any, observed: Any, features: Any, candidates: Any, quantiles: Any
) -> None:
    """All of a row in one call: handing over so many arrays takes 5 us."""
    bank.update(s, y, observed, features)
    _encode(e, features)
    bank.candidates(s, candidates)
    _decode(d, s, e.context, candidates, quantiles)


@njit(error_model="numpy", fastmath=_FAST)
def _encode(e: Encoder, features: Any) -> None:
    """Do a step of the LSTM, and write what the decoder reads as `context`."""
    hidden, size = len(e.h), len(features)
    read = np.empty(hidden + size, np.float32)  # [encoded, features]
    for k in range(size):
        read[hidden + k] = features[k]
    inner = np.dot(e.encoder, read[hidden:])
    inner += e.encoder_bias
    for k in range(hidden):
        inner[k] = tanh(inner[k])
    gates = np.dot(e.inputs, inner)
    gates += np.dot(e.hidden, e.h)
    gates += e.bias
    i, f, g, o = gates[:hidden], gates[hidden : 2 * hidden], gates[2 * hidden : 3 * hidden], gates[3 * hidden :]
    h, c = e.h, e.c
    for k in range(hidden):
        c[k] = sigmoid(f[k]) * c[k] + sigmoid(i[k]) * tanh(g[k])
        h[k] = sigmoid(o[k]) * tanh(c[k])
    read[:hidden] = h
    e.context[:] = np.dot(e.state, read) + e.state_bias


@cached(error_model="numpy", fastmath=_FAST)
def _decode(d: Decoder, s: bank.State, context: Any, candidates: Any, out: Any) -> None:
    """Quantiles in the target's unit, (horizon, level), as `PretrainedNetwork.quantiles`."""
    counts, last, unit = s.counts, s.last[0], s.counts[bank.UNIT]
    horizon, count = candidates.shape
    differences, shrunk = np.empty((horizon, count), np.float32), np.empty((horizon, count), np.float32)
    _scale(candidates, last, unit, differences, shrunk)
    errors, likely, nothing = np.empty((2, count), np.float32), np.empty(count, np.float32), np.zeros_like(context)
    for i in range(2):
        for k in range(count):
            errors[i, k] = min(max(log(s.path_error[i, k] / unit + LEAST_ERROR), -8.0), 8.0)
    likely[:] = np.float32(-2) * errors[0]
    _softmax(likely)
    read = np.dot(shrunk, d.candidates)
    for h in range(horizon):
        _silu(read[h], d.place[h], context)
    z = np.dot(read, d.middle)
    for h in range(horizon):
        _silu(z[h], d.middle_bias, nothing)
    free = np.dot(z, d.last) + d.last_bias
    width = unit if counts[bank.CHANGES] != 0 or counts[bank.SEEN] < ALWAYS_THE_SAME else 0.0
    for h in range(horizon):
        _weigh(differences[h], free[h], errors, likely, out[h])
        for k in range(len(LEVELS)):
            out[h, k] = last + width * out[h, k]


@njit(error_model="numpy", fastmath=_FAST)
def _scale(candidates: Any, last: Any, unit: Any, differences: Any, shrunk: Any) -> None:
    """Free candidates of level and unit; of their differences to the last value also sign(d) log(1 + |d|)."""
    for h in range(len(candidates)):
        row, out, small = candidates[h], differences[h], shrunk[h]
        for k in range(len(row)):
            apart = np.float32(min(max((row[k] - last) / unit, -_FARTHEST), _FARTHEST))
            out[k] = np.float32(0.0) if isnan(row[k]) else apart
        for k in range(len(row)):
            far = log(np.float32(1.0) + abs(out[k]))
            small[k] = far if out[k] >= 0 else -far


@njit(error_model="numpy", fastmath=_FAST)
def _weigh(differences: Any, free: Any, errors: Any, likely: Any, out: Any) -> None:
    """Quantiles of one step ahead in units from the last value; `free` are weights, trust and spread, (output,)."""
    count, plain = len(differences), differences[-1]
    scale = np.float32(0.3) + exp(errors[0, count - 1])
    trust, trust_recent = np.float32(4) * free[count], np.float32(4) * free[count + 1]
    weights, spread, mean, of_mean, of_recent = free[:count], free[count + 2 :], np.float32(0), errors[0], errors[1]
    for k in range(count):
        scale += likely[k] * abs(differences[k] - plain)
    for k in range(count):
        weights[k] -= trust * of_mean[k] + trust_recent * of_recent[k]
    _softmax(weights)
    for k in range(count):
        mean += weights[k] * differences[k]
    median = mean + scale * tanh(np.float32(0.3) * spread[MEDIAN])
    low = high = out[MEDIAN] = _NEURAL * median + _PLAIN * plain
    for k in range(1, MEDIAN + 1):
        gap = _WIDER * scale * _GAPS[MEDIAN - k]
        low -= gap * exp(min(max(spread[MEDIAN - k], np.float32(-7)), np.float32(5)))
        high += gap * exp(min(max(spread[MEDIAN + k], np.float32(-7)), np.float32(5)))
        out[MEDIAN - k], out[MEDIAN + k] = low, high


@njit(error_model="numpy", fastmath=_FAST)
def _softmax(x: Any) -> None:
    most, total = np.float32(-np.inf), np.float32(0)
    for k in range(len(x)):
        most = max(most, x[k])
    for k in range(len(x)):
        x[k] = exp(x[k] - most)
    for k in range(len(x)):
        total += x[k]
    for k in range(len(x)):
        x[k] /= total


@njit(error_model="numpy", fastmath=_FAST)
def _silu(x: Any, bias: Any, context: Any) -> None:
    """SiLU of x + bias + context, in place, (width,) each."""
    for k in range(len(x)):
        a = x[k] + bias[k] + context[k]
        x[k] = a * sigmoid(a)
