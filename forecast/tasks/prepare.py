"""What every task begins with: the data, the question that is asked of them, and who shall answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.forecasters.naive import UntrainedReference
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.table import build_baseline
from forecast.forecasters.transformed import transformed
from forecast.series.problem import Problem
from forecast.series.season import Season, find_season
from forecast.series.source import Source, load_source
from forecast.series.split import Split, split_panel

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from forecast.forecasters.interface import Forecaster
    from forecast.series.panel import Panel
    from forecast.tasks.settings import JobSettings
    from forecast.training.callbacks import Epoch

    OnEpoch: TypeAlias = Callable[[Epoch], None]

_SEASONS_OF_CONTEXT = 2
_MOST_OF_TRAINING = 2 / 3


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a panel: how it is split, how far ahead, with how much past and what season."""

    split: Split
    problem: Problem
    season: Season


@dataclass(frozen=True, eq=False)
class Prepared:
    """A job with its data read and its question settled."""

    job: JobSettings
    source: Source
    question: Question

    @property
    def panel(self) -> Panel:
        """The data."""
        return self.source.panel


def prepare(job: JobSettings) -> Prepared:
    """Read the data and settle split, season and context."""
    source = load_source(job.data)
    return Prepared(job, source, settle(job, source.panel))


def settle(job: JobSettings, panel: Panel) -> Question:
    """Split the panel; season and context, where the user said none, are found on the training stretch alone."""
    split = _split(job, panel, context_steps=1)
    season = _season(job, panel.cut(split.train))
    context = job.data.context_steps or context_for(season.steps, job.horizon, int(split.train.min()))
    problem = Problem(horizon=job.horizon, context_steps=context, season_steps=season.steps)
    return Question(_split(job, panel, context), problem, season)


def context_for(season_steps: int, horizon: int, train_steps: int) -> int:
    """Two seasons, or a horizon if that is more, yet no more than two thirds of the shortest training stretch.

    >>> context_for(season_steps=24, horizon=12, train_steps=1000)
    48
    """
    wanted = max(_SEASONS_OF_CONTEXT * season_steps, horizon)
    return max(min(wanted, int((train_steps - horizon) * _MOST_OF_TRAINING)), 1)


def network(job: JobSettings, on_epoch: OnEpoch | None = None) -> Forecaster:
    """Return the untrained network of a job."""
    bare = Recurrent(settings=job.model, training=job.training, seed=job.seed, on_epoch=on_epoch)
    return transformed(bare, job.data.transform)


def forecasters(job: JobSettings, on_epoch: OnEpoch | None = None) -> tuple[Forecaster, ...]:
    """Return all forecasters of a job: the network, its untrained reference, the baselines."""
    return (network(job, on_epoch), reference(job), *baselines(job))


def reference(job: JobSettings) -> Forecaster:
    """Return the network's reference, untrained as it begins: a forecaster of its own."""
    return transformed(UntrainedReference("reference", job.model.reference), job.data.transform)


def baselines(job: JobSettings) -> tuple[Forecaster, ...]:
    """Return the baselines of a job, in the order of the configuration."""
    return tuple(transformed(build_baseline(one, job.seed), job.data.transform) for one in job.baseline.values())


def _split(job: JobSettings, panel: Panel, context_steps: int) -> Split:
    return split_panel(panel, job.split.validation, job.split.test, context_steps, job.horizon)


def _season(job: JobSettings, training: Panel) -> Season:
    if job.data.season_steps is None:
        return find_season(training)
    shortest = int(training.lengths.min())
    if job.data.season_steps >= shortest:
        raise ForecastError(
            f"`data.season_steps={job.data.season_steps}` should be less than the training stretch, which has "
            f"{shortest} steps{_which(training)}: give a shorter season, or 1 for none"
        )
    return Season(steps=job.data.season_steps, evidence="given as data.season_steps")


def _which(panel: Panel) -> str:
    """Name the shortest series where there are several."""
    return f" in series {panel.ids[int(np.argmin(panel.lengths))]!r}" if len(panel) > 1 else ""
