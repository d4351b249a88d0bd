"""`task=update`: a trained network goes on learning from newer rows, is judged on the newest, and the best is kept.

Of the new rows of a series the last third is the test, the third before it validation, and the network learns from the
rest, so that neither of the two has been learnt by anybody: not by the network as it was, not by the one that goes on,
not by the one that is trained from scratch beside them. The one that errs least on the test is fitted on all rows and
becomes a run of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from forecast.errors import ForecastError
from forecast.evaluation.backtest import forecast_all
from forecast.evaluation.fits import Fits, fit_all
from forecast.evaluation.metrics import objective, score
from forecast.forecasters.continued import continued
from forecast.forecasters.ensemble import FittedEnsemble
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.transformed import FittedTransformed, transformed
from forecast.network.settings import EsnSettings
from forecast.questions.kinds import metric_label
from forecast.questions.season import Season
from forecast.questions.split import Split
from forecast.questions.task import ForecastTask
from forecast.reading.covariates import check_known_ahead
from forecast.reading.sources import found_line
from forecast.reporting.leaderboard import print_leaderboard
from forecast.runs.folder import new_folder
from forecast.runs.run import channels_of, open_forecast, open_run
from forecast.runs.saving import complete, write_tables
from forecast.series.date_features import features_of, with_features
from forecast.tasks.candidates import baselines, network, raise_failure, reference
from forecast.tasks.final import refit
from forecast.tasks.finish import finish
from forecast.tasks.newer import fitting_panel, newer_job, newer_source
from forecast.tasks.page import write_page
from forecast.tasks.prepare import Prepared
from forecast.tasks.terminal import say, working
from forecast.tasks.train import TrainResult, judge
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from forecast.forecasters.interface import Forecaster
    from forecast.reporting.settings import ReportSettings
    from forecast.runs.run import Run
    from forecast.series.panel import IntArray, Panel, Source
    from forecast.tasks.settings import JobSettings, UpdateSettings
    from forecast.tasks.terminal import Work

_FEWEST_HORIZONS = 4
"""Of validation, below which little can be chosen on it."""
UNTOUCHED, UPDATED, SCRATCH = "as it was", "gone on learning", "trained from scratch"


@dataclass(frozen=True, eq=False)
class UpdateResult:
    """What an update made.

    Attributes
    ----------
    scores : of the network as it was, gone on learning and trained from scratch, on the newest rows
    run : the run of the one that is kept

    """

    scores: dict[str, float]
    kept: str
    run: TrainResult
    sentence: str


def update(
    run: str | Path,
    data: Mapping[str, Any],
    folder: str | Path,
    settings: UpdateSettings,
    *,
    report: ReportSettings | None = None,
    console: Console | None = None,
    source: Source | None = None,
) -> UpdateResult:
    """Let the network of a run go on learning; `data` are the settings of `data.*` that are new.

    `report` says what the new report shows; None: what that of the run shows. `source` are data that are in memory
    already; None: they are read.

    Raises
    ------
    ForecastError
        No such run, a network that does not learn by its gradient, data that do not fit it or hold too little that is
        new.

    """
    console = console or Console(highlight=False)
    opened = open_run(run)
    trained = _learning_network(opened)
    job = newer_job(opened, data, "update")
    job = job.model_copy(update={"report": report or job.report})
    with new_folder(folder) as draft:
        prepared, known = _prepared(opened, job, source or newer_source(opened, job, data))
        say(console, [found_line(prepared.source), *prepared.source.notes, _introduction(prepared, known)])
        with working(console, job.training.max_epochs) as work:
            fits, scores = _compare(prepared, _candidates(trained, job, settings, known, work), work)
            kept = min(scores, key=scores.__getitem__)  # of equals the one that was changed least
            sentence = _sentence(opened, scores, kept, _learnt(prepared, known))
            prepared = replace(prepared, notes=(sentence,))
            evaluation = judge(prepared, _with_network(fits, job.model.name, kept), work)
            final = refit(prepared, evaluation, work)
            finished = replace(finish(prepared, evaluation, final), parent=str(opened.folder))
            write_tables(finished, draft.staging)
            write_page(finished, job.report, draft.staging)
            complete(finished, draft.staging)
    say(console, finished.notes)
    sentences = (*finished.recommendation.sentences, finished.verdict)
    print_leaderboard(evaluation.leaderboard, sentences, console, network=job.model.name, baseline=evaluation.baseline)
    say(console, [sentence, f"run folder: {draft.final}"])
    result = TrainResult(prepared, evaluation, final.fitted, finished, draft.final)
    return UpdateResult(scores, kept, result, sentence)


def _prepared(run: Run, job: JobSettings, source: Source) -> tuple[Prepared, IntArray]:
    """Share out the data of an update; return with them the steps of each series that the run has seen, (series,)."""
    horizon = run.problem.horizon
    panel = fitting_panel(run, source.panel)
    check_known_ahead(panel, horizon)
    panel = with_features(panel, features_of(channels_of(run.record)), horizon)
    known = _known_steps(run, panel)
    season = Season(run.problem.season_steps, run.record.problem.season_evidence)
    task = ForecastTask(_split(panel, known, run), run.problem, season)
    short = np.flatnonzero(np.isin(source.panel.ids, run.record.data.short_ids))
    shorter = source.panel.take(short) if len(short) else None
    return Prepared(job, replace(source, panel=panel), task, short=shorter), known


def _candidates(
    trained: FittedNetwork | FittedEnsemble, job: JobSettings, settings: UpdateSettings, known: IntArray, work: Work
) -> dict[str, Forecaster]:
    """Return the network as it was, one that goes on learning, and one from scratch."""
    rate = settings.learning_rate or job.training.learning_rate / 5
    return {
        UNTOUCHED: transformed(continued(trained, (), known), job.data.transform),
        UPDATED: transformed(continued(trained, (rate,) * settings.epochs, known), job.data.transform),
        SCRATCH: network(job, work.epoch),
    }


def _learning_network(run: Run) -> FittedNetwork | FittedEnsemble:
    """Return the network, or the ensemble, that can go on learning."""
    inner = run.network.fitted if isinstance(run.network, FittedTransformed) else run.network
    name = run.record.network.name
    if not isinstance(inner, (FittedNetwork, FittedEnsemble)) or isinstance(
        inner.members[0].forecaster.settings, EsnSettings
    ):
        why = "its read-out is fitted in closed form" if name == "esn" else "it was trained before, on made-up series"
        raise ForecastError(
            f"the network {name!r} of the run {run.folder} does not learn step by step, {why}: train again on the "
            f"newer data, or forecast with task=predict"
        )
    if run.record.data.channels[0].at_end or run.record.settings.get("split", {}).get("over") == "series":  # type: ignore[union-attr]
        raise ForecastError(
            f"task=update is for series that go on, and the run {run.folder} was trained on whole series: train again "
            f"on the newer data, or forecast with task=predict"
        )
    return inner


def _known_steps(run: Run, panel: Panel) -> IntArray:
    """Count the steps of each series that the run has seen: those before its own forecast, (series,)."""
    first: dict[str, str] = {}
    for row in open_forecast(run.folder):
        first.setdefault(row.unique_id, row.ds)
    written = np.asarray(run.calendar.write(panel.times), dtype=object)
    known = panel.lengths.copy()
    for i, name in enumerate(panel.ids):
        at = np.flatnonzero(written[panel.offsets[i] : panel.offsets[i + 1]] == first.get(name))
        if len(at):
            known[i] = at[0]
    return known


def _split(panel: Panel, known: IntArray, run: Run) -> Split:
    """Share out the new rows: to learn from, validation and its calibration, test.

    Raises
    ------
    ForecastError
        No series has more than a horizon of new rows, or one has too few rows before them.

    """
    horizon, new = run.problem.horizon, panel.lengths - known
    if not np.any(new > horizon):
        raise ForecastError(
            f"the data hold {counted(int(new.max()), 'row')} after the end of the run {run.folder}, and an update "
            f"needs {horizon + 1} at least, to learn from and to be judged on: wait for more, or forecast with "
            f"task=predict"
        )
    test = np.where(new > horizon, np.maximum(new // 3, horizon), 0)
    rows_left = new - test
    validation = np.where((test > 0) & (rows_left > horizon), np.maximum(rows_left // 2, horizon), 0)
    half = validation // 2
    calibration = np.where(half >= _FEWEST_HORIZONS * horizon, half, 0)  # else all of it is needed to choose on
    train = panel.lengths - test - validation
    needed = run.problem.context_steps + horizon
    if np.any(train < needed):
        i = int(np.flatnonzero(train < needed)[0])
        raise ForecastError(
            f"series {panel.ids[i]!r} has {train[i]} rows before the newest ones, and context and horizon need "
            f"{needed}: give a file that holds the old rows as well"
        )
    return Split(train=train, validation=validation - calibration, calibration=calibration)


def _learnt(prepared: Prepared, known: IntArray) -> int:
    """Count the new rows that the network learns from."""
    return int((prepared.task.split.train - known).clip(min=0).sum())


def _introduction(prepared: Prepared, known: IntArray) -> str:
    panel, learnt = prepared.panel, _learnt(prepared, known)
    new, tested = (int((panel.lengths - steps).sum()) for steps in (known, prepared.task.split.before_test))
    return (
        f"{counted(new, 'row')} after the end of the run: {learnt} to learn from, {new - learnt - tested} for "
        f"validation, {tested} to judge on"
    )


def _compare(prepared: Prepared, candidates: Mapping[str, Forecaster], work: Work) -> tuple[Fits, dict[str, float]]:
    """Fit all forecasters, and score the candidates on the test split."""
    task, job = prepared.task, prepared.job
    others = {other.name: other for other in (reference(job), *baselines(job))}
    fits = fit_all({**candidates, **others}, prepared.panel, task.split, task.problem, on_progress=work.stage)
    for name in candidates:
        raise_failure(fits, name)
    networks = Fits(
        tuple(attempt for attempt in fits.attempts if attempt.name in candidates),
        {name: fits.fitted[name] for name in candidates},
    )
    test = forecast_all(networks, prepared.panel, task.split, task.problem, stride=job.backtest.stride)
    for attempt in test.attempts:
        if attempt.error is not None:
            raise attempt.error
    scored = score(test.results, test.scales, test.question)
    return fits, {name: objective(scored, name) for name in candidates}


def _with_network(fits: Fits, name: str, kept: str) -> Fits:
    """Leave of the three candidates the one that is kept, under the network's own name."""
    dropped = {UNTOUCHED, UPDATED, SCRATCH} - {kept}
    attempts = [attempt for attempt in fits.attempts if attempt.name not in dropped]
    return Fits(
        tuple(replace(attempt, name=name) if attempt.name == kept else attempt for attempt in attempts),
        {name if one == kept else one: fitted for one, fitted in fits.fitted.items() if one not in dropped},
    )


def _sentence(run: Run, scores: Mapping[str, float], kept: str, learnt: int) -> str:
    """Say which of the three is kept, and what each scored."""
    measure = metric_label(run.problem.question.ranked_by)
    scores_in_words = ", ".join(f"{number(value)} {name}" for name, value in scores.items())
    return (
        f"kept is the network of the run {run.folder} {kept}: {measure} on the newest rows {scores_in_words} "
        f"({counted(learnt, 'new row')} to learn from)"
    )
