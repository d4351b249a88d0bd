"""Whether a coverage is what it should be, or off by more than chance.

The origins of a split are no independent draws: horizons that overlap hit or miss together. Origins are therefore
put into blocks, of one series each and twice as long as horizons overlap, and the blocks' coverages say by how much
the whole scatters (batch means; Schmeiser 1982), never less than independent targets would. Series count as
independent of one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import BoolArray, FloatArray, IntArray

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
