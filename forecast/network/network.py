"""A network: a backbone, and at every step a decoder whose raw numbers a head understands."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from forecast.network.categorical import SymbolReader
from forecast.network.cells import Recurrent, build_backbone
from forecast.network.decoders import Taught, build_decoder
from forecast.network.heads import build_head
from forecast.network.state import State, reset_lanes
from forecast.network.statics import StaticReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.readings import Interface
    from forecast.network.settings import NetworkSettings


class Network(nn.Module):
    """Forecasts differences to a reference, in units of the series' scale, from inputs in the same unit; or symbols.

    Attributes
    ----------
    input_unit : (input,) root mean square of each input over the training split; inputs are divided by it

    """

    def __init__(self, settings: NetworkSettings, interface: Interface) -> None:
        super().__init__()
        self.interface = interface
        self.statics = StaticReader(settings, interface.series, interface.static)
        self.symbols = SymbolReader(settings, interface)
        self.backbone = build_backbone(settings, interface.inputs + self.symbols.added + self.statics.size)
        self.head = build_head(settings, interface)
        self.decoder = build_decoder(settings, self.backbone.feature_size, interface, self.head)
        self.input_unit: Tensor
        self.register_buffer("input_unit", torch.ones(interface.inputs))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.input_unit.device

    def initial_state(self, lanes: int) -> State:
        """State before the first step of a segment."""
        return self.backbone.initial_state(lanes)

    def features(self, x: Tensor, series: Tensor, state: State) -> tuple[Tensor, State]:
        """Features at every step, (lane, step, feature), and the state after the last.

        `x` is (lane, step, input), `series` (lane, step) the number of each step's series.
        """
        features, after = self.backbone(self.read(x, series), state)
        return features, after

    def last_features(self, x: Tensor, series: Tensor) -> Tensor:
        """Features after the last step of windows, (window, feature), each read from a zero state."""
        read, state = self.read(x, series), self.initial_state(len(x))
        if isinstance(self.backbone, Recurrent):
            return self.backbone.last(read, state)
        features, _ = self.backbone(read, state)
        return features[:, -1]

    def read(self, x: Tensor, series: Tensor) -> Tensor:
        """What the backbone gets of inputs: in their units, symbols embedded, what is known of their series beside."""
        x = self.symbols(x / self.input_unit)
        return torch.cat([x, self.statics(series)], dim=-1) if self.statics.size else x

    def segmented_features(
        self, x: Tensor, series: Tensor, state: State, begins: Tensor, pieces: Sequence[int]
    ) -> tuple[Tensor, State]:
        """Like `features`, where lanes may begin a new segment in the middle: their state is zero there.

        `begins` (lane,) is the step at which a lane begins one, -1 where it does not; `pieces` are the different
        steps that occur in it. The chunk is run in pieces between them, unless the backbone can begin anew anywhere.
        """
        if isinstance(self.backbone, Recurrent) and self.backbone.resets(x):
            return self.backbone.forward(self.read(x, series), state, begins)
        borders = sorted({0, *pieces, x.shape[1]})
        parts = []
        for start, end in pairwise(borders):
            if start in pieces:
                state = reset_lanes(state, begins == start)
            part, state = self.features(x[:, start:end], series[:, start:end], state)
            parts.append(part)
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0], state

    def forecast(self, features: Tensor, ahead: Tensor | None, taught: Taught | None = None) -> Tensor:
        """Raw numbers of the head for every step after an origin.

        (..., feature) and what is known ahead, (..., horizon, column) -> (..., horizon, size). While training some of
        what came may be `taught`.
        """
        raw: Tensor = self.decoder(features, ahead, taught)
        return raw

    def taught(self, target: Tensor, exists: Tensor, share: float) -> Taught | None:
        """Teach what came at a share of the steps, drawn at random; None where the decoder never reads itself.

        Differences to the reference in units of the series' scale and whether they exist, both (..., horizon).
        """
        if not self.decoder.reads_itself:
            return None
        unit = torch.where(self.head.unit > 0, self.head.unit, 1.0)
        return Taught(target / unit, (torch.rand_like(target) < share) & (exists > 0))
