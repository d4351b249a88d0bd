"""Which sections a page has beside those of every job: one function for each question that forecasts answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from forecast.reporting.characters import readable
from forecast.reporting.diagnostics import copy_section, residual_section
from forecast.reporting.directions import probability_section, reliability_section
from forecast.reporting.fans import with_quantiles
from forecast.reporting.lines import find_clock
from forecast.reporting.passages import passage_section
from forecast.reporting.sections import data_section, future_section, origins_section
from forecast.reporting.several import choices
from forecast.reporting.symbols import (
    SymbolSections,
    ahead_section,
    confusion_section,
    cost_section,
    share_section,
)
from forecast.reporting.uncertainty import CalibrationSection, calibration_section, coverage_of, pit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from forecast.evaluation.intervals import Intervals
    from forecast.questions.kinds import TargetType
    from forecast.reporting.lines import Clock
    from forecast.reporting.sections import Roles
    from forecast.reporting.settings import ReportSettings
    from forecast.reporting.several import SpreadSection


@dataclass(frozen=True, eq=False)
class Material:
    """What sections are made of.

    Attributes
    ----------
    results, series, forecast : tables of all series, as `build_summary` takes them
    uid : the series that is drawn
    symbols : texts of the codes in `results` and `series`, where these are codes
    passage : results of the series that is drawn from successive origins, where `results` leaves some out
    continuation : a text that was drawn from the network, to be shown after the data

    """

    results: pd.DataFrame
    series: pd.DataFrame | None
    forecast: pd.DataFrame | None
    uid: str
    roles: Roles
    show: ReportSettings
    spread: SpreadSection | None
    intervals: Intervals | None
    copy_test: str | None
    symbols: tuple[str, ...]
    passage: pd.DataFrame | None
    continuation: str | None

    @cached_property
    def count(self) -> int:
        """How many series there are."""
        return int(self.results["unique_id"].nunique())

    @property
    def name(self) -> str:
        """How the series that is drawn is called in sentences."""
        return self.uid if self.count == 1 else f"{self.uid} (one of {self.count:,} series, typical in its error)"

    @property
    def title(self) -> str:
        """What the page is called where nobody said."""
        return f"{self.roles.network} on {self.uid if self.count == 1 else f'{self.count:,} series'}"

    @cached_property
    def clock(self) -> Clock:
        """How the times of the series that is drawn are written."""
        return find_clock(self.truth["ds"])

    @property
    def truth(self) -> pd.DataFrame:
        """The series that is drawn, or as much of it as the results hold: columns `ds`, `y`, `part`."""
        series = None if self.series is None else rows_of(self.series, self.uid)
        return truth_of(rows_of(self.results, self.uid), series)

    @property
    def ahead(self) -> pd.DataFrame | None:
        """The forecast after the end of the series that is drawn."""
        return None if self.forecast is None or (here := rows_of(self.forecast, self.uid)).empty else here

    @property
    def drawn(self) -> pd.DataFrame:
        """The rows of the models that are drawn, with columns of quantiles where there are any."""
        rows = self.results[self.results["model"].isin(self.roles.named())]
        if self.intervals is None:
            return rows
        told = self.intervals.quantiles
        return with_quantiles(
            rows, {name: told[name] for name in self.roles.named() if name in told}, self.intervals.levels
        )


def _of_values(made: Material) -> dict[str, Any]:
    roles, clock, truth, ahead, drawn = made.roles, made.clock, made.truth, made.ahead, made.drawn
    mine = rows_of(drawn, made.uid)
    tables = (made.series, drawn, made.forecast)
    return {
        "data": data_section(truth, clock, made.show.points, made.name),
        "origins": origins_section(truth, mine, roles, clock, made.show.origins),
        "future": None if ahead is None else future_section(truth, ahead, roles, clock),
        "residuals": residual_section(mine, roles.network, made.show.points),
        "copy": copy_section(truth, mine, roles.network, made.copy_test),
        "choices": () if made.spread is None else choices(made.spread, tables, roles, clock, made.uid),
        "calibration": _calibration(made),
    }


def _calibration(made: Material) -> CalibrationSection | None:
    if made.intervals is None:
        return calibration_section(coverage_of(made.results), pit_of(made.results), {}, made.roles)
    found = made.intervals
    return calibration_section(found.coverage, found.pit, found.sentences, made.roles)


def _of_directions(made: Material) -> dict[str, Any]:
    truth, ahead = made.truth, made.ahead
    return {
        "data": data_section(truth, made.clock, made.show.points, made.name),
        "reliability": reliability_section(made.results, made.roles),
        "probabilities": None if ahead is None else probability_section(truth, ahead, made.roles, made.clock),
    }


def _of_symbols(made: Material) -> dict[str, Any]:
    symbols, roles, truth, ahead = made.symbols, made.roles, made.truth, made.ahead
    every = _every_truth(made.results) if made.series is None else made.series
    count = every["unique_id"].nunique()
    mine = rows_of(made.results if made.passage is None else made.passage, made.uid)
    sections = SymbolSections(
        shares=share_section(every, symbols, made.uid if count == 1 else f"{count:,} series"),
        passage=passage_section(mine, truth, symbols, roles, made.name),
        costs=cost_section(made.results, symbols, roles),
        confusions=confusion_section(made.results, symbols, roles),
        ahead=None if ahead is None else ahead_section(ahead, truth, symbols, roles),
    )
    text = made.continuation
    return {"symbols": sections, "continuation": None if text is None else readable(text)}


def _every_truth(results: pd.DataFrame) -> pd.DataFrame:
    return results[["unique_id", "ds", "y"]].drop_duplicates(["unique_id", "ds"]).assign(split="test")


SECTIONS: dict[TargetType, Callable[[Material], Mapping[str, Any]]] = {
    "value": _of_values,
    "direction": _of_directions,
    "symbol": _of_symbols,
}
"""Fields of a summary that a question fills; the others stay as they are without it."""


def rows_of(table: pd.DataFrame, uid: str) -> pd.DataFrame:
    """Return the rows of one series."""
    known = {str(one): one for one in table["unique_id"].unique()}
    return table[table["unique_id"] == known[uid]] if uid in known else table.iloc[:0]


def truth_of(results: pd.DataFrame, series: pd.DataFrame | None) -> pd.DataFrame:
    """Return the rows of one series in order, or as much as its results hold."""
    if series is not None and len(series):
        return series.sort_values("ds").reset_index(drop=True)
    seen = results[["ds", "y"]].drop_duplicates("ds").sort_values("ds").reset_index(drop=True)
    return seen.assign(split="test")
