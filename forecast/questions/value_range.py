"""The range of values that there can be at all, into which all forecasts are moved.

The command line reads questions before numpy is loaded, so that arithmetic is imported where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import FloatArray


@dataclass(frozen=True)
class ValueRange:
    """What values there can be at all: within two bounds, and whole numbers or not.

    >>> import numpy as np
    >>> ValueRange(minimum=0.0).keep(np.array([-3.0, 2.5])).tolist()
    [0.0, 2.5]
    """

    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False

    def keep(self, values: FloatArray) -> FloatArray:
        """Return point forecasts moved into the range, and rounded where values are whole."""
        import numpy as np  # noqa: PLC0415

        kept = values if self.minimum is None and self.maximum is None else np.clip(values, self.minimum, self.maximum)
        return np.rint(kept) if self.integer else kept

    def keep_quantiles(self, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
        """The same of quantiles, (..., level): whole ones are rounded away from the median, to hold as much."""
        import numpy as np  # noqa: PLC0415

        if self.integer:
            below, above = (np.array(levels) < 0.5, np.array(levels) > 0.5)
            away = np.where(below, np.floor(quantiles), np.where(above, np.ceil(quantiles), np.rint(quantiles)))
            return replace(self, integer=False).keep(away)
        return self.keep(quantiles)


ANY_VALUE = ValueRange()
"""Every number."""
