"""The leaderboard, one row a model, and the verdict on it in one sentence: was the network worth it.

It was where it beats the baseline to beat and naive, the tests say that this is hardly chance, and no plainer row of
the leaderboard does better still. In all other cases the sentence says what to use instead, or what is not known. The
baseline to beat is used instead only where it beats naive in turn: on a random walk validation has to choose some
baseline, and whichever it is, nothing beats naive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from forecast.evaluation.expected_error import PLAINEST_FIRST
from forecast.evaluation.fits import OK
from forecast.evaluation.intervals import COLUMNS as INTERVAL_SCORES
from forecast.evaluation.metrics import METRICS_OF, Column, ranking_metric
from forecast.questions.kinds import BASE_RATE, VALUE, metric_label, question_of_scores

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
_WORTH = "worth its training"
_NOT_SHOWN = f"not shown to be {_WORTH}"
_ROUNDING = 1e-9
"""An error below this share of the largest one is rounding."""

NAIVE = VALUE.plain_baseline
"""The row that repeats the last value: it needs no choice, and on a random walk nothing beats it."""


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
        return "skill is empty: there is no baseline to compare with"
    return f"skill is empty: {baseline} has no score on the test split, or makes next to no error there"


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


@dataclass(frozen=True)
class Verdict:
    """The sentence, and whether it claims that the network won."""

    sentence: str
    won: bool


def verdict(
    leaderboard: pd.DataFrame,
    network: str,
    baseline: str | None,
    test: Comparison | None,
    significance: float = 0.05,
    *,
    against_naive: Mapping[str, Comparison] | None = None,
    spread: str = "",
    trained: bool = True,
) -> Verdict:
    """Say whether a network beats the baseline to beat.

    It does where its MASE is better, and the p-value of `test` (after Holm's correction) lies below `significance` with
    the difference on the same side. `against_naive` are the tests of network and baseline against naive, by name,
    where naive is not the baseline; `spread` is appended, it says how far the members of an ensemble lie apart.
    One that was not `trained` on these data can be no more than better.
    """
    rows = leaderboard.set_index("model")
    result = _both_right(rows, network, baseline) or _verdict(
        rows, network, baseline, test, significance=significance, against_naive=against_naive or {}
    )
    if not trained:
        result = replace(result, sentence=result.sentence.replace(_WORTH, "better"))
    return replace(result, sentence=f"{result.sentence}; {spread}") if spread else result


def _both_right(rows: pd.DataFrame, network: str, baseline: str | None) -> Verdict | None:
    """Say so where network and baseline are right every time."""
    if baseline is None or "accuracy" not in rows or not rows["accuracy"][[network, baseline]].ge(1).all():
        return None
    metric = ranking_metric(rows)
    pair = _score_pair(float(rows[metric][network]), float(rows[metric][baseline]), digits=4)
    figures = f"{metric_label(metric)} {pair}"
    rival = _display_name(rows, baseline)
    return Verdict(f"{network} is right every time, as {rival} is: nothing can be better ({figures})", won=False)


def _verdict(
    rows: pd.DataFrame,
    network: str,
    baseline: str | None,
    test: Comparison | None,
    *,
    significance: float,
    against_naive: Mapping[str, Comparison],
) -> Verdict:
    if rows["status"][network] != OK:
        return Verdict(f"{network} failed ({rows['status'][network]!s})", won=False)
    metric = ranking_metric(rows)
    score, label = float(rows[metric][network]), metric_label(metric)
    if baseline is None or rows["status"][baseline] != OK or test is None:
        return Verdict(f"{network} has nothing to be compared with ({label} {_number(score)})", won=False)
    rival, rival_score = _display_name(rows, baseline), float(rows[metric][baseline])
    figures = f"{label} {_score_pair(score, rival_score)}"
    if question_of_scores(rows).forecasts_probabilities:
        figures = f"{label} {_score_pair(score, rival_score, digits=4)}, {_relative_to(score, rival_score)}"
    naive_unbeaten = _naive_unbeaten(rows, against_naive, significance)
    if not (score < rival_score and test.difference < 0):
        chance = f"no p: {test.reason}" if math.isnan(test.p_adjusted) else _p_text(test)
        outcome = f"{network} does not beat {rival} ({figures}, {chance})"
        return _lost(outcome, rival, naive_unbeaten.get(baseline))
    ahead = f"{network} is ahead of {rival} ({figures}), but"
    if math.isnan(test.p_adjusted):
        return Verdict(f"{ahead} whether that is chance cannot be said: {test.reason}", won=False)
    if test.p_adjusted >= significance:
        outcome = f"{ahead} that may be chance ({_p_text(test)})"
        return _lost(outcome, rival, naive_unbeaten.get(baseline))
    beats = f"{network} beats {rival} ({figures}, {_p_text(test)})"
    return _beats_baseline(rows, network, beats, naive_unbeaten.get(network))


def _naive_unbeaten(rows: pd.DataFrame, against_naive: Mapping[str, Comparison], significance: float) -> dict[str, str]:
    """Name naive with its figures for each model that does not beat it; where there is no p the figures decide."""
    metric, naive = ranking_metric(rows), _plain_baseline(rows)
    unbeaten = {}
    for name, test in against_naive.items():
        no_p = math.isnan(test.p_adjusted)
        if test.difference < 0 and (no_p or test.p_adjusted < significance):
            continue
        p = "" if no_p else f", {_p_text(test)}"
        figures = f"{metric_label(metric)} {_number(float(rows[metric][naive]))}{p}"
        unbeaten[name] = f"{_display_name(rows, naive)} ({figures})"
    return unbeaten


def _lost(outcome: str, rival: str, naive_unbeaten: str | None) -> Verdict:
    """Claim nothing; say where the baseline to beat does not beat naive."""
    not_beaten = f", and {rival} does not beat {naive_unbeaten}" if naive_unbeaten else ""
    return Verdict(f"{outcome}{not_beaten}: {_NOT_SHOWN}", won=False)


def _beats_baseline(rows: pd.DataFrame, network: str, beats: str, naive_unbeaten: str | None) -> Verdict:
    """Claim the win, unless a plainer row does better still or naive is not beaten."""
    metric = ranking_metric(rows)
    better = rows[~rows["kind"].isin(["network", "combination"]) & (rows[metric] < rows[metric][network])]
    if not better.empty:
        best = str(better[metric].idxmin())
        name, figure = _display_name(rows, best), _number(float(better[metric][best]))
        still = f"but {name}, not chosen on validation, does better still ({figure})"
        return Verdict(f"{beats}, {still}: {_NOT_SHOWN}", won=False)
    if naive_unbeaten is not None:
        return Verdict(f"{beats}, but not {naive_unbeaten}: {_NOT_SHOWN}", won=False)
    return Verdict(f"{beats}: on these data it is {_WORTH}", won=True)


def seed_spread(scores: Sequence[float], metric: str = "validation MASE") -> str:
    """Say how far the scores of runs that differ in their seed alone lie apart.

    >>> seed_spread([1.02, 0.98, 1.05])
    'over 3 seeds the validation MASE lies between 0.98 and 1.05'
    """
    return spread_of(scores, f"over {len(scores)} seeds the {metric}")


def spread_of(scores: Sequence[float], what: str) -> str:
    """Say between which values scores lie.

    >>> spread_of([1.02, 0.98, 1.05], "the MASE of its 3 members alone")
    'the MASE of its 3 members alone lies between 0.98 and 1.05'
    """
    lowest, highest = _distinct(min(scores), max(scores))
    return f"{what} lies between {lowest} and {highest}"


def _display_name(rows: pd.DataFrame, baseline: str) -> str:
    """Name a baseline in a sentence: a reference is the network untrained."""
    if question_of_scores(rows).forecasts_probabilities:
        return "the base rate" if baseline == BASE_RATE else baseline
    return f"the untrained {baseline}" if rows["kind"][baseline] == "reference" else baseline


def _plain_baseline(rows: pd.DataFrame) -> str:
    return question_of_scores(rows).plain_baseline


def _relative_to(score: float, other: float) -> str:
    """Say by what share of the other a score lies below or above it.

    >>> _relative_to(0.24, 0.25), _relative_to(0.2501, 0.25), _relative_to(0.5, 0.25), _relative_to(0.25, 1e-9)
    ('4.0 % below', 'less than 0.1 % above', '100 % above', 'more than ten times')
    """
    if score > 10 * other:
        return "more than ten times"
    share = abs(score - other) / other if other else 0.0
    part = "less than 0.1 %" if share < 0.001 else f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
    return f"{part} {'below' if score < other else 'above'}"


def _score_pair(score: float, other: float, digits: int = 3) -> str:
    return " against ".join(_distinct(score, other, digits))


def _distinct(first: float, second: float, fewest: int = 3) -> tuple[str, str]:
    """Write two numbers with as many digits as tell them apart, six at most."""
    pairs = [(_number(first, digits), _number(second, digits)) for digits in range(fewest, 7)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def _number(value: float, digits: int = 3) -> str:
    """Two decimals from 0.1 on, else `digits` significant digits, six decimals at most.

    >>> _number(1.0), _number(0.9871), _number(0.00123456), _number(1234.567), _number(0.0000712), _number(3e-9)
    ('1.00', '0.99', '0.00123', '1234.57', '0.000071', '<0.000001')
    """
    if 0 < abs(value) < 1e-6:
        return "<0.000001"
    if 0 < abs(value) < 1e-3:
        return f"{value:.{min(digits - 1 - math.floor(math.log10(abs(value))), 6)}f}"
    if abs(value) >= 0.1 or value == 0:
        return f"{value:.{digits - 1}f}"
    return f"{value:#.{digits}g}"


def _p_text(test: Comparison) -> str:
    """Write the p-value, and the number of series where the test is paired over them."""
    return _p_value(test.p_adjusted) + (f", paired over {test.series} series" if test.series else "")


def _p_value(p: float) -> str:
    """Two decimals, three where the second might cross a threshold, never zero.

    >>> _p_value(0.41), _p_value(0.0478), _p_value(0.00002)
    ('p = 0.41', 'p = 0.048', 'p < 0.001')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
