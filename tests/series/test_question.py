from __future__ import annotations

import numpy as np
import pytest

from forecast.errors import ForecastError
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.series.question import ask, context_for


def seasonal(steps=400, season=12):
    rng = np.random.default_rng(0)
    y = np.tile(rng.normal(0, 3, season), steps // season + 1)[:steps] + rng.standard_normal(steps)
    return single_series(y, np.arange(steps), Calendar(freq=None))


def test_what_is_not_said_is_found():
    found = ask(seasonal(), horizon=10)
    assert (found.problem.horizon, found.problem.season_steps, found.problem.context_steps) == (10, 12, 24)
    assert (found.split.train.tolist(), found.split.validation.tolist()) == ([260], [60])


def test_what_is_said_holds():
    found = ask(seasonal(), 10, context_steps=7, season_steps=5, validation=30, test=0.25)
    assert (found.problem.context_steps, found.problem.season_steps) == (7, 5)
    assert (found.split.train.tolist(), found.split.validation.tolist()) == ([270], [30])
    assert found.season.evidence == "given as data.season_steps"


def test_the_season_is_found_without_what_comes_after_training():
    panel = seasonal()
    y = panel.target.copy()
    y[260:] = np.random.default_rng(1).normal(0, 50, 140)
    assert ask(single_series(y, panel.times, panel.calendar), 10).problem.season_steps == 12


@pytest.mark.parametrize(
    ("season_steps", "horizon", "train_steps", "context"),
    [(24, 12, 1000, 48), (1, 20, 1000, 20), (100, 10, 100, 60), (1, 10, 11, 1)],
)
def test_context_is_two_seasons_or_a_horizon_as_far_as_training_goes(season_steps, horizon, train_steps, context):
    assert context_for(season_steps, horizon, train_steps) == context


def test_a_season_as_long_as_training_is_the_users_mistake():
    with pytest.raises(ForecastError, match=r"`data\.season_steps=260` should be less than the training stretch"):
        ask(seasonal(), 10, season_steps=260)
