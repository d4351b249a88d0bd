"""What a training says on the terminal while it runs; a library call says nothing."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from forecast.wording import number, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from forecast.training.job import Epoch


def silent() -> Console:
    """Return a console that says nothing."""
    return Console(quiet=True)


class WatchedConsole(Console):
    """A console that says nothing; `watch` is told instead what is done and, where it is known, what share of it is."""

    def __init__(self, watch: Callable[[str, float | None], None]) -> None:
        super().__init__(quiet=True)
        self.watch = watch


@dataclass
class Work:
    """The one progress bar: epochs of the network, then the forecasters one by one."""

    progress: Progress
    task: TaskID
    epochs: int
    watch: Callable[[str, float | None], None] | None = None
    track: Callable[[str, Epoch], None] | None = None
    what: str = ""
    name: str = ""

    def stage(self, stage: Literal["fit", "forecast", "write"], name: str) -> None:
        """Say what is done next; without a length, until an epoch ends."""
        self.name = name
        self.what = {"fit": "fitting", "forecast": "forecasting with", "write": "writing"}[stage] + f" {name}"
        self.progress.remove_task(self.task)  # a length, once there, cannot be taken from it
        self.task = self.progress.add_task(self.what, total=None)
        if self.watch is not None:
            self.watch(self.what, None)

    def epoch(self, epoch: Epoch) -> None:
        """Show an epoch with its losses."""
        losses = f"loss {number(epoch.train_loss)}"
        if not math.isnan(epoch.validation_loss):
            losses += f", validation {number(epoch.validation_loss)}"
        if self.track is not None:
            self.track(self.name, epoch)
        sentence = f"{self.what}: epoch {epoch.epoch}, {losses}"
        self.progress.update(self.task, total=self.epochs, completed=epoch.epoch, description=sentence)
        if self.watch is not None:
            self.watch(sentence, epoch.epoch / self.epochs)


@contextmanager
def working(console: Console, epochs: int, track: Callable[[str, Epoch], None] | None = None) -> Iterator[Work]:
    """Show the progress bar while the block runs; `epochs` is how many there are at most.

    `track` is told of each epoch, with the name of what is fitted.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal, refresh_per_second=5)
    with bar:
        watch = console.watch if isinstance(console, WatchedConsole) else None
        yield Work(bar, bar.add_task("", total=None), epochs, watch, track)


def say(console: Console, lines: Iterable[str], style: str = "") -> None:
    """Print sentences, one a line, as they are."""
    for line in lines:
        console.print(Text(printable(line), style=style), soft_wrap=True)
