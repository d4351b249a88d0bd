"""Read-outs of single steps in numpy: a linear decoder with its head, and the probabilities of symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.network.ahead_reader import AheadReader
from forecast.network.decoders import DirectDecoder
from forecast.network.heads import CategoricalHead, PointHead

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import FloatArray


class LinearReadout:
    """Point forecasts that are linear in the features: differences to the reference in units of the series' scale."""

    def __init__(
        self,
        weight: Float32Array,
        bias: Float32Array,
        ahead: _DateReadout | None = None,
    ) -> None:
        """Take weights (horizon, feature) and bias (horizon,); `ahead` reads what is known ahead as well."""
        self._weight, self._bias = np.ascontiguousarray(weight.T), bias
        self.ahead = ahead

    def of_each(self, features: Float32Array, known: Float32Array | None = None) -> Float32Array:
        """(row, feature) -> (row, horizon); no bit of a row depends on how many rows there are.

        `known` is (row, horizon, known), what `ahead.known_of` gives of the steps ahead of each row.
        """
        points = _product_of_each(features, self._weight)
        points += self._bias
        if self.ahead is not None and known is not None:
            points += self.ahead.of_each(features, known)
        return points


class _DateReadout:
    """What a decoder reads of the date ahead: A(features) [u, tanh(B u + b)], the columns u of each step by itself."""

    def __init__(self, reader: AheadReader, factor: Float32Array) -> None:
        """Copy the weights; `factor` (horizon,) stands before the result."""
        parts = reader.weights.weight, reader.weights.bias, reader.curves.weight, reader.curves.bias
        weight, self._bias, curves, self._shift = (part.detach().cpu().numpy().copy() for part in parts)
        self._weight, self._curves = np.ascontiguousarray(weight.T), np.ascontiguousarray(curves.T)
        self._factor = factor

    def known_of(self, columns: Float32Array) -> Float32Array:
        """[u, tanh(B u + b)], (step, column) -> (step, known)."""
        curves = _product_of_each(columns, self._curves)
        curves += self._shift
        return np.concatenate([columns, np.tanh(curves)], axis=1)

    def of_each(self, features: Float32Array, known: Float32Array) -> Float32Array:
        """(row, feature) and (row, horizon, known) -> (row, horizon)."""
        weights = _product_of_each(features, self._weight)
        weights += self._bias
        points: Float32Array = np.matmul(known, weights[:, :, None])[:, :, 0]
        points *= self._factor
        return points


def _product_of_each(rows: Float32Array, weight: Float32Array) -> Float32Array:
    """(row, number) times (number, other): a product of its own for each row."""
    products: Float32Array = np.matmul(rows[:, None], weight)[:, 0]
    return products


def linear_readout(network: Network) -> LinearReadout | None:
    """Return the linear read-out of point forecasts; None where the decoder or the head is another."""
    linear, head = _linear(network, by_date=True), network.head
    if linear is None or not isinstance(head, PointHead):
        return None
    unit = head.unit.cpu().numpy()
    weight, bias = linear
    decoder = network.decoder
    reader = decoder.reader if isinstance(decoder, DirectDecoder) else None
    ahead = None if reader is None else _DateReadout(reader, unit * network.correction.cpu().numpy())
    return LinearReadout(weight * unit[:, None], bias * unit, ahead)


class SoftmaxReadout:
    """Probabilities of symbols: the softmax of logits that are linear in the features."""

    def __init__(self, weight: Float32Array, bias: Float32Array, base: FloatArray) -> None:
        """Take weights (horizon and symbol, feature), bias (same,) and logarithms of base rates (horizon, symbol)."""
        self._weight = np.ascontiguousarray(weight.T)
        self._base = bias.reshape(base.shape) + base

    def of(self, features: Float32Array) -> FloatArray:
        """(lane, feature) -> (lane, horizon, symbol)."""
        logits: FloatArray = (features @ self._weight).reshape(-1, *self._base.shape) + self._base
        logits -= logits.max(axis=-1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=-1, keepdims=True)
        return logits


def softmax_readout(network: Network) -> SoftmaxReadout | None:
    """Return the softmax read-out of symbols; None where the decoder or the head is another."""
    linear, head = _linear(network), network.head
    if linear is None or not isinstance(head, CategoricalHead):
        return None
    return SoftmaxReadout(*linear, head.base.double().cpu().numpy())


def _linear(network: Network, *, by_date: bool = False) -> tuple[Float32Array, Float32Array] | None:
    """Weights (raw number, feature) and bias (raw number,) of a decoder that is linear in the features.

    None where it is not, or reads what is known ahead; `by_date`: it may, of each step by itself.
    """
    decoder = network.decoder
    if not isinstance(decoder, DirectDecoder):
        return None
    if decoder.reader is not None and not (by_date and decoder.reader.around is None):
        return None
    factor = network.correction.repeat_interleave(decoder.size)  # (raw number,)
    weight, bias = decoder.out.weight.detach() * factor[:, None], decoder.out.bias.detach() * factor
    return weight.cpu().numpy(), bias.cpu().numpy()
