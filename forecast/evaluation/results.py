"""The tidy table of a backtest, from which everything that is said about forecasts is computed.

One row per `model`, `unique_id`, `cutoff` (time of the origin), `ds` (time of the target) and `step` (1 to the
horizon), with `y`, NaN where it was not observed, and `y_hat`. Where directions are forecast, `y` is 1 if the target
rose since the origin and else 0, and `y_hat` the probability of 1; where symbols are, both are codes, and `chance` is
the probability that was given to the symbol that came. Every model has the same rows in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.questions.kinds import VALUE
from forecast.wording import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.forecasters.interface import Forecasts
    from forecast.questions.kinds import Question
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, Panel

COLUMNS = ("model", "unique_id", "cutoff", "ds", "step", "y", "y_hat")


def results_table(
    panel: Panel, origins: Origins, forecasts: Mapping[str, Forecasts], horizon: int, question: Question = VALUE
) -> pd.DataFrame:
    """Build the table of what each model forecast from the same origins.

    Rows are ordered by model, then origin, then step; `model` and `unique_id` are categorical.
    """
    models, rows = len(forecasts), origins.rows(panel)
    targets = rows[:, None] + np.arange(1, horizon + 1)  # (origin, step)
    y = question.outcomes(panel, rows, horizon)  # (origin, step)
    y_hat = [forecast.y_hat.ravel() for forecast in forecasts.values()]  # (origin * step,) each
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
    probabilities = [forecast.probabilities for forecast in forecasts.values()]  # (origin, step, symbol) each
    scored = [question.scored(of_model, y).ravel() for of_model in probabilities if of_model is not None]
    return table.assign(**{question.scored_column: np.concatenate(scored) if scored else np.empty(0)})


def last_known(panel: Panel, origins: Origins) -> pd.DataFrame:
    """Return the target at each origin: columns `unique_id`, `cutoff` and `y`."""
    rows = origins.rows(panel)
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(origins.series, pd.Index(panel.ids)),
            "cutoff": panel.times[rows],
            "y": panel.target[rows],
        }
    )


def out_of_range(forecasts: pd.DataFrame, panel: Panel, *, trained: bool = False) -> tuple[str, ...]:
    """Say which models forecast values that no series comes near: further outside its range than that is wide.

    `forecasts` has columns `unique_id`, `model` and `y_hat`, in the target's units. One sentence a model, on the worst.
    `trained`: its settings can be changed by another training only.
    """
    change = "train a network again with" if trained else "for a network set"
    lowest, highest = _ranges(panel)
    reached = forecasts.groupby(["model", "unique_id"], observed=True)["y_hat"].agg(["min", "max"])
    ids = np.asarray(reached.index.get_level_values("unique_id"), dtype=object)
    places = pd.Index(panel.ids).get_indexer(pd.Index(ids))
    low, high = lowest[places], highest[places]  # (model and series,)
    width = np.where(high > low, high - low, np.inf)  # a constant says nothing of how far a series moves
    beyond = np.maximum(reached["max"].to_numpy() - high, low - reached["min"].to_numpy()) / width
    sentences = []
    for model, rows in reached.groupby(level="model", observed=True).indices.items():
        i = int(np.asarray(rows)[int(np.argmax(beyond[rows]))])
        if beyond[i] > 1:
            lowest_forecast, highest_forecast = (number(float(reached[end].iloc[i])) for end in ("min", "max"))
            sentences.append(
                f"{model} leaves the range of the data by far: it forecasts {lowest_forecast} to {highest_forecast} "
                f"where series {ids[i]!r} holds {number(float(low[i]))} to {number(float(high[i]))}; trust another "
                f"model, or {change} another `model.reference` or `model.head`"
            )
    return tuple(sentences)


def _ranges(panel: Panel) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest observed value of each series, (series,), NaN where it has none."""
    ranges = np.full((2, len(panel)), np.nan)
    for i, (_, rows) in enumerate(panel.series()):
        if len(y := panel.target[rows][panel.target_observed[rows]]):
            ranges[:, i] = y.min(), y.max()
    return ranges[0], ranges[1]
