"""Sine waves in, what comes out: gain and phase of the forecast against the frequency of the input (a Bode plot).

At horizon step h the forecasts made at steps t = 1, 2, ... of a wave are a series of their own. Least squares on
sin(w t), cos(w t) and a constant give its part at the input's frequency, and with it the gain (its amplitude in units
of the input's) and the phase. A perfect forecaster has gain 1 and the phase of the input h steps later; measured is the
phase less that, negative where the forecast comes late. The answer to a flat series is taken off first.

Where rises are forecast the answer is the logit of a rise, its gain the logit's amplitude, and the perfect phase that
of the change over h steps, sin(w (t + h)) - sin(w t). A probability has no gain to be compared with 1, so that there is
one measure more: how often it is on the right side of a half.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.curves import NETWORK, PERFECT, REFERENCE, Axis, Curve, both, panel
from forecast.inspection.page import Section
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

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

_SMOOTHS, _AMPLIFIES = 0.7, 1.1
"""Gains below and above which a network is called a smoother, or louder than its input."""


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
        the wave is the same again, and None where values are forecast

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
    # The last lane has frequency 0: a flat series.
    values = system.centre + amplitude * np.sin(2 * np.pi * np.outer(np.append(waves, 0.0), steps))  # (lane, step)
    answers = system.answers(values, system.warmup)
    # Phase of what is to be forecast less that of the input, (frequency, horizon step): of the wave, or of its change.
    perfect = np.angle(system.kind.perfect(np.exp(2j * np.pi * np.outer(waves, system.steps))))
    unit = system.kind.unit_size(amplitude)
    network, reference = (_bode(answer[:-1] - answer[-1], waves, perfect, system.warmup, unit) for answer in answers)
    right = _share_right(answers.network[:-1], waves, system) if system.kind.binary else None
    return Frequencies(waves, season, system.steps, network, reference, right)


def _share_right(answer: FloatArray, waves: FloatArray, system: System) -> FloatArray:
    """Share of origins at which the logit, (frequency, origin, horizon step), is on the side of what comes."""
    t = system.warmup + np.arange(answer.shape[1])
    shares = np.full((len(waves), len(system.steps)), np.nan)
    for (i, wave), (j, step) in product(enumerate(waves), enumerate(system.steps)):
        change = np.sin(2 * np.pi * wave * (t + step)) - np.sin(2 * np.pi * wave * t)  # (origin,)
        moves = np.abs(change) > _SAME
        if moves.any():
            shares[i, j] = ((answer[i, :, j] > 0) == (change > 0))[moves].mean()
    return shares


def _waves(season: float | None) -> FloatArray:
    """Frequencies from four times slower than the season to almost two steps a period; halves and doubles of it too."""
    slowest = 1 / _LONGEST_PERIOD if season is None else season / _SEASONS
    waves = np.geomspace(min(slowest, _HIGHEST / 2), _HIGHEST, _WAVES)
    if season is not None:
        exact = season * np.array([0.5, 1.0, 2.0])
        waves = np.concatenate([waves[np.abs(waves[:, None] / exact - 1).min(axis=1) > 0.02], exact[exact <= _HIGHEST]])
    return np.sort(waves)


def _bode(answer: FloatArray, waves: FloatArray, perfect: FloatArray, first: int, unit: float) -> Bode:
    """Gain and phase of answers, (frequency, origin, horizon step), to sines that began `first` steps earlier.

    `perfect` is the phase of a perfect forecast, (frequency, horizon step), `unit` the amplitude that is a gain of 1.
    """
    shape = answer.shape[0], answer.shape[2]
    gain, phase, share, answered = (np.empty(shape) for _ in range(4))
    t = first + np.arange(answer.shape[1])
    for i, wave in enumerate(waves):
        angle = 2 * np.pi * wave * t
        design = np.stack([np.sin(angle), np.cos(angle), np.ones(len(t))], axis=1)  # (origin, 3)
        weights, *_ = np.linalg.lstsq(design, answer[i], rcond=None)  # (3, horizon step)
        # a sin(wt) + b cos(wt) = sqrt(a^2 + b^2) sin(wt + atan2(b, a))
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


def _gains_say(answers: Frequencies) -> str:
    """Say whether the network smooths, and what it answers to its season and to half and twice that frequency."""
    high = answers.high_gain()
    what = "a smoother" if high < _SMOOTHS else "louder than what it hears" if high > _AMPLIFIES else "no smoother"
    fast = f"To fast waves it is {what}: one step ahead their mean gain is {number(high, 2)}."
    if answers.season is None:
        return fast
    return f"{fast} {_season_says(answers, answers.season)}"


def _season_says(answers: Frequencies, season: float) -> str:
    period = round(1 / season)
    gain_of_season, _ = answers.at(season)
    parts = []
    for word, wave in (("half", season / 2), ("twice", 2 * season)):
        if wave > answers.frequencies.max():
            continue
        gain, answered = answers.at(wave)
        what = f"a period of {number(1 / answered, 2)} steps" if answered > 0 else "nothing that moves"
        parts.append(f"fed {word} that frequency it answers with {what} and gain {number(gain, 2)}")
    return f"A wave of its season ({period} steps) comes out with gain {number(gain_of_season, 2)}; {'; '.join(parts)}."


def _bode_figure(answers: Frequencies) -> Figure:
    """Draw the Bode plot of the first and the last horizon step, and the frequency of the answer."""
    waves = answers.frequencies
    x = Axis("cycles a step of the input", log=True, limits=(float(waves[0]), float(waves[-1])))
    degrees = Axis("degrees", limits=(-180, 180), ticks=(-180, -90, 0, 90, 180))
    panels = []
    for i, step in enumerate(answers.steps):
        ahead = f"{counted(step, 'step')} ahead"
        gains = both(waves, answers.network.gain[:, i], answers.reference.gain[:, i])
        phases = both(waves, np.degrees(answers.network.phase[:, i]), np.degrees(answers.reference.phase[:, i]))
        gains.append(Curve(PERFECT, LIGHT.truth, waves[[0, -1]], np.ones(2), 1.0))
        phases.append(Curve(PERFECT, LIGHT.truth, waves[[0, -1]], np.zeros(2), 1.0))
        panels += [
            panel(gains, x, Axis("gain"), title=f"gain, {ahead}", down=answers.season),
            panel(phases, x, degrees, title=f"phase less the perfect one, {ahead}", down=answers.season),
        ]
    answered = Curve(NETWORK, LIGHT.network, waves, answers.network.answered[:, 0], 2.2)
    same = Curve(PERFECT, LIGHT.truth, waves, waves, 1.0)
    title = "strongest frequency of the answer, 1 step ahead"
    panels.append(panel([same, answered], x, Axis("cycles a step of the answer"), title=title, down=answers.season))
    dashed = "" if answers.season is None else " Dashed: the season."
    says = (
        "Fed sine waves around the series' mean that are as lively as the series itself. Gain is the answer's "
        f"amplitude in units of the input's; a negative phase comes late.{dashed}"
    )
    keys = charts.keys({NETWORK: LIGHT.network, REFERENCE: LIGHT.baseline, PERFECT: LIGHT.truth})
    return Figure("frequency", "What it answers to waves", says, tuple(panels), keys, columns=2)


def _rises_say(answers: Frequencies, right: FloatArray) -> str:
    """Say how often the right side is taken, (frequency,), and which wave moves the logit most."""
    most = int(np.argmax(answers.network.gain[:, 0]))
    if not answers.network.gain[most, 0] > 0:
        return f"Whatever wave it is fed, it says the same; that is right in {_percent(right)} of the steps."
    strongest = (
        f"its logit swings most, by {number(float(answers.network.gain[most, 0]), 2)} to each side, at a period of "
        f"{number(1 / float(answers.frequencies[most]), 2)} steps"
    )
    overall = f"Fed waves of all frequencies it is right about a rise in the next step {_percent(right)} of the time"
    if answers.season is None:
        return f"{overall}; {strongest}."
    nearest = int(np.argmin(np.abs(answers.frequencies - answers.season)))
    season = f"{_percent(right[[nearest]])} with a wave of its season ({round(1 / answers.season)} steps)"
    return f"{overall}, {season}; {strongest}."


def _percent(shares: FloatArray) -> str:
    known = shares[~np.isnan(shares)]
    return f"{100 * known.mean():.0f} %" if len(known) else "no known share"


def _rises_figure(answers: Frequencies, right: FloatArray) -> Figure:
    """Draw how often the right side is taken, (frequency, horizon step), how far the logit swings and when."""
    waves = answers.frequencies
    x = Axis("cycles a step of the input", log=True, limits=(float(waves[0]), float(waves[-1])))
    share = Axis("share of steps", limits=(0.0, 1.0))
    degrees = Axis("degrees", limits=(-180, 180), ticks=(-180, -90, 0, 90, 180))
    panels = []
    for j, step in enumerate(answers.steps):
        ahead = f"{counted(step, 'step')} ahead"
        on_side, swing, phase = (
            Curve(NETWORK, LIGHT.network, waves, y, 2.4)
            for y in (right[:, j], answers.network.gain[:, j], np.degrees(answers.network.phase[:, j]))
        )
        perfect = Curve(PERFECT, LIGHT.truth, waves[[0, -1]], np.zeros(2), 1.0)
        panels += [
            panel([on_side], x, share, title=f"on the right side, {ahead} (dashed: half)", across=0.5),
            panel([swing], x, Axis("logits"), title=f"swing of the logit, {ahead}", down=answers.season),
            panel([perfect, phase], x, degrees, title=f"phase less that of the change, {ahead}", down=answers.season),
        ]
    dashed = "" if answers.season is None else " Dashed upright: the season."
    says = (
        "Fed sine waves around the series' mean that are as lively as the series itself. A probability has no gain to "
        "be compared with 1: drawn is how often it lies on the right side of a half, how far its logit swings to each "
        "side at the wave's frequency, and by how much that comes before (above 0) or after the wave's own change over "
        f"these steps. A wave that stands where it stood so many steps ago leaves a gap.{dashed}"
    )
    keys = charts.keys({NETWORK: LIGHT.network, PERFECT: LIGHT.truth})
    return Figure("frequency", "What it says of waves", says, tuple(panels), keys, columns=3)


def _figures(answers: Frequencies, system: System) -> tuple[Figure, ...]:
    return (_bode_figure(answers) if answers.right is None else _rises_figure(answers, answers.right),)


def _sentences(answers: Frequencies, system: System) -> tuple[str, ...]:
    return (_gains_say(answers) if answers.right is None else _rises_say(answers, answers.right[:, 0]),)


SECTION: Section[System, Frequencies] = Section(
    "frequencies",
    measure=frequencies_of,
    figures=_figures,
    sentences=_sentences,
    numbers=lambda answers: {"found": {"frequencies": answers}},
)
