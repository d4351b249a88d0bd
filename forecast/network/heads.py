"""Heads of points, of the direction and of symbols; every head by its name.

    head          raw numbers of a step      loss                                untrained
    point         difference                 `model.loss`                        the reference
    direction     logit of a rise            binary cross entropy                the base rate
    categorical   logit of each symbol       cross entropy in nats               the base rates

Both cross entropies are proper scores: least, in expectation, for the true probability. Of these two heads the
reference takes part in what the network reads, not in what it forecasts. `distributions` has the other heads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from forecast.network.distributions import GaussianHead, NegativeBinomialHead, QuantileHead, StudentHead
from forecast.network.head import Head, Level, mean_where
from forecast.network.inputs import InputSpec
from forecast.questions.kinds import DIRECTION, SYMBOL

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.network.settings import NetworkSettings
    from forecast.questions.kinds import Question
    from forecast.series.panel import FloatArray


HUBER_DELTA = 1.0
"""Where the Huber loss turns from square to linear, in units of a series' scale."""

_SMALLEST_VALUE = 1e-3
"""Least size of a value of which a percentage is taken, in units of the scale."""


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


class _WeightedAverageHead(PointHead):
    """One number a horizon step, trained on absolute and percentage errors together, as the M4's OWA scores them.

        loss = |y - y_hat| / scale + exchange * sAPE(y, y_hat)

    Attributes
    ----------
    exchange : weight of the symmetric percentage error, such that both terms of the untrained reference's training
        errors are of one size

    """

    needs_level = True

    def __init__(self, horizon: int) -> None:
        super().__init__(horizon, "mae")
        self.exchange: Tensor
        self.register_buffer("exchange", torch.ones(()))

    def begin(self, differences: Tensor, exists: Tensor, level: Level | None) -> None:
        """Measure `exchange`, too."""
        super().begin(differences, exists, level)
        absolute = mean_where(differences.abs(), exists)
        percentage = mean_where(_percentage(torch.zeros_like(differences), differences, level), exists)
        self.exchange.copy_(absolute / percentage if percentage > 0 else torch.zeros(()))

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Absolute plus weighted percentage error."""
        point = self.point(raw, level)
        return super().loss(raw, target, level) + self.exchange * _percentage(point, target, level)


def _percentage(forecast: Tensor, target: Tensor, level: Level | None) -> Tensor:
    """Symmetric percentage error of differences to the reference, |y - y_hat| / ((|y| + |y_hat|) / 2)."""
    if level is None:
        raise ValueError("a percentage error needs the level of the series")
    y_hat, y = (level.reference + difference * level.scale for difference in (forecast, target))
    size = (y_hat.abs() + y.abs()) / 2
    return (forecast - target).abs() * level.scale / size.maximum(_SMALLEST_VALUE * level.scale)


class DirectionHead(Head):
    """Probability of a rise since the origin.

    Attributes
    ----------
    base : (horizon,) logits of the base rates

    """

    question: ClassVar[Question] = DIRECTION

    def __init__(self, horizon: int) -> None:
        super().__init__(horizon)
        self.base: Tensor
        self.register_buffer("base", torch.zeros(horizon))

    def begin_at(self, rates: FloatArray) -> None:
        """Let an untrained network forecast the base rates, (horizon,), each above 0 and below 1."""
        self.base.copy_(torch.logit(torch.from_numpy(rates)))

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Binary cross entropy with outcomes 1 (risen) and 0, (..., horizon)."""
        return functional.binary_cross_entropy_with_logits(raw[..., 0] + self.base, target, reduction="none")

    def logit(self, raw: Tensor) -> Tensor:
        """Logit of a rise, (..., horizon, 1) -> (..., horizon) in double precision."""
        return raw[..., 0].double() + self.base.double()

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """Probability of a rise, no difference, (..., horizon, 1) -> (..., horizon) in double precision."""
        return torch.sigmoid(self.logit(raw))


class CategoricalHead(Head):
    """Probability of each symbol.

    Attributes
    ----------
    base : (horizon, symbol) logarithms of the base rates

    """

    question: ClassVar[Question] = SYMBOL

    def __init__(self, horizon: int, symbols: int) -> None:
        super().__init__(horizon)
        self.size = symbols
        self.base: Tensor
        self.register_buffer("base", torch.full((horizon, symbols), -math.log(max(symbols, 1))))

    def begin(self, differences: Tensor, exists: Tensor, level: Level | None) -> None:
        """Measure nothing: codes have no differences."""

    def begin_at(self, rates: FloatArray) -> None:
        """Let an untrained network forecast the base rates, (horizon, symbol), each above 0."""
        self.base.copy_(torch.log(torch.from_numpy(rates)))

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Cross entropy of codes, in nats."""
        logits = (raw + self.base).flatten(0, -2)  # (fork * horizon, symbol)
        return functional.cross_entropy(logits, target.long().flatten(), reduction="none").view(target.shape)

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """Code of the likeliest symbol, the first of equals, (..., horizon, symbol) -> (..., horizon)."""
        return self.probabilities(raw).argmax(dim=-1).double()

    def probabilities(self, raw: Tensor) -> Tensor:
        """Probability of each symbol, (..., horizon, symbol) -> the same in double precision."""
        return torch.softmax(raw.double() + self.base.double(), dim=-1)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mae": lambda forecast, target: (forecast - target).abs(),
    "mse": lambda forecast, target: (forecast - target).square(),
    "huber": lambda forecast, target: functional.huber_loss(forecast, target, reduction="none", delta=HUBER_DELTA),
}
"""Loss of each point forecast, element by element, in units of a series' scale."""


def _point_head(settings: NetworkSettings, input_spec: InputSpec) -> Head:
    horizon = input_spec.horizon
    return _WeightedAverageHead(horizon) if settings.loss == "owa" else PointHead(horizon, settings.loss)


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
    """Build the head that the settings name, before its units are measured."""
    return HEADS[settings.head](settings, input_spec)


def needs_level(settings: NetworkSettings) -> bool:
    """Whether the head that the settings name needs the level of the series."""
    return build_head(settings, InputSpec(inputs=1, horizon=1, symbols=1)).needs_level
