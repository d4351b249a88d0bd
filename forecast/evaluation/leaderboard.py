"""The leaderboard: one row a model, best first, failures last with their reason."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from forecast.evaluation.backtest import OK
from forecast.evaluation.intervals import COLUMNS as INTERVAL_SCORES
from forecast.evaluation.metrics import METRICS, METRICS_OF, ranking_metric
from forecast.questions.kinds import question_of_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.backtest import Attempt
    from forecast.evaluation.significance import Comparison
    from forecast.questions.kinds import Question

COLUMNS = (
    "model",
    "kind",
    *METRICS,
    *INTERVAL_SCORES,
    "revision",
    "skill",
    "dm_p",
    "fit_seconds",
    "forecast_seconds",
    "status",
)
_ROUNDING = 1e-9
_PLAINEST_FIRST = ("naive", "reference", "statistical", "scikit-learn", "network")


def leaderboard(
    by_model: pd.DataFrame,
    attempts: Sequence[Attempt],
    baseline: str | None,
    tests: Mapping[str, Comparison],
) -> pd.DataFrame:
    """Sort the models by what they are ranked by (`ranking_metric`).

    `by_model` are the scores of `forecast.evaluation.metrics.score`, with those of the intervals and the revisions
    where there are any. `skill` is 1 - MASE (Brier score, bits) / that of the baseline to beat, empty where there is
    none or it errs by rounding alone; `dm_p` is the p-value of a network's test against it after Holm's correction.
    """
    ranked_by = ranking_metric(by_model)
    to_beat = _error_to_beat(by_model, baseline)
    rows = []
    for attempt in attempts:
        scores = by_model.loc[attempt.name].to_dict() if attempt.status == OK else {}
        test = tests.get(attempt.name)
        rows.append(
            {
                "model": attempt.name,
                "kind": attempt.kind,
                **scores,
                "skill": 1 - scores.get(ranked_by, math.nan) / to_beat,
                "dm_p": test.p_adjusted if test else math.nan,
                "fit_seconds": attempt.fit_seconds,
                "forecast_seconds": attempt.forecast_seconds,
                "status": attempt.status,
            }
        )
    table = pd.DataFrame(rows, columns=list(columns_of(question_of_scores(by_model))))
    return (
        table.assign(failed=table["status"] != OK)
        .sort_values(["failed", ranked_by], kind="stable", ignore_index=True)
        .drop(columns="failed")
    )


def columns_of(question: Question) -> tuple[str, ...]:
    """Columns of the leaderboard of a question: only values have intervals and revisions."""
    if not question.forecasts_probabilities:
        return COLUMNS
    return ("model", "kind", *METRICS_OF[question.name], "skill", "dm_p", "fit_seconds", "forecast_seconds", "status")


def skill_is_empty(by_model: pd.DataFrame, baseline: str | None) -> str:
    """Say why the column `skill` is empty, "" where it is not."""
    if not math.isnan(_error_to_beat(by_model, baseline)):
        return ""
    if baseline is None:
        return "skill is empty: there is no baseline to compare with"
    return f"skill is empty: {baseline} has no score on the test split, or makes no error there"


def _error_to_beat(by_model: pd.DataFrame, baseline: str | None) -> float:
    """Score of the baseline to beat, the denominator of the skill; NaN where it is nothing but rounding."""
    scores = by_model[ranking_metric(by_model)]
    error = float(scores.get(baseline, math.nan))
    return error if error > _ROUNDING * scores.max() else math.nan


def baseline_to_beat(by_model: pd.DataFrame, attempts: Sequence[Attempt]) -> str | None:
    """Choose, on the scores of the validation split, the best of everything that is not a network.

    A network's untrained reference is among them: training that adds nothing to where it began was not worth it. Of
    equals the plainest is named. None where nothing but networks could forecast.
    """
    ranked_by = ranking_metric(by_model)
    kinds = {attempt.name: attempt.kind for attempt in attempts if attempt.status == OK}
    scores = {
        name: float(by_model.loc[name, ranked_by])  # type: ignore[arg-type]  # a number, as all metrics are
        for name, kind in kinds.items()
        if kind != "network" and name in by_model.index
    }
    scores = {name: value for name, value in scores.items() if not math.isnan(value)}
    if not scores:
        return None
    best = min(scores.values())
    equals = [name for name, value in scores.items() if math.isclose(value, best, rel_tol=1e-6)]
    return min(equals, key=lambda name: _PLAINEST_FIRST.index(kinds[name]))
