"""`task=tune`: what a study searches, that it goes on, ends trials early, and leaves the test split alone."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import TrialState
from small_jobs import small_job, small_values
from sqlalchemy import text

from forecast.errors import ForecastError, Stopped
from forecast.reading.sources import load_source
from forecast.tasks import tune as tuning
from forecast.tasks.prepare import prepare
from forecast.tasks.settings import check_job
from forecast.tasks.space import Choices, Interval, as_overrides, read_dimension, with_values
from forecast.tasks.study import open_storage
from forecast.tasks.terminal import silent
from forecast.tasks.tune import tune

ESN = {"name": "esn", "hidden_size": 8}
SPACE = {"model": {"hidden_size": [4, 6, 8], "leak": "interval(0.1,1)", "layers": None}}


def study_job(**changes):
    given = {"model": ESN, "tune": {"trials": 3, "space": SPACE}, "baseline": {}, "task": "tune", **changes}
    return small_job(**given)


def searching(job, folder, said=(), source=None):
    return tuning._searching(job, folder, source or load_source(job.data), said)


# What is searched


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ([16, None, "a"], Choices((16, None, "a"))),
        ("16,32", Choices((16, 32))),
        ("choice(a, true, 1e-3)", Choices(("a", True, 0.001))),
        ("range(1,7,2)", Choices((1, 3, 5))),
        ("interval(0.1, 0.5)", Interval(0.1, 0.5)),
        ("int(interval(8,64))", Interval(8, 64, whole=True)),
        ("tag(log, int(interval(8,64)))", Interval(8, 64, whole=True, logarithmic=True)),
        ("int(tag(log,interval(8,64)))", Interval(8, 64, whole=True, logarithmic=True)),
    ],
)
def test_a_dimension_is_read(said, read):
    assert read_dimension(said, "tune.space.x") == read


@pytest.mark.parametrize("said", ["interval(5,1)", "tag(log,interval(0,1))", "interval(1)", "tag(ln,range(1,2))", []])
def test_what_is_no_dimension_is_refused(said):
    with pytest.raises(ForecastError, match=r"tune\.space\.x"):
        read_dimension(said, "tune.space.x")


def test_a_grid_of_an_interval_has_its_ends_and_even_steps():
    assert Interval(0.0, 1.0).grid(5) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert Interval(1e-4, 1e-2, logarithmic=True).grid(3) == (1e-4, 1e-3, 1e-2)
    assert Interval(1, 3, whole=True).grid(5) == (1, 2, 3)


def test_another_cell_keeps_what_is_known_to_it():
    values = small_values(model={"name": "lstm", "hidden_size": 4, "forget_bias": 2.0, "recurrent_init": "orthogonal"})
    changed = with_values(check_job(values).model_dump(mode="json"), {"model.name": "mingru", "training.lanes": 3})
    job = check_job(changed)
    assert (job.model.name, job.model.hidden_size, job.model.forget_bias, job.training.lanes) == ("mingru", 4, 2.0, 3)


def test_settings_as_overrides():
    chosen = {"model.hidden_size": 8, "model.name": "gru", "model.residual": True, "training.warmup_steps": None}
    assert as_overrides(chosen) == (
        "model=gru", "model.hidden_size=8", "model.residual=true", "training.warmup_steps=null",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"tune": {"space": {"model": {"hiden_size": [4, 8]}}}},
            r"`tune\.space\.model\.hiden_size` is no setting of esn",
        ),
        ({"tune": {"space": {"horizon": [4, 8]}}}, r"`tune\.space\.horizon` is no setting"),
        ({"tune": {"space": {}}}, "holds no setting that may differ"),
        ({"tune": {"space": {"model": {"name": ["lstm", "pretrained"]}}}}, "found `model=pretrained`"),
        ({"model": {"name": "pretrained"}}, "nothing can be tuned"),
        ({"tune": {"space": SPACE, "storage": "postgresql://a:secret@localhost:1/x"}}, r"the database localhost:1/x"),
        ({"tune": {"space": SPACE, "storage": "nonsense"}}, r"`tune\.storage`: the database"),
        ({"horizon": 4000}, "horizon"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_trained(changes, says, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "validate", None)
    with pytest.raises(ForecastError, match=says) as refused:
        tune(study_job(**changes), tmp_path / "study", console=silent())
    assert "secret" not in str(refused.value)


def test_what_is_said_by_hand_is_not_searched(tmp_path):
    with searching(study_job(), tmp_path, {"model.leak", "seed"}) as search:
        assert list(search.space) == ["model.hidden_size"]


def test_heads_are_those_of_the_question(tmp_path):
    heads = {"model": {"head": ["point", "gaussian", "direction"], "loss": ["mae", "mse"]}}
    for head, kept in (("point", ("point", "gaussian")), ("direction", ("direction",))):
        job = small_job(model__head=head, tune__space=heads, task="tune")
        with searching(job, tmp_path / head) as search:
            assert search.space["model.head"].values == kept


# A study


def test_a_study_begins_with_the_defaults_and_evaluates_its_best_once(tmp_path):
    study = tune(study_job(), tmp_path / "study", ("data=sinewave", "tune.trials=3", "task=tune"), console=silent())
    table = pd.read_csv(tmp_path / "study" / "study.csv")
    assert sorted(table["job"]) == [0, 1, 2]
    assert table.set_index("job").loc[0, "model.hidden_size"] == 8
    assert table["validation_mase"].is_monotonic_increasing
    assert study.run.folder == tmp_path / "study" / "best"
    assert study.run.prepared.job.model.hidden_size == table.loc[0, "model.hidden_size"]
    assert study.best[0] == "data=sinewave"
    assert f"model.hidden_size={table.loc[0, 'model.hidden_size']}" in study.best
    assert "tune" not in {text.partition(".")[0] for text in study.best}
    assert "Best on validation" in (tmp_path / "study" / "study.html").read_text()
    again = tune(study_job(), tmp_path / "study", console=silent())  # it is done: nothing is trained once more
    assert again.run is None
    assert len(again.trials) == 3


@pytest.mark.parametrize("ended", [KeyboardInterrupt, partial(Stopped, signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_study_goes_on_with_the_trial_that_was_broken_off(ended, tmp_path, monkeypatch):
    calls = []

    def broken(job, *args, **named):
        calls.append(job.model)
        if len(calls) == 2:
            raise ended()
        return tuning_validate(job, *args, **named)

    tuning_validate = tuning.validate
    monkeypatch.setattr(tuning, "validate", broken)
    with pytest.raises((KeyboardInterrupt, Stopped)):
        tune(study_job(), tmp_path, console=silent())
    assert len(pd.read_csv(tmp_path / "study.csv")) == 1
    assert not (tmp_path / "best").exists()
    study = tune(study_job(), tmp_path, console=silent())
    assert len(calls) == 4
    assert calls[2] == calls[1]
    assert len(study.trials) == 3
    with pytest.raises(ForecastError, match=r"was begun with horizon 4, found 3: say the same"):
        tune(study_job(horizon=3), tmp_path, console=silent())


def test_a_trial_whose_machine_died_before_its_first_sign_of_life_is_not_lost(tmp_path):
    with searching(study_job(), tmp_path) as search:
        with pytest.warns(UserWarning, match="Heartbeat"):
            search.study._study.ask()  # takes the defaults, which are enqueued; no sign of life follows
        search.study.requeue_dead()
        taken = search.study.trials()[0]
        assert taken.state == TrialState.RUNNING
        long_ago = text("update trial_heartbeats set heartbeat = '2020-01-01 00:00:00'")
        with search.study._storage.engine.begin() as connection:
            assert connection.execute(long_ago).rowcount == 1
        search.study.requeue_dead()
        again = search.study.trials()
        assert [trial.state for trial in again] == [TrialState.FAIL, TrialState.WAITING]
        assert again[1].system_attrs["fixed_params"] == taken.system_attrs["fixed_params"]


def test_a_study_does_not_look_at_the_test(tmp_path):
    changes = {"model": {**ESN, "reference": "none"}, "data__duration": 3.0}  # rows that bear out what was learnt
    job = study_job(tune={"trials": 2, "space": SPACE, "seeds": 2}, **changes)
    source = load_source(job.data)
    task = prepare(job, source).task
    spoilt = source.panel.values.copy()
    spoilt[int(task.split.before_test[0]) :] = 1e6
    scores = []
    for panel in (source.panel, replace(source.panel, values=spoilt)):
        with searching(job, tmp_path / str(len(scores)), source=replace(source, panel=panel)) as search:
            search.work(silent())
            scores.append(search._table())
    pd.testing.assert_frame_equal(scores[0].drop(columns="seconds"), scores[1].drop(columns="seconds"))
    assert list(scores[0]["seed"]) == [0, 1] * 2
    assert scores[0]["validation_mase"].nunique() == 4


def test_hopeless_trials_end_early_and_refused_ones_say_why(tmp_path, monkeypatch):
    """Losses of another unit say nothing of a trial, however large they are."""
    from forecast.tasks.train import Validated
    from forecast.training.job import Epoch

    def validated(job, source, on_epoch):
        if job.training.learning_rate == 0.3:
            raise ForecastError("the loss became NaN")
        loss = {0.1: 1.0, 0.2: 2.0}[job.training.learning_rate] * (100 if job.model.loss == "mse" else 1)
        for epoch in range(1, 7):
            on_epoch(Epoch(epoch, loss, loss, 0.1, 1.0))
        return Validated(loss, 1.0)

    monkeypatch.setattr(tuning, "validate", validated)
    space = {"training": {"learning_rate": [0.1, 0.2, 0.3]}, "model": {"loss": ["mae", "mse"]}}
    job = small_job(tune={"trials": 24, "space": space, "sampler": "random"}, task="tune")
    with searching(job, tmp_path) as search:
        search.work(silent())
        assert len(search.study.done()) == 24
        table = search._table()
    by_rate = table.groupby("training.learning_rate")["status"].agg(set)
    assert set(table.loc[table["training.learning_rate"] == 0.1, "model.loss"]) == {"mae", "mse"}
    assert by_rate[0.1] == {"ok"}
    assert "ended early after epoch 5" in by_rate[0.2]
    assert by_rate[0.3] == {"the loss became NaN"}


def test_a_study_whose_time_is_over_evaluates_what_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning._Search, "_is_over", lambda search: len(search.study.done()) == 2)
    study = tune(study_job(tune={"trials": 9, "space": SPACE}), tmp_path, console=silent())
    assert len(study.trials) == 2
    assert study.run is not None


# Many machines


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def database():
    """A PostgreSQL of its own, as a user that is not root, whom it refuses; gives the address."""
    if not all(map(shutil.which, ("initdb", "pg_ctl", "postgres"))):
        pytest.skip("PostgreSQL is not installed: no initdb, pg_ctl and postgres on the path")
    folder = tempfile.mkdtemp(prefix="pg", dir="/tmp")
    user = {}
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = {"user": "postgres" if "postgres" in names else "nobody", "cwd": folder}
        os.chown(folder, pwd.getpwnam(user["user"]).pw_uid, -1)

    def call(*command):
        silence = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # a pipe would wait for the server
        subprocess.run(command, check=True, **silence, **user)

    port = free_port()
    call("initdb", "-D", f"{folder}/data", "-U", "forecast", "-A", "trust", "--no-sync", "-E", "UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    call("pg_ctl", "-D", f"{folder}/data", "-w", "-o", options, "start")
    try:
        yield f"postgresql://forecast@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def work(folder, address, *, hangs):
    """One machine of a study; it takes down every trial that it ran to the end, and one of them hangs in its second."""
    begun = []

    def noted(job, *args, **named):
        begun.append(job)
        if hangs and len(begun) == 2:
            Path(folder, "hangs").write_text(job.model.model_dump_json())
            time.sleep(600)
        found = validate(job, *args, **named)
        with Path(folder, "ended").open("a") as file:
            file.write(job.model.model_dump_json() + "\n")
        return found

    validate, tuning.validate = tuning.validate, noted
    changes = {"trials": 12, "space": SPACE, "storage": address, "heartbeat_s": 1}
    found = tune(study_job(tune=changes), Path(folder, str(os.getpid())), console=silent())
    if found.run is not None:
        Path(folder, f"evaluated-{os.getpid()}").touch()


def test_three_machines_share_a_study_and_the_trial_of_a_dead_one_is_not_lost(database, tmp_path):
    machines = multiprocessing.get_context("forkserver")
    machines.set_forkserver_preload(["forecast.tasks.tune"])
    first = machines.Process(target=work, args=(tmp_path, database), kwargs={"hangs": True})
    first.start()
    while not (tmp_path / "hangs").exists():
        assert first.is_alive()
        time.sleep(0.05)
    others = [machines.Process(target=work, args=(tmp_path, database), kwargs={"hangs": False}) for _ in range(2)]
    for process in others:
        process.start()
    os.kill(first.pid, signal.SIGKILL)
    for process in (first, *others):
        process.join(120)
    assert [process.exitcode for process in (first, *others)] == [-signal.SIGKILL, 0, 0]
    ended = (tmp_path / "ended").read_text().splitlines()
    assert len(ended) == 12
    assert len(set(ended)) == 12
    assert (tmp_path / "hangs").read_text() in ended
    assert len(list(tmp_path.glob("evaluated-*"))) == 1
    with open_storage(study_job(tune={"storage": database}).tune, tmp_path) as storage:
        trials = storage.get_all_trials(storage.get_study_id_from_name("forecast"))
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    broken_off = [trial for trial in trials if trial.state.name == "FAIL" and "worker" in trial.user_attrs]
    assert (len(complete), len(broken_off)) == (12, 1)
    assert len({trial.user_attrs["worker"] for trial in complete}) == 3
    assert np.isfinite([trial.value for trial in complete]).all()
