"""The page of a network on symbols: how far back it remembers, which units matter, and a text in their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.reporting import charts as marks
from forecast.reporting.characters import written
from forecast.reporting.charts import Figure, Key
from forecast.reporting.lines import rounded
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.memory import Fall
    from forecast.inspection.symbols import SymbolMemory, SymbolProbe
    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array

LEFT_OUT = (
    "Symbols have no size: sections on sine waves, smoothing, constants, impulses and noise are for series of numbers, "
    "and are left out."
)
CUT = (
    "Where its past is cut off the network begins from a zero state amid the series, as it seldom did in training: "
    "part of what is lost with the last few symbols alone is that."
)
_TEXT, _COLUMNS, _ROW = 600, 46, 22
_BARS, _COLOURED, _ENDS = 12, 4, 6
_SPREADS = 2.0
"""Standard deviations at which a colour is full."""

_MOVES = 1e-3
"""Standard deviation of a unit that does something."""

_LONGEST = 16
"""Letters of a symbol."""


def headline(found: SymbolProbe, name: str, series: str) -> str:
    """The memory length, in symbols."""
    cut, memory = found.memory.cut, found.memory
    worth = f"all before the last symbol is worth {number(max(float(memory.bits[0]) - memory.whole, 0.0), 3)} bits"
    if cut.length is None:
        return f"{name} on {series} remembers more than {counted(cut.walked, 'symbol')}; {worth}"
    if cut.length == 0:
        return f"{name} on {series} remembers nothing before the last symbol that makes its forecasts better"
    return f"{name} on {series} remembers {counted(cut.length, 'symbol')}; {worth}"


def sentences(found: SymbolProbe) -> tuple[str, ...]:
    """One sentence a topic."""
    return (memory_says(found.memory), units_say(found), effects_say(found))


def memory_says(memory: SymbolMemory) -> str:
    """Say what cutting the past off costs, and how far gradients reach."""
    return (
        f"The next symbol costs {number(memory.base, 3)} bits by the base rates, {number(float(memory.bits[0]), 3)} "
        f"where the last symbol alone is read and {number(memory.whole, 3)} with the whole past "
        f"({counted(memory.origins, 'forecast')}). What is lost with the past has fallen to 1/e {_where(memory.cut)}, "
        f"the slope of the forecast with respect to what was read {_where(memory.gradient)}."
    )


def _where(fall: Fall) -> str:
    if fall.length is None:
        return f"not within {counted(fall.walked, 'symbol')}"
    return f"{counted(fall.length, 'symbol')} back" if fall.length else "at once"


def units_say(found: SymbolProbe) -> str:
    """Say which units hold what was before the symbol just read."""
    units = found.units
    longest = longest_holding(found)
    by_symbol = int((units.explained > 0.5).sum())
    says = (
        f"Of {counted(len(units.layer), 'unit')} {by_symbol} follow mostly the symbol just read (it explains more than "
        f"half of their variance)."
    )
    if longest is None:
        return says
    return (
        f"{says} {units.name(longest).capitalize()} holds what it has longest among those that do "
        f"not: {counted(int(units.holds[longest]), 'step')} until its autocorrelation is 1/e."
    )


def effects_say(found: SymbolProbe) -> str:
    """Say which units matter most."""
    units = found.units
    told = ", ".join(f"{units.name(int(i))} ({number(float(units.added[i]), 2)})" for i in units.order[:3])
    return (
        f"Switched off one by one (held at their means where the forecast reads them), these cost most bits a symbol: "
        f"{told}; all at once {number(units.bits_without_any - units.bits, 3)}."
    )


def longest_holding(found: SymbolProbe) -> int | None:
    """Find the unit that holds longest among those that follow more than the symbol just read; None: all follow it."""
    units = found.units
    holds = np.where((units.explained <= 0.5) & (units.outputs.std(axis=0) > _MOVES), units.holds, -1)
    return int(np.argmax(holds)) if holds.max() > 0 else None


def symbol_figures(found: SymbolProbe) -> tuple[Figure, ...]:
    """Draw every section."""
    shown = [int(i) for i in found.units.order[:_COLOURED]]
    longest = longest_holding(found)
    shown = shown if longest is None or longest in shown else [*shown, longest]
    return (
        _memory_figure(found),
        _units_figure(found),
        _effects_figure(found),
        _text_figure(found, shown),
        _responses_figure(found, shown),
    )


def _memory_figure(found: SymbolProbe) -> Figure:
    memory = found.memory
    whole = rounded(np.array([memory.whole]))[0]
    bits = marks.layered(marks.rule("whole").encode(y="y:Q"), _line("bits", "last symbols read", zero=False))
    panels = (
        marks.panel(
            bits,
            {"bits": _points(memory.cut.lags + 1, memory.bits), "whole": [{"y": whole}]},
            200,
            title="bits a symbol, where only the last ones are read (dashed: all)",
        ),
        marks.panel(
            _line("slope", "which symbol, from the last one on"),
            {"slope": _points(memory.gradient.lags + 1, memory.gradient.values)},
            200,
            title="slope of the forecast with respect to what was read",
        ),
    )
    return Figure("memory", "How far back it remembers", memory_says(memory), panels, columns=2)


def _points(x: Array, y: Array) -> Values:
    return [{"x": at, "y": value} for at, value in zip(x.tolist(), rounded(y), strict=True)]


def _line(table: str, title: str, *, zero: bool = True) -> alt.Chart:
    tips = [marks.tip("x", title, ",d"), marks.tip("y", "value", ".4~g")]
    y = alt.Y("y:Q", title=None, scale=alt.Scale(zero=zero))
    x = alt.X("x:Q", title=title, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(type="log", nice=False))
    drawn: alt.Chart = (
        marks.chart(table)
        .mark_line(color=LIGHT.network, point={"size": 25, "color": LIGHT.network})
        .encode(x=x, y=y, tooltip=tips)
    )
    return drawn


def _units_figure(found: SymbolProbe) -> Figure:
    units = found.units
    rows: Values = [
        {"x": share, "y": hold, "of": units.name(i), "s": size}
        for i, (share, hold, size) in enumerate(
            zip(rounded(units.explained), units.holds.tolist(), rounded(np.nan_to_num(units.added)), strict=True)
        )
    ]
    tips = [marks.tip("of", "unit"), marks.tip("x", "share explained by the symbol just read", ".0%")]
    tips += [marks.tip("y", "holds, steps", ",d"), marks.tip("s", "bits more without it", ".3~g")]
    dots = marks.chart("rows").mark_point(color=LIGHT.network, filled=True, opacity=0.7, size=60)
    x = alt.X(
        "x:Q", title="share of variance that the symbol just read explains", axis=alt.Axis(format=".0%"),
        scale=alt.Scale(domain=[0, 1]),
    )  # fmt: skip
    y = alt.Y("y:Q", title=None, scale=alt.Scale(type="log"))
    panels = (marks.panel(dots.encode(x=x, y=y, tooltip=tips), {"rows": rows}, 260, title="steps that a unit holds"),)
    return Figure("units", "What the hidden units follow", units_say(found), panels)


def _effects_figure(found: SymbolProbe) -> Figure:
    units = found.units
    order = units.order[:_BARS]
    rows: Values = [
        {"of": units.name(i), "y": value} for i, value in zip(order.tolist(), rounded(units.added[order]), strict=True)
    ]
    names = alt.Y("of:N", title=None, sort=None, axis=alt.Axis(ticks=False, domain=False, grid=False))
    bars = marks.chart("rows").mark_bar(color=LIGHT.network, size=12)
    tips = [marks.tip("of", "unit"), marks.tip("y", "bits more without it", ".4~g")]
    bars = bars.encode(x=alt.X("y:Q", title=None), y=names, tooltip=tips)
    panels = (marks.panel(bars, {"rows": rows}, 22 * len(rows), title="bits a symbol that are added without a unit"),)
    return Figure("unit_effects", "Which units matter", effects_say(found), panels)


def _text_figure(found: SymbolProbe, shown: list[int]) -> Figure:
    says = (
        "A stretch of the test, each symbol in the colour of a unit just after it was read: one panel a unit, those "
        "that matter most and the one that holds longest. A colour that lasts marks what the unit keeps in mind."
    )
    keys = (
        Key("above its mean", LIGHT.network, area=True),
        Key("below its mean", LIGHT.baseline, area=True),
    )
    panels = tuple(_text_panel(found, unit) for unit in shown)
    return Figure("unit_text", "The text in the colours of units", says, panels, keys, columns=2)


def _text_panel(found: SymbolProbe, unit: int) -> Panel:
    outputs = found.units.outputs[:, unit]
    z = ((outputs - outputs.mean()) / max(float(outputs.std()), 1e-12)).round(1)
    rows: Values = []
    at = line = 0
    for code, value in zip(found.codes[:_TEXT].tolist(), z.tolist(), strict=False):
        symbol = found.symbols[code] if code >= 0 else "?"
        text = " " if symbol == " " else written(symbol, _LONGEST)
        wide = len(text) + (len(text) > 1)
        if at and at + wide > _COLUMNS:
            at, line = 0, line + 1
        rows.append({"from": at, "to": at + wide, "x": at + wide / 2, "y": line, "text": text, "z": value})
        at += wide
        if symbol == "\n":
            at, line = 0, line + 1
    x = alt.Scale(domain=[0, _COLUMNS], nice=False)
    y = alt.Scale(domain=[line + 1, 0], nice=False)
    ink = alt.Color(
        "z:Q",
        legend=None,
        scale=alt.Scale(
            domain=[-_SPREADS, 0, _SPREADS],
            range=[LIGHT.baseline, LIGHT.paper, LIGHT.network],
            clamp=True,
            interpolate="rgb",
        ),
    )
    tips = [marks.tip("text", "symbol"), marks.tip("z", "above its mean, in spreads", ".1f")]
    cells = marks.chart("cells").transform_calculate(low="datum.y + 0.04", high="datum.y + 0.96", mid="datum.y + 0.5")
    behind = cells.mark_rect(opacity=0.6).encode(
        x=alt.X("from:Q", scale=x, axis=None), x2="to", y=alt.Y("low:Q", scale=y, axis=None), y2="high:Q",
        color=ink, tooltip=tips,
    )  # fmt: skip
    texts = cells.mark_text(color=LIGHT.ink, fontSize=11, font="monospace")
    texts = texts.encode(x=alt.X("x:Q", scale=x), y=alt.Y("mid:Q", scale=y), text="text:N")
    title = f"{found.units.name(unit)}, holds {counted(int(found.units.holds[unit]), 'step')}"
    return marks.panel(marks.layered(behind, texts), {"cells": rows}, _ROW * (line + 1), title=title)


def _responses_figure(found: SymbolProbe, shown: list[int]) -> Figure:
    says = (
        "Mean value of each of these units just after a symbol was read, for the symbols after which it is highest and "
        "lowest (those read five times at least)."
    )
    counts = np.bincount(found.codes[found.codes >= 0], minlength=len(found.symbols))
    often = np.flatnonzero(counts >= min(5, int(counts.max())))
    panels = []
    for unit in shown:
        mean = found.units.mean[:, unit]
        order = often[np.argsort(-mean[often], kind="stable")]
        ends = order if len(order) <= 2 * _ENDS else np.concatenate([order[:_ENDS], order[-_ENDS:]])
        rows: Values = [
            {"of": written(found.symbols[i], _LONGEST), "y": value}
            for i, value in zip(ends.tolist(), rounded(mean[ends]), strict=True)
        ]
        names = alt.Y("of:N", title=None, sort=None, axis=alt.Axis(ticks=False, domain=False, grid=False))
        tips = [marks.tip("of", "symbol"), marks.tip("y", "mean value", ".3~g")]
        bars = marks.chart("rows").mark_bar(color=LIGHT.network, size=12)
        bars = bars.encode(x=alt.X("y:Q", title=None), y=names, tooltip=tips)
        share = f"{100 * float(found.units.explained[unit]):.0f} % by the symbol"
        panels.append(marks.panel(bars, {"rows": rows}, 20 * len(rows), title=f"{found.units.name(unit)}, {share}"))
    return Figure("unit_symbols", "Which symbols they respond to", says, tuple(panels), columns=3)
