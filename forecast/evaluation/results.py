"""The tidy table of a backtest: everything that is said about forecasts is computed from it.

One row per `model`, `unique_id`, `cutoff` (time of the origin), `ds` (time of the target) and `step` (1 to the
horizon), with `y` and `y_hat`. Models follow one another in the same order of rows. A target that was not observed
is NaN in `y` and is not scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.forecasters.interface import Forecasts
    from forecast.series.panel import Panel
    from forecast.series.split import Origins

COLUMNS = ("model", "unique_id", "cutoff", "ds", "step", "y", "y_hat")


def results_table(panel: Panel, origins: Origins, forecasts: Mapping[str, Forecasts], horizon: int) -> pd.DataFrame:
    """Build the table from what each model forecast at the same origins.

    Rows are ordered by model, then origin, then step; `model` and `unique_id` are categorical.
    """
    models, rows = len(forecasts), origins.rows(panel)
    targets = rows[:, None] + np.arange(1, horizon + 1)  # (origin, step)
    y = np.where(panel.target_observed[targets], panel.target[targets], np.nan)
    y_hat = [forecast.y_hat.ravel() for forecast in forecasts.values()]
    return pd.DataFrame(
        {
            "model": pd.Categorical.from_codes(np.repeat(np.arange(models), targets.size), pd.Index(forecasts)),
            "unique_id": pd.Categorical.from_codes(
                np.tile(np.repeat(origins.series, horizon), models), pd.Index(panel.ids)
            ),
            "cutoff": np.tile(np.repeat(panel.times[rows], horizon), models),
            "ds": np.tile(panel.times[targets].ravel(), models),
            "step": np.tile(np.tile(np.arange(1, horizon + 1), len(origins)), models),
            "y": np.tile(y.ravel(), models),
            "y_hat": np.concatenate(y_hat) if y_hat else np.empty(0),
        }
    )


def last_known(panel: Panel, origins: Origins) -> pd.DataFrame:
    """Give what is known last at each origin: columns `unique_id`, `cutoff` and `y`."""
    rows = origins.rows(panel)
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(origins.series, pd.Index(panel.ids)),
            "cutoff": panel.times[rows],
            "y": panel.target[rows],
        }
    )
