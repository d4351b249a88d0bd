"""Gradients through time by autograd against finite differences.

Of every parameter tensor some entries are moved alone, and all entries together along random directions; at each such
point the slope of the training loss is (f(w + h v) - f(w - h v)) / 2h in double precision, and autograd's is <g, v>.

A loss with corners (absolute errors, quantiles, ReLU) is not smooth, and where a corner lies between w - h v and
w + h v the two slopes differ although autograd is right. So a point is tried with ever smaller steps h until the slopes
agree. One that never agrees is a fault, unless the slopes to both sides, (f(w + h v) - f(w)) / h and
(f(w) - f(w - h v)) / h, are further from each other than autograd's is from them: that is a corner, and the point is
counted and left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from forecast.inspection.copies import batch_as, doubled, examined
from forecast.inspection.sample import Sample, sample_of
from forecast.network.compiled.modules import compile_lstms
from forecast.network.head import mean_where
from forecast.training.batches import fork_losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from forecast.network.decoders import TeacherForcing
    from forecast.network.network import Network
    from forecast.training.batches import Batch

TOLERANCE = 1e-4
"""Relative error of a slope by autograd, at most."""
SINGLE_TOLERANCE = 1e-2
"""Relative error of a tensor's gradient in single precision, at most."""
_STEPS = (1e-5, 1e-6, 1e-7)
_ENTRIES = 5
_DIRECTIONS = 3
_ROUNDING = 10 * torch.finfo(torch.float64).eps
"""Of a loss, relative to it."""
_TAUGHT = 0.5


@dataclass(frozen=True)
class TensorCheck:
    """What was found of one parameter tensor.

    Attributes
    ----------
    error : largest relative error of autograd's slope at a point that is no corner; NaN where all are
    single : relative error of the whole gradient as training computes it, in single precision with compiled kernels
    points : where slopes were compared, corners included
    corners : how many of them were left out

    """

    name: str
    shape: tuple[int, ...]
    error: float
    single: float
    points: int
    corners: int

    @property
    def verdict(self) -> str:
        """`ok`, `wrong`, `wrong in single` precision alone, or `undecided` where every point is a corner."""
        if math.isnan(self.error):
            return "undecided"
        if self.error > TOLERANCE:
            return "wrong"
        return "ok" if self.single <= SINGLE_TOLERANCE else "wrong in single"


class Checked(NamedTuple):
    """All parameter tensors, and what they were checked on."""

    tensors: tuple[TensorCheck, ...]
    size: str


class _Point(NamedTuple):
    error: float
    corner: bool


def check_gradients(network: Network, batches: Iterable[Batch], seed: int = 0) -> Checked | None:
    """Check the gradients of the training loss of `network`, as it stands, on a batch of an epoch.

    Dropout is left out, and what a decoder is taught is drawn once. None where no batch has a target.
    """
    double = doubled(network)
    sample = sample_of(double, (batch_as(batch, torch.float64) for batch in batches))
    if sample is None:
        return None
    taught = _taught(double, sample.batch, seed)
    gradients = _gradients(double, sample, taught)
    singles = _single_gradients(network, sample, taught)
    whole = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients.values()))
    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for name, parameter in double.named_parameters():
        if name not in gradients:
            continue
        mine = gradients[name]
        points = [
            _compare(parameter, mine, direction, lambda: float(_loss(double, sample, taught)))
            for direction in _directions(mine, generator)
        ]
        known = [point.error for point in points if not point.corner]
        apart = float((singles[name] - mine).norm()) / max(float(mine.norm()), 1e-6 * whole, 1e-300)
        corners = len(points) - len(known)
        tensors.append(TensorCheck(name, tuple(mine.shape), max(known, default=math.nan), apart, len(points), corners))
    return Checked(tuple(tensors), sample.size)


def _taught(network: Network, batch: Batch, seed: int) -> TeacherForcing | None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network.teacher_forcing(batch.target, batch.exists, _TAUGHT)


def _loss(network: Network, sample: Sample, taught: TeacherForcing | None) -> Tensor:
    batch = sample.batch
    features, _ = network.features_with_resets(batch.x, batch.series, sample.state, batch.resets, batch.reset_steps)
    return mean_where(fork_losses(network, features, batch, taught), batch.exists)


def _gradients(network: Network, sample: Sample, taught: TeacherForcing | None) -> dict[str, Tensor]:
    """Gradient of each parameter that is trained, zeros where the loss does not depend on it."""
    parameters = {name: one for name, one in network.named_parameters() if one.requires_grad}
    with torch.enable_grad():
        loss = _loss(network, sample, taught)
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(one) if gradient is None else gradient.detach()
        for (name, one), gradient in zip(parameters.items(), gradients, strict=True)
    }


def _single_gradients(network: Network, sample: Sample, taught: TeacherForcing | None) -> dict[str, Tensor]:
    """Gradients of the same loss as training computes them, a long one of an LSTM included."""
    told = None if taught is None else taught._replace(truth=taught.truth.float())
    single = batch_as(sample.batch, torch.float32), tuple(part.float() for part in sample.state), sample.size
    copied = examined(network)
    compile_lstms(copied)
    return {name: one.double() for name, one in _gradients(copied, Sample(*single), told).items()}


def _directions(gradient: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Unit vectors along which a tensor is moved: single entries, then all of them together."""
    size = gradient.numel()
    for entry in torch.randperm(size, generator=generator)[:_ENTRIES].tolist():
        alone = torch.zeros(size, dtype=torch.float64)
        alone[entry] = 1.0
        yield alone.view_as(gradient)
    for _ in range(_DIRECTIONS if size > 1 else 0):
        drawn = torch.randn(size, dtype=torch.float64, generator=generator)
        yield (drawn / drawn.norm()).view_as(gradient)


@torch.no_grad()
def _compare(parameter: Tensor, gradient: Tensor, direction: Tensor, loss: Callable[[], float]) -> _Point:
    """Compare the slope along a direction with ever smaller steps, until it agrees."""
    slope = float((gradient * direction).sum())
    typical = float(gradient.norm()) / math.sqrt(gradient.numel())
    kept, here = parameter.detach().clone(), loss()
    point = _Point(math.inf, corner=False)
    for step in _STEPS:
        ahead, behind = (_moved(parameter, kept, sign * step * direction, loss) for sign in (1, -1))
        found = (ahead - behind) / (2 * step)
        noise = _ROUNDING * abs(here) / step
        error = abs(slope - found) / max(abs(slope), abs(found), typical, noise / TOLERANCE, 1e-300)
        bend = abs((ahead - here) - (here - behind)) / step
        point = _Point(error, corner=error > TOLERANCE and bend > abs(slope - found))
        if error <= TOLERANCE:
            break
    return point


def _moved(parameter: Tensor, kept: Tensor, by: Tensor, loss: Callable[[], float]) -> float:
    parameter.copy_(kept + by)
    value = loss()
    parameter.copy_(kept)
    return value
