"""Outcomes and base rates of directions and symbols, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.panels import panel_of
from oracles.symbols import symbols_panel

from forecast.errors import ForecastError
from forecast.questions.outcomes import (
    alphabet_size,
    bounded_rate,
    rise_rates,
    risen,
    symbol_base_rates,
    symbol_codes,
    target_rows,
)
from forecast.questions.task import forecast_task
from forecast.series.panel import Channel


def test_a_value_that_is_the_same_again_has_not_risen():
    panel = panel_of([3.0, 3.0, 4.0, 2.0, 3.0, 5.0])
    outcome = risen(panel, np.array([0, 1, 2]), 3)
    np.testing.assert_array_equal(outcome, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])


def test_an_outcome_is_known_where_both_values_were_observed():
    seen = np.array([True, False, True, True])
    outcome = risen(panel_of([1.0, 2.0, 3.0, 0.0], observed=[seen]), np.array([0, 1]), 2)
    np.testing.assert_array_equal(outcome, [[np.nan, 1], [np.nan, np.nan]])


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
    rates = rise_rates(panel, steps, 6)
    np.testing.assert_allclose(rates, counted(series, observed, steps, 6), rtol=1e-12)
    later = panel.values.copy()
    later[30:40] = -1e6
    changed = panel_of(later[:40, 0], *series[1:], observed=observed)
    np.testing.assert_array_equal(rise_rates(changed, steps, 6), rates)


def test_what_always_or_never_came_is_no_certainty():
    assert bounded_rate(0, 9) == pytest.approx(0.05)
    assert bounded_rate(10, 10) == pytest.approx(1 - 0.5 / 11)
    np.testing.assert_allclose(rise_rates(panel_of(np.arange(11.0)), np.array([11]), 1), [1 - 0.5 / 11])
    np.testing.assert_allclose(rise_rates(panel_of(np.arange(3.0)), np.array([3]), 4)[2:], [0.5, 0.5])


def test_nothing_is_set_aside_for_intervals_that_there_are_not():
    panel = panel_of(np.random.default_rng(0).normal(size=400))
    value, direction = forecast_task(panel, 5), forecast_task(panel, 5, target_type="direction")
    assert direction.problem.target_type == "direction"
    np.testing.assert_array_equal(direction.split.fitted, direction.split.before_test)
    np.testing.assert_array_equal(direction.split.before_test, value.split.before_test)
    assert value.split.fitted < value.split.before_test


def test_shares_are_counted_with_half_an_occurrence_more():
    panel = symbols_panel("hello", alphabet=list("ehlo"))
    rates = symbol_base_rates(panel, np.array([5]), 2, 4)
    np.testing.assert_allclose(rates[0], np.array([1.5, 0.5, 2.5, 1.5]) / 6)  # e l l o come one step on
    np.testing.assert_allclose(rates[1], np.array([0.5, 0.5, 2.5, 1.5]) / 5)  # l l o come two steps on


def test_only_the_training_splits_count_and_no_series_begins_with_a_target():
    panel = symbols_panel("abbb", "ba?bb", "aaaa")
    steps = np.array([2, 4, 0])
    (rates,) = symbol_base_rates(panel, steps, 1, 2)
    np.testing.assert_allclose(rates, [1.5 / 4, 2.5 / 4])  # b; a, b
    other = symbols_panel("abaa", "ba?ba", "bbbb")
    np.testing.assert_array_equal(symbol_base_rates(other, steps, 1, 2)[0], rates)


def test_an_origin_need_not_be_observed():
    """One label a series, at its end: the rows before it hold none."""
    panel = symbols_panel("???a", "??b", "?a", "a")
    (rates,) = symbol_base_rates(panel, panel.lengths, 1, 2)
    np.testing.assert_allclose(rates, [2.5 / 4, 1.5 / 4])


def test_without_a_target_all_are_equally_likely():
    panel = symbols_panel("ab", alphabet=list("abc"))
    np.testing.assert_allclose(symbol_base_rates(panel, np.array([0]), 3, 3), 1 / 3)
    np.testing.assert_allclose(symbol_base_rates(panel, np.array([2]), 3, 3)[1:], 1 / 3)


def test_codes_and_targets():
    panel = symbols_panel("a?b", "bab")
    np.testing.assert_array_equal(symbol_codes(panel), [0, -1, 1, 1, 0, 1])
    np.testing.assert_array_equal(target_rows(panel, np.array([0, 0]), 1), [2, 4, 5])
    np.testing.assert_array_equal(target_rows(panel, np.array([3, 2]), 1), [5])


def test_a_target_of_numbers_has_no_alphabet():
    panel = symbols_panel("ab")
    assert alphabet_size(panel) == 2
    object.__setattr__(panel, "channels", (Channel("price", "target"),))
    with pytest.raises(ForecastError, match="the target 'price' should be a column of symbols, found numbers"):
        alphabet_size(panel)
