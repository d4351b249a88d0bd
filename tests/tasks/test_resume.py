"""A run that is stopped and resumed ends as one that was not, to the last bit."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_jobs import small_job

from forecast.errors import Stopped, raise_stopped
from forecast.runs import files
from forecast.runs.checkpoint import Checkpoint
from forecast.runs.run import open_tensors
from forecast.runs.unfinished import staging_of
from forecast.tasks.terminal import silent
from forecast.tasks.train import train

ROOT = Path(__file__).parents[2]


class Fault(BaseException):
    """The end of a process, for the test."""


def stopped_each_time(monkeypatch, job, folder, every):
    """Run a job that fails at each `every`-th point at which something is kept; return the run and how often it did."""
    keep, failures, kept = Checkpoint.keep, 0, itertools.count(1)

    def keep_and_fail(self, name, state, *, now):
        keep(self, name, state, now=True)
        if next(kept) % every == 0:
            raise Fault

    monkeypatch.setattr(Checkpoint, "keep", keep_and_fail)
    monkeypatch.setattr(Checkpoint, "due", property(lambda self: True))
    while True:
        try:
            return train(job, folder, silent(), resumed=failures > 0), failures
        except Fault:
            failures += 1


@pytest.mark.parametrize(
    ("every", "changes"),
    [
        (1, {"model__dropout": 0.2, "model__layers": 2, "training__patience": 1, "training__chunk_steps": 64}),
        (
            3,
            {
                "model": {"name": "gru", "hidden_size": 4, "strategy": "recursive", "head": "gaussian"},
                "training__regime": "windows",
                "training__batches_per_epoch": 4,
                "training__optimizer": "rmsprop",
                "training__refit": False,
                "ensemble": 2,
            },
        ),
        (2, {"data__season_steps": 1, "training__learning_rate": 0.02}),
    ],
    ids=["lstm", "windows", "references that are tried"],
)
def test_stopped_after_every_step_it_ends_with_the_same_bits(tmp_path, monkeypatch, every, changes):
    monkeypatch.setattr("forecast.forecasters.recurrent._TRIED_FROM", 50)
    naive = {"naive": {"name": "naive", "method": "naive"}}
    job = small_job(**{"training__max_epochs": 2, "data__duration": 0.7, "baseline": naive, **changes})
    plain = train(job, tmp_path / "plain", silent())
    resumed, failures = stopped_each_time(monkeypatch, job, tmp_path / "resumed", every)
    steps = sum(len(member.history) for member in resumed.finished.trained.members)
    assert failures >= steps
    assert (plain.folder / files.WEIGHTS).read_bytes() == (resumed.folder / files.WEIGHTS).read_bytes()
    seconds = ["fit_seconds", "forecast_seconds"]
    assert plain.leaderboard.drop(columns=seconds).equals(resumed.leaderboard.drop(columns=seconds))
    losses = [[epoch.validation_loss for epoch in run.finished.trained.members[0].history] for run in (plain, resumed)]
    np.testing.assert_array_equal(*losses)
    assert sorted(os.listdir(plain.folder)) == sorted(os.listdir(resumed.folder))
    assert any("resumed a run" in note for note in resumed.finished.notes)


def test_a_disk_that_is_full_at_the_end_costs_no_training(tmp_path, monkeypatch):
    job = small_job()
    plain = train(job, tmp_path / "plain", silent())

    def refuse(run, folder):
        (folder / files.LEADERBOARD).write_text("half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("forecast.tasks.train.write_tables", refuse)
        with pytest.raises(OSError, match="No space") as error:
            train(job, tmp_path / "run", silent())
    assert "resume=" in error.value.__notes__[0]
    assert sorted(os.listdir(staging_of(tmp_path / "run"))) == [files.CHECKPOINT, files.STARTED]
    monkeypatch.setattr("pytorch_lightning.Trainer.fit", None)
    resumed = train(job, tmp_path / "run", silent(), resumed=True)
    assert (plain.folder / files.WEIGHTS).read_bytes() == (resumed.folder / files.WEIGHTS).read_bytes()


def test_a_request_to_end_is_heeded_after_a_step_and_the_first_interrupt_is_forgotten(tmp_path, monkeypatch):
    """Ctrl-C, then SIGTERM: the training that Ctrl-C cut short goes on when it is resumed."""
    job = small_job()
    plain = train(job, tmp_path / "plain", silent())
    sent = []

    def send(epoch):
        if epoch.epoch == 2 and not sent:
            sent.extend([signal.SIGINT, signal.SIGTERM])
            for number in sent:
                signal.raise_signal(number)

    monkeypatch.setattr("forecast.tasks.terminal.Work.epoch", lambda self, epoch: send(epoch))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, raise_stopped)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Stopped) as stopped:
            train(job, tmp_path / "run", silent())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert stopped.value.signal_number == signal.SIGTERM
    assert stopped.value.__notes__ == [f"go on with `python -m forecast resume={tmp_path / 'run'}`"]
    assert (staging_of(tmp_path / "run") / files.CHECKPOINT).exists()
    resumed = train(job, tmp_path / "run", silent(), resumed=True)
    assert resumed.finished.trained.members[0].stop_reason == plain.finished.trained.members[0].stop_reason
    for name, array in open_tensors(plain.folder).items():
        np.testing.assert_array_equal(array, open_tensors(resumed.folder)[name])


def test_processes_that_are_killed_and_resumed_leave_the_same_bytes():
    """Two kills here; `benchmarks/kills.py` does twenty."""
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "2", "--seed", "4"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    completed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert completed.returncode == 0, completed.stderr
    assert "2 kills in" in completed.stdout
