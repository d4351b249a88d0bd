"""Which data a head of counts can be trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.series.panel import Panel


def check_counts(past: Panel) -> None:
    """Refuse targets that are no counts.

    Raises
    ------
    ForecastError
        The first value that is below zero or no whole number, with its series and time.

    """
    wrong = past.target_observed & ((past.target < 0) | (past.target != np.round(past.target)))
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    series = past.ids[int(np.searchsorted(past.offsets, row, side="right")) - 1]
    when = past.calendar.write(past.times[row : row + 1])[0]
    raise ForecastError(
        f"`model.head=negative_binomial` forecasts counts (0, 1, 2, ..., without a `data.transform`), and series "
        f"{series!r} has {past.target[row]:g} at {when}: say `model.head=gaussian`, `student_t` or `quantile`"
    )
