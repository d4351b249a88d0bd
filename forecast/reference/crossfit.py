"""A reference for training: each row's forecast is made with weights that have not seen what comes after the row.

On the rows that it was fitted on a closed form errs less than it will later, and a network that learns what it leaves
learns too little, or what is not there. So the training split of each series is cut into blocks, and a block's rows
get weights that were fitted on the others (Stone 1974, and as for stacked models Wolpert 1992). Rows after the training
split get the reference itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.reference.blends import CRITERIA

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.reference.causal_features import Quantities
    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray, Panel


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """A reference as training sees it; `Reference` says what the methods give.

    Attributes
    ----------
    reference : what forecasts after the training split
    blocks : the same with weights of all other blocks, for the rows of each
    borders : (series, block + 1) steps at which blocks begin, and the end of the training split

    """

    reference: Reference
    blocks: tuple[Reference, ...]
    borders: IntArray

    @property
    def horizon(self) -> int:
        """Steps."""
        return self.reference.horizon

    @property
    def input_size(self) -> int:
        """How many inputs there are."""
        return self.reference.input_size

    def quantities(self, past: Panel) -> Quantities:
        """What is read of every row."""
        return self.reference.quantities(past)

    def at(self, known: Quantities, rows: IntArray) -> FloatArray:
        """Forecasts made at some rows, (row, horizon)."""
        return self._of_blocks(known, rows, self.horizon, lambda reference, mine: reference.at(known, mine))

    def inputs(self, known: Quantities, rows: IntArray) -> FloatArray:
        """What a network reads at some rows, (row, input)."""
        return self._of_blocks(known, rows, self.input_size, lambda reference, mine: reference.inputs(known, mine))

    def _of_blocks(
        self, known: Quantities, rows: IntArray, width: int, forecast_task: Callable[[Reference, IntArray], FloatArray]
    ) -> FloatArray:
        steps = rows - known.starts(rows)
        block = (steps[:, None] >= self.borders[known.series(rows), 1:]).sum(axis=1)
        result = np.empty((len(rows), width))
        for number, reference in enumerate((*self.blocks, self.reference)):
            mine = block == number
            if mine.any():
                result[mine] = forecast_task(reference, rows[mine])
        return result


def cross_fitted(reference: Reference, past: Panel, train_steps: IntArray, blocks: int) -> Reference | CrossFitted:
    """Fit weights for each of so many blocks of the training split; a reference without weights stays as it is."""
    if reference.name not in CRITERIA or blocks < 2:
        return reference
    borders = (np.arange(blocks + 1) * train_steps[:, None]) // blocks
    fitted = tuple(
        reference.refit(past, train_steps, left_out=borders[:, block : block + 2]) for block in range(blocks)
    )
    return CrossFitted(reference, fitted, borders)
