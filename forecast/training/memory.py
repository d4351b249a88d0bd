"""The memory that a training step holds on to until its gradient has come back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch.autograd.graph import saved_tensors_hooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn


@dataclass
class Held:
    """What a graph holds: its storages by address, each once; `bytes` without the parameters of the network."""

    storages: dict[int, torch.UntypedStorage] = field(default_factory=dict)
    bytes: int = 0


@contextmanager
def held_by_graph(network: nn.Module) -> Iterator[Held]:
    """Count the bytes that what is computed inside the block keeps for the way back, on whatever device.

    The peak of a process says little of a chunk: libraries take hundreds of MB, and jobs of a sweep share a process.
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    held = Held()

    def pack(saved: torch.Tensor) -> torch.Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in own | held.storages.keys():
            held.storages[storage.data_ptr()] = storage  # kept, lest its address be given to another
            held.bytes += storage.nbytes()
        return saved.detach()  # a result that is kept as it is would hold the graph that holds it

    with saved_tensors_hooks(pack, lambda saved: saved):
        yield held
    held.storages.clear()
