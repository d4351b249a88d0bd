"""The report of a finished job."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.evaluation.backtest import successive_results
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.reporting.html import write_report
from forecast.reporting.material import choose_series, long_table
from forecast.reporting.sections.passage import MOST_SYMBOLS
from forecast.reporting.summary import build_summary
from forecast.runs.readable import observed
from forecast.wording import counted, decimals_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.questions.split import Split
    from forecast.reporting.settings import ReportSettings
    from forecast.runs.saving import Finished
    from forecast.series.panel import Panel


def write_page(run: Finished, show: ReportSettings, folder: Path, final: Path | None = None) -> None:
    """Write `report.html` and `figures/`; `final` is where the folder will lie when it is whole."""
    evaluation, network = run.evaluation, run.kept.forecaster.name
    copy_test = evaluation.copy_tests.get(network)
    summary = build_summary(
        results=evaluation.test.results,
        series=partial(_label_splits, run.source.panel, run.split),
        decimals=decimals_of(observed(run.source.panel)),
        leaderboard=evaluation.leaderboard,
        by_step=evaluation.scores.by_step.reset_index(),
        by_series=evaluation.scores.by_series.reset_index(),
        forecast=run.future,
        history=pd.DataFrame(
            [epoch.as_dict() for epoch in run.trained.members[0].history]
        ),  # one member is typical of all
        chosen_epoch=run.trained.members[0].epochs,
        recommendation=run.recommendation,
        verdict=run.verdict,
        network=network,
        baseline=evaluation.baseline,
        copy_test=copy_test.sentence if copy_test else None,
        found={**run.source.found, **_season_and_context(run)},
        notes=(*run.source.notes, *run.notes),
        settings=run.settings,
        show=show,
        intervals=evaluation.intervals,
        gradients=run.gradients,
        continuation=run.continuation,
        gradient_clip=_gradient_clip(run),
        question=run.problem.question,
        symbols=run.source.panel.symbols,
        passage=_passage(run, show) if run.problem.question.categorical else None,
        next_command="" if final is None else _next_command(run, final),
        effects=run.effects,
        anomalies=run.anomalies,
    )
    write_report(summary, folder, png=show.png)


def _next_command(run: Finished, final: Path) -> str:
    """Return the command that forecasts from newer data; "" where the data were generated."""
    if "path" not in run.settings["data"]:
        return ""
    here = final.relative_to(Path.cwd()) if final.is_relative_to(Path.cwd()) else final
    return f"python -m forecast task=predict run={shlex.quote(str(here))} data.path=newer.csv"


def _gradient_clip(run: Finished) -> float | None:
    """Return at which norm gradients were clipped; None where they were not, or there were none."""
    first = run.trained.members[0]
    return first.forecaster.training.gradient_clip if isinstance(first, FittedNetwork) else None


def _passage(run: Finished, show: ReportSettings) -> pd.DataFrame:
    """Return forecasts of network and baseline from successive origins at the beginning of the test split."""
    evaluation, network = run.evaluation, run.kept.forecaster.name
    return successive_results(
        evaluation.test,
        run.source.panel,
        run.split,
        run.problem,
        models=[name for name in (network, evaluation.baseline) if name in evaluation.test.fitted],
        uid=choose_series(evaluation.test.results, network, show.series),
        most=MOST_SYMBOLS,
    )


def _season_and_context(run: Finished) -> dict[str, str]:
    """Return what was detected before anything was trained, as the report says it."""
    return {
        "season": f"{counted(run.problem.season_steps, 'step')} ({run.season.evidence})",
        "context": counted(run.problem.context_steps, "step"),
    }


def _label_splits(panel: Panel, split: Split, ids: Sequence[str] | None) -> pd.DataFrame:
    """Return steps of some series (None: of all) and their splits: `unique_id`, `ds`, `y` (NaN: missing), `split`."""
    which = np.arange(len(panel)) if ids is None else np.flatnonzero(np.isin(panel.ids, ids))
    panel = panel.take(which)
    step = np.arange(len(panel.times)) - np.repeat(panel.offsets[:-1], panel.lengths)  # (row,), 0 at each series
    beyond_training = step >= np.repeat(split.train[which], panel.lengths)
    beyond_validation = step >= np.repeat(split.fitted[which], panel.lengths)
    beyond_calibration = step >= np.repeat(split.before_test[which], panel.lengths)
    labels = np.array(["training", "validation", "calibration", "test"])
    return long_table(panel).assign(
        split=labels[beyond_training.astype(np.int64) + beyond_validation + beyond_calibration]
    )
