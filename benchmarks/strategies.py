"""Strategies for the horizon on four processes: error, steadiness and time. Prints the table of docs/heads.md.

    python benchmarks/strategies.py

Each network is an LSTM at the default sizes, trained as by default. MASE over all origins of the test split, in
brackets the revision (mean change of the forecast for one date from origin to origin, in the same unit), then the
seconds of fitting and of forecasting.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.behaviour import revisions
from forecast.evaluation.metrics import score
from forecast.evaluation.results import results_table
from forecast.evaluation.scales import fit_scales
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import rolling_origins, split_panel
from forecast.reading.settings import SinewaveSettings, StockSettings
from forecast.reading.sources import load_source
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, KnownAhead, Panel, single_series
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.series.panel import FloatArray

HORIZON, STEPS = 20, 2000
STRATEGIES = {
    "direct": LstmSettings(),
    "recursive": LstmSettings(strategy="recursive"),
    "seq2seq": LstmSettings(strategy="seq2seq"),
    "direct, fork_ensemble=5": LstmSettings(fork_ensemble=5),
}


def ar1(phi: float, seed: int) -> FloatArray:
    """y_t = phi y_{t-1} + e_t, (step,)."""
    noise = np.random.default_rng(seed).normal(size=STEPS)
    y = np.zeros(STEPS)
    for t in range(1, STEPS):
        y[t] = phi * y[t - 1] + noise[t]
    return y


def with_covariate() -> Panel:
    """An AR(1) plus twice something that is known ahead."""
    x = np.random.default_rng(3).normal(size=(STEPS + HORIZON, 1))
    panel = single_series(ar1(0.5, 2) + 2 * x[:STEPS, 0], np.arange(STEPS), Calendar(freq=None))
    ahead = KnownAhead(x, np.zeros(x.shape, dtype=np.bool_), np.array([0, len(x)]), (Channel("x", "future"),))
    return replace(panel, ahead=ahead)


PROCESSES: dict[str, tuple[Callable[[], Panel], int]] = {
    "noisy sine": (lambda: load_source(SinewaveSettings()).panel, 20),
    "made-up stock": (lambda: load_source(StockSettings()).panel, 1),
    "AR(1), 0.8": (lambda: single_series(ar1(0.8, 0), np.arange(STEPS), Calendar(freq=None)), 1),
    "AR(1), 0.5, + covariate": (with_covariate, 1),
}
"""Each with its season."""


def judged(panel: Panel, season_steps: int, settings: LstmSettings) -> str:
    """Fit, forecast the test split, and say how it went."""
    problem = Problem(HORIZON, 60, season_steps)
    split = split_panel(panel, 0.15, 0.2, problem.context_steps, HORIZON)
    began = time.perf_counter()
    fitted = Recurrent(settings, TrainingSettings(accelerator="cpu")).fit(panel.cut(split.fitted), split.train, problem)
    fitted_at = time.perf_counter()
    origins = rolling_origins(panel, split.before_test, panel.lengths, HORIZON)
    forecasts = fitted.forecast(panel, origins)
    done = time.perf_counter()
    results = results_table(panel, origins, {"lstm": forecasts}, HORIZON)
    scales = fit_scales(panel.cut(split.train), season_steps)
    mase = score(results, scales).by_model["mase"].to_numpy()[0]
    revised = revisions(results, scales).by_model.to_numpy()[0]
    return f"{mase:.3f} ({revised:.3f}), {fitted_at - began:.0f} + {done - fitted_at:.1f} s"


def main() -> None:
    """Print a row a process, a column a strategy."""
    print("| | " + " | ".join(STRATEGIES) + " |")
    print("|---" * (1 + len(STRATEGIES)) + "|")
    for name, (make, season_steps) in PROCESSES.items():
        panel = make()
        cells = [judged(panel, season_steps, settings) for settings in STRATEGIES.values()]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
