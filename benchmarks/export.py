"""Microseconds a row of exported graphs in onnxruntime, and of the same network here.

    python benchmarks/export.py lstm gru rnn mingru

One series with a season of 20 steps, 20 steps ahead, 32 units, the blend as reference, quantiles by calibration (which
the graphs compute and `Live` does not). One thread each, its own time on the CPU; medians of 5 rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch

from forecast.exporting.files import CONTEXT, STEP
from forecast.questions.split import last_origins
from forecast.runs.run import open_run
from forecast.series.panel import single_series
from forecast.tasks.export import export
from forecast.tasks.settings import check_job
from forecast.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, ROWS, CONTEXT_STEPS, SERIES = 5, 1000, 500, 256


def job(cell: str) -> Any:
    """Return the settings of a short training on the embedded sine wave."""
    return check_job(
        {
            "horizon": 20,
            "data": {"name": "sinewave", "noise": 0.1},
            "split": {},
            "model": {"name": cell, "hidden_size": 32, "reference": "blend"},
            "training": {"max_epochs": 3, "accelerator": "cpu", "threads": 1},
            "backtest": {},
            "report": {"png": False},
        }
    )


def timed(do: Callable[[], None], rows: int) -> float:
    """Return the median of some rounds, in microseconds a row."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        do()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds) / rows * 1e6


def measure(cell: str, folder: Path) -> list[float]:
    """Train, export, and measure: steps one by one (ours, theirs), many series at once, a context (ours, theirs)."""
    run = open_run(train(job(cell), folder / cell).folder)
    exported = export(run.folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    context, step = (onnxruntime.InferenceSession(exported.folder / name, options) for name in (CONTEXT, STEP))
    network: Any = run.network
    y = np.sin(np.arange(CONTEXT_STEPS) * np.pi / 10) + 0.1 * np.random.default_rng(0).normal(size=CONTEXT_STEPS)
    panel = single_series(y, np.arange(CONTEXT_STEPS), run.calendar, run.record.data.ids[0])
    live = network.start(panel)
    rows = np.random.default_rng(1).normal(size=ROWS)
    names = [part["input"] for part in exported.told["graphs"][STEP]["state"]]
    outputs = [name.replace("_before", "_after") for name in names]

    def ours() -> None:
        for row in rows.tolist():
            live.update(row)

    def theirs(batch: int, count: int) -> Callable[[], None]:
        """Steps of a batch of series, the state going from one to the next."""

        def do() -> None:
            state = context.run(outputs, {"values": np.repeat(y[None], batch, axis=0)})
            for row in rows[:count]:
                feed = dict(zip(names, state, strict=True)) | {"values": np.full((batch, 1), row)}
                _, _, *state = step.run(["forecast", "quantiles", *outputs], feed)

        return do

    origins = last_origins(panel)
    return [
        timed(ours, ROWS),
        timed(theirs(1, ROWS), ROWS),
        timed(theirs(SERIES, 40), 40 * SERIES),
        timed(lambda: network.forecast(panel, origins), 1),
        timed(lambda: context.run(["forecast", "quantiles"], {"values": y[None]}), 1),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        for name in sys.argv[1:] or ["lstm"]:
            one, theirs_one, many, whole, theirs_whole = measure(name, Path(temporary))
            print(
                f"{name}: a row {one:.0f} us here, {theirs_one:.0f} us in onnxruntime, {many:.1f} us of {SERIES} "
                f"series side by side; a context of {CONTEXT_STEPS} steps {whole:.0f} us here, {theirs_whole:.0f} us"
            )
