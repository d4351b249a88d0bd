"""What is found in a file before anything is trained: columns, times, season, gaps, and a line to look at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.reading.columns import is_numeric
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.reading.tables import open_grid
from forecast.reporting.lines import find_clock, line
from forecast.tasks.prepare import prepare
from forecast.tasks.settings import check_job
from forecast.tasks.train import split_counts
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecast.series.panel import Panel, Source
    from forecast.tasks.prepare import Prepared
    from forecast.tasks.settings import JobSettings

_POINTS = 400
_MOST_COLUMNS, _MOST_SERIES = 300, 100


def describe(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return, ready for JSON, what is found in the file of a job; `values` are its settings as plain values.

    Always there: `error`, the line why the file cannot be forecast as it is set (None: it can), and `columns` of its
    table, each with its name and whether it holds numbers. As far as the job comes: `found` and `notes`, `frequency`,
    `series`, `rows`, `season`, `splits`, `model`, and `chart`, a line to look at.
    """
    facts: dict[str, Any] = {"error": None, "columns": [], "found": [], "notes": []}
    folder = ""
    try:
        job = check_job(values)
        folder = str(Path(str(getattr(job.data, "path", ""))).parent)
        facts["columns"] = _columns(job)
        source = load_source(job.data)
        facts |= _found(source)
        facts |= _settled(prepare(job, source))
    except ForecastError as error:
        facts["error"] = error.line
    described: dict[str, Any] = _without(facts, f"{folder}{os.sep}")
    return described


def _columns(job: JobSettings) -> list[dict[str, Any]]:
    if not isinstance(job.data, CsvSettings):
        return []
    grid, _ = open_grid(job.data.path, job.data)
    names = grid.names[:_MOST_COLUMNS]
    return [{"name": name, "numeric": is_numeric(grid, name)} for name in names]


def _found(source: Source) -> dict[str, Any]:
    panel = source.panel
    return {
        "found": [[name, value] for name, value in source.found.items()],
        "notes": list(source.notes),
        "frequency": panel.calendar.freq or f"steps of {panel.calendar.step}",
        "series": list(panel.ids[:_MOST_SERIES]),
        "rows": len(panel.times),
        "missing": int((~panel.target_observed).sum()),
        "chart": _chart(panel),
    }


def _settled(prepared: Prepared) -> dict[str, Any]:
    problem, counts = prepared.task.problem, split_counts(prepared)
    return {
        "season": f"{counted(problem.season_steps, 'step')} ({prepared.task.season.evidence})",
        "splits": dict(zip(("training", "validation", "calibration", "test"), counts, strict=True)),
        "model": prepared.job.model.name,
        "notes": [*prepared.source.notes, *prepared.notes],
    }


def _chart(panel: Panel) -> dict[str, Any]:
    """Return the longest series as a line: times in milliseconds since 1970 or step numbers, as texts at its ends."""
    i = int(np.argmax(panel.lengths))
    rows = slice(int(panel.offsets[i]), int(panel.offsets[i + 1]))
    ds = pd.Series(panel.times[rows])
    y = panel.target_or_nan(rows)
    times = ds.to_numpy().astype("datetime64[ms]").astype(np.int64) if find_clock(ds).kind == "date" else ds.to_numpy()
    drawn = line(times, y, _POINTS)
    ends = panel.calendar.write(panel.times[rows][[0, -1]])
    return {"name": panel.ids[i], "t": drawn.t, "y": drawn.y, "first": ends[0], "last": ends[1]}


def _without(facts: Any, folder: str) -> Any:
    """Leave a folder out of all texts."""
    if isinstance(facts, str):
        return facts.replace(folder, "") if len(folder) > 1 else facts
    if isinstance(facts, dict):
        return {key: _without(value, folder) for key, value in facts.items()}
    if isinstance(facts, list):
        return [_without(value, folder) for value in facts]
    return facts
