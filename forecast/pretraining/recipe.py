"""How the shipped network was trained: batches of generated series, pinball loss, weights averaged on the way.

`train(seed, seconds=...)` needs nothing but the generator. Every step draws a kind (season, horizon) and a length,
makes series up, runs the bank over them, and trains on forecasts from several origins of each. Losses are in units of
how far the candidates were off so far and lie from each other now, so that a series that is hard to forecast weighs no
more than others. (In units of how far the series really moves, which is not known at the origin, forecasts came out
too near the last value, and intervals too narrow.)
"""

from __future__ import annotations

import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from forecast.network.pretrained import FARTHEST, LEVELS, PretrainedNetwork, Scaled, scaled, spread_of
from forecast.pretraining.generator import generate
from forecast.reference.bank import Bank, features
from forecast.reference.candidates import candidates
from forecast.reference.running import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lightning_fabric import Fabric
    from torch import Tensor

    from forecast.series.panel import BoolArray, FloatArray


class Kind(NamedTuple):
    """A kind of series: its share of the batches, season, second season, longest horizon, and longest length."""

    share: float
    season: int
    season2: int
    horizon: int
    longest: int


KINDS = (
    Kind(0.18, 1, 1, 18, 240),  # yearly data, and whatever has no season
    Kind(0.15, 4, 1, 12, 160),
    Kind(0.24, 12, 1, 24, 240),
    Kind(0.06, 7, 1, 28, 300),
    Kind(0.05, 52, 1, 26, 320),
    Kind(0.03, 5, 1, 20, 300),
    Kind(0.05, 24, 1, 48, 400),
    Kind(0.13, 24, 168, 48, 900),
    Kind(0.03, 7, 364, 56, 900),
    Kind(0.02, 48, 336, 96, 900),
    Kind(0.06, 0, 1, 24, 300),  # 0: any season from 2 to 100
)
POINTS = 10_000
"""Series times steps of a batch, about."""
_ORIGINS = 8
_RATE, _DECAY = 2e-3, 1e-4
_AVERAGING = 0.995
"""Share of the mean of the weights that stays at each step."""
_REPORTED = 200
"""Losses that a report is the mean of."""
_LEVELS = torch.tensor(LEVELS)


class TrainingBatch(NamedTuple):
    """Generated series as the network reads them.

    Attributes
    ----------
    features : (series, step, feature)
    origins : (origin,) steps, the same for all series of the batch
    at : candidates of all origins, series after series within an origin
    targets : (origin * series, horizon) in units from the last value
    known : whether each target was observed

    """

    features: Tensor
    origins: list[int]
    at: Scaled
    targets: Tensor
    known: Tensor


def draw_batch(rng: np.random.Generator) -> TrainingBatch:
    """Draw a kind and a length, make series up, and run the bank over them."""
    kind = KINDS[rng.choice(len(KINDS), p=[kind.share for kind in KINDS])]
    season = kind.season or int(np.exp(rng.uniform(np.log(2), np.log(100))))
    horizon = int(rng.integers(max(1, kind.horizon // 3), kind.horizon + 1))
    shortest = 8 if rng.random() < 0.5 else min(2 * max(season, kind.season2) + 4, kind.longest - 1)
    steps = int(np.exp(rng.uniform(np.log(shortest), np.log(kind.longest))))
    series = int(np.clip(POINTS // (steps + horizon), 16, 256))
    return batch_of(rng, generate(rng, series, steps + horizon, season, kind.season2), steps, kind, season)


def batch_of(
    rng: np.random.Generator, drawn: tuple[FloatArray, BoolArray], steps: int, kind: Kind, season: int
) -> TrainingBatch:
    """Run the bank over the first steps of series, values and whether they were observed; the rest is the horizon."""
    values, observed = drawn
    series, horizon = len(values), values.shape[1] - steps
    count = min(_ORIGINS, steps - 2)
    origins = sorted({*rng.choice(np.arange(2, steps), count, replace=False).tolist(), steps - 1})
    bank = Bank(series, season, kind.season2)
    read, snapshots = [], []
    for t in range(steps):
        read.append(bank.update(values[:, t], observed[:, t]))
        if t in origins:
            snapshots.append(bank.snapshot(horizon))
    at = joined(snapshots)
    ahead = np.array(origins)[:, None] + np.arange(1, horizon + 1)  # (origin, horizon)
    future = values[:, ahead].transpose(1, 0, 2).reshape(-1, horizon)
    last, unit = at.sums.last[0], at.sums.unit
    targets = np.clip((future - last[:, None]) / unit[:, None], -1.5 * FARTHEST, 1.5 * FARTHEST)
    known = observed[:, ahead].transpose(1, 0, 2).reshape(-1, horizon)
    return TrainingBatch(
        torch.from_numpy(features(read, season, kind.season2)),
        origins,
        scaled(candidates(at, horizon, season, kind.season2), at, season),
        torch.from_numpy(targets.astype(np.float32)),
        torch.from_numpy(known),
    )


def batch_loss(network: PretrainedNetwork, batch: TrainingBatch) -> Tensor:
    """Mean pinball loss of all quantiles and half of the median's error, in units of how far they may be off."""
    encoded, _ = network.encode(batch.features)
    context = encoded[:, batch.origins].transpose(0, 1).flatten(0, 1)  # (origin * series, width)
    return loss_at(network, context, batch)


def loss_at(network: PretrainedNetwork, context: Tensor, batch: TrainingBatch) -> Tensor:
    """Loss as in `batch_loss` of what is decoded from `context` (origin, width)."""
    return losses_of(network.decode(context, batch.at), batch).sum() / batch.known.sum()


def losses_of(quantiles: Tensor, batch: TrainingBatch) -> Tensor:
    """Loss of each target, (origin, horizon), 0 where it was not observed; quantiles are (origin, horizon, level)."""
    error = batch.targets[..., None] - quantiles
    levels = _LEVELS.to(error)
    pinball = 2 * torch.maximum(levels * error, (levels - 1) * error)  # (origin, horizon, level)
    loss = pinball.mean(dim=-1) + 0.5 * error[..., len(LEVELS) // 2].abs()
    scale = spread_of(batch.at).mean(dim=-1, keepdim=True)
    return loss / scale * batch.known


class _Loss(nn.Module):
    """The loss as a forward pass, behind which gradients of several processes are averaged."""

    def __init__(self, network: PretrainedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: TrainingBatch) -> Tensor:
        return batch_loss(self.network, batch)


class Learner:
    """A network that learns, the average of its weights on the way, and its optimizer.

    `fabric` is Lightning's: it puts the network on a device, and averages gradients over processes that learn together.
    """

    def __init__(self, network: PretrainedNetwork, fabric: Fabric | None = None) -> None:
        self._fabric = fabric or _one_process()
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
        self._loss, self._stepped = self._fabric.setup(_Loss(network), self._optimizer)
        self.network, self.averaged = network, deepcopy(network)

    def learn(self, batch: TrainingBatch, step: int, done: float) -> float:
        """Do a step, numbered from 0, after this share of the training; return its loss.

        The learning rate rises over 50 steps, and falls to almost zero along a cosine over the training.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = _RATE * min(1, (step + 1) / 50) * (0.5 * (1 + np.cos(np.pi * min(done, 1))) + 0.005)
        loss: Tensor = self._loss(self._fabric.to_device(batch))
        self._optimizer.zero_grad()
        self._fabric.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._stepped.step()
        with torch.no_grad():
            for mean, part in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(part, max(1 - _AVERAGING, 1 / (step + 1)))
        return loss.item()

    def state(self) -> dict[str, Any]:
        """Return everything that changes as it learns."""
        moments = {str(number): dict(state) for number, state in self._optimizer.state_dict()["state"].items()}
        weights = {"network": dict(self.network.state_dict()), "averaged": dict(self.averaged.state_dict())}
        return {**weights, "optimizer": moments}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken."""
        for part, name in ((self.network, "network"), (self.averaged, "averaged")):
            part.load_state_dict(_tensors(state[name]))
        moments = {int(number): _tensors(of_one) for number, of_one in state["optimizer"].items()}
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": moments})


def _one_process() -> Fabric:
    from lightning_fabric import Fabric  # noqa: PLC0415  # slow to import, and needed to train alone

    return Fabric(accelerator="cpu", devices=1)


def _tensors(arrays: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def train(
    seed: int,
    *,
    seconds: float,
    steps: int | None = None,
    network: PretrainedNetwork | None = None,
    report: Callable[[int, float], None] | None = None,
    draw: Callable[[np.random.Generator], TrainingBatch] | None = None,
    fabric: Fabric | None = None,
    state: Mapping[str, Any] | None = None,
    keep: Callable[[Callable[[], dict[str, Any]]], None] | None = None,
) -> PretrainedNetwork:
    """Train for some time, or some steps; returns the average of the weights on the way.

    The learning rate falls over the time, not over steps: a slower machine does fewer of them.
    `report` is called with the step and the mean loss of the last 200, every 50 steps and at the end. `draw` draws
    a batch (`draw_batch`). `keep` is called after each step with what gathers the state of the training, and `state`
    is one to go on from: batches follow from seed and step alone, so that with `steps` it comes to the same weights as
    a training that was not stopped. Where Lightning's `fabric` is of several processes, each draws batches of its own,
    steps go along the mean of their gradients, and the time is the first one's.
    """
    draw, fabric = draw or draw_batch, fabric or _one_process()
    torch.manual_seed(seed)
    learner = Learner(network or PretrainedNetwork(), fabric)
    start, step, losses = time.monotonic(), 0, list[float]()
    if state is not None:
        start, step, losses = start - state["seconds"], state["step"], list(state["losses"])
        learner.restore(state)

    def share_done() -> float:
        done: float = fabric.broadcast(step / steps if steps else (time.monotonic() - start) / seconds)
        return done

    def gather() -> dict[str, Any]:
        return {"step": step, "losses": losses, "seconds": time.monotonic() - start, **learner.state()}

    done = share_done()
    while done < 1 or not step:
        batch = draw(np.random.default_rng([seed, step * fabric.world_size + fabric.global_rank]))
        loss = learner.learn(batch, step, done)
        step, losses = step + 1, [*losses, loss][-_REPORTED:]
        done = share_done()
        if report and (step % 50 == 0 or done >= 1):
            report(step, float(np.mean(losses)))
        if keep:
            keep(gather)
    return learner.averaged.cpu()
