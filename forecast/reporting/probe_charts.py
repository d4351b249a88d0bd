"""The figures of what a trained network does: each function takes the measurements of one topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from forecast.reporting import marks
from forecast.reporting import probe_words as words
from forecast.reporting.lines import rounded
from forecast.reporting.marks import Figure
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.inspection.examination import Examination
    from forecast.inspection.frequency import Frequencies
    from forecast.inspection.memory import Memory
    from forecast.inspection.noise import Noise
    from forecast.inspection.responses import Constant, Response
    from forecast.inspection.smoothing import Smoothing
    from forecast.inspection.starts import Starts
    from forecast.reporting.marks import Panel, Values
    from forecast.series.panel import FloatArray, IntArray

_HEIGHT = 220
NETWORK, REFERENCE = "with the network", "reference alone"
_SYSTEM = {NETWORK: LIGHT.network, REFERENCE: LIGHT.baseline}
_CUT = "past cut off"
_PERFECT, _LINEAR = "perfect forecast", "best linear filter"


class Curve(NamedTuple):
    """A line of a panel: its name in the legend, its colour, and its points."""

    of: str
    colour: str
    x: FloatArray | IntArray
    y: FloatArray
    wide: float = 1.8


class Axis(NamedTuple):
    """An axis: its title, whether it is logarithmic, and how numbers stand at it."""

    title: str
    log: bool = False
    written: str = ".4~g"
    limits: tuple[float, float] | None = None
    ticks: tuple[float, ...] | None = None


def probe_figures(found: Examination) -> tuple[Figure, ...]:
    """Draw every topic, in the order of the page."""
    with debug_mode(False):
        return (
            memory_figure(found.memory),
            frequency_figure(found.frequencies),
            constant_figure(found.constant),
            responses_figure(found.impulse, found.step),
            noise_figure(found.noise),
            starts_figure(found.starts),
        )


def memory_figure(found: Memory) -> Figure:
    """Draw how three measures fall with the lag, and the error on data without what lies before it."""
    falls = {
        _CUT: (found.cut.fall, LIGHT.network, 2.6),
        "echo in the state": (found.echo, LIGHT.truth, 1.6),
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
        Curve(_CUT, LIGHT.network, found.cut.fall.lags, found.cut.rmse, 2.6),
        Curve(REFERENCE, LIGHT.baseline, ends, np.full(2, found.cut.reference)),
    ]
    judged = panel(
        errors,
        Axis("steps before the origin that are left", limits=(0, last)),
        Axis("RMSE"),
        title=f"error on the data, {found.cut.origins} origins (dashed: with the whole past)",
        across=found.cut.whole,
    )
    says = (
        "Memory length is the lag at which a measure has fallen to 1/e of what it is at lag 0. The echo: how far apart "
        "states are that were disturbed at one step. The gradient: how much the forecast depends on what was read so "
        "long ago. The cut: what it adds to the error on the data (the root of the mean squared error) if the state is "
        "zero so many steps before the origin. All three are of the network; what the reference remembers is left out."
    )
    keys = marks.keys({_CUT: LIGHT.network} | {c.of: c.colour for c in shown} | {REFERENCE: LIGHT.baseline})
    return Figure("memory", "How far back it remembers", says, (falling, judged), keys, columns=2)


def _interesting(found: Memory, longest: int) -> int:
    """Lags that are drawn: four times the longest memory length, so that its fall can be seen."""
    lengths = [fall.length for fall in (found.cut.fall, found.echo, found.gradient)]
    wanted = max((longest if length is None else 4 * length for length in lengths), default=longest)
    return min(max(wanted, 24), longest)


def frequency_figure(found: Frequencies) -> Figure:
    """Draw the Bode plot of the first and the last horizon step, and the frequency of the answer."""
    waves = found.frequencies
    x = Axis("cycles a step of the input", log=True, limits=(float(waves[0]), float(waves[-1])))
    panels = []
    for i, step in enumerate(found.steps):
        ahead = f"{step} step{'s' if step > 1 else ''} ahead"
        gains = _both(waves, found.network.gain[:, i], found.reference.gain[:, i])
        phases = _both(waves, *(np.degrees(one.phase[:, i]) for one in (found.network, found.reference)))
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
            [given, *_both(since, found.network[:, i], found.reference[:, i])],
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


def responses_figure(impulse: Response, step: Response) -> Figure:
    """Draw the answers to an impulse and to a step."""
    panels = tuple(
        panel(
            _both(np.arange(len(found.network)), found.network[:, 0], found.reference[:, 0]),
            Axis("steps since"),
            Axis("spreads"),
            title=f"{name}, 1 step ahead",
        )
        for name, found in (("an impulse", impulse), ("a step", step))
    )
    says = (
        f"{words.lasting_says(step, 'step')} Both come after a flat series; drawn is the forecast less that of "
        f"the flat series."
    )
    return Figure("responses", "Impulse and step", says, panels, marks.keys(_SYSTEM), columns=2)


def noise_figure(found: Noise) -> Figure:
    """Draw errors against the strength of the noise."""
    panels = tuple(
        panel(
            [
                Curve(_LINEAR, LIGHT.truth, found.strengths, found.linear[:, i]),
                *_both(found.strengths, found.network[:, i], found.reference[:, i]),
            ],
            Axis("standard deviation of the noise, in spreads"),
            Axis("RMSE"),
            title=f"{step} step{'s' if step > 1 else ''} ahead",
        )
        for i, step in enumerate(found.steps)
    )
    says = (
        f"Noise is added to the past that is read and not to the targets; {found.origins} origins, {found.draws} draws "
        f"of the noise. The filter is fitted on the training stretch with noise of the same strength; the network has "
        f"not been trained on that noise."
    )
    keys = marks.keys({**_SYSTEM, _LINEAR: LIGHT.truth})
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


def _both(x: FloatArray | IntArray, network: FloatArray, reference: FloatArray) -> list[Curve]:
    """The network's curve, and the reference's as a thin one on top."""
    return [Curve(NETWORK, LIGHT.network, x, network, 2.8), Curve(REFERENCE, LIGHT.baseline, x, reference, 1.3)]


def panel(
    curves: Sequence[Curve],
    x: Axis,
    y: Axis,
    *,
    title: str,
    across: float | None = None,
    down: float | None = None,
    dots: bool = False,
) -> Panel:
    """Make a panel of curves over numbers; `across` and `down` are places of dashed lines."""
    low, high = x.limits or (-np.inf, np.inf)
    rows: Values = [
        {"t": at, "y": value, "of": curve.of, "ink": curve.colour, "wide": curve.wide}
        for curve in curves
        for at, value in zip(rounded(np.asarray(curve.x, dtype=np.float64)), rounded(curve.y), strict=True)
        if at is not None and low <= at <= high
    ]
    tables: dict[str, Values] = {"lines": rows}
    axes: dict[str, Any] = {"x": _x(x), "y": _y(y)}
    tips = [marks.tip("of", "line"), marks.tip("t", x.title, ".4~g"), marks.tip("y", y.title, ".4~g")]
    drawn = marks.chart("lines").mark_line(point=marks.touchable(seen=dots), clip=y.limits is not None)
    ink = {"color": alt.Color("ink:N", scale=None), "strokeWidth": alt.StrokeWidth("wide:Q", scale=None)}
    layers = [drawn.encode(**axes, **ink, detail="of:N", tooltip=tips)]
    if across is not None:
        tables["across"] = [{"y": across}]
        layers.insert(0, marks.rule("across").encode(y=axes["y"]))
    if down is not None:
        tables["down"] = [{"t": down}]
        layers.insert(0, marks.rule("down").encode(x=axes["x"]))
    return marks.panel(marks.layered(*layers), tables, _HEIGHT, title=title, cut=y.limits is not None)


def _x(axis: Axis) -> alt.X:
    return alt.X("t:Q", title=axis.title, scale=_scale(axis), axis=alt.Axis(format=axis.written, tickCount=6))


def _y(axis: Axis) -> alt.Y:
    marked = alt.Axis(format=axis.written)
    if axis.ticks is not None:
        marked = alt.Axis(format=axis.written, values=list(axis.ticks))
    return alt.Y("y:Q", title=axis.title, scale=_scale(axis), axis=marked)


def _scale(axis: Axis) -> alt.Scale:
    scale = alt.Scale(type="log") if axis.log else alt.Scale(zero=False)  # a logarithm has no zero to be told of
    if axis.limits is not None:
        scale.domain, scale.nice = list(axis.limits), False
    return scale
