"""What is to be trained, what training made, and what each way of training begins with; nothing here needs Lightning.

A read-out in closed form is fitted, and an untrained network built, without the seconds that Lightning's import takes.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.network.network import Network
from forecast.training.data import begin
from forecast.training.loaders import training_epochs

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
        """Whether anything lies after the training split."""
        return not np.array_equal(self.train_steps, self.data.past.lengths)

    @property
    def ends(self) -> IntArray:
        """Rows at which the training split of each series ends, (series,)."""
        ends: IntArray = self.data.past.offsets[:-1] + self.train_steps
        return ends

    def epochs(self) -> Epochs:
        """Batches, epoch after epoch, as training takes them from the first on."""
        return training_epochs(self.data, self.ends, self.training, self.context_steps, self.seed)

    def series_name(self, row: int) -> str:
        """Id of the series that a row belongs to."""
        return self.data.past.ids[int(self.data.known.series(np.array([row]))[0])]


def initial_network(job: TrainingJob) -> Network:
    """Build the network as it is before the first step: the very weights that training begins with."""
    with own_random_numbers(job.seed):
        return fresh_network(job)


def fresh_network(job: TrainingJob) -> Network:
    """Build an untrained network with its units measured before the end of each training split."""
    network = Network(job.network, job.data.interface)
    begin(network, job.data, job.ends)
    return network


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
