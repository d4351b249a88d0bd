"""Causal features of a series against pandas, and what they are at their edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracles.panels import hidden, noisy_sine, panel_of, random_walk, with_masked_read

from forecast.reference.causal_features import PanelFeatures, exponential_mean, filled_target

LENGTHS = (1, 2, 31, 32, 33, 64, 65, 1000)


@pytest.mark.parametrize("smoothing", [0.05, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("steps", LENGTHS)
def test_the_exponential_mean_is_that_of_pandas(steps, smoothing):
    y = random_walk(steps) + 1000
    expected = pd.Series(y).ewm(alpha=smoothing, adjust=False).mean().to_numpy()
    np.testing.assert_allclose(exponential_mean(y, smoothing), expected, rtol=1e-14)


def test_nothing_that_comes_later_moves_an_exponential_mean():
    y, later = random_walk(200), random_walk(200, seed=1)
    for known in (50, 64, 65):
        changed = np.concatenate([y[:known], later[known:]])
        np.testing.assert_array_equal(exponential_mean(changed, 0.2)[:known], exponential_mean(y, 0.2)[:known])


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.2, 0.3, 0.7])
def test_a_series_that_stands_still_is_its_own_mean_to_the_last_bit(smoothing):
    """Else a network would read rounding errors, which its input unit would make as large as one."""
    panel = panel_of(*[np.full(300, value) for value in (123.456, 0.1, -1e6 / 3, 7.7, 1e-9, 99.99, 3.3, 1 / 7)])
    known = PanelFeatures(panel, smoothing, season_steps=1)
    np.testing.assert_array_equal(known.level, panel.target)


def test_each_series_has_a_mean_of_its_own():
    parts = [random_walk(steps, seed=steps) for steps in LENGTHS]
    known = PanelFeatures(panel_of(*parts), 0.3, season_steps=1)
    np.testing.assert_array_equal(known.level, np.concatenate([exponential_mean(y, 0.3) for y in parts]))
    np.testing.assert_array_equal(known.series(np.arange(sum(LENGTHS))), np.repeat(np.arange(len(LENGTHS)), LENGTHS))


SINGLE = np.isin(np.arange(100), [3, 6, 20, 21, 40, 46, 47, 99])
LONG = SINGLE | ((np.arange(100) >= 50) & (np.arange(100) < 73))  # four seasons of six


@pytest.mark.parametrize("season", [1, 2, 6, 40])
@pytest.mark.parametrize("masked", [SINGLE, LONG], ids=["single", "longer than a season"])
def test_a_masked_value_is_read_as_the_equations_of_its_season_say(masked, season):
    series = [noisy_sine(100, seed=1), 50 + random_walk(100)]
    both = [masked, masked[::-1]]  # the second begins with a masked value
    read = filled_target(hidden(panel_of(*series), np.concatenate(both)), season)
    expected = [with_masked_read(y, of, season) for y, of in zip(series, both, strict=True)]
    np.testing.assert_allclose(read, np.concatenate(expected), atol=1e-9)


def test_without_a_season_before_it_a_masked_value_is_read_as_the_value_before():
    y = random_walk(60)
    masked = np.isin(np.arange(60), [4, 5, 6, 20, 24])
    before = pd.Series(np.where(masked, np.nan, y)).ffill().to_numpy()
    for season in (1, 24, 60):
        np.testing.assert_array_equal(filled_target(hidden(panel_of(y), masked), season), before)


def test_a_pattern_that_repeats_is_read_as_if_nothing_were_missing_and_its_level_where_it_stands():
    y = np.tile([3.0, -1.0, 4.0, 1.5, 9.0, 2.0], 10)
    masked = np.zeros(60, dtype=bool)
    masked[8:11] = masked[20:40] = True
    np.testing.assert_array_equal(filled_target(hidden(panel_of(y), masked), 6), y)
    y[19:] += 8.0  # a step just before the gap
    read = filled_target(hidden(panel_of(y), masked), 6)
    assert (y - read)[20:23].tolist() == [1.0, 1.875, 2.640625]  # what fades of it, 8 (1 - (7/8)^k)


def test_in_a_gap_of_many_seasons_nothing_runs_off():
    y = 100.0 + noisy_sine(400, noise=1.0, period=4)
    masked = (np.arange(400) >= 40) & (np.arange(400) < 399)
    known = y[:40]
    read = filled_target(hidden(panel_of(y), masked), 4)[40:399]
    assert known.min() - 10 < read.min() < read.max() < known.max() + 10
    np.testing.assert_allclose(read[-4:], read[-8:-4], atol=1e-9)


def test_what_a_masked_value_is_read_as_depends_on_nothing_after_it():
    y, later = random_walk(100), random_walk(100, seed=1)
    for known in (30, 55, 73):
        changed = np.concatenate([y[:known], later[known:]])
        whole, other = (filled_target(hidden(panel_of(of), LONG), 6)[:known] for of in (y, changed))
        np.testing.assert_array_equal(whole, other)


def test_a_series_of_which_nothing_is_known_reads_no_other():
    masked = np.repeat([True, False], 10)
    read = filled_target(hidden(panel_of(random_walk(10), random_walk(10)), masked), 3)
    assert (read[:10] == 0).all()
