"""Networks that forecast symbols: what they promise, and how near they come to the best that there is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from oracles.saved import saved_parts
from oracles.symbols import chain_text, entropy_rate, symbols_panel

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import combined_by, ensemble
from forecast.forecasters.loading import load_network
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings, LstmSettings, MinGruSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, Split, rolling_origins
from forecast.questions.task import forecast_task
from forecast.series.panel import Channel, KnownAhead
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=2, context_steps=9, target_type="symbol")
TRAINING = TrainingSettings(chunk_steps=16, lanes=4, max_epochs=3, accelerator="cpu", threads=1)
WINDOWS = TRAINING.model_copy(update={"regime": "windows", "batches_per_epoch": 5})
LSTM = LstmSettings(hidden_size=4, head="categorical")
PANEL = symbols_panel(chain_text(100), chain_text(130, seed=1))
TRAIN, VALIDATION = np.array([60, 85]), np.array([20, 20])
ORIGINS = Origins(np.repeat([0, 1], [20, 25]), np.concatenate([np.arange(78, 98), np.arange(103, 128)]))

FORECASTERS = {
    "lstm": Recurrent(LSTM, TRAINING),
    "gru": Recurrent(GruSettings(hidden_size=4, layers=2, head="categorical", embedding_size=2), TRAINING),
    "rnn": Recurrent(RnnSettings(hidden_size=4, head="categorical"), TRAINING),
    "mingru": Recurrent(MinGruSettings(hidden_size=4, head="categorical"), TRAINING),
    "windows": Recurrent(LSTM, WINDOWS),
    "ensemble": ensemble(Recurrent(LSTM, TRAINING), 2, combined_by(None, LSTM)),
}
every = pytest.mark.parametrize("name", FORECASTERS)


@cache
def fitted(name):
    return FORECASTERS[name].fit(PANEL.cut(TRAIN + VALIDATION), TRAIN, PROBLEM)


@every
def test_they_are_probabilities(name):
    forecast = fitted(name).forecast(PANEL, ORIGINS)
    assert forecast.probabilities.shape == (len(ORIGINS), 2, 3)
    assert (forecast.probabilities > 0).all()
    np.testing.assert_allclose(forecast.probabilities.sum(axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(forecast.y_hat, forecast.probabilities.argmax(axis=-1))


@every
def test_each_is_made_of_nothing_later(name):
    predicted = fitted(name).forecast(PANEL, ORIGINS).probabilities
    for which in (0, 7, 20, 44):
        origin = ORIGINS[[which]]
        cut = PANEL.cut(np.where(np.arange(2) == origin.series, origin.steps + 1, PANEL.lengths))
        np.testing.assert_allclose(fitted(name).forecast(cut, origin).probabilities[0], predicted[which], rtol=2e-5)


@every
def test_a_network_that_is_saved_says_the_same_again(name):
    members = fitted(name).members
    for one in members:
        again = load_network(one.forecaster, PROBLEM, PANEL.ids, **saved_parts(one, PANEL))
        predicted = again.forecast(PANEL, ORIGINS).probabilities
        np.testing.assert_array_equal(predicted, one.forecast(PANEL, ORIGINS).probabilities)


def test_an_ensemble_says_the_mean_of_its_members():
    together = fitted("ensemble")
    each = [member.forecast(PANEL, ORIGINS).probabilities for member in together.members]
    predicted = together.forecast(PANEL, ORIGINS)
    np.testing.assert_allclose(predicted.probabilities, np.mean(each, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(predicted.members, each)
    assert np.abs(each[0] - each[1]).max() > 1e-4


def test_a_chain_is_learnt_as_well_as_whoever_knows_it_can():
    """Bits a symbol over the test split lie within 2 % of the entropy rate of the chain."""
    panel = symbols_panel(chain_text(8000))
    task = forecast_task(panel, 1, target_type="symbol")
    training = TrainingSettings(max_epochs=30, learning_rate=0.01, accelerator="cpu", threads=1)
    network = Recurrent(GruSettings(hidden_size=16, head="categorical"), training)
    trained = network.fit(panel.cut(task.split.fitted), task.split.train, task.problem)
    origins = rolling_origins(panel, task.split.before_test, panel.lengths, 1)
    outcomes = panel.target[origins.rows(panel) + 1].astype(int)
    probabilities = trained.forecast(panel, origins).probabilities[:, 0]
    known = -np.log2(probabilities[np.arange(len(outcomes)), outcomes]).mean()
    assert known == pytest.approx(entropy_rate(), rel=0.02)


def test_after_h_e_l_l_comes_e_l_l_o():
    panel = symbols_panel("hello" * 60)
    task = forecast_task(panel, 1, target_type="symbol")
    training = TrainingSettings(chunk_steps=20, max_epochs=60, learning_rate=0.02, accelerator="cpu", threads=1)
    trained = Recurrent(RnnSettings(hidden_size=8, head="categorical"), training).fit(
        panel.cut(task.split.fitted), task.split.train, task.problem
    )
    predicted = trained.forecast(panel, Origins(np.zeros(4, dtype=np.int64), np.arange(250, 254)))
    assert [panel.symbols[int(code)] for code in predicted.y_hat[:, 0]] == list("ello")
    assert predicted.probabilities.max(axis=-1).min() > 0.9


def with_bits_ahead(panel):
    known = np.random.default_rng(3).integers(0, 2, (len(panel.target) + 4, 1)).astype(np.float64)
    offsets = panel.offsets + 2 * np.arange(3)
    ahead = KnownAhead(known, np.zeros(known.shape, dtype=np.bool_), offsets, (Channel("bit", "future"),))
    return replace(panel, ahead=ahead)


def test_where_the_symbols_before_are_not_read_they_change_nothing():
    panel = with_bits_ahead(PANEL)
    settings = LstmSettings(hidden_size=4, head="categorical", autoregressive=False)
    # bits are noise: with a validation split the network would rightly stay untrained
    trained = Recurrent(settings, TRAINING).fit(panel.cut(TRAIN), TRAIN, PROBLEM)
    predicted = trained.forecast(panel, ORIGINS).probabilities
    other = replace(panel, values=2.0 - panel.values)
    np.testing.assert_array_equal(trained.forecast(other, ORIGINS).probabilities, predicted)
    assert np.abs(predicted - predicted[:1]).max() > 1e-6  # the bits do


def test_whole_series_train_and_others_validate():
    """A series of which no step is trained, as in a split over series."""
    panel = symbols_panel(chain_text(90), chain_text(80, 1), chain_text(70, 2))
    split = Split(np.array([90, 0, 0]), np.array([0, 80, 0]))
    trained = Recurrent(LSTM, TRAINING).fit(panel.cut(split.fitted), split.train, PROBLEM)
    origins = rolling_origins(panel, split.fitted, panel.lengths, 2)
    assert set(origins.series) == {2}
    assert origins.steps[0] == 0
    assert np.isfinite(trained.forecast(panel, origins).probabilities).all()


def test_a_masked_symbol_is_read_as_the_one_before_with_a_mark():
    masked = np.zeros((230, 1), dtype=np.bool_)
    masked[[0, 40, 150]] = True
    panel = replace(PANEL, masked=masked, observed=~masked)
    trained = Recurrent(LSTM, TRAINING).fit(panel.cut(TRAIN + VALIDATION), TRAIN, PROBLEM)
    hidden = panel.values.copy()
    hidden[masked] = 2.0 - hidden[masked]  # what stands there is not to be read
    predicted = trained.forecast(panel, ORIGINS).probabilities
    np.testing.assert_array_equal(trained.forecast(replace(panel, values=hidden), ORIGINS).probabilities, predicted)


def test_numbers_are_no_symbols():
    with pytest.raises(ForecastError, match="holds numbers"):
        forecast_task(replace(PANEL, channels=(Channel("y", "target"),)), 1, target_type="symbol")


def test_symbols_have_no_season():
    task = forecast_task(PANEL, 1, target_type="symbol")
    assert (task.problem.season_steps, task.season.evidence) == (1, "symbols have none")
    with pytest.raises(ForecastError, match="symbols have no season, found 7"):
        forecast_task(PANEL, 1, target_type="symbol", season_steps=7)
