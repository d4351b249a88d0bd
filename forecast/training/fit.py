"""Train a network by its gradient: the trainer, its validation, and the signals that end it."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch

from forecast.errors import Stopped
from forecast.network.compiled.modules import compile_lstms
from forecast.network.cpu import flush_denormals, keep_freed_memory, threads_for
from forecast.network.inference import forecast_by_unrolling, forecast_by_windows, head_on_cpu
from forecast.training.job import (
    Training,
    accelerator_for,
    fresh_network,
    own_random_numbers,
    validation_split,
)
from forecast.training.module import NetworkModule
from forecast.training.ranks import Ranks, Told, gathered
from forecast.training.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forecast.network.network import Network
    from forecast.training.job import Stage, TrainingJob
    from forecast.training.module import NetworkModule


def fit_network(job: TrainingJob) -> Training:
    """Train on the training split and stop by the validation split; go on where an earlier process was stopped.

    Raises
    ------
    ForecastError
        No GPU where one is asked for, no forecast to validate on, a loss or gradient that is no longer finite, or a
        process that trains together with this one has ended.

    """
    ranks = gathered(job.training)
    stage = job.stages.stage("training") if job.stages else None
    with ranks.in_step(Told.of(job, None if stage is None else stage.state)):
        return _fit(job, stage, ranks)


def fit_share(job: TrainingJob, state: Any, ranks: Ranks) -> None:
    """Train on the lanes of a rank other than 0, in step with that one, from a state that it was told."""
    _fit(job, None if state is None else _ToldStage(state), ranks)


@dataclass(frozen=True)
class _ToldStage:
    """The stage of a rank other than 0, which keeps nothing."""

    state: Any
    due: bool = False

    def keep(self, state: Any, *, now: bool = False) -> None:
        """Leave it to rank 0."""


def _fit(job: TrainingJob, stage: Stage | None, ranks: Ranks) -> Training:
    training = job.training
    accelerator = accelerator_for(training)
    keep_freed_memory()
    lanes = training.batch_size if training.regime == "windows" else training.streams
    threads = threads_for(lanes, job.network.units, training.threads)
    with own_random_numbers(job.seed), _quiet_lightning(), threads:
        network = fresh_network(job)
        # Epochs that were chosen before are repeated as they are: validation has no second say.
        validate = None
        if job.validates and job.repeated is None:
            validate = ranks.validating(_validation(job, network) if ranks.rank == 0 else None)
        untrained = {name: part.clone() for name, part in network.state_dict().items()}
        untrained_loss = validate()[0] if validate else math.inf
        supervisor = Supervisor(job.training, validate, job.repeated, job.on_epoch, stage, ranks=ranks)
        module = NetworkModule(network, job.training, job.series_name, ranks)
        epochs = job.epochs()
        if job.training.precision == "32-true":  # compiled layers know no other
            compile_lstms(network, epochs.steps * supervisor.least_epochs)
        if supervisor.resumed is not None:
            supervisor.resumed.before_fit(module, supervisor, epochs)
        if not supervisor.done:
            trainer = pl.Trainer(
                accelerator=accelerator,
                **ranks.strategy(),
                precision=job.training.precision,
                max_epochs=supervisor.epochs - supervisor.epoch,
                gradient_clip_val=job.training.gradient_clip,
                callbacks=[supervisor],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            with _signals(supervisor) if ranks.rank == 0 else contextlib.nullcontext(), flush_denormals():
                trainer.fit(module, ranks.share(epochs))
            supervisor.end(trainer, module)
    weights, best_epoch = supervisor.best_weights, supervisor.best_epoch
    if untrained_loss <= supervisor.best_loss < math.inf:  # a candidate like every epoch
        weights, best_epoch = untrained, 0
    if weights is not None:
        network.load_state_dict(weights)
    history = tuple(supervisor.history)
    return Training(network.eval(), history, best_epoch, supervisor.reason, module.graph_bytes or 0)


def _validation(job: TrainingJob, network: Network) -> Callable[[], tuple[float, int]]:
    """Return a function that computes the validation loss with current weights, and the row of the worst forecast."""
    split = validation_split(job)

    def validation_loss() -> tuple[float, int]:
        inputs, rows = job.data.inputs, split.rows
        if job.training.regime == "windows":
            raw = forecast_by_windows(network, inputs, job.context_steps, rows)
        else:
            raw = forecast_by_unrolling(network, inputs, split.starts, split.series, rows)
        return split.loss(head_on_cpu(network), torch.from_numpy(raw))

    return validation_loss


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence Lightning's hints on devices and loaders: this program chooses them, its users do not."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _signals(supervisor: Supervisor) -> Iterator[None]:
    """Let the first Ctrl-C end training with the best weights so far.

    A second one, and a request to terminate, end the program: after the step under way, where it can be resumed from
    there, and then a third one ends it at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: object = None) -> None:
        if supervisor.stopped_by is not None:
            raise Stopped(number)
        supervisor.stopped_by = number

    def interrupt(*_: object) -> None:
        supervisor.interrupted = True
        signal.signal(signal.SIGINT, stop if supervisor.stage else before[signal.SIGINT])

    before = {signal.SIGINT: signal.signal(signal.SIGINT, interrupt)}
    if supervisor.stage is not None:
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
