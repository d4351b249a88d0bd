"""Forecasts from one origin after the other, where the backtest of a long series left some out, to be read as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.results import results_table
from forecast.questions.split import rolling_origins

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from forecast.evaluation.backtest import Backtest
    from forecast.questions.problem import Problem
    from forecast.questions.split import Split
    from forecast.series.panel import Panel


def successive_results(
    test: Backtest, panel: Panel, split: Split, problem: Problem, *, models: Sequence[str], uid: str, most: int
) -> pd.DataFrame:
    """Let `models` that were fitted forecast from the first `most` origins of the test split of one series.

    Columns as in the results table, which is empty where there are no such origins; no scores are made of it.
    """
    only = np.array([str(one) == uid for one in panel.ids])
    ends = np.where(only, panel.lengths, 0)
    origins = rolling_origins(panel, split.before_test, ends, problem.horizon)[:most]
    if len(origins) == 0:
        return test.results.iloc[:0]
    past = panel.cut(np.maximum(origins.last_known(len(panel)), split.train))
    made = {name: test.fitted[name].forecast(past, origins) for name in models}
    return results_table(panel, origins, made, problem.horizon, problem.question)
