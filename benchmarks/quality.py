"""Seconds of training until more of it no longer pays, and the error that is reached: this project and libraries.

    python benchmarks/quality.py [--case panel|series] [--budgets 25,50,100,200,400,800] [--json FILE]

Two generated data sets: 400 hourly series of 700 to 960 steps with a day, a week, a drifting level and noise, judged
from one origin each; and one of 17,420 steps, judged from 50 origins a day apart. An LSTM of 64 units, context 168,
horizon 24, one thread, MASE. A library trains from nothing for each number of optimizer steps in `--budgets` (batches
of 128 windows) at each of three learning rates; here the epochs of one training are the budgets, at the default
settings but for the reference (the best of three). The time to quality is the shortest training that ten times its
budget, or the largest one tried, improves by less than 2 % on validation; with that training, and for a library with
the best of its learning rates, the test origins are scored once. Imports and a first warm-up are not timed. Seconds
are the processor's, of one thread, so that other programs on the machine count for nobody.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from libraries import CONTEXT, HIDDEN, HORIZON, block_rnn, hushed, neural_forecast
from throughput import hourly_series, processor

from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import LstmSettings, ReferenceName
from forecast.series.panel import Panel
from forecast.series.problem import Problem
from forecast.series.scaling import fit_scale
from forecast.series.split import Origins
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.series.panel import FloatArray, IntArray
    from forecast.training.history import Epoch

SEASON = 24
REFERENCES: tuple[ReferenceName, ...] = ("auto", "mean", "last")


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
        end = "" if self.settled else "  (ten times as long was not tried)"
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
    """Mean absolute error in units of each series' scale, on a validation and a test stretch of so many days."""

    def __init__(self, panel: Panel, days: int) -> None:
        self.panel = panel
        self.days = days
        self.train = panel.lengths - 2 * days * HORIZON
        self.scale = fit_scale(panel, self.train, SEASON)

    def stretches(self) -> list[tuple[slice, int]]:
        """Rows of each series, and how many of them are trained on."""
        return [(rows, int(end)) for (_, rows), end in zip(self.panel.series(), self.train, strict=True)]

    def origins(self, stretch: int) -> Origins:
        """Origins of the validation stretch (0) or the test stretch (1), a day apart."""
        steps = self.train[:, None] + (stretch * self.days + np.arange(self.days)) * HORIZON - 1
        return Origins(np.repeat(np.arange(len(self.panel)), self.days), steps.reshape(-1))

    def pasts(self, origins: Origins) -> list[FloatArray]:
        """What is known at each of them."""
        first = self.panel.offsets[origins.series]
        return [self.panel.target[start : start + step + 1] for start, step in zip(first, origins.steps, strict=True)]

    def score(self, forecasts: FloatArray, origins: Origins) -> float:
        """MASE of forecasts, (origin, horizon)."""
        rows = origins.rows(self.panel)[:, None] + np.arange(1, HORIZON + 1)
        return float(np.mean(np.abs(self.panel.target[rows] - forecasts) / self.scale[origins.series][:, None]))


def ours(judge: Judge, reference: ReferenceName) -> Found:
    """One training, each of whose epochs is a budget; as many epochs as are chosen once more, for the test."""
    problem = Problem(horizon=HORIZON, context_steps=CONTEXT, season_steps=SEASON)
    training = TrainingSettings(threads=1, accelerator="cpu", refit=False)
    known = judge.panel.cut(judge.train + judge.days * HORIZON)
    began, finished = time.process_time(), []

    def on_epoch(epoch: Epoch) -> None:
        finished.append(time.process_time() - began)

    forecaster = Recurrent(LstmSettings(hidden_size=HIDDEN, reference=reference), training, on_epoch=on_epoch)
    history = forecaster.fit(known, judge.train, problem).history
    points = [
        Point(epoch.epoch, seconds, epoch.validation_loss, np.nan)
        for epoch, seconds in zip(history, finished, strict=True)
    ]
    chosen, settled = chosen_of(points)
    rates = tuple(epoch.learning_rate for epoch in history[: chosen.budget])
    again = replace(forecaster, on_epoch=None, learning_rates=rates).fit(known, judge.train, problem)
    origins = judge.origins(1)
    test = judge.score(again.forecast(judge.panel, origins).y_hat, origins)
    return Found("forecast", f"reference {reference}", points, replace(chosen, test=test), settled)


def neuralforecast(judge: Judge, budget: int, rate: float) -> Point:
    """`neuralforecast.models.LSTM`, scaled by window."""
    fitted = neural_forecast(
        max_steps=budget, batch_size=32, windows_batch_size=128, learning_rate=rate, scaler_type="standard"
    )
    began = time.process_time()
    fitted.fit(_frame([judge.panel.target[rows][:end] for rows, end in judge.stretches()]))
    seconds = time.process_time() - began

    def forecast(origins: Origins) -> FloatArray:
        made = fitted.predict(_frame([past[-2 * CONTEXT :] for past in judge.pasts(origins)]))
        by_id = {name: part.to_numpy() for name, part in made.groupby("unique_id")["LSTM"]}
        return np.stack([by_id[name] for name in range(len(by_id))])

    return _point(judge, budget, seconds, forecast)


def darts(judge: Judge, budget: int, rate: float) -> Point:
    """`darts.models.BlockRNNModel`, each series standardised by its training stretch."""
    from darts import TimeSeries  # noqa: PLC0415

    model = block_rnn(budget, batch_size=128, optimizer_kwargs={"lr": rate})
    known = [judge.panel.target[rows][:end] for rows, end in judge.stretches()]
    centre, spread = (np.array([of(y) for y in known]) for of in (np.mean, np.std))

    def scaled(values: list[FloatArray], series: IntArray) -> list[Any]:
        numbers = ((y - centre[i]) / spread[i] for y, i in zip(values, series, strict=True))
        return [TimeSeries.from_values(y.astype(np.float32)) for y in numbers]

    trained_on = scaled(known, np.arange(len(known)))
    began = time.process_time()
    model.fit(trained_on)
    seconds = time.process_time() - began

    def forecast(origins: Origins) -> FloatArray:
        pasts = [past[-2 * CONTEXT :] for past in judge.pasts(origins)]
        made = model.predict(HORIZON, series=scaled(pasts, origins.series), verbose=False)
        unit, level = spread[origins.series][:, None], centre[origins.series][:, None]
        return np.stack([one.values()[:, 0] for one in made]) * unit + level

    return _point(judge, budget, seconds, forecast)


LIBRARIES: dict[str, Callable[[Judge, int, float], Point]] = {"neuralforecast": neuralforecast, "darts": darts}


def chosen_of(points: list[Point]) -> tuple[Point, bool]:
    """Return the shortest training that ten times its budget improves by less than 2 %, and whether that was tried."""
    for point in points:
        longer = [p.validation for p in points if point.budget < p.budget <= 10 * point.budget]
        if not longer or min(longer) > 0.98 * point.validation:
            return point, points[-1].budget >= 10 * point.budget
    return points[-1], False


def found_here(judge: Judge) -> Found:
    """The best of three references, by the validation origins."""
    return min((ours(judge, reference) for reference in REFERENCES), key=lambda one: one.chosen.validation)


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
    judge = Judge(generated_panel(), 1) if options.case == "panel" else Judge(hourly_series(), 50)
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


def _point(judge: Judge, budget: int, seconds: float, forecast: Callable[[Origins], FloatArray]) -> Point:
    validation, test = (judge.score(forecast(origins), origins) for origins in map(judge.origins, (0, 1)))
    return Point(budget, seconds, validation, test)


def _frame(series: list[FloatArray]) -> pd.DataFrame:
    lengths = [len(y) for y in series]
    times = np.concatenate([np.arange(n) for n in lengths])
    return pd.DataFrame(
        {"unique_id": np.repeat(np.arange(len(series)), lengths), "ds": times, "y": np.concatenate(series)}
    )


if __name__ == "__main__":
    main()
