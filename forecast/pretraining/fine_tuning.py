"""The pretrained network trained on, for a few epochs at a small rate, on the series that it is to forecast.

The bank runs once over the series, since its constants stay; only the network learns. Forecasts from origins in the
validation split decide how many epochs are kept, and whether any is.
"""

from __future__ import annotations

import time
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from forecast.network.pretrained import scaled
from forecast.pretraining.recipe import TrainingBatch, loss_at
from forecast.reference.bank import Bank, candidates, features, joined, second_season

if TYPE_CHECKING:
    from torch import Tensor

    from forecast.network.pretrained import PretrainedNetwork
    from forecast.questions.kinds import Problem
    from forecast.reference.bank import Snapshot
    from forecast.series.panel import BoolArray, FloatArray, IntArray

EPOCHS = 15
_RATE = 5e-4
_WORTH, _SURENESS = 0.99, 2.0
"""Share of the validation loss as it was that another has to be below, and by how many standard errors."""
_MOST_POINTS = 60_000
"""Steps of all series that are read, at most: of more, some series are left out."""
_LATEST = 3_000
"""Steps of a series that are read, at most, the latest of them."""
_MOST_CELLS = 150_000
"""Origins times steps of the horizon that an epoch learns from, at most."""
_ORIGINS = 24
"""Of a series that are learnt from, at most."""
_VALIDATED = 300
"""Origins of all validation splits, about."""
_STEPS_AN_EPOCH = 6


class FineTuned(NamedTuple):
    """What came of it: the network, how many epochs it learnt for, and its validation loss before and after.

    Losses are NaN where nothing validates; without an epoch the network is the one that there was.
    """

    network: PretrainedNetwork
    epochs: int
    before: float
    after: float


class _Origins(NamedTuple):
    """Origins of a split, and what is known at them; `batch` has no features of its own."""

    series: IntArray
    steps: IntArray
    batch: TrainingBatch

    def some(self, rows: IntArray) -> _Origins:
        """Take some of the origins."""
        part, at = self.batch, self.batch.at
        which = torch.from_numpy(rows)
        taken = part._replace(
            at=at._replace(differences=at.differences[which], errors=at.errors[which]),
            targets=part.targets[which],
            known=part.known[which],
        )
        return _Origins(self.series[rows], self.steps[rows], taken)


def fine_tune(
    network: PretrainedNetwork,
    values: FloatArray,
    observed: BoolArray,
    lengths: tuple[IntArray, IntArray],
    problem: Problem,
    *,
    seed: int = 0,
    epochs: int | None = None,
    time_limit_s: float | None = None,
) -> FineTuned:
    """Train a copy of a network on series, `values` and `observed` (series, step), that end at different steps.

    `lengths` are the steps of each series to train on, and all of them, (series,) each; those between validate. Where
    `epochs` is given so many are trained, and nothing validates.
    """
    values, observed, (trained, ends) = _within_reach(values, observed, lengths)
    horizon, season = problem.horizon, problem.season_steps
    first = np.maximum(np.minimum(2 * season, trained // 3), 3)
    most = max(min(_ORIGINS, _MOST_CELLS // (horizon * len(values))), 2)
    learnt = [np.unique(np.linspace(a, b, most).astype(int)) for a, b in zip(first, trained - 1 - horizon, strict=True)]
    learnt = [s[(s >= a) & (s < b - horizon)] for s, a, b in zip(learnt, first, trained, strict=True)]
    judged = [
        np.unique(np.linspace(a - 1, b - 1 - horizon, _VALIDATED).astype(int))
        if b - a >= horizon and a > 0
        else np.zeros(0, int)
        for a, b in zip(trained, ends, strict=True)
    ]
    read, (training, validation) = _read(values, observed, (learnt, judged), problem)
    if training is None or (validation is None and epochs is None):
        return FineTuned(network, 0, float("nan"), float("nan"))
    as_it_was = _losses(network, read, validation)
    before = float(as_it_was.mean()) if len(as_it_was) else float("nan")
    best, best_losses = FineTuned(network, 0, before, before), as_it_was
    horizons = float(np.maximum(-(-(ends - trained) // horizon), 0).sum())
    tuned = deepcopy(network).requires_grad_(requires_grad=True)
    optimizer = torch.optim.Adam(tuned.parameters(), lr=_RATE)
    rng, began = np.random.default_rng(seed), time.monotonic()
    for epoch in range(1, (EPOCHS if epochs is None else epochs) + 1):
        for rows in np.array_split(rng.permutation(len(training.series)), _STEPS_AN_EPOCH):
            if not len(rows):
                continue
            optimizer.zero_grad()
            _loss_of(tuned, read, training.some(rows)).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(tuned.parameters(), 1.0)
            optimizer.step()
        if epochs is None and (losses := _losses(tuned, read, validation)).mean() < best.after:
            best, best_losses = FineTuned(deepcopy(tuned), epoch, before, float(losses.mean())), losses
        if time_limit_s is not None and time.monotonic() - began > time_limit_s:
            break
    best = FineTuned(tuned, epochs, before, before) if epochs else best
    gains = as_it_was - best_losses
    sure = len(gains) > 1 and gains.mean() > _SURENESS * gains.std(ddof=1) / np.sqrt(horizons)
    if not epochs and not (sure and best.after < _WORTH * before):
        return FineTuned(network, 0, before, best.after)
    return best._replace(network=best.network.eval().requires_grad_(requires_grad=False))


def _within_reach(
    values: FloatArray, observed: BoolArray, lengths: tuple[IntArray, IntArray]
) -> tuple[FloatArray, BoolArray, tuple[IntArray, IntArray]]:
    """Take the latest steps of each series, and some of the series, evenly, where there are many."""
    trained, ends = lengths
    dropped = np.maximum(ends - _LATEST, 0)
    steps = min(values.shape[1], _LATEST)
    series = max(_MOST_POINTS // steps, 1)
    which = np.arange(0, len(values), -(-len(values) // series))
    rows = np.minimum(dropped[which, None] + np.arange(steps), values.shape[1] - 1)
    at = which[:, None], rows
    return values[at], observed[at], (np.maximum(trained - dropped, 0)[which], (ends - dropped)[which])


def _read(
    values: FloatArray,
    observed: BoolArray,
    origins: tuple[list[IntArray], list[IntArray]],
    problem: Problem,
) -> tuple[Tensor, list[_Origins | None]]:
    """Run the bank over all series: features (series, step, feature), and what is known at each split's origins."""
    season, horizon = problem.season_steps, problem.horizon
    season2 = second_season(season)
    bank = Bank(len(values), season, season2)
    steps_read = []
    snapshots: tuple[list[Snapshot], list[Snapshot]] = ([], [])
    rows: tuple[list[tuple[IntArray, int]], list[tuple[IntArray, int]]] = ([], [])
    for t in range(values.shape[1]):
        steps_read.append(bank.update(values[:, t], observed[:, t]))
        for split in (0, 1):
            which = np.array([i for i, steps in enumerate(origins[split]) if t in steps], dtype=np.int64)
            if len(which):
                snapshots[split].append(bank.snapshot(horizon, which))
                rows[split].append((which, t))
    found: list[_Origins | None] = []
    for split in (0, 1):
        if not snapshots[split]:
            found.append(None)
            continue
        at = joined(snapshots[split])
        series = np.concatenate([which for which, _ in rows[split]])
        steps = np.concatenate([np.full(len(which), t) for which, t in rows[split]])
        ahead = steps[:, None] + np.arange(1, horizon + 1)
        last, unit = at.sums.last[0], at.sums.unit
        targets = np.clip((values[series[:, None], ahead] - last[:, None]) / unit[:, None], -300, 300)
        batch = TrainingBatch(
            torch.empty(0),
            [],
            scaled(candidates(at, horizon, season, season2), at, season),
            torch.from_numpy(targets.astype(np.float32)),
            torch.from_numpy(observed[series[:, None], ahead]),
        )
        found.append(_Origins(series, steps, batch))
    return torch.from_numpy(features(steps_read, season, season2)), found


def _loss_of(network: PretrainedNetwork, read: Tensor, origins: _Origins) -> Tensor:
    encoded, _ = network.encode(read)
    return loss_at(network, encoded[torch.from_numpy(origins.series), torch.from_numpy(origins.steps)], origins.batch)


@torch.no_grad()
def _losses(network: PretrainedNetwork, read: Tensor, origins: _Origins | None) -> FloatArray:
    """Loss at each origin, (origin,); none without origins."""
    if origins is None:
        return np.empty(0)
    encoded, _ = network.encode(read)
    context = encoded[torch.from_numpy(origins.series), torch.from_numpy(origins.steps)]
    places = [np.array([k]) for k in range(len(origins.series)) if origins.batch.known[k].any()]
    return np.array([float(loss_at(network, context[k], origins.some(k).batch)) for k in places])
