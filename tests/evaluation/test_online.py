"""Adaptive intervals hold their share on series that change, and drift is said once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from forecast.evaluation.online import Backtested, Drift, OnlineIntervals
from forecast.forecasters.interface import QUANTILES, Forecasts

HORIZON, STEPS, CHANGE = 5, 5_000, 2_000
BACKTESTED = Backtested(np.tile(norm.ppf(QUANTILES), (HORIZON, 1)), 1.0)
FIRST = Forecasts(np.zeros((1, HORIZON)))
CHANGES = {
    "level shift": lambda y: y + 10 * (np.arange(len(y)) >= CHANGE),
    "noise doubles": lambda y: y * np.where(np.arange(len(y)) >= CHANGE, 2, 1),
}


def smoothed(y):
    """Exponential smoothing as a forecast after every step, (step, horizon)."""
    level, forecasts = 0.0, []
    for value in y:
        level += 0.1 * (value - level)
        forecasts.append(level)
    return np.repeat(np.array(forecasts)[:, None], HORIZON, axis=1)


def ends_of(y, forecasts, backtested=BACKTESTED, levels=(0.05, 0.95), piece=137):
    intervals = OnlineIntervals(backtested, FIRST, levels)
    parts = [slice(first, first + piece) for first in range(0, len(y), piece)]
    return np.concatenate([intervals.update(y[part], Forecasts(forecasts[part])) for part in parts])


def coverage(y, ends, step, first=0):
    """Share of what came `step` steps later that the interval held."""
    low, high = ends[first:-step, :, step - 1].T
    return np.mean((low <= y[first + step :]) & (y[first + step :] <= high))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("share", [0.8, 0.9])
def test_the_long_run_coverage_is_the_nominal_one_whatever_the_series_does(change, share):
    y = change(np.random.default_rng(0).normal(size=STEPS))
    forecasts = smoothed(y)
    levels = {0.8: (0.1, 0.9), 0.9: (0.05, 0.95)}[share]
    ends = ends_of(y, forecasts, levels=levels)
    fixed = forecasts[:, None] + norm.ppf(levels)[:, None]
    for step in (1, HORIZON):
        assert coverage(y, ends, step) == pytest.approx(share, abs=0.01)
        assert coverage(y, ends, step, first=CHANGE) == pytest.approx(share, abs=0.01)
    if change is CHANGES["noise doubles"]:  # which the intervals of the backtest do not see
        assert coverage(y, fixed, 1, first=CHANGE) < share - 0.15


def test_levels_move_as_the_paper_says_and_pieces_change_nothing():
    """A slow loop over one step of the horizon, as Gibbs and Candes write it."""
    y = np.random.default_rng(3).standard_t(3, size=400)
    ends = ends_of(y, np.zeros((400, HORIZON)))
    np.testing.assert_array_equal(ends, ends_of(y, np.zeros((400, HORIZON)), piece=1))
    for end, tau in enumerate((0.05, 0.95)):
        level, table = tau, None
        for t, value in enumerate(y):
            given = (
                ends[t - 1, end, 0] if t else OnlineIntervals(BACKTESTED, FIRST, (0.05, 0.95)).latest(FIRST)[0, end, 0]
            )
            level += 0.01 * (tau - (value <= given))
            if (t + 1) % 20 == 0 and t >= 219:
                table = np.sort(y[t - 199 : t + 1])
            if table is not None and 0 < level < 1:
                near = table[[int(level * 200 - 1e-6), int(level * 200 + 1e-6)]]  # of whole numbers either is right
                assert ends[t, end, 0] == pytest.approx(near[0], rel=1e-12) or ends[t, end, 0] == near[1]


def test_missing_values_teach_nothing_and_without_a_backtest_intervals_wait():
    y = np.random.default_rng(4).normal(size=100)
    hidden = y.copy()
    hidden[::2] = np.nan
    ends = ends_of(hidden, np.zeros((100, HORIZON)), Backtested(None, 1.0))
    assert np.isnan(ends[:30]).all()
    assert np.isfinite(ends[60:]).all()


def test_quantiles_of_a_models_own_are_moved_and_not_replaced():
    y = np.random.default_rng(5).normal(size=2_000)
    own = np.tile(norm.ppf(QUANTILES) / 2, (1, HORIZON, 1))
    intervals = OnlineIntervals(Backtested(None, 1.0), Forecasts(np.zeros((1, HORIZON)), own), (0.05, 0.95))
    quantiles = np.repeat(own, len(y), axis=0) * np.where(np.arange(len(y)) % 2, 1, 3)[:, None, None]
    ends = intervals.update(y, Forecasts(np.zeros((len(y), HORIZON)), quantiles))
    assert coverage(y, ends, 1, first=500) == pytest.approx(0.9, abs=0.01)
    width = ends[500:, 1, 0] - ends[500:, 0, 0]
    assert np.median(width[1::2]) < np.median(width[::2])  # what the model says of single steps is kept


def test_drift_is_said_once_when_it_begins_and_once_when_it_ends():
    rng = np.random.default_rng(6)
    y = rng.normal(size=3_000)
    y[1_000:2_000] *= 2
    drift = Drift(BACKTESTED, FIRST)
    updated = drift.update(y, Forecasts(np.zeros((len(y), HORIZON))))
    assert [("larger" in words, "again" in words) for _, words in updated] == [(True, False), (False, True)]
    (began, first), (ended, _) = updated
    assert 1_000 < began < 1_100
    assert 2_000 < ended < 2_200
    assert "0.8" in first  # the mean size of a standard normal error
