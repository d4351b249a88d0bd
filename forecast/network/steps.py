"""A network that goes on one step at a time: by the cells' own equations in numpy, or by torch where that is needed.

A call of torch costs more than the arithmetic of a small cell's step. All of these are of lanes side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from forecast.network.categorical import CategoricalHead
from forecast.network.cell_layers import build_layer
from forecast.network.cells import Recurrent
from forecast.network.decoders import DirectDecoder
from forecast.network.heads import PointHead
from forecast.network.reached import Reached

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import FloatArray


class Steps(Protocol):
    """What goes on."""

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (lane, feature); the next one may overwrite them."""
        ...

    @property
    def reached(self) -> Reached:
        """What is carried after the latest step."""
        ...

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (lane, input)."""
        ...


def steps_from(network: Network, reached: Reached) -> Steps:
    """Go on from where every series of a network stands, (series, ...), the fastest way that there is."""
    if isinstance(network.backbone, Recurrent) and network.device.type == "cpu":
        return CellSteps(network, reached)
    return TorchSteps(network, reached)


class TorchSteps:
    """Any network, step by step."""

    def __init__(self, network: Network, reached: Reached) -> None:
        self._network = network
        self.reached = reached
        self._series = torch.arange(len(reached.features), device=network.device)[:, None]

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (series, feature)."""
        features: Float32Array = self.reached.features.cpu().numpy()
        return features

    @torch.no_grad()
    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        inputs = torch.from_numpy(x[:, None]).to(self._network.device)
        features, state = self._network.features(inputs, self._series, self.reached.state)
        self.reached = Reached(features[:, -1], state)


class WindowSteps:
    """A network that reads a window anew at each step, from a zero state."""

    def __init__(self, network: Network, window: Float32Array) -> None:
        """Begin with what was read last, (series, context step, input)."""
        self._network = network
        self._window = window
        self.reached = self._read()

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (series, feature)."""
        features: Float32Array = self.reached.features.cpu().numpy()
        return features

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        self._window = np.concatenate([self._window[:, 1:], x[:, None]], axis=1)
        self.reached = self._read()

    @torch.no_grad()
    def _read(self) -> Reached:
        x = torch.from_numpy(self._window).to(self._network.device)
        series = torch.arange(len(x), device=x.device)[:, None].expand(-1, x.shape[1])
        features, state = self._network.features(x, series, self._network.initial_state(len(x)))
        return Reached(features[:, -1], state)


class CellSteps:
    """An RNN, LSTM or GRU in the equations of `cells`, with the weights that the network has now."""

    def __init__(self, network: Network, reached: Reached) -> None:
        backbone = network.backbone
        if not isinstance(backbone, Recurrent):
            raise TypeError(f"no equations for {type(backbone).__name__}")
        states = [part.numpy() for part in reached.state]
        self._layers = [
            build_layer(backbone.core, layer, [part[:, layer] for part in states])
            for layer in range(backbone.core.num_layers)
        ]
        with torch.no_grad():
            static = network.statics(torch.arange(len(states[0]))).numpy() if network.statics.size else None
            embedded = network.symbols.embedding.weight.numpy() if network.symbols.reads else None
        self._layers[0].fold(network.input_unit.numpy(), static, embedded)
        self.features: Float32Array = self._layers[-1].hidden  # each step writes there

    @property
    def reached(self) -> Reached:
        """What is carried after the latest step."""
        parts = zip(*(layer.state for layer in self._layers), strict=True)
        state = tuple(torch.from_numpy(np.stack(part, axis=1)) for part in parts)
        return Reached(torch.from_numpy(self.features.copy()), state)

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        for layer in self._layers:
            x = layer.step(x)


class StraightForecast:
    """Point forecasts that are linear in the features: differences to the reference in units of the series' scale."""

    def __init__(self, weight: Float32Array, bias: Float32Array) -> None:
        """Take weights (horizon, feature) and bias (horizon,)."""
        self._weight, self._bias = np.ascontiguousarray(weight.T), bias

    def of(self, features: Float32Array) -> Float32Array:
        """(lane, feature) -> (lane, horizon)."""
        # Of one lane: a vector times a matrix takes 1 us, a matrix of one row times a matrix 2.5.
        told: Float32Array = features.dot(self._weight) if len(features) > 1 else features[0].dot(self._weight)[None]
        told += self._bias
        return told


def straight_forecast(network: Network) -> StraightForecast | None:
    """Return how point forecasts follow from features; None where forecasts are made otherwise."""
    straight, head = _straight(network), network.head
    if straight is None or not isinstance(head, PointHead):
        return None
    unit = head.unit.cpu().numpy()
    weight, bias = straight
    return StraightForecast(weight * unit[:, None], bias * unit)


class LinearProbabilities:
    """Uniforms of symbols whose logarithms are, but for what they lack to add up to 1, linear in the features."""

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


def linear_probabilities(network: Network) -> LinearProbabilities | None:
    """Return how probabilities of symbols follow from features; None where forecasts are made otherwise."""
    straight, head = _straight(network), network.head
    if straight is None or not isinstance(head, CategoricalHead):
        return None
    return LinearProbabilities(*straight, head.base.double().cpu().numpy())


def _straight(network: Network) -> tuple[Float32Array, Float32Array] | None:
    """Weights (raw number, feature) and bias (raw number,) of a decoder that is linear in the features alone."""
    decoder = network.decoder
    if not isinstance(decoder, DirectDecoder) or decoder.reader is not None:
        return None
    return decoder.out.weight.detach().cpu().numpy(), decoder.out.bias.detach().cpu().numpy()
