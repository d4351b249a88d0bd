"""How gradients travel back in time through a network as it was initialised and as it was trained, as one table.

Measured on spans of T steps of the training split, at whose last step t a gradient sets out: how far it reaches through
the state, how much of it arrives at the recurrent weights by lag, and how much of the network is saturated. What is
saturated passes no gradient on, or (a gate that stands open) all of it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import functional_call

from forecast.network.compiled.modules import SigmoidRnn
from forecast.network.head import Level, mean_where
from forecast.network.state import detach_state
from forecast.network.trace import Trace, trace
from forecast.network.wrappers import Patched
from forecast.series.panel import window_rows
from forecast.training.batches import Targets, fork_losses, window_batch
from forecast.training.job import initial_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.forecasters.fitted_network import FittedNetwork
    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.series.panel import IntArray, Panel
    from forecast.training.batches import Batch
    from forecast.training.job import TrainingJob


COLUMNS = ("network", "measure", "of", "lag", "value")


def record_gradients(fitted: FittedNetwork, past: Panel, train_steps: IntArray) -> pd.DataFrame:
    """Measure a trained network, and what it was before its first step, on spans of its training split.

    `past` is what it was fitted on. Columns: `network` (initialised or trained), `measure`, `of`, `lag`, `value`:

    state_norm       how much is left of a change of the state `lag` steps later (`state_norms`)
    gradient_share   share of a lag in the gradient of the recurrent weights (`lag_shares`); an untrained network has a
                     random head for it, since behind its own, which is zero, there is no gradient
    saturation       share of gates and activations that are saturated, by what they are `of` (`saturation`); no lag

    Everything is computed in double precision, on copies. No row where no step has a target.
    """
    _, job = fitted.chosen().training_job(past, train_steps, fitted.problem)
    spans = excerpt(job)
    if spans is None:
        return pd.DataFrame(columns=list(COLUMNS))
    networks = {"initialised": initial_network(job), "trained": fitted.network}
    networks = {name: with_random_head(network, job.seed) for name, network in networks.items()}
    rows = [(name, *row) for name, network in networks.items() for row in _measured(doubled(network), spans, job.seed)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"lag": "Int64"})


def _measured(network: Network, spans: Excerpt, seed: int) -> list[tuple[str, str, int | None, float]]:
    state = spans.state(network)
    lanes = range(len(spans.batch.x))
    states = [tuple(part[lane : lane + 1] for part in state) for lane in lanes]
    norms = state_norms(network, spans.batch, state, seed)
    shares = lag_shares(network, [lanes_of(spans.batch, slice(lane, lane + 1)) for lane in lanes], states)
    return [
        *(("state_norm", "state", lag, value) for lag, value in enumerate(norms.tolist())),
        *(("gradient_share", "recurrent weights", lag, value) for lag, value in enumerate(shares.tolist())),
        *(("saturation", of, None, value) for of, value in saturation(network, spans.batch, state).items()),
    ]


# The spans.

_MOST_STEPS = 1024
_WARMUP_STEPS = 512
_ENDS = 8
_STEPS_IN_ALL = 2048


class Excerpt(NamedTuple):
    """Some spans of equal length, a lane each, in double precision; only the last step of each forks.

    Attributes
    ----------
    before : steps that warm the state up, none in the windows regime
    batch : the steps that a gradient can travel back over while training: a chunk, or a window

    """

    before: tuple[torch.Tensor, torch.Tensor]
    batch: Batch

    def state(self, network: Network) -> State:
        """State that the spans begin with."""
        state = network.initial_state(len(self.batch.x))
        if not self.before[0].shape[1]:
            return state
        with torch.no_grad():
            _, after = network.features(*self.before, state)
        return detach_state(after)


def excerpt(job: TrainingJob) -> Excerpt | None:
    """Take up to 8 spans, evenly from the training split; None where no step of it has a target."""
    windows = job.training.regime == "windows"
    longest = job.context_steps if windows else job.training.chunk
    steps = min(longest, _MOST_STEPS, max(int(job.train_steps.max()) - 1, 1))
    ends = _ends(job, steps)  # (span,) rows
    if not len(ends):
        return None
    known = ends - job.data.past.offsets[job.data.known.series(ends)] + 1 - steps  # steps before each span
    warmup = max(longest - steps, 0) if windows else _WARMUP_STEPS
    warmup = min(warmup, int(known.min()))
    rows = window_rows(ends, warmup + steps)  # (span, step)
    batch = batch_as(window_batch(job.data, Targets(job.data, job.ends), rows), torch.float64)
    before = batch.x[:, :warmup], batch.series[:, :warmup]
    return Excerpt(before, batch._replace(x=batch.x[:, warmup:], series=batch.series[:, warmup:]))


def _ends(job: TrainingJob, steps: int) -> IntArray:
    """Rows of the training split with so many steps up to them and a target after them, few and evenly."""
    starts = job.data.past.offsets[:-1]
    rows = np.concatenate([np.arange(a + steps - 1, b) for a, b in zip(starts, job.ends, strict=True)])
    count = int(np.clip(_STEPS_IN_ALL // steps, 2, _ENDS))
    rows = rows[min(_WARMUP_STEPS, len(rows) // 4) :]
    tried = _evenly(rows, 4 * count)  # more than are wanted, as some may have no target
    _, exists = job.data.differences(tried, job.ends)
    return _evenly(tried[exists.any(axis=1)], count)


def _evenly(rows: IntArray, count: int) -> IntArray:
    """Take so many rows, or all where there are no more."""
    if len(rows) <= count:
        return rows
    some: IntArray = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
    return some


# Through the state, and into the recurrent weights.


_VECTORS = 8


def state_norms(network: Network, batch: Batch, state: State, seed: int = 0, vectors: int = _VECTORS) -> Tensor:
    """Size of d state_t / d state_{t-k} for k = 0, 1, ..., T - 1, as a share of its size at k = 0: (lag,).

    J_k is the matrix of derivatives of all numbers that a lane carries after the last step (all layers, `h` and `c` of
    an LSTM) with respect to all that it carried k steps before, the inputs in between staying as they are. Given is
    ||J_k|| / sqrt(n), the Frobenius norm and n the numbers that are carried, so that J_0 = 1 has the size 1: the root
    mean square length that a change of length 1 in a random direction has k steps later. It is estimated without J_k
    (Hutchinson 1990): for random unit vectors u the mean of ||u' J_k||^2 is ||J_k||^2 / n, and one pass back gives
    u' J_k for every k. Squares are averaged over lanes and `vectors` vectors each.

    A backbone that reads segments carries its last S states; J_k is of all of them.
    """
    recurrent = _recurrent_parts(network, state)
    states = _unroll(network, batch, state, recurrent, vectors)
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in states[-1]]
    length = torch.stack([_squares(part) for part in drawn]).sum(dim=0).sqrt()
    u = [part / length.view(-1, *[1] * (part.dim() - 1)) for part in drawn]  # unit vectors, a lane each
    flat = [part for parts in states for part in parts]
    gradients = torch.autograd.grad(states[-1], flat, u, allow_unused=True)  # u' J_k of every step
    width = len(recurrent)
    squares = [
        sum((_squares(g).mean() for g in gradients[i : i + width] if g is not None), start=torch.zeros(()).double())
        for i in range(0, len(flat), width)
    ]
    return torch.stack(squares).sqrt().flip(0)


def _recurrent_parts(network: Network, state: State) -> list[int]:
    """Which parts of the state hold what was made of the past, not the past's inputs themselves."""
    first = 1 if isinstance(network.backbone, Patched) else 0
    return [i for i in range(first, len(state)) if state[i].is_floating_point()]


def _unroll(network: Network, batch: Batch, state: State, recurrent: Sequence[int], vectors: int) -> list[list[Tensor]]:
    """Recurrent parts of the state after each step, every lane once for each vector; each part a node of the graph."""
    with torch.no_grad():
        read = network.read(batch.x, batch.series).repeat_interleave(vectors, dim=0)  # (lane * vector, step, input)
    carried = tuple(part.detach().repeat_interleave(vectors, dim=0) for part in state)
    for i in recurrent:
        carried[i].requires_grad_()
    states = []
    for step in range(read.shape[1]):
        _, carried = network.backbone(read[:, step : step + 1], carried)
        states.append([carried[i] for i in recurrent])
    return states


def lag_shares(network: Network, batches: Sequence[Batch], states: Sequence[State]) -> Tensor:
    """Share of each lag k = 0, 1, ..., T - 1 in the gradient of the recurrent weights of the loss at step t: (lag,).

    The weights stand in the network once for each step; the gradient that training uses is the sum of those of the T
    places. Given are the norms of the places' gradients, the mean over spans (each a batch of one lane), divided
    by their sum. Zeros where there is no gradient.
    """
    norms = []
    for batch, state in zip(batches, states, strict=True):
        squares = [_squares(part) for part in step_gradients(network, batch, state).values()]
        norms.append(torch.stack(squares).sum(dim=0).sqrt())
    mean = torch.stack(norms).mean(dim=0).flip(0)
    whole = mean.sum()
    return mean / whole if whole > 0 else mean


def step_gradients(network: Network, batch: Batch, state: State) -> dict[str, Tensor]:
    """Gradient of the loss with respect to the recurrent weights as they stand at each step, (step, ...) by name."""
    backbone = cast("nn.Module", network.backbone)
    names = recurrent_weights(backbone)
    weights = dict(backbone.named_parameters())
    steps = batch.x.shape[1]
    places = [{name: weights[name].detach().clone().requires_grad_() for name in names} for _ in range(steps)]
    read = network.read(batch.x, batch.series)
    features, carried = [], state
    for step, place in enumerate(places):
        feature, carried = functional_call(backbone, place, (read[:, step : step + 1], carried))
        features.append(feature)
    loss = mean_where(fork_losses(network, torch.cat(features, dim=1), batch, None), batch.exists)
    flat = [place[name] for place in places for name in names]
    gradients = torch.autograd.grad(loss, flat, allow_unused=True)
    known = [torch.zeros_like(weight) if g is None else g for weight, g in zip(flat, gradients, strict=True)]
    return {name: torch.stack(known[i :: len(names)]) for i, name in enumerate(names)}


def recurrent_weights(backbone: nn.Module) -> tuple[str, ...]:
    """Names of the weights that multiply the state of the step before; of a backbone without any, of all weights."""
    names = [
        f"{name}.weight_hh_l{layer}" if name else f"weight_hh_l{layer}"
        for name, module in backbone.named_modules()
        if isinstance(module, nn.RNNBase)
        for layer in range(module.num_layers)
    ]
    return tuple(names or [name for name, weight in backbone.named_parameters() if weight.requires_grad])


def _squares(part: Tensor) -> Tensor:
    """Sum of squares along all but the first axis."""
    return part.square().flatten(1).sum(dim=1)


# Saturation.


_SHUT, _OPEN = 0.05, 0.95
"""A gate below or above stands shut or open."""

_AT_END = 0.97
"""An activation between -1 and 1 that is larger than this stands at its end."""


@torch.no_grad()
def saturation(network: Network, batch: Batch, state: State) -> dict[str, float]:
    """Shares of all lanes, steps and units, by what they are of.

    Of each gate `<gate> shut` (below 0.05) and `<gate> open` (above 0.95); of what lies between -1 and 1 (candidates,
    the state of an RNN with tanh and of a GRU, tanh of an LSTM's cell) how much is beyond 0.97, `<what> at its end`; of
    an RNN with ReLU the `units off` (zero).
    """
    traced = trace(network, batch.x, batch.series, state)
    shares = {}
    for name, gate in traced.gates.items():
        if name == "candidate":
            shares["candidate at its end"] = _share(gate.abs() > _AT_END)
        else:
            shares[f"{name} gate shut"] = _share(gate < _SHUT)
            shares[f"{name} gate open"] = _share(gate > _OPEN)
    return shares | _of_state(network, traced)


def _of_state(network: Network, traced: Trace) -> dict[str, float]:
    segmented = isinstance(network.backbone, Patched)
    bare = network.backbone.inner if isinstance(network.backbone, Patched) else network.backbone
    core = getattr(bare, "core", None)
    parts = traced.states[1:] if segmented else traced.states
    if isinstance(core, nn.LSTM):
        return {"cell at its end": _share(torch.tanh(parts[1]).abs() > _AT_END)}
    if isinstance(core, SigmoidRnn):  # between 0 and 1
        return {"state at its end": _share((2 * parts[0] - 1).abs() > _AT_END)}
    if isinstance(core, nn.RNN) and core.nonlinearity == "relu":
        return {"units off": _share(parts[0] == 0)}
    return {"state at its end": _share(parts[0].abs() > _AT_END)} if isinstance(core, (nn.RNN, nn.GRU)) else {}


def _share(which: torch.Tensor) -> float:
    return float(which.double().mean())


# Copies that are measured.

M = TypeVar("M", bound=nn.Module)


def examined(network: M) -> M:
    """Copy a network to the CPU, without dropout."""
    return copy.deepcopy(network).cpu().eval()


def doubled(network: M) -> M:
    """Copy a network to the CPU in double precision, without dropout; compiled kernels take no part then."""
    return examined(network).double()


def with_random_head(network: Network, seed: int) -> Network:
    """Copy a network and draw those layers of its decoder that are zero, as in an untrained one; all of it is used.

    Behind zeros no weight has a gradient. They are drawn as torch draws linear layers; the caller's random numbers stay
    as they were.
    """
    network = copy.deepcopy(network)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network.correction.fill_(1.0)
        for layer in network.decoder.modules():  # type: ignore[attr-defined]  # every decoder is a module
            if isinstance(layer, nn.Linear) and not layer.weight.any():
                layer.reset_parameters()
    return network


def lanes_of(batch: Batch, lanes: slice) -> Batch:
    """Keep some lanes of a batch."""
    resets, exists, level = batch.resets[lanes], batch.exists[lanes], batch.level
    return batch._replace(
        x=batch.x[lanes],
        series=batch.series[lanes],
        resets=resets,
        reset_steps=tuple(torch.unique(resets[resets >= 0]).tolist()),
        target=batch.target[lanes],
        exists=exists,
        ahead=None if batch.ahead is None else batch.ahead[lanes],
        level=None if level is None else Level(*(part[lanes] for part in level)),
        forks=int(exists.sum()),
        rows=batch.rows[lanes],
    )


def batch_as(batch: Batch, precision: torch.dtype) -> Batch:
    """Convert the floating-point numbers of a batch."""
    level = batch.level
    return batch._replace(
        x=batch.x.to(precision),
        target=batch.target.to(precision),
        exists=batch.exists.to(precision),
        ahead=None if batch.ahead is None else batch.ahead.to(precision),
        level=None if level is None else Level(*(part.to(precision) for part in level)),
    )
