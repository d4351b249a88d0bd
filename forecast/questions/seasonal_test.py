"""Whether a series has a season of a given length: an F-test of seasonal terms in an autoregression.

    y_t = a + b t + phi_1 y_{t-1} + ... + phi_p y_{t-p} + s_t + e_t

The trend and the values before take up whatever moves slowly, a random walk too; the season s_t has to explain what
they leave. It is tried smooth (one pair of sines and cosines), less smooth (three pairs) and as a mean of each phase,
and the most significant counts. The order p is the one of least BIC with the season in the equation: without it, an
autoregression of order two follows a sine on its own and would leave a season nothing to explain.

With few cycles a slow wave and a slow walk look alike, and F of a smooth season comes out too large by chance; that of
phases does not. `_allowance` is what a smooth one has to have more. Its constants and those of `_required_score` are
set by simulation, on other series than those of `benchmarks/seasons.py`: at most 5 of 100 random walks, noises and
autoregressive processes pass, at least 95 of 100 seasonal series with noise of half the season's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forecast.series.panel import FloatArray, IntArray

LEAST_CYCLES = 2  # seasons that a series must hold
_PAIRS = (1, 3)  # pairs of sines and cosines of a smooth season
_MOST_LAGS = 8
_SHORT = 13  # steps, up to which no lag is fitted: it would take up a season that goes up and down in turn
_LEAST_FREEDOM = 3
_LEAST_SHARE = 0.01  # of the remaining variance: less is no use to a forecast, however sure it is
_BY_CHANCE = 0.5  # mean score of the best form where there is no season
_LARGEST_SCORE = 8.0  # of one series: none decides alone for many
_LEAST_PROBABILITY = 1e-300
_EXACT = 1e-10  # share of the variance that counts as nothing: rounding errors


@dataclass(frozen=True)
class SeasonalTest:
    """How strongly a season is supported.

    Attributes
    ----------
    score : normal score of the probability that chance explains as much, pooled over the series
    required : the score from which a season counts as found
    share, needed : share of the remaining variance that the season explains, and the share that `required` stands for

    """

    score: float
    required: float
    share: float
    needed: float

    @property
    def passed(self) -> bool:
        """Whether the season is more than chance."""
        return self.score >= self.required and self.share >= _LEAST_SHARE


@dataclass(frozen=True)
class _Fit:
    """One form of the season in one series.

    Attributes
    ----------
    score : normal score of F, less the `allowance` that a smooth season needs
    terms, freedom : degrees of freedom of F
    share : of the remaining variance that the season explains
    columns : (step, column) predictors and target of the autoregression without the season

    """

    score: float
    terms: int
    freedom: int
    share: float
    allowance: float
    columns: FloatArray

    def residuals(self) -> FloatArray:
        """Return what season and autoregression leave, (step,)."""
        predictors, y = self.columns[:, :-1], self.columns[:, -1]
        rest: FloatArray = y - predictors @ np.linalg.lstsq(predictors, y, rcond=None)[0]
        return rest


def seasonal_test(series: Sequence[FloatArray], period: float, extra: float = 0.0) -> SeasonalTest | None:
    """Test a season of `period` steps, which need not be whole, on series without gaps; None: all are too short.

    Of many series the scores above chance are added (Stouffer), over the square root of as many as are independent:
    series that move together say one thing, not many. `extra` is added to the score that is required.
    """
    long_enough = [y for y in series if len(y) >= LEAST_CYCLES * period]
    fits = [fit for y in long_enough if (fit := _best_fit(y, period)) is not None]
    if not fits:
        return None
    independent = _independent([fit.residuals() for fit in fits]) if len(fits) > 1 else 1.0
    required = _required_score(round(period)) + extra
    # The mean score that is as unlikely as `required` alone
    each = (required - _BY_CHANCE) / np.sqrt(independent) + _BY_CHANCE
    mean = float(np.mean([min(fit.score, _LARGEST_SCORE) for fit in fits]))
    return SeasonalTest(
        score=(mean - _BY_CHANCE) * float(np.sqrt(independent)) + _BY_CHANCE,
        required=required,
        share=float(np.mean([fit.share for fit in fits])),
        needed=max(float(np.mean([_share_of(each, fit) for fit in fits])), _LEAST_SHARE),
    )


def _required_score(steps: int) -> float:
    """Return the normal score that a season of so many steps has to reach: the best of several forms is taken.

    >>> round(_required_score(4), 2), round(_required_score(12), 2)
    (2.18, 2.51)
    """
    return 2.18 + 0.5 * max(1 - 4 / steps, 0)


def _allowance(cycles: float, steps: int) -> float:
    """Return what the score of a smooth season is too large by where a series holds so many `cycles` of it.

    >>> round(_allowance(10, 12), 2), round(_allowance(3, 12), 2), round(_allowance(3, 4), 2)
    (0.07, 0.74, 0.0)
    """
    return 4.2 * float(np.clip(np.log2(steps / 4), 0, 4)) / cycles**2


def _share_of(score: float, fit: _Fit) -> float:
    """Share of the variance that a score stands for: F = (share / k) / ((1 - share) / d)."""
    f = float(special.fdtri(fit.terms, fit.freedom, special.ndtr(score + fit.allowance)))
    return fit.terms * f / (fit.terms * f + fit.freedom)


def _best_fit(y: FloatArray, period: float) -> _Fit | None:
    """Fit all forms of the season, and return the most significant; None where no degrees of freedom are left."""
    steps = round(period)
    least = int(len(y) > _SHORT)
    lags = int(np.clip((len(y) - steps) // 6, least, min(_MOST_LAGS, max(steps - 1, 1)))) if least else 0
    t = np.arange(lags, len(y))
    # A constant, a trend, lags 1 to p, and the target: (step, column)
    columns = np.column_stack(
        [np.ones(len(t)), (t - t.mean()) / len(t), *(y[lags - j : len(y) - j] for j in range(1, lags + 1)), y[lags:]]
    )
    plain = _left(columns)
    allowance = _allowance(len(y) / period, steps)
    fits = [
        _fit(columns, plain, _without_waves(t, period, pairs), 2 * pairs, allowance)
        for pairs in _PAIRS
        if 2 * pairs < steps - 1
    ]
    # Of a period that is not whole (52.18 weeks) phases are shifted by a step from some cycle on.
    fits += [
        _fit(columns, plain, _without_phases((t % length).astype(np.int64) % steps, steps), steps - 1, 0.0)
        for length in {steps, period}
    ]
    return max((fit for fit in fits if fit is not None), key=lambda fit: fit.score, default=None)


def _left(columns: FloatArray) -> FloatArray:
    """Squares of the last column that trend and the first p lags leave, (p = 0 ... lags,), by one QR decomposition."""
    triangle: FloatArray = np.asarray(np.linalg.qr(columns, mode="r"))
    # The last column of R, below the row of each order: what that order leaves unexplained
    left: FloatArray = np.cumsum(triangle[:1:-1, -1] ** 2)[::-1]
    return left


def _fit(
    columns: FloatArray,
    plain: FloatArray,
    remove_season: Callable[[FloatArray], FloatArray],
    terms: int,
    allowance: float,
) -> _Fit | None:
    """Compare the autoregression with and without a season, both of the order that is best with it."""
    count = len(columns)
    rest = remove_season(columns)
    orders = np.arange(len(plain))
    tiny = _EXACT * plain[0] + np.finfo(float).tiny
    seasonal = np.maximum(_left(rest), tiny)
    order = int(np.argmin(count * np.log(seasonal) + orders * np.log(count)))  # BIC
    freedom = count - 2 - order - terms
    if freedom < _LEAST_FREEDOM:
        return None
    without, left = max(plain[order], tiny), seasonal[order]
    share = max(1 - left / without, 0.0)
    f = share / (1 - share) / terms * freedom  # (share / k) / ((1 - share) / d), never infinite: `tiny` is left
    score = -special.ndtri(max(special.fdtrc(terms, freedom, f), _LEAST_PROBABILITY))
    return _Fit(float(score) - allowance, terms, freedom, float(share), allowance, rest[:, [*range(2 + order), -1]])


def _without_waves(t: IntArray, period: float, pairs: int) -> Callable[[FloatArray], FloatArray]:
    """Return a function that projects columns, (step, column), off the first harmonics of the season."""
    angles = 2 * np.pi / period * t[:, None] * np.arange(1, pairs + 1)  # (step, harmonic)
    waves = np.linalg.qr(np.hstack([np.cos(angles), np.sin(angles)]))[0]
    return lambda columns: columns - waves @ (waves.T @ columns)


def _without_phases(phase: IntArray, steps: int) -> Callable[[FloatArray], FloatArray]:
    """Return a function that subtracts from columns, (step, column), the mean of each phase, but not that of all."""
    counts = np.bincount(phase, minlength=steps)[phase][:, None]

    def without(columns: FloatArray) -> FloatArray:
        sums = np.stack([np.bincount(phase, column, minlength=steps) for column in columns.T], axis=1)
        # (phase, column) -> (step, column)
        seasonal: FloatArray = sums[phase] / counts - columns.mean(axis=0)
        return columns - seasonal

    return without


def _independent(residuals: list[FloatArray]) -> float:
    """Return how many series are worth as many independent ones: n / (1 + (n - 1) r^2), of latest steps in common.

    F depends on squares, so that series whose residuals correlate by r have scores that correlate by r^2.
    """
    count = len(residuals)
    common = min(map(len, residuals))
    latest = np.stack([e[-common:] for e in residuals])
    lengths = np.linalg.norm(latest, axis=1)
    r = (latest @ latest.T) / np.maximum(np.outer(lengths, lengths), np.finfo(float).tiny)
    # The mean of r^2 over pairs of different series
    squared = (np.sum(r**2) - np.trace(r**2)) / (count * (count - 1))
    return float(count / (1 + (count - 1) * max(squared - 1 / common, 0.0)))
