"""Symbols as label codes.

Symbols have no reference, since a difference of symbols means nothing: `LabelEncoding` takes its place, reads the code
of the latest symbol and forecasts zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from forecast.reference.causal_features import PanelFeatures
from forecast.reference.references import Reference

if TYPE_CHECKING:
    from forecast.reference.causal_features import CausalFeatures
    from forecast.series.panel import FloatArray, IntArray, Panel

SYMBOLS_READ, SYMBOLS_UNREAD = "symbols", "no symbols"
"""Names of a `LabelEncoding` (in the run folder) that reads past symbols, and of one that does not."""


@dataclass(frozen=True, eq=False)
class LabelEncoding(Reference):
    """Takes the place of a reference where symbols are forecast: its input is the code of the latest symbol."""

    def causal_features(self, past: Panel) -> CausalFeatures:
        """Codes of every row of a past."""
        return _LabelFeatures(past, self.smoothing, self.season_steps)

    def at(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Zeros, (row, horizon)."""
        return np.zeros((len(rows), self.horizon))

    def inputs(self, features: CausalFeatures, rows: IntArray) -> FloatArray:
        """Codes at some rows, (row, 1), or (row, 0) where past symbols are not read."""
        return features.y[rows][:, None][:, : self.input_size]

    @property
    def input_size(self) -> int:
        """Number of inputs."""
        return int(self.name == SYMBOLS_READ)

    @property
    def expected_input(self) -> int | None:
        """None: no input is a difference."""
        return None

    @property
    def memory_steps(self) -> int:
        """The row itself, and one before it, which a `HistoryBuffer` keeps."""
        return 2

    def refit(self, past: Panel, train_steps: IntArray, left_out: IntArray | None = None) -> Reference:
        """Return it as it is: nothing is fitted."""
        return self


@dataclass(frozen=True, eq=False)
class _LabelFeatures(PanelFeatures):
    """Codes of every row, forward-filled where masked; before a series' first symbol the code after the last."""

    @cached_property
    def y(self) -> FloatArray:
        """Codes, (row,)."""
        past = self.past
        if past.masked is None:
            return past.target
        rows = np.arange(len(past.target))
        latest = np.maximum.accumulate(np.where(past.masked[:, 0], -1, rows))  # last unmasked row so far
        none_yet = latest < np.repeat(past.offsets[:-1], past.lengths)
        return np.where(none_yet, len(past.channels[0].categories), past.target[np.maximum(latest, 0)])


def make_label_encoding(series: int, horizon: int, *, read: bool) -> LabelEncoding:
    """Return the label encoding of so many series; `read`: whether past symbols are an input."""
    return LabelEncoding(
        name=SYMBOLS_READ if read else SYMBOLS_UNREAD,
        horizon=horizon,
        season_steps=1,
        smoothing=1.0,
        ridge=0.0,
        centre=np.zeros(series),
        weights=np.zeros((series, horizon, 0)),
        bounds=np.zeros((series, 0)),
    )
