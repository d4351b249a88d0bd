"""How much of a bare torch loop's speed arrives at the user: trained windows, forecasts, single rows a second.

    python benchmarks/throughput.py [--repeats 5] [--json FILE] [--at-least 0.75] [--only streamed|forecasts] [--growth]

An hourly series of 17,420 generated steps, one layer of 64 units, context and chunk of 168 steps, horizon 24, 32 lanes,
one thread. The project's training, all of Lightning and callbacks included, the bare loop of `benchmarks/bare.py` with
the same batches and, where they are installed (extra `[bench]`), other libraries (`benchmarks/libraries.py`) take
turns; figures are medians, with the lowest and the highest. With `--growth` also the time of a trained window on series
of 1e5, 1e6 and 1e7 steps.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

import numpy as np
import torch
from bare import Bare, every_origin, stream_epoch, window_epoch
from libraries import Library, hushed, installed, training_rate

from forecast.evaluation.metrics import score
from forecast.evaluation.results import results_table
from forecast.evaluation.scales import fit_scales
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.series.calendar import Calendar
from forecast.series.panel import Panel, draw_windows, single_series, whole_windows, window_rows
from forecast.training.batches import Targets
from forecast.training.data import network_data
from forecast.training.lanes import cut_segments, lane_chunks
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import IntArray

STEPS, LANES, CHUNK, HIDDEN, EPOCHS, BATCHES = 17_420, 32, 168, 64, 2, 50
WALKS_A_TURN = 5
"""Forecasts from every origin before and after which libraries have their turn, which takes them seconds."""

STEPS_TO_WARM_UP = 650_000
"""Steps of training before the timed ones: of so long a training an LSTM is compiled (`[fast]`)."""

PROBLEM = Problem(horizon=24, context_steps=168, season_steps=24)
OURS, BARE = "forecast", "bare loop"
NETWORKS = {"lstm": LstmSettings, "gru": GruSettings, "rnn": RnnSettings}


@dataclass
class Row:
    """A line of the table; figures are counts a second, or microseconds where `unit` says so."""

    what: str
    unit: str
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, who: str, figure: float) -> None:
        """Take one measurement."""
        self.figures.setdefault(who, []).append(figure)

    @property
    def share(self) -> float:
        """Our speed as a share of the bare loop's: the median over the turns, in each of which both had their say."""
        ratios = [ours / bare for ours, bare in zip(self.figures[OURS], self.figures[BARE], strict=True)]
        return statistics.median(1 / ratio if self.unit == "us" else ratio for ratio in ratios)

    @property
    def text(self) -> str:
        """The line."""
        told = [f"{self.what} ({self.unit})"]
        for who, values in self.figures.items():
            median = statistics.median(values)
            told.append(f"    {who:20} {median:>12,.0f}   ({min(values):,.0f} to {max(values):,.0f})")
        if BARE in self.figures:
            told.append(f"    {'share of the bare loop':20} {self.share:>10.2f}")
        return "\n".join(told)


def hourly_series(steps: int = STEPS) -> Panel:
    """Two years of hours, or more, with a day, a week and noise."""
    t = np.arange(steps)
    noise = np.random.default_rng(0).normal(size=steps)
    y = 10 + np.sin(2 * np.pi * t / 24) + 0.5 * np.sin(2 * np.pi * t / 168) + 0.3 * noise
    return single_series(y, t, Calendar(freq=None))


def forecaster(cell: str, regime: Literal["stream", "windows"], batch_size: int) -> Recurrent:
    """A network that trains on all rows: epochs to warm up, and `EPOCHS`."""
    training = TrainingSettings(
        regime=regime,
        lanes=LANES,
        chunk_steps=CHUNK,
        batch_size=batch_size,
        batches_per_epoch=BATCHES,
        threads=1,
        accelerator="cpu",
    )
    settings = NETWORKS[cell](hidden_size=HIDDEN, reference="seasonal")
    epochs = warming(STEPS if regime == "stream" else batch_size * BATCHES * PROBLEM.context_steps) + EPOCHS
    return replace(Recurrent(settings, training), learning_rates=(training.learning_rate,) * epochs)


def warming(steps: int) -> int:
    """Epochs of so many steps that come before those which are timed."""
    return -(-STEPS_TO_WARM_UP // steps)


def epoch_seconds(fitted: FittedNetwork) -> float:
    """Seconds of one of the last epochs."""
    return (fitted.history[-1].seconds - fitted.history[-1 - EPOCHS].seconds) / EPOCHS


def tables(panel: Panel, fitted: FittedNetwork) -> tuple[torch.Tensor, ...]:
    """Inputs, targets and which of these exist, of every row."""
    data = network_data(panel, fitted.reference, fitted.scale, fitted.encoding)
    target, exists = Targets(data, panel.lengths).at(np.arange(STEPS))
    return tuple(
        torch.from_numpy(array) for array in (data.inputs.at(np.arange(STEPS)), target, exists.astype(np.float32))
    )


def training_row(
    panel: Panel,
    cell: str,
    regime: Literal["stream", "windows"],
    repeats: int,
    *,
    batch_size: int = 32,
    libraries: Sequence[Library] = (),
) -> tuple[Row, FittedNetwork]:
    """Our epochs, the bare loop's, and libraries', turn about."""
    rng, starts = np.random.default_rng(0), panel.offsets[:-1]
    if regime == "stream":
        segments = cut_segments(starts, panel.lengths, LANES, CHUNK, CHUNK)
        chunks = lane_chunks(segments, LANES, CHUNK, rng)
        batches: list[Any] = [
            tuple(torch.from_numpy(part) for part in (c.rows, c.inside, c.trained, c.resets)) for c in chunks
        ]
        windows, run, what = STEPS, stream_epoch, f"trained windows, streamed, {cell}"
    else:
        origins = whole_windows(starts, panel.lengths, PROBLEM.context_steps)
        drawn = draw_windows(origins, batch_size, BATCHES, rng)
        batches = [torch.from_numpy(window_rows(part, PROBLEM.context_steps)) for part in drawn]
        windows, run, what = batch_size * BATCHES, window_epoch, f"trained windows, batches of {batch_size}, {cell}"
    row = Row(what, "1/s")
    for _ in range(repeats):
        fitted = forecaster(cell, regime, batch_size).fit(panel, panel.lengths, PROBLEM)
        row.add(OURS, windows / epoch_seconds(fitted))
        net = Bare(cell, fitted.reference.input_size, HIDDEN, PROBLEM.horizon)
        arrays = tables(panel, fitted)
        run(net, *arrays, batches)
        began = time.perf_counter()
        for _ in range(EPOCHS):
            run(net, *arrays, batches)
        row.add(BARE, windows * EPOCHS / (time.perf_counter() - began))
        for library in libraries:
            row.add(library.name, training_rate(library, panel.target, batch_size))
    return row, fitted


def origins_rows(panel: Panel, fitted: FittedNetwork, repeats: int, libraries: Sequence[Library]) -> list[Row]:
    """Forecasts from every origin: of the whole series, and of its last 2,000 steps.

    These with the walk up to them, and with as many steps before them as libraries look back.
    """
    every, last = np.arange(PROBLEM.context_steps - 1, STEPS - PROBLEM.horizon), 2_000
    net = Bare("lstm", fitted.reference.input_size, HIDDEN, PROBLEM.horizon)
    inputs = tables(panel, fitted)[0]
    whole = Row("forecasts from every origin of the series, to arrays", "1/s")
    part = Row("the same of its last 2,000 origins, unrolling from the first step included", "1/s")
    tidy = Row("that split as a scored table", "1/s")
    alone = Row(f"from every origin of a split of {last:,} steps with {PROBLEM.context_steps} before it", "1/s")
    rows = PROBLEM.context_steps + last
    cut = single_series(panel.target[-rows:], np.arange(rows), Calendar(freq=None))
    of_cut = np.arange(PROBLEM.context_steps, rows)
    scales = fit_scales(panel, PROBLEM.season_steps)
    walks = [(whole, panel, every), (alone, cut, of_cut), (part, panel, every[-last:])]

    def ours(row: Row, past: Panel, steps: IntArray) -> None:
        origins = Origins(np.zeros(len(steps), dtype=np.int64), steps)
        began = time.perf_counter()
        forecasts = fitted.forecast(past, origins)
        between = time.perf_counter()
        every_origin(net, inputs[: len(past.target)], int(steps[0]))
        after = time.perf_counter()
        row.add(OURS, len(steps) / (between - began))
        row.add(BARE, len(steps) / (after - between))
        if row is part:
            score(results_table(panel, origins, {"lstm": forecasts}, PROBLEM.horizon), scales)
            tidy.add(OURS, len(steps) / (time.perf_counter() - after + between - began))

    for turn in range(repeats + 1):
        for walk in walks * (WALKS_A_TURN if turn else 1):
            ours(*walk)
        if not turn:  # the first warms up
            for row in (whole, part, alone, tidy):
                row.figures.clear()
            continue
        for library in libraries:
            for rows_of, count in (((whole,), len(every)), ((part, alone), last)):
                with hushed():
                    began = time.perf_counter()
                    made = library.forecast_origins(panel.target, count)
                    rate = made / (time.perf_counter() - began)
                for row in rows_of:
                    row.add(library.name, rate)
    return [whole, part, alone, tidy]


def live_row(panel: Panel, fitted: FittedNetwork, repeats: int, libraries: Sequence[Library]) -> Row:
    """One row in, one forecast out, against `nn.LSTM` on one step and its head."""
    live = fitted.start(panel)
    net = Bare("lstm", fitted.reference.input_size, HIDDEN, PROBLEM.horizon)
    x = torch.zeros(1, 1, fitted.reference.input_size)
    row, count = Row("one row in, one forecast out", "us"), 1_000

    def ours() -> None:
        began = time.perf_counter()
        for _ in range(count):
            live.update(10.0)
        between = time.perf_counter()
        with torch.no_grad():
            state = None
            for _ in range(count):
                output, state = net.core(x, state)
                net.head(output)
        row.add(OURS, (between - began) / count * 1e6)
        row.add("nn.LSTM and its head", (time.perf_counter() - between) / count * 1e6)

    for _ in range(repeats):
        for _ in range(WALKS_A_TURN):
            ours()
        for library in libraries:
            with hushed():
                began = time.perf_counter()
                library.forecast_next(panel.target)
                row.add(library.name, (time.perf_counter() - began) * 1e6)
                for _ in range(WALKS_A_TURN):  # its speed is the machine's, which changes while libraries forecast
                    ours()
    return row


def fit_all(libraries: Sequence[Library], panel: Panel) -> None:
    """Train each as short as can be: what a forecast costs does not hang on how good it is."""
    for library in libraries:
        with hushed():
            library.fit(panel.target, 2, 32)


def growth_row(repeats: int) -> Row:
    """Nanoseconds of an epoch for each trained window, on series of 1e5, 1e6 and 1e7 steps, turn about.

    Of the shorter ones so many epochs are timed that the machine's moods, which last for seconds, are in all.
    """
    row = Row("a trained window of a longer series", "ns")
    settings = LstmSettings(hidden_size=HIDDEN, reference="seasonal")
    training = TrainingSettings(lanes=LANES, chunk_steps=CHUNK, threads=1, accelerator="cpu")
    for _ in range(repeats):
        for steps in (10**5, 10**6, 10**7):
            epochs = max(3 * 10**6 // steps, 1)
            rates = (training.learning_rate,) * (warming(steps) + epochs)
            panel = hourly_series(steps)
            fitted = replace(Recurrent(settings, training), learning_rates=rates).fit(panel, panel.lengths, PROBLEM)
            timed = fitted.history[-1].seconds - fitted.history[-1 - epochs].seconds
            row.add(f"{steps:,} steps", timed / epochs / steps * 1e9)
    return row


def main() -> int:
    """Print the table; 1 where training streams at less than the asked share of the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--at-least", type=float, default=0.0, help="share of the bare loop's speed, streamed LSTM")
    parser.add_argument(
        "--only", choices=("streamed", "forecasts"), help="the streamed LSTM alone, or what it forecasts"
    )
    parser.add_argument(
        "--torch-layers",
        action="store_true",
        help="train with the bare loop's layers, so that only what Lightning and the loaders cost makes a difference",
    )
    parser.add_argument("--growth", action="store_true", help="up to series of 1e7 steps: two minutes each time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    panel, libraries = hourly_series(), installed()
    with patch("forecast.training.fit.compile_lstms") if options.torch_layers else nullcontext():
        streamed_row, streamed = training_row(panel, "lstm", "stream", options.repeats)
    rows = [streamed_row]
    if options.only is None:
        rows += [training_row(panel, cell, "stream", options.repeats)[0] for cell in ("gru", "rnn")]
        for size in (32, 128):
            rows.append(
                training_row(panel, "lstm", "windows", options.repeats, batch_size=size, libraries=libraries)[0]
            )
    if options.only != "streamed":
        if options.only:  # else training has warmed them up, and fitted them
            fit_all(libraries, panel)
        rows += origins_rows(panel, streamed, options.repeats, libraries)
        rows.append(live_row(panel, streamed, options.repeats, libraries))
    if options.growth:
        rows.append(growth_row(options.repeats))
    versions = {name: version(name) for name in ("torch", "numpy", "pytorch-lightning", *map(distribution, libraries))}
    machine = {"machine": processor(), "python": platform.python_version(), **versions, "threads": "1"}
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(*(row.text for row in rows), sep="\n")
    if options.json:
        found = [asdict(row) for row in rows]
        options.json.write_text(json.dumps({**machine, "repeats": options.repeats, "rows": found}, indent=1))
    return 0 if streamed_row.share >= options.at_least else 1


def distribution(library: Library) -> str:
    """The name under which a library is installed."""
    return "u8darts" if library.name == "darts" else library.name


def processor() -> str:
    """What computes, as the system names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
