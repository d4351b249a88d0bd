"""`task=probe`: open a run and look at what its network does: how it answers, what it remembers, what noise does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.pretrained import FittedPretrained
from forecast.forecasters.transformed import FittedTransformed, log_target
from forecast.inspection.answers import answer_kind
from forecast.inspection.page import write_numbers, write_probe
from forecast.inspection.sections import examine, examine_pretrained, examine_symbols
from forecast.inspection.symbols import SymbolSystem
from forecast.inspection.system import system_of
from forecast.inspection.weighing import PretrainedSystem
from forecast.reading.covariates import check_known_ahead
from forecast.reporting.settings import ProbeSettings, ReportSettings
from forecast.runs import files
from forecast.runs.folder import added_to
from forecast.runs.run import channels_of, open_run
from forecast.series.date_features import features_of, with_features
from forecast.tasks.newer import fitting_panel, newer_job, newer_source, series_number
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.inspection.page import ProbePage
    from forecast.inspection.system import System
    from forecast.runs.run import Run
    from forecast.series.panel import Panel

_FEWEST_SYMBOLS = 50
"""Symbols of a test split that are worth looking at; of a shorter one the last of the series are taken."""


@dataclass(frozen=True, eq=False)
class Probed:
    """The network as it was examined, its measurements by section, and where the page lies."""

    run: Run
    system: System | SymbolSystem | PretrainedSystem
    measured: Mapping[str, Any]
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
    settings: ProbeSettings | None = None,
    outputs: str | Path = "outputs",
) -> Probed:
    """Examine the network of a run on one of its series, and put a page, pictures and numbers into its folder.

    `data` are the settings of `data.*` that are new, `show.series` names the series (None: the first).

    Raises
    ------
    ForecastError
        No such run, one of another kind of network or question, data that do not fit it, a series that it does not
        know or that is too short, or a folder that cannot be written.

    """
    show, settings = show or ReportSettings(), settings or ProbeSettings()
    opened = open_run(run, outputs)
    network = _examined_network(opened)
    system: System | SymbolSystem | PretrainedSystem
    if isinstance(network, FittedPretrained):
        panel = _examined_panel(opened, data or {})
        panel = log_target(panel) if isinstance(opened.network, FittedTransformed) else panel
        number = series_number(panel.ids, show.series)
        system = PretrainedSystem(network.of_series(number), panel.take(np.array([number])))
        examination = examine_pretrained(opened, system, number, settings)
    elif opened.problem.question.categorical:
        system = _symbol_system(opened, network, data or {}, show.series)
        examination = examine_symbols(opened, system, settings)
    else:
        answer_kind(network)  # refuses questions that the measurements are not made for
        system = _system(opened, network, data or {}, show.series)
        examination = examine(opened, system, settings)
    with added_to(opened.folder) as staging:
        write_probe(examination.page, staging / files.PROBE, staging / files.PROBE_FIGURES if show.png else None)
        write_numbers(examination.numbers, staging / files.PROBE_NUMBERS)
    return Probed(opened, system, examination.measured, examination.page, opened.folder / files.PROBE)


def _examined_network(run: Run) -> FittedNetwork | FittedPretrained:
    """Return the network of a run, the first of an ensemble."""
    inner: Any = run.network.fitted if isinstance(run.network, FittedTransformed) else run.network
    first: FittedNetwork | FittedPretrained = inner.members[0]
    return first


def _examined_panel(run: Run, data: Mapping[str, Any]) -> Panel:
    """Read the data again, with all covariates that the network reads."""
    panel = fitting_panel(run, newer_source(run, newer_job(run, data, "probe"), data).panel)
    check_known_ahead(panel, run.problem.horizon)
    return with_features(panel, features_of(channels_of(run.record)), run.problem.horizon)


def _seen_steps(run: Run, series: int) -> int:
    """Steps of a series before its test split."""
    record = run.record.data
    return record.train_steps[series] + record.validation_steps[series] + record.calibration_steps[series]


def _system(run: Run, network: FittedNetwork, data: Mapping[str, Any], series: str | None) -> System:
    """Put the network on one series of numbers."""
    panel = _examined_panel(run, data)
    panel = log_target(panel) if isinstance(run.network, FittedTransformed) else panel
    number = series_number(panel.ids, series)
    seen, length, horizon = _seen_steps(run, number), int(panel.lengths[number]), run.problem.horizon
    if length <= seen + horizon:  # there is no test split to judge on
        raise ForecastError(
            f"series {panel.ids[number]!r} has {length} steps, and the run's test split begins after {seen}; "
            f"more than {seen + horizon} are needed: give the data that it was trained on, or newer ones"
        )
    return system_of(network, panel, number, run.record.data.train_steps[number], seen)


def _symbol_system(run: Run, network: FittedNetwork, data: Mapping[str, Any], series: str | None) -> SymbolSystem:
    """Put the network on one series of symbols."""
    panel = _examined_panel(run, data)
    number = series_number(panel.ids, series)
    if panel.at_end:
        raise ForecastError(
            "task=probe follows a text symbol by symbol, and this run has one label a series (data.target_at=end): "
            "probe a run on series of symbols"
        )
    length = int(panel.lengths[number])
    context = network.problem.context_steps if network.forecaster.training.regime == "windows" else 1
    if length < context + 3:
        raise ForecastError(
            f"series {panel.ids[number]!r} has {counted(length, 'step')}, and {context + 3} are needed: name a longer "
            f"one (`report.series=`), or give longer data"
        )
    first = context
    if length > _FEWEST_SYMBOLS + context:
        first = max(min(_seen_steps(run, number), length - _FEWEST_SYMBOLS), context, 1)
    return SymbolSystem(network, panel, number, min(first, length - 3), length)
