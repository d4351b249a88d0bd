"""Trackers are told each epoch, the scores and the report, and what fails in them never takes the training along."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pandas as pd
import pytest
from small_jobs import small_job

from forecast.app import main
from forecast.errors import ForecastError
from forecast.runs import files
from forecast.tasks.settings import check_job
from forecast.tasks.terminal import silent
from forecast.tasks.train import train
from forecast.training.job import Epoch
from forecast.training.tracking import Tracker, check_tracker

NAMES = ["train_loss", "validation_loss", "learning_rate", "gradient_norm", "largest_gradient_norm", "clipped_share"]


def logged(job, folder):
    """The run of a job, and the table that the csv logger left of it."""
    run = train(job, folder, silent())
    return run, pd.read_csv(run.folder / "logs" / "metrics.csv")


@pytest.fixture(scope="module", name="csv")
def trained_with_csv(tmp_path_factory):
    return logged(small_job(logger__name="csv"), tmp_path_factory.mktemp("csv") / "run")


def test_every_epoch_is_told(csv):
    run, table = csv
    history = pd.read_csv(run.folder / files.HISTORY)
    told = table[table["lstm/train_loss"].notna()]
    assert told["step"].tolist() == history["epoch"].tolist()
    for column in NAMES:
        assert told[f"lstm/{column}"].tolist() == pytest.approx(history[column].tolist(), rel=1e-6), column


def test_the_fit_on_all_rows_and_the_scores_of_each_model_are_told(csv):
    run, table = csv
    assert table["lstm on all rows/train_loss"].notna().any() or not run.finished.refitted
    for row in run.leaderboard.to_dict("records"):
        told = table[f"{row['model']}/test/mase"].dropna().tolist()
        assert told == pytest.approx([row["mase"]])


def test_a_logger_changes_no_score(csv, trained):
    assert not (trained.folder / "logs").exists()
    assert trained.leaderboard["mase"].tolist() == csv[0].leaderboard["mase"].tolist()


def test_members_of_an_ensemble_and_a_fit_that_follows_are_told_apart():
    kept = Kept()
    tracker = Tracker(kept)
    for name, epochs in [("lstm", (1, 2)), ("lstm", (1, 2, 3)), ("lstm", (1,)), ("lstm on all rows", (1,))]:
        for number in epochs:
            tracker.epoch(name, Epoch(number, 1.0, math.nan, 0.1, 0.0))
    assert kept.steps == {
        "lstm/train_loss": [1, 2],
        "lstm 2/train_loss": [1, 2, 3],
        "lstm 3/train_loss": [1],
        "lstm on all rows/train_loss": [1],
    }


def test_the_jobs_of_a_sweep_are_told_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = ["data.duration=1", "horizon=4", "training.max_epochs=1", "baseline=[naive]", "report.png=false"]
    assert main(["-m", "logger=csv", "model.hidden_size=2,3", "hydra.sweep.dir=all", *short]) == 0, capsys.readouterr()
    tables = [pd.read_csv(tmp_path / "all" / "logs" / str(job) / "metrics.csv") for job in (0, 1)]
    sweep = pd.read_csv(tmp_path / "all" / "sweep.csv").set_index("job")
    for job, table in enumerate(tables):
        told = table["lstm/validation"].dropna().tolist()
        assert told == pytest.approx([sweep.loc[job, "validation_mase"]])


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named_before_the_data_are_read(name, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(SystemExit, match="2"):
        main([f"logger={name}", "data.path=is-not-there.csv"])
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"pip install 'recurrent-forecast[{name}]'" in error
    assert list(tmp_path.iterdir()) == []


def test_a_server_has_to_be_named_and_passwords_stay_out_of_the_settings(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: package)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ForecastError, match=r"logger\.uri=http"):
        check_tracker(small_job(logger__name="mlflow").logger)
    check_tracker(small_job(logger__name="mlflow", logger__uri="http://127.0.0.1:1").logger)
    with pytest.raises(ForecastError, match="MLFLOW_TRACKING_PASSWORD"):
        small_job(logger__name="mlflow", logger__uri="https://me:secret@host/path")
    assert check_job(small_job().model_dump(mode="json")).logger.name == "none"


class Kept:
    """A logger that keeps at which steps each loss was told."""

    def __init__(self):
        self.steps = {}

    def log_metrics(self, metrics, step):
        assert not any(name.endswith("validation_loss") for name in metrics), "it is not a number"
        for name in (name for name in metrics if name.endswith("train_loss")):
            self.steps.setdefault(name, []).append(step)


class Broken:
    """A logger whose server is gone after the first call."""

    def __init__(self):
        self.calls = 0

    def log_metrics(self, metrics, step):
        self.calls += 1
        if self.calls > 1:
            raise ConnectionError("the server\nis gone")

    def finalize(self, status):
        self.calls += 1


def test_a_tracker_that_fails_is_told_no_more_and_costs_a_note():
    broken = Broken()
    tracker = Tracker(broken)
    for number in range(1, 5):
        tracker.epoch("lstm", Epoch(number, 1.0, 1.0, 0.1, 0.0))
    tracker.end()
    assert broken.calls == 2
    assert tracker.notes == ["the tracker was not told all: the server is gone"]


def test_tensorboard_is_told_the_same(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(small_job(logger__name="tensorboard"), tmp_path / "run", silent())
    events = EventAccumulator(str(run.folder / "logs")).Reload()
    history = pd.read_csv(run.folder / files.HISTORY)
    for column in NAMES:
        told = events.Scalars(f"lstm/{column}")
        assert [one.step for one in told] == history["epoch"].tolist()
        assert [one.value for one in told] == pytest.approx(history[column].tolist(), rel=1e-5)
    mase = float(run.leaderboard.set_index("model").loc["lstm", "mase"])
    assert [one.value for one in events.Scalars("lstm/test/mase")] == pytest.approx([mase], rel=1e-5)


@pytest.fixture(name="server")
def mlflow_server(tmp_path, monkeypatch):
    """A real MLflow server on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    store = [f"--backend-store-uri=sqlite:///{tmp_path}/store.db", f"--artifacts-destination={tmp_path}/artefacts"]
    command = [sys.executable, "-m", "mlflow", "server", *store, "--workers=1", f"--port={port}"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=os.environ | quiet, stdout=log, stderr=log, cwd=tmp_path)
    try:
        while not _answers(f"{address}/health"):
            assert server.poll() is None, (tmp_path / "server.log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


def _answers(address):
    try:
        with urllib.request.urlopen(address) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_a_real_mlflow_server_is_told_settings_epochs_scores_and_the_report(server, tmp_path):
    from mlflow.tracking import MlflowClient

    job = small_job(logger__name="mlflow", logger__uri=server, logger__experiment="sales")
    run = train(job, tmp_path / "run", silent())
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("sales")
    (told,) = client.search_runs([experiment.experiment_id])
    assert told.info.status == "FINISHED"
    assert told.data.params["model/hidden_size"] == "4"
    history = pd.read_csv(run.folder / files.HISTORY)
    for column in NAMES:
        metric = client.get_metric_history(told.info.run_id, f"lstm/{column}")
        assert [(one.step, pytest.approx(one.value)) for one in metric] == list(
            zip(history["epoch"], history[column], strict=True)
        )
    scores = run.leaderboard.set_index("model")
    assert told.data.metrics["ridge/test/mase"] == pytest.approx(scores.loc["ridge", "mase"])
    assert {one.path for one in client.list_artifacts(told.info.run_id)} == {files.REPORT, files.LEADERBOARD}
    (copy,) = (tmp_path / "artefacts").rglob(files.REPORT)
    assert copy.read_bytes() == (run.folder / files.REPORT).read_bytes()


def test_a_server_that_is_not_there_is_said_in_one_line_and_nothing_is_left(monkeypatch, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ForecastError, match=r"the server at http://127.* cannot be used"):
        train(small_job(logger__name="mlflow", logger__uri=address), tmp_path / "run", silent())
    assert list(tmp_path.iterdir()) == []
