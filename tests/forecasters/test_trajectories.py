"""Sample paths: how the steps of the horizon hang together, against processes of which it is known."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of
from oracles.saved import saved_parts

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import ensemble
from forecast.forecasters.interface import QUANTILES
from forecast.forecasters.loading import load_network
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.trajectories import fit_copula
from forecast.forecasters.transformed import Transformed
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, last_origins, split_panel
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=6, context_steps=24, season_steps=20)
QUICK = TrainingSettings(max_epochs=3, accelerator="cpu", threads=1)


def autoregression(steps, weight, seed=0):
    """y_t = weight y_(t-1) + noise of variance 1."""
    rng = np.random.default_rng(seed)
    y = np.zeros(steps)
    for t in range(1, steps):
        y[t] = weight * y[t - 1] + rng.standard_normal()
    return y


def correlation_of_errors(weight, horizon):
    """Of the errors of the best forecasts: step h has the variance sum_(k<h) weight^2k."""
    variance = np.cumsum(weight ** (2 * np.arange(horizon)))
    i, j = np.indices((horizon, horizon))
    covariance = weight ** np.abs(i - j) * variance[np.minimum(i, j)]
    return covariance / np.sqrt(np.outer(variance, variance))


def fitted_on(panel, settings, training=QUICK, problem=PROBLEM):
    split = split_panel(panel, 0.3, 0.1, problem.context_steps, problem.horizon)
    return Recurrent(settings, training).fit(panel.cut(split.fitted), split.train, problem)


def correlation_of(paths):
    """Over paths, of one origin, (horizon, horizon)."""
    return np.corrcoef(paths[0], rowvar=False)


@pytest.mark.parametrize(
    "settings",
    [
        GruSettings(hidden_size=4, head="gaussian", reference="blend"),
        GruSettings(hidden_size=4, head="quantile", reference="blend"),
        GruSettings(hidden_size=8, head="gaussian", reference="blend", strategy="recursive"),
    ],
    ids=lambda s: f"{s.head} {s.strategy}",
)
def test_paths_of_an_autoregression_hang_together_as_theory_says(settings):
    panel = panel_of(autoregression(6000, 0.8), autoregression(6000, 0.8, seed=1))
    training = TrainingSettings(max_epochs=8, accelerator="cpu", threads=1)
    fitted = fitted_on(panel, settings, training)
    origins = last_origins(panel)
    paths = fitted.sample_trajectories(panel, origins, 1000, seed=3)
    assert paths.shape == (2, 1000, 6)
    np.testing.assert_allclose(correlation_of(paths), correlation_of_errors(0.8, 6), atol=0.08)
    spread = np.sqrt(np.cumsum(0.8 ** (2 * np.arange(6))))
    np.testing.assert_allclose(paths.std(axis=1), np.broadcast_to(spread, (2, 6)), rtol=0.12)
    sums = paths.sum(axis=2).std(axis=1)  # what paths are for: the spread of a total, which no quantile of a step tells
    expected = np.sqrt(spread @ correlation_of_errors(0.8, 6) @ spread)
    np.testing.assert_allclose(sums, expected, rtol=0.15)
    assert abs(np.corrcoef(paths[0].sum(axis=1), paths[1].sum(axis=1))[0, 1]) < 0.15  # series share nothing


@pytest.mark.parametrize("name", ["quantile", "gaussian", "student_t"])
def test_each_step_of_paths_has_the_quantiles_of_the_forecast(name):
    panel = panel_of(noisy_sine(400), noisy_sine(380, seed=1) + 5)
    fitted = fitted_on(panel, RnnSettings(hidden_size=4, head=name))
    predicted = fitted.forecast(panel, last_origins(panel)).quantiles
    paths = fitted.sample_trajectories(panel, last_origins(panel), 1024)
    actual = np.moveaxis(np.quantile(paths, QUANTILES, axis=1), 0, -1)
    width = predicted[..., -1:] - predicted[..., :1]
    assert (np.abs(actual - predicted) / width).max() < 0.06


def test_the_same_seed_draws_the_same_paths_whatever_else_is_asked_for():
    panel = panel_of(noisy_sine(400), noisy_sine(380, seed=1))
    fitted = fitted_on(panel, LstmSettings(hidden_size=4, head="gaussian"))
    both = Origins(np.array([0, 0, 1]), np.array([380, 399, 379]))
    paths = fitted.sample_trajectories(panel, both, 10, seed=4)
    np.testing.assert_allclose(
        fitted.sample_trajectories(panel, both[np.array([1])], 10, seed=4), paths[1:2], rtol=1e-5
    )
    assert not np.array_equal(fitted.sample_trajectories(panel, both, 10, seed=5), paths)


def counts(steps, seed=0):
    return np.random.default_rng(seed).negative_binomial(6.0, 0.4, steps).astype(float)


def test_paths_of_counts_are_counts():
    panel = panel_of(counts(400), counts(300, seed=1))
    fitted = fitted_on(panel, GruSettings(hidden_size=4, head="negative_binomial", reference="mean"))
    paths = fitted.sample_trajectories(panel, last_origins(panel), 200)
    np.testing.assert_allclose(paths, np.round(paths), atol=1e-3)
    assert paths.min() > -1e-3
    assert np.abs(fitted.copula.correlation - np.eye(6)).max() < 0.35  # independent counts
    assert paths.mean() == pytest.approx(9.0, rel=0.15)


@pytest.mark.parametrize("name", ["student_t", "negative_binomial"])
def test_saved_and_fitted_again_it_keeps_how_steps_hang_together(name):
    panel = panel_of(counts(400), counts(380, seed=1))
    fitted = fitted_on(panel, LstmSettings(hidden_size=4, head=name))
    parts = saved_parts(fitted, panel)
    opened = load_network(fitted.forecaster, PROBLEM, panel.ids, **parts)
    forecast_task = panel, last_origins(panel), 20
    np.testing.assert_array_equal(
        opened.sample_trajectories(*forecast_task), fitted.sample_trajectories(*forecast_task)
    )
    again = fitted.chosen().fit(panel, panel.lengths, PROBLEM)
    np.testing.assert_array_equal(again.copula.factor, fitted.copula.factor)
    wrong = parts["tensors"] | {"copula.factor": np.eye(5)}
    with pytest.raises(ForecastError, match=r"copula\.factor.*\(6, 6\).*\(5, 5\)"):
        load_network(fitted.forecaster, PROBLEM, panel.ids, **(parts | {"tensors": wrong}))


def test_an_ensemble_draws_from_its_members_in_turn_and_a_log_is_taken_back():
    panel = panel_of(np.exp(noisy_sine(300)))
    split = split_panel(panel, 0.2, 0.1, 24, 6)
    bare = Recurrent(GruSettings(hidden_size=4, head="gaussian"), QUICK)
    members = ensemble(bare, 2).fit(panel.cut(split.fitted), split.train, PROBLEM)
    paths = members.sample_trajectories(panel, last_origins(panel), 5, seed=2)
    assert paths.shape == (1, 5, 6)
    np.testing.assert_array_equal(
        paths[:, ::2], members.members[0].sample_trajectories(panel, last_origins(panel), 3, seed=2)
    )
    log = Transformed(bare).fit(panel.cut(split.fitted), split.train, PROBLEM)
    assert (log.sample_trajectories(panel, last_origins(panel), 50) > 0).all()


def test_without_a_distribution_there_are_no_paths():
    panel = panel_of(noisy_sine(300))
    fitted = fitted_on(panel, GruSettings(hidden_size=4))
    assert fitted.copula is None
    with pytest.raises(ForecastError, match=r"model\.head=point.*set `model\.head=quantile"):
        fitted.sample_trajectories(panel, last_origins(panel), 3)


def scores_of(forks, correlation, seed=0):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(len(correlation)), correlation, forks)


def test_the_correlation_is_that_of_the_scores_where_there_are_many():
    true = correlation_of_errors(0.7, 5)
    scores, rng = scores_of(50_000, true), np.random.default_rng(1)
    everywhere = np.ones(scores.shape, dtype=bool)
    np.testing.assert_allclose(fit_copula(scores + 0.5, everywhere).correlation, true, atol=0.02)
    holes = rng.random(scores.shape) < 0.7
    spoilt = np.where(holes, scores, 1e6)  # what stands where nothing was observed is not read
    np.testing.assert_allclose(fit_copula(spoilt, holes).correlation, true, atol=0.03)


@pytest.mark.parametrize("forks", [0, 1, 3, 20])
def test_of_few_forks_it_is_positive_definite_and_nearer_to_independence(forks):
    scores = scores_of(forks, correlation_of_errors(0.9, 12)) if forks else np.zeros((0, 12))
    actual = fit_copula(scores, np.ones(scores.shape, dtype=bool)).correlation
    np.testing.assert_allclose(np.diag(actual), 1.0)
    assert np.linalg.eigvalsh(actual).min() > 1e-4
    if forks == 0:
        np.testing.assert_array_equal(actual, np.eye(12))
