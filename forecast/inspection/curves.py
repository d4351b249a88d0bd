"""What the sections of the probe draw alike: curves over numbers, bars with names, the colours of units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import altair as alt
import numpy as np

from forecast.inspection.answers import VALUES
from forecast.reporting import charts
from forecast.reporting.charts import Key
from forecast.reporting.lines import rounded
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reporting.charts import Panel, Values
    from forecast.series.panel import FloatArray, IntArray

_HEIGHT = 220
NETWORK, REFERENCE = "with the network", VALUES.untrained
PERFECT = "perfect forecast"


class Curve(NamedTuple):
    """A line of a panel: its name in the legend, its colour, its points, and its width in pixels."""

    of: str
    colour: str
    x: FloatArray | IntArray
    y: FloatArray
    wide: float = 1.8


class Axis(NamedTuple):
    """An axis: its title, whether it is logarithmic, and the format of its numbers."""

    title: str
    log: bool = False
    written: str = ".4~g"
    limits: tuple[float, float] | None = None
    ticks: tuple[float, ...] | None = None


def both(
    x: FloatArray | IntArray, network: FloatArray, reference: FloatArray, untrained: str = REFERENCE
) -> list[Curve]:
    """The network's curve, and that of what is `untrained` as a thin one on top."""
    return [Curve(NETWORK, LIGHT.network, x, network, 2.8), Curve(untrained, LIGHT.baseline, x, reference, 1.3)]


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
    """Make a panel of curves over numbers, with dashed lines `across` at a height and `down` at a place."""
    low, high = x.limits or (-np.inf, np.inf)
    rows: Values = [
        {"t": at, "y": value, "of": curve.of, "ink": curve.colour, "wide": curve.wide}
        for curve in curves
        for at, value in zip(rounded(np.asarray(curve.x, dtype=np.float64)), rounded(curve.y), strict=True)
        if at is not None and low <= at <= high
    ]
    tables: dict[str, Values] = {"lines": rows}
    axes: dict[str, Any] = {"x": _x(x), "y": _y(y)}
    tips = [charts.tip("of", "line"), charts.tip("t", x.title, ".4~g"), charts.tip("y", y.title, ".4~g")]
    drawn = charts.chart("lines").mark_line(point=charts.touchable(seen=dots), clip=y.limits is not None)
    ink = {"color": alt.Color("ink:N", scale=None), "strokeWidth": alt.StrokeWidth("wide:Q", scale=None)}
    layers = [drawn.encode(**axes, **ink, detail="of:N", tooltip=tips)]
    if across is not None:
        tables["across"] = [{"y": across}]
        layers.insert(0, charts.rule("across").encode(y=axes["y"]))
    if down is not None:
        tables["down"] = [{"t": down}]
        layers.insert(0, charts.rule("down").encode(x=axes["x"]))
    return charts.panel(charts.layered(*layers), tables, _HEIGHT, title=title, cut=y.limits is not None)


def _x(axis: Axis) -> alt.X:
    return alt.X("t:Q", title=axis.title, scale=_scale(axis), axis=alt.Axis(format=axis.written, tickCount=6))


def _y(axis: Axis) -> alt.Y:
    marked = alt.Axis(format=axis.written)
    if axis.ticks is not None:
        marked = alt.Axis(format=axis.written, values=list(axis.ticks))
    return alt.Y("y:Q", title=axis.title, scale=_scale(axis), axis=marked)


def _scale(axis: Axis) -> alt.Scale:
    scale = alt.Scale(type="log") if axis.log else alt.Scale(zero=False)
    if axis.limits is not None:
        scale.domain, scale.nice = list(axis.limits), False
    return scale


def named_bars(
    rows: Values, tips: Sequence[alt.Tooltip], *, title: str, row_height: int = 22, ticks: int | None = None
) -> Panel:
    """Make a panel of bars that lie on their sides, as long as `y` and named by `of`, in the order of the rows."""
    x = alt.X("y:Q", title=None) if ticks is None else alt.X("y:Q", title=None, axis=alt.Axis(tickCount=ticks))
    bars = charts.chart("rows").mark_bar(color=LIGHT.network, size=12).encode(x=x, y=name_axis(), tooltip=list(tips))
    return charts.panel(bars, {"rows": rows}, row_height * len(rows), title=title)


def name_axis() -> alt.Y:
    """Return the axis of names below each other, of field `of`."""
    plain = alt.Axis(ticks=False, domain=False, grid=False, labelOverlap=False)
    return alt.Y("of:N", title=None, sort=None, axis=plain)


SPREAD_KEYS = (Key("above its mean", LIGHT.network, area=True), Key("below its mean", LIGHT.baseline, area=True))


def spread_scale(spreads: float) -> alt.Scale:
    """Return the colours of a unit about its mean, full where it is so many standard deviations from there."""
    colours = [LIGHT.baseline, LIGHT.paper, LIGHT.network]
    return alt.Scale(domain=[-spreads, 0, spreads], range=colours, clamp=True, interpolate="rgb")
