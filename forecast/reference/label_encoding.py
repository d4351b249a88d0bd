"""Symbols as a network reads them: their codes, and no reference, since nothing is a difference to a symbol.

`Codes` stands where a reference stands for values, and has nothing to add: it forecasts zero everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from forecast.reference.causal_features import PanelQuantities
from forecast.reference.references import Reference

if TYPE_CHECKING:
    from forecast.reference.causal_features import Quantities
    from forecast.series.panel import FloatArray, IntArray, Panel

CODES, UNREAD = "symbols", "no symbols"
"""Names of it, where the symbols before are read and where they are not."""


@dataclass(frozen=True, eq=False)
class Codes(Reference):
    """What a network reads of the symbols before."""

    def quantities(self, past: Panel) -> Quantities:
        """Give the codes of every row of a past."""
        return CodeQuantities(past, self.smoothing, self.season_steps)

    def at(self, known: Quantities, rows: IntArray) -> FloatArray:
        """Nothing, (row, horizon)."""
        return np.zeros((len(rows), self.horizon))

    def inputs(self, known: Quantities, rows: IntArray) -> FloatArray:
        """Codes at some rows, (row, 1), or no input where the symbols before are not read."""
        return known.y[rows][:, None][:, : self.input_size]

    @property
    def input_size(self) -> int:
        """How many inputs there are."""
        return int(self.name == CODES)

    @property
    def expected_input(self) -> int | None:
        """No input is a difference."""
        return None

    @property
    def memory_steps(self) -> int:
        """Only the row itself is read; one before it is kept."""
        return 2

    def refit(self, past: Panel, train_steps: IntArray, left_out: IntArray | None = None) -> Reference:
        """There is nothing to fit."""
        return self


@dataclass(frozen=True, eq=False)
class CodeQuantities(PanelQuantities):
    """Codes of every row; where the symbol is masked the one before, and one beyond all codes where none was yet."""

    @cached_property
    def y(self) -> FloatArray:
        """Codes, (row,)."""
        past = self.past
        if past.masked is None:
            return past.target
        rows = np.arange(len(past.target))
        latest = np.maximum.accumulate(np.where(past.masked[:, 0], -1, rows))
        none_yet = latest < np.repeat(past.offsets[:-1], past.lengths)
        return np.where(none_yet, len(past.channels[0].categories), past.target[np.maximum(latest, 0)])


def make_codes(series: int, horizon: int, *, read: bool) -> Codes:
    """Make what stands in the place of a reference for so many series; `read`: whether symbols are read."""
    return Codes(
        name=CODES if read else UNREAD,
        horizon=horizon,
        season_steps=1,
        smoothing=1.0,
        ridge=0.0,
        centre=np.zeros(series),
        weights=np.zeros((series, horizon, 0)),
    )
