"""What the hidden units of a network on symbols are worth, what they follow and how long they hold it.

A unit is worth the bits a symbol that forecasts cost more with its output held at its mean where the decoder reads it.
The share of its variance that the symbol just read explains says how much of it is no memory; it holds what it has for
as many steps as its autocorrelation needs to fall to 1/e.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import torch

from forecast.inspection.curves import SPREAD_KEYS, named_bars, spread_scale
from forecast.inspection.hidden_units import unit_name
from forecast.inspection.memory import SHARE
from forecast.inspection.page import Section
from forecast.inspection.symbols import FURTHEST
from forecast.reporting import charts
from forecast.reporting.characters import written
from forecast.reporting.charts import Figure
from forecast.reporting.lines import rounded
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.inspection.symbols import SymbolSystem
    from forecast.reporting.charts import Panel, Values
    from forecast.series.panel import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class SymbolUnits:
    """The hidden units on a span.

    Attributes
    ----------
    outputs : (step, unit), of the first layer, the second, ...
    layer : (unit,) counted from 1
    added : (unit,) bits that the forecast costs more without the unit; NaN where the decoder does not read it
    explained : (unit,) share of its variance that the symbol just read explains
    holds : (unit,) steps after which it has forgotten what it was
    mean : (symbol, unit) mean value where the symbol has just been read; NaN where it never was
    bits, bits_without_any : of the whole network, and with all units of the last layer switched off
    origins : forecasts that a unit was switched off for

    """

    outputs: FloatArray
    layer: IntArray
    added: FloatArray
    explained: FloatArray
    holds: IntArray
    mean: FloatArray
    bits: float
    bits_without_any: float
    origins: int

    def name(self, unit: int) -> str:
        """Name a unit: its number in its layer, and the layer where there are several."""
        return unit_name(self.layer, unit)

    @property
    def order(self) -> IntArray:
        """Units that the decoder reads, (unit,), by what they are worth, most first."""
        read = np.flatnonzero(~np.isnan(self.added))
        return read[np.argsort(-self.added[read], kind="stable")]


def symbol_units_of(system: SymbolSystem) -> SymbolUnits:
    """Switch units of the last layer off one by one, and measure what all of them follow and hold."""
    outputs, layer = system.activity.outputs, system.activity.layer
    last = np.flatnonzero(layer == layer[-1])
    means = torch.from_numpy(outputs[:, last].mean(axis=0).astype(np.float32))  # (unit,)
    added = np.full(outputs.shape[1], np.nan)
    for i, unit in enumerate(last.tolist()):
        held = system.features.clone()  # (origin, unit)
        held[:, i] = means[i]
        added[unit] = system.bits(held) - system.whole_bits
    mean, explained = explained_by(outputs, system.codes, len(system.symbols))
    return SymbolUnits(
        outputs=outputs,
        layer=layer,
        added=added,
        explained=explained,
        holds=holding_steps(outputs),
        mean=mean,
        bits=system.whole_bits,
        bits_without_any=system.bits(means.expand(len(system.features), -1)),
        origins=len(system.origins),
    )


def explained_by(outputs: FloatArray, codes: IntArray, symbols: int) -> tuple[FloatArray, FloatArray]:
    """Mean output by symbol, (symbol, unit), and the share of variance that these explain, (unit,).

    Outputs are (step, unit), codes (step,); steps whose code is below 0 do not count. A unit that never moves has 0.
    """
    seen = codes >= 0
    outputs, codes = outputs[seen], codes[seen]
    counts = np.bincount(codes, minlength=symbols)[:, None]  # (symbol, 1)
    sums = np.zeros((symbols, outputs.shape[1]))
    np.add.at(sums, codes, outputs)
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    centre = outputs.mean(axis=0)
    between = np.nansum(counts * (mean - centre) ** 2, axis=0)
    # between / total = R squared of a value for each symbol
    total = ((outputs - centre) ** 2).sum(axis=0)
    return mean, np.where(total > 1e-12 * len(outputs), between / np.maximum(total, 1e-300), 0.0)


def holding_steps(outputs: FloatArray) -> IntArray:
    """Smallest lag at which the autocorrelation of each unit is at most 1/e, (unit,), at most `FURTHEST`."""
    centred = outputs - outputs.mean(axis=0)
    variance = np.maximum((centred**2).mean(axis=0), 1e-300)
    furthest = min(FURTHEST, len(outputs) - 1)
    holds = np.full(outputs.shape[1], furthest, dtype=np.int64)
    open_units = np.arange(outputs.shape[1])
    for lag in range(1, furthest):
        alike = (centred[lag:, open_units] * centred[:-lag, open_units]).mean(axis=0) / variance[
            open_units
        ]  # autocorrelation, (unit,)
        holds[open_units[alike <= SHARE]] = lag
        open_units = open_units[alike > SHARE]
        if not len(open_units):
            break
    return holds


_TEXT, _COLUMNS, _ROW = 600, 46, 22
_BARS, _COLOURED, _ENDS = 12, 4, 6
_SPREADS = 2.0
"""Standard deviations at which a colour is full."""

_MOVES = 1e-3
"""Standard deviation of a unit that does something."""

_LONGEST = 16
"""Letters of a symbol."""


def _units_say(units: SymbolUnits) -> str:
    """Say which units hold what was before the symbol just read."""
    longest = _longest_holding(units)
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


def _effects_say(units: SymbolUnits) -> str:
    """Say which units matter most."""
    most = ", ".join(f"{units.name(int(i))} ({number(float(units.added[i]), 2)})" for i in units.order[:3])
    return (
        f"Switched off one by one (held at their means where the forecast reads them), these cost most bits a symbol: "
        f"{most}; all at once {number(units.bits_without_any - units.bits, 3)}."
    )


def _longest_holding(units: SymbolUnits) -> int | None:
    """Find the unit that holds longest among those that follow more than the symbol just read; None: all follow it."""
    holds = np.where((units.explained <= 0.5) & (units.outputs.std(axis=0) > _MOVES), units.holds, -1)
    return int(np.argmax(holds)) if holds.max() > 0 else None


def _symbol_unit_figures(units: SymbolUnits, system: SymbolSystem) -> tuple[Figure, ...]:
    """Draw what units follow, what they are worth, a text in their colours, and the symbols that they respond to."""
    shown = [int(i) for i in units.order[:_COLOURED]]
    longest = _longest_holding(units)
    shown = shown if longest is None or longest in shown else [*shown, longest]
    return (
        _units_figure(units),
        _effects_figure(units),
        _text_figure(units, system, shown),
        _responses_figure(units, system, shown),
    )


def _units_figure(units: SymbolUnits) -> Figure:
    rows: Values = [
        {"x": share, "y": hold, "of": units.name(i), "s": size}
        for i, (share, hold, size) in enumerate(
            zip(rounded(units.explained), units.holds.tolist(), rounded(np.nan_to_num(units.added)), strict=True)
        )
    ]
    tips = [charts.tip("of", "unit"), charts.tip("x", "share explained by the symbol just read", ".0%")]
    tips += [charts.tip("y", "holds, steps", ",d"), charts.tip("s", "bits more without it", ".3~g")]
    dots = charts.chart("rows").mark_point(color=LIGHT.network, filled=True, opacity=0.7, size=60)
    x = alt.X(
        "x:Q", title="share of variance that the symbol just read explains", axis=alt.Axis(format=".0%"),
        scale=alt.Scale(domain=[0, 1]),
    )  # fmt: skip
    y = alt.Y("y:Q", title=None, scale=alt.Scale(type="log"))
    panels = (charts.panel(dots.encode(x=x, y=y, tooltip=tips), {"rows": rows}, 260, title="steps that a unit holds"),)
    return Figure("units", "What the hidden units follow", _units_say(units), panels)


def _effects_figure(units: SymbolUnits) -> Figure:
    order = units.order[:_BARS]
    rows: Values = [
        {"of": units.name(i), "y": value} for i, value in zip(order.tolist(), rounded(units.added[order]), strict=True)
    ]
    tips = [charts.tip("of", "unit"), charts.tip("y", "bits more without it", ".4~g")]
    panels = (named_bars(rows, tips, title="bits a symbol that are added without a unit"),)
    return Figure("unit_effects", "Which units matter", _effects_say(units), panels)


def _text_figure(units: SymbolUnits, system: SymbolSystem, shown: list[int]) -> Figure:
    says = (
        "A part of the test, each symbol in the colour of a unit just after it was read: one panel a unit, those "
        "that matter most and the one that holds longest. A colour that lasts marks what the unit keeps in mind."
    )
    panels = tuple(_text_panel(units, system, unit) for unit in shown)
    return Figure("unit_text", "The text in the colours of units", says, panels, SPREAD_KEYS, columns=2)


def _text_panel(units: SymbolUnits, system: SymbolSystem, unit: int) -> Panel:
    outputs = units.outputs[:, unit]
    z = ((outputs - outputs.mean()) / max(float(outputs.std()), 1e-12)).round(1)
    rows: Values = []
    at = line = 0
    for code, value in zip(system.codes[:_TEXT].tolist(), z.tolist(), strict=False):
        symbol = system.symbols[code] if code >= 0 else "?"
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
    ink = alt.Color("z:Q", legend=None, scale=spread_scale(_SPREADS))
    tips = [charts.tip("text", "symbol"), charts.tip("z", "above its mean, in spreads", ".1f")]
    cells = charts.chart("cells").transform_calculate(low="datum.y + 0.04", high="datum.y + 0.96", mid="datum.y + 0.5")
    behind = cells.mark_rect(opacity=0.6).encode(
        x=alt.X("from:Q", scale=x, axis=None), x2="to", y=alt.Y("low:Q", scale=y, axis=None), y2="high:Q",
        color=ink, tooltip=tips,
    )  # fmt: skip
    texts = cells.mark_text(color=LIGHT.ink, fontSize=11, font="monospace")
    texts = texts.encode(x=alt.X("x:Q", scale=x), y=alt.Y("mid:Q", scale=y), text="text:N")
    title = f"{units.name(unit)}, holds {counted(int(units.holds[unit]), 'step')}"
    return charts.panel(charts.layered(behind, texts), {"cells": rows}, _ROW * (line + 1), title=title)


def _responses_figure(units: SymbolUnits, system: SymbolSystem, shown: list[int]) -> Figure:
    says = (
        "Mean value of each of these units just after a symbol was read, for the symbols after which it is highest and "
        "lowest (those read five times at least)."
    )
    counts = np.bincount(system.codes[system.codes >= 0], minlength=len(system.symbols))
    often = np.flatnonzero(counts >= min(5, int(counts.max())))
    panels = []
    for unit in shown:
        mean = units.mean[:, unit]
        order = often[np.argsort(-mean[often], kind="stable")]
        ends = order if len(order) <= 2 * _ENDS else np.concatenate([order[:_ENDS], order[-_ENDS:]])
        rows: Values = [
            {"of": written(system.symbols[i], _LONGEST), "y": value}
            for i, value in zip(ends.tolist(), rounded(mean[ends]), strict=True)
        ]
        tips = [charts.tip("of", "symbol"), charts.tip("y", "mean value", ".3~g")]
        share = f"{100 * float(units.explained[unit]):.0f} % by the symbol"
        panels.append(named_bars(rows, tips, title=f"{units.name(unit)}, {share}", row_height=20))
    return Figure("unit_symbols", "Which symbols they respond to", says, tuple(panels), columns=3)


def _numbers(units: SymbolUnits | None) -> dict[str, Any]:
    if units is None:
        return {}
    return {
        "units": {
            "names": [units.name(i) for i in range(len(units.layer))],
            "added_bits": units.added,
            "explained_by_symbol": units.explained,
            "holding_steps": units.holds,
            "mean_by_symbol": units.mean.T,
            "bits": units.bits,
            "bits_without_any": units.bits_without_any,
        }
    }


SECTION: Section[SymbolSystem, SymbolUnits] = Section(
    "units",
    measure=symbol_units_of,
    figures=_symbol_unit_figures,
    sentences=lambda units, _: (_units_say(units), _effects_say(units)),
    numbers=_numbers,
)
