"""Integrated gradients of a forecast with respect to past values of the target, by lag, and to covariates.

Of a function F of inputs x and a baseline x' (Sundararajan, Taly and Yan 2017)

    A_j = (x_j - x'_j) * integral over a from 0 to 1 of dF/dx_j (x' + a (x - x')),      sum_j A_j = F(x) - F(x')

What the network reads of the series, and the reference, are affine in its values (`past_values`): they go straight from
x' to x as the values do. So gradients are taken of the network along that path, and carried on to the values by what
these change.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from forecast.inspection.answers import answer_kind
from forecast.inspection.past_values import PastValues, covariate_groups
from forecast.network.head import Level
from forecast.network.inference import forecast_by_unrolling, forecast_by_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.inspection.answers import AnswerKind
    from forecast.inspection.past_values import Handed
    from forecast.network.network import Network
    from forecast.questions.split import Origins
    from forecast.series.panel import FloatArray, IntArray
    from forecast.training.data import NetworkData

READ_STEPS = (64, 128, 256, 512)
"""Steps before an origin that a streamed network is unrolled over from a state of zero: the least that are enough,"""
_ENOUGH = 1e-3
"""which is when forecasts differ from those after the whole past by this part of the series' deviation at most, or of a
logit."""

_POINTS = 8
"""Of the Gauss-Legendre sum of a piece of the path."""

_PIECES = 2
"""That the path is cut into at first."""

_NEAR_ENOUGH = 0.004
"""What may be missing, as a part of what attributions should add up to; a reader is promised 1 %,"""
_OF_ALL = 2e-5
"""or of the sum of their sizes: where a forecast equals that at the baseline they cancel."""

_MOST_STEPS = 400_000
"""Points x steps that gradients are taken of, at most, for one path."""

_STEPS_AT_ONCE = 8_192
"""And in one piece."""


def forecasts_after(fitted: FittedNetwork, data: NetworkData, origins: Origins, steps: int | None) -> FloatArray:
    """Forecasts after reading so many steps from a state of zero, None: the whole past, (origin, horizon)."""
    rows, network = origins.rows(data.past), copy.deepcopy(fitted.network).cpu()
    if fitted.forecaster.training.regime == "windows":
        raw = forecast_by_windows(network, data.inputs, fitted.problem.context_steps, rows)
    elif steps is None:
        raw = forecast_by_unrolling(network, data.inputs, data.past.offsets[:-1], origins.series, rows)
    else:  # each origin is a lane of its own
        starts = np.maximum(rows - steps + 1, data.past.offsets[origins.series])
        raw = forecast_by_unrolling(network, data.inputs, starts, np.arange(len(rows)), rows)
    reference = fitted.reference.at(data.known, rows)
    kind = answer_kind(fitted)
    return kind.read(network.head, torch.from_numpy(raw), reference, fitted.scale[origins.series])


def enough_steps(
    fitted: FittedNetwork, data: NetworkData, origins: Origins, whole: FloatArray, read_steps: Sequence[int]
) -> int:
    """Find the least steps after which forecasts are as good as those of the whole past."""
    offsets, kind = data.past.offsets, answer_kind(fitted)
    deviation = [kind.unit_size(float(data.past.target[offsets[i] : offsets[i + 1]].std())) for i in origins.series]
    near = _ENOUGH * np.array(deviation)[:, None]  # (origin, 1)
    for steps in sorted(read_steps):
        if bool((np.abs(forecasts_after(fitted, data, origins, steps) - whole) <= near).all()):
            return steps
    return max(read_steps)


class OriginAttribution(NamedTuple):
    """Attributions of the forecasts from one origin.

    Attributes
    ----------
    by_lag, by_reference : (ahead, range) in all, and of it by way of the reference's forecast alone
    by_covariate : (ahead, group)
    forecast, baseline : (ahead,)
    points : of the path that gradients were taken at

    """

    by_lag: FloatArray
    by_reference: FloatArray
    by_covariate: FloatArray
    forecast: FloatArray
    baseline: FloatArray
    points: int


class Attributor:
    """Attributes forecasts of a network; what all origins share."""

    def __init__(
        self, fitted: FittedNetwork, data: NetworkData, ahead: IntArray, edges: IntArray, read_steps: int
    ) -> None:
        self.data = data
        self.groups = covariate_groups(fitted.encoding)
        self._fitted = fitted
        # In double precision, so that gradients are as exact as may be; weights need none.
        self._network = copy.deepcopy(fitted.network).cpu().double().eval().requires_grad_(requires_grad=False)
        self._ahead = ahead
        self._edges = edges
        self._read_steps = read_steps

    def attribute(self, series: int, step: int) -> OriginAttribution:
        """Attribute the forecasts made at a step of a series."""
        reference, scale = self._fitted.reference, float(self._fitted.scale[series])
        past = self.data.past.take(np.array([series])).cut(np.array([step + 1]))
        read_steps = min(self._read_steps, step + 1)
        values = PastValues(reference, past, series, float(reference.centre[series]), read_steps)
        at_baseline, at_data = values.ends()
        row = int(self.data.past.offsets[series]) + step
        begin, end = self._ends(at_baseline, at_data, np.arange(row - read_steps + 1, row + 1), scale)
        kind = answer_kind(self._fitted)
        path = integrate(Forecasting(self._network, series, scale, self._ahead, kind), begin, end)
        of_inputs, of_known, of_reference = path.gradients.numpy()
        differences = reference.input_size  # columns of the input that follow from the target
        by_lag, by_reference = self._by_lag(values, of_inputs[..., :differences] / scale, of_reference)
        x, known, _ = end.numpy()  # covariates are zero at the baseline: x - x' = x
        by_covariate = self.groups.summed(
            (of_inputs * x)[..., differences:].sum(axis=1), (of_known * known).sum(axis=1)
        )
        return OriginAttribution(by_lag, by_reference, by_covariate, path.end, path.begin, path.points)

    def _ends(self, at_baseline: Handed, at_data: Handed, rows: IntArray, scale: float) -> tuple[Point, Point]:
        """Both ends of the path; at the baseline all covariates are zero: their mean, or no category."""
        covariates = self.data.inputs.at(rows)[:, at_baseline.inputs.shape[1] :].astype(np.float64)  # (step, column)
        known = self.data.inputs.known_ahead(rows[-1:], self._fitted.reference.horizon)
        ahead = np.zeros((self._fitted.reference.horizon, 0)) if known is None else known[0].numpy()
        return (
            _point(at_baseline, np.zeros_like(covariates), np.zeros_like(ahead), scale),
            _point(at_data, covariates, ahead, scale),
        )

    def _by_lag(
        self, values: PastValues, of_inputs: FloatArray, of_reference: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Carry gradients, (ahead, step, difference) and (ahead, horizon), on to lags: each (ahead, range)."""
        by_reference = np.zeros((len(self._ahead), len(self._edges) - 1))
        by_inputs = np.zeros_like(by_reference)
        for which, first, changes in values.responses(self._edges):
            by_reference[:, which] = of_reference @ changes.forecast.T  # (ahead, horizon) @ (horizon, range)
            # Over steps and differences: (ahead, step, difference), (range, step, difference) -> (ahead, range)
            by_inputs[:, which] = np.tensordot(of_inputs[:, first:], changes.inputs, axes=((1, 2), (1, 2)))
        return by_inputs + by_reference, by_reference


def _point(handed: Handed, covariates: FloatArray, known: FloatArray, scale: float) -> Point:
    inputs = np.concatenate([handed.inputs / scale, covariates], axis=1)
    return Point(*(torch.from_numpy(part.astype(np.float64)) for part in (inputs, known, handed.forecast)))


# The integral along the path.


class Point(NamedTuple):
    """A point of the path.

    Attributes
    ----------
    x : (..., step, input) what the network reads
    known : (..., horizon, column) what is known ahead; no columns where there is nothing
    reference : (..., horizon) in the target's units

    """

    x: Tensor
    known: Tensor
    reference: Tensor

    def towards(self, end: Point, share: Tensor) -> Point:
        """X' + a (x - x') for shares a of the path, (point,), from here to an end."""
        moved = [
            begin + share.view(-1, *[1] * begin.dim()) * (last - begin) for begin, last in zip(self, end, strict=True)
        ]
        return Point(*moved)

    def numpy(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Give the parts as arrays."""
        x, known, reference = (part.detach().numpy() for part in self)
        return x, known, reference


@dataclass(frozen=True, eq=False)
class Forecasting:
    """The forecasts of one series for some steps of the horizon, as a function of what a network is handed.

    Attributes
    ----------
    network : in double precision
    series : its number
    scale : of the series
    ahead : (ahead,) steps of the horizon, from 1 on
    kind : what of the forecasts is attributed

    """

    network: Network
    series: int
    scale: float
    ahead: IntArray
    kind: AnswerKind

    def at(self, point: Point) -> Tensor:
        """Forecasts in the target's units, or logits of a rise, at some points, (point, ahead)."""
        points, steps = point.x.shape[:2]
        series = torch.full((points, steps), self.series)
        features, _ = self.network.features(point.x, series, self.network.initial_state(points))
        raw = self.network.forecast(features[:, -1], point.known if point.known.shape[-1] else None)
        level = Level(point.reference, torch.full((points, 1), self.scale, dtype=point.reference.dtype))
        answer = self.kind.answer(self.network.head, raw, level)
        forecast = self.kind.with_reference(answer, point.reference, self.scale)  # (point, horizon)
        return forecast[:, torch.from_numpy(self.ahead - 1)]

    def gradients(self, begin: Point, end: Point, shares: Tensor) -> Point:
        """Gradients at some shares of the path, (point,): each part (point, ahead, ...)."""
        point = Point(*(part.requires_grad_() for part in begin.towards(end, shares)))
        each = [
            torch.autograd.grad(forecast, point, retain_graph=True, materialize_grads=True, allow_unused=True)
            for forecast in self.at(point).sum(dim=0)
        ]
        return Point(*(torch.stack(parts, dim=1) for parts in zip(*each, strict=True)))


class Integrated(NamedTuple):
    """The integral.

    Attributes
    ----------
    gradients : mean over the path, each part (ahead, ...)
    begin, end : forecasts at both ends, (ahead,)
    points : that gradients were taken at

    """

    gradients: Point
    begin: FloatArray
    end: FloatArray
    points: int


# Why not `captum.attr.IntegratedGradients`: on smooth paths it gives the same sums to 1e-9, but it takes as many points
# everywhere and does not cut where gradients fail to add up (a path that turns sharply: 800 points against 112 here),
# unrolls the network anew for each step of the horizon, fails where an input takes no part, and brings matplotlib
# along. For the way from differences and reference back to past values it has nothing.
def integrate(forecasting: Forecasting, begin: Point, end: Point) -> Integrated:
    """Average gradients over the path, cut into ever shorter pieces until they add up or enough has been done.

    On each piece gradients times differences must add up to the difference of the forecasts at its ends; where they do
    not it is cut again, for there the forecast turns sharply: a network that rings on by itself at the baseline falls
    in with its input within the first hundredths of the path. All in double precision.
    """
    with torch.no_grad():
        first, last = forecasting.at(begin.towards(end, torch.tensor([0.0, 1.0], dtype=torch.float64)))
    borders = torch.linspace(0, 1, _PIECES + 1, dtype=torch.float64).unfold(0, 2, 1)  # (piece, 2)
    pieces, done = _summed(forecasting, begin, end, borders), len(borders)
    while done * _POINTS * len(begin.x) < _MOST_STEPS:
        enough = torch.maximum(_NEAR_ENOUGH * (last - first).abs(), _OF_ALL * pieces.sizes.sum(dim=0))  # (ahead,)
        missing = pieces.missing.abs()  # (piece, ahead)
        if bool((missing.sum(dim=0) <= enough).all()):
            break
        bad = (missing > enough / (2 * len(missing))).any(dim=1)  # (piece,)
        middle = pieces.borders[bad].mean(dim=1)
        halves = torch.cat(
            [torch.stack([pieces.borders[bad, 0], middle], 1), torch.stack([middle, pieces.borders[bad, 1]], 1)]
        )
        pieces = _joined([pieces.take(~bad), _summed(forecasting, begin, end, halves)])
        done += len(halves)
    mean = Point(*(part.sum(dim=0) for part in pieces.gradients))
    return Integrated(mean, first.numpy(), last.numpy(), done * _POINTS)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Pieces of the path.

    Attributes
    ----------
    borders : (piece, 2) shares of the path
    gradients : mean over each, times its length: each part (piece, ahead, ...)
    sizes : of all attributions of a piece, (piece, ahead)
    missing : (piece, ahead) of the difference between the forecasts at its ends

    """

    borders: Tensor
    gradients: Point
    sizes: Tensor
    missing: Tensor

    def take(self, which: Tensor) -> _Pieces:
        """Return some of them."""
        gradients = Point(*(part[which] for part in self.gradients))
        return _Pieces(self.borders[which], gradients, self.sizes[which], self.missing[which])


def _joined(parts: list[_Pieces]) -> _Pieces:
    return _Pieces(
        borders=torch.cat([part.borders for part in parts]),
        gradients=Point(*(torch.cat(each) for each in zip(*(part.gradients for part in parts), strict=True))),
        sizes=torch.cat([part.sizes for part in parts]),
        missing=torch.cat([part.missing for part in parts]),
    )


def _summed(forecasting: Forecasting, begin: Point, end: Point, borders: Tensor) -> _Pieces:
    """Sum gradients over pieces, (piece, 2), some of them at once."""
    at_once = max(_STEPS_AT_ONCE // (_POINTS * len(begin.x)), 1)
    return _joined([_summed_at_once(forecasting, begin, end, some) for some in torch.split(borders, at_once)])


def _summed_at_once(forecasting: Forecasting, begin: Point, end: Point, borders: Tensor) -> _Pieces:
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(_POINTS))
    low, length = borders[:, :1], borders[:, 1:] - borders[:, :1]
    shares, scaled = low + length * (nodes + 1) / 2, length * weights / 2  # (piece, point)
    gradients = Point(
        *(
            torch.einsum("pk,pk...->p...", scaled, part.view(*shares.shape, *part.shape[1:]))
            for part in forecasting.gradients(begin, end, shares.reshape(-1))
        )
    )
    with torch.no_grad():
        forecasts = forecasting.at(begin.towards(end, borders.reshape(-1))).view(*borders.shape, -1)
    each = torch.cat(  # A_j of the piece, (piece, ahead, j)
        [(part * (last - first)).flatten(2) for part, first, last in zip(gradients, begin, end, strict=True)], dim=2
    )
    missing = forecasts[:, 1] - forecasts[:, 0] - each.sum(dim=2)
    return _Pieces(borders, gradients, each.abs().sum(dim=2), missing)
