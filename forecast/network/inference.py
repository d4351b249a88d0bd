"""Forecasts of a trained network at many origins: in one walk over the series, or window by window."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from forecast.network.threads import threads_for
from forecast.series.panel import window_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.network.head import Head
    from forecast.network.network import Network
    from forecast.network.readings import Readings
    from forecast.network.state import State
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import IntArray

_LANES = 256
_LANE_STEPS = 16_384  # in one piece: what they lead to takes hundreds of numbers a step
_WINDOWS = 128  # larger batches are slower on a CPU: their buffers no longer fit its cache


@torch.no_grad()
def forecast_by_walk(
    network: Network, readings: Readings, starts: IntArray, origin_series: IntArray, origin_rows: IntArray
) -> Float32Array:
    """Carry the state from row `starts[i]` of each series on, and fork at the origins.

    Raw numbers of the head, (origin, horizon, size). The cost is one pass over the rows, however many origins there
    are.
    """
    forecasts = _no_forecasts(network, len(origin_rows))
    for which, features in walk_features(network, readings, starts, origin_series, origin_rows):
        forecasts[which] = _fork(network, readings, features, origin_rows[which])
    return forecasts


@torch.no_grad()
def walk_features(
    network: Network, readings: Readings, starts: IntArray, origin_series: IntArray, origin_rows: IntArray
) -> Iterator[tuple[IntArray | slice, Tensor]]:
    """Carry the state from row `starts[i]` of each series on; give some origins after the other, with their features.

    Each time numbers of origins, a slice where they are a run, and (origin, feature).
    """
    last = np.full(len(starts), -1, dtype=np.int64)
    np.maximum.at(last, origin_series, origin_rows)
    wanted = np.flatnonzero(last >= 0)
    wanted = wanted[np.argsort(last[wanted] - starts[wanted], kind="stable")]  # lanes of about equal length
    for first in range(0, len(wanted), _LANES):
        series = wanted[first : first + _LANES]
        lane_of = np.full(len(starts), -1, dtype=np.int64)
        lane_of[series] = np.arange(len(series))
        lanes = lane_of[origin_series]
        mine = np.flatnonzero(lanes >= 0)
        walk = _walk_lanes(network, readings, (starts[series], last[series]), lanes[mine], origin_rows[mine])
        with threads_for(len(series), network.backbone.feature_size):
            for here, features in walk:
                yield _as_run(mine[here]), features


def _walk_lanes(
    network: Network, readings: Readings, span: tuple[IntArray, IntArray], lanes: IntArray, rows: IntArray
) -> Iterator[tuple[IntArray | slice, Tensor]]:
    """Walk lanes side by side from rows `span[0]` to `span[1]`, both (lane,)."""
    starts, last = span
    steps = rows - starts[lanes]
    device = network.device
    state: State = network.initial_state(len(starts))
    longest, piece = int((last - starts).max()) + 1, max(_LANE_STEPS // len(starts), 1)
    for first in range(0, longest, piece):
        ahead = starts[:, None] + np.arange(first, min(first + piece, longest))
        walked = np.minimum(ahead, last[:, None])
        x = torch.from_numpy(readings.inputs(walked)).to(device)
        features, state = network.features(x, readings.of_series(walked).to(device), state)
        here = slice(None) if longest <= piece else np.flatnonzero((steps >= first) & (steps < first + piece))
        by_step = features.transpose(0, 1)  # as compiled layers leave them: nothing is copied but what is asked for
        place = (steps[here] - first) * len(starts) + lanes[here]
        yield here, _rows(by_step.flatten(0, 1), _as_run(place))


def _rows(features: Tensor, place: IntArray | slice) -> Tensor:
    if isinstance(place, slice):
        return features[place]
    return features.index_select(0, torch.from_numpy(place).to(features.device))


def _as_run(places: IntArray) -> IntArray | slice:
    """Give a slice where places follow each other, as every origin of one series does: nothing is copied then."""
    if len(places) and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
        return slice(int(places[0]), int(places[0]) + len(places))
    return places


@torch.no_grad()
def forecast_by_windows(
    network: Network, readings: Readings, context_steps: int, origin_rows: IntArray
) -> Float32Array:
    """Run each window from a zero state; raw numbers of the head at its end, (origin, horizon, size)."""
    forecasts = _no_forecasts(network, len(origin_rows))
    for first in range(0, len(origin_rows), _WINDOWS):
        origins = origin_rows[first : first + _WINDOWS]
        rows = window_rows(origins, context_steps)
        x, series = torch.from_numpy(readings.inputs(rows)), readings.of_series(rows)
        features = network.last_features(x.to(network.device), series.to(network.device))
        forecasts[first : first + _WINDOWS] = _fork(network, readings, features, origins)
    return forecasts


def head_on_cpu(network: Network) -> Head:
    """Return the head where raw numbers come out: beside the arrays."""
    return network.head if network.device.type == "cpu" else copy.deepcopy(network.head).cpu()


def _no_forecasts(network: Network, origins: int) -> Float32Array:
    return np.empty((origins, network.interface.horizon, network.head.size), dtype=np.float32)


def _fork(network: Network, readings: Readings, features: Tensor, rows: IntArray) -> Float32Array:
    """Raw numbers from the features at some rows, (origin, horizon, size)."""
    ahead = readings.known_ahead(rows, network.interface.horizon)
    raw = network.forecast(features, None if ahead is None else ahead.to(network.device))
    return raw.cpu().numpy()
