"""Metrics: pure functions, one table of them for each question, and the scores of a results table.

A *group* is a set of rows that are scored together: a model on one series, or a model on one series at one horizon
step. Over several series a metric is the mean of the series' scores, so that each series counts alike.

To add a metric: a pure function and its line in the table of its question, below, and an oracle in the tests
(tests/oracles/metrics.py, tests/evaluation/test_direction_metrics.py or test_symbol_metrics.py). It then stands in
leaderboard.csv, in the report and in the terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from utilsforecast import losses

from forecast.questions.kinds import VALUE, question_of_scores
from forecast.wording import quote_some

if TYPE_CHECKING:
    from forecast.evaluation.scales import Scales
    from forecast.questions.kinds import Question, TargetType
    from forecast.series.panel import FloatArray

_EPSILON = float(np.finfo(np.float64).eps)
_NAMED = 5  # series that a note names, at most
"""Probabilities are kept so far from 0 and 1, as in scikit-learn: else one sure and wrong forecast costs infinitely."""


@dataclass(frozen=True)
class Column:
    """A column of the leaderboard.

    Attributes
    ----------
    label : its heading in the report
    means : what its numbers say, shown below the table
    form : how they are written: "percent" of a share from 0 to 1, "gain" a percentage with its sign, "p" a p-value
    terminal : its heading in the terminal, "" where it is not shown there

    """

    label: str
    means: str = ""
    form: Literal["number", "percent", "gain", "p", "seconds", "text"] = "number"
    terminal: str = ""


@dataclass(frozen=True)
class Metric:
    """A score of forecasts, and how tables show it.

    Attributes
    ----------
    score : one number a group, NaN where a denominator vanishes
    label, means : heading and explanation of its column
    percent : it is a share from 0 to 1, shown in percent
    in_terminal : the terminal, which has 80 columns, shows it too

    """

    score: Callable[[Groups], FloatArray]
    label: str
    means: str
    percent: bool = False
    in_terminal: bool = True

    @property
    def column(self) -> Column:
        """Its column of the leaderboard."""
        return Column(self.label, self.means, "percent" if self.percent else "number", self.label * self.in_terminal)


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows to be scored, every one with an observed target.

    Attributes
    ----------
    rows : columns `group` (0, 1, ... without a gap), `step`, `y`, `y_hat`, and `chance` where symbols are forecast
    absolute : (group,) denominator of the MASE, NaN where there is none
    squared : (group,) squared denominator of the RMSSE, NaN where there is none

    """

    rows: pd.DataFrame
    absolute: FloatArray
    squared: FloatArray

    def mean(self, losses_of_rows: pd.Series) -> FloatArray:
        """Average one loss a row over each group, (group,)."""
        means: FloatArray = losses_of_rows.groupby(self.rows["group"]).mean().to_numpy(dtype=np.float64)
        return means

    def apply(self, loss: Callable[..., pd.DataFrame]) -> FloatArray:
        """Apply a loss of utilsforecast, (group,)."""
        scores: FloatArray = loss(self.rows, ["y_hat"], id_col="group")["y_hat"].to_numpy(dtype=np.float64)
        return scores


# Values


def mae(groups: Groups) -> FloatArray:
    """Mean absolute error, in the target's units."""
    return groups.apply(losses.mae)


def rmse(groups: Groups) -> FloatArray:
    """Root mean squared error, in the target's units."""
    return groups.apply(losses.rmse)


def smape(groups: Groups) -> FloatArray:
    """Symmetric mean absolute percentage error, 200 mean(|y - y_hat| / (|y| + |y_hat|)), 0 to 200.

    The library gives the fraction; where y and y_hat are both zero the term is 0.
    """
    return 200.0 * groups.apply(losses.smape)


def mase(groups: Groups) -> FloatArray:
    """Mean absolute error over that of the seasonal naive forecast on the training split."""
    return mae(groups) / groups.absolute


def rmsse(groups: Groups) -> FloatArray:
    """Root mean squared error over that of the seasonal naive forecast on the training split."""
    return np.sqrt(groups.apply(losses.mse) / groups.squared)


def r2(groups: Groups) -> FloatArray:
    """Coefficient of determination, 1 - sum (y - y_hat)^2 / sum (y - mean y)^2; NaN where the targets are constant."""
    by_group = groups.rows.groupby("group")["y"]
    variance = groups.mean((groups.rows["y"] - by_group.transform("mean")) ** 2).copy()
    variance[(by_group.max() == by_group.min()).to_numpy()] = np.nan
    explained: FloatArray = 1.0 - groups.apply(losses.mse) / variance
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


# Directions: `y` is 1 where the target rose and else 0, `y_hat` the probability of 1


def brier(groups: Groups) -> FloatArray:
    """Mean squared error of the probabilities, 0 to 1 (Brier 1950); least, in expectation, for the true ones."""
    return groups.mean((groups.rows["y"] - groups.rows["y_hat"]) ** 2)


def _direction_accuracy(groups: Groups) -> FloatArray:
    """Share of outcomes that were given more than a half; a probability of exactly a half says "no rise"."""
    return groups.mean((groups.rows["y_hat"] > 0.5) == (groups.rows["y"] > 0.5))


def auc(groups: Groups) -> FloatArray:
    """Area under the ROC curve: how often a rise was given more than what was none; by chance 0.5, a tie is half.

    Compared are forecasts of the same horizon step, and the mean is over the steps that had both outcomes: that base
    rates differ over the horizon is no merit of a forecast. NaN where no step had both.
    """
    rows = groups.rows.assign(rank=groups.rows.groupby(["group", "step"])["y_hat"].rank(), count=1.0)
    rows["up_rank"] = rows["rank"] * rows["y"]
    sums = rows.groupby(["group", "step"])[["y", "count", "up_rank"]].sum()  # (group, step)
    up, down = sums["y"], sums["count"] - sums["y"]
    # Mann and Whitney: U = R_up - n_up (n_up + 1) / 2, and the area is U / (n_up n_down).
    area = (sums["up_rank"] - up * (up + 1) / 2) / (up * down).where(up * down > 0)
    areas: FloatArray = area.groupby("group").mean().to_numpy(dtype=np.float64)
    return areas


def log_loss(groups: Groups) -> FloatArray:
    """Mean negative logarithm of the probability that was given to the outcome, in nats."""
    p = groups.rows["y_hat"].clip(_EPSILON, 1 - _EPSILON)
    return groups.mean(-np.log(p.where(groups.rows["y"] > 0.5, 1 - p)))


_DIRECTION_METRICS: dict[str, Metric] = {
    "brier": Metric(
        brier, "Brier", "mean squared error of the probabilities of a rise: 0.25 is what a coin has, 0 is best"
    ),
    "accuracy": Metric(
        _direction_accuracy,
        "right",
        "share of outcomes given more than a half (a half says that there is no rise)",
        percent=True,
    ),
    "auc": Metric(
        auc,
        "AUC",
        "how often a rise was given more than what was none, at the same step ahead: 50 % is chance",
        percent=True,
    ),
    "log_loss": Metric(
        log_loss, "log loss", "mean negative logarithm of the probability that was given to what came, in nats"
    ),
}


# Symbols: `y` is the code that came, `y_hat` the likeliest, `chance` the probability that was given to `y`


def bits(groups: Groups) -> FloatArray:
    """Cross entropy to base 2, mean(-log2 p): the bits of an ideal code made of the probabilities (Shannon 1948).

    Least, in expectation, for the true probabilities. Of characters these are bits per character.
    """
    return groups.mean(0.0 - np.log2(groups.rows["chance"]))  # 0.0: a probability of 1 costs 0, and not -0


def _symbol_accuracy(groups: Groups) -> FloatArray:
    """Share of symbols that were the likeliest."""
    return groups.mean(groups.rows["y_hat"] == groups.rows["y"])


def perplexity(groups: Groups) -> FloatArray:
    """2 ** bits: as hard as to choose among so many equally likely symbols."""
    return np.exp2(bits(groups))


_SYMBOL_METRICS: dict[str, Metric] = {
    "bits": Metric(
        bits, "bits", "bits a symbol: what the symbols that came cost in an ideal code of the probabilities"
    ),
    "accuracy": Metric(_symbol_accuracy, "right", "share of symbols that were the likeliest", percent=True),
    "perplexity": Metric(
        perplexity, "perplexity", "2 to the power of the bits: as hard as a choice among so many alike"
    ),
}

METRICS_OF: dict[TargetType, dict[str, Metric]] = {
    "value": METRICS,
    "direction": _DIRECTION_METRICS,
    "symbol": _SYMBOL_METRICS,
}
"""The metrics of each question."""


# Scores of a results table


@dataclass(frozen=True, eq=False)
class Scores:
    """The metrics in three views; each table has one column a metric, NaN where a score is empty.

    Attributes
    ----------
    by_model : indexed by `model`: means over the series that have a score
    by_step : indexed by `model`, `step`: the same for each horizon step
    by_series : indexed by `model`, `unique_id`
    empty : one sentence for each reason why scores are empty

    """

    by_model: pd.DataFrame
    by_step: pd.DataFrame
    by_series: pd.DataFrame
    empty: tuple[str, ...]


def score(results: pd.DataFrame, scales: Scales, question: Question = VALUE) -> Scores:
    """Score a results table by model, by horizon step and by series."""
    observed = results[results["y"].notna()]
    by_series = _score_groups(observed, ["model", "unique_id"], scales, question)
    by_step = _score_groups(observed, ["model", "step", "unique_id"], scales, question)
    return Scores(
        by_model=by_series.groupby("model", observed=True).mean(),
        by_step=by_step.groupby(["model", "step"], observed=True).mean(),
        by_series=by_series,
        empty=_why_empty(results, by_series, scales),
    )


def ranking_metric(by_model: pd.DataFrame) -> str:
    """Return the metric that models are ranked by: that of the question, or MAE where no series has a MASE."""
    ranked_by = question_of_scores(by_model).ranked_by
    return "mae" if ranked_by == "mase" and by_model["mase"].isna().all() else ranked_by


def objective(scores: Scores, model: str) -> float:
    """Return what a sweep minimises: a model's score by the ranking metric."""
    return float(scores.by_model.loc[model, ranking_metric(scores.by_model)])  # type: ignore[arg-type]  # a number


def _score_groups(observed: pd.DataFrame, keys: list[str], scales: Scales, question: Question) -> pd.DataFrame:
    grouped = observed.groupby(keys, observed=True)
    index = grouped.size().index
    absolute, squared = scales.of(index.get_level_values("unique_id").to_series())
    columns = dict.fromkeys(["step", "y", "y_hat", question.scored_column])
    rows = observed[list(columns)].assign(group=grouped.ngroup())
    groups = Groups(rows, absolute, squared)
    return pd.DataFrame({name: metric.score(groups) for name, metric in METRICS_OF[question.name].items()}, index=index)


_CONSTANT = {
    "r2": "R2 of {series} is missing: all values of the test split are the same; compare MAE and RMSE",
    "auc": "AUC of {series} is missing: all outcomes of the test split are the same; compare the Brier score",
}
"""Scores that outcomes without variance do not have."""
_UNOBSERVED = (
    "{series} could not be scored: no value was observed after an origin of the test split; fill in its last rows"
)


def _why_empty(results: pd.DataFrame, by_series: pd.DataFrame, scales: Scales) -> tuple[str, ...]:
    """Write a sentence for each reason why scores are empty, with the series that it holds for."""
    series_of: dict[str, list[str]] = {}
    ids = by_series.index.get_level_values("unique_id")
    if "mase" in by_series:
        for name, reason in scales.reasons.items():
            why = f"MASE and RMSSE of {{series}} are missing: {reason}; compare MAE and RMSE"
            series_of.setdefault(why, []).append(name)
    for column, why in _CONSTANT.items():
        for name in ids[by_series[column].isna()].unique() if column in by_series else ():
            series_of.setdefault(why, []).append(str(name))
    for name in results["unique_id"].cat.categories.difference(ids.unique()):
        series_of.setdefault(_UNOBSERVED, []).append(str(name))
    return tuple(sentence.format(series=_listed(names)) for sentence, names in series_of.items())


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return f"series {names[0]!r}"
    return f"{len(names)} series ({quote_some(names, _NAMED)})"
