"""The head that says how likely each step ahead is higher than the origin.

Its raw number is a logit, added to that of the base rate: an untrained network says how often the target was higher
that many steps on in training. The reference takes part in what the network reads, not in what it says. The loss is
the binary cross entropy, a proper score: it is least, in expectation, for the true probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from forecast.network.head import Head, Level
from forecast.questions.kinds import DIRECTION

if TYPE_CHECKING:
    from forecast.questions.kinds import Question
    from forecast.series.panel import FloatArray


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
        """Let an untrained network say the base rates, (horizon,), each above 0 and below 1."""
        self.base.copy_(torch.logit(torch.from_numpy(rates)))

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Binary cross entropy with outcomes 1 (risen) and 0."""
        return functional.binary_cross_entropy_with_logits(raw[..., 0] + self.base, target, reduction="none")

    def logit(self, raw: Tensor) -> Tensor:
        """Logit of a rise, (..., horizon, 1) -> (..., horizon) in double precision."""
        return raw[..., 0].double() + self.base.double()

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """Probability of a rise, no difference, (..., horizon, 1) -> (..., horizon) in double precision."""
        return torch.sigmoid(self.logit(raw))
