"""The outcomes of the question of direction, and how often they came, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.panels import panel_of

from forecast.questions.direction import base_rates, bounded_rate, risen
from forecast.questions.task import forecast_task


def test_a_value_that_is_the_same_again_has_not_risen():
    panel = panel_of([3.0, 3.0, 4.0, 2.0, 3.0, 5.0])
    found = risen(panel, np.array([0, 1, 2]), 3)
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])


def test_an_outcome_is_known_where_both_values_were_observed():
    seen = np.array([True, False, True, True])
    found = risen(panel_of([1.0, 2.0, 3.0, 0.0], observed=[seen]), np.array([0, 1]), 2)
    np.testing.assert_array_equal(found, [[np.nan, 1], [np.nan, np.nan]])


def counted(series, observed, train_steps, horizon):
    """Pairs (t, t + h) within the training split of one series, one at a time."""
    rates = []
    for h in range(1, horizon + 1):
        up = there = 0
        for y, seen, steps in zip(series, observed, train_steps, strict=True):
            for t in range(steps - h):
                if seen[t] and seen[t + h]:
                    there += 1
                    up += y[t + h] > y[t]
        rates.append(up / there)
    return rates


def test_base_rates_are_counted_over_the_training_splits_of_all_series():
    rng = np.random.default_rng(3)
    series = [np.round(rng.normal(0.3, 1.0, n).cumsum(), 1) for n in (40, 25, 31)]
    observed = [rng.random(len(y)) > 0.2 for y in series]
    steps = np.array([30, 18, 31])
    panel = panel_of(*series, observed=observed)
    found = base_rates(panel, steps, 6)
    np.testing.assert_allclose(found, counted(series, observed, steps, 6), rtol=1e-12)
    later = panel.values.copy()
    later[30:40] = -1e6
    changed = panel_of(later[:40, 0], *series[1:], observed=observed)
    np.testing.assert_array_equal(base_rates(changed, steps, 6), found)


def test_what_always_or_never_came_is_no_certainty():
    assert bounded_rate(0, 9) == pytest.approx(0.05)
    assert bounded_rate(10, 10) == pytest.approx(1 - 0.5 / 11)
    np.testing.assert_allclose(base_rates(panel_of(np.arange(11.0)), np.array([11]), 1), [1 - 0.5 / 11])
    np.testing.assert_allclose(base_rates(panel_of(np.arange(3.0)), np.array([3]), 4)[2:], [0.5, 0.5])


def test_nothing_is_set_aside_for_intervals_that_there_are_not():
    panel = panel_of(np.random.default_rng(0).normal(size=400))
    value, direction = forecast_task(panel, 5), forecast_task(panel, 5, target_type="direction")
    assert direction.problem.target_type == "direction"
    np.testing.assert_array_equal(direction.split.fitted, direction.split.before_test)
    np.testing.assert_array_equal(direction.split.before_test, value.split.before_test)
    assert value.split.fitted < value.split.before_test
