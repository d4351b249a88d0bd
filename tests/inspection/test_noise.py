"""The best linear filter against Wiener's, and noise through a known filter."""

from __future__ import annotations

import numpy as np
import pytest
from known_networks import made_system, rising, white
from scipy.linalg import solve_toeplitz

from forecast.inspection.noise import filtered, fit_filter, noise_of


def wave(steps, period=20.0):
    return np.sqrt(2) * np.sin(2 * np.pi * np.arange(steps) / period)


def test_the_filter_is_wieners():
    """For an autoregression seen through noise: R w = r with R the covariance of what is seen (Wiener-Hopf)."""
    phi, noise, lags, step = 0.8, 0.7, 6, 2
    e = white(200_000)
    y = np.zeros(len(e))
    for t in range(1, len(y)):
        y[t] = phi * y[t - 1] + e[t]
    seen = np.stack([y + noise * white(len(y), seed) for seed in (1, 2)])
    cov = phi ** np.arange(lags + step) / (1 - phi**2)
    wiener = solve_toeplitz(cov[:lags] + noise**2 * np.eye(1, lags)[0], cov[step:])
    np.testing.assert_allclose(fit_filter(seen, y, lags, step)[:-1], wiener, atol=0.01)


def test_the_filter_is_least_squares_by_hand():
    y, lags, step = 3 + white(80), 4, 3
    rows = [[*y[t - np.arange(lags)], 1.0] for t in range(lags - 1, len(y) - step)]
    by_hand, *_ = np.linalg.lstsq(np.array(rows), y[lags - 1 + step :], rcond=None)
    weights = fit_filter(y[None], y, lags, step)
    np.testing.assert_allclose(weights, by_hand, atol=1e-10)
    assert filtered(weights, y[10 - np.arange(lags)]) == pytest.approx(np.dot(by_hand, [*y[10 - np.arange(lags)], 1]))


def test_errors_grow_with_noise_as_a_known_filter_says():
    """The last value as forecast of white noise of variance 1: error variance 2, and s^2 more with noise."""
    system = made_system(white(4000), [[0.0]], [1.0], [[1.0]])
    noise = noise_of(system, (0.0, 1.0, 2.0))
    np.testing.assert_allclose(noise.network[:, 0], np.sqrt(2 + np.array([0.0, 1.0, 4.0])), rtol=0.12)
    np.testing.assert_allclose(noise.reference[:, 0], 1.0, rtol=0.12)
    np.testing.assert_allclose(noise.linear[:, 0], 1.0, rtol=0.12)  # nothing can be known of white noise


def test_the_linear_filter_averages_noise_on_a_wave_away():
    noise = noise_of(made_system(wave(4000), [[0.0]], [1.0], [[1.0]]), (0.0, 0.5))
    assert noise.linear[0, 0] < 1e-6
    assert noise.linear[1, 0] < 0.35 * np.sqrt(0.5**2 + noise.network[0, 0] ** 2)
    assert noise.network[1, 0] == pytest.approx(np.sqrt(0.5**2 + noise.network[0, 0] ** 2), rel=0.1)


def test_errors_of_probabilities_are_brier_scores_beside_the_linear_probability():
    """A network that says a half always has a Brier score of a quarter, whatever the noise."""
    y = wave(1200)
    silent = rising(y, [[0.0]], [1.0], [[0.0]])
    noise = noise_of(silent)
    np.testing.assert_allclose(noise.network**2, 0.25)
    np.testing.assert_allclose(noise.reference**2, 0.25)
    origins = silent.origins
    lags = noise.lags
    x = np.stack([y[np.arange(lags - 1, 599) - lag] for lag in range(lags)] + [np.ones(600 - lags)], axis=1)
    weights, *_ = np.linalg.lstsq(x, (y[lags:600] > y[lags - 1 : 599]).astype(float), rcond=1e-9)
    linear = np.stack([y[origins - lag] for lag in range(lags)] + [np.ones(len(origins))], axis=1) @ weights
    brier = np.mean((np.clip(linear, 0, 1) - (y[origins + 1] > y[origins])) ** 2)
    assert noise.linear[0, 0] ** 2 == pytest.approx(brier, rel=1e-3)
