"""What time to quality is measured on, and by which error: generated data, or the hourly series of the M4 competition.

Every case has stretches of days: the last of each series are the test, as many before them validate, and whoever
forecasts trains on what lies before these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from m4_hourly import read_rows, scores

from forecast.questions.split import Origins
from forecast.reference.scaling import fit_scale
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, Panel

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.series.panel import FloatArray

SEASON = 24


class Case:
    """Mean absolute error in units of each series' scale (MASE), from origins `horizon` steps apart."""

    measure = "MASE"

    def __init__(self, panel: Panel, days: int, horizon: int = SEASON) -> None:
        self.panel = panel
        self.days = days
        self.horizon = horizon
        self.train = panel.lengths - 2 * days * horizon
        self.scale = fit_scale(panel, self.train, SEASON)

    @property
    def known(self) -> Panel:
        """All but the test."""
        return self.panel.cut(self.train + self.days * self.horizon)

    def parts(self) -> list[FloatArray]:
        """What may be trained on, a series each."""
        return [
            self.panel.target[rows][:end]
            for (_, rows), end in zip(self.panel.series(), self.train.tolist(), strict=True)
        ]

    def origins(self, part: int) -> Origins:
        """Origins of the validation split (0) or the test split (1)."""
        steps = self.train[:, None] + (part * self.days + np.arange(self.days)) * self.horizon - 1
        return Origins(np.repeat(np.arange(len(self.panel)), self.days), steps.reshape(-1))

    def pasts(self, origins: Origins) -> list[FloatArray]:
        """What is known at each of them."""
        first = self.panel.offsets[origins.series]
        return [self.panel.target[start : start + step + 1] for start, step in zip(first, origins.steps, strict=True)]

    def truth(self, origins: Origins) -> FloatArray:
        """What came, (origin, horizon)."""
        truth: FloatArray = self.panel.target[origins.rows(self.panel)[:, None] + np.arange(1, self.horizon + 1)]
        return truth

    def score(self, forecasts: FloatArray, origins: Origins) -> float:
        """Error of forecasts, (origin, horizon)."""
        return float(np.mean(np.abs(self.truth(origins) - forecasts) / self.scale[origins.series][:, None]))


class M4Hourly(Case):
    """The competition's own error, OWA, from one origin of each series."""

    measure = "OWA"

    def __init__(self, train: Path, test: Path) -> None:
        past, after = read_rows(train), read_rows(test)
        horizon = len(next(iter(after.values())))
        super().__init__(_packed([np.concatenate([past[name], after[name]]) for name in past], [*past]), 1, horizon)

    def score(self, forecasts: FloatArray, origins: Origins) -> float:
        """OWA of forecasts, (origin, horizon)."""
        truth, past, made = (
            {self.panel.ids[i]: array for i, array in enumerate(arrays)}
            for arrays in (self.truth(origins), self.pasts(origins), forecasts)
        )
        return scores(truth, past, made)["OWA"]


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
    return _packed(parts, [f"s{i}" for i in range(series)])


def _packed(series: list[FloatArray], names: list[str]) -> Panel:
    lengths = [len(y) for y in series]
    y = np.concatenate(series)
    return Panel(
        values=y[:, None],
        observed=np.ones((len(y), 1), dtype=np.bool_),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([np.arange(n) for n in lengths]),
        ids=tuple(names),
        channels=(Channel("y", "target"),),
        calendar=Calendar(freq=None),
    )
