"""The page of a sweep: its jobs compared by their score on the validation split, and by what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd
from altair.utils.schemapi import debug_mode

from forecast.evaluation.leaderboard import seed_spread
from forecast.questions.kinds import RANKING_METRICS, metric_label
from forecast.reporting import charts
from forecast.reporting.charts import Figure, Panel
from forecast.reporting.html import render_page
from forecast.reporting.lines import significant
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd

SCORES = {f"validation_{name}": metric_label(name) for name in RANKING_METRICS}
"""Columns of a score, of which the table of a sweep has one, and the metric's name."""
_FIXED = ("job", "run", *SCORES, "seconds", "graph_mb", "status")
_WORSE_THAN_SHOWN = 4.0
"""A score that lies above the best by this many times as much as the median does is not drawn."""
_MANY_VALUES = 12
_FEWEST_VALUES = 3
"""Of a number that is drawn as an axis."""
_WIDE = 8
"""A number, or seconds, whose largest value is this many times its smallest lies on a logarithmic axis."""
_MEASURES = {
    **{column: f"Validation {name}" for column, name in SCORES.items()},
    "seconds": "Seconds of a job",
    "graph_mb": "MB that a training step holds for its gradient",
}
_TIPS = {"y": "median", "low": "lowest", "high": "highest"}

# Score against time
_MOST_NAMED = 16
"""Settings beyond this many, the worst ones, are dots without a name."""
_HEIGHT, _LINE = 320, 15.0
"""In pixels, of the panel and of a name in it."""
_APART = 0.3
"""Share of the axis within which names might lie on each other, on a telephone."""


def write_sweep_page(sweep: pd.DataFrame, folder: str | Path, name: str = "sweep.html") -> Path:
    """Write the page into `folder` and return its path.

    `sweep` is the table of sweep.csv: `job`, a column for each setting that was swept, `validation_mase` (or
    `validation_brier`), `seconds`, `status`; a job that failed has no score, and its reason as status.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(sweep_html(sweep), encoding="utf-8")
    return path


def sweep_html(sweep: pd.DataFrame) -> str:
    """Return the page of a sweep."""
    swept = swept_settings(sweep)
    score = _score_column(sweep)
    scored = sweep[np.isfinite(sweep[score])].sort_values(score, kind="stable")
    figures = _figures(scored, swept) if len(scored) and swept else []
    failures = len(sweep) - len(scored)
    return render_page(
        "sweep.html",
        figures,
        title=f"Sweep over {', '.join(swept)}" if swept else "Sweep",
        verdict=_best_in_words(scored, swept),
        facts=[counted(len(sweep), "job"), *([counted(failures, "failure")] if failures else [])],
        spread=spread_over_seeds(scored, swept),
        columns=[column for column in sweep.columns if column in (*_FIXED, *swept)],
        rows=[_cells(row, swept) for row in sweep.to_dict("records")],
    )


def _figures(scored: pd.DataFrame, swept: Sequence[str]) -> list[Figure]:
    """Draw score and costs against each swept number, the score against every other setting, and against time."""
    numbers = numeric_settings(scored, swept)
    with debug_mode(False):  # see `sections.draw`
        curves = [curves_figure(scored, name) for name in numbers]
        others = [name for name in swept if name not in numbers]
        if numbers and others in ([], ["seed"]):
            return curves
        against_time = time_figure(scored, swept, _limits(scored)) if "seconds" in scored else None
        return [*curves, sweep_figure(scored, others), *([] if against_time is None else [against_time])]


def _score_column(sweep: pd.DataFrame) -> str:
    """Return the column of the score."""
    return next(name for name in SCORES if name in sweep)


def swept_settings(sweep: pd.DataFrame) -> list[str]:
    """Return the columns of the settings that were swept."""
    return [str(column) for column in sweep.columns if column not in _FIXED]


def _best_in_words(scored: pd.DataFrame, swept: Sequence[str]) -> str:
    """Say which job was best on validation."""
    if scored.empty:
        return "No job of this sweep has a score."
    best = scored.iloc[0]
    chosen = ", ".join(f"{name}={best[name]}" for name in swept)
    score = _score_column(scored)
    return f"Best on validation: {chosen or 'the only setting'}, {SCORES[score]} {number(float(best[score]))}."


def spread_over_seeds(scored: pd.DataFrame, swept: Sequence[str]) -> str | None:
    """Say how far the best setting's score varies over seeds; None where no seed was swept."""
    if "seed" not in swept or scored.empty:
        return None
    others = [name for name in swept if name != "seed"]
    as_best = (scored[others] == scored[others].iloc[0]).all(axis=1)
    score = _score_column(scored)
    scores = scored.loc[as_best, score].tolist()
    if len(scores) < 2:
        return None
    sentence = seed_spread(scores, f"validation {SCORES[score]}")
    return f"With the other settings of the best job, {sentence}."


def _cells(row: dict[Hashable, Any], swept: Sequence[str]) -> dict[str, str]:
    cells = {str(name): str(value) for name, value in row.items() if name in (*_FIXED, *swept)}
    for name in (*SCORES, "seconds", "graph_mb"):
        if name in row:
            cells[name] = number(float(row[name]))
    return cells


# Score by setting


def sweep_figure(scored: pd.DataFrame, swept: Sequence[str]) -> Figure:
    """Draw the score of every job against each swept setting, a panel a setting, the best job in colour."""
    score, limits = _score_column(scored), _limits(scored)
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
    scores = scored[_score_column(scored)].to_numpy(dtype=np.float64)
    best, typical = float(scores.min()), float(np.median(scores))
    top = min(float(scores.max()), best + _WORSE_THAN_SHOWN * max(typical - best, 0.05 * abs(best)))
    margin = (top - best) * 0.08 or abs(top) * 0.05 or 1.0
    return best - margin, top + margin


def _setting_panel(scored: pd.DataFrame, name: str, limits: tuple[float, float]) -> Panel:
    score = _score_column(scored)
    values = pd.to_numeric(scored[name], errors="coerce")
    numeric = bool(values.notna().all())
    shown = scored.assign(at=values if numeric else scored[name].astype(str))
    shown = shown[shown[score] <= limits[1]]
    middle = shown.groupby("at")[score].median()
    continuous = numeric and len(middle) > _MANY_VALUES
    x = alt.X("at:Q", title=name, scale=alt.Scale(zero=False))
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
    scores = shown[_score_column(shown)].tolist()
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
    return [name for name in swept if name != "seed" and len(_values(scored, name).dropna().unique()) >= _FEWEST_VALUES]


def _values(scored: pd.DataFrame, name: str) -> pd.Series:
    """Return a setting as numbers, all missing where one of them is none."""
    values = pd.to_numeric(scored[name], errors="coerce")
    return values if values.notna().all() else values.iloc[:0]


def curves_figure(scored: pd.DataFrame, name: str) -> Figure:
    """Draw what the jobs scored and cost against one setting: median and range of the jobs that share its value."""
    table = scored.assign(at=_values(scored, name))
    panels = tuple(
        _curve_panel(table.dropna(subset=[measure]), name, measure, title)
        for measure, title in _MEASURES.items()
        if measure in table and table[measure].notna().any()
    )
    slug = "".join(letter if letter.isalnum() else "_" for letter in name)
    return Figure(f"by_{slug}", f"By {name}", _curve_in_words(table, name), panels, columns=min(len(panels), 3))


def _curve_in_words(table: pd.DataFrame, name: str) -> str:
    score = _score_column(table)
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
        scale=_number_scale(table["at"]),
        axis=alt.Axis(values=sorted(map(float, table["at"].unique())), format="~g"),
    )
    y, low = (alt.Y(f"{of}:Q", title=None, scale=alt.Scale(zero=measure not in SCORES)) for of in ("y", "low"))
    tips = [charts.tip("x", name, "~g"), *(charts.tip(field, title, ".4~g") for field, title in _TIPS.items())]
    band = charts.chart("curve").mark_area(color=LIGHT.network, opacity=0.18).encode(x=x, y=low, y2="high")
    line = charts.chart("curve").mark_line(color=LIGHT.network, point=alt.OverlayMarkDef(color=LIGHT.network, size=36))
    return charts.panel(charts.layered(band, line.encode(x=x, y=y, tooltip=tips)), {"curve": rows}, 220, title=title)


def _number_scale(at: pd.Series) -> alt.Scale:
    if at.min() > 0 and at.max() / at.min() >= _WIDE:
        return alt.Scale(type="log", nice=False)
    return alt.Scale(zero=False, nice=False)


# Score against time


def time_figure(scored: pd.DataFrame, swept: Sequence[str], limits: tuple[float, float]) -> Figure | None:
    """Draw every setting's score against its seconds, and its seeds around it; None where there is one setting alone.

    `scored` has `validation_mase` and `seconds`, the best job first; `limits` are those of the scores drawn.
    """
    settings = [name for name in swept if name != "seed"]
    if not settings:
        return None
    score = _score_column(scored)
    scored = scored.rename(columns={score: "score"})
    jobs = scored.assign(of=scored[settings].astype(str).agg(", ".join, axis=1))
    middle = jobs.groupby("of", sort=False)[["seconds", "score"]].median().reset_index()
    middle = middle.sort_values("score", kind="stable", ignore_index=True)
    middle = middle[middle["score"] <= limits[1]]
    if len(middle) < 2:
        return None
    jobs = jobs[jobs["of"].isin(middle["of"]) & (jobs["score"] <= limits[1])]
    labels = _labels(middle, jobs["seconds"], limits)
    named = middle.assign(ink=np.where(middle.index == 0, LIGHT.network, LIGHT.truth), label=labels)
    tables = {
        "jobs": _rows(jobs),
        "middle": _rows(named, "ink"),
        "names": _rows(named.assign(y=named["label"])[:_MOST_NAMED], "ink"),
    }
    view = _time_view(limits, SCORES[score], logarithmic=_is_logarithmic(middle))
    several = "; large dots are medians over seeds, small ones single seeds" if len(jobs) > len(middle) else ""
    says = f"Validation {SCORES[score]} against seconds of a job, both better when smaller{several}."
    return Figure("time", "Score against time", says, (charts.panel(view, tables, _HEIGHT),))


def _rows(table: pd.DataFrame, *extra: str) -> charts.Values:
    y = table["y"] if "y" in table else table["score"]
    rows = pd.DataFrame({"x": table["seconds"].round(3), "y": y.map(significant), "of": table["of"]})
    rows = rows.assign(**{name: table[name] for name in extra})
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _labels(middle: pd.DataFrame, seconds: pd.Series[float], limits: tuple[float, float]) -> list[float]:
    """Return where names stand, in scores: beside their dots, moved apart where seconds are about the same."""
    scale = _HEIGHT / (limits[1] - limits[0])
    places = ((middle["score"] - limits[0]) * scale).to_numpy()
    across, moved = middle["seconds"].to_numpy(), places.copy()
    span = float(seconds.max() - seconds.min())
    if _is_logarithmic(middle):
        across, span = np.log(across), float(np.log(seconds.max() / seconds.min()))
    order = np.argsort(across)
    for group in np.split(order, np.flatnonzero(np.diff(across[order]) > _APART * span) + 1):
        moved[group] = charts.spread_apart(places[group].tolist(), _LINE, _HEIGHT)
    labels: list[float] = (moved / scale + limits[0]).tolist()
    return labels


def _is_logarithmic(middle: pd.DataFrame) -> bool:
    seconds = middle["seconds"]
    return bool(seconds.min() > 0 and seconds.max() > _WIDE * seconds.min())


def _time_view(limits: tuple[float, float], what: str, *, logarithmic: bool) -> charts.View:
    scale = alt.Scale(type="log" if logarithmic else "linear", zero=False, nice=False, padding=40)
    x = alt.X("x:Q", title="seconds", scale=scale)
    y = alt.Y("y:Q", title=f"validation {what}", scale=alt.Scale(domain=list(limits), nice=False, zero=False))
    tips = [
        charts.tip("of", "setting"),
        charts.tip("x", "seconds", ".3~g"),
        charts.tip("y", f"validation {what}", ".4~g"),
    ]
    ink = alt.Color("ink:N", scale=None)
    jobs = charts.chart("jobs").mark_point(filled=True, size=24, color=LIGHT.other, opacity=0.9)
    dots = charts.chart("middle").mark_point(filled=True, size=90, opacity=1).encode(color=ink)
    names = charts.chart("names").mark_text(align="left", dx=9, fontSize=12).encode(text="of:N", color=ink)
    return charts.layered(*(layer.encode(x=x, y=y, tooltip=tips) for layer in (jobs, dots, names)))
