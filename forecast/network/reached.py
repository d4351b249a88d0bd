"""Where a network stands at some origins, with the state that it would go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from forecast.network.threads import threads_for
from forecast.series.panel import window_rows

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.network.readings import Readings
    from forecast.network.state import State
    from forecast.series.panel import IntArray

_LANES = 256
_WINDOWS = 128


class Reached(NamedTuple):
    """What a network carries after the row of each origin.

    Attributes
    ----------
    features : (origin, feature)
    state : each part (origin, ...)

    """

    features: Tensor
    state: State

    def take(self, which: IntArray) -> Reached:
        """Return some of the origins; one may occur more than once."""
        rows = torch.from_numpy(which).to(self.features.device)
        return Reached(self.features[rows], tuple(part[rows] for part in self.state))


@torch.no_grad()
def reach_by_walk(
    network: Network, readings: Readings, starts: IntArray, origin_series: IntArray, origin_rows: IntArray
) -> Reached:
    """Carry the state from row `starts[i]` of each series on, and keep it at the origins.

    Series walk side by side and stop wherever one of them has an origin: a kernel tells its state at its end alone.
    """
    kept = _nowhere(network, len(origin_rows))
    steps = origin_rows - starts[origin_series]
    wanted, lane_of = np.unique(origin_series, return_inverse=True)
    for first in range(0, len(wanted), _LANES):
        series = wanted[first : first + _LANES]
        mine = np.flatnonzero((lane_of >= first) & (lane_of < first + _LANES))
        with threads_for(len(series), network.backbone.feature_size):
            _walk_lanes(network, readings, starts[series], (mine, lane_of[mine] - first, steps[mine]), kept)
    return kept


def _walk_lanes(
    network: Network, readings: Readings, starts: IntArray, origins: tuple[IntArray, IntArray, IntArray], kept: Reached
) -> None:
    """Walk lanes from `starts`, (lane,), and put into `kept` what they carry at origins: which, lane and step."""
    which, lanes, steps = origins
    last = np.zeros(len(starts), dtype=np.int64)
    np.maximum.at(last, lanes, steps)
    order = np.argsort(steps, kind="stable")
    stops, begins = np.unique(steps[order], return_index=True)
    state = network.initial_state(len(starts))
    at = 0
    for stop, here in zip(stops.tolist(), np.split(order, begins[1:]), strict=True):
        walked = starts[:, None] + np.minimum(np.arange(at, stop + 1), last[:, None])
        x = torch.from_numpy(readings.inputs(walked)).to(network.device)
        features, state = network.features(x, readings.of_series(walked).to(network.device), state)
        _keep(kept, which[here], features[:, -1], state, lanes[here])
        at = stop + 1


@torch.no_grad()
def reach_by_windows(network: Network, readings: Readings, context_steps: int, origin_rows: IntArray) -> Reached:
    """Run each window from a zero state."""
    kept = _nowhere(network, len(origin_rows))
    for first in range(0, len(origin_rows), _WINDOWS):
        rows = window_rows(origin_rows[first : first + _WINDOWS], context_steps)
        x = torch.from_numpy(readings.inputs(rows)).to(network.device)
        features, state = network.features(
            x, readings.of_series(rows).to(network.device), network.initial_state(len(rows))
        )
        which = np.arange(first, first + len(rows))
        _keep(kept, which, features[:, -1], state, np.arange(len(rows)))
    return kept


def _nowhere(network: Network, origins: int) -> Reached:
    state = tuple(torch.empty_like(part) for part in network.initial_state(origins))
    return Reached(torch.zeros(origins, network.backbone.feature_size, device=network.device), state)


def _keep(kept: Reached, which: IntArray, features: Tensor, state: State, lanes: IntArray) -> None:
    origins, rows = torch.from_numpy(which), torch.from_numpy(lanes)
    kept.features[origins] = features[rows]
    for mine, part in zip(kept.state, state, strict=True):
        mine[origins] = part[rows]
