"""The network's errors one step ahead: over time, their distribution, their autocorrelation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.lines import Histogram, Line, histogram, line, rounded
from forecast.reporting.material import first_step
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.reporting.material import Material
    from forecast.reporting.summary import Summary

_MOST_LAGS = 40
_HEIGHT = 180


@dataclass(frozen=True)
class ResidualSection:
    """Errors of one series (truth less forecast), and their autocorrelation from lag 1 on.

    Autocorrelations of unrelated errors lie between -`band` and `band` with probability 0.95.
    """

    says: str
    over_time: Line
    histogram: Histogram
    correlation: tuple[float | None, ...]
    band: float


def build(material: Material) -> ResidualSection | None:
    """Show the network's errors on the series that is drawn; None of probabilities, or of fewer than three errors."""
    if material.question.forecasts_probabilities:
        return None
    t, y, y_hat = first_step(material.results_drawn, material.roles.network)
    errors = y - y_hat
    if len(errors) < 3:
        return None
    correlation = autocorrelation(errors, min(_MOST_LAGS, len(errors) // 3))
    band = 1.96 / float(np.sqrt(len(errors)))
    return ResidualSection(
        says=_in_words(errors, correlation, band),
        over_time=line(t, errors, material.show.points),
        histogram=histogram(errors, bins=min(max(int(np.sqrt(len(errors))), 8), 40)),
        correlation=rounded(correlation),
        band=band,
    )


def autocorrelation(values: Array, lags: int) -> Array:
    """Return the autocorrelation of (step,) values at the lags 1 to `lags`, (lag,); zeros for a constant."""
    centred = values - values.mean()
    energy = float(centred @ centred)
    if energy == 0:
        return np.zeros(lags)
    return np.array([float(centred[lag:] @ centred[:-lag]) / energy for lag in range(1, lags + 1)])


def _in_words(errors: Array, correlation: Array, band: float) -> str:
    says = (
        f"Truth less forecast, one step ahead, {counted(len(errors), 'origin')}: "
        f"on average {number(float(errors.mean()))}, standard deviation {number(float(errors.std()))}."
    )
    outside = np.abs(correlation) > band
    # One lag in twenty leaves the band by chance alone.
    if outside.mean() <= 0.1:
        return says + " Errors at neighbouring origins are unrelated: little is left to learn from them."
    lag = int(np.argmax(np.abs(correlation)))
    return says + (
        f" Errors are related over time (autocorrelation {number(float(correlation[lag]), 2)} at lag {lag + 1}): "
        f"something in the data is left unused."
    )


def draw(section: ResidualSection, summary: Summary) -> Figure:
    """Draw the errors over time, their distribution, and their autocorrelation."""
    errors = charts.lines("lines", summary.clock)
    errors = errors.encode(y=charts.value_axis(None), color=alt.value(LIGHT.network), strokeWidth=alt.value(1))
    over_time = charts.layered(charts.rule("zero", dashed=False).encode(y="y:Q"), errors)
    tables = {"lines": charts.track_rows([("error", section.over_time)]), "zero": [{"y": 0}]}
    panels = (
        charts.panel(over_time, tables, _HEIGHT, zooms=True, title="over time"),
        _histogram_panel(section.histogram),
        _correlogram(section),
    )
    return Figure("residuals", f"Errors of {summary.roles.network}", section.says, panels, columns=3)


def _histogram_panel(bars: Histogram) -> Panel:
    rows: Values = [
        {"from": low, "to": high, "count": count}
        for low, high, count in zip(bars.edges[:-1], bars.edges[1:], bars.counts, strict=True)
    ]
    tips = [charts.tip("from", "from", ".3~g"), charts.tip("to", "to", ".3~g"), charts.tip("count", "origins", "d")]
    columns = charts.chart("bars").mark_bar(color=LIGHT.network, binSpacing=1)
    columns = columns.encode(
        x=alt.X("from:Q", bin="binned", title="error", scale=alt.Scale(zero=False)),
        x2="to",
        y=alt.Y("count:Q", title=None, axis=alt.Axis(format="d", tickMinStep=1)),
        tooltip=tips,
    )
    return charts.panel(columns, {"bars": rows}, _HEIGHT, title="how often, in origins")


def _correlogram(section: ResidualSection) -> Panel:
    rows: Values = [{"t": lag, "y": r} for lag, r in enumerate(section.correlation, start=1)]
    reach = min(1.0, max(0.35, section.band * 1.2, *(abs(r or 0.0) * 1.1 for r in section.correlation)))
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    x = alt.X("t:Q", title="lag in origins", scale=alt.Scale(domain=[0, len(rows) + 1], nice=False))
    tips = [charts.tip("t", "lag", "d"), charts.tip("y", "autocorrelation", ".2f")]
    stems = charts.chart("stems").mark_bar(color=LIGHT.network, size=3)
    stems = stems.encode(x=x, y=alt.Y("y:Q", title=None, scale=scale), tooltip=tips)
    band = charts.chart("band").mark_rect(color=LIGHT.grid)
    band = band.encode(y=alt.Y("low:Q", title=None, scale=scale), y2="high")
    zero = charts.rule("zero", dashed=False).encode(y="y:Q")
    tables: dict[str, Values] = {
        "stems": rows,
        "band": [{"low": -section.band, "high": section.band}],
        "zero": [{"y": 0}],
    }
    return charts.panel(charts.layered(band, zero, stems), tables, _HEIGHT, title="autocorrelation (grey: by chance)")
