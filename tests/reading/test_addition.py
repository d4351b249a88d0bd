"""Sums in binary digits against Python's own whole numbers."""

from __future__ import annotations

import numpy as np

from forecast.reading.generators import make_addition
from forecast.reading.settings import AdditionSettings

SETTINGS = AdditionSettings(sums=40, shortest=2, longest=9, longer_sums=5, longer=100, seed=3)


def number(digits):
    """Whole number of binary digits, the lowest first."""
    return sum(int(digit) << place for place, digit in enumerate(digits))


def test_each_series_is_a_sum():
    panel = make_addition(SETTINGS)
    assert len(panel) == 45
    for i, (_, rows) in enumerate(panel.series()):
        known = panel.ahead.values[panel.ahead.offsets[i] : panel.ahead.offsets[i + 1]]
        own = known[: rows.stop - rows.start]
        assert number(own[:, 0]) + number(own[:, 1]) == number(panel.target[rows])
        assert not own[[0, -1]].any()
        assert panel.target[rows][0] == 0
        assert not known[len(own) :].any()


def test_the_longer_ones_come_last_and_lengths_are_as_said():
    lengths = make_addition(SETTINGS).lengths - 2
    assert set(lengths[:40]) <= set(range(2, 10))
    assert {2, 9} <= set(lengths[:40])
    assert set(lengths[40:]) == {100}


def test_another_seed_draws_other_sums_and_the_same_the_same():
    first, again = make_addition(SETTINGS), make_addition(SETTINGS)
    np.testing.assert_array_equal(first.values, again.values)
    other = make_addition(SETTINGS.model_copy(update={"seed": 4}))
    assert not np.array_equal(first.ahead.values, other.ahead.values)
