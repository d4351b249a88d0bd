"""Scores of quantiles against closed forms of scipy's distributions and against loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from oracles.intervals import pinball, probability
from scipy import stats

from forecast.evaluation.intervals import (
    crps,
    pinball_loss,
    probability_transform,
    trapezoid_weights,
    weighted_quantile_loss,
)
from forecast.forecasters.interface import QUANTILES

DENSE = tuple(np.arange(1, 1000) / 1000)


def test_pinball_is_that_of_the_loop():
    rng = np.random.default_rng(0)
    y, q = rng.normal(size=20), rng.normal(size=(20, 9))
    expected = [[pinball(y[i], q[i, j], tau) for j, tau in enumerate(QUANTILES)] for i in range(20)]
    np.testing.assert_allclose(pinball_loss(y, q, QUANTILES), expected)
    assert pinball_loss(np.array(0.0), np.array([-np.inf, np.inf]), (0.1, 0.9)).tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_crps_of_a_gaussian_is_its_closed_form(spread):
    """Gneiting and Raftery (2007), "Strictly proper scoring rules", equation 21."""
    y = np.linspace(-3, 3, 25)
    z = (y - 0.5) / spread
    exact = spread * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    for levels, closeness in ((DENSE, 1e-3), (QUANTILES, 0.08)):
        q = np.broadcast_to(stats.norm.ppf(levels, 0.5, spread), (25, len(levels)))
        np.testing.assert_allclose(crps(pinball_loss(y, q, levels), levels), exact, atol=closeness * spread)


def test_crps_of_a_point_is_its_absolute_error():
    y = np.array([1.0, -2.0])
    q = np.zeros((2, len(DENSE)))
    np.testing.assert_allclose(crps(pinball_loss(y, q, DENSE), DENSE), np.abs(y), rtol=2e-3)


def test_the_weights_are_those_of_the_trapezoid_rule():
    height = np.sin(np.pi * np.array(QUANTILES))
    corners = list(zip([0.0, *QUANTILES, 1.0], [0.0, *height, 0.0], strict=True))
    expected = sum((t - s) * (v + u) / 2 for (s, u), (t, v) in pairwise(corners))
    assert height @ trapezoid_weights(QUANTILES) == pytest.approx(expected)


def test_weighted_quantile_loss_has_no_unit_and_none_where_all_targets_are_zero():
    y, q = np.array([2.0, -4.0]), np.array([[1.0, 3.0], [-5.0, -1.0]])
    losses = pinball_loss(y, q, (0.25, 0.75)).sum(axis=0)
    by_hand = (2 * (0.25 + 0.25) / 6 + 2 * (0.25 + 0.75) / 6) / 2
    for unit in (1.0, 10.0):
        assert weighted_quantile_loss(unit * losses[None], np.array([unit * 6.0])).tolist() == pytest.approx([by_hand])
    assert np.isnan(weighted_quantile_loss(losses[None], np.array([0.0]))).all()


def test_the_probability_transform_is_that_of_the_loop():
    rng = np.random.default_rng(3)
    q = np.sort(rng.normal(size=(200, 9)), axis=1)
    y = rng.normal(scale=2, size=200)
    expected = [probability(value, row.tolist(), QUANTILES) for value, row in zip(y, q, strict=True)]
    np.testing.assert_allclose(probability_transform(y, q, QUANTILES), expected, rtol=1e-9)


def test_the_probability_transform_of_right_quantiles_is_uniform():
    y = np.random.default_rng(4).normal(size=40_000)
    q = np.broadcast_to(stats.norm.ppf(QUANTILES), (40_000, 9))
    shares = np.histogram(probability_transform(y, q, QUANTILES), 10, (0, 1))[0] / 40_000
    np.testing.assert_allclose(shares, 0.1, atol=0.015)  # linear between levels, where a Gaussian is not


def test_quantiles_that_coincide_or_are_infinite():
    q = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.0, 1.0, 2.0], [-np.inf, 1.0, np.inf]])
    found = probability_transform(np.array([1.0, 1.0, 1.0, 1.5]), q, (0.25, 0.5, 0.75))
    assert found[:3].tolist() == pytest.approx([0.5, 0.625, 0.5])
    assert np.isnan(found[3])
