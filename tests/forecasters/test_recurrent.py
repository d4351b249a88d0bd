"""Recurrent forecasters: what they learn, when they stop, and that they go on one row at a time."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import torch
from oracles.panels import noisy_sine, panel_of, random_walk
from oracles.saved import saved_parts

from forecast.errors import ForecastError
from forecast.forecasters.interface import QUANTILES
from forecast.forecasters.loading import load_network
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, last_origins, rolling_origins, split_panel
from forecast.training.settings import TrainingSettings

CELLS = {"rnn": RnnSettings, "lstm": LstmSettings, "gru": GruSettings}
PROBLEM = Problem(horizon=5, context_steps=24, season_steps=20)
QUICK = TrainingSettings(max_epochs=3, batches_per_epoch=8)


def fitted_on(panel, settings=None, training=QUICK, problem=PROBLEM, **options):
    split = split_panel(panel, 0.15, 0.2, problem.context_steps, problem.horizon)
    past = panel.cut(split.before_test)
    return Recurrent(settings or LstmSettings(hidden_size=8), training, **options).fit(
        past, split.train, problem
    ), split


def test_errors(panel, fitted, split):
    origins = rolling_origins(panel, split.before_test, panel.lengths, PROBLEM.horizon)
    ahead = origins.rows(panel)[:, None] + np.arange(1, PROBLEM.horizon + 1)
    return panel.target[ahead] - fitted.forecast(panel, origins).y_hat


test_errors.__test__ = False


def test_a_clean_sine_is_forecast_to_a_hundredth_of_its_amplitude():
    """Without the seasonal reference, which alone would be exact: the network has to learn the sine itself."""
    panel = panel_of(noisy_sine(2000, noise=0.0))
    training = TrainingSettings(max_epochs=150)
    fitted, split = fitted_on(panel, LstmSettings(reference="last"), training)
    one_step = test_errors(panel, fitted, split)[:, 0]
    assert np.sqrt(np.mean(one_step**2)) <= 0.01


def test_of_a_noisy_sine_hardly_more_is_left_than_the_noise():
    noise = 0.2
    panel = panel_of(noisy_sine(4000, noise))
    fitted, split = fitted_on(panel, LstmSettings(), TrainingSettings(max_epochs=30))
    one_step = test_errors(panel, fitted, split)[:, 0]
    assert np.sqrt(np.mean(one_step**2)) <= 1.05 * noise


def test_order_matters_a_sine_shuffled_in_time_cannot_be_forecast():
    y = noisy_sine(2000, noise=0.0)
    shuffled = panel_of(np.random.default_rng(0).permutation(y))
    fitted, split = fitted_on(shuffled, LstmSettings(), TrainingSettings(max_epochs=20))
    one_step = test_errors(shuffled, fitted, split)[:, 0]
    assert np.sqrt(np.mean(one_step**2)) > 0.95 * y.std()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("regime", ["stream", "windows"])
def test_the_first_step_depends_on_the_last_observation(cell, regime):
    y = noisy_sine(400)
    fitted, _ = fitted_on(panel_of(y), CELLS[cell](reference="none"), QUICK.model_copy(update={"regime": regime}))
    changed = y.copy()
    changed[-1] += 1.0
    before, after = (fitted.forecast(p, last_origins(p)).y_hat[0] for p in (panel_of(y), panel_of(changed)))
    assert (np.abs(after - before) > 1e-4).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("regime", ["stream", "windows"])
@pytest.mark.parametrize("reference", ["blend", "mean", "level", "none", "last", "seasonal"])
def test_row_by_row_it_forecasts_as_from_the_whole_history(cell, regime, reference):
    panel = panel_of(*(noisy_sine(n, seed=n) + n for n in (300, 420, 280)))
    settings = CELLS[cell](reference=reference, hidden_size=6, layers=2)
    fitted, split = fitted_on(panel, settings, QUICK.model_copy(update={"regime": regime}))
    known = split.before_test
    live = fitted.start(panel.cut(known))
    for step in range(45):  # beyond two seasons, so that what the reference remembers has turned over
        forecast = live.update(panel.target[panel.offsets[:-1] + known + step])
    ends = known + 45
    expected = fitted.forecast(panel.cut(ends), Origins(np.arange(3), ends - 1)).y_hat
    np.testing.assert_allclose(forecast.y_hat, expected, rtol=0, atol=1e-5)
    assert forecast.ds[1].tolist() == (np.arange(1, 6) + ends[1] - 1).tolist()


def test_a_short_past_grows_row_by_row_too():
    panel = panel_of(noisy_sine(300))
    fitted, _ = fitted_on(panel, LstmSettings(reference="blend", hidden_size=6))
    live = fitted.start(panel.cut(np.array([3])))
    for step in range(3, 299):
        forecast = live.update(panel.target[step])
    expected = fitted.forecast(panel.cut(np.array([299])), Origins(np.array([0]), np.array([298]))).y_hat
    np.testing.assert_allclose(forecast.y_hat, expected, rtol=0, atol=1e-5)


def test_a_row_that_is_no_row_is_refused_and_changes_nothing():
    panel = panel_of(noisy_sine(300))
    fitted, _ = fitted_on(panel)
    live = fitted.start(panel)
    before = live.forecast().y_hat
    for row in ([1.0, 2.0], float("nan"), "x"):
        with pytest.raises((ForecastError, ValueError)):
            live.update(row)
    np.testing.assert_array_equal(live.forecast().y_hat, before)


def test_the_weights_kept_are_those_of_the_best_epoch():
    panel = panel_of(noisy_sine(600, noise=0.3))
    training = TrainingSettings(max_epochs=60, patience=5, learning_rate=0.02)
    fitted, split = fitted_on(panel, LstmSettings(reference="last"), training)
    assert fitted.network.correction.tolist() == [1.0] * PROBLEM.horizon
    losses = [epoch.validation_loss for epoch in fitted.history]
    assert fitted.epochs == int(np.argmin(losses)) + 1
    assert len(losses) == fitted.epochs + 5
    assert "5 epochs" in fitted.stop_reason
    past = panel.cut(split.before_test)
    origins = rolling_origins(past, split.train, past.lengths, PROBLEM.horizon)
    ahead = origins.rows(past)[:, None] + np.arange(1, 6)
    errors = np.abs(past.target[ahead] - fitted.forecast(past, origins).y_hat) / fitted.scale[0]
    assert errors.mean() == pytest.approx(min(losses), rel=1e-3)


def test_training_again_as_chosen_repeats_it():
    panel = panel_of(noisy_sine(500))
    training = TrainingSettings(max_epochs=12, patience=3, learning_rate=0.05)
    fitted, split = fitted_on(panel, training=training)
    again = fitted.chosen().fit(panel.cut(split.before_test).cut(split.train), split.train, PROBLEM)
    assert len(again.history) == again.epochs == fitted.epochs
    for ours, theirs in zip(again.network.parameters(), fitted.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    final = fitted.chosen().fit(panel, panel.lengths, PROBLEM)
    assert final.epochs == fitted.epochs
    assert final.reference.name == fitted.reference.name


def test_the_seed_decides_and_the_callers_random_numbers_are_left_alone():
    panel = panel_of(noisy_sine(300))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    settings = LstmSettings(hidden_size=8, reference="last")
    outputs = [
        fitted_on(panel, settings, seed=seed)[0].forecast(panel, last_origins(panel)).y_hat for seed in (0, 0, 1)
    ]
    assert torch.rand(1) == expected
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


def test_a_time_limit_ends_training_and_keeps_what_was_best():
    training = TrainingSettings(max_epochs=100_000, patience=100_000, time_limit_s=0.5)
    fitted, _ = fitted_on(panel_of(noisy_sine(400)), training=training)
    assert "time_limit_s" in fitted.stop_reason
    assert all(epoch.train_loss > 0 for epoch in fitted.history), "an epoch without a step is none"
    assert 0 < fitted.epochs <= len(fitted.history) < 100_000


def test_a_first_interrupt_ends_training_and_keeps_what_was_best():
    def interrupt(epoch):
        if epoch.epoch == 4:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    training = TrainingSettings(max_epochs=100_000, patience=100_000)
    fitted, _ = fitted_on(panel_of(noisy_sine(400)), training=training, on_epoch=interrupt)
    assert fitted.stop_reason == "interrupted"
    assert len(fitted.history) == 4
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_ends_the_program():
    def interrupt(epoch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
    try:
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            fitted_on(panel_of(noisy_sine(400)), on_epoch=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_loss_that_explodes_names_where_and_what_to_try():
    training = TrainingSettings(max_epochs=50, optimizer="sgd", learning_rate=1e30, gradient_clip=None)
    with pytest.raises(
        ForecastError,
        match=r"epoch \d+, step \d+, at series 's0': loss .*gradient norm .*learning_rate.*clip` \(null now\)",
    ):
        fitted_on(panel_of(noisy_sine(400)), RnnSettings(activation="relu"), training)


def test_what_was_saved_is_restored_to_the_same_numbers():
    panel = panel_of(noisy_sine(300), noisy_sine(280, seed=1))
    fitted, _ = fitted_on(panel)
    parts = saved_parts(fitted, panel)
    opened = load_network(fitted.forecaster, PROBLEM, panel.ids, **parts)
    origins = last_origins(panel)
    np.testing.assert_array_equal(opened.forecast(panel, origins).y_hat, fitted.forecast(panel, origins).y_hat)
    for spoilt in (
        {k: v for k, v in parts["tensors"].items() if k != "scale"},
        parts["tensors"] | {"network.extra": np.zeros(2)},
        parts["tensors"] | {"scale": np.zeros(3)},
    ):
        with pytest.raises(ForecastError, match="should be"):
            load_network(fitted.forecaster, PROBLEM, panel.ids, **(parts | {"tensors": spoilt}))


def test_other_series_than_those_it_was_fitted_on_are_refused():
    panel = panel_of(noisy_sine(300), noisy_sine(280, seed=1))
    fitted, _ = fitted_on(panel)
    with pytest.raises(ForecastError, match="fitted on the series 's0', 's1'"):
        fitted.forecast(panel_of(noisy_sine(300)), Origins(np.array([0]), np.array([250])))


@pytest.mark.parametrize("cell", CELLS)
def test_an_untrained_network_is_its_reference(cell):
    panel = panel_of(random_walk(400))
    fitted, _ = fitted_on(panel, CELLS[cell](reference="level"), TrainingSettings(max_epochs=1, learning_rate=1e-12))
    origins = Origins(np.zeros(50, dtype=int), np.arange(300, 350))
    np.testing.assert_allclose(
        fitted.forecast(panel, origins).y_hat, fitted.reference.forecast(panel, origins), atol=1e-6
    )


def counts(steps=400, seed=0):
    """Counts around 8 with a season of 20, of the variance 2 m."""
    rng = np.random.default_rng(seed)
    mean = 8 + 5 * np.sin(2 * np.pi * np.arange(steps) / 20)
    return rng.negative_binomial(mean, 0.5).astype(float)


def test_counts_are_forecast_as_counts():
    panel = panel_of(counts(), counts(350, seed=1))
    settings = GruSettings(hidden_size=4, head="negative_binomial", reference="seasonal")
    fitted, _ = fitted_on(panel, settings, TrainingSettings(max_epochs=4, accelerator="cpu", threads=1))
    predicted = fitted.forecast(panel, Origins(np.zeros(60, dtype=int), np.arange(330, 390)))
    np.testing.assert_allclose(predicted.quantiles, np.round(predicted.quantiles), atol=1e-4)
    assert predicted.quantiles.min() > -1e-4
    assert (predicted.y_hat > 0).all()
    live = fitted.start(panel)
    np.testing.assert_allclose(live.forecast().y_hat, fitted.forecast(panel, last_origins(panel)).y_hat, rtol=1e-5)


@pytest.mark.parametrize(("at", "value", "said"), [(7, -1.0, "-1"), (9, 2.5, "2.5")])
def test_what_is_no_count_is_refused_by_a_head_of_counts(at, value, said):
    y = counts()
    y[at] = value
    with pytest.raises(ForecastError, match=rf"negative_binomial.*'s0' has {said} at {at}: set"):
        fitted_on(panel_of(y), GruSettings(head="negative_binomial"))


def test_a_width_that_comes_and_goes_is_learnt():
    """Noise of 0.2 and of 1 in turn, ten steps each: the Gaussian's 90 % interval is five times as wide there."""
    rng = np.random.default_rng(2)
    spread = np.where(np.arange(3000) // 10 % 2 == 0, 0.2, 1.0)
    panel = panel_of(rng.standard_normal(3000) * spread)
    settings = LstmSettings(hidden_size=16, head="gaussian", reference="mean")
    fitted, _ = fitted_on(panel, settings, TrainingSettings(max_epochs=60, learning_rate=0.02, accelerator="cpu"))
    steps = np.arange(2600, 2900)
    predicted = fitted.forecast(panel, Origins(np.zeros(300, dtype=int), steps)).quantiles[:, 0]
    width = (predicted[:, QUANTILES.index(0.95)] - predicted[:, QUANTILES.index(0.05)]) / (2 * 1.6449)
    calm = spread[steps + 1] < 0.5
    settled = (steps + 1) % 10 > 1  # the first steps of a stretch are told apart only by counting
    assert np.median(width[calm & settled]) == pytest.approx(0.2, rel=0.35)
    assert np.median(width[~calm & settled]) == pytest.approx(1.0, rel=0.35)


@pytest.mark.parametrize(
    "settings",
    [
        GruSettings(hidden_size=5, head="quantile", fork_ensemble=3),
        LstmSettings(hidden_size=5, head="gaussian"),
        RnnSettings(hidden_size=5, head="student_t", strategy="recursive"),
    ],
    ids=lambda s: f"{s.head} {s.strategy} {s.fork_ensemble}",
)
def test_row_by_row_the_quantiles_are_those_of_the_whole_history(settings):
    panel = panel_of(*(noisy_sine(n, seed=n) + n for n in (300, 280)))
    fitted, split = fitted_on(panel, settings)
    live = fitted.start(panel.cut(split.fitted))
    for step in range(3):
        ends = split.fitted + step
        expected = fitted.forecast(panel.cut(ends), Origins(np.arange(2), ends - 1)).quantiles
        np.testing.assert_allclose(live.forecast().quantiles, expected, rtol=0, atol=2e-4)
        live.update(panel.target[panel.offsets[:-1] + ends])


@pytest.mark.parametrize("head", ["quantile", "gaussian", "student_t"])
def test_of_a_sine_whose_noise_comes_and_goes_the_intervals_cover_what_they_say(head):
    rng, t = np.random.default_rng(0), np.arange(3000)
    spread = 0.3 + 0.25 * np.sin(2 * np.pi * t / 20 + 1)
    panel = panel_of(np.sin(2 * np.pi * t / 20) + spread * rng.standard_normal(3000))
    training = TrainingSettings(max_epochs=20, accelerator="cpu", threads=1)
    fitted, split = fitted_on(panel, GruSettings(hidden_size=16, head=head), training)
    origins = rolling_origins(panel, split.before_test, panel.lengths, PROBLEM.horizon)
    ahead = origins.rows(panel)[:, None] + np.arange(1, PROBLEM.horizon + 1)
    predicted, y = fitted.forecast(panel, origins).quantiles, panel.target[ahead]
    for low, nominal in ((0, 0.95), (1, 0.9), (2, 0.8), (3, 0.5)):
        covered = np.mean((predicted[..., low] <= y) & (y <= predicted[..., -1 - low]))
        assert covered == pytest.approx(nominal, abs=0.1 if nominal == 0.5 else 0.06)
    width = predicted[..., QUANTILES.index(0.95)] - predicted[..., QUANTILES.index(0.05)]
    assert np.corrcoef(width.ravel(), spread[ahead].ravel())[0, 1] > 0.9
