"""The figure of what `training.record_gradients` recorded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import altair as alt

from forecast.reporting import marks
from forecast.reporting.gradients import MOST_OF_IT
from forecast.reporting.marks import Figure, Key
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reporting.gradients import GradientSection, LagCurve, Saturated, StepNorms
    from forecast.reporting.marks import Panel, Values

_HEIGHT = 200
_ROW = 26
_MOST_TICKS = 5
_NARROW = 100.0
_LEAST_SHARE = 0.1
"""That the axis of shares reaches to, lest a thousandth look like much."""
_COLOURS = {"initialised": LIGHT.other, "trained": LIGHT.network}


def gradients_figure(section: GradientSection) -> Figure:
    """Draw how far gradients reach, how large they are, and what is saturated."""
    panels = [_norms(section.curves), _reached(section.curves)]
    if section.steps is not None:
        panels.append(_step_norms(section.steps))
    if section.saturated:
        panels.append(_saturation(section.saturated))
    shown = {curve.network for curve in section.curves}
    keys = tuple(Key(f"as {name}", colour) for name, colour in _COLOURS.items() if name in shown)
    return Figure("gradients", "How far back it learns", section.says, tuple(panels), keys, columns=2)


def _lines(y: alt.Y, written: str, lags: int) -> alt.Chart:
    scale = alt.Scale(domain=[0, max(lags - 1, 1)], nice=False)
    x = alt.X("t:Q", title="steps back", scale=scale, axis=alt.Axis(tickMinStep=1, format="d"))
    tips = [marks.tip("of", "network"), marks.tip("t", "steps back", "d"), marks.tip("y", "value", written)]
    drawn: alt.Chart = marks.chart("lines").mark_line(point=marks.touchable())
    return drawn.encode(x=x, y=y, color=marks.colour(_COLOURS), tooltip=tips)


def _log_axis(values: Sequence[float]) -> alt.Y:
    """Return a logarithmic axis with few lines: 1, 2, 5, 10 over a narrow range, every so many powers over a wide."""
    low, high = min(values) / 1.15, max(values) * 1.15
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = max(len(powers) // _MOST_TICKS, 1)
    digits = (1, 2, 5) if high / low < _NARROW else (1,)
    ticks = [digit * 10.0**power for power in powers if power % every == 0 for digit in digits]
    shown = [float(f"{tick:.0e}") for tick in ticks if low <= tick <= high]
    # Powers of ten are easier to read than a dozen of zeros, a few zeros easier than powers.
    written = "datum.value >= 0.001 && datum.value < 10000 ? format(datum.value, '~g') : format(datum.value, '.0e')"
    axis = alt.Axis(values=shown, labelExpr=written) if shown else alt.Axis(format=".2~g")
    return alt.Y("y:Q", title=None, scale=alt.Scale(type="log", domain=[low, high], nice=False), axis=axis)


def _norms(curves: Sequence[LagCurve]) -> Panel:
    rows: Values = [
        {"t": lag, "y": norm, "of": curve.network}
        for curve in curves
        for lag, norm in enumerate(curve.norms)
        if norm is not None
    ]
    y = _log_axis([1.0, *(float(row["y"]) for row in rows)])
    lags = max(len(curve.norms) for curve in curves)
    view = marks.layered(marks.rule("one").encode(y=y), _lines(y, ".2~g", lags))
    note = "Size of a gradient through the state, 1 where it sets out; falling: it vanishes, rising: it explodes."
    return marks.panel(
        view, {"lines": rows, "one": [{"y": 1}]}, _HEIGHT, title="What is left of a gradient on its way back", note=note
    )


def _reached(curves: Sequence[LagCurve]) -> Panel:
    rows = [{"t": lag, "y": share, "of": curve.network} for curve in curves for lag, share in enumerate(curve.reached)]
    y = alt.Y("y:Q", title=None, scale=alt.Scale(domain=[0, 1], nice=False), axis=alt.Axis(format="%"))
    lags = max(len(curve.reached) for curve in curves)
    view = marks.layered(marks.rule("most").encode(y=y), _lines(y, ".1%", lags))
    note = "Of the gradient of the recurrent weights, the share that comes from these many steps; dashed: nine tenths."
    return marks.panel(
        view, {"lines": rows, "most": [{"y": MOST_OF_IT}]}, _HEIGHT, title="From how far back weights learn", note=note
    )


def _step_norms(steps: StepNorms) -> Panel:
    rows: Values = [
        {"t": epoch, "y": norm, "of": name, "ink": ink}
        for name, norms, ink in (("largest", steps.largest, LIGHT.other), ("mean", steps.mean, LIGHT.truth))
        for epoch, norm in zip(steps.epochs, norms, strict=True)
        if norm
    ]
    x = alt.X("t:Q", title="epoch", scale=alt.Scale(nice=False, zero=False), axis=alt.Axis(tickMinStep=1, format="d"))
    clip = [] if steps.clip is None else [steps.clip]
    y = _log_axis([*clip, *(float(row["y"]) for row in rows)] or [1.0])
    tips = [marks.tip("of", "norm"), marks.tip("t", "epoch", "d"), marks.tip("y", "value", ".3~g")]
    paths = marks.chart("lines").mark_line(point=marks.touchable(seen=len(steps.epochs) == 1))
    paths = paths.encode(x=x, y=y, detail="of:N", color=alt.Color("ink:N", scale=None), tooltip=tips)
    view: marks.View = paths
    tables: dict[str, Values] = {"lines": rows}
    note = "Before clipping: mean of an epoch's steps (dark), the largest of them (light)"
    if clip:
        view = marks.layered(marks.rule("clip").encode(y=y, color=alt.value(LIGHT.baseline)), paths)
        tables["clip"] = [{"y": clip[0]}]
        note += "; dashed: where they are clipped"
    return marks.panel(view, tables, _HEIGHT, title="Norm of the gradient", note=f"{note}.")


def _saturation(saturated: Sequence[Saturated]) -> Panel:
    rows: Values = [
        {"of": one.of, "which": name, "y": share}
        for one in saturated
        for name, share in (("initialised", one.initialised), ("trained", one.trained))
        if share is not None
    ]
    top = max(_LEAST_SHARE, *(float(row["y"]) for row in rows))
    tips = [marks.tip("of", "what"), marks.tip("which", "network"), marks.tip("y", "share", ".1%")]
    bars = marks.chart("bars").mark_bar()
    view = bars.encode(
        x=alt.X("y:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=alt.Axis(format=".0%", tickCount=4)),
        y=alt.Y("of:N", title=None, sort=[one.of for one in saturated], axis=alt.Axis(labelLimit=150)),
        yOffset=alt.YOffset("which:N", sort=list(_COLOURS)),
        color=marks.colour(_COLOURS, "which"),
        tooltip=tips,
    )
    note = "Shut: below 0.05, open: above 0.95; at its end: beyond 0.97 of what it can be."
    height = max(_ROW * len(saturated), _HEIGHT)
    return marks.panel(view, {"bars": rows}, height, title="Share that is saturated", note=note)
