"""Whether intervals hold as often as they should: coverage with its error, of forecasts that overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import BoolArray, FloatArray, IntArray

Judgement: TypeAlias = Literal["too narrow", "too wide", "wider than need be", "about right", "not known", "infinite"]

_BLOCK_IN_OVERLAPS = 2

_FEWEST_BLOCKS = 3

_CONFIDENCE = 0.995
"""Of the coverage test: four intervals of each of a dozen models are tested at once."""

_TELLING = 0.4
"""An interval of a coverage that is wider tells nothing."""

_NEAR = 0.05
"""A coverage further off is not called right, whatever chance allows."""


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
    narrow or too wide where it leaves the nominal share out; not known where it holds that and much else, or the
    estimate lies far from it. Few origins to calibrate on may let an interval cover `excess` more than the nominal
    share by design: where the interval of the estimate lies above that share, but not above both, it is wider than
    need be.

    Origins are in the order of time within a series. The coverage is the mean over the series' coverages.
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
    >>> coverage_sentence("lstm", [CoverageTest(0.9, 0.98, 6.0, 200.0, "wider than need be")])
    'the 90 % intervals of lstm held 98 of 100; it should be 90: wider than need be (few origins to set the width by)'
    """
    shown = _most_telling(tests)
    which = f"the {_percent(shown.nominal)} intervals of {model}"
    if shown.judged == "infinite":
        return f"{which} are infinite: the calibration split has too few origins"
    cover = f"{which} held {100 * shown.coverage:.0f} of 100; it should be {100 * shown.nominal:.0f}"
    if shown.judged == "not known":
        return f"{cover}: too few origins to say"
    why = " (few origins to set the width by)" if shown.judged == "wider than need be" else ""
    others = [_percent(test.nominal) for test in tests if test.judged == shown.judged and test is not shown]
    alike = f", and so are those of {', '.join(others)}" if others and shown.judged != "about right" else ""
    return f"{cover}: {shown.judged}{why}{alike}"


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

    >>> [round(end, 3) for end in _wilson(0.5, 10, 0.95)]
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
    if low > nominal:
        return "too wide" if low > nominal + excess else "wider than need be"
    return "about right" if abs(coverage - nominal) <= _NEAR and high - low <= _TELLING else "not known"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
