"""The error of every model at each step ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from forecast.questions.kinds import metric_label, question_of_scores
from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.lines import rounded
from forecast.reporting.material import error_measure, mean_losses
from forecast.reporting.theme import LIGHT
from forecast.wording import counted, listed, shortened

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.charts import Values
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.summary import Summary

_WORSE_THAN_SHOWN = 2.5
"""An error more than this many times the worse of network and baseline does not stretch the axis."""

_HEIGHT, _LABEL_HEIGHT = 260, 13
"""In pixels, of the panel and of a model's name in it."""


@dataclass(frozen=True)
class ModelSteps:
    """A model's error at each horizon step."""

    model: str
    errors: tuple[float | None, ...]


@dataclass(frozen=True)
class StepSection:
    """Error by horizon step; `metric` is what models are ranked by, `bottom` and `top` bound the axis."""

    says: str
    metric: str
    steps: tuple[int, ...]
    models: tuple[ModelSteps, ...]
    top: float
    bottom: float = 0.0


def build(material: Material) -> StepSection | None:
    """Show the errors of their table, or of the results; symbols of a single step have nothing to compare."""
    if material.question.categorical and len(material.results["step"].unique()) == 1:
        return None
    by_step = material.by_step
    return step_section(
        mean_losses(material.results, ["model", "step"]) if by_step is None else by_step, material.roles
    )


def step_section(by_step: pd.DataFrame, roles: Roles) -> StepSection:
    """Show `by_step` (`model, step`, and what models are ranked by, or else `mae`)."""
    metric = error_measure(by_step)
    label = metric_label(metric)
    table = by_step.assign(model=by_step["model"].astype(str)).pivot_table(index="step", columns="model", values=metric)
    order = [*roles.named(), *sorted(set(table.columns) - set(roles.named()))]
    models = tuple(ModelSteps(name, rounded(table[name].to_numpy())) for name in order if name in table)
    named = table[[name for name in roles.named() if name in table]].to_numpy()
    finite = table.to_numpy()[np.isfinite(table.to_numpy())]
    top = float(finite.max()) if len(finite) else 1.0
    if np.isfinite(named).any() and np.nanmax(named) > 0:
        top = min(top, _WORSE_THAN_SHOWN * float(np.nanmax(named)))
    bottom = 0.0
    if question_of_scores([metric]).forecasts_probabilities and len(finite):  # all lie close, and far from zero
        bottom = max(float(finite.min()) - 0.1 * (top - float(finite.min())), 0.0)
    top = bottom + ((top - bottom) or 1.0) * 1.05
    says = _in_words(table, roles, label)
    outside = [m.model for m in models if any(e is not None and e > top for e in m.errors)]
    if outside:
        says += f" {listed(outside)} {'rises' if len(outside) == 1 else 'rise'} above the picture."
    return StepSection(says, label, tuple(int(s) for s in table.index), models, top, bottom)


def _in_words(table: pd.DataFrame, roles: Roles, metric: str) -> str:
    if roles.baseline is None or roles.baseline not in table or roles.network not in table:
        return f"{metric} at each step ahead; lower is better."
    better = int((table[roles.network] < table[roles.baseline]).sum())
    where = "none" if better == 0 else "all" if better == len(table) else f"{better}"
    return (
        f"{metric} at each step ahead; lower is better. {roles.network} is ahead of {roles.baseline} "
        f"at {where} of the {counted(len(table), 'step')}."
    )


def draw(section: StepSection, summary: Summary) -> Figure:
    """Draw the error of every model over the horizon, each named at the right end of its line."""
    roles = summary.roles
    colours = {m.model: LIGHT.other for m in section.models} | charts.role_colours(roles)
    named = roles.named()
    # What is drawn last lies on top, and that is to be what has a colour.
    models = sorted(section.models, key=lambda m: named.index(m.model) if m.model in named else -1)
    tables: dict[str, Values] = {"above": [], "lines": []}
    for m in models:
        wide = charts.stroke_widths(roles).get(m.model, 1.1)
        rows = [
            {"t": step, "y": error, "of": m.model, "ink": colours[m.model], "wide": wide}
            for step, error in zip(section.steps, m.errors, strict=True)
        ]
        tables["above" if any(e is not None and e > section.top for e in m.errors) else "lines"] += rows
    tables["labels"] = _end_labels(section, colours, named)
    labels = charts.chart("labels").mark_text(align="left", dx=8, fontSize=11)
    labels = labels.encode(
        x=alt.value("width"),
        y=alt.Y("at:Q", scale=None, axis=None),
        text="of:N",
        color=alt.Color("ink:N", scale=None),
    )
    layers = [_lines(section, table) for table in ("above", "lines") if tables[table]]
    note = charts.stretched_note(section.bottom, section.top)
    panel = charts.panel(charts.layered(*layers, labels), tables, _HEIGHT, cut=True, note=note)
    return Figure("error_by_step", "Error by horizon step", section.says, (panel,))


def _lines(section: StepSection, table: str) -> alt.Chart:
    tips = [charts.tip("of", "model"), charts.tip("t", "steps ahead", "d"), charts.tip("y", section.metric, ".4~g")]
    # Only lines that leave the picture are clipped: each clipped line costs a tenth of a second in a PNG.
    drawn: alt.Chart = charts.chart(table).mark_line(
        point=charts.touchable(seen=len(section.steps) == 1), clip=table == "above"
    )
    return drawn.encode(
        x=charts.whole_number_axis("steps ahead"),
        y=alt.Y("y:Q", title=section.metric, scale=alt.Scale(domain=[section.bottom, section.top], nice=False)),
        detail="of:N",
        color=alt.Color("ink:N", scale=None),
        strokeWidth=alt.StrokeWidth("wide:Q", scale=None),
        tooltip=tips,
    )


def _end_labels(section: StepSection, colours: dict[str, str], named: tuple[str, ...]) -> Values:
    ends = [(m.model, m.errors[-1]) for m in section.models]
    inside = [(model, error) for model, error in ends if error is not None and error <= section.top]
    span = section.top - section.bottom
    places = charts.spread_apart(
        [_HEIGHT * (section.top - error) / span for _, error in inside], _LABEL_HEIGHT, _HEIGHT
    )
    return [
        {"at": round(place, 1), "of": shortened(model, 22), "ink": colours[model] if model in named else LIGHT.quiet}
        for (model, _), place in zip(inside, places, strict=True)
    ]
