"""Base rates of symbols."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.symbols import symbols_panel

from forecast.errors import ForecastError
from forecast.questions.symbols import alphabet_size, symbol_base_rates, symbol_codes, target_rows
from forecast.series.panel import Channel


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
