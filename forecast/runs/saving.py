"""Everything that a finished job knows, put into a run folder."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.evaluation.results import as_written, with_quantile_rows
from forecast.forecasters.interface import QUANTILES
from forecast.runs import layout
from forecast.runs.forecasts import ForecastRow
from forecast.runs.record import (
    FORMAT,
    ChannelRecord,
    DataRecord,
    IntervalsRecord,
    NetworkRecord,
    ProblemRecord,
    ReferenceRecord,
    RunRecord,
    package_versions,
)
from forecast.runs.writing import write_forecast, write_record, write_results, write_table, write_weights

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.evaluation.evaluate import Evaluation
    from forecast.forecasters.ensemble import FittedEnsemble
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.questions.problem import Problem
    from forecast.questions.season import Season
    from forecast.questions.split import Split
    from forecast.series.calendar import Calendar
    from forecast.series.panel import Channel, Panel, Source


@dataclass(frozen=True, eq=False)
class Finished:
    """A job that is done, before it is written.

    Attributes
    ----------
    settings : all settings, plain values
    trained : the network as the backtest judged it; its losses are the history
    kept : the network that is saved; fitted again on all rows where `refitted`
    future : columns `unique_id`, `ds` (times as in the panel), `model`, `y_hat`, and the quantiles "q0.025" to "q0.975"
        unless `y_hat` is how likely a rise is, or how likely the `symbol` of that column is
    paths : columns `unique_id`, `ds`, `model`, `path`, `y_hat`; None where none were asked for
    gradients : columns `network`, `measure`, `of`, `lag`, `value`; None where they were not recorded
    continuation : symbols that the kept network draws after the end of the data, as one text; None where they do not
        follow from the symbols before

    """

    settings: dict[str, Any]
    source: Source
    split: Split
    problem: Problem
    season: Season
    evaluation: Evaluation
    trained: FittedNetwork | FittedEnsemble
    kept: FittedNetwork | FittedEnsemble
    refitted: bool
    future: pd.DataFrame
    verdict: str
    notes: tuple[str, ...]
    paths: pd.DataFrame | None = None
    gradients: pd.DataFrame | None = None
    continuation: str | None = None

    @property
    def history(self) -> pd.DataFrame:
        """Losses per epoch; column `member` says of which network, where there are several."""
        members = self.trained.members
        tables = [pd.DataFrame([epoch.as_dict() for epoch in member.history]) for member in members]
        if len(members) == 1:
            return tables[0]
        return pd.concat([table.assign(member=i) for i, table in enumerate(tables)], ignore_index=True)


def write_tables(run: Finished, folder: Path) -> None:
    """Write the tables and the arrays of a run; report and record are still to come."""
    write_table(run.evaluation.leaderboard, folder / layout.LEADERBOARD)
    test = run.evaluation.test
    results = as_written(test.results, test.question.symbols(run.source.panel.symbols))
    write_results(with_quantile_rows(results, test.quantiles, test.levels), folder / layout.RESULTS)
    write_forecast(forecast_rows(run.future, run.source.panel.calendar), folder / layout.FORECAST)
    if run.paths is not None:
        write_results(run.paths, folder / layout.PATHS)
    write_table(run.history, folder / layout.HISTORY)
    if run.gradients is not None:
        write_table(run.gradients, folder / layout.GRADIENTS)
    write_weights(run.kept.tensors(), folder / layout.WEIGHTS)


def complete(run: Finished, folder: Path) -> RunRecord:
    """Write `run.json`, with which the folder is a run."""
    record = make_record(run)
    write_record(record, folder / layout.RECORD)
    return record


def forecast_rows(future: pd.DataFrame, calendar: Calendar) -> list[ForecastRow]:
    """Write the times of a forecast (columns as `Finished.future`) as the user does."""
    written = calendar.write(future["ds"].to_numpy())
    told = [name for name in layout.QUANTILE_COLUMNS if name in future]
    quantiles = map(tuple, future[told].to_numpy(dtype=np.float64).tolist())
    symbols = future["symbol"] if "symbol" in future else [None] * len(future)
    columns = zip(future["unique_id"], written, future["model"], future["y_hat"], quantiles, symbols, strict=True)
    return [
        ForecastRow(str(name), ds, str(model), float(y_hat), told, symbol)
        for name, ds, model, y_hat, told, symbol in columns
    ]


def make_record(run: Finished) -> RunRecord:
    """Gather what stands in `run.json`."""
    evaluation, kept = run.evaluation, run.kept
    by_model = evaluation.validation_scores.by_model
    scored = by_model[run.problem.question.ranked_by]
    return RunRecord(
        format=FORMAT,
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions=package_versions(),
        settings=run.settings,
        data=_data_record(run.source, run.split),
        problem=ProblemRecord(
            horizon=run.problem.horizon,
            context_steps=run.problem.context_steps,
            season_steps=run.problem.season_steps,
            season_evidence=run.season.evidence,
        ),
        network=NetworkRecord(
            name=kept.forecaster.name,
            reference=ReferenceRecord(**kept.reference.facts()),
            epochs=tuple(member.epochs for member in run.trained.members),
            stop_reason=tuple(member.stop_reason for member in run.trained.members),
            refitted=run.refitted,
        ),
        intervals=_intervals_record(evaluation, run.future["model"].unique().tolist()),
        baseline=evaluation.baseline,
        verdict=run.verdict,
        notes=run.notes,
        validation={str(name): _plain(float(value)) for name, value in scored.items()},
        metrics=tuple(_plain(row) for row in evaluation.leaderboard.to_dict("records")),
        tests={
            "significance": {name: _plain(asdict(test)) for name, test in evaluation.tests.items()},
            "copy": {name: _plain(asdict(test)) for name, test in evaluation.copy_tests.items()},
        },
    )


def _intervals_record(evaluation: Evaluation, models: list[str]) -> IntervalsRecord:
    """What makes quantiles of the forecasts of these models; infinite ones are null, and probabilities have none."""
    return IntervalsRecord(
        levels=QUANTILES,
        scale=tuple(evaluation.test.units.tolist()),
        offsets={
            name: tuple(map(tuple, _plain(evaluation.offsets[name].tolist())))
            for name in models
            if name in evaluation.offsets
        },
    )


def _data_record(source: Source, split: Split) -> DataRecord:
    panel = source.panel
    return DataRecord(
        fingerprint=source.fingerprint,
        found=dict(source.found),
        notes=tuple(source.notes),
        calendar=_plain(panel.calendar.as_dict()),
        ids=panel.ids,
        channels=tuple(ChannelRecord(**asdict(channel)) for channel in all_channels(panel)),
        steps=_steps(panel.lengths),
        train_steps=_steps(split.train),
        validation_steps=_steps(split.validation),
        calibration_steps=_steps(split.before_test - split.fitted),
    )


def all_channels(panel: Panel) -> tuple[Channel, ...]:
    """Channels of the rows, of what is known ahead, and of what describes the series."""
    ahead = () if panel.ahead is None else panel.ahead.channels
    static = () if panel.static is None else panel.static.channels
    return (*panel.channels, *ahead, *static)


def _steps(array: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[int, ...]:
    return tuple(int(value) for value in array)


def _plain(value: Any) -> Any:
    """Values that JSON has: numpy's become Python's, tuples lists, and what is not a number null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
