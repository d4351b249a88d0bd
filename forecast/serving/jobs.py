"""Jobs of the page: a file, what was chosen, and what came of it; one is run at a time, and all outlast the service.

A job is a folder with its upload, its run and its progress, and a row of a database that says how far it is. Whatever
runs it is a process of its own, which can be ended, and which ends when the service does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sqlite3
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from forecast.errors import ForecastError
from forecast.runs.unfinished import staging_of
from forecast.serving.guard import FAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Status: TypeAlias = Literal["uploaded", "waiting", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
RUN, LOG, PROGRESS, JOB = "run", "log.txt", "progress.json", "job.json"
_LONGEST_NAME = 100
_PATIENCE_S = 5.0
"""Seconds that a process has to end when it is asked to."""
_CLEANED_EVERY_S = 3600.0
_MISTAKE = 2  # exit status of a user's mistake, as the command's
_TABLE = """
create table if not exists jobs (
    id text primary key, created real not null, ended real, status text not null, file text not null,
    asked text not null, message text not null
)
"""


@dataclass(frozen=True)
class Job:
    """One row: `asked` is what the page asked for, `message` why it failed."""

    id: str
    created: float
    ended: float | None
    status: Status
    file: str
    asked: dict[str, Any]
    message: str


class Jobs:
    """The jobs in a folder.

    Parameters
    ----------
    folder
        Where they lie; made if need be.
    command
        What runs a job, given its folder; it writes `run/` and `progress.json`, and ends with status 2 and a line
        "forecast: ..." after a user's mistake.
    keep_days, keep_bytes
        Jobs that are older, or beyond this size together, the oldest first, are deleted.

    """

    def __init__(self, folder: Path, command: Callable[[Path], Sequence[str]], keep_days: float, keep_bytes: int):
        self.folder, self._command = folder.absolute(), command
        self._keep_s, self._keep_bytes = keep_days * 86400, keep_bytes
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self.folder / "jobs.sqlite", isolation_level=None, check_same_thread=False)
            self._base.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise ForecastError(
                f"the jobs of the page cannot be kept in {str(folder)!r} ({error}): set `serve.folder=...`"
            ) from None
        self._process: asyncio.subprocess.Process | None = None
        self._running: str | None = None
        self._wake = asyncio.Event()

    def folder_of(self, name: str) -> Path:
        """Where a job lies."""
        return self.folder / name

    def all(self) -> list[Job]:
        """Return all jobs, the newest first."""
        return [_job(row) for row in self._base.execute("select * from jobs order by created desc, rowid desc")]

    def get(self, name: str) -> Job | None:
        """Return a job; None: there is none of this name."""
        row = self._base.execute("select * from jobs where id = ?", (name,)).fetchone()
        return _job(row) if row else None

    def upload(self, file: str, content: bytes) -> Job:
        """Keep a file as a new job, which waits for what is to be done with it."""
        name, file = uuid.uuid4().hex, _plain_name(file)
        self.folder_of(name).mkdir()
        (self.folder_of(name) / file).write_bytes(content)
        job = Job(name, time.time(), None, "uploaded", file, {}, "")
        row = (job.id, job.created, job.ended, job.status, job.file, "{}", job.message)
        self._base.execute("insert into jobs values (?, ?, ?, ?, ?, ?, ?)", row)
        return job

    def start(self, job: Job, asked: dict[str, Any], values: dict[str, Any]) -> None:
        """Put a job into the queue; `values` are the settings that its process reads."""
        self._clear(job.id)
        (self.folder_of(job.id) / JOB).write_text(json.dumps(values), encoding="utf-8")
        self._base.execute("update jobs set asked = ? where id = ?", (json.dumps(asked), job.id))
        self._set(job.id, "waiting")
        self._wake.set()

    async def cancel(self, job: Job) -> None:
        """End a job that waits or runs; what is done already stays as it is."""
        if job.status not in ("waiting", "running"):
            return
        self._set(job.id, "cancelled")
        if self._running == job.id:
            await self._end_process()

    async def delete(self, job: Job) -> None:
        """Forget a job, with its upload and its run."""
        await self.cancel(job)
        self._base.execute("delete from jobs where id = ?", (job.id,))
        shutil.rmtree(self.folder_of(job.id), ignore_errors=True)

    def progress(self, job: Job) -> dict[str, Any]:
        """How far a job is: `said` in words, `share` between 0 and 1, null where it is not known."""
        ahead = sum(other.status == "running" or _before(other, job) for other in self.all())
        if job.status == "waiting":
            return {"said": f"waiting for {ahead} before it" if ahead else "starting", "share": None}
        try:
            progress: dict[str, Any] = json.loads((self.folder_of(job.id) / PROGRESS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"said": "starting", "share": None}
        return progress

    async def work(self) -> None:
        """Run what waits, the oldest first, until cancelled; then what runs is ended, and waits for the next start."""
        self._base.execute("update jobs set status = 'waiting' where status = 'running'")
        self.clean()
        try:
            while True:
                row = self._base.execute("select * from jobs where status = 'waiting' order by created").fetchone()
                if row is not None:
                    await self._run(_job(row))
                    self.clean()
                    continue
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _CLEANED_EVERY_S)
                self.clean()
        finally:
            await self._end_process()

    async def _run(self, job: Job) -> None:
        folder = self.folder_of(job.id)
        (folder / PROGRESS).unlink(missing_ok=True)
        self._set(job.id, "running")
        with (folder / LOG).open("wb") as log:
            # Its input is ours: when we end, however, it ends, and the process with it.
            self._process = await asyncio.create_subprocess_exec(
                *self._command(folder), stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
            self._running = job.id
            status = await self._process.wait()
        self._process = self._running = None
        now = self.get(job.id)
        if now is None or now.status == "cancelled":
            self._clear(job.id)
        elif status == 0:
            self._set(job.id, "done")
        else:
            self._set(job.id, "failed", _reason((folder / LOG).read_text(encoding="utf-8", errors="replace"), status))

    def _clear(self, name: str) -> None:
        """Remove the run of a job, finished or not."""
        for run in (self.folder_of(name) / RUN, staging_of(self.folder_of(name) / RUN)):
            shutil.rmtree(run, ignore_errors=True)

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _PATIENCE_S)
            except TimeoutError:
                process.kill()
                await process.wait()

    def _set(self, name: str, status: Status, message: str = "") -> None:
        ended = time.time() if status in ENDED else None
        self._base.execute(
            "update jobs set status = ?, message = ?, ended = ? where id = ?", (status, message, ended, name)
        )

    def clean(self) -> None:
        """Delete jobs that are too old, the oldest where all together are too large, and folders of no job."""
        known, size = set(), 0
        for job in self.all():
            folder = self.folder_of(job.id)
            size += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            old = time.time() - (job.ended or job.created) > self._keep_s
            if job.status in ("waiting", "running") or not (old or size > self._keep_bytes):
                known.add(job.id)
            else:
                self._base.execute("delete from jobs where id = ?", (job.id,))
        for folder in self.folder.iterdir():
            if folder.is_dir() and re.fullmatch("[0-9a-f]{32}", folder.name) and folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Leave the database."""
        self._base.close()


def _job(row: Sequence[Any]) -> Job:
    name, created, ended, status, file, asked, message = row
    return Job(name, created, ended, status, file, json.loads(asked), message)


def _before(other: Job, job: Job) -> bool:
    return other.status == "waiting" and other.created < job.created


def _plain_name(file: str) -> str:
    r"""Return the last part of a name, without what could lead elsewhere or be no name.

    >>> _plain_name("../../etc/pass wd.csv"), _plain_name("C:\\a\\sales (1).xlsx"), _plain_name("..")
    ('pass wd.csv', 'sales (1).xlsx', 'file')
    """
    last = re.split(r"[/\\]", file)[-1]
    kept = "".join(letter for letter in last if letter.isprintable() and letter not in '<>:"|?*[]').strip(" .")
    kept = f"table of {kept}" if kept in (RUN, LOG, PROGRESS, JOB) else kept
    stem, dot, ending = kept.rpartition(".")
    return (stem[: _LONGEST_NAME - len(ending)] + dot + ending if len(ending) < 10 else kept[:_LONGEST_NAME]) or "file"


def _reason(log: str, status: int) -> str:
    """Return the one line of a user's mistake, or that it is none."""
    lines = [line.removeprefix("forecast: ") for line in log.splitlines() if line.startswith("forecast: ")]
    if status == _MISTAKE and lines:
        return lines[-1]
    return f"{FAULT}, and in the log of the job"
