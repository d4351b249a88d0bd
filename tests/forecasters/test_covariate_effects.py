"""Effects of covariates known ahead, which the pretrained network takes off before a forecast and puts back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecast.errors import ForecastError
from forecast.forecasters.covariate_effects import Whitening, fit_effects
from forecast.forecasters.pretrained import Pretrained, load_pretrained
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, last_origins
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, KnownAhead, single_series

HORIZON, SEASON = 6, 7
PROBLEM = Problem(HORIZON, 1, SEASON, lags=2, leads=1)


def days(n=80, seed=0, *, effect=12.0, factor=1.0, series=1):
    """Series with a week, and a promotion of every so many days that adds or multiplies; noise that says nothing."""
    rng = np.random.default_rng(seed)
    t = np.arange(n + 2 * HORIZON)
    promo = (rng.random((series, len(t))) < 0.2).astype(float)
    promo[:, n + 1 : n + 4] = [1.0, 0.0, 1.0]
    noise = rng.normal(size=(series, len(t)))
    level = 100 + 6 * np.sin(2 * np.pi * t / SEASON) + rng.normal(0, 1, (series, len(t))).cumsum(axis=1) * 0.3
    y = (level + rng.normal(0, 1, level.shape)) * factor**promo + effect * promo
    panel = replace(
        single_series(y[:, :n].ravel(), np.tile(t[:n], series), Calendar(freq=None)),
        offsets=np.arange(series + 1) * n,
        ids=tuple(f"s{i}" for i in range(series)),
    )
    values = np.stack([promo, noise], axis=2).reshape(-1, 2)
    channels = (Channel("promo", "future"), Channel("noise", "future"))
    ahead = KnownAhead(values, np.zeros(values.shape, dtype=bool), np.arange(series + 1) * len(t), channels)
    return replace(panel, ahead=ahead), promo


def loop_errors(y, level, season, steps):
    """Errors of the two smoothers one after the other, a step at a time, as `Whitening` starts them."""
    seasonal, phases = [], list(y[:steps])
    for t in range(steps, len(y)):
        seasonal.append(y[t] - phases[t % steps])
        phases[t % steps] += season * (y[t] - phases[t % steps])
    start = min(int(np.ceil(1 / level)), max(len(seasonal) // 4, 1))
    state, errors = np.mean(seasonal[:start]), []
    for value in seasonal[start:]:
        errors.append(value - state)
        state += level * (value - state)
    return np.array(errors)


def test_whitening_is_two_smoothers_one_after_the_other():
    rng = np.random.default_rng(1)
    y, x = rng.normal(size=(2, 60)).cumsum(axis=1)
    moments = Whitening(level=0.3, season=0.2, season_steps=SEASON, log=False).moments(y, x[:, None])
    e, z = (part - part.mean() for part in (loop_errors(one, 0.3, 0.2, SEASON) for one in (y, x)))
    assert moments.rows == len(e)
    assert moments.unit == pytest.approx(e.std())
    assert moments.xy[0] == pytest.approx(e @ z / e.std())
    assert moments.xx[0, 0] == pytest.approx(z @ z)


def test_a_promotion_is_found_and_noise_is_not():
    found, factors = [], []
    for seed in range(20):
        panel, _ = days(60, seed)
        effects = fit_effects(panel, panel.lengths, PROBLEM)
        assert "promo" in effects.names
        spread = effects.encoding.ahead.spread[0]
        now = effects.weights.reshape(4, 2)[1, 0] / spread
        found.append(np.expm1(now) * panel.target.mean() if effects.log else now)
        panel, _ = days(60, seed, effect=0.0, factor=1.3)
        effects = fit_effects(panel, panel.lengths, PROBLEM)
        now = effects.weights.reshape(4, 2)[1, 0] / spread
        factors.append(np.exp(now) if effects.log else 1 + now / panel.target.mean())
    assert np.median(found) == pytest.approx(12.0, rel=0.1)
    assert np.median(factors) == pytest.approx(1.3, rel=0.03)


def test_covariates_that_say_nothing_change_next_to_nothing():
    worse = []
    for seed in range(40):
        panel, _ = days(60 + HORIZON, seed, effect=0.0)
        past = panel.cut(np.array([60]))
        errors = [
            np.abs(
                Pretrained().fit(one, one.lengths, PROBLEM).forecast(one, last_origins(one)).y_hat - panel.target[60:]
            )
            for one in (past, past.target_alone())
        ]
        worse.append(np.log(errors[0].mean() / errors[1].mean()))
    assert np.mean(worse) < 0.02


def test_a_forecast_jumps_where_a_promotion_is_known_and_a_factor_scales():
    panel, promo = days()
    fitted = Pretrained().fit(panel, panel.lengths, PROBLEM)
    assert "promo" in fitted.notes[1]
    with_it = fitted.forecast(panel, last_origins(panel))
    without = replace(
        panel.ahead, values=panel.ahead.values * np.where(np.arange(len(promo[0])) < 80, 1.0, 0.0)[:, None]
    )
    plain = fitted.forecast(replace(panel, ahead=without), last_origins(panel))
    jump = (with_it.y_hat - plain.y_hat)[0]
    on = promo[0, 80 : 80 + HORIZON] == 1
    assert on.any()
    np.testing.assert_allclose(jump[on], 12.0, rtol=0.2)
    assert np.abs(jump[~on]).max(initial=0) < 2
    tenfold = replace(panel, values=panel.values * 10)
    again = Pretrained().fit(tenfold, tenfold.lengths, PROBLEM).forecast(tenfold, last_origins(panel))
    np.testing.assert_allclose(again.quantiles, with_it.quantiles * 10, rtol=1e-4)


def test_effects_are_fitted_on_the_training_split_alone():
    panel, _ = days()
    first = np.array([60])
    before = Pretrained().fit(panel, first, PROBLEM)
    changed = panel.target.copy()
    changed[60:] += 50
    after = Pretrained().fit(replace(panel, values=changed[:, None]), first, PROBLEM)
    np.testing.assert_array_equal(before.effects.weights, after.effects.weights)


def test_series_share_what_is_known_of_them():
    panel, _ = days(30, 3, series=12)
    effects = fit_effects(panel, panel.lengths, PROBLEM)
    now = effects.weights.reshape(12, 4, 2)[:, 1, 0] / effects.encoding.ahead.spread[0]
    now = np.expm1(now) * 100 if effects.log else now
    np.testing.assert_allclose(now, 12.0, rtol=0.3)


def test_row_by_row_it_is_the_same_and_its_memory_goes_on():
    panel, _ = days(series=2)
    fitted = Pretrained().fit(panel, panel.lengths, PROBLEM)
    past = panel.cut(np.array([70, 70]))
    live = fitted.start(past)
    for t in range(70, 76):
        made = live.update(panel.target[[t, 80 + t]])
    here = fitted.forecast(panel, Origins(np.array([0, 1]), np.array([75, 75])))
    np.testing.assert_allclose(made.quantiles, here.quantiles, rtol=1e-4)
    other = fitted.start(past)
    other.remember(live.memory())
    np.testing.assert_array_equal(other.forecast().y_hat, live.forecast().y_hat)
    assert live.known_steps == 80 + 2 * HORIZON - 76
    live.learn(1, {"promo": 1.0, "noise": 0.0})
    live.learn(2, {"promo": 1.0, "noise": 0.0})
    assert not np.array_equal(other.forecast().y_hat, live.forecast().y_hat)
    alone = fitted.of_series(1)
    one = panel.take(np.array([1]))
    np.testing.assert_allclose(
        alone.forecast(one, last_origins(one)).y_hat[0], fitted.forecast(panel, last_origins(panel)).y_hat[1], rtol=1e-5
    )


def test_saved_arrays_make_the_same_forecasts_and_others_are_refused():
    panel, _ = days()
    fitted = Pretrained().fit(panel, panel.lengths, PROBLEM)
    channels, tensors = (*panel.channels, *panel.ahead.channels), fitted.tensors()
    again = load_pretrained(Pretrained(), PROBLEM, panel.ids, channels, tensors)
    expected = fitted.forecast(panel, last_origins(panel)).quantiles
    np.testing.assert_array_equal(again.forecast(panel, last_origins(panel)).quantiles, expected)
    for wrong in (
        tensors | {"effects.weights": np.zeros((1, 3))},
        tensors | {"effects.more": np.zeros(1)},
        {name: array for name, array in tensors.items() if name != "effects.log"},
        tensors | {"effects.encoding.ahead.centre": np.zeros(5)},
    ):
        with pytest.raises(ForecastError, match="saved array 'effects"):
            load_pretrained(Pretrained(), PROBLEM, panel.ids, channels, wrong)
