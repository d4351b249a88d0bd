"""Several processes that train one network together, each on some of the lanes: Lightning's DDP.

*Rank* 0 is the program: it reads, validates, decides, prints, writes. The others only train. They are told a job, take
every step in time with rank 0 on their own lanes, and wait for the next job; so ensembles, the fit on all rows and the
trials of a study need no code of their own. The gradient is that of the mean over all forks of all ranks, which is what
one process computes of the same batch; a rank whose lanes have no fork, or that has no lane, adds nothing. Of a
pretraining each draws batches of its own.

Who starts the others is `torchrun`, or the program itself.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch's own pages name it so

from forecast.errors import ForecastError
from forecast.network.head import Level
from forecast.questions.kinds import QUESTIONS
from forecast.training.data import network_data
from forecast.training.job import TrainingJob, accelerator_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lightning_fabric import Fabric

    from forecast.training.batches import Batch, Epochs
    from forecast.training.settings import TrainingSettings

_PATIENCE = timedelta(days=365)  # ranks wait while rank 0 does something else; whoever dies closes the connection
_DATA = ("past", "reference", "scale", "encoding", "needs_level")
_NOT_TOLD = ("data", "on_epoch", "stages")


class Share(Protocol):
    """What the others do in step with rank 0; it is sent to them pickled."""

    def join(self, ranks: Ranks) -> object:
        """Train with rank 0."""


@dataclass(eq=False)
class Ranks:
    """A process among those that train together; `others` are those that it started.

    Examples
    --------
    >>> ALONE.agreed(3.0, 4.0)
    (3.0, 4.0)

    """

    rank: int = 0
    size: int = 1
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def agreed(self, *numbers: float) -> tuple[float, ...]:
        """Return the numbers of rank 0."""
        if self.size == 1:
            return numbers
        told = torch.tensor(numbers, dtype=torch.float64)
        distributed.broadcast(told, 0)
        return tuple(told.tolist())

    def summed(self, *numbers: float) -> tuple[float, ...]:
        """Return the sums over all ranks."""
        if self.size == 1:
            return numbers
        sums = torch.tensor(numbers, dtype=torch.float64)
        distributed.all_reduce(sums)
        return tuple(sums.tolist())

    def validating(self, validate: Callable[[], tuple[float, int]] | None) -> Callable[[], tuple[float, int]]:
        """Let rank 0 validate and tell the others, who have no function of their own."""

        def told() -> tuple[float, int]:
            loss, row = self.agreed(*((0.0, 0) if validate is None else validate()))
            return loss, int(row)

        return told

    def share(self, epochs: Epochs) -> Epochs | _Share:
        """Return the lanes of each batch that are this rank's."""
        return epochs if self.size == 1 else _Share(epochs, self)

    def strategy(self) -> dict[str, Any]:
        """Return what Lightning's trainer is told of the ranks."""
        if self.size == 1:
            return {"devices": 1}
        from pytorch_lightning.strategies import DDPStrategy  # noqa: PLC0415

        # All weights take part in every loss (`NetworkModule`); buffers never change during a training.
        ddp = DDPStrategy(cluster_environment=_environment(self), timeout=_PATIENCE, broadcast_buffers=False)
        return {"devices": self.size, "strategy": ddp, "use_distributed_sampler": False}

    def fabric(self, settings: TrainingSettings) -> Fabric:
        """Return what a loop of its own trains with: it puts modules on the device, and averages their gradients."""
        from lightning_fabric import Fabric  # noqa: PLC0415
        from lightning_fabric.strategies.ddp import DDPStrategy  # noqa: PLC0415

        strategy: DDPStrategy | str = "auto"
        if self.size > 1:
            strategy = DDPStrategy(cluster_environment=_environment(self), timeout=_PATIENCE)
        accelerator, precision = accelerator_for(settings), settings.precision
        fabric = Fabric(accelerator=accelerator, devices=self.size, strategy=strategy, precision=precision)
        fabric.launch()
        return fabric

    @contextlib.contextmanager
    def in_step(self, share: Share) -> Iterator[None]:
        """Tell the others their share of what rank 0 does in the block; they end where that cannot go on.

        Raises
        ------
        ForecastError
            One of them has ended.

        """
        if self.size == 1:
            yield
            return
        _broadcast(share)
        try:
            yield
        except BaseException as error:
            ended = self.abandon()
            if is_lost_connection(error):
                status = f" (status {ended[0]})" if ended else ""
                raise ForecastError(
                    f"one of the {self.size} processes that train together has ended{status}: run again, or set "
                    f"`training.devices=1`"
                ) from error
            raise

    def dismiss(self) -> None:
        """Let the others go home."""
        global _together  # noqa: PLW0603
        if self.size > 1 and _together is self:
            _together = ALONE
            _broadcast(None)
            for other in self.others:
                other.wait()
            distributed.destroy_process_group()

    def abandon(self) -> list[int]:
        """End the others, who may be waiting for this rank; return how those had ended that ended by themselves."""
        global _together  # noqa: PLW0603
        _together = ALONE
        time.sleep(0.2 if self.others else 0.0)  # one that has just closed its connection may not be gone yet
        ended = [status for other in self.others if (status := other.poll()) is not None]
        for other in self.others:
            other.kill()
            other.wait()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        return ended


ALONE = Ranks()
_together = ALONE


@dataclass
class _Share:
    """Batches of some epochs, of each the lanes of one rank: as even as can be, in their order."""

    epochs: Epochs
    ranks: Ranks

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.epochs:
            yield lanes_of(batch, self.ranks.rank, self.ranks.size)


def lanes_of(batch: Batch, rank: int, size: int) -> Batch:
    """Take a rank's lanes of a batch; where it has none, one that carries no loss, so that it steps with the others."""
    lanes = np.array_split(np.arange(len(batch.x)), size)[rank]
    exists = batch.exists[lanes]
    if not len(lanes):
        lanes = np.zeros(1, dtype=np.int64)
        exists = torch.zeros_like(batch.exists[lanes])
    return batch._replace(
        x=batch.x[lanes],
        series=batch.series[lanes],
        resets=batch.resets[lanes],
        target=batch.target[lanes],
        exists=exists,
        ahead=None if batch.ahead is None else batch.ahead[lanes],
        level=None if batch.level is None else Level(*(part[lanes] for part in batch.level)),
        forks=int(np.count_nonzero(exists)),
        rows=tuple(batch.rows[lane] for lane in lanes),
        all_forks=batch.forks,
    )


class Told(NamedTuple):
    """A training job as it is sent: of its data that from which the rest is computed.

    `state` is what an earlier process left of it, None: it begins.
    """

    job: dict[str, Any]
    data: dict[str, Any]
    question: str
    state: Any

    @classmethod
    def of(cls, job: TrainingJob, state: Any) -> Told:
        """Take of a job what is sent."""
        said = {one.name: getattr(job, one.name) for one in fields(job) if one.name not in _NOT_TOLD}
        return cls(said, {name: getattr(job.data, name) for name in _DATA}, job.data.question.name, state)

    def join(self, ranks: Ranks) -> None:
        """Train on the lanes of this rank."""
        from forecast.training.fit import fit_share  # noqa: PLC0415

        data = network_data(**self.data, question=QUESTIONS[self.question])
        fit_share(TrainingJob(data=data, **self.job), self.state, ranks)


def gathered(settings: TrainingSettings) -> Ranks:
    """Return the processes that train together, started the first time.

    Raises
    ------
    ForecastError
        There are fewer GPUs, `torchrun` has started another number, or one cannot be started.

    """
    global _together  # noqa: PLW0603
    check_devices(settings)
    if settings.devices == 1:
        return ALONE
    if settings.devices != _together.size:
        _together.dismiss()
        _together = _joined() if _by_torchrun() else _started(settings)
        atexit.register(_together.dismiss)
    return _together


def check_devices(settings: TrainingSettings) -> None:
    """Refuse more devices than there are, other numbers of processes than `torchrun` has started, and a precision."""
    size = settings.devices
    if _by_torchrun() and int(os.environ["WORLD_SIZE"]) != size:
        started = os.environ["WORLD_SIZE"]
        raise ForecastError(
            f"torchrun has started {started} processes, and `training.devices={size}`: set "
            f"`training.devices={started} training.strategy=ddp`"
        )
    gpu = accelerator_for(settings) == "gpu"
    if settings.precision == "16-mixed" and not gpu:
        raise ForecastError("`training.precision=16-mixed` needs a GPU: set `training.precision=bf16-mixed` or 32-true")
    if size > 1 and gpu and (found := torch.cuda.device_count()) < size:
        raise ForecastError(
            f"`training.devices={size}` needs as many GPUs, found {found}: set `training.devices={found}`, or "
            f"`training.accelerator=cpu`, where each is a process"
        )


def _by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def release() -> None:
    """Let the processes that `torchrun` started go home, where nothing was trained too."""
    global _together  # noqa: PLW0603
    if _together.size == 1:
        _together = _joined()
    _together.dismiss()


def _joined() -> Ranks:
    """Join the processes that the environment names."""
    distributed.init_process_group(_backend(), timeout=_PATIENCE)
    return Ranks(distributed.get_rank(), distributed.get_world_size())


def _started(settings: TrainingSettings) -> Ranks:
    """Start the other processes on this machine, and wait until all are there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    size = settings.devices
    said = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    command = [sys.executable, "-c", "from forecast.training.ranks import work; raise SystemExit(work())"]
    others = [
        subprocess.Popen(command, env=os.environ | said | {"RANK": str(i)}, stdin=subprocess.DEVNULL)  # noqa: S603
        for i in range(1, size)
    ]
    ranks = Ranks(0, size, others)
    try:
        store = TCPStore("127.0.0.1", port, size, is_master=True, wait_for_workers=False)
        _wait_for(ranks, store)
        distributed.init_process_group(_backend(), store=store, rank=0, world_size=size, timeout=_PATIENCE)
    except BaseException:
        ranks.abandon()
        raise
    return ranks


def _wait_for(ranks: Ranks, store: TCPStore) -> None:
    while store.add("there", 0) < ranks.size - 1:
        if any(other.poll() is not None for other in ranks.others):
            raise ForecastError(f"a process of `training.devices={ranks.size}` could not be started: set it to 1")
        time.sleep(0.05)


def _backend() -> str:
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def work() -> int:
    """Train with rank 0 until it needs this process no more; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all ranks, and rank 0 decides
    if _by_torchrun():
        ranks = _joined()
    else:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = TCPStore(*address, size, is_master=False)
        store.add("there", 1)
        distributed.init_process_group(_backend(), store=store, rank=rank, world_size=size, timeout=_PATIENCE)
        ranks = Ranks(rank, size)
    try:
        while (share := _broadcast(None)) is not None:
            share.join(ranks)
    except ForecastError:  # which rank 0 says
        return 2
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        return 1  # rank 0 has ended
    distributed.destroy_process_group()
    return 0


def is_lost_connection(error: BaseException) -> bool:
    """Whether an error is that another rank has gone."""
    return isinstance(error, RuntimeError) and any(
        said in str(error) for said in ("Connection closed", "Connection reset", "Broken pipe", "NCCL", "gloo")
    )


def _broadcast(share: Share | None) -> Share | None:
    """Send to all ranks what rank 0 says, pickled: these are processes of one program."""
    packed = [pickle.dumps(share)]
    distributed.broadcast_object_list(packed, src=0, device=torch.device("cpu"))
    unpacked: Share | None = pickle.loads(packed[0])  # noqa: S301  # from rank 0 of this very program
    return unpacked


def _environment(ranks: Ranks) -> Any:
    """Tell Lightning which process this is; it starts none."""
    from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]  # noqa: PLC0415
        LightningEnvironment,  # as its own pages import it
    )

    class Environment(LightningEnvironment):
        creates_processes_externally = True

        def world_size(self) -> int:
            return ranks.size

        def global_rank(self) -> int:
            return ranks.rank

        def local_rank(self) -> int:
            return int(os.environ.get("LOCAL_RANK", ranks.rank))

        def teardown(self) -> None:
            """Leave the environment as it is: further trainings follow."""

    return Environment()
