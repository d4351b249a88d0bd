"""Everything that is asked for the direction: what it promises, what it counts, and how near it comes to the best."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from oracles.panels import autoregression, panel_of, random_walk
from scipy import stats
from sklearn.linear_model import LogisticRegression, Ridge
from test_contract import ORIGINS, PANEL, TRAIN, TRAINING, VALIDATION, WINDOWS, YAMLS, changed_after, settings_of

from forecast.errors import ForecastError
from forecast.evaluation.backtest import forecast_all
from forecast.evaluation.fits import fit_all
from forecast.evaluation.leaks import find_leaks
from forecast.forecasters.baselines import SHIPPED, build_baseline, refusal
from forecast.forecasters.ensemble import combined_by, ensemble
from forecast.forecasters.naive import BaseRate, NaiveRule, UntrainedReference, last_change
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.regression import Regression
from forecast.forecasters.transformed import Transformed, log_target
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import DIRECTION, Problem
from forecast.questions.outcomes import rise_rates
from forecast.questions.split import Origins, Split, rolling_origins
from forecast.questions.task import forecast_task
from forecast.training.settings import TrainingSettings

OF_DIRECTION = tuple(SHIPPED[name] for name in DIRECTION.baselines)

PROBLEM = Problem(horizon=5, context_steps=9, season_steps=4, target_type="direction")
LSTM = LstmSettings(hidden_size=4, head="direction", reference="last")


CHOSEN = [one for one in map(settings_of, YAMLS) if not refusal(one, DIRECTION)]
FORECASTERS = {
    **{one.name: build_baseline(one, seed=0) for one in (*CHOSEN, *OF_DIRECTION)},
    "base_rate": BaseRate(),
    "reference": UntrainedReference(),
    "lstm": Recurrent(LSTM, TRAINING),
    "gru": Recurrent(GruSettings(hidden_size=4, head="direction", reference="blend"), TRAINING),
    "rnn windows": Recurrent(RnnSettings(hidden_size=4, head="direction"), WINDOWS),
    "ensemble": ensemble(Recurrent(LSTM, TRAINING), 2, "mean"),
    "median ensemble": ensemble(Recurrent(LSTM, TRAINING), 3, "median"),
    "log lstm": Transformed(Recurrent(LSTM, TRAINING)),
    "log ridge": Transformed(Regression("ridge", Ridge())),
}
every = pytest.mark.parametrize("name", FORECASTERS)


def fit(forecaster, panel=PANEL):
    return forecaster.fit(panel.cut(TRAIN + VALIDATION), TRAIN, PROBLEM)


@cache
def fitted(name):
    return fit(FORECASTERS[name])


@cache
def forecasts(name):
    return fitted(name).forecast(PANEL, ORIGINS).y_hat


def tolerance(name):
    return 2e-5 if FORECASTERS[name].kind == "network" else 1e-9


@every
def test_they_are_probabilities(name):
    predicted = fitted(name).forecast(PANEL, ORIGINS)
    assert predicted.y_hat.shape == (len(ORIGINS), 5)
    assert predicted.y_hat.dtype == np.float64
    assert ((predicted.y_hat >= 0) & (predicted.y_hat <= 1)).all()
    assert predicted.quantiles is None
    assert all(note and "\n" not in note for note in fitted(name).notes)


@every
def test_nothing_after_an_origin_reaches_its_forecast(name):
    steps = np.array([85, 110])
    early = ORIGINS[ORIGINS.steps < steps[ORIGINS.series]]
    kept = fitted(name).forecast(changed_after(PANEL, steps), early).y_hat
    np.testing.assert_allclose(kept, fitted(name).forecast(PANEL, early).y_hat, atol=tolerance(name))
    cut = fitted(name).forecast(PANEL.cut(early.last_known(2)), early).y_hat
    np.testing.assert_allclose(cut, kept, atol=tolerance(name))


def test_the_tripwire_finds_nothing_and_would_find_a_leak():
    split = Split(TRAIN, VALIDATION)
    assert find_leaks({name: fitted(name) for name in FORECASTERS}, PANEL, split, PROBLEM) == ()

    class Leaking(type(fitted("base_rate"))):
        def forecast(self, past, origins):
            predicted = super().forecast(past, origins)
            return type(predicted)(predicted.y_hat + 1e-3 * np.tanh(past.target[-1] / 100))

    (leak,) = find_leaks({"one": Leaking(BaseRate(), fitted("base_rate").rates)}, PANEL, split, PROBLEM)
    assert leak.model == "one"


@every
def test_what_was_chosen_is_all_that_the_validation_split_decides(name):
    final = fitted(name).chosen()
    elsewhere = fit(final, changed_after(PANEL, TRAIN)).forecast(PANEL, ORIGINS).y_hat
    np.testing.assert_allclose(elsewhere, forecasts(name), atol=tolerance(name))


@every
def test_neither_the_unit_nor_the_level_of_the_data_changes_a_probability(name):
    other = replace(PANEL, values=PANEL.values * 1024.0)
    predicted = fit(FORECASTERS[name], other).forecast(other, ORIGINS).y_hat
    np.testing.assert_allclose(predicted, forecasts(name), atol=1e-4)


def test_the_base_rate_says_what_was_counted():
    np.testing.assert_array_equal(forecasts("base_rate"), np.tile(rise_rates(PANEL, TRAIN, 5), (len(ORIGINS), 1)))


def test_an_untrained_network_is_the_base_rate():
    """A learning rate of next to nothing leaves it where it begins."""
    training = TRAINING.model_copy(update={"learning_rate": 1e-12, "max_epochs": 1})
    for settings in (LSTM, GruSettings(hidden_size=4, head="direction", reference="blend")):
        predicted = fit(Recurrent(settings, training)).forecast(PANEL, ORIGINS).y_hat
        np.testing.assert_allclose(predicted, forecasts("base_rate"), atol=1e-6)


def test_a_rule_is_as_sure_as_it_was_right_in_training():
    y = np.round(random_walk(200, seed=4), 1)
    problem, train = Problem(3, 5, target_type="direction"), np.array([150])
    rule = NaiveRule("momentum", last_change).fit(panel_of(y).cut(train), train, problem)
    cases = {True: [], False: []}
    for t in range(147):
        slope = y[t] - y[t - 1] if t else 0.0
        cases[slope > 0].append([y[t + h] > y[t] for h in (1, 2, 3)])
    for t in (150, 157, 163, 180):
        predicted = rule.forecast(panel_of(y), Origins(np.array([0]), np.array([t]))).y_hat[0]
        np.testing.assert_allclose(predicted, np.mean(cases[bool(y[t] > y[t - 1])], axis=0))


def windows(y, context, horizon, steps):
    rows = np.arange(context - 1, steps - horizon)
    x = np.stack([y[t - context + 1 : t + 1] - y[t] for t in rows])
    return x, np.stack([y[t + 1 : t + horizon + 1] > y[t] for t in rows])


def test_logistic_regression_is_scikit_learn_s_step_by_step():
    y = random_walk(400, seed=8) + 3 * np.sin(np.arange(400))
    problem, train = Problem(3, 6, target_type="direction"), np.array([300])
    ours = build_baseline(OF_DIRECTION[-1].model_copy(update={"choose": {}, "reference": "last"}), 0)
    fitted_ours = ours.fit(panel_of(y), train, problem)
    x, rose = windows(y, 6, 3, 300)
    scale = fitted_ours.differences.scale[0]
    later, _ = windows(y[300:], 6, 3, 100)
    predicted = fitted_ours.forecast(panel_of(y), Origins(np.zeros(92, dtype=int), np.arange(305, 397))).y_hat
    for h in range(3):
        theirs = LogisticRegression(max_iter=1000).fit(x / scale, rose[:, h])
        np.testing.assert_allclose(predicted[: len(later), h], theirs.predict_proba(later / scale)[:92, 1], atol=2e-3)


def test_a_regressor_of_the_outcome_is_cut_off_at_certainty():
    y = np.sin(np.arange(300) * 0.7) * 5
    problem, train = Problem(2, 4, target_type="direction"), np.array([250])
    trained = Regression("ridge", Ridge(1e-6), reference="last").fit(panel_of(y), train, problem)
    x, rose = windows(y, 4, 2, 250)
    scale = trained.differences.scale[0]
    model = Ridge(1e-6).fit(x / scale, rose.astype(float) - 0.5)
    at, _ = windows(y[250:], 4, 2, 50)
    expected = np.clip(model.predict(at / scale) + 0.5, 0, 1)
    forecast = trained.forecast(panel_of(y), Origins(np.zeros(len(at), dtype=int), np.arange(253, 253 + len(at)))).y_hat
    np.testing.assert_allclose(forecast, expected, atol=1e-8)
    assert {0.0, 1.0} & set(forecast.ravel())


def test_a_series_that_only_rises_is_no_fault_of_a_classifier():
    y = np.arange(200.0) ** 1.1
    logistic = build_baseline(OF_DIRECTION[-1], 0).fit(
        panel_of(y), np.array([150]), Problem(2, 4, target_type="direction")
    )
    assert (logistic.forecast(panel_of(y), Origins(np.array([0]), np.array([180]))).y_hat > 0.95).all()


def test_the_direction_of_a_logarithm_is_that_of_the_target():
    predicted = fitted("log lstm").forecast(PANEL, ORIGINS).y_hat
    inner = Recurrent(LSTM, TRAINING).fit(log_target(PANEL.cut(TRAIN + VALIDATION)), TRAIN, PROBLEM)
    np.testing.assert_allclose(predicted, inner.forecast(log_target(PANEL), ORIGINS).y_hat, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn windows", "ensemble", "median ensemble", "log lstm"])
def test_row_by_row_it_says_the_same(name):
    past = PANEL.cut(np.array([100, 100]))
    live = fitted(name).start(past.cut(np.array([90, 90])))
    for step in range(90, 100):
        rows = PANEL.offsets[:-1] + step
        predicted = live.update(np.where(PANEL.masked[rows, 0], np.nan, PANEL.target[rows]))
        origins = Origins(np.array([0, 1]), np.array([step, step]))
        np.testing.assert_allclose(predicted.y_hat, fitted(name).forecast(PANEL, origins).y_hat, atol=1e-5)
    assert predicted.quantiles is None


@pytest.mark.parametrize(("name", "combine"), [("ensemble", np.mean), ("median ensemble", np.median)])
def test_an_ensemble_combines_networks_of_different_seeds(name, combine):
    members = FORECASTERS[name].members
    assert len({member.seed for member in members}) == len(members)
    alone = [fit(member).forecast(PANEL, ORIGINS).y_hat for member in members]
    assert np.abs(alone[0] - alone[1]).max() > 1e-5
    forecast = fitted(name).forecast(PANEL, ORIGINS)
    np.testing.assert_array_equal(forecast.members, alone)
    np.testing.assert_allclose(forecast.y_hat, combine(alone, axis=0), rtol=1e-12)


def test_probabilities_are_averaged_and_values_combined_by_the_median():
    assert combined_by(None, LSTM) == "mean"
    assert combined_by(None, LstmSettings()) == "median"
    assert combined_by("median", LSTM) == "median"


@pytest.mark.parametrize(
    ("settings", "target_type", "said"),
    [
        ({"head": "direction", "strategy": "recursive"}, "direction", r"model\.strategy=recursive"),
        ({"head": "direction", "strategy": "seq2seq"}, "direction", r"model\.strategy=seq2seq"),
        ({"head": "direction", "fork_ensemble": 2}, "direction", r"model\.fork_ensemble=2"),
        ({"head": "direction"}, "value", "asks for the value, and `model.head=direction` answers the direction"),
        ({"head": "gaussian"}, "direction", "asks for the direction, and `model.head=gaussian` answers the value"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, target_type, said):
    network = Recurrent(LstmSettings(**settings), TRAINING)
    with pytest.raises(ForecastError, match=said):
        network.fit(PANEL, TRAIN, Problem(5, 9, 6, target_type))


def test_a_classifier_is_not_asked_for_values():
    with pytest.raises(ForecastError, match="forecasts the direction, and asked for is the value: leave it out"):
        build_baseline(OF_DIRECTION[-1], 0).fit(PANEL, TRAIN, Problem(5, 9, 6))


def test_where_the_direction_is_predictable_it_comes_near_the_best_that_there_is():
    """y_t = 0.5 y_{t-1} + e: y_{t+h} given y_t is normal, so that the probability of a rise is known."""
    phi, horizon = 0.5, 3
    y = autoregression(3000, phi)
    panel = panel_of(y + 50)
    task = forecast_task(panel, horizon, target_type="direction")
    training = TrainingSettings(accelerator="cpu", threads=1, patience=6)
    network = Recurrent(LstmSettings(hidden_size=8, head="direction"), training)
    fits = fit_all([network, BaseRate()], panel, task.split, task.problem)
    results = forecast_all(fits, panel, task.split, task.problem).results
    h = np.arange(1, horizon + 1)
    origins = rolling_origins(panel, task.split.before_test, panel.lengths, horizon)
    known = y[origins.rows(panel)][:, None]
    spread = np.sqrt((1 - phi ** (2 * h)) / (1 - phi**2))
    best = stats.norm.sf((known - known * phi**h) / spread)
    rose = results["y"].to_numpy()[: best.size].reshape(best.shape)
    optimal = np.mean((best - rose) ** 2)
    brier = {name: np.mean((rows["y_hat"] - rows["y"]) ** 2) for name, rows in results.groupby("model", observed=True)}
    assert brier["lstm"] < 1.05 * optimal
    assert brier["base_rate"] > 1.2 * optimal
