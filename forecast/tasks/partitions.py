"""`task=predict` file by file: each file of a folder is a part that is forecast by itself, and is done or is not.

What a part comes to is one Parquet file, written aside, flushed and renamed; it holds of which file, by its digest, and
of which run it is. The same command goes on where one was stopped: a part that is done stays, one whose file has
changed since is done again. Parts may be done by several processes or machines, which a scheduler of Dask hands them
to: one that dies is replaced, and its part is done by another; done twice, a part is the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from forecast.errors import ForecastError
from forecast.reading.opening import find_files
from forecast.runs.run import Run, open_run
from forecast.runs.trust import check_data_path
from forecast.tasks.newer import newer_job, newer_source
from forecast.tasks.predict import forecast_after
from forecast.wording import counted, quote_some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dask.distributed import Client

    from forecast.tasks.settings import PredictSettings

_OF = b"forecast"  # the key of a part's own words in a Parquet file's metadata
_TRIES = 3  # of a part whose worker dies
_PATIENCE_S = 30  # until a scheduler that does not answer is taken for none


@dataclass(frozen=True)
class Parts:
    """What was forecast, file by file.

    Attributes
    ----------
    paths : of the parts, in the order of the files
    done_before : how many of them an earlier process had done

    """

    folder: Path
    paths: tuple[Path, ...]
    done_before: int
    sentence: str


@dataclass(frozen=True)
class _Part:
    """One file to be forecast, and where the forecast goes; plain values, which go to another process."""

    run: str
    data: dict[str, Any]
    file: str
    path: str

    @property
    def label(self) -> dict[str, str]:
        """What tells whether a part is done: the run, the file's digest, and how it is read."""
        with Path(self.file).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        others = json.dumps({name: value for name, value in self.data.items() if name != "path"}, sort_keys=True)
        return {"run": _opened(self.run).record.created, "file": digest, "data": others}


def predict_parts(
    run: str | Path,
    data: Mapping[str, Any],
    folder: str | Path,
    settings: PredictSettings,
    say: Callable[[str], None] = lambda _: None,
) -> Parts:
    """Forecast what comes after each file of `data["path"]` into `parts/` of a folder; go on where that holds parts.

    A file holds series of the run as a whole: no series stands in two. `say` is told of each part.

    Raises
    ------
    ForecastError
        No such run, no file, or files that could not be forecast (the others are), or that share a series.

    """
    opened = open_run(run)
    check_data_path(opened.record.settings, opened.record.mark, data, opened.folder)
    path = getattr(newer_job(opened, data).data, "path", None)
    if path is None:
        raise ForecastError("`predict.by_file=true` forecasts file by file: say which with `data.path=folder`")
    files = find_files(path)
    target = Path(folder).absolute() / "parts"
    target.mkdir(parents=True, exist_ok=True)
    said = {**data, "on_new_series": data.get("on_new_series", "skip")}
    parts = [
        _Part(str(opened.folder.absolute()), {**said, "path": file}, file, str(path))
        for file, path in zip((str(Path(file).absolute()) for file in files), _paths(files, target), strict=True)
    ]
    for torn in target.glob(".*.unfinished"):
        torn.unlink(missing_ok=True)
    waiting = [part for part in parts if not _is_done(part)]
    failed: dict[str, str] = {}
    for part, problem in _done_by(settings, waiting, say):
        say(f"{part.file}: {problem or 'done'}")
        if problem:
            failed[part.file] = problem
    if failed:
        first = next(iter(failed))
        raise ForecastError(
            f"{len(failed)} of {len(parts)} files could not be forecast, first {first!r} ({failed[first]}); the others "
            f"are in {target}: correct them, and the same command with `hydra.run.dir={Path(folder)}` goes on"
        )
    count = _count_series(parts)
    before = len(parts) - len(waiting)
    sentence = f"{counted(count, 'series')} of {counted(len(parts), 'file')} forecast"
    sentence += f", {counted(before, 'file')} of them before" if before else ""
    return Parts(Path(folder), tuple(Path(part.path) for part in parts), before, f"{sentence}: {target}")


def _paths(files: Sequence[str], target: Path) -> Iterator[Path]:
    """Name each part by its file; files of one name in several folders get numbers, in their order."""
    seen: dict[str, int] = {}
    for file in files:
        name = Path(file).name
        seen[name] = seen.get(name, 0) + 1
        yield target / f"{name}{'' if seen[name] == 1 else f'-{seen[name]}'}.parquet"


def _is_done(part: _Part) -> bool:
    try:
        found = (pq.read_schema(part.path).metadata or {}).get(_OF)
        return found is not None and json.loads(found) == part.label
    except (OSError, ValueError):
        return False


def _forecast(part: _Part) -> str | None:
    """Forecast one part, whatever process this is; return what is wrong with it, None: nothing.

    The digest is taken before the file is read: a file that changes meanwhile is found out of date the next time.
    """
    if _is_done(part):  # by a worker that died after it, or by another process in this folder
        return None
    try:
        run, label = _opened(part.run), part.label
        job = newer_job(run, part.data)
        ahead = forecast_after(run, job, newer_source(run, job, part.data)).future
    except ForecastError as error:
        return " ".join(str(error).split())
    table = pa.Table.from_pandas(ahead, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _OF: json.dumps(label)})
    path = Path(part.path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with aside.open("wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return None


@lru_cache(maxsize=1)
def _opened(run: str) -> Run:
    """Open a run once in each process."""
    return open_run(run)


def _done_by(
    settings: PredictSettings, parts: Sequence[_Part], say: Callable[[str], None]
) -> Iterator[tuple[_Part, str | None]]:
    """Forecast parts, here or by workers; yield each as it is done, with what is wrong with it."""
    if not parts or (settings.workers == 1 and settings.scheduler is None):
        for part in parts:
            yield part, _forecast(part)
        return
    with _client(settings) as client:
        from dask.distributed import as_completed  # noqa: PLC0415
        from distributed.client import FutureCancelledError  # noqa: PLC0415
        from distributed.scheduler import KilledWorker  # noqa: PLC0415

        if not client.scheduler_info()["workers"]:
            say(f"no worker has joined {settings.scheduler} yet: waiting")
        tasks = {client.submit(_forecast, part, pure=False, retries=_TRIES): part for part in parts}
        for task in as_completed(list(tasks), loop=client.loop):
            try:
                yield tasks[task], task.result()
            except KilledWorker:
                yield tasks[task], "the processes that worked on it have died, one after the other"
            except FutureCancelledError:
                yield tasks[task], "the scheduler is gone"
            except ImportError as error:
                yield tasks[task], f"a worker lacks what is installed here: {' '.join(str(error).split())}"


@contextlib.contextmanager
def _client(settings: PredictSettings) -> Iterator[Client]:
    """Join the scheduler that the settings name, or start one with workers here.

    Raises
    ------
    ForecastError
        Dask is not installed, or no scheduler answers.

    """
    try:
        from dask.distributed import Client, LocalCluster  # noqa: PLC0415
        from distributed.comm import get_address_host_port  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise ForecastError(
            f"several workers need {missing.name}, which is missing: pip install 'recurrent-forecast[distributed]'"
        ) from None
    with contextlib.ExitStack() as stack:
        address: Any = settings.scheduler
        if address is None:
            address = stack.enter_context(
                LocalCluster(
                    n_workers=settings.workers,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",  # a port that is free, for this machine alone
                    silence_logs=logging.CRITICAL,  # a worker that is replaced is no news
                )
            )
        try:
            if settings.scheduler is not None:
                # a client that fails to connect may lock up the next one when it is collected
                with socket.create_connection(get_address_host_port(address), timeout=_PATIENCE_S):
                    pass
            client = stack.enter_context(Client(address, set_as_default=False, timeout=_PATIENCE_S))
        except (OSError, OverflowError, ValueError) as error:
            if settings.scheduler is None:
                raise
            reason = " ".join(str(error).split())
            raise ForecastError(
                f"`predict.scheduler={settings.scheduler}`: no scheduler of Dask answers there ({reason}): start one "
                f"with `dask scheduler`, and say the address that it prints"
            ) from None
        yield client


def _count_series(parts: Sequence[_Part]) -> int:
    """Count the series of all parts; each stands in one."""
    found: dict[str, str] = {}
    for part in parts:
        ids = pq.read_table(part.path, columns=["unique_id"]).column(0).unique().to_pylist()
        if twice := [name for name in ids if name in found]:
            named = quote_some(twice, 3)
            raise ForecastError(
                f"series {named} stand in {found[twice[0]]!r} and in {part.file!r}: put each as a whole into one file"
            )
        found |= dict.fromkeys(ids, part.file)
    return len(found)
