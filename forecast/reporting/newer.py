"""The page of `task=predict`: the forecast after newer data, and last time's forecast against what came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from altair.utils.schemapi import debug_mode

from forecast.reporting.charts import Figure
from forecast.reporting.html import render_page
from forecast.reporting.lines import find_clock
from forecast.reporting.material import Roles, rows_of
from forecast.reporting.sections import answer
from forecast.reporting.sections.answer import Tile
from forecast.reporting.sections.forecasts import draw_view, last_view
from forecast.wording import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from forecast.reporting.sections.answer import AnswerSection


@dataclass(frozen=True, eq=False)
class Newer:
    """What the page is made of.

    Attributes
    ----------
    truth : all steps of the series that is drawn, columns `unique_id`, `ds`, `y`
    several : whether there are others
    future : the forecast of `model` after them, `unique_id`, `ds`, `y_hat` and quantiles
    last : its forecast before, of the steps that have come since, `unique_id`, `cutoff`, `ds`, `y`, `y_hat` and
        quantiles; None where none has
    network : the network's name: `model` has its colour where it is the same
    uid : the series that is drawn

    """

    title: str
    model: str
    network: str
    uid: str
    truth: pd.DataFrame
    several: bool
    decimals: int
    future: pd.DataFrame
    last: pd.DataFrame | None
    drift: Sequence[str]
    found: Mapping[str, str]
    notes: Sequence[str]
    next_command: str


def write_newer_page(newer: Newer, path: Path) -> None:
    """Write the page."""
    truth, rows = (table.sort_values("ds") for table in (newer.truth, rows_of(newer.future, newer.uid)))
    section = answer.answer(
        truth,
        rows,
        find_clock(truth["ds"]),
        newer.uid,
        several=newer.several,
        model=newer.model,
        tiles=_tiles(newer.last),
        next_command=newer.next_command,
        decimals=newer.decimals,
    )
    with debug_mode(False):  # see `sections.draw`
        figures = list(_figures(newer, section, truth))
    page = render_page("newer.html", figures, title=newer.title, newer=newer, answer=section)
    path.write_text(page, encoding="utf-8")


def _figures(newer: Newer, section: AnswerSection, truth: pd.DataFrame) -> Iterator[Figure]:
    roles, clock = Roles(newer.network, None, newer.model), find_clock(truth["ds"])
    yield answer.draw_with(section, roles, clock)
    last = None if newer.last is None else rows_of(newer.last, newer.uid).sort_values("ds")
    if last is None or last.empty:
        return
    view = last_view(truth, newer.model, last, clock)
    panel = draw_view(view, roles, clock, 220, axis_title=newer.uid)
    says = f"What {newer.model} forecast at the end of the run, and what came since."
    yield Figure("last_time", "Last time's forecast against what came", says, (panel,), answer.keys_of(view, roles))


def _tiles(last: pd.DataFrame | None) -> tuple[Tile, ...]:
    """Say how far off the last forecast was, and how much of what came lay in its band."""
    if last is None or last.empty:
        return ()
    error = float((last["y"] - last["y_hat"]).abs().mean())
    tiles = [Tile(number(error), f"off on average, over the {len(last):,} values that have come since")]
    if {"q0.05", "q0.95"} <= set(last):
        held = int(((last["y"] >= last["q0.05"]) & (last["y"] <= last["q0.95"])).sum())
        tiles.append(Tile(f"{held:,} of {len(last):,}", "of them fell into its 90 % band"))
    return tuple(tiles)
