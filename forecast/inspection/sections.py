"""The sections of the probe, in the order of the page, and the page that they make together.

To add a section: write a file beside this one that ends in a `Section`, and add it to a list below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altair.utils.schemapi import debug_mode

from forecast.forecasters.transformed import FittedTransformed
from forecast.inspection import (
    attribution,
    constant,
    frequency,
    memory,
    noise,
    responses,
    smoothing,
    starts,
    symbol_units,
    symbols,
    units,
    weighing,
)
from forecast.inspection.page import ProbePage
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.inspection.page import Section
    from forecast.inspection.symbols import SymbolSystem
    from forecast.inspection.system import System
    from forecast.inspection.weighing import PretrainedSystem
    from forecast.reporting.settings import ProbeSettings
    from forecast.runs.run import Run

SECTIONS: tuple[Section[System, Any], ...] = (
    memory.SECTION,
    frequency.SECTION,
    constant.SECTION,
    responses.SECTION,
    noise.SECTION,
    starts.SECTION,
    units.SECTION,
    attribution.SECTION,
    smoothing.SECTION,
)
"""Of networks that forecast values or rises."""

SYMBOL_SECTIONS: tuple[Section[SymbolSystem, Any], ...] = (symbols.SECTION, symbol_units.SECTION)
"""Of networks that forecast symbols."""
PRETRAINED_SECTIONS: tuple[Section[PretrainedSystem, Any], ...] = (weighing.SECTION,)
"""Of the network that was trained before."""


@dataclass(frozen=True, eq=False)
class Examination:
    """Everything that was measured of a network.

    Attributes
    ----------
    measured : by name of the section; None where it was left out
    numbers : the contents of `probe.json`

    """

    measured: Mapping[str, Any]
    page: ProbePage
    numbers: Mapping[str, Any]


def examine(run: Run, system: System, settings: ProbeSettings) -> Examination:
    """Measure, draw and write about a network that forecasts values or rises."""
    numbers = {
        "centre": system.centre,
        "spread": system.spread,
        "found": {"asks": system.fitted.problem.target_type},
    }
    described = _Described(run, run.record.data.ids[system.number], _facts(run, system), _notes(run, system), numbers)
    return _examine(SECTIONS, system, settings, described)


def examine_symbols(run: Run, system: SymbolSystem, settings: ProbeSettings) -> Examination:
    """Measure, draw and write about a network that forecasts symbols."""
    facts = (
        counted(system.fitted.forecaster.settings.units, "hidden unit"),
        counted(len(system.symbols), "symbol"),
        f"{counted(len(system.rows), 'step')} looked at",
    )
    notes = (_NO_SIZES, _CUT_SYMBOLS, *_notes_of_run(run, system.number))
    series = run.record.data.ids[system.number]
    return _examine(
        SYMBOL_SECTIONS, system, settings, _Described(run, series, facts, notes, {"symbols": system.symbols})
    )


def examine_pretrained(run: Run, system: PretrainedSystem, number: int, settings: ProbeSettings) -> Examination:
    """Measure, draw and write about the network that was trained before."""
    season = system.fitted.seasons[0]
    facts = (
        counted(int(system.past.lengths[0]), "row"),
        f"horizon {run.problem.horizon}",
        "no season" if season == 1 else f"season {counted(season, 'step')}",
    )
    ids = run.record.data.ids
    notes = [f"One of {len(ids)} series was examined, {ids[number]!r}; report.series=... takes another."]
    notes = notes if len(ids) > 1 else []
    if isinstance(run.network, FittedTransformed):
        notes.append("It forecasts logarithms, and all values here are logarithms.")
    return _examine(PRETRAINED_SECTIONS, system, settings, _Described(run, ids[number], facts, tuple(notes), {}))


@dataclass(frozen=True)
class _Described:
    """What the page says beside its sections."""

    run: Run
    series: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    numbers: Mapping[str, Any]


def _examine(
    sections: tuple[Section[Any, Any], ...], system: Any, settings: ProbeSettings, described: _Described
) -> Examination:
    taken = [(section, section.measure(system) if section.wanted(system, settings) else None) for section in sections]
    present = [(section, measured) for section, measured in taken if measured is not None]
    name, series = described.run.record.network.name, described.series
    with debug_mode(False):  # charts are not checked against Vega-Lite's schema, which takes seconds
        figures = tuple(figure for section, measured in present for figure in section.figures(measured, system))
    page = ProbePage(
        title=f"What {name} does: {series}",
        headline=next(part.headline(measured, system, name, series) for part, measured in present if part.headline),
        facts=described.facts,
        sentences=tuple(words for section, measured in present for words in section.sentences(measured, system)),
        figures=figures,
        notes=described.notes,
    )
    numbers: dict[str, Any] = {
        "series": series,
        "network": name,
        "headline": page.headline,
        "sentences": page.sentences,
        "notes": page.notes,
        **described.numbers,
    }
    for section, measured in taken:
        for key, value in section.numbers(measured).items():
            numbers[key] = {**numbers.get(key, {}), **value} if key == "found" else value
    return Examination({section.name: measured for section, measured in taken}, page, numbers)


def _facts(run: Run, system: System) -> tuple[str, ...]:
    """What was examined, a few words each."""
    return (
        f"{system.kind.reference_role}reference {system.fitted.reference.name}",
        counted(system.fitted.forecaster.settings.units, "hidden unit"),
        f"horizon {run.problem.horizon}",
        "no season" if system.season_steps == 1 else f"season {counted(system.season_steps, 'step')}",
        f"mean {number(system.centre)}, spread {number(system.spread)}",
    )


_NO_SIZES = (
    "Symbols have no size: sections on sine waves, smoothing, constants, impulses and noise are for series of numbers, "
    "and are left out."
)
_CUT_SYMBOLS = (
    "Where its past is cut off the network begins from a zero state amid the series, as it seldom did in training: "
    "part of what is lost with the last few symbols alone is that."
)


def _notes(run: Run, system: System) -> tuple[str, ...]:
    """How made-up series look, which parts of the run were examined, and what was left out."""
    notes = [
        f"Made-up series lie around the mean of the training split ({number(system.centre)}); a spread "
        f"({number(system.spread)}) is the standard deviation about a moving mean.",
        *_notes_of_run(run, system.number),
    ]
    if isinstance(run.network, FittedTransformed):
        notes.append("The network was trained on logarithms, and all values here are logarithms.")
    if system.horizon < run.problem.horizon:
        notes.append("It forecasts one step and feeds it back; the one step is what was examined.")
    if system.fitted.forecaster.settings.fork_ensemble > 1:
        notes.append("Forecasts are those that each origin makes alone, without model.fork_ensemble.")
    if system.kind.note:
        notes.append(system.kind.note)
    if system.window_steps is not None:
        notes.append(
            f"It reads windows of {counted(system.window_steps, 'step')} and can remember no more than that; windows "
            f"whose past is cut off are shorter than any that it was trained on."
        )
    if not system.carries_state:
        notes.append(
            "It reads each window from both ends and carries no state on: nothing echoes in one, and none can begin "
            "elsewhere and be forgotten, so that both measures are left out."
        )
    if len(system.past.channels) > 1 or system.past.ahead is not None:
        notes.append("Covariates stayed as they were in the data, whatever series was fed.")
    return tuple(notes)


def _notes_of_run(run: Run, series: int) -> list[str]:
    """Which series and which network were examined, and what it was trained on."""
    ids, members, notes = run.record.data.ids, len(run.record.network.epochs), []
    if len(ids) > 1:
        which = "the first" if series == 0 else f"number {series + 1}"
        examined = f"One of {len(ids)} series was examined, {ids[series]!r}, {which}"
        notes.append(f"{examined}; report.series=... takes another.")
    if members > 1:
        notes.append(f"Of the ensemble's {members} networks the first was examined, alone.")
    if run.record.network.refitted:
        notes.append("The network has been trained on all rows, those that its errors are measured on here included.")
    return notes
