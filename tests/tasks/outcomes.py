"""Where a difference between two jobs may be seen: from a job to something that can be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

from small_jobs import small_job

from forecast.evaluation.evaluate import evaluate
from forecast.evaluation.fits import fit_all
from forecast.forecasters.transformed import FittedTransformed
from forecast.questions.split import last_origins
from forecast.reading.sources import load_source
from forecast.tasks import train as train_module
from forecast.tasks.candidates import baselines, forecasters, network
from forecast.tasks.page import write_page
from forecast.tasks.prepare import prepare
from forecast.tasks.settings import check_job
from forecast.tasks.terminal import silent, working


def panel(job):
    result = load_source(job.data).panel
    arrays = (result.target, result.target_observed, result.offsets, result.times)
    return result.ids, result.channels, result.calendar, *(array.tolist() for array in arrays)


def beside(job):
    """Covariates of the file: channels, and the values of those that describe series or are known ahead."""
    panel = load_source(job.data).panel
    parts = [part for part in (panel.ahead, panel.static) if part is not None]
    return panel.channels, [(part.channels, part.values.tolist()) for part in parts]


def ahead(job):
    """What is known ahead."""
    known = prepare(job).panel.ahead
    return None if known is None else (known.values.tolist(), [channel.name for channel in known.channels])


def question(job):
    task = prepare(job).task
    split = task.split
    return *(steps.tolist() for steps in (split.train, split.fitted, split.before_test)), task.problem


def trained(job):
    """Weights, losses and the reason of the end."""
    prepared = prepare(job)
    split, problem = prepared.task.split, prepared.task.problem
    fitted = network(job).fit(prepared.panel.cut(split.fitted), split.train, problem)
    bare = fitted.fitted if isinstance(fitted, FittedTransformed) else fitted
    tried = [epoch.as_dict() for member in bare.members for epoch in member.history]
    rates = [[epoch.get(key) for key in ("epoch", "learning_rate", "penalty")] for epoch in tried]
    weights = {name: array.tolist() for name, array in bare.tensors().items()}
    return weights, rates, [member.stop_reason for member in bare.members]


def forecast(job):
    """What the network forecasts at the end of the validation split."""
    prepared = prepare(job)
    split, problem = prepared.task.split, prepared.task.problem
    past = prepared.panel.cut(split.fitted)
    return network(job).fit(past, split.train, problem).forecast(past, last_origins(past)).y_hat.tolist()


def baseline(job):
    """The forecast of each baseline, or why there is none."""
    prepared = prepare(job)
    split, problem = prepared.task.split, prepared.task.problem
    fits = fit_all(baselines(job), prepared.panel, split, problem)
    past = prepared.panel.cut(split.fitted)
    result = {name: one.forecast(past, last_origins(past)).y_hat.tolist() for name, one in fits.fitted.items()}
    return result, [(attempt.name, attempt.status, attempt.notes) for attempt in fits.attempts]


def symbols(job):
    """The probabilities that each baseline gives, or why there are none."""
    prepared = prepare(job)
    asked = prepared.task
    fits = fit_all(baselines(job), prepared.panel, asked.split, asked.problem)
    past = prepared.panel.cut(asked.split.fitted)
    result = {name: one.forecast(past, last_origins(past)).probabilities.tolist() for name, one in fits.fitted.items()}
    return result, [(attempt.name, attempt.status, attempt.notes) for attempt in fits.attempts]


def judged(job):
    """The results of the backtest, recommendation and verdict."""
    prepared = prepare(job)
    split, problem = prepared.task.split, prepared.task.problem
    fits = fit_all(forecasters(job), prepared.panel, split, problem)
    evaluation = evaluate(fits, prepared.panel, split, problem, job.backtest, recommended=job.recommend)
    use = evaluation.recommendation and evaluation.recommendation.sentence  # where all models failed there is none
    return evaluation.test.results.y_hat.tolist(), use, evaluation.verdict.sentence


def final(job):
    """The forecast after the data."""
    return finished(job.model_dump_json()).future.y_hat.tolist()


def paths(job):
    """The paths that are drawn after the data."""
    drawn = finished(job.model_dump_json()).paths
    return None if drawn is None else drawn.y_hat.tolist()


def page(job, folder):
    """The report and the names of its figures."""
    plain = job.model_copy(update={"report": small_job().report})
    run = replace(finished(plain.model_dump_json()), settings={})  # the page prints all settings
    write_page(run, job.report, folder)
    return (folder / "report.html").read_text(), sorted(path.name for path in folder.glob("figures/*"))


@cache
def finished(job):
    prepared = prepare(check_job(json.loads(job)))
    with working(silent(), 1) as work:
        evaluation = train_module.judge(prepared, train_module.fit(prepared, work), work)
        return train_module.finish(prepared, evaluation, train_module.refit(prepared, evaluation, work))
