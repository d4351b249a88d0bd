"""How far back in time gradients reach: through the state, and into the recurrent weights.

Both are of a span of T steps (`excerpt`), at whose last step t a gradient sets out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from forecast.network.head import mean_where
from forecast.network.wrappers import Patched
from forecast.training.batches import fork_losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.network import Network
    from forecast.network.state import State
    from forecast.training.batches import Batch

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
    following = _memory(network, state)
    reached = _walk(network, batch, state, following, vectors)
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in reached[-1]]
    length = torch.stack([_squares(part) for part in drawn]).sum(dim=0).sqrt()
    units = [part / length.view(-1, *[1] * (part.dim() - 1)) for part in drawn]
    flat = [part for parts in reached for part in parts]
    gradients = torch.autograd.grad(reached[-1], flat, units, allow_unused=True)
    width = len(following)
    squares = [
        sum((_squares(g).mean() for g in gradients[i : i + width] if g is not None), start=torch.zeros(()).double())
        for i in range(0, len(flat), width)
    ]
    return torch.stack(squares).sqrt().flip(0)


def _memory(network: Network, state: State) -> list[int]:
    """Which parts of the state hold what was made of the past, not the past's inputs themselves."""
    first = 1 if isinstance(network.backbone, Patched) else 0
    return [i for i in range(first, len(state)) if state[i].is_floating_point()]


def _walk(network: Network, batch: Batch, state: State, following: Sequence[int], vectors: int) -> list[list[Tensor]]:
    """Parts of the state after each step, every lane once for each vector; each part a node of the graph."""
    with torch.no_grad():
        read = network.read(batch.x, batch.series).repeat_interleave(vectors, dim=0)
    carried = tuple(part.detach().repeat_interleave(vectors, dim=0) for part in state)
    for i in following:
        carried[i].requires_grad_()
    reached = []
    for step in range(read.shape[1]):
        _, carried = network.backbone(read[:, step : step + 1], carried)
        reached.append([carried[i] for i in following])
    return reached


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
    for step, own in enumerate(places):
        feature, carried = functional_call(backbone, own, (read[:, step : step + 1], carried))
        features.append(feature)
    loss = mean_where(fork_losses(network, torch.cat(features, dim=1), batch, None), batch.exists)
    flat = [own[name] for own in places for name in names]
    gradients = torch.autograd.grad(loss, flat, allow_unused=True)
    known = [torch.zeros_like(one) if g is None else g for one, g in zip(flat, gradients, strict=True)]
    return {name: torch.stack(known[i :: len(names)]) for i, name in enumerate(names)}


def recurrent_weights(backbone: nn.Module) -> tuple[str, ...]:
    """Names of the weights that multiply the state of the step before; of a backbone without any, of all weights."""
    found = [
        f"{name}.weight_hh_l{layer}" if name else f"weight_hh_l{layer}"
        for name, module in backbone.named_modules()
        if isinstance(module, nn.RNNBase)
        for layer in range(module.num_layers)
    ]
    return tuple(found or [name for name, one in backbone.named_parameters() if one.requires_grad])


def _squares(part: Tensor) -> Tensor:
    """Sum of squares along all but the first axis."""
    return part.square().flatten(1).sum(dim=1)
