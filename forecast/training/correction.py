"""How much of a trained network's correction to its reference is used: as much as validation bears out.

A network that has learnt noise does harm, and early stopping chose its best epoch among many. So the correction is
multiplied by a factor in [0, 1]. Only factors count whose gain over the reference is assured nearly for certain
(`reference.evidence`), none on most random walks; among them the one is taken whose gain is assured to be largest at
the usual level, which is shrinkage towards 0. One factor for all steps of the horizon: one for each was no better.

Where a gain was seen but on too few origins to say how sure it is, a fifth is used, and nothing where the reference is
the last value, which no other was assured to beat: on made-up series (`benchmarks/network_kinds.py`) that helps short
files with a season and does random walks no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.network.inference import forecast_by_unrolling, forecast_by_windows, head_on_cpu
from forecast.questions.split import Origins
from forecast.reference.evidence import assured_gain, groups_of
from forecast.reference.references import Reference
from forecast.training.job import validation_split

if TYPE_CHECKING:
    from forecast.network.network import Network
    from forecast.series.panel import FloatArray
    from forecast.training.job import TrainingJob, ValidationSplit

_FACTORS = np.linspace(0.0, 1.0, 11)
_UNSURE = 2  # of the factors
_FEW_GROUPS = 6
_EVIDENCE, _CONFIDENCE = 0.999, 0.9
"""One-sided, of the gain of a factor, for it to count, and to be compared with others. Early stopping chose among many
epochs by the same errors, so that the first is high; where a correction is large, a tenth of it left out costs much."""

_FORECASTS = 100_000
"""Numbers that the factors are judged by, at most."""


def fit_correction(job: TrainingJob, network: Network) -> FloatArray:
    """Return the factor of each step of the horizon that validation bears out, (horizon,)."""
    split = validation_split(job)
    numbers = split.target.numel() * network.head.size
    split = split.part(slice(None, None, max(-(-numbers // _FORECASTS), 1)))
    inputs, rows = job.data.inputs, split.rows
    if job.training.regime == "windows":
        raw = forecast_by_windows(network, inputs, job.context_steps, rows)
    else:
        raw = forecast_by_unrolling(network, inputs, split.starts, split.series, rows)
    with torch.no_grad():
        head, corrected = head_on_cpu(network), torch.from_numpy(raw)
        losses = [split.losses(head, float(factor) * corrected).numpy().astype(np.float64) for factor in _FACTORS]
    return _best_factors(np.stack(losses), split, job)


def _best_factors(losses: FloatArray, split: ValidationSplit, job: TrainingJob) -> FloatArray:
    """Factor of each step with the largest assured gain, (factor, origin, horizon) -> (horizon,)."""
    horizon = losses.shape[2]
    origins = Origins(split.series, split.rows - job.data.past.offsets[split.series])
    counts = split.exists.numpy().sum(axis=1).astype(np.float64)
    gains = (losses[:1] - losses).sum(axis=2)
    if groups_of(origins, horizon).max(initial=0) + 1 < _FEW_GROUPS:
        walks = isinstance(job.data.reference, Reference) and job.data.reference.name == "last"
        best = _UNSURE if gains[_UNSURE].sum() > 0 and not walks else 0
    else:
        sure, assured = (
            assured_gain(gains, counts, origins, horizon, confidence=level) for level in (_EVIDENCE, _CONFIDENCE)
        )
        best = int(np.where(sure > 0, assured, 0.0).argmax())
    return np.full(horizon, _FACTORS[best])
