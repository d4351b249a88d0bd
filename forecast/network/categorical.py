"""Symbols in and out of a network: an embedding of what is read, a softmax over what may come.

The head's raw numbers are added to the logarithms of the base rates: an untrained network says how often each symbol
came in training. The loss is the cross entropy in nats, a proper score.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from forecast.network.head import Head, Level
from forecast.questions.kinds import SYMBOL

if TYPE_CHECKING:
    from forecast.questions.kinds import Question
    from forecast.series.panel import FloatArray


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
        """Nothing is measured on differences: there are none."""

    def begin_at(self, rates: FloatArray) -> None:
        """Let an untrained network say the base rates, (horizon, symbol), each above 0."""
        self.base.copy_(torch.log(torch.from_numpy(rates)))

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Cross entropy of codes, in nats."""
        logits = (raw + self.base).flatten(0, -2)
        return functional.cross_entropy(logits, target.long().flatten(), reduction="none").view(target.shape)

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """Code of the likeliest symbol, of equals the first, (..., horizon, symbol) -> (..., horizon)."""
        return self.probabilities(raw).argmax(dim=-1).double()

    def probabilities(self, raw: Tensor) -> Tensor:
        """Probability of each symbol, (..., horizon, symbol) -> the same in double precision."""
        return torch.softmax(raw.double() + self.base.double(), dim=-1)
