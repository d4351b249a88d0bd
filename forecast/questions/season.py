"""Season detection: the calendar suggests lengths, the data decide.

The frequency suggests seasons (hours: a day, a week), and each has to pass a test (`seasonal_test`). Where several do,
the shortest is taken, unless repeating a longer one errs less over the horizon.

Without a calendar, and where it suggests nothing that the data have, every length is possible. Candidates are then the
strongest lines of the spectrum and multiples of their periods, and the test is stricter because there are many; of
lengths that repeat equally well the shortest wins, so that a sine has its period and not twice that. How well a length
repeats is its autocorrelation after subtracting a moving average as long, the first step of classical decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from forecast.questions.seasonal_test import LEAST_CYCLES, seasonal_test
from forecast.series.seasons import suggested_seasons
from forecast.wording import percentage

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray, Panel

CYCLES = 3  # seasons that a series must hold for a length that no calendar suggests
_STRICT = 2.0  # by how much a score has to be higher where every length is a candidate
_WEAKEST = 0.2  # least autocorrelation of such a length
_EQUAL = 0.15  # an autocorrelation that is less than the best by at most this share counts as equal
_PAYS = 0.95  # a longer season is taken if repeating it errs by at most this share of what a shorter one errs
_MOST_SERIES, _MOST_STEPS = 50, 50_000  # at most so many series are examined; the latest steps of all together
_LEAST_STEPS = 2_000  # of each of them, where there are many
_REPEATED = 10  # seasons ahead that are compared at most
_LEAST_OVERRULING = 48  # steps from which the data may have a season that no calendar suggests
_OVERRIDE = "set `data.season_steps=...` to override"
_OF_WHAT = " of the ups and downs that trend and last values leave open"
_LINES, _MULTIPLES, _TRIED = 3, 40, 3  # lines of the spectrum; multiples of each period; of these, tried by each rule


@dataclass(frozen=True)
class Season:
    """Steps of a season, 1 where there is none, and the evidence in a few words."""

    steps: int
    evidence: str


def find_season(known: Panel, horizon: int = 1) -> Season:
    """Return the common season of the series of a panel; `horizon` decides between a short one and a long one.

    Examples
    --------
    >>> from forecast import SinewaveSettings, make_sinewave
    >>> find_season(make_sinewave(SinewaveSettings())).steps
    20

    """
    series = _series(known)
    if not series:
        return Season(1, "none: the series are constant or shorter than 8 steps")
    if known.calendar.freq is None:
        return _free_season(series)
    return _season_of(series, suggested_seasons(known.calendar), horizon)


def _series(panel: Panel) -> list[FloatArray]:
    """Standardised series that are not constant, evenly chosen where there are many."""
    usable = [panel.target[rows] for _, rows in panel.series() if rows.stop - rows.start >= 8]
    chosen = usable[:: max(1, -(-len(usable) // _MOST_SERIES))]
    steps = max(_MOST_STEPS // max(len(chosen), 1), _LEAST_STEPS)
    latest = [y[-steps:] for y in chosen]
    return [(y - y.mean()) / y.std() for y in latest if y.std() > 1e-12 * np.abs(y).max()]


def _season_of(series: list[FloatArray], candidates: tuple[tuple[str, float], ...], horizon: int) -> Season:
    """Take the shortest candidate that passes the test, or a longer one that pays; the evidence says what was weighed.

    Where none passes, the data may have a season of their own, which the calendar does not know.
    """
    if not candidates:
        return Season(1, f"none: with steps as long none is usual; {_OVERRIDE}")
    longest = max(len(y) for y in series)
    weighed: list[str] = []
    of_what, chance = _OF_WHAT, ", chance alone up to"  # said once
    best: tuple[int, float] | None = None  # steps, error of repeating them
    for name, period in candidates:
        steps = round(period)
        test = seasonal_test(series, period)
        if test is None:
            weighed.append(
                f"a {name} pattern ({steps} steps) needs {LEAST_CYCLES * steps:,} steps, there are {longest:,}"
            )
            continue
        sentence = (
            f"a {name} pattern ({steps} steps) explains {percentage(test.share)}{of_what}{chance} "
            f"{percentage(test.needed)}"
        )
        of_what, chance = "", ", chance up to"
        if test.passed:
            error = _repeating_error(series, steps, horizon)
            if best is not None:
                sentence += (
                    f", and repeating it errs {percentage(error / best[1])} as much as repeating {best[0]} steps"
                )
            if best is None or error <= _PAYS * best[1]:
                best = (steps, error)
        elif test.share > test.needed:  # means over series; what counts is what the series say together
            sentence += ", but in too few of the series"
        weighed.append(sentence)
    if best is not None:
        return Season(best[0], f"{'; '.join(weighed)}; {_OVERRIDE}")
    if longest >= _LEAST_OVERRULING and (free := _free_season(series)).steps > 1:
        return Season(free.steps, f"{'; '.join(weighed)}; {free.evidence}")
    return Season(1, f"none: {'; '.join(weighed)}; {_OVERRIDE}")


def _repeating_error(series: list[FloatArray], steps: int, horizon: int) -> float:
    """Mean absolute error of repeating the last season over a horizon, all series alike."""
    errors: list[float] = []
    for seasons in range(1, min(-(-horizon // steps), _REPEATED) + 1):
        back = seasons * steps
        errors += [float(np.mean(np.abs(y[back:] - y[:-back]))) for y in series if len(y) > back]
    return float(np.mean(errors))


def _free_season(series: list[FloatArray]) -> Season:
    """Find a season of any length: that of the strongest line of the spectrum that repeats itself and passes."""
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
        good = {steps: r for steps, (r, _) in tried.items() if r > _WEAKEST}
        if good:
            enough = max(r - max(_EQUAL * r, 2 * tried[steps][1]) for steps, r in good.items())
            steps = min(steps for steps, r in good.items() if r >= enough)  # the shortest of equals
            test = seasonal_test(series, steps, _STRICT)
            if test is not None and test.passed:
                return Season(
                    steps,
                    f"found: a pattern of {steps} steps explains {percentage(test.share)}{_OF_WHAT}, chance alone "
                    f"up to {percentage(test.needed)}; {_OVERRIDE}",
                )
        best = max([best, *((steps, r) for steps, (r, _) in tried.items())], key=lambda pair: pair[1])
    if best[0] == 0:
        return Season(1, f"none: no length repeats itself; {_OVERRIDE}")
    return Season(
        1,
        f"none: {best[0]} steps come nearest to a pattern that repeats itself, and are too weak (autocorrelation "
        f"{best[1]:.2f} of 1); {_OVERRIDE}",
    )


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
