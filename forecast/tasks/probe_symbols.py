"""`task=probe` for a run on symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.inspection.pages import probe_symbols as words
from forecast.inspection.pages.probe import ProbePage, write_numbers, write_probe
from forecast.inspection.symbols import SymbolProbe, probe_symbols
from forecast.runs import files
from forecast.runs.folder import added_to
from forecast.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.reporting.settings import ReportSettings
    from forecast.runs.run import Run
    from forecast.series.panel import Panel

_FEWEST = 50
"""Symbols of a test split that are worth looking at; of a shorter one the last of the series are taken."""


@dataclass(frozen=True, eq=False)
class ProbedSymbols:
    """What was found in a run on symbols, and where the page lies."""

    run: Run
    found: SymbolProbe
    page: ProbePage
    path: Path

    @property
    def lines(self) -> tuple[str, ...]:
        """The headline, a sentence a topic, and where to read on."""
        return (f"{self.page.headline}.", *self.page.sentences, *self.page.notes, f"page: {self.path}")


def probe_symbol_run(run: Run, member: FittedNetwork, panel: Panel, number: int, show: ReportSettings) -> ProbedSymbols:
    """Examine a network on one series of a panel of symbols, and put page, pictures and numbers into its folder.

    Raises
    ------
    ForecastError
        One label a series, or a series that is too short.

    """
    if panel.at_end:
        raise ForecastError(
            "task=probe follows a text symbol by symbol, and this run has one label a series (data.target_at=end): "
            "probe a run on series of symbols"
        )
    told, length = run.record.data, int(panel.lengths[number])
    seen = told.train_steps[number] + told.validation_steps[number] + told.calibration_steps[number]
    context = member.problem.context_steps if member.forecaster.training.regime == "windows" else 1
    if length < context + 3:
        raise ForecastError(
            f"series {panel.ids[number]!r} has {counted(length, 'step')}, and {context + 3} are needed: name a longer "
            f"one (`report.series=`), or give longer data"
        )
    first = max(min(seen, length - _FEWEST), context, 1) if length > _FEWEST + context else context
    found = probe_symbols(member, panel, number, min(first, length - 3), length)
    page = _page(run, member, panel.ids[number], found)
    with added_to(run.folder) as staging:
        write_probe(page, staging / files.PROBE, staging / files.PROBE_FIGURES if show.png else None)
        write_numbers(_numbers(run, panel.ids[number], page, found), staging / files.PROBE_NUMBERS)
    return ProbedSymbols(run, found, page, run.folder / files.PROBE)


def _page(run: Run, member: FittedNetwork, series: str, found: SymbolProbe) -> ProbePage:
    name, ids = run.record.network.name, run.record.data.ids
    notes = [words.LEFT_OUT, words.CUT]
    if len(ids) > 1:
        notes.append(f"One of {len(ids)} series was examined, {series!r}; report.series=... takes another.")
    if len(run.record.network.epochs) > 1:
        notes.append(f"Of the ensemble's {len(run.record.network.epochs)} networks the first was examined, alone.")
    if run.record.network.refitted:
        notes.append("The network has been trained on all rows, those that its bits are measured on here included.")
    return ProbePage(
        title=f"What {name} does: {series}",
        headline=words.headline(found, name, series),
        facts=(
            counted(member.forecaster.settings.hidden_size, "hidden unit"),
            counted(len(found.symbols), "symbol"),
            f"{counted(len(found.codes), 'step')} looked at",
        ),
        sentences=words.sentences(found),
        sections=words.symbol_figures(found),
        notes=tuple(notes),
    )


def _numbers(run: Run, series: str, page: ProbePage, found: SymbolProbe) -> dict[str, object]:
    units = found.units
    return {
        "series": series,
        "network": run.record.network.name,
        "headline": page.headline,
        "sentences": page.sentences,
        "notes": page.notes,
        "memory_steps": {
            "data": found.memory.cut.length,
            "gradient": found.memory.gradient.length,
            "walked": found.memory.cut.walked,
        },
        "symbols": found.symbols,
        "memory": found.memory,
        "units": {
            "names": [units.name(i) for i in range(len(units.layer))],
            "added_bits": units.added,
            "explained_by_symbol": units.explained,
            "holding_steps": units.holds,
            "mean_by_symbol": units.mean.T,
            "bits": units.bits,
            "bits_without_any": units.bits_without_any,
        },
    }
