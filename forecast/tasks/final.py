"""The final models, and the forecast after the end of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.series.split import last_origins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.forecasters.interface import Fitted
    from forecast.series.panel import Panel
    from forecast.series.problem import Problem


def final_fit(fitted: Fitted, panel: Panel, problem: Problem) -> Fitted:
    """Fit once more on all rows, with everything as it was chosen on validation."""
    return fitted.chosen().fit(panel, panel.lengths, problem)


def future(final: Mapping[str, Fitted], panel: Panel, horizon: int) -> pd.DataFrame:
    """Forecast the steps after the end of the data: columns `unique_id`, `ds`, `model`, `y_hat`."""
    origins = last_origins(panel)
    ds = np.concatenate([panel.calendar.after(panel.times[row], horizon) for row in origins.rows(panel)])
    ids = np.repeat(np.array(panel.ids, dtype=object), horizon)
    tables = [
        pd.DataFrame(
            {"unique_id": ids, "ds": ds, "model": name, "y_hat": fitted.forecast(panel, origins).y_hat.ravel()}
        )
        for name, fitted in final.items()
    ]
    return pd.concat(tables, ignore_index=True)
