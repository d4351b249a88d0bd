"""The figures of hidden units: a map of all of them, what forecasts are without each, and their gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from forecast.inspection.following import FOLLOWED
from forecast.inspection.pages.unit_words import TOLD, effects_say, gates_say, map_says
from forecast.reporting import charts as marks
from forecast.reporting.charts import TRUTH, Figure, Key
from forecast.reporting.lines import Clock, axis_times, find_clock, line, rounded
from forecast.reporting.theme import LIGHT
from forecast.wording import shortened

if TYPE_CHECKING:
    from forecast.inspection.units import UnitMap
    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array

_MOST_UNITS, _MOST_STEPS, _FEWEST_STEPS = 128, 300, 96
_CELLS = 12_000
"""Drawn of a map, at most: some 450 kB of a page."""

_SPREADS = 2.5
"""Standard deviations at which a colour is full."""

_LEFT = 76
"""Pixels that the labels of a value axis take, so that maps and lines above each other have the same time axis."""

_BARS = 12
_LOW = 150


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What of a map is drawn: which units, in order, and the latest steps."""

    units: UnitMap
    order: Array
    steps: slice
    t: Array
    clock: Clock

    @property
    def wide(self) -> float:
        """How far one step is from the next."""
        return float(np.median(np.diff(self.t)))


def unit_figures(units: UnitMap) -> tuple[Figure, ...]:
    """Draw a map of the units, what forecasts are without each, and, where there are any, their gates."""
    drawn = _drawn(units)
    figures = [_map_figure(drawn), _effects_figure(units)]
    if any(name != "candidate" for name in units.activity.gates):
        figures.append(_gates_figure(drawn))
    return tuple(figures)


def _drawn(units: UnitMap) -> _Drawn:
    order = units.following.order()
    if len(order) > _MOST_UNITS:
        order = order[np.unique(np.linspace(0, len(order) - 1, _MOST_UNITS).round().astype(np.int64))]
    count = min(max(_CELLS // len(order), _FEWEST_STEPS), _MOST_STEPS, len(units.times))
    ds = pd.Series(units.times)
    steps = slice(len(ds) - count, None)
    return _Drawn(units, order, steps, axis_times(ds)[steps], find_clock(ds))


def _map_figure(drawn: _Drawn) -> Figure:
    panels = (_series_panel(drawn), _map_panel(drawn))
    legend = (
        Key("above its mean", LIGHT.network, area=True),
        Key("below its mean", LIGHT.baseline, area=True),
    )
    says = map_says(drawn.units, len(drawn.order))
    return Figure("units", "What the hidden units follow", says, panels, legend)


def _left(**more: Any) -> alt.Axis:
    return alt.Axis(minExtent=_LEFT, maxExtent=_LEFT, **more)


def _series_panel(drawn: _Drawn) -> Panel:
    # A place after the last value, so that the time axis is that of the map, whose steps have a width.
    t = np.append(drawn.t, drawn.t[-1] + drawn.wide)
    path = line(t, np.append(drawn.units.y[drawn.steps], np.nan))
    y = alt.Y("y:Q", title=None, scale=alt.Scale(zero=False), axis=_left())
    view = marks.lines("lines", drawn.clock).encode(y=y, color=alt.value(LIGHT.truth), strokeWidth=alt.value(1.4))
    return marks.panel(view, {"lines": marks.track_rows([(TRUTH, path)])}, 110, title=shortened(drawn.units.series, 60))


def _map_panel(drawn: _Drawn) -> Panel:
    units, following = drawn.units, drawn.units.following
    outputs = units.activity.outputs
    spread = np.where(following.silent, 1.0, outputs.std(axis=0))
    z = ((outputs - outputs.mean(axis=0)) / spread)[drawn.steps].round(1)
    t = drawn.t.tolist()
    rows: Values = [
        {"t": moment, "u": place, "z": value}
        for place, unit in enumerate(drawn.order.tolist())
        for moment, value in zip(t, z[:, unit].tolist(), strict=True)
    ]
    names: Values = [
        {"u": place, "of": units.name(unit), "is": _followed(units, unit)}
        for place, unit in enumerate(drawn.order.tolist())
    ]
    groups = _groups(drawn)
    ends: Values = [{"y": end} for _, _, end in groups[:-1]]
    height = int(np.clip(7 * len(drawn.order), 120, 520))
    scale = alt.Scale(domain=[len(drawn.order), 0], nice=False)
    labels = {f"datum.value == {(first + end) / 2}": f"{kind} · {end - first}" for kind, first, end in groups}
    written = "".join(f"{condition} ? '{label}' : " for condition, label in labels.items()) + "''"
    axis = _left(
        values=[(first + end) / 2 for _, first, end in groups], labelExpr=written, grid=False, labelOverlap=False
    )
    ink = alt.Color(
        "z:Q",
        scale=alt.Scale(
            domain=[-_SPREADS, 0, _SPREADS],
            range=[LIGHT.baseline, LIGHT.paper, LIGHT.network],
            clamp=True,
            interpolate="rgb",
        ),
    )
    tips = [
        marks.tip("of", "unit"),
        marks.tip("is", "follows"),
        marks.tip("when", "time" if drawn.clock.kind == "date" else "step"),
        marks.tip("z", "above its mean, in spreads", ".1f"),
    ]
    cells = (
        marks.chart("cells")
        .transform_lookup("u", alt.LookupData(data=alt.NamedData(name="names"), key="u", fields=["of", "is"]))
        .transform_calculate(end=f"datum.t + {drawn.wide}", v="datum.u + 1", when=marks.written_time(drawn.clock))
        .mark_rect()
        .encode(
            x=marks.time_axis(drawn.clock),
            x2="end",
            y=alt.Y("u:Q", title=None, scale=scale, axis=axis),
            y2="v",
            color=ink,
            tooltip=tips,
        )
    )
    borders = marks.chart("ends").mark_rule(color=LIGHT.ink, strokeWidth=1).encode(y=alt.Y("y:Q", scale=scale))
    tables = {"cells": rows, "names": names, "ends": ends}
    return marks.panel(marks.layered(cells, borders), tables, height, title="hidden units, by what they follow")


def _groups(drawn: _Drawn) -> list[tuple[str, int, int]]:
    """What is followed, and from which row to which of the map."""
    what = [drawn.units.following.what[unit] for unit in drawn.order]
    ends = np.cumsum([what.count(kind) for kind in FOLLOWED]).tolist()
    groups = zip(FOLLOWED, [0, *ends[:-1]], ends, strict=True)
    return [(kind, first, end) for kind, first, end in groups if end > first]


def _followed(units: UnitMap, unit: int) -> str:
    """What a unit follows, and how well."""
    kind = units.following.what[unit]
    if kind == "nothing":
        return kind
    return f"{kind}, {100 * units.following.fits[unit, FOLLOWED.index(kind)]:.0f} % of its variance"


def _effects_figure(units: UnitMap) -> Figure:
    effects = units.effects
    rows: Values = [
        {"of": units.name(unit), "is": _followed(units, unit), "y": moved, "e": error}
        for unit, moved, error in zip(
            effects.units[:_BARS].tolist(), rounded(effects.change), rounded(effects.error), strict=False
        )
    ]
    (whole,) = rounded(np.array([effects.error_of_all]))
    names = alt.Y(
        "of:N", title=None, sort=None, axis=alt.Axis(ticks=False, domain=False, grid=False, labelOverlap=False)
    )
    tips = [
        marks.tip("of", "unit"),
        marks.tip("is", "follows"),
        marks.tip("y", "forecasts move by", ".4~g"),
        marks.tip("e", "error without it", ".4~g"),
    ]
    height = 22 * len(rows)
    moving, error = ("probabilities", "Brier score") if units.rises else ("forecasts", "error")
    bars = marks.chart("rows").mark_bar(color=LIGHT.network, size=12)
    bars = bars.encode(x=alt.X("y:Q", title=None, axis=alt.Axis(tickCount=4)), y=names, tooltip=tips)
    dots = marks.chart("rows").mark_point(color=LIGHT.network, filled=True, opacity=1, size=60)
    x = alt.X("e:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    dots = dots.encode(x=x, y=names, tooltip=tips)
    mark = marks.rule("whole").encode(x="e:Q")
    panels = (
        marks.panel(bars, {"rows": rows}, height, title=f"how far {moving} move without a unit"),
        marks.panel(
            marks.layered(mark, dots),
            {"rows": rows, "whole": [{"e": whole}]},
            height,
            title=f"their {error} without it (dashed: with all units)",
        ),
    )
    return Figure("unit_effects", "Which units matter", effects_say(units), panels, columns=2)


def _gates_figure(drawn: _Drawn) -> Figure:
    units = drawn.units
    names = [name for name in units.activity.gates if name != "candidate"]
    inks = (LIGHT.network, LIGHT.baseline, LIGHT.truth, LIGHT.other)
    # What keeps has the network's colour and lies on top.
    names.sort(key=lambda name: name not in {"forget", "update"})
    colours = dict(zip(names, inks, strict=False))
    shown = units.effects.units[:TOLD].tolist()
    panels = []
    for unit in shown:
        paths = [(name, line(drawn.t, units.activity.gates[name][drawn.steps, unit])) for name in reversed(colours)]
        y = alt.Y("y:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=3))
        view = marks.lines("lines", drawn.clock).encode(y=y, color=marks.colour(colours), strokeWidth=alt.value(1.3))
        title = f"{units.name(unit)}, follows {units.following.what[unit]}"
        panels.append(marks.panel(view, {"lines": marks.track_rows(paths)}, _LOW, zooms=True, title=title))
    legend = tuple(Key(f"{name} gate", colour) for name, colour in colours.items())
    return Figure(
        "unit_gates", "Gates of the units that matter", gates_say(units, shown), tuple(panels), legend, columns=3
    )
