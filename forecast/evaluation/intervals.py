"""How good intervals are: whether they cover what they should, how wide they are, and whether the levels are right.

Over several series a score is the mean of the series' scores, as with all metrics, so that each series counts alike.
The PIT histogram alone pools all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.evaluation.columns import Column
from forecast.evaluation.quantile_scores import crps, pinball_loss, probability_transform, weighted_quantile_loss
from forecast.evaluation.significance import horizon_overlap
from forecast.evaluation.sureness import Judged, judge, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.scales import Scales
    from forecast.series.panel import FloatArray, IntArray

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
