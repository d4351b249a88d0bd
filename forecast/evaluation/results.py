"""The tidy table of a backtest: everything that is said about forecasts is computed from it.

One row per `model`, `unique_id`, `cutoff` (time of the origin), `ds` (time of the target) and `step` (1 to the
horizon), with `y` and `y_hat`; where the direction is asked for `y` is 1 if the target rose since the origin and 0 if
not, and `y_hat` a probability; where symbols are, both are codes and `chance` is how likely what came was said to be.
Models follow one another in the same order of rows. A target that was not observed
is NaN in `y` and is not scored. As it is written into a run folder the table has a column `quantile` as well: null for
the point forecasts, which come first, and else the level of which `y_hat` is the quantile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.questions.kinds import VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.forecasters.interface import Forecasts
    from forecast.questions.kinds import Question
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, Panel

COLUMNS = ("model", "unique_id", "cutoff", "ds", "step", "y", "y_hat")

MOST_QUANTILE_ROWS = 2_000_000
"""Rows of quantiles in a run folder, at most: they are nine times as many as the point forecasts."""


def results_table(
    panel: Panel, origins: Origins, forecasts: Mapping[str, Forecasts], horizon: int, question: Question = VALUE
) -> pd.DataFrame:
    """Build the table from what each model forecast at the same origins.

    Rows are ordered by model, then origin, then step; `model` and `unique_id` are categorical.
    """
    models, rows = len(forecasts), origins.rows(panel)
    targets = rows[:, None] + np.arange(1, horizon + 1)  # (origin, step)
    y = question.outcomes(panel, rows, horizon)  # (origin, step)
    y_hat = [forecast.y_hat.ravel() for forecast in forecasts.values()]
    table = pd.DataFrame(
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
    if question.scored_column in table:
        return table
    given = [forecast.probabilities for forecast in forecasts.values()]
    scored = [question.scored(of_model, y).ravel() for of_model in given if of_model is not None]
    return table.assign(**{question.scored_column: np.concatenate(scored) if scored else np.empty(0)})


def as_written(results: pd.DataFrame, symbols: Sequence[str]) -> pd.DataFrame:
    """Write symbols in the place of their codes; a table of values stays as it is."""
    if not symbols:
        return results
    named = {
        name: pd.Categorical.from_codes(results[name].fillna(-1).astype(np.int64), pd.Index(symbols))
        for name in ("y", "y_hat")
    }
    return results.assign(**named)


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


def with_quantile_rows(
    results: pd.DataFrame, quantiles: Mapping[str, FloatArray], levels: Sequence[float]
) -> pd.DataFrame:
    """Add the rows of quantiles (origin, step, level) by model; of very many origins an even part (`every_origin`)."""
    points = results.assign(quantile=np.nan)
    if not quantiles:
        return points
    origins, steps, _ = next(iter(quantiles.values())).shape
    kept = np.arange(0, origins, every_origin(quantiles))
    rows = (kept[:, None] * steps + np.arange(steps)).ravel()
    tables = [points]
    for name, told in quantiles.items():
        mine = results[(results["model"] == name).to_numpy()].iloc[rows]
        tables += [mine.assign(y_hat=told[kept, :, i].ravel(), quantile=level) for i, level in enumerate(levels)]
    return pd.concat(tables, ignore_index=True)


def every_origin(quantiles: Mapping[str, FloatArray]) -> int:
    """Of how many origins one has its quantiles written: 1 where they all fit."""
    return max(-(-sum(told.size for told in quantiles.values()) // MOST_QUANTILE_ROWS), 1)


def quantiles_thinned(quantiles: Mapping[str, FloatArray]) -> tuple[str, ...]:
    """Say where the quantiles of some origins alone are written."""
    every = every_origin(quantiles)
    if every == 1:
        return ()
    return (f"results.parquet holds the quantiles of every {every}th origin, and all point forecasts",)
