"""What every forecaster of symbols promises, whatever it counts, fits or trains: baselines, networks and ensembles."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import get_args

import numpy as np
import pytest
from oracles.symbols import markov_text, symbols_panel, with_covariates

from forecast.forecasters.baselines import CLASSIFIERS, SHIPPED, build_baseline
from forecast.forecasters.ensemble import ensemble
from forecast.forecasters.interface import Kind
from forecast.forecasters.naive import SymbolRates
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.settings import ClassifierSettings, NgramSettings
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import SYMBOL, Problem
from forecast.questions.outcomes import symbol_base_rates
from forecast.questions.split import Origins
from forecast.training.settings import TrainingSettings

OF_SYMBOLS = tuple(SHIPPED[name] for name in SYMBOL.baselines)

FAST = {
    "extra_trees": {"n_estimators": 5},
    "hist_gradient_boosting": {"max_iter": 3},
    "mlp": {"max_iter": 5, "hidden_layer_sizes": [8]},
    "random_forest": {"n_estimators": 5},
}
FORECASTERS = {
    "base_rate": SymbolRates(),
    **{one.name: build_baseline(one, seed=0) for one in OF_SYMBOLS},
    "bigram": build_baseline(NgramSettings(name="bigram", method="ngram", order=2), 0),
    **{
        name: build_baseline(
            ClassifierSettings(name=name, method="classifier", classifier=name, params=FAST.get(name, {}), lags=3), 0
        )
        for name in CLASSIFIERS
    },
}
TRAINING = TrainingSettings(chunk_steps=16, lanes=4, max_epochs=2, accelerator="cpu", threads=1)
NETWORKS = {f"network {head}": Recurrent(LstmSettings(hidden_size=4, head=head), TRAINING) for head in SYMBOL.heads}
ENSEMBLES = {"ensemble": ensemble(NETWORKS["network categorical"], 2, "mean")}
FORECASTERS |= NETWORKS | ENSEMBLES
TRAINED = [*NETWORKS, *ENSEMBLES]
CASES = [(name, horizon) for name in FORECASTERS for horizon in ((3,) if name in TRAINED else (1, 3))]
every = pytest.mark.parametrize(("name", "horizon"), CASES)


def make_panel():
    panel = with_covariates(symbols_panel(markov_text(150, 4), markov_text(120, 5).replace("b", "?", 4), "abcd" * 20))
    for array in (panel.values, panel.observed, panel.offsets, panel.times):
        array.setflags(write=False)  # whoever changes what it is handed fails
    return panel


PANEL = make_panel()
TRAIN, VALIDATION = np.array([90, 80, 0]), np.array([30, 20, 60])
ORIGINS = Origins(np.repeat([0, 1, 2], [28, 18, 18]), np.r_[119:147, 99:117, 59:77])


def fit(forecaster, horizon, panel=PANEL):
    return forecaster.fit(panel.cut(TRAIN + VALIDATION), TRAIN, Problem(horizon, 6, target_type="symbol"))


def tolerance(name):
    """Rounding alone: networks calculate in single precision."""
    return 2e-5 if name in TRAINED else 1e-9


@cache
def fitted(name, horizon):
    return fit(FORECASTERS[name], horizon)


@cache
def probabilities(name, horizon):
    return fitted(name, horizon).forecast(PANEL, ORIGINS).probabilities


def changed_after(panel, steps):
    """Other symbols and covariates from step `steps[i]` of every series on."""
    values = panel.values.copy()
    for i, (_, rows) in enumerate(panel.series()):
        rest = values[rows.start + steps[i] : rows.stop]
        rest[:, 0] = 3 - rest[:, 0]
        rest[:, 1] = 2 - rest[:, 1]
        rest[:, 2] += 5
    return replace(panel, values=values)


@every
def test_they_are_chances_and_none_is_zero(name, horizon):
    predicted = fitted(name, horizon).forecast(PANEL, ORIGINS)
    assert predicted.probabilities.shape == (len(ORIGINS), horizon, 4)
    assert predicted.probabilities.dtype == np.float64
    assert (predicted.probabilities > 0).all()
    np.testing.assert_allclose(predicted.probabilities.sum(axis=-1), 1, rtol=1e-12)
    np.testing.assert_array_equal(predicted.y_hat, predicted.probabilities.argmax(axis=-1))
    assert FORECASTERS[name].kind in get_args(Kind)
    assert FORECASTERS[name].name == name or name in TRAINED
    notes = fitted(name, horizon).notes
    assert isinstance(notes, tuple)
    assert all(note and "\n" not in note for note in notes)


@every
def test_nothing_after_an_origin_reaches_its_chances(name, horizon):
    for i in (0, 9, 27, 28, 45, 46, 63):
        origin = ORIGINS[i : i + 1]
        known = origin.last_known(len(PANEL))
        for other in (PANEL.cut(known), changed_after(PANEL, known)):
            predicted = fitted(name, horizon).forecast(other, origin).probabilities
            np.testing.assert_allclose(predicted, probabilities(name, horizon)[i : i + 1], rtol=tolerance(name))


@every
def test_neither_forecasting_nor_the_other_origins_change_anything(name, horizon):
    before = probabilities(name, horizon)
    fitted(name, horizon).forecast(changed_after(PANEL, np.array([30, 30, 30])), ORIGINS[5:9])
    order = np.random.default_rng(0).permutation(len(ORIGINS))
    again = fitted(name, horizon).forecast(PANEL, ORIGINS[order]).probabilities
    np.testing.assert_allclose(again, before[order], rtol=tolerance(name))
    np.testing.assert_array_equal(fit(FORECASTERS[name], horizon).forecast(PANEL, ORIGINS).probabilities, before)


def test_each_member_of_an_ensemble_is_the_network_of_its_own_seed():
    members = FORECASTERS["ensemble"].members
    assert len({member.seed for member in members}) == len(members)
    alone = [fit(member, 3).forecast(PANEL, ORIGINS).probabilities for member in members]
    assert np.abs(alone[0] - alone[1]).max() > 1e-4
    forecast = fitted("ensemble", 3).forecast(PANEL, ORIGINS)
    np.testing.assert_array_equal(forecast.members, alone)
    np.testing.assert_allclose(forecast.probabilities, (alone[0] + alone[1]) / 2, rtol=1e-12)


@every
def test_no_origin_gives_no_forecast(name, horizon):
    none = Origins(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert fitted(name, horizon).forecast(PANEL, none).probabilities.shape == (0, horizon, 4)


@every
def test_what_was_chosen_is_all_that_the_validation_split_decides(name, horizon):
    final = fitted(name, horizon).chosen()
    assert (final.name, final.kind) == (FORECASTERS[name].name, FORECASTERS[name].kind)
    elsewhere = fit(final, horizon, changed_after(PANEL, TRAIN)).forecast(PANEL, ORIGINS).probabilities
    np.testing.assert_allclose(elsewhere, probabilities(name, horizon), rtol=tolerance(name))
    on_all = final.fit(PANEL, PANEL.lengths, Problem(horizon, 6, target_type="symbol"))
    forecast = on_all.forecast(PANEL, Origins(np.arange(3), PANEL.lengths - 1)).probabilities
    assert forecast.shape == (3, horizon, 4)
    assert (forecast > 0).all()


@every
def test_a_symbol_that_training_has_not_seen_is_no_impossibility(name, horizon):
    panel = replace(PANEL, channels=(replace(PANEL.channels[0], categories=tuple("abcdefgh")), *PANEL.channels[1:]))
    predicted = fit(FORECASTERS[name], horizon, panel).forecast(panel, ORIGINS).probabilities
    assert predicted.shape[-1] == 8
    assert (predicted > 0).all()
    assert (predicted[..., 4:] < 0.05).all()


def test_the_base_rate_says_what_was_counted():
    rates = symbol_base_rates(PANEL, TRAIN, 3, 4)
    np.testing.assert_array_equal(probabilities("base_rate", 3), np.tile(rates, (len(ORIGINS), 1, 1)))
    likeliest = int(rates[0].argmax())
    share = f"{100 * rates[0, likeliest]:.1f} %"
    (note,) = fitted("base_rate", 3).notes
    assert note == f"the likeliest of 4 symbols in training is {'abcd'[likeliest]!r}, with {share}"


def test_where_the_next_symbol_follows_from_the_last_two_they_know_more_than_the_base_rate():
    panel, train = symbols_panel(markov_text(3000, 7)), np.array([2000])
    origins = Origins(np.zeros(499, dtype=int), np.arange(2499, 2998))
    outcomes = panel.target[origins.steps + 1].astype(int)
    bits = {}
    for name in ("base_rate", "bigram", "trigram", "ngram", "softmax"):
        trained = FORECASTERS[name].fit(panel.cut(np.array([2500])), train, Problem(1, 6, target_type="symbol"))
        bits[name] = -np.log2(trained.forecast(panel, origins).probabilities[np.arange(499), 0, outcomes]).mean()
    assert bits["trigram"] == bits["ngram"] < bits["softmax"] < bits["bigram"] < bits["base_rate"]
