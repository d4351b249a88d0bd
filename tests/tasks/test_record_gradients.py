"""Recording gradients: what is in the folder, and that nothing else changes for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from small_jobs import small_job

from forecast.inspection.gradients import COLUMNS, excerpt, record_gradients
from forecast.network.network import Network
from forecast.runs import files
from forecast.tasks.candidates import recurrent
from forecast.tasks.prepare import prepare
from forecast.tasks.terminal import silent
from forecast.tasks.train import train
from forecast.training.job import initial_network


def fitted(**changes):
    job = small_job(**changes)
    prepared = prepare(job)
    split, problem = prepared.task.split, prepared.task.problem
    past = prepared.panel.cut(split.fitted)
    return recurrent(job).fit(past, split.train, problem), past, split.train


RECORDED = {"training__record_gradients": True}
WINDOWS = {"training__regime": "windows", "training__batch_size": 8, "training__batches_per_epoch": 3}


@pytest.mark.parametrize(
    "changes",
    [
        {"model__name": "rnn", "model__activation": "relu"},
        {"model__name": "lstm", "model__layers": 2, "model__dropout": 0.3},
        {"model__name": "gru", "model__segment_steps": 4},
        {"model__name": "gru", "model__strategy": "seq2seq", **WINDOWS},
        {"model__name": "lstm", "model__head": "quantile", "model__cross_fit": 2, **WINDOWS},
        {"model__name": "gru", "model__loss": "owa", "training__chunk_steps": 500},
    ],
    ids=str,
)
def test_networks_and_regimes_are_measured(changes):
    network, past, train_steps = fitted(**changes, **RECORDED)
    table = record_gradients(network, past, train_steps)
    assert tuple(table.columns) == COLUMNS
    assert np.isfinite(table.value).all()
    for name in ("initialised", "trained"):
        ours = table[table.network == name]
        norms = ours[ours.measure == "state_norm"]
        assert norms.value.iloc[0] == pytest.approx(1.0)
        assert norms.lag.tolist() == list(range(len(norms)))
        assert ours[ours.measure == "gradient_share"].value.sum() == pytest.approx(1.0)
        assert ours[ours.measure == "saturation"].value.between(0, 1).all()


def test_the_initial_network_is_the_one_that_training_begins_with(monkeypatch):
    begun = {}

    def spy(module, *_):
        if not begun:
            begun.update({name: part.clone() for name, part in module.network.state_dict().items()})

    monkeypatch.setattr("forecast.training.module.NetworkModule.on_train_start", spy)
    network, past, train_steps = fitted(model__name="gru", model__dropout=0.2)
    _, job = network.chosen().training_job(past, train_steps, network.problem)
    again = initial_network(job).state_dict()
    assert again.keys() == begun.keys()
    assert all(torch.equal(part, begun[name]) for name, part in again.items())
    torch.manual_seed(1)
    other = Network(job.network, job.data.input_spec).backbone.core.weight_hh_l0
    assert not torch.equal(other, begun["backbone.core.weight_hh_l0"])


def test_splits_end_in_training_and_are_as_long_as_a_chunk():
    network, past, train_steps = fitted(model__name="gru")
    _, job = network.chosen().training_job(past, train_steps, network.problem)
    taken = excerpt(job)
    assert taken.batch.x.shape[:2] == (8, 32)
    assert taken.before[0].shape[1] > 0
    ends = np.array(taken.batch.rows)
    assert ((ends >= 32) & (ends < train_steps[0] - 1)).all()
    np.testing.assert_allclose(taken.batch.x[:, -1], job.data.inputs.at(ends), rtol=1e-6)
    target, _ = job.data.differences(ends, job.ends)
    np.testing.assert_allclose(taken.batch.target[:, 0], target, rtol=1e-6)


def test_recording_changes_no_weight_no_forecast_and_no_random_number():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    plain, _, _ = fitted(model__name="gru", model__dropout=0.3)
    recording, past, train_steps = fitted(model__name="gru", model__dropout=0.3, **RECORDED)
    before = {name: part.copy() for name, part in recording.tensors().items()}
    record_gradients(recording, past, train_steps)
    assert torch.equal(torch.rand(2), expected)
    for name, part in plain.tensors().items():
        np.testing.assert_array_equal(part, before[name])
        np.testing.assert_array_equal(part, recording.tensors()[name])
    assert [epoch.train_loss for epoch in plain.history] == [epoch.train_loss for epoch in recording.history]


def test_the_norms_of_every_step_are_summed_up(monkeypatch):
    """Counted beside the training, from the gradients as they are before they are clipped."""
    seen = []
    clip = torch.nn.utils.clip_grads_with_norm_

    def spy(parameters, *asked, **said):
        parameters = list(parameters)
        seen.append(sum(float((p.grad.double() ** 2).sum()) for p in parameters) ** 0.5)
        clip(parameters, *asked, **said)
        assert sum(float((p.grad.double() ** 2).sum()) for p in parameters) ** 0.5 <= 0.05 * (1 + 1e-6)

    monkeypatch.setattr("torch.nn.utils.clip_grads_with_norm_", spy)
    network, _, _ = fitted(training__gradient_clip=0.05, training__max_epochs=2)
    steps = len(seen) // 2
    for number, epoch in enumerate(network.history):
        norms = np.array(seen[number * steps : (number + 1) * steps])
        assert epoch.gradient_norm == pytest.approx(norms.mean(), rel=1e-5)
        assert epoch.largest_gradient_norm == pytest.approx(norms.max(), rel=1e-5)
        assert epoch.clipped_share == pytest.approx((norms > 0.05).mean())


def test_the_folder_holds_what_was_recorded_and_nothing_by_default(trained, tmp_path):
    assert not (trained.folder / files.GRADIENTS).exists()
    assert "How far back it learns" not in (trained.folder / files.REPORT).read_text(encoding="utf-8")
    history = pd.read_csv(trained.folder / files.HISTORY)
    of_steps = ["gradient_norm", "largest_gradient_norm", "clipped_share"]
    assert list(history) == ["epoch", "train_loss", "validation_loss", "learning_rate", "seconds", *of_steps]
    recording = train(small_job(**RECORDED, data__transform="none", ensemble=2), tmp_path / "run", silent())
    table = pd.read_csv(recording.folder / files.GRADIENTS)
    assert tuple(table.columns) == COLUMNS
    assert "How far back it learns" in (recording.folder / files.REPORT).read_text(encoding="utf-8")


def test_the_logarithm_of_a_target_is_what_the_network_saw(tmp_path):
    rows = "\n".join(f"{step},{10 + step % 7}" for step in range(200))
    (tmp_path / "file.csv").write_text(f"t,y\n{rows}\n")
    data = {"name": "csv", "path": str(tmp_path / "file.csv"), "transform": "log"}
    run = train(small_job(**RECORDED, data=data), tmp_path / "run", silent())
    assert (run.folder / files.GRADIENTS).exists()
