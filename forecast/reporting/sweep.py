"""The page of a sweep: its jobs compared by their score on the validation split, and by what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd
from altair.utils.schemapi import debug_mode

from forecast.evaluation.verdict import seed_spread
from forecast.questions.kinds import RANKING_METRICS, metric_label
from forecast.reporting import charts
from forecast.reporting.charts import Figure, Panel
from forecast.reporting.html import render_page
from forecast.reporting.lines import significant
from forecast.reporting.search import (
    SCORES,
    importance_figure,
    importances,
    number_scale,
    parallel_figure,
    score_column,
    shown_up_to,
    time_figure,
    values_of,
)
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd

_MOST_IN_TITLE, _MOST_CURVES = 4, 3
"""Settings that a title names, and of which each number has a figure of its own."""
_FIXED = ("job", "run", *SCORES, "seconds", "graph_mb", "status")
_MANY_VALUES = 12
_FEWEST_VALUES = 3
"""Of a number that is drawn as an axis."""
_MEASURES = {
    **{column: f"Validation {name}" for column, name in SCORES.items()},
    "seconds": "Seconds of a job",
    "graph_mb": "MB that a training step holds for its gradient",
}
_TIPS = {"y": "median", "low": "lowest", "high": "highest"}


@dataclass(frozen=True)
class Winner:
    """The best of a search, evaluated.

    Attributes
    ----------
    command : what runs it once more
    test : its scores on the test split in words; None where it was not evaluated there

    """

    command: str
    test: str | None = None


def scored_on_test(leaderboard: pd.DataFrame, network: str) -> str:
    """Say what a network scored on the test split, and the best of the others."""
    measure = next(name for name in RANKING_METRICS if name in leaderboard)
    scores = leaderboard.set_index("model")[measure].astype(float)
    others = scores.drop(network).dropna()
    runner_up = f"; the best other model, {others.idxmin()}, {number(float(others.min()))}" if len(others) else ""
    return (
        f"On the test split, which was looked at once and for these settings alone: {network} {metric_label(measure)} "
        f"{number(float(scores[network]))}{runner_up}."
    )


def write_sweep_page(
    sweep: pd.DataFrame, folder: str | Path, name: str = "sweep.html", winner: Winner | None = None
) -> Path:
    """Write the page into `folder` and return its path.

    `sweep` is the table of sweep.csv, best job first: `job`, a column for each setting that was swept,
    `validation_mase` (or `validation_brier`), `seconds`, `status`; a job that failed has no score, and its reason as
    status.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(sweep_html(sweep, winner), encoding="utf-8")
    return path


def sweep_html(sweep: pd.DataFrame, winner: Winner | None = None) -> str:
    """Return the page of a sweep or a study."""
    swept = swept_settings(sweep)
    scored = sweep[np.isfinite(sweep[score_column(sweep)])]
    ended = int(sweep["status"].astype(str).str.startswith("ended early").sum())
    failures = len(sweep) - len(scored) - ended
    over = listed(swept) if 0 < len(swept) <= _MOST_IN_TITLE else counted(len(swept), "setting")
    columns = [column for column in sweep.columns if column in (*_FIXED, *swept)]
    says = "Judged on the validation split, best first; only the best was taken to the test split."
    jobs = _Table("jobs", "All jobs", says, columns, [_cells(row, swept) for row in sweep.to_dict("records")])
    return render_page(
        "sweep.html",
        _figures(scored, swept) if len(scored) and swept else [],
        title=f"Search over {over}" if swept else "Search",
        verdict=_best_in_words(scored, swept),
        facts=[
            counted(len(sweep), "job"),
            *([f"{ended} ended early"] if ended else []),
            *([counted(failures, "failure")] if failures else []),
        ],
        spread=spread_over_seeds(scored, swept),
        winner=winner,
        tables=[*_over_seeds(scored, swept), jobs],
    )


class _Table(NamedTuple):
    """A table of the page: cells by column, a row each."""

    name: str
    title: str
    says: str
    columns: list[str]
    rows: list[dict[str, str]]


def _over_seeds(scored: pd.DataFrame, swept: Sequence[str]) -> list[_Table]:
    """Return a table of the settings with their scores over seeds, best mean first; none where no seed was swept."""
    settings = [name for name in swept if name != "seed"]
    if "seed" not in swept or not settings or scored.empty:
        return []
    score = score_column(scored)
    grouped = scored.groupby(settings, dropna=False, sort=False).agg(
        seeds=(score, "size"),
        mean=(score, "mean"),
        low=(score, "min"),
        high=(score, "max"),
        seconds=("seconds", "mean"),
    )
    rows = []
    for row in grouped.sort_values("mean", kind="stable").reset_index().to_dict("records"):
        cells = {name: _written(row[name]) for name in settings}
        spread = f"{number(row['low'])} to {number(row['high'])}" if row["seeds"] > 1 else "–"
        cells |= {"mean": number(row["mean"]), "lowest to highest": spread, "seeds": str(row["seeds"])}
        rows.append(cells | {"seconds": number(row["seconds"])})
    says = f"Validation {SCORES[score]} of each setting over its seeds: what lies within their spread is luck."
    return [_Table("settings", "Settings over seeds", says, list(rows[0]), rows)]


def _figures(scored: pd.DataFrame, swept: Sequence[str]) -> list[Figure]:
    """Draw what matters and how it lies together, score and costs by setting, and the score against time."""
    settings = [name for name in swept if name != "seed"]
    few = len(settings) <= _MOST_CURVES
    numbers = numeric_settings(scored, swept) if few else []
    shares = importances(scored, swept)
    with debug_mode(False):  # see `sections.draw`
        together = [] if few else [parallel_figure(scored, swept, shares)]
        figures = [importance_figure(shares) if shares else None, *together]
        figures += [curves_figure(scored, name) for name in numbers]
        others = [name for name in swept if name not in numbers]
        if not numbers or others not in ([], ["seed"]):
            figures.append(sweep_figure(scored, others))
            figures.append(time_figure(scored, swept, _limits(scored)) if "seconds" in scored else None)
    return [figure for figure in figures if figure is not None]


def swept_settings(sweep: pd.DataFrame) -> list[str]:
    """Return the columns of the settings that were swept."""
    return [str(column) for column in sweep.columns if column not in _FIXED]


def _best_in_words(scored: pd.DataFrame, swept: Sequence[str]) -> str:
    """Say which job was best on validation."""
    if scored.empty:
        return "No job of this sweep has a score."
    best = scored.iloc[0]
    settings = [f"{name}={_written(best[name])}" for name in swept if best[name] not in ("", None)]
    chosen = f"job {best['job']}" if len(settings) > _MOST_IN_TITLE else ", ".join(settings)
    score = score_column(scored)
    return f"Best on validation: {chosen or 'the only setting'}, {SCORES[score]} {number(float(best[score]))}."


def spread_over_seeds(scored: pd.DataFrame, swept: Sequence[str]) -> str | None:
    """Say how far the best setting's score varies over seeds; None where no seed was swept."""
    if "seed" not in swept or scored.empty:
        return None
    others = [name for name in swept if name != "seed"]
    as_best = (scored[others] == scored[others].iloc[0]).all(axis=1)
    score = score_column(scored)
    scores = scored.loc[as_best, score].tolist()
    if len(scores) < 2:
        return None
    sentence = seed_spread(scores, f"validation {SCORES[score]}")
    return f"With the other settings of the best job, {sentence}."


def _cells(row: dict[Hashable, Any], swept: Sequence[str]) -> dict[str, str]:
    cells = {str(name): _written(value) for name, value in row.items() if name in (*_FIXED, *swept)}
    for name in (*SCORES, "seconds", "graph_mb"):
        if name in row:
            cells[name] = number(float(row[name]))
    return cells


def _written(value: Any) -> str:
    """Write a setting: a number with few digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# Score by setting


def sweep_figure(scored: pd.DataFrame, swept: Sequence[str]) -> Figure:
    """Draw the score of every job against each swept setting, a panel a setting, the best job in colour."""
    score, limits = score_column(scored), _limits(scored)
    settings = [name for name in swept if name != "seed"] or list(swept)
    panels = tuple(_setting_panel(scored, name, limits) for name in settings)
    says = f"Validation {SCORES[score]} of every job; lower is better."
    says += " A dash marks the median of a value, the coloured dot the best."
    above = int((scored[score] > limits[1]).sum())
    if above:
        says += f" {counted(above, 'job')} {'lies' if above == 1 else 'lie'} above the picture."
    return Figure("score", "Score by setting", says, panels, columns=min(len(panels), 3))


def _limits(scored: pd.DataFrame) -> tuple[float, float]:
    """Return the limits of the scores that are drawn: a job that exploded does not flatten all others."""
    scores = scored[score_column(scored)].astype(float)
    best = float(scores.min())
    top = min(float(scores.max()), shown_up_to(scores))
    margin = (top - best) * 0.08 or abs(top) * 0.05 or 1.0
    return best - margin, top + margin


def _setting_panel(scored: pd.DataFrame, name: str, limits: tuple[float, float]) -> Panel:
    score = score_column(scored)
    values = pd.to_numeric(scored[name], errors="coerce")
    numeric = bool(values.notna().all())
    shown = scored.assign(at=values if numeric else scored[name].astype(str))
    shown = shown[shown[score] <= limits[1]]
    middle = shown.groupby("at")[score].median()
    continuous = numeric and len(middle) > _MANY_VALUES
    x = alt.X("at:Q", title=name, scale=number_scale(values) if numeric else alt.Scale(zero=False))
    if not continuous:
        x = alt.X("at:N", title=name, sort=middle.index.tolist(), axis=alt.Axis(labelAngle=0, labelLimit=90))
    y = alt.Y("y:Q", title=None, scale=alt.Scale(domain=list(limits), nice=False, zero=False))
    tips = [charts.tip("of", "job"), charts.tip("at", "value"), charts.tip("y", f"validation {SCORES[score]}", ".4~g")]
    dots = charts.chart("dots").mark_point(filled=True, opacity=0.9)
    dots = dots.encode(
        x=x, y=y, color=alt.Color("ink:N", scale=None), size=alt.Size("size:Q", scale=None), tooltip=tips
    )
    ticks = charts.chart("middle").mark_tick(color=LIGHT.truth, thickness=2, size=22, orient="horizontal")
    view: charts.View = dots if continuous else charts.layered(ticks.encode(x=x, y=y), dots)
    tables = {"dots": _dots(shown), "middle": [{"at": at, "y": typical} for at, typical in middle.items()]}
    return charts.panel(view, tables, 240, title=name)


def _dots(shown: pd.DataFrame) -> charts.Values:
    """Return a dot a job; the best stands first in the table and is drawn last, so that it lies on top."""
    scores = shown[score_column(shown)].tolist()
    rows: charts.Values = [
        {"at": at, "y": significant(score), "of": str(job), "ink": LIGHT.other, "size": 45}
        for at, score, job in zip(shown["at"].tolist(), scores, _jobs(shown), strict=True)
    ]
    if rows:
        rows[0] |= {"ink": LIGHT.network, "size": 90}
    return rows[::-1]


def _jobs(table: pd.DataFrame) -> list[Any]:
    named = next((name for name in ("job", "run") if name in table), None)
    return list(range(len(table))) if named is None else table[named].tolist()


# Score and costs against a swept number


def numeric_settings(scored: pd.DataFrame, swept: Sequence[str]) -> list[str]:
    """Return the swept settings, the seed apart, whose values are numbers, and enough of them for an axis."""
    return [
        name for name in swept if name != "seed" and len(values_of(scored, name).dropna().unique()) >= _FEWEST_VALUES
    ]


def curves_figure(scored: pd.DataFrame, name: str) -> Figure:
    """Draw what the jobs scored and cost against one setting: median and range of the jobs that share its value."""
    table = scored.assign(at=values_of(scored, name))
    panels = tuple(
        _curve_panel(table.dropna(subset=[measure]), name, measure, title)
        for measure, title in _MEASURES.items()
        if measure in table and table[measure].notna().any()
    )
    slug = "".join(letter if letter.isalnum() else "_" for letter in name)
    return Figure(f"by_{slug}", f"By {name}", _curve_in_words(table, name), panels, columns=min(len(panels), 3))


def _curve_in_words(table: pd.DataFrame, name: str) -> str:
    score = score_column(table)
    middle = table.groupby("at")[score].median()
    best, smallest, largest = middle.idxmin(), middle.index.min(), middle.index.max()
    scores = ", ".join(f"{number(float(middle[at]))} at {at:g}" for at in dict.fromkeys((smallest, best, largest)))
    most = int(table.groupby("at").size().max())
    shade = " The shade reaches from the lowest to the highest of the jobs with the same value." if most > 1 else ""
    return f"Median validation {SCORES[score]} by {name}: {scores}; lower is better.{shade}"


def _curve_panel(table: pd.DataFrame, name: str, measure: str, title: str) -> Panel:
    grouped = table.groupby("at")[measure].agg(["median", "min", "max"]).reset_index().to_numpy(dtype=float)
    rows: charts.Values = [
        {"x": at, "y": significant(middle), "low": significant(low), "high": significant(high)}
        for at, middle, low, high in grouped
    ]
    x = alt.X(
        "x:Q",
        title=name,
        scale=number_scale(table["at"]),
        axis=alt.Axis(values=sorted(map(float, table["at"].unique())), format="~g"),
    )
    y, low = (alt.Y(f"{of}:Q", title=None, scale=alt.Scale(zero=measure not in SCORES)) for of in ("y", "low"))
    tips = [charts.tip("x", name, "~g"), *(charts.tip(field, title, ".4~g") for field, title in _TIPS.items())]
    band = charts.chart("curve").mark_area(color=LIGHT.network, opacity=0.18).encode(x=x, y=low, y2="high")
    line = charts.chart("curve").mark_line(color=LIGHT.network, point=alt.OverlayMarkDef(color=LIGHT.network, size=36))
    return charts.panel(charts.layered(band, line.encode(x=x, y=y, tooltip=tips)), {"curve": rows}, 220, title=title)
