"""The interface of all heads: what the raw numbers of a horizon step mean.

A head is a distribution of the difference to the reference, in units of a series' scale. Raw numbers are zero in an
untrained network, and zero means: located at the reference, spread as the reference's errors in training. `decoders`
compute raw numbers from features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from forecast.questions.kinds import VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.questions.kinds import Question
    from forecast.series.panel import FloatArray


class Level(NamedTuple):
    """The level of a series, for heads whose distribution is not one of differences (counts).

    Attributes
    ----------
    reference : (..., horizon) forecast of the reference, in the target's units
    scale : (..., 1) unit of the differences, in the target's units

    """

    reference: Tensor
    scale: Tensor


class Head(nn.Module):
    """Base of all heads; all numbers but raw ones are differences in units of a series' scale.

    Attributes
    ----------
    question : what is forecast; the docstrings here speak of values, `heads` says what differs for other questions
    size : raw numbers a horizon step
    needs_level : whether methods need a `level`
    is_distribution : whether there are quantiles
    location : index of the raw number that is the location of the forecast, in units of `unit`
    unit : (horizon,) root mean square of the reference's errors in training; 0 where there is nothing to add

    """

    question: ClassVar[Question] = VALUE
    size = 1
    needs_level = False
    is_distribution = False
    location = 0

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self.unit: Tensor
        self.register_buffer("unit", torch.ones(horizon))

    def begin(self, differences: Tensor, exists: Tensor, level: Level | None) -> None:
        """Measure the spread of the reference's errors on forks of the training split, (fork, horizon) each."""
        squares = (differences.double().square() * exists).sum(dim=0)
        self.unit.copy_((squares / exists.sum(dim=0).clamp(min=1)).sqrt())

    def begin_at(self, rates: FloatArray) -> None:
        """Let an untrained network forecast the base rates (`Question.base_rates`), where the question has any."""
        raise NotImplementedError

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Loss of each forecast, (..., horizon, size) and (..., horizon) -> (..., horizon)."""
        raise NotImplementedError

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """Point forecast, (..., horizon, size) -> (..., horizon)."""
        raise NotImplementedError

    def quantile(self, raw: Tensor, probability: Tensor, level: Level | None) -> Tensor:
        """Quantiles, each at its own probability, (..., horizon, size) and (..., horizon) -> (..., horizon)."""
        raise NotImplementedError

    def scores(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Normal scores Phi^-1(F(target)), (..., horizon, size) and (..., horizon) -> (..., horizon).

        They are standard normal if the distribution is right.
        """
        raise NotImplementedError

    def quantiles(self, raw: Tensor, probabilities: Sequence[float], level: Level | None) -> Tensor:
        """Quantiles of all at the same probabilities, (..., horizon, size) -> (..., horizon, probability)."""
        quantiles = [self.quantile(raw, torch.full(raw.shape[:-1], p), level) for p in probabilities]
        return torch.stack(quantiles, dim=-1)


def mean_where(losses: Tensor, exists: Tensor) -> Tensor:
    """Mean over the (lane, step, horizon) whose target exists; 0 where none does.

    Examples
    --------
    >>> mean_where(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 0.0])).item()
    3.0

    """
    return (losses * exists).sum() / torch.clamp(exists.sum(), min=1.0)
