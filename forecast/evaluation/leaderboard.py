"""The leaderboard, one row a model with its scores, and the baseline that a network has to beat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from forecast.evaluation.expected_error import PLAINEST_FIRST
from forecast.evaluation.fits import OK
from forecast.evaluation.intervals import COLUMNS as INTERVAL_SCORES
from forecast.evaluation.metrics import METRICS_OF, Column, ranking_metric
from forecast.questions.kinds import question_of_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.fits import Attempt
    from forecast.evaluation.significance import Comparison
    from forecast.questions.kinds import Question

_REVISION = Column(
    "revision",
    "how much the forecast for one date changes from origin to origin, scaled as MASE is; small is steady",
)
_COMPARED = {
    "skill": Column(
        "skill",
        "1 less MASE (or Brier, bits) over that of the baseline to beat: above 0 is better than it",
        "gain",
        "skill",
    ),
    "dm_p": Column(
        "p",
        "two-sided test against the baseline to beat: Diebold-Mariano over origins, or, of few, paired over series",
        "p",
        "p",
    ),
}
_SECONDS = {
    "fit_seconds": Column("fit s", "seconds to fit", "seconds"),
    "forecast_seconds": Column("forecast s", "seconds to forecast from all origins", "seconds"),
}
_TEXTS = {name: Column(name, form="text") for name in ("model", "kind", "status", "recommended")}
_NEXT_TO_NONE = 0.01
"""Of probabilities: a baseline that errs less than this share of the worst cannot be beaten by much."""
_ROUNDING = 1e-9
"""An error below this share of the largest one is rounding."""


def leaderboard(
    by_model: pd.DataFrame,
    attempts: Sequence[Attempt],
    baseline: str | None,
    tests: Mapping[str, Comparison],
    recommended: str | None = None,
) -> pd.DataFrame:
    """Rank the models by `ranking_metric`, the best first, failures last with their reason.

    `by_model` are the scores of `forecast.evaluation.metrics.score`, with those of the intervals and the revisions
    where there are any. `skill` is 1 - MASE (Brier score, bits) / that of the baseline to beat, empty where there is
    none or its error is rounding; `dm_p` is the p-value of a network's test against it after Holm's correction;
    `recommended` marks the row of the model that is to be used.
    """
    ranked_by = ranking_metric(by_model)
    error_to_beat = _error_to_beat(by_model, baseline)
    rows = []
    for attempt in attempts:
        scores = by_model.loc[attempt.name].to_dict() if attempt.status == OK else {}
        test = tests.get(attempt.name)
        rows.append(
            {
                "model": attempt.name,
                "kind": attempt.kind,
                **scores,
                "skill": 1 - scores.get(ranked_by, math.nan) / error_to_beat,
                "dm_p": test.p_adjusted if test else math.nan,
                "fit_seconds": attempt.fit_seconds,
                "forecast_seconds": attempt.forecast_seconds,
                "status": attempt.status,
                "recommended": attempt.name == recommended,
            }
        )
    table = pd.DataFrame(rows, columns=list(columns_of(question_of_scores(by_model))))
    return (
        table.assign(failed=table["status"] != OK)
        .sort_values(["failed", ranked_by], kind="stable", ignore_index=True)
        .drop(columns="failed")
    )


def columns_of(question: Question) -> tuple[str, ...]:
    """Return the columns of leaderboard.csv in their order: only values have intervals and revisions."""
    of_values = () if question.forecasts_probabilities else (*INTERVAL_SCORES, "revision")
    return ("model", "kind", *METRICS_OF[question.name], *of_values, *_COMPARED, *_SECONDS, "status", "recommended")


def shown_columns(question: Question) -> dict[str, Column]:
    """Return the same columns as the report and the terminal show them: what models are ranked by comes first."""
    metrics = {name: metric.column for name, metric in METRICS_OF[question.name].items()}
    known = metrics | _COMPARED | _SECONDS | _TEXTS | INTERVAL_SCORES | {"revision": _REVISION}
    first = ("model", "kind", question.ranked_by, *_COMPARED)
    return {name: known[name] for name in dict.fromkeys((*first, *columns_of(question)))}


def skill_is_empty(by_model: pd.DataFrame, baseline: str | None) -> str:
    """Say why the column `skill` is empty, "" where it is not."""
    if not math.isnan(_error_to_beat(by_model, baseline)):
        return ""
    if baseline is None:
        return "the column skill has no numbers: no baseline could forecast; `baseline=[naive]` adds one"
    return (
        f"the column skill has no numbers: it divides by the error of {baseline}, which on the test split is next to "
        "nothing or could not be measured; compare the errors themselves"
    )


def _error_to_beat(by_model: pd.DataFrame, baseline: str | None) -> float:
    """Score of the baseline to beat, the denominator of the skill; NaN where it is rounding."""
    scores = by_model[ranking_metric(by_model)]
    error = float(scores.get(baseline, math.nan))
    least = _NEXT_TO_NONE if question_of_scores(by_model).forecasts_probabilities else _ROUNDING
    return error if error > least * scores.max() else math.nan


def baseline_to_beat(by_model: pd.DataFrame, attempts: Sequence[Attempt]) -> str | None:
    """Choose the model with the best validation score that is not a network, of equals the plainest.

    A network's untrained reference is among them: training that adds nothing to its start was not worth it. None where
    nothing but networks could forecast.
    """
    ranked_by = ranking_metric(by_model)
    kinds = {attempt.name: attempt.kind for attempt in attempts if attempt.status == OK}
    scores = {
        name: float(by_model.loc[name, ranked_by])  # type: ignore[arg-type]  # a number, as all metrics are
        for name, kind in kinds.items()
        if kind not in ("network", "combination") and name in by_model.index
    }
    scores = {name: value for name, value in scores.items() if not math.isnan(value)}
    if not scores:
        return None
    best = min(scores.values())
    equals = [name for name, value in scores.items() if math.isclose(value, best, rel_tol=1e-6)]
    return min(equals, key=lambda name: PLAINEST_FIRST.index(kinds[name]))


def unchosen_baseline(attempts: Sequence[Attempt]) -> str | None:
    """Return the baseline to beat where there is no validation split: the one that needs no choice and errs least.

    That is the pretrained network, which was best or near the best on short series of all kinds; else the plainest.
    """
    kinds = {attempt.name: attempt.kind for attempt in attempts if attempt.status == OK and attempt.kind != "network"}
    pretrained = [name for name, kind in kinds.items() if kind == "pretrained"]
    if pretrained or not kinds:
        return next(iter(pretrained), None)
    return min(kinds, key=lambda name: PLAINEST_FIRST.index(kinds[name]))
