"""The figures over time, and which figures a summary gives."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import altair as alt
from altair.utils.schemapi import debug_mode

from forecast.reporting import marks
from forecast.reporting.diagnostics import PenaltySection
from forecast.reporting.direction_charts import probability_figure, reliability_figure
from forecast.reporting.error_charts import copy_figure, learning_figure, penalty_figure, residuals_figure, steps_figure
from forecast.reporting.fan_charts import fan_keys, fan_layers, fan_rows
from forecast.reporting.gradient_charts import gradients_figure
from forecast.reporting.marks import TRUTH, Figure, Key, Panel
from forecast.reporting.series_charts import exchange, spread_figure
from forecast.reporting.symbol_charts import continuation_figure, symbol_figures
from forecast.reporting.theme import LIGHT
from forecast.reporting.uncertainty_charts import calibration_figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.reporting.diagnostics import LearningSection
    from forecast.reporting.lines import Clock
    from forecast.reporting.sections import DataSection, ForecastSection, Roles, View
    from forecast.reporting.summary import Summary

_MOST_BYTES = 1_600_000
"""Of charts of series to choose from; with Vega a page stays below 3 MB."""


def draw(summary: Summary) -> tuple[Figure, ...]:
    """Draw every section that the summary holds, in the order of the page."""
    return tuple(draw_each(summary))


def draw_each(summary: Summary) -> Iterator[Figure]:
    """Draw one section after the other."""
    # Altair checks each part of a chart against its schema while it is made; the tests do that once for all.
    with debug_mode(False):
        yield from _figures(summary)


def _figures(summary: Summary) -> Iterator[Figure]:
    roles, clock = summary.roles, summary.clock
    if summary.spread is not None:
        yield spread_figure(summary.spread, roles)
    if summary.data is not None:
        yield from _of_a_series(summary.series, (summary.data, summary.origins, summary.future), roles, clock)
    if summary.symbols is not None:
        yield from symbol_figures(summary.symbols, roles)
    if summary.continuation is not None:
        yield continuation_figure(summary.continuation, roles)
    if summary.probabilities is not None:
        yield probability_figure(summary.probabilities, roles, summary.series)
    if summary.reliability is not None:
        yield reliability_figure(summary.reliability, roles)
    if summary.symbols is None or len(summary.steps.steps) > 1:
        yield steps_figure(summary.steps, roles)
    if summary.calibration is not None:
        yield calibration_figure(summary.calibration, roles)
    if summary.learning is not None:
        yield _training_figure(summary.learning)
    if summary.gradients is not None:
        yield gradients_figure(summary.gradients)
    if summary.residuals is not None:
        yield residuals_figure(summary.residuals, clock, roles.network)
    if summary.copy is not None:
        yield copy_figure(summary.copy)


def _training_figure(section: LearningSection | PenaltySection) -> Figure:
    return penalty_figure(section) if isinstance(section, PenaltySection) else learning_figure(section)


def draw_choices(summary: Summary) -> dict[str, dict[str, Any]]:
    """Draw what the page exchanges when another series is chosen, by its label; the one shown at first comes as well.

    Where all of them would make the page too large, fewer are taken, evenly.
    """
    with debug_mode(False):
        drawn = {
            one.label: exchange(
                _of_a_series(one.name, (one.data, one.origins, one.future), summary.roles, summary.clock)
            )
            for one in summary.choices
        }
    size = sum(len(json.dumps(one, ensure_ascii=False)) for one in drawn.values())
    every = max(-(-size // _MOST_BYTES), 1)
    shown = next((one.label for one in summary.choices if one.name == summary.series), None)
    ends = (0, (len(drawn) - 1) // 2, len(drawn) - 1, *range(0, len(drawn), every))
    return {label: one for i, (label, one) in enumerate(drawn.items()) if i in ends or label == shown}


def _of_a_series(
    name: str, sections: tuple[DataSection, ForecastSection | None, ForecastSection | None], roles: Roles, clock: Clock
) -> Iterator[Figure]:
    """Figures of a single series, which the page exchanges for those of another."""
    data, origins, future = sections
    yield data_figure(data, clock, name)
    if origins is not None:
        yield origins_figure(origins, roles, clock)
    if future is not None:
        yield future_figure(future, roles, clock, name)


def data_figure(section: DataSection, clock: Clock, name: str) -> Figure:
    """Draw the series over its splits."""
    tints = {"validation": LIGHT.validation, "calibration": LIGHT.calibration, "test": LIGHT.test}
    ranges: marks.Values = [{"t": s.start, "end": s.end, "of": s.name} for s in section.parts if s.name in tints]
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
    """Draw the forecasts of network and baseline from several origins, with the network's intervals."""
    panels = tuple(_view(view, roles, clock, 160, title=view.label) for view in section.views)
    keys = (*marks.keys(marks.role_colours(roles)), *_fan_keys(section, roles))
    return Figure("forecasts", "Forecasts against the truth", section.says, panels, keys, columns=3)


def future_figure(section: ForecastSection, roles: Roles, clock: Clock, name: str) -> Figure:
    """Draw the forecast after the end of the data, once for each fan."""
    several = len(section.views) > 1
    panels = tuple(
        _view(
            view, roles, clock, 240, name=name, title=f"intervals of {view.fan.model}" if several and view.fan else None
        )
        for view in section.views
    )
    shown = {track.model for view in section.views for track in view.tracks} | {TRUTH}
    keys = tuple(key for key in marks.keys(marks.role_colours(roles)) if key.label in shown)
    return Figure("future", "The forecast ahead", section.says, panels, (*keys, *_fan_keys(section, roles)), columns=2)


def _fan_keys(section: ForecastSection, roles: Roles) -> tuple[Key, ...]:
    fans = [view.fan for view in section.views if view.fan is not None]
    return fan_keys(fans, marks.role_colours(roles)[fans[0].model]) if fans else ()


def _view(
    view: View, roles: Roles, clock: Clock, height: int, *, title: str | None = None, name: str | None = None
) -> Panel:
    tracks = [(TRUTH, view.truth), *((track.model, track.path) for track in view.tracks)]
    strokes = marks.widths(roles)
    rows = [{**row, "wide": strokes[row["of"]]} for row in marks.track_rows(tracks)]
    tables = {"lines": rows, "origin": [{"t": view.origin}]}
    if view.fan is not None:
        tables["bands"] = fan_rows(view.fan)
    shown = frozenset(name for name, _ in tracks)
    spec = marks.framed(_view_spec(shown, view.fan and view.fan.model, roles, clock, height), name, view.limits)
    return Panel(spec, tables, height, zooms=True, title=title, cut=view.cut)


@lru_cache(maxsize=32)
def _view_spec(shown: frozenset[str], fan_of: str | None, roles: Roles, clock: Clock, height: int) -> dict[str, Any]:
    """Return the chart that all views alike have: Altair takes long to make it, and a page may have a hundred."""
    colours = {name: colour for name, colour in marks.role_colours(roles).items() if name in shown}
    paths = marks.lines("lines", clock).encode(y=marks.value_axis(None), color=marks.colour(colours))
    paths = paths.encode(strokeWidth=alt.StrokeWidth("wide:Q", scale=None))
    fan = fan_layers(colours[fan_of], clock) if fan_of is not None else ()
    origin = marks.rule("origin").encode(x=marks.time_axis(clock))
    return marks.specification(marks.layered(*fan, origin, paths), height)
