"""`again=...`: run a training anew from what its folder says, and tell whether the numbers are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.sources import load_source
from forecast.runs.folder import find_run
from forecast.runs.run import open_record, open_tensors
from forecast.runs.trust import check_data_path, is_own
from forecast.tasks.settings import check_job
from forecast.tasks.train import TrainResult, train
from forecast.training.settings import FileLogger
from forecast.wording import listed, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console

    from forecast.reporting.settings import ReportSettings
    from forecast.runs.record import RunRecord
    from forecast.tasks.settings import JobSettings

_OF_THE_MACHINE = ("fit_seconds", "forecast_seconds")
"""What of a leaderboard is never the same twice."""


@dataclass(frozen=True, eq=False)
class Again:
    """A training that was run anew: whether it came to the same, and what differs."""

    run: TrainResult
    same: bool
    sentence: str


def again(
    run: str | Path,
    folder: str | Path,
    data: Mapping[str, Any],
    *,
    report: ReportSettings | None = None,
    console: Console | None = None,
) -> Again:
    """Train as the run did, into another folder; `data` are the settings of `data.*` that are said anew, as its path.

    Raises
    ------
    ForecastError
        No such run, or one whose network went on from another one.

    """
    first = find_run(run)
    record = open_record(first)
    job = _job(record, first, data)
    # Whoever made the run chose its tracker; it is not contacted on their word.
    job = job.model_copy(update={"report": report or job.report, "logger": FileLogger()})
    source = load_source(job.data)
    result = train(job, folder, console, source, command=record.command)
    differences = [*_different_scores(record, open_record(result.folder)), *_different_weights(first, result.folder)]
    if not differences:
        return Again(result, True, f"the same as {first}: weights and scores are equal to the last bit")
    reasons = _reasons(record, open_record(result.folder), source.fingerprint)
    why = listed(reasons) if reasons else "data, versions and settings are the same"
    return Again(result, False, f"not the same as {first}: {'; '.join(differences)} ({why})")


def _job(record: RunRecord, folder: Path, data: Mapping[str, Any]) -> JobSettings:
    """Return the job that a run was, which opens nothing of yours unasked where a stranger made it."""
    if record.parent is not None:
        raise ForecastError(
            f"the network of the run {folder} went on learning from that of {record.parent}, and is not trained anew "
            f"from its settings alone: run `task=update` on that one again"
        )
    check_data_path(record.settings, record.mark, data, folder)
    values: dict[str, Any] = dict(record.settings)
    job = check_job({**values, "data": {**values["data"], **data}})
    if getattr(job.model, "weights", None) and not is_own(record.settings, record.mark):
        raise ForecastError(
            f"the run {folder} was not made here by you, and the weights that it names are not opened unasked: train "
            f"with `model.weights=...` instead"
        )
    return job


def _different_scores(before: RunRecord, after: RunRecord) -> list[str]:
    """Name the first score that differs, and say how many do."""
    rows = {str(row["model"]): row for row in after.metrics}
    pairs = [
        (str(row["model"]), name, value, rows.get(str(row["model"]), {}).get(name))
        for row in before.metrics
        for name, value in row.items()
        if name not in _OF_THE_MACHINE
    ]
    different = [pair for pair in pairs if pair[2] != pair[3]]
    if not different:
        return []
    model, name, was, now = different[0]
    shown = [number(value, 6) if isinstance(value, float) else str(value) for value in (was, now)]
    return [f"{len(different)} of {len(pairs)} scores differ, first {name} of {model}, {shown[0]} then, {shown[1]} now"]


def _different_weights(before: Path, after: Path) -> list[str]:
    """Say by how much weights differ, at most."""
    old, new = open_tensors(before), open_tensors(after)
    if {name: part.shape for name, part in old.items()} != {name: part.shape for name, part in new.items()}:
        return ["the weights have another form"]
    if all(np.array_equal(part, new[name], equal_nan=True) for name, part in old.items()):
        return []
    largest = max(float(np.max(np.abs(part - new[name]), initial=0.0)) for name, part in old.items())
    return [f"weights differ by {number(largest)} at most"]


def _reasons(before: RunRecord, after: RunRecord, fingerprint: str) -> list[str]:
    """Say what is known to be different beside the numbers."""
    changed = [
        f"{name} {version} then, {after.versions.get(name)} now"
        for name, version in before.versions.items()
        if after.versions.get(name) != version
    ]
    return [*(["the data have changed"] if fingerprint != before.data.fingerprint else []), *changed]
