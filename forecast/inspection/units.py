"""A map of the hidden units of a network on a span of a series: what they did, what they follow, which matter.

A unit is switched off by holding its output at its mean over the span where the decoder reads it: what the unit
itself, or others by way of it, go on to remember is left as it is. Only units of the last layer are read there.

Where rises are asked for forecasts are their probabilities, and the error is the Brier score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.live import read_forecasts
from forecast.inspection.activity import Activity, activity_by_walk, activity_by_windows
from forecast.inspection.following import Following, follow
from forecast.network.heads import needs_level
from forecast.network.inference import head_on_cpu
from forecast.network.wrappers import Bidirectional
from forecast.questions.outcomes import risen
from forecast.training.data import network_data

if TYPE_CHECKING:
    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.series.panel import FloatArray, IntArray, Panel, TimeArray
    from forecast.training.data import NetworkData

MOST_STEPS = 1_000
"""Steps of a span that are looked at, at most: the latest."""

LEVEL_STEPS = 10
"""Steps that the level is the mean of, where there is no season."""

_MOST_ORIGINS = 200
"""Forecasts that a unit is switched off for, at most, evenly spread."""


@dataclass(frozen=True, eq=False)
class Effects:
    """What happens to the forecasts where units are switched off, in the target's units, or in probabilities of a rise.

    Attributes
    ----------
    units : (unit,) those of the last layer, as numbered in the map; that which changes forecasts most comes first
    change : (unit,) by how much forecasts change, the mean absolute change over origins and horizon steps
    error : (unit,) mean absolute error of the forecasts without the unit, or Brier score of probabilities; NaN where
        nothing came that was observed
    error_of_all : the same of the whole network
    change_without_any, error_without_any : the same with all units of the last layer switched off at once
    origins : how many forecasts were made
    horizon : steps that each looks ahead

    """

    units: IntArray
    change: FloatArray
    error: FloatArray
    error_of_all: float
    change_without_any: float
    error_without_any: float
    origins: int
    horizon: int


@dataclass(frozen=True, eq=False)
class UnitMap:
    """The hidden units of a network on a span.

    Attributes
    ----------
    series : id of the series
    times, y : (step,) of the span; y is NaN where it was not observed
    activity : outputs and gates of all units
    following : what they follow
    effects : what they are worth
    season_steps : 1 where there is no season
    level_steps : steps that the level is the mean of
    fed_back : whether the network forecasts the next step alone, and longer forecasts are its own fed back
    rises : whether forecasts are probabilities of a rise
    both_ends : whether a window is read both ways: the first half of the units goes forwards, the second backwards

    """

    series: str
    times: TimeArray
    y: FloatArray
    activity: Activity
    following: Following
    effects: Effects
    season_steps: int
    level_steps: int
    fed_back: bool
    rises: bool = False
    both_ends: bool = False

    def name(self, unit: int) -> str:
        """Name a unit: its number in its layer, and the layer where there are several."""
        layer = int(self.activity.layer[unit])
        number = unit - int(np.flatnonzero(self.activity.layer == layer)[0]) + 1
        return f"unit {number}" if self.activity.layer[-1] == 1 else f"unit {number} of layer {layer}"


def map_units(fitted: FittedNetwork, past: Panel, series: int, first: int, end: int) -> UnitMap:
    """Look at the steps `first <= step < end` of one series, the latest `MOST_STEPS` of them.

    The forecasts of a unit's effects are made at those of these steps whose horizon ends before `end`, by each origin
    alone, without `model.fork_ensemble`; of a network whose forecasts are fed back only the next step is.

    Raises
    ------
    ForecastError
        A span that is too short for a forecast, or begins before a network on windows has a context.

    """
    windows = fitted.forecaster.training.regime == "windows"
    first = max(first, end - MOST_STEPS, fitted.problem.context_steps - 1 if windows else 1)
    horizon = fitted.reference.horizon
    if not 0 <= series < len(past) or end > past.lengths[series] or end - first < horizon + 2:
        raise ForecastError(
            f"units are looked at on a span of one series of at least {horizon + 2} steps, found steps {first} to "
            f"{end} of series {series}: choose a longer span"
        )
    leveled = needs_level(fitted.forecaster.settings)
    data = network_data(past, fitted.reference, fitted.scale, fitted.encoding, needs_level=leveled)
    start = int(past.offsets[series])
    rows = start + np.arange(first, end)
    if windows:
        activity = activity_by_windows(fitted.network, data.inputs, fitted.problem.context_steps, rows)
    else:
        activity = activity_by_walk(fitted.network, data.inputs, start, rows)
    season_steps = fitted.problem.season_steps
    level_steps = season_steps if season_steps > 1 else LEVEL_STEPS
    y = data.known.y[rows]
    return UnitMap(
        series=past.ids[series],
        times=past.times[rows],
        y=np.where(past.target_observed[rows], past.target[rows], np.nan),
        activity=activity,
        following=follow(
            activity.outputs,
            level=data.known.moving_mean(rows, level_steps),
            change=y - data.known.before(rows, 1),
            phase=(rows - start) % season_steps,
            size=float(np.ptp(y)),
        ),
        effects=switch_off(fitted, data, activity, rows),
        season_steps=season_steps,
        level_steps=level_steps,
        fed_back=horizon < fitted.problem.horizon,
        rises=fitted.problem.question.binary,
        both_ends=isinstance(fitted.network.backbone, Bidirectional),
    )


class _Forecasting:
    """Forecasts made at some rows, as a function of what the decoder reads there."""

    def __init__(self, fitted: FittedNetwork, data: NetworkData, rows: IntArray) -> None:
        network, horizon = fitted.network, fitted.reference.horizon
        self._network, self._head = network, head_on_cpu(network)
        self._reference = fitted.reference.at(data.known, rows)
        self._scale = fitted.scale[data.known.series(rows)]
        known = data.inputs.known_ahead(rows, horizon)
        self._known = None if known is None else known.to(network.device)
        self._rises = self._head.question.binary
        self._came = self._outcomes(data.past, rows, horizon)

    def _outcomes(self, past: Panel, rows: IntArray, horizon: int) -> FloatArray:
        """What came, (origin, horizon); NaN where it was not observed."""
        if self._rises:
            return risen(past, rows, horizon)
        ahead = rows[:, None] + np.arange(1, horizon + 1)
        return np.where(past.target_observed[ahead], past.target[ahead], np.nan)

    @torch.no_grad()
    def of(self, features: FloatArray) -> FloatArray:
        """(origin, feature) -> (origin, horizon)."""
        read = torch.from_numpy(features.astype(np.float32)).to(self._network.device)
        raw = self._network.forecast(read, self._known).cpu()
        return read_forecasts(self._head, raw, self._reference, self._scale).y_hat

    def error(self, forecast: FloatArray) -> float:
        """Mean absolute error, or Brier score, where the target was observed; NaN where it never was."""
        misses = np.abs(self._came - forecast)[~np.isnan(self._came)]
        misses = misses**2 if self._rises else misses
        return float(misses.mean()) if len(misses) else float("nan")


def switch_off(fitted: FittedNetwork, data: NetworkData, activity: Activity, rows: IntArray) -> Effects:
    """Hold each unit of the last layer at its mean over some rows, one after the other, and forecast again."""
    horizon = fitted.reference.horizon
    units = np.flatnonzero(activity.layer == activity.layer[-1])
    places = np.arange(len(rows) - horizon)
    places = places[:: -(-len(places) // _MOST_ORIGINS)]
    forecasting = _Forecasting(fitted, data, rows[places])
    outputs, mean = activity.outputs[places][:, units], activity.outputs[:, units].mean(axis=0)
    whole, nothing = forecasting.of(outputs), forecasting.of(np.broadcast_to(mean, outputs.shape))
    change, error = np.empty(len(units)), np.empty(len(units))
    for i in range(len(units)):
        held = outputs.copy()
        held[:, i] = mean[i]
        without = forecasting.of(held)
        change[i], error[i] = np.abs(without - whole).mean(), forecasting.error(without)
    order = np.argsort(-change, kind="stable")
    return Effects(
        units=units[order],
        change=change[order],
        error=error[order],
        error_of_all=forecasting.error(whole),
        change_without_any=float(np.abs(nothing - whole).mean()),
        error_without_any=forecasting.error(nothing),
        origins=len(places),
        horizon=horizon,
    )
