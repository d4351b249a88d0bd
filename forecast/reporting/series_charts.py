"""The figure of scores over many series, and the charts of the series that a page lets its reader choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from forecast.reporting import marks
from forecast.reporting.marks import Figure
from forecast.reporting.render import page_frame, page_spec, renderer
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from forecast.reporting.marks import Panel, Values
    from forecast.reporting.sections import Roles
    from forecast.reporting.several import SpreadSection

_HEIGHT = 220
_MOST_DOTS = 2000
_PACKED = ("lines", "bands")
_NUMBERS = ("t", "y", "low", "high")


def spread_figure(section: SpreadSection, roles: Roles) -> Figure:
    """Draw the scores of all series: as distributions, and the network's against the baseline's."""
    keys = tuple(key for key in marks.keys(marks.role_colours(roles)) if key.label != marks.TRUTH)
    panels = (_quantiles(section, roles), *([_against(section, roles)] if section.baseline else []))
    return Figure("series", "Scores over the series", section.says, panels, keys, columns=2)


def _quantiles(section: SpreadSection, roles: Roles) -> Panel:
    scores = {roles.network: section.network} | ({str(roles.baseline): section.baseline} if section.baseline else {})
    rows: Values = []
    for model, values in scores.items():
        known = sorted(value for value in values if value is not None)
        kept = known[:: -(-len(known) // 500)]
        rows += [{"t": round(100 * (i + 0.5) / len(kept), 2), "y": value, "of": model} for i, value in enumerate(kept)]
    colours = {model: colour for model, colour in marks.role_colours(roles).items() if model in scores}
    positive = all(row["y"] > 0 for row in rows)
    y = alt.Y("y:Q", title=section.metric, scale=alt.Scale(type="log" if positive else "linear", nice=False))
    tips = [
        marks.tip("of", "model"),
        marks.tip("t", "% of series below", ".0f"),
        marks.tip("y", section.metric, ".3~g"),
    ]
    drawn = marks.chart("lines").mark_line(point=marks.touchable(seen=len(rows) < 20))
    x = alt.X("t:Q", title="% of series with a lower score", scale=alt.Scale(domain=[0, 100]))
    view = drawn.encode(x=x, y=y, color=marks.colour(colours), tooltip=tips)
    return marks.panel(view, {"lines": rows}, _HEIGHT, title="distribution, lower is better")


def _against(section: SpreadSection, roles: Roles) -> Panel:
    pairs = zip(section.ids, section.network, section.baseline, strict=True)
    dots: Values = [
        {"x": theirs, "y": mine, "of": name} for name, mine, theirs in pairs if mine is not None and theirs is not None
    ]
    dots = dots[:: -(-len(dots) // _MOST_DOTS) or 1]
    ends = [value for row in dots for value in (row["x"], row["y"])] or [1.0]
    low, high = min(ends), max(ends)
    scale = alt.Scale(type="log" if low > 0 else "linear", domain=[low, high if high > low else low + 1], nice=False)
    tips = [
        marks.tip("of", "series"),
        marks.tip("y", roles.network, ".3~g"),
        marks.tip("x", str(roles.baseline), ".3~g"),
    ]
    x = alt.X("x:Q", title=f"{section.metric} of {roles.baseline}", scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=f"{section.metric} of {roles.network}", scale=scale)
    points = marks.chart("dots").mark_point(color=LIGHT.network, filled=True, size=22, opacity=0.5)
    diagonal = marks.chart("diagonal").mark_line(color=LIGHT.truth, strokeWidth=1.2)
    view = marks.layered(diagonal.encode(x=x, y=y), points.encode(x=x, y=y, tooltip=tips))
    line: Values = [{"x": low, "y": low}, {"x": high, "y": high}]
    return marks.panel(
        view, {"dots": dots, "diagonal": line}, _HEIGHT, title="each series; below the line the network is ahead"
    )


def exchange(figures: Iterable[Figure]) -> dict[str, Any]:
    """What a page puts into the places of some figures: sentences by figure, panels by place.

    What all charts of a page share stays out, and the tables of lines and bands are packed: rows that differ in
    numbers alone become `all` that they share and an array for each number. Written out they are three times as long.
    """
    says, panels = {}, {}
    for figure in figures:
        says[figure.name] = figure.says
        for i, panel in enumerate(figure.panels):
            spec = {key: value for key, value in page_spec(panel).items() if key not in page_frame()}
            spec["datasets"] = {name: rows for name, rows in panel.tables.items() if name not in _PACKED}
            panels[f"{figure.name}-{i}"] = {
                "spec": spec,
                "renderer": renderer(panel),
                "title": panel.title,
                "packed": {name: _packed(panel.tables[name]) for name in _PACKED if name in panel.tables},
            }
    return {"says": says, "panels": panels}


def _packed(rows: Values) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        shared = {key: value for key, value in row.items() if key not in _NUMBERS}
        group = groups.setdefault(tuple(shared.values()), {"all": shared})
        for key in row.keys() - shared.keys():
            group.setdefault(key, []).append(row[key])
    return list(groups.values())
