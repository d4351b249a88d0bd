"""The page: files that are dropped, what is found in them, and jobs that forecast them."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files as resources
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from pydantic import Field

from forecast.reporting.theme import DARK, LIGHT, css_variables
from forecast.runs import files
from forecast.runs.folder import read_inside
from forecast.serving.forms import checked
from forecast.serving.guard import RefusedError, read_body
from forecast.serving.jobs import ENDED, RUN, Job, Jobs
from forecast.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from forecast.serving.settings import ServeSettings

_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_KINDS = {"index.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}
_LOOKED_EVERY_S = 0.3
_MAX_REPORT_BYTES, _MAX_RECORD_BYTES = 64 << 20, 64 << 20
_DOWNLOADS = {
    "forecast.csv": "text/csv",
    "forecast.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "forecasts.csv": "text/csv",
    "leaderboard.csv": "text/csv",
}
_JobName = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["0" * 32])]


class Asked(Settings):
    """What the page asks for: settings of the data that correct what was found, how far, and with which model."""

    data: dict[str, Any] = Field(default_factory=dict)
    horizon: int = Field(default=12, ge=1, le=100_000)
    model: str = Field(default="auto", max_length=40)


_ASKED = {"application/json": {"schema": Asked.model_json_schema()}}


def page_router(
    jobs: Jobs, values_of: Callable[[str, Asked], dict[str, Any]], settings: ServeSettings, frame_policy: str
) -> APIRouter:
    """Return the routes of the page; `values_of` makes the settings of a job from its file and what is asked."""
    router = APIRouter()
    _add_page(router)
    _add_jobs(router, jobs, values_of, settings)
    _add_results(router, jobs, frame_policy)
    return router


def _add_page(router: APIRouter) -> None:
    folder = resources("forecast.serving").joinpath("page")

    def part(name: str) -> Response:
        content = folder.joinpath(name).read_bytes()
        return Response(content, media_type=_KINDS[name], headers={"content-security-policy": _POLICY})

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> Response:
        return part("index.html")

    @router.get("/page/theme.css", include_in_schema=False)
    async def theme() -> Response:
        light, dark = (
            ";".join(f"{name}:{value}" for name, value in css_variables(palette).items()) for palette in (LIGHT, DARK)
        )
        css = f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        return Response(css, media_type="text/css")

    @router.get("/page/{name}", include_in_schema=False)
    async def other(name: str) -> Response:
        if name not in _KINDS:
            raise RefusedError(404, "Not Found")
        return part(name)


def _job(jobs: Jobs, name: str) -> Job:
    job = jobs.get(name)
    if job is None:
        raise RefusedError(404, "there is no such job: it was deleted, perhaps because it was old")
    return job


def _shown(jobs: Jobs, job: Job, *, brief: bool = False) -> dict[str, Any]:
    """What the page is told of a job; `brief`: without what its run holds."""
    shown = {"id": job.id, "created": job.created, "status": job.status, "file": job.file, "asked": job.asked}
    if job.status in ("waiting", "running"):
        shown["progress"] = jobs.progress(job)
    if job.status == "failed":
        shown["error"] = job.message
    if job.status == "done" and not brief:
        run = jobs.folder_of(job.id) / RUN
        record = json.loads(read_inside(run, files.RECORD, _MAX_RECORD_BYTES))
        shown["sentence"] = (record.get("recommendation") or {}).get("sentence") or record["verdict"]
        shown["downloads"] = [name for name in _DOWNLOADS if (run / name).is_file()]
    return shown


def _add_jobs(
    router: APIRouter, jobs: Jobs, values_of: Callable[[str, Asked], dict[str, Any]], settings: ServeSettings
) -> None:
    max_bytes = int(settings.max_mb * 1e6)

    async def asked_of(request: Request) -> Asked:
        return checked(Asked, await read_body(request, max_bytes, settings.time_limit_s))

    async def look(request: Request, job: Job, asked: Asked) -> dict[str, Any]:
        values = values_of(str(jobs.folder_of(job.id) / job.file), asked)
        described: dict[str, Any] = await request.app.state.workers.ask("describe", values)
        return described

    @router.post("/jobs", status_code=201, openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}}})
    async def upload(request: Request, file: Annotated[str, Query(min_length=1, max_length=300)]) -> Response:
        """Keep a file (the body) as a new job; it does not leave this machine."""
        content = await read_body(request, max_bytes, settings.time_limit_s)
        if not content:
            raise RefusedError(422, f"{file[:80]!r} is empty: choose a file with a table")
        return JSONResponse(_shown(jobs, jobs.upload(file, content)), 201)

    @router.post("/jobs/{id}/look", openapi_extra={"requestBody": {"content": _ASKED}})
    async def looked(id: _JobName, request: Request) -> Response:  # noqa: A002
        """Say what is found in the file of a job, with the settings that are asked for."""
        return JSONResponse(await look(request, _job(jobs, id), await asked_of(request)))

    @router.post("/jobs/{id}/start", openapi_extra={"requestBody": {"content": _ASKED}})
    async def start(id: _JobName, request: Request) -> Response:  # noqa: A002
        """Put a job into the queue, unless its file cannot be forecast as it is set."""
        asked, job = await asked_of(request), _job(jobs, id)
        if job.status in ("waiting", "running"):
            raise RefusedError(409, "this job waits or runs already: cancel it first")
        described = await look(request, job, asked)
        if described["error"]:
            raise RefusedError(422, described["error"])
        values = values_of(str(jobs.folder_of(job.id) / job.file), asked)
        jobs.start(_job(jobs, id), asked.model_dump(), values)
        return JSONResponse(_shown(jobs, _job(jobs, id)))

    @router.post("/jobs/{id}/cancel")
    async def cancel(id: _JobName) -> Response:  # noqa: A002
        """End a job that waits or runs."""
        await jobs.cancel(_job(jobs, id))
        return JSONResponse(_shown(jobs, _job(jobs, id)))

    @router.delete("/jobs/{id}", status_code=204, response_class=Response)
    async def delete(id: _JobName) -> None:  # noqa: A002
        """Delete a job with its upload and its run."""
        await jobs.delete(_job(jobs, id))


def _add_results(router: APIRouter, jobs: Jobs, frame_policy: str) -> None:
    @router.get("/jobs")
    async def listed() -> Response:
        """Return all jobs, the newest first."""
        return JSONResponse([_shown(jobs, job, brief=True) for job in jobs.all()])

    @router.get("/jobs/{id}")
    async def one(id: _JobName) -> Response:  # noqa: A002
        """Return a job."""
        return JSONResponse(_shown(jobs, _job(jobs, id)))

    @router.get("/jobs/{id}/events", response_class=StreamingResponse)
    async def events(id: _JobName) -> Response:  # noqa: A002
        """Send a job as a server-sent event whenever something of it has changed, until it has ended."""
        _job(jobs, id)

        async def sent() -> AsyncIterator[str]:
            last = ""
            while (job := jobs.get(id)) is not None:
                if (now := json.dumps(_shown(jobs, job))) != last:
                    yield f"data: {now}\n\n"
                    last = now
                if job.status in (*ENDED, "uploaded"):
                    return
                await asyncio.sleep(_LOOKED_EVERY_S)

        return StreamingResponse(sent(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    @router.get("/jobs/{id}/report", response_class=HTMLResponse)
    async def report(id: _JobName) -> Response:  # noqa: A002
        """Return the report of a job that is done."""
        content = read_inside(_run_of(jobs, id), files.REPORT, _MAX_REPORT_BYTES)
        return HTMLResponse(content, headers={"content-security-policy": frame_policy})

    @router.get("/jobs/{id}/files/{name}", response_class=FileResponse)
    async def download(id: _JobName, name: Annotated[str, Path(max_length=60)]) -> Response:  # noqa: A002
        """Return a table of a job that is done."""
        run = _run_of(jobs, id)
        if name not in _DOWNLOADS or not (run / name).is_file():
            raise RefusedError(404, "there is no such file of this job")
        stem = _job(jobs, id).file.rpartition(".")[0] or "file"
        return FileResponse(run / name, media_type=_DOWNLOADS[name], filename=f"{stem} {name}")


def _run_of(jobs: Jobs, name: str) -> Any:
    job = _job(jobs, name)
    if job.status != "done":
        raise RefusedError(404, "this job has no report: it is not done")
    return jobs.folder_of(job.id) / RUN
