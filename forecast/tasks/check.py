"""`task=check`: the tripwire on the user's own data and configuration.

Everything after an origin is changed (`forecast.evaluation.leaks`); season and context are found again as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.evaluation.leaks import ORIGINS, Leak, change_after, find_leaks
from forecast.tasks.prepare import forecasters, prepare, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.tasks.settings import JobSettings


@dataclass(frozen=True)
class Checked:
    """What the tripwire found."""

    leaks: tuple[Leak, ...]
    sentence: str

    @property
    def exit_status(self) -> int:
        """What the command leaves with: 1 where a forecast moved."""
        return 1 if self.leaks else 0


def check(job: JobSettings) -> Checked:
    """Set the tripwire on the user's own data and configuration; nothing is written.

    Raises
    ------
    ForecastError
        The job cannot be run at all.

    """
    prepared = prepare(job)
    panel, question = prepared.panel, prepared.question
    asked = forecasters(job)
    changed = change_after(panel, question.split.before_test, job.seed)
    leaks = find_leaks(asked, panel, question.split, question.problem, job.seed)
    if settle(job, changed).problem != question.problem:
        leaks = (Leak("season and context", panel.ids[0], "the end of validation", 0.0), *leaks)
    return Checked(leaks, say(leaks, len(asked)))


def say(leaks: Sequence[Leak], asked: int) -> str:
    """Put the outcome into one line."""
    if not leaks:
        return (
            f"no forecast moved: {asked} forecasters, up to {ORIGINS} origins a series, "
            f"everything after each origin changed and cut off"
        )
    worst = leaks[0]
    others = f", and {len(leaks) - 1} more forecasters moved" if len(leaks) > 1 else ""
    return (
        f"{worst.model} knows its future: its forecast for series {worst.unique_id!r} made at {worst.origin} "
        f"moved by {worst.by:.3g} when only what comes after was changed{others}"
    )
