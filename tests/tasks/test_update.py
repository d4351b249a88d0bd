"""`task=update`: a network goes on learning, is judged on the newest rows, and the best of three is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.questions.split import Origins
from forecast.runs.folder import find_run
from forecast.runs.run import open_record, open_run
from forecast.tasks import update as updating
from forecast.tasks.settings import UpdateSettings
from forecast.tasks.terminal import silent
from forecast.tasks.train import train
from forecast.tasks.update import SCRATCH, UNTOUCHED, UPDATED, update
from forecast.wording import number

OLD, NEW = 160, 220


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file, and a newer one that goes on where it ends, with another period from then on."""
    folder = tmp_path_factory.mktemp("files")
    step = np.arange(NEW)
    phase = np.where(step < OLD, step / 10, OLD / 10 + (step - OLD) / 5)
    y = 10 + np.sin(2 * np.pi * phase) + 0.05 * np.random.default_rng(0).standard_normal(NEW)
    table = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=NEW), "y": y})
    table[:OLD].to_csv(folder / "old.csv", index=False)
    table.to_csv(folder / "newer.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def parent(files):
    data = {"name": "csv", "path": str(files / "old.csv"), "season_steps": 10, "calendar": []}
    job = small_job(
        data=data,
        baseline={"naive": {"name": "naive", "method": "naive"}},
        model={"name": "lstm", "hidden_size": 8, "reference": "last"},
        training__max_epochs=25,
        training__learning_rate=0.02,
    )
    return train(job, files / "parent", silent()).folder


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_the_better_network_becomes_a_run_that_names_its_parent(files, parent, tmp_path):
    before = contents(parent)
    settings = UpdateSettings(epochs=80, learning_rate=0.01)
    updated = update(parent, {"path": str(files / "newer.csv")}, tmp_path / "new", settings, console=silent())
    assert contents(parent) == before
    assert updated.kept == min(updated.scores, key=updated.scores.get)
    assert updated.scores[UPDATED] < updated.scores[UNTOUCHED]
    record = open_record(find_run(tmp_path / "new"))
    assert record.parent == str(parent)
    assert record.data.steps == (NEW,)
    assert updated.sentence in record.notes
    assert number(updated.scores[UPDATED]) in updated.sentence
    row = updated.run.leaderboard.set_index("model").loc["lstm"]
    assert row["mase"] == pytest.approx(updated.scores[updated.kept])
    ahead = pd.read_csv(tmp_path / "new" / "forecasts.csv")
    assert ahead["ds"].iloc[0] == "2024-08-08"  # the day after row 220


def test_the_network_as_it_was_is_scored_as_it_forecasts(files, parent, tmp_path):
    """By hand: its absolute error from every origin of the last 20 rows, over that of the season before."""
    updated = update(parent, {"path": str(files / "newer.csv")}, tmp_path / "new", UpdateSettings(), console=silent())
    panel, horizon = updated.run.prepared.panel, 4
    split = updated.run.prepared.task.split
    assert (split.train[0], split.fitted[0], split.before_test[0]) == (180, 200, 200)
    origins = np.arange(199, NEW - horizon)
    y = panel.target
    y_hat = open_run(parent).network.forecast(panel, Origins(np.zeros(len(origins), dtype=np.int64), origins)).y_hat
    errors = np.abs(y_hat - y[origins[:, None] + 1 + np.arange(horizon)])
    scale = np.abs(y[10:180] - y[:170]).mean()
    assert updated.scores[UNTOUCHED] == pytest.approx(errors.mean() / scale, rel=1e-6)


def test_a_network_that_learning_makes_worse_is_kept_as_it_was(files, parent, tmp_path):
    network = open_run(parent).network
    updated = update(
        parent,
        {"path": str(files / "newer.csv")},
        tmp_path / "new",
        UpdateSettings(epochs=1, learning_rate=1e6),
        console=silent(),
    )
    assert updated.scores[UPDATED] >= updated.scores[UNTOUCHED]  # equal where nothing of either is used
    if updated.kept == UNTOUCHED:
        kept = open_run(tmp_path / "new").network.tensors()
        assert all(np.array_equal(kept[name], part) for name, part in network.tensors().items())
    assert updated.kept in (UNTOUCHED, SCRATCH)


def test_of_equals_the_network_as_it_was_is_kept(files, parent, tmp_path, monkeypatch):
    monkeypatch.setattr(updating, "objective", lambda scores, name: 1.0)
    updated = update(parent, {"path": str(files / "newer.csv")}, tmp_path / "new", UpdateSettings(), console=silent())
    assert updated.kept == UNTOUCHED
    before, after = (open_run(folder).network.tensors() for folder in (parent, tmp_path / "new"))
    assert all(np.array_equal(after[name], part) for name, part in before.items())
    assert open_record(tmp_path / "new").network.epochs == (0,)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, r"0 rows after the end of the run .*, and an update needs 5 at least"),
        ({"season_steps": 3}, r"`data\.season_steps=3` cannot be set with task=update"),
    ],
)
def test_what_cannot_be_updated_is_refused(data, says, parent, tmp_path):
    with pytest.raises(ForecastError, match=says):
        update(parent, data, tmp_path / "new", UpdateSettings(), console=silent())
    assert not (tmp_path / "new").exists()


def test_a_network_that_no_gradient_trains_is_refused(files, tmp_path):
    data = {"name": "csv", "path": str(files / "old.csv"), "season_steps": 10, "calendar": []}
    job = small_job(data=data, baseline={}, model={"name": "esn", "hidden_size": 4})
    run = train(job, tmp_path / "esn", silent()).folder
    with pytest.raises(ForecastError, match=r"'esn' .* does not learn step by step, its read-out is fitted"):
        update(run, {"path": str(files / "newer.csv")}, tmp_path / "new", UpdateSettings(), console=silent())
