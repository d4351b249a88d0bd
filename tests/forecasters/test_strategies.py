"""Strategies for the horizon: against slow loops, row by row, and on processes whose best forecast is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.panels import autoregression, noisy_sine, panel_of
from oracles.saved import saved_parts

from forecast.errors import ForecastError
from forecast.forecasters.interface import Forecasts
from forecast.forecasters.loading import load_network
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.strategies import forecast_by_forks
from forecast.network.settings import GruSettings, LstmSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, rolling_origins, split_panel
from forecast.series.panel import Channel, KnownAhead
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=6, context_steps=24, season_steps=20)
QUICK = TrainingSettings(max_epochs=3, batches_per_epoch=8, accelerator="cpu", threads=1)
STRATEGIES = ("direct", "recursive", "seq2seq")


def fitted_on(panel, settings, training=QUICK, problem=PROBLEM):
    split = split_panel(panel, 0.15, 0.2, problem.context_steps, problem.horizon)
    return Recurrent(settings, training).fit(panel.cut(split.fitted), split.train, problem), split


def with_ahead(panel, *columns, extra=12):
    """A covariate known ahead, `extra` steps longer than the target."""
    values = np.concatenate(columns)
    return replace(
        panel,
        ahead=KnownAhead(
            values=values[:, None],
            masked=np.zeros((len(values), 1), dtype=bool),
            offsets=panel.offsets + extra * np.arange(len(panel) + 1),
            channels=(Channel("x", "future"),),
        ),
    )


def some_panel(lengths=(300, 260), seed=0):
    """Seasonal series with an effect of something that is known ahead."""
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=n + 12) for n in lengths]
    y = [noisy_sine(n, seed=i) + x[i][:n] + 3 * i for i, n in enumerate(lengths)]
    return with_ahead(panel_of(*y), *x)


@pytest.mark.parametrize("reference", ["blend", "mean", "seasonal", "none"])
@pytest.mark.parametrize("ahead", [False, True], ids=["alone", "with what is known ahead"])
def test_what_is_fed_back_is_as_if_it_had_been_observed(reference, ahead):
    """The slow way: append the forecast to the data and forecast one step from these, again and again."""
    panel = some_panel() if ahead else replace(some_panel(), ahead=None)
    fitted, split = fitted_on(
        panel, LstmSettings(reference=reference, hidden_size=6, layers=2, strategy="recursive"), QUICK
    )
    one_step = replace(fitted, problem=replace(PROBLEM, horizon=1))
    origins = rolling_origins(panel, split.before_test, panel.lengths, PROBLEM.horizon)
    forecasts = fitted.forecast(panel, origins).y_hat
    for i in (0, 7, len(origins) - 1):
        ends = np.minimum(panel.lengths, origins.steps[i] + 1)
        ends[1 - origins.series[i]] = 40
        grown = panel.cut(ends + np.where(np.arange(2) == origins.series[i], PROBLEM.horizon, 0))
        values = grown.values.copy()
        for h in range(PROBLEM.horizon):
            step = origins.steps[i] + h
            known = replace(grown, values=values).cut(np.where(np.arange(2) == origins.series[i], step + 1, 40))
            y = one_step.forecast(known, Origins(origins.series[[i]], np.array([step]))).y_hat[0, 0]
            assert forecasts[i, h] == pytest.approx(y, abs=2e-5)
            values[grown.offsets[origins.series[i]] + step + 1, 0] = y


def test_covariates_that_nobody_knows_ahead_cannot_be_fed_back():
    panel = panel_of(noisy_sine(300))
    covariate = np.random.default_rng(0).normal(size=(300, 1))
    panel = replace(
        panel,
        values=np.hstack([panel.values, covariate]),
        observed=np.ones((300, 2), dtype=bool),
        channels=(*panel.channels, Channel("load", "past")),
    )
    with pytest.raises(ForecastError, match=r"model\.strategy=recursive.*'load'.*direct"):
        fitted_on(panel, LstmSettings(hidden_size=4, strategy="recursive"))


@pytest.mark.parametrize("regime", ["stream", "windows"])
@pytest.mark.parametrize(
    "settings",
    [
        GruSettings(hidden_size=5, strategy="recursive", layers=2),
        LstmSettings(hidden_size=5, strategy="recursive", reference="mean", fork_ensemble=3),
        LstmSettings(hidden_size=5, strategy="seq2seq"),
        GruSettings(hidden_size=5, fork_ensemble=4),
    ],
    ids=lambda s: f"{s.strategy} {s.fork_ensemble}",
)
def test_row_by_row_it_forecasts_as_from_the_whole_history(settings, regime):
    panel = panel_of(*(noisy_sine(n, seed=n) + n for n in (300, 280)))
    fitted, split = fitted_on(panel, settings, QUICK.model_copy(update={"regime": regime}))
    live = fitted.start(panel.cut(split.fitted))
    for step in range(9):
        ends = split.fitted + step
        expected = fitted.forecast(panel.cut(ends), Origins(np.arange(2), ends - 1)).y_hat
        np.testing.assert_allclose(live.forecast().y_hat, expected, rtol=0, atol=1e-4)
        live.update(panel.target[panel.offsets[:-1] + ends])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_was_saved_is_restored_to_the_same_numbers(strategy):
    panel = some_panel()
    fitted, _ = fitted_on(panel, LstmSettings(hidden_size=4, strategy=strategy))
    parts = saved_parts(fitted, panel)
    opened = load_network(fitted.forecaster, PROBLEM, panel.ids, **parts)
    origins = Origins(np.array([0, 1]), panel.lengths - 1)
    np.testing.assert_array_equal(opened.forecast(panel, origins).y_hat, fitted.forecast(panel, origins).y_hat)
    other = replace(fitted.forecaster, settings=LstmSettings(hidden_size=4, strategy="direct"))
    if strategy != "direct":
        with pytest.raises(ForecastError, match="should"):
            load_network(other, PROBLEM, panel.ids, **parts)


class Known:
    """Forecasts that are told apart: step t of series i forecasts 1000 i + 10 t + h for its step h, with bands."""

    def __init__(self, horizon):
        self.horizon = horizon
        self.calls = 0

    def __call__(self, origins):
        self.calls += 1
        h = np.arange(1, self.horizon + 1)
        y_hat = (1000.0 * origins.series + 10.0 * origins.steps**1.5)[:, None] + h
        return Forecasts(y_hat, y_hat[..., None] * np.array([0.5, 1.0, 2.0]))


@pytest.mark.parametrize(("forks", "first_step"), [(1, 0), (2, 0), (3, 4), (30, 0)])
def test_forks_are_averaged_as_a_loop_does(forks, first_step):
    horizon, known = 5, Known(5)
    origins = Origins(np.array([0, 0, 1, 0, 1]), np.array([4, 0 + first_step, 9, 5, 20]))
    actual = forecast_by_forks(known, origins, forks, first_step)
    assert known.calls == 1
    for i, (series, step) in enumerate(zip(origins.series, origins.steps, strict=True)):
        for h in range(1, horizon + 1):
            predicted = []
            for age in range(forks):
                if h + age <= horizon and (age == 0 or step - age >= first_step):
                    one = known(Origins(np.array([series]), np.array([step - age])))
                    predicted.append(one.quantiles[0, h + age - 1])
            np.testing.assert_allclose(actual.quantiles[i, h - 1], np.mean(predicted, axis=0))
            assert actual.y_hat[i, h - 1] == pytest.approx(np.mean(predicted, axis=0)[1])


def on_ar1():
    """E[y_{t+h} | y_t] = phi^h y_t."""
    y = autoregression(3000, 0.8)
    expected = y[:, None] * 0.8 ** np.arange(1, PROBLEM.horizon + 1)
    return panel_of(y), expected, Problem(PROBLEM.horizon, 24, 1), "auto"


def on_a_season():
    """The season itself: noise is independent."""
    t = np.arange(3000)
    wave = np.sin(2 * np.pi * t / 20) + 0.5 * np.cos(4 * np.pi * t / 20)
    noise = 0.3 * np.random.default_rng(1).normal(size=len(t))
    ahead = np.minimum(t[:, None] + np.arange(1, PROBLEM.horizon + 1), len(t) - 1)
    return panel_of(wave + noise), wave[ahead], PROBLEM, "auto"


def on_a_covariate():
    """An AR(1) of 0.5 with 2 x added, x known ahead."""
    base, x = autoregression(3000, 0.5, seed=2), np.random.default_rng(3).normal(size=3012)
    ahead = np.arange(3000)[:, None] + np.arange(1, PROBLEM.horizon + 1)
    expected = base[:, None] * 0.5 ** np.arange(1, PROBLEM.horizon + 1) + 2 * x[ahead]
    return with_ahead(panel_of(base + 2 * x[:3000]), x), expected, Problem(PROBLEM.horizon, 24, 1), "none"


@pytest.mark.parametrize("process", [on_ar1, on_a_season, on_a_covariate], ids=lambda f: f.__name__[3:])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_errs_hardly_more_than_the_best_forecast_that_there_is(strategy, process):
    panel, expected, problem, reference = process()
    settings = GruSettings(strategy=strategy, loss="mse", hidden_size=16, reference=reference)
    training = TrainingSettings(max_epochs=30, patience=8, learning_rate=0.01, accelerator="cpu", threads=1)
    fitted, split = fitted_on(panel, settings, training, problem)
    origins = rolling_origins(panel, split.before_test, panel.lengths, problem.horizon)
    rows = origins.rows(panel)
    truth = panel.target[rows[:, None] + np.arange(1, problem.horizon + 1)]
    error, least = (
        float(np.sqrt(np.mean((truth - y) ** 2))) for y in (fitted.forecast(panel, origins).y_hat, expected[rows])
    )
    assert error <= 1.05 * least


@pytest.mark.parametrize("head", ["gaussian", "quantile", "student_t"])
def test_distributions_that_are_fed_back_widen_as_those_of_the_process(head):
    """Var(y_{t+h} | y_t) = (1 - phi^2h) / (1 - phi^2)."""
    y = autoregression(3000, 0.8)
    training = TrainingSettings(max_epochs=12, accelerator="cpu", threads=1)
    problem = Problem(PROBLEM.horizon, 24, 1)
    fitted, split = fitted_on(panel_of(y), GruSettings(strategy="recursive", head=head), training, problem)
    origins = rolling_origins(panel_of(y), split.before_test, np.array([3000]), PROBLEM.horizon)
    predicted = fitted.forecast(panel_of(y), origins)
    h = np.arange(1, PROBLEM.horizon + 1)
    spread = np.sqrt((1 - 0.8 ** (2 * h)) / (1 - 0.8**2))
    width = (predicted.quantiles[..., -2] - predicted.quantiles[..., 1]).mean(axis=0) / (2 * 1.645)
    np.testing.assert_allclose(width, spread, rtol=0.12)
    assert (np.diff(predicted.quantiles, axis=-1) >= 0).all()
    expected = y[origins.steps, None] * 0.8**h
    truth = y[origins.steps[:, None] + h]
    assert np.mean((truth - predicted.y_hat) ** 2) <= 1.05**2 * np.mean((truth - expected) ** 2)
    alone = fitted.forecast(panel_of(y), origins[[7]])
    np.testing.assert_allclose(alone.quantiles[0], predicted.quantiles[7], atol=1e-4)
