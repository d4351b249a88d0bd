"""All that a training consists of between two steps: captured, and put into a fresh one, it goes on bit for bit.

Lightning's own checkpoints are pickled and forget where a loader was (its issue 20550).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.training.job import Epoch

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from forecast.training.batches import Epochs
    from forecast.training.module import NetworkModule
    from forecast.training.supervisor import Supervisor

# What is neither weights nor optimizer nor random numbers, by its attribute: a new one that changes with the training
# is listed here, and its value is plain, a tensor, or a list or dict of these.
_OF_SUPERVISOR = ("epoch", "batches", "done", "best_loss", "best_epoch", "best_weights", "reason")
_OF_RATE = ("factor", "best", "stalled")
_OF_MODULE = ("graph_bytes", "steps_before")
_OF_EPOCH = ("_carried", "_loss_sum", "_forks", "_norms")
"""Of the module too; an epoch begins without them."""


def capture(trainer: pl.Trainer, module: NetworkModule, supervisor: Supervisor) -> dict[str, Any]:
    """Gather the state of a training after a step, or after the validation of an epoch."""
    random = [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if module.device.type == "cuda" else [])]
    optimizer = trainer.optimizers[0].state_dict()["state"] if trainer.optimizers else {}  # none without an epoch
    of_module = _values(module, (*_OF_MODULE, *(_OF_EPOCH if supervisor.batches else ())))
    return {
        "weights": dict(module.network.state_dict()),
        "optimizer": {str(number): dict(state) for number, state in optimizer.items()},
        "random": random,
        "module": {**of_module, "steps_before": module.steps_before + trainer.global_step},
        "supervisor": _values(supervisor, _OF_SUPERVISOR),
        "rate": _values(supervisor.rate, _OF_RATE),
        "history": [asdict(epoch) for epoch in supervisor.history],
        "seconds": supervisor.seconds,
    }


class Resumed:
    """The state of a training that an earlier process captured, to be put back in two parts."""

    def __init__(self, state: Any) -> None:
        self._state = _tensors(state)

    def before_fit(self, module: NetworkModule, supervisor: Supervisor, epochs: Epochs) -> None:
        """Put back weights, history and place; of the epoch under way the batches that were trained are skipped.

        Raises
        ------
        ForecastError
            The state is not of such a training.

        """
        state = self._state
        try:
            module.network.load_state_dict(state["weights"])
            _put(module, state["module"], _OF_MODULE)
            _put(supervisor, state["supervisor"], _OF_SUPERVISOR)
            _put(supervisor.rate, state["rate"], _OF_RATE)
            supervisor.history = [Epoch(**epoch) for epoch in state["history"]]
            supervisor.started -= float(state["seconds"])
            epochs.epoch, epochs.skip = supervisor.epoch, supervisor.batches
            module.first_epoch = supervisor.epoch
            if supervisor.on_epoch is not None:
                for epoch in supervisor.history:
                    supervisor.on_epoch(epoch)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise _unfit(error) from error

    def before_first_step(self, trainer: pl.Trainer, module: NetworkModule, batches: int) -> None:
        """Put back the optimizer, the carried state, and, last, random numbers."""
        state, optimizer = self._state, trainer.optimizers[0]
        try:
            if batches:
                _put(module, _moved(state["module"], module.device), _OF_EPOCH)
                module._carried = None if module._carried is None else tuple(module._carried)
            of_weights = {int(number): of_weight for number, of_weight in state["optimizer"].items()}
            optimizer.load_state_dict({**optimizer.state_dict(), "state": of_weights})
            if trainer.global_rank == 0:  # the others draw anew each epoch
                torch.set_rng_state(state["random"][0])
                if module.device.type == "cuda":
                    torch.cuda.set_rng_state(state["random"][-1])
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise _unfit(error) from error


def _unfit(error: Exception) -> ForecastError:
    reason = " ".join(str(error).split())[:200]
    return ForecastError(f"the checkpoint does not fit this training ({reason}): train anew, without `resume`")


def _values(of: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def _put(into: object, values: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        setattr(into, name, values[name])


def _tensors(tree: Any) -> Any:
    """Replace arrays by tensors."""
    if isinstance(tree, dict):
        return {name: _tensors(part) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_tensors(part) for part in tree]
    return torch.from_numpy(tree.copy()) if isinstance(tree, np.ndarray) else tree


def _moved(tree: Any, device: torch.device) -> Any:
    if isinstance(tree, dict):
        return {name: _moved(part, device) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_moved(part, device) for part in tree]
    return tree.to(device) if isinstance(tree, torch.Tensor) else tree
