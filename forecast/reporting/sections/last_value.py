"""Whether the forecast is a copy of the last value: its distance from the truth some steps back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.lines import axis_times, rounded
from forecast.reporting.material import first_step
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.material import Material
    from forecast.reporting.summary import Summary

_SHIFTS = range(-3, 7)
"""Steps back from the step that was forecast: 0 is the truth, 1 the last known value, -1 the step after."""
_MOST_CHANGES = 600
_HEIGHT = 180
_TRUTH, _LAST, _OTHER = "what came (0)", "last known value (1)", "another step"


@dataclass(frozen=True)
class CopySection:
    """Mean distance of the one-step forecast from the truth at each shift, and forecast beside true changes."""

    says: str
    shifts: tuple[int, ...]
    distances: tuple[float | None, ...]
    true_changes: tuple[float | None, ...]
    forecast_changes: tuple[float | None, ...]


def build(material: Material) -> CopySection | None:
    """Compare forecasts of values with the truth some steps back; probabilities are no copy of it."""
    if material.question.forecasts_probabilities:
        return None
    return copy_section(material.truth, material.results_drawn, material.roles.network, material.copy_test)


def copy_section(truth: pd.DataFrame, results: pd.DataFrame, network: str, verdict: str | None) -> CopySection | None:
    """Compare the network's one-step forecasts with the shifted truth; None where there are fewer than three."""
    known = truth.dropna(subset=["y"]).sort_values("ds")
    y = known["y"].to_numpy(dtype=np.float64)
    t, _, y_hat = first_step(results, network)
    at = np.searchsorted(axis_times(known["ds"]), t)  # (origin,) rows of `y` that were forecast
    inside = (at > max(_SHIFTS)) & (at < len(y) + min(_SHIFTS))
    at, y_hat = at[inside], y_hat[inside]
    if len(at) < 3:
        return None
    distances = np.array([float(np.abs(y_hat - y[at - shift]).mean()) for shift in _SHIFTS])
    every, last = max(len(at) // _MOST_CHANGES, 1), y[at - 1]
    return CopySection(
        _in_words(_SHIFTS[int(np.argmin(distances))], verdict),
        tuple(_SHIFTS),
        rounded(distances),
        true_changes=rounded((y[at] - last)[::every]),
        forecast_changes=rounded((y_hat - last)[::every]),
    )


def _in_words(nearest: int, verdict: str | None) -> str:
    if nearest == 0:
        where = "what came, not to the last known value"
    elif nearest == 1:
        where = "the last known value, not to what came: much like a copy of it"
    else:
        steps = f"{abs(nearest)} {'step' if abs(nearest) == 1 else 'steps'}"
        where = f"the truth {steps} {'before' if nearest > 0 else 'on'}"
    says = f"One step ahead the forecast lies nearest to {where}."
    return says if verdict is None else f"{verdict.rstrip('.')}. {says}"


def draw(section: CopySection, _: Summary) -> Figure:
    """Draw how near the forecast lies to the truth some steps back, and forecast against true changes."""
    colours = {_TRUTH: LIGHT.truth, _LAST: LIGHT.baseline, _OTHER: LIGHT.other}
    panels = (_distances(section, colours), _changes(section))
    keys = charts.area_keys(colours)
    return Figure("copy_test", "Is it a copy of the last value?", section.says, panels, keys, columns=2)


def _distances(section: CopySection, colours: dict[str, str]) -> Panel:
    named = {0: _TRUTH, 1: _LAST}
    rows: Values = [
        {"t": shift, "y": distance, "of": named.get(shift, _OTHER)}
        for shift, distance in zip(section.shifts, section.distances, strict=True)
    ]
    bars = charts.chart("bars").mark_bar(size=14)
    bars = bars.encode(
        x=alt.X("t:O", title="steps back from the step that was forecast", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("y:Q", title=None),
        color=charts.colour(colours),
        tooltip=[charts.tip("t", "steps back", "d"), charts.tip("y", "mean distance", ".4~g")],
    )
    return charts.panel(bars, {"bars": rows}, _HEIGHT, title="mean distance between forecast and truth")


def _changes(section: CopySection) -> Panel:
    rows = [
        {"x": true, "y": forecast}
        for true, forecast in zip(section.true_changes, section.forecast_changes, strict=True)
        if true is not None and forecast is not None
    ]
    reach = max((abs(row["x"]) for row in rows), default=0.0) or 1.0
    scale = alt.Scale(domain=[-reach * 1.05, reach * 1.05], nice=False)
    x = alt.X("x:Q", title="true change to the next step", scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=None, scale=scale)
    tips = [charts.tip("x", "true change", ".3~g"), charts.tip("y", "forecast change", ".3~g")]
    dots = charts.chart("dots").mark_point(color=LIGHT.network, filled=True, size=22, opacity=0.5, clip=True)
    diagonal = charts.chart("diagonal").mark_line(color=LIGHT.truth, strokeWidth=1.5)
    # A copy of the last value forecasts no change.
    copied = charts.rule("zero", dashed=False).encode(y="y:Q", color=alt.value(LIGHT.baseline), size=alt.value(1.5))
    view = charts.layered(copied, diagonal.encode(x=x, y=y), dots.encode(x=x, y=y, tooltip=tips))
    ends: Values = [{"x": -reach, "y": -reach}, {"x": reach, "y": reach}]
    tables: dict[str, Values] = {"dots": rows, "diagonal": ends, "zero": [{"y": 0}]}
    return charts.panel(view, tables, _HEIGHT, title="forecast change (up) against true change", cut=True)
