"""A map of the hidden units of a network on a span of a series: what they did, what they follow, which matter.

Where rises are forecast, forecasts are their probabilities, and the error is the Brier score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.inspection.answers import VALUES, AnswerKind, answer_kind
from forecast.inspection.curves import SPREAD_KEYS, name_axis, named_bars, spread_scale
from forecast.inspection.hidden_units import (
    FOLLOWED,
    THRESHOLD,
    Activity,
    Effects,
    Following,
    activity_by_unrolling,
    activity_by_windows,
    follow,
    switch_off,
    unit_name,
)
from forecast.inspection.page import Section, season_name
from forecast.network.wrappers import Bidirectional
from forecast.reporting import charts
from forecast.reporting.charts import TRUTH, Figure, Key
from forecast.reporting.lines import Clock, axis_times, find_clock, line, rounded
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed, number, shortened

if TYPE_CHECKING:
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.inspection.system import System
    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.series.panel import FloatArray, TimeArray
    from forecast.series.panel import Panel as SeriesPanel


MOST_STEPS = 1_000
"""Steps of a span that are looked at, at most: the latest."""

_LEVEL_STEPS = 10
"""Steps that the level is the mean of, where there is no season."""


@dataclass(frozen=True, eq=False)
class UnitMap:
    """The hidden units of a network on a span.

    Attributes
    ----------
    series : id of the series
    times, y : (step,) of the span; y is NaN where it was not observed
    activity : outputs and gates of all units
    following : what they follow
    effects : what they are worth
    season_steps : 1 where there is no season
    level_steps : steps that the level is the mean of
    fed_back : whether the network forecasts the next step alone, and longer forecasts are its own fed back
    kind : what is forecast
    both_ends : whether a window is read both ways: the first half of the units goes forwards, the second backwards

    """

    series: str
    times: TimeArray
    y: FloatArray
    activity: Activity
    following: Following
    effects: Effects
    season_steps: int
    level_steps: int
    fed_back: bool
    kind: AnswerKind = VALUES
    both_ends: bool = False

    def name(self, unit: int) -> str:
        """Name a unit: its number in its layer, and the layer where there are several."""
        return unit_name(self.activity.layer, unit)


def _units_of(system: System) -> UnitMap:
    """Map the units on the test split of the examined series."""
    first = min(system.seen_steps, int(system.origins[0]))
    units = map_units(system.single, system.past, 0, first=first, end=int(system.past.lengths[0]))
    return replace(units, series=system.fitted.ids[system.number])


def map_units(fitted: FittedNetwork, past: SeriesPanel, series: int, first: int, end: int) -> UnitMap:
    """Map the units on the steps `first <= step < end` of one series, the latest `MOST_STEPS` of them.

    Forecasts without a unit are made at those of these steps whose horizon ends before `end`, by each origin alone,
    without `model.fork_ensemble`; of a network whose forecasts are fed back only the next step is.

    Raises
    ------
    ForecastError
        A span that is too short for a forecast, or begins before a network on windows has a context.

    """
    windows = fitted.forecaster.training.regime == "windows"
    first = max(first, end - MOST_STEPS, fitted.problem.context_steps - 1 if windows else 1)
    horizon = fitted.reference.horizon
    if not 0 <= series < len(past) or end > past.lengths[series] or end - first < horizon + 2:
        raise ForecastError(
            f"hidden units are mapped on a part of one series of at least {horizon + 2} steps, found steps {first} to "
            f"{end} of series {series}: choose a longer part"
        )
    data = fitted.data(past)
    start = int(past.offsets[series])
    rows = start + np.arange(first, end)  # (step,) of the panel
    if windows:
        activity = activity_by_windows(fitted.network, data.inputs, fitted.problem.context_steps, rows)
    else:
        activity = activity_by_unrolling(fitted.network, data.inputs, start, rows)
    season_steps = fitted.problem.season_steps
    level_steps = season_steps if season_steps > 1 else _LEVEL_STEPS
    y = data.known.y[rows]
    return UnitMap(
        series=past.ids[series],
        times=past.times[rows],
        y=past.target_or_nan(rows),
        activity=activity,
        following=follow(
            activity.outputs,
            level=data.known.moving_mean(rows, level_steps),
            change=y - data.known.before(rows, 1),
            phase=(rows - start) % season_steps,
            size=float(np.ptp(y)),
        ),
        effects=switch_off(fitted, data, activity, rows),
        season_steps=season_steps,
        level_steps=level_steps,
        fed_back=horizon < fitted.problem.horizon,
        kind=answer_kind(fitted),
        both_ends=isinstance(fitted.network.backbone, Bidirectional),
    )


_KEEPING = ("forget", "update")
"""Gates that say how much of what a unit holds it keeps."""

_NAMED_UNITS = 3
"""Units whose effect a sentence names, and whose gates are drawn, at most."""


def _meanings(units: UnitMap) -> dict[str, str]:
    """Say what each of `FOLLOWED` means."""
    season = season_name(units.season_steps, units.times)
    return {
        "level": f"the level (the mean of the last {units.level_steps} values)",
        "season": "the season" if season == "season" else f"the season (the place in the {season})",
        "change": "the last change",
        "nothing": "none of these",
    }


def _map_says(units: UnitMap, drawn: int) -> str:
    """Say how many units follow what, and how the map is to be read."""
    following, names = units.following, _meanings(units)
    counts = {kind: following.what.count(kind) for kind in FOLLOWED}
    parts = [f"{counts[kind]} {'follows' if counts[kind] == 1 else 'follow'} {names[kind]}" for kind in FOLLOWED[:3]]
    if not np.isfinite(following.fits[:, 1]).any():
        parts.pop(1)
    silent = int(following.silent.sum())
    still = f" ({counted(silent, 'unit')} never {'moves' if silent == 1 else 'move'} at all)" if silent else ""
    total = len(following.what)
    shown = "" if drawn == total else f" {drawn} of them are drawn, evenly from all kinds."
    half = total // 2
    ways = (
        f" Units 1 to {half} have read the window up to the origin, units {half + 1} to {total} from the origin "
        f"backwards; each step is the end of a window of its own. Gates are not shown where both ways are read."
        if units.both_ends
        else ""
    )
    return (
        f"Of {counted(total, 'hidden unit')}, {listed(parts)}; {counts['nothing']} "
        f"{'follows' if counts['nothing'] == 1 else 'follow'} none of these{still}. A unit follows what explains most "
        f"of its variance over these steps, if that is at least {100 * THRESHOLD:.0f} %. A row "
        f"is one unit, about its mean in units of its spread.{shown}{ways}"
    )


def _effects_say(units: UnitMap) -> str:
    """Say which units matter most, and how that was measured."""
    effects, kind = units.effects, units.kind
    first, *others = zip(
        effects.units[:_NAMED_UNITS].tolist(), effects.change.tolist(), effects.error.tolist(), strict=False
    )
    most = (
        f"Without {units.name(first[0])} ({units.following.what[first[0]]}) {kind.forecasts_in_full} move by "
        f"{number(first[1])} on average and their {kind.unit_error} goes from {number(effects.error_of_all)} to "
        f"{number(first[2])}"
    )
    then = "".join(f"; without {units.name(unit)} they move by {number(moved)}" for unit, moved, _ in others)
    ahead = "the next step, which alone the network forecasts" if units.fed_back else counted(effects.horizon, "step")
    which = "Units of the last layer are" if units.activity.layer[-1] > 1 else "A unit is"
    return (
        f"{most}{then}. Without all of them they move by {number(effects.change_without_any)}, and the "
        f"{kind.unit_error} is {number(effects.error_without_any)}. {which} switched off where the decoder reads: held "
        f"at the mean over these steps, with the network's memory left as it is. Mean {kind.unit_measures} over "
        f"{counted(effects.origins, 'origin')} and {ahead}."
    )


def _gates_say(units: UnitMap, shown: list[int]) -> str:
    """Say how open the gates of some units are, and how long what they hold lasts."""
    gates = units.activity.gates
    parts = []
    for unit in shown:
        opened = listed([f"{name} {gate[:, unit].mean():.2f}" for name, gate in gates.items() if name != "candidate"])
        keeps = next((kept_steps(gates[name][:, unit]) for name in _KEEPING if name in gates), None)
        half = "" if keeps is None else f", so that half of what it holds is left after {number(keeps, 2)} steps"
        parts.append(f"{units.name(unit)} ({opened}{half})")
    return (
        f"How open the gates of these units stand, from 0, shut, to 1, open. On average over these steps: "
        f"{listed(parts)}."
    )


def kept_steps(gate: np.ndarray) -> float:
    """Steps until half is left of what is multiplied by a gate at each step.

    >>> kept_steps(np.array([0.25, 1.0]))
    1.0
    """
    lost = -float(np.log(np.maximum(gate, 1e-12)).mean())  # a step, as an exponent
    return math.log(2) / lost if lost > 0 else math.inf  # exp(-lost * n) = 1/2


_DRAWN_UNITS, _DRAWN_STEPS, _FEWEST_STEPS = 128, 300, 96
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
    if len(order) > _DRAWN_UNITS:
        order = order[np.unique(np.linspace(0, len(order) - 1, _DRAWN_UNITS).round().astype(np.int64))]
    count = min(max(_CELLS // len(order), _FEWEST_STEPS), _DRAWN_STEPS, len(units.times))
    ds = pd.Series(units.times)
    steps = slice(len(ds) - count, None)
    return _Drawn(units, order, steps, axis_times(ds)[steps], find_clock(ds))


def _map_figure(drawn: _Drawn) -> Figure:
    panels = (_series_panel(drawn), _map_panel(drawn))
    says = _map_says(drawn.units, len(drawn.order))
    return Figure("units", "What the hidden units follow", says, panels, SPREAD_KEYS)


def _left(**more: Any) -> alt.Axis:
    return alt.Axis(minExtent=_LEFT, maxExtent=_LEFT, **more)


def _series_panel(drawn: _Drawn) -> Panel:
    # A place after the last value, so that the time axis is that of the map, whose steps have a width.
    t = np.append(drawn.t, drawn.t[-1] + drawn.wide)
    path = line(t, np.append(drawn.units.y[drawn.steps], np.nan))
    y = alt.Y("y:Q", title=None, scale=alt.Scale(zero=False), axis=_left())
    view = charts.lines("lines", drawn.clock).encode(y=y, color=alt.value(LIGHT.truth), strokeWidth=alt.value(1.4))
    return charts.panel(
        view, {"lines": charts.track_rows([(TRUTH, path)])}, 110, title=shortened(drawn.units.series, 60)
    )


def _map_panel(drawn: _Drawn) -> Panel:
    """Draw a row a unit, a cell a step, a line between units that follow different things."""
    units, groups = drawn.units, _groups(drawn)
    names: Values = [
        {"u": place, "of": units.name(unit), "is": _followed(units, unit)}
        for place, unit in enumerate(drawn.order.tolist())
    ]
    scale = alt.Scale(domain=[len(drawn.order), 0], nice=False)
    tips = [
        charts.tip("of", "unit"),
        charts.tip("is", "follows"),
        charts.tip("when", "time" if drawn.clock.kind == "date" else "step"),
        charts.tip("z", "above its mean, in spreads", ".1f"),
    ]
    cells = (
        charts.chart("cells")
        .transform_lookup("u", alt.LookupData(data=alt.NamedData(name="names"), key="u", fields=["of", "is"]))
        .transform_calculate(end=f"datum.t + {drawn.wide}", v="datum.u + 1", when=charts.written_time(drawn.clock))
        .mark_rect()
        .encode(
            x=charts.time_axis(drawn.clock),
            x2="end",
            y=alt.Y("u:Q", title=None, scale=scale, axis=_group_axis(groups)),
            y2="v",
            color=alt.Color("z:Q", scale=spread_scale(_SPREADS)),
            tooltip=tips,
        )
    )
    borders = charts.chart("ends").mark_rule(color=LIGHT.ink, strokeWidth=1).encode(y=alt.Y("y:Q", scale=scale))
    tables = {"cells": _map_cells(drawn), "names": names, "ends": [{"y": end} for _, _, end in groups[:-1]]}
    height = int(np.clip(7 * len(drawn.order), 120, 520))
    return charts.panel(charts.layered(cells, borders), tables, height, title="hidden units, by what they follow")


def _map_cells(drawn: _Drawn) -> Values:
    """Return how far each unit is from its mean at each step, in its standard deviations."""
    outputs, silent = drawn.units.activity.outputs, drawn.units.following.silent
    spread = np.where(silent, 1.0, outputs.std(axis=0))
    z = ((outputs - outputs.mean(axis=0)) / spread)[drawn.steps].round(1)  # (drawn step, unit)
    t = drawn.t.tolist()
    return [
        {"t": moment, "u": place, "z": value}
        for place, unit in enumerate(drawn.order.tolist())
        for moment, value in zip(t, z[:, unit].tolist(), strict=True)
    ]


def _group_axis(groups: list[tuple[str, int, int]]) -> alt.Axis:
    """Name what is followed in the middle of the rows that follow it, with their number."""
    labels = {(first + end) / 2: f"{kind} · {end - first}" for kind, first, end in groups}
    written = "".join(f"datum.value == {middle} ? '{label}' : " for middle, label in labels.items()) + "''"
    return _left(values=list(labels), labelExpr=written, grid=False, labelOverlap=False)


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
    tips = [
        charts.tip("of", "unit"),
        charts.tip("is", "follows"),
        charts.tip("y", "forecasts move by", ".4~g"),
        charts.tip("e", "error without it", ".4~g"),
    ]
    dots = charts.chart("rows").mark_point(color=LIGHT.network, filled=True, opacity=1, size=60)
    x = alt.X("e:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    dots = dots.encode(x=x, y=name_axis(), tooltip=tips)
    mark = charts.rule("whole").encode(x="e:Q")
    panels = (
        named_bars(rows, tips, title=f"how far {units.kind.forecasts} move without a unit", ticks=4),
        charts.panel(
            charts.layered(mark, dots),
            {"rows": rows, "whole": [{"e": whole}]},
            22 * len(rows),
            title=f"their {units.kind.unit_error} without it (dashed: with all units)",
        ),
    )
    return Figure("unit_effects", "Which units matter", _effects_say(units), panels, columns=2)


def _gates_figure(drawn: _Drawn) -> Figure:
    units = drawn.units
    names = [name for name in units.activity.gates if name != "candidate"]
    inks = (LIGHT.network, LIGHT.baseline, LIGHT.truth, LIGHT.other)
    # What keeps has the network's colour and lies on top.
    names.sort(key=lambda name: name not in {"forget", "update"})
    colours = dict(zip(names, inks, strict=False))
    shown = units.effects.units[:_NAMED_UNITS].tolist()
    panels = []
    for unit in shown:
        paths = [(name, line(drawn.t, units.activity.gates[name][drawn.steps, unit])) for name in reversed(colours)]
        y = alt.Y("y:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=3))
        view = charts.lines("lines", drawn.clock).encode(y=y, color=charts.colour(colours), strokeWidth=alt.value(1.3))
        title = f"{units.name(unit)}, follows {units.following.what[unit]}"
        panels.append(charts.panel(view, {"lines": charts.track_rows(paths)}, _LOW, zooms=True, title=title))
    legend = tuple(Key(f"{name} gate", colour) for name, colour in colours.items())
    return Figure(
        "unit_gates", "Gates of the units that matter", _gates_say(units, shown), tuple(panels), legend, columns=3
    )


SECTION: Section[System, UnitMap] = Section("units", measure=_units_of, figures=lambda units, _: unit_figures(units))
