"""`task=train`: the whole way, from the data to the verdict and the run folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from rich.console import Console

from forecast.evaluation.backtest import forecast_all
from forecast.evaluation.evaluate import Evaluation, evaluate
from forecast.evaluation.fits import Fits, fit_all
from forecast.evaluation.metrics import objective, score
from forecast.forecasters.ensemble import FittedEnsemble
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.pretrained import FittedPretrained
from forecast.importing import importing
from forecast.network.settings import BackboneSettings
from forecast.questions.split import has_label
from forecast.reading.sources import found_line, load_source
from forecast.reporting.leaderboard import print_leaderboard
from forecast.runs import files
from forecast.runs.checkpoint import Checkpoint, load_checkpoint
from forecast.runs.folder import new_folder
from forecast.runs.saving import Finished, complete, write_tables
from forecast.runs.unfinished import read_started, write_started
from forecast.tasks.budget import Budget, plan, within_limit
from forecast.tasks.candidates import forecasters, network, raise_failure
from forecast.tasks.final import network_in, refit
from forecast.tasks.finish import finish
from forecast.tasks.page import write_page
from forecast.tasks.prepare import Prepared, prepare
from forecast.tasks.terminal import Work, say, silent, working
from forecast.training.tracking import LOGS, tracked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from forecast.evaluation.recommendation import Recommendation
    from forecast.forecasters.interface import Fitted, Forecaster
    from forecast.series.panel import Source
    from forecast.tasks.candidates import OnEpoch
    from forecast.tasks.settings import JobSettings


LABELS = "forecast is the probability of each label, one label a series, read at its end"


@dataclass(frozen=True, eq=False)
class TrainResult:
    """Everything that a training made.

    Attributes
    ----------
    final : all models that forecast the future, by name: network, baseline to beat and the recommended one fitted again
    folder : where the run lies

    """

    prepared: Prepared
    evaluation: Evaluation
    final: dict[str, Fitted]
    finished: Finished
    folder: Path

    @property
    def leaderboard(self) -> pd.DataFrame:
        """One row a model, best first."""
        return self.evaluation.leaderboard

    @property
    def verdict(self) -> str:
        """Whether the network was worth it, in one sentence."""
        return self.finished.verdict

    @property
    def recommendation(self) -> Recommendation:
        """Which forecast to use, and what can be said of it."""
        return self.finished.recommendation


def train(
    job: JobSettings,
    folder: str | Path,
    console: Console | None = None,
    source: Source | None = None,
    *,
    resumed: bool = False,
    own: Sequence[Forecaster] = (),
    command: Sequence[str] = (),
    began: float | None = None,
) -> TrainResult:
    """Train, backtest, judge, forecast, and leave a run folder; it prints to `console` (None: the terminal).

    `source` is what `load_source(job.data)` gave, where it was read before. `resumed`: go on with what an earlier
    process left of the run of this folder (`forecast.runs.unfinished`); the outcome is the same to the last bit.
    `own` are more forecasters to compare; `command` is what was said on the command line, for the record; `began`, by
    `time.perf_counter`, is from when on `time_limit_s` counts (None: now).

    Raises
    ------
    ForecastError
        A mistake of the user's, or a network that could not be trained; no folder is left then.

    """
    console = console or Console(highlight=False)
    began = time.perf_counter() if began is None else began
    with new_folder(folder, resumed=resumed) as draft:
        source = source or load_source(job.data)
        checkpoint, went_on = _checkpoint(job, source, draft.staging, resumed=resumed)
        draft.on_failure.append(checkpoint.write)
        prepared = prepare(job, source)
        budget = Budget(job.time_limit_s, began)
        job = within_limit(prepared.job, budget.working_s)
        prepared = replace(prepared, job=job)
        say(console, [*_introduction(prepared), *went_on])
        name = "/".join(draft.final.parts[-2:])
        with (
            tracked(job.logger, job.model_dump(mode="json"), draft.staging / LOGS, name) as tracker,
            working(console, job.training.max_epochs, tracker.epoch) as work,
        ):
            fits = fit(prepared, work, checkpoint, own, budget)
            evaluation = judge(prepared, fits, work, budget)
            final = refit(prepared, evaluation, work, budget)
            tracker.scores(evaluation.leaderboard)
            further = (*went_on, *checkpoint.notes, *tracker.notes)
            finished = finish(prepared, evaluation, final, further, budget)
            finished = replace(finished, command=tuple(command))
            work.stage("write", "the report")
            write_tables(finished, draft.staging)
            shown = job.report if budget.has(0.0) else job.report.model_copy(update={"png": False})
            write_page(finished, shown, draft.staging, draft.final)
            complete(finished, draft.staging)
            tracker.artefacts(draft.staging / files.REPORT, draft.staging / files.LEADERBOARD)
    say(console, dict.fromkeys([*finished.notes, *tracker.notes]))
    roles = {"network": job.model.name, "baseline": evaluation.baseline}
    sentences = (*finished.recommendation.sentences, finished.verdict)
    print_leaderboard(evaluation.leaderboard, sentences, console, **roles)
    say(console, _whereabouts(finished, draft.final))
    return TrainResult(prepared, evaluation, final.fitted, finished, draft.final)


def _checkpoint(job: JobSettings, source: Source, folder: Path, *, resumed: bool) -> tuple[Checkpoint, list[str]]:
    """Begin the checkpoint of a run, or open the one that an earlier process left; say where it goes on."""
    if not resumed:
        write_started(folder, job.model_dump(mode="json"), source)
        return Checkpoint(folder, job.training.checkpoint_s), []
    started = read_started(folder)
    started.check(source)
    stages, torn = load_checkpoint(folder)
    checkpoint = Checkpoint(folder, job.training.checkpoint_s, stages)
    went_on = f"resumed a run of {started.created}; seconds of fitting and forecasting are those since then"
    return checkpoint, [*filter(None, [torn]), went_on]


class Validated(NamedTuple):
    """What a sweep compares: the validation score, what the graph of a training step holds in memory, and the data."""

    score: float
    graph_mb: float
    fingerprint: str | None = None


def validate(job: JobSettings, source: Source | None = None, on_epoch: OnEpoch | None = None) -> Validated:
    """Train the network alone and score it (`objective`) on the validation split; the test split is not looked at.

    `source` is what `load_source(job.data)` gave, where it was read before; `on_epoch` may end the training by raising.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C during training: a network that was cut short cannot be compared with those of other jobs.

    """
    prepared = prepare(job, source)
    job = prepared.job
    forecaster, task = network(job, on_epoch), prepared.task
    with working(silent(), job.training.max_epochs) as work:
        fits = fit_all([forecaster], prepared.panel, task.split, task.problem, on_progress=work.stage)
    raise_failure(fits, forecaster.name)
    trained = network_in(fits.fitted[forecaster.name])
    if _was_interrupted(trained):
        raise KeyboardInterrupt
    validation = forecast_all(
        fits, prepared.panel, task.split, task.problem, part="validation", stride=job.backtest.stride
    )
    validation_score = objective(score(validation.results, validation.scales, validation.question), forecaster.name)
    graph_mb = max(member.graph_bytes for member in trained.members) / 1e6
    return Validated(validation_score, graph_mb, prepared.source.fingerprint)


def fit(
    prepared: Prepared,
    work: Work,
    checkpoint: Checkpoint | None = None,
    own: Sequence[Forecaster] = (),
    budget: Budget | None = None,
) -> Fits:
    """Fit everything on what lies before the test split; a baseline may fail, the network may not."""
    job, task = prepared.job, prepared.task
    if isinstance(job.model, BackboneSettings):
        # Lightning takes seconds to import, and the leaderboard's seconds are those of the training.
        with importing():
            import forecast.training.fit  # noqa: F401, PLC0415

    candidates = (*forecasters(job, work.epoch, checkpoint), *own)
    until = None if budget is None else budget.fits_end
    fits = fit_all(candidates, prepared.panel, task.split, task.problem, on_progress=work.stage, until=until)
    raise_failure(fits, candidates[0].name)
    return fits


def judge(prepared: Prepared, fits: Fits, work: Work, budget: Budget | None = None) -> Evaluation:
    """Choose the baseline to beat on validation and evaluate all on the test split."""
    task = prepared.task
    return evaluate(
        fits,
        prepared.judged_panel,
        task.split,
        task.problem,
        prepared.job.backtest,
        recommended=prepared.job.recommend,
        until=None if budget is None else budget.forecasts_end,
        on_progress=work.stage,
    )


def _introduction(prepared: Prepared) -> list[str]:
    """Describe the data and the forecasting task, before anything is trained."""
    task, problem = prepared.task, prepared.task.problem
    counts = split_counts(prepared)
    calibrated = f"{counts[2]} for calibration, " if counts[2] else ""
    return [
        found_line(prepared.source),
        f"season {problem.season_steps} steps ({task.season.evidence}), context {problem.context_steps}, "
        f"horizon {problem.horizon}; {counts[0]} {'series' if prepared.job.split.over == 'series' else 'steps'} for "
        f"training, {counts[1]} for validation, {calibrated}{counts[3]} for the test",
        *filter(None, [LABELS if prepared.panel.at_end else problem.question.announcement]),
        *prepared.source.notes,
        plan(prepared.job, [one.name for one in forecasters(prepared.job)], prepared.panel),
    ]


def split_counts(prepared: Prepared) -> list[int]:
    """Steps of training, validation, calibration and test; where it is split over series, series that are scored."""
    panel, split = prepared.panel, prepared.task.split
    ends = np.stack([split.train, split.fitted, split.before_test, panel.lengths])
    steps = np.diff(ends, axis=0, prepend=0)  # (split, series)
    if prepared.job.split.over == "series":
        steps = (steps > 0) & has_label(panel)
    return [int(count) for count in steps.sum(axis=1)]


def _whereabouts(finished: Finished, folder: Path) -> list[str]:
    """Say where the run lies, and after a Ctrl-C where the weights are."""
    lines = [f"run folder: {folder}"]
    if _was_interrupted(finished.trained):
        epochs = ", ".join(str(member.epochs) for member in finished.trained.members)
        lines.append(f"the best weights before the interrupt (epoch {epochs}) are in it")
    return lines


def _was_interrupted(network: FittedNetwork | FittedEnsemble | FittedPretrained) -> bool:
    return any("interrupted" in member.stop_reason for member in network.members)
