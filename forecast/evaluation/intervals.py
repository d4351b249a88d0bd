"""How good intervals are: whether they cover what they should, how wide they are, and whether the levels are right.

Over several series a score is the mean of the series' scores, as with all metrics, so that each series counts alike.
The PIT histogram alone pools all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.evaluation.coverage import CoverageTest, coverage_sentence, coverage_test
from forecast.evaluation.metrics import Column
from forecast.evaluation.significance import horizon_overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.scales import Scales
    from forecast.series.panel import FloatArray, IntArray

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
        f"wQL and CRPS, scores of prediction intervals, are missing for {whose}: fewer than {needed} forecasts in the "
        f"calibration split are too few for the widest intervals; a longer `split.calibration` gives more",
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
