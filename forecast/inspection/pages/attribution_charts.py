"""The figures of an attribution: what each lag adds to a forecast, and the shares of what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from forecast.inspection.affine import SEASONS
from forecast.inspection.pages.attribution_words import attribution_says, method_says, shares
from forecast.reporting import charts as marks
from forecast.reporting.charts import Figure, Key
from forecast.reporting.lines import axis_times, find_clock
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number, shortened

if TYPE_CHECKING:
    from forecast.inspection.attribution import Attribution
    from forecast.inspection.pages.attribution_words import Shares
    from forecast.reporting.charts import Panel, Values

_LOW = 150
_COVERED = 0.98
"""Of the sizes of all attributions to lags: so much is drawn at least, what lies further back is left out."""

_FEWEST_LAGS, _MOST_LAGS = 12, 100
"""That are drawn, or as many seasons as a reference looks back: many old values that add next to nothing each may add
up to more than the rest, and would leave no room for what can be seen."""

_BARS = 10
_SHOWN, _VISIBLE = 0.005, 0.01


def attribution_figures(found: Attribution) -> tuple[Figure, ...]:
    """Draw the shares of what forecasts rest on, and what each lag adds."""
    of_steps = shares(found)
    return (
        _share_figure(of_steps, attribution_says(of_steps, rises=found.rises)),
        _lag_figure(found, method_says(found)),
    )


def _share_figure(of_steps: tuple[Shares, ...], says: str) -> Figure:
    top = max(float(one.of_each.max()) for one in of_steps)
    panels = tuple(_share_panel(one, top) for one in of_steps)
    return Figure("attribution", "What the forecasts rest on", says, panels, columns=len(panels))


def _share_panel(one: Shares, top: float) -> Panel:
    kept = np.sort(np.argsort(-one.of_each, kind="stable")[:_BARS])
    shown = [(one.groups[i], float(one.of_each[i])) for i in kept if one.of_each[i] >= _SHOWN]
    rows: Values = [{"of": shortened(name, 44), "y": round(100 * share, 1)} for name, share in shown]
    names = alt.Y("of:N", title=None, sort=None, axis=None)
    x = alt.X("y:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 100 * (top or 1.0)], nice=False))
    tips = [marks.tip("of", "rests on"), marks.tip("y", "%", ".1f")]
    bars = marks.chart("rows").mark_bar(color=LIGHT.network, height=9, yOffset=7).encode(x=x, y=names, tooltip=tips)
    labels = (
        marks.chart("rows")
        .transform_calculate(label="format(datum.y, '.0f') + ' % ' + datum.of")
        .mark_text(align="left", baseline="bottom", color=LIGHT.ink, fontSize=11, dy=1)
        .encode(x=alt.value(0), y=names, text="label:N")
    )
    return marks.panel(
        marks.layered(bars, labels), {"rows": rows}, 32 * len(rows), title=f"{counted(one.ahead, 'step')} ahead"
    )


def _lag_figure(found: Attribution, says: str) -> Figure:
    clock, ranges = find_clock(pd.Series(found.past_times)), _drawn_ranges(found)
    per_step = (
        np.stack([part[..., :ranges] for part in (found.by_lag, found.by_reference)]) / np.diff(found.edges)[:ranges]
    )
    low, high = min(float(per_step.min()), 0.0), max(float(per_step.max()), 0.0)
    answer = "Logit" if found.rises else "Forecast"
    margin = 0.04 * ((high - low) or 1.0)
    panels = []
    for i, t in enumerate(axis_times(pd.Series(found.times)).tolist()):
        for j, ahead in enumerate(found.ahead.tolist()):
            title = f"from {clock.write(t)}, {counted(ahead, 'step')} ahead"
            further = float(found.by_lag[i, j, ranges:].sum())
            beside = float(found.by_covariate[i, j].sum())
            note = f"{number(found.forecast[i, j], 4)}, at the baseline {number(found.baseline[i, j], 4)}"
            note += f"; further back {number(further)}" if ranges < found.by_lag.shape[-1] else ""
            note += f"; covariates {number(beside)}" if found.covariates else ""
            rows = _lag_rows(found, i, j, ranges)
            panels.append(_lag_panel(rows, (low - margin, high + margin), title, f"{answer} {note}."))
    alone = () if found.rises else (Key("by way of the reference alone", LIGHT.baseline, area=True),)
    keys = (Key("in all", LIGHT.network, area=True), *alone)
    return Figure("attribution_lags", "What each past value adds", says, tuple(panels), keys, columns=len(found.ahead))


def _drawn_ranges(found: Attribution) -> int:
    """How many ranges of lags are drawn, in all panels alike."""
    size = np.abs(found.by_lag).reshape(-1, len(found.edges) - 1)
    behind = size.cumsum(axis=1) / np.maximum(size.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    needed = int((behind < _COVERED).sum(axis=1).max()) + 1
    most = int(np.searchsorted(found.edges, max(_MOST_LAGS, SEASONS * found.season_steps)))
    least = int(np.searchsorted(found.edges, max(_FEWEST_LAGS, found.season_steps if found.season_steps < 100 else 0)))
    return min(max(needed, least), max(most, 1), size.shape[1])


def _lag_rows(found: Attribution, origin: int, ahead: int, ranges: int) -> Values:
    """One bar a range; of a range of several lags it is as high as each adds on average."""
    return [
        {
            "from": -high + 0.5,
            "to": -low + 0.5,
            "y": _plain(whole / (high - low)),
            "r": _plain(alone / (high - low)),
            "of": str(low) if high == low + 1 else f"{low} to {high - 1}",
            "all": _plain(whole),
        }
        for low, high, whole, alone in zip(
            found.edges[:ranges].tolist(),
            found.edges[1 : ranges + 1].tolist(),
            found.by_lag[origin, ahead].tolist(),
            found.by_reference[origin, ahead].tolist(),
            strict=False,
        )
    ]


def _plain(value: float) -> float:
    return float(f"{value:.4g}")


def _lag_panel(rows: Values, limits: tuple[float, float], title: str, note: str) -> Panel:
    x = _back("from", rows)
    scale = alt.Scale(domain=list(limits), nice=False)
    tips = [
        marks.tip("of", "steps back"),
        marks.tip("all", "adds", ".4~g"),
        marks.tip("r", "by the reference alone, a step", ".4~g"),
    ]
    y = alt.Y("y:Q", title=None, scale=scale)
    bars = marks.chart("rows").mark_rect(color=LIGHT.network)
    bars = bars.encode(x=x, x2="to", y=y, y2=alt.datum(0), tooltip=tips)
    # What is next to nothing would lie on the zero line as a line of its own.
    seen = f"abs(datum.r) > {_VISIBLE * (limits[1] - limits[0])}"
    alone = marks.chart("rows").transform_filter(seen).transform_calculate(mid="(datum.from + datum.to) / 2")
    alone = alone.mark_point(color=LIGHT.baseline, filled=True, opacity=1, size=14)
    alone = alone.encode(x=_back("mid", rows), y=alt.Y("r:Q", title=None, scale=scale), tooltip=tips)
    zero = marks.rule("zero", dashed=False).encode(y="y:Q")
    tables: dict[str, Values] = {"rows": rows, "zero": [{"y": 0}]}
    return marks.panel(marks.layered(bars, zero, alone), tables, _LOW, title=title, note=note)


def _back(field: str, rows: Values) -> alt.X:
    """Steps back, the past on the left."""
    return alt.X(
        f"{field}:Q",
        title="steps back",
        scale=alt.Scale(domain=[rows[-1]["from"], 0.5], nice=False, zero=False),
        axis=alt.Axis(labelExpr="format(-datum.value, 'd')", tickMinStep=1, tickCount=5),
    )
