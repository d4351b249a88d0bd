"""A bank of forecasts in closed form: exponential smoothers with fixed constants, and simple rules, side by side.

Every exponential smoother is in innovations form (Hyndman et al. 2008, *Forecasting with Exponential Smoothing*): with
level l, slope b, damping phi and seasonal terms s, s',

    e_t = y_t - (l_{t-1} + phi b_{t-1} + s_{t-m} + s'_{t-m'})
    l_t = l_{t-1} + phi b_{t-1} + alpha e_t,   b_t = phi b_{t-1} + alpha beta e_t,   s_t = s_{t-m} + gamma (1-alpha) e_t

and runs twice, on the values and, while all of them are positive, on their logarithms. A young smoother learns faster
than its constants: level and slope begin with the gains of an expanding least-squares fit, seasonal terms as means
over the first cycles. So there is no start to estimate, and a step costs the same at any length of the past.

Beside them stands an autoregression on the last values, the mean, and the values one and two seasons before, whose
ridge regression is brought up to date at each step (recursive least squares) and whose forecasts are fed back.

The pretrained network (`network.pretrained`) weighs these forecasts and corrects them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import BoolArray, FloatArray, IntArray


class _Smoother(NamedTuple):
    """Constants of one exponential smoother; `seasonal` and `seasonal2` are gamma of the first and second season."""

    level: float
    trend: float = 0.0
    damping: float = 1.0
    seasonal: float | None = None
    seasonal2: float | None = None


# A level of 0 is the mean of all values so far, a seasonal of 0 the mean of all cycles.
SMOOTHERS = (
    _Smoother(1.0),
    _Smoother(0.6),
    _Smoother(0.3),
    _Smoother(0.1),
    _Smoother(0.0),
    _Smoother(0.7, 0.2, 0.9),
    _Smoother(0.4, 0.1, 0.95),
    _Smoother(0.9, 0.4, 0.9),
    _Smoother(0.9, 0.8, 0.98),
    _Smoother(0.2, 0.05),
    _Smoother(0.6, seasonal=0.1),
    _Smoother(0.2, seasonal=0.1),
    _Smoother(0.05, seasonal=0.1),
    _Smoother(0.3, seasonal=0.4),
    _Smoother(0.9, seasonal=0.02),
    _Smoother(0.0, seasonal=0.0),
    _Smoother(0.4, 0.08, 0.95, seasonal=0.2),
    _Smoother(0.15, 0.03, 1.0, seasonal=0.1),
    _Smoother(0.3, seasonal=0.1, seasonal2=0.2),
    _Smoother(0.05, seasonal=0.1, seasonal2=0.3),
    _Smoother(0.6, 0.05, 0.9, seasonal=0.1, seasonal2=0.05),
    _Smoother(0.02, seasonal=0.02, seasonal2=0.02),
)
RULES = ("drift", "theta", "mean of two seasons", "season and drift", "seasonal theta")
"""Rules that are computed on values and on logarithms, after the smoothers."""
VALUE_RULES = ("last season", "last second season", "second season and level", "intermittent slow", "intermittent fast")
"""Rules on values alone (TSB: Teunter, Syntetos and Babai 2011)."""
AUTOREGRESSIONS = 2
"""One on values, one on logarithms."""
_POOLED = 2
"""The mean of all smoothers by the inverse square of their recent errors from step to step, and, last of all, the mean
of all other candidates by the inverse fourth power of their errors along paths."""
CANDIDATES = 2 * (len(SMOOTHERS) + len(RULES)) + len(VALUE_RULES) + AUTOREGRESSIONS + _POOLED
FEATURES = 3 * 2 * (len(SMOOTHERS) + 1) + 2 * CANDIDATES + 14
"""Size of what `features` returns of a step."""

CONSTANTS = tuple(
    np.array([value or 0.0 for value in column])[:, None, None] for column in zip(*SMOOTHERS, strict=True)
)
"""Alpha, beta, phi, gamma of the first and of the second season, (smoother, 1, 1) each."""
_ALPHA, _BETA, _PHI, _GAMMA, _GAMMA2 = CONSTANTS
_TREND = _BETA > 0
_SEASONAL = np.array([smoother.seasonal is not None for smoother in SMOOTHERS])
SEASONAL2 = np.array([smoother.seasonal2 is not None for smoother in SMOOTHERS])
FIRST_SEASONAL = int(_SEASONAL.argmax())
"""Smoothers from here on are seasonal."""
MEANS = [3, 4]
"""Smoothers whose levels the autoregression reads: a slow mean and the mean of all values."""
THETA, SEASONAL_THETA = 2, 11
"""Smoothers to which the Theta rules add half the drift (Assimakopoulos and Nikolopoulos 2000)."""
_GROWN = 100
"""After so many values, and a season, gains are the constants, but for means."""
MOST_UNITS = 30.0
"""Units that the mean change from step to step is, at most: seasons that repeat to the last digit have no unit else."""
TSB_GAINS = np.array([0.05, 0.2])[:, None]
"""Of the rules for intermittent demand, (gain, 1)."""
FAST = 0.15
"""Share of a step in the recent mean of a smoother's errors."""
REGRESSORS = 10
PENALTY = 4.0
"""Of the autoregression's squared weights, against squared errors in units."""
LEAST_ERROR = 0.05
"""Errors in units are told apart from here on; smaller ones are none."""
_SHORTEST_PATH, _LONGEST_PATH = 6, 24
LOG_REACH = 2.0
"""Forecasts by logarithms end at e^2 times the largest value so far."""


_SECOND_SEASONS = {5: 260, 7: 364, 24: 168, 48: 336, 96: 672, 144: 1008, 288: 2016}
"""Weeks above days, and years above weeks."""


def second_season(season: int) -> int:
    """Return the longer season that the calendar sets above one of so many steps; 1 where it sets none.

    >>> second_season(24)
    168
    """
    return _SECOND_SEASONS.get(season, 1)


def path_of(season: int) -> int:
    """Steps ahead along which the bank compares its forecasts with what came: a season, but 6 to 24.

    >>> path_of(1), path_of(12), path_of(168)
    (6, 12, 24)
    """
    return min(max(season, _SHORTEST_PATH), _LONGEST_PATH)


class Sums(NamedTuple):
    """What is counted and averaged of the values so far; the last axis of each array is the series.

    Attributes
    ----------
    first, last : first and last observed value, (value or logarithm, series)
    seen, lowest, highest, mean, size : of observed values; `seen` is their number, `size` their mean absolute value
    changes, season_changes, season_count : sums of absolute changes from step to step and from season to season
    autocorrelation : of changes that follow each other, in units
    chance, demand : smoothed share, and size, of values other than 0, (gain, series)
    positive : whether all values so far are above zero, so that logarithms are read as well
    unit : mean change from step to step, or from season to season where that is smaller, but no less than a thirtieth
        of the first; never 0

    """

    first: FloatArray
    last: FloatArray
    seen: FloatArray
    lowest: FloatArray
    highest: FloatArray
    mean: FloatArray
    size: FloatArray
    changes: FloatArray
    season_changes: FloatArray
    season_count: FloatArray
    autocorrelation: FloatArray
    change: FloatArray
    chance: FloatArray
    demand: FloatArray
    positive: BoolArray
    unit: FloatArray

    @staticmethod
    def of_nothing(series: int) -> Sums:
        """Return what is known before the first step."""
        zero, two = np.zeros(series), np.zeros((2, series))
        return Sums(
            first=two,
            last=two,
            seen=zero,
            lowest=np.full(series, np.inf),
            highest=np.full(series, -np.inf),
            mean=zero,
            size=zero,
            changes=zero,
            season_changes=zero,
            season_count=zero,
            autocorrelation=zero,
            change=zero,
            chance=np.ones((2, series)),
            demand=two,
            positive=np.zeros(series, dtype=np.bool_),
            unit=np.ones(series),
        )

    def take(self, which: IntArray | slice) -> Sums:
        """Return the sums of some series."""
        parts: list[Any] = [part[..., which] for part in self]
        return Sums(*parts)

    @property
    def units(self) -> FloatArray:
        """Unit of values and, as a share of the last one, of logarithms, (value or logarithm, series)."""
        return np.array([self.unit, self.unit / np.where(self.positive, self.last[..., 0, :], self.unit)])

    @property
    def mean_changes(self) -> tuple[FloatArray, FloatArray]:
        """Mean absolute changes from step to step and from season to season."""
        return _mean_changes(self.seen, self.changes, self.season_count, self.season_changes)

    def with_value(
        self, y: FloatArray, filled: FloatArray, observed: BoolArray, seasonal_change: FloatArray, paired: BoolArray
    ) -> Sums:
        """Return the sums with one more value; `filled` has its logarithm too, `paired` has a value a season before."""
        started = self.seen > 0
        later = observed & started
        change = (y - self.last[0]) * later
        count = self.seen + observed
        n = np.maximum(count, 1)
        share = observed / n
        size = self.size + (np.abs(y) - self.size) * share
        lowest = np.where(observed, np.minimum(self.lowest, y), self.lowest)
        changes = self.changes + np.abs(change)
        season_changes, season_count = self.season_changes + seasonal_change * paired, self.season_count + paired
        per_step, per_season = _mean_changes(count, changes, season_count, season_changes)
        unit = np.where((per_season > 0) & ((per_season < per_step) | (per_step == 0)), per_season, per_step)
        unit = np.maximum(unit, per_step / MOST_UNITS)
        if not unit.all():  # of what never changed: its size
            unit = np.where(unit > 0, unit, np.where(size > 0, size, 1.0))
        product = np.minimum(np.maximum(change / unit * (self.change / unit), -9), 9)
        gain, demanded = np.maximum(TSB_GAINS, 1 / n), observed & (y != 0)
        learnt = np.where(self.demand == 0, y, self.demand + gain * (y - self.demand))
        return Sums(
            first=np.where(started | ~observed, self.first, filled),
            last=np.where(observed, filled, self.last),
            seen=count,
            lowest=lowest,
            highest=np.where(observed, np.maximum(self.highest, y), self.highest),
            mean=self.mean + (y - self.mean) * share,
            size=size,
            changes=changes,
            season_changes=season_changes,
            season_count=season_count,
            autocorrelation=self.autocorrelation + (product - self.autocorrelation) * (later / n),
            change=np.where(observed, change, self.change),
            chance=self.chance + gain * (demanded - self.chance) * observed,
            demand=np.where(demanded, learnt, self.demand),
            positive=(lowest > 0) & (count > 0),
            unit=unit,
        )


def _mean_changes(
    seen: FloatArray, changes: FloatArray, season_count: FloatArray, season_changes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    return changes / np.maximum(seen - 1, 1), season_changes / np.maximum(season_count, 1)


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


class Snapshot(NamedTuple):
    """All that forecasts after some origins depend on; the last axis of each array is the origin.

    Attributes
    ----------
    steps : that each series has up to its origin
    seasonal, seasonal2 : terms of the steps that come, as many as a season has or the horizon needs
    window : last values, the newest last, (step, value or logarithm, origin)
    path_error : along paths, in y's unit, (mean or recent mean, candidate, origin)
    path_steps : of how many values these are means, (origin,)

    """

    steps: IntArray
    level: FloatArray
    slope: FloatArray
    seasonal: FloatArray
    seasonal2: FloatArray
    window: FloatArray
    first_season: FloatArray
    recent_error: FloatArray
    weights: FloatArray
    path_error: FloatArray
    path_steps: FloatArray
    sums: Sums


_T = TypeVar("_T", Sums, Snapshot)


def joined(parts: Sequence[_T], axis: int = -1) -> _T:
    """Put snapshots, or sums, of several steps or series together along an axis."""
    if len(parts) == 1:
        return parts[0]
    columns: list[Any] = [
        joined(part, axis) if isinstance(part[0], Sums) else np.concatenate(part, axis)
        for part in zip(*parts, strict=True)
    ]
    return type(parts[0])(*columns)


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
        self._lags = lags_of(season, season2)
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
        trended = self._level + _PHI * self._slope
        expected = trended.copy()
        expected[first:] += s + s2
        error = np.where(known, z - expected, 0.0)
        alpha, beta = self._gains(self._sums.seen + 1)
        self._level = trended + alpha * error
        self._slope = _PHI * self._slope + beta * error
        rest = (1 - alpha[first:]) * error[first:]
        if self.season > 1 and t >= self.season:
            s += np.maximum(_GAMMA[first:], 1 / (t // self.season + 1)) * rest
        if self.season2 > 1 and t >= 2 * self.season:  # not before the fast season is known: it would take its place
            s2 += SEASONAL2[first:, None, None] * np.maximum(_GAMMA2[first:], 1 / (t // self.season2 + 1)) * rest
        return error

    def _gains(self, n: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return alpha and alpha beta of each smoother at the n-th value of each series, (smoother, 1, series or 1)."""
        alpha = np.maximum(_ALPHA, 1 / n)
        if n.min() > _GROWN and self.steps >= self.season:
            return alpha, _ALPHA * _BETA
        # gains of a least-squares line through n values, as long as they are above the constants
        alpha = np.where(_TREND, np.maximum(_ALPHA, np.minimum(2 * (2 * n - 1) / (n * (n + 1)), 1)), alpha)
        beta = np.where(_TREND, np.maximum(_ALPHA * _BETA, 6 / (n * (n + 1))), 0.0)
        if self.season > 1:
            first = FIRST_SEASONAL
            alpha[first:] = np.maximum(_ALPHA[first:], 1 / n)
            beta[first:] = (_ALPHA * _BETA)[first:] * (self.steps >= self.season)
        return alpha, beta

    def _regress(self, z: FloatArray, known: BoolArray, unit: FloatArray) -> FloatArray:
        """Bring the autoregression up to date by recursive least squares; its errors, (value or logarithm, series)."""
        x = self._regressors / unit
        change = np.where(known, z - self._sums.last, 0.0)
        error = change - unit * (x * self._weights).sum(axis=0)
        # P x, and the gain k = P x / (1 + x' P x); unknown steps teach nothing
        towards = (self._covariance * x).sum(axis=1)
        gain = towards / (1 + (x * towards).sum(axis=0)) * known
        self._weights = self._weights + gain * np.minimum(np.maximum(error / unit, -9), 9)
        self._covariance -= gain[:, None] * towards
        return np.where(known, error, 0.0)

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
        trend = np.where(_TREND[first:], slope, 0.0)
        alpha, beta = np.maximum(_ALPHA[first:], 1 / self.steps), (_ALPHA * _BETA)[first:]
        for j in range(m):
            trended = level + _PHI[first:] * trend
            error = values[-1, j] - self._seasonal[j] - trended
            level = trended + alpha * error
            trend = _PHI[first:] * trend + beta * error
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
            path_error=self._path_error[..., which],
            path_steps=self._path_steps[which],
            sums=self._sums.take(which),
        )


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


def candidates(at: Snapshot, horizon: int, season: int, season2: int) -> FloatArray:
    """Forecast the steps after some origins by every candidate: (origin, horizon, `CANDIDATES`), in y's unit."""
    first, h = FIRST_SEASONAL, np.arange(1, horizon + 1)
    phi = _PHI[:, 0, 0]
    # phi + phi^2 + ... + phi^h
    damped = np.where(phi == 1, h[:, None], phi * (1 - phi ** h[:, None]) / np.where(phi == 1, 1, 1 - phi))
    smoothed = at.level + damped[:, :, None, None] * at.slope  # (horizon, smoother, value or logarithm, origin)
    smoothed[:, first:] += at.seasonal[(h - 1) % season]
    smoothed[:, first:] += at.seasonal2[(h - 1) % season2]
    rules, on_values = _rules(at, smoothed, h, season, season2)
    regressed = _autoregression(at, horizon, lags_of(season, season2))
    both = np.concatenate([smoothed, rules, regressed[:, None]], axis=1)
    positive = at.sums.positive
    top = np.minimum(np.log(np.where(positive, at.sums.highest, 1.0)) + LOG_REACH, 709)
    logs = np.where(positive, np.exp(np.clip(both[:, :, 1], -700, top)), both[:, :, 0])
    weight = 1 / (at.recent_error[:-1] + LEAST_ERROR) ** 2
    weight[:, 1] *= positive
    smooth = len(SMOOTHERS)
    pooled = (weight[:, 0] * both[:, :smooth, 0] + weight[:, 1] * logs[:, :smooth]).sum(axis=1)
    pooled /= weight.sum(axis=(0, 1))
    every = np.concatenate([both[:, :, 0], logs, on_values, pooled[:, None]], axis=1)  # (horizon, candidate, origin)
    error = at.path_error[0, :-1]
    weight = 1 / (error / at.sums.unit + LEAST_ERROR) ** 4
    by_path = (weight * every).sum(axis=1) / weight.sum(axis=0)
    by_path = np.where(at.path_steps > 0, by_path, pooled)
    return np.concatenate([every, by_path[:, None]], axis=1).transpose(2, 0, 1)


def log_path_error(error: FloatArray, unit: FloatArray) -> FloatArray:
    """Return logarithms of errors along paths, (..., mean or recent mean, candidate, series), without unit."""
    return np.log(error / unit[..., None, None, :] + LEAST_ERROR)


def _rules(at: Snapshot, smoothed: FloatArray, h: IntArray, season: int, season2: int) -> tuple[FloatArray, FloatArray]:
    """Forecast by `RULES`, (horizon, rule, value or logarithm, origin), and `VALUE_RULES`, (horizon, rule, origin)."""
    now, ahead = len(at.window) - 1, h[:, None, None]
    last = at.sums.last
    drift = (last - at.sums.first) / np.maximum(at.sums.seen - 1, 1)
    cycles = -(-h // season)  # whole seasons back
    place = now + h - cycles * season  # (horizon,)
    earliest = now + 1 - at.steps  # where each series begins
    latest = np.maximum(place[:, None], earliest)  # (horizon, origin)
    one = _at(at.window, latest)
    two = _at(at.window, np.where(place[:, None] - season >= earliest, place[:, None] - season, latest))
    recent, before = at.window[-season:].mean(axis=0), at.window[-2 * season : -season].mean(axis=0)
    grown = at.steps >= 2 * season
    growth = np.where(grown, recent - before, 0.0)
    seasons = np.maximum(at.steps / season - 1, 1.0)
    long_growth = np.where(grown, (recent - at.first_season / season) / (seasons * season), drift)
    rules = [
        last + ahead * drift,
        smoothed[:, THETA] + 0.5 * ahead * drift,
        (one + two) / 2,
        one + cycles[:, None, None] * growth,
        smoothed[:, SEASONAL_THETA] + 0.5 * ahead * long_growth,
    ]
    second, levelled = one[:, 0], one[:, 0]
    if season2 > 1:
        far = at.window[now + h - -(-h // season2) * season2, 0]
        second = np.where(at.steps >= season2, far, one[:, 0])
        level_then = at.window[now - season2 - season + 1 : now - season2 + 1, 0].mean(axis=0)
        levelled = np.where(at.steps >= season2 + season, far + recent[0] - level_then, one[:, 0])
    demand = (at.sums.chance * at.sums.demand)[:, None] * np.ones((1, len(h), 1))  # (gain, horizon, origin)
    return np.stack(rules, axis=1), np.stack([one[:, 0], second, levelled, *demand], axis=1)


def _at(window: FloatArray, places: IntArray) -> FloatArray:
    """Take the values of a window at places that differ by origin, (horizon, origin)."""
    return np.take_along_axis(window, places[:, None], axis=0)


def lags_of(season: int, season2: int) -> IntArray:
    """Steps before the next value that it is regressed on, (regressor,); 1, which adds nothing, without a season."""
    seasons = (season, season + 1, 2 * season) if season > 1 else (1, 1, 1)
    return np.array([2, 3, 4, *seasons, *((season2, season2 + 1) if season2 > 1 else (1, 1))])


def _regressors(lagged: FloatArray, now: FloatArray, means: FloatArray, lags: IntArray, steps: int) -> FloatArray:
    """Return differences to the last value, (regressor, value or logarithm, series): at lags, then of two means.

    `lagged` is (lag, value or logarithm, series), `steps` are those up to `now`.
    """
    known = lags <= steps
    return np.concatenate([(lagged - now) * known[:, None, None], means - now])


def _bounds(sums: Sums) -> tuple[FloatArray, FloatArray]:
    """Return what holds an autoregression that explodes: half the range of the past beyond it, both (2, origin)."""
    positive = sums.positive
    ends = np.where(sums.seen > 0, np.stack([sums.lowest, sums.highest]), 0.0)
    logs = np.where(positive, np.log(np.where(positive, ends, 1.0)), ends)
    low, high = np.stack([ends, logs], axis=1)  # (end, value or logarithm, origin)
    reach = 0.5 * (high - low)
    return low - reach, high + reach


def _autoregression(at: Snapshot, horizon: int, lags: IntArray) -> FloatArray:
    """Feed forecasts of the next step back, (horizon, value or logarithm, origin)."""
    path = np.concatenate([at.window, np.empty((horizon, *at.window.shape[1:]))])
    means, (low, high) = at.level[MEANS], _bounds(at.sums)
    weights, of_means = at.weights[: len(lags)], at.weights[len(lags) :]
    rest = 1 - of_means.sum(axis=0)  # what is left for the last value: all regressors are differences to it
    gain = 1 / (at.sums.seen + np.arange(1, horizon + 1)[:, None])
    gains = np.stack([np.full_like(gain, _ALPHA[MEANS[0], 0, 0]), gain], axis=1)[:, :, None]
    aged = lags.max() <= at.steps.min()
    of_last = rest - weights.sum(axis=0)
    for h in range(horizon):
        now = h + len(at.window) - 1
        if not aged:
            weights = at.weights[: len(lags)] * (lags[:, None] <= at.steps + h)[:, None]
            of_last = rest - weights.sum(axis=0)
        step = of_last * path[now] + (weights * path[now + 1 - lags]).sum(axis=0) + (of_means * means).sum(axis=0)
        path[now + 1] = np.minimum(np.maximum(step, low), high)
        means = means + gains[h] * (path[now + 1] - means)
    return path[len(at.window) :]
