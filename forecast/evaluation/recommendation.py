"""Which forecast to use: the model with the least expected error, how far off it is, and how sure that is.

Evidence are rolling origins before the test, counted in whole horizons n: those of calibration split, of validation
split, where a model that chose something by its errors there is charged a standard error, and of the second half of the
training split, forecast by fits on its first half. Of each model they say r, the logarithm of its mean error over that
of an anchor, the pretrained network where it runs. A few horizons crown whatever was lucky there; hence r is shrunk
towards m, what is known of models of its kind at so many rows, which counts for k horizons:

    expected = (n r + k m) / (n + k)

m is known of two sorts of series: of those that have something to be forecast, by the number of rows, and of random
walks, where nothing beats repeating the last value; it is the mean of both, weighted by how probable each sort is,
given the ratio of a plain rule's error to the anchor's (Bayes' rule). The model with the least expected error is
recommended, of equals the plainest, and the rule itself where no model is expected to beat it beyond doubt; without any
evidence m alone decides, so that there always is an answer. m comes from the cold-start curves of docs/pretrained.md
and from public collections of series, k from what errs least there (`benchmarks/recommendation.py`). The test split
scores the recommendation and never makes it.
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
    from forecast.series.panel import Panel

_Sort: TypeAlias = "Kind | Literal['repeating']"
"""A kind of models of which something of its own is known; those that repeat the last value or season are one."""
_CHOOSE_NOTHING = ("repeating", "naive", "pretrained")
_REPEATING = ("naive", "seasonal_naive")

PLAINEST_FIRST: tuple[_Sort, ...] = (
    "repeating",
    "naive",
    "reference",
    "statistical",
    "calendar",
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
_ALIKE = 1e-6
"""Errors that differ by less than this share are those of one model: float32 and float64 tell it apart."""
_DOUBT = 0.2
"""Share by which a model has to be expected to err less than the last value or season, were a walk certain."""
_ROUNDING = 1e-9
_NOMINAL = 0.9
_MOST_ODDS, _EVEN = 50, 0.8

_PRIORS: Mapping[_Sort, tuple[tuple[int, float], ...]] = {
    "network": ((16, 0.62), (36, 0.5), (60, 0.2), (200, 0.05), (500, -0.03), (5_000, -0.08)),
    "scikit-learn": ((16, 0.3), (60, 0.22), (200, 0.12), (1_000, 0.0)),
    "statistical": ((16, 0.02), (200, 0.06), (1_000, 0.12)),
    "calendar": ((16, 0.0), (200, 0.1), (1_000, 0.12)),
    "reference": ((16, 0.3), (200, 0.25), (1_000, 0.1)),
    "repeating": ((16, 0.35), (1_000, 0.4)),
    "naive": ((16, 0.35), (1_000, 0.4)),
    "pretrained": ((16, 0.0),),
}
"""By sort: rows of training, and the logarithm of the error over that of the pretrained network there."""

_ON_A_WALK: Mapping[_Sort, float] = {
    "network": 0.04,
    "scikit-learn": 0.08,
    "statistical": -0.02,
    "calendar": 0.3,
    "reference": 0.0,
    "repeating": -0.03,
    "naive": 0.08,
    "pretrained": 0.0,
}
"""The same on random walks, whatever the number of rows."""

_WALKS = 0.3
"""How probable a random walk is before anything was seen of a series."""
_PLAIN_MEAN, _PLAIN_SPREAD = 0.4, 0.5
"""Of the logarithm of the plain rule's error over the pretrained network's, on series that are none."""
_WALK_SPREAD = 0.03
_PLAIN_NOISE, _PLAIN_HORIZONS = 0.25, 3.0
"""Its standard deviation over single horizons where the data do not tell, and how many horizons that counts for."""

Why: TypeAlias = Literal["measured", "known of its kind", "asked for", "nothing beats it"]


@dataclass(frozen=True)
class Recommendation:
    """Which model to use, and what can be said of it; plain values only.

    Attributes
    ----------
    model : its name on the leaderboard
    why : "asked for" where the user said `recommend=...`; "known of its kind" where there was no origin to choose on;
        "nothing beats it" of a rule that no model was shown to beat
    horizons : whole horizons before the test that it was chosen on
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
    kinds = kinds_of(test)
    evidence = evidence_before(before, kinds)
    best, rule = choose(expected, kinds), plain_rule(expected, kinds, walk_probability(evidence, kinds))
    rule = None if rule == best else rule
    model = asked if asked is not None and asked in expected else rule or best
    others = [name for name in expected if name != model] if model != rule else []
    runner_up = min(others, key=lambda name: expected[name], default=None)
    rows, every = int(split.train.sum()), evidence_before(backtests, kinds)
    with_test = expected_errors(every, kinds, rows, expected.get(COMBINATION))
    turned = plain_rule(with_test, kinds, walk_probability(every, kinds)) or choose(with_test, kinds)
    plain, gain = _gain(test, panel, split, problem, model=model, stride=stride)
    scored = intervals is not None and model in intervals.scores.index
    advice = Recommendation(
        model=model,
        why="asked for" if model == asked else _why(evidence, plain=model == rule),
        horizons=evidence.horizons if evidence else 0.0,
        expected=dict(expected),
        runner_up=runner_up,
        odds=odds_between(evidence, expected, model, runner_up) if runner_up else math.nan,
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
    sentence = _sentence(advice, kinds, panel, by_model, _few_rows(test, problem.horizon))
    return replace(advice, sentence=sentence, second=_second(advice, kinds, by_model))


# The choice


def kinds_of(backtest: Backtest) -> dict[str, _Sort]:
    """Sorts of the models that did not fail; the pretrained network is one of its own, also as the job's network."""
    lender = lender_of(backtest)
    sorts: dict[str, _Sort] = {}
    for name in _REPEATING:
        sorts[name] = "repeating"
    if lender is not None:
        sorts[lender] = "pretrained"
    return {
        attempt.name: sorts.get(attempt.name, attempt.kind)
        for attempt in backtest.attempts
        if attempt.name not in backtest.failures
    }


def evidence_before(backtests: Sequence[Backtest | None], kinds: Mapping[str, _Sort]) -> Evidence | None:
    """Gather what the splits say of the models; all but rules and the pretrained network chose on the validation split.

    Where probabilities are forecast there is no other split before the test, and nothing is charged.
    """
    values = [one for one in backtests if one is not None and not one.question.forecasts_probabilities]
    choosing = [name for name, kind in kinds.items() if kind not in _CHOOSE_NOTHING] if values else []
    return evidence_of(*backtests, choosing=choosing)


def expected_errors(
    evidence: Evidence | None, kinds: Mapping[str, _Sort], rows: int, combination: float | None = None
) -> dict[str, float]:
    """Logarithm of the expected error of each model; that of the anchor is what is known of it.

    `rows` is how many rows there are to train on, `combination` what is known of one; None leaves it out. Without
    evidence what is known is all that there is.
    """
    walk = walk_probability(evidence, kinds)
    known = {
        name: walk * _ON_A_WALK[kind] + (1 - walk) * known_of(kind, rows)
        for name, kind in kinds.items()
        if kind != "combination"
    }
    if combination is not None and COMBINATION in kinds:
        known[COMBINATION] = combination
    if evidence is None or not (seen := [name for name in evidence.models if name in known]):
        return known
    evidence = evidence.of(seen)
    anchor = min(seen, key=lambda name: (kinds[name] != "pretrained", PLAINEST_FIRST.index(kinds[name])))
    logs, counts = evidence.ratios(anchor)
    k, expected = PRIOR_HORIZONS, dict(known)
    for name, r, n in zip(seen, logs.tolist(), counts.tolist(), strict=True):
        prior = known[_plainest_alike(name, evidence, kinds)]
        expected[name] = (n * (r + known[anchor]) + k * prior) / (n + k)
    return expected


def walk_probability(evidence: Evidence | None, kinds: Mapping[str, _Sort]) -> float:
    """How probable it is that nothing beats the last value, from how a naive rule does against the pretrained network.

    Without that one it is the best of the others that the rule is held against.
    """
    models = evidence.models if evidence else ()
    rules = [name for name in models if kinds.get(name) == "repeating"]
    others = [name for name in models if name in kinds and kinds[name] not in {"repeating", "naive", "combination"}]
    if evidence is None or not rules or not others:
        return _WALKS
    means = dict(zip(evidence.models, evidence.means().tolist(), strict=True))
    rule = min(rules, key=lambda name: means[name])
    other = min(others, key=lambda name: (kinds[name] != "pretrained", means[name]))
    pair = evidence.of([other, rule])
    (_, r), (_, n) = pair.ratios(other)
    if n == 0:
        return _WALKS
    blocks = pair.block_ratios()
    noise = _PLAIN_HORIZONS * _PLAIN_NOISE**2 + len(blocks) * float(np.var(blocks))
    noise /= n * (_PLAIN_HORIZONS + len(blocks))  # variance of r about its mean
    walk = _WALKS * _normal(r, _ON_A_WALK["repeating"], noise + _WALK_SPREAD**2)
    other_sort = (1 - _WALKS) * _normal(r, _PLAIN_MEAN, noise + _PLAIN_SPREAD**2)
    return float(walk / max(walk + other_sort, 1e-300))


def _normal(value: float, mean: float, variance: float) -> float:
    """Density of a normal distribution, but for a constant."""
    return math.exp(-0.5 * (value - mean) ** 2 / variance) / math.sqrt(variance)


def _plainest_alike(name: str, evidence: Evidence, kinds: Mapping[str, _Sort]) -> str:
    """Return the plainest model that errs just as this one: a network that stayed untrained is its reference."""
    own = evidence.losses[:, evidence.models.index(name)]
    apart = np.abs(evidence.losses - own[:, None])  # NaN where one of the two is not known
    both = ~np.isnan(apart)
    same = both.any(axis=0) & ~(both & (apart > _ALIKE * np.abs(own)[:, None])).any(axis=0)
    alike = [evidence.models[i] for i in np.flatnonzero(same)]
    return min(alike, key=lambda other: PLAINEST_FIRST.index(kinds[other]), default=name)


def choose(expected: Mapping[str, float], kinds: Mapping[str, _Sort]) -> str:
    """Return the model with the least expected error, of equals the plainest."""
    least = min(expected.values())
    equals = [name for name, value in expected.items() if value <= least + _TIE]
    return min(equals, key=lambda name: (PLAINEST_FIRST.index(kinds[name]), expected[name]))


def plain_rule(expected: Mapping[str, float], kinds: Mapping[str, _Sort], walk: float) -> str | None:
    """Return the rule that repeats the last value or season where no model is expected to beat it beyond doubt.

    The more probable a random walk is (`walk`), the more is asked for: what is best on one is best by luck.
    """
    rules = [name for name in expected if kinds[name] == "repeating"]
    rule = min(rules, key=lambda name: expected[name], default=None)
    return rule if rule and expected[rule] <= min(expected.values()) + _DOUBT * walk else None


def _why(evidence: Evidence | None, *, plain: bool) -> Why:
    if plain and evidence:
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
    if evidence is not None and {model, other} <= set(evidence.models):
        blocks = evidence.of([model, other]).block_ratios()
        n = float(len(blocks))
        v = (_SPREAD_HORIZONS * v + n * float(np.var(blocks) if len(blocks) else 0.0)) / (_SPREAD_HORIZONS + n)
    probability = float(special.ndtr((expected[other] - expected[model]) / math.sqrt(2 * v / (n + 1))))
    return probability / max(1 - probability, 1e-9)


def known_of(kind: _Sort, rows: int) -> float:
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


def _sentence(
    advice: Recommendation, kinds: Mapping[str, _Sort], panel: Panel, by_model: pd.DataFrame, on: str = ""
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
    if "accuracy" in by_model and advice.model in by_model.index:
        return f"right in {_in_100(float(by_model['accuracy'][advice.model])).replace(' in ', ' of ')}"
    if math.isnan(advice.error):
        return "how far off it is cannot be said, as no value of the test was observed"
    if advice.error == 0:
        return "not off at all on the test"
    of = panel.ids[0] if len(panel) == 1 else "the values"
    share = f", {_in_100(advice.error_share)} of {of}" if advice.error_share < 1 else ""
    return f"{number(advice.error)} off {on}{share}" if on else f"typically {number(advice.error)} off{share}"


def _gain_in_words(advice: Recommendation) -> str:
    """Compare with the plain rule.

    >>> blank = dict.fromkeys(Recommendation.__dataclass_fields__)
    >>> for gain in (0.31, 0.002, -0.07, -12.0):
    ...     print(_gain_in_words(Recommendation(**blank | {"plain": "the last value", "gain": gain})))
    31 % less than repeating the last value
    as repeating the last value
    on the test 7 % more than repeating the last value
    on the test more than ten times as much as repeating the last value
    >>> _gain_in_words(Recommendation(**blank | {"plain": "the base rate", "gain": 0.2}))
    'with 20 % less error than giving the same probability every time'
    """
    of_values = advice.plain != "the base rate"
    rule = f"repeating {advice.plain}" if of_values else "giving the same probability every time"
    share = abs(advice.gain)
    if share < 0.005:
        return f"as {rule}" if of_values else f"no better than {rule}"
    less = "less" if of_values else "less error"
    if advice.gain > 0:
        return f"{'' if of_values else 'with '}{100 * share:.0f} % {less} than {rule}"
    size = (
        f"{100 * share:.0f} % {less.replace('less', 'more')} than" if share < 10 else "more than ten times as much as"
    )
    return f"on the test {'' if of_values else 'with '}{size} {rule}"


def _how_sure(advice: Recommendation, kinds: Mapping[str, _Sort]) -> str:
    if advice.why == "nothing beats it":
        return "nothing was shown to beat it on data like these"
    if advice.runner_up is None:
        return "there is no other to compare it with"
    other = _called(advice.runner_up, kinds)
    if advice.why == "known of its kind":
        return f"no rows were left to choose on, and on other data as short as these it erred least, before {other}"
    against = advice.odds < _EVEN
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


def _second(advice: Recommendation, kinds: Mapping[str, _Sort], by_model: pd.DataFrame) -> str:
    """Say that the test, had it counted, would have changed the choice."""
    if advice.turned is None:
        return ""
    metric = "mae" if "mae" in by_model else next(iter(by_model))
    here, there = (number(float(by_model[metric][name])) for name in (advice.turned, advice.model))
    errors = f"{here} off against {there}" if metric == "mae" else f"{metric_label(str(metric))} {here} against {there}"
    return (
        f"the test, which had no say in this, has changed its mind: with it {_called(advice.turned, kinds)} would be "
        f"chosen ({errors} there)"
    )


def _called(model: str, kinds: Mapping[str, _Sort]) -> str:
    """Name a model in a sentence: a reference is the network untrained."""
    if model == BASE_RATE:
        return "the base rate"
    return f"the untrained {model}" if kinds.get(model) == "reference" else model


def _in_100(share: float) -> str:
    """Write a share as a count of a hundred.

    >>> _in_100(0.087), _in_100(0.002), _in_100(1.0)
    ('9 in 100', '0.2 in 100', '100 in 100')
    """
    return f"{100 * share:.0f} in 100" if share >= 0.0095 else f"{100 * share:.1g} in 100"
