"""The command without its tasks: what would train only takes down what it was given."""

import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from forecast.app import main
from forecast.series.calendar import Calendar
from forecast.series.panel import single_series

Validated = namedtuple("Validated", ("score", "graph_mb", "fingerprint"))  # that of tasks.train would import torch


class Tasks:
    """Stand-ins for the tasks; `score` makes the validation MASE of a job, and may raise."""

    def __init__(self):
        self.trained = []
        self.resumed = []
        self.validated = []
        self.predicted = []
        self.served = []
        self.tuned = []
        self.error = None
        self.score = lambda job: 1.0

    def train(self, job, folder, source=None, resumed=False, command=(), **_):
        self.trained.append((job, Path(folder)))
        self.resumed.append(resumed)
        if self.error is not None:
            raise self.error
        (Path(folder)).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "run.json").write_text("{}")
        print(f"{job.model.name} does not beat naive")

    def validate(self, job, **_):
        self.validated.append(job)
        return Validated(self.score(job), 1.5, None)

    def predict(self, run, data, folder):
        self.predicted.append((run, dict(data)))
        return SimpleNamespace(lines=("delimiter comma", f"{run} says 3"))

    def serve(self, settings, runs, data, *, base, streamed, ready):
        self.served.append((settings.port, runs, dict(data)))
        ready("http://127.0.0.1:1")

    def check(self, job, source=None):
        return SimpleNamespace(sentence="no forecast moved", exit_status=0)

    def tune(self, job, folder, overrides, source=None):
        self.tuned.append((job.horizon, folder))
        if self.error is not None:
            raise self.error

    def gradcheck(self, job, source=None):
        print(f"the gradients of {job.model.name} are checked")
        return SimpleNamespace(exit_status=int(job.model.name == "rnn"))


@pytest.fixture
def tasks(monkeypatch):
    """Put the stand-ins where the command looks for its tasks."""
    stand_ins = Tasks()
    modules = {
        "train": ("train", "validate"),
        **{name: (name,) for name in ("predict", "check", "gradcheck", "serve", "tune")},
    }
    for module, names in modules.items():
        stub = ModuleType(f"forecast.tasks.{module}")
        for name in names:
            setattr(stub, name, getattr(stand_ins, name))
        monkeypatch.setitem(sys.modules, stub.__name__, stub)
    panel = single_series(np.arange(10_000.0), np.arange(10_000), Calendar(freq=None))
    monkeypatch.setattr("forecast.reading.sources.load_source", lambda settings: SimpleNamespace(panel=panel))
    monkeypatch.setattr("forecast.runs.folder.find_run", lambda run: run)
    pages = ModuleType("forecast.reporting.sweep")
    pages.Winner = lambda command, test: command
    pages.write_sweep_page = lambda table, folder, winner="": (folder / "sweep.html").write_text(
        table.to_html() + winner
    )
    pages.scored_on_test = None
    monkeypatch.setitem(sys.modules, pages.__name__, pages)
    return stand_ins


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder; gives exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def run(*arguments):
        try:
            status = main(arguments)
        except SystemExit as error:
            status = error.code
        printed = capsys.readouterr()
        return SimpleNamespace(status=status, out=printed.out, err=printed.err)

    return run
