"""One job, as Hydra calls it: once for a run, and once for every job of a sweep, there perhaps in a process of its own.

A run raises what is wrong; a job of a sweep keeps it as its outcome, a small file, and the other jobs go on. At the end
of a sweep, or when it is stopped, these become `sweep.json`: the same sweep in the same folder takes from there what is
done, and runs what is missing.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import traceback
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from forecast.app.composition import load_extensions, plain_values
from forecast.app.failures import report_error, report_refusal, without_our_full_error
from forecast.app.run_task import run_task
from forecast.errors import ForecastError
from forecast.importing import importing
from forecast.network.settings import BackboneSettings
from forecast.questions.kinds import metric_label, question_of_head
from forecast.reading.progress import telling
from forecast.tasks.settings import JobSettings, check_job
from forecast.wording import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from forecast.questions.kinds import Question

_SWEEP = "sweep.json"
_FOLDER, _PLAN = ".jobs", "plan"


def run_job(config: DictConfig) -> float | None:
    """Run the task of a job; return its validation MASE where it has one, which is what a sweep minimises.

    In a sweep nothing is raised: what fails is an outcome with its reason, and its score is infinite.
    """
    load_extensions(Path(source.path) for source in HydraConfig.get().runtime.config_sources if source.schema == "file")
    with without_our_full_error(), telling(partial(print, file=sys.stderr, flush=True)):
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            return _run_in_sweep(config)
        try:
            run_task(_job(config), _overrides(), _folder())
        except ForecastError as error:
            raise SystemExit(report_error(error)) from error
        except OSError as error:  # Hydra would add lines of its own
            raise SystemExit(report_refusal(error)) from error
    return None


def _run_in_sweep(config: DictConfig) -> float:
    hydra = HydraConfig.get()
    folder, number = Path(hydra.sweep.dir), int(hydra.job.num)
    settings: dict[str, Any] = {}
    score, memory, fingerprint, seconds, status = None, None, None, 0.0, "ok"
    try:
        job = _job(config)
        settings = job.model_dump(mode="json")
        if (done := next((one for one in known_outcomes(folder) if one.settings == settings), None)) is not None:
            done = replace(done, job=number, overrides=_overrides())
            write_outcome(done, folder)
            print(f"{done.line()}, done before{progress(folder)}")
            return float("inf") if done.validation_mase is None else done.validation_mase
        score, memory, fingerprint, seconds = _timed_score(job)
    except (ForecastError, SystemExit) as error:
        status = str(error) or "failed"
    except Exception as error:  # one job's fault must not take the others' results along
        traceback.print_exc()
        status = f"{type(error).__name__}: {error}"
    outcome = Outcome(
        number, _overrides(), settings, score, seconds, " ".join(status.split()), memory, fingerprint, time.time()
    )
    write_outcome(outcome, folder)
    print(f"{outcome.line()}{progress(folder)}")
    return float("inf") if score is None else score


def _timed_score(job: JobSettings) -> tuple[float | None, float | None, str | None, float]:
    """Return the validation MASE of a job, the MB that a training step holds, which data it was, and its seconds.

    The first three are None of a task that does not train.

    Imports count for nobody: they would all fall to the first job.
    """
    if job.task == "train":
        with importing():
            if isinstance(job.model, BackboneSettings):
                import forecast.training.fit  # noqa: F401
            from forecast.tasks.train import validate
            from forecast.training.tracking import LOGS, tracked

        began, hydra, settings = time.perf_counter(), HydraConfig.get(), job.model_dump(mode="json")
        logs, name = Path(hydra.sweep.dir) / LOGS / str(hydra.job.num), " ".join(_overrides())
        with tracked(job.logger, settings, logs, name) as tracker:
            validated = validate(job, on_epoch=partial(tracker.epoch, job.model.name))
            tracker.score({"validation": validated.score}, job.model.name)
        return *validated, time.perf_counter() - began
    began = time.perf_counter()
    run_task(job, _overrides(), _folder())
    return None, None, None, time.perf_counter() - began


def _job(config: DictConfig) -> JobSettings:
    return check_job(plain_values(config))


def _overrides() -> tuple[str, ...]:
    return tuple(HydraConfig.get().overrides.task)


def _folder() -> Path:
    return Path(HydraConfig.get().runtime.output_dir)


# What the jobs of a sweep leave for its end.


@dataclass(frozen=True)
class Outcome:
    """One job of a sweep: its number, what was overridden, all of its settings, and how it ended.

    `status` is "ok" or the reason why there is no result; `validation_mase` is None for it, and for tasks that do
    not train; where another question was asked it is what that is ranked by. `graph_mb` is what a training step holds
    in memory for its gradient, None likewise. `fingerprint` is that of the data, None where it is not known;
    `ended` is the time at which the job was done.
    """

    job: int
    overrides: tuple[str, ...]
    settings: dict[str, Any]
    validation_mase: float | None
    seconds: float
    status: str
    graph_mb: float | None = None
    fingerprint: str | None = None
    ended: float = 0.0

    @property
    def question(self) -> Question:
        """What the job forecast."""
        return question_of_head(str(self.settings.get("model", {}).get("head", "")))

    def line(self) -> str:
        """Put it into one line, for the terminal."""
        overrides = " ".join(self.overrides)
        if self.validation_mase is None:
            return f"#{self.job} {overrides}: {self.status}"
        measure = metric_label(self.question.ranked_by)
        return f"#{self.job} {overrides}: validation {measure} {self.validation_mase:.4g} ({self.seconds:.1f} s)"


def begin_outcomes(folder: Path, total: int) -> None:
    """Put what an earlier sweep in the folder left into `sweep.json`, and note how many jobs there will be.

    A sweep that was killed left files of single jobs; their numbers mean nothing to this one.
    """
    write_outcomes([*known_outcomes(folder), *take_outcomes(folder)], folder)
    (folder / _FOLDER).mkdir(parents=True)
    (folder / _FOLDER / _PLAN).write_text(json.dumps({"total": total, "began": time.time()}), encoding="utf-8")


def write_outcomes(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write `sweep.json`, of jobs that have a result."""
    kept = [asdict(outcome) for outcome in outcomes if outcome.status == "ok" and outcome.validation_mase is not None]
    if kept:
        (folder / _SWEEP).write_text(json.dumps(kept) + "\n", encoding="utf-8")


def known_outcomes(folder: Path) -> list[Outcome]:
    """Read `sweep.json`; none where there is no such file.

    Raises
    ------
    ForecastError
        It is not what such a file should be.

    """
    path = folder / _SWEEP
    if not path.is_file():
        return []
    try:
        return [_outcome(values) for values in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError):
        raise ForecastError(f"{str(path)!r} cannot be read: remove it, and the sweep begins anew") from None


def progress(folder: Path) -> str:
    """Say how many jobs of a sweep are done, and how long the others will take, as long as those since it began.

    >>> from pathlib import Path
    >>> progress(Path("nowhere"))
    ''
    """
    try:
        plan = json.loads((folder / _FOLDER / _PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    ended = [_read(path).ended for path in (folder / _FOLDER).glob("*.json")]
    done, run = len(ended), sum(at > plan["began"] for at in ended)
    seconds_left = (time.time() - plan["began"]) / max(run, 1) * max(plan["total"] - done, 0)
    return f" ({done} of {plan['total']}" + (f", about {duration(seconds_left)} left)" if seconds_left else ")")


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Leave an outcome in the folder of its sweep."""
    (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / _FOLDER / f"{outcome.job}.json").write_text(json.dumps(asdict(outcome)), encoding="utf-8")


def take_outcomes(folder: Path) -> list[Outcome]:
    """Return the outcomes of a sweep by number, and clear them away."""
    outcomes = [_read(path) for path in (folder / _FOLDER).glob("*.json")]
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)
    return sorted(outcomes, key=lambda outcome: outcome.job)


def _read(path: Path) -> Outcome:
    return _outcome(json.loads(path.read_text(encoding="utf-8")))


def _outcome(values: dict[str, Any]) -> Outcome:
    return Outcome(**{**values, "overrides": tuple(values["overrides"])})
