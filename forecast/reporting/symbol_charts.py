"""The figures of symbols: how often they come, what they cost, what is taken for what, what comes after the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from forecast.reporting import marks
from forecast.reporting.marks import Figure, Key
from forecast.reporting.passage_charts import passage_figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reporting.marks import Panel, Values
    from forecast.reporting.sections import Roles
    from forecast.reporting.symbols import (
        AheadSection,
        ConfusionSection,
        CostSection,
        Matrix,
        ShareSection,
        StepProbabilities,
        SymbolSections,
    )

_ROW = 22
_DEEPEST = 0.55
"""Opacity behind a text that still stands out."""


def symbol_figures(sections: SymbolSections, roles: Roles) -> list[Figure]:
    """Draw every section that there is."""
    figures = [shares_figure(sections.shares)]
    if sections.passage is not None:
        figures.append(passage_figure(sections.passage, roles))
    if sections.costs is not None:
        figures.append(costs_figure(sections.costs, roles))
    if sections.confusions is not None and (sections.confusions.matrices or sections.confusions.pairs):
        figures.append(confusions_figure(sections.confusions))
    if sections.ahead is not None:
        figures.append(ahead_figure(sections.ahead, roles))
    return figures


def continuation_figure(text: str, roles: Roles) -> Figure:
    """Show a text that was drawn from the network."""
    says = (
        f"Drawn from {roles.network} symbol by symbol, each by its chance, and read as if it had come: one of many "
        f"ways in which the data might go on, not the likeliest."
    )
    return Figure("continuation", "It goes on like this", says, (), text=text)


def shares_figure(section: ShareSection) -> Figure:
    """Draw the shares of the most frequent symbols."""
    rows: Values = [
        {"text": text, "y": _percent(training), "x": _percent(test)}
        for text, training, test in zip(_distinct(section.symbols), section.training, section.test, strict=True)
    ]
    names, title = _names(), "% of all symbols"
    tips = [marks.tip("text", "symbol"), marks.tip("y", "training, %", ".3~g"), marks.tip("x", "test, %", ".3~g")]
    bars = marks.chart("rows").mark_bar(size=12)
    inks = {"training": LIGHT.other, "test (dot)": LIGHT.truth}
    bars = bars.encode(x=_across("y", title), y=names, color=marks.colour(inks), tooltip=tips)
    dots = marks.chart("rows").mark_point(filled=True, opacity=1, size=55)
    dots = dots.encode(x=_across("x", title), y=names, color=marks.colour(inks, "beside"), tooltip=tips)
    view = marks.layered(bars, dots)
    keys = tuple(Key(name, ink, area=True) for name, ink in inks.items())
    panel = marks.panel(view, {"rows": _coloured(rows, inks)}, _ROW * len(rows))
    return Figure("data", "The data and its split", section.says, (panel,), keys)


def costs_figure(section: CostSection, roles: Roles) -> Figure:
    """Draw the mean bits of the symbols that cost most, and what share of all bits each takes."""
    beside: Sequence[float | None] = section.baseline or [None] * len(section.symbols)
    columns = zip(_distinct(section.symbols), section.count, section.share, section.network, beside, strict=True)
    rows: Values = [
        {"text": text, "count": count, "share": _percent(share), "x": mine, "y": theirs}
        for text, count, share, mine, theirs in columns
    ]
    panels = (_dumbbells(rows, roles, paired=bool(section.baseline)), _bit_shares(rows, roles))
    keys = _role_keys(roles, paired=bool(section.baseline))
    return Figure("costs", "Which symbols cost most", section.says, panels, keys, columns=2)


def _dumbbells(rows: Values, roles: Roles, *, paired: bool) -> Panel:
    inks = _role_inks(roles, paired=paired)
    names, title = _names(), "bits a symbol, lower is better"
    tips = [marks.tip("text", "symbol"), marks.tip("count", "came", ",d"), marks.tip("x", roles.network, ".3~g")]
    tips += [marks.tip("y", str(roles.baseline), ".3~g")] if paired else []
    dots = marks.chart("rows").mark_point(filled=True, opacity=1, size=70)
    layers = [dots.encode(x=_across("x", title), y=names, color=marks.colour(inks), tooltip=tips)]
    if paired:
        bars = marks.chart("rows").mark_rule(color=LIGHT.rule, strokeWidth=2)
        dots = marks.chart("rows").mark_point(filled=True, opacity=1, size=45)
        dots = dots.encode(x=_across("y", title), y=names, color=marks.colour(inks, "beside"), tooltip=tips)
        layers = [bars.encode(x=_across("x", title), x2="y", y=names), dots, *layers]
    tables = {"rows": _coloured(rows, inks)}
    return marks.panel(marks.layered(*layers), tables, _ROW * len(rows), title="mean bits of each")


def _bit_shares(rows: Values, roles: Roles) -> Panel:
    tips = [marks.tip("text", "symbol"), marks.tip("count", "came", ",d"), marks.tip("share", "% of bits", ".3~g")]
    title = f"% of all bits of {shortened(roles.network)}"
    bars = marks.chart("rows").mark_bar(size=12, color=LIGHT.network)
    bars = bars.encode(x=_across("share", title), y=_names(), tooltip=tips)
    return marks.panel(bars, {"rows": rows}, _ROW * len(rows), title="what each takes in all")


def confusions_figure(section: ConfusionSection) -> Figure:
    """Draw a table of what came against the likeliest, or of a large alphabet the most frequent mistakes."""
    if not section.matrices:
        return Figure("confusions", "What is taken for what", section.says, (_mistakes(section),))
    panels = tuple(_matrix(one, section.symbols) for one in section.matrices)
    return Figure("confusions", "What came, and what was the likeliest", section.says, panels, columns=2)


def _matrix(matrix: Matrix, symbols: Sequence[str]) -> Panel:
    names = _distinct(symbols)
    rows: Values = [
        {
            "text": came,
            "of": likeliest,
            "y": _percent(share),
            "count": count,
            "z": f"{100 * share:.0f}" if count else "",
        }
        for came, shares, counts in zip(names, matrix.shares, matrix.count, strict=True)
        for likeliest, share, count in zip(names, shares, counts, strict=True)
    ]
    axis: dict[str, Any] = {"ticks": False, "domain": False, "grid": False, "labelOverlap": False}
    x = alt.X("of:N", title="likeliest", sort=None, axis=alt.Axis(labelAngle=0, orient="top", labelLimit=60, **axis))
    y = alt.Y("text:N", title="came", sort=None, axis=alt.Axis(labelLimit=110, **axis))
    tips = [
        marks.tip("text", "came"),
        marks.tip("of", "likeliest"),
        marks.tip("count", "times", ",d"),
        marks.tip("y", "% of what came", ".3~g"),
    ]
    depth = alt.Opacity("y:Q", legend=None, scale=alt.Scale(domain=[0, 100], range=[0, _DEEPEST]))
    cells = marks.chart("rows").mark_rect(color=LIGHT.network).encode(x=x, y=y, opacity=depth, tooltip=tips)
    texts = marks.chart("rows").mark_text(color=LIGHT.ink, fontSize=11).encode(x=x, y=y, text="z:N")
    height = max(26 * len(names), 110) + 40
    title = f"{matrix.model}: % of each row"
    return marks.panel(marks.layered(cells, texts), {"rows": rows}, height, title=title)


def _mistakes(section: ConfusionSection) -> Panel:
    rows: Values = [
        {"text": text, "y": pair.count, "x": _percent(pair.share), "came": pair.came, "of": pair.likeliest}
        for text, pair in zip(
            _distinct([f"{pair.came} → {pair.likeliest}" for pair in section.pairs]), section.pairs, strict=True
        )
    ]
    tips = [
        marks.tip("came", "came"),
        marks.tip("of", "likeliest"),
        marks.tip("y", "times", ",d"),
        marks.tip("x", "% of what came", ".3~g"),
    ]
    bars = marks.chart("rows").mark_bar(size=12, color=LIGHT.network)
    bars = bars.encode(x=_across("y", "times"), y=_names(), tooltip=tips)
    return marks.panel(bars, {"rows": rows}, _ROW * len(rows), title="what came → what was the likeliest")


def ahead_figure(section: AheadSection, roles: Roles) -> Figure:
    """Draw the chances of the likeliest symbols at each step after the data."""
    several = len(section.steps) > 1
    top = max(share for step in section.steps for share in (*step.network, *step.baseline))
    panels = tuple(_probabilities(step, roles, _percent(top), titled=several) for step in section.steps)
    keys = _role_keys(roles, paired=bool(section.steps[0].baseline))
    return Figure("future", "What comes after the data", section.says, panels, keys, columns=3 if several else 1)


def _probabilities(step: StepProbabilities, roles: Roles, top: float, *, titled: bool) -> Panel:
    inks = _role_inks(roles, paired=bool(step.baseline))
    beside: Sequence[float | None] = [_percent(share) for share in step.baseline] or [None] * len(step.symbols)
    rows: Values = [
        {"text": text, "y": _percent(mine), "x": theirs}
        for text, mine, theirs in zip(_distinct(step.symbols), step.network, beside, strict=True)
    ]
    scale = alt.Scale(domain=[0, top])
    tips = [marks.tip("text", "symbol"), marks.tip("y", f"{roles.network}, %", ".3~g")]
    tips += [marks.tip("x", f"{roles.baseline}, %", ".3~g")] if step.baseline else []
    bars = marks.chart("rows").mark_bar(size=12)
    bars = bars.encode(x=_across("y", "% likely", scale), y=_names(), color=marks.colour(inks), tooltip=tips)
    layers = [bars]
    if step.baseline:
        dots = marks.chart("rows").mark_point(filled=True, opacity=1, size=55)
        layers.append(
            dots.encode(x=_across("x", "% likely", scale), y=_names(), color=marks.colour(inks, "beside"), tooltip=tips)
        )
    title = f"{counted(step.step, 'step')} ahead" if titled else None
    return marks.panel(marks.layered(*layers), {"rows": _coloured(rows, inks)}, _ROW * len(rows), title=title)


def _role_inks(roles: Roles, *, paired: bool) -> dict[str, str]:
    """Colours of network and, where it is drawn, baseline."""
    colours = marks.role_colours(roles)
    return {name: colours[name] for name in (roles.named() if paired else (roles.network,))}


def _role_keys(roles: Roles, *, paired: bool) -> tuple[Key, ...]:
    return tuple(Key(name, ink, area=True) for name, ink in _role_inks(roles, paired=paired).items())


def _coloured(rows: Values, inks: Mapping[str, str]) -> Values:
    """Name in each row what its two marks are, `of` the first and `beside` the second, for `marks.colour`."""
    first, *others = inks
    return [{**row, "of": first, "beside": others[0] if others else None} for row in rows]


def _names() -> alt.Y:
    """Symbols below each other, in the order of the table."""
    axis = alt.Axis(ticks=False, domain=False, grid=False, labelOverlap=False, labelLimit=110, labelColor=LIGHT.ink)
    return alt.Y("text:N", title=None, sort=None, axis=axis)


def _across(field: str, title: str, scale: alt.Scale | None = None) -> alt.X:
    return alt.X(f"{field}:Q", title=title, scale=scale or alt.Scale(zero=True), axis=alt.Axis(tickCount=5))


def _distinct(texts: Sequence[str]) -> list[str]:
    """Tell symbols apart that are written alike.

    >>> _distinct(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    seen: dict[str, int] = {}
    told = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        told.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return told


def _percent(share: float) -> float:
    return round(100 * share, 3)
