"""A network: a backbone, and at every step a decoder whose raw numbers a head interprets."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from forecast.network.cells import Recurrent, build_backbone
from forecast.network.decoders import TeacherForcing, build_decoder
from forecast.network.heads import build_head
from forecast.network.inputs import StaticReader, SymbolReader
from forecast.network.state import State, reset_lanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.inputs import InputSpec
    from forecast.network.settings import NetworkSettings


class Network(nn.Module):
    """Forecasts differences to a reference, in units of the series' scale, from inputs in the same unit; or symbols.

    Attributes
    ----------
    input_unit : (input,) root mean square of each input over the training split; inputs are divided by it
    correction : (horizon,) factor of the raw numbers, at 0 the forecast is the untrained one; 1 while it is trained

    """

    def __init__(self, settings: NetworkSettings, input_spec: InputSpec) -> None:
        super().__init__()
        self.input_spec = input_spec
        self.statics = StaticReader(settings, input_spec.series, input_spec.static)
        self.symbols = SymbolReader(settings, input_spec)
        self.backbone = build_backbone(settings, input_spec.inputs + self.symbols.added + self.statics.size)
        self.head = build_head(settings, input_spec)
        self.decoder = build_decoder(settings, self.backbone.feature_size, input_spec, self.head)
        self.input_unit: Tensor
        self.register_buffer("input_unit", torch.ones(input_spec.inputs))
        self.correction: Tensor
        self.register_buffer("correction", torch.ones(input_spec.horizon))

    def of_series(self, i: int) -> Network:
        """Return the network for one of its series alone, on the same weights."""
        if not self.statics.size:
            return self
        alone = copy.copy(self)
        alone._modules = {**self._modules, "statics": self.statics.of_series(i)}
        return alone

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
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
        """Inputs of the backbone: divided by their units, symbols embedded, static columns of the series appended."""
        x = self.symbols(x / self.input_unit)
        return torch.cat([x, self.statics(series)], dim=-1) if self.statics.size else x

    def features_with_resets(
        self, x: Tensor, series: Tensor, state: State, resets: Tensor, reset_steps: Sequence[int]
    ) -> tuple[Tensor, State]:
        """Like `features`, where lanes may begin a new segment inside the chunk: their state is zero there.

        `resets` (lane,) is the step before which the state of a lane is reset, -1 where it is not; `reset_steps` are
        the different steps in it. The chunk is cut at these, unless the backbone can reset lanes itself.
        """
        if isinstance(self.backbone, Recurrent) and self.backbone.can_reset(x):
            return self.backbone.forward(self.read(x, series), state, resets)
        borders = sorted({0, *reset_steps, x.shape[1]})
        parts = []
        for start, end in pairwise(borders):
            if start in reset_steps:
                state = reset_lanes(state, resets == start)
            part, state = self.features(x[:, start:end], series[:, start:end], state)
            parts.append(part)
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0], state

    def forecast(self, features: Tensor, ahead: Tensor | None, forcing: TeacherForcing | None = None) -> Tensor:
        """Raw numbers of the head for every step after an origin.

        (..., feature) and what is known ahead, (..., horizon, column) -> (..., horizon, size). While training the
        decoder may be teacher-forced.
        """
        raw: Tensor = self.decoder(features, ahead, forcing)
        return raw * self.correction[:, None]

    def teacher_forcing(self, target: Tensor, exists: Tensor, ratio: float) -> TeacherForcing | None:
        """Draw the steps that are teacher-forced, this ratio of all; None where the decoder never feeds itself back.

        Takes differences to the reference in units of the series' scale and whether they exist, both (..., horizon).
        """
        if not self.decoder.feeds_back:
            return None
        unit = torch.where(self.head.unit > 0, self.head.unit, 1.0)
        return TeacherForcing(target / unit, (torch.rand_like(target) < ratio) & (exists > 0))
