"""Metrics: one literal table of pure functions a question, and the three views of a results table.

A *group* is a set of rows scored together: a model on one series, or a model on one series at one horizon step. Over
several series a metric is the mean of the series' scores, so that each series counts alike.

From utilsforecast where it has them. Its sMAPE is a fraction of |y| + |y_hat|, times 200 that is the percentage of
the M competitions; where both are zero the forecast is right and the term is 0, as the library has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from utilsforecast import losses

from forecast.evaluation.columns import Metric
from forecast.evaluation.direction_metrics import DIRECTION_METRICS
from forecast.evaluation.symbol_metrics import SYMBOL_METRICS
from forecast.questions.kinds import VALUE, question_of_scores

if TYPE_CHECKING:
    from forecast.evaluation.scales import Scales
    from forecast.questions.kinds import Question, TargetType
    from forecast.series.panel import FloatArray


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows to be scored, every one with an observed target.

    Attributes
    ----------
    rows : columns `group` (0, 1, ... without a hole), `step`, `y`, `y_hat`, of symbols `chance`
    absolute : (group,) denominator of the MASE, NaN where there is none
    squared : (group,) denominator of the squared RMSSE, NaN where there is none

    """

    rows: pd.DataFrame
    absolute: FloatArray
    squared: FloatArray


def mae(groups: Groups) -> FloatArray:
    """Mean absolute error, in the target's units."""
    return _of(losses.mae(groups.rows, ["y_hat"], id_col="group"))


def rmse(groups: Groups) -> FloatArray:
    """Root mean squared error, in the target's units."""
    return _of(losses.rmse(groups.rows, ["y_hat"], id_col="group"))


def smape(groups: Groups) -> FloatArray:
    """Symmetric mean absolute percentage error, 0 to 200."""
    return 200.0 * _of(losses.smape(groups.rows, ["y_hat"], id_col="group"))


def mase(groups: Groups) -> FloatArray:
    """Mean absolute error in units of what seasonal naive errs by in training."""
    return mae(groups) / groups.absolute


def rmsse(groups: Groups) -> FloatArray:
    """Root mean squared error in units of what seasonal naive errs by in training."""
    return np.sqrt(_of(losses.mse(groups.rows, ["y_hat"], id_col="group")) / groups.squared)


def r2(groups: Groups) -> FloatArray:
    """Share of the variance of the targets that is explained, 1 at most; NaN where they are constant."""
    by_group = groups.rows.groupby("group")["y"]
    around_mean = (groups.rows["y"] - by_group.transform("mean")) ** 2
    total = around_mean.groupby(groups.rows["group"]).mean().to_numpy(copy=True)
    total[(by_group.max() == by_group.min()).to_numpy()] = np.nan
    explained: FloatArray = 1.0 - _of(losses.mse(groups.rows, ["y_hat"], id_col="group")) / total
    return explained


METRICS: dict[str, Metric] = {
    "mae": Metric(mae, "MAE", "mean absolute error, in units of the data"),
    "rmse": Metric(rmse, "RMSE", "root of the mean squared error, in units of the data"),
    "smape": Metric(smape, "sMAPE", "symmetric mean absolute percentage error, 0 to 200"),
    "mase": Metric(
        mase, "MASE", "mean absolute error over that of the (seasonal) naive forecast on the training split"
    ),
    "rmsse": Metric(rmsse, "RMSSE", "root mean squared error, scaled as MASE is", in_terminal=False),
    "r2": Metric(r2, "R²", "share of the variance that the forecasts explain", in_terminal=False),
}
"""To add a metric: a pure function above, its line here, and an oracle in tests/oracles/metrics.py.

It then stands in leaderboard.csv, in the report and in the terminal.
"""


METRICS_OF: dict[TargetType, dict[str, Metric]] = {
    "value": METRICS,
    "direction": DIRECTION_METRICS,
    "symbol": SYMBOL_METRICS,
}
"""What the forecasts of a question are scored by."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The metrics in three views; each table has a column a metric, NaN where a score is empty.

    Attributes
    ----------
    by_model : indexed by `model`: means over the series that have a score
    by_step : indexed by `model`, `step`: the same for each horizon step
    by_series : indexed by `model`, `unique_id`
    empty : a sentence for each reason why scores are empty

    """

    by_model: pd.DataFrame
    by_step: pd.DataFrame
    by_series: pd.DataFrame
    empty: tuple[str, ...]


def score(results: pd.DataFrame, scales: Scales, question: Question = VALUE) -> Scores:
    """Score a results table per model, per horizon step and per series."""
    seen = results[results["y"].notna()]
    by_series = _score_groups(seen, ["model", "unique_id"], scales, question)
    by_step = _score_groups(seen, ["model", "step", "unique_id"], scales, question)
    return Scores(
        by_model=by_series.groupby("model", observed=True).mean(),
        by_step=by_step.groupby(["model", "step"], observed=True).mean(),
        by_series=by_series,
        empty=_reasons(results, by_series, scales),
    )


def ranking_metric(by_model: pd.DataFrame) -> str:
    """Name the metric that models are ranked by: that of the question, or MAE where no series has a MASE."""
    ranked_by = question_of_scores(by_model).ranked_by
    return "mae" if ranked_by == "mase" and by_model["mase"].isna().all() else ranked_by


def _score_groups(seen: pd.DataFrame, keys: list[str], scales: Scales, question: Question) -> pd.DataFrame:
    grouped = seen.groupby(keys, observed=True)
    index = grouped.size().index
    absolute, squared = scales.of(index.get_level_values("unique_id").to_series())
    columns = dict.fromkeys(["step", "y", "y_hat", question.scored_column])
    rows = seen[list(columns)].assign(group=grouped.ngroup())
    groups = Groups(rows, absolute, squared)
    return pd.DataFrame({name: metric.score(groups) for name, metric in METRICS_OF[question.name].items()}, index=index)


def _of(found: pd.DataFrame) -> FloatArray:
    """Take the scores out of what the library returns, which is sorted by group."""
    return found["y_hat"].to_numpy(dtype=np.float64)


def _reasons(results: pd.DataFrame, by_series: pd.DataFrame, scales: Scales) -> tuple[str, ...]:
    """Say why scores are empty: a sentence for each reason, with the series that it holds for."""
    named: dict[str, list[str]] = {}
    ids = by_series.index.get_level_values("unique_id")
    if "mase" in by_series:
        for name, reason in scales.reasons.items():
            named.setdefault(f"MASE and RMSSE are empty for {{series}}: {reason}", []).append(name)
        for name in ids[by_series["r2"].isna()].unique():
            named.setdefault("R2 is empty for {series}: the targets are constant", []).append(str(name))
    elif "auc" in by_series:
        for name in ids[by_series["auc"].isna()].unique():
            named.setdefault("AUC is empty for {series}: all outcomes are the same", []).append(str(name))
    for name in results["unique_id"].cat.categories.difference(ids.unique()):
        named.setdefault("{series} without a score: no target was observed after an origin", []).append(str(name))
    return tuple(sentence.format(series=_series(names)) for sentence, names in named.items())


def _series(names: list[str], shown: int = 5) -> str:
    if len(names) == 1:
        return f"series {names[0]!r}"
    listed = ", ".join(repr(name) for name in names[:shown])
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{len(names)} series ({listed}{more})"
