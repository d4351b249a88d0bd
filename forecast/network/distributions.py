"""Heads that are distributions: quantiles, Gaussian, Student's t, negative binomial.

    head                raw numbers of a step            loss                     point
    quantile            location, gaps between levels    pinball loss             median
    gaussian            location, spread                 negative log-likelihood  mean
    student_t           location, spread, tail           negative log-likelihood  mean
    negative_binomial   log mean, dispersion             negative log-likelihood  mean

With raw numbers of zero the location is the reference and the spread that of the reference's errors in training. A
parameter that must be above zero is the one measured there times softplus(raw + c), with c such that zero gives 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import special
from torch import Tensor
from torch.nn import functional

from forecast.network.head import Head, Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_SMALLEST_SPREAD = 1e-4
"""In units of a series' scale: a reference without errors in training would leave a spread of zero."""

_SMALLEST_MEAN = 1e-2
"""Mean of a count, in units of the scale, where the reference forecasts less."""

_ZERO_IS_ONE = math.log(math.e - 1)
_TAIL = 6.0
"""Degrees of freedom that a Student's t begins with; never less than `_HEAVIEST`, where the variance ends."""
_HEAVIEST = 2.0
_DISPERSIONS = (1e-3, 1e2)
_LARGEST_FACTOR = 20.0  # of a log mean: more would overflow before training could say that it diverged


class QuantileHead(Head):
    """Quantiles at given levels, which cannot cross: gaps between neighbours are above zero.

    Trained by the pinball loss (Koenker and Bassett 1978), the mean over the levels times two, which with many levels
    is the CRPS. Between its levels and beyond them the quantile function is linear in normal scores.

    Attributes
    ----------
    gaps : (horizon, level - 1) between the quantiles of the reference's errors in training

    """

    is_distribution = True

    def __init__(self, horizon: int, levels: Sequence[float]) -> None:
        super().__init__(horizon)
        self.levels = tuple(levels)
        self.middle = self.levels.index(0.5)
        self.size = len(self.levels)
        self.gaps: Tensor
        self.register_buffer("gaps", torch.ones(horizon, self.size - 1))

    def begin(self, differences: Tensor, exists: Tensor, level: Level | None) -> None:
        """Measure the gaps, too."""
        super().begin(differences, exists, level)
        for step, (errors, known) in enumerate(zip(differences.numpy().T, exists.numpy().T, strict=True)):
            if known.any():
                self.gaps[step] = torch.from_numpy(np.diff(np.quantile(errors[known.astype(bool)], self.levels)))
        self.gaps.clamp_(min=_SMALLEST_SPREAD)

    def own_quantiles(self, raw: Tensor) -> Tensor:
        """Quantiles at its levels, (..., horizon, level)."""
        median = raw[..., :1] * self.unit[:, None]
        gaps = self.gaps * _positive(raw[..., 1:])  # (..., horizon, level - 1)
        below = median - gaps[..., : self.middle].flip(-1).cumsum(-1).flip(-1)
        above = median + gaps[..., self.middle :].cumsum(-1)
        return torch.cat([below, median, above], dim=-1)

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Twice the mean pinball loss."""
        errors = target[..., None] - self.own_quantiles(raw)  # (..., horizon, level)
        levels = errors.new_tensor(self.levels)
        pinball: Tensor = torch.maximum(levels * errors, (levels - 1.0) * errors)
        return 2.0 * pinball.mean(dim=-1)

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """The median."""
        return raw[..., 0] * self.unit

    def quantile(self, raw: Tensor, probability: Tensor, level: Level | None) -> Tensor:
        """Interpolate between its levels, in normal scores."""
        quantiles = self.own_quantiles(raw)  # (..., horizon, level)
        scores, score = (_normal_scores(p) for p in (torch.tensor(self.levels), probability))
        left = (torch.searchsorted(scores, score) - 1).clamp(0, self.size - 2)  # level below the probability
        low, high = (quantiles.gather(-1, (left + i)[..., None])[..., 0] for i in (0, 1))
        share = (score - scores[left]) / (scores[left + 1] - scores[left])
        return low + share * (high - low)

    def scores(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Interpolate between its levels, as the quantiles do."""
        quantiles, scores = self.own_quantiles(raw).contiguous(), _normal_scores(torch.tensor(self.levels))
        left = (torch.searchsorted(quantiles, target[..., None].contiguous()) - 1).clamp(0, self.size - 2)
        low, high = (quantiles.gather(-1, left + i)[..., 0] for i in (0, 1))
        left = left[..., 0]
        return scores[left] + (target - low) / (high - low) * (scores[left + 1] - scores[left])


class GaussianHead(Head):
    """A normal distribution."""

    is_distribution = True
    size = 2

    def spread(self, raw: Tensor) -> Tensor:
        """Standard deviation."""
        return self.unit.clamp(min=_SMALLEST_SPREAD) * _positive(raw[..., 1])

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Negative log-likelihood."""
        spread = self.spread(raw)
        z = (target - self.point(raw, level)) / spread
        return 0.5 * z.square() + spread.log() + 0.5 * math.log(2 * math.pi)  # z^2 / 2 + log sigma + log(2 pi) / 2

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """The mean."""
        return raw[..., 0] * self.unit

    def quantile(self, raw: Tensor, probability: Tensor, level: Level | None) -> Tensor:
        """Mean + spread * normal quantile."""
        return self.point(raw, level) + self.spread(raw) * _normal_scores(probability)

    def scores(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Errors in units of the spread."""
        return (target - self.point(raw, level)) / self.spread(raw)


class StudentHead(Head):
    """Student's t with location, spread and degrees of freedom above two."""

    is_distribution = True
    size = 3

    def freedom(self, raw: Tensor) -> Tensor:
        """Degrees of freedom."""
        return _HEAVIEST + (_TAIL - _HEAVIEST) * _positive(raw[..., 2])

    def spread(self, raw: Tensor) -> Tensor:
        """Scale of the t; untrained its standard deviation is that of the reference's errors."""
        to_scale = math.sqrt((_TAIL - 2) / _TAIL)  # of a standard deviation: that of a t is sqrt(nu / (nu - 2))
        return self.unit.clamp(min=_SMALLEST_SPREAD) * to_scale * _positive(raw[..., 1])

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Negative log-likelihood."""
        freedom, spread = self.freedom(raw), self.spread(raw)  # nu, sigma
        z = (target - self.point(raw, level)) / spread
        half = (freedom + 1) / 2
        shape = torch.lgamma(half) - torch.lgamma(freedom / 2) - 0.5 * (freedom * math.pi).log()  # log density at 0
        return half * torch.log1p(z.square() / freedom) + spread.log() - shape

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """The mean."""
        return raw[..., 0] * self.unit

    def quantile(self, raw: Tensor, probability: Tensor, level: Level | None) -> Tensor:
        """Mean + spread * quantile of the t."""
        freedom = self.freedom(raw).numpy().astype(np.float64)
        scores = torch.from_numpy(special.stdtrit(freedom, probability.numpy())).to(raw.dtype)
        return self.point(raw, level) + self.spread(raw) * scores

    def scores(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """From the distribution function of the t."""
        freedom = self.freedom(raw).numpy().astype(np.float64)
        z = ((target - self.point(raw, level)) / self.spread(raw)).numpy().astype(np.float64)
        return _scores_of(special.stdtr(freedom, z))


class NegativeBinomialHead(Head):
    """Counts: mean m and variance m + a m^2 (Cameron and Trivedi 1986, NB2).

    The log of the reference is an offset of the log mean, so that the head begins at the reference.

    Attributes
    ----------
    dispersion : (horizon,) a of the reference's errors in training, by moments

    """

    is_distribution = True
    size = 2
    needs_level = True

    def __init__(self, horizon: int) -> None:
        super().__init__(horizon)
        self.dispersion: Tensor
        self.register_buffer("dispersion", torch.ones(horizon))

    def begin(self, differences: Tensor, exists: Tensor, level: Level | None) -> None:
        """Measure the dispersion, too: the mean of ((y - m)^2 - m) / m^2."""
        super().begin(differences, exists, level)
        known = _needed(level)
        mean = _floored(known)
        error = known.reference + differences * known.scale - mean
        excess = (error.square() - mean) / mean.square()
        weights = mean.square() * exists  # small means say next to nothing of it
        dispersion = (excess * weights).sum(dim=0) / weights.sum(dim=0).clamp(min=1e-12)
        self.dispersion.copy_(dispersion.clamp(*_DISPERSIONS))

    def mean(self, raw: Tensor, level: Level | None) -> Tensor:
        """Mean, in the target's units."""
        return _floored(_needed(level)) * raw[..., 0].clamp(-_LARGEST_FACTOR, _LARGEST_FACTOR).exp()

    def shape(self, raw: Tensor) -> Tensor:
        """Size parameter r = 1 / a."""
        return 1.0 / (self.dispersion * _positive(raw[..., 1])).clamp(min=1e-6)

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Negative log-likelihood; a target that does not exist counts as 0."""
        known = _needed(level)
        y = (known.reference + target * known.scale).round().clamp(min=0.0).nan_to_num()
        mean, r = self.mean(raw, level), self.shape(raw)
        binomial = torch.lgamma(y + r) - torch.lgamma(r) - torch.lgamma(y + 1)  # log of (y + r - 1 choose y)
        return -(binomial - r * torch.log1p(mean / r) + y * (mean.log() - (r + mean).log()))

    def point(self, raw: Tensor, level: Level | None) -> Tensor:
        """The mean."""
        return self._difference(self.mean(raw, level), level)

    def quantile(self, raw: Tensor, probability: Tensor, level: Level | None) -> Tensor:
        """The least count y with P(Y <= y) at least the probability."""
        from scipy import stats  # noqa: PLC0415  # takes half a second to import, and only counts need it

        mean, r = (part.numpy().astype(np.float64) for part in (self.mean(raw, level), self.shape(raw)))
        count = np.asarray(stats.nbinom.ppf(probability.numpy(), r, r / (r + mean)))
        return self._difference(torch.from_numpy(count).to(raw.dtype), level)

    def scores(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        """Of the middle between P(Y < y) and P(Y <= y)."""
        known = _needed(level)
        mean, r = (part.numpy().astype(np.float64) for part in (self.mean(raw, level), self.shape(raw)))
        y = (known.reference + target * known.scale).round().clamp(min=0.0).nan_to_num().numpy().astype(np.float64)
        at_most = special.betainc(r, y + 1, r / (r + mean))
        less = np.where(y > 0, special.betainc(r, np.maximum(y, 1), r / (r + mean)), 0.0)
        return _scores_of((less + at_most) / 2)

    def _difference(self, count: Tensor, level: Level | None) -> Tensor:
        known = _needed(level)
        return (count - known.reference) / known.scale


def _normal_scores(probability: Tensor) -> Tensor:
    scores: Tensor = torch.special.ndtri(probability.double())
    return scores.float()


def _scores_of(probability: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(special.ndtri(np.clip(probability, 1e-9, 1 - 1e-9))).float()


def _positive(raw: Tensor) -> Tensor:
    """Above zero, and 1 where the raw number is zero."""
    return functional.softplus(raw + _ZERO_IS_ONE).clamp(min=1e-6)


def _floored(level: Level) -> Tensor:
    """The reference, but never below the smallest mean of a count."""
    return torch.maximum(level.reference, _SMALLEST_MEAN * level.scale).nan_to_num(nan=1.0)


def _needed(level: Level | None) -> Level:
    if level is None:
        raise ValueError("a head of counts needs the level of the series")
    return level
