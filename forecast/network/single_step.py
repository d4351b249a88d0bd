"""Single steps of a network, for `Live` and generation: RNN, LSTM and GRU in numpy, any other backbone by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from forecast.network.cells import Recurrent
from forecast.network.numpy_layers import build_layer
from forecast.network.state import StateAtOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.network.network import Network
    from forecast.reference.encoding import Float32Array


class Steps(Protocol):
    """A network that is advanced step by step, all lanes side by side."""

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (lane, feature); the next one may overwrite them."""
        ...

    @property
    def at_origin(self) -> StateAtOrigin:
        """Features and state after the latest step."""
        ...

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (lane, input)."""
        ...

    def memory(self) -> dict[str, Float32Array]:
        """All that the next step depends on, by name."""
        ...

    def remember(self, memory: Mapping[str, Float32Array]) -> None:
        """Go on from where `memory` was taken."""
        ...


def steps_from(network: Network, at_origin: StateAtOrigin) -> Steps:
    """Return the fastest way to advance every series from its state, (series, ...)."""
    if isinstance(network.backbone, Recurrent) and network.device.type == "cpu":
        return CellSteps(network, at_origin)
    return TorchSteps(network, at_origin)


class TorchSteps:
    """Any network, step by step."""

    def __init__(self, network: Network, at_origin: StateAtOrigin) -> None:
        self._network = network
        self.at_origin = at_origin
        self._series = torch.arange(len(at_origin.features), device=network.device)[:, None]

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (series, feature)."""
        features: Float32Array = self.at_origin.features.cpu().numpy()
        return features

    @torch.no_grad()
    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        inputs = torch.from_numpy(x[:, None]).to(self._network.device)
        features, state = self._network.features(inputs, self._series, self.at_origin.state)
        self.at_origin = StateAtOrigin(features[:, -1], state)

    def memory(self) -> dict[str, Float32Array]:
        """Features and state."""
        features, state = self.at_origin
        return {"features": features.cpu().numpy()} | {f"{i}": part.cpu().numpy() for i, part in enumerate(state)}

    def remember(self, memory: Mapping[str, Float32Array]) -> None:
        """Go on from where `memory` was taken."""
        tensors = {name: torch.from_numpy(array).to(self._network.device) for name, array in memory.items()}
        state = tuple(tensors[f"{i}"] for i in range(len(self.at_origin.state)))
        self.at_origin = StateAtOrigin(tensors["features"], state)


class WindowSteps:
    """A network that reads its whole window at each step, from a zero state."""

    def __init__(self, network: Network, window: Float32Array) -> None:
        """Begin with the latest window, (series, context step, input)."""
        self._network = network
        self._window = window
        self.at_origin = self._read()

    @property
    def features(self) -> Float32Array:
        """Features at the latest step, (series, feature)."""
        features: Float32Array = self.at_origin.features.cpu().numpy()
        return features

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        self._window = np.concatenate([self._window[:, 1:], x[:, None]], axis=1)
        self.at_origin = self._read()

    def memory(self) -> dict[str, Float32Array]:
        """Return the window."""
        return {"window": self._window}

    def remember(self, memory: Mapping[str, Float32Array]) -> None:
        """Go on from where `memory` was taken."""
        self._window = memory["window"]
        self.at_origin = self._read()

    @torch.no_grad()
    def _read(self) -> StateAtOrigin:
        x = torch.from_numpy(self._window).to(self._network.device)
        series = torch.arange(len(x), device=x.device)[:, None].expand(-1, x.shape[1])
        features, state = self._network.features(x, series, self._network.initial_state(len(x)))
        return StateAtOrigin(features[:, -1], state)


class CellSteps:
    """An RNN, LSTM or GRU in numpy, with a copy of the network's weights."""

    def __init__(self, network: Network, at_origin: StateAtOrigin) -> None:
        backbone = network.backbone
        if not isinstance(backbone, Recurrent):
            raise TypeError(f"no equations for {type(backbone).__name__}")
        states = [part.numpy() for part in at_origin.state]
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
    def at_origin(self) -> StateAtOrigin:
        """Features and state after the latest step."""
        parts = zip(*(layer.state for layer in self._layers), strict=True)
        state = tuple(torch.from_numpy(np.stack(part, axis=1)) for part in parts)
        return StateAtOrigin(torch.from_numpy(self.features.copy()), state)

    def advance(self, x: Float32Array) -> None:
        """Take one more step, (series, input)."""
        for layer in self._layers:
            x = layer.step(x)

    def run(self, x: Float32Array) -> Float32Array:
        """Take some steps of the only lane, (step, input), and return the features after each, (step, feature)."""
        features = np.empty((len(x), self.features.shape[1]), dtype=np.float32)
        for i in range(len(x)):
            self.advance(x[i : i + 1])
            features[i] = self.features[0]
        return features

    def memory(self) -> dict[str, Float32Array]:
        """State of each layer."""
        return {f"{i}.{j}": part for i, layer in enumerate(self._layers) for j, part in enumerate(layer.state)}

    def remember(self, memory: Mapping[str, Float32Array]) -> None:
        """Go on from where `memory` was taken."""
        for i, layer in enumerate(self._layers):
            layer.remember([memory[f"{i}.{j}"] for j in range(len(layer.state))])
