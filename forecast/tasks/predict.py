"""`task=predict`: open a run, read newer data, forecast what comes after them, and score the run's old forecast."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.evaluation.conformal import Widths
from forecast.evaluation.results import out_of_range
from forecast.forecasters.combination import COMBINATION, FittedCombination
from forecast.forecasters.pretrained import NAME as PRETRAINED
from forecast.forecasters.transformed import HasTrajectories
from forecast.questions.kinds import metric_label
from forecast.questions.split import Origins, Split, is_shortened, shortened_split
from forecast.questions.task import split_as_asked
from forecast.reading.covariates import check_known_ahead
from forecast.reading.sources import found_line
from forecast.reporting.material import long_table
from forecast.reporting.newer import Newer, write_newer_page
from forecast.runs import files
from forecast.runs.folder import new_folder
from forecast.runs.readable import observed, recommended_rows, write_recommended
from forecast.runs.run import Run, channels_of, open_run
from forecast.runs.saving import forecast_rows, write_forecast, write_results, write_table
from forecast.series.date_features import features_of, with_features
from forecast.series.panel import Source
from forecast.tasks.candidates import baselines, reference
from forecast.tasks.final import final_fit, future, future_paths, short_future
from forecast.tasks.last_forecast import drift_lines, last_forecast
from forecast.tasks.newer import common_panel, newer_job, newer_source, places_of, series_number, with_stand_ins
from forecast.wording import counted, decimals_of, listed, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from forecast.forecasters.interface import Fitted, Forecaster, Forecasts
    from forecast.runs.files import ForecastRow
    from forecast.series.panel import IntArray, Panel
    from forecast.tasks.last_forecast import LastForecast
    from forecast.tasks.settings import JobSettings

SCORES = "scores.csv"


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a prediction made.

    Attributes
    ----------
    future : columns `unique_id`, `ds`, `model`, `y_hat` and the quantiles, with intervals as wide as the run found them
    scores : the run's own forecast against what has come true since, columns `model`, `steps`, `mae`, `mase` (of
        directions `brier`, `accuracy`, of symbols `bits`, `accuracy`); None where nothing of it has

    """

    run: Run
    source: Source
    future: pd.DataFrame
    scores: pd.DataFrame | None
    folder: Path
    sentence: str
    drift: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found out about the data, what had to be done with them, and what came of it."""
        return (found_line(self.source), *self.source.notes, self.sentence, *self.drift)


def predict(
    run: str | Path,
    data: Mapping[str, Any],
    folder: str | Path,
    outputs: str | Path = "outputs",
    *,
    source: Source | None = None,
) -> Prediction:
    """Forecast what comes after the data with a trained run; `data` are the settings of `data.*` that are new.

    `source` are data that are in memory already; None: they are read.

    Raises
    ------
    ForecastError
        No such run, or data that do not fit it.

    """
    opened = open_run(run, outputs)
    job = newer_job(opened, data)
    with new_folder(folder) as draft:
        source = source or newer_source(opened, job, data)
        ahead = forecast_after(opened, job, source)
        source, panel = ahead.source, ahead.panel
        last = last_forecast(opened, panel)
        scores = None if last is None else last.scores
        drift = () if last is None else drift_lines(opened, panel, last, ahead.use)
        write_forecast(ahead.rows, draft.staging / files.FORECASTS)
        _write_recommended(opened, replace(source, panel=panel), ahead, draft.staging)
        if job.report.paths and isinstance(opened.network, HasTrajectories):
            everything = with_stand_ins(opened, panel)
            drawn = future_paths(
                opened.record.network.name,
                opened.network,
                everything,
                job.report.paths,
                job.seed,
                value_range=opened.problem.value_range,
            )
            write_results(drawn[drawn["unique_id"].isin(panel.ids)], draft.staging / files.PATHS)
        if scores is not None:
            write_table(scores, draft.staging / SCORES)
        if not opened.problem.question.forecasts_probabilities:
            uid = panel.ids[series_number(panel.ids, job.report.series)]
            write_newer_page(_page(opened, ahead, last, drift, uid), draft.staging / files.REPORT)
    sentence = _sentence(opened, panel, ahead.models, scores, draft.final)
    return Prediction(opened, source, ahead.future, scores, draft.final, sentence, drift)


@dataclass(frozen=True, eq=False)
class Ahead:
    """The forecast after newer data.

    Attributes
    ----------
    source : the data, with notes on the series that are not forecast
    panel : those that are, with features of the date
    models : what was asked for a forecast
    use : the one that the run recommends, or its network where that could not be fitted

    """

    source: Source
    panel: Panel
    future: pd.DataFrame
    models: tuple[str, ...]
    use: str

    @property
    def rows(self) -> Iterator[ForecastRow]:
        """The lines of `forecasts.csv`."""
        return forecast_rows(self.future, self.panel.calendar)


def forecast_after(run: Run, job: JobSettings, source: Source, *, others: bool = True) -> Ahead:
    """Forecast what comes after newer data with the network and, fitted on these data, the others that count.

    Raises
    ------
    ForecastError
        Data that do not fit the run.

    """
    panel, left_out = common_panel(run, source.panel, getattr(job.data, "on_new_series", "error"))
    check_known_ahead(panel, run.problem.horizon)
    panel = with_features(panel, features_of(channels_of(run.record)), run.problem.horizon)
    every = _models(run, job, panel) if others else {run.record.network.name: _OfAllSeries(run)}
    ahead = _ahead(run, every, panel)
    if not run.problem.question.forecasts_probabilities:
        left_out = (*left_out, *out_of_range(ahead, panel, trained=True))
    apart = short_future(_short(run, source.panel), run.problem, job.data.transform)
    if apart is not None:
        ahead = pd.concat([ahead, apart], ignore_index=True)
    again = [name for name in every if name not in (run.record.network.name, COMBINATION, PRETRAINED)]
    left_out = (*left_out, *_refit_note(job, again))
    models, recommended = tuple(every), run.record.recommendation
    use = recommended.model if recommended and recommended.model in models else run.record.network.name
    return Ahead(replace(source, notes=(*source.notes, *left_out)), panel, ahead, models, use)


def _write_recommended(run: Run, source: Source, ahead: Ahead, folder: Path) -> None:
    """Write the forecast of the model that is used."""
    short = ahead.future["unique_id"].isin(run.record.data.short_ids)
    facts = {"run": str(run.folder), "model": ahead.use, **source.found}
    rows = recommended_rows(ahead.future[~short], ahead.use, ahead.future[short])
    write_recommended(rows, source, pd.DataFrame(run.record.metrics), facts, folder)


def _page(run: Run, ahead: Ahead, last: LastForecast | None, drift: tuple[str, ...], uid: str) -> Newer:
    """Gather what the page shows."""
    panel, results = ahead.panel, None if last is None else last.results
    return Newer(
        title=f"{ahead.use} of the run {run.folder.name}",
        model=ahead.use,
        network=run.record.network.name,
        uid=uid,
        truth=long_table(panel.take(np.array([panel.ids.index(uid)]))),
        several=len(panel) > 1,
        decimals=decimals_of(observed(panel)),
        future=ahead.future[ahead.future["model"] == ahead.use],
        last=None if results is None else results[results["model"] == ahead.use],
        drift=drift,
        found=ahead.source.found,
        notes=ahead.source.notes,
        next_command=f"python -m forecast task=predict run={shlex.quote(str(run.folder))} data.path=newer.csv",
    )


def _ahead(run: Run, fitted: Mapping[str, Fitted], panel: Panel) -> pd.DataFrame:
    """Forecast the steps after the end of a panel, with intervals as wide as the run found them."""
    intervals = run.record.intervals
    scale = np.array(intervals.scale)[places_of(panel.ids, run.record.data.ids)]
    widths = None
    if not run.problem.question.forecasts_probabilities:
        lent = intervals.lent
        widths = Widths(intervals.arrays())
        if lent is not None and lent.lender in fitted:
            offsets = {name: np.array(of_model) for name, of_model in lent.offsets.items()}
            widths = Widths(offsets, lent.spreads, lent.lender)
    value_range = run.problem.value_range
    return future(fitted, panel, run.problem.horizon, widths=widths, scale=scale, value_range=value_range)


def _short(run: Run, panel: Panel) -> Panel | None:
    """Return the series that were too short for the run's comparison; None where the data hold none."""
    short = np.flatnonzero(np.isin(panel.ids, run.record.data.short_ids))
    return panel.take(short) if len(short) else None


@dataclass(frozen=True, eq=False)
class _OfAllSeries:
    """The run's network where data lack some of its series: it forecasts with stand-ins for these."""

    run: Run

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing to note."""
        return ()

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        """Forecast from each origin."""
        everything = with_stand_ins(self.run, past)
        places = places_of(past.ids, everything.ids)
        return self.run.network.forecast(everything, Origins(places[origins.series], origins.steps))

    def chosen(self) -> Forecaster:
        """Return what the network would be trained as again."""
        return self.run.network.chosen()


def _models(run: Run, job: JobSettings, panel: Panel) -> dict[str, Fitted]:
    """Return the models that forecast newer data: the network, those fitted again, and a combination of them."""
    models: dict[str, Fitted] = {run.record.network.name: _OfAllSeries(run), **_others(run, job, panel)}
    weights = run.record.recommendation.weights if run.record.recommendation else {}
    if weights and weights.keys() <= models.keys():
        members = tuple(models[name] for name in weights)
        models[COMBINATION] = FittedCombination(members, tuple(weights), tuple(weights.values()))
    return models


def _others(run: Run, job: JobSettings, panel: Panel) -> dict[str, Fitted]:
    """Fit the recommended model (or its members) and the baseline to beat as a training would: they are not stored.

    What it chooses is chosen on the validation split of these data, then it is fitted on all rows. Where they are
    too short for a split, or the run has none of them, there are none.
    """
    problem = run.problem
    split: Split | None
    try:
        split = split_as_asked(panel, job.split, problem.question, problem.context_steps, problem.horizon)
    except ForecastError:
        split = _as_short_as_then(run, panel)
    recommended = run.record.recommendation
    lent = run.record.intervals.lent
    wanted = {run.record.baseline, lent.lender if lent else None}
    wanted |= {recommended.model, *recommended.weights} if recommended else set()
    others: dict[str, Fitted] = {}
    for forecaster in (reference(job), *baselines(job)):
        if forecaster.name not in wanted:
            continue
        if forecaster.kind == "pretrained":  # nothing is chosen, and nothing fitted
            others[forecaster.name] = forecaster.fit(panel, panel.lengths, problem)
        elif split is not None:
            train, before = split.train, split.fitted
            if not job.training.refit and (of_run := _backtested_on(run, panel)) is not None:
                train, before = of_run
            fitted = forecaster.fit(panel.cut(before), train, problem)
            others[forecaster.name] = final_fit(fitted, panel, problem) if job.training.refit else fitted
    return others


def _as_short_as_then(run: Run, panel: Panel) -> Split | None:
    """Split a panel as that of the run was, where that was too short to hold out a horizon; else None."""
    data, horizon = run.record.data, run.problem.horizon
    then = Split(*(np.array(steps) for steps in (data.train_steps, data.validation_steps, data.calibration_steps)))
    return shortened_split(panel, horizon) if is_shortened(np.array(data.steps), then, horizon) else None


def _backtested_on(run: Run, panel: Panel) -> tuple[IntArray, IntArray] | None:
    """Steps that the run trained on, and those before its calibration, (series,); None where there are fewer now."""
    data = run.record.data
    places = places_of(panel.ids, data.ids)
    train, validation = (np.array(steps)[places] for steps in (data.train_steps, data.validation_steps))
    return None if (train + validation > panel.lengths).any() else (train, train + validation)


def _refit_note(job: JobSettings, models: Sequence[str]) -> tuple[str, ...]:
    """Say on what the models are fitted that a run does not store, where it is not all rows."""
    if job.training.refit or not models:
        return ()
    return (f"fitted again on the rows that the run had fitted them on (training.refit=false): {listed(models)}",)


def _sentence(run: Run, panel: Panel, models: Sequence[str], scores: pd.DataFrame | None, folder: Path) -> str:
    last = run.calendar.write(panel.times[-1:])[0]
    labels = counted(len(panel), "label")
    what = f"predict {labels}" if panel.at_end else f"forecast {counted(run.problem.horizon, 'step')} after {last}"
    outcome = f"{listed(models)} of the run {run.folder} {what}: {folder / files.FORECAST}"
    if scores is None:
        return f"{outcome}; nothing of the run's own forecast has come true in these data yet"
    question, scores = run.problem.question, scores[scores["model"].isin(models)]
    if question.forecasts_probabilities:
        ranked_by = question.ranked_by
        scored = [
            f"{row['model']} {metric_label(ranked_by)} {number(row[ranked_by])} (right {row['accuracy']:.0%})"
            for row in scores.to_dict("records")
        ]
    else:
        scored = [
            f"{row['model']} MAE {number(row['mae'])} (MASE {number(row['mase'])})" for row in scores.to_dict("records")
        ]
    noun = "label" if panel.at_end else question.noun
    steps = counted(int(scores["steps"].max()), noun)
    return f"{outcome}; of the run's own forecast {steps} can be compared with what came: {listed(scored)}"
