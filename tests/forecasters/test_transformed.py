from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of
from sklearn.linear_model import Ridge

from forecast.errors import ForecastError
from forecast.forecasters.interface import Forecasts
from forecast.forecasters.naive import NaiveRule, last_value, straight_line
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.regression import Regression
from forecast.forecasters.transformed import FittedTransformed, Transformed, transformed
from forecast.network.settings import LstmSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=4, context_steps=10, season_steps=1)
DRIFT = NaiveRule("drift", straight_line)


def growing(steps: int = 60):
    noise = np.random.default_rng(2).standard_normal(steps)
    return single_series(np.exp(0.05 * np.arange(steps) + 0.1 * noise), np.arange(steps), Calendar(freq=None))


def test_forecasts_are_the_exponential_of_forecasts_of_the_log():
    panel, train = growing(), np.array([40])
    logged = replace(panel, values=np.log(panel.values))
    origins = Origins(np.zeros(3, dtype=np.int64), np.array([45, 50, 59]))
    for inner in (DRIFT, Regression("ridge", Ridge())):
        manual = np.exp(inner.fit(logged, train, PROBLEM).forecast(logged, origins).y_hat)
        y_hat = Transformed(inner).fit(panel, train, PROBLEM).forecast(panel, origins).y_hat
        np.testing.assert_allclose(y_hat, manual, rtol=1e-12)


def test_drift_of_the_log_goes_on_growing_by_the_same_factor():
    doubling = single_series(2.0 ** np.arange(20), np.arange(20), Calendar(freq=None))
    fitted = transformed(DRIFT, "log").fit(doubling, np.array([20]), PROBLEM)
    y_hat = fitted.forecast(doubling, Origins(np.array([0]), np.array([9]))).y_hat
    np.testing.assert_allclose(y_hat, [[1024, 2048, 4096, 8192]], rtol=1e-12)


def test_name_kind_notes_and_what_was_chosen_are_those_of_the_wrapped_forecaster():
    ridge = Regression("ridge", Ridge(), choose={"alpha": (0.1, 10.0)})
    wrapped = Transformed(ridge)
    assert (wrapped.name, wrapped.kind) == ("ridge", "scikit-learn")
    fitted = wrapped.fit(growing(), np.array([40]), PROBLEM)
    assert fitted.notes == fitted.fitted.notes
    assert len(fitted.notes) == 1
    final = fitted.chosen()
    assert isinstance(final, Transformed)
    assert final.forecaster.choose == {}


def test_none_is_no_wrapper():
    assert transformed(DRIFT, "none") is DRIFT


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_a_target_that_is_not_above_zero_is_named(value):
    panel = growing()
    values = panel.values.copy()
    values[[17, 30]] = value
    bad = replace(panel, values=values)
    said = rf"series 'y' has {value:g} at 17, 2 of 60 values are zero or below: set `data.transform=none`"
    with pytest.raises(ForecastError, match=said):
        Transformed(DRIFT).fit(bad, np.array([40]), PROBLEM)
    dated = replace(bad, times=np.arange(60).astype("datetime64[D]").astype("datetime64[ns]"), calendar=Calendar("D"))
    with pytest.raises(ForecastError, match=rf"has {value:g} at 1970-01-18, 2 of"):
        Transformed(DRIFT).fit(dated, np.array([40]), PROBLEM)
    fitted = Transformed(DRIFT).fit(panel, np.array([40]), PROBLEM)
    with pytest.raises(ForecastError, match="at 17, 2 of"):
        fitted.forecast(bad, Origins(np.array([0]), np.array([59])))


def test_a_forecast_beyond_the_range_of_floats_is_infinite():
    steep = single_series(np.exp(np.array([0.0, 300.0, 600.0])), np.arange(3), Calendar(freq=None))
    fitted = Transformed(DRIFT).fit(steep, np.array([3]), PROBLEM)
    assert fitted.forecast(steep, Origins(np.array([0]), np.array([2]))).y_hat[0, 0] == np.inf


def test_a_network_of_the_log_goes_on_row_by_row_in_the_targets_units():
    panel = panel_of(np.exp(noisy_sine(300)))
    training = TrainingSettings(max_epochs=2)
    problem = Problem(horizon=4, context_steps=24, season_steps=20)
    past = panel.cut(np.array([250]))
    fitted = Transformed(Recurrent(LstmSettings(hidden_size=4, head="gaussian"), training)).fit(
        past, np.array([200]), problem
    )
    live = fitted.start(past)
    for y in panel.target[250:260]:
        forecast = live.update(y)
    expected = fitted.forecast(panel.cut(np.array([260])), Origins(np.array([0]), np.array([259])))
    np.testing.assert_allclose(forecast.y_hat, expected.y_hat, rtol=1e-6)
    np.testing.assert_allclose(forecast.quantiles, expected.quantiles, rtol=1e-5)
    np.testing.assert_allclose(live.forecast().y_hat, expected.y_hat, rtol=1e-6)
    with pytest.raises(ForecastError, match="above zero"):
        live.update(0.0)
    naive = Transformed(NaiveRule("naive", last_value)).fit(past, np.array([200]), problem)
    with pytest.raises(ForecastError, match="only a network"):
        naive.start(past)


def test_quantiles_and_members_come_back_in_the_targets_units():
    panel = growing()

    class Knows:
        def forecast(self, past, origins):
            last = past.target[origins.rows(past)]
            y_hat = np.repeat(last[:, None], 4, axis=1)
            return Forecasts(y_hat, y_hat[:, :, None] + np.arange(-4, 5), members=y_hat[None] + 1)

    predicted = FittedTransformed(Knows()).forecast(panel, Origins(np.array([0]), np.array([50])))
    np.testing.assert_allclose(predicted.quantiles[0, 0], panel.target[50] * np.exp(np.arange(-4.0, 5.0)))
    np.testing.assert_allclose(predicted.members[0, 0], panel.target[50] * np.e)
