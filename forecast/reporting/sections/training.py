"""Training: losses by epoch, or by penalty of a read-out in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import altair as alt
import numpy as np

from forecast.reporting import charts
from forecast.reporting.charts import Figure
from forecast.reporting.lines import rounded
from forecast.reporting.theme import LIGHT
from forecast.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.charts import Panel, Values
    from forecast.reporting.lines import Array
    from forecast.reporting.material import Material
    from forecast.reporting.summary import Summary

_HEIGHT = 220
_FAR_APART = 30
"""Losses whose largest is this many times the smallest are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class LearningSection:
    """Losses in `unit` at each epoch, or penalty of a read-out, `x`; the weights of `chosen` were kept."""

    says: str
    by: Literal["epoch", "penalty"]
    x: tuple[float, ...]
    train: tuple[float | None, ...]
    validation: tuple[float | None, ...]
    chosen: float | None
    logarithmic: bool
    unit: str


def build(material: Material) -> LearningSection | None:
    """Show the history of training, where there is any."""
    history = material.history
    if history is None or history.empty:
        return None
    if "penalty" in history:
        return _penalty_section(history)
    if not material.question.categorical:
        return _learning_section(history, material.chosen_epoch)
    # The loss of symbols is their cross entropy in nats; the report shows it in bits.
    losses = ["train_loss", "validation_loss"]
    return _learning_section(history.assign(**history[losses] / np.log(2)), material.chosen_epoch, unit="bits a symbol")


def _learning_section(history: pd.DataFrame, chosen: int | None, unit: str = "loss") -> LearningSection:
    """Show the losses of `history` (`epoch, train_loss, validation_loss`), which are in `unit`."""
    train, validation, logarithmic = _losses(history)
    lowest = int(history["epoch"].iloc[int(np.nanargmin(validation))]) if np.isfinite(validation).any() else None
    chosen = lowest if chosen is None else chosen
    says = f"{counted(len(history), 'epoch')} of training"
    if chosen == 0:
        says += "; none was better on validation than the untrained network, which was kept"
    elif chosen is not None:
        says += f"; the weights of epoch {chosen} were kept"
        says += ", where the validation loss is lowest" if chosen == lowest else ""
    says += "." if unit == "loss" else f". Losses are in {unit}."
    epochs = tuple(map(int, history["epoch"]))
    return LearningSection(says, "epoch", epochs, rounded(train), rounded(validation), chosen, logarithmic, unit)


def _penalty_section(history: pd.DataFrame) -> LearningSection:
    """Show the losses of `history` (`penalty, train_loss, validation_loss`), mean squared errors."""
    train, validation, logarithmic = _losses(history)
    penalties = tuple(map(float, history["penalty"]))
    compared = bool(np.isfinite(validation).any())
    best = int(np.nanargmin(validation)) if compared else 0
    says = "The read-out is fitted in closed form, in one pass over the training split"
    if compared and len(penalties) > 1:
        says += (
            f", once for each of {len(penalties)} penalties; "
            f"that of {penalties[best]:g} was kept, where the validation loss is lowest"
        )
        if best == len(penalties) - 1:
            says += ". It is the largest of them: the less is added to the reference, the better"
        elif best == 0:
            says += ". It is the smallest of them: still smaller ones (model.penalties) may be better"
    else:
        says += f", with the penalty {penalties[best]:g}"
    losses = rounded(train), rounded(validation)
    return LearningSection(
        f"{says}.", "penalty", penalties, *losses, penalties[best], logarithmic, "mean squared error"
    )


def _losses(history: pd.DataFrame) -> tuple[Array, Array, bool]:
    """Return training and validation loss, and whether only a logarithmic axis shows them."""
    train = history["train_loss"].to_numpy(dtype=np.float64)
    validation = history["validation_loss"].to_numpy(dtype=np.float64)
    losses = np.concatenate([train, validation])
    losses = losses[np.isfinite(losses)]
    return train, validation, bool(len(losses) and losses.min() > 0 and losses.max() / losses.min() > _FAR_APART)


def draw(section: LearningSection, _: Summary) -> Figure:
    """Draw training and validation loss, the kept weights marked."""
    colours = {"training loss": LIGHT.truth, "validation loss": LIGHT.network}
    panels, keys = (_panel(section, colours),), charts.keys(colours)
    if section.by == "penalty":
        return Figure("penalties", "Penalty", section.says, panels, keys)
    return Figure("learning_curve", "Learning curve", section.says, panels, keys)


def _panel(section: LearningSection, colours: dict[str, str]) -> Panel:
    losses = {"training loss": section.train, "validation loss": section.validation}
    rows = [
        {"t": x, "y": loss, "of": name}
        for name, values in losses.items()
        for x, loss in zip(section.x, values, strict=True)
    ]
    first, last = section.x[0], section.x[-1]
    if section.by == "penalty":
        axis = alt.Axis(format="~g", values=list(section.x), labelOverlap=True)
        x = alt.X("t:Q", title="penalty", scale=alt.Scale(type="log", nice=False), axis=axis)
        middle, number_format, seen = (first * last) ** 0.5, "~g", True
    else:
        x = charts.whole_number_axis("epoch")
        middle, number_format, seen = (first + last) / 2, "d", len(section.x) == 1
    scale = alt.Scale(type="log" if section.logarithmic else "linear", zero=False)
    y = alt.Y("y:Q", title=section.unit, scale=scale, axis=alt.Axis(format=".3~g"))
    tips = [charts.tip("of", "loss"), charts.tip("t", section.by, number_format), charts.tip("y", "value", ".4~g")]
    lines = charts.chart("lines").mark_line(point=charts.touchable(seen=seen))
    lines = lines.encode(x=x, y=y, color=charts.colour(colours), tooltip=tips)
    tables: dict[str, Values] = {"lines": rows}
    finite = [loss for loss in (*section.train, *section.validation) if loss is not None]
    note = charts.stretched_note(min(finite), max(finite)) if finite else None
    if section.chosen is None:
        return charts.panel(lines, tables, _HEIGHT, note=note)
    side: Literal["left", "right"] = "right" if section.chosen > middle else "left"
    text = charts.chart("chosen").mark_text(align=side, dy=-4, baseline="bottom", color=LIGHT.quiet, fontSize=11)
    rule = charts.rule("chosen").encode(x=x)
    label = f"epoch {section.chosen} kept" if section.by == "epoch" else f"{section.chosen:g} kept"
    tables["chosen"] = [{"t": section.chosen, "of": label}]
    view = charts.layered(rule, text.encode(x=x, y=alt.value(0), text="of:N"), lines)
    return charts.panel(view, tables, _HEIGHT, note=note)
