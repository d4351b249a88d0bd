"""The figure of calibration: coverage against nominal, and the histogram of PIT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from forecast.reporting import marks
from forecast.reporting.fans import percent
from forecast.reporting.marks import Figure, Key
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from forecast.reporting.marks import Panel, Values
    from forecast.reporting.sections import Roles
    from forecast.reporting.uncertainty import CalibrationSection

_HEIGHT = 240
_OTHERS = "other models"


def calibration_figure(section: CalibrationSection, roles: Roles) -> Figure:
    """Draw whether intervals hold what they should."""
    panels = (_coverage(section, roles), *([_pit(section, roles)] if section.pit else []))
    models = {one.model for one in section.models}
    keys = tuple(key for key in marks.keys(marks.role_colours(roles)) if key.label in models)
    others = (Key(_OTHERS, LIGHT.other),) if models - set(roles.named()) else ()
    return Figure("calibration", "How sure the forecasts are", section.says, panels, (*keys, *others), columns=2)


def _coverage(section: CalibrationSection, roles: Roles) -> Panel:
    colours, strokes = marks.role_colours(roles), marks.widths(roles)
    # What is drawn last lies on top, and that is to be what has a colour.
    models = sorted(section.models, key=lambda one: (one.model in colours, one.model == roles.network))
    rows: Values = [
        {
            "x": round(100 * share, 4),
            "y": round(100 * held, 4),
            "of": one.model,
            "at": f"{wide:.4g}",
            "ink": one.model if one.model in colours else _OTHERS,
            "wide": strokes.get(one.model, 1.1),
        }
        for one in models
        for share, held, wide in zip(section.nominal, one.coverage, one.width, strict=True)
        if held is not None and wide is not None
    ]
    left = _floor(100 * min(section.nominal))
    bottom = min([left, *(_floor(row["y"]) for row in rows)])
    ticks = [round(100 * share, 4) for share in section.nominal]
    x = alt.X(
        "x:Q",
        title="% that they should hold",
        scale=alt.Scale(domain=[left, 100], nice=False),
        axis=alt.Axis(values=ticks, labelOverlap=False),
    )
    y = alt.Y("y:Q", title="% that they hold", scale=alt.Scale(domain=[bottom, 100], nice=False))
    inks = {_OTHERS: LIGHT.other} | colours
    ink = marks.colour({name: inks[name] for name in dict.fromkeys(row["ink"] for row in reversed(rows))}, field="ink")
    tips = [
        marks.tip("of", "model"),
        marks.tip("x", "should hold, %", ".3~g"),
        marks.tip("y", "holds, %", ".3~g"),
        marks.tip("at", "mean width"),
    ]
    paths = marks.chart("dots").mark_line()
    paths = paths.encode(x=x, y=y, detail="of:N", color=ink, strokeWidth=alt.StrokeWidth("wide:Q", scale=None))
    dots = marks.chart("dots").mark_point(filled=True, opacity=1, size=45).encode(x=x, y=y, color=ink, tooltip=tips)
    diagonal = marks.chart("diagonal").mark_line(color=LIGHT.truth, strokeWidth=1.2, strokeDash=[4, 3])
    ends: Values = [{"x": left, "y": left}, {"x": 100, "y": 100}]
    view = marks.layered(diagonal.encode(x=x, y=y), paths, dots)
    note = "On the dashed line intervals hold what they should; below it they are too narrow, above it too wide."
    tables = {"dots": rows, "diagonal": ends}
    return marks.panel(view, tables, _HEIGHT, title="what intervals hold, and what they should", note=note)


def _floor(percent: float) -> int:
    """Go down to a whole ten, a little below where the lowest point is near it."""
    return max(0, 10 * int((percent - 5) / 10))


def _pit(section: CalibrationSection, roles: Roles) -> Panel:
    parts = len(section.pit)
    rows: Values = [
        {"from": i / parts, "to": (i + 1) / parts, "y": round(100 * share, 4), "of": f"{i + 1} of {parts}"}
        for i, share in enumerate(section.pit)
    ]
    tips = [marks.tip("of", "part of the forecast"), marks.tip("y", "of what came, %", ".3~g")]
    x = marks.share_axis("from the lower end of the forecast to its upper")
    y = alt.Y("y:Q", title="% of what came", scale=alt.Scale(zero=True))
    bars = marks.chart("bars").mark_bar(color=LIGHT.network, binSpacing=1.5).encode(x=x, x2="to", y=y, tooltip=tips)
    right = marks.chart("right").mark_rule(color=LIGHT.truth, strokeDash=[4, 3], strokeWidth=1.2).encode(y="y:Q")
    tables: dict[str, Values] = {"bars": rows, "right": [{"y": 100 / parts}]}
    note = (
        f"What {roles.network} forecasts, cut into {parts} parts that should each hold {percent(1 / parts)} of what "
        f"came, the dashed line: tall ends mean too narrow, a tall middle too wide, a slope that it lies to one side."
    )
    title = "where in its forecast the truth came to lie (PIT)"
    return marks.panel(marks.layered(bars, right), tables, _HEIGHT, title=title, note=note)
