"""Small panels and forecasters to evaluate; a forecaster here is its own fitted object."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecast.forecasters.interface import Forecasts
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, Split
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, Panel

HORIZON = 4
PROBLEM = Problem(horizon=HORIZON, context_steps=6, season_steps=3)


def a_panel(lengths=(60, 45), seed=0, missing=0.0) -> Panel:
    rng = np.random.default_rng(seed)
    rows = sum(lengths)
    observed = rng.random((rows, 1)) >= missing
    return Panel(
        values=np.where(observed, rng.normal(5.0, 2.0, (rows, 1)), 0.0),
        observed=observed,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([np.arange(n) for n in lengths]).astype("datetime64[D]").astype("datetime64[ns]"),
        ids=tuple(f"s{i}" for i in range(len(lengths))),
        channels=(Channel("y", "target"),),
        calendar=Calendar("D"),
    )


def with_target(panel: Panel, rows: slice, target) -> Panel:
    """The same panel with another target in some rows."""
    y = panel.target.copy()
    y[rows] = target
    return replace(panel, values=y[:, None])


def after_training(panel: Panel, split: Split, factor: float) -> Panel:
    """The same panel with every target after the training split multiplied."""
    for (_, rows), steps in zip(panel.series(), split.train, strict=True):
        later = slice(rows.start + int(steps), rows.stop)
        panel = with_target(panel, later, panel.target[later] * factor)
    return panel


def a_split(panel: Panel, validation=12, test=15) -> Split:
    return Split(train=panel.lengths - validation - test, validation=np.full(len(panel), validation, dtype=np.int64))


@dataclass(frozen=True)
class LastValue:
    """Forecasts the last value plus `bias`."""

    name: str = "naive"
    kind: str = "naive"
    bias: float = 0.0
    notes: tuple[str, ...] = ()

    def fit(self, past: Panel, train_steps, problem: Problem) -> LastValue:
        return self

    def chosen(self) -> LastValue:
        return self

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        last = past.target[origins.rows(past)]
        return Forecasts(np.repeat(last[:, None] + self.bias, HORIZON, axis=1))


@dataclass(frozen=True)
class Raises:
    """Raises `error` when it is fitted or when it forecasts."""

    error: BaseException
    at: str = "fit"
    name: str = "broken"
    kind: str = "network"
    notes: tuple[str, ...] = ()

    def fit(self, past: Panel, train_steps, problem: Problem) -> Raises:
        if self.at == "fit":
            raise self.error
        return self

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        raise self.error


@dataclass(frozen=True)
class Answers:
    """Forecasts a given matrix, whatever it is asked."""

    y_hat: np.ndarray
    name: str = "answers"
    kind: str = "network"
    notes: tuple[str, ...] = ()

    def fit(self, past: Panel, train_steps, problem: Problem) -> Answers:
        return self

    def forecast(self, past: Panel, origins: Origins) -> Forecasts:
        return Forecasts(self.y_hat)
