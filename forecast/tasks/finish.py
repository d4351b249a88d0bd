"""What a finished job brings together for its folder and its report: the forecast, what can be said of the data, notes.

Of the data: what each thing does, which rows were not expected, and what was recorded of gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.evaluation.anomalies import find_anomalies
from forecast.evaluation.effects import effects_of
from forecast.evaluation.results import out_of_range
from forecast.forecasters.pretrained import FittedPretrained
from forecast.forecasters.transformed import HasTrajectories, log_target
from forecast.inspection.gradients import record_gradients
from forecast.runs import files
from forecast.runs.readable import workbook_note
from forecast.runs.saving import Finished, thinned_quantiles_note
from forecast.tasks.continuation import sample
from forecast.tasks.final import Final, final_fit, future, future_paths, network_in, short_future
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from forecast.evaluation.evaluate import Evaluation
    from forecast.evaluation.recommendation import Recommendation
    from forecast.forecasters.ensemble import FittedEnsemble
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.forecasters.interface import Fitted
    from forecast.tasks.budget import Budget
    from forecast.tasks.prepare import Prepared


_NOT_LOOKED_FOR = (
    "no time was left to say what each thing does and which rows were not expected, and for pictures (`time_limit_s`)"
)


def finish(
    prepared: Prepared,
    evaluation: Evaluation,
    final: Final,
    further_notes: Iterable[str] = (),
    budget: Budget | None = None,
) -> Finished:
    """Bring together what is written and shown; where the time is over, without effects, anomalies and gradients."""
    job, problem, name = prepared.job, prepared.task.problem, prepared.job.model.name
    if evaluation.verdict is None or evaluation.recommendation is None:
        raise RuntimeError("a job without a network has no verdict")
    after = future(
        final.fitted,
        prepared.panel,
        job.horizon,
        widths=None if problem.question.forecasts_probabilities else evaluation.widths,
        scale=evaluation.test.units,
        value_range=problem.value_range,
    )
    late = budget is not None and not budget.has(0.0)
    unexpected, unexpected_note = (None, _NOT_LOOKED_FOR) if late else _anomalies(prepared, evaluation)
    return Finished(
        settings=job.model_dump(mode="json"),
        source=prepared.source,
        split=prepared.task.split,
        problem=problem,
        season=prepared.task.season,
        evaluation=evaluation,
        trained=network_in(evaluation.test.fitted[name]),
        kept=network_in(final.fitted[name]),
        refitted=final.refitted,
        future=after,
        short_future=short_future(prepared.short, problem, job.data.transform),
        recommendation=evaluation.recommendation,
        verdict=evaluation.verdict.sentence,
        paths=_paths(prepared, final.fitted[name]),
        effects=None if late else _effects(prepared, evaluation),
        anomalies=unexpected,
        gradients=None if late else _gradients(prepared, network_in(evaluation.test.fitted[name])),
        continuation=sample(network_in(final.fitted[name]), prepared.panel, job.model_dump(mode="json"), job.seed),
        notes=(
            *_notes(prepared, evaluation, after),
            *filter(None, [unexpected_note]),
            *_range_offer(prepared, after, evaluation.recommendation),
            final.note,
            *further_notes,
        ),
    )


def _notes(prepared: Prepared, evaluation: Evaluation, after: pd.DataFrame) -> tuple[str, ...]:
    """What a reader should know of the forecasts; `after` are those after the end of the data."""
    of_values: list[str] = []
    if not prepared.task.problem.question.forecasts_probabilities:
        forecasts = pd.concat([table[["model", "unique_id", "y_hat"]] for table in (evaluation.test.results, after)])
        of_values = [*out_of_range(forecasts, prepared.panel), _intervals_note(evaluation)]
    return (
        *prepared.notes,
        *evaluation.notes,
        *filter(None, [thinned_quantiles_note(evaluation.test.quantiles)]),
        *(test.sentence for test in evaluation.copy_tests.values()),
        *of_values,
        *filter(None, [workbook_note(len(after))]),
    )


def _intervals_note(evaluation: Evaluation) -> str:
    lender = evaluation.widths.lender
    lent = f", and, as far as these are few, as those that {lender} forecasts" if lender else ""
    return (
        f"the prediction intervals of the forecast after the data are as wide as the errors of the backtested models "
        f"on the calibration and test split make them{lent}"
    )


def _range_offer(prepared: Prepared, after: pd.DataFrame, use: Recommendation | None) -> tuple[str, ...]:
    """Offer a minimum where the data have never been below zero and the recommended forecast, or its interval, is."""
    panel, problem = prepared.panel, prepared.task.problem
    if problem.question.forecasts_probabilities or problem.value_range.minimum is not None:
        return ()
    after = after if use is None else after[after["model"] == use.model]
    forecasts = after[[name for name in after if name == "y_hat" or name in files.QUANTILE_COLUMNS]].to_numpy()
    lowest = float(forecasts[np.isfinite(forecasts)].min(initial=0.0))
    if np.min(panel.target, where=panel.target_observed, initial=np.inf) < 0 or lowest >= 0:
        return ()
    return (
        f"the forecast or its intervals reach down to {number(lowest)}, and the data have never been below zero: "
        "`data.minimum=0` keeps all models at zero or above",
    )


def _paths(prepared: Prepared, fitted: Fitted) -> pd.DataFrame | None:
    job = prepared.job
    if not job.report.paths or not isinstance(fitted, HasTrajectories):
        return None
    value_range = prepared.task.problem.value_range
    return future_paths(job.model.name, fitted, prepared.panel, job.report.paths, job.seed, value_range=value_range)


def _gradients(prepared: Prepared, trained: FittedNetwork | FittedEnsemble | FittedPretrained) -> pd.DataFrame | None:
    """Measure the first network alone: it is typical of all members."""
    if not prepared.job.training.record_gradients or isinstance(trained, FittedPretrained):
        return None
    split = prepared.task.split
    past = prepared.panel.cut(split.fitted)
    scaled = log_target(past) if prepared.job.data.transform == "log" else past
    return record_gradients(trained.members[0], scaled, split.train)


def _effects(prepared: Prepared, evaluation: Evaluation) -> pd.DataFrame | None:
    """Effects of the calendar regression, fitted on all rows, and of the network over the test split."""
    if prepared.task.problem.question.forecasts_probabilities:
        return None
    job, every = prepared.job, evaluation.test.fitted
    of_calendar = [baseline.name for baseline in job.baseline.values() if baseline.method == "calendar_regression"]
    models = {
        name: final_fit(every[name], prepared.panel, prepared.task.problem) for name in of_calendar if name in every
    }
    models[job.model.name] = every[job.model.name]
    return effects_of(models, prepared.panel, prepared.task.split)


def _anomalies(prepared: Prepared, evaluation: Evaluation) -> tuple[pd.DataFrame | None, str]:
    """Rows that the recommended model did not expect one step ahead, and a note on them, "" where there are none."""
    use, problem = evaluation.recommendation, prepared.task.problem
    if problem.question.forecasts_probabilities or use is None or use.model not in evaluation.test.fitted:
        return None, ""
    first = problem.context_steps if prepared.job.training.regime == "windows" else min(problem.context_steps, 24)
    table, looked_at = find_anomalies(evaluation.test.fitted[use.model], prepared.panel, first)
    if not len(table):
        return table, ""
    apart = (table["y"] - table["expected"]).abs() / (table["high"] - table["expected"])
    farthest = int(apart.to_numpy().argmax())
    row, when = table.iloc[farthest], prepared.panel.calendar.write(table["ds"].to_numpy()[[farthest]])[0]
    of = f" of {row['unique_id']}" if len(prepared.panel) > 1 else ""
    return table, (
        f"{counted(len(table), 'row')} of {looked_at:,} outside the band that should hold 99 % of them one step ahead "
        f"({use.model}; anomalies.csv): most of all {when}{of}, expected {number(float(row['expected']))}, found "
        f"{number(float(row['y']))}"
    )
