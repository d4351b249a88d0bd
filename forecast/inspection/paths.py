"""Gradients of a forecast, averaged over the straight way from a baseline to what a network was handed.

The average is a Gauss-Legendre sum of ever more points, until gradients times differences add up to the difference of
the forecasts at both ends. All in double precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from forecast.network.head import Level

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.series.panel import FloatArray, IntArray

_POINTS = (16, 32, 64, 128, 256, 512)
_NEAR_ENOUGH = 0.002
"""What is left over, as a part of what attributions should add up to; a reader is promised 1 %,"""
_OF_ALL = 1e-5
"""or of the sum of their sizes: where a forecast equals that at the baseline they cancel."""

_STEPS_AT_ONCE = 8_192
"""Points x steps that the gradient is taken of in one piece."""


class Place(NamedTuple):
    """A place on the way.

    Attributes
    ----------
    x : (..., step, input) what the network reads
    known : (..., horizon, column) what is known ahead; no columns where there is nothing
    reference : (..., horizon) in the target's units

    """

    x: Tensor
    known: Tensor
    reference: Tensor

    def towards(self, end: Place, share: Tensor) -> Place:
        """Go some shares of the way, (point,), from here to an end."""
        moved = [
            begin + share.view(-1, *[1] * begin.dim()) * (there - begin) for begin, there in zip(self, end, strict=True)
        ]
        return Place(*moved)

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

    """

    network: Network
    series: int
    scale: float
    ahead: IntArray

    def at(self, place: Place) -> Tensor:
        """Forecasts in the target's units at some places, (point, ahead)."""
        points, steps = place.x.shape[:2]
        series = torch.full((points, steps), self.series)
        features, _ = self.network.features(place.x, series, self.network.initial_state(points))
        raw = self.network.forecast(features[:, -1], place.known if place.known.shape[-1] else None)
        level = Level(place.reference, torch.full((points, 1), self.scale, dtype=place.reference.dtype))
        forecast: Tensor = place.reference + self.network.head.point(raw, level) * self.scale
        return forecast[:, torch.from_numpy(self.ahead - 1)]

    def gradients(self, begin: Place, end: Place, points: int) -> Place:
        """Mean gradients over so many points of the way, each part (ahead, ...)."""
        nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(points))
        at_once = max(_STEPS_AT_ONCE // len(begin.x), 1)
        total = Place(*(torch.zeros(len(self.ahead), *part.shape, dtype=part.dtype) for part in begin))
        for here, weight in zip(torch.split((nodes + 1) / 2, at_once), torch.split(weights / 2, at_once), strict=True):
            place = Place(*(part.requires_grad_() for part in begin.towards(end, here)))
            forecasts = weight @ self.at(place)
            for i, forecast in enumerate(forecasts):
                found = torch.autograd.grad(
                    forecast, place, retain_graph=True, materialize_grads=True, allow_unused=True
                )
                for part, gradient in zip(total, found, strict=True):
                    part[i] += gradient.sum(dim=0)
        return total


class Integrated(NamedTuple):
    """What came out.

    Attributes
    ----------
    gradients : mean over the way, each part (ahead, ...)
    begin, end : forecasts at both ends, (ahead,)
    points : that it took

    """

    gradients: Place
    begin: FloatArray
    end: FloatArray
    points: int


def integrate(forecasting: Forecasting, begin: Place, end: Place) -> Integrated:
    """Average gradients over ever more points, until they add up or there are no more."""
    with torch.no_grad():
        first, last = forecasting.at(begin.towards(end, torch.tensor([0.0, 1.0], dtype=torch.float64))).numpy()
    for points in _POINTS:
        gradients = forecasting.gradients(begin, end, points)
        parts = [
            (gradient * (there - here)).flatten(1) for gradient, here, there in zip(gradients, begin, end, strict=True)
        ]
        each = torch.cat(parts, dim=1).numpy()
        left_over = np.abs(last - first - each.sum(axis=1))
        enough = np.maximum(_NEAR_ENOUGH * np.abs(last - first), _OF_ALL * np.abs(each).sum(axis=1))
        if (left_over <= enough).all():
            break
    return Integrated(gradients, first, last, points)
