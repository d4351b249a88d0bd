"""What a network reads of a past, row by row: numbers, embedded symbols, static columns of a series."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.network.settings import NetworkSettings
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import IntArray


_EMBEDDED = 8
"""Size of the embedding of all static columns of a series, at most."""

_LARGEST_EMBEDDING = 32
"""Of a symbol, unless the settings say otherwise."""


@dataclass(frozen=True)
class InputSpec:
    """Sizes that fix the shape of a network: columns that it reads, steps that it forecasts.

    Attributes
    ----------
    inputs : columns known at a row
    horizon : steps
    ahead : columns known ahead
    static : columns that describe a series
    series : number of series, for tables with one line a series
    symbols : number of different symbols of the target; 0: it is a number
    reads_symbols : whether the first input is the code of the symbol at a row

    """

    inputs: int
    horizon: int
    ahead: int = 0
    static: int = 0
    series: int = 1
    symbols: int = 0
    reads_symbols: bool = False


@dataclass(frozen=True, eq=False)
class NetworkInputs:
    """The inputs of all rows.

    Attributes
    ----------
    at : function of rows that returns their inputs, (...) -> (..., input)
    series : function of rows that returns the numbers of their series, (...) -> (...)
    ahead : (ahead row, column) what is known ahead, whole series packed; no columns where there is nothing
    ahead_shift : (series,) by how many rows a step lies later in `ahead` than in the panel

    """

    at: Callable[[IntArray], Float32Array]
    series: Callable[[IntArray], IntArray]
    ahead: Float32Array
    ahead_shift: IntArray

    def known_ahead(self, rows: IntArray, horizon: int) -> Tensor | None:
        """What is known at some rows of the steps after them, (..., horizon, column); None where there is nothing.

        Steps after the last known one repeat it: callers check that no forecast needs them.
        """
        if not self.ahead.shape[1]:
            return None
        steps = (rows + self.ahead_shift[self.series(rows)])[..., None] + np.arange(1, horizon + 1)
        return torch.from_numpy(self.ahead[np.minimum(steps, len(self.ahead) - 1)])

    def series_of(self, rows: IntArray) -> Tensor:
        """Return the numbers of the series of some rows as a tensor."""
        return torch.from_numpy(self.series(rows))


class StaticReader(nn.Module):
    """Inputs that are the same at every step of a series.

    Static columns (numbers, and a column for each value of a category) are multiplied by a matrix whose row for a
    value of a category is that value's embedding. `id_embedding` adds a learnt vector for each series.

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

    def of_series(self, i: int) -> StaticReader:
        """Return the reader for one of the series alone."""
        alone = copy.copy(self)
        alone._buffers = {**self._buffers, "table": self.table[i : i + 1]}
        if self.own is not None:
            own = nn.Embedding(1, self.own.embedding_dim, _weight=self.own.weight.detach()[i : i + 1])
            alone._modules = {**self._modules, "own": own}
        return alone

    def forward(self, series: Tensor) -> Tensor:
        """(...) numbers of series -> (..., size)."""
        parts = []
        if self.embed is not None:
            parts.append(self.embed(self.table)[series])
        if self.own is not None:
            parts.append(self.own(series))
        return torch.cat(parts, dim=-1)


class SymbolReader(nn.Module):
    """Embedding of the code of a symbol, the first input (Bengio et al. 2003).

    The code after the last symbol stands for none: nothing has been observed yet.

    Attributes
    ----------
    reads : whether the first input is a code
    added : how many inputs more the backbone has than the network

    """

    def __init__(self, settings: NetworkSettings, input_spec: InputSpec) -> None:
        super().__init__()
        self.reads = input_spec.reads_symbols
        self.added = 0
        if self.reads:
            size = settings.embedding_size or min(input_spec.symbols, _LARGEST_EMBEDDING)
            self.embedding = nn.Embedding(input_spec.symbols + 1, size)
            self.added = size - 1

    def forward(self, x: Tensor) -> Tensor:
        """(..., input) -> (..., input of the backbone)."""
        if not self.reads:
            return x
        embedded = self.embedding(x[..., 0].long())
        return torch.cat([embedded, x[..., 1:]], dim=-1) if x.shape[-1] > 1 else embedded
