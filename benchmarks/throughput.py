"""How much of a bare torch loop's speed arrives at the user: trained windows, forecasts, single rows a second.

    python benchmarks/throughput.py [--repeats 5] [--json FILE] [--at-least 0.75]

An hourly series of 17,420 generated steps, one layer of 64 units, context and chunk of 168 steps, horizon 24, 32 lanes,
one thread. The project's training, all of Lightning and callbacks included, and the bare loop of `benchmarks/bare.py`
with the same batches take turns; figures are medians, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bare import Bare, every_origin, stream_epoch, window_epoch

from forecast.batches.segments import cut_segments, walk_chunks
from forecast.batches.windows import draw_windows, whole_windows, window_rows
from forecast.forecasters.recurrent import FittedNetwork, Recurrent
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.series.calendar import Calendar
from forecast.series.panel import Panel, single_series
from forecast.series.problem import Problem
from forecast.series.split import Origins
from forecast.training.data import Targets, network_data
from forecast.training.settings import TrainingSettings

STEPS, LANES, CHUNK, HIDDEN, EPOCHS = 17_420, 32, 168, 64, 3
PROBLEM = Problem(horizon=24, context_steps=168, season_steps=24)
NETWORKS = {"lstm": LstmSettings, "gru": GruSettings, "rnn": RnnSettings}


@dataclass(frozen=True)
class Row:
    """A line of the table; figures are counts a second, or microseconds where `unit` says so."""

    what: str
    unit: str
    ours: list[float]
    bare: list[float]

    @property
    def share(self) -> float:
        """Our speed as a share of the bare loop's."""
        ours, bare = statistics.median(self.ours), statistics.median(self.bare)
        return bare / ours if self.unit == "us" else ours / bare


def hourly_series() -> Panel:
    """Two years of hours with a day, a week and noise."""
    t = np.arange(STEPS)
    noise = np.random.default_rng(0).normal(size=STEPS)
    y = 10 + np.sin(2 * np.pi * t / 24) + 0.5 * np.sin(2 * np.pi * t / 168) + 0.3 * noise
    return single_series(y, t, Calendar(freq=None))


def forecaster(cell: str, regime: str) -> Recurrent:
    """A network that trains a fixed number of epochs on all rows."""
    training = TrainingSettings(regime=regime, lanes=LANES, chunk_steps=CHUNK, threads=1, accelerator="cpu")  # type: ignore[arg-type]
    settings = NETWORKS[cell](hidden_size=HIDDEN, reference="seasonal")
    return replace(Recurrent(settings, training), learning_rates=(training.learning_rate,) * EPOCHS)


def epoch_seconds(fitted: FittedNetwork) -> float:
    """Seconds of an epoch, the first, which warms everything up, left out."""
    return (fitted.history[-1].seconds - fitted.history[0].seconds) / (EPOCHS - 1)


def tables(panel: Panel, fitted: FittedNetwork) -> tuple[torch.Tensor, ...]:
    """Inputs, targets and which of these exist, of every row."""
    data = network_data(panel, fitted.reference, fitted.scale, fitted.encoding)
    target, exists = Targets(data, panel.lengths).at(np.arange(STEPS))
    return tuple(
        torch.from_numpy(array) for array in (data.readings.inputs(np.arange(STEPS)), target, exists.astype(np.float32))
    )


def training_row(panel: Panel, cell: str, regime: str, repeats: int) -> tuple[Row, FittedNetwork]:
    """Our epochs and the bare loop's, turn about."""
    rng, starts = np.random.default_rng(0), panel.offsets[:-1]
    if regime == "stream":
        segments = cut_segments(starts, panel.lengths, LANES, CHUNK, CHUNK)
        chunks = walk_chunks(segments, LANES, CHUNK, rng)
        batches: list[Any] = [
            tuple(torch.from_numpy(part) for part in (c.rows, c.walked, c.trained, c.begins)) for c in chunks
        ]
        windows, run = STEPS, stream_epoch
    else:
        origins = whole_windows(starts, panel.lengths, PROBLEM.context_steps)
        drawn = draw_windows(origins, 32, 50, rng)
        batches = [torch.from_numpy(window_rows(part, PROBLEM.context_steps)) for part in drawn]
        windows, run = 32 * 50, window_epoch
    ours, bare = [], []
    for _ in range(repeats):
        fitted = forecaster(cell, regime).fit(panel, panel.lengths, PROBLEM)
        ours.append(windows / epoch_seconds(fitted))
        net = Bare(cell, fitted.reference.input_size, HIDDEN, PROBLEM.horizon)
        arrays = tables(panel, fitted)
        run(net, *arrays, batches)
        began = time.perf_counter()
        for _ in range(EPOCHS - 1):
            run(net, *arrays, batches)
        bare.append(windows * (EPOCHS - 1) / (time.perf_counter() - began))
    return Row(f"trained windows, {regime}, {cell}", "1/s", ours, bare), fitted


def origins_row(panel: Panel, fitted: FittedNetwork, repeats: int) -> Row:
    """Forecasts from every origin of the last 2,000 steps, the walk over the whole past included."""
    steps = np.arange(STEPS - 2_000, STEPS)
    origins = Origins(np.zeros(len(steps), dtype=np.int64), steps)
    net = Bare("lstm", fitted.reference.input_size, HIDDEN, PROBLEM.horizon)
    inputs = tables(panel, fitted)[0]
    ours, bare = [], []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        fitted.forecast(panel, origins)
        between = time.perf_counter()
        every_origin(net, inputs, int(steps[0]))
        ours.append(len(steps) / (between - began))
        bare.append(len(steps) / (time.perf_counter() - between))
    return Row("forecasts from 2,000 origins", "1/s", ours[1:], bare[1:])


def live_row(panel: Panel, fitted: FittedNetwork, repeats: int) -> Row:
    """One row in, one forecast out, against `nn.LSTM` on one step and its head."""
    live = fitted.start(panel)
    net = Bare("lstm", fitted.reference.input_size, HIDDEN, PROBLEM.horizon)
    x = torch.zeros(1, 1, fitted.reference.input_size)
    ours, bare = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(300):
            live.update(10.0)
        between = time.perf_counter()
        with torch.no_grad():
            state = None
            for _ in range(300):
                output, state = net.core(x, state)
                net.head(output)
        ours.append((between - began) / 300 * 1e6)
        bare.append((time.perf_counter() - between) / 300 * 1e6)
    return Row("Live.update", "us", ours, bare)


def table(rows: list[Row]) -> str:
    """The rows as text, medians with their range."""

    def figure(values: list[float]) -> str:
        return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"

    head = f"{'what':32} {'unit':4} {'here':>32} {'bare loop':>32}  share"
    body = [f"{r.what:32} {r.unit:4} {figure(r.ours):>32} {figure(r.bare):>32}  {r.share:.2f}" for r in rows]
    return "\n".join([head, *body])


def main() -> int:
    """Print the table; 1 where training streams at less than the asked share of the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--at-least", type=float, default=0.0, help="share of the bare loop's speed, streamed LSTM")
    options = parser.parse_args()
    torch.set_num_threads(1)
    panel, rows = hourly_series(), []
    for cell in NETWORKS:
        row, fitted = training_row(panel, cell, "stream", options.repeats)
        rows.append(row)
        if cell == "lstm":
            streamed = fitted
    rows.append(training_row(panel, "lstm", "windows", options.repeats)[0])
    rows += [origins_row(panel, streamed, options.repeats), live_row(panel, streamed, options.repeats)]
    machine = {"machine": platform.processor() or platform.machine(), "python": platform.python_version()}
    machine["torch"] = torch.__version__
    print(", ".join(f"{key} {value}" for key, value in machine.items()), "one thread", sep=", ")
    print(table(rows))
    if options.json:
        found = [{"what": r.what, "unit": r.unit, "ours": r.ours, "bare": r.bare, "share": r.share} for r in rows]
        options.json.write_text(json.dumps({**machine, "repeats": options.repeats, "rows": found}, indent=1))
    return 0 if rows[0].share >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
