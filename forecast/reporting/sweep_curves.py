"""Score, time and memory against a swept number, on the page of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from forecast.reporting import marks
from forecast.reporting.marks import Figure, Panel
from forecast.reporting.scores import SCORES, score_column
from forecast.reporting.theme import LIGHT
from forecast.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIPS = {"y": "median", "low": "lowest", "high": "highest"}

FEWEST_VALUES = 3
"""Of a number that is drawn as an axis."""
_WIDE = 8
"""A number whose largest value is this many times its smallest lies on a logarithmic axis."""
_MEASURES = {
    **{column: f"Validation {name}" for column, name in SCORES.items()},
    "seconds": "Seconds of a job",
    "graph_mb": "MB that a training step holds for its gradient",
}


def numeric_settings(scored: pd.DataFrame, swept: Sequence[str]) -> list[str]:
    """Return the swept settings, the seed apart, whose values are numbers, and enough of them for an axis."""
    return [name for name in swept if name != "seed" and len(_values(scored, name).dropna().unique()) >= FEWEST_VALUES]


def _values(scored: pd.DataFrame, name: str) -> pd.Series:
    """Return a setting as numbers, all missing where one of them is none."""
    values = pd.to_numeric(scored[name], errors="coerce")
    return values if values.notna().all() else values.iloc[:0]


def curves_figure(scored: pd.DataFrame, name: str) -> Figure:
    """Draw what the jobs scored and cost against one setting: median and range of the jobs that share its value."""
    table = scored.assign(at=_values(scored, name))
    panels = tuple(
        _panel(table.dropna(subset=[measure]), name, measure, title)
        for measure, title in _MEASURES.items()
        if measure in table and table[measure].notna().any()
    )
    slug = "".join(letter if letter.isalnum() else "_" for letter in name)
    return Figure(f"by_{slug}", f"By {name}", _in_words(table, name), panels, columns=min(len(panels), 3))


def _in_words(table: pd.DataFrame, name: str) -> str:
    score = score_column(table)
    middle = table.groupby("at")[score].median()
    best, smallest, largest = middle.idxmin(), middle.index.min(), middle.index.max()
    said = ", ".join(f"{number(float(middle[at]))} at {at:g}" for at in dict.fromkeys((smallest, best, largest)))
    most = int(table.groupby("at").size().max())
    shade = " The shade reaches from the lowest to the highest of the jobs with the same value." if most > 1 else ""
    return f"Median validation {SCORES[score]} by {name}: {said}; lower is better.{shade}"


def _panel(table: pd.DataFrame, name: str, measure: str, title: str) -> Panel:
    grouped = table.groupby("at")[measure].agg(["median", "min", "max"]).reset_index().to_numpy(dtype=float)
    rows: marks.Values = [
        {"x": at, "y": _short(middle), "low": _short(low), "high": _short(high)} for at, middle, low, high in grouped
    ]
    x = alt.X("x:Q", title=name, scale=_scale(table["at"]), axis=alt.Axis(values=_ticks(table["at"]), format="~g"))
    y, low = (alt.Y(f"{of}:Q", title=None, scale=alt.Scale(zero=measure not in SCORES)) for of in ("y", "low"))
    tips = [marks.tip("x", name, "~g"), *(marks.tip(of, said, ".4~g") for of, said in _TIPS.items())]
    band = marks.chart("curve").mark_area(color=LIGHT.network, opacity=0.18).encode(x=x, y=low, y2="high")
    line = marks.chart("curve").mark_line(color=LIGHT.network, point=alt.OverlayMarkDef(color=LIGHT.network, size=36))
    return marks.panel(marks.layered(band, line.encode(x=x, y=y, tooltip=tips)), {"curve": rows}, 220, title=title)


def _scale(at: pd.Series) -> alt.Scale:
    if at.min() > 0 and at.max() / at.min() >= _WIDE:
        return alt.Scale(type="log", nice=False)
    return alt.Scale(zero=False, nice=False)


def _ticks(at: pd.Series) -> list[float]:
    """Return the values that were tried, as labels; where they overlap, Vega leaves some out."""
    return [float(value) for value in sorted(at.unique())]


def _short(value: float) -> float:
    return float(f"{value:.6g}")
