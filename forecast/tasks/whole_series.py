"""What a network cannot do where whole series are held back: those of the test are new to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.questions.task import ForecastTask
    from forecast.series.panel import Panel
    from forecast.tasks.settings import JobSettings


def check_whole_series(job: JobSettings, panel: Panel, question: ForecastTask) -> None:
    """Refuse, with `split.over=series`, what has to know a series or steps before its first origin.

    Raises
    ------
    ForecastError
        An embedding of series; windows, unless each series has a label at its end and is as long as a context.

    """
    if job.split.over != "series":
        return
    if getattr(job.model, "id_embedding", 0):
        raise ForecastError(
            f"`model.id_embedding={job.model.id_embedding}` learns something of each series, and with "
            "`split.over=series` those of validation and test are never trained on: say `model.id_embedding=0`"
        )
    if job.training.regime == "windows":
        _check_windows(panel, question.problem.context_steps)


def _check_windows(panel: Panel, context_steps: int) -> None:
    """Windows need a whole context before each origin, and the first origin of a series is its first row."""
    known = panel.lengths - 1 if panel.at_end else np.ones(len(panel), dtype=np.int64)
    short = np.flatnonzero(known < context_steps)
    if len(short) == 0:
        return
    what = "has its only origin after" if panel.at_end else "has its first origin after"
    i = int(short[0])
    raise ForecastError(
        f"`training.regime=windows` needs {context_steps} steps up to an origin (`data.context_steps`), and with "
        f"`split.over=series` series {panel.ids[i]!r} {what} {known[i]}: say `training.regime=stream`"
        + (f", or `data.context_steps={int(known.min())}`" if panel.at_end else "")
    )
