"""The Lightning module: one chunk, one batch, one optimizer step, the state carried from chunk to chunk."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from forecast.errors import ForecastError
from forecast.network.head import mean_where
from forecast.network.state import detach_state
from forecast.training.batches import fork_losses
from forecast.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch
    from torch import nn

    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.training.batches import Batch
    from forecast.training.settings import TrainingSettings


_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9, fused=True),
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
}
"""Every optimizer by its name in `training.optimizer`; `sgd` has momentum 0.9.

Fused, where torch can on the CPU and on a GPU: one call for all weights instead of a dozen for each of them.
"""


_PLAIN = frozenset({"_current_fx_name", "_carried", "_latest", "_loss_sum", "_forks", "gradient_norm", "_norms"})
"""Attributes that change at every step; the first is set by Lightning before and after each hook."""

_FORCING_DECAY = 0.9  # of the teacher-forcing ratio, from epoch to epoch


def teacher_forcing_ratio(epoch: int) -> float:
    """Teacher-forcing probability at an epoch, the first being 0.

    Scheduled sampling with exponential decay (Bengio et al. 2015): the truth at first, later the decoder's own
    forecasts, as when forecasting.

    >>> teacher_forcing_ratio(0), round(teacher_forcing_ratio(20), 2)
    (1.0, 0.12)
    """
    return float(_FORCING_DECAY**epoch)


class NetworkModule(pl.LightningModule):
    """Trains a network by truncated back-propagation through time (Williams and Peng 1990), every step forking.

    The state that is carried belongs to this loop alone: the network is a pure function, and validation never sees it.
    """

    def __init__(
        self, network: Network, settings: TrainingSettings, series_name: Callable[[int], str], ranks: Ranks = ALONE
    ) -> None:
        super().__init__()
        self.ranks = ranks
        self.series_name = series_name
        self.network = network
        self._weights = [*network.parameters()]
        self.settings = settings
        self.gradient_norm = torch.tensor(0.0)
        self._carried: State | None = None
        self._latest: tuple[Batch, Tensor, Tensor] | None = None
        self._loss_sum = torch.tensor(0.0)
        self._forks = 0
        self._norms: tuple[int, float, float, int] = (0, 0.0, 0.0, 0)
        self.graph_bytes: int | None = None
        # Of a training that is resumed, what earlier processes did of it.
        self.first_epoch = 0
        self.steps_before = 0

    def __setattr__(self, name: str, value: Any) -> None:
        """Set plain attributes past torch's checks for weights and modules: some forty times a step."""
        if name in _PLAIN:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def epoch(self) -> int:
        """Number of the epoch, the first being 0, whatever process trained those before."""
        return self.first_epoch + self.current_epoch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the optimizer that the settings name."""
        return _OPTIMIZERS[self.settings.optimizer](
            self.network.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )

    def on_train_epoch_start(self) -> None:
        """Reset the carried state and the sums of the epoch."""
        self._carried = None
        self._loss_sum = torch.zeros((), device=self.device)
        self._forks = 0
        self._norms = (0, 0.0, 0.0, 0)  # of the epoch's gradients: steps, sum, largest, clipped

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Mean loss over the forks of a batch; None, and no step, where it has none (it only warms the state).

        The memory of the graph is measured at the first batch with forks.
        """
        if self.graph_bytes is not None or not batch.forks:
            return self._loss(batch)
        with graph_memory(self.network) as held:
            loss = self._loss(batch)
        self.graph_bytes = held.bytes
        return loss

    def _loss(self, batch: Batch) -> Tensor | None:
        features = self._features(batch)
        if not (batch.forks if batch.all_forks is None else batch.all_forks):
            return None
        ratio = teacher_forcing_ratio(self.epoch)
        forcing = self.network.teacher_forcing(batch.target, batch.exists, ratio)
        losses = fork_losses(self.network, features, batch, forcing)  # (lane, fork, horizon)
        loss = mean_where(losses, batch.exists)
        self._latest = (batch, losses.detach(), loss.detach())
        self._loss_sum += loss.detach() * batch.forks
        self._forks += batch.forks
        return loss if batch.all_forks is None else self._share_of(loss, batch.forks, batch.all_forks)

    def _share_of(self, loss: Tensor, forks: int, all_forks: int) -> Tensor:
        """Weigh the mean over this process's forks so that the mean over processes is that over all forks.

        Every weight takes part, in the loss of lanes without forks too: the others wait for its gradient.
        """
        every = torch.stack([weight.sum() for weight in self._weights]).sum()
        return loss * (self.ranks.size * forks / all_forks) + 0.0 * every

    def _features(self, batch: Batch) -> Tensor:
        """Features at the steps of a chunk, with the state of the chunk before; or at the end of windows."""
        if not batch.carried:
            return self.network.last_features(batch.x, batch.series)[:, None]
        state = self.network.initial_state(len(batch.x)) if self._carried is None else self._carried
        features, after = self.network.features_with_resets(
            batch.x, batch.series, state, batch.resets, batch.reset_steps
        )
        self._carried = detach_state(after)
        return features

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure the norm of the gradient before clipping; stop if it or the loss is not finite."""
        gradients = [p.grad for p in self._weights if p.grad is not None]
        self.gradient_norm = nn.utils.get_total_norm(gradients)
        scaled = self.settings.precision == "16-mixed"  # Lightning then leaves out a step that overflows
        if self._latest is not None and not torch.isfinite(self._latest[2] + (0.0 if scaled else self.gradient_norm)):
            batch, losses, loss = self._latest
            raise self.diverged(_worst_row(batch, losses), "loss", float(loss))
        norm, clip, (steps, total, largest, clipped) = (
            float(self.gradient_norm),
            self.settings.gradient_clip,
            self._norms,
        )
        self._norms = (steps + 1, total + norm, max(largest, norm), clipped + (clip is not None and norm > clip))

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the norm measured above: Lightning would compute it again."""
        if gradient_clip_val is not None:
            nn.utils.clip_grads_with_norm_(self._weights, gradient_clip_val, self.gradient_norm)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Skip the transfer to the CPU, where batches are already."""
        if device.type == "cpu":
            return batch
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def diverged(self, row: int, what: str, loss: float) -> ForecastError:
        """Return an error that names epoch, step and the series of the worst row."""
        clip = "null" if self.settings.gradient_clip is None else f"{self.settings.gradient_clip:g}"
        return ForecastError(
            f"training diverged in epoch {self.epoch + 1}, step {self.steps_before + self.global_step + 1}, at series "
            f"{self.series_name(row)!r}: {what} {loss:.3g}, gradient norm {float(self.gradient_norm):.3g}: "
            f"lower `training.learning_rate` ({self.settings.learning_rate:g} now), set `training.gradient_clip` "
            f"({clip} now), or shorten `training.chunk_steps`"
        )

    @property
    def epoch_loss(self) -> float:
        """Mean training loss over the forks of the epoch so far, those of all processes."""
        total, forks = self.ranks.summed(float(self._loss_sum), self._forks)
        return total / max(forks, 1)

    @property
    def epoch_norms(self) -> dict[str, float]:
        """Gradient norms of the epoch so far, by field of `Epoch`; empty before its first step."""
        steps, total, largest, clipped = self._norms
        if not steps:
            return {}
        return {
            "gradient_norm": total / steps,
            "largest_gradient_norm": largest,
            "clipped_share": clipped / steps,
        }


def _worst_row(batch: Batch, losses: Tensor) -> int:
    """Return a row of the lane whose loss is the largest, or not a number."""
    error = (losses * batch.exists).flatten(1).sum(dim=1)
    return batch.rows[int(torch.nan_to_num(error, nan=torch.inf).argmax())]


@dataclass
class GraphMemory:
    """Memory held by an autograd graph: storages by address, each once; `bytes` without the network's parameters."""

    storages: dict[int, torch.UntypedStorage] = field(default_factory=dict)
    bytes: int = 0


@contextmanager
def graph_memory(network: nn.Module) -> Iterator[GraphMemory]:
    """Count the bytes that computations inside the block save for the backward pass, on whatever device.

    The peak of a process says little of a chunk: libraries take hundreds of MB, and jobs of a sweep share a process.
    """
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    held = GraphMemory()

    def pack(saved: torch.Tensor) -> torch.Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in parameters | held.storages.keys():
            held.storages[storage.data_ptr()] = storage  # kept, lest its address be given to another
            held.bytes += storage.nbytes()
        return saved.detach()  # a result that is kept as it is would hold the graph that holds it

    with saved_tensors_hooks(pack, lambda saved: saved):
        yield held
    held.storages.clear()
