"""The rolling origins of a split: the steps that forecasts start from, and no more of them than change a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.errors import ForecastError
from forecast.questions.split import Split, rolling_origins

if TYPE_CHECKING:
    from forecast.questions.split import Origins
    from forecast.series.panel import BoolArray, IntArray, Panel


SplitName: TypeAlias = Literal["training", "validation", "calibration", "test"]

MOST_ORIGINS = 5_000
"""Of a split, where no stride is set: more origins take minutes and change no figure that is shown."""


def split_origins(panel: Panel, split: Split, horizon: int, part: SplitName, stride: int | None = None) -> Origins:
    """Return every `stride`-th origin whose whole horizon lies in a split.

    A stride of None takes every origin, or an even part of them where there are more than `MOST_ORIGINS`; of more
    series than that it takes an even part (`series_taken`).

    Raises
    ------
    ForecastError
        There is none: the split is shorter than the horizon, or no value before it was observed.

    """
    origins = _origins_of(panel, split, horizon, part, stride)
    if len(origins) == 0:
        first, ends = split_bounds(panel, split, part)
        if panel.at_end:
            raise ForecastError(
                f"no series of the {part} split has a label: lengthen `split.{part}`, or give more series"
            )
        longest = int((ends - first).max())
        raise ForecastError(
            f"no step of the {part} split, which has {longest}, has a value and {horizon} more steps after it, so that "
            f"nothing can be forecast and compared: shorten `horizon` or lengthen `split.{part}`"
        )
    return origins


def _origins_of(panel: Panel, split: Split, horizon: int, part: SplitName, stride: int | None) -> Origins:
    first, ends = split_bounds(panel, split, part)
    origins = rolling_origins(panel, first, ends, horizon, stride or 1)
    if stride is None and len(origins) > MOST_ORIGINS:
        origins = rolling_origins(panel, first, ends, horizon, -(-len(origins) // MOST_ORIGINS))
        if len(panel) > MOST_ORIGINS:
            origins = origins[:: -(-len(origins) // MOST_ORIGINS)]
    return origins


def series_taken(panel: Panel, origins: Origins, stride: int | None) -> BoolArray:
    """Whether a series belongs to the backtest, (series,): all do but where there are more than `MOST_ORIGINS`."""
    if stride is not None or len(panel) <= MOST_ORIGINS:
        return np.ones(len(panel), dtype=np.bool_)
    return np.bincount(origins.series, minlength=len(panel)) > 0


def split_bounds(panel: Panel, split: Split, part: SplitName) -> tuple[IntArray, IntArray]:
    """First step of a split and the first step after it, each (series,)."""
    return {
        "training": (np.zeros_like(split.train), split.train),
        "validation": (split.train, split.fitted),
        "calibration": (split.fitted, split.before_test),
        "test": (split.before_test, panel.lengths),
    }[part]
