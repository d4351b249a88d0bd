"""Gradients of a forecast, averaged over the straight way from a baseline to what a network was handed.

The way is cut into pieces, each with a Gauss-Legendre sum. On each piece gradients times differences must add up to the
difference of the forecasts at its ends; where they do not it is cut again, for there the forecast turns sharply: a
network that rings on by itself at the baseline falls in with its input within the first hundredths of the way. All in
double precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from forecast.inspection.answer import answer_of
from forecast.network.head import Level

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.series.panel import FloatArray, IntArray

_POINTS = 8
"""Of the Gauss-Legendre sum of a piece."""

_PIECES = 2
"""That the way is cut into at first."""

_NEAR_ENOUGH = 0.004
"""What is left over, as a part of what attributions should add up to; a reader is promised 1 %,"""
_OF_ALL = 2e-5
"""or of the sum of their sizes: where a forecast equals that at the baseline they cancel."""

_MOST_STEPS = 400_000
"""Points x steps that gradients are taken of, at most, for one way."""

_STEPS_AT_ONCE = 8_192
"""And in one piece."""


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
        """Forecasts in the target's units, or logits of a rise, at some places, (point, ahead)."""
        points, steps = place.x.shape[:2]
        series = torch.full((points, steps), self.series)
        features, _ = self.network.features(place.x, series, self.network.initial_state(points))
        raw = self.network.forecast(features[:, -1], place.known if place.known.shape[-1] else None)
        level = Level(place.reference, torch.full((points, 1), self.scale, dtype=place.reference.dtype))
        answer = answer_of(self.network.head, raw, level)
        forecast = answer if self.network.head.question.binary else place.reference + answer * self.scale
        return forecast[:, torch.from_numpy(self.ahead - 1)]

    def gradients(self, begin: Place, end: Place, shares: Tensor) -> Place:
        """Gradients at some shares of the way, (point,): each part (point, ahead, ...)."""
        place = Place(*(part.requires_grad_() for part in begin.towards(end, shares)))
        each = [
            torch.autograd.grad(forecast, place, retain_graph=True, materialize_grads=True, allow_unused=True)
            for forecast in self.at(place).sum(dim=0)
        ]
        return Place(*(torch.stack(parts, dim=1) for parts in zip(*each, strict=True)))


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Pieces of the way.

    Attributes
    ----------
    borders : (piece, 2) shares of the way
    gradients : mean over each, times its length: each part (piece, ahead, ...)
    sizes : of all attributions of a piece, (piece, ahead)
    left_over : (piece, ahead) what is missing to the difference of the forecasts at its ends

    """

    borders: Tensor
    gradients: Place
    sizes: Tensor
    left_over: Tensor

    def take(self, which: Tensor) -> _Pieces:
        """Return some of them."""
        gradients = Place(*(part[which] for part in self.gradients))
        return _Pieces(self.borders[which], gradients, self.sizes[which], self.left_over[which])

    def and_these(self, others: _Pieces) -> _Pieces:
        """Put others beside them."""
        gradients = Place(*map(_joined, self.gradients, others.gradients))
        mine, theirs = ((one.borders, one.sizes, one.left_over) for one in (self, others))
        borders, sizes, left_over = map(_joined, mine, theirs)
        return _Pieces(borders, gradients, sizes, left_over)


def _joined(one: Tensor, other: Tensor) -> Tensor:
    return torch.cat([one, other])


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
    """Average gradients over ever shorter pieces, until they add up or enough has been done."""
    with torch.no_grad():
        first, last = forecasting.at(begin.towards(end, torch.tensor([0.0, 1.0], dtype=torch.float64)))
    borders = torch.linspace(0, 1, _PIECES + 1, dtype=torch.float64).unfold(0, 2, 1)
    pieces, seen = _summed(forecasting, begin, end, borders), len(borders)
    while seen * _POINTS * len(begin.x) < _MOST_STEPS:
        enough = torch.maximum(_NEAR_ENOUGH * (last - first).abs(), _OF_ALL * pieces.sizes.sum(dim=0))
        missing = pieces.left_over.abs()
        if bool((missing.sum(dim=0) <= enough).all()):
            break
        bad = (missing > enough / (2 * len(missing))).any(dim=1)
        middle = pieces.borders[bad].mean(dim=1)
        halves = torch.cat(
            [torch.stack([pieces.borders[bad, 0], middle], 1), torch.stack([middle, pieces.borders[bad, 1]], 1)]
        )
        pieces = pieces.take(~bad).and_these(_summed(forecasting, begin, end, halves))
        seen += len(halves)
    return Integrated(
        Place(*(part.sum(dim=0) for part in pieces.gradients)), first.numpy(), last.numpy(), seen * _POINTS
    )


def _summed(forecasting: Forecasting, begin: Place, end: Place, borders: Tensor) -> _Pieces:
    """Sum gradients over pieces, (piece, 2)."""
    at_once = max(_STEPS_AT_ONCE // (_POINTS * len(begin.x)), 1)
    whole: _Pieces | None = None
    for some in torch.split(borders, at_once):
        part = _summed_at_once(forecasting, begin, end, some)
        whole = part if whole is None else whole.and_these(part)
    if whole is None:
        raise ValueError("there is no piece of the way to sum over")
    return whole


def _summed_at_once(forecasting: Forecasting, begin: Place, end: Place, borders: Tensor) -> _Pieces:
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(_POINTS))
    low, length = borders[:, :1], borders[:, 1:] - borders[:, :1]
    shares, scaled = low + length * (nodes + 1) / 2, length * weights / 2  # (piece, point)
    gradients = Place(
        *(
            torch.einsum("pk,pk...->p...", scaled, part.view(*shares.shape, *part.shape[1:]))
            for part in forecasting.gradients(begin, end, shares.reshape(-1))
        )
    )
    with torch.no_grad():
        forecasts = forecasting.at(begin.towards(end, borders.reshape(-1))).view(*borders.shape, -1)
    each = torch.cat(
        [(part * (there - here)).flatten(2) for part, here, there in zip(gradients, begin, end, strict=True)], dim=2
    )
    left_over = forecasts[:, 1] - forecasts[:, 0] - each.sum(dim=2)
    return _Pieces(borders, gradients, each.abs().sum(dim=2), left_over)
