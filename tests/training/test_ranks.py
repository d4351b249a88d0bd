"""Two processes that train together come to what one process comes to; and what becomes of one that ends."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from tasks.small_jobs import small_job
from test_fit import NETWORK, a_job

from forecast.app import main
from forecast.errors import ForecastError, Stopped
from forecast.network.pretrained import PretrainedNetwork
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.pretraining.recipe import batch_loss, draw_batch
from forecast.tasks.pretrain import pretrain
from forecast.training import ranks
from forecast.training.fit import fit_network
from forecast.training.job import Stages
from forecast.training.ranks import Ranks, lanes_of
from forecast.training.settings import TrainingSettings

SETTINGS = {"max_epochs": 3, "patience": 3, "chunk_steps": 16, "accelerator": "cpu", "threads": 1}


@pytest.fixture(scope="module", autouse=True)
def dismissed():
    """The other process is started once for all tests here."""
    yield
    ranks._together.dismiss()


def trained(devices, network=NETWORK, stages=None, on_epoch=None, **settings):
    job = a_job(TrainingSettings(**SETTINGS | settings, devices=devices), network=network)
    return fit_network(replace(job, stages=stages, on_epoch=on_epoch))


def assert_same(one, two, tolerance=1e-5):
    for name in ("train_loss", "validation_loss", "learning_rate", "gradient_norm"):
        alone, together = ([getattr(epoch, name) for epoch in run.history] for run in (one, two))
        assert together == pytest.approx(alone, rel=tolerance), name
    assert (one.epochs, one.reason) == (two.epochs, two.reason)
    for (name, alone), together in zip(
        one.network.state_dict().items(), two.network.state_dict().values(), strict=True
    ):
        np.testing.assert_allclose(together, alone, atol=1e-4, err_msg=name)  # Adam steps by signs


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        (NETWORK, {"lanes": 4}),
        (NETWORK, {"lanes": 3, "warmup_steps": 40}),  # one lane more than the other; chunks in which nothing forks
        (NETWORK, {"lanes": 1}),  # the other process has none
        (GruSettings(hidden_size=3, layers=2, head="quantile"), {"lanes": 5, "chunk_steps": 64}),
        (RnnSettings(hidden_size=3), {"regime": "windows", "batch_size": 7, "batches_per_epoch": 5}),
    ],
    ids=["even", "uneven", "idle", "stacked", "windows"],
)
def test_two_processes_come_to_what_one_comes_to(network, settings):
    assert_same(trained(1, network, **settings), trained(2, network, **settings))


def test_every_step_is_trained_by_one_process():
    job = a_job(TrainingSettings(**SETTINGS, lanes=5))
    for batch in job.epochs():
        mine = [lanes_of(batch, rank, 7) for rank in range(7)]
        assert sum(one.forks for one in mine) == batch.forks
        assert {one.all_forks for one in mine} == {batch.forks}
        assert [row for one in mine[:5] for row in one.rows] == list(batch.rows)
        assert all(len(one.x) == 1 and not one.exists.any() for one in mine[5:])


def test_early_stopping_is_agreed():
    settings = {"lanes": 4, "max_epochs": 60, "patience": 2, "learning_rate": 0.1}
    alone, together = trained(1, **settings), trained(2, **settings)
    assert len(together.history) == len(alone.history) < 60
    assert together.reason == alone.reason == "no better validation loss for 2 epochs"


def test_a_time_limit_is_rank_0s(monkeypatch):
    monkeypatch.setattr(
        "forecast.training.supervisor.Supervisor.seconds", property(lambda self: float(self.epoch >= 1))
    )
    ended = trained(2, lanes=4, max_epochs=50, patience=50, time_limit_s=0.5)
    assert len(ended.history) == 1
    assert "time_limit_s" in ended.reason


class Kept(Stages):
    """One stage that keeps every state, and begins with one."""

    def __init__(self, state=None):
        self.state = state
        self.states = []
        self.due = True

    def stage(self, kind):
        return self

    def keep(self, state, *, now=False):
        self.states.append(copy.deepcopy(state))


def test_a_training_goes_on_from_the_end_of_an_epoch_to_the_same_bits():
    network = LstmSettings(hidden_size=4, dropout=0.3)
    kept = Kept()
    whole = trained(2, network, kept, lanes=4)
    assert [state["supervisor"]["batches"] for state in kept.states] == [0] * len(kept.states)
    again = trained(2, network, Kept(kept.states[0]), lanes=4)
    assert [epoch.train_loss for epoch in again.history] == [epoch.train_loss for epoch in whole.history]
    for name, part in whole.network.state_dict().items():
        assert torch.equal(part, again.network.state_dict()[name]), name


def test_sigterm_ends_both_and_what_follows_starts_another():
    def stop(epoch):
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped):
        trained(2, lanes=4, stages=Kept(), on_epoch=stop)
    assert ranks._together is ranks.ALONE


def test_a_process_that_is_killed_ends_all_with_one_line():
    def kill(epoch):
        ranks._together.others[0].kill()

    with pytest.raises(ForecastError, match=r"one of the 2 processes .* has ended \(status -9\)"):
        trained(2, lanes=4, on_epoch=kill)
    assert ranks._together is ranks.ALONE


def test_one_that_cannot_be_started_is_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ForecastError, match=r"training\.devices=2"):
        trained(2)


def test_more_gpus_than_there_are_and_numbers_that_a_cpu_lacks_are_refused(monkeypatch):
    with pytest.raises(ForecastError, match="16-mixed"):
        trained(1, precision="16-mixed")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ForecastError, match=r"found 1: set `training\.devices=1`"):
        trained(2, accelerator="gpu")


def test_ranks_of_another_number_than_torchrun_started_are_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ForecastError, match=r"set `training\.devices=4 training\.strategy=ddp`"):
        trained(2)


@pytest.mark.parametrize("network", [NETWORK, GruSettings(hidden_size=5), RnnSettings(hidden_size=5)], ids=str)
def test_half_precision_is_near_and_leaves_weights_in_single(network):
    single, half = (trained(1, network, precision=one) for one in ("32-true", "bf16-mixed"))
    losses = [[epoch.train_loss for epoch in run.history] for run in (single, half)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert {part.dtype for part in half.network.parameters()} == {torch.float32}


def test_alone_nothing_is_asked_of_anybody():
    assert Ranks().agreed(1.0) == Ranks().summed(1.0) == (1.0,)


def test_processes_that_pretrain_go_along_the_mean_of_their_gradients(tmp_path):
    job = small_job(task="pretrain", pretrain={"steps": 3}, training__devices=2, training__strategy="ddp")
    done = pretrain(job.pretrain, tmp_path / "run", 5, Console(quiet=True), job=job)
    torch.manual_seed(5)
    network = PretrainedNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=1e-4)
    mean = {name: part.clone() for name, part in network.state_dict().items()}
    for step in range(3):
        optimizer.param_groups[0]["lr"] = 2e-3 * (step + 1) / 50 * (0.5 * (1 + np.cos(np.pi * step / 3)) + 0.005)
        optimizer.zero_grad()
        for rank in range(2):
            (batch_loss(network, draw_batch(np.random.default_rng([5, 2 * step + rank]))) / 2).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        for name, part in network.state_dict().items():
            mean[name].lerp_(part, 1 / (step + 1))
    apart = torch.cat([(mean[name] - part).abs().flatten() for name, part in done.network.state_dict().items()])
    assert apart.quantile(0.99) < 1e-7  # Adam steps by signs, and some gradients are next to nothing
    assert apart.max() < 1e-4


def test_torchrun(tmp_path):
    """The whole command, of which the second process only trains: one run folder, the scores of one process."""
    said = ["data.duration=1", "horizon=4", "training.max_epochs=1", "model.hidden_size=2", "report.png=false"]
    said += ["baseline=[naive]", "training.refit=false", "training.accelerator=cpu"]
    assert main([*said, f"hydra.run.dir={tmp_path / 'one'}"]) == 0
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "forecast"]
    two = ["training.strategy=ddp", "training.devices=2", f"hydra.run.dir={tmp_path / 'two'}"]
    done = subprocess.run([*start, *said, *two], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run folder:") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    scores = [
        {row["model"]: row["mase"] for row in json.loads((tmp_path / name / "run.json").read_text())["metrics"]}
        for name in ("one", "two")
    ]
    assert scores[1] == pytest.approx(scores[0], rel=1e-5)
