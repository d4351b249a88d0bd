"""Reports on many series: how scores are spread over them, and which of them a page lets its reader choose.

Not every series fits into a page: the best, the median and the worst by the network's score are in it, and an even
spread over the ranks between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.questions.kinds import metric_label
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.lines import rounded
from forecast.reporting.material import error_measure, mean_losses, truth_of
from forecast.reporting.sections.answer import answer_of
from forecast.reporting.sections.data import data_section
from forecast.reporting.sections.forecasts import future_section, origins_section
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.sections.answer import AnswerSection
    from forecast.reporting.sections.data import DataSection
    from forecast.reporting.sections.forecasts import ForecastSection
    from forecast.reporting.summary import Summary

MOST_CHOICES = 30
_POINTS, _ORIGINS = 400, 3
"""Points that the line of a series to choose is thinned to, and origins whose forecasts are drawn of it."""
_HEIGHT = 220
_MOST_DOTS, _MOST_POINTS = 2000, 500


@dataclass(frozen=True)
class SpreadSection:
    """Scores of network and baseline on every series, `ids` from the network's best to its worst.

    Attributes
    ----------
    metric : the name of the metric that models are ranked by
    baseline : scores in the same order; empty where there is no baseline

    """

    says: str
    metric: str
    ids: tuple[str, ...]
    network: tuple[float | None, ...]
    baseline: tuple[float | None, ...]


def build(material: Material) -> SpreadSection | None:
    """Show the scores of several series, from their table or else from the results; None of one series."""
    if material.series_count < 2:
        return None
    by_series = material.by_series
    if by_series is None:
        by_series = mean_losses(material.results, ["model", "unique_id"])
    return spread_section(by_series, material.roles)


def spread_section(by_series: pd.DataFrame, roles: Roles) -> SpreadSection | None:
    """Show `by_series` (`model, unique_id`, and `mase` or else `mae`); None where there are fewer than two series."""
    metric = error_measure(by_series)
    table = by_series.assign(model=by_series["model"].astype(str), unique_id=by_series["unique_id"].astype(str))
    table = table.pivot_table(index="unique_id", columns="model", values=metric)
    if roles.network not in table:
        return None
    table = table[table[roles.network].notna()].sort_values(roles.network, kind="stable")
    if len(table) < 2:
        return None
    has_baseline = roles.baseline is not None and roles.baseline in table
    return SpreadSection(
        says=_in_words(table, roles, metric_label(metric), has_baseline=has_baseline),
        metric=metric_label(metric),
        ids=tuple(map(str, table.index)),
        network=rounded(table[roles.network].to_numpy()),
        baseline=rounded(table[roles.baseline].to_numpy()) if has_baseline else (),
    )


def _in_words(table: pd.DataFrame, roles: Roles, metric: str, *, has_baseline: bool) -> str:
    scores = table[roles.network]
    tenth, median, most = (number(float(np.quantile(scores, share))) for share in (0.1, 0.5, 0.9))
    says = (
        f"{metric} of {roles.network} on {counted(len(table), 'series')}: median {median}, a tenth below {tenth}, "
        f"a tenth above {most}. Best on {table.index[0]} ({number(float(scores.iloc[0]))}), "
        f"worst on {table.index[-1]} ({number(float(scores.iloc[-1]))})."
    )
    if not has_baseline:
        return says
    ahead = int((scores < table[roles.baseline]).sum())
    return f"{says} Ahead of {roles.baseline} on {ahead:,} of them."


def draw(section: SpreadSection, summary: Summary) -> Figure:
    """Draw the scores of all series: as distributions, and the network's against the baseline's."""
    roles = summary.roles
    keys = charts.role_keys(roles, roles.named())
    panels = (_distribution(section, roles), *([_comparison(section, roles)] if section.baseline else []))
    return Figure("series", "Scores over the series", section.says, panels, keys, columns=2)


def _distribution(section: SpreadSection, roles: Roles) -> Panel:
    scores = {roles.network: section.network} | ({str(roles.baseline): section.baseline} if section.baseline else {})
    rows: Values = []
    for model, values in scores.items():
        known = sorted(value for value in values if value is not None)
        kept = known[:: -(-len(known) // _MOST_POINTS)]
        rows += [{"t": round(100 * (i + 0.5) / len(kept), 2), "y": value, "of": model} for i, value in enumerate(kept)]
    colours = {model: colour for model, colour in charts.role_colours(roles).items() if model in scores}
    positive = all(row["y"] > 0 for row in rows)
    y = alt.Y("y:Q", title=section.metric, scale=alt.Scale(type="log" if positive else "linear", nice=False))
    tips = [
        charts.tip("of", "model"),
        charts.tip("t", "% of series below", ".0f"),
        charts.tip("y", section.metric, ".3~g"),
    ]
    drawn = charts.chart("lines").mark_line(point=charts.touchable(seen=len(rows) < 20))
    x = alt.X("t:Q", title="% of series with a lower score", scale=alt.Scale(domain=[0, 100]))
    view = drawn.encode(x=x, y=y, color=charts.colour(colours), tooltip=tips)
    return charts.panel(view, {"lines": rows}, _HEIGHT, title="distribution, lower is better")


def _comparison(section: SpreadSection, roles: Roles) -> Panel:
    pairs = zip(section.ids, section.network, section.baseline, strict=True)
    dots: Values = [
        {"x": baseline, "y": network, "of": name}
        for name, network, baseline in pairs
        if network is not None and baseline is not None
    ]
    dots = dots[:: -(-len(dots) // _MOST_DOTS) or 1]
    ends = [value for row in dots for value in (row["x"], row["y"])] or [1.0]
    low, high = min(ends), max(ends)
    scale = alt.Scale(type="log" if low > 0 else "linear", domain=[low, high if high > low else low + 1], nice=False)
    tips = [
        charts.tip("of", "series"),
        charts.tip("y", roles.network, ".3~g"),
        charts.tip("x", str(roles.baseline), ".3~g"),
    ]
    x = alt.X("x:Q", title=f"{section.metric} of {roles.baseline}", scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=f"{section.metric} of {roles.network}", scale=scale)
    points = charts.chart("dots").mark_point(color=LIGHT.network, filled=True, size=22, opacity=0.5)
    diagonal = charts.chart("diagonal").mark_line(color=LIGHT.truth, strokeWidth=1.2)
    view = charts.layered(diagonal.encode(x=x, y=y), points.encode(x=x, y=y, tooltip=tips))
    ends_of_diagonal: Values = [{"x": low, "y": low}, {"x": high, "y": high}]
    return charts.panel(
        view,
        {"dots": dots, "diagonal": ends_of_diagonal},
        _HEIGHT,
        title="each series; below the line the network is ahead",
    )


# Series to choose from


@dataclass(frozen=True)
class Choice:
    """A series that can be chosen, with what is drawn of it."""

    name: str
    label: str
    data: DataSection
    origins: ForecastSection
    future: ForecastSection | None
    answer: AnswerSection | None = None


def chosen_ranks(count: int, most: int = MOST_CHOICES) -> tuple[int, ...]:
    """Choose ranks of `count` series: the first, the last, the median, and an even spread.

    >>> chosen_ranks(100, 5)
    (0, 25, 49, 74, 99)
    """
    ranks = np.unique(np.linspace(0, count - 1, most if count > most else count).round().astype(np.int64))
    ranks[np.argmin(np.abs(ranks - (count - 1) // 2))] = (count - 1) // 2
    return tuple(int(rank) for rank in np.unique(ranks))


def choices(material: Material, spread: SpreadSection) -> tuple[Choice, ...]:
    """Return the series of values to choose from, best first, among them the one that is drawn at first."""
    if material.question.forecasts_probabilities:
        return ()
    ranks = set(chosen_ranks(len(spread.ids)))
    drawn = spread.ids.index(material.uid) if material.uid in spread.ids else 0
    if drawn not in ranks:
        ranks = {drawn, *chosen_ranks(len(spread.ids), MOST_CHOICES - 1)}
    ids = [spread.ids[rank] for rank in sorted(ranks)]
    results = _by_series(material.results_in_colour, ids)
    series, ahead = _by_series(material.rows(ids), ids), _by_series(material.forecast, ids)
    return tuple(
        _choice(material, spread, uid, (truth_of(results[uid], series.get(uid)), results[uid], ahead.get(uid)))
        for uid in ids
        if uid in results
    )


def _by_series(table: pd.DataFrame | None, ids: list[str]) -> dict[str, pd.DataFrame]:
    if table is None:
        return {}
    kept = table[table["unique_id"].astype(str).isin(ids)]
    return {str(uid): rows for uid, rows in kept.groupby("unique_id", observed=True, sort=False)}


def _choice(
    material: Material,
    spread: SpreadSection,
    uid: str,
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None],
) -> Choice:
    truth, results, ahead = tables
    roles, clock, rank, last = material.roles, material.clock, spread.ids.index(uid), len(spread.ids) - 1
    place = {0: ", the best", last // 2: ", the median", last: ", the worst"}.get(rank, "")
    return Choice(
        name=uid,
        label=f"{uid} ({spread.metric} {number(spread.network[rank])}{place})",
        data=data_section(truth, clock, _POINTS, uid, uid, anomalies=material.anomalies),
        origins=origins_section(truth, results, roles, clock, _ORIGINS, uid=uid),
        future=None if ahead is None else future_section(truth, ahead, roles, clock, uid),
        answer=None if ahead is None else answer_of(material, truth, ahead, uid),
    )
