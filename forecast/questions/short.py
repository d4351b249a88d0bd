"""Series that are too short for what is asked, among others that are not: left out on request, and named.

How long a series has to be depends on the context, and that, where it is not said, on the training split. Here it
is that of the typical series: one short series would otherwise shorten the context of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.questions.season import find_season
from forecast.questions.split import long_enough
from forecast.questions.task import context_for
from forecast.wording import counted, name_some

if TYPE_CHECKING:
    from forecast.questions.split import Over
    from forecast.series.panel import BoolArray, Panel

_NAMED = 5


def without_short(
    panel: Panel,
    horizon: int,
    *,
    context_steps: int | None = None,
    season_steps: int | None = None,
    validation: float = 0.15,
    test: float = 0.2,
    calibration: float | None = None,
    over: Over = "time",
) -> tuple[Panel, tuple[str, ...]]:
    """Leave out the series on which the question cannot be asked; the panel, and a sentence if there are such.

    Over series each needs one step before a horizon, whatever the context.

    Raises
    ------
    ForecastError
        There is no other series.

    """
    if over == "series":
        return _without(panel, panel.lengths > horizon, f"horizon {horizon} and one more step")
    least = max(context_steps or 1, (season_steps or 1) + 1 - horizon)
    kept, train = long_enough(panel, validation, test, least, horizon, calibration=calibration)
    if context_steps is None and kept.any():
        typical = panel.take(np.flatnonzero(kept))
        season = season_steps or find_season(typical.cut(train[kept])).steps
        least = max(least, context_for(season, horizon, int(np.median(train[kept]))))
        kept, _ = long_enough(panel, validation, test, least, horizon, calibration=calibration)
    if not kept.any():
        raise ForecastError(
            f"all {len(panel)} series are too short for context {least} + horizon {horizon} and as many steps each for "
            "validation and test: shorten `horizon` or `data.context_steps`, or change `split.validation` and "
            "`split.test`"
        )
    needed = f"context {least} + horizon {horizon} in training and {horizon} steps each for validation and test"
    return _without(panel, kept, needed)


def _without(panel: Panel, kept: BoolArray, needed: str) -> tuple[Panel, tuple[str, ...]]:
    """Keep some series, (series,), and name the others, which are too short for what is `needed`."""
    if kept.all():
        return panel, ()
    if not kept.any():
        raise ForecastError(f"all {len(panel)} series are too short for {needed}: shorten `horizon`")
    short = np.flatnonzero(~kept)
    texts = [f"{panel.ids[i]!r} ({counted(int(panel.lengths[i]), 'step')})" for i in short[:_NAMED]]
    said = f"{len(short)} of {len(panel)} series left out as too short for {needed}: {name_some(texts, len(short))}."
    return panel.take(np.flatnonzero(kept)), (said,)
