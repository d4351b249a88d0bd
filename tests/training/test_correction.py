"""How much of what a network learnt is used, and what a fit on all rows is held against."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.panels import noisy_sine, panel_of, random_walk
from oracles.saved import saved_parts
from scipy import stats

from forecast.forecasters.departure import departure
from forecast.forecasters.interface import Forecasts
from forecast.forecasters.loading import load_network
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings, LstmSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, last_origins, split_panel
from forecast.reference.evidence import assured_gain
from forecast.reference.fit import fit_reference
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=3, context_steps=12)


def logistic_map(steps, seed=0):
    y = [0.3 + 0.01 * seed]
    for _ in range(steps - 1):
        y.append(3.9 * y[-1] * (1 - y[-1]))
    return np.array(y)


def fit(y, settings, epochs=10, problem=PROBLEM):
    panel = panel_of(y)
    split = split_panel(panel, 0.2, 0.2, problem.context_steps, problem.horizon)
    training = TrainingSettings(max_epochs=epochs, learning_rate=0.02, chunk_steps=16)
    past = panel.cut(split.fitted)
    return Recurrent(settings, training).fit(past, split.train, problem), past, split.train


def origins_of(past, count):
    return Origins(np.zeros(count, dtype=np.int64), np.arange(int(past.lengths[0]) - count, int(past.lengths[0])))


def test_what_was_learnt_of_noise_is_not_used():
    fitted, past, _ = fit(random_walk(500, 2), LstmSettings(hidden_size=8, reference="last"))
    assert fitted.epochs > 0
    assert "0.0 % are used" in fitted.notes[1]
    origins = origins_of(past, 20)
    np.testing.assert_array_equal(fitted.forecast(past, origins).y_hat, fitted.reference.forecast(past, origins))


def test_a_network_that_is_never_better_stays_untrained():
    fitted, past, _ = fit(random_walk(500, 3), LstmSettings(hidden_size=8, reference="last"))
    assert fitted.epochs == 0
    assert fitted.notes[1] == "stayed untrained: none of 10 epochs was better on validation"
    refitted = fitted.chosen().fit(past, past.lengths, PROBLEM)
    assert refitted.epochs == 0
    origins = origins_of(past, 20)
    np.testing.assert_array_equal(refitted.forecast(past, origins).y_hat, refitted.reference.forecast(past, origins))


def test_what_was_learnt_of_a_deterministic_series_is_used_and_kept():
    fitted, past, _ = fit(logistic_map(800), GruSettings(hidden_size=12))
    factor = fitted.network.correction
    assert float(factor.min()) >= 0.85
    assert "kept the weights" in fitted.notes[1]
    parts = saved_parts(fitted, past)
    again = load_network(fitted.forecaster, PROBLEM, past.ids, **parts)
    torch.testing.assert_close(again.network.correction, factor)
    refitted = replace(fitted.chosen(), learning_rates=fitted.chosen().learning_rates[:1]).fit(
        past, past.lengths, PROBLEM
    )
    torch.testing.assert_close(refitted.network.correction, factor)


@pytest.mark.parametrize("head", ["point", "quantile"])
def test_the_factor_multiplies_the_difference_to_the_reference_everywhere(head):
    fitted, past, _ = fit(logistic_map(400), GruSettings(hidden_size=6, head=head), epochs=3)
    origins = last_origins(past)

    def forecast_with(factor):
        fitted.network.correction.copy_(torch.tensor(factor))
        whole, live = fitted.forecast(past, origins).y_hat, fitted.start(past).forecast().y_hat
        np.testing.assert_allclose(live, whole, rtol=1e-5, atol=1e-6)
        return whole - fitted.reference.forecast(past, origins)

    whole = forecast_with([1.0, 1.0, 1.0])
    np.testing.assert_allclose(forecast_with([0.5, 0.0, 1.0]), whole * [0.5, 0.0, 1.0], rtol=1e-5, atol=1e-7)


def test_a_run_without_a_factor_uses_all_that_was_learnt():
    fitted, past, _ = fit(noisy_sine(300), LstmSettings(hidden_size=4), epochs=1)
    parts = saved_parts(fitted, past)
    parts["tensors"] = {name: array for name, array in parts["tensors"].items() if name != "network.correction"}
    assert (
        load_network(fitted.forecaster, PROBLEM, past.ids, **parts).network.correction.tolist()
        == [1.0] * PROBLEM.horizon
    )


def test_an_assured_gain_is_students_lower_bound_over_groups():
    gains, counts = np.random.default_rng(0).normal(1.0, 1.0, (2, 60)), np.full(60, 3.0)
    origins = Origins(np.zeros(60, dtype=np.int64), np.arange(100, 160))
    of_groups = gains.reshape(2, 20, 3).sum(axis=2) / 9  # horizon 6: three origins at once
    expected = [stats.ttest_1samp(one, 0).confidence_interval(0.9).low for one in of_groups]
    np.testing.assert_allclose(assured_gain(gains, counts, origins, 6, confidence=0.95), expected)
    assert assured_gain(gains, counts, origins, 120, confidence=0.95)[0] == -np.inf  # one group


def test_series_are_counted_where_a_panel_is_short():
    gains = np.random.default_rng(1).normal(1.0, 1.0, (1, 18))
    origins = Origins(np.repeat(np.arange(9), 2), np.tile(np.arange(2), 9))
    expected = stats.ttest_1samp(gains.reshape(9, 2).mean(axis=1), 0).confidence_interval(0.9).low
    assert assured_gain(gains, np.ones(18), origins, 10, confidence=0.95)[0] == pytest.approx(expected)


def test_of_random_walks_the_reference_stays_the_last_value():
    names = []
    for seed in range(30):
        walk = panel_of(random_walk(100 + 10 * seed, seed))
        names.append(fit_reference("auto", walk, walk.lengths * 4 // 5, PROBLEM).name)
    assert names.count("last") >= 28


def test_a_fit_on_all_rows_that_explodes_is_found_and_another_is_not():
    fitted, past, train = fit(noisy_sine(400), LstmSettings(hidden_size=6, reference="last"), epochs=8)
    panel = past
    refitted = fitted.chosen().fit(panel, panel.lengths, PROBLEM)
    assert departure(fitted, refitted, panel, train, PROBLEM) == ""
    with torch.no_grad():
        for weight in refitted.network.decoder.parameters():
            weight.mul_(20.0)
    assert "times as much on rows that both know" in departure(fitted, refitted, panel, train, PROBLEM)


def test_forecasts_far_outside_the_judged_errors_are_found():
    panel = panel_of(noisy_sine(400))
    names = (fit_reference(name, panel, panel.lengths, PROBLEM) for name in ("last", "last"))

    class Fixed:
        def __init__(self, reference, shift):
            self.reference, self.shift = reference, shift

        def forecast(self, past, origins):
            y_hat = self.reference.forecast(past, origins)
            y_hat[origins.steps == past.lengths[0] - 1] += self.shift
            return Forecasts(y_hat)

    first, second = names
    train = np.array([300])
    assert departure(Fixed(first, 0.0), Fixed(second, 1.0), panel, train, PROBLEM) == ""
    assert "far outside" in departure(Fixed(first, 0.0), Fixed(second, 20.0), panel, train, PROBLEM)


def test_dynamics_that_depend_on_the_level_are_learnt_from_it():
    y = logistic_map(700)
    errors = {}
    for read in (True, False):
        settings = GruSettings(hidden_size=12, level_input=read, reference="last")
        errors[read] = min(epoch.validation_loss for epoch in fit(y, settings, epochs=12)[0].history)
    assert errors[True] < 0.9 * errors[False]


def test_beside_a_season_dynamics_are_learnt_from_the_level_where_series_are_long():
    problem = Problem(horizon=3, context_steps=24, season_steps=12)
    y = logistic_map(900) + 0.1 * np.sin(2 * np.pi * np.arange(900) / 12)
    errors = {}
    for read in (None, False):
        settings = GruSettings(hidden_size=12, level_input=read, reference="last")
        errors[read] = min(epoch.validation_loss for epoch in fit(y, settings, 20, problem)[0].history)
    assert errors[None] < 0.96 * errors[False]


@pytest.mark.parametrize(
    ("lengths", "season", "head", "reads"),
    [
        ((400,), 12, "point", True),
        ((399,), 12, "point", False),
        ((399,), 1, "point", True),
        ((300, 500), 12, "point", True),  # in the mean
        ((300, 499), 12, "point", False),
        ((400,), 12, "direction", False),
    ],
)
def test_which_networks_read_the_value_itself(lengths, season, head, reads):
    problem = Problem(horizon=3, context_steps=24, season_steps=season)
    if head == "direction":
        problem = replace(problem, target_type="direction")
    settings = GruSettings(hidden_size=2, reference="last", head=head)
    panel, train = panel_of(*(noisy_sine(length + 50) for length in lengths)), np.array(lengths)
    fitted = Recurrent(settings, TrainingSettings(max_epochs=1)).fit(panel, train, problem)
    assert fitted.reference.reads_level == reads


def test_the_value_is_read_within_its_range_in_training_whatever_unit_it_has():
    y = np.concatenate([noisy_sine(100), np.full(20, 50.0)])  # grows far beyond it
    panel, train = panel_of(y), np.array([100])
    reference = fit_reference("last", panel, train, PROBLEM, reads_level=True)
    read = reference.inputs(reference.causal_features(panel), np.arange(120))[:, -1]
    low, high = y[:100].min(), y[:100].max()
    np.testing.assert_allclose(read, np.clip(y, low, high) - (low + high) / 2)
    moved = panel_of(7.0 * y + 300.0)
    again = fit_reference("last", moved, train, PROBLEM, reads_level=True)
    np.testing.assert_allclose(again.inputs(again.causal_features(moved), np.arange(120))[:, -1], 7.0 * read, atol=1e-9)


def test_a_series_that_grows_tenfold_does_not_break_its_network():
    """Trained on the first 800 steps, from step 1,100 on it stands ten times as high, far outside of what was read."""
    y = logistic_map(1_200)
    fitted, *_ = fit(y[:1_000], GruSettings(hidden_size=12, level_input=True, reference="last"))
    assert float(fitted.network.correction.min()) > 0
    y[1_100:] *= 10
    panel, origins = panel_of(y), Origins(np.zeros(90, dtype=np.int64), np.arange(1_105, 1_195))
    truth = y[origins.steps[:, None] + np.arange(1, PROBLEM.horizon + 1)]
    errors = [
        np.abs(truth - made).mean()
        for made in (fitted.forecast(panel, origins).y_hat, fitted.reference.forecast(panel, origins))
    ]
    assert errors[0] < 1.2 * errors[1]


def test_row_by_row_the_value_is_read_as_in_one_pass():
    y = np.concatenate([logistic_map(320), [5.0, -3.0, 0.4, 0.7]])  # beyond the range in training, and back
    fitted, *_ = fit(y[:300], GruSettings(hidden_size=6, reference="blend"), epochs=2)
    fitted.network.correction.fill_(1.0)
    assert fitted.reference.reads_level
    panel = panel_of(y)
    whole = fitted.forecast(panel, Origins(np.zeros(20, dtype=np.int64), np.arange(304, 324))).y_hat
    live = fitted.start(panel.cut(np.array([304])))
    by_row = np.concatenate([live.update(row).y_hat for row in y[304:]])
    at_once = fitted.start(panel.cut(np.array([304]))).update_many(y[304:]).y_hat
    np.testing.assert_allclose(by_row, whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(at_once, by_row)
