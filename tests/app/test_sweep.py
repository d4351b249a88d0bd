"""A sweep: every job to its validation score, a table, and only the winner to the test split."""

import csv
import os
import re
import shlex

import pytest

from forecast.app.arguments import read_command_line
from forecast.app.composition import compose_job
from forecast.app.jobs import Outcome, known_outcomes
from forecast.app.sweep import best, scores_over_seeds, sweep_table
from forecast.errors import ForecastError
from forecast.runs.unfinished import mark_owned


def rows(folder):
    with (folder / "sweep.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def the_sweep(tmp_path):
    (folder,) = (tmp_path / "outputs").glob("*/*")
    return folder


def test_the_winner_alone_is_evaluated(command, tasks, tmp_path):
    tasks.score = lambda job: {"rnn": 0.9, "lstm": 0.7}[job.model.name] + job.model.hidden_size / 1000
    printed = command("model=rnn,lstm", "-m", "model.hidden_size=32,64")
    assert printed.status == 0
    assert len(tasks.validated) == 4
    ((winner, folder),) = tasks.trained
    assert (winner.model.name, winner.model.hidden_size) == ("lstm", 32)
    sweep = the_sweep(tmp_path)
    assert folder == sweep / "2"
    assert sorted(path.name for path in sweep.iterdir()) == ["2", "sweep.csv", "sweep.html", "sweep.json"]
    table = rows(sweep)
    assert list(table[0]) == ["job", "model", "model.hidden_size", "validation_mase", "seconds", "graph_mb", "status"]
    assert [(row["model"], row["model.hidden_size"]) for row in table] == [
        ("lstm", "32"), ("lstm", "64"), ("rnn", "32"), ("rnn", "64"),
    ]  # fmt: skip
    assert [float(row["validation_mase"]) for row in table] == sorted(float(row["validation_mase"]) for row in table)
    assert "lstm does not beat naive" in printed.out
    assert "seeds" not in printed.out


def test_a_failed_job_is_a_row_with_its_reason(command, tasks, tmp_path):
    def score(job):
        if job.model.hidden_size == 2:
            raise ForecastError("the loss became NaN in epoch 3:\nlower the learning rate")
        if job.model.hidden_size == 3:
            raise ZeroDivisionError("ours")
        return 1.0

    tasks.score = score
    printed = command("-m", "model.hidden_size=2,0,3,4")
    assert printed.status == 0
    status = {row["model.hidden_size"]: row["status"] for row in rows(the_sweep(tmp_path))}
    assert status == {
        "4": "ok",
        "2": "the loss became NaN in epoch 3: lower the learning rate",
        "0": "`model.hidden_size` should be greater than or equal to 1, found 0",
        "3": "ZeroDivisionError: ours",
    }
    assert rows(the_sweep(tmp_path))[0]["status"] == "ok"
    assert len(tasks.trained) == 1
    assert "ZeroDivisionError" in printed.err


def test_where_every_job_fails_nothing_is_left(command, tasks, tmp_path):
    printed = command("-m", "horizon=-1,-2")
    assert printed.status == 2
    assert printed.err.startswith("forecast: none of the 2 jobs succeeded; the first: `horizon` should be")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_sweep_keeps_what_was_done(command, tasks, tmp_path):
    def score(job):
        if job.seed == 3:
            raise KeyboardInterrupt
        return job.seed / 10

    tasks.score = score
    printed = command("-m", "seed=2,1,3,4")
    assert printed.status == 130
    assert not tasks.trained
    sweep = the_sweep(tmp_path)
    assert [row["seed"] for row in rows(sweep)] == ["1", "2"]
    assert sorted(path.name for path in sweep.iterdir()) == ["sweep.csv", "sweep.html", "sweep.json"]


def test_a_sweep_over_seeds_states_their_spread(command, tasks):
    tasks.score = lambda job: job.seed / 10 + (0.5 if job.model.name == "gru" else 1.0)
    printed = command("-m", "seed=1,2", "model=lstm,gru")
    assert re.search(r"over 2 seeds the validation MASE lies between 0\.60* and 0\.70*", printed.out)
    assert tasks.trained[0][0].seed == 1


def test_a_sweep_of_another_task_is_a_table(command, tasks, tmp_path):
    printed = command("-m", "task=check", "data=sinewave,stock")
    assert printed.status == 0
    assert not tasks.trained
    assert [row["status"] for row in rows(the_sweep(tmp_path))] == ["ok", "ok"]


def outcome(job, score, **said):
    status = "ok" if score is not None else "failed"
    return Outcome(job, tuple(f"{key}={value}" for key, value in said.items()), {}, score, 0.5, status)


def test_the_table_is_sorted_and_names_what_differs():
    outcomes = [outcome(0, 2.0, horizon=3, seed=1), outcome(1, None, horizon=3, seed=2), outcome(2, 1.0, horizon=3)]
    table = sweep_table(outcomes)
    assert list(table.columns) == ["job", "seed", "validation_mase", "seconds", "status"]
    assert list(table["job"]) == [2, 0, 1]
    assert list(table["seed"]) == ["", "1", "2"]


@pytest.mark.parametrize(("scores", "job"), [([2.0, 1.0, 1.0], 1), ([None, float("nan"), 3.0], 2), ([None], None)])
def test_best(scores, job):
    actual = best([outcome(i, score) for i, score in enumerate(scores)])
    assert (actual.job if actual else None) == job


def test_seeds_are_compared_within_one_configuration():
    outcomes = [outcome(i, 1.0 + i, seed=i % 2, model="rnn" if i < 2 else "gru") for i in range(4)]
    assert scores_over_seeds(outcomes, outcomes[0]) == [1.0, 2.0]


def grid_of(experiment):
    """What the YAML of an experiment sweeps over."""
    return dict(compose_job(read_command_line([f"experiment={experiment}"])).hydra.sweeper.params)


def test_an_experiment_can_be_a_sweep_by_itself(command, tasks, tmp_path):
    assert grid_of("family") == {"model": "rnn,rnn_relu,rnn_sigmoid,lstm,gru,mingru,esn", "seed": "0,1,2"}
    tasks.score = lambda job: 1.0 - job.seed / 10 - (job.model.name == "gru") / 100
    printed = command(
        "experiment=family", "hydra.sweeper.params.model='rnn_relu,gru'", "hydra.sweeper.params.seed='1,2'"
    )
    assert printed.status == 0
    assert [(one.model.name, one.seed) for one in tasks.validated] == [("rnn", 1), ("rnn", 2), ("gru", 1), ("gru", 2)]
    assert {one.training.max_epochs for one in tasks.validated} == {100}
    assert [(job.model.name, job.seed) for job, _ in tasks.trained] == [("gru", 2)]
    assert list(rows(the_sweep(tmp_path))[0]) == [
        "job",
        "model",
        "seed",
        "validation_mase",
        "seconds",
        "graph_mb",
        "status",
    ]


def test_the_experiment_on_truncation_says_what_it_sweeps(command, tasks, tmp_path):
    """Its YAML alone makes a grid of chunks and seeds, and the table has what each held in memory."""
    assert grid_of("truncation") == {"training.chunk_steps": "8,16,32,64,128", "seed": "0,1,2"}
    tasks.score = lambda job: 1 / job.training.chunk_steps + job.seed / 1000
    printed = command("-m", "experiment=truncation", "hydra.sweeper.params.seed='1'")
    assert printed.status == 0
    assert [job.training.chunk_steps for job in tasks.validated] == [8, 16, 32, 64, 128]
    assert {(job.model.reference, job.data.frequency) for job in tasks.validated} == {("last", 2.0)}
    table = rows(the_sweep(tmp_path))
    assert (table[0]["training.chunk_steps"], table[0]["graph_mb"]) == ("128", "1.5")


# Going on


def test_a_stopped_sweep_goes_on_with_what_is_missing(command, tasks, tmp_path):
    def score(job):
        if job.seed == 3 and not tasks.trained and len(tasks.validated) < 4:
            raise KeyboardInterrupt
        return job.seed / 10

    tasks.score = score
    stopped = command("-m", "seed=2,1,3,4", "hydra.sweep.dir=mine")
    assert stopped.status == 130
    goes_on = re.search(r"^forecast: interrupted; go on with `python -m forecast (.+)`$", stopped.err, re.MULTILINE)
    assert re.search(r"#0 seed=2: validation MASE 0.2 \([\d.]+ s\) \(1 of 4, about \d+ s left\)", stopped.out)
    printed = command(*shlex.split(goes_on[1]))
    assert printed.status == 0
    assert [job.seed for job in tasks.validated] == [2, 1, 3, 3, 4]
    assert printed.out.count("done before") == 2
    assert "(4 of 4)" in printed.out
    assert [row["seed"] for row in rows(tmp_path / "mine")] == ["1", "2", "3", "4"]
    assert [job.seed for job, _ in tasks.trained] == [1]


def test_a_killed_sweep_goes_on_and_a_finished_one_takes_more(command, tasks, tmp_path):
    from forecast.app.jobs import begin_outcomes, write_outcome

    tasks.score = lambda job: job.seed / 10
    assert command("-m", "seed=1,2", "hydra.sweep.dir=mine").status == 0
    assert command("-m", "seed=0,1,2", "hydra.sweep.dir=mine").status == 0
    assert [job.seed for job in tasks.validated] == [1, 2, 0]
    outcome = Outcome(0, ("seed=7",), {"seed": 7}, 0.7, 1.0, "ok")
    begin_outcomes(tmp_path / "killed", 3)  # and then killed: `.jobs` is still there
    write_outcome(outcome, tmp_path / "killed")
    begin_outcomes(tmp_path / "killed", 3)
    from forecast.app.jobs import known_outcomes

    assert known_outcomes(tmp_path / "killed") == [outcome]


def test_a_file_that_has_changed_since_is_refused(command, tasks, tmp_path):
    from forecast.app.sweep import _check_same_data

    with pytest.raises(ForecastError, match="the data have changed since"):
        _check_same_data([Outcome(0, (), {"data": "a"}, 1.0, 1.0, "ok", fingerprint=printed) for printed in "xy"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sweep.json").write_text("[1")
    printed = command("-m", "seed=1,2", "hydra.sweep.dir=mine")
    assert printed.status == 2
    assert "sweep.json' cannot be read: remove it" in printed.err


def test_an_interval_is_swept_in_even_steps(command, tasks, tmp_path):
    """On a logarithmic scale where it is tagged so; the command line says which values, and the jobs have them."""
    line = read_command_line(["-m", "training.learning_rate=tag(log,interval(0.001,0.1))"])
    rates = [float(rate) for rate in line.overrides[0].partition("=")[2].split(",")]
    assert rates == pytest.approx([0.001, 0.003162, 0.01, 0.03162, 0.1])
    command("-m", "model.hidden_size=int(interval(2,4))")
    assert [job.model.hidden_size for job in tasks.validated] == [2, 3, 4]


def test_the_page_has_the_winner_as_a_command(command, tasks, tmp_path):
    command("-m", "seed=1,2", "hydra.sweep.dir=mine")
    assert "python -m forecast seed=1" in (tmp_path / "mine" / "sweep.html").read_text()


def test_jobs_in_other_processes_leave_their_outcomes(command, tmp_path):
    """Jobs that are refused, since these need no torch; what they say comes back from where they ran."""
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    printed = command("-m", "horizon=-1,-2", *launcher, "hydra.sweep.dir=mine")
    assert printed.status == 2
    assert "forecast: none of the 2 jobs succeeded; the first: `horizon` should be greater" in printed.err


def test_a_job_that_submitit_starts_is_trained(command, tmp_path):
    small = ("horizon=3", "data.duration=1.0", "model.hidden_size=4", "training.max_epochs=1", "training.threads=1")
    printed = command("-m", *small, "baseline=[]", "hydra/launcher=submitit_local", "hydra.sweep.dir=mine")
    (outcome,) = known_outcomes(tmp_path / "mine")
    assert (printed.status, outcome.status) == (0, "ok")
    assert 0 < outcome.validation_mase < 10


def test_a_launcher_that_is_not_installed_names_its_extra(command, monkeypatch):
    from forecast.app import diagnosis

    monkeypatch.setitem(diagnosis._LAUNCHERS, "ray", "many")  # one that is not installed here
    printed = command("-m", "seed=1,2", "hydra/launcher=ray")
    assert printed.status == 2
    assert printed.err == "forecast: `hydra/launcher=ray` is not installed: pip install 'recurrent-forecast[many]'\n"


def test_two_sweeps_do_not_share_a_folder(command, tasks, tmp_path):
    folder = tmp_path / "sweep"
    folder.mkdir()
    mark_owned(folder)
    (folder / ".jobs").mkdir()
    printed = command("-m", "seed=1,2", "hydra.sweep.dir=sweep")
    assert printed.status == 2
    assert f"process {os.getpid()} on " in printed.err
    assert tasks.validated == []
    assert sorted(path.name for path in folder.iterdir()) == [".jobs", "owner.json"]
