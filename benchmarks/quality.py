"""Seconds of training until more of it no longer pays, and the error that is reached: this project and libraries.

    python benchmarks/quality.py [--case panel|series] [--budgets 25,50,100,200,400,800] [--json FILE]

Two generated data sets: 400 hourly series of 700 to 960 steps with a day, a week, a drifting level and noise; and one
of 17,420 steps. An LSTM of 64 units, context 168, horizon 24, one thread, MASE. A library trains from nothing for each
number of optimizer steps in `--budgets` (batches of 128 windows) at each of three learning rates; here the epochs of
one training are the budgets, at the default settings alone. The time to quality is the shortest training that ten times
its budget, or the largest one tried, improves by less than 2 % on the validation origin; with that training, and for a
library with the best of its learning rates, the test origin is scored once. Imports and a first warm-up are not timed.
Seconds are the processor's, of one thread, so that other programs on the machine count for nobody.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from libraries import CONTEXT, HIDDEN, HORIZON, QUIET, hushed
from throughput import hourly_series, processor

from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings
from forecast.series.panel import Panel
from forecast.series.problem import Problem
from forecast.series.scaling import fit_scale
from forecast.series.split import Origins
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.series.panel import FloatArray, IntArray
    from forecast.training.callbacks import Epoch

SEASON = 24


@dataclass(frozen=True)
class Point:
    """A training: its budget (optimizer steps or epochs), seconds, and MASE from the two origins."""

    budget: int
    seconds: float
    validation: float
    test: float


@dataclass(frozen=True)
class Found:
    """What came out for one who forecasts: all trainings, and the one that is quick and good enough."""

    who: str
    setting: str
    points: list[Point]
    chosen: Point
    settled: bool

    @property
    def text(self) -> str:
        """A line."""
        end = "" if self.settled else "  (still improving at the largest budget)"
        return f"{self.who:16} {self.setting:14} {self.chosen.seconds:8.1f} s  test MASE {self.chosen.test:.3f}{end}"


def generated_panel(series: int = 400) -> Panel:
    """Series with a day, a week, a drifting level and noise, of 700 to 960 steps."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(700, 961, series)
    parts = []
    for n in lengths:
        t = np.arange(n) + rng.integers(0, 168)
        day, week = rng.uniform(0.5, 2.0), rng.uniform(0.2, 1.0)
        shape = np.sin(2 * np.pi * t / 24 + rng.uniform(0, 6)) + 0.4 * np.sin(4 * np.pi * t / 24 + rng.uniform(0, 6))
        weekly = np.sin(2 * np.pi * t / 168 + rng.uniform(0, 6))
        level = 10 + np.cumsum(rng.normal(size=n)) * 0.05
        parts.append(np.exp(rng.normal()) * (level + day * shape + week * weekly + 0.3 * rng.normal(size=n)))
    y, one = np.concatenate(parts), hourly_series()
    return Panel(
        values=y[:, None],
        observed=np.ones((len(y), 1), dtype=np.bool_),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([np.arange(n) for n in lengths]),
        ids=tuple(f"s{i}" for i in range(series)),
        channels=one.channels,
        calendar=one.calendar,
    )


class Judge:
    """Mean absolute error in units of each series' scale, of one forecast a series from each of two origins."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.train = panel.lengths - 2 * HORIZON
        self.scale = fit_scale(panel, self.train, SEASON)

    def score(self, forecasts: FloatArray, ends: IntArray) -> float:
        """MASE of forecasts after the first `ends[i]` steps of each series, (series, horizon)."""
        rows = (self.panel.offsets[:-1] + ends)[:, None] + np.arange(HORIZON)
        return float(np.mean(np.abs(self.panel.target[rows] - forecasts) / self.scale[:, None]))


def ours(judge: Judge) -> list[Point]:
    """One training; each epoch's weights are judged, beside the time that training takes."""
    points: list[Point] = []
    panel, problem = judge.panel, Problem(horizon=HORIZON, context_steps=CONTEXT, season_steps=SEASON)
    lanes = 64 if len(panel) > 1 else 8
    training = TrainingSettings(threads=1, accelerator="cpu", lanes=lanes, max_epochs=40, refit=False)
    began = time.process_time()
    finished: list[float] = []

    def on_epoch(epoch: Epoch) -> None:
        finished.append(time.process_time() - began)

    known = panel.cut(judge.train + HORIZON)
    settings = LstmSettings(hidden_size=HIDDEN)
    fitted = Recurrent(settings, training, on_epoch=on_epoch).fit(known, judge.train, problem)
    ends = (judge.train, judge.train + HORIZON)
    scores = [
        judge.score(fitted.forecast(panel.cut(end), Origins(np.arange(len(panel)), end - 1)).y_hat, end) for end in ends
    ]
    for epoch, seconds in zip(fitted.history, finished, strict=True):
        points.append(Point(epoch.epoch, seconds, epoch.validation_loss, np.nan))
    kept = points[fitted.epochs - 1]
    points[fitted.epochs - 1] = Point(kept.budget, kept.seconds, kept.validation, scores[1])
    return points


def neuralforecast(judge: Judge, budget: int, rate: float) -> Point:
    """`neuralforecast.models.LSTM`, scaled by window."""
    from neuralforecast import NeuralForecast  # noqa: PLC0415
    from neuralforecast.models import LSTM  # noqa: PLC0415

    model = LSTM(
        h=HORIZON,
        input_size=CONTEXT,
        encoder_n_layers=1,
        encoder_hidden_size=HIDDEN,
        decoder_layers=1,
        decoder_hidden_size=HIDDEN,
        recurrent=False,
        max_steps=budget,
        batch_size=32,
        windows_batch_size=128,
        learning_rate=rate,
        scaler_type="standard",
        val_check_steps=10**6,
        **QUIET,
    )
    fitted = NeuralForecast(models=[model], freq=1)
    began = time.process_time()
    fitted.fit(_frame(judge.panel, judge.train))
    seconds = time.process_time() - began

    def forecast(ends: IntArray) -> FloatArray:
        made = fitted.predict(_frame(judge.panel, ends))
        by_id = {name: part.to_numpy() for name, part in made.groupby("unique_id")["LSTM"]}
        return np.stack([by_id[name] for name in judge.panel.ids])

    return _point(judge, budget, seconds, forecast)


def darts(judge: Judge, budget: int, rate: float) -> Point:
    """`darts.models.BlockRNNModel`, each series standardised by its training stretch."""
    from darts import TimeSeries  # noqa: PLC0415
    from darts.models import BlockRNNModel  # noqa: PLC0415

    model = BlockRNNModel(
        model="LSTM",
        hidden_dim=HIDDEN,
        n_rnn_layers=1,
        input_chunk_length=CONTEXT,
        output_chunk_length=HORIZON,
        batch_size=128,
        n_epochs=1_000,
        random_state=0,
        optimizer_kwargs={"lr": rate},
        pl_trainer_kwargs={"max_steps": budget, **QUIET},
    )
    panel = judge.panel
    known = [panel.target[rows][:end] for (_, rows), end in zip(panel.series(), judge.train, strict=True)]
    centre, spread = (np.array([of(y) for y in known])[:, None] for of in (np.mean, np.std))

    def series(ends: IntArray) -> list[Any]:
        return [
            TimeSeries.from_values(((panel.target[rows][:end] - centre[i]) / spread[i]).astype(np.float32))
            for i, ((_, rows), end) in enumerate(zip(panel.series(), ends, strict=True))
        ]

    trained_on = series(judge.train)
    began = time.process_time()
    model.fit(trained_on)
    seconds = time.process_time() - began

    def forecast(ends: IntArray) -> FloatArray:
        made = model.predict(HORIZON, series=series(ends), verbose=False)
        return np.stack([one.values()[:, 0] for one in made]) * spread + centre

    return _point(judge, budget, seconds, forecast)


LIBRARIES: dict[str, Callable[[Judge, int, float], Point]] = {"neuralforecast": neuralforecast, "darts": darts}


def chosen_of(points: list[Point]) -> tuple[Point, bool]:
    """Return the shortest training that ten times its budget improves by less than 2 %, and whether that was tried."""
    for point in points:
        longer = [p.validation for p in points if point.budget < p.budget <= 10 * point.budget]
        if not longer or min(longer) > 0.98 * point.validation:
            return point, points[-1].budget >= 10 * point.budget
    return points[-1], False


def found_by_library(name: str, judge: Judge, budgets: list[int], rates: list[float]) -> Found:
    """The best of some learning rates, by the validation origin."""
    best: Found | None = None
    with hushed():
        LIBRARIES[name](judge, 2, rates[0])
        for rate in rates:
            points = [LIBRARIES[name](judge, budget, rate) for budget in budgets]
            chosen, settled = chosen_of(points)
            if best is None or chosen.validation < best.chosen.validation:
                best = Found(name, f"rate {rate:g}", points, chosen, settled)
    if best is None:
        raise ValueError("no learning rate to try")
    return best


def found_here(judge: Judge) -> Found:
    """Our training, stopped early: the weights that it keeps are the ones that are judged."""
    points = ours(judge)
    kept = next(point for point in points if not np.isnan(point.test))
    return Found("forecast", "as it comes", points, kept, settled=True)


def main() -> None:
    """Print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=("panel", "series"), default="panel")
    parser.add_argument("--budgets", default="25,50,100,200,400,800")
    parser.add_argument("--rates", default="0.001,0.003,0.01", help="learning rates of the libraries")
    parser.add_argument("--only", help="who to run, with commas; all that are installed if not said")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    judge = Judge(generated_panel() if options.case == "panel" else hourly_series())
    budgets = [int(budget) for budget in options.budgets.split(",")]
    rates = [float(rate) for rate in options.rates.split(",")]
    names = options.only.split(",") if options.only else ["forecast", *LIBRARIES]
    print(f"{options.case}, {processor()}, one thread", flush=True)
    found = []
    for name in names:
        found.append(found_here(judge) if name == "forecast" else found_by_library(name, judge, budgets, rates))
        print(found[-1].text, flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1))


def _point(judge: Judge, budget: int, seconds: float, forecast: Callable[[IntArray], FloatArray]) -> Point:
    ends = (judge.train, judge.train + HORIZON)
    validation, test = (judge.score(forecast(end), end) for end in ends)
    return Point(budget, seconds, validation, test)


def _frame(panel: Panel, ends: IntArray) -> pd.DataFrame:
    cut = panel.cut(ends)
    return pd.DataFrame({"unique_id": np.repeat(cut.ids, cut.lengths), "ds": cut.times, "y": cut.target})


if __name__ == "__main__":
    main()
