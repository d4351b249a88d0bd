"""The columns that a network reads beside the target, grouped as a reader knows them: by column of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.reference.encoding import ChannelEncoding, CovariateEncoding
    from forecast.series.panel import Channel, FloatArray, IntArray

_MISSING = "whether values are missing"


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of columns.

    Attributes
    ----------
    of_input : (column,) the group of each column that is known at a row
    of_ahead : (column,) the group of each column that is known ahead

    """

    names: tuple[str, ...]
    of_input: IntArray
    of_ahead: IntArray

    def summed(self, by_input: FloatArray, by_ahead: FloatArray) -> FloatArray:
        """Sum (..., column) each over the columns of a group, (..., group)."""
        total = np.zeros((*by_input.shape[:-1], len(self.names)))
        for group in range(len(self.names)):
            mine = by_input[..., self.of_input == group].sum(axis=-1)
            total[..., group] = mine + by_ahead[..., self.of_ahead == group].sum(axis=-1)
        return total


def covariate_groups(encoding: CovariateEncoding) -> Groups:
    """Group the columns of an encoding: one group a covariate, all columns of a calendar feature in one."""
    past, ahead = _names(encoding.past), _names(encoding.ahead)
    marks = [_MISSING] * int(encoding.target_marked)
    names = tuple(dict.fromkeys([*past, *ahead, *marks]))
    of_input, of_ahead = ([names.index(name) for name in mine] for mine in ([*past, *ahead, *marks], ahead))
    return Groups(names, np.array(of_input, dtype=np.int64), np.array(of_ahead, dtype=np.int64))


def _names(columns: ChannelEncoding) -> list[str]:
    """Name the group of each column."""
    counts = np.array(columns.widths, dtype=np.int64) + columns.marked
    return [_name(channel) for channel, count in zip(columns.channels, counts, strict=True) for _ in range(count)]


def _name(channel: Channel) -> str:
    return channel.name if channel.computed is None else channel.computed
