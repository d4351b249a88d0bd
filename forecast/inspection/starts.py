"""The echo-state property: a state that forgets where it began (Jaeger 2001, "The echo state approach").

Different starting states are driven by the same inputs, those of the data. Where the distance between each of them and
the state that began at zero falls to nothing, the state is a function of the inputs alone; where it does not, what the
network says depends on how it was started, for ever. A spectral radius below 1 is no proof of it, so it is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.inspection.memory import distance
from forecast.network.cpu import threads_for
from forecast.network.trace import trace

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.series.panel import FloatArray

NOTHING = 1e-3
"""Share of the first distance that counts as none."""

_STARTS = 32
_MOST_STEPS = 600


@dataclass(frozen=True, eq=False)
class Starts:
    """Distances of states that began elsewhere from the one that began at zero.

    Attributes
    ----------
    starts : how many there are
    widest, median : over them after each step, (step,), in units of each one's first distance; step 0 is the start
    forgotten : steps until all of them stay below a thousandth; None where one does not
    apart : how many do not

    """

    starts: int
    widest: FloatArray
    median: FloatArray
    forgotten: int | None
    apart: int


@torch.no_grad()
def starts_of(system: System, seed: int = 0) -> Starts:
    """Drive the state by the data from many starting states, as large as it becomes or 1, whatever is more."""
    network, length = system.single.network, len(system.past.target)
    steps = min(max(4 * system.span, _MOST_STEPS), length)
    x = torch.from_numpy(system.data.inputs.at(np.arange(length - steps, length)[None]))
    zero = network.initial_state(1)
    with threads_for(_STARTS, network.backbone.feature_size):
        series = torch.zeros((1, steps), dtype=torch.int64)
        begun = trace(network, x, series, zero).states
        rng = np.random.default_rng(seed)
        others = tuple(_elsewhere(part, states, rng) for part, states in zip(zero, begun, strict=True))
        led = trace(network, x.expand(_STARTS, -1, -1), series.expand(_STARTS, -1), others).states
    apart = distance(led, tuple(part.expand(_STARTS, *part.shape[1:]) for part in begun))
    first = distance(tuple(part[:, None] for part in others), tuple(part[:, None] for part in zero))
    distances = np.concatenate([first, apart], axis=1) / first
    above = distances > NOTHING
    lasting = int(above[:, -max(steps // 20, 1) :].any(axis=1).sum())
    forgotten = None if lasting else int(np.flatnonzero(above.any(axis=0))[-1]) + 1
    return Starts(_STARTS, distances.max(axis=0), np.median(distances, axis=0), forgotten, lasting)


def _elsewhere(part: torch.Tensor, states: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random starting states for a part of the state, (start, ...)."""
    size = max(float(states.abs().max()), 1.0) if states.numel() else 1.0
    drawn = rng.uniform(-size, size, size=(_STARTS, *part.shape[1:]))
    return torch.from_numpy(drawn).to(part.dtype)
