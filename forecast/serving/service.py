"""The service: trained runs behind HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path as FolderPath
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from forecast.errors import ForecastError
from forecast.serving.forms import (
    ForecastAnswer,
    ForecastRequest,
    Health,
    Refusal,
    Row,
    RunAnswer,
    StreamAnswer,
    checked,
)
from forecast.serving.guard import FAULT, Guard, RefusedError, one_line, read_body
from forecast.serving.jobs import Jobs
from forecast.serving.page import Asked, page_router
from forecast.serving.streams import Stream, Streams
from forecast.serving.workers import BusyError, WorkerError, Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from forecast.serving.settings import ServeSettings

_REPORT_POLICY = (
    "sandbox allow-scripts allow-popups allow-downloads; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'"
)
"""A report may be of a run that a stranger made: it can draw, and reach nothing of the service."""
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": meaning}
    for status, meaning in (
        (400, "Not JSON"),
        (401, "No token"),
        (404, "No such run or stream"),
        (413, "Too large"),
        (422, "What was sent does not fit"),
        (429, "Too busy"),
    )
}
_BODIES = {
    "application/json": {"schema": ForecastRequest.model_json_schema()},
    "text/csv": {"schema": {"type": "string"}, "example": "ds,y\n2024-03-01,12.0\n2024-03-02,15.5\n"},
}
_ROW = {"application/json": {"schema": Row.model_json_schema()}}
_RunName = Annotated[str | None, Query(description="Id of the run; the only one, or the first, where it is left out")]
_StreamName = Annotated[str, Path(min_length=1, max_length=200, examples=["sensor-1"])]
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds up to which requests are counted together."""


@dataclass(frozen=True)
class Answers:
    """What the service is handed, all of it made in `forecast.tasks.serve`.

    Attributes
    ----------
    runs : what `/runs` says of each, by id
    folders : where each lies
    functions : what workers can be asked: `forecast(folder, content, request, limits)`, `describe(values)`
    report : the report of a run as HTML
    start : begin a stream of a run from a saved state, or, where that is not there, anew
    values_of : settings of a job of the page, from its file and what is asked for
    command : what runs a job of the page, given its folder

    """

    runs: Mapping[str, dict[str, Any]]
    folders: Mapping[str, str]
    functions: Mapping[str, Callable[..., Any]]
    report: Callable[[str], bytes]
    start: Callable[[str, FolderPath | None], Stream]
    values_of: Callable[[str, Asked], dict[str, Any]]
    command: Callable[[FolderPath], Sequence[str]]


def make_service(answers: Answers, settings: ServeSettings, token: str | None = None) -> FastAPI:
    """Return the service as an ASGI application; its workers live as long as it runs."""
    max_bytes = int(settings.max_mb * 1e6)
    kept = FolderPath(settings.streams) if settings.streams else None
    streams = Streams(answers.start, settings.max_streams, kept)
    jobs = Jobs(FolderPath(settings.folder), answers.command, settings.keep_days, int(settings.keep_mb * 1e6))
    counters = Counters(
        {
            "forecast_runs": ("Runs that are served.", lambda: len(answers.runs)),
            "forecast_streams": ("Streams that are kept.", lambda: len(streams)),
            "forecast_jobs": ("Jobs of the page that are kept.", lambda: len(jobs.all())),
        }
    )

    @contextlib.asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        app.state.workers = Workers(answers.functions, settings.workers, settings.time_limit_s, settings.max_waiting)
        at_work = [asyncio.create_task(jobs.work()), asyncio.create_task(streams.keep_saving())]
        try:
            yield
        finally:
            for task in at_work:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            app.state.workers.close()
            jobs.close()
            streams.save_all()

    app = FastAPI(title="forecast", lifespan=living, docs_url=None, redoc_url=None, responses=_REFUSALS)
    app.add_middleware(Guard, token=token, max_bytes=max_bytes, count=counters.count)
    _answer_errors(app)

    _add_forecasts(app, answers, settings, streams)
    _add_readings(app, answers, streams, counters)
    app.include_router(page_router(jobs, answers.values_of, settings, _REPORT_POLICY))
    return app


def _chosen(answers: Answers, run: str | None) -> str:
    if not answers.runs:
        raise RefusedError(404, "this service has no runs: start it with `run=...` or `serve.runs=[...]`")
    name = next(iter(answers.runs)) if run is None else run
    if name not in answers.runs:
        raise RefusedError(404, f"there is no run {name[:80]!r}: ask for one of {', '.join(answers.runs)}")
    return name


def _add_forecasts(app: FastAPI, answers: Answers, settings: ServeSettings, streams: Streams) -> None:
    """Add what is asked for a forecast."""

    async def body_of(request: Request) -> bytes:
        return await read_body(request, int(settings.max_mb * 1e6), settings.time_limit_s)

    @app.post("/forecast", response_model=ForecastAnswer, openapi_extra={"requestBody": {"content": _BODIES}})
    async def forecast(
        request: Request,
        run: _RunName = None,
        accept: Annotated[str, Header()] = "",
        content_type: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """Forecast what comes after a history: JSON, or a CSV like the file that the run was trained on.

        With a CSV, settings of the data stand in the address, as on the command line: `?data.on_gaps=mask`. With
        `Accept: text/csv` the forecast is the text of a `forecasts.csv`.
        """
        content = await body_of(request)
        if content_type.partition(";")[0].strip() in ("text/csv", "application/csv", "text/plain"):
            data = {key[5:]: value for key, value in request.query_params.items() if key.startswith("data.")}
            body = ForecastRequest.model_construct(history=[], run=None, others=True, data=data)
        else:
            body, content = checked(ForecastRequest, content), b""
        name = _chosen(answers, body.run or run)
        limits = (settings.max_rows, settings.max_series)
        answer = await app.state.workers.ask("forecast", answers.folders[name], content, body.model_dump(), limits)
        if "text/csv" in accept:
            return Response(answer["csv"], media_type="text/csv")
        recommended = answers.runs[name]["recommended"]
        kept = {"forecast": answer["forecast"], "notes": answer["notes"]}
        return JSONResponse({"run": name, "recommended": recommended, **kept})

    @app.post("/stream/{id}", response_model=StreamAnswer, openapi_extra={"requestBody": {"content": _ROW}})
    async def stream(id: _StreamName, request: Request, run: _RunName = None) -> Response:  # noqa: A002
        """Take the next row of a stream and forecast; a new id begins where the data of the run end."""
        row = checked(Row, await body_of(request))
        name = _chosen(answers, row.run or run)
        updated = await streams.update(id, name, row)
        return JSONResponse({"id": id, "run": name, **updated._asdict()})

    @app.delete("/stream/{id}", status_code=204, response_class=Response)
    async def forget(id: _StreamName) -> None:  # noqa: A002
        """Forget a stream; its id can begin anew."""
        if not streams.drop(id):
            raise RefusedError(404, f"there is no stream {id[:80]!r}")


def _add_readings(app: FastAPI, answers: Answers, streams: Streams, counters: Counters) -> None:
    """Add what tells of the service and its runs."""

    @app.get("/runs", response_model=list[RunAnswer])
    async def runs() -> Response:
        """Return the runs that are served."""
        return JSONResponse([{"id": name, **facts} for name, facts in answers.runs.items()])

    @app.get("/runs/{id}/report", response_class=HTMLResponse)
    async def report(id: Annotated[str, Path(max_length=200)]) -> Response:  # noqa: A002
        """Return the report of a run, a page."""
        return HTMLResponse(answers.report(_chosen(answers, id)), headers={"content-security-policy": _REPORT_POLICY})

    @app.get("/health", response_model=Health)
    async def health() -> Response:
        """Say that the service lives."""
        return JSONResponse({"status": "ok", "runs": len(answers.runs), "streams": len(streams)})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Return counts and times for Prometheus."""
        return PlainTextResponse(counters.text(), media_type="text/plain; version=0.0.4")


def _answer_errors(app: FastAPI) -> None:
    """Answer each error with its status and the one line that the command prints."""

    def refusal(status: int, line: str, headers: Mapping[str, str] | None = None) -> Response:
        return JSONResponse({"error": line}, status, dict(headers or {}))

    @app.exception_handler(ForecastError)
    async def mistake(_: Request, error: ForecastError) -> Response:
        return refusal(422, error.line)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return refusal(error.status, str(error), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return refusal(422, one_line(error.errors()[0]))

    @app.exception_handler(HTTPException)
    async def of_http(_: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(BusyError)
    async def busy(_: Request, error: BusyError) -> Response:
        line = "as many forecasts wait as this service lets wait (`serve.max_waiting`): ask again in a moment"
        return refusal(429, line, {"retry-after": "1"})

    @app.exception_handler(WorkerError)
    async def worker(_: Request, error: WorkerError) -> Response:
        sys.stderr.write(f"{error}\n")
        return refusal(500, FAULT)

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> Response:
        return refusal(500, FAULT)


# What `/metrics` says, in the text form that Prometheus reads.


class Counters:
    """Requests by route and status, their seconds by route, and gauges that are read when somebody looks."""

    def __init__(self, gauges: Mapping[str, tuple[str, Callable[[], int]]]) -> None:
        self._gauges = gauges  # by name: what it is, and where its value comes from
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._within: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[method, route, status] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]  # a sum of seconds, which Counter adds as well
        self._within[route, next((bound for bound in _BOUNDS if seconds <= bound), float("inf"))] += 1

    def text(self) -> str:
        """Return all of it, a metric a line."""
        lines = _head("forecast_requests_total", "counter", "Requests that were answered.")
        for (method, route, status), number in sorted(self._requests.items()):
            lines.append(f'forecast_requests_total{{method="{method}",route="{route}",status="{status}"}} {number}')
        lines += _head("forecast_request_seconds", "histogram", "Seconds until a request was answered.")
        for route, seconds in sorted(self._seconds.items()):
            number = 0
            for bound in (*_BOUNDS, float("inf")):
                number += self._within[route, bound]
                shown = "+Inf" if bound == float("inf") else f"{bound:g}"
                lines.append(f'forecast_request_seconds_bucket{{route="{route}",le="{shown}"}} {number}')
            lines.append(f'forecast_request_seconds_sum{{route="{route}"}} {seconds:.6f}')
            lines.append(f'forecast_request_seconds_count{{route="{route}"}} {number}')
        for name, (meaning, value) in self._gauges.items():
            lines += [*_head(name, "gauge", meaning), f"{name} {value()}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
