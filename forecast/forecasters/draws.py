"""Uniforms at which paths draw their steps, spread more evenly than chance would."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from forecast.questions.split import Origins
    from forecast.series.panel import IntArray

Uniforms: TypeAlias = npt.NDArray[np.float32]

_SMALLEST_CHANCE = 1e-4


def common_uniforms(count: int, horizon: int, seed: int) -> Uniforms:
    """Uniforms at which each path draws each step, (path, horizon).

    A scrambled Sobol sequence: paths as evenly spread as can be, where independent draws would leave the 5 % quantile
    with an error of a tenth of the spread, the same one at all origins.
    """
    from scipy.stats import qmc  # noqa: PLC0415  # takes long to import

    drawn = qmc.Sobol(horizon, seed=seed).random_base2(max(count - 1, 1).bit_length())[:count]
    return np.clip(drawn, _SMALLEST_CHANCE, 1 - _SMALLEST_CHANCE).astype(np.float32)


def independent_uniforms(origins: Origins, count: int, horizon: int, seed: int) -> Uniforms:
    """The same for origins that have nothing to do with one another, (origin, path, horizon).

    An origin's depend on nothing but the seed and itself, not on which others are asked for. They are put in an order
    of its own: two Sobol sequences, scrambled apart, still go up and down together.
    """
    uniforms = np.empty((len(origins), count, horizon), dtype=np.float32)
    for i, (series, step) in enumerate(zip(origins.series.tolist(), origins.steps.tolist(), strict=True)):
        random = np.random.default_rng((seed, series, step))
        uniforms[i] = random.permutation(common_uniforms(count, horizon, int(random.integers(2**31))))
    return uniforms


def in_blocks(origins: int, numbers: int, at_once: int) -> list[IntArray]:
    """Cut origins into blocks; each origin has so many numbers, and `at_once` are worked on in one piece."""
    size = max(at_once // max(numbers, 1), 1)
    return [np.arange(first, min(first + size, origins)) for first in range(0, origins, size)]
