"""What goes on around the steps of a training: learning rates, validation, the best weights, when to stop."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch

from forecast.errors import Stopped
from forecast.training.job import INTERRUPTED, Epoch
from forecast.training.ranks import ALONE, Ranks
from forecast.training.resume import Resumed, capture

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.training.job import Stage
    from forecast.training.module import NetworkModule
    from forecast.training.settings import TrainingSettings


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
