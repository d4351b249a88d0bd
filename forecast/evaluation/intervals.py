"""How good intervals are: whether they cover what they should, how wide they are, and whether the levels are right.

Over several series a score is the mean of the series' scores, as with all metrics, so that each series counts alike.
The PIT histogram alone pools all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy import special

from forecast.evaluation.columns import Column
from forecast.evaluation.significance import horizon_overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.scales import Scales
    from forecast.series.panel import BoolArray, FloatArray, IntArray


NOMINAL = {0.5: (0.25, 0.75), 0.8: (0.1, 0.9), 0.9: (0.05, 0.95), 0.95: (0.025, 0.975)}
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


@dataclass(frozen=True, eq=False)
class Intervals:
    """The intervals of all models on the test split, and what is to be said of them.

    Attributes
    ----------
    levels : probabilities of the quantiles
    quantiles : (origin, step, level) by model, in the order of the results table, in the target's units; infinite
        where the calibration split has too few origins
    scores : indexed by `model`, columns `COLUMNS`: `wql` without a unit, `crps` in the target's units, both empty where
        a quantile is infinite; `width_90` in units of the MASE denominator, infinite where an interval is
    coverage : columns `model`, `nominal`, `coverage`, `width`, `tolerance` (what coverage may be off by chance; empty
        where there are too few origins to tell) and `judged` ("too narrow", "too wide", "about right", "not known",
        "infinite")
    pit : columns `model`, `bin` (0 to 9), `share`: of all targets, how many had a probability in this tenth. The
        probability of a target is interpolated linearly between the quantiles beside it. Empty where one is infinite.
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


@dataclass(frozen=True, eq=False)
class Truth:
    """What the quantiles of all models are held against.

    Attributes
    ----------
    y : (origin, step), NaN where not observed
    series : (origin,) place among the ids
    unit : (series,) denominator of the MASE
    overlap : origins whose horizons have a step in common

    """

    y: FloatArray
    series: IntArray
    unit: FloatArray
    overlap: int

    def per_series(self, values: FloatArray) -> FloatArray:
        """Sum what is observed of (origin, step, ...) over each series: (series, ...)."""
        seen = ~np.isnan(self.y)
        masked = np.where(seen.reshape(seen.shape + (1,) * (values.ndim - 2)), values, 0.0)
        sums = np.zeros((len(self.unit), *values.shape[2:]))
        np.add.at(sums, self.series, masked.sum(axis=1))
        return sums

    @property
    def counts(self) -> FloatArray:
        """Observed targets of each series, (series,), NaN where there are none."""
        count = self.per_series(np.ones_like(self.y))
        return np.where(count > 0, count, np.nan)


def score_intervals(
    results: pd.DataFrame,
    quantiles: Mapping[str, FloatArray],
    levels: Sequence[float],
    scales: Scales,
    *,
    calibrated: int = 0,
) -> Intervals | None:
    """Score quantiles (origin, step, level) by model, in the order of a results table; None where there are none.

    `calibrated` is from how many origins they were made: the fewer, the more conformal intervals cover by design.
    """
    if not quantiles:
        return None
    truth = truth_of(results, scales)
    judged = {name: _judged(truth, told, levels, 2 / (calibrated + 1)) for name, told in quantiles.items()}
    rows = [{"model": name, **vars(one)} for name, found in judged.items() for one in found]
    scored = [_scores(truth, told, levels, judged[name]) for name, told in quantiles.items()]
    shares = {name: _histogram(truth, told, levels) for name, told in quantiles.items()}
    infinite = [name for name, told in quantiles.items() if not np.isfinite(told).all()]
    return Intervals(
        levels=tuple(levels),
        quantiles=dict(quantiles),
        scores=pd.DataFrame(scored, index=pd.Index(list(quantiles), name="model"), columns=list(COLUMNS)),
        coverage=pd.DataFrame(rows),
        pit=pd.DataFrame(
            {
                "model": np.repeat(np.array(list(shares), dtype=object), BINS),
                "bin": np.tile(np.arange(BINS), len(shares)),
                "share": np.concatenate(list(shares.values())),
            }
        ),
        sentences={name: sentence(name, found) for name, found in judged.items()},
        empty=_why_empty(infinite, len(quantiles)),
    )


def truth_of(results: pd.DataFrame, scales: Scales) -> Truth:
    """Take the targets out of a results table; all models have the same."""
    steps = int(results["step"].max())
    first = results.iloc[: len(results) // results["model"].nunique()]
    ids = first["unique_id"].cat
    unit, _ = scales.of(ids.categories.to_series())
    series = ids.codes.to_numpy()[::steps].astype(np.int64)
    longest = first[ids.codes.to_numpy() == np.bincount(series).argmax()]
    return Truth(
        y=first["y"].to_numpy(dtype=np.float64).reshape(-1, steps),
        series=series,
        unit=unit,
        overlap=horizon_overlap(longest),
    )


def _judged(truth: Truth, told: FloatArray, levels: Sequence[float], excess: float) -> list[Judged]:
    """Coverage and width of each nominal interval."""
    places = {level: i for i, level in enumerate(levels)}
    found = []
    for nominal, ends in NOMINAL.items():
        low, high = (told[:, :, places[end]] for end in ends)
        width = truth.per_series(high - low) / truth.counts / truth.unit
        hits = ((low <= truth.y) & (truth.y <= high)).astype(np.float64)
        seen = ~np.isnan(truth.y)
        found.append(judge(nominal, hits, seen, truth.series, truth.overlap, width=_mean(width), excess=excess))
    return found


def _scores(truth: Truth, told: FloatArray, levels: Sequence[float], judged: list[Judged]) -> dict[str, float]:
    losses = truth.per_series(pinball_loss(truth.y, told, levels))
    absolute = truth.per_series(np.abs(truth.y))
    ninety = next(one for one in judged if one.nominal == 0.9)
    if not np.isfinite(losses).all():
        losses = np.full_like(losses, np.nan)
    return {
        "wql": _mean(weighted_quantile_loss(losses, absolute)),
        "crps": _mean(crps(losses, levels) / truth.counts),
        "coverage_90": ninety.coverage,
        "width_90": ninety.width,
    }


def _histogram(truth: Truth, told: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Share of all targets in each tenth of probability, (bin,)."""
    probability = probability_transform(truth.y, told, levels)
    probability = probability[~np.isnan(truth.y) & ~np.isnan(probability)]
    if len(probability) == 0:
        return np.full(BINS, np.nan)
    counted, _ = np.histogram(probability, BINS, (0.0, 1.0))
    shares: FloatArray = counted / len(probability)
    return shares


def _mean(values: FloatArray) -> float:
    """Mean over the series that have a score; NaN where none has."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


def _why_empty(infinite: list[str], models: int) -> tuple[str, ...]:
    if not infinite:
        return ()
    whose = "all models" if len(infinite) == models else ", ".join(infinite)
    needed = int(np.ceil(1 / (1 - max(NOMINAL[0.95])) - 1e-6)) - 1
    return (
        f"wQL and CRPS are empty for {whose}: with fewer than {needed} origins in the calibration split some "
        f"intervals are infinite; a longer `split.calibration` makes them finite",
    )


def pinball_loss(y: FloatArray, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
    """(y - q) * tau above the quantile, (q - y) * (1 - tau) below it: (..., level), in the target's units.

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

    It is twice the integral of the pinball loss over all levels (Gneiting and Ranjan 2011, "Comparing density forecasts
    using threshold- and quantile-weighted scoring rules"), here by the trapezoid rule over those that there are; the
    loss vanishes at the levels 0 and 1. With the nine levels of a run it is 3 % too small on a Gaussian.
    """
    score: FloatArray = 2 * losses @ trapezoid_weights(levels)
    return score


def weighted_quantile_loss(losses: FloatArray, absolute: FloatArray) -> FloatArray:
    """Twice the sum of the pinball losses over the sum of |y|, a mean over the levels; NaN where all targets are zero.

    Of each group of rows `losses` (group, level) and `absolute` (group,) are the sums. The score has no unit; GluonTS
    calls it `mean_weighted_sum_quantile_loss`.
    """
    scored: FloatArray = 2 * losses.mean(axis=-1) / np.where(absolute > 0, absolute, np.nan)
    return scored


def trapezoid_weights(levels: Sequence[float]) -> FloatArray:
    """Weights (level,) of the trapezoid rule over 0, the levels and 1, for what is zero at both ends.

    >>> trapezoid_weights((0.25, 0.5, 0.75)).tolist()
    [0.25, 0.25, 0.25]
    """
    ends = np.concatenate([[0.0], levels, [1.0]])
    weights: FloatArray = (ends[2:] - ends[:-2]) / 2
    return weights


def probability_transform(y: FloatArray, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Probability of a value up to `y`, (...,): the PIT, by linear interpolation between the levels.

    Beyond the outermost quantiles it is the middle of what probability is left there; on quantiles that coincide it is
    the middle of their levels. NaN where any quantile is infinite.
    """
    target = np.asarray(y)[..., None]
    tau = np.concatenate([[0.0], levels, [1.0]])
    below, not_above = (quantiles < target).sum(axis=-1), (quantiles <= target).sum(axis=-1)
    left, right = tau[below], tau[np.minimum(not_above + 1, len(tau) - 1)]
    last = quantiles.shape[-1] - 1
    low = np.take_along_axis(quantiles, np.maximum(below - 1, 0)[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(quantiles, np.minimum(below, last)[..., None], axis=-1)[..., 0]
    between = (below > 0) & (below <= last) & (below == not_above)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(between, (target[..., 0] - low) / (high - low), 0.5)
    touched = not_above > below
    middle = (tau[np.minimum(below + 1, len(tau) - 1)] + tau[not_above]) / 2
    found: FloatArray = np.where(touched, middle, left + share * (right - left))
    return np.where(np.isfinite(quantiles).all(axis=-1), found, np.nan)


Judgement: TypeAlias = Literal["too narrow", "too wide", "about right", "not known", "infinite"]

_BLOCK_IN_OVERLAPS = 2
_FEWEST_BLOCKS = 3
_CONFIDENCE = 0.99
"""Four intervals of each of a dozen models are judged at once."""


@dataclass(frozen=True)
class Judged:
    """An interval's coverage and mean width, by how much chance may move the coverage, and what follows."""

    nominal: float
    coverage: float
    width: float
    tolerance: float
    judged: Judgement


def judge(
    nominal: float,
    hits: FloatArray,
    seen: BoolArray,
    series: IntArray,
    overlap: int,
    *,
    width: float,
    excess: float = 0.0,
) -> Judged:
    """Judge a coverage from hits (origin, step), 0 or 1, of those targets that were `seen`; `series` is (origin,).

    Origins are in the order of time within a series. The coverage is the mean over the series' coverages; it may lie
    by `excess` above the nominal one without being too wide.
    """
    block = _blocks(series, overlap * _BLOCK_IN_OVERLAPS)
    counts: FloatArray = np.bincount(block, weights=seen.sum(axis=1)).astype(np.float64)
    hit = np.bincount(block, weights=(hits * seen).sum(axis=1))
    owner = np.zeros(len(counts), dtype=np.int64)
    owner[block] = series
    hit, counts, owner = hit[counts > 0], counts[counts > 0], owner[counts > 0]
    if len(counts) == 0:
        return Judged(nominal, float("nan"), width, float("nan"), "not known")
    weights = counts / np.bincount(owner, weights=counts)[owner] / len(np.unique(owner))
    coverage = float(np.sum(weights * hit / counts))
    tolerance = _tolerance(nominal, weights, hit / counts, counts)
    return Judged(nominal, coverage, width, tolerance, _judgement(coverage - nominal, width, tolerance, excess))


def sentence(model: str, judged: Sequence[Judged]) -> str:
    """Say of a model whether its intervals are too narrow.

    >>> sentence("lstm", [Judged(0.9, 0.81, 3.0, 0.04, "too narrow")])
    'the 90 % intervals of lstm cover 81 %: too narrow'
    """
    one = _telling(judged)
    which = f"the {_percent(one.nominal)} intervals of {model}"
    if one.judged == "infinite":
        return f"{which} are infinite: the calibration split has too few origins"
    cover = f"{which} cover {_percent(one.coverage)}"
    if one.judged == "not known":
        return f"{cover}; whether that is chance cannot be said from so few origins"
    others = [_percent(other.nominal) for other in judged if other.judged == one.judged and other is not one]
    alike = f", and so are those of {', '.join(others)}" if others and one.judged != "about right" else ""
    return f"{cover}: {one.judged}{alike}"


def _telling(judged: Sequence[Judged]) -> Judged:
    """The interval to speak of: of 90 % if it is off or nothing else is, else the one that is off the furthest."""
    ninety = next(one for one in judged if one.nominal == 0.9)
    off = [one for one in judged if one.judged in {"too narrow", "too wide"}]
    if ninety in off or not off or ninety.judged == "infinite":
        return ninety
    return max(off, key=lambda one: abs(one.coverage - one.nominal))


def _blocks(series: IntArray, length: int) -> IntArray:
    """Number the blocks of `length` origins that lie beside one another in a series, (origin,)."""
    starts = np.flatnonzero(np.concatenate([[True], series[1:] != series[:-1]])) if len(series) else series
    place = np.arange(len(series)) - np.repeat(starts, np.diff(np.append(starts, len(series))))
    new = place % length == 0
    return np.cumsum(new) - 1


def _tolerance(nominal: float, weights: FloatArray, shares: FloatArray, counts: FloatArray) -> float:
    """What a coverage may be off by chance, if it is nominal; NaN where there are too few blocks to tell."""
    blocks = len(shares)
    if blocks < _FEWEST_BLOCKS:
        return float("nan")
    scattered = float(np.sum(weights**2 * (shares - nominal) ** 2)) * blocks / (blocks - 1)
    independent = nominal * (1 - nominal) * float(np.sum(weights**2 / counts))
    return float(special.stdtrit(blocks - 1, (1 + _CONFIDENCE) / 2) * np.sqrt(max(scattered, independent)))


def _judgement(above: float, width: float, tolerance: float, excess: float) -> Judgement:
    if np.isinf(width):
        return "infinite"
    if np.isnan(tolerance):
        return "not known"
    if -tolerance <= above <= tolerance + excess:
        return "about right"
    return "too narrow" if above < 0 else "too wide"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
