"""Which forecast to use: the model with the least expected error, how far off it is, and how sure that is.

Errors are expected from rolling origins before the test and from what is known of models of a kind (`expected_error`).
Of equals, and of models that forecast practically the same, the plainest is recommended, and a safe one itself where no
other is expected to beat it beyond doubt; without any evidence what is known decides alone, so that there always is an
answer. The test split scores the recommendation and never makes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from forecast.evaluation.evidence import group_means, horizon_means, losses_of, series_of
from forecast.evaluation.expected_error import (
    alike,
    cautious_choice,
    choose,
    evidence_before,
    expected_errors,
    kinds_of,
    odds_between,
    plainest_alike,
    walk_probability,
)
from forecast.evaluation.recommendation_words import second_sentence, sentence_of
from forecast.evaluation.split_origins import split_origins
from forecast.forecasters.combination import COMBINATION
from forecast.forecasters.naive import last_season, last_value
from forecast.questions.kinds import BASE_RATE
from forecast.series.seasons import suggested_seasons
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from forecast.evaluation.backtest import Backtest
    from forecast.evaluation.evidence import Evidence
    from forecast.evaluation.expected_error import Sort
    from forecast.evaluation.intervals import Intervals
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Split
    from forecast.series.panel import Panel


_ROUNDING = 1e-9
_NOMINAL = 0.9


Why: TypeAlias = Literal["measured", "known of its kind", "asked for", "nothing beats it"]


@dataclass(frozen=True)
class Recommendation:
    """Which model to use, and what can be said of it; plain values only.

    Attributes
    ----------
    model : its name on the leaderboard
    why : "asked for" where the user said `recommend=...`; "known of its kind" where there was no origin to choose on;
        "nothing beats it" of a safe choice that no model was shown to beat
    horizons : whole horizons before the test that it was chosen on
    expected : by model, the logarithm of its expected error over the pretrained network's; the least is the best
    alike : other models that forecast practically the same
    runner_up : the next best that does not; None where there is no other
    odds : how many times likelier it is that the model errs less than the runner-up than more; below 1 only where it
        was asked for; NaN without a runner-up
    error : mean absolute error on the test, in the target's unit; NaN for probabilities
    error_share : the same as a share of the mean size of the values; NaN where some are negative, or all zero
    plain : what `gain` compares with, in words: the last value, the season before, or the base rate
    gain : share of the plain rule's error that the model saves on the test, below zero if it errs more; NaN where the
        rule makes none
    nominal, covered : share of what comes that its intervals should hold, and that they held on the test; NaN: none
    coverage : that in words, "" without intervals
    turned : the model that would be chosen if the test counted as well; None where it is the same
    weights : of the members of a combination, by name; empty for a single model
    sentence : what to use, how far off it is, how much better than the plain rule, how sure
    second : that the test has changed its mind, or ""

    """

    model: str
    why: Why
    horizons: float
    expected: dict[str, float]
    alike: tuple[str, ...]
    runner_up: str | None
    odds: float
    error: float
    error_share: float
    plain: str
    gain: float
    nominal: float
    covered: float
    coverage: str
    turned: str | None
    weights: dict[str, float]
    sentence: str = ""
    second: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said of it, one or two sentences."""
        return tuple(filter(None, (self.sentence, self.second)))


def recommend(
    backtests: tuple[Backtest | None, ...],
    panel: Panel,
    split: Split,
    problem: Problem,
    *,
    expected: Mapping[str, float],
    by_model: pd.DataFrame,
    intervals: Intervals | None = None,
    weights: Mapping[str, float] | None = None,
    stride: int | None = None,
    asked: str | None = None,
) -> Recommendation | None:
    """Recommend the model that is `expected` to err least; None if all failed.

    `backtests` are those of the splits before the test, and that of the test, `by_model` the scores on it, `weights`
    those of the combination's members; `asked` is the model that the user wants, whatever is expected.
    """
    *before, test = backtests
    if test is None or not expected:
        return None
    kinds, rows = kinds_of(test), int(split.train.sum())
    evidence = evidence_before(before, kinds)
    model, why, runner_up = _chosen(evidence, expected, kinds, asked)
    odds = odds_between(evidence, expected, model, runner_up) if runner_up else math.nan
    # What is expected to err least is as likely to do so as not, whatever single origins say.
    odds = odds if why == "asked for" else float(np.maximum(odds, 1.0))
    plain, gain = _gain(test, panel, split, problem, model=model, stride=stride)
    with_test = evidence_before(backtests, kinds)
    turned = _best(with_test, expected_errors(with_test, kinds, rows, expected.get(COMBINATION)), kinds)
    scored = intervals is not None and model in intervals.scores.index
    advice = Recommendation(
        model=model,
        why=why,
        horizons=evidence.horizons if evidence else 0.0,
        expected=dict(expected),
        alike=alike(model, evidence),
        runner_up=runner_up,
        odds=odds,
        error=float(by_model["mae"].get(model, math.nan)) if "mae" in by_model else math.nan,
        error_share=_error_share(test, model) if "mae" in by_model else math.nan,
        plain=plain,
        gain=gain,
        nominal=_NOMINAL,
        covered=float(intervals.scores["coverage_90"][model]) if scored and intervals else math.nan,
        coverage=intervals.sentences[model] if scored and intervals else "",
        turned=turned if turned != model and asked is None else None,
        weights=dict(weights or {}) if model == COMBINATION else {},
    )
    sentence = sentence_of(advice, kinds, panel, by_model, _few_rows(test, problem.horizon))
    return replace(advice, sentence=sentence, second=second_sentence(advice, kinds, by_model))


def _best(evidence: Evidence | None, expected: Mapping[str, float], kinds: Mapping[str, Sort]) -> str:
    """Return a safe choice where no model is expected to beat it beyond doubt, else the one expected to err least.

    Of those that forecast practically the same it is the plainest.
    """
    best = cautious_choice(expected, kinds, walk_probability(evidence, kinds)) or choose(expected, kinds)
    return plainest_alike(best, evidence, kinds)


def _chosen(
    evidence: Evidence | None, expected: Mapping[str, float], kinds: Mapping[str, Sort], asked: str | None
) -> tuple[str, Why, str | None]:
    """Return what to use, why, and the runner-up: None where no other differs, or nothing beats a safe choice."""
    best = _best(evidence, expected, kinds)
    safe = best if best != plainest_alike(choose(expected, kinds), evidence, kinds) else None
    model = asked if asked is not None and asked in expected else best
    others = [name for name in expected if name not in {model, *alike(model, evidence)}] if model != safe else []
    runner_up = min(others, key=lambda name: expected[name], default=None)
    if model == asked:
        return model, "asked for", runner_up
    if model == safe and evidence:
        return model, "nothing beats it", runner_up
    return model, "measured" if evidence else "known of its kind", runner_up


def _gain(
    test: Backtest, panel: Panel, split: Split, problem: Problem, *, model: str, stride: int | None
) -> tuple[str, float]:
    """Name the plain rule, and return which share of its error the model saves on the test.

    It is the last value or the value a season before, whichever errs less; of probabilities the base rate.
    """

    def mean_of(losses: np.ndarray) -> float:  # (origin, 1)
        means = group_means(losses, series_of(test))
        return float(means.mean()) if len(means) else math.nan

    if problem.question.forecasts_probabilities:
        known = BASE_RATE in test.results["model"].cat.categories
        plain = {"the base rate": mean_of(losses_of(test, [BASE_RATE])) if known else math.nan}
    else:
        origins = split_origins(panel, split, problem.horizon, "test", stride)
        actual = problem.question.outcomes(panel, origins.rows(panel), problem.horizon)  # (origin, step)
        unit = test.units[origins.series][:, None]
        rules = {"the last value": last_value, _season_in_words(panel, problem.season_steps): last_season}
        plain = {
            words: mean_of(horizon_means(np.abs(rule(panel, origins, problem) - actual) / unit)[:, None])
            for words, rule in rules.items()
            if rule is last_value or problem.season_steps > 1
        }
    words = min(plain, key=lambda name: plain[name])
    error = plain[words]
    return words, 1 - mean_of(losses_of(test, [model])) / error if error > _ROUNDING else math.nan


def _season_in_words(panel: Panel, season_steps: int) -> str:
    """Call a season by its name where the calendar has one."""
    units = {"minutely": "minute", "hourly": "hour", "daily": "day", "weekly": "week", "yearly": "year"}
    for name, period in suggested_seasons(panel.calendar):
        if round(period) == season_steps:
            return f"the {units[name]} before"
    return f"the value {season_steps} steps before"


def _error_share(test: Backtest, model: str) -> float:
    """Mean absolute error over the mean size of the values, averaged over the series."""
    rows = test.results[(test.results["model"] == model) & test.results["y"].notna()]
    if (rows["y"] < 0).any():
        return math.nan
    sums = (
        rows.assign(error=(rows["y"] - rows["y_hat"]).abs()).groupby("unique_id", observed=True)[["error", "y"]].sum()
    )
    sums = sums[sums["y"] > 0]
    return float((sums["error"] / sums["y"]).mean()) if len(sums) else math.nan


def _few_rows(test: Backtest, horizon: int) -> str:
    """Say on which rows it was measured, where these are fewer than a horizon; else ""."""
    scored = test.results["y"].notna().to_numpy()
    rows = int(test.results["ds"][scored].nunique())
    if rows >= horizon or len(test.known) > 1:
        return ""
    return f"on the last {counted(rows, 'row')}" if rows > 1 else "on the last row"
