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
    from forecast.series.panel import BoolArray, IntArray


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
    given : how many of them, the first, are read of the steps around as well
    lags, leads : how many steps before and after each step of the horizon these are read
    static : columns that describe a series
    series : number of series, for tables with one line a series
    symbols : number of different symbols of the target; 0: it is a number
    reads_symbols : whether the first input is the code of the symbol at a row

    """

    inputs: int
    horizon: int
    ahead: int = 0
    given: int = 0
    lags: int = 0
    leads: int = 0
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
    ahead_of : function of steps after rows that returns rows of `ahead` (`reference.encoding.ahead_rows`)
    lags, leads : steps before the first and after the last step of the horizon that are read as well

    """

    at: Callable[[IntArray], Float32Array]
    series: Callable[[IntArray], IntArray]
    ahead: Float32Array
    ahead_of: Callable[[IntArray, IntArray], IntArray]
    lags: int = 0
    leads: int = 0

    def known_ahead(self, rows: IntArray, horizon: int) -> Tensor | None:
        """What is known at some rows of the steps around the horizon, (..., span, column); None: there is nothing.

        The span is lags + horizon + leads. Steps after the last known one repeat it (callers check that no step of the
        horizon is among them), steps before a series its first.
        """
        if not self.ahead.shape[1]:
            return None
        return torch.from_numpy(self.ahead[self.ahead_of(rows, np.arange(1 - self.lags, horizon + self.leads + 1))])

    def known_along(self, rows: IntArray, inside: BoolArray, horizon: int) -> Tensor | None:
        """As `known_ahead`, for rows that follow each other in lanes where `inside`, (lane, step): one array for all.

        (lane, step, span, column), a view in which a step later lies where a fork later lies: see `decoders`.
        """
        if not self.ahead.shape[1]:
            return None
        steps, span = rows.shape[1], self.lags + horizon + self.leads
        lanes, some = np.arange(len(rows)), inside.argmax(axis=1)  # a step that is inside
        run = np.arange(1 - self.lags, steps + horizon + self.leads)
        table = self.ahead[self.ahead_of(rows[lanes, some], run - some[:, None])]  # (lane, steps + span - 1, column)
        return torch.from_numpy(table).unfold(1, span, 1).transpose(2, 3)

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
