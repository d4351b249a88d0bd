"""What governs how much a network smooths: noise, hidden size, chunk or frequency of what it was trained on.

Small networks of one cell are trained on sine waves with noise, from a base in which one thing is changed at a time.
They have no reference to lean on (`none`, the mean), so that all of the forecast is theirs. How much a network smooths
is one number: white noise is added to what it reads, and the standard deviation of what that changes in the forecast of
the next step is measured in units of the noise. The last value as forecast has 1, the mean of n values 1 / sqrt(n).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.forecasters.recurrent import Recurrent
from forecast.inspection.curves import Axis, Curve, panel
from forecast.inspection.page import Section
from forecast.inspection.system import System, system_of
from forecast.questions.kinds import Problem
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.training.settings import TrainingSettings
from forecast.wording import number

if TYPE_CHECKING:
    from forecast.network.settings import NetworkSettings
    from forecast.series.panel import Panel


NOISE, HIDDEN, CHUNK, FREQUENCY = "noise", "hidden size", "chunk", "frequency"

_SAMPLING_RATE, _SECONDS = 200.0, 5.0
_TRAINED = 800
_HORIZON = 4
_SMALL_NOISE = 0.05
_DRAWS = 8
_EPOCHS, _LEARNING_RATE = 40, 0.01
_SEEDS = (0, 1)

_SMALL: dict[str, Any] = {
    "reference": "none",
    "cross_fit": 0,
    "fork_ensemble": 1,
    "head": "point",
    "loss": "mae",
    "strategy": "direct",
    "layers": 1,
    "dilations": None,
    "segment_steps": 1,
    "bidirectional": False,
    "dropout": 0.0,
    "id_embedding": 0,
}
"""What is not of the cell itself, where a network's settings have it."""


@dataclass(frozen=True)
class Case:
    """A training: standard deviation of the noise beside a wave of amplitude 1, hidden units, steps of a chunk, Hz."""

    noise: float = 0.2
    hidden: int = 16
    chunk: int = 64
    frequency: float = 10.0


@dataclass(frozen=True)
class Points:
    """Gains of noise over the values of one factor, the mean over seeds; `unit` says what the values are."""

    unit: str
    values: tuple[float, ...]
    gains: tuple[float, ...]


@dataclass(frozen=True)
class Smoothing:
    """Of each factor, the others as in `base`."""

    cell: str
    base: Case
    factors: dict[str, Points]


def smoothing_of(settings: NetworkSettings) -> Smoothing:
    """Train the grid with the cell of some settings and measure each network."""
    base = Case()
    known: dict[Case, float] = {}

    def gain(case: Case) -> float:
        if case not in known:
            known[case] = float(np.mean([_noise_gain(_trained(settings, case, seed)) for seed in _SEEDS]))
        return known[case]

    grid: dict[str, tuple[str, dict[float, Case]]] = {
        NOISE: (
            "standard deviation, the wave's amplitude is 1",
            {value: replace(base, noise=value) for value in (0.05, 0.1, 0.2, 0.4, 0.8)},
        ),
        HIDDEN: ("hidden units", {value: replace(base, hidden=value) for value in (4, 8, 16, 32)}),
        CHUNK: ("steps that the gradient travels back", {value: replace(base, chunk=value) for value in (4, 16, 64)}),
        FREQUENCY: (
            "Hz at 200 samples a second",
            {value: replace(base, frequency=value) for value in (2.5, 5.0, 10.0, 20.0, 40.0)},
        ),
    }
    factors = {
        name: Points(unit, tuple(map(float, cases)), tuple(gain(case) for case in cases.values()))
        for name, (unit, cases) in grid.items()
    }
    return Smoothing(settings.name, base, factors)


def _noise_gain(system: System) -> float:
    """Standard deviation of what small white noise on a wave changes in the next forecast, in units of the noise."""
    rng = np.random.default_rng(0)
    first, steps = system.warmup, system.warmup + 400
    y = system.data.known.y
    wave = np.tile(y, -(-steps // len(y)))[:steps]  # (step,)
    noise = _SMALL_NOISE * system.spread * rng.normal(size=(_DRAWS, steps))  # (draw, step)
    answers = system.answers(np.concatenate([wave[None], wave + noise]), first).network[:, :, 0]  # (lane, origin)
    return float((answers[1:] - answers[0]).std() / noise[:, first:].std())


def _noisy_wave(case: Case) -> Panel:
    """Sample sin(2 pi f k / rate) + noise e_k at steps k, as `data=sinewave` does."""
    steps = np.arange(round(_SECONDS * _SAMPLING_RATE), dtype=np.int64)
    wave = np.sin(2 * np.pi * case.frequency / _SAMPLING_RATE * steps)
    noise = case.noise * np.random.default_rng(0).normal(size=len(steps))
    return single_series(wave + noise, steps, Calendar(freq=None), name="sinewave")


def _trained(settings: NetworkSettings, case: Case, seed: int) -> System:
    """Train one network of the grid."""
    panel = _noisy_wave(case)
    train = np.array([_TRAINED])
    problem = Problem(_HORIZON, context_steps=32, season_steps=round(_SAMPLING_RATE / case.frequency))
    small = {**_SMALL, "hidden_size": case.hidden}
    known = type(settings).model_fields
    model = settings.model_copy(update={name: value for name, value in small.items() if name in known})
    training = TrainingSettings(
        chunk_steps=case.chunk, max_epochs=_EPOCHS, learning_rate=_LEARNING_RATE, accelerator="cpu"
    )
    fitted = Recurrent(model, training, seed).fit(panel, train, problem)
    return system_of(fitted, panel, 0, _TRAINED, _TRAINED)


def _smoothing_says(smoothing: Smoothing) -> str:
    """Say which factor moves the gain of noise most."""
    ranges = {name: float(max(points.gains) - min(points.gains)) for name, points in smoothing.factors.items()}
    most = max(ranges, key=lambda name: ranges[name])
    others = ", ".join(f"{name} {number(size, 2)}" for name, size in ranges.items() if name != most)
    return (
        f"How much of white noise comes out again in the forecast of the next step (1: all, as from the last value), "
        f"for small {smoothing.cell} networks on sine waves, one thing changed at a time. {most} governs it: over its "
        f"values the share moves by {number(ranges[most], 2)} ({others})."
    )


def _smoothing_figure(smoothing: Smoothing) -> Figure:
    """Draw the gain of noise against each factor, the others at their base."""
    top = max(max(points.gains) for points in smoothing.factors.values()) * 1.08
    panels = tuple(
        panel(
            [Curve("share", LIGHT.network, np.array(points.values), np.array(points.gains), 2.2)],
            Axis(points.unit, log=True),
            Axis("share of noise", limits=(0.0, top)),
            title=name,
            dots=True,
        )
        for name, points in smoothing.factors.items()
    )
    return Figure("smoothing", "What governs how much it smooths", _smoothing_says(smoothing), panels, columns=2)


SECTION: Section[System, Smoothing] = Section(
    "smoothing",
    measure=lambda system: smoothing_of(system.fitted.forecaster.settings),
    figures=lambda smoothing, _: (_smoothing_figure(smoothing),),
    numbers=lambda smoothing: {"smoothing": smoothing},
    wanted=lambda _, settings: settings.smoothing,
)
