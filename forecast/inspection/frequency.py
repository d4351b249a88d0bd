"""Sine waves in, what comes out: gain and phase of the forecast against the frequency of the input.

At horizon step h the forecasts made at steps t = 1, 2, ... of a wave are a series of their own. Least squares on
sin(w t), cos(w t) and a constant give its part at the input's frequency, and with it the gain (its amplitude in units
of the input's) and the phase. A perfect forecaster has gain 1 and the phase of the input h steps later: what is told is
the phase less that, negative where the forecast comes late. The answer to a flat series is taken off first.

Where rises are asked for the answer is the logit of a rise, its gain the logit's amplitude, and the perfect phase that
of the change over h steps, sin(w (t + h)) - sin(w t); and there is one thing more: how often it is on the right side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.series.panel import FloatArray

_WAVES = 56
_LONGEST_PERIOD, _SEASONS = 96.0, 4.0
_HIGHEST = 0.45
_PERIODS = 3
_PADDED = 8
_SAME = 1e-9
"""Changes of a wave of amplitude 1 below this are rounding: it stands where it stood."""


@dataclass(frozen=True, eq=False)
class Bode:
    """Gain and phase of one forecaster, (frequency, horizon step).

    Attributes
    ----------
    phase : radians in (-pi, pi], less that of the perfect forecast
    share : of the answer's variance that is at the input's frequency; the rest is its own doing
    answered : cycles a step at which the answer is strongest

    """

    gain: FloatArray
    phase: FloatArray
    share: FloatArray
    answered: FloatArray


@dataclass(frozen=True, eq=False)
class Frequencies:
    """Answers to sine waves.

    Attributes
    ----------
    frequencies : cycles a step, increasing
    season : frequency of the dominant season; None where there is none
    steps : horizon steps that are looked at
    right : share of the steps at which a rise is rightly thought likely or not, (frequency, horizon step); NaN where
        the wave is the same again, and None where no rise is asked for

    """

    frequencies: FloatArray
    season: float | None
    steps: tuple[int, ...]
    network: Bode
    reference: Bode
    right: FloatArray | None = None

    def high_gain(self) -> float:
        """Mean gain of the first horizon step at frequencies well above the season's, or in the upper half."""
        border = 0.25 if self.season is None else min(2 * self.season * 1.01, 0.25)
        return float(self.network.gain[self.frequencies > border, 0].mean())

    def at(self, frequency: float) -> tuple[float, float]:
        """Gain, and the frequency of the answer, at the frequency that is nearest to one, of the first horizon step."""
        i = int(np.argmin(np.abs(self.frequencies - frequency)))
        return float(self.network.gain[i, 0]), float(self.network.answered[i, 0])


def frequencies_of(system: System, frequencies: FloatArray | None = None) -> Frequencies:
    """Feed sine waves whose standard deviation is a spread, and look at the forecasts once they have settled in."""
    season = None if system.season_steps == 1 else 1 / system.season_steps
    waves = _waves(season) if frequencies is None else frequencies
    measured = int(np.ceil(_PERIODS / waves.min()))
    steps = np.arange(system.warmup + measured)
    amplitude = np.sqrt(2) * system.spread
    values = system.centre + amplitude * np.sin(2 * np.pi * np.outer(np.append(waves, 0.0), steps))
    told = system.answers(values, system.warmup)
    ideal, unit = _perfect_phase(waves, system), 1.0 if system.rises else amplitude
    network, reference = (bode(answer[:-1] - answer[-1], waves, ideal, system.warmup, unit) for answer in told)
    right = _right(told.network[:-1], waves, system) if system.rises else None
    return Frequencies(waves, season, system.steps, network, reference, right)


def _perfect_phase(waves: FloatArray, system: System) -> FloatArray:
    """Phase of what is to be forecast less that of the input, (frequency, horizon step): of the wave, or its change."""
    turned = np.exp(2j * np.pi * np.outer(waves, system.steps))
    perfect: FloatArray = np.angle(turned - 1 if system.rises else turned)
    return perfect


def _right(answer: FloatArray, waves: FloatArray, system: System) -> FloatArray:
    """Share of origins at which the logit, (frequency, origin, horizon step), is on the side of what comes."""
    t = system.warmup + np.arange(answer.shape[1])
    shares = np.full((len(waves), len(system.steps)), np.nan)
    for (i, wave), (j, step) in product(enumerate(waves), enumerate(system.steps)):
        change = np.sin(2 * np.pi * wave * (t + step)) - np.sin(2 * np.pi * wave * t)
        moves = np.abs(change) > _SAME
        if moves.any():
            shares[i, j] = ((answer[i, :, j] > 0) == (change > 0))[moves].mean()
    return shares


def _waves(season: float | None) -> FloatArray:
    """Frequencies from four times slower than the season to almost two steps a period; halves and doubles of it too."""
    slowest = 1 / _LONGEST_PERIOD if season is None else season / _SEASONS
    waves = np.geomspace(min(slowest, _HIGHEST / 2), _HIGHEST, _WAVES)
    if season is not None:
        own = season * np.array([0.5, 1.0, 2.0])
        waves = np.concatenate([waves[np.abs(waves[:, None] / own - 1).min(axis=1) > 0.02], own[own <= _HIGHEST]])
    return np.sort(waves)


def bode(answer: FloatArray, waves: FloatArray, perfect: FloatArray, first: int, unit: float) -> Bode:
    """Gain and phase of answers, (frequency, origin, horizon step), to sines that began `first` steps earlier.

    `perfect` is the phase of a perfect forecast, (frequency, horizon step), `unit` the amplitude that is a gain of 1.
    """
    shape = answer.shape[0], answer.shape[2]
    gain, phase, share, answered = (np.empty(shape) for _ in range(4))
    t = first + np.arange(answer.shape[1])
    for i, wave in enumerate(waves):
        angle = 2 * np.pi * wave * t
        design = np.stack([np.sin(angle), np.cos(angle), np.ones(len(t))], axis=1)
        weights, *_ = np.linalg.lstsq(design, answer[i], rcond=None)
        gain[i] = np.hypot(weights[0], weights[1]) / unit
        phase[i] = np.angle(np.exp(1j * (np.arctan2(weights[1], weights[0]) - perfect[i])))
        moving = answer[i].var(axis=0)
        rest = (answer[i] - design @ weights).var(axis=0)
        share[i] = 1 - rest / np.where(moving > 0, moving, 1.0)
        answered[i] = [_strongest(column) for column in answer[i].T]
    return Bode(gain, phase, share, answered)


def _strongest(answer: FloatArray) -> float:
    """Frequency at which a series is strongest, by its windowed periodogram."""
    points = _PADDED * len(answer)
    power = np.abs(np.fft.rfft((answer - answer.mean()) * np.hanning(len(answer)), points))
    power[: _PADDED // 2] = 0  # what is slower than the span is no frequency
    return float(np.argmax(power) / points)
