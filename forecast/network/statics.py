"""What describes a series and never changes: numbers and categories, and the series itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from forecast.network.settings import NetworkSettings

_EMBEDDED = 8
"""Numbers that all static columns of a series become, at most."""


class StaticReader(nn.Module):
    """A few numbers for each series, inputs at each of its steps.

    Static columns (numbers, and a column for each value of a category) are multiplied by a matrix whose line for a
    value of a category is that value's embedding. With `id_embedding` each series has learnt numbers of its own.

    Attributes
    ----------
    table : (series, column) the static columns

    """

    def __init__(self, settings: NetworkSettings, series: int, columns: int) -> None:
        super().__init__()
        self.table: Tensor
        self.register_buffer("table", torch.zeros(series, columns))
        self.embed = nn.Linear(columns, min(columns, _EMBEDDED), bias=False) if columns else None
        self.own = nn.Embedding(series, settings.id_embedding) if settings.id_embedding else None
        self.size = (min(columns, _EMBEDDED) if columns else 0) + settings.id_embedding

    def forward(self, series: Tensor) -> Tensor:
        """(...) numbers of series -> (..., size)."""
        parts = []
        if self.embed is not None:
            parts.append(self.embed(self.table)[series])
        if self.own is not None:
            parts.append(self.own(series))
        return torch.cat(parts, dim=-1)
