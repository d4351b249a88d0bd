"""A bank of forecasts in closed form, side by side: exponential smoothers with fixed constants, and what rules need.

Every exponential smoother is in innovations form (Hyndman et al. 2008, *Forecasting with Exponential Smoothing*): with
level l, slope b, damping phi and seasonal terms s, s',

    e_t = y_t - (l_{t-1} + phi b_{t-1} + s_{t-m} + s'_{t-m'})
    l_t = l_{t-1} + phi b_{t-1} + alpha e_t,   b_t = phi b_{t-1} + alpha beta e_t,   s_t = s_{t-m} + gamma (1-alpha) e_t

and runs twice, on the values and, while all of them are positive, on their logarithms. A young smoother learns faster
than its constants: level and slope begin with the gains of an expanding least-squares fit, seasonal terms as means
over the first cycles. So there is no start to estimate, and a step costs the same at any length of the past.

Beside them stands an autoregression on the last values, the mean, and the values one and two seasons before, whose
ridge regression is brought up to date at each step (recursive least squares).

The constants are in `smoothers`, what is counted of the values and known at an origin in `running`, what all of this
forecasts in `candidates`. The pretrained network (`network.pretrained`) weighs these forecasts and corrects them. The
same once more: `network.compiled.bank` of one series at a time, `exporting.bank` as a graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forecast.reference.candidates import candidates, log_path_error
from forecast.reference.discounted import MEMORIES, discounted
from forecast.reference.running import Snapshot, Sums
from forecast.reference.smoothers import (
    ALPHA,
    BETA,
    CANDIDATES,
    FAST,
    FIRST_SEASONAL,
    GAMMA,
    GAMMA2,
    GROWN,
    LEAST_ERROR,
    MEANS,
    PENALTY,
    PHI,
    REGRESSORS,
    SEASONAL2,
    SMOOTHERS,
    TREND,
    lags_of,
    path_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import BoolArray, FloatArray, IntArray


class Step(NamedTuple):
    """What features of a step are computed from: errors in units, and what is known of the series.

    Attributes
    ----------
    error, mean_error, recent_error : (smoother or autoregression, value or logarithm, series)
    path_error : along paths, in y's unit, (mean or recent mean, candidate, series)

    """

    error: FloatArray
    mean_error: FloatArray
    recent_error: FloatArray
    path_error: FloatArray
    sums: Sums
    observed: BoolArray


class Bank:
    """The state of all smoothers over some series that are read side by side, one step at a time.

    Parameters
    ----------
    series : how many
    season, season2 : steps of the two seasons; 1 where there is none

    Each step is O(1) in the length of the past; the state holds two seasons of values. What a snapshot may share is
    replaced at each step, not changed. Arrays end with the axes
    (value or logarithm, series).

    """

    def __init__(self, series: int, season: int, season2: int = 1) -> None:
        shape = (len(SMOOTHERS), 2, series)
        seasonal = (len(SMOOTHERS) - FIRST_SEASONAL, 2, series)
        self.season, self.season2 = season, season2
        self.steps = 0
        self._lags, self._discounted = lags_of(season, season2), discounted(season)
        self._sums = Sums.of_nothing(series)
        self._level, self._slope = np.zeros(shape), np.zeros(shape)
        self._seasonal, self._seasonal2 = np.zeros((season, *seasonal)), np.zeros((season2, *seasonal))
        reach = max(2 * season, season2 + season) + 3
        self._recent = np.zeros((reach, 2, series))  # the last values, holes filled by the season before
        self._observed = np.zeros((reach, series), dtype=np.bool_)
        self._first_season = np.zeros((2, series))  # sum over the first season
        errors = (len(SMOOTHERS) + 1, 2, series)  # the autoregression's stand last
        self._error_sum, self._recent_error = np.zeros(errors), np.zeros(errors)
        self._weights = np.zeros((REGRESSORS, 2, series))
        self._covariance = np.tile(np.eye(REGRESSORS)[..., None, None] / PENALTY, (1, 1, 2, series))
        self._regressors = np.zeros((REGRESSORS, 2, series))
        self._curves = np.zeros((len(MEMORIES), len(self._discounted.now), 2, series))
        self._path = np.zeros((path_of(season), CANDIDATES, series))
        self._path_error, self._path_steps = np.zeros((2, CANDIDATES, series)), np.zeros(series)

    def update(self, y: FloatArray, observed: BoolArray) -> Step:
        """Read the next value of every series, (series,); return what features are computed from.

        Values that are not observed are not read, and may be anything finite.
        """
        t, sums = self.steps, self._sums
        started = sums.seen > 0
        positive = observed & (y > 0) & (~started | (sums.lowest > 0))
        known = np.array([observed, positive])
        self._follow_path(y, observed)
        z = np.array([y, np.log(np.where(positive, y, 1.0))])
        unit = sums.units
        later = known & started
        error = np.concatenate([self._smooth(z, later), self._regress(z, later, unit)[None]])
        self._fit_curves(z, known, started)
        self._level = np.where(known & ~started, z, self._level)
        season_before = (t - self.season) % len(self._recent)
        before = self._recent[season_before] if t >= self.season else sums.last
        value = np.where(known, z, np.where(observed, z[0], before))
        self._recent[t % len(self._recent)] = value
        self._observed[t % len(self._recent)] = observed
        if t < self.season:
            self._first_season = self._first_season + np.where(observed, z, sums.last)
        paired = observed & self._observed[season_before] if t >= self.season else np.zeros_like(observed)
        self._sums = sums.with_value(y, value, observed, np.abs(y - before[0]), paired)
        self.steps += 1
        if self.season > 1 and self.steps in (self.season, 2 * self.season):
            self._begin_season()
        lagged = self._recent[(self.steps - self._lags) % len(self._recent)]
        self._regressors = _regressors(lagged, value, self._level[MEANS], self._lags, self.steps)
        scaled = self._scaled(error, y)
        size = np.abs(scaled)
        self._error_sum = self._error_sum + size
        self._recent_error = self._recent_error + FAST * (size - self._recent_error) * observed
        if self.steps % len(self._path) == 0:
            at = self.snapshot(len(self._path))
            self._path = candidates(at, len(self._path), self.season, self.season2).transpose(1, 2, 0)
        mean_error = self._error_sum / np.maximum(self._sums.seen, 1)
        return Step(scaled, mean_error, self._recent_error, self._path_error, self._sums, observed)

    @property
    def grown(self) -> bool:
        """Whether every series has all lags and seasons behind it, so that nothing begins any more."""
        return self.steps >= len(self._recent) and bool(self._sums.seen.min() > GROWN)

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes from step to step, by name."""
        own = {name: array for name, array in vars(self).items() if isinstance(array, np.ndarray) and name != "_lags"}
        sums = {f"sums.{name}": array for name, array in self._sums._asdict().items()}
        return {"steps": np.array([self.steps]), **own, **sums}

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        self.steps = int(memory["steps"][0])
        self._sums = Sums(**{name: memory[f"sums.{name}"] for name in Sums._fields})
        for name in self.memory().keys() & vars(self).keys() - {"steps"}:
            setattr(self, name, memory[name])

    def _follow_path(self, y: FloatArray, observed: BoolArray) -> None:
        """Compare the next values with what every candidate forecast of them at the last multiple of a path's steps.

        Who is best from step to step is not who is best a horizon ahead: who follows the last hour is off a day ahead.
        """
        length = len(self._path)
        if self.steps < length:
            return
        self._path_steps = self._path_steps + observed
        gain = 1 / np.maximum(self._path_steps, 1)
        gains = np.array([gain, np.maximum(gain, 1 / (4 * length))])[:, None] * observed
        error = np.abs(self._path[self.steps % length] - y)
        self._path_error = self._path_error + gains * (error - self._path_error)

    def _smooth(self, z: FloatArray, known: BoolArray) -> FloatArray:
        """Do a step of the recursions; return the errors, (smoother, value or logarithm, series)."""
        t, first = self.steps, FIRST_SEASONAL
        s, s2 = self._seasonal[t % self.season], self._seasonal2[t % self.season2]
        trended = self._level + PHI * self._slope
        expected = trended.copy()  # l_{t-1} + phi b_{t-1} + s_{t-m} + s'_{t-m'}
        expected[first:] += s + s2
        error = np.where(known, z - expected, 0.0)
        alpha, beta = self._gains(self._sums.seen + 1)
        self._level = trended + alpha * error  # l_t = l_{t-1} + phi b_{t-1} + alpha e_t
        self._slope = PHI * self._slope + beta * error  # b_t = phi b_{t-1} + alpha beta e_t
        rest = (1 - alpha[first:]) * error[first:]  # s_t = s_{t-m} + gamma (1 - alpha) e_t
        if self.season > 1 and t >= self.season:
            s += np.maximum(GAMMA[first:], 1 / (t // self.season + 1)) * rest
        if self.season2 > 1 and t >= 2 * self.season:  # not before the fast season is known: it would take its place
            s2 += SEASONAL2[first:, None, None] * np.maximum(GAMMA2[first:], 1 / (t // self.season2 + 1)) * rest
        return error

    def _gains(self, n: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return alpha and alpha beta of each smoother at the n-th value of each series, (smoother, 1, series or 1)."""
        alpha = np.maximum(ALPHA, 1 / n)
        if n.min() > GROWN and self.steps >= self.season:
            return alpha, ALPHA * BETA
        # gains of a least-squares line through n values, as long as they are above the constants
        alpha = np.where(TREND, np.maximum(ALPHA, np.minimum(2 * (2 * n - 1) / (n * (n + 1)), 1)), alpha)
        beta = np.where(TREND, np.maximum(ALPHA * BETA, 6 / (n * (n + 1))), 0.0)
        if self.season > 1:
            first = FIRST_SEASONAL
            alpha[first:] = np.maximum(ALPHA[first:], 1 / n)
            beta[first:] = (ALPHA * BETA)[first:] * (self.steps >= self.season)
        return alpha, beta

    def _regress(self, z: FloatArray, known: BoolArray, unit: FloatArray) -> FloatArray:
        """Bring the autoregression up to date; its errors, (value or logarithm, series).

        Recursive least squares (Ljung 1999, *System Identification*, 11.2) without forgetting; P begins at 1 / penalty.
        """
        x = self._regressors / unit
        change = np.where(known, z - self._sums.last, 0.0)
        error = change - unit * (x * self._weights).sum(axis=0)
        towards = (self._covariance * x).sum(axis=1)  # P x
        gain = towards / (1 + (x * towards).sum(axis=0)) * known  # k = P x / (1 + x' P x); unknown steps teach nothing
        self._weights = self._weights + gain * np.minimum(np.maximum(error / unit, -9), 9)  # w + k e
        self._covariance -= gain[:, None] * towards  # P - k x' P
        return np.where(known, error, 0.0)

    def _fit_curves(self, z: FloatArray, known: BoolArray, started: BoolArray) -> None:
        """Bring lines and waves up to date, which begin as the first value."""
        turn, now, gains = self._discounted
        curves = np.einsum("pq,mqjs->mpjs", turn, self._curves)
        error = np.where(known & started, z - np.einsum("p,mpjs->mjs", now, curves), 0.0)
        gain = gains[np.minimum(self._sums.seen, len(gains) - 1).astype(int)].transpose(1, 2, 0)
        curves += gain[:, :, None] * error[:, None]
        curves[:, 0] = np.where(known & ~started, z, curves[:, 0])
        self._curves = curves

    def _begin_season(self) -> None:
        """Begin the seasonal terms after the first season, and again after the second around a line through both."""
        m, first = self.season, FIRST_SEASONAL
        cycles = self.steps // m
        values = self._window()[-cycles * m :].reshape(cycles, m, 2, -1)
        mean = values.mean(axis=1)  # (cycle, value or logarithm, series)
        slope = (mean[-1] - mean[0]) / m if cycles > 1 else np.zeros_like(mean[0])
        middle = (cycles * m - 1) / 2
        place = np.arange(cycles * m).reshape(cycles, m, 1, 1)
        detrended = values - (mean.mean(axis=0) + slope * (place - middle))
        self._seasonal[:] = detrended.mean(axis=0)[:, None]
        # the level runs once more over the last cycle, without the season
        level = mean.mean(axis=0) + slope * ((cycles - 1) * m - 1 - middle) + np.zeros_like(self._level[first:])
        trend = np.where(TREND[first:], slope, 0.0)
        alpha, beta = np.maximum(ALPHA[first:], 1 / self.steps), (ALPHA * BETA)[first:]
        for j in range(m):
            trended = level + PHI[first:] * trend
            error = values[-1, j] - self._seasonal[j] - trended
            level = trended + alpha * error
            trend = PHI[first:] * trend + beta * error
        self._level[first:], self._slope[first:] = level, trend

    def _scaled(self, error: FloatArray, y: FloatArray) -> FloatArray:
        """Errors in units; those of logarithms as shares of the value."""
        sums = self._sums
        unit = sums.unit
        scaled = error / unit
        scaled[:, 1] = error[:, 1] * np.where(sums.positive, y, 0.0) / unit
        return np.minimum(np.maximum(scaled, -16), 16)

    def _window(self, which: IntArray | slice = slice(None)) -> FloatArray:
        """Return the last values in their order, (step, value or logarithm, series); the newest stands last."""
        rows = np.arange(self.steps, self.steps + len(self._recent)) % len(self._recent)
        return self._recent[rows][..., which]

    def snapshot(self, horizon: int, which: IntArray | slice = slice(None)) -> Snapshot:
        """Return all that forecasts of the next `horizon` steps of some series depend on."""
        t = self.steps - 1
        phases, phases2 = (t + 1 + np.arange(min(horizon, m)) for m in (self.season, self.season2))
        return Snapshot(
            steps=np.full(self._level[..., which].shape[-1], self.steps),
            level=self._level[..., which],
            slope=self._slope[..., which],
            seasonal=self._seasonal[phases % self.season][..., which],
            seasonal2=self._seasonal2[phases2 % self.season2][..., which],
            window=self._window(which),
            first_season=self._first_season[..., which],
            recent_error=self._recent_error[..., which],
            weights=self._weights[..., which],
            curves=self._curves[..., which],
            path_error=self._path_error[..., which],
            path_steps=self._path_steps[which],
            sums=self._sums.take(which),
        )


def _regressors(lagged: FloatArray, now: FloatArray, means: FloatArray, lags: IntArray, steps: int) -> FloatArray:
    """Return differences to the last value, (regressor, value or logarithm, series): at lags, then of two means.

    `lagged` is (lag, value or logarithm, series), `steps` are those up to `now`.
    """
    known = lags <= steps
    return np.concatenate([(lagged - now) * known[:, None, None], means - now])


def features(steps: Sequence[Step], season: int, season2: int) -> Float32Array:
    """Return bounded numbers without unit, (series, step, feature): errors, their means, and what is known so far."""
    error, mean_error, recent, along = (np.stack(part) for part in list(zip(*steps, strict=True))[:4])
    columns: list[Any] = [np.stack(part) for part in zip(*(step.sums for step in steps), strict=True)]
    sums = Sums(*columns)  # (step, ..., series)
    observed = np.stack([step.observed for step in steps])
    n, unit, positive = np.maximum(sums.seen, 1), sums.unit, sums.positive
    change, seasonal = sums.mean_changes
    low, high = (np.where(positive, bound, 1.0) for bound in (sums.lowest, sums.highest))
    known = [
        np.log(n),
        np.log(n / season),
        np.full_like(n, np.log(season)),
        np.log(np.maximum(n / season2, 0.02)) if season2 > 1 else np.full_like(n, -4.0),
        np.full_like(n, np.log(season2)),
        observed,
        positive,
        sums.lowest >= 0,
        np.where(positive, np.log(unit / np.where(sums.size > 0, sums.size, 1.0) + 1e-4), 0.0),
        np.arcsinh((sums.last[:, 0] - sums.mean) / unit),
        np.where(sums.season_count > 0, np.log((seasonal + 0.05 * unit) / (change + 0.05 * unit)), 0.0),
        sums.autocorrelation,
        sums.chance[:, 0],
        np.log(high / low) / 4,
    ]
    mean_error, recent = np.log(mean_error + LEAST_ERROR), np.log(recent + LEAST_ERROR)
    # mean errors are told as ratios to those of the last value, the first smoother
    by_smoother = [error / 4, mean_error - mean_error[:, :1], recent - recent[:, :1], log_path_error(along, unit)]
    parts = [part.reshape(len(steps), -1, part.shape[-1]) for part in by_smoother]
    every = np.concatenate([*parts, np.stack(known, axis=1)], axis=1)  # (step, feature, series)
    bounded: Float32Array = np.clip(every, -8, 8).transpose(2, 0, 1).astype(np.float32)
    return bounded
