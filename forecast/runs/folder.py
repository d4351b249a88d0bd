"""The run folder as a place: written whole or not at all, found again, and read without leaving it.

Everything goes into a hidden folder beside the final one, `run.json` last, and the folder is renamed when it is
complete. A run that ends early leaves nothing that could be taken for one.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.runs import files
from forecast.runs.unfinished import holds_checkpoint, mark_owned, staging_of, take_over
from forecast.wording import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


_MOST_NUMBERS = 1000
_BEGINNING = 4096  # bytes of run.json
_CREATED = re.compile(rb'"created"\s*:\s*"([^"]{10,40})"')


@dataclass(frozen=True)
class Draft:
    """A folder that is being written: in `staging` now, and in `final` once it is complete."""

    staging: Path
    final: Path
    on_failure: list[Callable[[], None]] = field(default_factory=list)
    """Called where an exception leaves a checkpoint, when the disk has room again."""


@contextmanager
def new_folder(folder: str | Path, *, resumed: bool = False) -> Iterator[Draft]:
    """Write a new folder, which appears, complete, when the block ends; a name that is taken gets a number ("-2").

    On any exception nothing is left behind, new parent folders included; but a checkpoint stays unless the exception
    is a mistake of the user's, and is said in a note of the exception. `resumed`: go on with what stayed.

    Raises
    ------
    ForecastError
        The folder cannot be written, or another process resumes it.

    """
    wanted = Path(folder).absolute()
    new_parents = [parent for parent in wanted.parents if not parent.exists()]
    try:
        draft = Draft(staging_of(wanted), wanted) if resumed else _claim(wanted)
        if resumed:
            take_over(draft.staging)
    except OSError as error:
        raise ForecastError(
            f"cannot write into {str(wanted.parent)!r} ({error.strerror}): "
            f"choose another folder, as in `hydra.run.dir=...`"
        ) from None
    try:
        yield draft
        _publish(draft)
    except BaseException as error:
        if resumed or not isinstance(error, ForecastError):
            _leave_checkpoint(draft.staging)
            for call in draft.on_failure:
                call()
        if holds_checkpoint(draft.staging) and (resumed or not isinstance(error, ForecastError)):
            (draft.staging / files.OWNER).unlink(missing_ok=True)
            error.add_note(how_to_go_on(draft.final))
            raise
        shutil.rmtree(draft.staging, ignore_errors=True)
        _remove_empty(new_parents)
        raise


def _leave_checkpoint(staging: Path) -> None:
    """Remove what had been written of the run itself."""
    kept = (files.OWNER, files.STARTED, files.CHECKPOINT, files.EARLIER_CHECKPOINT)
    with suppress(OSError):
        for entry in staging.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name not in kept:
                entry.unlink(missing_ok=True)


def how_to_go_on(final: Path) -> str:
    """Say how a run is resumed; "" where it has no checkpoint."""
    if not holds_checkpoint(staging_of(final)):
        return ""
    return f"go on with `python -m forecast resume={shlex.quote(shown(final))}`"


def shown(folder: Path) -> str:
    """Write a folder as it is typed here."""
    with suppress(OSError, ValueError):  # where the working directory is gone, or elsewhere
        return str(folder.relative_to(Path.cwd()))
    return str(folder)


@contextmanager
def added_to(folder: Path) -> Iterator[Path]:
    """Write files and folders into an existing folder; they replace their namesakes when the block ends.

    Each appears whole; on any exception none does.

    Raises
    ------
    ForecastError
        The folder cannot be written.

    """
    try:
        staging = Path(tempfile.mkdtemp(prefix=".", suffix=".unfinished", dir=folder))
        mark_owned(staging)
    except OSError as error:
        raise ForecastError(
            f"cannot write into {str(folder)!r} ({error.strerror}): copy the run folder to where you may write"
        ) from None
    replaced = staging / ".before"
    try:
        yield staging
        (staging / files.OWNER).unlink()
        replaced.mkdir()
        for entry in sorted(path for path in staging.iterdir() if path != replaced):
            target = folder / entry.name
            if target.is_dir() or target.is_symlink():  # `replace` overwrites plain files alone
                target.rename(replaced / entry.name)
            entry.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _claim(wanted: Path) -> Draft:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in range(2, _MOST_NUMBERS))
    for final in chain([wanted], numbered):
        staging = staging_of(final)
        try:
            staging.mkdir()
        except FileExistsError:
            continue
        if not _is_taken(final):  # only now, with the staging folder ours: another run may just have been renamed
            mark_owned(staging)
            return Draft(staging, final)
        staging.rmdir()
    raise ForecastError(f"{_MOST_NUMBERS} folders whose names begin with {str(wanted)!r} exist: choose another name")


def _publish(draft: Draft) -> None:
    """Rename the folder; a final folder without a run, as one that holds a log, keeps its files and gets the rest.

    What it could be resumed from goes last: a kill in between leaves a run that is resumed, or whole.
    """
    try:
        draft.staging.rename(draft.final)
    except OSError:
        if _is_taken(draft.final):
            raise
        entries = sorted(draft.staging.iterdir(), key=lambda path: path.name == files.RECORD)  # `run.json` last
        for entry in entries:
            os.replace(entry, draft.final / entry.name)
        draft.staging.rmdir()
    for name in (files.OWNER, files.CHECKPOINT, files.EARLIER_CHECKPOINT, files.STARTED):
        (draft.final / name).unlink(missing_ok=True)


def _is_taken(folder: Path) -> bool:
    if not folder.exists():
        return False
    return not folder.is_dir() or (folder / files.RECORD).exists() or (folder / files.FORECASTS).exists()


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


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
    if not (folder / files.RECORD).is_file():
        raise ForecastError(
            f"run folder {run} holds no {files.RECORD}: it is not a run, or one that did not finish; train again"
        )
    return folder


def read_inside(folder: Path, name: str, max_bytes: int) -> bytes:
    """Read a file of a run folder.

    Raises
    ------
    ForecastError
        It is missing, a link to outside of the folder, not an ordinary file, or larger than `max_bytes`.

    """
    path = folder / name
    try:
        target = path.resolve(strict=True)
        inside = target.is_relative_to(folder.resolve())
        status = target.stat()
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
        return target.read_bytes()
    except OSError as error:
        raise ForecastError(f"run folder {folder}: {name} cannot be read ({error.strerror})") from None


def _newest(outputs: Path) -> Path:
    """Return the run that finished last, as it says itself: files that are copied or unpacked have other times.

    Folders still being written have a name with a leading dot. What cannot be opened is passed over, and said.
    """
    finished, passed_over = [], []
    for folder, subfolders, names in os.walk(outputs, onerror=lambda error: passed_over.append(str(error.filename))):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if files.RECORD in names:
            try:
                finished.append((_created(Path(folder)), (Path(folder) / files.RECORD).lstat().st_mtime_ns, folder))
            except (OSError, ValueError):
                passed_over.append(folder)
    for folder in passed_over:
        sys.stderr.write(printable(f"`run=latest` passes over {folder}, which cannot be opened") + "\n")
    if not finished:
        raise ForecastError(f"`run=latest` found no run under {str(outputs)!r}: train first, or give the run's folder")
    return Path(max(finished)[2])


def _created(folder: Path) -> float:
    """Return when a run was finished, in seconds since 1970; it stands at the beginning of `run.json`."""
    with (folder / files.RECORD).open("rb") as file:
        match = _CREATED.search(file.read(_BEGINNING))
    if match is None:
        raise ValueError("it does not say when")
    return datetime.fromisoformat(match[1].decode("ascii")).timestamp()
