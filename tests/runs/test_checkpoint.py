from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from forecast.forecasters.interface import Forecasts
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.runs import files
from forecast.runs.checkpoint import Checkpoint, Kept, load_checkpoint
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series

TREE = {"weights": {"a": torch.arange(6.0).view(2, 3)}, "best": float("inf"), "nothing": None, "parts": [1, "x", True]}


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (torch.Tensor, np.ndarray)):
        return np.array_equal(np.asarray(one), other) and np.asarray(one).dtype == other.dtype
    return one == other


def test_what_is_kept_comes_back(tmp_path):
    checkpoint = Checkpoint(tmp_path, 3600)
    random = torch.get_rng_state()
    stage = checkpoint.stage("training")
    stage.keep(TREE | {"random": random, "empty": np.zeros((0, 3)), "scalar": torch.tensor(2.5)}, now=True)
    stages, said = load_checkpoint(tmp_path)
    assert said == ""
    assert same(TREE | {"random": random, "empty": np.zeros((0, 3)), "scalar": torch.tensor(2.5)}, stages["training 0"])
    assert Checkpoint(tmp_path, 1, stages).stage("training").state == stages["training 0"]


def test_what_is_kept_does_not_change_with_the_training(tmp_path):
    weights = torch.ones(3)
    checkpoint = Checkpoint(tmp_path, 3600)
    checkpoint.stage("training").keep({"w": weights})
    weights += 1
    checkpoint.write()
    assert load_checkpoint(tmp_path)[0]["training 0"]["w"].tolist() == [1, 1, 1]


def test_stages_of_one_kind_are_told_apart_by_their_order(tmp_path):
    checkpoint = Checkpoint(tmp_path, 3600)
    names = [checkpoint.stage(kind).name for kind in ("training", "ridge", "training")]
    assert names == ["training 0", "ridge 0", "training 1"]


@pytest.mark.parametrize("tear", ["short", "bit", "empty", "header", "text"])
def test_a_torn_one_falls_back_on_the_one_before(tmp_path, tear):
    checkpoint = Checkpoint(tmp_path, 3600)
    for number in (1, 2):
        checkpoint.stage("training").keep({"number": number, "w": np.arange(100.0)}, now=True)
    path = tmp_path / files.CHECKPOINT
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    torn = {"short": content[:-50], "bit": content, "empty": b"", "header": b"\xff" * 40, "text": b"{}" * 30}[tear]
    path.write_bytes(torn)
    stages, said = load_checkpoint(tmp_path)
    assert [state["number"] for state in stages.values()] == [1]
    assert "is torn" in said
    (tmp_path / files.EARLIER_CHECKPOINT).write_bytes(torn)
    assert load_checkpoint(tmp_path) == ({}, "no checkpoint is whole: the run begins anew")


def test_a_kill_at_any_point_of_writing_leaves_one_that_is_whole(tmp_path, monkeypatch):
    """Stop before each step of the second writing in turn: whatever is on the disk can be read."""
    for stop in ("fsync", "first replace", "second replace"):
        folder = tmp_path / stop
        folder.mkdir()
        checkpoint = Checkpoint(folder, 3600)
        checkpoint.stage("training").keep({"number": 1}, now=True)
        calls = []
        real = Path.replace

        def replace(self, target, stop=stop, calls=calls, real=real):
            calls.append(target)
            if stop == ("first replace", "second replace")[len(calls) - 1]:
                raise KeyboardInterrupt
            return real(self, target)

        def fsync(number, stop=stop):
            if stop == "fsync":
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            patch.setattr(os, "fsync", fsync)
            with pytest.raises(KeyboardInterrupt):
                checkpoint.stage("other").keep({"number": 2}, now=True)
        assert load_checkpoint(folder)[0]["training 0"] == {"number": 1}


def test_writing_takes_a_hundredth_of_the_time(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("forecast.runs.checkpoint.time.monotonic", lambda: now[0])
    monkeypatch.setattr("forecast.runs.checkpoint.os.fsync", lambda _: now.__setitem__(0, now[0] + 0.5))
    checkpoint = Checkpoint(tmp_path, 30)
    written = []
    for _ in range(10_000):
        now[0] += 0.1
        before = now[0]
        checkpoint.stage("training").keep({})
        written += [before] * (now[0] > before)
    assert 0.5 * len(written) / now[0] <= 0.01
    assert np.diff([0.0, *written]).min() >= 30
    assert len(written) > 15


def test_a_disk_that_is_full_costs_the_checkpoint_and_not_the_run(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path, 3600)
    checkpoint.stage("training").keep({"number": 1}, now=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        checkpoint.stage("training").keep({"number": 2}, now=True)
    assert checkpoint.notes == ["the last checkpoint could not be written (No space left on device)"]
    assert load_checkpoint(tmp_path)[0]["training 0"] == {"number": 1}
    assert "checkpoint.part" not in os.listdir(tmp_path)


def test_a_folder_that_was_removed_is_made_again(tmp_path):
    folder = tmp_path / "day" / "run"
    folder.mkdir(parents=True)
    (folder / files.STARTED).write_text("begun")
    checkpoint = Checkpoint(folder, 3600)
    shutil.rmtree(tmp_path / "day")
    checkpoint.stage("training").keep({"number": 1}, now=True)
    assert load_checkpoint(folder)[0]["training 0"] == {"number": 1}
    assert (folder / files.STARTED).read_text() == "begun"


class TrainingMean:
    """Forecasts the last value plus the mean of the training rows; counts what it was asked."""

    name, kind = "mean", "naive"

    def __init__(self):
        self.fits = self.asked = 0

    def fit(self, past, train_steps, problem):
        self.fits += 1
        mean = past.target[: train_steps[0]].mean()

        def forecast(past, origins):
            self.asked += 1
            return Forecasts(past.target[origins.rows(past)][:, None] + mean)

        return SimpleNamespace(forecast=forecast, notes=(f"mean {mean:g}",))


def test_forecasts_are_kept_of_the_very_data_that_were_asked_about():
    """Other values of the same lengths, asked from the same origins, are forecast anew, and so is another fit."""
    origins, steps, problem = Origins(np.array([0, 0]), np.array([2, 3])), np.array([3]), Problem(1, 2)
    first, second = (single_series(y, np.arange(4), Calendar(freq=None)) for y in ([1, 2, 3, 4], [1, 2, 3, 40]))
    forecaster, stage = TrainingMean(), Checkpoint(None).stage("mean")
    fitted = Kept(forecaster, stage).fit(first, steps, problem)
    assert fitted.forecast(first, origins).y_hat.tolist() == [[5], [6]]
    assert fitted.forecast(second, origins).y_hat.tolist() == [[5], [42]]
    assert fitted.forecast(first, origins).y_hat.tolist() == [[5], [6]]
    assert (forecaster.fits, forecaster.asked) == (1, 2)
    anew = Kept(forecaster, stage).fit(first, steps, problem)  # as a run that is resumed does
    assert anew.forecast(second, origins).y_hat.tolist() == [[5], [42]]
    assert (forecaster.fits, forecaster.asked) == (1, 2)
    longer = Kept(forecaster, stage).fit(second, np.array([4]), problem)
    assert longer.notes == ("mean 11.5",)
    assert longer.forecast(first, origins).y_hat.tolist() == [[14.5], [15.5]]
