"""How times go on, and how the user writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.series.panel import TimeArray


@dataclass(frozen=True)
class Calendar:
    """The rule by which one time follows another; `freq` is a pandas offset alias, None counts integer steps."""

    freq: str | None

    def after(self, last: np.datetime64 | np.int64, count: int) -> TimeArray:
        """Return the `count` times that follow `last`."""
        return np.arange(1, count + 1) + last
