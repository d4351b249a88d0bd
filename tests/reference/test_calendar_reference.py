"""The reference `calendar`: a calendar regression to which a network adds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.forecasters.calendar_regression import CalendarRegression
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.reference.cross_fitting import cross_fitted
from forecast.reference.fit import fit_reference
from forecast.series.calendar import Calendar
from forecast.series.date_features import public_holidays, with_features
from forecast.series.panel import Channel, KnownAhead, single_series
from forecast.training.settings import TrainingSettings

STEPS, H, TRAIN = 900, 7, 700
PROBLEM = Problem(H, context_steps=14, season_steps=7, lags=1, leads=1)
DAYS = pd.date_range("2022-01-01", periods=STEPS + H)
FREE = public_holidays(DAYS.to_numpy().astype("datetime64[ns]"), "DE")


def sales(*, log: bool, steps=STEPS):
    """Days of sales with a trend, a week, holidays, a promotion and what was asked for; some are missing."""
    rng, t = np.random.default_rng(3), np.arange(STEPS + H)
    promotion = (rng.random(len(t)) < 0.3).astype(float)
    asked = 50 + rng.normal(0.0, 1.0, len(t)).cumsum()
    parts = 2e-4 * t + np.array([0.0, -0.1, 0.0, 0.05, 0.1, 0.3, -0.3])[DAYS.day_of_week] + 0.3 * promotion
    parts -= 0.6 * np.array([day.date() in FREE for day in DAYS])
    parts += 0.01 * (asked - 50)
    parts += 0.02 * rng.standard_normal(len(t))
    y = 500 * (np.exp(parts) if log else 1 + parts)
    panel = single_series(y[:STEPS], DAYS[:STEPS].to_numpy().astype("datetime64[ns]"), Calendar("D"))
    masked = np.zeros((STEPS, 2), dtype=bool)
    masked[[5, 300, 301, 820], 0] = masked[400, 1] = True
    values = np.where(masked, 0.0, np.column_stack([panel.target, asked[:STEPS]]))
    channels = (*panel.channels, Channel("asked", "past"))
    hidden = np.zeros((len(t), 1), dtype=bool)
    known = KnownAhead(promotion[:, None], hidden, np.array([0, len(t)]), (Channel("promotion", "future"),))
    panel = replace(panel, values=values, observed=~masked, masked=masked, channels=channels, ahead=known)
    return with_features(panel, ("weekday", "holidays DE"), H).cut(np.array([steps])), y


@pytest.fixture(name="fitted", scope="module", params=[True, False], ids=["factors", "sums"])
def fit(request):
    panel, y = sales(log=request.param)
    known, train_steps = panel.cut(np.array([800])), np.array([TRAIN])
    reference = fit_reference("calendar", known, train_steps, PROBLEM)
    assert reference.plan.log == request.param
    with_asked = replace(reference, plan=reference.plan._replace(past=True, year=False))
    return with_asked.refit(known, train_steps), panel, y


def by_loops(reference, panel, origin):
    """Forecasts from one origin: columns by their names, the level of what is left over row by row."""
    weights, plan = reference.known(0), reference.plan
    promotion, asked = panel.ahead.values[:, 0], panel.values[:, 1]
    seen = ~panel.masked[:TRAIN, 1]
    p_mean, p_std = promotion[:TRAIN].mean(), promotion[:TRAIN].std()
    a_mean, a_std = asked[:TRAIN][seen].mean(), asked[:TRAIN][seen].std()

    def known_of(t):
        spacing = TRAIN // 10
        total = weights["trend", "level"] + weights["trend", "slope"] * t / TRAIN
        for bend in range(1, 10):
            total += weights["trend", f"bend {bend}"] * max(t - bend * spacing, 0) / TRAIN
        day = DAYS[t]
        for k in range(1, 4):
            angle = 2 * np.pi * k * day.day_of_week / 7
            total += weights["week", f"sin{k}"] * np.sin(angle) + weights["week", f"cos{k}"] * np.cos(angle)
        for days, words in ((0, ""), (1, ", the day before"), (-1, ", the day after")):
            there = (day + pd.Timedelta(days=days)).date()
            for name in FREE[there].split("; ") if there in FREE else ():
                total += weights["holidays", f"{name}{words}"]
            total += weights["holidays", f"any holiday{words}"] * (there in FREE)
        for lag, name in ((-1, "promotion, 1 before"), (0, "promotion"), (1, "promotion, 1 after")):
            at = min(max(t - lag, 0), len(promotion) - 1)
            total += weights["covariate", name] * (promotion[at] - p_mean) / p_std
        return total

    def of_past(t):
        if panel.masked[t, 1]:
            return weights["past", "asked is missing"]
        return weights["past", "asked"] * (asked[t] - a_mean) / a_std

    level = slow = residual = 0.0
    for t in range(origin + 1):
        if not panel.masked[t, 0]:
            y = np.log(panel.target[t]) if plan.log else panel.target[t]
            residual = y - known_of(t) - of_past(t)
        level += plan.smoothing * (residual - level)
        slow += 0.05 * (residual - slow)
    over = [slow + plan.decay**h * (level - slow) for h in range(1, H + 1)]
    forecasts = [known_of(origin + h) + of_past(origin) + over[h - 1] for h in range(1, H + 1)]
    return np.exp(forecasts) if plan.log else np.array(forecasts)


@pytest.mark.parametrize("origin", [30, 301, 400, 699, 820, STEPS - 1])
def test_it_is_the_regression_with_the_level_of_what_is_left_over(fitted, origin):
    reference, panel, _ = fitted
    forecasts = reference.forecast(panel, Origins(np.array([0]), np.array([origin])))[0]
    np.testing.assert_allclose(forecasts, by_loops(reference, panel, origin), rtol=1e-6)  # single precision


def test_its_effects_are_those_that_were_put_in(fitted):
    reference, panel, y = fitted
    unit = 1.0 if reference.plan.log else 500.0
    promotion = reference.known(0)["covariate", "promotion"] / panel.ahead.values[:TRAIN, 0].std()
    assert promotion == pytest.approx(0.3 * unit, rel=0.05)
    origins = Origins(np.zeros(90, dtype=int), np.arange(800, 890))
    ahead = origins.steps[:, None] + np.arange(1, H + 1)
    errors = np.abs(reference.forecast(panel, origins) / y[ahead] - 1).mean(axis=0)
    assert errors[0] < 0.03  # noise of 2 %, and what is asked for a day later
    assert errors.mean() < 0.04


def test_on_the_rows_that_it_was_fitted_on_it_is_the_baseline(fitted):
    reference, panel, _ = fitted
    baseline = CalendarRegression("c", reference.plan).fit(panel.cut(np.array([800])), np.array([TRAIN]), PROBLEM)
    origins = Origins(np.zeros(3, dtype=int), np.array([100, 500, TRAIN - 1]))
    np.testing.assert_allclose(reference.forecast(panel, origins), baseline.forecast(panel, origins).y_hat, rtol=1e-12)


def test_a_past_that_begins_later_has_the_same_trend_and_days(fitted):
    """`task=predict` on the rows since: steps are counted from the time of the first row of the training."""
    reference, panel, _ = fitted
    late, begin = panel.cut(np.array([STEPS])), 640
    known = replace(late.ahead, values=late.ahead.values[begin:], masked=late.ahead.masked[begin:])
    known = replace(known, offsets=np.array([0, len(known.values)]))
    parts = {name: getattr(late, name)[begin:] for name in ("values", "observed", "masked", "times")}
    rest = replace(late, **parts, offsets=np.array([0, STEPS - begin]), ahead=known)
    whole = reference.forecast(panel, Origins(np.array([0]), np.array([880])))
    since = reference.forecast(rest, Origins(np.array([0]), np.array([880 - begin])))
    np.testing.assert_allclose(since, whole, rtol=0.002)


def test_rows_of_a_block_are_forecast_without_it(fitted):
    """Cross-fitting: as if the block's values had been missing."""
    reference, panel, _ = fitted
    crossed = cross_fitted(reference, panel, np.array([TRAIN]), 4)
    hidden = panel.masked.copy()
    hidden[175:350, 0] = True
    without = replace(panel, masked=hidden, observed=~hidden).cut(np.array([TRAIN]))
    expected = reference.refit(without, np.array([TRAIN]))
    for row, other in ((200, expected), (TRAIN + 5, reference)):
        origins = Origins(np.array([0]), np.array([row]))
        forecasts = crossed.at(crossed.causal_features(panel), np.array([row]))
        np.testing.assert_allclose(forecasts, other.forecast(panel, origins), rtol=1e-9)


def test_values_that_have_no_logarithm_count_as_missing():
    panel, _ = sales(log=True)
    reference = fit_reference("calendar", panel.cut(np.array([800])), np.array([TRAIN]), PROBLEM)
    values, masked = panel.values.copy(), panel.masked.copy()
    values[850, 0], masked[850, 0] = 0.0, True
    origins = Origins(np.array([0]), np.array([850]))
    missing = reference.forecast(replace(panel, masked=masked, observed=~masked), origins)
    np.testing.assert_array_equal(reference.forecast(replace(panel, values=values), origins), missing)


def test_auto_takes_it_where_more_is_known_ahead_than_the_day():
    panel, _ = sales(log=True)
    known, train_steps = panel.cut(np.array([800])), np.array([TRAIN])
    assert fit_reference("auto", known, train_steps, PROBLEM).name == "calendar"
    assert fit_reference("auto", known.target_alone(), train_steps, PROBLEM).name != "calendar"


def test_a_forecast_that_is_fed_back_has_no_calendar():
    panel, _ = sales(log=False)
    quick = TrainingSettings(max_epochs=1, accelerator="cpu", threads=1)
    settings = GruSettings(hidden_size=4, strategy="recursive", reference="calendar")
    with pytest.raises(ForecastError, match=r"calendar` reads the dates .* set `model.strategy=direct`"):
        Recurrent(settings, quick).fit(panel.target_alone(), np.array([TRAIN]), PROBLEM)
    ahead_alone = replace(panel, values=panel.values[:, :1], observed=panel.observed[:, :1])
    ahead_alone = replace(ahead_alone, masked=panel.masked[:, :1], channels=panel.channels[:1])
    by_auto = Recurrent(settings.model_copy(update={"reference": "auto"}), quick)
    assert by_auto.fit(ahead_alone, np.array([TRAIN]), PROBLEM).reference.name != "calendar"


def test_row_by_row_it_knows_holidays_and_promotions_and_goes_on_from_what_was_kept(fitted, monkeypatch):
    monkeypatch.setattr("forecast.reference.calendar_reference._COUNTED_STEPS", 4)  # dates are computed anew
    _, panel, _ = fitted
    quick = TrainingSettings(max_epochs=2, accelerator="cpu", threads=1)
    network = Recurrent(GruSettings(hidden_size=4, reference="calendar"), quick)
    trained = network.fit(panel.cut(np.array([800])), np.array([TRAIN]), PROBLEM)
    live, begin = trained.start(panel.cut(np.array([810]))), 810
    others = {}
    for row in range(begin, begin + 30):
        y = np.nan if panel.masked[row, 0] else panel.target[row]
        step = row + H + PROBLEM.leads
        if live.known_steps < H + 1 + PROBLEM.leads and step < len(panel.ahead.values):
            live.learn(H + PROBLEM.leads + 1, {"promotion": panel.ahead.values[step, 0]})
        now = live.update(y, [[panel.values[row, 1]]])
        if row == begin + 12:
            others = live.memory()
            live = trained.start(panel.cut(np.array([810])))
            live.remember(others)
    whole = trained.forecast(panel, Origins(np.array([0]), np.array([begin + 29]))).y_hat
    np.testing.assert_allclose(now.y_hat, whole, rtol=1e-4)
