"""Trackers: who is told the course of a training beside the run folder, through Lightning's own loggers.

They are told of each epoch as it ends, so that a long training can be watched, and of the scores and the report when
the run is complete. A tracker that cannot be begun is a mistake of the user's, found before anything is trained; one
that fails later costs its own records and a note, never the training.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import os
import re
import shutil
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from forecast.errors import ForecastError
from forecast.importing import importing
from forecast.training.settings import MlflowLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from pytorch_lightning.loggers import Logger

    from forecast.training.job import Epoch
    from forecast.training.settings import LoggerSettings

LOGS = "logs"
"""The folder of loggers of files, in that of a run or a sweep."""

_NEEDS = ("tensorboard", "mlflow")  # packages, which are called as the loggers are
_OTHER_TASKS = ("probe", "continuation", "pretrain", "tune", "predict", "update", "serve", "mcp", "stream", "logger")
_OTHER_CHARACTERS = re.compile(r"[^\w. -]+", re.ASCII)  # a name of MLflow's takes no others


class Tracker:
    """Tells a Lightning logger of epochs, scores and the report; without one (None) nothing.

    Examples
    --------
    >>> Tracker(None).score({"mase": 0.9}, "lstm")

    """

    def __init__(self, logger: Logger | None) -> None:
        self.logger = logger
        self.problem = ""
        """Why it was told no more, "" where it was told all."""
        self._told: dict[str, tuple[int, int]] = {}

    def epoch(self, name: str, epoch: Epoch) -> None:
        """Tell of an epoch of a network; the members of an ensemble come one after the other, under one name."""
        member, last = self._told.get(name, (1, 0))
        member += epoch.epoch <= last
        self._told[name] = member, epoch.epoch
        values = {key: value for key, value in epoch.as_dict().items() if key != "epoch"}
        self._tell(values, name if member == 1 else f"{name} {member}", epoch.epoch)

    def scores(self, leaderboard: pd.DataFrame) -> None:
        """Tell of the scores of each model in a leaderboard."""
        numbers = leaderboard.select_dtypes("number")
        for model, row in zip(leaderboard["model"], numbers.to_dict("records"), strict=True):
            self.score({f"test/{name}": value for name, value in row.items()}, str(model))

    def score(self, values: Mapping[str, float], model: str) -> None:
        """Tell of scores of a model by their names."""
        self._tell(values, model, 0)

    def artefacts(self, *paths: Path) -> None:
        """Hand over files of a complete run, where artefacts are kept."""
        if self.logger is None:  # Lightning takes seconds to import
            return
        from pytorch_lightning.loggers import MLFlowLogger  # noqa: PLC0415

        logger = self.logger
        if isinstance(logger, MLFlowLogger):
            for path in paths:
                self._safely(partial(logger.experiment.log_artifact, logger.run_id, str(path)))

    def end(self, status: str = "success") -> None:
        """Write what is left."""
        if self.logger is not None:
            self._safely(partial(self.logger.finalize, status))

    @property
    def notes(self) -> list[str]:
        """Say that the tracker was not told all."""
        return [f"the tracker was not told all: {self.problem}"] if self.problem else []

    def _tell(self, values: Mapping[str, float], name: str, step: int) -> None:
        if self.logger is None:
            return
        plain = _OTHER_CHARACTERS.sub("_", name)
        told = {f"{plain}/{key}": float(value) for key, value in values.items() if math.isfinite(value)}
        self._safely(partial(self.logger.log_metrics, told, step))

    def _safely(self, call: Callable[[], None]) -> None:
        """Tell, and after what a tracker raises tell no more: each try of a server that is gone takes a while."""
        if self.problem:
            return
        try:
            call()
        except Exception as error:
            self.problem = " ".join(str(error).split())[:300]


@contextmanager
def tracked(settings: LoggerSettings, job: Mapping[str, Any], folder: Path, name: str) -> Iterator[Tracker]:
    """Begin the record of a job under a name; `job` are all its settings.

    `folder` is where loggers of files write, and theirs alone.

    Raises
    ------
    ForecastError
        A package is missing, or the server cannot be reached.

    """
    tracker = Tracker(_logger(settings, job, folder, name))
    try:
        yield tracker
    except BaseException:
        tracker.end("failed")
        raise
    tracker.end()


def check_tracker(settings: LoggerSettings) -> None:
    """Refuse a tracker whose package is missing, or whose server nobody names, before the data are read."""
    if settings.name in _NEEDS and importlib.util.find_spec(settings.name) is None:
        raise ForecastError(
            f"`logger={settings.name}` needs {settings.name}, which is not installed: "
            f"pip install 'recurrent-forecast[{settings.name}]'"
        )
    if isinstance(settings, MlflowLogger) and not (settings.uri or os.environ.get("MLFLOW_TRACKING_URI")):
        raise ForecastError(
            "`logger=mlflow` needs the address of a server: set `logger.uri=http://127.0.0.1:5000`, or the "
            "environment's MLFLOW_TRACKING_URI"
        )


def _logger(settings: LoggerSettings, job: Mapping[str, Any], folder: Path, name: str) -> Logger | None:
    if settings.name == "none":
        return None
    check_tracker(settings)
    if isinstance(settings, MlflowLogger):
        return _mlflow(settings, job, name)
    with importing():
        from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger  # noqa: PLC0415

    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed; its epochs are told again
    if settings.name == "csv":
        return CSVLogger(folder, name="", version="", flush_logs_every_n_steps=1)
    logger = TensorBoardLogger(folder, name="", version="")
    logger.experiment.add_text("settings", f"```json\n{json.dumps(job, indent=1)}\n```")
    return logger


def _mlflow(settings: MlflowLogger, job: Mapping[str, Any], name: str) -> Logger:
    """Begin a run at a server; one that is not there is found out within seconds, and is told nothing of its users."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with characters that terminals lack
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    with importing():
        from pytorch_lightning.loggers import MLFlowLogger  # noqa: PLC0415

    logging.getLogger("pytorch_lightning.loggers.mlflow").setLevel(logging.ERROR)  # an experiment is new: no warning
    uri = settings.uri or os.environ["MLFLOW_TRACKING_URI"]
    try:
        logger = MLFlowLogger(settings.experiment, name, uri)
        logger.log_hyperparams({name: value for name, value in job.items() if name not in _OTHER_TASKS})
    except Exception as error:
        reason, uri = " ".join(str(error).split())[:200], uri.rpartition("@")[2]
        raise ForecastError(
            f"`logger=mlflow`: the server at {uri} cannot be used ({reason}): start it (`mlflow server`), correct "
            f"`logger.uri`, or choose another `logger`"
        ) from None
    return logger
