"""The regression on the calendar, on daily sales whose every effect is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.anomalies import find_anomalies
from forecast.evaluation.effects import effects_of
from forecast.forecasters.calendar_regression import CalendarRegression
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, Split, last_origins
from forecast.reference.calendar_regression import Plan, design_of, normal_equations
from forecast.series.calendar import Calendar
from forecast.series.date_features import public_holidays, with_features
from forecast.series.panel import Channel, KnownAhead, single_series
from forecast.training.settings import TrainingSettings

STEPS, HORIZON = 1000, 14
PROBLEM = Problem(HORIZON, context_steps=14, season_steps=7, lags=1, leads=0)
DAYS = pd.date_range("2022-01-01", periods=STEPS + HORIZON)
WEEK = np.array([0.0, -0.1, -0.05, 0.05, 0.1, 0.3, -0.3])
PROMOTION, AFTER, HOLIDAY, EVE = 0.3, -0.1, -0.6, 0.25


def sales(*, log: bool, noise=0.03, seed=0):
    """Days of sales around 500: trend with a bend, week, year, holidays with their eves, a promotion with its echo."""
    rng = np.random.default_rng(seed)
    t = np.arange(STEPS + HORIZON)
    promotion = (rng.random(len(t)) < 0.3).astype(float)
    free = public_holidays(DAYS.to_numpy().astype("datetime64[ns]"), "DE")
    on = np.array([day.date() in free for day in DAYS])
    eve = np.array([(day + pd.Timedelta(days=1)).date() in free for day in DAYS])
    parts = 0.0004 * t - 0.0007 * np.maximum(t - 500, 0) + WEEK[DAYS.day_of_week]
    parts += 0.2 * np.sin(2 * np.pi * DAYS.day_of_year.to_numpy() / 365.25)
    parts += PROMOTION * promotion + AFTER * np.concatenate([[0.0], promotion[:-1]]) + HOLIDAY * on + EVE * (eve & ~on)
    parts += noise * rng.standard_normal(len(t))
    y = 500 * (np.exp(parts) if log else 1 + parts)
    panel = single_series(y[:STEPS], DAYS[:STEPS].to_numpy().astype("datetime64[ns]"), Calendar("D"))
    hidden = np.zeros((len(t), 1), dtype=bool)
    known = KnownAhead(promotion[:, None], hidden, np.array([0, len(t)]), (Channel("promotion", "future"),))
    return with_features(replace(panel, ahead=known), ("weekday", "holidays DE"), HORIZON), y


@pytest.fixture(name="fitted", scope="module", params=[True, False], ids=["factors", "sums"])
def fit(request):
    panel, y = sales(log=request.param)
    chosen = CalendarRegression("c").fit(panel.cut(np.array([900])), np.array([760]), PROBLEM).chosen()
    return request.param, chosen.fit(panel, panel.lengths, PROBLEM), panel, y


def test_values_or_logarithms_and_the_year_are_chosen_on_validation(fitted):
    log, final, _, _ = fitted
    assert (final.plan.log, final.plan.year) == (log, True)
    assert final.chosen().plan == final.plan
    assert ("of the logarithm" in final.notes[0]) == log


def test_effects_of_promotion_and_holidays_are_recovered_within_5_percent(fitted):
    log, final, panel, _ = fitted
    unit = 1.0 if log else 500.0
    weights, spread = final.fits[0].by_column, panel.ahead.values[:STEPS, 0].std()
    assert weights["covariate", "promotion"] / spread == pytest.approx(PROMOTION * unit, rel=0.05)
    assert weights["covariate", "promotion, 1 after"] / spread == pytest.approx(AFTER * unit, rel=0.05)
    for name in ("Ascension Day", "Labor Day", "German Unity Day"):
        effect = weights["holidays", "any holiday"] + weights["holidays", name]
        assert effect == pytest.approx(HOLIDAY * unit, rel=0.05)
        eve = weights["holidays", "any holiday, the day before"] + weights["holidays", f"{name}, the day before"]
        assert eve == pytest.approx(EVE * unit, rel=0.15)  # a day that there was two or three times


def test_the_days_to_come_are_forecast_to_within_the_noise(fitted):
    _, final, panel, y = fitted
    y_hat = final.forecast(panel, last_origins(panel)).y_hat[0]
    assert np.abs(y_hat / y[STEPS:] - 1).mean() < 0.05


def test_each_effect_stands_with_sign_unit_factor_and_interval(fitted):
    log, final, panel, y = fitted
    split = Split(np.array([760]), np.array([140]))
    table = effects_of({"c": final}, panel, split).set_index(["part", "name"])
    promotion, holiday = table.loc[("covariate", "promotion")], table.loc[("holidays", "Ascension Day")]
    level = np.exp(np.log(y[:STEPS]).mean()) if log else y[:STEPS].mean()
    factors = [np.exp(PROMOTION), np.exp(HOLIDAY)] if log else [1 + 500 * one / level for one in (PROMOTION, HOLIDAY)]
    assert promotion["factor"] == pytest.approx(factors[0], rel=0.02)
    assert holiday["factor"] == pytest.approx(factors[1], rel=0.05)
    assert promotion["effect"] == pytest.approx(level * (factors[0] - 1), rel=0.05)
    assert (table["low"] < table["effect"]).all()
    assert (table["effect"] < table["high"]).all()
    assert promotion["factor_low"] < factors[0] < promotion["factor_high"]
    days = table.loc["week"]["effect"]
    assert days.idxmax() == "Saturday"
    assert days["Saturday"] - days["Monday"] == pytest.approx(level * 0.3, rel=0.2)
    assert table.loc["year"]["effect"].idxmax() in {"March", "April"}


def test_the_partial_effect_of_a_covariate_is_that_of_its_coefficient():
    """Forecasts with the promotion and without, of the regression taken for any model."""
    panel, _ = sales(log=False)
    fitted = CalendarRegression("c", Plan(past=False)).fit(panel, panel.lengths, PROBLEM)
    held = SimpleNamespace(forecast=fitted.forecast)
    table = effects_of({"any": held}, panel, Split(np.array([760]), np.array([140]))).set_index("name")
    weights, spread = fitted.fits[0].by_column, panel.ahead.values[:STEPS, 0].std()
    own, after = (weights["covariate", name] / spread for name in ("promotion", "promotion, 1 after"))
    promotion = table.loc["promotion"]
    assert own + after < promotion["effect"] < own  # of a day after a promotion that is left out as well
    assert promotion["low"] == pytest.approx(own + after, rel=0.01)
    assert promotion["high"] == pytest.approx(own, rel=0.01)


def test_a_network_that_knows_holidays_by_their_dates_has_no_effect_of_their_columns():
    """What it forecasts without them is what it forecasts with them, which is no effect of zero."""
    panel, _ = sales(log=False)
    quick = TrainingSettings(max_epochs=1, accelerator="cpu", threads=1)
    fitted = {
        name: Recurrent(GruSettings(hidden_size=4, reference=name), quick).fit(panel, np.array([760]), PROBLEM)
        for name in ("calendar", "blend")
    }
    table = effects_of(fitted, panel, Split(np.array([760]), np.array([140])))
    parts = {name: set(rows["part"]) for name, rows in table.groupby("model")}
    assert parts == {"calendar": {"covariate"}, "blend": {"covariate", "holidays"}}


def test_rows_that_were_not_expected_are_listed():
    panel, y = sales(log=False)
    values = panel.values.copy()
    values[[700, 850], 0] += [900.0, -900.0]
    odd = replace(panel, values=values)
    fitted = CalendarRegression("c").fit(panel.cut(np.array([900])), np.array([760]), PROBLEM)
    table, looked_at = find_anomalies(fitted, odd, 24)
    assert looked_at == STEPS - 24
    assert len(table) < 0.03 * looked_at
    actual = table.set_index("ds")
    for row, far in ((700, 900.0), (850, -900.0)):
        one = actual.loc[DAYS[row].to_numpy()]
        assert one["y"] == values[row, 0]
        assert one["expected"] == pytest.approx(y[row], abs=150)
        assert (one["y"] - one["expected"]) * far > 0
        assert not one["low"] <= one["y"] <= one["high"]


def test_it_is_fitted_again_as_rows_come_in():
    """After a new slope, forecasts from later origins follow it, though the fitted object does not change."""
    t = np.arange(400.0)
    y = 10 + 0.1 * np.minimum(t, 200) - 0.3 * np.maximum(t - 200, 0)
    panel = single_series(y, DAYS[:400].to_numpy().astype("datetime64[ns]"), Calendar("D"))
    plan = Plan(year=False, bend=3.0, smoothing=1.0, decay=1.0)
    fitted = CalendarRegression("c", plan).fit(panel.cut(np.array([200])), np.array([200]), Problem(10, 10))
    early, late = fitted.forecast(panel, Origins(np.array([0, 0]), np.array([199, 380]))).y_hat
    np.testing.assert_allclose(early, 10 + 0.1 * np.minimum(t[200:210], 400), atol=0.2)
    np.testing.assert_allclose(late, y[381:391], atol=0.3)


def test_without_dates_it_has_a_season_by_steps():
    rng = np.random.default_rng(1)
    y = np.sin(2 * np.pi * np.arange(300) / 12) + 0.1 * rng.standard_normal(300)
    panel = single_series(y, np.arange(300), Calendar(None))
    fitted = CalendarRegression("c").fit(panel.cut(np.array([240])), np.array([200]), Problem(12, 24, 12))
    origins = Origins(np.zeros(40, dtype=int), np.arange(245, 285))
    truth = np.sin(2 * np.pi * (origins.steps[:, None] + np.arange(1, 13)) / 12)
    assert np.abs(fitted.forecast(panel, origins).y_hat - truth).mean() < 0.06


@pytest.mark.parametrize("change", [{}, {"year": False}, {"log": True}, {"bend": 3.0}, {"shrink": 3.0}])
def test_each_plan_of_the_same_sums_is_a_ridge_regression_on_the_rows(change):
    """Against least squares with a row for each prior, as long as the variance asks for another shrinkage."""
    panel, y = sales(log=False)
    hidden, plan = np.isin(np.arange(STEPS), [3, 500]), Plan(past=False)._replace(**change)
    panel = replace(panel, masked=hidden[:, None])
    series = next(design_of(panel, np.array([760]), PROBLEM).of(panel))
    fit = normal_equations(series, 760, log=plan.log).fit(plan)
    every, table = series.table(760)
    kept = [i for i, column in enumerate(every) if plan.year or column.part != "year"]
    assert fit.columns == tuple(every[i] for i in kept)
    shrunk = {"trend": 1.0, "covariate": plan.shrink, "holidays": plan.shrink, "week": plan.shrink, "year": plan.shrink}
    prior = [c.prior * (plan.bend if "bend" in c.name else 1) / shrunk[c.part] for c in fit.columns]
    x, target = table[~hidden[:760]][:, kept], (np.log(y) if plan.log else y)[:760][~hidden[:760]]
    z, variance = (target - target.mean()) / target.std(), 0.1
    for _ in range(4):
        rows = np.vstack([x, np.diag(np.sqrt(variance / np.square(prior) + 1e-9))])
        weights = np.linalg.lstsq(rows, np.append(z, np.zeros(len(kept))))[0]
        variance = np.square(z - x @ weights).sum() / (len(z) - len(kept) / 2)
    expected = weights * target.std()
    expected[0] += target.mean()
    np.testing.assert_allclose(fit.weights, expected, rtol=1e-8, atol=1e-8 * target.std())
    assert fit.variance == pytest.approx(variance * target.var(), rel=1e-8)
