"""Forecasts of a trained network at many origins: in one walk over the series, or window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from forecast.batches.windows import window_rows
from forecast.network.threads import threads_for

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.series.panel import IntArray

Float32Array: TypeAlias = npt.NDArray[np.float32]

_LANES = 256
_STEPS = 1024
_WINDOWS = 128  # larger batches are slower on a CPU: their buffers no longer fit its cache


@torch.no_grad()
def forecast_by_walk(
    network: Network, inputs: Float32Array, starts: IntArray, origin_series: IntArray, origin_rows: IntArray
) -> Float32Array:
    """Carry the state from row `starts[i]` of each series on, and fork at the origins, (origin, horizon).

    `inputs` is (row, input). The cost is one pass over the rows, however many origins there are.
    """
    forecasts = np.empty((len(origin_rows), len(network.output_unit)), dtype=np.float32)
    last = np.full(len(starts), -1, dtype=np.int64)
    np.maximum.at(last, origin_series, origin_rows)
    wanted = np.flatnonzero(last >= 0)
    wanted = wanted[np.argsort(last[wanted] - starts[wanted], kind="stable")]  # lanes of about equal length
    for first in range(0, len(wanted), _LANES):
        series = wanted[first : first + _LANES]
        lane_of = np.full(len(starts), -1, dtype=np.int64)
        lane_of[series] = np.arange(len(series))
        mine = np.flatnonzero(lane_of[origin_series] >= 0)
        with threads_for(len(series), network.backbone.feature_size):
            forecasts[mine] = _walk_lanes(
                network,
                inputs,
                np.stack([starts[series], last[series]]),
                lane_of[origin_series[mine]],
                origin_rows[mine],
            )
    return forecasts


def _walk_lanes(
    network: Network, inputs: Float32Array, stretch: IntArray, lanes: IntArray, rows: IntArray
) -> Float32Array:
    """Walk lanes side by side from `stretch[0]` to `stretch[1]`, both (lane,)."""
    starts, last = stretch
    forecasts = np.empty((len(rows), len(network.output_unit)), dtype=np.float32)
    steps = rows - starts[lanes]
    device = network.output_unit.device
    state: State = network.initial_state(len(starts))
    for first in range(0, int((last - starts).max()) + 1, _STEPS):
        ahead = starts[:, None] + np.arange(first, first + _STEPS)[: int((last - starts).max()) + 1 - first]
        x = torch.from_numpy(inputs[np.minimum(ahead, last[:, None])]).to(device)
        features, state = network.features(x, state)
        here = np.flatnonzero((steps >= first) & (steps < first + _STEPS))
        at_origins = features[torch.from_numpy(lanes[here]), torch.from_numpy(steps[here] - first)]
        forecasts[here] = network.forecast(at_origins).cpu().numpy()
    return forecasts


@torch.no_grad()
def forecast_by_windows(
    network: Network, inputs: Float32Array, context_steps: int, origin_rows: IntArray
) -> Float32Array:
    """Run each window from a zero state and forecast at its end, (origin, horizon)."""
    forecasts = np.empty((len(origin_rows), len(network.output_unit)), dtype=np.float32)
    device = network.output_unit.device
    for first in range(0, len(origin_rows), _WINDOWS):
        rows = window_rows(origin_rows[first : first + _WINDOWS], context_steps)
        x = torch.from_numpy(inputs[rows]).to(device)
        features, _ = network.features(x, network.initial_state(len(rows)))
        forecasts[first : first + _WINDOWS] = network.forecast(features[:, -1]).cpu().numpy()
    return forecasts
