"""What the command does when nothing is wrong."""

import re

import pytest


def test_a_run_gets_its_own_dated_folder(command, tasks, tmp_path):
    assert command("horizon=3", "model=gru").status == 0
    ((job, folder),) = tasks.trained
    assert (job.horizon, job.model.name) == (3, "gru")
    assert re.fullmatch(r"outputs/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d", str(folder.relative_to(tmp_path)))
    assert [path.name for path in folder.iterdir()] == ["run.json"]


def test_a_folder_that_is_said_is_taken_as_it_is(command, tasks, tmp_path):
    (tmp_path / "결과 (1)").mkdir()
    for _ in range(2):
        command("hydra.run.dir=결과 (1)/a, b")
    assert [folder for _, folder in tasks.trained] == [tmp_path / "결과 (1)" / "a, b"] * 2


def test_a_file_alone_is_a_csv(command, tasks):
    command("data.path=내 파일 (1).csv", "data.target=종가(원)")
    job = tasks.trained[0][0]
    assert (job.data.name, job.data.path, job.data.target) == ("csv", "내 파일 (1).csv", "종가(원)")


@pytest.mark.parametrize(
    ("typed", "data"),
    [
        (["run=latest"], {}),
        (["run=latest", "data.path=newer.csv"], {"name": "csv", "path": "newer.csv"}),
        (["run=a b (1)", "data=stock"], {"name": "stock"}),
        (
            ["data.path=x.csv", "data.holidays=[2026-12-25]"],
            {"name": "csv", "path": "x.csv", "holidays": ("2026-12-25",)},
        ),
    ],
)
def test_predict_gets_what_was_said_about_the_data(command, tasks, tmp_path, typed, data):
    printed = command("task=predict", *typed)
    assert printed.status == 0
    run = next((one.removeprefix("run=") for one in typed if one.startswith("run=")), "latest")
    assert tasks.predicted == [(run, data)]
    assert printed.out == f"delimiter comma\n{run} says 3\n"


@pytest.mark.parametrize(
    ("typed", "runs"),
    [([], ["latest"]), (["run=a"], ["a"]), (["serve.runs=[a,b]"], ["a", "b"])],
)
def test_serve_gets_its_runs_and_says_where(command, tasks, tmp_path, typed, runs):
    printed = command("task=serve", "serve.port=7", "data.path=newer.csv", *typed)
    assert printed.status == 0
    assert tasks.served == [(7, runs, {"name": "csv", "path": "newer.csv"})]
    assert printed.out == f"serving {', '.join(runs)} at http://127.0.0.1:1\n"
    assert list(tmp_path.iterdir()) == []


def test_serve_takes_nothing_that_a_run_has_settled(command, tasks):
    printed = command("task=serve", "horizon=7")
    assert printed.status == 2
    assert "`horizon=7` cannot be set with task=serve" in printed.err


def test_check_says_its_sentence_and_leaves_nothing(command, tasks, tmp_path):
    printed = command("task=check")
    assert (printed.status, printed.out) == (0, "no forecast moved\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("model", "status"), [("gru", 0), ("rnn", 1)])
def test_gradcheck_leaves_with_its_verdict_and_nothing_else(command, tasks, tmp_path, model, status):
    printed = command("task=gradcheck", f"model={model}")
    assert (printed.status, printed.out) == (status, f"the gradients of {model} are checked\n")
    assert list(tmp_path.iterdir()) == []


def test_help_shows_commands_choices_and_keys(command, tmp_path):
    printed = command("--help")
    assert printed.status in (0, None)
    for text in (
        "python -m forecast -m model=rnn,lstm,gru",
        "data: addition, csv, sinewave, stock, text",
        "batch_size: 32",
    ):
        assert text in printed.out
    assert list(tmp_path.iterdir()) == []


def test_cfg_shows_the_job_with_its_overrides(command, tmp_path):
    printed = command("horizon=7", "--cfg", "job", "model=rnn")
    assert "horizon: 7" in printed.out
    assert "activation: tanh" in printed.out
    assert "hydra" not in printed.out
    assert list(tmp_path.iterdir()) == []


def test_completion_and_version(command):
    assert "hydra_bash_completion" in command("-sc", "install=bash").out
    assert command("--version").out.startswith("forecast 0.")
