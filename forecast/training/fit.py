"""Train a network: the trainer, the device, the threads, the random numbers, the first Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import warnings
from typing import TYPE_CHECKING

import pytorch_lightning as pl
import torch

from forecast.network.allocator import keep_freed_memory
from forecast.network.denormals import without_denormals
from forecast.network.fused import compile_for
from forecast.network.inference import forecast_by_walk, forecast_by_windows, head_on_cpu
from forecast.network.threads import threads_for
from forecast.training.callbacks import Supervisor
from forecast.training.job import Training, accelerator_for, fresh_network, own_random_numbers
from forecast.training.module import NetworkModule
from forecast.training.validation import validation_split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forecast.network.network import Network
    from forecast.training.job import TrainingJob


def fit_network(job: TrainingJob) -> Training:
    """Train on the training split and stop by the validation split.

    Raises
    ------
    ForecastError
        No GPU where one is asked for, no forecast to validate on, a loss or gradient that is no longer finite.

    """
    accelerator = accelerator_for(job.training)
    keep_freed_memory()
    training = job.training
    side_by_side = training.batch_size if training.regime == "windows" else training.lanes
    threads = threads_for(side_by_side, job.network.hidden_size, training.threads)
    with own_random_numbers(job.seed), _quiet_lightning(), threads:
        network = fresh_network(job)
        validate = _validation(job, network) if job.validates else None
        supervisor = Supervisor(job.training, validate, job.repeated, job.on_epoch)
        module = NetworkModule(network, job.training, job.series_name)
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=1,
            max_epochs=supervisor.epochs,
            gradient_clip_val=job.training.gradient_clip,
            callbacks=[supervisor],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        epochs = job.epochs()
        compile_for(network, epochs.steps)
        with _first_interrupt(supervisor), without_denormals():
            trainer.fit(module, epochs)
    if supervisor.best_weights is not None:
        network.load_state_dict(supervisor.best_weights)
    history = tuple(supervisor.history)
    return Training(network.eval(), history, supervisor.best_epoch, supervisor.reason, module.graph_bytes or 0)


def _validation(job: TrainingJob, network: Network) -> Callable[[], tuple[float, int]]:
    """Return a function that gives the loss over all forecasts within the validation split, with current weights.

    Beside the loss it gives the row of the forecast that is the worst.
    """
    part = validation_split(job)

    def validation_loss() -> tuple[float, int]:
        readings, rows = job.data.readings, part.rows
        if job.training.regime == "windows":
            raw = forecast_by_windows(network, readings, job.context_steps, rows)
        else:
            raw = forecast_by_walk(network, readings, part.starts, part.series, rows)
        return part.loss(head_on_cpu(network), torch.from_numpy(raw))

    return validation_loss


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Hold back Lightning's remarks on devices and loaders: this program chooses them, its users do not."""
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
def _first_interrupt(supervisor: Supervisor) -> Iterator[None]:
    """Let the first Ctrl-C end training with the best weights so far; the second one ends the program."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def interrupt(*_: object) -> None:
        supervisor.interrupted = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
