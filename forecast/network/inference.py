"""Forecasts and states of a trained network at many origins: by unrolling over the series, or window by window.

Unrolling costs one pass over the rows, however many origins there are. Series are unrolled side by side, in lanes.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from forecast.network.compiled.modules import compile_lstms
from forecast.network.cpu import threads_for
from forecast.network.state import StateAtOrigin
from forecast.series.panel import window_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.network.head import Head
    from forecast.network.inputs import NetworkInputs
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.reference.encoding import Float32Array
    from forecast.series.panel import IntArray

_LANES = 256
_LANE_STEPS = 16_384  # in one piece: what they lead to takes hundreds of numbers a step
_WINDOWS = 128  # larger batches are slower on a CPU: their buffers no longer fit its cache


@torch.no_grad()
def forecast_by_unrolling(
    network: Network, inputs: NetworkInputs, starts: IntArray, origin_series: IntArray, origin_rows: IntArray
) -> Float32Array:
    """Unroll each series from row `starts[i]` and forecast at the origins.

    Raw numbers of the head, (origin, horizon, size).
    """
    forecasts = _no_forecasts(network, len(origin_rows))
    for which, features in unroll_features(network, inputs, starts, origin_series, origin_rows):
        forecasts[which] = _fork(network, inputs, features, origin_rows[which])
    return forecasts


@torch.no_grad()
def forecast_by_windows(
    network: Network, inputs: NetworkInputs, context_steps: int, origin_rows: IntArray
) -> Float32Array:
    """Run each window from a zero state; raw numbers of the head at its end, (origin, horizon, size)."""
    forecasts = _no_forecasts(network, len(origin_rows))
    for first in range(0, len(origin_rows), _WINDOWS):
        origins = origin_rows[first : first + _WINDOWS]
        features = network.last_features(*_read(network, inputs, window_rows(origins, context_steps)))
        forecasts[first : first + _WINDOWS] = _fork(network, inputs, features, origins)
    return forecasts


@torch.no_grad()
def states_by_unrolling(
    network: Network, inputs: NetworkInputs, starts: IntArray, origin_series: IntArray, origin_rows: IntArray
) -> StateAtOrigin:
    """Unroll each series from row `starts[i]` and keep the state at the origins.

    All lanes stop wherever one of them has an origin: a kernel returns its state after its last step alone.
    """
    kept = _no_states(network, len(origin_rows))
    steps = origin_rows - starts[origin_series]  # from the first row of a lane to the origin
    wanted, lane_of = np.unique(origin_series, return_inverse=True)
    for first in range(0, len(wanted), _LANES):
        series = wanted[first : first + _LANES]
        which = np.flatnonzero((lane_of >= first) & (lane_of < first + _LANES))
        with threads_for(len(series), network.backbone.feature_size):
            _unroll_states(network, inputs, starts[series], (which, lane_of[which] - first, steps[which]), kept)
    return kept


@torch.no_grad()
def states_by_windows(
    network: Network, inputs: NetworkInputs, context_steps: int, origin_rows: IntArray
) -> StateAtOrigin:
    """Run each window from a zero state and keep the state at its end."""
    kept = _no_states(network, len(origin_rows))
    for first in range(0, len(origin_rows), _WINDOWS):
        rows = window_rows(origin_rows[first : first + _WINDOWS], context_steps)  # (window, step)
        features, state = network.features(*_read(network, inputs, rows), network.initial_state(len(rows)))
        _keep(kept, np.arange(first, first + len(rows)), features[:, -1], state, np.arange(len(rows)))
    return kept


@torch.no_grad()
def unroll_features(
    network: Network, inputs: NetworkInputs, starts: IntArray, origin_series: IntArray, origin_rows: IntArray
) -> Iterator[tuple[IntArray | slice, Tensor]]:
    """Unroll each series from row `starts[i]`; yield the features at some origins, then at the next ones.

    Each time numbers of origins, a slice where they are a run, and (origin, feature).
    """
    last = np.full(len(starts), -1, dtype=np.int64)  # (series,) the latest origin; -1: none
    np.maximum.at(last, origin_series, origin_rows)
    wanted = np.flatnonzero(last >= 0)
    wanted = wanted[np.argsort(last[wanted] - starts[wanted], kind="stable")]  # lanes of about equal length
    compile_lstms(network, int((last[wanted] - starts[wanted]).sum()))
    for first in range(0, len(wanted), _LANES):
        series = wanted[first : first + _LANES]
        lane_of = np.full(len(starts), -1, dtype=np.int64)
        lane_of[series] = np.arange(len(series))
        lanes = lane_of[origin_series]
        which = np.flatnonzero(lanes >= 0)
        span = starts[series], last[series]
        with threads_for(len(series), network.backbone.feature_size):
            for part, features in _unroll_lanes(network, inputs, span, lanes[which], origin_rows[which]):
                yield _as_run(which[part]), features


def head_on_cpu(network: Network) -> Head:
    """Return the head on the CPU, where raw numbers come out as arrays."""
    return network.head if network.device.type == "cpu" else copy.deepcopy(network.head).cpu()


def _unroll_lanes(
    network: Network, inputs: NetworkInputs, span: tuple[IntArray, IntArray], lanes: IntArray, rows: IntArray
) -> Iterator[tuple[IntArray | slice, Tensor]]:
    """Unroll lanes side by side from rows `span[0]` to `span[1]`, both (lane,); origins by lane and row."""
    starts, last = span
    steps = rows - starts[lanes]
    state: State = network.initial_state(len(starts))
    longest, piece = int((last - starts).max()) + 1, max(_LANE_STEPS // len(starts), 1)
    for first in range(0, longest, piece):
        ahead = starts[:, None] + np.arange(first, min(first + piece, longest))
        read = np.minimum(ahead, last[:, None])  # (lane, step); a lane that is through repeats its last row
        features, state = network.features(*_read(network, inputs, read), state)
        part = slice(None) if longest <= piece else np.flatnonzero((steps >= first) & (steps < first + piece))
        by_step = features.transpose(0, 1)  # (step, lane, feature), as compiled layers leave them: no copy
        place = (steps[part] - first) * len(starts) + lanes[part]
        yield part, _rows(by_step.flatten(0, 1), _as_run(place))


def _rows(features: Tensor, place: IntArray | slice) -> Tensor:
    if isinstance(place, slice):
        return features[place]
    return features.index_select(0, torch.from_numpy(place).to(features.device))


def _as_run(places: IntArray) -> IntArray | slice:
    """Give a slice where places follow each other, as every origin of one series does: nothing is copied then."""
    if len(places) and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
        return slice(int(places[0]), int(places[0]) + len(places))
    return places


def _unroll_states(
    network: Network,
    inputs: NetworkInputs,
    starts: IntArray,
    origins: tuple[IntArray, IntArray, IntArray],
    kept: StateAtOrigin,
) -> None:
    """Unroll lanes from `starts`, (lane,), and put their states at origins into `kept`: which, lane and step."""
    which, lanes, steps = origins
    last = np.zeros(len(starts), dtype=np.int64)
    np.maximum.at(last, lanes, steps)
    order = np.argsort(steps, kind="stable")
    stops, first_of_stop = np.unique(steps[order], return_index=True)
    state, step = network.initial_state(len(starts)), 0
    for stop, at_stop in zip(stops.tolist(), np.split(order, first_of_stop[1:]), strict=True):
        read = starts[:, None] + np.minimum(np.arange(step, stop + 1), last[:, None])  # (lane, step)
        features, state = network.features(*_read(network, inputs, read), state)
        _keep(kept, which[at_stop], features[:, -1], state, lanes[at_stop])
        step = stop + 1


def _read(network: Network, inputs: NetworkInputs, rows: IntArray) -> tuple[Tensor, Tensor]:
    """Inputs and numbers of the series of some rows: (lane, step) -> (lane, step, input), (lane, step)."""
    return torch.from_numpy(inputs.at(rows)).to(network.device), inputs.series_of(rows).to(network.device)


def _fork(network: Network, inputs: NetworkInputs, features: Tensor, rows: IntArray) -> Float32Array:
    """Raw numbers from the features at some rows, (origin, feature) -> (origin, horizon, size)."""
    ahead = inputs.known_ahead(rows, network.input_spec.horizon)
    raw = network.forecast(features, None if ahead is None else ahead.to(network.device))
    return raw.cpu().numpy()


def _no_forecasts(network: Network, origins: int) -> Float32Array:
    return np.empty((origins, network.input_spec.horizon, network.head.size), dtype=np.float32)


def _no_states(network: Network, origins: int) -> StateAtOrigin:
    state = tuple(torch.empty_like(part) for part in network.initial_state(origins))
    return StateAtOrigin(torch.zeros(origins, network.backbone.feature_size, device=network.device), state)


def _keep(kept: StateAtOrigin, which: IntArray, features: Tensor, state: State, lanes: IntArray) -> None:
    """Copy features and states of some lanes to the origins `which`."""
    origins, rows = torch.from_numpy(which), torch.from_numpy(lanes)
    kept.features[origins] = features[rows]
    for kept_part, part in zip(kept.state, state, strict=True):
        kept_part[origins] = part[rows]
