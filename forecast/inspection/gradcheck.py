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
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from forecast.inspection.gradients import batch_as, doubled, examined, lanes_of
from forecast.network.compiled.modules import compile_lstms
from forecast.network.head import mean_where
from forecast.network.state import detach_state
from forecast.training.batches import fork_losses
from forecast.wording import counted, name_some, number, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from forecast.network.decoders import TeacherForcing
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.training.batches import Batch


TOLERANCE = 1e-4
"""Relative error of a slope by autograd, at most."""

_SINGLE_TOLERANCE = 1e-2
"""Relative error of a tensor's gradient in single precision, at most."""

_STEPS = (1e-5, 1e-6, 1e-7)

_ENTRIES = 5
_DIRECTIONS = 3
_ROUNDING = 10 * torch.finfo(torch.float64).eps
"""Of a loss, relative to it."""

_FORCED = 0.5
"""Teacher-forcing probability of a decoder that reads its own forecasts."""

MOST_STEPS = 128
"""Of a chunk that is checked: the caller cuts longer ones."""
_MOST_LANES = 8
_MOST_NUMBERS = 40_000
"""Lanes x steps x horizon of the sample, at most."""

_SHOWN = 3
"""Tensors that a sentence names."""


@dataclass(frozen=True)
class TensorCheck:
    """The check of one parameter tensor.

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
        return "ok" if self.single <= _SINGLE_TOLERANCE else "wrong in single"


class Checked(NamedTuple):
    """All parameter tensors, and what they were checked on."""

    tensors: tuple[TensorCheck, ...]
    size: str


class _Point(NamedTuple):
    error: float
    corner: bool


# Why not `torch.autograd.gradcheck`: in its fast mode it says of all parameters together whether they pass; in its slow
# mode it moves every weight and stops at the first that fails. It has no error by tensor, and never sees the single
# precision and the compiled kernels of training.
def check_gradients(network: Network, batches: Iterable[Batch], seed: int = 0) -> Checked | None:
    """Check the gradients of the training loss of `network`, as it stands, on a batch of an epoch.

    Dropout is left out, and where a decoder is handed the truth is drawn once. None where no batch has a target.
    """
    double = doubled(network)
    sample = _sample_of(double, (batch_as(batch, torch.float64) for batch in batches))
    if sample is None:
        return None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        forcing = double.teacher_forcing(sample.batch.target, sample.batch.exists, _FORCED)
    gradients = _gradients(double, sample, forcing)
    singles = _single_gradients(network, sample, forcing)
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients.values()))
    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for name, parameter in double.named_parameters():
        if name not in gradients:
            continue
        gradient = gradients[name]
        points = [
            _compare(parameter, gradient, direction, lambda: float(_loss(double, sample, forcing)))
            for direction in _directions(gradient, generator)
        ]
        errors = [point.error for point in points if not point.corner]
        # relative to the tensor's own gradient, but not to one that is next to nothing of the whole
        single = float((singles[name] - gradient).norm()) / max(float(gradient.norm()), 1e-6 * norm, 1e-300)
        corners = len(points) - len(errors)
        error = max(errors, default=math.nan)
        tensors.append(TensorCheck(name, tuple(gradient.shape), error, single, len(points), corners))
    lanes, steps = sample.batch.x.shape[:2]
    return Checked(tuple(tensors), f"{counted(lanes, 'lane')} x {counted(steps, 'step')}")


def _loss(network: Network, sample: Sample, forcing: TeacherForcing | None) -> Tensor:
    batch = sample.batch
    features, _ = network.features_with_resets(batch.x, batch.series, sample.state, batch.resets, batch.reset_steps)
    return mean_where(fork_losses(network, features, batch, forcing), batch.exists)


def _gradients(network: Network, sample: Sample, forcing: TeacherForcing | None) -> dict[str, Tensor]:
    """Gradient of each parameter that is trained, zeros where the loss does not depend on it."""
    parameters = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    with torch.enable_grad():
        loss = _loss(network, sample, forcing)
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(weight) if gradient is None else gradient.detach()
        for (name, weight), gradient in zip(parameters.items(), gradients, strict=True)
    }


def _single_gradients(network: Network, sample: Sample, forcing: TeacherForcing | None) -> dict[str, Tensor]:
    """Gradients of the same loss as training computes them, a long one of an LSTM included."""
    single_forcing = None if forcing is None else forcing._replace(truth=forcing.truth.float())
    single = Sample(batch_as(sample.batch, torch.float32), tuple(part.float() for part in sample.state))
    copied = examined(network)
    compile_lstms(copied)
    return {name: gradient.double() for name, gradient in _gradients(copied, single, single_forcing).items()}


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
    kept, at_w = parameter.detach().clone(), loss()
    point = _Point(math.inf, corner=False)
    for step in _STEPS:
        ahead, behind = (_moved(parameter, kept, sign * step * direction, loss) for sign in (1, -1))
        central = (ahead - behind) / (2 * step)  # (f(w + h v) - f(w - h v)) / 2h
        noise = _ROUNDING * abs(at_w) / step
        error = abs(slope - central) / max(abs(slope), abs(central), typical, noise / TOLERANCE, 1e-300)
        bend = abs((ahead - at_w) - (at_w - behind)) / step  # difference of the slopes to both sides
        point = _Point(error, corner=error > TOLERANCE and bend > abs(slope - central))
        if error <= TOLERANCE:
            break
    return point


def _moved(parameter: Tensor, kept: Tensor, by: Tensor, loss: Callable[[], float]) -> float:
    parameter.copy_(kept + by)
    value = loss()
    parameter.copy_(kept)
    return value


# The sample: a batch of the job's own, of fewer lanes where that would take long.


class Sample(NamedTuple):
    """A batch, and the state that is carried into it."""

    batch: Batch
    state: State


def _sample_of(network: Network, batches: Iterable[Batch]) -> Sample | None:
    """Take the second batch of an epoch, into which a state is carried, or the first that has forks.

    `batches` are in the precision of `network`. None where no batch has forks.
    """
    chosen = None
    carried: State | None = None
    for i, batch in enumerate(batches):
        state = network.initial_state(len(batch.x)) if carried is None or not batch.carried else carried
        sample = _first_lanes(batch, state)
        chosen = sample if sample.batch.forks else chosen
        if chosen is not None and i:
            break
        with torch.no_grad():
            _, after = network.features_with_resets(batch.x, batch.series, state, batch.resets, batch.reset_steps)
        carried = detach_state(after)
    return chosen


def _first_lanes(batch: Batch, state: State) -> Sample:
    lanes, steps = batch.x.shape[:2]
    some = max(min(lanes, _MOST_LANES, _MOST_NUMBERS // (steps * batch.target.shape[2])), 1)
    return Sample(lanes_of(batch, slice(some)), tuple(part[:some] for part in state))


# The table, and the verdict in words.


def print_gradcheck(tensors: Sequence[TensorCheck], sentence: str, console: Console | None) -> None:
    """Print a row a parameter tensor, and the verdict as the last line."""
    console = console or Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("parameter", no_wrap=True)
    table.add_column("shape", no_wrap=True)
    for heading in ("error", "single", "points", "corners"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for tensor in tensors:
        shape = " x ".join(map(str, tensor.shape))
        errors = (_error(tensor.error), _error(tensor.single), str(tensor.points), str(tensor.corners))
        style = "" if tensor.verdict == "ok" else "bold red"
        table.add_row(Text(shortened(tensor.name, 30)), shape, *errors, tensor.verdict, style=style)
    console.print(table)
    console.print(Text(sentence, style="bold"), soft_wrap=True)


def gradcheck_in_words(checked: Checked, network: str) -> str:
    """Say whether the gradients are right."""
    wrong = [tensor for tensor in checked.tensors if tensor.verdict == "wrong"]
    if wrong:
        return f"the gradients of {network} are WRONG: {_named(wrong, 'error')} from finite differences"
    single = [tensor for tensor in checked.tensors if tensor.verdict == "wrong in single"]
    if single:
        return (
            f"the gradients of {network} as training computes them are WRONG: in single precision {_named(single)} "
            f"from those in double precision, which agree with finite differences"
        )
    undecided = [tensor.name for tensor in checked.tensors if tensor.verdict == "undecided"]
    if undecided:
        names = name_some(undecided[:_SHOWN], len(undecided))
        return f"nothing can be said of the gradient of {names}: every point lies at a corner of the loss"
    return _right(checked, network)


def _right(checked: Checked, network: str) -> str:
    points, corners = (sum(getattr(tensor, what) for tensor in checked.tensors) for what in ("points", "corners"))
    left_out = f", {corners} of them left out as corners of the loss" if corners else ""
    largest = max(tensor.error for tensor in checked.tensors)
    single = max(tensor.single for tensor in checked.tensors)
    return (
        f"the gradients of {network} agree with finite differences on {checked.size}: {counted(points, 'point')} in "
        f"{counted(len(checked.tensors), 'tensor')}{left_out}, relative error at most {number(largest, 1)} (allowed "
        f"{number(TOLERANCE, 1)}); as training computes them, in single precision, within {number(single, 1)} of these"
    )


def _named(tensors: Sequence[TensorCheck], what: str = "single") -> str:
    """Name the tensors whose gradients are furthest off, with the error of the worst."""
    ranked = sorted(tensors, key=lambda tensor: -float(getattr(tensor, what)))
    allowed = TOLERANCE if what == "error" else _SINGLE_TOLERANCE
    differ = "differs" if len(tensors) == 1 else "differ"
    worst = number(float(getattr(ranked[0], what)), 2)
    names = name_some([tensor.name for tensor in ranked[:_SHOWN]], len(ranked))
    return f"{names} {differ} by up to {worst} of their size (allowed {number(allowed, 1)})"


def _error(value: float) -> str:
    """Write an error as a power of ten: what counts is its size."""
    return "–" if value != value else f"{value:.0e}".replace("e-0", "e-").replace("-", "−")  # noqa: PLR0124 - NaN
