"""The first screen: what to use, the forecast itself as a chart and a table, and how far it can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.recommendation_words import in_100, odds_against
from forecast.reporting import charts
from forecast.reporting.charts import TRUTH, Figure, Key
from forecast.reporting.lines import axis_times
from forecast.reporting.sections.forecasts import View, draw_view, future_view, interval_keys
from forecast.wording import counted, number

if TYPE_CHECKING:
    import pandas as pd

    from forecast.evaluation.recommendation import Recommendation
    from forecast.reporting.lines import Clock
    from forecast.reporting.material import Material, Roles
    from forecast.reporting.summary import Summary

_MOST_ROWS = 14
"""Steps that the table lists; all of them are in forecast.csv."""
_BAND = ("q0.05", "q0.95")
_WEIGHED = ("measured", "asked for")
"""Why a model is recommended where the sentence tells the odds."""


@dataclass(frozen=True)
class Tile:
    """A number that stands large, and what it is."""

    value: str
    label: str


@dataclass(frozen=True)
class Steps:
    """The forecast of one series as a table: texts of each step, and what they add up to."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    after: str


@dataclass(frozen=True)
class AnswerSection:
    """What to use and what it forecasts of the series called `series`.

    Attributes
    ----------
    view, steps : of the forecast; None where no value is forecast
    next_command : what forecasts again when there are newer data; "" where the run has no folder

    """

    says: str
    series: str
    model: str
    tiles: tuple[Tile, ...]
    view: View | None
    steps: Steps | None
    next_command: str


def build(material: Material) -> AnswerSection | None:
    """Show the recommended forecast; None where nothing is recommended."""
    return answer_of(material, material.truth, material.ahead, material.uid)


def answer_of(material: Material, truth: pd.DataFrame, ahead: pd.DataFrame | None, uid: str) -> AnswerSection | None:
    """Show the recommended forecast of one series; `ahead` are all models' forecasts after its end."""
    advice = material.recommendation
    if advice is None:
        return None
    rows = None
    if ahead is not None and not material.question.forecasts_probabilities:
        of_model = ahead[ahead["model"] == advice.model].sort_values("ds")
        rows = None if of_model.empty else of_model
    return answer(
        truth,
        rows,
        material.clock,
        uid,
        several=material.series_count > 1,
        model=advice.model,
        tiles=_tiles_of(advice),
        next_command=material.next_command,
        decimals=material.written_decimals,
    )


def answer(
    truth: pd.DataFrame,
    rows: pd.DataFrame | None,
    clock: Clock,
    uid: str,
    *,
    several: bool,
    model: str,
    tiles: tuple[Tile, ...],
    decimals: int,
    next_command: str = "",
) -> AnswerSection:
    """Show one model's forecast of one series, `rows` in the order of time; None: no value is forecast.

    Numbers of its table have so many `decimals`, as those of forecast.csv do.
    """
    if rows is None:
        return AnswerSection("", uid, model, tiles, None, None, next_command)
    of = f" of {uid}" if several else ""
    first = clock.write(float(axis_times(rows["ds"])[0]))
    return AnswerSection(
        says=f"{counted(len(rows), 'step')}{of} from {first} on, by {model}",
        series=uid,
        model=model,
        tiles=tiles,
        view=future_view(truth, model, rows, clock),
        steps=steps_table(rows, clock, decimals),
        next_command=next_command,
    )


def _tiles_of(advice: Recommendation) -> tuple[Tile, ...]:
    """Say how far off, how sure and how often the band held, each where it is known."""
    return (
        *([] if math.isnan(advice.error) else [Tile(number(advice.error), _off(advice.error_share))]),
        *([_sure(advice, advice.runner_up)] if advice.runner_up and advice.why in _WEIGHED else []),
        *([] if math.isnan(advice.covered) else [_held(advice)]),
    )


def _off(share: float) -> str:
    return f"typically off, {in_100(share)}" if share < 1 else "typically off"


def _sure(advice: Recommendation, other: str) -> Tile:
    """Say the odds as the sentence does."""
    odds, which = odds_against(advice.odds, other)
    return Tile(odds.removeprefix("about "), which)


def _held(advice: Recommendation) -> Tile:
    judged = advice.coverage.rpartition(": ")[2]
    label = f"fell into its band, which should hold {100 * advice.nominal:.0f}: {judged}"
    return Tile(f"{100 * advice.covered:.0f} of 100", label)


def steps_table(rows: pd.DataFrame, clock: Clock, decimals: int) -> Steps:
    """Write a forecast in the order of time as a table, with its total and mean below."""
    y_hat = rows["y_hat"].to_numpy(dtype=np.float64)
    banded = [name for name in _BAND if name in rows and np.isfinite(rows[name].to_numpy(dtype=np.float64)).any()]
    columns = [y_hat, *(rows[name].to_numpy(dtype=np.float64) for name in banded)]
    times = [clock.write(float(t)) for t in axis_times(rows["ds"])]
    cells = [[number(value, decimals=decimals) for value in column.tolist()] for column in columns]
    more = f"and {counted(len(times) - _MOST_ROWS, 'more step')} in forecast.csv. " if len(times) > _MOST_ROWS else ""
    total, mean = (number(float(value), decimals=decimals) for value in (y_hat.sum(), y_hat.mean()))
    sums = f"Total {total}, mean {mean}." if len(times) > 1 and clock.kind == "date" else ""
    return Steps(
        headings=("when", "forecast", *(("low 90 %", "high 90 %") if len(banded) == len(_BAND) else ())),
        rows=tuple(zip(times[:_MOST_ROWS], *(column[:_MOST_ROWS] for column in cells), strict=True)),
        after=f"{more}{sums}".strip(),
    )


def draw(section: AnswerSection, summary: Summary) -> Figure:
    """Draw the past and the recommended forecast with its intervals."""
    return draw_with(section, summary.roles, summary.clock)


def draw_with(section: AnswerSection, roles: Roles, clock: Clock) -> Figure:
    """Draw the section in the colours of some roles."""
    if section.view is None:
        return Figure("answer", "The forecast", section.says, ())
    panel = draw_view(section.view, roles, clock, 260, axis_title=section.series)
    return Figure("answer", "The forecast", section.says, (panel,), keys_of(section.view, roles))


def keys_of(view: View, roles: Roles) -> tuple[Key, ...]:
    """Return the legend of a view."""
    shown = {TRUTH, *(track.model for track in view.tracks)}
    return (*charts.role_keys(roles, shown), *interval_keys([view], roles))
