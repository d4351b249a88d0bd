"""Find a run folder, and read the two files that opening it needs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from forecast.errors import ForecastError
from forecast.runs import layout, tensors
from forecast.runs.forecasts import ForecastRow, parse_forecast
from forecast.runs.record import RunRecord, read_record

MAX_RECORD_BYTES = 64 << 20
MAX_FORECAST_BYTES = 1 << 30


def find_run(run: str | Path, outputs: str | Path = "outputs") -> Path:
    """Return the folder of a run; "latest" is the newest complete one under `outputs`.

    Raises
    ------
    ForecastError
        There is none, or the folder holds no complete run.

    """
    if str(run) == "latest":
        return _newest(Path(outputs))
    folder = Path(run)
    if not folder.is_dir():
        raise ForecastError(
            f"`run={run}` should be the folder of a run, and there is no such folder: "
            f"give the folder that a training printed at its end, or `run=latest`"
        )
    if not (folder / layout.RECORD).is_file():
        raise ForecastError(
            f"run folder {run} holds no {layout.RECORD}: it is no run, or one that did not finish; train again"
        )
    return folder


def open_record(folder: Path) -> RunRecord:
    """Read and check `run.json`."""
    return read_record(read_inside(folder, layout.RECORD, MAX_RECORD_BYTES), str(folder))


def open_tensors(folder: Path) -> tensors.Arrays:
    """Read and check `weights.safetensors`."""
    return tensors.unpack(read_inside(folder, layout.WEIGHTS, tensors.MAX_BYTES), str(folder))


def open_forecast(folder: Path) -> tuple[ForecastRow, ...]:
    """Read and check `forecast.csv`."""
    return parse_forecast(read_inside(folder, layout.FORECAST, MAX_FORECAST_BYTES), str(folder))


def read_inside(folder: Path, name: str, max_bytes: int) -> bytes:
    """Read a file that really lies in the folder: an ordinary one, of a sensible size, no link to elsewhere.

    Raises
    ------
    ForecastError
        It is not so.

    """
    path = folder / name
    try:
        found = path.resolve(strict=True)
        inside = found.is_relative_to(folder.resolve())
        status = found.stat()
    except (OSError, RuntimeError):
        raise ForecastError(f"run folder {folder}: {name} is missing or cannot be read: train again") from None
    if not inside:
        raise ForecastError(
            f"run folder {folder}: {name} is a link to outside of the folder and is not followed: "
            f"put the file itself there"
        )
    if not stat.S_ISREG(status.st_mode):
        raise ForecastError(f"run folder {folder}: {name} should be an ordinary file and is not: train again")
    if status.st_size > max_bytes:
        raise ForecastError(
            f"run folder {folder}: {name} has {status.st_size} bytes, expected at most {max_bytes}: "
            f"it is not of this program"
        )
    try:
        return found.read_bytes()
    except OSError as error:
        raise ForecastError(f"run folder {folder}: {name} cannot be read ({error.strerror})") from None


def _newest(outputs: Path) -> Path:
    """Return the run that finished last; folders still being written have a name with a leading dot."""
    records = []
    for folder, subfolders, files in os.walk(outputs):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if layout.RECORD in files:
            path = Path(folder)
            records.append(((path / layout.RECORD).lstat().st_mtime_ns, folder, path))
    if not records:
        raise ForecastError(f"`run=latest` found no run under {str(outputs)!r}: train first, or give the run's folder")
    return max(records)[2]
