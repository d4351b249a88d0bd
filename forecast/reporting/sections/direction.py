"""Probabilities that the target rises: whether they are reliable, and those of the steps after the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.lines import Histogram, axis_times, histogram, rounded
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number, percentage

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.summary import Summary

PARTS = 10
"""A model's forecasts are cut into so many parts of about equal size, from the least likely rise on."""

_BINS = 25
_TALL, _LOW = 260, 220
"""Heights of the panels in pixels."""


# After the data


@dataclass(frozen=True)
class ModelProbabilities:
    """A model's probability of a rise at each step after the data."""

    model: str
    probabilities: tuple[float | None, ...]


@dataclass(frozen=True)
class ProbabilitySection:
    """Probabilities that the target of `series` is higher at each step after the data than at their end."""

    says: str
    series: str
    steps: tuple[int, ...]
    times: tuple[str, ...]
    models: tuple[ModelProbabilities, ...]


def build_probabilities(material: Material) -> ProbabilitySection | None:
    """Show the forecast of the direction after the end of the data, where there is one."""
    if not material.question.binary or material.ahead is None:
        return None
    truth, forecast, roles, clock = material.truth, material.ahead, material.roles, material.clock
    tables = {name: forecast[forecast["model"] == name].sort_values("ds") for name in roles.named()}
    tables = {name: rows for name, rows in tables.items() if len(rows)}
    first = next(iter(tables.values()))
    end = float(axis_times(truth["ds"])[truth["y"].notna().to_numpy()][-1])
    return ProbabilitySection(
        says=(
            f"How likely it is higher than {number(float(truth['y'].dropna().iloc[-1]))}, its last value "
            f"({clock.write(end)}), at each of {counted(len(first), 'step')} after it."
        ),
        series=material.uid,
        steps=tuple(range(1, len(first) + 1)),
        times=tuple(clock.write(float(t)) for t in axis_times(first["ds"])),
        models=tuple(ModelProbabilities(name, rounded(_column(rows, "y_hat"))) for name, rows in tables.items()),
    )


def draw_probabilities(section: ProbabilitySection, summary: Summary) -> Figure:
    """Draw the probabilities after the end of the data."""
    roles, models = summary.roles, section.models[::-1]  # what is drawn last lies on top: the network
    colours = {of.model: charts.role_colours(roles)[of.model] for of in models}
    rows: Values = [
        {"t": step, "y": charts.in_percent(probability), "of": of.model, "when": when}
        for of in models
        for step, when, probability in zip(section.steps, section.times, of.probabilities, strict=True)
        if probability is not None
    ]
    low, high = _around([50.0, *(row["y"] for row in rows)])
    x = alt.X(
        "t:Q",
        title="steps ahead",
        scale=alt.Scale(nice=False, zero=False, padding=10),
        axis=alt.Axis(tickMinStep=1, format="d"),
    )
    y = alt.Y("y:Q", title="% likely higher", scale=alt.Scale(domain=[low, high], nice=False))
    tips = [charts.tip("of", "model"), charts.tip("when", "time"), charts.tip("y", "likely higher, %", ".3~g")]
    paths = charts.chart("lines").mark_line(point=charts.touchable(seen=len(section.steps) <= 30))
    paths = paths.encode(x=x, y=y, color=charts.colour(colours), tooltip=tips)
    even = charts.rule("even").encode(y=y)
    tables: dict[str, Values] = {"lines": rows, "even": [{"y": 50}]}
    panel = charts.panel(charts.layered(even, paths), tables, _LOW)
    keys = charts.role_keys(roles, colours)
    return Figure("future", f"How likely {section.series} will be higher", section.says, (panel,), keys)


# Reliability


@dataclass(frozen=True)
class Reliability:
    """Mean probability of a model in each part of its forecasts, and the share of these that rose; both from 0 to 1.

    The Brier score is miscalibration - resolution + the variance of the outcomes (Murphy 1973).
    """

    model: str
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    count: tuple[int, ...]

    @property
    def miscalibration(self) -> float:
        """Mean squared difference between predicted and observed shares."""
        return self._weighted([(p - o) ** 2 for p, o in zip(self.predicted, self.observed, strict=True)])

    @property
    def resolution(self) -> float:
        """Variance of the observed shares over the parts."""
        rate = self._weighted(self.observed)
        return self._weighted([(observed - rate) ** 2 for observed in self.observed])

    def _weighted(self, values: list[float] | tuple[float, ...]) -> float:
        return float(np.average(values, weights=self.count))


@dataclass(frozen=True)
class ReliabilitySection:
    """Reliability of network and baseline, and a histogram of the network's probabilities."""

    says: str
    models: tuple[Reliability, ...]
    histogram: Histogram


def build_reliability(material: Material) -> ReliabilitySection | None:
    """Compare the probabilities of rises on the test split with what came."""
    if not material.question.binary:
        return None
    results, roles = material.results, material.roles
    known = results.dropna(subset=["y", "y_hat"])
    tables = {name: known[known["model"] == name] for name in roles.named()}
    models = tuple(reliability(name, _column(t, "y_hat"), _column(t, "y")) for name, t in tables.items() if len(t))
    if not models or models[0].model != roles.network:
        return None
    bars = histogram(_column(tables[roles.network], "y_hat"), _BINS, (0.0, 1.0))
    return ReliabilitySection(" ".join(_in_words(of) for of in models), models, bars)


def reliability(model: str, p: Array, y: Array) -> Reliability:
    """Cut probabilities `p` (forecast,) at their quantiles, and compare each part with its outcomes `y`, 0 or 1."""
    inner = np.unique(np.quantile(p, np.linspace(0, 1, PARTS + 1)[1:-1]))
    part = np.searchsorted(inner, p, side="left")
    parts = [part == k for k in np.unique(part)]  # each (forecast,)
    return Reliability(
        model,
        predicted=tuple(float(p[in_part].mean()) for in_part in parts),
        observed=tuple(float(y[in_part].mean()) for in_part in parts),
        count=tuple(int(in_part.sum()) for in_part in parts),
    )


def _in_words(of: Reliability) -> str:
    predicted, observed = (list(map(percentage, shares)) for shares in (of.predicted, of.observed))
    if len(predicted) == 1:
        return f"{of.model} always predicts {predicted[0]}, and {observed[0]} rose."
    return (
        f"Where {of.model} holds a rise least probable, it predicts {predicted[0]} on average and {observed[0]} rose; "
        f"where it holds it most probable, {predicted[-1]} and {observed[-1]}. Its Brier score would be "
        f"{number(of.miscalibration)} lower if its probabilities came true, and {number(of.resolution)} higher if it "
        f"did not tell rises apart."
    )


def _column(rows: pd.DataFrame, name: str) -> Array:
    return rows[name].to_numpy(dtype=np.float64)


def draw_reliability(section: ReliabilitySection, summary: Summary) -> Figure:
    """Draw observed against predicted shares, and the distribution of the network's probabilities."""
    roles, models = summary.roles, {of.model for of in section.models}
    keys = charts.role_keys(roles, models)
    panels = (_diagram(section, roles), _histogram(section, roles.network))
    return Figure("reliability", "Do the probabilities come true?", section.says, panels, keys, columns=2)


def _diagram(section: ReliabilitySection, roles: Roles) -> Panel:
    colours = charts.role_colours(roles)
    rows: Values = [
        {"x": charts.in_percent(predicted), "y": charts.in_percent(observed), "of": of.model, "count": count}
        for of in reversed(section.models)  # what is drawn last lies on top
        for predicted, observed, count in zip(of.predicted, of.observed, of.count, strict=True)
    ]
    low, high = _around([value for row in rows for value in (row["x"], row["y"])])
    scale = alt.Scale(domain=[low, high], nice=False)
    x, y = alt.X("x:Q", title="% predicted", scale=scale), alt.Y("y:Q", title="% that rose", scale=scale)
    ink = charts.colour({of.model: colours[of.model] for of in reversed(section.models)})
    tips = [
        charts.tip("of", "model"),
        charts.tip("x", "predicted, %", ".3~g"),
        charts.tip("y", "rose, %", ".3~g"),
        charts.tip("count", "forecasts", ",d"),
    ]
    paths = charts.chart("dots").mark_line(strokeWidth=1.5).encode(x=x, y=y, color=ink)
    dots = charts.chart("dots").mark_point(filled=True, opacity=1, size=55).encode(x=x, y=y, color=ink, tooltip=tips)
    diagonal = charts.chart("diagonal").mark_line(color=LIGHT.truth, strokeWidth=1.2, strokeDash=[4, 3])
    ends: Values = [{"x": low, "y": low}, {"x": high, "y": high}]
    view = charts.layered(diagonal.encode(x=x, y=y), paths, dots)
    note = (
        "Each dot is a tenth of a model's forecasts. On the dashed line probabilities come true; a line flatter than "
        "it claims too much, a steeper one too little."
    )
    tables = {"dots": rows, "diagonal": ends}
    return charts.panel(view, tables, _TALL, title="what came, and what was predicted", note=note)


def _histogram(section: ReliabilitySection, network: str) -> Panel:
    bars = section.histogram
    total = sum(bars.counts)
    rows: Values = [
        {"from": low, "to": high, "y": round(100 * count / total, 4), "count": count}
        for low, high, count in zip(bars.edges[:-1], bars.edges[1:], bars.counts, strict=True)
    ]
    tips = [charts.tip("from", "from", ".0%"), charts.tip("to", "to", ".0%"), charts.tip("count", "forecasts", ",d")]
    x = charts.share_axis("probability of a rise")
    y = alt.Y("y:Q", title="% of its forecasts", scale=alt.Scale(zero=True))
    drawn = charts.chart("bars").mark_bar(color=LIGHT.network, binSpacing=1).encode(x=x, x2="to", y=y, tooltip=tips)
    note = "Forecasts near the base rate say little; the further they spread, the more they say, if they are right."
    return charts.panel(drawn, {"bars": rows}, _TALL, title=f"how often {network} predicts what", note=note)


def _around(percents: list[float]) -> tuple[int, int]:
    """Return whole tens around all points, at least twenty apart.

    >>> _around([48.0, 52.5]), _around([3.0, 99.0])
    ((40, 60), (0, 100))
    """
    low, high = 10 * math.floor(min(percents) / 10), 10 * math.ceil(max(percents) / 10)
    return (low, high) if high - low >= 20 else (max(low - 10, 0), min(max(low - 10, 0) + 20 + high - low, 100))
