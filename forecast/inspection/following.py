"""What a hidden unit follows: the level of the series, the place in its season, its last change, or none of them.

How well is the share of the unit's variance over a span (R squared) that a straight line in the quantity explains;
for the season that a value for each of its phases explains, less what so many values would explain of noise (adjusted
R squared): a unit may follow the season ahead of it or behind, and in any shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, FloatArray, IntArray

Followed: TypeAlias = Literal["level", "season", "change", "nothing"]
FOLLOWED: tuple[Followed, ...] = get_args(Followed)

THRESHOLD = 0.5
"""Share of its variance from which on a unit is said to follow something."""

_STILL = 1e-6
"""What moves less than this, as a part of what it could, does not move: rounding has no variance to explain."""


@dataclass(frozen=True, eq=False)
class Following:
    """What units follow.

    Attributes
    ----------
    what : (unit,) of `FOLLOWED`
    fits : (unit, 3) shares of variance that level, season and change explain; NaN where a quantity says nothing
    peak : (unit,) the phase of the season at which each is highest, 0 where there is no season
    signs : (unit, 3) of the correlations with level and change, 0 in between
    silent : (unit,) whether it never moves

    """

    what: tuple[Followed, ...]
    fits: FloatArray
    peak: IntArray
    signs: FloatArray
    silent: BoolArray

    def order(self) -> IntArray:
        """Units by what they follow, each kind so that like stands by like, (unit,)."""
        best = np.nan_to_num(self.fits).max(axis=1)

        def place(unit: int) -> tuple[float, ...]:
            group = FOLLOWED.index(self.what[unit])
            if self.what[unit] == "nothing":
                return group, self.silent[unit], -best[unit]
            if self.what[unit] == "season":
                return group, self.peak[unit], -best[unit]
            return group, -self.signs[unit, group] * best[unit]

        return np.array(sorted(range(len(self.what)), key=place), dtype=np.int64)


def follow(outputs: FloatArray, level: FloatArray, change: FloatArray, phase: IntArray, size: float) -> Following:
    """Say what units follow: `outputs` (step, unit), level, last change and phase of the season (step,).

    `size` is that of the series' movements: a level or a change that moves next to nothing of it says nothing. Nor does
    a season of one step, or of which the span holds less than two.
    """
    silent = np.ptp(outputs, axis=0) <= _STILL * np.maximum(np.abs(outputs).max(axis=0), 1.0)
    fits, signs = np.full((outputs.shape[1], 3), np.nan), np.zeros((outputs.shape[1], 3))
    for column, quantity in ((0, level), (2, change)):
        if np.ptp(quantity) > _STILL * size:
            r = _correlations(outputs, quantity, silent)
            fits[:, column], signs[:, column] = r**2, np.sign(r)
    peak = np.zeros(outputs.shape[1], dtype=np.int64)
    phases = int(phase.max(initial=0)) + 1
    if phases > 1 and len(phase) >= 2 * phases:
        fits[:, 1], peak = _by_phase(outputs, phase, phases, silent)
    best = np.argmax(np.where(np.isnan(fits), -1.0, fits), axis=1)
    reached = fits[np.arange(len(fits)), best] >= THRESHOLD  # a NaN reaches nothing
    found = np.where(reached & ~silent, best, FOLLOWED.index("nothing"))
    return Following(tuple(FOLLOWED[kind] for kind in found.tolist()), fits, peak, signs, silent)


def _correlations(outputs: FloatArray, quantity: FloatArray, silent: BoolArray) -> FloatArray:
    """Pearson's correlation of each unit, 0 of one that is silent, (unit,)."""
    moves, own = outputs - outputs.mean(axis=0), quantity - quantity.mean()
    sizes = np.sqrt((moves**2).sum(axis=0) * (own**2).sum())
    r: FloatArray = np.where(silent, 0.0, own @ moves / np.where(silent, 1.0, sizes))
    return r


def _by_phase(outputs: FloatArray, phase: IntArray, phases: int, silent: BoolArray) -> tuple[FloatArray, IntArray]:
    """Adjusted share of variance between phases, and the phase at which each unit is highest; both (unit,)."""
    counts = np.bincount(phase, minlength=phases)
    sums = np.zeros((phases, outputs.shape[1]))
    np.add.at(sums, phase, outputs)
    means = sums / counts[:, None]
    within = ((outputs - means[phase]) ** 2).sum(axis=0)
    whole = ((outputs - outputs.mean(axis=0)) ** 2).sum(axis=0)
    steps = len(outputs)
    unexplained = within / np.where(silent, 1.0, whole) * (steps - 1) / (steps - phases)
    return np.where(silent, 0.0, np.maximum(1 - unexplained, 0.0)), means.argmax(axis=0)
