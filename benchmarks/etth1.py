"""Score the shipped experiment on ETTh1 by the published protocol: horizon 96, all channels, all origins of a split.

    python benchmarks/etth1.py --data-path ETTh1.csv [--stretch validation] [key=value ...]

Rows 8640, 2880 and 2880 are training, validation and test; errors are in units of a channel's standard deviation over
the training rows, and averaged over channels, origins and steps. With `--stretch validation` (the default) the test
rows are cut off before anything is fitted or forecast: choose there, and say `--stretch test` once. Keys go to the
experiment, as on its own command line. With `--recommended` the job chooses as the command does, and all its models are
scored on the test, the combination and the recommended one among them, from an even part of the origins.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.app.arguments import CommandLine
from forecast.app.composition import compose_job, plain_values
from forecast.app.overrides import quoted
from forecast.questions.split import rolling_origins
from forecast.reading.sources import load_source
from forecast.tasks.candidates import forecasters
from forecast.tasks.prepare import prepare
from forecast.tasks.settings import check_job
from forecast.tasks.terminal import silent, working
from forecast.tasks.train import fit, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.interface import Forecaster
    from forecast.series.panel import FloatArray
    from forecast.tasks.prepare import Prepared

ROWS = 8640 + 2880 + 2880


def prepared(path: str, keys: Sequence[str]) -> Prepared:
    """Read the rows of the protocol with the settings of the experiment."""
    overrides = ("experiment=etth1", f"data.path={quoted(path)}", *keys)
    job = check_job(plain_values(compose_job(CommandLine((), overrides))))
    source = load_source(job.data)
    return prepare(job, replace(source, panel=source.panel.cut(np.full(len(source.panel), ROWS))))


def errors(case: Prepared, forecaster: Forecaster, part: str) -> tuple[FloatArray, tuple[str, ...], float, float]:
    """Fit, and forecast from every origin of a split: errors (origin, step), notes, seconds of both."""
    split, problem, panel = case.task.split, case.task.problem, case.panel
    first, ends = (split.train, split.fitted) if part == "validation" else (split.before_test, panel.lengths)
    known = panel.cut(ends)
    began = time.perf_counter()
    fitted = forecaster.fit(panel.cut(split.fitted), split.train, problem)
    trained = time.perf_counter()
    origins = rolling_origins(known, first, ends, problem.horizon)
    y_hat = fitted.forecast(known, origins).y_hat
    done = time.perf_counter()
    spread = np.array([known.target[rows][:n].std() for (_, rows), n in zip(known.series(), split.train, strict=True)])
    truth = known.target[origins.rows(known)[:, None] + np.arange(1, problem.horizon + 1)]
    return (truth - y_hat) / spread[origins.series][:, None], fitted.notes, trained - began, done - trained


def recommended(case: Prepared) -> None:
    """Print what the job recommends, and a line for each of its models on the test."""
    with working(silent(), case.job.training.max_epochs) as work:
        found = judge(case, fit(case, work), work)
    split, known = case.task.split, case.panel
    spread = {
        name: known.target[rows][:n].std()
        for name, (_, rows), n in zip(known.ids, known.series(), split.train, strict=True)
    }
    table = found.test.results
    error = (table["y"] - table["y_hat"]) / table["unique_id"].map(spread).astype(float)
    for name, of_model in error.groupby(table["model"], observed=True):
        print(f"{name:<16} test MSE {np.mean(of_model**2):.4f}  MAE {of_model.abs().mean():.4f}")
    print(found.recommendation.sentence if found.recommendation else "nothing is recommended")


def main() -> None:
    """Print a line a forecaster."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-path", required=True)
    parser.add_argument("--stretch", choices=("validation", "test"), default="validation")
    parser.add_argument("--only", help="forecasters to run, with commas; all if not said")
    parser.add_argument("--recommended", action="store_true", help="let the job choose; all models on the test")
    options, keys = parser.parse_known_args()
    case = prepared(options.data_path, keys)
    if options.recommended:
        recommended(case)
        return
    for forecaster in forecasters(case.job):
        if options.only and forecaster.name not in options.only.split(","):
            continue
        cpu = time.process_time()
        error, notes, fit_seconds, forecast_seconds = errors(case, forecaster, options.stretch)
        print(
            f"{forecaster.name:<16} {options.stretch} MSE {np.mean(error**2):.4f}  MAE {np.abs(error).mean():.4f}  "
            f"fit {fit_seconds:.1f} s  {len(error)} forecasts {forecast_seconds:.1f} s  "
            f"(processor {time.process_time() - cpu:.1f} s)  {'; '.join(notes)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
