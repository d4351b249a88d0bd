"""`task=check`: does any forecast use its own future, on the user's data and configuration.

Everything after an origin is changed (`forecast.evaluation.leaks`); the season and context are determined anew as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.evaluation.fits import OK, fit_all
from forecast.evaluation.leaks import ORIGINS, Leak, change_after, find_leaks
from forecast.tasks.candidates import forecasters, raise_failure
from forecast.tasks.prepare import prepare, settle
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import Panel, Source
    from forecast.tasks.settings import JobSettings


@dataclass(frozen=True)
class Checked:
    """The leaks that were found, and the outcome in a sentence."""

    leaks: tuple[Leak, ...]
    sentence: str

    @property
    def exit_status(self) -> int:
        """What the command leaves with: 1 where a forecast moved."""
        return 1 if self.leaks else 0


def check(job: JobSettings, source: Source | None = None) -> Checked:
    """Look for leaks on the user's own data and configuration; nothing is written.

    Raises
    ------
    ForecastError
        The job cannot be run at all, or its network cannot be trained.

    """
    prepared = prepare(job, source)
    job = prepared.job
    panel, split, problem = prepared.judged_panel, prepared.task.split, prepared.task.problem
    candidates = forecasters(job)
    fits = fit_all(candidates, panel, split, problem)
    raise_failure(fits, candidates[0].name)
    leaks = find_leaks(fits.fitted, panel, split, problem, job.seed)
    changed = change_after(prepared.panel, split.before_test, job.seed)
    if settle(job, changed, shortened=prepared.shortened).problem != problem:
        leaks = (_leak_of_settings(panel), *leaks)
    failed = [attempt.name for attempt in fits.attempts if attempt.status != OK]
    return Checked(leaks, _in_words(leaks, len(fits.fitted), failed))


def _in_words(leaks: Sequence[Leak], tried: int, failed: Sequence[str]) -> str:
    """Put the outcome into one line."""
    unchecked = f"; {listed(failed)} could not be fitted and was not checked" if failed else ""
    if not leaks:
        return (
            f"no forecast moved: {counted(tried, 'forecaster')}, up to {ORIGINS} origins a series, "
            f"everything after each origin changed and cut off{unchecked}"
        )
    first, *others = leaks
    more = f"; so did {listed([leak.model for leak in others])}" if others else ""
    by = "" if math.isnan(first.by) else f" by {number(first.by)}"
    return (
        f"{first.model} knows its future: for series {first.unique_id!r} what it says at {first.origin} moved"
        f"{by} when only what comes after was changed{more}{unchecked}"
    )


def _leak_of_settings(panel: Panel) -> Leak:
    """Season or context came out otherwise, although the training split was the same."""
    return Leak("the choice of season and context", panel.ids[0], "the end of training", float("nan"))
