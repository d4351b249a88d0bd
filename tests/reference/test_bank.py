"""The bank of smoothers against a library with the same constants, and its rules against loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from forecast.pretraining.generator import generate
from forecast.reference.bank import Bank, features
from forecast.reference.candidates import candidates
from forecast.reference.discounted import MEMORIES
from forecast.reference.running import joined
from forecast.reference.smoothers import CANDIDATES, FEATURES, RULES, SMOOTHERS, VALUE_RULES, path_of, second_season

LOGS = len(SMOOTHERS) + len(RULES) + 1
ON_VALUES = 2 * LOGS


def run(y, season=1, season2=1, observed=None):
    """The bank after all steps of one series, (step,)."""
    observed = np.ones(len(y), dtype=bool) if observed is None else observed
    bank = Bank(1, season, season2)
    steps = [bank.update(y[t : t + 1], observed[t : t + 1]) for t in range(len(y))]
    return bank, steps


def forecasts(y, horizon, season=1, season2=1, observed=None):
    """Forecasts of all candidates, (horizon, candidate)."""
    bank, _ = run(np.asarray(y, dtype=float), season, season2, observed)
    return candidates(bank.snapshot(horizon), horizon, season, season2)[0]


def seasonal_series(n=900, m=4):
    rng = np.random.default_rng(4)
    t = np.arange(n)
    return 50 + np.cumsum(rng.normal(0, 0.3, n)) + 5 * np.sin(2 * np.pi * t / m) + rng.normal(0, 1, n)


@pytest.mark.parametrize(
    "which",
    [i for i, smoother in enumerate(SMOOTHERS) if 0 < smoother.level < 1 and smoother.seasonal not in (0, 0.02)],
)
def test_a_smoother_is_that_of_the_library_with_the_same_constants(which):
    """After so many steps what each began with is forgotten."""
    ets = pytest.importorskip("statsmodels.tsa.exponential_smoothing.ets")
    smoother, m, y = SMOOTHERS[which], 4, seasonal_series()
    seasonal = smoother.seasonal is not None
    params = {"smoothing_level": smoother.level}
    if smoother.trend:
        params["smoothing_trend"] = smoother.level * smoother.trend
    damped = smoother.damping < 1
    if damped:
        params["damping_trend"] = smoother.damping
    if seasonal:
        params["smoothing_seasonal"] = smoother.seasonal * (1 - smoother.level)
    begin = {"initial_level": y[:m].mean()}
    if smoother.trend:
        begin["initial_trend"] = 0.0
    if seasonal:
        begin["initial_seasonal"] = y[:m] - y[:m].mean()
    model = ets.ETSModel(
        y,
        trend="add" if smoother.trend else None,
        damped_trend=damped,
        seasonal="add" if seasonal else None,
        seasonal_periods=m if seasonal else None,
        initialization_method="known",
        **begin,
    )
    start = {
        "initial_level": y[:m].mean(),
        "initial_trend": 0.0,
        **{f"initial_seasonal.{i}": y[m - 1 - i] - y[:m].mean() for i in range(m)},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model.smooth([{**start, **params}[name] for name in model.param_names]).forecast(8)
    actual = forecasts(y, 8, season=m)[:, which]
    np.testing.assert_allclose(actual, expected, atol=1e-3)


def test_the_mean_the_drift_and_the_last_season():
    y = np.array([3.0, 5.0, 4.0, 8.0, 1.0, 9.0, 7.0])
    every = forecasts(y, 5, season=3)
    np.testing.assert_allclose(every[:, 0], 7.0)  # alpha 1
    np.testing.assert_allclose(every[:, 4], y.mean(), rtol=1e-12)  # alpha 0: the mean
    drift = (7 - 3) / 6
    np.testing.assert_allclose(every[:, len(SMOOTHERS)], 7 + drift * np.arange(1, 6))
    np.testing.assert_allclose(every[:, ON_VALUES], [1, 9, 7, 1, 9])
    two = [(1 + 5) / 2, (9 + 4) / 2, (7 + 8) / 2]
    np.testing.assert_allclose(every[:3, len(SMOOTHERS) + 2], two)


def test_a_line_is_found_at_once_and_a_line_of_logarithms_too():
    """Trends begin with the gains of least squares, so that three points suffice."""
    line = forecasts(10 + 3.0 * np.arange(12), 4)
    for which in (8, 9):
        assert line[0, which] == pytest.approx(46.0, rel=0.01)
    growth = forecasts(2.0 * 1.1 ** np.arange(12), 4)
    assert growth[-1, LOGS + 9] == pytest.approx(2.0 * 1.1**15, rel=1e-6)


def test_a_season_on_a_line_is_known_after_two_cycles():
    t = np.arange(24)
    y = 100 + 2.0 * t + np.tile([5.0, -3.0, 1.0, 0.0, -4.0, 1.0], 4)
    expected = 100 + 2.0 * np.arange(24, 30) + np.array([5.0, -3.0, 1.0, 0.0, -4.0, 1.0])
    actual = forecasts(y[:12], 6, season=6)[:, 17]  # seasonal with a trend, right after the second cycle
    np.testing.assert_allclose(actual, expected - 24, rtol=1e-9)


def test_two_seasons_are_both_forecast():
    t = np.arange(24 * 7 * 4)
    y = 100 + 10 * np.sin(2 * np.pi * t / 24) + 8.0 * (t // 24 % 7 >= 5)
    ahead = np.arange(len(t), len(t) + 168)
    expected = 100 + 10 * np.sin(2 * np.pi * ahead / 24) + 8.0 * (ahead // 24 % 7 >= 5)
    every = forecasts(y, 168, season=24, season2=168)
    np.testing.assert_allclose(every[:, ON_VALUES + 1], expected, atol=1e-9)  # the last second season
    np.testing.assert_allclose(every[:, ON_VALUES + 2], expected, atol=1e-9)  # the same, with what the level rose by
    higher = forecasts(np.r_[y[:-24], y[-24:] + 30.0], 48, season=24, season2=168)  # the last day is
    np.testing.assert_allclose(higher[:, ON_VALUES + 2], expected[:48] + 30.0, atol=1e-9)


def test_the_autoregression_is_a_ridge_regression_on_all_rows():
    rng = np.random.default_rng(7)
    y = np.empty(80)
    y[:2] = 5.0, 5.2
    for t in range(2, 80):
        y[t] = 5 + 1.5 * (y[t - 1] - 5) - 0.8 * (y[t - 2] - 5) + rng.normal(0, 0.1)
    slow, rows, targets = y[0], [], []
    for t in range(1, 80):  # level of alpha = max(0.1, 1 / n), and the mean, as they stood before y_t
        before = y[:t]
        level = before[0]
        for n, value in enumerate(before[1:], start=2):
            level += max(0.1, 1 / n) * (value - level)
        lags = [before[-k] - before[-1] if k <= t else 0.0 for k in (2, 3, 4)]
        changes = np.abs(np.diff(before))
        unit = changes.mean() if len(changes) else abs(before[0])
        rows.append(np.array([*lags, level - before[-1], before.mean() - before[-1]]) / unit)
        targets.append((y[t] - before[-1]) / unit)
        slow = level
    x = np.array(rows)
    assert np.abs(targets).max() < 9  # none is clipped
    weights = np.linalg.solve(x.T @ x + 4.0 * np.eye(5), x.T @ np.array(targets))
    for n, value in enumerate(y[-1:], start=80):
        level = slow + max(0.1, 1 / n) * (value - slow)
    now = np.array([y[-2] - y[-1], y[-3] - y[-1], y[-4] - y[-1], level - y[-1], y.mean() - y[-1]])
    assert forecasts(y, 1)[0, LOGS - 1] == pytest.approx(y[-1] + now @ weights, rel=1e-9)


@pytest.mark.parametrize("season", [1, 4, 5, 24])
def test_lines_and_waves_are_least_squares_in_which_older_values_count_for_less(season):
    t, rng = np.arange(60.0), np.random.default_rng(8)
    y = 30 + 0.2 * t + 4 * np.sin(2 * np.pi * t / 5) + rng.normal(size=60)
    every = forecasts(y, 7, season)
    angles = 2 * np.pi * np.arange(1, min(season // 2, 6) + 1) / season

    def columns(t):
        waves = [
            part for k, a in enumerate(angles, 1) for part in (np.cos(a * t), np.sin(a * t))[: 1 + (2 * k < season)]
        ]
        return np.column_stack([np.ones_like(t), t, *waves])

    x = columns(t)
    for place, seasons in enumerate(MEMORIES, start=len(SMOOTHERS) + 5):
        kept = 1 - 1 / (seasons * season)
        weights = kept ** (59 - t)
        penalty = kept**59 * np.array([0, 1e-3, *np.ones(x.shape[1] - 2)])
        found = np.linalg.solve(x.T @ (weights[:, None] * x) + np.diag(penalty), x.T @ (weights * y))
        np.testing.assert_allclose(every[:, place], columns(np.arange(60.0, 67.0)) @ found, rtol=1e-4)


@pytest.mark.parametrize("season", [1, 7])
def test_errors_along_paths_are_those_of_forecasts_that_were_made_where_each_path_began(season):
    length, y = path_of(season), 20 + np.random.default_rng(5).normal(size=47).cumsum()
    observed = np.ones(47, dtype=bool)
    observed[[15, 30]] = False
    _, steps = run(y, season, 1, observed)
    mean, recent, count = np.zeros(CANDIDATES), np.zeros(CANDIDATES), 0
    for t in range(length, 47):
        if observed[t]:
            begun = t // length * length
            error = np.abs(forecasts(y[:begun], length, season, 1, observed[:begun])[t - begun] - y[t])
            count += 1
            mean += (error - mean) / count
            recent += max(1 / count, 1 / (4 * length)) * (error - recent)
    np.testing.assert_allclose(steps[-1].path_error[:, :, 0], [mean, recent], rtol=1e-9)
    every = forecasts(y, 3, season, 1, observed)
    weights = (mean[:-1] / steps[-1].sums.unit + 0.05) ** -4.0
    np.testing.assert_allclose(every[:, -1], every[:, :-1] @ weights / weights.sum(), rtol=1e-9)


@pytest.mark.parametrize(("compared", "power"), [(10, 4), (64, 4), (100, 5), (256, 8), (400, 10), (900, 10)])
def test_candidates_are_weighed_by_a_higher_power_of_their_errors_the_more_of_them_there_are(compared, power):
    y = 20 + np.random.default_rng(5).normal(size=compared + path_of(1)).cumsum()
    bank, _ = run(y)
    at = bank.snapshot(3)
    every = candidates(at, 3, 1, 1)[0]
    weights = (at.path_error[0, :-1, 0] / at.sums.unit[0] + 0.05) ** -float(power)
    np.testing.assert_allclose(every[:, -1], every[:, :-1] @ weights / weights.sum(), rtol=1e-9)


def test_errors_of_any_size_can_be_weighed():
    y = 10 ** np.random.default_rng(0).uniform(-60, 60, 900)
    assert np.isfinite(forecasts(y, 3)).all()


def test_a_slow_season_does_not_learn_what_the_fast_one_has():
    """In the first cycles all of the day would go into the week, and be forecast for its first days alone."""
    y = np.tile(10 * np.sin(2 * np.pi * np.arange(24) / 24), 16)
    bank, _ = run(100 + y, 24, 168)
    assert np.abs(bank.snapshot(168).seasonal2).max() < 1e-9


def test_intermittent_demand_is_chance_times_size():
    rng = np.random.default_rng(2)
    y = np.where(rng.random(60) < 0.3, rng.integers(1, 9, 60), 0).astype(float)
    for place, gain in ((3, 0.05), (4, 0.2)):
        chance, size = 1.0, 0.0
        for n, value in enumerate(y, start=1):
            step = max(gain, 1 / n)
            chance += step * ((value != 0) - chance)
            if value:
                size = value if size == 0 else size + step * (value - size)
        np.testing.assert_allclose(forecasts(y, 3)[:, ON_VALUES + place], chance * size)


@pytest.mark.parametrize(("season", "season2"), [(1, 1), (6, 1), (4, 24)])
def test_one_series_is_forecast_as_among_others_and_features_step_by_step(season, season2):
    values, observed = generate(np.random.default_rng(3), 6, 70, season, season2)
    together = Bank(6, season, season2)
    read, snapshots = [], []
    for t in range(70):
        read.append(together.update(values[:, t], observed[:, t]))
        snapshots.append(together.snapshot(5))
    seen = features(read, season, season2)
    assert seen.shape == (6, 70, FEATURES)
    every = candidates(joined(snapshots), 5, season, season2).reshape(70, 6, 5, CANDIDATES)
    assert np.isfinite(seen).all()
    assert np.isfinite(every).all()
    for i in (0, 5):
        alone, steps = run(values[i], season, season2, observed[i])
        np.testing.assert_allclose(features(steps, season, season2)[0], seen[i], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(candidates(alone.snapshot(5), 5, season, season2)[0], every[-1, i], rtol=1e-8)
        one = np.stack([features([step], season, season2)[0, 0] for step in steps])
        np.testing.assert_array_equal(one, features(steps, season, season2)[0])


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_the_unit_of_a_series_changes_nothing_but_the_unit(size):
    y = 5 + np.abs(np.random.default_rng(1).normal(size=40))
    bank, steps = run(y * size, 4)
    expected, plain = run(y, 4)
    assert np.isfinite(features(steps, 4, 1)).all()
    np.testing.assert_allclose(features(steps, 4, 1), features(plain, 4, 1), rtol=1e-4, atol=1e-4)
    actual = candidates(bank.snapshot(3), 3, 4, 1) / size
    np.testing.assert_allclose(actual, candidates(expected.snapshot(3), 3, 4, 1), rtol=1e-6)


def test_what_was_not_observed_is_not_read():
    y = seasonal_series(40)
    observed = np.ones(40, dtype=bool)
    observed[[3, 10, 11, 12, 30]] = False
    other = np.where(observed, y, 1e6)
    np.testing.assert_array_equal(forecasts(y, 4, 4, 1, observed), forecasts(other, 4, 4, 1, observed))


def test_a_constant_series_and_a_single_value_are_forecast_as_they_are():
    np.testing.assert_allclose(forecasts([4.0] * 9, 3, 2)[:, : 2 * LOGS], 4.0, rtol=1e-12)
    np.testing.assert_allclose(forecasts([4.0], 3, 2)[:, -1], 4.0, rtol=1e-12)
    assert np.isfinite(forecasts([0.0] * 5, 3, 2)).all()


def test_the_calendar_sets_weeks_above_days_and_years_above_weeks():
    assert [second_season(m) for m in (24, 48, 7, 12, 1)] == [168, 336, 364, 1, 1]
    assert len(VALUE_RULES) == 5
