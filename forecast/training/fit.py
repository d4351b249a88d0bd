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
from forecast.network.head import mean_where
from forecast.network.inference import forecast_by_walk, forecast_by_windows, head_on_cpu
from forecast.network.network import Network
from forecast.network.threads import threads_for
from forecast.series.split import rolling_origins
from forecast.training.callbacks import Epoch, Supervisor
from forecast.training.data import begin
from forecast.training.loaders import training_epochs
from forecast.training.module import NetworkModule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forecast.network.settings import NetworkSettings
    from forecast.series.panel import IntArray
    from forecast.training.data import NetworkData
    from forecast.training.loaders import Epochs
    from forecast.training.settings import TrainingSettings

_VALIDATION_WARMUP_STEPS = 512
"""Steps that warm the state before the validation stretch, at least. The final evaluation walks the whole past."""
_VALIDATION_FORECASTS = 2_000_000
"""Numbers that a validation forecasts, at most: beyond that, origins are thinned evenly."""


@dataclass(frozen=True, eq=False)
class Training:
    """What training made.

    Attributes
    ----------
    history : every epoch that was run
    epochs : how many of them the kept weights have seen
    reason : why training stopped
    graph_bytes : what the graph of a step held in memory, of the first step

    """

    network: Network
    history: tuple[Epoch, ...]
    epochs: int
    reason: str
    graph_bytes: int

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """The learning rate of each epoch that the kept weights have seen."""
        return tuple(epoch.learning_rate for epoch in self.history[: self.epochs])


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What is to be trained, on what, and how.

    Attributes
    ----------
    train_steps : (series,) the first steps of each series, which are trained on; what lies after them validates
    repeated : the learning rate of each epoch, where nothing lies after them

    """

    data: NetworkData
    train_steps: IntArray
    network: NetworkSettings
    training: TrainingSettings
    context_steps: int
    seed: int
    repeated: tuple[float, ...] | None = None
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
    accelerator = _accelerator(job.training)
    keep_freed_memory()
    threads = threads_for(job.training.lanes, job.network.hidden_size, job.training.threads)
    with _own_random_numbers(job.seed), _quiet_lightning(), threads:
        network = _fresh_network(job)
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
    with _own_random_numbers(job.seed):
        return _fresh_network(job)


def _fresh_network(job: TrainingJob) -> Network:
    network = Network(job.network, job.data.interface)
    begin(network, job.data, job.ends)
    return network


def _validation(job: TrainingJob, network: Network) -> Callable[[], tuple[float, int]]:
    """Return a function that gives the loss over all forecasts within the validation stretch, with current weights.

    Beside the loss it gives the row of the forecast that is the worst.
    """
    data, past, horizon = job.data, job.data.past, job.data.reference.horizon
    origins = rolling_origins(past, job.train_steps, past.lengths, horizon)
    origins = origins[:: max(-(-len(origins) * horizon // _VALIDATION_FORECASTS), 1)]
    rows = origins.rows(past)
    warmup = max(_VALIDATION_WARMUP_STEPS, job.context_steps)
    starts = past.offsets[:-1] + np.maximum(job.train_steps - warmup, 0)
    target, exists = data.differences(rows, past.offsets[1:])
    level = data.level(rows)
    if not exists.any():
        raise ForecastError(
            f"nothing says when to stop: the validation stretch has no observed value within {horizon} steps after an "
            f"observed one: shorten `horizon` or lengthen `split.validation`"
        )
    there = torch.from_numpy(exists.astype(np.float32))

    def validation_loss() -> tuple[float, int]:
        if job.training.regime == "windows":
            raw = forecast_by_windows(network, data.readings, job.context_steps, rows)
        else:
            raw = forecast_by_walk(network, data.readings, starts, origins.series, rows)
        with torch.no_grad():
            losses = head_on_cpu(network).loss(torch.from_numpy(raw), torch.from_numpy(target), level)
        worst = int(torch.nan_to_num((losses * there).amax(dim=1), nan=torch.inf).argmax())
        return float(mean_where(losses, there)), int(rows[worst])

    return validation_loss


def _accelerator(settings: TrainingSettings) -> str:
    if settings.accelerator == "gpu" and not torch.cuda.is_available():
        raise ForecastError("`training.accelerator=gpu`: no CUDA device is to be seen here: use auto or cpu")
    wants_gpu = settings.accelerator != "cpu" and torch.cuda.is_available()
    return "gpu" if wants_gpu else "cpu"


@contextlib.contextmanager
def _own_random_numbers(seed: int) -> Iterator[None]:
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
