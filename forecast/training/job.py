"""A training job, its result, its untrained network, and the split that validates it.

Nothing here imports Lightning, which takes seconds: a read-out in closed form does without.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from forecast.errors import ForecastError
from forecast.network.head import Level
from forecast.network.network import Network
from forecast.network.settings import EsnSettings
from forecast.questions.split import rolling_origins
from forecast.training.batches import training_epochs
from forecast.training.data import begin
from forecast.training.known_ahead import begin_known_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from forecast.network.head import Head
    from forecast.network.settings import NetworkSettings
    from forecast.series.panel import IntArray
    from forecast.training.batches import Epochs
    from forecast.training.data import NetworkData
    from forecast.training.readout import Trial
    from forecast.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class Training:
    """A trained network and how it came about.

    Attributes
    ----------
    history : every epoch, or every penalty of a read-out that was tried
    epochs : number of epochs that the kept weights have seen, 0: none was better than the untrained network; 1 of a
        read-out, which needs one pass
    reason : why training stopped
    graph_bytes : memory that the graph of the first step held; 0 of a read-out
    penalty : of a read-out, the one that was kept

    """

    network: Network
    history: tuple[Epoch, ...] | tuple[Trial, ...]
    epochs: int
    reason: str
    graph_bytes: int = 0
    penalty: float | None = None


class Stage(Protocol):
    """Where a training leaves its state, and finds what an earlier process left."""

    @property
    def state(self) -> Any:
        """What was kept last; None: nothing."""
        ...

    @property
    def due(self) -> bool:
        """Whether it is time to keep it."""
        ...

    def keep(self, state: Any, *, now: bool = False) -> None:
        """Keep a state; `now`: on the disk, whatever the time."""
        ...


class Stages(Protocol):
    """The stages of a run."""

    def stage(self, kind: str) -> Stage:
        """Return the next stage of a kind."""
        ...


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What is to be trained, on what, and how.

    Attributes
    ----------
    train_steps : (series,) the first steps of each series are trained on; those after them validate
    repeated : the learning rate of each epoch, where they were chosen before
    penalty : of a read-out, where it was chosen before
    weights : those that training begins with; None: random ones
    new_steps : (series,) steps before those that are new, all of which an epoch has; None: every epoch has every step
    stages : where the training is kept as it goes on, so that a later process can go on with it

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
    weights: Mapping[str, Tensor] | None = None
    new_steps: IntArray | None = None
    stages: Stages | None = None

    @property
    def validates(self) -> bool:
        """Whether there are steps after the training split."""
        return not np.array_equal(self.train_steps, self.data.past.lengths)

    @property
    def ends(self) -> IntArray:
        """Rows at which the training split of each series ends, (series,)."""
        ends: IntArray = self.data.past.offsets[:-1] + self.train_steps
        return ends

    def epochs(self) -> Epochs:
        """Batches of one epoch after the other, from the first on."""
        starts = self.data.past.offsets[:-1]
        new_from = None if self.new_steps is None else np.minimum(starts + self.new_steps, self.ends)
        return training_epochs(self.data, self.ends, self.training, self.context_steps, self.seed, new_from=new_from)

    def series_name(self, row: int) -> str:
        """Id of the series that a row belongs to."""
        return self.data.past.ids[int(self.data.known.series(np.array([row]))[0])]


def initial_network(job: TrainingJob) -> Network:
    """Build the untrained network, with the very weights that training begins with."""
    with own_random_numbers(job.seed):
        return fresh_network(job)


def fresh_network(job: TrainingJob) -> Network:
    """Build an untrained network with its units measured before the end of each training split, or one as it was."""
    network = Network(job.network, job.data.input_spec)
    if job.weights is not None:
        network.load_state_dict(dict(job.weights))
        network.correction.fill_(1.0)  # all of it is trained
        return network
    begin(network, job.data, job.ends)
    if not isinstance(job.network, EsnSettings):  # whose read-out is in closed form as a whole
        begin_known_ahead(network, job.data, job.ends)
    return network


def accelerator_for(settings: TrainingSettings) -> str:
    """Return the device to train on, `cpu` or `gpu`.

    Raises
    ------
    ForecastError
        A GPU is asked for, and there is none.

    """
    if settings.accelerator == "gpu" and not torch.cuda.is_available():
        raise ForecastError("`training.accelerator=gpu` needs a CUDA device, found none: use auto or cpu")
    wants_gpu = settings.accelerator != "cpu" and torch.cuda.is_available()
    return "gpu" if wants_gpu else "cpu"


@contextlib.contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from this seed inside the block, and leave the caller's as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@dataclass(frozen=True)
class Epoch:
    """One line of the training history; losses are the head's own, `seconds` since training began.

    Attributes
    ----------
    gradient_norm, largest_gradient_norm : mean and largest norm of the gradient before clipping
    clipped_share : share of the steps whose gradient was clipped

    The last three are None of an epoch without a step.

    """

    epoch: int
    train_loss: float
    validation_loss: float
    learning_rate: float
    seconds: float
    gradient_norm: float | None = None
    largest_gradient_norm: float | None = None
    clipped_share: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Plain values, by column of history.csv; what was not recorded has none."""
        return {name: value for name, value in asdict(self).items() if value is not None}


INTERRUPTED = "interrupted"
"""Why a training stopped that somebody ended with Ctrl-C."""

_WARMUP_STEPS = 512
"""Steps that warm the state before the validation split, at least. The final evaluation reads the whole past."""
_FORECASTS = 2_000_000
"""Numbers that a validation forecasts, at most: beyond that, origins are thinned evenly."""
_NUMBERS_AT_ONCE = 250_000
"""Numbers whose losses are computed in one piece: intermediate results take many times their memory."""


@dataclass(frozen=True, eq=False)
class ValidationSplit:
    """Origins within the validation split, with their targets.

    Attributes
    ----------
    starts : (series,) rows from which the state is warmed
    series, rows : (origin,)
    target, exists : (origin, horizon) differences to the reference in units of the scale, and where there is one
    level : where the series stand, for heads that need it

    """

    starts: IntArray
    series: IntArray
    rows: IntArray
    target: Tensor
    exists: Tensor
    level: Level | None

    @torch.no_grad()
    def loss(self, head: Head, raw: Tensor) -> tuple[float, int]:
        """Mean loss of raw numbers, (origin, horizon, size), and the row of the worst forecast."""
        total, worst = 0.0, []
        at_once = max(_NUMBERS_AT_ONCE // self.target.shape[1], 1)
        for first in range(0, len(self.rows), at_once):
            part = slice(first, first + at_once)
            losses = self.part(part).losses(head, raw[part])
            total += float(losses.sum())
            worst.append(torch.nan_to_num(losses.amax(dim=1), nan=torch.inf))
        return total / int(self.exists.sum()), int(self.rows[int(torch.cat(worst).argmax())])

    def losses(self, head: Head, raw: Tensor) -> Tensor:
        """Loss of each forecast, (origin, horizon, size) -> (origin, horizon); 0 where no target exists."""
        return head.loss(raw, self.target, self.level) * self.exists

    def part(self, which: slice) -> ValidationSplit:
        """Return some of the origins."""
        level = None if self.level is None else Level(*(of_all[which] for of_all in self.level))
        return replace(
            self,
            series=self.series[which],
            rows=self.rows[which],
            target=self.target[which],
            exists=self.exists[which],
            level=level,
        )


def untrained_loss(job: TrainingJob) -> float:
    """Mean validation loss of the untrained network, which forecasts the reference."""
    split, head = validation_split(job), initial_network(job).head
    return split.loss(head, torch.zeros(*split.target.shape, head.size))[0]


def validation_split(job: TrainingJob) -> ValidationSplit:
    """Collect the origins that validate a training.

    Raises
    ------
    ForecastError
        There is none, or the steps before one are fewer than a window.

    """
    data, past, horizon = job.data, job.data.past, job.data.reference.horizon
    origins = rolling_origins(past, job.train_steps, past.lengths, horizon)
    numbers = len(origins) * horizon * max(data.input_spec.symbols, 1)
    origins = origins[np.arange(0, len(origins), max(-(-numbers // _FORECASTS), 1))]  # not a view, which keeps all
    rows = origins.rows(past)
    known = int(origins.steps.min(initial=job.context_steps)) + 1
    if job.training.regime == "windows" and known < job.context_steps:
        raise ForecastError(
            f"a network trained on windows needs {job.context_steps} steps up to an origin, found {known} in "
            "validation: set `training.regime=stream`, or fewer `data.context_steps`"
        )
    warmup = max(_WARMUP_STEPS, job.context_steps)
    starts = past.offsets[:-1] + np.maximum(job.train_steps - warmup, 0)
    target, exists = data.differences(rows, past.offsets[1:])
    if not exists.any():
        raise ForecastError(
            f"nothing says when to stop: the validation split has no observed value within {horizon} steps after an "
            f"observed one: shorten `horizon` or lengthen `split.validation`"
        )
    targets = torch.from_numpy(target), torch.from_numpy(exists)
    return ValidationSplit(starts, origins.series, rows, *targets, data.level(rows))
