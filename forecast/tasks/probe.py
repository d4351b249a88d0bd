"""`task=probe`: open a run and look at what its network does: how it answers, what it remembers, what noise does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.transformed import FittedTransformed, log_target
from forecast.inspection.attribution import attribute
from forecast.inspection.examination import examine
from forecast.inspection.pages import probe_words
from forecast.inspection.pages.attribution_charts import attribution_figures
from forecast.inspection.pages.probe import ProbePage, write_numbers, write_probe
from forecast.inspection.pages.probe_charts import probe_figures, smoothing_figure
from forecast.inspection.pages.unit_charts import unit_figures
from forecast.inspection.settings import ProbeSettings
from forecast.inspection.smoothing import smoothing_of
from forecast.inspection.system import system_of
from forecast.inspection.units import map_units
from forecast.questions.split import Origins
from forecast.reading.covariates import check_known_ahead
from forecast.reporting.settings import ReportSettings
from forecast.runs import files
from forecast.runs.folder import added_to
from forecast.runs.run import channels_of, open_run
from forecast.series.date_features import features_of, with_features
from forecast.tasks.newer import fitting_panel, newer_job, newer_source, series_number
from forecast.tasks.probe_symbols import ProbedSymbols, probe_symbol_run
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.inspection.examination import Examination
    from forecast.inspection.smoothing import Smoothing
    from forecast.inspection.system import System
    from forecast.reporting.charts import Figure
    from forecast.runs.run import Run
    from forecast.series.panel import Panel


@dataclass(frozen=True, eq=False)
class Probed:
    """What was found in a run: the measurements, and where the page lies."""

    run: Run
    system: System
    found: Examination
    page: ProbePage
    path: Path

    @property
    def lines(self) -> tuple[str, ...]:
        """The headline, a sentence a topic, and where to read on."""
        return (f"{self.page.headline}.", *self.page.sentences, *self.page.notes, f"page: {self.path}")


def probe(
    run: str | Path,
    data: Mapping[str, Any] | None = None,
    *,
    show: ReportSettings | None = None,
    asked: ProbeSettings | None = None,
    outputs: str | Path = "outputs",
) -> Probed | ProbedSymbols:
    """Examine the network of a run on one of its series, and put a page, pictures and numbers into its folder.

    `data` are the settings of `data.*` that are new, `show.series` names the series (None: the first).

    Raises
    ------
    ForecastError
        No such run, one of another kind of network or question, data that do not fit it, a series that it does not
        know, or a folder that cannot be written.

    """
    show, asked = show or ReportSettings(), asked or ProbeSettings()
    opened = open_run(run, outputs)
    if opened.problem.question.categorical:
        panel = examined_panel(opened, data or {})
        return probe_symbol_run(opened, member(opened), panel, series_number(panel.ids, show.series), show)
    _check_examined(member(opened))
    system = examined_system(opened, data or {}, show.series)
    found = examine(system)
    smoothing = smoothing_of(system.fitted.forecaster.settings) if asked.smoothing else None
    page = probe_page(opened, system, found, sections(system, found, smoothing))
    with added_to(opened.folder) as staging:
        write_probe(page, staging / files.PROBE, staging / files.PROBE_FIGURES if show.png else None)
        write_numbers(_numbers(opened, system, page, found, smoothing), staging / files.PROBE_NUMBERS)
    return Probed(opened, system, found, page, opened.folder / files.PROBE)


def sections(system: System, found: Examination, smoothing: Smoothing | None) -> tuple[Figure, ...]:
    """Every section of the page, in order: title, words and charts of a topic."""
    length = int(system.past.lengths[0])
    first = min(system.seen_steps, int(system.origins[0]))
    units = map_units(system.single, system.past, 0, first=first, end=length)
    units = replace(units, series=system.fitted.ids[system.number])
    steps = system.origins[[0, len(system.origins) // 2, -1]]
    rests_on = attribute(system.single, system.past, Origins(np.zeros(len(steps), dtype=np.int64), steps))
    more = () if smoothing is None else (smoothing_figure(smoothing),)
    return (*probe_figures(found), *unit_figures(units), *attribution_figures(rests_on), *more)


def examined_system(run: Run, data: Mapping[str, Any], series: str | None) -> System:
    """Read the data again and put the network on one of its series."""
    panel = examined_panel(run, data)
    panel = log_target(panel) if isinstance(run.network, FittedTransformed) else panel
    told, number = run.record.data, series_number(panel.ids, series)
    train = told.train_steps[number]
    seen = train + told.validation_steps[number] + told.calibration_steps[number]
    _check_long_enough(run, panel, number, seen)
    return system_of(member(run), panel, number, train, seen)


def examined_panel(run: Run, data: Mapping[str, Any]) -> Panel:
    """Read the data again, with all that the network reads beside them."""
    panel = fitting_panel(run, newer_source(run, newer_job(run, data, "probe")).panel)
    check_known_ahead(panel, run.problem.horizon)
    return with_features(panel, features_of(channels_of(run.record)), run.problem.horizon)


def member(run: Run) -> FittedNetwork:
    """Return the network of a run, the first of an ensemble."""
    inner: Any = run.network.fitted if isinstance(run.network, FittedTransformed) else run.network
    first: FittedNetwork = inner.members[0]
    return first


def probe_page(run: Run, system: System, found: Examination, shown: tuple[Figure, ...]) -> ProbePage:
    """Say what was examined and what was found."""
    record, name = run.record, run.record.network.name
    series = record.data.ids[system.number]
    fitted = system.fitted
    facts = (
        f"{'reads differences to the ' if system.rises else ''}reference {fitted.reference.name}",
        counted(fitted.forecaster.settings.hidden_size, "hidden unit"),
        f"horizon {run.problem.horizon}",
        "no season" if system.season_steps == 1 else f"season {counted(system.season_steps, 'step')}",
        f"mean {number(system.centre)}, spread {number(system.spread)}",
    )
    return ProbePage(
        title=f"What {name} does: {series}",
        headline=probe_words.headline(found, name, series),
        facts=facts,
        sentences=probe_words.sentences(found),
        sections=shown,
        notes=_notes(run, system),
    )


def _notes(run: Run, system: System) -> tuple[str, ...]:
    """What of the run was left aside, and on what it was examined."""
    record = run.record
    ids, members = record.data.ids, len(record.network.epochs)
    notes = [
        f"Made-up series lie around the mean of the training split ({number(system.centre)}); a spread "
        f"({number(system.spread)}) is the standard deviation about a moving mean."
    ]
    if len(ids) > 1:
        which = "the first" if system.number == 0 else f"number {system.number + 1}"
        one = f"One of {len(ids)} series was examined, {ids[system.number]!r}, {which}"
        notes.append(f"{one}; report.series=... takes another.")
    if members > 1:
        notes.append(f"Of the ensemble's {members} networks the first was examined, alone.")
    if record.network.refitted:
        notes.append("The network has been trained on all rows, those that its errors are measured on here included.")
    if isinstance(run.network, FittedTransformed):
        notes.append("The network was trained on logarithms, and all values here are logarithms.")
    if system.horizon < run.problem.horizon:
        notes.append("It forecasts one step and feeds it back; the one step is what was examined.")
    if system.fitted.forecaster.settings.fork_ensemble > 1:
        notes.append("Forecasts are those that each origin makes alone, without model.fork_ensemble.")
    if system.rises:
        notes.append(
            "It is asked for rises: answers to made-up series are logits of a rise, log(p / (1 - p)), errors on the "
            "data Brier scores, and beside it stands the base rate, which an untrained network says."
        )
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


def _numbers(
    run: Run, system: System, page: ProbePage, found: Examination, smoothing: Smoothing | None
) -> dict[str, Any]:
    """Everything that was measured, for `probe.json`."""
    lengths = {
        "data": found.memory.cut.fall.length,
        "echo": None if found.memory.echo is None else found.memory.echo.length,
        "gradient": found.memory.gradient.length,
        "walked": found.memory.cut.fall.walked,
    }
    return {
        "series": run.record.data.ids[system.number],
        "network": run.record.network.name,
        "headline": page.headline,
        "sentences": page.sentences,
        "notes": page.notes,
        "centre": system.centre,
        "spread": system.spread,
        "memory_steps": lengths,
        "found": found,
        "smoothing": smoothing,
    }


def _check_examined(fitted: FittedNetwork) -> None:
    """Refuse questions that the measurements are not made for."""
    settings = fitted.forecaster.settings
    if fitted.problem.question.categorical:
        raise ForecastError(
            f"task=probe examines forecasts of values and of rises, and this run's network answers another question "
            f"(model.head={settings.head}): probe a run with another head"
        )


def _check_long_enough(run: Run, panel: Panel, number: int, seen: int) -> None:
    """Refuse data that are shorter than those that were trained on: there is no test split to judge on."""
    length = int(panel.lengths[number])
    if length <= seen + run.problem.horizon:
        raise ForecastError(
            f"series {panel.ids[number]!r} has {length} steps, and the run's test split begins after {seen}; "
            f"more than {seen + run.problem.horizon} are needed: give the data that it was trained on, or newer ones"
        )
