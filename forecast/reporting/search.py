"""What a search over settings teaches: what each costs, which settings matter, and how the good ones lie together."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from forecast.questions.kinds import RANKING_METRICS, metric_label
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.lines import significant
from forecast.reporting.theme import LIGHT
from forecast.wording import listed, percentage

if TYPE_CHECKING:
    from collections.abc import Sequence

SCORES = {f"validation_{name}": metric_label(name) for name in RANKING_METRICS}
"""Columns of a score, of which the table of a sweep has one, and the metric's name."""
_WORSE_THAN_SHOWN = 4.0
"""A score that lies above the best by this many times as much as the median does is not drawn."""
_WIDE = 8
"""A number, or seconds, whose largest value is this many times its smallest lies on a logarithmic axis."""
# Score against time
_MOST_NAMED = 16
"""Settings, of more of which only those on the line are named."""
_HEIGHT, _WIDTH, _MARGIN = 320, 310, 40
"""In pixels, of the panel, the latter two on a telephone: a margin lies left and right of the outermost dots."""
_LETTER, _LINE, _BESIDE, _DOT = 7, 12, 7, 5
"""In pixels: a letter's width, a name's height, its distance from its dot's centre, and the radius of a dot."""
_MOST_JOINED = 2
"""Settings whose values together are the name of a dot; of more, the number of its job is."""

# Which settings matter
_FEWEST_FOR_IMPORTANCE = 8
"""Different settings with a score, below which a forest of trees finds nothing."""
_MOST_AXES = 7
"""Of the parallel axes: a telephone has no room for more."""
_MOST_LINES = 120


def score_column(sweep: pd.DataFrame) -> str:
    """Return the column of the score."""
    return next(name for name in SCORES if name in sweep)


def values_of(scored: pd.DataFrame, name: str) -> pd.Series:
    """Return a setting as numbers, all missing where one of them is none."""
    values = pd.to_numeric(scored[name], errors="coerce")
    return values if values.notna().all() else values.iloc[:0]


def number_scale(at: pd.Series) -> alt.Scale:
    """Return a scale of numbers, logarithmic where they are far apart."""
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
    score = score_column(scored)
    scored = scored.rename(columns={score: "score"})
    joined = scored[settings].astype(str).agg(", ".join, axis=1)
    first = scored.groupby(joined, sort=False)["job"].transform("min") if "job" in scored else None
    jobs = scored.assign(of=joined if len(settings) <= _MOST_JOINED or first is None else "#" + first.astype(str))
    middle = jobs.groupby("of", sort=False)[["seconds", "score"]].median().reset_index()
    middle = middle.sort_values("score", kind="stable", ignore_index=True)
    middle = middle[middle["score"] <= limits[1]]
    if len(middle) < 2:
        return None
    jobs = jobs[jobs["of"].isin(middle["of"]) & (jobs["score"] <= limits[1])]
    front = middle["seconds"] < middle["seconds"].cummin().shift(
        fill_value=np.inf
    )  # of the better ones none is as quick
    named = middle.assign(ink=np.where(middle.index == 0, LIGHT.network, LIGHT.truth))
    tables = {
        "jobs": _rows(jobs),
        "front": _rows(middle[front]),
        "middle": _rows(named, "ink"),
        "names": _rows(_with_room(named, jobs["seconds"], limits, front), "ink", "left"),
    }
    unnamed = not set(middle["of"][front]) <= {row["of"] for row in tables["names"]}
    view = _time_view(limits, SCORES[score], logarithmic=_is_logarithmic(middle))
    several = "; large dots are medians over seeds, small ones single seeds" if len(jobs) > len(middle) else ""
    says = f"Validation {SCORES[score]} against seconds of a job, both better when smaller{several}."
    says += " On the line lie those that no other beats in both."
    says += " Point at a dot that has no room for its name." if unnamed else ""
    return Figure("time", "Score against time", says, (charts.panel(view, tables, _HEIGHT),))


def _rows(table: pd.DataFrame, *extra: str) -> charts.Values:
    rows = pd.DataFrame({"x": table["seconds"].round(3), "y": table["score"].map(significant), "of": table["of"]})
    rows = rows.assign(**{name: table[name] for name in extra})
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _with_room(
    middle: pd.DataFrame, seconds: pd.Series[float], limits: tuple[float, float], front: pd.Series[bool]
) -> pd.DataFrame:
    """Return the settings whose names lie on no other name or dot, on a telephone either; the best in any case.

    A name stands above its dot to the right, or below it to the left (`left`), where of the front there is neither line
    nor dot; in the right half that place comes first, as the other ends with the picture.
    """
    across, ends = middle["seconds"].to_numpy(), np.array([seconds.min(), seconds.max()])
    if _is_logarithmic(middle):
        across, ends = np.log(across), np.log(ends)
    x = _MARGIN + (across - ends[0]) / (np.ptp(ends) or 1.0) * (_WIDTH - 2 * _MARGIN)
    y = (limits[1] - middle["score"].to_numpy()) / (limits[1] - limits[0]) * _HEIGHT  # from the top
    wide = _BESIDE + _LETTER * middle["of"].str.len().to_numpy()
    dots = np.column_stack([x - _DOT, y - _DOT, x + _DOT, y + _DOT])  # left, top, right, bottom
    right = np.column_stack([x, y - _DOT - _LINE, x + wide, y - _DOT])
    left = np.column_stack([x - wide, y + _DOT, x, y + _DOT + _LINE])
    names = np.stack([right, left])  # (side, setting, edge)
    kept: list[tuple[int, int]] = []
    for i in [*np.flatnonzero(front), *np.flatnonzero(~front & (len(middle) <= _MOST_NAMED))]:
        for side in (1, 0) if x[i] > _WIDTH / 2 else (0, 1):
            name, others = names[side, i], np.array([*np.delete(dots, i, axis=0), *(names[place] for place in kept)])
            on_another = (name[:2] < others[:, 2:]).all(axis=1) & (name[2:] > others[:, :2]).all(axis=1)
            if i == 0 or not (on_another.any() or name[0] < 0 or name[2] > _WIDTH):
                kept.append((side, i))
                break
    return middle.iloc[[i for _, i in kept]].assign(left=[bool(side) for side, _ in kept])


def _is_logarithmic(middle: pd.DataFrame) -> bool:
    seconds = middle["seconds"]
    return bool(seconds.min() > 0 and seconds.max() > _WIDE * seconds.min())


def _time_view(limits: tuple[float, float], what: str, *, logarithmic: bool) -> charts.View:
    scale = alt.Scale(type="log" if logarithmic else "linear", zero=False, nice=False, padding=_MARGIN)
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
    front = charts.chart("front").mark_line(color=LIGHT.network, interpolate="step-after", strokeWidth=1.5)
    name: dict[str, Any] = {"fontSize": 12} | {
        key: {"expr": f"datum.left ? {left} : {right}"}
        for key, left, right in (
            ("align", "'right'", "'left'"),
            ("baseline", "'top'", "'bottom'"),
            ("dx", -_BESIDE, _BESIDE),
            ("dy", _DOT, -_DOT),
        )
    }
    halo = charts.chart("names").mark_text(**name, stroke=LIGHT.paper, strokeWidth=5).encode(text="of:N")
    names = charts.chart("names").mark_text(**name).encode(text="of:N", color=ink)
    return charts.layered(*(layer.encode(x=x, y=y, tooltip=tips) for layer in (front, halo, jobs, dots, names)))


# Which settings matter


def importances(scored: pd.DataFrame, swept: Sequence[str]) -> dict[str, float]:
    """Return the share of the scores' variance that each setting alone explains, largest first; shares add up to one.

    Functional analysis of variance over a forest of trees (Hutter et al. 2014), as Optuna does it; empty where Optuna
    is not installed, or too few settings were tried. A setting without a value counts as a value of its own.
    """
    try:
        import optuna  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        return {}
    names = [name for name in swept if name != "seed"]
    score = score_column(scored)
    table = scored.groupby(names, dropna=False, sort=False)[score].mean().reset_index() if names else scored
    if len(table) < _FEWEST_FOR_IMPORTANCE or len(names) < 2 or table[score].nunique() < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        try:
            study = optuna.create_study()
            distributions: dict[str, optuna.distributions.BaseDistribution] = {}
            columns: dict[str, list[Any]] = {}
            for name in names:
                numbers = values_of(table, name)
                if len(numbers):
                    distributions[name] = optuna.distributions.FloatDistribution(numbers.min(), numbers.max() + 1e-12)
                    columns[name] = numbers.astype(float).tolist()
                else:
                    columns[name] = table[name].astype(str).tolist()
                    distributions[name] = optuna.distributions.CategoricalDistribution(sorted(set(columns[name])))
            # A job that exploded would be all that there is to explain.
            ranks = table[score].rank().tolist()
            for i, rank in enumerate(ranks):
                params = {name: column[i] for name, column in columns.items()}
                study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=rank))
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
        finally:
            optuna.logging.set_verbosity(before)


def importance_figure(shares: dict[str, float]) -> Figure:
    """Draw the importance of each setting as a bar."""
    rows = [{"of": name, "x": significant(share), "ink": LIGHT.network} for name, share in shares.items()]
    y = alt.Y("of:N", title=None, sort=list(shares), axis=alt.Axis(labelLimit=150))
    x = alt.X("x:Q", title="share of what differs between scores", axis=alt.Axis(format="%"))
    tips = [charts.tip("of", "setting"), charts.tip("x", "share", ".1%")]
    bars = charts.chart("bars").mark_bar(height=12).encode(x=x, y=y, color=alt.Color("ink:N", scale=None), tooltip=tips)
    first, *others = [f"{name} ({percentage(share)})" for name, share in shares.items()]
    then = f", then {listed(others[:2])}" if others else ""
    says = (
        f"What of the order of the scores each setting alone explains (functional analysis of variance): most does "
        f"{first}{then}."
    )
    panel = charts.panel(bars, {"bars": rows}, 26 * len(rows) + 40)
    return Figure("importance", "Which settings matter", says, (panel,))


# How good settings lie together


def parallel_figure(scored: pd.DataFrame, swept: Sequence[str], shares: dict[str, float]) -> Figure | None:
    """Draw a line a job through an axis a setting, the most important ones, and the score; None of a single setting.

    Axes lie below each other, so that they have room on a telephone, and reach from the lowest value to the highest;
    numbers that are far apart lie evenly on a logarithm. `scored` has the best job first.
    """
    names = [name for name in (shares or swept) if name != "seed"][:_MOST_AXES]
    if len(names) < 2:
        return None
    score = score_column(scored)
    shown = scored[scored[score] <= shown_up_to(scored[score])]
    shown = shown.drop_duplicates([name for name in swept if name != "seed"])[:_MOST_LINES]
    axes = [(_short(name), *_axis(shown, name)) for name in names]
    axes.append((f"validation {SCORES[score]}", *_axis(shown, score)))
    strength = 0.75 - 0.6 * shown[score].rank(pct=True)
    lines: charts.Values = [
        {"axis": i, "x": round(places[j], 4), "job": j, "ink": LIGHT.network if j == 0 else LIGHT.other,
         "show": 1.0 if j == 0 else round(float(strength.iloc[j]), 2), "wide": 3 if j == 0 else 1.3}
        for j in range(len(shown) - 1, -1, -1)  # the best on top
        for i, (_, places, _) in enumerate(axes)
    ]  # fmt: skip
    marks: charts.Values = [
        {"axis": i, "x": x, "of": text} for i, (_, _, ticks) in enumerate(axes) for x, text in ticks
    ]
    titles: charts.Values = [{"axis": i, "x": 0.0, "of": name} for i, (name, _, _) in enumerate(axes)]
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.02, 1.12], nice=False))
    y = alt.Y("axis:Q", axis=None, scale=alt.Scale(domain=[len(axes) - 0.6, -0.6], nice=False))
    rules = charts.chart("rules").mark_line(color=LIGHT.other, opacity=0.5).encode(x=x, y=y, detail="axis:N")
    paths = charts.chart("paths").mark_line(interpolate="linear").encode(
        x=x, y=y, detail="job:N", order="axis:Q", color=alt.Color("ink:N", scale=None),
        opacity=alt.Opacity("show:Q", scale=None), strokeWidth=alt.StrokeWidth("wide:Q", scale=None),
    )  # fmt: skip
    values = charts.chart("marks").mark_text(align="left", color=LIGHT.truth, fontSize=11, dx=3, dy=9)
    names_of_axes = charts.chart("titles").mark_text(
        align="left", color=LIGHT.truth, fontSize=11, dy=-9, fontWeight=600
    )
    texts = (layer.encode(x=x, y=y, text="of:N") for layer in (values, names_of_axes))
    view = charts.layered(rules, paths, *texts)
    says = "A line is a job, the stronger the better; the coloured one is the best. Low is at the left of each axis."
    left_out = [name for name in swept if name not in names and name != "seed"]
    if left_out:
        says += f" Left out are {listed([_short(name) for name in left_out])}, which matter least."
    rows: charts.Values = [{"axis": i, "x": end} for i in range(len(axes)) for end in (0.0, 1.0)]
    tables: dict[str, charts.Values] = {"rules": rows, "paths": lines, "marks": marks, "titles": titles}
    return Figure("parallel", "How settings lie together", says, (charts.panel(view, tables, 52 * len(axes)),))


def shown_up_to(scores: pd.Series[float]) -> float:
    """Return the score up to which jobs are drawn: of those that exploded nothing can be learnt."""
    best, typical = float(scores.min()), float(scores.median())
    return best + _WORSE_THAN_SHOWN * max(typical - best, 0.05 * abs(best))


def _axis(shown: pd.DataFrame, name: str) -> tuple[list[float], list[tuple[float, str]]]:
    """Return the place of each job on an axis, from 0 to 1, and its labels with theirs."""
    numbers = values_of(shown, name)
    if len(numbers) and numbers.min() < numbers.max():
        low, high = float(numbers.min()), float(numbers.max())
        wide = low > 0 and high / low >= _WIDE
        at = np.log(numbers / low) / np.log(high / low) if wide else (numbers - low) / (high - low)
        return at.tolist(), [(0.0, f"{low:.3g}"), (1.0, f"{high:.3g}")]
    texts = shown[name].astype(str).replace("", "–")
    order = sorted(texts.unique())
    places = {text: (i / (len(order) - 1) if len(order) > 1 else 0.5) for i, text in enumerate(order)}
    return [places[text] for text in texts], [(at, text) for text, at in places.items()]


def _short(name: str) -> str:
    """Leave out the section of a setting, unless it is its cell."""
    return "model" if name == "model.name" else name.rpartition(".")[2]
