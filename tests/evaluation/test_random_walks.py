"""On a random walk nothing beats the last value, and the verdict must not say otherwise more often than it may."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from forecast.evaluation.fits import Attempt
from forecast.evaluation.leaderboard import baseline_to_beat, leaderboard
from forecast.evaluation.metrics import METRICS
from forecast.evaluation.significance import compare
from forecast.evaluation.verdict import against_naive, verdict

WALKS, STEPS, H = 200, 1000, 20
TRAIN, BEFORE_TEST = 650, 800
BASELINES = ("naive", "drift", "window_mean")


def windows(y, lags):
    """Inputs (origin, lag) and targets (origin, step) of every origin that has both, the first at step lags - 1."""
    both = sliding_window_view(y, lags + H)
    return both[:, :lags], both[:, lags:]


def autoregression(y, lags, *, changes):
    """Every step of the horizon by least squares on the lags, or on their changes: overfitted, as a network can be."""
    x, targets = windows(y, lags)
    anchor = x[:, -1:] if changes else np.zeros((len(x), 1))
    inputs = np.hstack([x - anchor, np.ones((len(x), 1))])
    fitted = slice(0, TRAIN - lags - H + 1)
    weights = np.linalg.lstsq(inputs[fitted], (targets - anchor)[fitted], rcond=None)[0]
    return inputs @ weights + anchor


def forecasts_of_a_walk(y, lags, *, changes):
    x, targets = windows(y, lags)
    last, ahead = x[:, -1:], np.arange(1, H + 1)
    return targets, {
        "network": autoregression(y, lags, changes=changes),
        "naive": last + 0 * ahead,
        "drift": last + (y[TRAIN - 1] - y[0]) / (TRAIN - 1) * ahead,
        "window_mean": x.mean(axis=1, keepdims=True) + 0 * ahead,
    }


def judged(y, lags, *, changes):
    targets, forecasts = forecasts_of_a_walk(y, lags, changes=changes)
    losses = pd.DataFrame({name: np.abs(targets - f).mean(axis=1) for name, f in forecasts.items()})
    origin = np.arange(len(losses)) + lags - 1
    validation = losses[(origin >= TRAIN - 1) & (origin < BEFORE_TEST - H)].mean()
    test = losses[origin >= BEFORE_TEST - 1]
    attempts = [Attempt("network", "network"), *(Attempt(name, "naive") for name in BASELINES)]
    baseline = baseline_to_beat(table_of(validation), attempts)
    tests = compare(test, H, ("network",), baseline)
    table = leaderboard(table_of(test.mean()), attempts, baseline, tests)
    naive = against_naive(test, H, ("network",), baseline)
    return verdict(table, "network", baseline, tests["network"], against_naive=naive)


def table_of(mase):
    """Scores by model as the metrics give them; on one series any of them is as good as the mean absolute error."""
    return pd.DataFrame(dict.fromkeys(METRICS, mase))


@pytest.mark.parametrize(("lags", "changes"), [(12, False), (12, True)])
def test_at_most_5_percent_of_the_verdicts_claim_a_win(lags, changes):
    rng = np.random.default_rng(11)
    walks = rng.standard_normal((WALKS, STEPS)).cumsum(axis=1)
    verdicts = [judged(y, lags, changes=changes) for y in walks]
    assert sum(actual.won for actual in verdicts) <= 0.05 * WALKS
    unproved = sum(actual.sentence.endswith("not shown to be worth its training") for actual in verdicts)
    assert unproved >= 0.95 * WALKS


def test_a_series_that_can_be_foreseen_is_won():
    rng = np.random.default_rng(12)
    season = np.tile(rng.normal(0, 3, 10), STEPS // 10)
    actual = [judged(season + rng.standard_normal(STEPS), 20, changes=True) for _ in range(10)]
    assert all(verdict.won for verdict in actual)
