"""Forecasts against the truth: from origins of the test split, and after the end of the data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import TRUTH, Figure, Key, Panel
from forecast.reporting.lines import Line, axis_times, line
from forecast.reporting.prediction_intervals import (
    ModelIntervals,
    band_keys,
    band_layers,
    band_rows,
    intervals_in_words,
    model_intervals,
)
from forecast.wording import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from forecast.reporting.lines import Array, Clock
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.summary import Summary

_SPAN_BEYOND_TRUTH = 1.5
"""A panel reaches this many times the height of the truth beyond it; forecasts that leave it are cut off."""


@dataclass(frozen=True)
class Track:
    """The line of a model's forecasts."""

    model: str
    line: Line


@dataclass(frozen=True)
class View:
    """Forecasts made at one origin, with the truth before and after it.

    `limits` bound the value axis; where a forecast leaves them the view is `cut`. The `intervals` of at most one model
    are drawn: two over each other could not be told apart.
    """

    label: str
    origin: float
    truth: Line
    tracks: tuple[Track, ...]
    limits: tuple[float, float]
    cut: bool
    intervals: ModelIntervals | None = None


@dataclass(frozen=True)
class ForecastSection:
    """Forecasts of the series called `series` from several origins, or the one after its end."""

    says: str
    series: str
    views: tuple[View, ...]


def build_origins(material: Material) -> ForecastSection | None:
    """Show forecasts of values from origins of the test split."""
    if material.question.forecasts_probabilities:
        return None
    return origins_section(
        material.truth, material.results_drawn, material.roles, material.clock, material.show.origins, uid=material.uid
    )


def build_future(material: Material) -> ForecastSection | None:
    """Show the forecast of values after the end of the data, where there is one."""
    if material.question.forecasts_probabilities or material.ahead is None:
        return None
    return future_section(material.truth, material.ahead, material.roles, material.clock, material.uid)


def origins_section(
    truth: pd.DataFrame, results: pd.DataFrame, roles: Roles, clock: Clock, count: int, *, uid: str
) -> ForecastSection:
    """Show the forecasts from `count` origins, spread evenly over the test split of one series."""
    cutoffs = np.sort(results["cutoff"].unique())
    chosen = cutoffs[np.unique(np.linspace(0, len(cutoffs) - 1, count).round().astype(np.int64))]
    steps = int(results["step"].max())
    forecasts = [_forecasts_from(cutoff, truth, results, roles) for cutoff in chosen]
    views = tuple(_view(at_origin, clock, intervals_of=roles.leading) for at_origin in forecasts)
    which = (
        f"{counted(len(views), 'origin')} of {len(cutoffs):,} in the test split, evenly spread and not picked by result"
    )
    if len(views) == len(cutoffs):
        which = (
            f"All origins of the test split, {len(views)}" if len(views) > 1 else "The only origin of the test split"
        )
    says = f"{which}; each forecast looks {counted(steps, 'step')} ahead from the vertical line."
    intervals = [at_origin.intervals[roles.leading] for at_origin in forecasts if roles.leading in at_origin.intervals]
    says += intervals_in_words(intervals) + _cut_off_in_words(forecasts, (roles.leading,))
    return ForecastSection(says, uid, views)


def future_section(
    truth: pd.DataFrame, forecast: pd.DataFrame, roles: Roles, clock: Clock, uid: str
) -> ForecastSection | None:
    """Show the forecast after the end of one series, with its recent past; once for each model that has intervals.

    None where there is no other than the recommended one, which stands on the first screen.
    """
    tables = {model: forecast[forecast["model"] == model].sort_values("ds") for model in roles.named()}
    tables = {model: rows for model, rows in tables.items() if len(rows)}
    if set(tables) <= {roles.recommended}:
        return None
    forecasts = _forecasts_after(truth, tables)
    end, steps = forecasts.origin, forecasts.steps
    models = [model for model, intervals in forecasts.intervals.items() if intervals.visible]
    views = tuple(_view(forecasts, clock, intervals_of=model) for model in models or [roles.network])
    says = f"{counted(steps, 'step')} after the last observation, {clock.write(end)}, for which no truth is known yet."
    says += intervals_in_words(list(forecasts.intervals.values())) + _cut_off_in_words([forecasts], models)
    return ForecastSection(says, uid, views)


def future_view(truth: pd.DataFrame, model: str, rows: pd.DataFrame, clock: Clock) -> View:
    """Show the forecast of one model, in the order of time, after the end of a series."""
    return _view(_forecasts_after(truth, {model: rows}), clock, intervals_of=model)


def last_view(truth: pd.DataFrame, model: str, rows: pd.DataFrame, clock: Clock) -> View:
    """Show a forecast that has come true, in the order of time, and the truth before and since."""
    known = truth[truth["ds"] <= rows["ds"].max()].tail(len(rows) * 4)
    return _view(_forecasts(known, {model: rows}, float(axis_times(rows["cutoff"])[0])), clock, intervals_of=model)


def _forecasts_after(truth: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> _Forecasts:
    """Bring together what models forecast after the end, and the truth before: five horizons, or 60 steps."""
    steps = max(len(rows) for rows in tables.values())
    first = min(rows["ds"].iloc[0] for rows in tables.values())
    known = truth[truth["ds"] < first].tail(max(steps * 5, 60))
    return _forecasts(known, tables, float(axis_times(known["ds"])[-1]))


@dataclass(frozen=True)
class _Forecasts:
    """Everything that was forecast at one origin, `steps` ahead, and the truth around it."""

    origin: float
    steps: int
    truth: Line
    tracks: tuple[Track, ...]
    intervals: dict[str, ModelIntervals]
    limits: tuple[float, float]

    def beyond_limits(self, intervals_of: Iterable[str]) -> list[str]:
        """Name what leaves the limits: lines of models, and the intervals that are drawn."""
        low, high = self.limits
        ahead = {track.model: track.line.y[-self.steps :] for track in self.tracks}
        lines = [model for model, values in ahead.items() if any(y is None or not low <= y <= high for y in values)]
        bands = {model: self.intervals[model].bands for model in intervals_of if model in self.intervals}
        return lines + [
            f"an interval of {model}"
            for model, of_model in bands.items()
            if any(y is not None and not low <= y <= high for band in of_model for y in (*band.low, *band.high))
        ]


def _forecasts_from(cutoff: Any, truth: pd.DataFrame, results: pd.DataFrame, roles: Roles) -> _Forecasts:
    at_origin = results[results["cutoff"] == cutoff].sort_values("ds")
    known = truth[truth["ds"] <= at_origin["ds"].max()].tail(int(results["step"].max()) * 3)
    tables = {model: at_origin[at_origin["model"] == model] for model in roles.in_colour()}
    return _forecasts(known, tables, float(axis_times(at_origin["cutoff"])[0]))


def _forecasts(known: pd.DataFrame, tables: dict[str, pd.DataFrame], origin: float) -> _Forecasts:
    """Bring together the truth and each model's rows, which are in the order of time."""
    t, y = axis_times(known["ds"]), known["y"].to_numpy(dtype=np.float64)
    last = y[t == origin]  # (1,), or (0,) where the truth does not reach back to the origin
    tracks, intervals, values = [], {}, []
    for model, rows in tables.items():
        y_hat = rows["y_hat"].to_numpy(dtype=np.float64)
        # The line starts at the last known value, so that the eye sees where the forecast sets out from.
        times = np.concatenate([[origin] * len(last), axis_times(rows["ds"])])
        tracks.append(Track(model, line(times, np.concatenate([last, y_hat]))))
        intervals[model] = model_intervals(rows, model, origin, last)
        ends = [end for band in intervals[model].bands for end in (band.low, band.high)]
        values += [y_hat, *(np.array(end, dtype=np.float64) for end in ends)]
    steps = max(len(rows) for rows in tables.values())
    return _Forecasts(origin, steps, line(t, y), tuple(tracks), intervals, limits_around(y, np.concatenate(values)))


def _view(forecasts: _Forecasts, clock: Clock, intervals_of: str) -> View:
    intervals = forecasts.intervals.get(intervals_of)
    return View(
        label=f"from {clock.write(forecasts.origin)}",
        origin=forecasts.origin,
        truth=forecasts.truth,
        tracks=forecasts.tracks,
        limits=forecasts.limits,
        cut=bool(forecasts.beyond_limits([intervals_of])),
        intervals=intervals if intervals is not None and intervals.visible else None,
    )


def _cut_off_in_words(forecasts: Iterable[_Forecasts], intervals_of: Sequence[str]) -> str:
    beyond = sorted({what for at_origin in forecasts for what in at_origin.beyond_limits(intervals_of)})
    if not beyond:
        return ""
    leave, are = ("leaves", "it is") if len(beyond) == 1 else ("leave", "they are")
    return f" Where {listed(beyond)} {leave} the picture, {are} cut off."


def limits_around(truth: Array, forecasts: Array) -> tuple[float, float]:
    """Bound a value axis so that all of the truth and every sane forecast is in it.

    >>> limits_around(np.array([0.0, 1.0]), np.array([0.5, 1e9]))
    (-0.125, 2.625)
    """
    known = truth[np.isfinite(truth)]
    finite = forecasts[np.isfinite(forecasts)]
    known = known if len(known) else finite if len(finite) else np.zeros(1)
    low, high = float(known.min()), float(known.max())
    span = (high - low) or abs(high) * 0.1 or 1.0
    if len(finite):
        low = min(low, max(float(finite.min()), low - _SPAN_BEYOND_TRUTH * span))
        high = max(high, min(float(finite.max()), high + _SPAN_BEYOND_TRUTH * span))
    margin = 0.05 * (high - low or span)
    return low - margin, high + margin


def draw_origins(section: ForecastSection, summary: Summary) -> Figure:
    """Draw the forecasts of the models in colour from several origins, with the leading one's intervals."""
    roles = summary.roles
    panels = tuple(draw_view(view, roles, summary.clock, 160, title=view.label) for view in section.views)
    shown = {track.model for view in section.views for track in view.tracks} | {TRUTH}
    keys = (*charts.role_keys(roles, shown), *interval_keys(section.views, roles))
    return Figure("forecasts", "Forecasts against the truth", section.says, panels, keys, columns=3)


def draw_future(section: ForecastSection, summary: Summary) -> Figure:
    """Draw the forecast after the end of the data, once for each model that has intervals."""
    roles, panels = summary.roles, []
    for view in section.views:
        title = f"intervals of {view.intervals.model}" if len(section.views) > 1 and view.intervals else None
        panels.append(draw_view(view, roles, summary.clock, 240, title=title, axis_title=section.series))
    shown = {track.model for view in section.views for track in view.tracks} | {TRUTH}
    keys = (*charts.role_keys(roles, shown), *interval_keys(section.views, roles))
    return Figure("future", "The forecast ahead", section.says, tuple(panels), keys, columns=2)


def interval_keys(views: Sequence[View], roles: Roles) -> tuple[Key, ...]:
    """Return the legend of the bands of some views."""
    intervals = [view.intervals for view in views if view.intervals is not None]
    return band_keys(intervals, charts.role_colours(roles)[intervals[0].model]) if intervals else ()


def draw_view(
    view: View, roles: Roles, clock: Clock, height: int, *, title: str | None = None, axis_title: str | None = None
) -> Panel:
    """Draw the lines and the intervals of a view."""
    # the truth lies on top: a good forecast would hide it
    tracks = [*((track.model, track.line) for track in view.tracks), (TRUTH, view.truth)]
    strokes = charts.stroke_widths(roles)
    rows = [{**row, "wide": strokes[row["of"]]} for row in charts.track_rows(tracks)]
    tables = {"lines": rows, "origin": [{"t": view.origin}]}
    if view.intervals is not None:
        tables["bands"] = band_rows(view.intervals)
    shown = frozenset(name for name, _ in tracks)
    spec = _panel_spec(shown, view.intervals and view.intervals.model, roles, clock, height)
    spec = charts.with_axis(spec, axis_title, view.limits)
    return Panel(spec, tables, height, True, title, view.cut, charts.stretched_note(*view.limits))


@lru_cache(maxsize=32)
def _panel_spec(
    shown: frozenset[str], intervals_of: str | None, roles: Roles, clock: Clock, height: int
) -> dict[str, Any]:
    """Return the chart that all views alike have: Altair takes long to make it, and a page may have a hundred."""
    colours = {name: colour for name, colour in charts.role_colours(roles).items() if name in shown}
    lines = charts.lines("lines", clock).encode(y=charts.value_axis(None), color=charts.colour(colours))
    lines = lines.encode(strokeWidth=alt.StrokeWidth("wide:Q", scale=None))
    bands = band_layers(colours[intervals_of], clock) if intervals_of is not None else ()
    origin = charts.rule("origin").encode(x=charts.time_axis(clock))
    return charts.specification(charts.layered(*bands, origin, lines), height)
