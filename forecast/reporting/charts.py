"""Chart primitives: panels and figures, axes, lines and legends.

A figure is one or several panels (single Vega-Lite views that take any width). A page lays the panels out in a grid and
a picture puts them side by side; neither changes what is in them. Fields of the data have fixed one-word names (`t`,
`y`, `of`), so that no name from a user's file is ever read as a path or an expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import altair as alt

from forecast.reporting.theme import LIGHT
from forecast.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from forecast.reporting.lines import Clock, Line
    from forecast.reporting.material import Roles

TRUTH = "truth"
_NOTHING = 0.02
"""Share of the values that a value axis has to span, or it says so."""
_DATES = {
    "year": "%Y",
    "quarter": "%b %Y",
    "month": "%b %Y",
    "week": "%-d %b",
    "date": "%-d %b",
    "day": "%-d %b",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": ".%L s",
}
View: TypeAlias = "alt.Chart | alt.LayerChart"
Values: TypeAlias = "list[dict[str, Any]]"


@dataclass(frozen=True)
class Key:
    """An entry of a legend: what is drawn in which colour and opacity (`strength`), as a line or as an area."""

    label: str
    colour: str
    area: bool = False
    strength: float = 1.0


@dataclass(frozen=True)
class Panel:
    """One view in Vega-Lite, without a width, and the tables that it draws by name.

    `height` is in pixels; a panel zooms where its x axis is time, and is `cut` where lines leave its value axis. A
    `note` under its title says how to read it.
    """

    spec: dict[str, Any]
    tables: dict[str, Values]
    height: int
    zooms: bool = False
    title: str | None = None
    cut: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Shaded:
    """A piece of a text that the page writes in the shade `level`, with a `tip` for the pointer.

    A `pill` stands apart from its neighbours; a piece that `breaks` ends its line; steps are left out before one
    `after_gap`.
    """

    text: str
    tip: str
    level: int
    pill: bool
    breaks: bool
    after_gap: bool


@dataclass(frozen=True)
class Figure:
    """A figure of the page under its own heading.

    Attributes
    ----------
    name : of its picture's file
    says : the sentences under its heading
    keys : its legend
    columns : how many panels stand side by side where there is room
    tokens, text : what the page writes in the place of the panels; a picture is of the panels, if there are any

    """

    name: str
    title: str
    says: str
    panels: tuple[Panel, ...]
    keys: tuple[Key, ...] = ()
    columns: int = 1
    tokens: tuple[Shaded, ...] = ()
    text: str | None = None


def panel(
    view: View,
    tables: dict[str, Values],
    height: int,
    *,
    zooms: bool = False,
    title: str | None = None,
    cut: bool = False,
    note: str | None = None,
) -> Panel:
    """Make a panel of an Altair chart and its tables."""
    # The tables stay outside: Altair would copy and check every row of them several times, which costs seconds.
    return Panel(specification(view, height), tables, height, zooms, title, cut, note)


def specification(view: View, height: int) -> dict[str, Any]:
    """Return an Altair chart as Vega-Lite, without what all charts of a page share."""
    spec: dict[str, Any] = view.properties(height=height).to_dict(validate=False)
    for unwanted in ("$schema", "config"):
        spec.pop(unwanted, None)
    return spec


def with_axis(spec: dict[str, Any], title: str | None, limits: tuple[float, float]) -> dict[str, Any]:
    """Give the value axis of all layers that have one this title and these limits."""
    named = {"title": None if title is None else shortened(title, 40)}

    def on_axis(layer: dict[str, Any]) -> dict[str, Any]:
        y = layer["encoding"].get("y")
        if y is None:
            return layer
        y = {**y, **named, "scale": {**y["scale"], "domain": list(limits), "nice": False}}
        return {**layer, "encoding": {**layer["encoding"], "y": y}}

    return {**spec, "layer": [on_axis(layer) for layer in spec["layer"]]}


def layered(*views: alt.Chart) -> alt.LayerChart:
    """Lay views over each other, the last on top."""
    return alt.LayerChart(layer=list(views))


def chart(table: str) -> alt.Chart:
    """Begin a chart on a table of the panel."""
    return alt.Chart(alt.NamedData(name=table))


def time_axis(clock: Clock) -> alt.X:
    """Return the time axis of field `t`."""
    if clock.kind == "date":
        # Wall-clock times of the data: drawn in UTC, lest the reader's own time zone move them.
        return alt.X("t:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=alt.Axis(format=_DATES))
    return alt.X(
        "t:Q", title="step", scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(format=",d", tickMinStep=1)
    )


def stretched_note(low: float, high: float) -> str | None:
    """Say that a value axis from `low` to `high` spans next to nothing of the values; None where it does not.

    >>> stretched_note(99.9, 100.1), stretched_note(0.0, 1.0)
    ('This axis spans 0.2 % of the values: differences look larger than they are.', None)
    """
    size = max(abs(low), abs(high))
    if high == low or high - low >= _NOTHING * size:
        return None
    return f"This axis spans {100 * (high - low) / size:.1g} % of the values: differences look larger than they are."


def value_axis(title: str | None, field: str = "y") -> alt.Y:
    """Return the value axis of a field, its title lying above it; `with_axis` gives it limits."""
    return alt.Y(f"{field}:Q", title=None if title is None else shortened(title, 40), scale=alt.Scale(zero=False))


def share_axis(title: str) -> alt.X:
    """Return the axis of columns that stand side by side from 0 to 100 %, each from field `from`."""
    return alt.X(
        "from:Q",
        bin="binned",
        title=title,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".0%"),
    )


def whole_number_axis(title: str) -> alt.X:
    """Return an axis of whole numbers, such as steps and epochs, of field `t`."""
    axis = alt.Axis(tickMinStep=1, format="d")
    return alt.X("t:Q", title=title, scale=alt.Scale(nice=False, zero=False), axis=axis)


def symbol_axis() -> alt.Y:
    """Return the axis of symbols below each other, in the order of the table, of field `text`."""
    axis = alt.Axis(ticks=False, domain=False, grid=False, labelOverlap=False, labelLimit=110, labelColor=LIGHT.ink)
    return alt.Y("text:N", title=None, sort=None, axis=axis)


def bar_axis(field: str, title: str, scale: alt.Scale | None = None) -> alt.X:
    """Return the axis of bars that lie on their sides."""
    return alt.X(f"{field}:Q", title=title, scale=scale or alt.Scale(zero=True), axis=alt.Axis(tickCount=5))


def tip(field: str, title: str, written: str | None = None) -> alt.Tooltip:
    """Return a line of a tooltip; `written` is a d3 number format."""
    if written is None:
        return alt.Tooltip(f"{field}:N", title=title)
    return alt.Tooltip(f"{field}:Q", title=title, format=written)


def track_rows(tracks: Sequence[tuple[str, Line]]) -> Values:
    """Return the table of named lines, the last to be drawn on top."""
    return [{"t": t, "y": y, "of": name} for name, line in tracks for t, y in zip(line.t, line.y, strict=True)]


def lines(table: str, clock: Clock) -> alt.Chart:
    """Draw a table of `track_rows` over time, with a tooltip on each point."""
    tips = [
        tip("of", "line"),
        tip("when", "time" if clock.kind == "date" else "step"),
        tip("y", "value", ",.5~g"),
    ]
    base = chart(table).transform_calculate(when=written_time(clock)).mark_line(clip=True, point=touchable())
    drawn: alt.Chart = base.encode(x=time_axis(clock), detail="of:N", tooltip=tips)
    return drawn


def written_time(clock: Clock) -> str:
    """Return the expression that writes field `t` for a tooltip."""
    return f"utcFormat(datum.t, '{clock.format}')" if clock.kind == "date" else "format(datum.t, ',d')"


def touchable(*, seen: bool = False) -> alt.OverlayMarkDef:
    """Return points on a line for the pointer to find, invisible unless a line has nothing else to show."""
    return alt.OverlayMarkDef(size=50, opacity=1 if seen else 0)


def rule(table: str, *, dashed: bool = True) -> alt.Chart:
    """Draw thin straight lines."""
    drawn: alt.Chart = chart(table).mark_rule(color=LIGHT.quiet, strokeDash=[3, 3] if dashed else [1, 0], strokeWidth=1)
    return drawn


def colour(names: Mapping[str, str], field: str = "of") -> alt.Color:
    """Give each name its colour, in the order in which the legend lists them."""
    scale = alt.Scale(domain=list(names), range=list(names.values()))
    return alt.Color(f"{field}:N", scale=scale)


def stroke_widths(roles: Roles) -> dict[str, float]:
    """Return the strokes of truth, network and baseline; the baseline's is thin, to lie on a network that equals it."""
    strokes = {TRUTH: 1.4, roles.network: 3.0}
    if roles.recommended is not None:
        strokes[roles.recommended] = 3.0
    if roles.baseline is not None:
        strokes[roles.baseline] = 1.5
    return strokes


def role_colours(roles: Roles) -> dict[str, str]:
    """Return the colours of truth, network and baseline, and of the recommended model where it is neither."""
    colours = {TRUTH: LIGHT.truth, roles.network: LIGHT.network}
    if roles.recommended is not None:
        colours.setdefault(roles.recommended, LIGHT.recommended)
    if roles.baseline is not None:
        colours[roles.baseline] = LIGHT.baseline
    return colours


def role_keys(roles: Roles, shown: Container[str]) -> tuple[Key, ...]:
    """Return the legend of the models that have a colour, as far as they are `shown`."""
    return tuple(key for key in keys(role_colours(roles)) if key.label in shown)


def keys(colours: Mapping[str, str]) -> tuple[Key, ...]:
    """Return the legend of lines in these colours."""
    return tuple(Key(label, colour) for label, colour in colours.items())


def model_inks(roles: Roles, *, paired: bool) -> dict[str, str]:
    """Return the colours of the network and, where it is drawn beside it, of the baseline."""
    colours = role_colours(roles)
    return {name: colours[name] for name in (roles.named() if paired else (roles.network,))}


def area_keys(inks: Mapping[str, str]) -> tuple[Key, ...]:
    """Return the legend of bars and dots in these colours."""
    return tuple(Key(name, ink, area=True) for name, ink in inks.items())


def paired_rows(rows: Values, inks: Mapping[str, str]) -> Values:
    """Name in each row what its two marks are, `of` the first and `beside` the second, for `colour`."""
    first, *others = inks
    return [{**row, "of": first, "beside": others[0] if others else None} for row in rows]


def distinct(texts: Sequence[str]) -> list[str]:
    """Number symbols that are written alike, so that each has a row of its own.

    >>> distinct(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    seen: dict[str, int] = {}
    labels = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        labels.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return labels


def in_percent(share: float) -> float:
    """Return a share from 0 to 1 as a percentage for a chart."""
    return round(100 * share, 3)


def spread_apart(places: Sequence[float], apart: float, height: float) -> list[float]:
    """Move places on a line (pixels from its start) so that neighbours are `apart`, each as little as may be.

    >>> spread_apart([10, 12, 90], 10, 100)
    [6.0, 16.0, 90.0]
    """
    groups: list[tuple[list[int], float]] = []  # (indices, start of the first)
    for i in sorted(range(len(places)), key=lambda i: places[i]):
        members, start = [i], float(places[i])
        # Labels that touch become one block, centred over where its members want to be.
        while groups and groups[-1][1] + len(groups[-1][0]) * apart > start:
            members = groups.pop()[0] + members
            centre = sum(places[j] for j in members) / len(members)
            start = centre - (len(members) - 1) / 2 * apart
            start = min(max(start, 0.0), max(height - (len(members) - 1) * apart, 0.0))
        groups.append((members, start))
    result = [0.0] * len(places)
    for members, start in groups:
        for k, i in enumerate(members):
            result[i] = start + k * apart
    return result
