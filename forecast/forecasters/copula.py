"""Whole paths of forecasts that are distributions step by step: how steps hang together is a Gaussian copula.

A direct head says how each step of the horizon is spread and has no law of the next step given the one before, so that
there is nothing to feed draws back into. What it leaves open is which steps miss together, and that is measured: where
in its distribution each target came to lie on the validation split, as normal scores, and their correlation over the
steps of the horizon (Pinson et al. 2009, "From probabilistic forecasts to statistical scenarios of short-term wind
power production"). A path draws correlated scores, and each step takes its own quantile of them. A network with
`model.strategy=recursive` does have a one-step law; there draws are fed back (`recursion`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import special

from forecast.errors import ForecastError
from forecast.forecasters.draws import in_blocks
from forecast.network.head import Level
from forecast.network.settings import EsnSettings
from forecast.questions.kinds import question_of_head

if TYPE_CHECKING:
    from forecast.forecasters.draws import Uniforms
    from forecast.network.head import Head
    from forecast.network.settings import NetworkSettings
    from forecast.series.panel import BoolArray, FloatArray

MOST_STEPS = 1000
"""Of longer horizons no correlation is kept: it would have more numbers than most networks."""

MOST_SCORES = 1_000_000
"""Forks x steps that the correlation is measured on, at most: beyond that, forks are thinned evenly."""

_LEAST_SHRUNK = 0.01
_FARTHEST = 4.0
"""Normal scores beyond are taken for this: a target that a distribution has no place for tells little of the others."""
_SMALLEST_CHANCE = 1e-5
_NUMBERS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class Copula:
    """How the steps of the horizon hang together.

    Attributes
    ----------
    factor : (horizon, horizon) float64, lower triangular; times its transpose it is the correlation of normal scores

    """

    factor: FloatArray

    @property
    def correlation(self) -> FloatArray:
        """(horizon, horizon), positive definite."""
        correlation: FloatArray = self.factor @ self.factor.T
        return correlation


def fit_copula(scores: FloatArray, exists: BoolArray) -> Copula:
    """Measure the correlation of normal scores over the horizon, (fork, horizon) each, where targets exist.

    Each pair of steps is measured on the forks that have both. The whole is shrunk towards independence by as much as
    its correlations are uncertain (Schaefer and Strimmer 2005), of as many independent forks as there are horizons one
    after another: neighbouring forks share theirs.
    """
    there, scores = exists.astype(np.float64), np.clip(scores, -_FARTHEST, _FARTHEST)
    centred = (scores - (scores * there).sum(axis=0) / np.maximum(there.sum(axis=0), 1)) * there
    squares = centred.T**2 @ there  # of the first step of a pair, where both exist
    size = np.sqrt(squares * squares.T)
    found = np.divide(centred.T @ centred, size, out=np.zeros_like(size), where=size > 0)
    np.fill_diagonal(found, 1.0)
    independent = max(there.sum() / scores.shape[1] ** 2, 1.0)
    return Copula(np.linalg.cholesky(_positive(_shrunk(found, independent))).astype(np.float64))


def _shrunk(found: FloatArray, independent: float) -> FloatArray:
    apart = ~np.eye(len(found), dtype=bool)
    signal = float((found[apart] ** 2).sum())
    noise = float(((1 - found[apart] ** 2) ** 2).sum()) / independent
    share = min(max(noise / signal, _LEAST_SHRUNK), 1.0) if signal else 1.0
    return np.where(apart, (1 - share) * found, found)


def _positive(correlation: FloatArray) -> FloatArray:
    """Lift what pairs measured on different forks may have made negative, and bring the diagonal back to one."""
    values, vectors = np.linalg.eigh(correlation)
    lifted = (vectors * np.maximum(values, _LEAST_SHRUNK / 10)) @ vectors.T
    size = np.sqrt(np.diag(lifted))
    positive: FloatArray = lifted / np.outer(size, size)
    return positive


def _is_distribution(head: str) -> bool:
    """Whether a head forecasts a distribution of values."""
    return head != "point" and not question_of_head(head).forecasts_probabilities


def keeps_copula(settings: NetworkSettings, horizon: int) -> bool:
    """Whether a network of these settings has a copula: a distribution whose steps are forecast at once."""
    return _is_distribution(settings.head) and settings.strategy != "recursive" and horizon <= MOST_STEPS


def check_paths(settings: NetworkSettings, horizon: int) -> None:
    """Refuse paths that a network of these settings does not have.

    Raises
    ------
    ForecastError
        A head that is no distribution, or a horizon too long.

    """
    if isinstance(settings, EsnSettings):
        raise ForecastError(
            "paths are drawn from a distribution, and `model=esn` forecasts points alone: choose another `model` with "
            "`model.head=quantile`, `gaussian`, `student_t` or `negative_binomial`"
        )
    if not _is_distribution(settings.head):
        raise ForecastError(
            f"paths are drawn from a distribution, found `model.head={settings.head}`: "
            "say `model.head=quantile`, `gaussian`, `student_t` or `negative_binomial`"
        )
    if settings.strategy != "recursive" and horizon > MOST_STEPS:
        raise ForecastError(
            f"paths are drawn over {MOST_STEPS} steps at most, found `horizon={horizon}`: "
            f"shorten it, or say `model.strategy=recursive`"
        )


@torch.no_grad()
def sample_paths(head: Head, raw: torch.Tensor, standing: Level, copula: Copula, uniforms: Uniforms) -> FloatArray:
    """Make paths in the target's units of independent chances, (origin, path, horizon) both.

    `raw` is (origin, horizon, size); `standing` says where the series stand, (origin, horizon) and (origin, 1).
    """
    count, horizon = uniforms.shape[1:]
    paths = np.empty(uniforms.shape)
    for which in in_blocks(len(raw), count * horizon * head.size, _NUMBERS_AT_ONCE):
        scores = special.ndtri(uniforms[which].astype(np.float64)) @ copula.factor.T
        drawn = torch.from_numpy(special.ndtr(scores).astype(np.float32)).clamp(_SMALLEST_CHANCE, 1 - _SMALLEST_CHANCE)
        level = Level(*(part[which][:, None] for part in standing))  # (origin, path, horizon)
        numbers = raw[which][:, None].expand(-1, count, -1, -1)
        told = head.quantile(numbers, drawn, level)
        paths[which] = level.reference.numpy() + told.numpy() * level.scale.numpy()
    return paths
