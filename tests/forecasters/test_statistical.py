from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from oracles.smoothing import arma_forecast, holt_winters, local_level, smoothed_level, theta_forecast

from forecast.errors import ForecastError
from forecast.evaluation.backtest import backtest
from forecast.forecasters.model_search import SEARCHES, Orders, Task, arima, conditional_fit, differences, find_orders
from forecast.forecasters.naive import NaiveRule, last_season, last_value
from forecast.forecasters.state_space import (
    Estimate,
    Pattern,
    estimate,
    fit_season,
    line_slope,
    moving_mean,
    season_strength,
    smoothing,
    structural,
)
from forecast.forecasters.statistical import Statistical, quietly
from forecast.forecasters.transformed import Transformed
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, Split
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series

METHODS = tuple(SEARCHES)
methods = pytest.mark.parametrize("method", METHODS)


def nothing() -> None:
    pass


def panel_of(y, observed=None):
    panel = single_series(np.where(np.isfinite(y), y, 0.0), np.arange(len(y)), Calendar(freq=None))
    seen = np.isfinite(y) if observed is None else observed
    return replace(panel, observed=seen[:, None])


def fit(method, y, train, problem, **settings):
    steps = np.array([train])
    return Statistical(method, method, **settings).fit(panel_of(y).cut(steps), steps, problem)


def forecast(fitted, y, steps):
    return fitted.forecast(panel_of(y), Origins(np.zeros(len(steps), dtype=np.int64), steps)).y_hat


def made_by(form, params, z, steps, horizon):
    with quietly():
        return Estimate(form, np.asarray(params), 0.0).forecast(z, steps, horizon)


# Forecasts at given parameters, against loops


def test_simple_smoothing_is_that_of_a_loop():
    z = np.random.default_rng(0).standard_normal(200).cumsum()
    steps = np.arange(60, 200)
    y_hat = made_by(smoothing(), [0.35], z, steps, 3)
    expected = smoothed_level(z, 0.35, z[0])[steps]
    np.testing.assert_allclose(y_hat, np.repeat(expected[:, None], 3, axis=1), atol=1e-5)


def test_a_damped_trend_and_a_season_are_those_of_a_loop():
    rng, alpha, below, within, phi = np.random.default_rng(1), 0.4, 0.3, 0.5, 0.9
    t = np.arange(400)
    z = np.sin(2 * np.pi * t / 5) + 0.3 * rng.standard_normal(400) + 0.1 * rng.standard_normal(400).cumsum()
    y_hat = made_by(smoothing("Ad", 5), [alpha, below, within, phi], z, t[300:], 7)
    # From any states: what the first values were is forgotten by then.
    states = (0.0, 0.0, np.zeros(5))
    expected = holt_winters(z, (alpha, alpha * below, (1 - alpha) * within, phi), states, 7)
    np.testing.assert_allclose(y_hat, expected[300:], atol=1e-5)


def test_a_local_level_is_that_of_a_filter_by_hand_and_goes_past_what_is_missing():
    rng = np.random.default_rng(2)
    z = rng.standard_normal(120).cumsum() + rng.standard_normal(120)
    z[[0, 1, 40, 41, 42, 119]] = np.nan
    steps = np.arange(30, 120)
    y_hat = made_by(structural("llevel", 1, 0, 2), np.log([0.8, 0.3]), z, steps, 2)
    expected = local_level(z, 0.8, 0.3, 1e6)[steps]
    np.testing.assert_allclose(y_hat, np.repeat(expected[:, None], 2, axis=1), atol=1e-8)


@pytest.mark.parametrize("d", [0, 1])
def test_arima_is_that_of_a_loop(d):
    rng, phi, theta, mean = np.random.default_rng(3), 0.6, 0.3, 0.5
    errors = rng.standard_normal(301)
    w = np.zeros(301)
    for t in range(1, 301):
        w[t] = phi * w[t - 1] + errors[t] + theta * errors[t - 1]
    z = w + mean if d == 0 else np.concatenate([[0.0], np.cumsum(w + mean)])
    # Unconstrained, as statsmodels has them: Monahan (1984).
    params = [mean * (1 - phi), -phi / np.sqrt(1 - phi**2), theta / np.sqrt(1 - theta**2)]
    form = arima(Orders(1, d, 1, 0, 0, 0, 0, True), np.array(params))
    steps = np.arange(100, 300)
    y_hat = made_by(form, params, z, steps, 6)
    if d == 0:
        expected = arma_forecast(z, phi, theta, mean, 6)[steps]
    else:
        expected = z[steps, None] + np.cumsum(arma_forecast(np.diff(z), phi, theta, mean, 6), axis=1)[steps - 1]
    np.testing.assert_allclose(y_hat, expected, atol=1e-5)


def test_theta_is_the_mean_of_the_line_and_of_smoothing():
    rng = np.random.default_rng(4)
    y = 50 + 0.4 * np.arange(150) + rng.standard_normal(150).cumsum()
    fitted = fit("auto_theta", y, 150, Problem(5, 8, 1))
    model = fitted.models[0]
    with quietly():
        form = smoothing(pattern=Pattern(slope=0.5 * line_slope((y - y[0]) / model.scale)), unscored=3)
        estimated = estimate(form, (y - y[0]) / model.scale, 0, nothing)
        classical = replace(model, estimate=estimated).forecast(y, np.array([149]), 5)
    np.testing.assert_allclose(classical[0], theta_forecast(y, estimated.params[0], 5), rtol=1e-6)
    assert fitted.notes[0].startswith("found by AICc: Theta")


# Estimation


def test_the_smoothing_that_made_the_data_is_found():
    rng = np.random.default_rng(5)
    levels, z = 0.0, []
    for error in rng.standard_normal(3000):
        z.append(levels + error)
        levels += 0.3 * error
    with quietly():
        estimated = estimate(smoothing(unscored=3), np.array(z), 0, nothing)
    assert abs(estimated.params[0] - 0.3) < 0.03


def test_the_search_by_squares_and_the_likelihood_agree():
    rng = np.random.default_rng(6)
    w = np.zeros(2000)
    for t in range(1, 2000):
        w[t] = 0.7 * w[t - 1] + rng.standard_normal()
    orders = Orders(1, 0, 0, 0, 0, 0, 0, False)
    _, params = conditional_fit(w, orders, nothing)
    with quietly():
        exact = estimate(arima(orders, params), w, 0, nothing).params
    phi = [-float(one[0] / np.sqrt(1 + one[0] ** 2)) for one in (params, exact)]
    slope = float(w[:-1] @ w[1:] / (w[:-1] @ w[:-1]))
    np.testing.assert_allclose(phi, slope, atol=2e-3)


def test_differences_follow_the_trend():
    rng = np.random.default_rng(7)
    noise = rng.standard_normal(300)
    with quietly():
        assert [differences(z, 2) for z in (noise, noise.cumsum(), noise.cumsum().cumsum())] == [0, 1, 2]
        assert differences(np.ones(50), 2) == 0


def test_orders_of_a_seasonal_walk_are_found():
    rng = np.random.default_rng(8)
    errors = rng.standard_normal(400)
    z = errors.copy()
    for t in range(7, 400):
        z[t] = z[t - 7] + errors[t]
    with quietly():
        best = find_orders(z, 7, 1, nothing)[0]
    assert best.label.startswith("ARIMA(0,0,0)(0,1,0)[7]")


def test_a_season_is_found_by_its_harmonics():
    t = np.arange(200, 700)
    rng = np.random.default_rng(9)
    truth = 2 * np.cos(2 * np.pi * t / 50) + np.sin(2 * np.pi * 7 * t / 50)
    z = truth + 0.02 * t + 0.1 * rng.standard_normal(500)
    z[100:120] = np.nan
    season = fit_season(z, 200, 50)
    np.testing.assert_array_equal(season.harmonics[:2], [1, 7])
    np.testing.assert_allclose(season.at(t), truth, atol=0.05)
    assert season_strength(z, 200, season) > 0.98
    assert fit_season(0.1 * rng.standard_normal(500), 0, 50).size <= 2
    assert fit_season(z[:60], 200, 50).size == 0
    assert season_strength(z, 200, Pattern()) == 0


def test_the_moving_mean_is_that_of_a_loop():
    z = np.random.default_rng(10).standard_normal(30)
    for steps in (4, 5):
        mean = moving_mean(z, steps)
        for t in range(30):
            if not 2 <= t < 28:
                assert np.isnan(mean[t])
                continue
            inner = z[t - 2 : t + 3].copy()
            inner[[0, 4]] *= 0.5 if steps == 4 else 1
            assert mean[t] == pytest.approx(inner.sum() / steps)
    assert np.isnan(moving_mean(z[:3], 4)).all()


# Whole forecasters, on processes whose best forecast is known


def errors_of(y_hat, y, steps):
    return y_hat - y[steps[:, None] + np.arange(1, y_hat.shape[1] + 1)]


def test_arima_is_within_a_hundredth_of_the_best_for_ar_1():
    rng, phi = np.random.default_rng(11), 0.8
    y = np.zeros(1500)
    for t in range(1, 1500):
        y[t] = phi * y[t - 1] + rng.standard_normal()
    y, steps = 10 + 3 * y, np.arange(1000, 1495)
    y_hat = forecast(fit("auto_arima", y, 1000, Problem(4, 8, 1)), y, steps)
    best = 10 + (y[steps, None] - 10) * phi ** np.arange(1, 5)
    reached, least = (np.mean(errors_of(one, y, steps) ** 2) for one in (y_hat, best))
    assert reached < 1.01 * least


@methods
def test_a_season_and_a_trend_are_learnt(method):
    t = np.arange(240)
    y = 5 + 0.05 * t + 2 * np.sin(2 * np.pi * t / 12) + 0.3 * np.random.default_rng(12).standard_normal(240)
    panel, split = panel_of(y), Split(np.array([160]), np.array([24]))
    models = [Statistical(method, method), NaiveRule("season", last_season), NaiveRule("last", last_value)]
    tested = backtest(models, panel, split, Problem(12, 24, 12))
    assert not tested.failures
    mae = (tested.results.y - tested.results.y_hat).abs().groupby(tested.results.model, observed=True).mean()
    assert mae[method] < 0.85 * mae["season"]  # 0.24 is the noise's own
    assert mae[method] < 0.34


@methods
def test_a_season_longer_than_the_states_is_a_fixed_pattern(method):
    t = np.arange(500)
    y = (
        3 * np.sin(2 * np.pi * t / 48)
        + np.cos(2 * np.pi * t / 24)
        + 0.2 * np.random.default_rng(13).standard_normal(500)
    )
    steps = np.arange(400, 450)
    y_hat = forecast(fit(method, y, 400, Problem(48, 60, 48)), y, steps)
    assert np.abs(errors_of(y_hat, y, steps)).mean() < 0.25


@methods
def test_what_was_not_observed_may_be_anything(method):
    rng = np.random.default_rng(14)
    y = np.sin(np.arange(120) * 2 * np.pi / 6) + 0.1 * rng.standard_normal(120)
    seen = rng.random(120) > 0.15
    seen[:3], problem, steps = False, Problem(4, 8, 6), np.arange(85, 115)
    result = []
    for filling in (0.0, 1e6):
        panel = panel_of(np.where(seen, y, filling), observed=seen)
        fitted = Statistical(method, method).fit(panel.cut(np.array([80])), np.array([80]), problem)
        result.append(fitted.forecast(panel, Origins(np.zeros(30, dtype=np.int64), steps)).y_hat)
    np.testing.assert_array_equal(result[0], result[1])
    assert np.abs(errors_of(result[0], y, steps)).mean() < 0.25


@methods
@pytest.mark.parametrize("y", [np.full(60, 7.0), np.array([3.0, 4.0, 3.5, 5.0]), np.full(20, np.nan)])
def test_too_little_to_learn_from_repeats_the_last_value(method, y):
    fitted = fit(method, y, len(y), Problem(3, 2, 4))
    expected = y[-1] if np.isfinite(y[-1]) else 0.0
    np.testing.assert_array_equal(forecast(fitted, y, np.array([len(y) - 1])), [[expected] * 3])
    assert fitted.notes == ("found by AICc: the last value",)


@methods
def test_no_series_is_too_clean(method):
    t = np.arange(150.0)
    for y, within in ((2 + 0.5 * t, 0.01), (np.sin(2 * np.pi * t / 10), 0.01)):
        steps = np.arange(110, 140)
        y_hat = forecast(fit(method, y, 100, Problem(8, 12, 10)), y, steps)
        assert np.abs(errors_of(y_hat, y, steps)).max() < within


def test_growth_by_a_factor_is_a_trend_of_the_log():
    t = np.arange(150)
    y = np.exp(0.03 * t + 0.02 * np.random.default_rng(15).standard_normal(150))
    steps, problem = np.array([120]), Problem(10, 12, 1)
    fitted = Transformed(Statistical("e", "auto_ets")).fit(panel_of(y[:100]), np.array([100]), problem)
    y_hat = fitted.forecast(panel_of(y), Origins(np.array([0]), steps)).y_hat
    np.testing.assert_allclose(y_hat[0], np.exp(0.03 * t[121:131]), rtol=0.06)


def test_only_the_last_steps_are_estimated_on():
    rng = np.random.default_rng(16)
    y = rng.standard_normal(300).cumsum()
    other = np.concatenate([rng.standard_normal(200), y[200:]])
    fits = [fit("auto_ets", one, 300, Problem(2, 4, 1), max_steps=100) for one in (y, other)]
    labels = [one.models[0].estimate.form.label for one in fits]
    assert labels[0] == labels[1]
    assert fits[0].notes[1] == "estimated on the last 100 of 300 training steps"
    assert fit("auto_ets", y, 100, Problem(2, 4, 1), max_steps=100).notes[1:] == ()


def test_notes_count_the_forms_of_many_series():
    rng = np.random.default_rng(17)
    y = np.concatenate([rng.standard_normal(40).cumsum(), np.full(40, 2.0), np.full(40, 3.0)])
    panel = replace(panel_of(y), offsets=np.array([0, 40, 80, 120]), ids=("a", "b", "c"))
    fitted = Statistical("e", "auto_ets").fit(panel, np.array([40, 40, 40]), Problem(2, 4, 1))
    assert fitted.notes[0].startswith("found by AICc, of 3 series: the last value for 2; ETS(A,")


# What goes wrong becomes the row's reason


def test_a_time_limit_is_the_reason_of_its_row_and_of_no_other():
    y = np.random.default_rng(18).standard_normal(200).cumsum()
    models = [Statistical("slow", "auto_arima", time_limit_s=1e-3), NaiveRule("last", last_value)]
    tested = backtest(models, panel_of(y), Split(np.array([120]), np.array([30])), Problem(3, 6, 1))
    (reason,) = tested.failures.values()
    assert reason == (
        "the time limit of 0.001 s was reached after 0 of 1 series: raise `baseline.slow.time_limit_s`, or lower "
        "`baseline.slow.max_steps`"
    )
    assert tested.of_kind("naive") == ("last",)


def test_without_the_extra_a_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    with pytest.raises(ForecastError, match=r"pip install 'recurrent-forecast\[statistical\]'"):
        fit("kalman", np.arange(30.0), 30, Problem(2, 4, 1))


def test_the_table_of_baselines_does_not_import_statsmodels():
    code = "import sys, forecast.forecasters.baselines; sys.exit('statsmodels' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@methods
def test_warnings_stay_inside(method):
    y = np.concatenate([np.zeros(20), np.random.default_rng(19).standard_normal(30).cumsum() ** 3])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fitted = fit(method, y, 50, Problem(3, 4, 7))
        assert np.isfinite(forecast(fitted, y, np.array([40, 49]))).all()
    assert not said


def test_a_trial_that_raises_ends_the_search():
    def stop():
        raise ForecastError("enough")

    z = np.random.default_rng(20).standard_normal(50)
    for search in SEARCHES.values():
        with quietly(), pytest.raises(ForecastError, match="enough"):
            search(Task(z, 0, 7, stop))
