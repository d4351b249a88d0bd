"""The pretrained network trained on, for a few epochs at a small rate, on the series that it is to forecast.

The bank runs once over the series, since its constants stay; only the network learns. What is trained and validated is
the whole forecast, the share of plain weighing included. Forecasts from origins in the validation split decide how many
epochs are kept, and whether any is.
"""

from __future__ import annotations

import time
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from forecast.network.pretrained import scaled
from forecast.pretraining.recipe import TrainingBatch, losses_of
from forecast.questions.split import Origins
from forecast.reference.bank import Bank, features
from forecast.reference.candidates import candidates
from forecast.reference.running import joined
from forecast.reference.smoothers import second_season

if TYPE_CHECKING:
    from torch import Tensor

    from forecast.network.pretrained import PretrainedNetwork
    from forecast.questions.kinds import Problem
    from forecast.reference.running import Snapshot
    from forecast.series.panel import BoolArray, FloatArray, IntArray

EPOCHS = 15
_PATIENCE = 4
"""Epochs without a smaller validation loss after which it ends."""
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


class _Known(NamedTuple):
    """Origins of a split, and what is known at them; `batch` has no features of its own."""

    origins: Origins
    batch: TrainingBatch

    def take(self, rows: IntArray) -> _Known:
        """Return what is known at some of the origins."""
        batch, at, which = self.batch, self.batch.at, torch.from_numpy(rows)
        at = at._replace(differences=at.differences[which], errors=at.errors[which])
        return _Known(self.origins[rows], batch._replace(at=at, targets=batch.targets[which], known=batch.known[which]))


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
    splits = _training_origins(trained, problem), _validation_origins(trained, ends, problem.horizon)
    read, training, validation = _read(values, observed, splits, problem)
    if not len(splits[0]) or not (len(splits[1]) or epochs):
        return FineTuned(network, 0, float("nan"), float("nan"))
    tuned = deepcopy(network).requires_grad_(requires_grad=True)
    optimizer = torch.optim.Adam(tuned.parameters(), lr=_RATE)
    rng, began = np.random.default_rng(seed), time.monotonic()
    as_it_was = best_losses = _validation_losses(network, read, validation) if epochs is None else np.zeros(1)
    best, kept = network, 0
    for epoch in range(1, (epochs or EPOCHS) + 1):
        _train_epoch(tuned, optimizer, read, training, rng)
        losses = _validation_losses(tuned, read, validation) if epochs is None else np.zeros(1)
        if epochs or losses.mean() < best_losses.mean():
            best, kept, best_losses = deepcopy(tuned), epoch, losses
        late = time_limit_s is not None and time.monotonic() - began > time_limit_s
        if late or epoch - kept >= _PATIENCE:
            break
    before, after = float(as_it_was.mean()), float(best_losses.mean())
    horizons = float(np.maximum(-(-(ends - trained) // problem.horizon), 0).sum())
    if not epochs and not _is_gain(as_it_was, best_losses, horizons):
        return FineTuned(network, 0, before, after)
    return FineTuned(best.eval().requires_grad_(requires_grad=False), kept, before, after)


def _is_gain(before: FloatArray, after: FloatArray, horizons: float) -> bool:
    """Whether losses at origins, (origin,) each, of so many whole horizons have become smaller, beyond doubt."""
    gains = before - after
    sure = len(gains) > 1 and gains.mean() > _SURENESS * gains.std(ddof=1) / np.sqrt(horizons)
    return bool(sure and after.mean() < _WORTH * before.mean())


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


def _training_origins(trained: IntArray, problem: Problem) -> Origins:
    """Spread origins evenly over the training splits, with a whole horizon after each; sorted by step."""
    horizon = problem.horizon
    first = np.maximum(np.minimum(2 * problem.season_steps, trained // 3), 3)
    most = max(min(_ORIGINS, _MOST_CELLS // (horizon * len(trained))), 2)
    spread = [np.linspace(a, b, most).astype(int) for a, b in zip(first, trained - 1 - horizon, strict=True)]
    return _origins_of([steps[steps >= a] for steps, a in zip(spread, first, strict=True)])


def _validation_origins(trained: IntArray, ends: IntArray, horizon: int) -> Origins:
    """Spread origins evenly over the validation splits, the last known step of training among them."""
    most = max(_VALIDATED // len(trained), 2)
    spread = [np.linspace(a - 1, b - 1 - horizon, most).astype(int) for a, b in zip(trained, ends, strict=True)]
    fits = (ends - trained >= horizon) & (trained > 0)
    return _origins_of([steps if fit else steps[:0] for steps, fit in zip(spread, fits, strict=True)])


def _origins_of(steps: list[IntArray]) -> Origins:
    """Put the origins of all series together, sorted by step."""
    steps = [np.unique(of_series) for of_series in steps]
    series, together = np.repeat(np.arange(len(steps)), [len(one) for one in steps]), np.concatenate(steps)
    order = np.argsort(together, kind="stable")
    return Origins(series[order], together[order])


def _read(
    values: FloatArray, observed: BoolArray, splits: tuple[Origins, Origins], problem: Problem
) -> tuple[Tensor, _Known, _Known]:
    """Run the bank over all series: features (series, step, feature), and what is known at each split's origins."""
    season, season2 = problem.season_steps, second_season(problem.season_steps)
    bank, steps_read = Bank(len(values), season, season2), []
    bounds = [np.searchsorted(origins.steps, np.arange(values.shape[1] + 1)) for origins in splits]
    snapshots: tuple[list[Snapshot], list[Snapshot]] = ([], [])
    for t in range(values.shape[1]):
        steps_read.append(bank.update(values[:, t], observed[:, t]))
        for origins, bound, taken in zip(splits, bounds, snapshots, strict=True):
            which = origins.series[bound[t] : bound[t + 1]]
            if len(which) or t == 0:
                taken.append(bank.snapshot(problem.horizon, which))
    training, validation = (
        _known(values, observed, origins, joined(taken), problem)
        for origins, taken in zip(splits, snapshots, strict=True)
    )
    return torch.from_numpy(features(steps_read, season, season2)), training, validation


def _known(values: FloatArray, observed: BoolArray, origins: Origins, at: Snapshot, problem: Problem) -> _Known:
    """Return what the decoder reads at origins, and the targets after them."""
    season, horizon = problem.season_steps, problem.horizon
    ahead = origins.steps[:, None] + np.arange(1, horizon + 1)  # (origin, horizon)
    last, unit = at.sums.last[0], at.sums.unit
    targets = (values[origins.series[:, None], ahead] - last[:, None]) / unit[:, None]
    batch = TrainingBatch(
        torch.empty(0),
        [],
        scaled(candidates(at, horizon, season, second_season(season)), at, season),
        torch.from_numpy(np.clip(targets, -300, 300).astype(np.float32)),
        torch.from_numpy(observed[origins.series[:, None], ahead]),
    )
    return _Known(origins, batch)


def _train_epoch(
    network: PretrainedNetwork,
    optimizer: torch.optim.Optimizer,
    read: Tensor,
    training: _Known,
    rng: np.random.Generator,
) -> None:
    """Take some steps, each on origins of a few series, since a step has to unroll these as a whole."""
    rank = rng.permutation(len(read))[training.origins.series] + rng.random(len(training.origins))
    for rows in np.array_split(np.argsort(rank), _STEPS_AN_EPOCH):
        if not len(rows):
            continue
        optimizer.zero_grad()
        known = training.take(rows)
        losses = _losses(network, read, known)
        (losses.sum() / known.batch.known.sum().clamp(min=1)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


def _losses(network: PretrainedNetwork, read: Tensor, at: _Known) -> Tensor:
    """Losses of the whole forecast, (origin, horizon); unrolls the series of the origins, and no others."""
    series, place = np.unique(at.origins.series, return_inverse=True)
    encoded, _ = network.encode(read[torch.from_numpy(series)])
    context = encoded[torch.from_numpy(place), torch.from_numpy(at.origins.steps)]
    return losses_of(network.forecast(context, at.batch.at), at.batch)


@torch.no_grad()
def _validation_losses(network: PretrainedNetwork, read: Tensor, validation: _Known) -> FloatArray:
    """Return the mean loss at each origin with targets, (origin,)."""
    count = validation.batch.known.sum(dim=1)
    losses: FloatArray = (_losses(network, read, validation).sum(dim=1) / count)[count > 0].double().numpy()
    return losses
