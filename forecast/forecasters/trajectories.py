"""Sample trajectories from per-step marginals joined by a Gaussian copula, and the uniforms that samples are taken at.

A direct head gives each step of the horizon a distribution, and no law of a step given the one before. The dependence
between steps is estimated on the validation split, as the correlation over the horizon of normal scores

    z_h = Phi^-1(F_h(y_h)),   z ~ N(0, R),   y_h = F_h^-1(Phi(z_h))

with F_h the distribution of step h (Pinson et al. 2009, "From probabilistic forecasts to statistical scenarios of
short-term wind power production"). With `model.strategy=recursive` there is a law of the next step, and samples are
fed back instead (`strategies.Recursion`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy import special

from forecast.errors import ForecastError
from forecast.network.head import Level
from forecast.network.settings import EsnSettings, PretrainedSettings
from forecast.questions.kinds import question_of_head

if TYPE_CHECKING:
    from forecast.network.head import Head
    from forecast.network.settings import ModelSettings, NetworkSettings
    from forecast.questions.split import Origins
    from forecast.series.panel import BoolArray, FloatArray, IntArray

Uniforms: TypeAlias = npt.NDArray[np.float32]

MOST_SCORES = 1_000_000
"""Forks x steps that the correlation is estimated on, at most: beyond that, forks are thinned evenly."""

_MOST_STEPS = 1000
"""Of longer horizons no correlation is kept: it would have more numbers than most networks."""
_LEAST_SHRUNK = 0.01
_FARTHEST = 4.0
"""Normal scores are clipped here: a target far outside its distribution tells little of the other steps."""
_SMALLEST_PROBABILITY = 1e-5
_SMALLEST_UNIFORM = 1e-4
_NUMBERS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class Copula:
    """Dependence between the steps of the horizon.

    Attributes
    ----------
    factor : (horizon, horizon) float64, lower triangular L with R = L L', the correlation of normal scores

    """

    factor: FloatArray

    @property
    def correlation(self) -> FloatArray:
        """R, (horizon, horizon), positive definite."""
        correlation: FloatArray = self.factor @ self.factor.T
        return correlation


def _is_distribution(head: str) -> bool:
    """Whether a head forecasts a distribution of values."""
    return head != "point" and not question_of_head(head).forecasts_probabilities


def keeps_copula(settings: NetworkSettings, horizon: int) -> bool:
    """Whether a network of these settings has a copula: a distribution whose steps are forecast at once."""
    return _is_distribution(settings.head) and settings.strategy != "recursive" and horizon <= _MOST_STEPS


def check_trajectories(settings: ModelSettings, horizon: int) -> None:
    """Refuse sample trajectories of a network that has none.

    Raises
    ------
    ForecastError
        A head that is no distribution of values, or a horizon too long.

    """
    if isinstance(settings, (EsnSettings, PretrainedSettings)):
        what = "points" if settings.name == "esn" else "quantiles of each step"
        raise ForecastError(
            f"sample trajectories (`report.paths`) need a joint distribution, and `model={settings.name}` forecasts "
            f"{what} alone: set another `model` with `model.head=quantile`, `gaussian`, `student_t` or "
            "`negative_binomial`"
        )
    if not _is_distribution(settings.head):
        raise ForecastError(
            f"sample trajectories (`report.paths`) come from a distribution, found `model.head={settings.head}`: "
            "set `model.head=quantile`, `gaussian`, `student_t` or `negative_binomial`"
        )
    if settings.strategy != "recursive" and horizon > _MOST_STEPS:
        raise ForecastError(
            f"sample trajectories (`report.paths`) are at most {_MOST_STEPS} steps long, found `horizon={horizon}`: "
            f"shorten it, or set `model.strategy=recursive`"
        )


def fit_copula(scores: FloatArray, exists: BoolArray) -> Copula:
    """Estimate the correlation of normal scores over the horizon, (fork, horizon) each, where targets exist.

    Each pair of steps is estimated on the forks that have both. The whole is shrunk towards independence by as much as
    its correlations are uncertain (Schaefer and Strimmer 2005), from as many independent forks as there are horizons
    one after another: neighbouring forks share theirs.
    """
    weight, scores = exists.astype(np.float64), np.clip(scores, -_FARTHEST, _FARTHEST)
    mean = (scores * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1)
    centred = (scores - mean) * weight
    squares = centred.T**2 @ weight  # (step, other step): sum of squares of the first where both exist
    size = np.sqrt(squares * squares.T)
    correlation = np.divide(centred.T @ centred, size, out=np.zeros_like(size), where=size > 0)
    np.fill_diagonal(correlation, 1.0)
    independent = max(weight.sum() / scores.shape[1] ** 2, 1.0)
    return Copula(np.linalg.cholesky(_positive(_shrunk(correlation, independent))).astype(np.float64))


def _shrunk(correlation: FloatArray, independent: float) -> FloatArray:
    """Shrink correlations r by lambda = sum Var(r) / sum r^2, with Var(r) = (1 - r^2)^2 / n."""
    apart = ~np.eye(len(correlation), dtype=bool)
    signal = float((correlation[apart] ** 2).sum())
    noise = float(((1 - correlation[apart] ** 2) ** 2).sum()) / independent
    share = min(max(noise / signal, _LEAST_SHRUNK), 1.0) if signal else 1.0
    return np.where(apart, (1 - share) * correlation, correlation)


def _positive(correlation: FloatArray) -> FloatArray:
    """Lift eigenvalues that pairs estimated on different forks may have made negative, and restore the diagonal."""
    values, vectors = np.linalg.eigh(correlation)
    lifted = (vectors * np.maximum(values, _LEAST_SHRUNK / 10)) @ vectors.T
    size = np.sqrt(np.diag(lifted))
    positive: FloatArray = lifted / np.outer(size, size)
    return positive


@torch.no_grad()
def sample_from_copula(head: Head, raw: torch.Tensor, level: Level, copula: Copula, uniforms: Uniforms) -> FloatArray:
    """Turn independent uniforms into trajectories in the target's units, both (origin, trajectory, horizon).

    `raw` is (origin, horizon, size); `level` has the reference, (origin, horizon), and the scale, (origin, 1).
    """
    count, horizon = uniforms.shape[1:]
    trajectories = np.empty(uniforms.shape)
    for which in in_blocks(len(raw), count * horizon * head.size, _NUMBERS_AT_ONCE):
        scores = special.ndtri(uniforms[which].astype(np.float64)) @ copula.factor.T  # z = L e, e ~ N(0, I)
        u = torch.from_numpy(special.ndtr(scores).astype(np.float32))
        u = u.clamp(_SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        block = Level(*(part[which][:, None] for part in level))  # (origin, trajectory, horizon)
        numbers = raw[which][:, None].expand(-1, count, -1, -1)  # (origin, trajectory, horizon, size)
        differences = head.quantile(numbers, u, block)
        trajectories[which] = block.reference.numpy() + differences.numpy() * block.scale.numpy()
    return trajectories


# Uniforms, spread more evenly than independent ones.


def common_uniforms(count: int, horizon: int, seed: int) -> Uniforms:
    """Uniforms that each trajectory samples each step at, (trajectory, horizon).

    A scrambled Sobol sequence, as evenly spread as can be: independent uniforms would leave the 5 % quantile with an
    error of a tenth of the spread, the same one at all origins.
    """
    from scipy.stats import qmc  # noqa: PLC0415  # takes long to import

    drawn = qmc.Sobol(horizon, seed=seed).random_base2(max(count - 1, 1).bit_length())[:count]
    return np.clip(drawn, _SMALLEST_UNIFORM, 1 - _SMALLEST_UNIFORM).astype(np.float32)


def independent_uniforms(origins: Origins, count: int, horizon: int, seed: int) -> Uniforms:
    """Uniforms of their own for each origin, (origin, trajectory, horizon).

    An origin's follow from the seed, its series and its step, not from the other origins that are asked for. Each is
    put in an order of its own: two Sobol sequences, scrambled apart, still go up and down together.
    """
    uniforms = np.empty((len(origins), count, horizon), dtype=np.float32)
    for i, (series, step) in enumerate(zip(origins.series.tolist(), origins.steps.tolist(), strict=True)):
        random = np.random.default_rng((seed, series, step))
        uniforms[i] = random.permutation(common_uniforms(count, horizon, int(random.integers(2**31))))
    return uniforms


def in_blocks(origins: int, numbers: int, at_once: int) -> list[IntArray]:
    """Split origins into blocks of at most `at_once` numbers, where each origin has `numbers`."""
    size = max(at_once // max(numbers, 1), 1)
    return [np.arange(first, min(first + size, origins)) for first in range(0, origins, size)]
