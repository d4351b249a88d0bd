"""Cross-fitting: each training row sees a reference that was fitted on the other rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.reference.causal_features import CausalFeatures
    from forecast.reference.references import Reference
    from forecast.series.panel import FloatArray, IntArray, Panel


def cross_fitted(reference: Reference, past: Panel, train_steps: IntArray, blocks: int) -> Reference | CrossFitted:
    """Fit a blend, or `calendar`, once for each block of the training split; other references stay as they are."""
    if not reference.reads_course or blocks < 2:
        return reference
    borders = (np.arange(blocks + 1) * train_steps[:, None]) // blocks  # (series, block + 1)
    refitted = tuple(
        reference.refit(past, train_steps, left_out=borders[:, block : block + 2]) for block in range(blocks)
    )
    return CrossFitted(reference, refitted, borders)


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """A blend as training sees it: each row's forecast comes from weights that were fitted on the other blocks.

    On the rows that it was fitted on a blend errs less than it will later, and a network that learns its errors there
    learns too little, or what is not there (cross-fitting: Stone 1974; of stacked models: Wolpert 1992). Rows after
    the training split get the reference itself. Methods as in `Reference`.

    Attributes
    ----------
    reference : fitted on the whole training split
    blocks : fitted without one block each
    borders : (series, block + 1) first step of each block, and the end of the training split

    """

    reference: Reference
    blocks: tuple[Reference, ...]
    borders: IntArray

    @property
    def horizon(self) -> int:
        """Steps."""
        return self.reference.horizon

    @property
    def season_steps(self) -> int:
        """Steps."""
        return self.reference.season_steps

    @property
    def input_size(self) -> int:
        """Number of inputs."""
        return self.reference.input_size

    def causal_features(self, past: Panel) -> CausalFeatures:
        """Causal features of every row of a past."""
        return self.reference.causal_features(past)

    def at(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Forecasts made at some rows, (row, horizon)."""
        return self._by_block(features, rows, self.horizon, lambda reference, block: reference.at(features, block))

    def inputs(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Network inputs at some rows, (row, input)."""
        return self._by_block(
            features, rows, self.input_size, lambda reference, block: reference.inputs(features, block)
        )

    def _by_block(
        self,
        features: CausalFeatures,
        rows: IntArray,
        width: int,
        compute: Callable[[Reference, IntArray], FloatArray],
    ) -> FloatArray:
        """Compute something of each row by the reference of its block, (row, width)."""
        steps = rows - features.starts(rows)
        block = (steps[:, None] >= self.borders[features.series(rows), 1:]).sum(axis=1)  # (row,)
        result = np.empty((len(rows), width))
        for number, reference in enumerate((*self.blocks, self.reference)):
            in_block = block == number
            if in_block.any():
                result[in_block] = compute(reference, rows[in_block])
        return result
