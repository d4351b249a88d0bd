"""A network: a backbone, a head at every step, and the two units that its numbers are measured in."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from forecast.network.cells import build_backbone
from forecast.network.heads import PointHead
from forecast.network.state import State, reset_lanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.settings import NetworkSettings


class Network(nn.Module):
    """Forecasts differences to a reference, in units of the series' scale, from inputs in the same unit.

    Attributes
    ----------
    input_unit : (input,) root mean square of each input over the training stretch; inputs are divided by it
    output_unit : (horizon,) that of the reference's errors; what the head says is multiplied by it

    """

    def __init__(self, settings: NetworkSettings, input_size: int, horizon: int) -> None:
        super().__init__()
        self.backbone = build_backbone(settings, input_size)
        self.head = PointHead(self.backbone.feature_size, horizon)
        self.input_unit: Tensor
        self.output_unit: Tensor
        self.register_buffer("input_unit", torch.ones(input_size))
        self.register_buffer("output_unit", torch.ones(horizon))

    def initial_state(self, lanes: int) -> State:
        """State before the first step of a segment."""
        return self.backbone.initial_state(lanes)

    def features(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(lane, step, input) -> features at every step, (lane, step, feature), and the state after the last."""
        features, after = self.backbone(x / self.input_unit, state)
        return features, after

    def segmented_features(
        self, x: Tensor, state: State, begins: Tensor, pieces: Sequence[int]
    ) -> tuple[Tensor, State]:
        """Like `features`, where lanes may begin a new segment in the middle: their state is zero there.

        `begins` (lane,) is the step at which a lane begins one, -1 where it does not; `pieces` are the different
        steps that occur in it. The chunk is run in pieces between them.
        """
        borders = sorted({0, *pieces, x.shape[1]})
        parts = []
        for start, end in pairwise(borders):
            if start in pieces:
                state = reset_lanes(state, begins == start)
            part, state = self.features(x[:, start:end], state)
            parts.append(part)
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0], state

    def forecast(self, features: Tensor) -> Tensor:
        """(..., feature) -> differences to the reference over the horizon, in units of the scale, (..., horizon)."""
        difference: Tensor = self.head(features) * self.output_unit
        return difference
