"""How far each model is expected to err, as the logarithm of its error over that of an anchor.

Evidence are rolling origins before the test, counted in whole horizons n: those of calibration split, of validation
split, where a model that chose something by its errors there is charged a standard error, and of the second half of the
training split, forecast by fits on its first half. Of each model they say r, the logarithm of its mean error over that
of an anchor, the pretrained network where it runs. A few horizons crown whatever was lucky there; hence r is shrunk
towards m, what is known of models of its kind at so many rows, which counts for k horizons:

    expected = (n r + k m) / (n + k)

m is known of two sorts of series: of those that have something to be forecast, by the number of rows, and of random
walks, where nothing beats repeating the last value; it is the mean of both, weighted by how probable each sort is,
given the ratio of a plain rule's error to the anchor's (Bayes' rule). m comes from the cold-start curves of
docs/pretrained.md and from public collections of series, k from what errs least there
(`benchmarks/recommendation.py`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy import special

from forecast.evaluation.conformal import lender_of
from forecast.evaluation.evidence import evidence_of
from forecast.forecasters.combination import COMBINATION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.backtest import Backtest
    from forecast.evaluation.evidence import Evidence
    from forecast.forecasters.interface import Kind

Sort: TypeAlias = "Kind | Literal['repeating']"
"""A kind of models of which something of its own is known; those that repeat the last value or season are one."""

_CHOOSE_NOTHING = ("repeating", "naive", "pretrained")

_REPEATING = ("naive", "seasonal_naive")

PLAINEST_FIRST: tuple[Sort, ...] = (
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

_ALIKE = 0.01
"""Forecasts that lie apart by less than this share of their errors are practically the same: what one of two errs less
is a far smaller share still."""

_PAIR_VARIANCE = 0.1
"""Of the log ratio of two models' errors over single horizons, as it typically is: where it is that large, what is
expected of the two counts for `PRIOR_HORIZONS`."""

_DOUBT = 0.2
"""Share by which a model has to be expected to err less than the last value or season, were a walk certain."""

_NEARLY_CERTAIN = 0.8
"""A random walk as probable as that: the pretrained network, too, has to beat the plain rules beyond doubt."""

_PRIORS: Mapping[Sort, tuple[tuple[int, float], ...]] = {
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

_ON_A_WALK: Mapping[Sort, float] = {
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


def kinds_of(backtest: Backtest) -> dict[str, Sort]:
    """Sorts of the models that did not fail; the pretrained network is one of its own, also as the job's network."""
    lender = lender_of(backtest)
    sorts: dict[str, Sort] = {}
    for name in _REPEATING:
        sorts[name] = "repeating"
    if lender is not None:
        sorts[lender] = "pretrained"
    return {
        attempt.name: sorts.get(attempt.name, attempt.kind)
        for attempt in backtest.attempts
        if attempt.name not in backtest.failures
    }


def evidence_before(backtests: Sequence[Backtest | None], kinds: Mapping[str, Sort]) -> Evidence | None:
    """Gather what the splits say of the models; all but rules and the pretrained network chose on the validation split.

    Where probabilities are forecast there is no other split before the test, and nothing is charged.
    """
    values = [one for one in backtests if one is not None and not one.question.forecasts_probabilities]
    choosing = [name for name, kind in kinds.items() if kind not in _CHOOSE_NOTHING] if values else []
    return evidence_of(*backtests, choosing=choosing)


def expected_errors(
    evidence: Evidence | None, kinds: Mapping[str, Sort], rows: int, combination: float | None = None
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
        expected[name] = (n * (r + known[anchor]) + k * known[name]) / (n + k)
    # What forecasts the same errs the same: a network that stayed untrained is its reference, whatever it is charged.
    return expected | {name: expected[plainest_alike(name, evidence, kinds)] for name in seen}


def walk_probability(evidence: Evidence | None, kinds: Mapping[str, Sort]) -> float:
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


def plainest_alike(name: str, evidence: Evidence | None, kinds: Mapping[str, Sort]) -> str:
    """Return the plainest model that forecasts practically the same as this one; it may be this one."""
    return min([name, *alike(name, evidence)], key=lambda other: PLAINEST_FIRST.index(kinds[other]))


def alike(name: str, evidence: Evidence | None) -> tuple[str, ...]:
    """Return the other models that forecast practically the same as this one."""
    if evidence is None or name not in evidence.models:
        return ()
    apart = evidence.apart[evidence.models.index(name)]
    pairs = zip(evidence.models, apart.tolist(), strict=True)
    return tuple(other for other, far in pairs if other != name and far <= _ALIKE)


def choose(expected: Mapping[str, float], kinds: Mapping[str, Sort]) -> str:
    """Return the model with the least expected error, of equals the plainest."""
    least = min(expected.values())
    equals = [name for name, value in expected.items() if value <= least + _TIE]
    return min(equals, key=lambda name: (PLAINEST_FIRST.index(kinds[name]), expected[name]))


def cautious_choice(expected: Mapping[str, float], kinds: Mapping[str, Sort], walk: float) -> str | None:
    """Return what to use where no other model is expected to beat it beyond doubt; None where one is.

    The more probable a random walk is (`walk`), the more is asked for: what is best on one is best by luck. The rules
    that repeat the last value or season are safe there. So is the pretrained network, unless a walk is nearly certain:
    it chooses nothing, and errs hardly more than they do on walks and far less elsewhere.
    """
    sorts = {"repeating"} if walk > _NEARLY_CERTAIN else {"repeating", "pretrained"}
    safe = {name: value for name, value in expected.items() if kinds[name] in sorts}
    if not safe:
        return None
    chosen = choose(safe, kinds)
    return chosen if expected[chosen] <= min(expected.values()) + _DOUBT * walk else None


def odds_between(evidence: Evidence | None, expected: Mapping[str, float], model: str, other: str) -> float:
    """Odds that `model` errs less than `other`, from the difference of their errors on the same origins.

    The log ratio of their errors on the rows to come is normal. Its variance over a horizon, v, is that of blocks,
    which few blocks leave open: `_SPREAD` counts for `_SPREAD_HORIZONS`. Its mean is the measured one, r over n
    horizons, and the expected one, which counts for k = `PRIOR_HORIZONS` v / `_PAIR_VARIANCE`: models that go along
    have little room for what is known of their kinds, or charged for choosing. Over n blocks the variance is taken as
    2 v / (n + 1), since the rows to come scatter too: so were the odds about right on public series.
    """
    n, v, mean = 0.0, _SPREAD**2, expected[other] - expected[model]
    if evidence is not None and {model, other} <= set(evidence.models):
        pair = evidence.of([model, other])
        blocks = pair.block_ratios()
        n = float(len(blocks))
        v = (_SPREAD_HORIZONS * v + n * float(np.var(blocks) if len(blocks) else 0.0)) / (_SPREAD_HORIZONS + n)
        r, horizons = pair.measured_ratio()
        k = PRIOR_HORIZONS * v / _PAIR_VARIANCE
        mean = (horizons * r + k * mean) / (horizons + k)
    probability = float(special.ndtr(mean / math.sqrt(2 * v / (n + 1))))
    return probability / max(1 - probability, 1e-9)


def known_of(kind: Sort, rows: int) -> float:
    """What is known of a kind at a number of rows: the logarithm of its error over the pretrained network's.

    >>> known_of("pretrained", 40), round(known_of("network", 36), 2), round(known_of("network", 1_000_000), 2)
    (0.0, 0.5, -0.08)
    """
    at, values = zip(*_PRIORS[kind], strict=True)
    return float(np.interp(math.log(max(rows, 1)), np.log(at), values))
