"""The report of a finished job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.runs.saving import Finished
    from forecast.series.panel import Panel
    from forecast.series.split import Split
    from forecast.tasks.settings import JobSettings


def write_page(run: Finished, job: JobSettings, folder: Path) -> None:
    """Write `report.html` and `figures/`."""


def stretches(panel: Panel, split: Split) -> pd.DataFrame:
    """Label every step with its stretch: columns `unique_id`, `ds`, `y` (NaN where not observed), `stretch`."""
    step = np.arange(len(panel.times)) - np.repeat(panel.offsets[:-1], panel.lengths)
    beyond_training = step >= np.repeat(split.train, panel.lengths)
    beyond_validation = step >= np.repeat(split.before_test, panel.lengths)
    labels = np.array(["training", "validation", "test"])
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.array(panel.ids, dtype=object), panel.lengths),
            "ds": panel.times,
            "y": np.where(panel.target_observed, panel.target, np.nan),
            "stretch": labels[beyond_training.astype(np.int64) + beyond_validation],
        }
    )
