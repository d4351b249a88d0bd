"""A user's mistake: one line that names it, exit status 2, and nothing left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forecast.errors import ForecastError
from forecast.reading.progress import said_to_be_read

MISTAKES = {
    "modl=lstm": "`modl` is not a setting: did you mean `model`?",
    "training.max_epoch=3": "did you mean `training.max_epochs`?",
    "hidden_size=3": "did you mean `model.hidden_size`?",
    "training.threads=100000": "`training.threads` should be less than or equal to 1024, found 100000",
    "baseline.random_forest.params.n_estimators=1000000000": "'n_estimators' is beyond: n_jobs at most 1024",
    "training.lr=0.1": "did you mean `training.learning_rate`?",
    "epochs=3": "did you mean `training.max_epochs`?",
    "training.epochs=3": "did you mean `training.max_epochs`?",
    "seasonality=12": "did you mean `data.season_steps`?",
    "--horizon 5": "`--horizon` is not a flag: settings have no dashes, as in `horizon=...`",
    "horizon.x=3": "did you mean `horizon`?",
    "hydra.run.dri=x": "did you mean `hydra.run.dir`?",
    "+foo=3": "`foo` is not a setting",
    "model=lst": "`model=lst` is not there: did you mean `model=lstm`?",
    "model=transformer": "auto, esn, gru, lstm, mingru, pretrained, rnn, rnn_relu, rnn_sigmoid",
    "baseline=[naive,rigde]": "`baseline=rigde` is not there: did you mean `baseline=ridge`?",
    "data=sinewave data.path=x.csv": "`data.path` is a setting of `data=csv`",
    "baseline=[naive] baseline.ridge.max_windows=3": "`baseline.ridge.max_windows` is a setting of `baseline=ridge`",
    "model.activation=relu": "`model.activation` is a setting of `model=rnn` and",
    "lstm": "`lstm` is not `key=value`: did you mean `model=lstm`?",
    "model=rnn,lstm": "add `-m`",
    "--mutlirun": "did you mean `--multirun`?",
    "--config-dir=nowhere": "`--config-dir nowhere` should be a folder",
    "horizon=abc": "`horizon` should be a valid integer, found 'abc'",
    "horizon=-1": "`horizon` should be greater than or equal to 0, found -1",
    "model.dropout=1.5": "`model.dropout` should be less than 1, found 1.5",
    "task=prdict": "`task` should be 'train', 'predict', 'check', 'gradcheck', 'probe', 'continue', 'pretrain',",
    "split=3": "`split` should be a group of settings",
    f"split={'9' * 900}": f"found {'9' * 200}...",
    "baseline.ridge.regressor=3": "`baseline.ridge.regressor` should be a valid string, found 3",
    "data=csv": "`data.path` is missing: set it, as in `data.path=...`",
    "model.hidden_size=${nothing.there}": "`model.hidden_size` cannot be worked out",
    "hydra.run.dir=file/below": "cannot make the output folder",
    "task=predict model=gru": "`model=gru` cannot be set with task=predict",
    "-m model=rnn,lst": "did you mean `model=lstm`?",
    "-m modl=rnn,lstm": "did you mean `model`?",
    "-m seed=1,2 hydra.sweeper.max_batch_size=x": "max_batch_size",
    "hydra/launcher=joblip": "`hydra/launcher=joblip` is not there",
    "-m hydra.sweep.dir=file/below seed=1,2": "cannot make the output folder",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_one_line_status_2_and_no_folder(command, tasks, tmp_path, typed):
    (tmp_path / "file").touch()
    printed = command(*typed.split())
    assert printed.status == 2
    assert MISTAKES[typed] in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert not tasks.trained


def test_a_mistake_found_by_a_task_is_told_alike(command, tasks, tmp_path):
    tasks.error = ForecastError("my.csv is empty:\ngive another file")
    printed = command("data.path=my.csv")
    assert (printed.status, printed.err) == (2, "forecast: my.csv is empty: give another file\n")
    assert list(tmp_path.iterdir()) == []


def test_of_a_word_that_nobody_would_read_the_beginning_is_shown():
    path = "/".join(["folder"] * 70)  # 489 characters: a path is shown whole
    message = str(ForecastError(f"`report.series={'9' * 5000}` is none of {path}: set it"))
    assert message == f"`report.series={'9' * 185}... is none of {path}: set it"


def test_a_mistake_in_the_data_is_told_before_torch_is_there(tmp_path):
    (tmp_path / "two.csv").write_text("a,b\n1,2\n3,4\n")
    code = (
        "import sys; from forecast.app import main\n"
        "try: main(['data.path=two.csv'])\n"
        "except SystemExit as end: assert end.code == 2\n"
        "assert not {'torch', 'pytorch_lightning', 'sklearn'} & set(sys.modules)"
    )
    completed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert "which column is to be forecast" in completed.stderr


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("task=predict", "`run=latest` found no run under 'outputs'"),
        ("horizon=1500", "series 'sinewave' has 2000 steps"),
    ],
)
def test_no_run_and_too_short_a_series_are_told_before_torch_is_there(tmp_path, typed, answer):
    code = (
        "import sys; from forecast.app import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 2\n"
        "assert not {'torch', 'pytorch_lightning', 'sklearn'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, typed]
    completed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert answer in completed.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "", "/x/y"), "cannot read or write '/x/y': No space left on device; go on with X"),
        (OSError(27, "Error writing. Detail: [errno 27]"), "cannot read or write: File too large; go on with X"),
        (PermissionError(13, "", "a\x1b[2J"), r"cannot read or write 'a\x1b[2J': Permission denied; go on with X"),
    ],
)
def test_what_cannot_be_written_is_a_line_with_a_status_of_its_own(command, tasks, error, said):
    tasks.error = error
    error.add_note("go on with X")
    ended = command()
    assert (ended.status, ended.err) == (74, f"forecast: {said}\n")


def test_a_fault_of_ours_keeps_its_traceback(command, tasks, tmp_path):
    tasks.error = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError):
        command()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_is_one_line(command, tasks, tmp_path):
    tasks.error = KeyboardInterrupt()
    printed = command()
    assert printed.status == 130
    assert "Traceback" not in printed.err
    assert list(tmp_path.iterdir()) == []


def test_the_users_own_full_error_gives_the_traceback(command, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ForecastError, match="did you mean `model`"):
        command("modl=lstm")


def test_no_task_inherits_our_full_error(command, tasks):
    seen = []
    tasks.train = None
    tasks.score = lambda job: seen.append(os.environ.get("HYDRA_FULL_ERROR")) or 1.0
    sys.modules["forecast.tasks.train"].train = lambda job, folder, source, **_: seen.append(
        os.environ.get("HYDRA_FULL_ERROR")
    )
    command()
    command("-m", "seed=1,2")
    assert seen == [None] * 4
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_an_unwritable_folder(command, tasks, tmp_path, monkeypatch):
    def refuse(self, *_arguments, **_settings):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    printed = command()
    assert printed.status == 2
    assert "(Permission denied): choose another with `hydra.run.dir=...`" in printed.err
    assert printed.err.count("\n") == 1
    assert not tasks.trained


def test_a_working_folder_whose_name_looks_like_a_reference(command, tasks, tmp_path, monkeypatch):
    (tmp_path / "a${x}").mkdir()
    (tmp_path / "s.csv").touch()
    monkeypatch.chdir(tmp_path / "a${x}")
    printed = command("../s.csv")
    assert printed.status == 2
    assert "has '${' in its name" in printed.err
    assert command("../s.csv", f"hydra.run.dir={tmp_path / 'run'}").status == 0


def test_a_number_in_place_of_an_option(command, tasks):
    printed = command("model=3")
    assert (printed.status, printed.err.count("\n")) == (2, 1)
    assert "`model=3` is not there: choose among auto, esn" in printed.err


def test_reading_that_takes_long_is_said(command, tasks, monkeypatch):
    quick = command("s.csv")
    assert "reading" not in quick.err
    monkeypatch.setattr("forecast.reading.progress._SILENT_S", 0.01)
    load = sys.modules["forecast.reading.sources"].load_source

    def slow(settings):
        with said_to_be_read(settings.path):
            time.sleep(0.3)
        return load(settings)

    monkeypatch.setattr("forecast.reading.sources.load_source", slow)
    printed = command("s.csv")
    assert printed.err.startswith("reading s.csv (0 s so far) ...\n")
    assert printed.err.count("reading") == 1
