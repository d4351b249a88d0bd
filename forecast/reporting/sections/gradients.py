"""How far back in time gradients reach, how large they are, and which units are saturated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import Figure, Key
from forecast.reporting.lines import rounded
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.reporting.material import Material
    from forecast.reporting.summary import Summary

NETWORKS = ("initialised", "trained")
_MOST_OF_IT = 0.9
"""A gradient reaches as far back as the lags that hold this share of it."""
_NEAR_THE_END = 0.8
"""A gradient that reaches further than this part of the lags there are was cut off rather than faded."""
_VANISHED, _EXPLODED = 0.1, 10.0
"""What is left of a gradient, as a multiple, where sentences say that it vanishes or explodes."""
_LOG_FLOOR = 1e-9

_HEIGHT, _ROW = 200, 26
_MOST_TICKS, _NARROW = 5, 100.0
_LEAST_SHARE = 0.1
"""The axis of shares reaches at least to here, lest a thousandth look like much."""
_COLOURS = {"initialised": LIGHT.other, "trained": LIGHT.network}


@dataclass(frozen=True)
class LagCurve:
    """By lag, of one network: norm of the gradient through the state, and the share of it from lag 0 up to this."""

    network: str
    norms: tuple[float | None, ...]
    reached: tuple[float | None, ...]


@dataclass(frozen=True)
class StepNorms:
    """By epoch: mean and largest norm of a step's gradient before clipping, and the share of steps clipped."""

    epochs: tuple[int, ...]
    mean: tuple[float | None, ...]
    largest: tuple[float | None, ...]
    clip: float | None


@dataclass(frozen=True)
class Saturated:
    """Share of gates or units that is saturated, as initialised and as trained; None where it was not measured."""

    of: str
    initialised: float | None
    trained: float | None


@dataclass(frozen=True)
class GradientSection:
    """Everything that `training.record_gradients` recorded."""

    says: str
    curves: tuple[LagCurve, ...]
    saturated: tuple[Saturated, ...]
    steps: StepNorms | None


def build(material: Material) -> GradientSection | None:
    """Show the recorded gradients, where there are any."""
    if material.gradients is None:
        return None
    return gradient_section(material.gradients, material.history, material.gradient_clip)


def gradient_section(
    recorded: pd.DataFrame, history: pd.DataFrame | None, clip: float | None = None
) -> GradientSection | None:
    """Show `recorded` (`network, measure, of, lag, value`) and the norms in `history`; None where nothing is there.

    `clip` is the largest norm that a gradient may have.
    """
    by_lag = {name: _by_lag(recorded, name) for name in NETWORKS}
    by_lag = {name: pair for name, pair in by_lag.items() if len(pair[0])}
    if not by_lag:
        return None
    steps = None if history is None or "gradient_norm" not in history else _step_norms(history, clip)
    sentences = [
        *_reach_in_words({name: shares for name, (_, shares) in by_lag.items()}),
        *_travel_in_words({name: norms for name, (norms, _) in by_lag.items()}),
        *([] if history is None or steps is None else [_clipping_in_words(history, clip)]),
    ]
    curves = tuple(
        LagCurve(name, rounded(np.where(norms >= _LOG_FLOOR, norms, np.nan)), rounded(np.cumsum(shares)))
        for name, (norms, shares) in by_lag.items()
    )
    return GradientSection(" ".join(sentences), curves, _saturated(recorded), steps)


def _by_lag(recorded: pd.DataFrame, network: str) -> tuple[Array, Array]:
    """Return norms and shares of a network, each (lag,)."""
    rows = recorded[recorded["network"] == network].sort_values("lag", kind="stable")
    norms, shares = (
        rows.loc[rows["measure"] == measure, "value"].to_numpy(dtype=np.float64)
        for measure in ("state_norm", "gradient_share")
    )
    return norms, shares


def _step_norms(history: pd.DataFrame, clip: float | None) -> StepNorms:
    mean, largest = (
        rounded(history[name].to_numpy(dtype=np.float64)) for name in ("gradient_norm", "largest_gradient_norm")
    )
    return StepNorms(tuple(int(epoch) for epoch in history["epoch"]), mean, largest, clip)


def _saturated(recorded: pd.DataFrame) -> tuple[Saturated, ...]:
    rows = recorded[recorded["measure"] == "saturation"]
    known = {(str(row["network"]), str(row["of"])): float(row["value"]) for row in rows.to_dict("records")}
    names = dict.fromkeys(of for _, of in known)
    return tuple(Saturated(of, known.get(("initialised", of)), known.get(("trained", of))) for of in names)


def reach(shares: Array) -> int | None:
    """Return the lag up to which nine tenths of a gradient lie, of its shares (lag,); None where there is none.

    >>> reach(np.array([0.5, 0.3, 0.15, 0.05]))
    2
    """
    if not shares.sum() > 0:
        return None
    return int(np.argmax(np.cumsum(shares) >= _MOST_OF_IT * shares.sum() * (1 - 1e-12)))


def _reach_in_words(shares: dict[str, Array]) -> list[str]:
    reached = {name: reach(by_lag) for name, by_lag in shares.items()}
    trained, initialised = reached.get("trained"), reached.get("initialised")
    if trained is None:
        return ["The trained network has no gradient: its head is zero, it forecasts what its reference does."]
    lags = len(shares["trained"])
    before = "" if initialised is None else f" ({initialised} as initialised)"
    if trained >= _NEAR_THE_END * (lags - 1) and lags > 1:
        return [
            f"The loss at a step reaches back to where the gradient is cut off: nine tenths of what it says to the "
            f"recurrent weights come from the last {counted(trained, 'step')}{before}, of the {lags - 1} that the "
            f"gradient may travel. Steps further back may have more to say."
        ]
    return [
        f"The loss at a step hardly reaches further back than {counted(trained, 'step')}{before}, of the {lags - 1} "
        f"that the gradient may travel: nine tenths of what it says to the recurrent weights come from there."
    ]


def _travel_in_words(norms: dict[str, Array]) -> list[str]:
    if "trained" not in norms or len(norms["trained"]) < 2:
        return []
    trained = _fate(norms["trained"], "the trained network")
    if "initialised" not in norms:
        return [trained]
    last = norms["initialised"][-1]
    return [trained, f"In the network as initialised it comes to {number(float(last), 2)} of its size."]


def _fate(norms: Array, network: str) -> str:
    """Say what becomes of a gradient on its way through all the lags."""
    lags, last = len(norms) - 1, float(norms[-1])
    through = f"on its way back through {counted(lags, 'step')} of {network}"
    if last == 0:
        first_zero = int(np.argmax(norms == 0))
        return f"Gradients vanish: nothing of one is left {counted(first_zero, 'step')} back in {network}."
    rate = math.exp(math.log(last) / lags)  # geometric mean of the factors a step
    by = f"a factor of {number(rate)} a step on average"
    if last < _VANISHED:
        fallen = np.flatnonzero(norms < 1 / math.e)
        third = f"; 1/e is left after {counted(int(fallen[0]), 'step')}" if len(fallen) else ""
        return f"Gradients vanish: {through} one shrinks to {number(last, 2)} of its size, by {by}{third}."
    if last > _EXPLODED:
        return f"Gradients explode: {through} one grows to {number(last, 2)} times its size, by {by}."
    return f"Gradients neither vanish nor explode: {through} one keeps {number(last, 2)} of its size, {by}."


def _clipping_in_words(history: pd.DataFrame, clip: float | None) -> str:
    if clip is None:
        return "Gradients were not clipped (training.gradient_clip=null)."
    shares = history["clipped_share"].to_numpy(dtype=np.float64)
    mean, last = float(np.nanmean(shares)), float(shares[-1])
    if mean == 0:
        return f"No update was clipped: no gradient was larger than {clip:g}."
    return f"Of all updates {_percent(mean)} were clipped to a norm of {clip:g}, in the last epoch {_percent(last)}."


def _percent(share: float) -> str:
    return f"{number(100 * share, 2)} %"


def draw(section: GradientSection, _: Summary) -> Figure:
    """Draw how far gradients reach, how large they are, and what is saturated."""
    panels = [_norms_panel(section.curves), _reached_panel(section.curves)]
    if section.steps is not None:
        panels.append(_step_norms_panel(section.steps))
    if section.saturated:
        panels.append(_saturation_panel(section.saturated))
    shown = {curve.network for curve in section.curves}
    keys = tuple(Key(f"as {name}", colour) for name, colour in _COLOURS.items() if name in shown)
    return Figure("gradients", "How far back it learns", section.says, tuple(panels), keys, columns=2)


def _lines(y: alt.Y, written: str, lags: int) -> alt.Chart:
    scale = alt.Scale(domain=[0, max(lags - 1, 1)], nice=False)
    x = alt.X("t:Q", title="steps back", scale=scale, axis=alt.Axis(tickMinStep=1, format="d"))
    tips = [charts.tip("of", "network"), charts.tip("t", "steps back", "d"), charts.tip("y", "value", written)]
    drawn: alt.Chart = charts.chart("lines").mark_line(point=charts.touchable())
    return drawn.encode(x=x, y=y, color=charts.colour(_COLOURS), tooltip=tips)


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


def _norms_panel(curves: Sequence[LagCurve]) -> Panel:
    rows: Values = [
        {"t": lag, "y": norm, "of": curve.network}
        for curve in curves
        for lag, norm in enumerate(curve.norms)
        if norm is not None
    ]
    y = _log_axis([1.0, *(float(row["y"]) for row in rows)])
    lags = max(len(curve.norms) for curve in curves)
    view = charts.layered(charts.rule("one").encode(y=y), _lines(y, ".2~g", lags))
    note = "Size of a gradient through the state, 1 where it sets out; falling: it vanishes, rising: it explodes."
    return charts.panel(
        view, {"lines": rows, "one": [{"y": 1}]}, _HEIGHT, title="What is left of a gradient on its way back", note=note
    )


def _reached_panel(curves: Sequence[LagCurve]) -> Panel:
    rows = [{"t": lag, "y": share, "of": curve.network} for curve in curves for lag, share in enumerate(curve.reached)]
    y = alt.Y("y:Q", title=None, scale=alt.Scale(domain=[0, 1], nice=False), axis=alt.Axis(format="%"))
    lags = max(len(curve.reached) for curve in curves)
    view = charts.layered(charts.rule("most").encode(y=y), _lines(y, ".1%", lags))
    note = "Of the gradient of the recurrent weights, the share that comes from these many steps; dashed: nine tenths."
    return charts.panel(
        view, {"lines": rows, "most": [{"y": _MOST_OF_IT}]}, _HEIGHT, title="From how far back weights learn", note=note
    )


def _step_norms_panel(steps: StepNorms) -> Panel:
    rows: Values = [
        {"t": epoch, "y": norm, "of": name, "ink": ink}
        for name, norms, ink in (("largest", steps.largest, LIGHT.other), ("mean", steps.mean, LIGHT.truth))
        for epoch, norm in zip(steps.epochs, norms, strict=True)
        if norm
    ]
    x = alt.X("t:Q", title="epoch", scale=alt.Scale(nice=False, zero=False), axis=alt.Axis(tickMinStep=1, format="d"))
    clip = [] if steps.clip is None else [steps.clip]
    y = _log_axis([*clip, *(float(row["y"]) for row in rows)] or [1.0])
    tips = [charts.tip("of", "norm"), charts.tip("t", "epoch", "d"), charts.tip("y", "value", ".3~g")]
    paths = charts.chart("lines").mark_line(point=charts.touchable(seen=len(steps.epochs) == 1))
    paths = paths.encode(x=x, y=y, detail="of:N", color=alt.Color("ink:N", scale=None), tooltip=tips)
    view: charts.View = paths
    tables: dict[str, Values] = {"lines": rows}
    note = "Before clipping: mean of an epoch's steps (dark), the largest of them (light)"
    if clip:
        view = charts.layered(charts.rule("clip").encode(y=y, color=alt.value(LIGHT.baseline)), paths)
        tables["clip"] = [{"y": clip[0]}]
        note += "; dashed: where they are clipped"
    return charts.panel(view, tables, _HEIGHT, title="Norm of the gradient", note=f"{note}.")


def _saturation_panel(saturated: Sequence[Saturated]) -> Panel:
    rows: Values = [
        {"of": shares.of, "which": name, "y": share}
        for shares in saturated
        for name, share in (("initialised", shares.initialised), ("trained", shares.trained))
        if share is not None
    ]
    top = max(_LEAST_SHARE, *(float(row["y"]) for row in rows))
    tips = [charts.tip("of", "what"), charts.tip("which", "network"), charts.tip("y", "share", ".1%")]
    bars = charts.chart("bars").mark_bar()
    view = bars.encode(
        x=alt.X("y:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=alt.Axis(format=".0%", tickCount=4)),
        y=alt.Y("of:N", title=None, sort=[shares.of for shares in saturated], axis=alt.Axis(labelLimit=150)),
        yOffset=alt.YOffset("which:N", sort=list(_COLOURS)),
        color=charts.colour(_COLOURS, "which"),
        tooltip=tips,
    )
    note = "Shut: below 0.05, open: above 0.95; at its end: beyond 0.97 of what it can be."
    height = max(_ROW * len(saturated), _HEIGHT)
    return charts.panel(view, {"bars": rows}, height, title="Share that is saturated", note=note)
