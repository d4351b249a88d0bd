"""One job, as Hydra calls it: once for a run, and once for every job of a sweep, there perhaps in a process of its own.

A run raises what is wrong; a job of a sweep keeps it as its outcome, and the other jobs go on.
"""

from __future__ import annotations

import sys
import time
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from forecast.app.composition import load_extensions, plain_values
from forecast.app.failures import report_error, report_refusal, without_our_full_error
from forecast.app.outcomes import Outcome, known_outcomes, progress, write_outcome
from forecast.app.run_task import run_task
from forecast.errors import ForecastError
from forecast.importing import importing
from forecast.network.settings import BackboneSettings
from forecast.reading.progress import telling
from forecast.tasks.settings import JobSettings, check_job

if TYPE_CHECKING:
    from omegaconf import DictConfig


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
