"""Open a run folder: its record, and the trained network, ready to forecast.

`run.json` and `weights.safetensors` are read into a skeleton that our own code builds. Whatever does not fit the
skeleton in name, shape, type or size is refused.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from pydantic import ConfigDict, Field

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import FittedEnsemble, combined_by, ensemble
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.loading import load_ensemble
from forecast.forecasters.pretrained import FittedPretrained, Pretrained, load_pretrained, network_of
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.settings import MOST_MEMBERS, Combine
from forecast.forecasters.strategies import network_problem
from forecast.forecasters.transformed import FittedTransformed
from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import ModelSettings, PretrainedSettings
from forecast.questions.kinds import Problem, question_of_head
from forecast.questions.value_range import ValueRange
from forecast.reference.references import term_count
from forecast.runs import files
from forecast.runs.files import Arrays, ForecastRow, parse_forecast, unpack
from forecast.runs.folder import find_run, read_inside
from forecast.runs.record import RunRecord, read_record
from forecast.series.calendar import Calendar, calendar_from_dict
from forecast.series.panel import Channel
from forecast.settings import Settings, check_settings
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.network.pretrained import PretrainedNetwork
    from forecast.runs.files import Arrays
    from forecast.runs.record import RunRecord

TrainedNetwork: TypeAlias = FittedNetwork | FittedEnsemble | FittedPretrained | FittedTransformed


_MAX_RECORD_BYTES = 64 << 20
_MAX_FORECAST_BYTES = 1 << 30
_MAX_PRETRAINED_BYTES = 8 << 20


@dataclass(frozen=True, eq=False)
class Run:
    """An opened run folder.

    Attributes
    ----------
    record : all of `run.json`
    network : the trained network: `network.forecast(past, origins)`, and `network.start(past)` where it was not fitted
        on a logarithm
    calendar : frequency, time zone and style of the times in the run's data

    """

    folder: Path
    record: RunRecord
    network: TrainedNetwork
    calendar: Calendar

    @property
    def problem(self) -> Problem:
        """Horizon, context, season and target type of the network."""
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


def open_record(folder: Path) -> RunRecord:
    """Read and check `run.json`."""
    return read_record(read_inside(folder, files.RECORD, _MAX_RECORD_BYTES), str(folder))


def open_tensors(folder: Path) -> Arrays:
    """Read and check `weights.safetensors`."""
    return unpack(read_inside(folder, files.WEIGHTS, files.MAX_WEIGHTS_BYTES), str(folder))


def open_forecast(folder: Path) -> tuple[ForecastRow, ...]:
    """Read and check `forecasts.csv`."""
    return tuple(iterate_forecast(folder))


def iterate_forecast(folder: Path) -> Iterator[ForecastRow]:
    """Read and check `forecasts.csv` row by row; runs of before have the same in `forecast.csv`."""
    name = files.FORECASTS if (folder / files.FORECASTS).exists() else files.FORECAST
    return parse_forecast(read_inside(folder, name, _MAX_FORECAST_BYTES), str(folder))


def open_table(folder: Path, name: str) -> pd.DataFrame:
    """Read a table of the folder, such as `leaderboard.csv`.

    Raises
    ------
    ForecastError
        It is missing, a link to outside of the folder, or no such table.

    """
    try:
        table = pd.read_csv(io.BytesIO(read_inside(folder, name, _MAX_FORECAST_BYTES)))
    except (ValueError, OverflowError, pd.errors.ParserError) as error:  # a UnicodeDecodeError is a ValueError
        reason = " ".join(str(error).split())[:200]
        raise ForecastError(
            f"run folder {folder}: {name} cannot be read ({reason}): the file was changed or is not of this program"
        ) from None
    if "unique_id" in table:
        table["unique_id"] = table["unique_id"].astype(str).map(files.as_written)
    return table


def open_weights(path: str, setting: str) -> PretrainedNetwork:
    """Read weights of the pretrained network, as `task=pretrain` writes them; an error names the setting.

    Raises
    ------
    ForecastError
        A file that is not there, is too large or no safetensors, or holds another network.

    """
    file = Path(path)
    if not file.is_file():
        raise ForecastError(f"`{setting}={path}` should be a file of weights: there is none; task=pretrain writes one")
    if (size := file.stat().st_size) > _MAX_PRETRAINED_BYTES:
        raise ForecastError(f"`{setting}={path}` has {size:,} bytes, and weights at most {_MAX_PRETRAINED_BYTES:,}")
    try:
        return network_of(unpack(file.read_bytes(), path))
    except ForecastError as error:
        raise ForecastError(f"`{setting}={path}`: {error}") from None


def channels_of(record: RunRecord) -> tuple[Channel, ...]:
    """Return all channels of the data that the run was trained on."""
    return tuple(Channel(**channel.model_dump()) for channel in record.data.channels)


def _calendar(record: RunRecord) -> Calendar:
    """Build the calendar and try it on one time, which shows whether its zone and style can be used."""
    try:
        calendar = calendar_from_dict(record.data.calendar)
        first = np.int64(0) if calendar.freq is None else np.datetime64("2024-01-01", "ns")
        calendar.write(calendar.after(first, 1))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ForecastError(f"its calendar cannot be used ({reason}): the file was changed; train again") from None
    return calendar


def _network(record: RunRecord, tensors: Arrays) -> TrainedNetwork:
    settings, problem = _UsedSettings.of(record), _problem(record)
    reference = record.network.reference
    if isinstance(settings.model, PretrainedSettings) != (reference is None):
        raise ForecastError(
            f"`model={settings.model.name}` in run.json does not go with its reference: the file was changed; "
            f"train again"
        )
    if isinstance(settings.model, PretrainedSettings) or reference is None:
        untrained = Pretrained(settings.model.name, "network")
        pretrained = load_pretrained(untrained, problem, record.data.ids, channels_of(record), tensors)
        pretrained = replace(pretrained, epochs=record.network.epochs[0])
        return FittedTransformed(pretrained, problem.question) if settings.data.transform == "log" else pretrained
    chosen = {"layers": record.network.layers, "hidden_size": record.network.hidden_size}
    chosen = {name: value for name, value in chosen.items() if getattr(settings.model, name, 0) is None}
    network = Recurrent(settings.model.model_copy(update=chosen), settings.training, settings.seed)
    forecaster = ensemble(network, settings.ensemble, combined_by(settings.combine, settings.model))
    facts = reference.model_dump()
    _check_size(network, settings.ensemble, problem, record, tensors)
    epochs = record.network.epochs
    if len(epochs) != settings.ensemble:
        raise ForecastError(
            f"its settings ask for {settings.ensemble} networks, and run.json lists the epochs of {len(epochs)}: "
            f"the file was changed; train again"
        )
    channels = channels_of(record)
    fitted = load_ensemble(
        forecaster, problem, record.data.ids, channels=channels, facts=facts, tensors=tensors, epochs=epochs
    )
    return FittedTransformed(fitted, problem.question) if settings.data.transform == "log" else fitted


class _UsedDataSettings(Settings):
    """The settings of the data that the network depends on."""

    model_config = ConfigDict(extra="ignore")

    transform: Literal["none", "log"]
    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False
    ahead_lags: int = Field(default=0, ge=0, le=100)
    ahead_leads: int = Field(default=0, ge=0, le=100)
    """Absent in runs that were made before there were such."""


class _UsedSettings(Settings):
    """The settings of a job that the network depends on; all others are ignored here."""

    model_config = ConfigDict(extra="ignore")

    seed: int
    ensemble: int = Field(ge=1, le=MOST_MEMBERS)
    combine: Combine | None
    data: _UsedDataSettings
    model: ModelSettings
    training: TrainingSettings

    @staticmethod
    def of(record: RunRecord) -> _UsedSettings:
        """Check them in a record."""
        return check_settings(_UsedSettings, record.settings, "settings.")


def _check_size(network: Recurrent, members: int, problem: Problem, record: RunRecord, tensors: Arrays) -> None:
    """Refuse settings of a network that is larger than the stored arrays, before anything is allocated."""
    horizon = network_problem(network.settings.strategy, problem).horizon
    symbols = len(problem.question.symbols(record.data.channels[0].categories))
    if problem.question.categorical and not symbols:
        raise ForecastError(
            f"`model.head={network.settings.head}` forecasts symbols, and the target in run.json has none: "
            f"the file was changed; train again"
        )
    with torch.device("meta"):  # shapes without memory
        skeleton = Network(network.settings, InputSpec(1, horizon, series=len(record.data.ids), symbols=symbols))
    reference = record.network.reference
    terms = term_count(reference.name, problem.season_steps, reference.lags) if reference else 0
    needed = members * sum(part.numel() for part in skeleton.state_dict().values())
    needed += len(record.data.ids) * horizon * terms  # weights of the reference, (series, step, term)
    held = sum(array.size for array in tensors.values())
    if needed > held:
        raise ForecastError(
            f"its settings ask for at least {needed} numbers, and weights.safetensors holds {held}: "
            f"the weights do not belong to these settings"
        )


def _problem(record: RunRecord) -> Problem:
    problem = record.problem
    used = _UsedSettings.of(record)
    question, data = question_of_head(used.model.head), used.data
    value_range = ValueRange(data.minimum, data.maximum, data.integer)
    return Problem(
        problem.horizon,
        problem.context_steps,
        problem.season_steps,
        question.name,
        value_range,
        lags=data.ahead_lags,
        leads=data.ahead_leads,
    )
