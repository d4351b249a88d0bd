"""Which forecast to use: the model with the least expected error, how far off it is, and how sure that is.

Evidence are the rolling origins of validation and calibration split, on which nothing was fitted, counted in whole
horizons n. Of each model it says r, the logarithm of its mean error over that of an anchor, the pretrained network
where it runs. A few horizons crown whatever was lucky there; hence r is shrunk towards m, what is known of models of
its kind at so many rows, which counts for k horizons:

    expected = (n r + k m) / (n + k)

The model with the least expected error is recommended, of equals the plainest; without any evidence m alone decides,
so that there always is an answer. From ten horizons on it has to beat repeating the last value, or season, there by
more than two standard errors, else that is recommended: what is best on a random walk is best by luck. m comes from
the cold-start curves of docs/pretrained.md and from public collections of series, k from what errs least there
(`benchmarks/recommendation.py`). The test split scores the recommendation and never makes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy import special

from forecast.evaluation.backtest import split_origins
from forecast.evaluation.conformal import lender_of
from forecast.evaluation.evidence import evidence_of, group_means, horizon_means, losses_of, series_of
from forecast.forecasters.combination import COMBINATION, weights_in_words
from forecast.forecasters.naive import last_season, last_value
from forecast.questions.kinds import BASE_RATE, metric_label
from forecast.series.seasons import suggested_seasons
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from forecast.evaluation.backtest import Backtest
    from forecast.evaluation.evidence import Evidence
    from forecast.evaluation.intervals import Intervals
    from forecast.forecasters.interface import Kind
    from forecast.questions.kinds import Problem
    from forecast.questions.split import Split
    from forecast.series.panel import FloatArray, Panel

PLAINEST_FIRST: tuple[Kind, ...] = (
    "naive",
    "reference",
    "statistical",
    "scikit-learn",
    "pretrained",
    "network",
    "combination",
)
"""Kinds of models in the order in which ties are decided."""

PRIOR_HORIZONS = 15.0
"""k: how many horizons of evidence what is known of a kind counts for."""
_SPREAD = 0.6
"""Of r over single horizons, where the data do not tell: standard deviation on public short series."""
_SPREAD_HORIZONS = 5.0
_TIE = 0.005
"""Expected errors that differ by less than this share are equal."""
_ENOUGH_HORIZONS, _SURENESS = 10.0, 2.0
"""Horizons from which on a model has to beat a naive rule, and by how many standard errors."""
_ALIKE = 1e-6
"""Errors that differ by less than this share are those of one model: float32 and float64 tell it apart."""
_ROUNDING = 1e-9
_NOMINAL = 0.9
_MOST_ODDS = 50

_PRIORS: Mapping[Kind, tuple[tuple[int, float], ...]] = {
    "network": ((16, 0.62), (36, 0.5), (60, 0.2), (200, 0.05), (500, -0.03), (5_000, -0.08)),
    "scikit-learn": ((16, 0.3), (60, 0.22), (200, 0.12), (1_000, 0.0)),
    "statistical": ((16, 0.02), (200, 0.06), (1_000, 0.12)),
    "reference": ((16, 0.3), (200, 0.25), (1_000, 0.1)),
    "naive": ((16, 0.35), (1_000, 0.4)),
    "pretrained": ((16, 0.0),),
}
"""By kind: rows of training, and the logarithm of the error over that of the pretrained network there."""

_DIVERSITY = 0.02
"""What is known of a combination: so much less than its members on average, times the chance that two differ."""

Why: TypeAlias = Literal["measured", "known of its kind", "asked for", "nothing beats it"]


@dataclass(frozen=True)
class Recommendation:
    """Which model to use, and what can be said of it; plain values only.

    Attributes
    ----------
    model : its name on the leaderboard
    why : "asked for" where the user said `recommend=...`; "known of its kind" where there was no origin to choose on;
        "nothing beats it" of a naive rule that no model was shown to beat
    horizons : whole horizons of validation and calibration that it was chosen on
    expected : by model, the logarithm of its expected error over the pretrained network's; the least is the best
    runner_up : the next best; None where there is no other
    odds : how many times likelier it is that the model errs less than the runner-up than more; below 1 where another
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
    backtests: tuple[Backtest | None, Backtest | None, Backtest],
    panel: Panel,
    split: Split,
    problem: Problem,
    *,
    by_model: pd.DataFrame,
    intervals: Intervals | None = None,
    weights: Mapping[str, float] | None = None,
    stride: int | None = None,
    asked: str | None = None,
) -> Recommendation | None:
    """Recommend a model by the first two of the backtests of validation, calibration and test; None if all failed.

    `by_model` are the scores on the test, `weights` those of the combination's members; `asked` is the model that the
    user wants, whatever is expected.
    """
    validation, calibration, test = backtests
    kinds = kinds_of(test)
    if not kinds:
        return None
    evidence, rows = evidence_of(validation, calibration), int(split.train.sum())
    expected = expected_errors(evidence, kinds, rows, weights)
    chosen = choose(expected, kinds)
    rule = plain_rule(evidence, kinds, chosen, weights) if asked is None else None
    model = asked if asked in expected else rule or chosen
    others = [name for name in expected if name != model] if rule is None else []
    runner_up = min(others, key=lambda name: expected[name], default=None)
    every = evidence_of(validation, calibration, test)
    with_test = choose(expected_errors(every, kinds, rows, weights), kinds)
    with_test = plain_rule(every, kinds, with_test, weights) or with_test
    plain, gain = _gain(test, panel, split, problem, model=model, stride=stride)
    scored = intervals is not None and model in intervals.scores.index
    advice = Recommendation(
        model=model,
        why="asked for" if model == asked else _why(evidence, rule),
        horizons=evidence.horizons if evidence else 0.0,
        expected=expected,
        runner_up=runner_up,
        odds=odds_between(evidence, expected, model, runner_up) if runner_up else math.nan,
        error=float(by_model["mae"][model]) if "mae" in by_model else math.nan,
        error_share=_error_share(test, model) if "mae" in by_model else math.nan,
        plain=plain,
        gain=gain,
        nominal=_NOMINAL,
        covered=float(intervals.scores["coverage_90"][model]) if scored and intervals else math.nan,
        coverage=intervals.sentences[model] if scored and intervals else "",
        turned=with_test if with_test != model and asked is None else None,
        weights=dict(weights or {}) if model == COMBINATION else {},
    )
    on = _few_rows(test, problem.horizon)
    sentence = _sentence(advice, kinds, panel, by_model, on)
    return replace(advice, sentence=sentence, second=_second(advice, kinds, by_model))


# The choice


def kinds_of(backtest: Backtest) -> dict[str, Kind]:
    """Kinds of the models that did not fail; the pretrained network is one of its own, also as the job's network."""
    lender = lender_of(backtest)
    return {
        attempt.name: "pretrained" if attempt.name == lender else attempt.kind
        for attempt in backtest.attempts
        if attempt.name not in backtest.failures
    }


def expected_errors(
    evidence: Evidence | None, kinds: Mapping[str, Kind], rows: int, weights: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Logarithm of each model's expected error; that of the anchor is what is known of its kind.

    `rows` is how many rows there are to train on, `weights` are those of the combination's members. Without evidence
    what is known of the kinds is all that there is.
    """
    known = {name: known_of(kind, rows) for name, kind in kinds.items() if kind != "combination"}
    if weights and COMBINATION in kinds:
        prior = np.array([known[name] for name in weights])
        known[COMBINATION] = combined_prior(np.array([*weights.values()]), prior)
    if evidence is None:
        return known
    evidence = evidence.of([name for name in known if name in evidence.models])
    means = evidence.means()
    logs = np.log(np.maximum(means, _ROUNDING * max(float(means.max()), 1e-300)))
    anchor = min(evidence.models, key=lambda name: (kinds[name] != "pretrained", PLAINEST_FIRST.index(kinds[name])))
    measured = logs - logs[evidence.models.index(anchor)] + known[anchor]  # r
    n, k = evidence.horizons, PRIOR_HORIZONS
    prior = np.array([known[_plainest_alike(name, evidence.models, means, kinds)] for name in evidence.models])
    expected = (n * measured + k * prior) / (n + k)
    return dict(zip(evidence.models, expected.tolist(), strict=True))


def _plainest_alike(name: str, models: Sequence[str], means: FloatArray, kinds: Mapping[str, Kind]) -> str:
    """Return the plainest model that errs just as this one: a network that stayed untrained is its reference."""
    at = means[models.index(name)]
    alike = [other for other, mean in zip(models, means, strict=True) if abs(mean - at) <= _ALIKE * at]
    return min(alike, key=lambda other: PLAINEST_FIRST.index(kinds[other]))


def choose(expected: Mapping[str, float], kinds: Mapping[str, Kind]) -> str:
    """Return the model with the least expected error, of equals the plainest."""
    least = min(expected.values())
    equals = [name for name, value in expected.items() if value <= least + _TIE]
    return min(equals, key=lambda name: (PLAINEST_FIRST.index(kinds[name]), expected[name]))


def plain_rule(
    evidence: Evidence | None, kinds: Mapping[str, Kind], model: str, weights: Mapping[str, float] | None = None
) -> str | None:
    """Return the naive rule that a model does not beat beyond doubt, where there is evidence enough to demand it.

    Of a combination, whose `weights` were chosen on this very evidence, a member has to beat it.
    """
    rules = [name for name in (evidence.models if evidence else ()) if kinds[name] == "naive"]
    if evidence is None or evidence.horizons < _ENOUGH_HORIZONS or model not in evidence.models or not rules:
        return None
    means = evidence.means()
    rule = min(rules, key=lambda name: means[evidence.models.index(name)])
    members = [*(weights or {})] if kinds[model] == COMBINATION else [model]
    return None if rule == model or any(_beats(evidence, member, rule) for member in members) else rule


def _beats(evidence: Evidence, model: str, rule: str) -> bool:
    blocks = evidence.of([rule, model]).block_means()  # (block, 2)
    gains = -np.diff(np.log(np.maximum(blocks, _ROUNDING * max(float(blocks.max()), 1e-300))), axis=1)[:, 0]
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
    return float(gains.mean()) > _SURENESS * error


def _why(evidence: Evidence | None, rule: str | None) -> Why:
    if rule is not None:
        return "nothing beats it"
    return "measured" if evidence else "known of its kind"


def odds_between(evidence: Evidence | None, expected: Mapping[str, float], model: str, other: str) -> float:
    """Odds that `model` has the lesser expected error, from the spread of their difference over the horizons.

    The difference on the rows to come is normal about that of the expected errors. Its variance over a horizon, v, is
    that of the log ratios of blocks, which few blocks leave open: `_SPREAD` counts for `_SPREAD_HORIZONS`. Over n
    horizons it is taken as 2 v / (n + 1), since the rows to come scatter too: so were the odds about right on public
    series.
    """
    n, v = 0.0, _SPREAD**2
    if evidence is not None:
        blocks = evidence.of([model, other]).block_means()  # (block, 2)
        logs = np.log(np.maximum(blocks, _ROUNDING * max(float(blocks.max()), 1e-300)))
        n = evidence.horizons
        v = (_SPREAD_HORIZONS * v + n * float(np.var(logs[:, 0] - logs[:, 1]))) / (_SPREAD_HORIZONS + n)
    probability = float(special.ndtr((expected[other] - expected[model]) / math.sqrt(2 * v / (n + 1))))
    return probability / max(1 - probability, 1e-9)


def combined_prior(weights: FloatArray, prior: FloatArray) -> float:
    """What is known of a combination: the weighted mean of what is known of its members, and less for their number."""
    return float(weights @ prior - _DIVERSITY * (1 - weights @ weights))


def known_of(kind: Kind, rows: int) -> float:
    """What is known of a kind at a number of rows: the logarithm of its error over the pretrained network's.

    >>> known_of("pretrained", 40), round(known_of("network", 36), 2), round(known_of("network", 1_000_000), 2)
    (0.0, 0.5, -0.08)
    """
    at, values = zip(*_PRIORS[kind], strict=True)
    return float(np.interp(math.log(max(rows, 1)), np.log(at), values))


# What can be said of it


def _gain(
    test: Backtest, panel: Panel, split: Split, problem: Problem, *, model: str, stride: int | None
) -> tuple[str, float]:
    """Name the plain rule, and return which share of its error the model saves on the test.

    It is the last value or the value a season before, whichever errs less; of probabilities the base rate.
    """

    def mean_of(losses: np.ndarray) -> float:  # (origin, 1)
        return float(group_means(losses, series_of(test)).mean())

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


def _sentence(
    advice: Recommendation, kinds: Mapping[str, Kind], panel: Panel, by_model: pd.DataFrame, on: str = ""
) -> str:
    """Say what to use, how far off it is, how much better than the plain rule, and how sure that is.

    `on` are the rows that it was measured on, where they are few.
    """
    asked = ", as asked for" if advice.why == "asked for" else ""
    made_of = f", the weighted mean of {weights_in_words(advice.weights)}" if advice.weights else ""
    parts = [f"use {_called(advice.model, kinds)}{made_of}{asked}: {_how_far(advice, panel, by_model, on)}"]
    if not math.isnan(advice.gain):
        parts.append(_gain_in_words(advice))
    return f"{', '.join(parts)}; {_how_sure(advice, kinds)}"


def _how_far(advice: Recommendation, panel: Panel, by_model: pd.DataFrame, on: str) -> str:
    if math.isnan(advice.error):
        return f"right in {_in_100(float(by_model['accuracy'][advice.model]))}"
    of = panel.ids[0] if len(panel) == 1 else "the values"
    share = f", {_in_100(advice.error_share)} of {of}" if advice.error_share < 1 else ""
    return f"{number(advice.error)} off {on}{share}" if on else f"typically {number(advice.error)} off{share}"


def _gain_in_words(advice: Recommendation) -> str:
    """Compare with the plain rule.

    >>> blank = dict.fromkeys(Recommendation.__dataclass_fields__)
    >>> [_gain_in_words(Recommendation(**blank | {"plain": "the last value", "gain": g})) for g in (0.31, -0.07, 0.002)]
    ['31 % less than repeating the last value', '7 % more than repeating the last value', 'as repeating the last value']
    """
    rule = advice.plain if advice.plain == "the base rate" else f"repeating {advice.plain}"
    share = abs(advice.gain)
    if share < 0.005:
        return f"as {rule}"
    size = f"{100 * share:.0f} %" if share < 10 else "more than ten times"
    return f"{size} {'less' if advice.gain > 0 else 'more'} than {rule}"


def _how_sure(advice: Recommendation, kinds: Mapping[str, Kind]) -> str:
    if advice.why == "nothing beats it":
        return f"in {advice.horizons:.0f} horizons nothing was shown to beat it"
    if advice.runner_up is None:
        return "there is no other to compare it with"
    other = _called(advice.runner_up, kinds)
    if advice.why == "known of its kind":
        return f"no rows were left to choose on, and on other data as short as these it erred least, before {other}"
    against = advice.odds < 1
    odds = 1 / max(advice.odds, 1e-9) if against else advice.odds
    which = f"{other} beats it" if against else f"it beats {other}"
    return f"{_odds_in_words(odds)} that {which} on data like these"


def _odds_in_words(odds: float) -> str:
    """Round odds as people say them.

    >>> [_odds_in_words(odds) for odds in (1.1, 1.6, 2.4, 11.7, 43.0, 1e6)]
    ['about even chances', 'about 3 to 2', 'about 2 to 1', 'about 12 to 1', 'about 40 to 1', 'more than 50 to 1']
    """
    if odds > _MOST_ODDS:
        return f"more than {_MOST_ODDS} to 1"
    if odds < 1.25:
        return "about even chances"
    if odds < 1.75:
        return "about 3 to 2"
    return f"about {round(odds) if odds < 20 else round(odds, -1):.0f} to 1"


def _second(advice: Recommendation, kinds: Mapping[str, Kind], by_model: pd.DataFrame) -> str:
    """Say that the test, had it counted, would have changed the choice."""
    if advice.turned is None:
        return ""
    metric = "mae" if "mae" in by_model else next(iter(by_model))
    before, now = (number(float(by_model[metric][name])) for name in (advice.turned, advice.model))
    errors = f"{before} off against {now}" if metric == "mae" else f"{metric_label(str(metric))} {before} against {now}"
    return (
        f"the test, which had no say in this, has changed its mind: with it {_called(advice.turned, kinds)} would be "
        f"chosen ({errors} there)"
    )


def _called(model: str, kinds: Mapping[str, Kind]) -> str:
    """Name a model in a sentence: a reference is the network untrained."""
    return f"the untrained {model}" if kinds.get(model) == "reference" and model != BASE_RATE else model


def _in_100(share: float) -> str:
    """Write a share as a count of a hundred.

    >>> _in_100(0.087), _in_100(0.002), _in_100(1.0)
    ('9 in 100', '0.2 in 100', '100 in 100')
    """
    return f"{100 * share:.0f} in 100" if share >= 0.0095 else f"{100 * share:.1g} in 100"
