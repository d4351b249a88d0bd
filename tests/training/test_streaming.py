"""Streamed training against slow loops: which forks exist, what they are trained towards, and where gradients reach."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles.panels import noisy_sine, panel_of

from forecast.network.head import mean_where
from forecast.network.network import Network
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.reference.encoding import fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale
from forecast.training.batches import chunk_batch, training_epochs
from forecast.training.data import begin, network_data
from forecast.training.module import NetworkModule
from forecast.training.settings import TrainingSettings

HORIZON = 4
PROBLEM = Problem(horizon=HORIZON, context_steps=12, season_steps=20)
SETTINGS = TrainingSettings(chunk_steps=16, lanes=3, warmup_steps=10)


@pytest.fixture(name="past")
def make_past():
    holes = [np.ones(n, dtype=bool) for n in (150, 90, 260)]
    holes[0][70:75] = False
    holes[2][3] = False
    return panel_of(*(noisy_sine(len(hole), seed=i) + i for i, hole in enumerate(holes)), observed=holes)


@pytest.fixture(name="train_steps")
def make_train_steps():
    return np.array([120, 70, 210])


def data_of(past, train_steps, name="seasonal"):
    reference = fit_reference(name, past, train_steps, PROBLEM)
    return network_data(past, reference, fit_scale(past, train_steps, 20), fit_encoding(past, train_steps))


def with_random_head(settings, data, seed=0):
    torch.manual_seed(seed)
    network = Network(settings, data.input_spec)
    torch.nn.init.normal_(network.decoder.out.weight)
    return network


def loss_of(network, raw, batch):
    return mean_where(network.head.loss(raw, batch.target, batch.level), batch.exists)


def forks_of(batches):
    """Every fork that carries loss: (row, step ahead) -> target, by the rows of the chunks."""
    forks = {}
    for batch, chunk_rows in batches:
        for lane, step, h in np.argwhere(batch.exists.numpy() > 0):
            key = (int(chunk_rows[lane, step]), int(h) + 1)
            assert key not in forks, "a fork was trained twice in one epoch"
            forks[key] = float(batch.target[lane, step, h])
    return forks


def epoch_with_rows(data, ends, settings=SETTINGS, seed=3):
    """One epoch's batches with the rows that they were made of."""
    result = []

    def spy(data, targets, chunk):
        batch = chunk_batch(data, targets, chunk)
        result.append((batch, chunk.rows))
        return batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecast.training.batches.chunk_batch", spy)
        list(training_epochs(data, ends, settings, context_steps=12, seed=seed))
    return result


@pytest.mark.parametrize("kept", [0, 10**6], ids=["targets by chunk", "targets kept"])
def test_an_epoch_trains_every_fork_once_and_none_that_does_not_exist(past, train_steps, kept, monkeypatch):
    monkeypatch.setattr("forecast.training.batches._TARGETS_KEPT", kept)
    data = data_of(past, train_steps)
    forks = forks_of(epoch_with_rows(data, past.offsets[:-1] + train_steps))
    expected = {}
    for i in range(len(past)):
        y = past.target[past.offsets[i] : past.offsets[i + 1]]
        seen = past.target_observed[past.offsets[i] : past.offsets[i + 1]]
        for t in range(train_steps[i]):
            for h in range(1, HORIZON + 1):
                if t + h >= train_steps[i] or not seen[t + h]:
                    continue  # in validation, in the next series, or missing
                season = t + h - 20 if t + h - 20 >= 0 else t
                expected[int(past.offsets[i]) + t, h] = (y[t + h] - y[season]) / data.scale[i]
    assert forks.keys() == expected.keys()
    for key, target in expected.items():
        assert forks[key] == pytest.approx(target, abs=1e-5), key


@pytest.mark.parametrize(
    "settings", [RnnSettings(layers=2), LstmSettings(layers=2), GruSettings()], ids=lambda s: s.name
)
def test_features_in_chunks_are_those_of_the_whole_walk(past, train_steps, settings):
    """The state is zero where a segment begins, and nowhere else: else these could not agree."""
    data = data_of(past, train_steps)
    network = with_random_head(settings, data)
    ends = past.offsets[:-1] + train_steps
    walks = {}  # segment's first row -> features of the whole walk from there
    state = None
    current = {}
    checked = 0
    for batch, rows in epoch_with_rows(data, ends):
        state = network.initial_state(len(batch.x)) if state is None else state
        features, state = network.features_with_resets(batch.x, batch.series, state, batch.resets, batch.reset_steps)
        for lane in range(len(rows)):
            if batch.resets[lane] >= 0:
                current[lane] = int(rows[lane, int(batch.resets[lane])])
                walked = np.arange(current[lane], ends[data.known.series(rows[lane, :1])[0]])
                x = torch.from_numpy(data.inputs.at(walked))
                series = torch.zeros(1, len(x), dtype=torch.int64)
                walks[current[lane]], _ = network.features(x[None], series, network.initial_state(1))
            for step in np.flatnonzero((batch.exists[lane] > 0).any(dim=1).numpy()):
                whole = walks[current[lane]][0, int(rows[lane, step]) - current[lane]]
                torch.testing.assert_close(features[lane, step], whole, rtol=0, atol=2e-6)
                checked += 1
    assert checked > 300


def gradients(network):
    return [p.grad.clone() for p in network.parameters()]


def test_the_gradient_of_a_chunk_is_that_of_its_slice_alone(past, train_steps):
    """Forward over all earlier chunks without a gradient, then autograd on the slice: the module must agree."""
    data = data_of(past, train_steps)
    ends = past.offsets[:-1] + train_steps
    network = with_random_head(LstmSettings(hidden_size=6, loss="mse"), data)
    module = NetworkModule(network, SETTINGS, str)
    module.on_train_epoch_start()
    state = None
    for index, (batch, _) in enumerate(epoch_with_rows(data, ends)):
        network.zero_grad()
        loss = module.training_step(batch, index)
        if loss is None:
            continue
        loss.backward()
        our = gradients(network)

        network.zero_grad()
        state = network.initial_state(len(batch.x)) if state is None else state
        outputs = []
        for step in range(batch.x.shape[1]):  # one step at a time, zero state where a lane begins
            keep = (batch.resets != step).float()[:, None, None]
            state = tuple(part * keep for part in state)
            here = slice(step, step + 1)
            feature, state = network.features(batch.x[:, here], batch.series[:, here], state)
            outputs.append(network.forecast(feature, None))
        loss_of(network, torch.cat(outputs, dim=1), batch).backward()
        state = tuple(part.detach() for part in state)
        for ours, oracle in zip(our, gradients(network), strict=True):
            torch.testing.assert_close(ours, oracle, rtol=1e-4, atol=1e-5)


def test_one_series_a_lane_and_a_long_chunk_is_full_back_propagation(past, train_steps):
    data = data_of(past, train_steps)
    ends = past.offsets[:-1] + train_steps
    network = with_random_head(GruSettings(hidden_size=6), data).double()
    settings = TrainingSettings(chunk_steps=300, lanes=3)
    ((batch, _),) = epoch_with_rows(data, ends, settings)
    batch = batch._replace(x=batch.x.double())
    module = NetworkModule(network, settings, str)
    module.on_train_epoch_start()
    module.training_step(batch, 0).backward()
    our = gradients(network)

    network.zero_grad()
    total, count = 0.0, 0
    for i in range(len(past)):
        rows = np.arange(past.offsets[i], ends[i])
        x, series = torch.from_numpy(data.inputs.at(rows)).double()[None], torch.full((1, len(rows)), i)
        features, _ = network.features(x, series, network.initial_state(1))
        target, exists = data.differences(rows, ends)
        errors = (network.forecast(features, None)[0, ..., 0] - torch.from_numpy(target)).abs() * torch.from_numpy(
            exists
        )
        total, count = total + errors.sum(), count + int(exists.sum())
    (total / count).backward()
    for ours, oracle in zip(our, gradients(network), strict=True):
        torch.testing.assert_close(ours, oracle, rtol=1e-6, atol=1e-9)


def test_a_window_forks_at_its_last_step_from_a_zero_state(past, train_steps):
    data = data_of(past, train_steps)
    ends = past.offsets[:-1] + train_steps
    settings = TrainingSettings(regime="windows", batch_size=8, batches_per_epoch=3)
    batches = list(training_epochs(data, ends, settings, context_steps=12, seed=0))
    assert [batch.x.shape for batch in batches] == [(8, 12, data.input_spec.inputs)] * 3
    network = with_random_head(LstmSettings(), data)
    module = NetworkModule(network, settings, str)
    module.on_train_epoch_start()
    module.training_step(batches[0], 0)
    carried = module.training_step(batches[1], 1).item()
    module.on_train_epoch_start()
    assert module.training_step(batches[1], 0).item() == carried
    features, _ = network.features(batches[1].x, batches[1].series, network.initial_state(8))
    expected = loss_of(network, network.forecast(features[:, -1:], None), batches[1])
    assert carried == pytest.approx(expected.item(), rel=1e-6)


def test_units_are_root_mean_squares_of_the_training_split_alone(past, train_steps):
    data = data_of(past, train_steps)
    ends = past.offsets[:-1] + train_steps
    trained = np.concatenate([np.arange(s, e) for s, e in zip(past.offsets[:-1], ends, strict=True)])
    network = Network(LstmSettings(), data.input_spec)
    begin(network, data, ends)
    input_unit, output_unit = network.input_unit, network.head.unit
    np.testing.assert_allclose(input_unit, np.sqrt((data.inputs.at(trained) ** 2).mean(axis=0)), rtol=1e-5)
    target, exists = data.differences(trained, ends)
    np.testing.assert_allclose(
        output_unit, [np.sqrt((target[e, h] ** 2).mean()) for h, e in enumerate(exists.T)], rtol=1e-5
    )


def test_an_epoch_depends_on_seed_and_number_alone(past, train_steps):
    data = data_of(past, train_steps)
    ends = past.offsets[:-1] + train_steps
    first = training_epochs(data, ends, SETTINGS, 12, seed=1)
    second = training_epochs(data, ends, SETTINGS, 12, seed=1)
    first_epochs = [[batch.resets.tolist() for batch in first] for _ in range(3)]
    second_epochs = [[batch.resets.tolist() for batch in second] for _ in range(3)]
    assert first_epochs == second_epochs
    assert first_epochs[0] != first_epochs[1]


def test_large_data_are_read_batch_by_batch_as_small_ones_from_a_table(past, train_steps, monkeypatch):
    ends = past.offsets[:-1] + train_steps
    small = list(training_epochs(data_of(past, train_steps, "blend"), ends, SETTINGS, 12, seed=0))
    monkeypatch.setattr("forecast.training.data._INPUTS_KEPT", 0)
    monkeypatch.setattr("forecast.training.batches._TARGETS_KEPT", 0)
    large = list(training_epochs(data_of(past, train_steps, "blend"), ends, SETTINGS, 12, seed=0))
    assert len(small) == len(large) > 3
    for one, other in zip(small, large, strict=True):
        torch.testing.assert_close(one.x, other.x, rtol=0, atol=0)
        torch.testing.assert_close(one.target * one.exists, other.target * other.exists, rtol=0, atol=0)
        torch.testing.assert_close(one.exists, other.exists, rtol=0, atol=0)
