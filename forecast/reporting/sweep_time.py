"""A sweep's settings by what they cost and what they reach: score against seconds, over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd
from altair.utils.schemapi import debug_mode

from forecast.reporting import marks
from forecast.reporting.marks import Figure
from forecast.reporting.scores import SCORES, score_column
from forecast.reporting.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NAMED = 16
"""Settings beyond this many are dots without a name, the worst ones."""
_HEIGHT, _LINE = 320, 15.0
_APART = 0.3
"""Share of the axis within which names might lie on each other, on a telephone."""
_LOGARITHMIC = 8.0
"""How many times the shortest the longest time has to be for a logarithmic axis."""


def time_figure(scored: pd.DataFrame, swept: Sequence[str], limits: tuple[float, float]) -> Figure | None:
    """Draw every setting's score against its seconds, and its seeds around it; None where there is one setting alone.

    `scored` has `validation_mase` and `seconds`, the best job first; `limits` are those of the scores drawn.
    """
    settings = [name for name in swept if name != "seed"]
    if not settings:
        return None
    score = score_column(scored)
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
    with debug_mode(False):
        view = _view(limits, SCORES[score], logarithmic=_is_logarithmic(middle))
    several = "; large dots are medians over seeds, small ones single seeds" if len(jobs) > len(middle) else ""
    says = f"Validation {SCORES[score]} against seconds of a job, both better when smaller{several}."
    return Figure("time", "Score against time", says, (marks.panel(view, tables, _HEIGHT),))


def _rows(table: pd.DataFrame, *beside: str) -> marks.Values:
    y = table["y"] if "y" in table else table["score"]
    rows = pd.DataFrame({"x": table["seconds"].round(3), "y": y.map(lambda v: float(f"{v:.6g}")), "of": table["of"]})
    rows = rows.assign(**{name: table[name] for name in beside})
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
        moved[group] = marks.spread(places[group].tolist(), _LINE, _HEIGHT)
    labels: list[float] = (moved / scale + limits[0]).tolist()
    return labels


def _is_logarithmic(middle: pd.DataFrame) -> bool:
    seconds = middle["seconds"]
    return bool(seconds.min() > 0 and seconds.max() > _LOGARITHMIC * seconds.min())


def _view(limits: tuple[float, float], what: str, *, logarithmic: bool) -> marks.View:
    scale = alt.Scale(type="log" if logarithmic else "linear", zero=False, nice=False, padding=40)
    x = alt.X("x:Q", title="seconds", scale=scale)
    y = alt.Y("y:Q", title=f"validation {what}", scale=alt.Scale(domain=list(limits), nice=False, zero=False))
    tips = [marks.tip("of", "setting"), marks.tip("x", "seconds", ".3~g"), marks.tip("y", f"validation {what}", ".4~g")]
    ink = alt.Color("ink:N", scale=None)
    jobs = marks.chart("jobs").mark_point(filled=True, size=24, color=LIGHT.other, opacity=0.9)
    dots = marks.chart("middle").mark_point(filled=True, size=90, opacity=1).encode(color=ink)
    names = marks.chart("names").mark_text(align="left", dx=9, fontSize=12).encode(text="of:N", color=ink)
    return marks.layered(*(layer.encode(x=x, y=y, tooltip=tips) for layer in (jobs, dots, names)))
