"""A network over segments is a network like any other: row by row, by windows, saved and opened."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of
from oracles.saved import saved_parts

from forecast.forecasters.loading import load_network
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings, LstmSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, rolling_origins, split_panel
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=5, context_steps=24, season_steps=20)
TRAINING = TrainingSettings(max_epochs=3, batches_per_epoch=8, chunk_steps=50)


def fitted_on(panel, settings, training=TRAINING):
    split = split_panel(panel, 0.15, 0.2, PROBLEM.context_steps, PROBLEM.horizon)
    return Recurrent(settings, training).fit(panel.cut(split.before_test), split.train, PROBLEM), split


@pytest.mark.parametrize("regime", ["stream", "windows"])
@pytest.mark.parametrize("settings", [GruSettings, LstmSettings])
def test_row_by_row_it_forecasts_as_from_the_whole_history(settings, regime):
    panel = panel_of(*(noisy_sine(n, seed=n) + n for n in (300, 420, 280)))
    network = settings(hidden_size=6, segment_steps=7, id_embedding=2)
    fitted, split = fitted_on(panel, network, TRAINING.model_copy(update={"regime": regime}))
    known = split.before_test
    live = fitted.start(panel.cut(known))
    for step in range(20):
        forecast = live.update(panel.target[panel.offsets[:-1] + known + step])
    ends = known + 20
    expected = fitted.forecast(panel.cut(ends), Origins(np.arange(3), ends - 1)).y_hat
    np.testing.assert_allclose(forecast.y_hat, expected, rtol=0, atol=1e-5)


def test_it_learns_what_lies_further_back_than_a_chunk_of_single_steps():
    """Every value is that of 20 steps before, its sign turned: with 5 steps a chunk, a day's segment still sees it."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=2000)
    for t in range(20, len(y)):
        y[t] = -y[t - 20] + 0.1 * rng.normal()
    panel = panel_of(y)
    problem = Problem(horizon=1, context_steps=24)
    split = split_panel(panel, 0.15, 0.2, problem.context_steps, problem.horizon)
    network = GruSettings(hidden_size=32, segment_steps=20, reference="mean")
    fitted = Recurrent(network, TrainingSettings(chunk_steps=5, max_epochs=6)).fit(
        panel.cut(split.before_test), split.train, problem
    )
    origins = rolling_origins(panel, split.before_test, panel.lengths, 1)
    missed = y[origins.rows(panel) + 1] - fitted.forecast(panel, origins).y_hat[:, 0]
    assert np.sqrt(np.mean(missed**2)) < 0.3 * y.std()


def test_what_was_saved_forecasts_the_same():
    panel = panel_of(noisy_sine(300), noisy_sine(250, seed=3))
    fitted, _ = fitted_on(panel, GruSettings(hidden_size=6, segment_steps=7))
    opened = load_network(fitted.forecaster, PROBLEM, panel.ids, **saved_parts(fitted, panel))
    origins = Origins(np.arange(2), panel.lengths - 1)
    np.testing.assert_array_equal(opened.forecast(panel, origins).y_hat, fitted.forecast(panel, origins).y_hat)
