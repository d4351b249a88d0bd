"""The figures of what a trained network does: each function takes the measurements of one topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from altair.utils.schemapi import debug_mode

from forecast.inspection.pages import probe_words as words
from forecast.inspection.pages.curves import NETWORK, REFERENCE, Axis, Curve, both, panel
from forecast.inspection.pages.direction_probe import probability_figure, rises_figure
from forecast.inspection.pages.probe_terms import RISES, VALUES, Terms, terms_of
from forecast.questions.kinds import QUESTIONS
from forecast.reporting import charts as marks
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from forecast.inspection.examination import Examination
    from forecast.inspection.frequency import Frequencies
    from forecast.inspection.memory import Memory
    from forecast.inspection.noise import Noise
    from forecast.inspection.responses import Constant, Response
    from forecast.inspection.smoothing import Smoothing
    from forecast.inspection.starts import Starts
    from forecast.series.panel import FloatArray, IntArray

_SYSTEM = {NETWORK: LIGHT.network, REFERENCE: LIGHT.baseline}
_CUT = "past cut off"
_PERFECT = "perfect forecast"


def probe_figures(found: Examination) -> tuple[Figure, ...]:
    """Draw every topic, in the order of the page."""
    terms = terms_of(QUESTIONS[found.asks])
    rises = terms is RISES
    with debug_mode(False):
        return (
            memory_figure(found.memory, terms),
            rises_figure(found.frequencies) if rises else frequency_figure(found.frequencies),
            probability_figure(found.constant) if rises else constant_figure(found.constant),
            responses_figure(found.impulse, found.step, terms),
            noise_figure(found.noise, terms),
            *([] if found.starts is None else [starts_figure(found.starts)]),
        )


def memory_figure(found: Memory, terms: Terms = VALUES) -> Figure:
    """Draw how three measures fall with the lag, and the error on data without what lies before it."""
    falls = {
        _CUT: (found.cut.fall, LIGHT.network, 2.6),
        **({} if found.echo is None else {"echo in the state": (found.echo, LIGHT.truth, 1.6)}),
        "gradient": (found.gradient, LIGHT.other, 1.8),
    }
    curves = [
        Curve(of, colour, fall.lags, fall.values / (fall.values[0] or fall.values.max()), wide)
        for of, (fall, colour, wide) in falls.items()
        if fall.values.max() > 0
    ]
    last = _interesting(found, int(found.cut.fall.lags[-1]))
    shown = [c for c in curves if c.of != _CUT or found.cut.fall.values[0] > 0]
    top = min(max((float(c.y.max()) for c in shown), default=1.0), 2.0)
    falling = panel(
        shown,
        Axis("steps back", log=False, limits=(0, last)),
        Axis("share of lag 0", limits=(0.0, top * 1.04)),
        title="how each measure falls (dashed: 1/e)",
        across=1 / np.e,
    )
    ends = np.array([0, last])
    errors = [
        Curve(_CUT, LIGHT.network, found.cut.fall.lags, terms.errors(found.cut.rmse), 2.6),
        Curve(terms.untrained, LIGHT.baseline, ends, np.full(2, terms.errors(found.cut.reference))),
    ]
    judged = panel(
        errors,
        Axis("steps before the origin that are left", limits=(0, last)),
        Axis(terms.error),
        title=f"error on the data, {found.cut.origins} origins (dashed: with the whole past)",
        across=float(terms.errors(found.cut.whole)),
    )
    keys = marks.keys({_CUT: LIGHT.network} | {c.of: c.colour for c in shown} | {terms.untrained: LIGHT.baseline})
    says = _memory_says(found, terms)
    return Figure("memory", "How far back it remembers", says, (falling, judged), keys, columns=2)


def _memory_says(found: Memory, terms: Terms) -> str:
    """Say what memory length is, and what of the measures there is."""
    echo = (
        words.echo_says(None)
        if found.echo is None
        else "The echo: how far apart states are that were disturbed at one step."
    )
    error = "the root of the Brier score that is added" if terms.squared else "the root of the mean squared error"
    before = (
        "the network reads no more than so many steps before the origin"
        if found.echo is None
        else "the state is zero so many steps before the origin"
    )
    return (
        f"Memory length is the lag at which a measure has fallen to 1/e of what it is at lag 0. {echo} The gradient: "
        f"how much the {terms.answer} depends on what was read so long ago. The cut: what it adds to the error on the "
        f"data ({error}) if {before}. All of them are of the network; what the reference remembers is left out."
    )


def _interesting(found: Memory, longest: int) -> int:
    """Lags that are drawn: four times the longest memory length, so that its fall can be seen."""
    lengths = [fall.length for fall in (found.cut.fall, found.echo, found.gradient) if fall is not None]
    wanted = max((longest if length is None else 4 * length for length in lengths), default=longest)
    return min(max(wanted, 24), longest)


def frequency_figure(found: Frequencies) -> Figure:
    """Draw the Bode plot of the first and the last horizon step, and the frequency of the answer."""
    waves = found.frequencies
    x = Axis("cycles a step of the input", log=True, limits=(float(waves[0]), float(waves[-1])))
    panels = []
    for i, step in enumerate(found.steps):
        ahead = f"{step} step{'s' if step > 1 else ''} ahead"
        gains = both(waves, found.network.gain[:, i], found.reference.gain[:, i])
        phases = both(waves, *(np.degrees(one.phase[:, i]) for one in (found.network, found.reference)))
        perfect = waves[[0, -1]]
        gains.append(Curve(_PERFECT, LIGHT.truth, perfect, np.ones(2), 1.0))
        phases.append(Curve(_PERFECT, LIGHT.truth, perfect, np.zeros(2), 1.0))
        turn = Axis("degrees", limits=(-180, 180), ticks=(-180, -90, 0, 90, 180))
        panels += [
            panel(gains, x, Axis("gain"), title=f"gain, {ahead}", down=found.season),
            panel(phases, x, turn, title=f"phase less the perfect one, {ahead}", down=found.season),
        ]
    answered = Curve(NETWORK, LIGHT.network, waves, found.network.answered[:, 0], 2.2)
    same = Curve(_PERFECT, LIGHT.truth, waves, waves, 1.0)
    panels.append(
        panel(
            [same, answered],
            x,
            Axis("cycles a step of the answer"),
            title="strongest frequency of the answer, 1 step ahead",
            down=found.season,
        )
    )
    dashed = "" if found.season is None else " Dashed: the season."
    says = (
        "Fed sine waves around the series' mean that are as lively as the series itself. Gain is the answer's "
        f"amplitude in units of the input's; a negative phase comes late.{dashed}"
    )
    keys = marks.keys({**_SYSTEM, _PERFECT: LIGHT.truth})
    return Figure("frequency", "What it answers to waves", says, tuple(panels), keys, columns=2)


def constant_figure(found: Constant) -> Figure:
    """Draw the forecasts of a series that stops moving, with its last values."""
    before = np.arange(-len(found.before), 0)
    since = np.arange(len(found.network))
    given = Curve(
        "given",
        LIGHT.truth,
        np.concatenate([before, since]),
        np.concatenate([found.before, np.full(len(since), found.height)]),
        1.2,
    )
    panels = tuple(
        panel(
            [given, *both(since, found.network[:, i], found.reference[:, i])],
            Axis("steps since it stopped"),
            Axis("value"),
            title=f"{step} step{'s' if step > 1 else ''} ahead",
        )
        for i, step in enumerate(found.steps)
    )
    keys = marks.keys({"given": LIGHT.truth, **_SYSTEM})
    says = (
        "The data go on as a constant, a spread above the mean of their last values. Each forecast stands at the step "
        "at which it is made."
    )
    return Figure("constant", "What it does when nothing moves", says, panels, keys, columns=2)


def responses_figure(impulse: Response, step: Response, terms: Terms = VALUES) -> Figure:
    """Draw the answers to an impulse and to a step."""
    panels = tuple(
        panel(
            _beside(terms, np.arange(len(found.network)), found.network[:, 0], found.reference[:, 0]),
            Axis("steps since"),
            Axis(f"{terms.unit}s"),
            title=f"{name}, 1 step ahead",
        )
        for name, found in (("an impulse", impulse), ("a step", step))
    )
    says = (
        f"{words.lasting_says(step, 'step', terms)} Both, of one spread, come after a flat series; drawn is the "
        f"{terms.answer} less that of the flat series."
    )
    # An untrained network says the base rate whatever comes: a line at zero that tells nothing.
    keys = marks.keys({NETWORK: LIGHT.network} if terms is RISES else _SYSTEM)
    return Figure("responses", "Impulse and step", says, panels, keys, columns=2)


def _beside(terms: Terms, x: IntArray, network: FloatArray, reference: FloatArray) -> list[Curve]:
    """The network's answer, beside the reference's where that has one."""
    curves = both(x, network, reference)
    return curves[:1] if terms is RISES else curves


def noise_figure(found: Noise, terms: Terms = VALUES) -> Figure:
    """Draw errors against the strength of the noise."""
    panels = tuple(
        panel(
            [
                Curve(terms.linear, LIGHT.truth, found.strengths, terms.errors(found.linear[:, i])),
                Curve(NETWORK, LIGHT.network, found.strengths, terms.errors(found.network[:, i]), 2.8),
                Curve(terms.untrained, LIGHT.baseline, found.strengths, terms.errors(found.reference[:, i]), 1.3),
            ],
            Axis("standard deviation of the noise, in spreads"),
            Axis(terms.error),
            title=f"{step} step{'s' if step > 1 else ''} ahead",
        )
        for i, step in enumerate(found.steps)
    )
    says = (
        f"Noise is added to the past that is read and not to the targets; {found.origins} origins, {found.draws} draws "
        f"of the noise. The {terms.linear} is fitted on the training split with noise of the same strength; the "
        f"network has not been trained on that noise."
    )
    keys = marks.keys({NETWORK: LIGHT.network, terms.untrained: LIGHT.baseline, terms.linear: LIGHT.truth})
    return Figure("noise", "What noise does to it", says, panels, keys, columns=2)


def starts_figure(found: Starts) -> Figure:
    """Draw how the distances to other starting states shrink."""
    steps = np.arange(len(found.widest))
    shown = len(steps) if found.forgotten is None else min(max(2 * found.forgotten, 24), len(steps))
    floor = 1e-7  # of single precision
    colours = {"farthest of all": LIGHT.network, "median": LIGHT.truth}
    lines = {"farthest of all": found.widest, "median": found.median}
    curves = [Curve(of, colours[of], steps[:shown], np.maximum(y[:shown], floor)) for of, y in lines.items()]
    apart = panel(
        curves,
        Axis("steps on the same data"),
        Axis("share of the first distance", log=True, written=".0e"),
        title="distance to the state that began at zero (dashed: a thousandth)",
        across=1e-3,
    )
    says = (
        f"The echo-state property, tried on these data rather than proved: {found.starts} starting states, as large as "
        f"the state becomes, are led by the same inputs as the one that began at zero."
    )
    return Figure("starts", "Whether it forgets where it began", says, (apart,), marks.keys(colours))


def smoothing_figure(found: Smoothing) -> Figure:
    """Draw the gain of noise against each factor, the others at their base."""
    top = max(max(points.gains) for points in found.factors.values()) * 1.08
    panels = tuple(
        panel(
            [Curve("share", LIGHT.network, np.array(points.values), np.array(points.gains), 2.2)],
            Axis(points.unit, log=True),
            Axis("share of noise", limits=(0.0, top)),
            title=name,
            dots=True,
        )
        for name, points in found.factors.items()
    )
    return Figure("smoothing", "What governs how much it smooths", words.smoothing_says(found), panels, columns=2)
