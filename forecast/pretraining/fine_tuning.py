"""The pretrained network trained on, for a few epochs, on the series that it is to forecast.

What it reads of a series stays as it is, the bank and the recurrent layer, which run over each series once; only the
decoder learns, what to make of it (a network trained on as a whole errs as much and takes twice as long). What is
trained and validated is the whole forecast, the share of plain weighing included. Forecasts from origins in the
validation split decide how many epochs are kept, and whether any is.
"""

from __future__ import annotations

import math
import time
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from forecast.network.pretrained import FARTHEST, LEVELS, MEDIAN, WIDER, scaled
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

EPOCHS = 60
_PATIENCE = 4
"""Epochs without a smaller validation loss after which it ends."""
_RATE = 2e-3
_AVERAGING = 0.98
"""Share of the mean of the weights that stays at each step; this mean forecasts, and not the weights of the moment."""
_WORTH, _SURENESS = 0.99, 2.0
"""Share of the validation loss as it was that another has to be below, and by how many standard errors."""
_MOST_POINTS = 400_000
"""Steps of all series that are read, at most: of more, some series are left out."""
_LATEST = 3_000
"""Steps of a series that are read, at most, the latest of them."""
_MOST_CELLS = 1_000_000
"""Origins times steps of the horizon that an epoch learns from, at most."""
_ORIGINS = 48
"""Of a series that are learnt from, at most."""
_VALIDATED = 300
"""Origins of all validation splits, about."""
_STEPS_AN_EPOCH, _ORIGINS_A_STEP = 6, 300
"""At least so many steps an epoch, and more where a step would learn from more origins than so many."""
_STEPS_AT_ONCE = 64


class FineTuned(NamedTuple):
    """What came of it: the network, how many epochs it learnt for, and its validation loss before and after.

    Losses are NaN where nothing validates; without an epoch the network is the one that there was.
    """

    network: PretrainedNetwork
    epochs: int
    before: float
    after: float


class _Known(NamedTuple):
    """What is known at the origins of a split.

    Attributes
    ----------
    read : (origin, feature) what the recurrent layer and the bank say of the series there
    batch : candidates and targets; its features are empty

    """

    read: Tensor
    batch: TrainingBatch

    def take(self, rows: IntArray) -> _Known:
        """Return what is known at some of the origins."""
        batch, at, which = self.batch, self.batch.at, torch.from_numpy(rows)
        at = at._replace(differences=at.differences[which], errors=at.errors[which])
        batch = batch._replace(at=at, targets=batch.targets[which], known=batch.known[which])
        return _Known(self.read[which], batch)


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
    if not len(splits[0]) or not (len(splits[1]) or epochs):
        return FineTuned(network, 0, float("nan"), float("nan"))
    training, validation = _read(network, values, observed, splits, problem)
    learner, rng, began = _Learner(network), np.random.default_rng(seed), time.monotonic()
    if epochs:
        for _ in range(epochs):
            learner.epoch(training, rng)
        return FineTuned(_finished(learner.averaged), epochs, float("nan"), float("nan"))
    as_it_was = best_losses = _validation_losses(network, validation)
    best, kept = network, 0
    for epoch in range(1, EPOCHS + 1):
        learner.epoch(training, rng)
        losses = _validation_losses(learner.averaged, validation)
        if losses.mean() < best_losses.mean():
            best, kept, best_losses = deepcopy(learner.averaged), epoch, losses
        late = time_limit_s is not None and time.monotonic() - began > time_limit_s
        if late or epoch - kept >= _PATIENCE:
            break
    before, after = float(as_it_was.mean()), float(best_losses.mean())
    horizons = float(np.maximum(-(-(ends - trained) // problem.horizon), 0).sum())
    if not _is_gain(as_it_was, best_losses, horizons):
        return FineTuned(network, 0, before, after)
    return FineTuned(_finished(best), kept, before, after)


def _finished(network: PretrainedNetwork) -> PretrainedNetwork:
    """Widen the intervals of a network that has learnt from series, and let it learn no more.

    It learns to take back that a forecast is `WIDER`, and rows to come differ from those that it has learnt from as
    real series do from made-up ones: so they are widened by as much once more. A width is the exponential of what
    `spread` gives.
    """
    with torch.no_grad():
        network.spread.bias[torch.arange(len(LEVELS)) != MEDIAN] += math.log(WIDER)
    return network.eval().requires_grad_(requires_grad=False)


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
    network: PretrainedNetwork,
    values: FloatArray,
    observed: BoolArray,
    splits: tuple[Origins, Origins],
    problem: Problem,
) -> tuple[_Known, _Known]:
    """Run bank and recurrent layer over all series: what is known at each split's origins."""
    season, season2 = problem.season_steps, second_season(problem.season_steps)
    bank, state = Bank(len(values), season, season2), None
    bounds = [np.searchsorted(origins.steps, np.arange(values.shape[1] + 1)) for origins in splits]
    snapshots: tuple[list[Snapshot], list[Snapshot]] = ([], [])
    reads: tuple[list[Tensor], list[Tensor]] = ([], [])
    for begin in range(0, values.shape[1], _STEPS_AT_ONCE):
        end, steps_read = min(begin + _STEPS_AT_ONCE, values.shape[1]), []
        for t in range(begin, end):
            steps_read.append(bank.update(values[:, t], observed[:, t]))
            for origins, bound, taken in zip(splits, bounds, snapshots, strict=True):
                which = origins.series[bound[t] : bound[t + 1]]
                if len(which) or t == 0:
                    taken.append(bank.snapshot(problem.horizon, which))
        with torch.no_grad():
            read, state = network.unroll(torch.from_numpy(features(steps_read, season, season2)), state)
        for origins, bound, of_split in zip(splits, bounds, reads, strict=True):
            now = slice(bound[begin], bound[end])
            of_split.append(read[origins.series[now], origins.steps[now] - begin])
    training, validation = (
        _Known(torch.cat(of_split), _targets(values, observed, origins, joined(taken), problem))
        for origins, of_split, taken in zip(splits, reads, snapshots, strict=True)
    )
    return training, validation


def _targets(
    values: FloatArray, observed: BoolArray, origins: Origins, at: Snapshot, problem: Problem
) -> TrainingBatch:
    """Return the candidates at origins, and the targets after them."""
    season, horizon = problem.season_steps, problem.horizon
    ahead = origins.steps[:, None] + np.arange(1, horizon + 1)  # (origin, horizon)
    last, unit = at.sums.last[0], at.sums.unit
    targets = (values[origins.series[:, None], ahead] - last[:, None]) / unit[:, None]
    return TrainingBatch(
        torch.empty(0),
        [],
        scaled(candidates(at, horizon, season, second_season(season)), at, season),
        torch.from_numpy(np.clip(targets, -1.5 * FARTHEST, 1.5 * FARTHEST).astype(np.float32)),
        torch.from_numpy(observed[origins.series[:, None], ahead]),
    )


class _Learner:
    """A copy of a network whose decoder learns, and the mean of its weights on the way."""

    def __init__(self, network: PretrainedNetwork) -> None:
        self._network, self.averaged, self._steps = deepcopy(network), deepcopy(network), 0
        self._learning = [part.requires_grad_() for part in self._network.decoder_parameters()]
        self._optimizer = torch.optim.Adam(self._learning, lr=_RATE)

    def epoch(self, training: _Known, rng: np.random.Generator) -> None:
        """Learn from each origin once."""
        count = len(training.read)
        for rows in np.array_split(rng.permutation(count), max(_STEPS_AN_EPOCH, count // _ORIGINS_A_STEP)):
            if len(rows):
                self._step(training.take(rows))

    def _step(self, known: _Known) -> None:
        self._optimizer.zero_grad()
        loss = _losses(self._network, known).sum() / known.batch.known.sum().clamp(min=1)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._learning, 1.0)
        self._optimizer.step()
        self._steps += 1
        with torch.no_grad():
            for mean, part in zip(self.averaged.decoder_parameters(), self._learning, strict=True):
                mean.lerp_(part, max(1 - _AVERAGING, 1 / (self._steps + 1)))


def _losses(network: PretrainedNetwork, known: _Known) -> Tensor:
    """Losses of the whole forecast, (origin, horizon)."""
    return losses_of(network.forecast(network.state(known.read), known.batch.at), known.batch)


@torch.no_grad()
def _validation_losses(network: PretrainedNetwork, validation: _Known) -> FloatArray:
    """Return the mean loss at each origin with targets, (origin,)."""
    count = validation.batch.known.sum(dim=1)
    losses: FloatArray = (_losses(network, validation).sum(dim=1) / count)[count > 0].double().numpy()
    return losses
