"""The page that compares the jobs of a sweep by their score on the validation split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd
from altair.utils.schemapi import debug_mode

from forecast.evaluation.leaderboard import seed_spread
from forecast.reporting import marks
from forecast.reporting.html import render_page
from forecast.reporting.marks import Figure, Panel
from forecast.reporting.scores import SCORES, score_column
from forecast.reporting.sweep_curves import curves_figure, numeric_settings
from forecast.reporting.sweep_time import time_figure
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

FIXED = ("job", "run", *SCORES, "seconds", "graph_mb", "status")
WORSE_THAN_SHOWN = 4.0
"""A score does not stretch the axis that lies above the best by this many times as much as the median does."""
MANY_VALUES = 12


def write_sweep_page(sweep: pd.DataFrame, folder: str | Path) -> Path:
    """Write `sweep.html` into `folder` and return its path.

    `sweep` is the table of sweep.csv: `job`, a column for each setting that was swept, `validation_mase` (or
    `validation_brier`), `seconds`, `status`; a job that failed has no score, and its reason as status.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sweep.html"
    path.write_text(sweep_html(sweep), encoding="utf-8")
    return path


def sweep_html(sweep: pd.DataFrame) -> str:
    """Return the page of a sweep."""
    swept = swept_settings(sweep)
    score = score_column(sweep)
    scored = sweep[np.isfinite(sweep[score])].sort_values(score, kind="stable")
    figures = _figures(scored, swept) if len(scored) and swept else []
    return render_page(
        "sweep.html",
        figures,
        title=f"Sweep over {', '.join(swept)}" if swept else "Sweep",
        verdict=best_in_words(scored, swept),
        facts=_facts(len(sweep), len(sweep) - len(scored)),
        spread=spread_over_seeds(scored, swept),
        columns=[column for column in sweep.columns if column in (*FIXED, *swept)],
        rows=[_cells(row, swept) for row in sweep.to_dict("records")],
    )


def _figures(scored: pd.DataFrame, swept: Sequence[str]) -> list[Figure]:
    """Draw score and costs against each swept number, the score against every other setting, and against time."""
    numbers = numeric_settings(scored, swept)
    with debug_mode(False):
        curves = [curves_figure(scored, name) for name in numbers]
    others = [name for name in swept if name not in numbers]
    if numbers and others in ([], ["seed"]):
        return curves
    against_time = time_figure(scored, swept, _limits(scored)) if "seconds" in scored else None
    return [*curves, sweep_figure(scored, others), *([] if against_time is None else [against_time])]


def _facts(jobs: int, failures: int) -> list[str]:
    return [counted(jobs, "job"), *([counted(failures, "failure")] if failures else [])]


def swept_settings(sweep: pd.DataFrame) -> list[str]:
    """Return the columns that say what was swept."""
    return [str(column) for column in sweep.columns if column not in FIXED]


def best_in_words(scored: pd.DataFrame, swept: Sequence[str]) -> str:
    """Say which job was best on validation."""
    if scored.empty:
        return "No job of this sweep has a score."
    best = scored.iloc[0]
    chosen = ", ".join(f"{name}={best[name]}" for name in swept)
    score = score_column(scored)
    return f"Best on validation: {chosen or 'the only setting'}, {SCORES[score]} {number(float(best[score]))}."


def spread_over_seeds(scored: pd.DataFrame, swept: Sequence[str]) -> str | None:
    """Say how far the best setting's score varies over seeds; None where no seed was swept."""
    if "seed" not in swept or scored.empty:
        return None
    alike = np.ones(len(scored), dtype=np.bool_)
    for name in swept:
        if name != "seed":
            alike &= (scored[name] == scored[name].iloc[0]).to_numpy()
    score = score_column(scored)
    scores = scored.loc[alike, score].tolist()
    if len(scores) < 2:
        return None
    sentence = seed_spread(scores, f"validation {SCORES[score]}")
    return f"With the other settings of the best job, {sentence}."


def _cells(row: dict[Hashable, Any], swept: Sequence[str]) -> dict[str, str]:
    cells = {str(name): str(value) for name, value in row.items() if name in (*FIXED, *swept)}
    for name in (*SCORES, "seconds", "graph_mb"):
        if name in row:
            cells[name] = number(float(row[name]))
    return cells


def sweep_figure(scored: pd.DataFrame, swept: Sequence[str]) -> Figure:
    """Draw the score of every job against each swept setting, a panel a setting, the best job in colour."""
    score, limits = score_column(scored), _limits(scored)
    settings = [name for name in swept if name != "seed"] or list(swept)
    with debug_mode(False):
        panels = tuple(_panel(scored, name, limits) for name in settings)
    says = f"Validation {SCORES[score]} of every job; lower is better."
    says += " A dash marks the median of a value, the coloured dot the best."
    above = int((scored[score] > limits[1]).sum())
    if above:
        says += f" {counted(above, 'job')} {'lies' if above == 1 else 'lie'} above the picture."
    return Figure("score", "Score by setting", says, panels, columns=min(len(panels), 3))


def _limits(scored: pd.DataFrame) -> tuple[float, float]:
    """Return the scores that are drawn: those of a job that exploded do not flatten all others."""
    scores = scored[score_column(scored)].to_numpy(dtype=np.float64)
    best, typical = float(scores.min()), float(np.median(scores))
    top = min(float(scores.max()), best + WORSE_THAN_SHOWN * max(typical - best, 0.05 * abs(best)))
    margin = (top - best) * 0.08 or abs(top) * 0.05 or 1.0
    return best - margin, top + margin


def _panel(scored: pd.DataFrame, name: str, limits: tuple[float, float]) -> Panel:
    score = score_column(scored)
    values = pd.to_numeric(scored[name], errors="coerce")
    numeric = bool(values.notna().all())
    shown = scored.assign(at=values if numeric else scored[name].astype(str))
    shown = shown[shown[score] <= limits[1]]
    middle = shown.groupby("at")[score].median()
    continuous = numeric and len(middle) > MANY_VALUES
    x = alt.X("at:Q", title=name, scale=alt.Scale(zero=False))
    if not continuous:
        x = alt.X("at:N", title=name, sort=middle.index.tolist(), axis=alt.Axis(labelAngle=0, labelLimit=90))
    y = alt.Y("y:Q", title=None, scale=alt.Scale(domain=list(limits), nice=False, zero=False))
    tips = [marks.tip("of", "job"), marks.tip("at", "value"), marks.tip("y", f"validation {SCORES[score]}", ".4~g")]
    dots = marks.chart("dots").mark_point(filled=True, opacity=0.9)
    dots = dots.encode(
        x=x, y=y, color=alt.Color("ink:N", scale=None), size=alt.Size("size:Q", scale=None), tooltip=tips
    )
    ticks = marks.chart("middle").mark_tick(color=LIGHT.truth, thickness=2, size=22, orient="horizontal")
    view: marks.View = dots if continuous else marks.layered(ticks.encode(x=x, y=y), dots)
    tables = {"dots": _dots(shown), "middle": [{"at": at, "y": typical} for at, typical in middle.items()]}
    return marks.panel(view, tables, 240, title=name)


def _dots(shown: pd.DataFrame) -> marks.Values:
    """Return a dot a job; the best stands first in the table and is drawn last, so that it lies on top."""
    scores = shown[score_column(shown)].tolist()
    rows: marks.Values = [
        {"at": at, "y": float(f"{score:.6g}"), "of": str(job), "ink": LIGHT.other, "size": 45}
        for at, score, job in zip(shown["at"].tolist(), scores, _jobs(shown), strict=True)
    ]
    if rows:
        rows[0] |= {"ink": LIGHT.network, "size": 90}
    return rows[::-1]


def _jobs(table: pd.DataFrame) -> list[Any]:
    named = next((name for name in ("job", "run") if name in table), None)
    return list(range(len(table))) if named is None else table[named].tolist()
