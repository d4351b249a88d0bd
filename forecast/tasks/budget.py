"""What a run is going to do and about how long it takes, and how it keeps to a limit of its time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from forecast.forecasters.settings import PretrainedBaselineSettings, StatisticalSettings
from forecast.network.settings import BackboneSettings
from forecast.wording import counted, duration, name_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.series.panel import Panel
    from forecast.tasks.settings import JobSettings

_TRAINING, _FITS, _FORECASTS = 0.3, 0.55, 0.75
"""Shares of the time between start and report: of training all networks, until the last fit, the last forecast."""
_LEAST_RESERVE = 0.1
"""Share of the limit that is kept for the report, at least; as long as the start took, if that is more."""
_STATISTICAL = 0.05
_LEAST_S = 0.01
_NAMED = 8
_BASE_S, _EACH_S = 9.0, 0.7
"""Seconds that imports, backtest and report take, and those that a baseline takes at least."""
_STEPS_A_SECOND = 60_000
"""Steps of series that 64 units are trained on; fewer than `benchmarks/throughput.py` measures, since lanes are few."""
_EPOCHS = 40
_WINDOWS_A_SECOND = 8_000
_SMOOTHED_A_SECOND = 2_500
"""Steps of one series that the pretrained network reads; many series are read side by side."""
_TUNED_A_SECOND, _MOST_TUNED = 2_000, 400_000
"""Steps of all series that it is trained on on, twice, and how many at most."""


@dataclass(frozen=True)
class Budget:
    """Seconds that a run may take, from when it began; None: no limit.

    Writing the report and ending takes about as long as starting did, on whatever machine, since both are mostly
    imports and one thread; so much is kept for it. The rest is shared by fits, forecasts, and fits on all rows.

    Attributes
    ----------
    began, started : when the run began, and when its data were read and all was loaded; by `time.perf_counter`

    """

    limit_s: float | None
    began: float = field(default_factory=time.perf_counter)
    started: float = field(default_factory=time.perf_counter)

    @property
    def work_ends(self) -> float | None:
        """When the report is begun, by `time.perf_counter`."""
        if self.limit_s is None:
            return None
        reserve = max(self.started - self.began, _LEAST_RESERVE * self.limit_s)
        return max(self.began + self.limit_s - reserve, self.started)

    def _at(self, share: float) -> float | None:
        ends = self.work_ends
        return None if ends is None else self.started + share * (ends - self.started)

    @property
    def fits_end(self) -> float | None:
        """When no further baseline is begun."""
        return self._at(_FITS)

    @property
    def forecasts_end(self) -> float | None:
        """When no further baseline forecasts, and none is fitted again as the origins go on."""
        return self._at(_FORECASTS)

    @property
    def working_s(self) -> float | None:
        """Seconds between start and report; None: no limit."""
        ends = self.work_ends
        return None if ends is None else ends - self.started

    def has(self, seconds: float) -> bool:
        """Whether there are so many seconds left, beside those of the report."""
        ends = self.work_ends
        return ends is None or time.perf_counter() + seconds <= ends


def within_limit(job: JobSettings, seconds: float | None) -> JobSettings:
    """Bound the training of each network and the search of each statistical model by their shares of some seconds."""
    if seconds is None:
        return job
    networks = job.ensemble + sum(settings.method == "network" for settings in job.baseline.values())
    each = max(_TRAINING * seconds / networks, _LEAST_S)
    training = job.training.model_copy(update={"time_limit_s": min(job.training.time_limit_s or each, each)})
    most = max(_STATISTICAL * seconds, _LEAST_S)
    baselines = {
        name: settings.model_copy(update={"time_limit_s": min(settings.time_limit_s, most)})
        if isinstance(settings, StatisticalSettings)
        else settings
        for name, settings in job.baseline.items()
    }
    return job.model_copy(update={"training": training, "baseline": baselines})


def plan(job: JobSettings, models: Sequence[str], panel: Panel) -> str:
    """Say what is fitted and compared, and about how long it takes."""
    seconds = expected_seconds(job, panel)
    long = f"about {duration(max(round(seconds, -1), 10))}"
    if job.time_limit_s is not None and seconds > job.time_limit_s:
        long = f"at most {duration(job.time_limit_s)} (`time_limit_s`)"
    shown = name_some(list(models[:_NAMED]), len(models))
    return f"{counted(len(models), 'model')} to fit and compare ({shown}): {long}"


def expected_seconds(job: JobSettings, panel: Panel) -> float:
    """Estimate the seconds of a run on one free core; within a factor of two or three."""
    steps, longest = int(panel.lengths.sum()), int(panel.lengths.max())
    sizes = [float(job.model.units)] * job.ensemble if isinstance(job.model, BackboneSettings) else []
    seconds = _BASE_S
    for settings in job.baseline.values():
        windows = min(steps, getattr(settings, "max_windows", 0))
        seconds += _EACH_S + windows / _WINDOWS_A_SECOND
        seconds += len(panel) * 2.0 if isinstance(settings, StatisticalSettings) else 0.0
        seconds += longest / _SMOOTHED_A_SECOND if settings.method == "pretrained" else 0.0
        tuned = isinstance(settings, PretrainedBaselineSettings) and settings.start
        seconds += min(steps, _MOST_TUNED) / _TUNED_A_SECOND if tuned else 0.0
        sizes += [float(getattr(settings, "hidden_size", 64))] if settings.method == "network" else []
    epochs = min(job.training.max_epochs, _EPOCHS) * (2 if job.training.refit else 1)
    seconds += sum(epochs * steps / _STEPS_A_SECOND * (1 + size / 64) / 2 for size in sizes)
    return seconds * (1 + _refits(job, longest))


def _refits(job: JobSettings, longest: int) -> float:
    """How often all is fitted again as the origins go on, by calibration and test split of the longest series."""
    every, test = job.backtest.refit_every, job.split.test
    return 0.0 if every is None else (test * longest if test < 1 else test) // every
