"""Which inputs, at which lags, the forecasts at some origins rest on: integrated gradients through time.

Of a function F of inputs x and a baseline x' (Sundararajan, Taly and Yan 2017)

    A_j = (x_j - x'_j) * integral over a from 0 to 1 of dF/dx_j (x' + a (x - x')),      sum_j A_j = F(x) - F(x')

Here x are the past values of the target, by lag, and the covariates; F is the forecast, with the reference that the
network's output is added to and the differences to it that the network reads. The baseline is the series held at its
mean of the training split, at every step since its first, with each covariate at its mean of training (a category:
none). What describes the series and never changes, its embedding too, is the same on both ends.

The differences and the reference are affine in the values (`lags`), so that they go straight from x' to x as the values
do: gradients are taken of the network along that path (`paths`), and carried on to the values by what these change.

Where rises are asked for F is the logit of a rise, to which no reference is added: it takes part in what is read alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.live import read_forecasts
from forecast.inspection.affine import Handed, Lags, lag_edges
from forecast.inspection.covariates import covariate_groups
from forecast.inspection.paths import Forecasting, Place, integrate
from forecast.network.heads import DirectionHead, needs_level
from forecast.network.inference import forecast_by_unrolling, forecast_by_windows
from forecast.training.data import network_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.network.network import Network
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray, Panel, TimeArray
    from forecast.training.data import NetworkData

WALKED_STEPS = (64, 128, 256, 512)
"""Steps before an origin over which a streamed network is walked from a state of zero: the least that are enough,"""
_ENOUGH = 1e-3
"""which is when forecasts differ from those after the whole past by this part of the series' deviation at most, or of a
logit."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What forecasts rest on, in the target's units, or in logits of a rise (`rises`).

    Attributes
    ----------
    origins : where they are made
    times : (origin,) of the origins
    past_times : (step,) of the series of the first origin, as far as any of its origins knows
    ahead : (ahead,) which steps of the horizon, from 1 on
    edges : (range + 1,) of lags: range r is of the lags `edges[r]` to `edges[r + 1] - 1`; lag 0 is the origin itself
    by_lag : (origin, ahead, range) of past values of the target
    by_reference : (origin, ahead, range) the part of it that goes through the reference's forecast alone
    covariates : names of the groups of what the network reads beside the target
    by_covariate : (origin, ahead, group)
    forecast, baseline : (origin, ahead) the forecasts that are compared
    whole_walk : (origin, ahead) forecast of the network that has walked over the whole past
    held : (origin,) the value at which the baseline holds the series
    walked_steps : (origin,) steps that the network has read, the origin's the last, from a state of zero
    points : of the path that gradients were taken at, at most
    season_steps : of the reference
    streamed : whether the network could have read more than it was let
    fed_back : whether the network forecasts the next step alone, and longer forecasts are its own fed back
    rises : whether forecasts are logits of a rise

    """

    origins: Origins
    times: TimeArray
    past_times: TimeArray
    ahead: IntArray
    edges: IntArray
    by_lag: FloatArray
    by_reference: FloatArray
    covariates: tuple[str, ...]
    by_covariate: FloatArray
    forecast: FloatArray
    baseline: FloatArray
    whole_walk: FloatArray
    held: FloatArray
    walked_steps: IntArray
    points: int
    season_steps: int
    streamed: bool
    fed_back: bool
    rises: bool = False

    @property
    def left_over(self) -> FloatArray:
        """Forecast less the forecast at the baseline less all attributions, (origin, ahead)."""
        attributed: FloatArray = self.by_lag.sum(axis=-1) + self.by_covariate.sum(axis=-1)
        return self.forecast - self.baseline - attributed


def attribute(
    fitted: FittedNetwork,
    past: Panel,
    origins: Origins,
    ahead: Sequence[int] | None = None,
    walked_steps: Sequence[int] = WALKED_STEPS,
) -> Attribution:
    """Say what the forecasts `ahead` steps after each origin rest on; None: the first, the middle and the last step.

    Of a network whose forecasts are fed back it is the next step alone. Forecasts are those of each origin by itself,
    without `model.fork_ensemble`. A network on streams reads the least of `walked_steps` that tells it all that it
    knows, the most of them if none does; one on windows reads its context.

    Raises
    ------
    ForecastError
        No origin, one with too short a past for a network on windows, or a step beyond the horizon.

    """
    steps = _asked(fitted.reference.horizon, ahead)
    windows = fitted.forecaster.training.regime == "windows"
    _check_origins(origins, fitted.problem.context_steps if windows else 1)
    past = past.cut(origins.last_known(len(past)))
    leveled = needs_level(fitted.forecaster.settings)
    data = network_data(past, fitted.reference, fitted.scale, fitted.encoding, needs_level=leveled)
    whole_walk = _walked(fitted, data, origins, None)
    walked = fitted.problem.context_steps if windows else _enough(fitted, data, origins, whole_walk, walked_steps)
    edges = lag_edges(int(origins.steps.max()) + 1, fitted.reference.season_steps, steps)
    asked = _Asked(fitted, data, steps, edges, walked)
    each = [asked.about(i, step) for i, step in zip(origins.series.tolist(), origins.steps.tolist(), strict=True)]
    by_lag, by_reference, by_covariate, forecast, baseline = (
        np.stack(parts) for parts in zip(*(one.arrays for one in each), strict=True)
    )
    return Attribution(
        origins=origins,
        times=past.times[origins.rows(past)],
        past_times=past.times[past.offsets[origins.series[0]] : past.offsets[origins.series[0] + 1]],
        ahead=steps,
        edges=edges,
        by_lag=by_lag,
        by_reference=by_reference,
        covariates=asked.groups.names,
        by_covariate=by_covariate,
        forecast=forecast,
        baseline=baseline,
        whole_walk=whole_walk[:, steps - 1],
        held=fitted.reference.centre[origins.series],
        walked_steps=np.minimum(origins.steps + 1, walked),
        points=max(one.points for one in each),
        season_steps=fitted.reference.season_steps,
        streamed=not windows,
        fed_back=fitted.reference.horizon < fitted.problem.horizon,
        rises=fitted.problem.question.binary,
    )


class _OfOrigin(NamedTuple):
    """Attributions of one origin: by lag, of it by the reference, by covariate, forecast, forecast at the baseline."""

    arrays: tuple[FloatArray, ...]
    points: int


class _Asked:
    """What is asked about every origin alike."""

    def __init__(self, fitted: FittedNetwork, data: NetworkData, ahead: IntArray, edges: IntArray, walked: int) -> None:
        self.data = data
        self.groups = covariate_groups(fitted.encoding)
        self._fitted = fitted
        self._network = _in_double_precision(fitted.network)
        self._ahead = ahead
        self._edges = edges
        self._walked = walked

    def about(self, series: int, step: int) -> _OfOrigin:
        """Attribute the forecasts made at a step of a series."""
        reference, scale = self._fitted.reference, float(self._fitted.scale[series])
        mine = self.data.past.target_alone().take(np.array([series])).cut(np.array([step + 1]))
        walked = min(self._walked, step + 1)
        lags = Lags(reference, mine, series, float(reference.centre[series]), walked)
        held, actual = lags.ends()
        row = int(self.data.past.offsets[series]) + step
        begin, end = self._places(held, actual, np.arange(row - walked + 1, row + 1), scale)
        found = integrate(Forecasting(self._network, series, scale, self._ahead), begin, end)
        of_inputs, of_known, of_reference = found.gradients.numpy()
        differences = reference.input_size
        by_lag, by_reference = self._by_lag(lags, of_inputs[..., :differences] / scale, of_reference)
        x, known, _ = end.numpy()
        by_covariate = self.groups.summed(
            (of_inputs * x)[..., differences:].sum(axis=1), (of_known * known).sum(axis=1)
        )
        return _OfOrigin((by_lag, by_reference, by_covariate, found.end, found.begin), found.points)

    def _places(self, held: Handed, actual: Handed, rows: IntArray, scale: float) -> tuple[Place, Place]:
        """Both ends of the path: at the baseline all covariates are zero, their mean or no category."""
        beside = self.data.inputs.at(rows)[:, held.inputs.shape[1] :]
        known = self.data.inputs.known_ahead(rows[-1:], self._fitted.reference.horizon)
        ahead = np.zeros((self._fitted.reference.horizon, 0)) if known is None else known[0].numpy()
        return (
            _place(np.concatenate([held.inputs / scale, np.zeros_like(beside)], axis=1), np.zeros_like(ahead), held),
            _place(np.concatenate([actual.inputs / scale, beside], axis=1), ahead, actual),
        )

    def _by_lag(self, lags: Lags, of_inputs: FloatArray, of_reference: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Carry gradients, (ahead, step, difference) and (ahead, horizon), on to lags: each (ahead, range)."""
        by_reference = np.zeros((len(self._ahead), len(self._edges) - 1))
        by_inputs = np.zeros_like(by_reference)
        for which, first, changes in lags.responses(self._edges):
            by_reference[:, which] = of_reference @ changes.forecast.T
            by_inputs[:, which] = np.tensordot(of_inputs[:, first:], changes.inputs, axes=((1, 2), (1, 2)))
        return by_inputs + by_reference, by_reference


def _place(inputs: FloatArray, known: FloatArray, handed: Handed) -> Place:
    return Place(*(torch.from_numpy(part.astype(np.float64)) for part in (inputs, known, handed.forecast)))


def _in_double_precision(network: Network) -> Network:
    """Copy a network to where it can be differentiated as exactly as may be; its weights need no gradient."""
    return copy.deepcopy(network).cpu().double().eval().requires_grad_(requires_grad=False)


def _walked(fitted: FittedNetwork, data: NetworkData, origins: Origins, steps: int | None) -> FloatArray:
    """What is forecast after reading so many steps from a state of zero, None: all ever read, (origin, horizon)."""
    rows, network = origins.rows(data.past), copy.deepcopy(fitted.network).cpu()
    if fitted.forecaster.training.regime == "windows":
        raw = forecast_by_windows(network, data.inputs, fitted.problem.context_steps, rows)
    elif steps is None:
        raw = forecast_by_unrolling(network, data.inputs, data.past.offsets[:-1], origins.series, rows)
    else:  # each origin walks as a lane of its own
        starts = np.maximum(rows - steps + 1, data.past.offsets[origins.series])
        raw = forecast_by_unrolling(network, data.inputs, starts, np.arange(len(rows)), rows)
    if isinstance(network.head, DirectionHead):
        return network.head.logit(torch.from_numpy(raw)).numpy()
    reference = fitted.reference.at(data.known, rows)
    return read_forecasts(network.head, torch.from_numpy(raw), reference, fitted.scale[origins.series]).y_hat


def _enough(
    fitted: FittedNetwork, data: NetworkData, origins: Origins, whole: FloatArray, walked_steps: Sequence[int]
) -> int:
    """Find the least steps after which forecasts are as good as those of the whole past."""
    offsets = data.past.offsets
    binary = fitted.problem.question.binary
    spans = [data.past.target[offsets[i] : offsets[i + 1]] for i in origins.series]
    deviation = [1.0 if binary else float(span.std()) for span in spans]
    near = _ENOUGH * np.array(deviation)[:, None]
    for steps in sorted(walked_steps):
        if bool((np.abs(_walked(fitted, data, origins, steps) - whole) <= near).all()):
            return steps
    return max(walked_steps)


def _asked(horizon: int, ahead: Sequence[int] | None) -> IntArray:
    """Steps of the horizon, increasing."""
    steps = np.unique(np.array((1, (horizon + 1) // 2, horizon) if ahead is None else tuple(ahead), dtype=np.int64))
    if not len(steps) or steps[0] < 1 or steps[-1] > horizon:
        raise ForecastError(
            f"forecasts can be attributed from 1 to {horizon} steps ahead, as far as the network itself forecasts, "
            f"found {steps.tolist()}: ask for steps of the horizon"
        )
    return steps


def _check_origins(origins: Origins, needed: int) -> None:
    if not len(origins):
        raise ForecastError("there is no origin whose forecast could be attributed: hand at least one")
    if (shortest := int(origins.steps.min()) + 1) < needed:
        raise ForecastError(
            f"a network trained on windows needs {needed} steps before an origin, found {shortest}: "
            f"ask about later origins"
        )
