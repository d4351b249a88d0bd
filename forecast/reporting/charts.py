"""The figures over time, and which figures a summary gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
from altair.utils.schemapi import debug_mode

from forecast.reporting import marks
from forecast.reporting.error_charts import copy_figure, learning_figure, residuals_figure, steps_figure
from forecast.reporting.marks import TRUTH, Figure, Key, Panel
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from forecast.reporting.lines import Clock
    from forecast.reporting.sections import DataSection, ForecastSection, Roles, View
    from forecast.reporting.summary import Summary


def draw(summary: Summary) -> tuple[Figure, ...]:
    """Draw every section that the summary holds, in the order of the page."""
    # Altair checks each part of a chart against its schema while it is made; the tests do that once for all.
    with debug_mode(False):
        return _figures(summary)


def _figures(summary: Summary) -> tuple[Figure, ...]:
    roles, clock = summary.roles, summary.clock
    figures = [
        data_figure(summary.data, clock, summary.series),
        origins_figure(summary.origins, roles, clock),
    ]
    if summary.future is not None:
        figures.append(future_figure(summary.future, roles, clock, summary.series))
    figures.append(steps_figure(summary.steps, roles))
    if summary.learning is not None:
        figures.append(learning_figure(summary.learning))
    if summary.residuals is not None:
        figures.append(residuals_figure(summary.residuals, clock, roles.network))
    if summary.copy is not None:
        figures.append(copy_figure(summary.copy))
    return tuple(figures)


def data_figure(section: DataSection, clock: Clock, name: str) -> Figure:
    """Draw the series over its stretches."""
    tints = {"validation": LIGHT.validation, "test": LIGHT.test}
    ranges: marks.Values = [{"t": s.start, "end": s.end, "of": s.name} for s in section.stretches if s.name in tints]
    tables = {"lines": marks.track_rows([(TRUTH, section.truth)]), "ranges": ranges}
    path = marks.lines("lines", clock).encode(
        y=marks.value_axis(name), color=marks.colour({TRUTH: LIGHT.truth}), strokeWidth=alt.value(1.4)
    )
    view: marks.View = path
    if ranges:
        shown: dict[str, str] = {r["of"]: tints[r["of"]] for r in ranges}
        fill = alt.Fill("of:N", scale=alt.Scale(domain=list(shown), range=list(shown.values())))
        shades = marks.chart("ranges").mark_rect(clip=True).encode(x=marks.time_axis(clock), x2="end", fill=fill)
        view = marks.layered(shades, path)
    keys = [Key(TRUTH, LIGHT.truth), *(Key(r["of"], tints[r["of"]], area=True) for r in ranges)]
    only = marks.panel(view, tables, 240, zooms=True)
    return Figure("data", "The data and its split", section.says, (only,), tuple(keys))


def origins_figure(section: ForecastSection, roles: Roles, clock: Clock) -> Figure:
    """Draw the forecasts of network and baseline from several origins."""
    panels = tuple(_view(view, roles, clock, 160, title=view.label) for view in section.views)
    keys = marks.keys(marks.role_colours(roles))
    return Figure("forecasts", "Forecasts against the truth", section.says, panels, keys, columns=3)


def future_figure(section: ForecastSection, roles: Roles, clock: Clock, name: str) -> Figure:
    """Draw the forecast after the end of the data."""
    panels = tuple(_view(view, roles, clock, 240, name=name) for view in section.views)
    shown = {track.model for view in section.views for track in view.tracks} | {TRUTH}
    keys = tuple(key for key in marks.keys(marks.role_colours(roles)) if key.label in shown)
    return Figure("future", "The forecast ahead", section.says, panels, keys)


def _view(
    view: View, roles: Roles, clock: Clock, height: int, *, title: str | None = None, name: str | None = None
) -> Panel:
    tracks = [(TRUTH, view.truth), *((track.model, track.path) for track in view.tracks)]
    shown = {name for name, _ in tracks}
    colours = {name: colour for name, colour in marks.role_colours(roles).items() if name in shown}
    paths = marks.lines("lines", clock).encode(y=marks.value_axis(name, view.limits), color=marks.colour(colours))
    paths = paths.encode(strokeWidth=alt.StrokeWidth("wide:Q", scale=None))
    strokes = marks.widths(roles)
    rows = [{**row, "wide": strokes[row["of"]]} for row in marks.track_rows(tracks)]
    origin = marks.rule("origin").encode(x=marks.time_axis(clock))
    tables = {"lines": rows, "origin": [{"t": view.origin}]}
    return marks.panel(marks.layered(origin, paths), tables, height, zooms=True, title=title, cut=view.cut)
