"""The figures of the direction: whether probabilities are what they say, and those after the end of the data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import altair as alt

from forecast.reporting import marks
from forecast.reporting.marks import Figure
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from forecast.reporting.directions import ProbabilitySection, ReliabilitySection
    from forecast.reporting.marks import Panel, Values
    from forecast.reporting.sections import Roles

_TALL, _LOW = 260, 220


def reliability_figure(section: ReliabilitySection, roles: Roles) -> Figure:
    """Draw what came against what was said, and how often the network says what."""
    models = {one.model for one in section.models}
    keys = tuple(key for key in marks.keys(marks.role_colours(roles)) if key.label in models)
    panels = (_diagram(section, roles), _histogram(section, roles.network))
    return Figure("reliability", "Is what is said what comes", section.says, panels, keys, columns=2)


def _diagram(section: ReliabilitySection, roles: Roles) -> Panel:
    colours = marks.role_colours(roles)
    rows: Values = [
        {"x": round(100 * said, 3), "y": round(100 * came, 3), "of": one.model, "count": count}
        for one in reversed(section.models)  # what is drawn last lies on top
        for said, came, count in zip(one.said, one.came, one.count, strict=True)
    ]
    low, high = _around([value for row in rows for value in (row["x"], row["y"])])
    scale = alt.Scale(domain=[low, high], nice=False)
    x, y = alt.X("x:Q", title="% said", scale=scale), alt.Y("y:Q", title="% that rose", scale=scale)
    ink = marks.colour({one.model: colours[one.model] for one in reversed(section.models)})
    tips = [
        marks.tip("of", "model"),
        marks.tip("x", "says, %", ".3~g"),
        marks.tip("y", "rose, %", ".3~g"),
        marks.tip("count", "forecasts", ",d"),
    ]
    paths = marks.chart("dots").mark_line(strokeWidth=1.5).encode(x=x, y=y, color=ink)
    dots = marks.chart("dots").mark_point(filled=True, opacity=1, size=55).encode(x=x, y=y, color=ink, tooltip=tips)
    diagonal = marks.chart("diagonal").mark_line(color=LIGHT.truth, strokeWidth=1.2, strokeDash=[4, 3])
    ends: Values = [{"x": low, "y": low}, {"x": high, "y": high}]
    view = marks.layered(diagonal.encode(x=x, y=y), paths, dots)
    note = (
        "Each dot is a tenth of a model's forecasts. On the dashed line what is said is what comes; a line flatter "
        "than it says too much, a steeper one too little."
    )
    tables = {"dots": rows, "diagonal": ends}
    return marks.panel(view, tables, _TALL, title="what came, and what was said", note=note)


def _around(percents: list[float]) -> tuple[int, int]:
    """Whole tens around all points, at least twenty apart.

    >>> _around([48.0, 52.5]), _around([3.0, 99.0])
    ((40, 60), (0, 100))
    """
    low, high = 10 * math.floor(min(percents) / 10), 10 * math.ceil(max(percents) / 10)
    return (low, high) if high - low >= 20 else (max(low - 10, 0), min(max(low - 10, 0) + 20 + high - low, 100))


def _histogram(section: ReliabilitySection, network: str) -> Panel:
    bars = section.histogram
    total = sum(bars.counts)
    rows: Values = [
        {"from": low, "to": high, "y": round(100 * count / total, 4), "count": count}
        for low, high, count in zip(bars.edges[:-1], bars.edges[1:], bars.counts, strict=True)
    ]
    tips = [marks.tip("from", "from", ".0%"), marks.tip("to", "to", ".0%"), marks.tip("count", "forecasts", ",d")]
    x = marks.share_axis("probability of a rise")
    y = alt.Y("y:Q", title="% of its forecasts", scale=alt.Scale(zero=True))
    drawn = marks.chart("bars").mark_bar(color=LIGHT.network, binSpacing=1).encode(x=x, x2="to", y=y, tooltip=tips)
    note = "Forecasts near the base rate say little; the further they spread, the more is told, if it is right."
    return marks.panel(drawn, {"bars": rows}, _TALL, title=f"how often {network} says what", note=note)


def probability_figure(section: ProbabilitySection, roles: Roles, name: str) -> Figure:
    """Draw the probabilities after the end of the data."""
    colours = {one.model: marks.role_colours(roles)[one.model] for one in reversed(section.models)}
    rows: Values = [
        {"t": step, "y": round(100 * share, 3), "of": one.model, "when": when}
        for one in reversed(section.models)
        for step, when, share in zip(section.steps, section.times, one.errors, strict=True)
        if share is not None
    ]
    low, high = _around([50.0, *(row["y"] for row in rows)])
    x = alt.X(
        "t:Q",
        title="steps ahead",
        scale=alt.Scale(nice=False, zero=False, padding=10),
        axis=alt.Axis(tickMinStep=1, format="d"),
    )
    y = alt.Y("y:Q", title="% likely higher", scale=alt.Scale(domain=[low, high], nice=False))
    tips = [marks.tip("of", "model"), marks.tip("when", "time"), marks.tip("y", "likely higher, %", ".3~g")]
    paths = marks.chart("lines").mark_line(point=marks.touchable(seen=len(section.steps) <= 30))
    paths = paths.encode(x=x, y=y, color=marks.colour(colours), tooltip=tips)
    even = marks.rule("even").encode(y=y)
    tables: dict[str, Values] = {"lines": rows, "even": [{"y": 50}]}
    panel = marks.panel(marks.layered(even, paths), tables, _LOW)
    keys = tuple(key for key in marks.keys(marks.role_colours(roles)) if key.label in colours)
    return Figure("future", f"How likely {name} will be higher", section.says, (panel,), keys)
