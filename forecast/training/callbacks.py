"""What happens between epochs: validation, the best weights, when to stop, and the progress bar."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch

from forecast.training.history import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.training.module import NetworkModule
    from forecast.training.settings import TrainingSettings


class LearningRate:
    """The learning rate of each epoch: a rule, or a list that repeats what an earlier training did."""

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
    """Validates after each epoch, keeps the best weights, and says when and why training stops.

    `validate` gives the loss, and the row of the worst forecast. Without it (None) it trains for as many epochs as
    `repeated` has learning rates.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        validate: Callable[[], tuple[float, int]] | None,
        repeated: tuple[float, ...] | None,
        on_epoch: Callable[[Epoch], None] | None,
    ) -> None:
        self.settings = settings
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
        self.interrupted = False
        self.started = time.perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the epoch's learning rate."""
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self.rate.at(trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop when the time is over or the user has interrupted; Lightning then ends the epoch."""
        self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: NetworkModule) -> None:  # type: ignore[override]  # ours is the only module
        """Validate, remember, and decide whether to go on."""
        if self.validate is None and trainer.should_stop and not trainer.is_last_batch:
            return  # an epoch that was broken off is none of those that were to be repeated
        losses, norms = (pl_module.epoch_loss, self._validation_loss(pl_module)), pl_module.epoch_norms
        rate = self.rate.at(trainer.current_epoch)
        epoch = Epoch(trainer.current_epoch + 1, *losses, rate, self._seconds(), **norms)
        self.history.append(epoch)
        self.rate.after(epoch.validation_loss)
        if self.validate is None or epoch.validation_loss < self.best_loss:
            self.best_loss, self.best_epoch = epoch.validation_loss, epoch.epoch
            self.best_weights = {name: part.clone() for name, part in pl_module.network.state_dict().items()}
        elif epoch.epoch - self.best_epoch >= self.settings.patience:
            self._stop(trainer, f"no better validation loss for {self.settings.patience} epochs")
        if self.on_epoch is not None:
            self.on_epoch(epoch)
        self._stop_if_asked(trainer)

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
        if self.interrupted:
            self._stop(trainer, "interrupted")
        elif self.settings.time_limit_s is not None and self._seconds() > self.settings.time_limit_s:
            self._stop(trainer, f"reached `training.time_limit_s` ({self.settings.time_limit_s:g} s)")

    def _stop(self, trainer: pl.Trainer, reason: str) -> None:
        if not trainer.should_stop:
            self.reason = reason
        trainer.should_stop = True

    def _seconds(self) -> float:
        return time.perf_counter() - self.started
