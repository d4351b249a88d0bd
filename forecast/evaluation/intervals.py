"""How good intervals are: whether they cover what they should, how wide they are, and whether the levels are right.

Over several series a score is the mean of the series' scores, as with all metrics, so that each series counts alike.
The PIT histogram alone pools all rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy import special

from forecast.evaluation.metrics import Column
from forecast.evaluation.significance import horizon_overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.scales import Scales
    from forecast.series.panel import BoolArray, FloatArray, IntArray

_NOMINAL = {0.5: (0.25, 0.75), 0.8: (0.1, 0.9), 0.9: (0.05, 0.95), 0.95: (0.025, 0.975)}
"""The intervals that are scored, and the levels of their ends."""

COLUMNS = {
    "wql": Column(
        "WQL", "weighted quantile loss: twice the mean pinball loss of all quantiles over the mean size of y"
    ),
    "crps": Column("CRPS", "continuous ranked probability score, in units of the data: MAE of a whole distribution"),
    "coverage_90": Column(
        "90\u00a0% hold", "share of what came that the 90 % intervals hold: 90 % is right", "percent", "in 90 %"
    ),
    "width_90": Column(
        "90\u00a0% width", "mean width of the 90 % intervals, scaled as MASE is; narrow is good if they hold"
    ),
}
"""What the leaderboard shows of them."""

BINS = 10
"""Of the PIT histogram."""

Judgement: TypeAlias = Literal["too narrow", "too wide", "about right", "not known", "infinite"]

_BLOCK_IN_OVERLAPS = 2
_FEWEST_BLOCKS = 3
_CONFIDENCE = 0.995
"""Of the coverage test: four intervals of each of a dozen models are tested at once."""
_TELLING = 0.4
"""An interval of a coverage that is wider tells nothing."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """The intervals of all models on the test split, and how good they are.

    Attributes
    ----------
    levels : probabilities of the quantiles
    quantiles : (origin, step, level) by model, in the order of the results table, in the target's units; infinite
        where the calibration split has too few origins
    scores : indexed by `model`, columns `COLUMNS`: `wql` without a unit, `crps` in the target's units, both empty where
        a quantile is infinite; `width_90` in units of the MASE denominator, infinite where an interval is
    coverage : the fields of `CoverageTest` by `model`
    pit : columns `model`, `bin` (0 to 9), `share`: of all targets, the share whose probability integral transform lies
        in this tenth; empty where a quantile is infinite
    sentences : one a model, by name: whether its intervals are too narrow
    empty : sentences that say why scores are empty

    """

    levels: tuple[float, ...]
    quantiles: dict[str, FloatArray]
    scores: pd.DataFrame
    coverage: pd.DataFrame
    pit: pd.DataFrame
    sentences: dict[str, str]
    empty: tuple[str, ...]


def score_intervals(
    results: pd.DataFrame,
    quantiles: Mapping[str, FloatArray],
    levels: Sequence[float],
    scales: Scales,
    *,
    calibrated: int = 0,
) -> Intervals | None:
    """Score quantiles (origin, step, level) by model, in the order of a results table; None where there are none.

    `calibrated` is the number n of origins that they were calibrated on: conformal intervals cover up to 2 / (n + 1)
    more than their nominal share by design.
    """
    if not quantiles:
        return None
    targets = _targets(results, scales)
    tests = {name: _coverage_tests(targets, q, levels, 2 / (calibrated + 1)) for name, q in quantiles.items()}
    rows = [{"model": name, **vars(test)} for name, of_model in tests.items() for test in of_model]
    scores = [_scores(targets, q, levels, tests[name]) for name, q in quantiles.items()]
    shares = {name: _pit_histogram(targets, q, levels) for name, q in quantiles.items()}
    infinite = [name for name, q in quantiles.items() if not np.isfinite(q).all()]
    return Intervals(
        levels=tuple(levels),
        quantiles=dict(quantiles),
        scores=pd.DataFrame(scores, index=pd.Index(list(quantiles), name="model"), columns=list(COLUMNS)),
        coverage=pd.DataFrame(rows),
        pit=pd.DataFrame(
            {
                "model": np.repeat(np.array(list(shares), dtype=object), BINS),
                "bin": np.tile(np.arange(BINS), len(shares)),
                "share": np.concatenate(list(shares.values())),
            }
        ),
        sentences={name: coverage_sentence(name, of_model) for name, of_model in tests.items()},
        empty=_why_empty(infinite, len(quantiles)),
    )


@dataclass(frozen=True, eq=False)
class _Targets:
    """What the quantiles of all models are compared with.

    Attributes
    ----------
    y : (origin, step), NaN where not observed
    series : (origin,) place among the ids
    unit : (series,) denominator of the MASE
    overlap : number of successive origins whose horizons have a step in common

    """

    y: FloatArray
    series: IntArray
    unit: FloatArray
    overlap: int

    def per_series(self, values: FloatArray) -> FloatArray:
        """Sum values (origin, step, ...) of observed targets over each series: (series, ...)."""
        observed = ~np.isnan(self.y)
        masked = np.where(observed.reshape(observed.shape + (1,) * (values.ndim - 2)), values, 0.0)
        sums = np.zeros((len(self.unit), *values.shape[2:]))
        np.add.at(sums, self.series, masked.sum(axis=1))
        return sums

    @property
    def counts(self) -> FloatArray:
        """Observed targets of each series, (series,), NaN where there are none."""
        count = self.per_series(np.ones_like(self.y))
        return np.where(count > 0, count, np.nan)


def _targets(results: pd.DataFrame, scales: Scales) -> _Targets:
    """Take the targets out of a results table; all models have the same."""
    steps = int(results["step"].max())
    first = results.iloc[: len(results) // results["model"].nunique()]
    ids = first["unique_id"].cat
    unit, _ = scales.of(ids.categories.to_series())
    series = ids.codes.to_numpy()[::steps].astype(np.int64)  # (origin,)
    longest = first[ids.codes.to_numpy() == np.bincount(series).argmax()]
    return _Targets(
        y=first["y"].to_numpy(dtype=np.float64).reshape(-1, steps),  # (origin, step)
        series=series,
        unit=unit,
        overlap=horizon_overlap(longest),
    )


def _coverage_tests(
    targets: _Targets, quantiles: FloatArray, levels: Sequence[float], excess: float
) -> list[CoverageTest]:
    """Test each nominal interval; `quantiles` (origin, step, level)."""
    places = {level: i for i, level in enumerate(levels)}
    observed = ~np.isnan(targets.y)
    tests = []
    for nominal, ends in _NOMINAL.items():
        low, high = (quantiles[:, :, places[end]] for end in ends)  # (origin, step)
        width = _mean(targets.per_series(high - low) / targets.counts / targets.unit)
        hits = ((low <= targets.y) & (targets.y <= high)).astype(np.float64)
        tests.append(
            coverage_test(nominal, hits, observed, targets.series, targets.overlap, width=width, excess=excess)
        )
    return tests


def _scores(
    targets: _Targets, quantiles: FloatArray, levels: Sequence[float], tests: list[CoverageTest]
) -> dict[str, float]:
    losses = targets.per_series(pinball_loss(targets.y, quantiles, levels))  # (series, level)
    absolute = targets.per_series(np.abs(targets.y))  # (series,)
    ninety = next(test for test in tests if test.nominal == 0.9)
    if not np.isfinite(losses).all():
        losses = np.full_like(losses, np.nan)
    return {
        "wql": _mean(weighted_quantile_loss(losses, absolute)),
        "crps": _mean(crps(losses, levels) / targets.counts),
        "coverage_90": ninety.coverage,
        "width_90": ninety.width,
    }


def _pit_histogram(targets: _Targets, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Share of all targets in each tenth of probability, (bin,)."""
    pit = probability_transform(targets.y, quantiles, levels)  # (origin, step)
    pit = pit[~np.isnan(targets.y) & ~np.isnan(pit)]
    if len(pit) == 0:
        return np.full(BINS, np.nan)
    counts, _ = np.histogram(pit, BINS, (0.0, 1.0))
    shares: FloatArray = counts / len(pit)
    return shares


def _mean(values: FloatArray) -> float:
    """Mean over the series that have a score; NaN where none has."""
    scored = values[~np.isnan(values)]
    return float(scored.mean()) if len(scored) else float("nan")


def _why_empty(infinite: list[str], models: int) -> tuple[str, ...]:
    if not infinite:
        return ()
    whose = "all models" if len(infinite) == models else ", ".join(infinite)
    # Finite from n origins on: k = ceil((n + 1) tau) <= n at the highest level tau.
    needed = int(np.ceil(1 / (1 - max(_NOMINAL[0.95])) - 1e-6)) - 1
    return (
        f"wQL and CRPS are empty for {whose}: with fewer than {needed} origins in the calibration split some "
        f"intervals are infinite; a longer `split.calibration` makes them finite",
    )


# Scores of quantiles: `y` is (...,), `quantiles` (..., level) and increasing, `levels` are probabilities tau


def pinball_loss(y: FloatArray, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Pinball loss, tau (y - q) above the quantile and (1 - tau) (q - y) below it, (..., level), in the target's units.

    An infinite quantile loses infinitely much.

    >>> pinball_loss(np.array(3.0), np.array([1.0, 4.0]), (0.25, 0.75)).tolist()
    [0.5, 0.25]
    """
    above = np.asarray(y)[..., None] - quantiles
    tau = np.asarray(levels)
    loss: FloatArray = np.maximum(tau * above, (tau - 1) * above)
    return loss


def crps(losses: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Continuous ranked probability score (...,) from pinball losses (..., level): an absolute error of distributions.

    CRPS = 2 integral_0^1 pinball(tau) dtau (Gneiting and Ranjan 2011, "Comparing density forecasts using threshold- and
    quantile-weighted scoring rules"), by the trapezoid rule over the levels; the loss vanishes at 0 and 1. With the
    nine levels of a run it is 3 % too small on a Gaussian.
    """
    score: FloatArray = 2 * losses @ trapezoid_weights(levels)
    return score


def weighted_quantile_loss(losses: FloatArray, absolute: FloatArray) -> FloatArray:
    """WQL = mean over the levels of 2 sum(pinball) / sum |y|, (group,); NaN where all targets are zero.

    `losses` (group, level) and `absolute` (group,) are the sums over each group of rows. The score has no unit;
    GluonTS calls it `mean_weighted_sum_quantile_loss`.
    """
    wql: FloatArray = 2 * losses.mean(axis=-1) / np.where(absolute > 0, absolute, np.nan)
    return wql


def trapezoid_weights(levels: Sequence[float]) -> FloatArray:
    """Weights (level,) of the trapezoid rule over 0, the levels and 1, for a function that is zero at both ends.

    >>> trapezoid_weights((0.25, 0.5, 0.75)).tolist()
    [0.25, 0.25, 0.25]
    """
    nodes = np.concatenate([[0.0], levels, [1.0]])
    weights: FloatArray = (nodes[2:] - nodes[:-2]) / 2
    return weights


def probability_transform(y: FloatArray, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Probability integral transform F(y), (...,), by linear interpolation between the levels.

    Beyond the outermost quantiles it is the middle of the probability that is left there; on quantiles that coincide
    it is the middle of their levels. NaN where any quantile is infinite.
    """
    target = np.asarray(y)[..., None]
    tau = np.concatenate([[0.0], levels, [1.0]])
    below, not_above = (quantiles < target).sum(axis=-1), (quantiles <= target).sum(axis=-1)
    left, right = tau[below], tau[np.minimum(not_above + 1, len(tau) - 1)]
    last = quantiles.shape[-1] - 1
    low = np.take_along_axis(quantiles, np.maximum(below - 1, 0)[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(quantiles, np.minimum(below, last)[..., None], axis=-1)[..., 0]
    between = (below > 0) & (below <= last) & (below == not_above)  # inside, and on no quantile
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(between, (target[..., 0] - low) / (high - low), 0.5)
    on_quantile = not_above > below
    middle = (tau[np.minimum(below + 1, len(tau) - 1)] + tau[not_above]) / 2
    pit: FloatArray = np.where(on_quantile, middle, left + share * (right - left))
    return np.where(np.isfinite(quantiles).all(axis=-1), pit, np.nan)


# The coverage test


@dataclass(frozen=True)
class CoverageTest:
    """Whether an interval covers its nominal share.

    Attributes
    ----------
    nominal : the share that it should cover
    coverage : the share that it covers
    width : mean width, in units of the MASE denominator
    effective : how many independent targets the share is worth
    judged : what follows

    """

    nominal: float
    coverage: float
    width: float
    effective: float
    judged: Judgement


def coverage_test(
    nominal: float,
    hits: FloatArray,
    observed: BoolArray,
    series: IntArray,
    overlap: int,
    *,
    width: float,
    excess: float = 0.0,
) -> CoverageTest:
    """Test a coverage from hits (origin, step), 0 or 1, of the targets that were `observed`; `series` is (origin,).

    Horizons that overlap hit or miss together, so that origins are no independent draws. A proportion is tested, of as
    many independent targets as it is worth: p (1 - p) / V with p nominal and V its variance, which is that of blocks of
    origins, of one series each and twice as long as horizons overlap (batch means; Schmeiser 1982); at least one target
    a horizon, and at most all. Series count as independent. Judged is the interval of the estimate (Wilson 1927): too
    narrow or too wide where it leaves the nominal share out, and not known where it holds that and much else.

    Origins are in the order of time within a series. The coverage is the mean over the series' coverages; it may lie
    by `excess` above the nominal one without being too wide.
    """
    block = _blocks(series, overlap * _BLOCK_IN_OVERLAPS)  # (origin,)
    counts: FloatArray = np.bincount(block, weights=observed.sum(axis=1)).astype(np.float64)  # (block,)
    hit = np.bincount(block, weights=(hits * observed).sum(axis=1))
    owner = np.zeros(len(counts), dtype=np.int64)
    owner[block] = series
    hit, counts, owner = hit[counts > 0], counts[counts > 0], owner[counts > 0]
    if len(counts) == 0:
        return CoverageTest(nominal, float("nan"), width, 0.0, "not known")
    # A block weighs its share of the targets of its series, and all series alike.
    weights = counts / np.bincount(owner, weights=counts)[owner] / len(np.unique(owner))
    coverage = float(np.sum(weights * hit / counts))
    of_series = np.bincount(series)
    horizons = float(((of_series[of_series > 0] + overlap - 1) / overlap).sum())
    effective = _effective(nominal, weights, hit / counts, counts, horizons)
    return CoverageTest(nominal, coverage, width, effective, _judgement(nominal, coverage, width, effective, excess))


def coverage_sentence(model: str, tests: Sequence[CoverageTest]) -> str:
    """Say of a model whether its intervals are too narrow.

    >>> coverage_sentence("lstm", [CoverageTest(0.9, 0.56, 3.0, 12.0, "too narrow")])
    'the 90 % intervals of lstm held 56 of 100; it should be 90: too narrow'
    """
    shown = _most_telling(tests)
    which = f"the {_percent(shown.nominal)} intervals of {model}"
    if shown.judged == "infinite":
        return f"{which} are infinite: the calibration split has too few origins"
    cover = f"{which} held {100 * shown.coverage:.0f} of 100; it should be {100 * shown.nominal:.0f}"
    if shown.judged == "not known":
        return f"{cover}: too few origins to say"
    others = [_percent(test.nominal) for test in tests if test.judged == shown.judged and test is not shown]
    alike = f", and so are those of {', '.join(others)}" if others and shown.judged != "about right" else ""
    return f"{cover}: {shown.judged}{alike}"


def _most_telling(tests: Sequence[CoverageTest]) -> CoverageTest:
    """The interval to speak of: of 90 % if it is off or nothing else is, else the one that is off the furthest."""
    ninety = next(test for test in tests if test.nominal == 0.9)
    off = [test for test in tests if test.judged in {"too narrow", "too wide"}]
    if ninety in off or not off or ninety.judged == "infinite":
        return ninety
    return max(off, key=lambda test: abs(test.coverage - test.nominal))


def _blocks(series: IntArray, length: int) -> IntArray:
    """Number the blocks of `length` successive origins of a series, (origin,)."""
    starts = np.flatnonzero(np.concatenate([[True], series[1:] != series[:-1]])) if len(series) else series
    place = np.arange(len(series)) - np.repeat(starts, np.diff(np.append(starts, len(series))))
    new = place % length == 0
    return np.cumsum(new) - 1


def _effective(nominal: float, weights: FloatArray, shares: FloatArray, counts: FloatArray, horizons: float) -> float:
    """Count the independent targets that a coverage is worth, between the number of horizons and that of targets.

    With B blocks of weight w, coverage c and m targets, and p nominal: V = B / (B - 1) sum w^2 (c - p)^2, at least
    p (1 - p) sum w^2 / m. Of fewer than three blocks no variance can be taken.
    """
    blocks = len(shares)
    if blocks < _FEWEST_BLOCKS:
        return horizons
    between_blocks = float(np.sum(weights**2 * (shares - nominal) ** 2)) * blocks / (blocks - 1)
    independent = nominal * (1 - nominal) * float(np.sum(weights**2 / counts))
    return max(nominal * (1 - nominal) / max(between_blocks, independent), horizons)


def _wilson(share: float, count: float, confidence: float) -> tuple[float, float]:
    """Interval of a proportion of `count` independent draws (Wilson 1927).

    >>> [round(end, 3) for end in wilson(0.5, 10, 0.95)]
    [0.237, 0.763]
    """
    z = float(special.ndtri((1 + confidence) / 2))
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return middle - half, middle + half


def _judgement(nominal: float, coverage: float, width: float, effective: float, excess: float) -> Judgement:
    if np.isinf(width):
        return "infinite"
    low, high = _wilson(coverage, effective, _CONFIDENCE)
    if high < nominal:
        return "too narrow"
    if low > nominal + excess:
        return "too wide"
    return "about right" if high - low <= _TELLING else "not known"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
