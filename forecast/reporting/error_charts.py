"""The figures of errors: over the horizon, over the epochs, over time, and against a copy of the last value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from forecast.reporting import marks
from forecast.reporting.marks import Figure, Key
from forecast.reporting.theme import LIGHT
from forecast.wording import shortened

if TYPE_CHECKING:
    from forecast.reporting.diagnostics import (
        CopySection,
        LearningSection,
        PenaltySection,
        ResidualSection,
        StepSection,
    )
    from forecast.reporting.lines import Clock
    from forecast.reporting.marks import Panel, Values
    from forecast.reporting.sections import Roles

_TALL, _LOW = 260, 180
_LABEL_HEIGHT = 13
_CAME, _LAST, _OTHER = "what came (0)", "last known value (1)", "another step"


def steps_figure(section: StepSection, roles: Roles) -> Figure:
    """Draw the error of every model over the horizon, each named at the right end of its line."""
    colours = {m.model: LIGHT.other for m in section.models} | marks.role_colours(roles)
    named = roles.named()
    # What is drawn last lies on top, and that is to be what has a colour.
    models = sorted(section.models, key=lambda m: named.index(m.model) if m.model in named else -1)
    tables: dict[str, Values] = {"above": [], "lines": []}
    for m in models:
        wide = marks.widths(roles).get(m.model, 1.1)
        rows = [
            {"t": step, "y": error, "of": m.model, "ink": colours[m.model], "wide": wide}
            for step, error in zip(section.steps, m.errors, strict=True)
        ]
        tables["above" if any(e is not None and e > section.top for e in m.errors) else "lines"] += rows
    tables["labels"] = _end_labels(section, colours, named)
    labels = marks.chart("labels").mark_text(align="left", dx=8, fontSize=11)
    labels = labels.encode(
        x=alt.value("width"),
        y=alt.Y("at:Q", scale=None, axis=None),
        text="of:N",
        color=alt.Color("ink:N", scale=None),
    )
    layers = [_step_lines(section, table) for table in ("above", "lines") if tables[table]]
    panel = marks.panel(marks.layered(*layers, labels), tables, _TALL, cut=True)
    return Figure("error_by_step", "Error by horizon step", section.says, (panel,))


def _step_lines(section: StepSection, table: str) -> alt.Chart:
    tips = [marks.tip("of", "model"), marks.tip("t", "steps ahead", "d"), marks.tip("y", section.metric, ".4~g")]
    # Only lines that leave the picture are clipped: each clipped line costs a tenth of a second in a PNG.
    drawn: alt.Chart = marks.chart(table).mark_line(
        point=marks.touchable(seen=len(section.steps) == 1), clip=table == "above"
    )
    return drawn.encode(
        x=_whole_numbers("steps ahead"),
        y=alt.Y("y:Q", title=section.metric, scale=alt.Scale(domain=[section.bottom, section.top], nice=False)),
        detail="of:N",
        color=alt.Color("ink:N", scale=None),
        strokeWidth=alt.StrokeWidth("wide:Q", scale=None),
        tooltip=tips,
    )


def _end_labels(section: StepSection, colours: dict[str, str], named: tuple[str, ...]) -> Values:
    ends = [(m.model, m.errors[-1]) for m in section.models]
    inside = [(model, error) for model, error in ends if error is not None and error <= section.top]
    span = section.top - section.bottom
    places = marks.spread([_TALL * (section.top - error) / span for _, error in inside], _LABEL_HEIGHT, _TALL)
    return [
        {"at": round(place, 1), "of": shortened(model, 22), "ink": colours[model] if model in named else LIGHT.quiet}
        for (model, _), place in zip(inside, places, strict=True)
    ]


def _whole_numbers(title: str) -> alt.X:
    axis = alt.Axis(tickMinStep=1, format="d")
    return alt.X("t:Q", title=title, scale=alt.Scale(nice=False, zero=False), axis=axis)


def learning_figure(section: LearningSection) -> Figure:
    """Draw training and validation loss over the epochs, the chosen one marked."""
    colours = {"training loss": LIGHT.truth, "validation loss": LIGHT.network}
    rows = [
        {"t": epoch, "y": loss, "of": name}
        for name, losses in (("training loss", section.train), ("validation loss", section.validation))
        for epoch, loss in zip(section.epochs, losses, strict=True)
    ]
    x = _whole_numbers("epoch")
    scale = alt.Scale(type="log" if section.logarithmic else "linear", zero=False)
    y = alt.Y("y:Q", title=section.unit, scale=scale, axis=alt.Axis(format=".3~g"))
    tips = [marks.tip("of", "loss"), marks.tip("t", "epoch", "d"), marks.tip("y", "value", ".4~g")]
    paths = marks.chart("lines").mark_line(point=marks.touchable(seen=len(section.epochs) == 1))
    paths = paths.encode(x=x, y=y, color=marks.colour(colours), tooltip=tips)
    view: marks.View = paths
    tables: dict[str, Values] = {"lines": rows}
    if section.chosen is not None:
        late = section.chosen > (section.epochs[0] + section.epochs[-1]) / 2
        text = marks.chart("chosen").mark_text(
            align="right" if late else "left",
            dy=-4,
            baseline="bottom",
            color=LIGHT.quiet,
            fontSize=11,
        )
        view = marks.layered(marks.rule("chosen").encode(x=x), text.encode(x=x, y=alt.value(0), text="of:N"), paths)
        tables["chosen"] = [{"t": section.chosen, "of": f"epoch {section.chosen} kept"}]
    return Figure(
        "learning_curve", "Learning curve", section.says, (marks.panel(view, tables, 220),), marks.keys(colours)
    )


def penalty_figure(section: PenaltySection) -> Figure:
    """Draw training and validation loss over the penalties, the kept one marked."""
    colours = {"training loss": LIGHT.truth, "validation loss": LIGHT.network}
    rows = [
        {"t": penalty, "y": loss, "of": name}
        for name, losses in (("training loss", section.train), ("validation loss", section.validation))
        for penalty, loss in zip(section.penalties, losses, strict=True)
    ]
    axis = alt.Axis(format="~g", values=list(section.penalties), labelOverlap=True)
    x = alt.X("t:Q", title="penalty", scale=alt.Scale(type="log", nice=False), axis=axis)
    scale = alt.Scale(type="log" if section.logarithmic else "linear", zero=False)
    y = alt.Y("y:Q", title="mean squared error", scale=scale, axis=alt.Axis(format=".3~g"))
    tips = [marks.tip("of", "loss"), marks.tip("t", "penalty", "~g"), marks.tip("y", "value", ".4~g")]
    paths = marks.chart("lines").mark_line(point=marks.touchable(seen=True))
    paths = paths.encode(x=x, y=y, color=marks.colour(colours), tooltip=tips)
    late = section.chosen**2 > section.penalties[0] * section.penalties[-1]
    text = marks.chart("chosen").mark_text(
        align="right" if late else "left", dy=-4, baseline="bottom", color=LIGHT.quiet, fontSize=11
    )
    view = marks.layered(marks.rule("chosen").encode(x=x), text.encode(x=x, y=alt.value(0), text="of:N"), paths)
    tables: dict[str, Values] = {"lines": rows, "chosen": [{"t": section.chosen, "of": f"{section.chosen:g} kept"}]}
    return Figure("penalties", "Penalty", section.says, (marks.panel(view, tables, 220),), marks.keys(colours))


def residuals_figure(section: ResidualSection, clock: Clock, model: str) -> Figure:
    """Draw the errors over time, how they are spread, and how they hang together."""
    path = marks.lines("lines", clock)
    path = path.encode(y=marks.value_axis(None), color=alt.value(LIGHT.network), strokeWidth=alt.value(1))
    over_time = marks.layered(marks.rule("zero", dashed=False).encode(y="y:Q"), path)
    tables = {"lines": marks.track_rows([("error", section.over_time)]), "zero": [{"y": 0}]}
    panels = (
        marks.panel(over_time, tables, _LOW, zooms=True, title="over time"),
        _histogram(section),
        _correlogram(section),
    )
    return Figure("residuals", f"What {model} misses", section.says, panels, columns=3)


def _histogram(section: ResidualSection) -> Panel:
    bars = section.histogram
    rows = [
        {"from": low, "to": high, "count": count}
        for low, high, count in zip(bars.edges[:-1], bars.edges[1:], bars.counts, strict=True)
    ]
    tips = [marks.tip("from", "from", ".3~g"), marks.tip("to", "to", ".3~g"), marks.tip("count", "origins", "d")]
    columns = (
        marks.chart("bars")
        .mark_bar(color=LIGHT.network, binSpacing=1)
        .encode(
            x=alt.X("from:Q", bin="binned", title="error", scale=alt.Scale(zero=False)),
            x2="to",
            y=alt.Y("count:Q", title=None, axis=alt.Axis(format="d", tickMinStep=1)),
            tooltip=tips,
        )
    )
    return marks.panel(columns, {"bars": rows}, _LOW, title="how often, in origins")


def _correlogram(section: ResidualSection) -> Panel:
    rows = [{"t": lag, "y": r} for lag, r in enumerate(section.correlation, start=1)]
    reach = min(1.0, max(0.35, section.band * 1.2, *(abs(r or 0.0) * 1.1 for r in section.correlation)))
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    x = alt.X("t:Q", title="lag in origins", scale=alt.Scale(domain=[0, len(rows) + 1], nice=False))
    tips = [marks.tip("t", "lag", "d"), marks.tip("y", "autocorrelation", ".2f")]
    stems = marks.chart("stems").mark_bar(color=LIGHT.network, size=3)
    stems = stems.encode(x=x, y=alt.Y("y:Q", title=None, scale=scale), tooltip=tips)
    band = marks.chart("band").mark_rect(color=LIGHT.grid)
    shade = band.encode(y=alt.Y("low:Q", title=None, scale=scale), y2="high")
    zero = marks.rule("zero", dashed=False).encode(y="y:Q")
    tables: dict[str, Values] = {
        "stems": rows,
        "band": [{"low": -section.band, "high": section.band}],
        "zero": [{"y": 0}],
    }
    return marks.panel(marks.layered(shade, zero, stems), tables, _LOW, title="autocorrelation (grey: chance)")


def copy_figure(section: CopySection) -> Figure:
    """Draw how near the forecast lies to the truth some steps back, and forecast against true changes."""
    colours = {_CAME: LIGHT.truth, _LAST: LIGHT.baseline, _OTHER: LIGHT.other}
    named = {0: _CAME, 1: _LAST}
    rows = [
        {"t": shift, "y": distance, "of": named.get(shift, _OTHER)}
        for shift, distance in zip(section.shifts, section.distances, strict=True)
    ]
    bars = (
        marks.chart("bars")
        .mark_bar(size=14)
        .encode(
            x=alt.X("t:O", title="steps back from the step that was forecast", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("y:Q", title=None),
            color=marks.colour(colours),
            tooltip=[marks.tip("t", "steps back", "d"), marks.tip("y", "mean distance", ".4~g")],
        )
    )
    panels = (
        marks.panel(bars, {"bars": rows}, _LOW, title="mean distance between forecast and truth"),
        _changes(section),
    )
    legend = tuple(Key(label, colour, area=True) for label, colour in colours.items())
    return Figure("copy_test", "Is it a copy of the last value?", section.says, panels, legend, columns=2)


def _changes(section: CopySection) -> Panel:
    rows = [
        {"x": true, "y": made}
        for true, made in zip(section.true_changes, section.forecast_changes, strict=True)
        if true is not None and made is not None
    ]
    reach = max((abs(row["x"]) for row in rows), default=0.0) or 1.0
    scale = alt.Scale(domain=[-reach * 1.05, reach * 1.05], nice=False)
    x = alt.X("x:Q", title="true change to the next step", scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=None, scale=scale)
    tips = [marks.tip("x", "true change", ".3~g"), marks.tip("y", "forecast change", ".3~g")]
    dots = marks.chart("dots").mark_point(color=LIGHT.network, filled=True, size=22, opacity=0.5, clip=True)
    diagonal = marks.chart("diagonal").mark_line(color=LIGHT.truth, strokeWidth=1.5)
    copied = marks.rule("zero", dashed=False).encode(y="y:Q", color=alt.value(LIGHT.baseline), size=alt.value(1.5))
    view = marks.layered(copied, diagonal.encode(x=x, y=y), dots.encode(x=x, y=y, tooltip=tips))
    ends: Values = [{"x": -reach, "y": -reach}, {"x": reach, "y": reach}]
    tables: dict[str, Values] = {"dots": rows, "diagonal": ends, "zero": [{"y": 0}]}
    return marks.panel(view, tables, _LOW, title="forecast change (up) against true change")
