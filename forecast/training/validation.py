"""The forecasts by which training is judged while it goes on: all those within the validation stretch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from forecast.errors import ForecastError
from forecast.network.head import mean_where
from forecast.series.split import rolling_origins

if TYPE_CHECKING:
    from forecast.network.head import Head, Level
    from forecast.series.panel import IntArray
    from forecast.training.job import TrainingJob

_WARMUP_STEPS = 512
"""Steps that warm the state before the validation stretch, at least. The final evaluation walks the whole past."""
_FORECASTS = 2_000_000
"""Numbers that a validation forecasts, at most: beyond that, origins are thinned evenly."""


@dataclass(frozen=True, eq=False)
class ValidationStretch:
    """Origins with what came after them.

    Attributes
    ----------
    starts : (series,) rows that a state is warmed from
    series, rows : (origin,)
    target, exists : (origin, horizon) differences to the reference in units of the scale, 1 where there is one
    level : where the series stand, for heads that need it

    """

    starts: IntArray
    series: IntArray
    rows: IntArray
    target: Tensor
    exists: Tensor
    level: Level | None

    @torch.no_grad()
    def loss(self, head: Head, raw: Tensor) -> tuple[float, int]:
        """Mean loss of raw numbers, (origin, horizon, size), and the row of the forecast that is the worst."""
        losses = head.loss(raw, self.target, self.level)
        worst = int(torch.nan_to_num((losses * self.exists).amax(dim=1), nan=torch.inf).argmax())
        return float(mean_where(losses, self.exists)), int(self.rows[worst])


def validation_stretch(job: TrainingJob) -> ValidationStretch:
    """Gather the forecasts that validate a training.

    Raises
    ------
    ForecastError
        There is none, or windows are longer than what is known at one.

    """
    data, past, horizon = job.data, job.data.past, job.data.reference.horizon
    origins = rolling_origins(past, job.train_steps, past.lengths, horizon)
    numbers = len(origins) * horizon * max(data.interface.symbols, 1)
    origins = origins[:: max(-(-numbers // _FORECASTS), 1)]
    rows = origins.rows(past)
    known = int(origins.steps.min(initial=job.context_steps)) + 1
    if job.training.regime == "windows" and known < job.context_steps:
        raise ForecastError(
            f"a network trained on windows needs {job.context_steps} steps up to an origin, found {known} in "
            "validation: say `training.regime=stream`, or fewer `data.context_steps`"
        )
    warmup = max(_WARMUP_STEPS, job.context_steps)
    starts = past.offsets[:-1] + np.maximum(job.train_steps - warmup, 0)
    target, exists = data.differences(rows, past.offsets[1:])
    if not exists.any():
        raise ForecastError(
            f"nothing says when to stop: the validation stretch has no observed value within {horizon} steps after an "
            f"observed one: shorten `horizon` or lengthen `split.validation`"
        )
    there = torch.from_numpy(exists.astype(np.float32))
    return ValidationStretch(starts, origins.series, rows, torch.from_numpy(target), there, data.level(rows))
