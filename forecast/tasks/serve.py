"""`task=serve`: trained runs behind HTTP. What the service's workers compute, and how it is put together."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from forecast.errors import ForecastError
from forecast.reading.covariates import check_known_ahead
from forecast.reading.settings import CsvSettings, FileSettings
from forecast.runs import files
from forecast.runs.files import format_forecast
from forecast.runs.folder import find_run, read_inside
from forecast.runs.run import Run, channels_of, open_run
from forecast.tasks.describe import describe
from forecast.tasks.newer import common_panel, newer_job, newer_source
from forecast.tasks.predict import forecast_after
from forecast.tasks.settings import StreamSettings
from forecast.tasks.stream_state import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from forecast.runs.files import ForecastRow
    from forecast.series.panel import Panel, Source
    from forecast.serving.forms import Row
    from forecast.serving.page import Asked
    from forecast.serving.service import Answers
    from forecast.serving.settings import ServeSettings

_MAX_REPORT_BYTES = 64 << 20
_SHOWN_IDS = 100
_OF_THE_FILE = tuple(
    name
    for name in FileSettings.model_fields
    if name not in ("name", "path", "target_at", "symbols", "past", "future", "static", "missing")
)
"""Settings that say how a file is written, and which nothing that comes as JSON needs."""
_NOT_ANEW = ("name", "path", "sheet", "query", "max_mb")
"""Settings of the data that a request cannot set: they would open other files."""


def serve(
    settings: ServeSettings,
    runs: Sequence[str | Path],
    data: Mapping[str, Any] | None = None,
    *,
    base: Mapping[str, Any],
    streamed: StreamSettings | None = None,
    ready: Callable[[str], None],
) -> None:
    """Serve runs until the process is told to end; `ready` is told the address once it is listened at.

    `data` are settings of the data that streams go on from, `streamed` how they do, `base` those of a job on a file,
    for jobs of the page.

    Raises
    ------
    ForecastError
        The extra is not installed, there is no token for an open address, it is taken, or a run cannot be opened.

    """
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from forecast.serving.guard import check_token  # noqa: PLC0415
        from forecast.serving.service import make_service  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ForecastError(f"a service needs {error.name}: pip install 'recurrent-forecast[serve]'") from None
    token = settings.token or os.environ.get("FORECAST_TOKEN") or None
    check_token(settings.host, token)
    app = make_service(open_answers(runs, data, base=base, streamed=streamed), settings, token)
    listening = listen(settings.host, settings.port)
    with listening, contextlib.suppress(KeyboardInterrupt):
        host, port = listening.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        ready(address if token is None else f"{address}/?token={quote(token, safe='')}")
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=3)
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    ForecastError
        The address is taken or not this machine's.

    """
    # asyncio sends answers at once only on sockets that say that they are TCP.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise ForecastError(
            f"cannot listen at {host}:{port} ({error.strerror or error}): choose another `serve.port=...` (0: any "
            f"that is free), or `serve.host=...`"
        ) from None
    return listening


def open_answers(
    runs: Sequence[str | Path],
    data: Mapping[str, Any] | None = None,
    *,
    base: Mapping[str, Any],
    streamed: StreamSettings | None = None,
) -> Answers:
    """Open runs and return what the service is handed; streams begin at the end of `data`, of a run's own otherwise.

    Raises
    ------
    ForecastError
        A folder that is no run, or the same run twice.

    """
    from forecast.serving.service import Answers  # noqa: PLC0415 - an extra, which workers do not need

    folders = _named([find_run(run) for run in runs])
    opened = {name: _open(str(folder)) for name, folder in folders.items()}

    streamed = streamed or StreamSettings()

    @functools.cache
    def past(name: str) -> Panel | None:
        return _past_of(opened[name], dict(data or {})) if streamed.history else None

    def start(name: str, state: Path | None) -> RunStream:
        if state is not None and state.exists():
            return RunStream(Stream.open(opened[name], state, streamed.interval))
        return RunStream(Stream(opened[name], past(name), streamed.interval))

    return Answers(
        runs={name: _facts(run) for name, run in opened.items()},
        folders={name: str(folder) for name, folder in folders.items()},
        functions={"forecast": forecast_history, "describe": describe},
        report=lambda name: read_inside(folders[name], files.REPORT, _MAX_REPORT_BYTES),
        start=start,
        values_of=functools.partial(job_values, base),
        command=lambda folder: [sys.executable, "-m", "forecast.tasks.page_job", str(folder)],
    )


def job_values(base: Mapping[str, Any], path: str, settings: Asked) -> dict[str, Any]:
    """Return the settings of a job of the page as plain values: those of any file, with what is asked for.

    Raises
    ------
    ForecastError
        A setting of the data that is none, or that would open another file.

    """
    data = {**base["data"], **_said(settings.data, also=("sheet",)), "path": path}
    model = base["model"] if settings.model == base["model"]["name"] else {"name": settings.model}
    report = {**base["report"], "png": False}
    return {**base, "horizon": settings.horizon, "data": data, "model": model, "report": report}


@functools.lru_cache(maxsize=64)
def _open(folder: str) -> Run:
    return open_run(folder)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """Call each run by its folder, and by that of its day as well where two would be called the same."""
    folders = [folder.absolute() for folder in folders]
    if len(set(folders)) < len(folders):
        raise ForecastError("`serve.runs` names the same run twice: leave one of them out")
    names = [folder.name for folder in folders]
    return {
        folder.name if names.count(folder.name) == 1 else f"{folder.parent.name}-{folder.name}-{i}": folder
        for i, folder in enumerate(folders, start=1)
    }


def _facts(run: Run) -> dict[str, Any]:
    """What `/runs` says of a run."""
    record = run.record
    return {
        "created": record.created,
        "model": record.network.name,
        "series": len(record.data.ids),
        "ids": list(record.data.ids[:_SHOWN_IDS]),
        "horizon": record.problem.horizon,
        "frequency": run.calendar.freq or f"steps of {run.calendar.step}",
        "season_steps": record.problem.season_steps,
        "recommended": record.recommendation.model if record.recommendation else record.network.name,
        "verdict": record.verdict,
    }


def forecast_history(
    run_folder: str, content: bytes, request: Mapping[str, Any], limits: tuple[int, int]
) -> dict[str, Any]:
    """Forecast after a history: a CSV like the run's own data (`content`), or the rows of the request.

    Returns its steps as dictionaries (`forecast`), as the text of `forecasts.csv` (`csv`), and notes on the data.

    Raises
    ------
    ForecastError
        A history that is too large, cannot be read or does not fit the run.

    """
    run, (max_rows, max_series) = _open(run_folder), limits
    rows = content.count(b"\n") if content else len(request["history"])
    _check_size(rows, max_rows, "rows", "serve.max_rows")
    with tempfile.TemporaryDirectory() as folder:
        try:
            if content:
                data = {"path": _written(folder, "history.csv", content)}
            else:
                data = _columns(run, request["history"])
                data["path"] = _written(folder, "history.json", json.dumps(request["history"]).encode())
            data |= {"name": "csv", **_said(request["data"])}
            job = newer_job(run, data, "serve")
            source = _as_its_series(run, newer_source(run, job, data))
            _check_size(len(source.panel.times), max_rows, "rows", "serve.max_rows")
            _check_size(len(source.panel), max_series, "series", "serve.max_series")
            ahead = forecast_after(run, job, source, others=request["others"])
        except ForecastError as error:
            raise ForecastError(str(error).replace(f"{folder}{os.sep}", "")) from None
    notes = [note.replace(f"{folder}{os.sep}", "") for note in ahead.source.notes]
    return {"forecast": [step_of(row) for row in ahead.rows], "csv": format_forecast(ahead.rows), "notes": notes}


def _written(folder: str, name: str, content: bytes) -> str:
    path = Path(folder) / name
    path.write_bytes(content)
    return str(path)


def _check_size(size: int, most: int, what: str, setting: str) -> None:
    if size > most:
        raise ForecastError(f"a history may have {most:,} {what} (`{setting}`), found {size:,}: send its end alone")


def _said(data: Mapping[str, Any], also: tuple[str, ...] = ()) -> dict[str, Any]:
    for key in data:
        if key in _NOT_ANEW and key not in also:
            raise ForecastError(f"`data.{key}` cannot be set in a request: the history itself is the data")
        if key not in CsvSettings.model_fields:
            raise ForecastError(f"`data.{key}` is not a setting: see `conf/data/csv.yaml` for all of them")
    return dict(data)


def _columns(run: Run, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings that read rows of `unique_id`, `ds`, `y`; other columns are found as in a file."""
    settings: dict[str, Any] = {name: CsvSettings.model_fields[name].get_default() for name in _OF_THE_FILE}
    columns = dict.fromkeys(name for row in history for name in row)
    settings["freq"] = run.calendar.freq
    if "y" not in columns:
        return settings
    series = len(run.record.data.ids)
    if "unique_id" not in columns and series > 1:
        raise ForecastError(f"the run has {series} series, and the rows do not say of which they are: add `unique_id`")
    settings |= {"target": "y", "layout": "long", "time": "ds" if "ds" in columns else "none"}
    return settings | ({"id": "unique_id"} if "unique_id" in columns else {})


def _as_its_series(run: Run, source: Source) -> Source:
    """Take the only series of a history for the only one of a run, whatever it is called."""
    ids, (name, *others) = run.record.data.ids, source.panel.ids
    if others or len(ids) > 1 or name == ids[0]:
        return source
    note = f"The series {name!r} is taken for {ids[0]!r}, the only one of the run."
    return replace(source, panel=replace(source.panel, ids=ids), notes=(*source.notes, note))


def step_of(row: ForecastRow) -> dict[str, Any]:
    """Return a line of `forecasts.csv` as JSON has it: without quantiles that are not known."""
    step = {"unique_id": row.unique_id, "ds": row.ds, "model": row.model, "y_hat": row.y_hat}
    if row.symbol is not None:
        step |= {"symbol": row.symbol}
    quantiles = zip(files.QUANTILE_COLUMNS, row.quantiles, strict=False)
    return step | {level: value for level, value in quantiles if math.isfinite(value)}


def _past_of(run: Run, data: dict[str, Any]) -> Panel:
    """Read the data that streams of a run go on from."""
    job = newer_job(run, data, "serve")
    panel, _ = common_panel(run, newer_source(run, job, data).panel, getattr(job.data, "on_new_series", "error"))
    check_known_ahead(panel, run.problem.horizon)
    return panel


class RunStream:
    """A stream of a run as `task=stream` has it, with answers ready for JSON."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._symbols = channels_of(stream.run.record)[0].categories

    def update(self, row: Row) -> dict[str, Any]:
        """Take a row; return the forecast of the steps after it."""
        answer = self._stream.update(row.y, id=row.unique_id, time=row.ds, **row.covariates)
        fields: dict[str, Any] = {"unique_id": answer.id, "ds": answer.time}
        if answer.probabilities is not None:
            fields["symbol"] = [self._symbols[int(code)] for code in answer.y_hat]
            fields["chance"] = answer.probabilities.max(axis=1).tolist()
        else:
            fields["y_hat"] = answer.y_hat.tolist()
        if answer.ends is not None and self._stream.levels is not None:
            for level, end in zip(self._stream.levels, answer.ends, strict=True):
                fields[f"q{level:g}"] = [None if math.isnan(value) else value for value in end.tolist()]
        if self._stream.notes:
            fields["notes"] = list(self._stream.notes)
            self._stream.notes.clear()
        return fields

    def save(self, path: Path) -> None:
        """Write the state."""
        self._stream.save(path)
