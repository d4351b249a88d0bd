"""Fit the read-out of an echo state network: one pass over the training split, then closed forms.

Each series is read once, from its first step on and uncut, as it is when forecasting; every step forks. Chunks, lanes,
epochs and the optimizer of the training settings are not used.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from forecast.errors import ForecastError
from forecast.network.cpu import threads_for
from forecast.network.decoders import DirectDecoder
from forecast.network.inference import head_on_cpu, unroll_features
from forecast.network.settings import EsnSettings
from forecast.training.batches import Targets, chunk_batch
from forecast.training.job import Training, accelerator_for, fresh_network, own_random_numbers, validation_split
from forecast.training.lanes import lane_chunks, whole_segments
from forecast.training.ridge import Ridge, SufficientStatistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.network.network import Network
    from forecast.series.panel import IntArray
    from forecast.training.batches import Batch
    from forecast.training.data import NetworkData
    from forecast.training.job import TrainingJob
    from forecast.training.ridge import Solution

_LANES = 256
_NUMBERS_AT_ONCE = 4_000_000
"""Features, or numbers known ahead, of the forks that are added in one piece (32 MB)."""


@dataclass(frozen=True)
class Trial:
    """Losses of a penalty: mean squared errors in units of the series' scale; `seconds` since training began."""

    penalty: float
    train_loss: float
    validation_loss: float
    seconds: float

    def as_dict(self) -> dict[str, float]:
        """Plain values, by column of history.csv."""
        return asdict(self)


def fit_readout(job: TrainingJob) -> Training:
    """Fit the read-out for each penalty and keep the one with the least loss on the validation split.

    Raises
    ------
    ForecastError
        The regime `windows`; no GPU where one is asked for, no forecast to validate on.

    """
    settings, started = job.network, time.perf_counter()
    if not isinstance(settings, EsnSettings):
        raise TypeError(f"`{settings.name}` has no read-out in closed form")
    if job.training.regime == "windows":
        raise ForecastError(
            "`model.name=esn` is fitted on every step of one pass over the data, found `training.regime=windows`, "
            "which draws windows at random and reads each from a zero state: set `training.regime=stream`"
        )
    accelerator = accelerator_for(job.training)
    seed = job.seed if settings.reservoir_seed is None else settings.reservoir_seed
    penalties, reason = _penalties(job, settings)
    threads = threads_for(len(job.data.past), settings.units, job.training.threads)
    with own_random_numbers(seed), threads, torch.no_grad():
        network = fresh_network(job).to("cuda" if accelerator == "gpu" else "cpu").eval()
        ridge = Ridge(gather(network, job.data, job.ends))
        solutions = [ridge.solve(penalty) for penalty in penalties]
        losses = _validation_losses(job, network, solutions) if job.validates else [float("nan")] * len(solutions)
        forks = float(ridge.forks)
        unit = network.head.unit.double().cpu()  # (horizon,) raw numbers to units of the scale
        trained = [float(unit.square() @ solution.squares) / forks for solution in solutions]
        best = int(np.nanargmin(losses)) if job.validates else 0
        _put(network, solutions[best])
    seconds = time.perf_counter() - started
    trials = zip(penalties, trained, losses, strict=True)
    history = tuple(Trial(*trial, seconds) for trial in trials)
    return Training(network.cpu(), history, 1, reason, penalty=penalties[best])


def gather(
    network: Network, data: NetworkData, ends: IntArray, numbers_at_once: int = _NUMBERS_AT_ONCE
) -> SufficientStatistics:
    """Add up every fork of the rows before `ends[i]` of each series.

    Targets are in units of the head, as raw numbers are.
    """
    starts, targets = data.past.offsets[:-1], Targets(data, ends)
    known = _known_size(network)
    statistics = SufficientStatistics(network.backbone.feature_size, data.reference.horizon, known, network.device)
    segments = whole_segments(starts, ends)
    lanes = min(_LANES, len(segments))
    width = max(statistics.features.shape[1], statistics.known.numel())
    steps = min(max(numbers_at_once // (width * lanes), 1), int((ends - starts).max()))
    state = network.initial_state(lanes)
    no_offsets = np.zeros(len(segments), dtype=np.int64)
    for chunk in lane_chunks(segments, lanes, steps, np.random.default_rng(0), no_offsets):
        batch = chunk_batch(data, targets, chunk)
        x, series, resets = (part.to(network.device) for part in (batch.x, batch.series, batch.resets))
        features, state = network.features_with_resets(x, series, state, resets, batch.reset_steps)
        _add(statistics, network, features, batch)
    return statistics


def _add(statistics: SufficientStatistics, network: Network, features: Tensor, batch: Batch) -> None:
    """Add the forks of a batch that have a target: (lane, step, feature)."""
    unit = network.head.unit
    target, exists = batch.target.to(unit.device), batch.exists.to(unit.device) * (unit > 0)
    forks = exists.any(dim=2)  # (lane, step)
    horizon = len(unit)
    known = features.new_zeros(int(forks.sum()), horizon, 0)
    decoder = _decoder(network)
    if decoder.reader is not None and batch.ahead is not None:
        known = decoder.reader.read(batch.ahead.to(unit.device)[forks])
    statistics.add(features[forks], (target / torch.where(unit > 0, unit, 1.0))[forks], exists[forks], known)


def _penalties(job: TrainingJob, settings: EsnSettings) -> tuple[tuple[float, ...], str]:
    """Penalties to try, and the reason for the one that is kept."""
    if job.penalty is not None:
        return (job.penalty,), "as it was chosen"
    count = len(settings.penalties)
    if job.validates:
        return settings.penalties, f"the best of {count} on validation" if count > 1 else "the only one to try"
    return (settings.penalties[count // 2],), "the middle one, with nothing to choose by"


def _validation_losses(job: TrainingJob, network: Network, solutions: Sequence[Solution]) -> list[float]:
    """Loss of each solution on the validation split, in one pass over it."""
    split, horizon = validation_split(job), network.input_spec.horizon
    raw = torch.empty(len(solutions), len(split.rows), horizon, 1)
    inputs = job.data.inputs
    for which, features in unroll_features(network, inputs, split.starts, split.series, split.rows):
        ahead = inputs.known_ahead(split.rows[which], horizon)
        ahead = None if ahead is None else ahead.to(network.device)
        for of_solution, solution in zip(raw, solutions, strict=True):
            _put(network, solution)
            of_solution.numpy()[which] = network.forecast(features, ahead).cpu().numpy()
    head = head_on_cpu(network)
    return [split.loss(head, of_solution)[0] for of_solution in raw]


def _put(network: Network, solution: Solution) -> None:
    """Write a solution into the decoder.

    The decoder's weights of what is known ahead could depend on the features; here they are the same at every origin,
    which keeps the problem linear and no larger than the reservoir.
    """
    decoder = _decoder(network)
    decoder.out.weight.copy_(solution.weights)
    decoder.out.bias.copy_(solution.bias)
    if decoder.reader is not None:
        decoder.reader.weights.weight.zero_()
        decoder.reader.put(solution.ahead)


def _decoder(network: Network) -> DirectDecoder:
    if not isinstance(network.decoder, DirectDecoder) or network.head.size != 1:
        raise TypeError("a read-out in closed form needs a linear decoder of one number a step")
    return network.decoder


def _known_size(network: Network) -> int:
    reader = _decoder(network).reader
    return 0 if reader is None else reader.known_size
