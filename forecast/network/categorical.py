"""Symbols in and out of a network: an embedding of what is read, a softmax over what may come.

The head's raw numbers are added to the logarithms of the base rates: an untrained network says how often each symbol
came in training. The loss is the cross entropy in nats, a proper score.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecast.network.head import Head, Level
from forecast.questions.kinds import SYMBOL

if TYPE_CHECKING:
    from forecast.network.readings import Interface
    from forecast.network.settings import NetworkSettings
    from forecast.questions.kinds import Question
    from forecast.series.panel import FloatArray

_LARGEST_EMBEDDING = 32


class SymbolReader(nn.Module):
    """Puts numbers that are learnt in the place of the code of a symbol, the first input (Bengio et al. 2003).

    One code more than there are symbols stands for none: nothing has been observed yet.

    Attributes
    ----------
    reads : whether there is such an input
    added : how many inputs more a backbone has than were read

    """

    def __init__(self, settings: NetworkSettings, interface: Interface) -> None:
        super().__init__()
        self.reads = interface.reads_symbols
        self.added = 0
        if self.reads:
            size = settings.embedding_size or min(interface.symbols, _LARGEST_EMBEDDING)
            self.embedding = nn.Embedding(interface.symbols + 1, size)
            self.added = size - 1

    def forward(self, x: Tensor) -> Tensor:
        """(..., input) -> (..., input of the backbone)."""
        if not self.reads:
            return x
        embedded = self.embedding(x[..., 0].long())
        return torch.cat([embedded, x[..., 1:]], dim=-1) if x.shape[-1] > 1 else embedded


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
