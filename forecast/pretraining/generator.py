"""Series that a program makes up: what the pretrained network learns from, and all that it has ever seen.

`generate(rng, series, steps, season, season2)` returns a batch in which families stand side by side:

    structural     level, slope (damped or not), breaks, seasons, cycles and ARMA noise, added or multiplied
    growth         what goes on growing or falling, by a rate that hardly changes, with little noise
    pure           random walks and white noise, left as they are: nothing must be found in them
    ARMA           by poles within the unit circle, integrated or not, seasonally integrated too
    smooth         draws of Gaussian processes on a coarse grid, joined by cubic curves
    counts         intermittent demand and Poisson counts with a season and a level that moves

and to which the same accidents happen: outliers, rounding, a floor at zero, holes, any unit. What was left out, and
what each range is after, stands beside it. Ranges and shares follow published recipes (ForecastPFN, Dooley et al. 2023;
KernelSynth, Ansari et al. 2024; TempoPFN, Moroshan et al. 2025); none is taken from the series of a benchmark.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import lfilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from forecast.series.panel import BoolArray, FloatArray

    Random = np.random.Generator
    Family = Callable[[Random, int, int, int, int], FloatArray]


class Batch(NamedTuple):
    """Generated series, (series, step): values, and whether each was observed."""

    values: FloatArray
    observed: BoolArray


def generate(rng: Random, series: int, steps: int, season: int = 1, season2: int = 1) -> Batch:
    """Make up some series of one length and one season; the same generator state gives the same series."""
    shares = np.array([share for share, _ in FAMILIES])
    counts = rng.multinomial(series, shares / shares.sum())
    parts = [
        family(rng, int(count), steps, season, season2)
        for count, (_, family) in zip(counts, FAMILIES, strict=True)
        if count
    ]
    values = _accidents(rng, np.concatenate(parts))
    order = rng.permutation(series)
    return Batch(values[order], _observed(rng, series, steps))


def fingerprint() -> str:
    """Return the SHA-256 of this file, by which a model card names the generator that its weights saw."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def structural(rng: Random, n: int, steps: int, season: int, season2: int) -> FloatArray:
    """Trend, seasons, cycles and noise, put together by sums or products."""
    noise = _noise(rng, n, steps) * _log_uniform(rng, n, 0.02, 2.0)
    seasonal = _seasons(rng, n, steps, season, season2)
    parts = _trend(rng, n, steps) + seasonal + noise + _cycle(rng, n, steps, season)
    return _level(rng, parts)


def growth(rng: Random, n: int, steps: int, season: int, season2: int) -> FloatArray:
    """What grows, in percent or by amounts, by a rate that swings around one that lasts or breaks: people, prices.

    Three of four go up. Rates are 0.5 to 12 % a season, as those of years are.
    """
    rate = _log_uniform(rng, n, 0.005, 0.12) / season * np.where(rng.random((n, 1)) < 0.75, 1, -1)
    broken = (rng.random((n, steps)) < rng.uniform(0.3, 1.5, (n, 1)) / steps) * _some(rng, n, 0.3)
    lasting = rate * np.exp(np.cumsum(broken * rng.standard_normal((n, steps)), axis=1).clip(-3, 1.5))
    phi = rng.uniform(0.3, 0.97, n)
    shocks, swing, x = rng.standard_normal((n, steps)), np.empty((n, steps)), np.zeros(n)
    for t in range(steps):
        x = phi * x + np.sqrt(1 - phi**2) * shocks[:, t]
        swing[:, t] = x
    grown = np.cumsum(lasting + np.abs(rate) * swing * _log_uniform(rng, n, 0.05, 3), axis=1)
    around = _noise(rng, n, steps) * np.abs(rate) * _log_uniform(rng, n, 0.03, 3)
    around += 0.03 * _seasons(rng, n, steps, season, season2).clip(-10, 10)
    parts = (grown + around).clip(-6, 6)
    return np.where(rng.random((n, 1)) < 0.6, np.exp(parts), 1 + parts)


def pure(rng: Random, n: int, steps: int, season: int, season2: int) -> FloatArray:
    """Random walks (two of three, some of them geometric) and white noise, with nothing else in them."""
    steps_of = _innovations(rng, n, steps)
    walk = rng.random((n, 1)) < 2 / 3
    values = np.where(walk, np.cumsum(steps_of, axis=1), steps_of)
    geometric = rng.random((n, 1)) < 0.5
    size = _log_uniform(rng, n, 0.001, 0.15)
    added = rng.standard_normal((n, 1)) * 10 + values * _log_uniform(rng, n, 0.1, 10)
    return np.where(geometric, np.exp(np.clip(values * size, -8, 8)), added)


def arma(rng: Random, n: int, steps: int, season: int, season2: int) -> FloatArray:
    """ARMA by up to two pairs of poles and a zero, integrated never, once, or over a season."""
    values = np.empty((n, steps))
    burn = 60
    kind = rng.random(n)
    shocks = _innovations(rng, n, steps + burn)
    for i in range(n):
        poles = np.concatenate([_pole(rng), _pole(rng) if rng.random() < 0.4 else []])
        zero = rng.uniform(-0.8, 0.8) if rng.random() < 0.5 else 0.0
        x = lfilter([1.0, zero], np.real(np.poly(poles)), shocks[i])[burn:]
        if kind[i] < 0.3:
            x = np.cumsum(x)
        elif kind[i] < 0.5 and season > 1:  # (1 - L^m)^-1, from a profile of the first season
            start = np.zeros(steps)
            start[:season] = (rng.standard_normal(season) * x.std() * rng.uniform(0, 4))[:steps]
            x = lfilter([1.0], np.r_[1.0, np.zeros(season - 1), -1.0], 0.5 * x + start)
        values[i] = x
    return _level(rng, values)


def smooth(rng: Random, n: int, steps: int, season: int, season2: int) -> FloatArray:
    """Gaussian processes: squared exponential, rational quadratic or periodic covariance on a grid of 60 points."""
    points = min(60, steps)
    grid = np.linspace(0, 1, points)
    apart = np.abs(grid[:, None] - grid)
    values = np.empty((n, steps))
    where = np.linspace(0, 1, steps)
    for first in range(0, n, 8):  # eight draws share a covariance
        length = np.exp(rng.uniform(np.log(0.03), np.log(1.0)))
        kernels = [np.exp(-0.5 * (apart / length) ** 2), (1 + (apart / length) ** 2) ** -0.5]
        kernels.append(np.exp(-2 * np.sin(np.pi * apart / rng.uniform(0.1, 0.5)) ** 2 / rng.uniform(0.3, 2) ** 2))
        one, two = rng.integers(3, size=2)
        covariance = kernels[one] + kernels[two] if rng.random() < 0.5 else kernels[one] * kernels[two]
        root = np.linalg.cholesky(covariance + 1e-5 * np.eye(points))
        some = min(8, n - first)
        values[first : first + some] = CubicSpline(grid, root @ rng.standard_normal((points, some)))(where).T
    noise = _noise(rng, n, steps) * _log_uniform(rng, n, 0.005, 0.5)
    return _level(rng, values + noise + 0.5 * _seasons(rng, n, steps, season, season2) * (rng.random((n, 1)) < 0.5))


def counts(rng: Random, n: int, steps: int, season: int, season2: int) -> FloatArray:
    """Counts around a mean that moves, half of them with 0 to 90 % of the steps without any demand."""
    log_mean = rng.uniform(-0.5, 4.5, (n, 1)) + 0.15 * _trend(rng, n, steps).clip(-20, 20)
    log_mean += 0.2 * _seasons(rng, n, steps, season, season2).clip(-10, 10)
    mean = np.exp(np.clip(log_mean, -3, 9))
    spread = _log_uniform(rng, n, 0.5, 50)  # gamma shape: small is overdispersed
    demand = rng.poisson(mean * rng.gamma(spread * np.ones((n, steps))) / spread).astype(np.float64)
    rare = rng.random((n, 1)) < 0.5
    chance = np.where(rare, rng.uniform(0.1, 1, (n, 1)), 1.0)
    return demand * (rng.random((n, steps)) < chance)


FAMILIES: tuple[tuple[float, Family], ...] = (
    (0.42, structural),
    (0.14, growth),
    (0.15, pure),
    (0.14, arma),
    (0.08, smooth),
    (0.07, counts),
)
"""Share and maker of each family."""


def _log_uniform(rng: Random, n: int, low: float, high: float) -> FloatArray:
    """One number a series, (series, 1)."""
    return np.exp(rng.uniform(np.log(low), np.log(high), (n, 1)))


def _some(rng: Random, n: int, share: float) -> FloatArray:
    """1 for this share of the series, else 0, (series, 1)."""
    return (rng.random((n, 1)) < share).astype(np.float64)


def _innovations(rng: Random, n: int, steps: int) -> FloatArray:
    """Shocks of unit size: normal, Laplace, Student's t, with a variance that is constant or clusters (GARCH)."""
    kind = rng.random((n, 1))
    normal = rng.standard_normal((n, steps))
    heavy = rng.standard_t(3.5, (n, steps)) / np.sqrt(3.5 / 1.5)
    shocks = np.where(kind < 0.6, normal, np.where(kind < 0.8, heavy, rng.laplace(0, 0.5**0.5, (n, steps))))
    clustered = np.flatnonzero(rng.random(n) < 0.15)
    if len(clustered):
        a, b = rng.uniform(0.05, 0.25, len(clustered)), rng.uniform(0.6, 0.74, len(clustered))
        variance = np.ones(len(clustered))
        for t in range(steps):  # h_t = (1-a-b) + a x_{t-1}^2 + b h_{t-1}
            x = shocks[clustered, t] * np.sqrt(variance)
            shocks[clustered, t] = x
            variance = 1 - a - b + a * np.minimum(x**2, 50) + b * variance
    return shocks


def _noise(rng: Random, n: int, steps: int) -> FloatArray:
    """ARMA(1, 1) noise of unit size, most of it weak, (series, step)."""
    shocks = _innovations(rng, n, steps)
    phi = np.where(rng.random(n) < 0.55, rng.uniform(-0.4, 0.95, n), 0.0)
    theta = np.where(rng.random(n) < 0.3, rng.uniform(-0.6, 0.6, n), 0.0)
    noise, before = np.empty_like(shocks), np.zeros(n)
    for t in range(steps):
        before = phi * before + shocks[:, t] + (theta * shocks[:, t - 1] if t else 0.0)
        noise[:, t] = before
    scaled: FloatArray = noise * np.sqrt((1 - phi**2) / (1 + 2 * phi * theta + theta**2))[:, None]
    return scaled


def _trend(rng: Random, n: int, steps: int) -> FloatArray:
    """A level that walks, a slope that walks, decays or stays, breaks of both, saturation, (series, step)."""
    t = np.arange(steps)
    level = np.cumsum(_innovations(rng, n, steps), axis=1) * _log_uniform(rng, n, 1e-3, 1.0) * _some(rng, n, 0.7)
    # half of the series grow, over their whole length by 0.3 to 30 times the size of their noise
    start = rng.standard_normal((n, 1)) * _log_uniform(rng, n, 0.3, 30) / steps * _some(rng, n, 0.5)
    shocks = rng.standard_normal((n, steps)) * _log_uniform(rng, n, 1e-3, 0.3) * _some(rng, n, 0.4)
    phi = np.where(rng.random(n) < 0.6, 1.0, rng.uniform(0.8, 1.0, n))
    slope, b = np.empty((n, steps)), start[:, 0]
    for i in range(steps):
        b = phi * b + shocks[:, i]
        slope[:, i] = b
    breaks = (rng.random((n, steps)) < rng.uniform(0.3, 2, (n, 1)) / steps) * _some(rng, n, 0.25)
    jumps = (
        np.cumsum(breaks * rng.standard_normal((n, steps)), axis=1) * _log_uniform(rng, n, 0.3, 6) * _some(rng, n, 0.5)
    )
    turns = np.cumsum(np.cumsum(breaks * rng.standard_normal((n, steps)), axis=1), axis=1)
    turns *= _log_uniform(rng, n, 0.02, 0.3) * _some(rng, n, 0.5)
    rate, middle = _log_uniform(rng, n, 2, 20) / steps, rng.uniform(0, 1.3, (n, 1)) * steps
    saturating = 1 / (1 + np.exp(-np.clip(rate * (t - middle), -30, 30))) * rng.standard_normal((n, 1)) * 8
    return level + np.cumsum(slope, axis=1) + jumps + turns + saturating * _some(rng, n, 0.07)


def _cycle(rng: Random, n: int, steps: int, season: int) -> FloatArray:
    """A wave longer than a season, whose phase wanders, (series, step)."""
    period = rng.uniform(1.5, 10, (n, 1)) * max(season, 6)
    wander = np.cumsum(rng.standard_normal((n, steps)), axis=1) * 0.02 * _some(rng, n, 0.5)
    wave = np.sin(2 * np.pi * (np.arange(steps) / period + rng.random((n, 1)) + wander))
    return wave * _log_uniform(rng, n, 0.1, 4) * _some(rng, n, 0.2)


def _seasons(rng: Random, n: int, steps: int, season: int, season2: int) -> FloatArray:
    """Up to two seasons; either may be missing, and the slow one may shape the fast one's size, (series, step)."""
    values = np.zeros((n, steps))
    if season > 1:  # people's days and weeks are plainer than their quarters
        size = _log_uniform(rng, n, *((0.05, 6) if season < 24 else (0.2, 10)))
        values += _season(rng, n, steps, season) * size * _some(rng, n, 0.8)
    if season2 > 1:
        days = season2 // season
        place = (np.arange(steps) + rng.integers(season2)) // season % days
        other = (rng.random((n, days)) < rng.uniform(0.1, 0.5, (n, 1)))[:, place]  # days with a shape of their own
        shape = values * rng.random((n, 1)) + _season(rng, n, steps, season) * _log_uniform(rng, n, 0.05, 3)
        values = np.where(other & (rng.random((n, 1)) < 0.4), shape, values)
        slow = _season(rng, n, steps, season2, coarse=season) * _some(rng, n, 0.75)
        values = values * (1 + 0.4 * np.tanh(slow) * _some(rng, n, 0.6)) + slow * _log_uniform(rng, n, 0.05, 3)
    return values


def _season(rng: Random, n: int, steps: int, season: int, coarse: int = 1) -> FloatArray:
    """A season of unit size by Fourier series or free profile, whose size and shape may drift, (series, step)."""
    cycles = -(-steps // season)
    harmonic = np.arange(1, max(1, min(season // 2, 10)) + 1)
    decay = rng.uniform(0.3, 2.0, (n, 1))
    cosine, sine = rng.standard_normal((2, n, len(harmonic))) * harmonic**-decay
    angle = 2 * np.pi * np.outer(np.arange(season), harmonic) / season
    fourier = cosine @ np.cos(angle).T + sine @ np.sin(angle).T
    # profiles of free values, some of them zero; of a slow season, constant over each fast one (days of a week)
    days = -(-season // coarse)
    free = rng.standard_normal((n, days)) * (rng.random((n, days)) < rng.uniform(0.15, 1, (n, 1)))
    free = np.repeat(free, coarse, axis=1)[:, :season]
    profile = np.where(rng.random((n, 1)) < (0.75 if coarse > 1 else 0.45), free, fourier)
    profile -= profile.mean(axis=1, keepdims=True)
    profile /= profile.std(axis=1, keepdims=True) + 1e-9
    size = np.exp(np.cumsum(rng.standard_normal((n, cycles)) * 0.1, axis=1) * _some(rng, n, 0.4))
    shape = np.zeros((n, cycles, season))
    if season <= 400:
        drift = rng.standard_normal((n, cycles, season)) * _log_uniform(rng, n, 0.02, 0.25)[:, :, None]
        shape = np.cumsum(drift, axis=1) * _some(rng, n, 0.4)[:, :, None]
    values = (profile[:, None] + shape) * size[:, :, None]  # (series, cycle, phase)
    shift = int(rng.integers(season))
    return np.roll(values.reshape(n, -1), -shift, axis=1)[:, :steps]


def _pole(rng: Random) -> NDArray[np.complex128] | FloatArray:
    """A real pole, or a pair that swings with a period of 3 to 40 steps."""
    if rng.random() < 0.6:
        return np.array([rng.uniform(-0.6, 0.97)])
    radius, angle = rng.uniform(0.5, 0.97), 2 * np.pi / np.exp(rng.uniform(np.log(3), np.log(40)))
    pair: NDArray[np.complex128] = radius * np.exp(np.array([1j, -1j]) * angle)
    return pair


def _level(rng: Random, parts: FloatArray) -> FloatArray:
    """Put sums of parts on a level: added to it, multiplied with it, or around zero, (series, step)."""
    n = len(parts)
    middle = parts.mean(axis=1, keepdims=True)
    unit = (parts - middle) / (parts.std(axis=1, keepdims=True) + 1e-9)
    kind, size = rng.random((n, 1)), _log_uniform(rng, n, 0.01, 1.0)
    multiplied = np.exp(np.clip(unit * size, -4, 4))
    added = 1 + unit * size
    levelled: FloatArray = np.where(kind < 0.42, multiplied, np.where(kind < 0.82, added, unit))
    return levelled


def _accidents(rng: Random, values: FloatArray) -> FloatArray:
    """Outliers, a floor at zero, rounding, the sign, and a unit, (series, step)."""
    n, steps = values.shape
    spread = values.std(axis=1, keepdims=True) + 1e-9
    whole = (values == np.round(values)).all(axis=1, keepdims=True)
    hit = (rng.random((n, steps)) < rng.uniform(0.002, 0.02, (n, 1))) * _some(rng, n, 0.15) * ~whole
    values = values + hit * rng.standard_t(3, (n, steps)) * spread * 3
    floor = (rng.random((n, 1)) < 0.75) & (values.mean(axis=1, keepdims=True) > 0)
    values = np.where(floor, np.maximum(values, 0.02 * np.abs(values).mean(axis=1, keepdims=True) * ~whole), values)
    grain = spread * _log_uniform(rng, n, 0.005, 0.5)
    values = np.where((rng.random((n, 1)) < 0.15) & ~whole, np.round(values / grain) * grain, values)
    values = np.where((rng.random((n, 1)) < 0.5) & (values.min(axis=1, keepdims=True) < 0), -values, values)
    return values * np.where(whole, 1.0, _log_uniform(rng, n, 1e-2, 1e5))


def _observed(rng: Random, n: int, steps: int) -> BoolArray:
    """Whether each value is observed: a tenth of the series has holes, singly or a block, (series, step)."""
    holes = rng.random((n, steps)) < 0.1 * rng.random((n, 1))
    start, length = rng.integers(0, steps, (n, 1)), rng.integers(1, max(2, steps // 8), (n, 1))
    place = np.arange(steps)
    block = (place >= start) & (place < start + length) & (rng.random((n, 1)) < 0.5)
    observed = ~((holes | block) & (rng.random((n, 1)) < 0.1))
    observed[:, 0] = True
    return observed
