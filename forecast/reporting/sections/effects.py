"""What each thing does: effects with sign and unit, and the interval that nine in ten lie within."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.theme import LIGHT
from forecast.wording import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from forecast.reporting.charts import Values
    from forecast.reporting.material import Material
    from forecast.reporting.summary import Summary

_MOST = 12
"""Effects of a kind that are drawn, the largest; all stand in components.csv."""
_SAID = 3
_PARTS = {"covariate": "covariates", "holidays": "holidays", "week": "the week", "year": "the year", "day": "the day"}


@dataclass(frozen=True)
class Effect:
    """One effect: in units of the target with its 90 % interval, and as it is written."""

    name: str
    effect: float
    low: float
    high: float
    written: str


@dataclass(frozen=True)
class EffectsSection:
    """Effects by what they belong to, a chart each."""

    says: str
    groups: tuple[tuple[str, tuple[Effect, ...]], ...]


def build(material: Material) -> EffectsSection | None:
    """Show the effects on the series that is drawn, those of the regression and of the network side by side."""
    table = material.effects
    if table is None:
        return None
    table = table[table["unique_id"].isin(["", material.uid])]
    models = list(dict.fromkeys(table["model"]))
    groups = []
    for model in models:
        of_model = table[table["model"] == model]
        for part, called in _PARTS.items():
            rows = of_model[of_model["part"] == part]
            if part in {"covariate", "holidays"}:  # the others are whole: seven days, twelve months
                rows = rows.reindex(rows["effect"].abs().sort_values(ascending=False).index)[:_MOST]
            if len(rows):
                groups.append((f"{called} ({model})", tuple(map(_effect, rows.to_dict("records")))))
    if not groups:
        return None
    return EffectsSection(_in_words(table, models), tuple(groups))


def _effect(row: Mapping[Any, Any]) -> Effect:
    return Effect(str(row["name"]), float(row["effect"]), float(row["low"]), float(row["high"]), written(row))


def written(row: Mapping[Any, Any]) -> str:
    """Write an effect with sign, unit, factor and its interval.

    >>> written({"effect": 181.0, "factor": 1.362, "factor_low": 1.312, "factor_high": 1.413})
    '+181, ×1.36 (90 %: 1.31 to 1.41)'
    >>> written({"effect": -3.2, "low": -4.0, "high": -2.4, "factor": float("nan")})
    '−3.20 (90 %: −4.00 to −2.40)'
    """
    effect = float(row["effect"])
    signed = f"{'+' if effect > 0 else ''}{number(effect)}"
    if np.isfinite(float(row["factor"])):
        ends = (float(row[key]) for key in ("factor_low", "factor_high"))
        return f"{signed}, ×{float(row['factor']):.2f} (90 %: {' to '.join(f'{end:.2f}' for end in ends)})"
    return f"{signed} (90 %: {number(float(row['low']))} to {number(float(row['high']))})"


def _in_words(table: pd.DataFrame, models: list[str]) -> str:
    """Name the largest effects of each model, and the trend."""
    sentences = []
    for model in models:
        of_model = table[table["model"] == model]
        sure = of_model[(of_model["low"] > 0) | (of_model["high"] < 0)]
        sure = sure.reindex(sure["effect"].abs().sort_values(ascending=False).index)
        largest = [
            row for part in ("covariate", "holidays") for row in sure[sure["part"] == part][:_SAID].to_dict("records")
        ]
        phrases = [f"{row['name']}: {written(row)}" for row in largest]
        trend = of_model[of_model["part"] == "trend"]
        phrases += [f"trend {row['name']}: {written(row)}" for row in trend.to_dict("records")]
        if phrases:
            sentences.append(f"By {model}: {'; '.join(phrases)}.")
    return " ".join([*sentences, "Effects are in the unit of the target; all of them stand in components.csv."])


def _short(name: str) -> str:
    """Write first what tells names apart that a chart may have to cut off; `says` has the units."""
    name = name.removesuffix(", per standard deviation")
    for around in ("before", "after"):
        if name.endswith(f", the day {around}"):
            return f"{around} {name.removesuffix(f', the day {around}')}"
    return name


def draw(section: EffectsSection, summary: Summary) -> Figure:
    """Draw a bar an effect with its interval, a panel for each group."""
    panels = []
    for title, effects in section.groups:
        labels = charts.distinct([_short(effect.name) for effect in effects])
        rows: Values = [
            {"text": label, "x": one.effect, "low": one.low, "high": one.high, "written": one.written}
            for label, one in zip(labels, effects, strict=True)
        ]
        tips = [charts.tip("text", "what"), charts.tip("written", "effect")]
        axis = charts.bar_axis("x", "effect, in the unit of the target")
        bars = charts.chart("rows").mark_bar(color=LIGHT.network).encode(x=axis, y=charts.symbol_axis(), tooltip=tips)
        spans = charts.chart("rows").mark_rule(color=LIGHT.ink, strokeWidth=1.2)
        spans = spans.encode(x=alt.X("low:Q"), x2="high:Q", y=charts.symbol_axis(), tooltip=tips)
        panels.append(charts.panel(charts.layered(bars, spans), {"rows": rows}, 22 * len(rows) + 10, title=title))
    return Figure("effects", "What each thing does", section.says, tuple(panels), columns=2)
