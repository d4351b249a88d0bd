"""What the terminal shows while something is trained: one bar, with epoch, losses and time left."""

from __future__ import annotations

import io
import math

from rich.console import Console

from forecast.tasks.terminal import working
from forecast.training.job import Epoch


def on_a(terminal):
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=120, legacy_windows=False), file


def test_the_bar_has_epoch_losses_and_time_left():
    console, file = on_a(terminal=True)
    with working(console, 20) as work:
        work.stage("fit", "lstm")
        work.epoch(Epoch(5, 0.5123, 0.6234, 0.01, 1.0))
        (task,) = work.progress.tasks
        assert task.description == "fitting lstm: epoch 5, loss 0.512, validation 0.623"
        assert (task.completed, task.total) == (5, 20)
        assert "TimeRemainingColumn" in [type(column).__name__ for column in work.progress.columns]
        work.epoch(Epoch(6, 0.5, math.nan, 0.01, 1.2))
        assert task.description == "fitting lstm: epoch 6, loss 0.500"
        work.stage("forecast", "ridge")
        (task,) = work.progress.tasks
        assert (task.description, task.total) == ("forecasting with ridge", None)
    assert "epoch 5" not in file.getvalue().splitlines()[-1], "it goes away when all is done"


def test_where_nobody_looks_nothing_is_drawn():
    console, file = on_a(terminal=False)
    with working(console, 20) as work:
        work.stage("fit", "lstm")
        work.epoch(Epoch(1, 0.5, 0.6, 0.01, 1.0))
    assert file.getvalue().strip() == ""
