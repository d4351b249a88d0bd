"""What the forecasts of a question are ranked by, and how that is called. The command line names it: no imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecast.questions.problem import Asks

RANKED_BY: dict[Asks, str] = {"value": "mase", "direction": "brier", "symbol": "bits"}
"""Values are ranked by their MAE where no series has a MASE."""

_LABELS = {"brier": "Brier score", "bits": "bits a symbol", "mase": "MASE", "mae": "MAE"}


def metric_label(name: str) -> str:
    """Write the name of a ranking metric.

    >>> metric_label("mase"), metric_label("brier")
    ('MASE', 'Brier score')
    """
    return _LABELS[name]
