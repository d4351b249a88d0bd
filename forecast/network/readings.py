"""What a network reads of a past, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import IntArray


@dataclass(frozen=True)
class Interface:
    """What a network is connected to: columns of what it reads, and steps that it forecasts.

    Attributes
    ----------
    inputs : columns known at a row
    horizon : steps
    ahead : columns known ahead
    static : columns that describe a series
    series : how many there are, for tables with one line a series
    symbols : how many the target has; 0: it is a number
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
class Readings:
    """Rows as a network reads them.

    Attributes
    ----------
    inputs : gives the inputs of some rows, (...) -> (..., input)
    series : gives the number of the series of some rows, (...) -> (...)
    ahead : (ahead row, column) what is known ahead, whole series packed; no columns where there is nothing
    ahead_shift : (series,) how many rows later than its own the same step is in `ahead`

    """

    inputs: Callable[[IntArray], Float32Array]
    series: Callable[[IntArray], IntArray]
    ahead: Float32Array
    ahead_shift: IntArray

    def known_ahead(self, rows: IntArray, horizon: int) -> Tensor | None:
        """What is known at some rows of the steps after them, (..., horizon, column); None where there is nothing.

        Steps beyond what was handed over repeat the last one: whoever forecasts there has checked before.
        """
        if not self.ahead.shape[1]:
            return None
        steps = (rows + self.ahead_shift[self.series(rows)])[..., None] + np.arange(1, horizon + 1)
        return torch.from_numpy(self.ahead[np.minimum(steps, len(self.ahead) - 1)])

    def of_series(self, rows: IntArray) -> Tensor:
        """Give the series of some rows, as torch counts."""
        return torch.from_numpy(self.series(rows))
