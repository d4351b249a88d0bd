"""A run that was opened: its record, and the network that it left, ready to forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from pydantic import ConfigDict, Field

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import FittedEnsemble, combined_by, ensemble, restore_ensemble
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.recursion import own_problem
from forecast.forecasters.settings import MOST_MEMBERS, Combine
from forecast.forecasters.transformed import FittedTransformed
from forecast.network.network import Network
from forecast.network.readings import Interface
from forecast.network.settings import NetworkSettings
from forecast.questions.kinds import question_of_head
from forecast.questions.problem import Problem
from forecast.reference.references import term_count
from forecast.runs.opening import find_run, open_record, open_tensors
from forecast.series.calendar import Calendar, calendar_from_dict
from forecast.series.panel import Channel
from forecast.settings import Settings, check_settings
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.runs.record import RunRecord
    from forecast.runs.tensors import Arrays

TrainedNetwork: TypeAlias = FittedNetwork | FittedEnsemble | FittedTransformed


@dataclass(frozen=True, eq=False)
class Run:
    """An opened run folder.

    Attributes
    ----------
    record : all of `run.json`
    network : the trained network; `network.forecast(past, origins)`, where it was not fitted on a logarithm also
        `network.start(past)`
    calendar : how times went on and were written in the data of the run

    """

    folder: Path
    record: RunRecord
    network: TrainedNetwork
    calendar: Calendar

    @property
    def problem(self) -> Problem:
        """The question that the network answers."""
        return _problem(self.record)


def open_run(run: str | Path = "latest", outputs: str | Path = "outputs") -> Run:
    """Open a run folder, one's own or a stranger's; "latest" is the newest complete one under `outputs`.

    Only `run.json` and `weights.safetensors` are read; nothing in the folder can execute anything.

    Raises
    ------
    ForecastError
        There is no such run, it has another format, or something in it is not what it should be.

    """
    folder = find_run(run, outputs)
    record = open_record(folder)
    try:
        calendar = _calendar(record)
        network = _network(record, open_tensors(folder))
    except ForecastError as error:
        raise ForecastError(f"{'' if 'run folder' in str(error) else f'run folder {folder}: '}{error}") from None
    return Run(folder, record, network, calendar)


def channels_of(record: RunRecord) -> tuple[Channel, ...]:
    """All channels of the data that the run was trained on."""
    return tuple(Channel(**channel.model_dump()) for channel in record.data.channels)


def _calendar(record: RunRecord) -> Calendar:
    """Make the calendar and let it name and write a time, which shows whether its zone and its style are any good."""
    try:
        calendar = calendar_from_dict(record.data.calendar)
        first = np.int64(0) if calendar.freq is None else np.datetime64("2024-01-01", "ns")
        calendar.write(calendar.after(first, 1))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ForecastError(f"its calendar cannot be used ({reason}): the file was changed; train again") from None
    return calendar


def _network(record: RunRecord, tensors: Arrays) -> TrainedNetwork:
    settings, problem = _Kept.of(record), _problem(record)
    network = Recurrent(settings.model, settings.training, settings.seed)
    forecaster = ensemble(network, settings.ensemble, combined_by(settings.combine, settings.model))
    facts = record.network.reference.model_dump()
    _check_size(network, settings.ensemble, problem, record, tensors)
    epochs = record.network.epochs
    if len(epochs) != settings.ensemble:
        raise ForecastError(
            f"its settings ask for {settings.ensemble} networks, and it tells the epochs of {len(epochs)}: "
            f"the file was changed; train again"
        )
    channels = channels_of(record)
    fitted = restore_ensemble(
        forecaster, problem, record.data.ids, channels=channels, facts=facts, tensors=tensors, epochs=epochs
    )
    return FittedTransformed(fitted, problem.question) if settings.data.transform == "log" else fitted


class _KeptData(Settings):
    """Of the settings of the data, what the network depends on."""

    model_config = ConfigDict(extra="ignore")

    transform: Literal["none", "log"]


class _Kept(Settings):
    """Of the settings of a job, what the network depends on; the rest is the business of whoever runs a job again."""

    model_config = ConfigDict(extra="ignore")

    seed: int
    ensemble: int = Field(ge=1, le=MOST_MEMBERS)
    combine: Combine | None
    data: _KeptData
    model: NetworkSettings
    training: TrainingSettings

    @staticmethod
    def of(record: RunRecord) -> _Kept:
        """Take them out of a record."""
        return check_settings(_Kept, record.settings, "settings.")


def _check_size(network: Recurrent, members: int, problem: Problem, record: RunRecord, tensors: Arrays) -> None:
    """Refuse settings that would make a larger network than the arrays fill, before anything is allocated."""
    horizon = own_problem(network.settings.strategy, problem).horizon
    symbols = len(problem.question.symbols(record.data.channels[0].categories))
    if problem.question.categorical and not symbols:
        raise ForecastError(
            f"`model.head={network.settings.head}` forecasts symbols, and its target has none: the file was changed; "
            f"train again"
        )
    with torch.device("meta"):
        skeleton = Network(network.settings, Interface(1, horizon, series=len(record.data.ids), symbols=symbols))
    terms = term_count(record.network.reference.name, problem.season_steps)
    needed = members * sum(part.numel() for part in skeleton.state_dict().values())
    needed += len(record.data.ids) * horizon * terms
    held = sum(array.size for array in tensors.values())
    if needed > held:
        raise ForecastError(
            f"its settings ask for at least {needed} numbers, and weights.safetensors holds {held}: "
            f"the weights do not belong to these settings"
        )


def _problem(record: RunRecord) -> Problem:
    asked = record.problem
    question = question_of_head(_Kept.of(record).model.head)
    return Problem(asked.horizon, asked.context_steps, asked.season_steps, question.name)
