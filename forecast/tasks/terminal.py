"""What a training says on the terminal while it runs; a library call says nothing."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from forecast.evaluation.backtest import OK
from forecast.reporting.wording import number

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    import pandas as pd

    from forecast.training.callbacks import Epoch

_SCORES = {"mase": "MASE", "mae": "MAE", "rmse": "RMSE", "smape": "sMAPE", "skill": "skill", "dm_p": "p"}


def silent() -> Console:
    """Return a console that says nothing."""
    return Console(quiet=True)


@dataclass
class Work:
    """The one progress bar: epochs of the network, then the forecasters one by one."""

    progress: Progress
    task: TaskID
    epochs: int
    what: str = ""
    history: list[Epoch] = field(default_factory=list)

    def stage(self, stage: Literal["fit", "forecast", "write"], name: str) -> None:
        """Say what is done next; without a length, until an epoch ends."""
        self.what = {"fit": "fitting", "forecast": "forecasting with", "write": "writing"}[stage] + f" {name}"
        self.progress.reset(self.task, total=None, description=self.what)

    def epoch(self, epoch: Epoch) -> None:
        """Show an epoch with its losses."""
        losses = f"loss {number(epoch.train_loss)}"
        if not math.isnan(epoch.validation_loss):
            losses += f", validation {number(epoch.validation_loss)}"
        said = f"{self.what}: epoch {epoch.epoch}, {losses}"
        self.progress.update(self.task, total=self.epochs, completed=epoch.epoch, description=said)


@contextmanager
def working(console: Console, epochs: int) -> Iterator[Work]:
    """Show the progress bar while the block runs; `epochs` is how many there are at most."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal, refresh_per_second=5)
    with bar:
        yield Work(bar, bar.add_task("", total=None), epochs)


def say(console: Console, lines: Iterable[str], style: str = "") -> None:
    """Print sentences, one a line, as they are."""
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def leaderboard_table(leaderboard: pd.DataFrame, network: str, baseline: str | None) -> Table:
    """Return the leaderboard for the terminal; the network is bold, the baseline to beat coloured."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    for name in (*_SCORES.values(), "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in leaderboard.to_dict("records"):
        if row["status"] == OK:
            style = {network: "bold", baseline: "cyan"}.get(row["model"], "")
            table.add_row(Text(str(row["model"])), *_cells(row), style=style)
        else:
            table.add_row(Text(str(row["model"])), Text("failed", style="red"))
    return table


def failures(leaderboard: pd.DataFrame) -> list[str]:
    """Say of each model that failed why it did."""
    failed = leaderboard[leaderboard["status"] != OK]
    return [f"{model} failed: {status}" for model, status in zip(failed["model"], failed["status"], strict=True)]


def _cells(row: dict[Hashable, Any]) -> list[str]:
    values = {name: float(row[name]) for name in _SCORES}
    cells = [number(value) for value in values.values()]
    if not math.isnan(values["skill"]):
        cells[list(values).index("skill")] = f"{values['skill']:+.1%}"
    return [*cells, number(float(row["fit_seconds"]) + float(row["forecast_seconds"]), 2)]
