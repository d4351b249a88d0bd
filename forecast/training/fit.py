"""Train a network by its gradient: the trainer, validation after each epoch, when to stop, checkpoints, signals."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import threading
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch

from forecast.errors import ForecastError, Stopped
from forecast.network.compiled.modules import compile_lstms
from forecast.network.cpu import flush_denormals, keep_freed_memory, threads_for
from forecast.network.inference import forecast_by_unrolling, forecast_by_windows, head_on_cpu
from forecast.training.job import (
    INTERRUPTED,
    Epoch,
    Training,
    accelerator_for,
    fresh_network,
    own_random_numbers,
    validation_split,
)
from forecast.training.module import NetworkModule
from forecast.training.ranks import ALONE, Ranks, gathered, is_lost_connection
from forecast.training.resume import Resumed, capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forecast.network.network import Network
    from forecast.training.job import Stage, TrainingJob
    from forecast.training.module import NetworkModule
    from forecast.training.settings import TrainingSettings


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
    ranks.tell(job, None if stage is None else stage.state)
    try:
        return _fit(job, stage, ranks)
    except BaseException as error:
        if ranks.size > 1:
            ended = ranks.abandon()
            if is_lost_connection(error):
                status = f" (status {ended[0]})" if ended else ""
                raise ForecastError(
                    f"one of the {ranks.size} processes that train together has ended{status}: run again, or set "
                    f"`training.devices=1`"
                ) from error
        raise


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


class LearningRate:
    """The learning rate of each epoch: by the schedule, or repeated from an earlier training."""

    def __init__(self, settings: TrainingSettings, repeated: tuple[float, ...] | None) -> None:
        self.settings = settings
        self.repeated = repeated
        self.factor = 1.0
        self.best = math.inf
        self.stalled = 0

    def at(self, epoch: int) -> float:
        """Learning rate of an epoch, the first being 0."""
        if self.repeated is not None:
            return self.repeated[epoch]
        if self.settings.schedule == "cosine":
            return self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.settings.max_epochs))
        return self.settings.learning_rate * self.factor

    def after(self, validation_loss: float) -> None:
        """Halve the rate of `plateau` where validation has stalled for a third of the patience."""
        if self.settings.schedule != "plateau":
            return
        if validation_loss < self.best:
            self.best, self.stalled = validation_loss, 0
            return
        self.stalled += 1
        if self.stalled >= max(self.settings.patience // 3, 1):
            self.factor, self.stalled = self.factor / 2, 0


class Supervisor(pl.Callback):
    """Validates after each epoch, keeps the best weights, and decides when training stops.

    `validate` returns the loss and the row of the worst forecast. Without it (None) training takes one epoch for each
    learning rate in `repeated`. `stage` keeps the training as it goes on; where it holds one, that is `resumed`.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        validate: Callable[[], tuple[float, int]] | None,
        repeated: tuple[float, ...] | None,
        on_epoch: Callable[[Epoch], None] | None,
        stage: Stage | None = None,
        *,
        ranks: Ranks = ALONE,
    ) -> None:
        self.settings = settings
        self.ranks = ranks
        self.seed = torch.initial_seed()
        self.validate = validate
        self.rate = LearningRate(settings, repeated)
        self.epochs = len(repeated) if repeated is not None else settings.max_epochs
        self.on_epoch = on_epoch
        self.history: list[Epoch] = []
        self.best_loss = math.inf
        self.best_epoch = 0
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.reason = (
            f"reached `training.max_epochs` ({self.epochs})" if repeated is None else "as many epochs as were chosen"
        )
        self.epoch = 0  # that is under way, the first being 0
        self.batches = 0  # of it that were trained
        self.done = False
        self.stage = stage
        self.resumed = None if stage is None or stage.state is None else Resumed(stage.state)
        self.interrupted = False
        self.stopped_by: int | None = None
        self.started = time.perf_counter()

    @property
    def least_epochs(self) -> int:
        """Epochs before which training does not stop by itself."""
        return self.epochs if self.validate is None else min(self.epochs, self.settings.patience + 1)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the epoch's learning rate; ranks draw random numbers of their own for their lanes."""
        if self.ranks.rank:
            torch.manual_seed(self.seed + 1_000_003 * self.epoch + self.ranks.rank)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self.rate.at(self.epoch)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: NetworkModule, batch: Any, batch_idx: int) -> None:  # type: ignore[override]  # ours is the only module
        """Put back the rest of a training that is resumed."""
        if self.resumed is not None:
            self.resumed.before_first_step(trainer, pl_module, self.batches)
            self.resumed = None

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, pl_module: NetworkModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop after the time limit or an interrupt; Lightning then ends the epoch."""
        self.batches += 1
        if not trainer.is_last_batch:  # after which comes the end of the epoch
            self._keep_if_due(trainer, pl_module)
        self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: NetworkModule) -> None:  # type: ignore[override]  # ours is the only module
        """Validate, note the epoch, and decide whether to go on."""
        broken_off = trainer.should_stop and not trainer.is_last_batch
        if self.validate is None and broken_off:
            return  # such an epoch does not count as repeated
        losses, norms = (pl_module.epoch_loss, self._validation_loss(pl_module)), pl_module.epoch_norms
        epoch = Epoch(self.epoch + 1, *losses, self.rate.at(self.epoch), self.seconds, **norms)
        self.history.append(epoch)
        self.rate.after(epoch.validation_loss)
        if self.validate is None or epoch.validation_loss < self.best_loss:
            self.best_loss, self.best_epoch = epoch.validation_loss, epoch.epoch
            self.best_weights = {name: part.clone() for name, part in pl_module.network.state_dict().items()}
        elif epoch.epoch - self.best_epoch >= self.settings.patience:
            self._stop(trainer, f"no better validation loss for {self.settings.patience} epochs")
        if self.on_epoch is not None:
            self.on_epoch(epoch)
        self.epoch, self.batches = self.epoch + 1, 0
        self.done = trainer.should_stop or self.epoch == self.epochs
        if not broken_off:
            self._keep_if_due(trainer, pl_module)
        self._stop_if_asked(trainer)

    def end(self, trainer: pl.Trainer, module: NetworkModule) -> None:
        """Keep the training that has ended, unless by an interrupt: resumed, that goes on."""
        self.done = True
        if self.stage is not None and not self.interrupted:
            self.stage.keep(capture(trainer, module, self))

    def _keep_if_due(self, trainer: pl.Trainer, module: NetworkModule) -> None:
        """Keep the training where it is time, or where it is about to be stopped; leave it then if it is asked to.

        Within an epoch each of several processes has a carried state of its own: it is kept at the end of epochs alone.
        """
        if self.ranks.size > 1 and self.batches:
            if self.stopped_by is not None:
                raise Stopped(self.stopped_by)
            return
        if self.stage is None or not (self.stage.due or self.interrupted or self.stopped_by is not None):
            return
        self.stage.keep(capture(trainer, module, self), now=True)
        if self.stopped_by is not None:
            raise Stopped(self.stopped_by)

    def _validation_loss(self, module: NetworkModule) -> float:
        if self.validate is None:
            return math.nan
        module.network.eval()
        loss, worst_row = self.validate()
        module.network.train()
        if not math.isfinite(loss):
            raise module.diverged(worst_row, "validation loss", loss)
        return loss

    def _stop_if_asked(self, trainer: pl.Trainer) -> None:
        late = self.settings.time_limit_s is not None and self.seconds > self.settings.time_limit_s
        interrupted, late = map(bool, self.ranks.agreed(self.interrupted, late))
        if interrupted:
            self._stop(trainer, INTERRUPTED)
        elif late:
            self._stop(trainer, f"reached `training.time_limit_s` ({self.settings.time_limit_s:g} s)")

    def _stop(self, trainer: pl.Trainer, reason: str) -> None:
        if not trainer.should_stop:
            self.reason = reason
        trainer.should_stop = True

    @property
    def seconds(self) -> float:
        """Seconds since training began, those of earlier processes included."""
        return time.perf_counter() - self.started
