from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from forecast.evaluation.leaks import change_after, find_leaks
from forecast.forecasters.interface import Forecasts
from forecast.forecasters.naive import NaiveRule, last_season, last_value, straight_line, window_mean
from forecast.questions.kinds import Problem
from forecast.questions.split import split_panel
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, Panel

PROBLEM = Problem(horizon=3, context_steps=6, season_steps=4)


TARGET = (Channel("y", "target"),)


def make_panel(lengths=(60, 44), positive=False, channels=TARGET):
    rng = np.random.default_rng(1)
    rows = sum(lengths)
    values = rng.normal(size=(rows, len(channels))) + (20.0 if positive else 0.0)
    return Panel(
        values=values,
        observed=np.ones_like(values, dtype=bool),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([np.arange(n) for n in lengths]),
        ids=tuple(f"s{i}" for i in range(len(lengths))),
        channels=channels,
        calendar=Calendar(freq=None),
    )


def leaks_of(forecaster, panel=None):
    panel = make_panel() if panel is None else panel
    split = split_panel(panel, 0.15, 0.2, 6, 3)
    fitted = forecaster.fit(panel.cut(split.before_test), split.train, PROBLEM)
    return find_leaks({forecaster.name: fitted}, panel, split, PROBLEM)


@dataclass(frozen=True)
class Peeking:
    """Reads `ahead` steps beyond each origin."""

    ahead: int
    weight: float = 1.0
    name: str = "peeking"
    kind: str = "naive"
    notes: tuple[str, ...] = ()

    def fit(self, past, train_steps, problem):
        return self

    def forecast(self, past, origins):
        rows = np.minimum(origins.rows(past) + self.ahead, past.offsets[origins.series + 1] - 1)
        y = past.target[origins.rows(past)] + self.weight * past.target[rows]
        return Forecasts(np.repeat(y[:, None], 3, axis=1))


@dataclass(frozen=True)
class Centring(Peeking):
    """Subtracts the mean of all that it is given: a scaler fitted on the whole series."""

    def forecast(self, past, origins):
        mean = np.array([past.target[rows].mean() for _, rows in past.series()])
        y = 0.5 * past.target[origins.rows(past)] + 0.5 * mean[origins.series]
        return Forecasts(np.repeat(y[:, None], 3, axis=1))


@dataclass(frozen=True)
class Counting(Peeking):
    """Reads nothing of the future but how long it is."""

    def forecast(self, past, origins):
        left = past.lengths[origins.series] - origins.steps
        return Forecasts(np.repeat(left[:, None].astype(float), 3, axis=1))


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize(
    "honest",
    [
        NaiveRule("naive", last_value),
        NaiveRule("season", last_season),
        NaiveRule("drift", straight_line),
        window_mean(),
    ],
    ids=lambda forecaster: forecaster.name,
)
def test_an_honest_forecaster_does_not_move(honest, positive):
    assert leaks_of(honest, make_panel(positive=positive)) == ()


@pytest.mark.parametrize(
    "leaking", [Peeking(1), Peeking(3), Peeking(1, weight=1e-3), Centring(0), Counting(0)], ids=repr
)
def test_a_leaking_forecaster_is_found(leaking):
    (leak,) = leaks_of(leaking)
    assert leak.model == "peeking"
    assert leak.by > 0


def test_a_leak_in_one_series_alone_is_found_and_named():
    @dataclass(frozen=True)
    class Second(Peeking):
        def forecast(self, past, origins):
            honest = Peeking(0).forecast(past, origins).y_hat
            peeked = Peeking(1).forecast(past, origins).y_hat
            return Forecasts(np.where(origins.series[:, None] == 1, peeked, honest))

    (leak,) = leaks_of(Second(0))
    assert leak.unique_id == "s1"


def test_a_forecast_that_becomes_nan_has_moved():
    @dataclass(frozen=True)
    class Nan(Peeking):
        def forecast(self, past, origins):
            y = np.zeros((len(origins), 3))
            return Forecasts(
                y if len(past.target) == 104 and past.target[-1] == make_panel().target[-1] else y * np.nan
            )

    assert len(leaks_of(Nan(0))) == 1


def test_only_what_is_not_known_ahead_is_changed():
    channels = (Channel("y", "target"), Channel("x", "past"), Channel("price", "future"), Channel("shop", "static"))
    panel = make_panel(channels=channels)
    known = np.array([50, 0])
    changed = change_after(panel, known, seed=0)
    moved = changed.values != panel.values
    assert not moved[:50].any()
    assert moved[50:, :2].all()
    assert not moved[:, 2:].any()
    np.testing.assert_array_equal(panel.values, make_panel(channels=channels).values)


def test_positive_values_stay_positive_and_every_value_changes():
    panel = make_panel(positive=True)
    changed = change_after(panel, panel.lengths - 10, seed=0)
    assert (changed.target > 0).all()
    assert np.sum(changed.target != panel.target) == 20
    constant = replace(panel, values=np.zeros_like(panel.values))
    assert np.sum(change_after(constant, panel.lengths - 10, seed=0).target != 0) == 20


def test_categories_stay_categories_when_the_future_is_changed():
    """A place that no category has would be a fault of the tripwire's, and not of the forecaster's."""
    sky = Channel("sky", "past", ("sun", "rain", "fog"))
    panel = make_panel(channels=(*TARGET, sky))
    codes = np.random.default_rng(2).integers(0, 3, len(panel.times)).astype(float)
    panel = replace(panel, values=np.column_stack([panel.target, codes]))
    changed = change_after(panel, panel.lengths - 10, seed=0).values[:, 1]
    later = np.concatenate([np.arange(50, 60), np.arange(94, 104)])
    assert set(changed) <= {0.0, 1.0, 2.0}
    assert (changed[later] != codes[later]).sum() > 5
    np.testing.assert_array_equal(np.delete(changed, later), np.delete(codes, later))
