"""Causal features of a series against pandas, and what they are at their edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracles.panels import panel_of, random_walk

from forecast.reference.causal_features import PanelFeatures, exponential_mean

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
