"""The forecasts by which training is judged while it goes on: all those within the validation split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from forecast.errors import ForecastError
from forecast.network.head import Level
from forecast.questions.split import rolling_origins

if TYPE_CHECKING:
    from forecast.network.head import Head
    from forecast.series.panel import IntArray
    from forecast.training.job import TrainingJob

_WARMUP_STEPS = 512
"""Steps that warm the state before the validation split, at least. The final evaluation walks the whole past."""
_FORECASTS = 2_000_000
"""Numbers that a validation forecasts, at most: beyond that, origins are thinned evenly."""
_NUMBERS_AT_ONCE = 250_000
"""Numbers whose losses are worked out in one piece: what leads to these takes many times their own memory."""


@dataclass(frozen=True, eq=False)
class ValidationSplit:
    """Origins with what came after them.

    Attributes
    ----------
    starts : (series,) rows that a state is warmed from
    series, rows : (origin,)
    target, exists : (origin, horizon) differences to the reference in units of the scale, whether there is one
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
        total, worst = 0.0, []
        at_once = max(_NUMBERS_AT_ONCE // self.target.shape[1], 1)
        for first in range(0, len(self.rows), at_once):
            part = slice(first, first + at_once)
            level = None if self.level is None else Level(*(one[part] for one in self.level))
            losses = head.loss(raw[part], self.target[part], level) * self.exists[part]
            total += float(losses.sum())
            worst.append(torch.nan_to_num(losses.amax(dim=1), nan=torch.inf))
        return total / int(self.exists.sum()), int(self.rows[int(torch.cat(worst).argmax())])


def validation_split(job: TrainingJob) -> ValidationSplit:
    """Gather the forecasts that validate a training.

    Raises
    ------
    ForecastError
        There is none, or windows are longer than what is known at one.

    """
    data, past, horizon = job.data, job.data.past, job.data.reference.horizon
    origins = rolling_origins(past, job.train_steps, past.lengths, horizon)
    numbers = len(origins) * horizon * max(data.interface.symbols, 1)
    origins = origins[np.arange(0, len(origins), max(-(-numbers // _FORECASTS), 1))]  # not a view, which keeps all
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
            f"nothing says when to stop: the validation split has no observed value within {horizon} steps after an "
            f"observed one: shorten `horizon` or lengthen `split.validation`"
        )
    targets = torch.from_numpy(target), torch.from_numpy(exists)
    return ValidationSplit(starts, origins.series, rows, *targets, data.level(rows))
