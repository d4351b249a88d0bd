"""Write what a finished job made into a run folder: tables, arrays and, last, `run.json`."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.forecasters.interface import QUANTILES
from forecast.runs import files
from forecast.runs.files import ForecastRow, format_forecast, pack
from forecast.runs.readable import recommended_rows, workbook_facts, write_recommended
from forecast.runs.record import (
    FORMAT,
    ChannelRecord,
    DataRecord,
    IntervalsRecord,
    LentRecord,
    NetworkRecord,
    ProblemRecord,
    RecommendationRecord,
    ReferenceRecord,
    RunRecord,
    package_versions,
)
from forecast.runs.trust import mark_of
from forecast.series.calendar import plain_style

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from forecast.evaluation.conformal import Widths
    from forecast.evaluation.evaluate import Evaluation
    from forecast.evaluation.recommendation import Recommendation
    from forecast.forecasters.ensemble import FittedEnsemble
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.forecasters.pretrained import FittedPretrained
    from forecast.questions.kinds import Problem, Question
    from forecast.questions.season import Season
    from forecast.questions.split import Split
    from forecast.series.calendar import Calendar
    from forecast.series.panel import Channel, FloatArray, Panel, Source

_BLOCK = 50_000
"""Rows of a forecast that are text at a time."""
_MOST_QUANTILE_ROWS = 2_000_000
"""Rows of quantiles in `results.parquet`: nine for each point forecast, so that a long backtest has too many."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished job, before it is written.

    Attributes
    ----------
    settings : all settings, plain values
    trained : the network that was backtested; its losses are the history
    kept : the network that is saved; fitted again on all rows where `refitted`
    future : columns `unique_id`, `ds` (times as in the panel), `model`, `y_hat` and the quantiles "q0.025" to "q0.975";
        these are missing where `y_hat` is the probability of a rise, or of the symbol in column `symbol`
    short_future : the same of the series that are too short for the comparison; None where there are none
    paths : sample trajectories, columns `unique_id`, `ds`, `model`, `path`, `y_hat`; None where none were asked for
    gradients : columns `network`, `measure`, `of`, `lag`, `value`; None where they were not recorded
    continuation : symbols that the kept network generates after the end of the data, as one text; None where they do
        not follow from the symbols before
    parent : folder of the run whose network went on learning
    command : what was said on the command line
    effects : what each thing does (`evaluation.effects`); None where there is nothing
    anomalies : rows that were not expected (`evaluation.anomalies`), times as in the panel; None where none are sought

    """

    settings: dict[str, Any]
    source: Source
    split: Split
    problem: Problem
    season: Season
    evaluation: Evaluation
    trained: FittedNetwork | FittedEnsemble | FittedPretrained
    kept: FittedNetwork | FittedEnsemble | FittedPretrained
    refitted: bool
    future: pd.DataFrame
    recommendation: Recommendation
    verdict: str
    notes: tuple[str, ...]
    short_future: pd.DataFrame | None = None
    paths: pd.DataFrame | None = None
    gradients: pd.DataFrame | None = None
    continuation: str | None = None
    parent: str | None = None
    command: tuple[str, ...] = ()
    effects: pd.DataFrame | None = None
    anomalies: pd.DataFrame | None = None

    @property
    def used_again(self) -> tuple[str, ...]:
        """Models that forecast newer data: the network, the baseline to beat, the recommended one and its members."""
        use = self.recommendation
        lender = self.evaluation.widths.lender
        names = (self.kept.forecaster.name, self.evaluation.baseline, use.model, *use.weights, lender)
        return tuple(name for name in dict.fromkeys(names) if name)

    @property
    def history(self) -> pd.DataFrame:
        """Losses of each epoch; of an ensemble the column `member` says of which network."""
        members = self.trained.members
        tables = [pd.DataFrame([epoch.as_dict() for epoch in member.history]) for member in members]
        if len(members) == 1:
            return tables[0]
        return pd.concat([table.assign(member=i) for i, table in enumerate(tables)], ignore_index=True)


def write_tables(run: Finished, folder: Path) -> None:
    """Write tables and arrays; the report and `run.json` are still to come."""
    write_table(run.evaluation.leaderboard, folder / files.LEADERBOARD)
    test = run.evaluation.test
    results = with_symbol_texts(test.results, test.question.symbols(run.source.panel.symbols))
    write_results(with_quantile_rows(results, test.quantiles, test.levels), folder / files.RESULTS)
    every = run.future if run.short_future is None else pd.concat([run.future, run.short_future], ignore_index=True)
    write_forecast(forecast_rows(every, run.source.panel.calendar), folder / files.FORECASTS)
    write_recommended(
        recommended_rows(run.future, run.recommendation.model, run.short_future),
        run.source,
        run.evaluation.leaderboard,
        workbook_facts(run.settings, (*run.recommendation.sentences, run.verdict, *run.notes)),
        folder,
    )
    if run.paths is not None:
        write_results(run.paths, folder / files.PATHS)
    if not run.history.empty:
        write_table(run.history, folder / files.HISTORY)
    if run.effects is not None:
        write_table(run.effects, folder / files.COMPONENTS)
    if run.anomalies is not None:
        when = run.source.panel.calendar.write(run.anomalies["ds"].to_numpy()) if len(run.anomalies) else []
        write_table(run.anomalies.assign(ds=when), folder / files.ANOMALIES)
    if run.gradients is not None:
        write_table(run.gradients, folder / files.GRADIENTS)
    (folder / files.WEIGHTS).write_bytes(pack(run.kept.tensors()))


def complete(run: Finished, folder: Path) -> RunRecord:
    """Write `run.json`, last of all: a folder that has it is a complete run."""
    record = _record(run)
    with (folder / files.RECORD).open("w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return record


def thinned_quantiles_note(quantiles: Mapping[str, FloatArray]) -> str:
    """Say that `results.parquet` holds the quantiles of some origins only; "" where it holds all."""
    every = _quantile_stride(quantiles)
    return (
        f"results.parquet holds the quantiles of every {every}th origin, and all point forecasts" if every > 1 else ""
    )


def forecast_rows(future: pd.DataFrame, calendar: Calendar) -> Iterator[ForecastRow]:
    """Yield the lines of `forecasts.csv`, times as the user writes them; columns as in `Finished.future`."""
    style = calendar.style or plain_style(future["ds"].to_numpy(), calendar.timezone)  # one of all rows
    calendar = replace(calendar, style=style)
    columns = [name for name in files.QUANTILE_COLUMNS if name in future]
    for begin in range(0, len(future), _BLOCK):
        part = future.iloc[begin : begin + _BLOCK]
        times = calendar.write(part["ds"].to_numpy())
        quantiles = map(tuple, part[columns].to_numpy(dtype=np.float64).tolist())
        symbols = part["symbol"] if "symbol" in part else [None] * len(part)
        rows = zip(part["unique_id"], times, part["model"], part["y_hat"], quantiles, symbols, strict=True)
        for uid, ds, model, y_hat, levels, symbol in rows:
            yield ForecastRow(str(uid), ds, str(model), float(y_hat), levels, symbol)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV in UTF-8, numbers with all their digits, missing ones as empty fields; ids are no formulas."""
    if "unique_id" in table:
        table = table.assign(unique_id=table["unique_id"].astype(str).map(files.as_text))
    table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def write_results(results: pd.DataFrame, path: Path) -> None:
    """Write a tidy table as Parquet."""
    results.to_parquet(path, index=False)


def write_forecast(rows: Iterable[ForecastRow], path: Path) -> None:
    """Write `forecasts.csv`, block by block: of many series its text takes several times the memory of the numbers."""
    rows = iter(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(format_forecast(islice(rows, _BLOCK)))
        while block := list(islice(rows, _BLOCK)):
            file.write(format_forecast(block).partition("\n")[2])


def with_symbol_texts(results: pd.DataFrame, symbols: Sequence[str]) -> pd.DataFrame:
    """Replace the codes of symbols by their texts; a table of values stays as it is."""
    if not symbols:
        return results
    texts = {
        name: pd.Categorical.from_codes(results[name].fillna(-1).astype(np.int64), pd.Index(symbols))
        for name in ("y", "y_hat")
    }
    return results.assign(**texts)


def with_quantile_rows(
    results: pd.DataFrame, quantiles: Mapping[str, FloatArray], levels: Sequence[float]
) -> pd.DataFrame:
    """Append a row for each quantile, with its level as `quantile`, which is null for the point forecasts above them.

    `quantiles` are (origin, step, level) by model; of very many origins an even part is taken (`_quantile_stride`).
    """
    points = results.assign(quantile=np.nan)
    if not quantiles:
        return points
    origins, steps, _ = next(iter(quantiles.values())).shape
    kept = np.arange(0, origins, _quantile_stride(quantiles))
    rows = (kept[:, None] * steps + np.arange(steps)).ravel()  # rows of one model are ordered by origin, then step
    tables = [points]
    for name, of_model in quantiles.items():
        model_rows = results[(results["model"] == name).to_numpy()].iloc[rows]
        tables += [
            model_rows.assign(y_hat=of_model[kept, :, i].ravel(), quantile=level) for i, level in enumerate(levels)
        ]
    return pd.concat(tables, ignore_index=True)


def _quantile_stride(quantiles: Mapping[str, FloatArray]) -> int:
    """Of how many origins one has its quantiles written: 1 where they all fit."""
    return max(-(-sum(of_model.size for of_model in quantiles.values()) // _MOST_QUANTILE_ROWS), 1)


def _record(run: Finished) -> RunRecord:
    evaluation, kept = run.evaluation, run.kept
    validated = evaluation.validation_scores
    scored = {} if validated is None else dict(validated.by_model[run.problem.question.ranked_by])
    used = getattr(kept.members[0].forecaster, "settings", None)
    return RunRecord(
        format=FORMAT,
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions=package_versions(),
        settings=run.settings,
        mark=mark_of(run.settings),
        data=_data_record(run.source, run.split, run.short_future),
        problem=ProblemRecord(
            horizon=run.problem.horizon,
            context_steps=run.problem.context_steps,
            season_steps=run.problem.season_steps,
            season_evidence=run.season.evidence,
        ),
        network=NetworkRecord(
            name=kept.forecaster.name,
            reference=None if kept.reference is None else ReferenceRecord(**kept.reference.facts()),
            epochs=tuple(member.epochs for member in run.trained.members),
            stop_reason=tuple(member.stop_reason for member in run.trained.members),
            refitted=run.refitted,
            layers=getattr(used, "layers", None),
            hidden_size=getattr(used, "hidden_size", None),
        ),
        intervals=_intervals_record(evaluation, run.used_again),
        command=run.command,
        parent=run.parent,
        baseline=evaluation.baseline,
        error_band=_error_band(evaluation.test.results, run.problem.question),
        verdict=run.verdict,
        recommendation=RecommendationRecord(**_plain(asdict(run.recommendation))),
        notes=run.notes,
        validation={str(name): _plain(float(value)) for name, value in scored.items()},
        metrics=tuple(_plain(row) for row in evaluation.leaderboard.to_dict("records")),
        tests={
            "significance": {name: _plain(asdict(test)) for name, test in evaluation.tests.items()},
            "copy": {name: _plain(asdict(test)) for name, test in evaluation.copy_tests.items()},
        },
    )


def _intervals_record(evaluation: Evaluation, models: Sequence[str]) -> IntervalsRecord:
    """Gather what turns forecasts of these models into quantiles; an infinite offset is null."""
    return IntervalsRecord(
        levels=QUANTILES,
        scale=tuple(evaluation.test.units.tolist()),
        offsets={
            name: tuple(map(tuple, _plain(evaluation.offsets[name].tolist())))
            for name in models
            if name in evaluation.offsets
        },
        lent=_lent_record(evaluation.widths, models),
    )


def _lent_record(widths: Widths, models: Sequence[str]) -> LentRecord | None:
    if widths.lender is None:
        return None
    return LentRecord(
        lender=widths.lender,
        spreads={name: widths.spreads[name] for name in models if name in widths.spreads},
        offsets={name: tuple(map(tuple, widths.offsets[name].tolist())) for name in models if name in widths.offsets},
    )


def _data_record(source: Source, split: Split, short: pd.DataFrame | None) -> DataRecord:
    panel = source.panel
    return DataRecord(
        fingerprint=source.fingerprint,
        found=dict(source.found),
        notes=tuple(source.notes),
        calendar=_plain(panel.calendar.as_dict()),
        ids=panel.ids,
        short_ids=() if short is None else tuple(short["unique_id"].unique().tolist()),
        channels=tuple(ChannelRecord(**asdict(channel)) for channel in _all_channels(panel)),
        steps=_steps(panel.lengths),
        train_steps=_steps(split.train),
        validation_steps=_steps(split.validation),
        calibration_steps=_steps(split.before_test - split.fitted),
    )


def _error_band(results: pd.DataFrame, question: Question) -> dict[str, tuple[float, float]]:
    """Return between what nine in ten origins have their mean absolute error, by model; of values alone."""
    if question.forecasts_probabilities:
        return {}
    error = (results["y"] - results["y_hat"]).abs()
    by_origin = error.groupby([results["model"], results["cutoff"]], observed=True).mean()
    ends = {str(model): errors.quantile([0.05, 0.95]) for model, errors in by_origin.groupby(level=0, observed=True)}
    return {model: (float(band.iloc[0]), float(band.iloc[1])) for model, band in ends.items() if band.notna().all()}


def _all_channels(panel: Panel) -> tuple[Channel, ...]:
    """Channels of the rows, then known-future and static ones."""
    ahead = () if panel.ahead is None else panel.ahead.channels
    static = () if panel.static is None else panel.static.channels
    return (*panel.channels, *ahead, *static)


def _steps(array: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[int, ...]:
    return tuple(int(value) for value in array)


def _plain(value: Any) -> Any:
    """Return values that JSON has: numpy's become Python's, tuples lists, NaN and infinity null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
