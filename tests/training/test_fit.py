"""The trainer against a plain loop of torch: what is stepped, clipped, kept, and what ends it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.panels import noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.network.compiled import layers as kernels
from forecast.network.head import mean_where
from forecast.network.network import Network
from forecast.network.settings import LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.reference.encoding import fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale
from forecast.training.batches import training_epochs
from forecast.training.data import begin, network_data
from forecast.training.fit import fit_network
from forecast.training.job import TrainingJob, fresh_network, validation_split
from forecast.training.settings import TrainingSettings
from forecast.training.supervisor import LearningRate, Supervisor

HORIZON = 4
PROBLEM = Problem(horizon=HORIZON, context_steps=12, season_steps=20)
NETWORK = LstmSettings(hidden_size=5)
PLAIN = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": lambda parameters, **options: torch.optim.SGD(parameters, momentum=0.9, **options),
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
}


def a_job(settings, *, network=NETWORK, train_steps=(130, 100), repeated=None, hole=slice(0, 0)):
    seen = [np.ones(160, dtype=bool), np.ones(130, dtype=bool)]
    seen[0][hole] = False
    past = panel_of(noisy_sine(160), 5 + noisy_sine(130, seed=1), observed=seen)
    steps = np.array(train_steps)
    reference = fit_reference("last", past, steps, PROBLEM)
    data = network_data(past, reference, fit_scale(past, steps, 20), fit_encoding(past, steps))
    return TrainingJob(data, steps, network, settings, PROBLEM.context_steps, seed=3, repeated=repeated)


def plain_loop(job, epochs):
    """Chunk by chunk: forward from the carried state, loss, gradient, clip, step; nothing where there is no fork."""
    settings = job.training
    ends = job.data.past.offsets[:-1] + job.train_steps
    batches = training_epochs(job.data, ends, settings, job.context_steps, job.seed)
    torch.manual_seed(job.seed)
    network = Network(job.network, job.data.input_spec)
    begin(network, job.data, ends)
    optimizer = PLAIN[settings.optimizer](
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    empty, losses = 0, []
    for _ in range(epochs):
        state, total, forks = None, 0.0, 0
        for batch in batches:
            state = network.initial_state(len(batch.x)) if state is None or not batch.carried else state
            features, state = network.features_with_resets(
                batch.x, batch.series, state, batch.resets, batch.reset_steps
            )
            state = tuple(part.detach() for part in state)
            if batch.exists.sum() == 0:
                empty += 1
                continue
            raw = network.forecast(features[:, -batch.target.shape[1] :], batch.ahead)
            loss = mean_where(network.head.loss(raw, batch.target, batch.level), batch.exists)
            optimizer.zero_grad()
            loss.backward()
            if settings.gradient_clip:
                torch.nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
            optimizer.step()
            total, forks = total + loss.item() * int(batch.exists.sum()), forks + int(batch.exists.sum())
        losses.append(total / forks)
    return network, losses, empty


@pytest.mark.parametrize("optimizer", PLAIN)
@pytest.mark.parametrize("regime", ["stream", "windows"])
def test_the_trainer_is_a_plain_loop_one_step_a_batch(optimizer, regime):
    settings = TrainingSettings(
        regime=regime,
        optimizer=optimizer,
        chunk_steps=16,
        lanes=2,
        batch_size=16,
        batches_per_epoch=6,
        learning_rate=0.02,
        weight_decay=0.01,
        gradient_clip=0.05,
        accelerator="cpu",
        threads=1,
    )
    job = a_job(settings, repeated=(0.02,) * 3, train_steps=(160, 130), hole=slice(10, 60))
    trained = fit_network(job)
    network, losses, empty = plain_loop(job, 3)
    assert empty > 0 or regime == "windows", "a chunk without a target is to make no step"
    for ours, plain in zip(trained.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose([epoch.train_loss for epoch in trained.history], losses, rtol=1e-5)


def test_every_optimizer_is_compared():
    assert TrainingSettings.model_fields["optimizer"].annotation.__args__ == tuple(PLAIN)


def test_learning_rates_by_schedule():
    constant = LearningRate(TrainingSettings(schedule="constant", learning_rate=0.1), None)
    assert [constant.at(epoch) for epoch in (0, 7)] == [0.1, 0.1]
    cosine = LearningRate(TrainingSettings(schedule="cosine", learning_rate=0.1, max_epochs=4), None)
    assert [cosine.at(epoch) for epoch in range(4)] == pytest.approx(
        [0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05, 0.05 * (1 - math.sqrt(0.5))]
    )
    plateau = LearningRate(TrainingSettings(schedule="plateau", learning_rate=0.1, patience=6), None)
    rates = []
    for epoch, loss in enumerate([1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.85, 0.85]):
        rates.append(plateau.at(epoch))
        plateau.after(loss)
    assert rates == [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]  # two epochs without a better one: a third of 6
    assert plateau.at(8) == 0.025


def test_a_repeated_epoch_that_is_broken_off_does_not_count(monkeypatch):
    settings = TrainingSettings(chunk_steps=16, lanes=1, accelerator="cpu", threads=1)
    steps = []
    original = Supervisor.on_train_batch_end

    def interrupt(self, *arguments):
        steps.append(1)
        self.interrupted = len(steps) == 20
        original(self, *arguments)

    monkeypatch.setattr(Supervisor, "on_train_batch_end", interrupt)
    trained = fit_network(a_job(settings, repeated=(0.01,) * 5, train_steps=(160, 130)))
    epoch = -(-len(steps) // max(len(trained.history), 1))
    assert (len(steps), trained.epochs, trained.reason) == (20, len(trained.history), "interrupted")
    assert 0 < trained.epochs < 20 / epoch + 1 < 5


def test_a_validation_that_is_no_longer_finite_says_where(monkeypatch):
    """A ReLU network can explode on the longer walk of validation while its chunks are still small."""
    monkeypatch.setattr(
        "forecast.training.fit.forecast_by_unrolling",
        lambda network, inputs, starts, series, rows: np.where(
            rows[:, None, None] < 160, np.float32(0.0), np.full((1, HORIZON, 1), np.inf, dtype=np.float32)
        ),
    )
    settings = TrainingSettings(chunk_steps=16, lanes=2, accelerator="cpu", threads=1)
    with pytest.raises(
        ForecastError, match=r"epoch 1, step \d+, at series 's1': validation loss inf, gradient norm .*learning_rate"
    ):
        fit_network(a_job(settings, network=RnnSettings(activation="relu")))


@pytest.mark.parametrize(
    "job", [{"train_steps": (158, 128)}, {"train_steps": (130, 128), "hole": slice(130, 160)}], ids=["short", "unseen"]
)
def test_without_a_forecast_to_validate_on_it_does_not_train(job):
    with pytest.raises(ForecastError, match=r"the validation split has no observed value .*split\.validation"):
        fit_network(a_job(TrainingSettings(accelerator="cpu"), **job))


@pytest.mark.parametrize(("regime", "longer", "share"), [("stream", 0, 1), ("windows", 0, 1), ("stream", 5000, 0)])
def test_an_epoch_that_is_long_enough_alone_is_compiled_from_its_first_step(regime, longer, share, monkeypatch):
    used, layer = [], kernels.lstm_layer
    monkeypatch.setattr(kernels, "lstm_layer", lambda *args: used.append(1) or layer(*args))
    monkeypatch.setattr("forecast.network.compiled.modules.lstm_trains_faster", lambda: True)  # on any processor
    settings = TrainingSettings(
        regime=regime, chunk_steps=16, lanes=2, batch_size=4, batches_per_epoch=6, max_epochs=1, accelerator="cpu"
    )
    job = a_job(settings)
    monkeypatch.setattr("forecast.network.compiled.modules._STEPS_THAT_PAY", job.epochs().steps + longer)
    fit_network(job)
    assert len(used) == share * len(list(job.epochs()))


def test_losses_worked_out_in_parts_are_those_of_all(monkeypatch):
    job = a_job(TrainingSettings(), hole=slice(140, 143))
    network = fresh_network(job)
    part = validation_split(job)
    raw = torch.randn(len(part.rows), HORIZON, 1, generator=torch.manual_seed(0))
    losses = (network.head.point(raw, None) - part.target).abs()[part.exists]
    worst = ((network.head.point(raw, None) - part.target).abs() * part.exists).amax(dim=1).argmax()
    for at_once in (1, 7 * HORIZON, 10**6):
        monkeypatch.setattr("forecast.training.job._NUMBERS_AT_ONCE", at_once)
        loss, row = part.loss(network.head, raw)
        assert loss == pytest.approx(float(losses.double().mean()), rel=1e-6)
        assert row == part.rows[worst]


def test_targets_worked_out_in_parts_are_those_of_all(monkeypatch):
    job = a_job(TrainingSettings(), hole=slice(30, 33))
    rows = np.arange(len(job.data.past.times))
    expected = job.data.differences(rows, job.ends)
    monkeypatch.setattr("forecast.training.data._NUMBERS_AT_ONCE", 9 * HORIZON)
    for actual, whole in zip(job.data.differences(rows, job.ends), expected, strict=True):
        np.testing.assert_array_equal(actual, whole)


def test_what_units_are_measured_on_is_every_kth_row_of_training(monkeypatch):
    monkeypatch.setattr("forecast.training.data._SAMPLED_ROWS", 40)
    measured = []
    job = a_job(TrainingSettings())
    at = job.data.inputs.at
    inputs = replace(job.data.inputs, at=lambda rows: measured.append(rows) or at(rows))
    fresh_network(replace(job, data=replace(job.data, inputs=inputs)))
    trained = np.concatenate([np.arange(130), 160 + np.arange(100)])
    np.testing.assert_array_equal(measured[0], trained[::6])
