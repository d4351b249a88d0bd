"""What a finished job can say of its data: what each thing does, and which rows were not expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.evaluation.anomalies import find_anomalies
from forecast.evaluation.effects import effects_of
from forecast.tasks.final import final_fit
from forecast.wording import counted, number

if TYPE_CHECKING:
    import pandas as pd

    from forecast.evaluation.evaluate import Evaluation
    from forecast.tasks.prepare import Prepared


def effects(prepared: Prepared, evaluation: Evaluation) -> pd.DataFrame | None:
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


def anomalies(prepared: Prepared, evaluation: Evaluation) -> tuple[pd.DataFrame | None, str]:
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
