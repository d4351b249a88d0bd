"""Forecasts from successive origins of one series are those of a backtest that takes every origin."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.evaluation.backtest import fit_all, forecast_all, successive_results
from forecast.forecasters.interface import of_probabilities
from forecast.questions.task import forecast_task
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, single_series

LENGTH, HORIZON = 300, 2


@dataclass(frozen=True)
class Bigram:
    """Counts what followed what in training."""

    name: str = "bigram"
    kind: str = "naive"
    notes: tuple = ()
    shares: object = None

    def fit(self, past, train_steps, problem):
        size = len(past.symbols)
        counts = np.ones((problem.horizon, size, size))
        for (_, rows), steps in zip(past.series(), train_steps, strict=True):
            y = past.target[rows][:steps].astype(int)
            for h in range(problem.horizon):
                np.add.at(counts[h], (y[: -h - 1], y[h + 1 :]), 1)
        return replace(self, shares=counts / counts.sum(axis=-1, keepdims=True))

    def forecast(self, past, origins):
        codes = past.target[origins.rows(past)].astype(int)
        return of_probabilities(self.shares[:, codes].transpose(1, 0, 2))

    def chosen(self):
        return self


def test_they_are_the_first_of_all_origins():
    rng = np.random.default_rng(0)
    ids = ("a", "b")
    one = single_series(np.zeros(LENGTH), np.arange(LENGTH), Calendar(freq=None), "s")
    panel = replace(
        one,
        values=rng.integers(0, 3, (2 * LENGTH, 1)).astype(float),
        observed=np.ones((2 * LENGTH, 1), dtype=bool),
        offsets=np.array([0, LENGTH, 2 * LENGTH]),
        times=np.tile(one.times, 2),
        ids=ids,
        channels=(Channel("s", "target", categories=("x", "y", "z")),),
    )
    asked = forecast_task(panel, HORIZON, target_type="symbol")
    fits = fit_all([Bigram()], panel, asked.split, asked.problem)
    thin = forecast_all(fits, panel, asked.split, asked.problem, stride=7)
    every = forecast_all(fits, panel, asked.split, asked.problem, stride=1).results
    for uid in ids:
        found = successive_results(thin, panel, asked.split, asked.problem, models=["bigram"], uid=uid, most=20)
        expected = every[every["unique_id"] == uid].head(20 * HORIZON).reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected)
    none = successive_results(thin, panel, asked.split, asked.problem, models=["bigram"], uid="c", most=20)
    assert none.columns.tolist() == every.columns.tolist()
    assert none.empty
