"""Season detection by autocorrelation.

The frequency suggests seasons (hours: a day, a week), the data decide. A moving average as long as the season is
subtracted first, which removes slow movement and leaves a season untouched (the first step of classical
decomposition). Of what remains the autocorrelation r_m at one season m must be significant: Bartlett (1946) gives its
variance under no season as

    var r_m = (1 + 2 sum_{j=1}^{m/2} r_j^2) / n,

larger than 1 / n because neighbouring steps are alike. A random walk does not pass: less its moving average it is
forgotten within a season.

Without a calendar every length is possible. Candidates are then the strongest lines of the spectrum and multiples of
their periods, and the threshold is stricter because there are many; of lengths that repeat equally well the shortest
wins, so that a sine has its period and not twice that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from forecast.series.step_rules import MONTHS, NS_PER_DAY, TICKS, parse_alias

if TYPE_CHECKING:
    from forecast.series.calendar import Calendar
    from forecast.series.panel import FloatArray, Panel

CYCLES = 3  # seasons that a series must hold
_SIGNIFICANT = 2.3  # threshold in standard deviations, with one candidate or two
_STRICT = 3.5  # the same where every length is a candidate
_WEAKEST = 0.1  # least autocorrelation of a useful season
_EQUAL = 0.15  # an autocorrelation that is less than the best by at most this share counts as equal
_MOST_SERIES, _MOST_STEPS = 50, 200_000  # at most so many are examined; the latest steps
_LINES, _MULTIPLES, _TRIED = 3, 40, 3  # lines of the spectrum; multiples of each period; of these, tried by each rule


@dataclass(frozen=True)
class Season:
    """Steps of a season, 1 where there is none, and the evidence in a few words."""

    steps: int
    evidence: str


def find_season(training: Panel) -> Season:
    """Return the common season of the series of a training split.

    Examples
    --------
    >>> from forecast import SinewaveSettings, make_sinewave
    >>> find_season(make_sinewave(SinewaveSettings())).steps
    20

    """
    series = _series(training)
    if not series:
        return Season(1, "none: the series are constant or shorter than 8 steps")
    if training.calendar.freq is None:
        return _free_season(series)
    return _season_of(series, seasons_of(training.calendar))


def seasons_of(calendar: Calendar) -> tuple[tuple[str, int], ...]:
    """Return the seasons that a calendar suggests, shortest first: name and steps.

    >>> from forecast.series.calendar import Calendar
    >>> seasons_of(Calendar("h"))
    (('daily', 24), ('weekly', 168))
    """
    if calendar.sessions:
        days = len({slot // 86_400 for slot in calendar.sessions})
        return _distinct([("daily", len(calendar.sessions) / days), ("weekly", len(calendar.sessions))])
    if calendar.trades:
        return (("weekly", calendar.weekmask.count("1")),)
    alias = parse_alias(str(calendar.freq))
    if alias.unit in MONTHS:
        return _distinct([("yearly", 12 / (alias.count * MONTHS[alias.unit][0]))])
    if alias.unit not in TICKS:
        return ()
    day = NS_PER_DAY / (alias.count * TICKS[alias.unit])
    if day <= 1:
        return _distinct([("weekly", 7 * day), ("yearly", 365 * day if day == 1 else 365.25 * day)])
    return _distinct([("minutely", day / 1440), ("hourly", day / 24), ("daily", day), ("weekly", 7 * day)])


def _distinct(seasons: list[tuple[str, float]]) -> tuple[tuple[str, int], ...]:
    """Keep seasons of at least four steps that are nearly whole (a year is 52.18 weeks), rounded."""
    return tuple((name, round(steps)) for name, steps in seasons if steps >= 4 and abs(steps - round(steps)) < 0.2)


def _series(panel: Panel) -> list[FloatArray]:
    """Standardised series that are not constant, evenly chosen where there are many."""
    usable = [panel.target[rows] for _, rows in panel.series() if rows.stop - rows.start >= 8]
    chosen = usable[:: max(1, -(-len(usable) // _MOST_SERIES))]
    latest = [y[-_MOST_STEPS:] for y in chosen]
    return [(y - y.mean()) / y.std() for y in latest if y.std() > 1e-12 * np.abs(y).max()]


def _season_of(series: list[FloatArray], candidates: tuple[tuple[str, int], ...]) -> Season:
    """Take the shortest significant candidate; a longer one if its 1 - r is less than half as large."""
    longest = max(len(y) for y in series)
    best: tuple[str, int, float] | None = None
    weak = []
    for name, steps in candidates:
        if longest < CYCLES * steps:
            weak.append(f"{name} {steps} needs {CYCLES * steps:,} steps, there are {longest:,}")
            continue
        r, deviation = seasonal_autocorrelation(series, steps)
        if r <= max(_SIGNIFICANT * deviation, _WEAKEST):
            weak.append(f"{name} {steps} has autocorrelation {r:.2f}")
        elif best is None or 1 - r < (1 - best[2]) / 2:
            best = (name, steps, r)
    if best is None:
        return Season(1, f"none: {', '.join(weak)}" if weak else "none: the frequency suggests none")
    return Season(best[1], f"{best[0]}, autocorrelation {best[2]:.2f}")


def _free_season(series: list[FloatArray]) -> Season:
    """Find a season of any length: that of the strongest line of the spectrum with a significant autocorrelation."""
    longest = max(len(y) for y in series)
    white = [_whitened(y) for y in series]
    rough = np.zeros(longest // CYCLES + 1)  # pooled autocovariance by lag, to choose the multiples to test
    for y in white:
        rough[: len(y) // CYCLES + 1] += autocovariance(y, len(y) // CYCLES)
    best = (0, 0.0)
    for period in _lines(white, longest):
        multiples = np.unique(np.round(period * np.arange(1, _MULTIPLES + 1)).astype(np.int64))
        multiples = multiples[(multiples >= 3) & (multiples <= longest // CYCLES)]
        near_best = multiples[rough[multiples] >= 0.7 * rough[multiples].max(initial=0.0)]
        lengths = {*multiples[:1], *near_best[:_TRIED], *multiples[np.argsort(rough[multiples])[-_TRIED:]]}
        tried = {int(steps): seasonal_autocorrelation(series, int(steps)) for steps in lengths}
        good = {steps: r for steps, (r, deviation) in tried.items() if r > max(_STRICT * deviation, 2 * _WEAKEST)}
        if good:
            enough = max(r - max(_EQUAL * r, 2 * tried[steps][1]) for steps, r in good.items())
            steps = min(steps for steps, r in good.items() if r >= enough)  # the shortest of equals
            return Season(steps, f"found, autocorrelation {good[steps]:.2f}")
        best = max([best, *((steps, r) for steps, (r, _) in tried.items())], key=lambda one: one[1])
    if best[0] == 0:
        return Season(1, "none: no length repeats itself")
    return Season(1, f"none: at best {best[0]} steps have autocorrelation {best[1]:.2f}")


def _lines(white: list[FloatArray], longest: int) -> list[float]:
    """Periods, in steps, of the strongest lines of the mean spectrum, strongest first."""
    size = fft.next_fast_len(4 * longest, real=True)
    power = np.zeros(size // 2 + 1)
    for y in white:
        power += np.abs(fft.rfft(y * np.hanning(len(y)), size)) ** 2
    peaks = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:])) + 1
    peaks = peaks[peaks >= CYCLES * size // longest]  # a line of fewer cycles is no season
    strongest = peaks[np.argsort(power[peaks])[::-1][:_LINES]]
    return [size / _summit(np.log(power[peak - 1 : peak + 2]), int(peak)) for peak in strongest]


def _summit(heights: FloatArray, middle: int) -> float:
    """Place of the maximum of a parabola through three neighbours, in fractions of a bin."""
    left, top, right = (float(height) for height in heights)
    return middle + 0.5 * (left - right) / (left - 2 * top + right)


def _whitened(y: FloatArray) -> FloatArray:
    """Return the residuals of an AR(1) on the detrended series: a random walk becomes noise, a wave stays a wave."""
    y = _without_trend(y)
    r = float(y[1:] @ y[:-1] / (y @ y))  # lag-one autocorrelation
    return np.diff(y, prepend=y[0]) if r > 0.999 else y - r * np.concatenate([y[:1], y[:-1]])


def _without_trend(y: FloatArray) -> FloatArray:
    """Subtract the least-squares straight line."""
    t = np.arange(len(y)) - (len(y) - 1) / 2
    centred = y - y.mean()
    rest: FloatArray = centred - t * (t @ centred / (t @ t))
    return rest


def seasonal_autocorrelation(series: list[FloatArray], steps: int) -> tuple[float, float]:
    """Return r_m at the season m = `steps`, and its standard deviation by Bartlett's formula.

    Of the series less their moving average, pooled over those that hold at least `CYCLES` seasons.
    """
    covariance = np.zeros(steps + 1)
    total = 0
    for y in series:
        if len(y) < CYCLES * steps:
            continue
        rest = y - _moving_average(y, steps)
        rest = rest[steps // 2 : len(rest) - steps // 2]  # no average half a season from the edges
        covariance += autocovariance(rest, steps)
        total += len(rest)
    if covariance[0] <= 0:
        return 0.0, 1.0
    r = covariance / covariance[0]
    near = r[1 : steps // 2 + 1]  # r_j, 1 <= j <= m / 2
    return float(r[steps]), float(np.sqrt((1 + 2 * np.sum(near**2)) / total))


def _moving_average(y: FloatArray, steps: int) -> FloatArray:
    """Centred mean over `steps` steps, (step,); an even number has half weights at both ends (a 2 x m average).

    Zero within half a season of the edges.
    """
    half = steps // 2
    sums = np.concatenate([[0.0], np.cumsum(y)])
    average = np.zeros(len(y))
    if steps % 2:
        average[half : len(y) - half] = (sums[steps:] - sums[:-steps]) / steps
    else:
        inner = sums[steps : len(y)] - sums[1 : len(y) - steps + 1]
        average[half : len(y) - half] = (inner + (y[:-steps] + y[steps:]) / 2) / steps
    return average


def autocovariance(y: FloatArray, most: int) -> FloatArray:
    """Return n / (n - k) sum_t (y_t - mean) (y_{t+k} - mean) for the lags k = 0 to `most`, (lag,), by FFT."""
    n = len(y)
    # Padded with `most` zeros, so that the circular correlation does not wrap around (Wiener and Khinchin).
    spectrum = fft.rfft(y - y.mean(), fft.next_fast_len(n + most, real=True))
    sums = fft.irfft(np.abs(spectrum) ** 2, fft.next_fast_len(n + most, real=True))[: most + 1]
    return sums * n / (n - np.arange(most + 1))
