"""What a sweep is compared by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.questions.kinds import RANKING_METRICS, metric_label

if TYPE_CHECKING:
    import pandas as pd

SCORES = {f"validation_{name}": metric_label(name) for name in RANKING_METRICS}
"""Columns of a score, of which the table of a sweep has one, and what it is."""


def score_column(sweep: pd.DataFrame) -> str:
    """Return the column of the score."""
    return next(name for name in SCORES if name in sweep)
