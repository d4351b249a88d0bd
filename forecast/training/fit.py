"""Train a network: the trainer, the device, the threads, the random numbers, the first Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytorch_lightning as pl
import torch

from forecast.errors import ForecastError
from forecast.network.allocator import keep_freed_memory
from forecast.network.inference import forecast_by_walk, forecast_by_windows, head_on_cpu
from forecast.network.network import Network
from forecast.network.threads import threads_for
from forecast.training.callbacks import Supervisor
from forecast.training.data import begin
from forecast.training.loaders import training_epochs
from forecast.training.module import NetworkModule
from forecast.training.validation import validation_stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forecast.network.settings import NetworkSettings
    from forecast.series.panel import IntArray
    from forecast.training.data import NetworkData
    from forecast.training.history import Epoch
    from forecast.training.loaders import Epochs
    from forecast.training.readout import Trial
    from forecast.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class Training:
    """What training made.

    Attributes
    ----------
    history : every epoch that was run, or every penalty of a read-out that was tried
    epochs : how many of them the kept weights have seen; 1 of a read-out, which needs one pass
    reason : why training stopped
    graph_bytes : what the graph of a step held in memory, of the first step; 0 of a read-out
    penalty : of a read-out, the one that was kept

    """

    network: Network
    history: tuple[Epoch, ...] | tuple[Trial, ...]
    epochs: int
    reason: str
    graph_bytes: int = 0
    penalty: float | None = None


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What is to be trained, on what, and how.

    Attributes
    ----------
    train_steps : (series,) the first steps of each series, which are trained on; what lies after them validates
    repeated : the learning rate of each epoch, where nothing lies after them
    penalty : of a read-out, where it was chosen before

    """

    data: NetworkData
    train_steps: IntArray
    network: NetworkSettings
    training: TrainingSettings
    context_steps: int
    seed: int
    repeated: tuple[float, ...] | None = None
    penalty: float | None = None
    on_epoch: Callable[[Epoch], None] | None = None

    @property
    def validates(self) -> bool:
        """Whether anything lies after the training stretch."""
        return not np.array_equal(self.train_steps, self.data.past.lengths)

    @property
    def ends(self) -> IntArray:
        """Rows at which the training stretch of each series ends, (series,)."""
        ends: IntArray = self.data.past.offsets[:-1] + self.train_steps
        return ends

    def epochs(self) -> Epochs:
        """Batches, epoch after epoch, as training takes them from the first on."""
        return training_epochs(self.data, self.ends, self.training, self.context_steps, self.seed)

    def series_name(self, row: int) -> str:
        """Id of the series that a row belongs to."""
        return self.data.past.ids[int(self.data.known.series(np.array([row]))[0])]


def fit_network(job: TrainingJob) -> Training:
    """Train on the training stretch and stop by the validation stretch.

    Raises
    ------
    ForecastError
        No GPU where one is asked for, no forecast to validate on, a loss or gradient that is no longer finite.

    """
    accelerator = accelerator_for(job.training)
    keep_freed_memory()
    threads = threads_for(job.training.lanes, job.network.hidden_size, job.training.threads)
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
        with _first_interrupt(supervisor):
            trainer.fit(module, job.epochs())
    if supervisor.best_weights is not None:
        network.load_state_dict(supervisor.best_weights)
    history, epochs = tuple(supervisor.history), supervisor.best_epoch
    return Training(network.eval(), history, epochs, supervisor.reason, module.graph_bytes or 0)


def initial_network(job: TrainingJob) -> Network:
    """Build the network as it is before the first step: the very weights that `fit_network` begins with."""
    with own_random_numbers(job.seed):
        return fresh_network(job)


def fresh_network(job: TrainingJob) -> Network:
    """Build an untrained network with its units measured before the end of each training stretch."""
    network = Network(job.network, job.data.interface)
    begin(network, job.data, job.ends)
    return network


def _validation(job: TrainingJob, network: Network) -> Callable[[], tuple[float, int]]:
    """Return a function that gives the loss over all forecasts within the validation stretch, with current weights.

    Beside the loss it gives the row of the forecast that is the worst.
    """
    stretch = validation_stretch(job)

    def validation_loss() -> tuple[float, int]:
        readings, rows = job.data.readings, stretch.rows
        if job.training.regime == "windows":
            raw = forecast_by_windows(network, readings, job.context_steps, rows)
        else:
            raw = forecast_by_walk(network, readings, stretch.starts, stretch.series, rows)
        return stretch.loss(head_on_cpu(network), torch.from_numpy(raw))

    return validation_loss


def accelerator_for(settings: TrainingSettings) -> str:
    """Return where is computed, `cpu` or `gpu`.

    Raises
    ------
    ForecastError
        A GPU is asked for, and there is none.

    """
    if settings.accelerator == "gpu" and not torch.cuda.is_available():
        raise ForecastError("`training.accelerator=gpu`: no CUDA device is to be seen here: use auto or cpu")
    wants_gpu = settings.accelerator != "cpu" and torch.cuda.is_available()
    return "gpu" if wants_gpu else "cpu"


@contextlib.contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Draw weights and dropout from our own seed and leave the caller's random numbers as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


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
