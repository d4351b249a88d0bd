"""Every head by its name, and those of points: the loss that trains them is chosen by `model.loss`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from forecast.network.categorical import CategoricalHead
from forecast.network.direction import DirectionHead
from forecast.network.distributions import GaussianHead, NegativeBinomialHead, QuantileHead, StudentHead
from forecast.network.head import Head, Level, mean_where
from forecast.network.inputs import InputSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.network.settings import NetworkSettings

HUBER_DELTA = 1.0
"""Where the Huber loss turns from square to straight, in units of a series' scale."""


SMALLEST_VALUE = 1e-3
"""Values are not taken for smaller than this part of the scale, where a percentage is taken of them."""


class PointHead(Head):
    """One number a horizon step."""

    def __init__(self, horizon: int, loss: str) -> None:
        super().__init__(horizon)
        self.loss_name = loss

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Error as `model.loss` measures it."""
        return LOSSES[self.loss_name](self.point(raw, level), target)

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """(..., horizon, 1) -> (..., horizon)."""
        return raw.squeeze(-1) * self.unit


class WeightedAverageHead(PointHead):
    """One number a horizon step, trained on absolute and percentage errors together, as the M4's OWA scores them.

    The loss is the absolute error, in units of the series' scale, plus the symmetric percentage error; of the
    untrained reference in training both are the same size.

    Attributes
    ----------
    exchange : what a percentage error of 100 % is worth in units of the scale

    """

    needs_level = True

    def __init__(self, horizon: int) -> None:
        super().__init__(horizon, "mae")
        self.exchange: Tensor
        self.register_buffer("exchange", torch.ones(()))

    def begin(self, differences: Tensor, exists: Tensor, level: Level | None) -> None:
        """Measure what a percentage error is worth, too."""
        super().begin(differences, exists, level)
        absolute = mean_where(differences.abs(), exists)
        percentage = mean_where(_percentage(torch.zeros_like(differences), differences, level), exists)
        self.exchange.copy_(absolute / percentage if percentage > 0 else torch.zeros(()))

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Absolute plus percentage error."""
        point = self.point(raw, level)
        return super().loss(raw, target, level) + self.exchange * _percentage(point, target, level)


def _percentage(forecast: Tensor, target: Tensor, level: Level | None) -> Tensor:
    """Symmetric percentage error of differences to the reference, a share; 0 where both values are."""
    if level is None:
        raise ValueError("a percentage error needs to know where the series stand")
    mine, true = (level.reference + difference * level.scale for difference in (forecast, target))
    size = (mine.abs() + true.abs()) / 2
    return (forecast - target).abs() * level.scale / size.maximum(SMALLEST_VALUE * level.scale)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mae": lambda forecast, target: (forecast - target).abs(),
    "mse": lambda forecast, target: (forecast - target).square(),
    "huber": lambda forecast, target: functional.huber_loss(forecast, target, reduction="none", delta=HUBER_DELTA),
}
"""Loss of each point forecast, element by element, in units of a series' scale."""


def _point_head(settings: NetworkSettings, input_spec: InputSpec) -> Head:
    horizon = input_spec.horizon
    return WeightedAverageHead(horizon) if settings.loss == "owa" else PointHead(horizon, settings.loss)


HEADS: dict[str, Callable[[NetworkSettings, InputSpec], Head]] = {
    "point": _point_head,
    "quantile": lambda settings, input_spec: QuantileHead(input_spec.horizon, settings.quantiles),
    "gaussian": lambda settings, input_spec: GaussianHead(input_spec.horizon),
    "student_t": lambda settings, input_spec: StudentHead(input_spec.horizon),
    "negative_binomial": lambda settings, input_spec: NegativeBinomialHead(input_spec.horizon),
    "direction": lambda settings, input_spec: DirectionHead(input_spec.horizon),
    "categorical": lambda settings, input_spec: CategoricalHead(input_spec.horizon, input_spec.symbols),
}
"""Every head by its name in `model.head`."""


def build_head(settings: NetworkSettings, input_spec: InputSpec) -> Head:
    """Build the head that the settings name, as it is before anything is measured."""
    return HEADS[settings.head](settings, input_spec)


def needs_level(settings: NetworkSettings) -> bool:
    """Whether the head that the settings name has to be told where the series stand."""
    return build_head(settings, InputSpec(inputs=1, horizon=1, symbols=1)).needs_level
