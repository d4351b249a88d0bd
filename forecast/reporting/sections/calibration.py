"""Whether prediction intervals cover what they should, and where in its forecast the truth came to lie.

Coverage is the share of what came that lies in its interval. PIT, the probability integral transform, is where in the
forecast's distribution the truth lies, 0 at its lower end and 1 at its upper; where the distribution is right, each
tenth of it holds a tenth of what came (Dawid 1984; Gneiting, Balabdaoui and Raftery 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from forecast.evaluation.intervals import probability_transform
from forecast.reporting import charts
from forecast.reporting.charts import Figure, Key
from forecast.reporting.lines import rounded, significant
from forecast.reporting.prediction_intervals import levels_of, pairs, percent
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.summary import Summary

_COMPARED = 0.9
"""Nominal coverage of the intervals that sentences compare."""
_JUDGEMENTS = ("too narrow", "too wide", "wider than need be", "about right")
_BINS = 10
_HEIGHT = 240
_OTHERS = "other models"


@dataclass(frozen=True)
class ModelCoverage:
    """Coverage of a model's intervals and their mean width (None: infinite), by nominal coverage."""

    model: str
    coverage: tuple[float | None, ...]
    width: tuple[float | None, ...]


@dataclass(frozen=True)
class CalibrationSection:
    """Coverage of all models at each `nominal` coverage; `pit` is of the leading model, ten shares or none."""

    says: str
    nominal: tuple[float, ...]
    models: tuple[ModelCoverage, ...]
    pit: tuple[float, ...]


def build(material: Material) -> CalibrationSection | None:
    """Show the scores of intervals, or of the quantiles in the results; probabilities have no intervals."""
    if material.question.forecasts_probabilities:
        return None
    scored, results = material.intervals, material.results
    if scored is None:
        return _calibration_section(coverage_of(results), pit_of(results), {}, material.roles)
    return _calibration_section(scored.coverage, scored.pit, scored.sentences, material.roles)


def _calibration_section(
    coverage: pd.DataFrame, pit: pd.DataFrame, sentences: Mapping[str, str], roles: Roles
) -> CalibrationSection | None:
    """Show `coverage` (`model, nominal, coverage, width`) and `pit` (`model, bin, share`); None where there is none.

    `sentences` say of models whether their intervals are too narrow; where `coverage` has a column `judged`, the
    other models are counted by it.
    """
    known = coverage.dropna(subset=["coverage"])
    if known.empty:
        return None
    known = known.assign(model=known["model"].astype(str))
    covered = known.pivot_table(index="model", columns="nominal", values="coverage")
    width = known.pivot_table(index="model", columns="nominal", values="width", aggfunc="mean", dropna=False)
    width = width.reindex(index=covered.index, columns=covered.columns)
    others = [name for name in covered.index if name not in roles.in_colour()]
    order = [name for name in (*roles.in_colour(), *others) if name in covered.index]
    models = tuple(
        ModelCoverage(name, rounded(covered.loc[name].to_numpy()), rounded(width.loc[name].to_numpy()))
        for name in order
    )
    nominal = tuple(float(share) for share in covered.columns)
    shares = _pit_of(pit, roles.leading)
    says = " ".join(
        part
        for part in (
            *(_sentence(sentences[name]) for name in roles.in_colour() if name in sentences),
            _others_in_words(known, roles),
            _widths_in_words(models, nominal, roles),
            _pit_in_words(shares, roles.leading),
        )
        if part
    )
    return CalibrationSection(says, nominal, models, shares)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _others_in_words(coverage: pd.DataFrame, roles: Roles) -> str:
    """Count the models without a colour whose 90 % intervals are off."""
    if "judged" not in coverage:
        return ""
    ninety = coverage[np.isclose(coverage["nominal"], _COMPARED)]
    others = ninety[~ninety["model"].isin(roles.in_colour())]
    counts = {how: int((others["judged"] == how).sum()) for how in _JUDGEMENTS}
    some = [f"{count} {'is' if count == 1 else 'are'} {how}" for how, count in counts.items() if count]
    whose = f"the {percent(_COMPARED)} intervals of {counted(len(others), 'other model')}"
    if not some:
        return ""
    most = max(counts, key=lambda how: counts[how])
    if counts[most] == len(others) > 1:
        return f"T{whose[1:]} are {most}."
    unknown = int((others["judged"] == "not known").sum())
    rest = f"; for {unknown} there are too few origins to say" if unknown else ""
    return f"Of {whose}, {listed(some)}{rest}."


def _pit_of(pit: pd.DataFrame, model: str) -> tuple[float, ...]:
    shares = pit[pit["model"].astype(str) == model].sort_values("bin")["share"].to_numpy(dtype=np.float64)
    return tuple(map(significant, shares)) if len(shares) and np.isfinite(shares).all() else ()


def _widths_in_words(models: Sequence[ModelCoverage], nominal: tuple[float, ...], roles: Roles) -> str:
    """Compare the widths of the leading model and the baseline; that alone says nothing, hence the condition."""
    at = next((i for i, share in enumerate(nominal) if abs(share - _COMPARED) < 1e-9), None)
    widths = {of.model: of.width[at] for of in models} if at is not None else {}
    leading, baseline = widths.get(roles.leading), widths.get(str(roles.baseline))
    if not leading or not baseline or roles.leading == roles.baseline:
        return ""
    ratio = leading / baseline
    wide = "about as wide" if 0.95 < ratio < 1.05 else f"{number(ratio, 2)} times as wide"
    return (
        f"The {percent(_COMPARED)} intervals of {roles.leading} are {wide} as those of {roles.baseline}; "
        f"of intervals that cover what they should, the narrower are better."
    )


def _pit_in_words(shares: tuple[float, ...], model: str) -> str:
    if not shares:
        return ""
    ends, right = 100 * (shares[0] + shares[-1]), 200 / len(shares)
    return (
        f"{ends:.0f} of 100 values came to lie in the lowest or the highest tenth of what {model} forecasts; "
        f"it should be {right:.0f}."
    )


def coverage_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return coverage and mean width, in units of the data, of the intervals in a table with columns of quantiles."""
    columns = levels_of(rows)
    known = rows.dropna(subset=["y"])
    tables = []
    for low, high in pairs(columns):
        ends = known.dropna(subset=[columns[low], columns[high]])
        table = pd.DataFrame(
            {
                "model": ends["model"].astype(str),
                "coverage": ends["y"].between(ends[columns[low]], ends[columns[high]]).astype(np.float64),
                "width": ends[columns[high]] - ends[columns[low]],
            }
        )
        tables.append(table.groupby("model", sort=False).mean().reset_index().assign(nominal=round(high - low, 9)))
    empty = pd.DataFrame({"model": [], "coverage": [], "width": [], "nominal": []})
    return pd.concat(tables, ignore_index=True) if tables else empty


def pit_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of the truth in each tenth of the distributions in a table with columns of quantiles."""
    columns = levels_of(rows)
    if not columns:
        return pd.DataFrame({"model": [], "bin": [], "share": []})
    known = rows.dropna(subset=["y", *columns.values()])
    quantiles = known[[*columns.values()]].to_numpy(dtype=np.float64)  # (row, level)
    at = probability_transform(known["y"].to_numpy(dtype=np.float64), quantiles, (*columns,))
    bins = pd.DataFrame({"model": known["model"].astype(str), "bin": np.minimum((at * _BINS) // 1, _BINS - 1)}).dropna()
    shares = pd.crosstab(bins["model"], bins["bin"], normalize="index").reindex(columns=range(_BINS), fill_value=0.0)
    return shares.reset_index().melt(id_vars="model", var_name="bin", value_name="share")


def draw(section: CalibrationSection, summary: Summary) -> Figure:
    """Draw coverage against nominal coverage, and the histogram of PIT."""
    roles = summary.roles
    panels = (_coverage_panel(section, roles), *([_pit_panel(section, roles)] if section.pit else []))
    models = {of.model for of in section.models}
    keys = charts.role_keys(roles, models)
    others = (Key(_OTHERS, LIGHT.other),) if models - set(roles.in_colour()) else ()
    return Figure("calibration", "How sure the forecasts are", section.says, panels, (*keys, *others), columns=2)


def _coverage_panel(section: CalibrationSection, roles: Roles) -> Panel:
    colours, strokes = charts.role_colours(roles), charts.stroke_widths(roles)
    # What is drawn last lies on top, and that is to be what has a colour.
    models = sorted(section.models, key=lambda of: (of.model in colours, of.model == roles.leading))
    rows: Values = [
        {
            "x": round(100 * share, 4),
            "y": round(100 * covered, 4),
            "of": of.model,
            "at": f"{wide:.4g}",
            "ink": of.model if of.model in colours else _OTHERS,
            "wide": strokes.get(of.model, 1.1),
        }
        for of in models
        for share, covered, wide in zip(section.nominal, of.coverage, of.width, strict=True)
        if covered is not None and wide is not None
    ]
    left = _floor(100 * min(section.nominal))
    bottom = min([left, *(_floor(row["y"]) for row in rows)])
    ticks = [round(100 * share, 4) for share in section.nominal]
    x = alt.X(
        "x:Q",
        title="% that they should cover",
        scale=alt.Scale(domain=[left, 100], nice=False),
        axis=alt.Axis(values=ticks, labelOverlap=False),
    )
    y = alt.Y("y:Q", title="% that they cover", scale=alt.Scale(domain=[bottom, 100], nice=False))
    inks = {_OTHERS: LIGHT.other} | colours
    ink = charts.colour({name: inks[name] for name in dict.fromkeys(row["ink"] for row in reversed(rows))}, field="ink")
    tips = [
        charts.tip("of", "model"),
        charts.tip("x", "should cover, %", ".3~g"),
        charts.tip("y", "covers, %", ".3~g"),
        charts.tip("at", "mean width"),
    ]
    paths = charts.chart("dots").mark_line()
    paths = paths.encode(x=x, y=y, detail="of:N", color=ink, strokeWidth=alt.StrokeWidth("wide:Q", scale=None))
    dots = charts.chart("dots").mark_point(filled=True, opacity=1, size=45).encode(x=x, y=y, color=ink, tooltip=tips)
    diagonal = charts.chart("diagonal").mark_line(color=LIGHT.truth, strokeWidth=1.2, strokeDash=[4, 3])
    ends: Values = [{"x": left, "y": left}, {"x": 100, "y": 100}]
    view = charts.layered(diagonal.encode(x=x, y=y), paths, dots)
    note = "On the dashed line intervals cover what they should; below it they are too narrow, above it too wide."
    tables = {"dots": rows, "diagonal": ends}
    return charts.panel(view, tables, _HEIGHT, title="what intervals cover, and what they should", note=note)


def _floor(percent: float) -> int:
    """Go down to a whole ten, a little below where the lowest point is near it."""
    return max(0, 10 * int((percent - 5) / 10))


def _pit_panel(section: CalibrationSection, roles: Roles) -> Panel:
    parts = len(section.pit)
    rows: Values = [
        {"from": i / parts, "to": (i + 1) / parts, "y": round(100 * share, 4), "of": f"{i + 1} of {parts}"}
        for i, share in enumerate(section.pit)
    ]
    tips = [charts.tip("of", "part of the forecast"), charts.tip("y", "of what came, %", ".3~g")]
    x = charts.share_axis("from the lower end of the forecast to its upper")
    y = alt.Y("y:Q", title="% of what came", scale=alt.Scale(zero=True))
    bars = (
        charts.chart("bars")
        .mark_bar(color=charts.role_colours(roles)[roles.leading], binSpacing=1.5)
        .encode(x=x, x2="to", y=y, tooltip=tips)
    )
    right = charts.chart("right").mark_rule(color=LIGHT.truth, strokeDash=[4, 3], strokeWidth=1.2).encode(y="y:Q")
    tables: dict[str, Values] = {"bars": rows, "right": [{"y": 100 / parts}]}
    note = (
        f"What {roles.leading} forecasts, cut into {parts} parts that should each hold {percent(1 / parts)} of what "
        f"came, the dashed line: tall ends mean too narrow, a tall middle too wide, a slope that it lies to one side."
    )
    title = "where in its forecast the truth came to lie (PIT)"
    return charts.panel(charts.layered(bars, right), tables, _HEIGHT, title=title, note=note)
