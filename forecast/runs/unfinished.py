"""Runs that are not finished: whose they are, what they began with, how one is found again, and what is left of others.

While a run is written, its folder has a hidden name beside the final one (`.12-00-00.unfinished`) and says which
process owns it. What a dead process left is swept away by the next run, unless it can be resumed.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.errors import ForecastError
from forecast.runs import files
from forecast.runs.trust import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from forecast.series.panel import Source

FORMAT = 1
_SUFFIX = ".unfinished"
_MOST_BYTES = 16 << 20
_SILENT_S = 120.0
"""Seconds after which a process on another machine, which cannot be asked, is taken for dead: it writes more often."""


@dataclass(frozen=True)
class Owner:
    """The process that writes a folder.

    Attributes
    ----------
    born : when it started, in ticks of its machine, since numbers of processes come again; 0 where that is not known

    """

    pid: int
    host: str
    born: int

    @staticmethod
    def this() -> Owner:
        """Return this process."""
        return Owner(os.getpid(), platform.node(), _born(os.getpid()))

    def is_gone(self, seen: float) -> bool:
        """Whether it has ended; of another machine's, whether it has written nothing since long after `seen`."""
        if self.host != platform.node() or sys.platform == "win32":
            return time.time() - seen > _SILENT_S
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return self.born != _born(self.pid)

    def __str__(self) -> str:
        """Say which process it is."""
        return f"process {self.pid} on {self.host}"


def _born(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return int(stat.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def mark_owned(folder: Path) -> None:
    """Write into a folder that it is this process's.

    Raises
    ------
    FileExistsError
        Another process has been quicker.

    """
    with (folder / files.OWNER).open("x", encoding="utf-8") as file:
        json.dump(asdict(Owner.this()), file)


def owner_of(folder: Path) -> Owner | None:
    """Return the process that owns a folder; None where none does, or has ended."""
    try:
        path = folder / files.OWNER
        values = json.loads(_small(path))
        owner = Owner(int(values["pid"]), str(values["host"])[:100], int(values["born"]))
        seen = max(entry.stat().st_mtime for entry in folder.iterdir())
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return None if owner.is_gone(seen) else owner


def take_over(folder: Path) -> None:
    """Make a folder whose owner has ended this process's.

    Raises
    ------
    ForecastError
        Its owner has not ended, or another process takes it over as well.

    """
    if (owner := owner_of(folder)) is not None:
        raise ForecastError(
            f"{owner} is writing {str(folder)!r}: wait until it ends, or end it; on another machine, one that has been "
            f"silent for {_SILENT_S:.0f} s is taken for dead"
        )
    stale = folder / f"{files.OWNER}.{os.getpid()}"
    try:
        with suppress(FileNotFoundError):
            (folder / files.OWNER).rename(stale)  # of several processes one can do it
        stale.unlink(missing_ok=True)
        mark_owned(folder)
    except FileExistsError:
        raise ForecastError(f"another process has just taken over {str(folder)!r}: wait until it ends") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder in which several jobs are written, while the block runs.

    Raises
    ------
    ForecastError
        A process that has not ended is at work in it.

    """
    take_over(folder)
    try:
        yield
    finally:
        (folder / files.OWNER).unlink(missing_ok=True)


@dataclass(frozen=True)
class Started:
    """What a run began with: its settings, and its data in a few words, to compare with."""

    created: str
    settings: dict[str, Any]
    fingerprint: str
    data: dict[str, str]
    mark: str = ""
    """Of the user who began it (`runs.trust`)."""

    def check(self, source: Source) -> None:
        """Refuse to go on with other data.

        Raises
        ------
        ForecastError
            They differ; it names the first difference.

        """
        if source.fingerprint == self.fingerprint:
            return
        now = _facts(source)
        names = [name for name in {**self.data, **now} if self.data.get(name) != now.get(name)]
        was, found = (facts.get(names[0], "none") if names else "" for facts in (self.data, now))
        difference = f"{names[0]} was {was} and is {found} now" if names else "their values are others"
        raise ForecastError(
            f"a run is resumed on the data that it began with, and these differ: {difference}; give it the same data, "
            f"or train anew without `resume`"
        )


def write_started(folder: Path, settings: Mapping[str, Any], source: Source) -> None:
    """Write what a run begins with."""
    write_begun(folder, settings, source.fingerprint, _facts(source))


def write_begun(folder: Path, settings: Mapping[str, Any], fingerprint: str, facts: dict[str, str]) -> None:
    """Write what something that can be resumed begins with: its settings, and its data in a few words."""
    created = datetime.now().astimezone().isoformat(timespec="seconds")
    started = Started(created, dict(settings), fingerprint, facts, mark_of(settings))
    part = folder / f"{files.STARTED}.part"
    part.write_text(json.dumps({"format": FORMAT, **asdict(started)}), encoding="utf-8")
    part.replace(folder / files.STARTED)


def _facts(source: Source) -> dict[str, str]:
    panel = source.panel
    first, last = panel.calendar.write(panel.times[[0, -1]])
    facts = {"number of series": len(panel), "number of rows": len(panel.times), "first time": first, "last time": last}
    return {name: str(fact) for name, fact in (facts | dict(source.found)).items()}


def read_started(folder: Path) -> Started:
    """Read what an unfinished run began with.

    Raises
    ------
    ForecastError
        It is missing, or not of this program.

    """
    try:
        return _started(json.loads(_small(folder / files.STARTED)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ForecastError(
            f"{str(folder / files.STARTED)!r} cannot be read, or is not of this version: train anew, without `resume`"
        ) from None


def _started(values: dict[str, Any]) -> Started:
    if values.pop("format") != FORMAT:
        raise ValueError("another format")
    started = Started(**values)
    strings = started.created, started.fingerprint, started.mark, *started.data, *started.data.values()
    if not (isinstance(started.settings, dict) and all(isinstance(text, str) for text in strings)):
        raise ValueError("another type")
    return started


def _small(path: Path) -> bytes:
    """Read a file of the folder that is no link and not larger than it may be."""
    if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
        raise ValueError("not a file of this program")
    return path.read_bytes()


# Finding them


def staging_of(final: Path) -> Path:
    """Return the hidden folder in which a run is written."""
    return final.parent / f".{final.name}{_SUFFIX}"


def _final_of(staging: Path) -> Path:
    """Return the folder that an unfinished one will be."""
    return staging.parent / staging.name.removeprefix(".").removesuffix(_SUFFIX)


def holds_checkpoint(folder: Path) -> bool:
    """Whether an unfinished run has something to go on from."""
    return any((folder / name).exists() for name in (files.CHECKPOINT, files.EARLIER_CHECKPOINT))


def _unfinished_below(places: Iterable[Path]) -> list[Path]:
    """Unfinished folders in some places and up to two folders further down, by name."""
    patterns = (f".*{_SUFFIX}", f"*/.*{_SUFFIX}", f"*/*/.*{_SUFFIX}")
    found = {path.absolute() for place in places for pattern in patterns for path in _glob(place, pattern)}
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []


@dataclass(frozen=True)
class Interrupted:
    """A run that `resume` names: `staging` is None where it is finished."""

    final: Path
    staging: Path | None


def find_interrupted(resume: str, outputs: str | Path = "outputs") -> Interrupted:
    """Find the run that is to be resumed; "latest" is the one that began last, of those that are not finished.

    Raises
    ------
    ForecastError
        There is none, or nothing to go on from.

    """
    if resume == "latest":
        return _latest(Path(outputs))
    folder = Path(resume).absolute()
    if folder.name.startswith(".") and folder.name.endswith(_SUFFIX):
        folder = _final_of(folder)
    if (folder / files.RECORD).is_file():
        return Interrupted(folder, None)
    if (staging_of(folder) / files.STARTED).is_file():
        return Interrupted(folder, staging_of(folder))
    raise ForecastError(
        f"`resume={resume}` should be the folder of a run that was interrupted, and nothing of one is there: start the "
        f"training again without `resume`"
    )


def _latest(outputs: Path) -> Interrupted:
    folders = [path for path in _unfinished_below([outputs]) if (path / files.STARTED).is_file()]
    waiting = [path for path in folders if owner_of(path) is None]
    if waiting:
        newest = max(waiting, key=lambda path: (path / files.STARTED).stat().st_mtime_ns)
        return Interrupted(_final_of(newest), newest)
    if folders:
        raise ForecastError(f"`resume=latest` found no interrupted run: {owner_of(folders[-1])} is still at work")
    from forecast.runs.folder import find_run  # noqa: PLC0415 - which writes folders by what stands here

    with suppress(ForecastError):
        return Interrupted(find_run("latest", outputs), None)
    raise ForecastError(f"`resume=latest` found no run under {str(outputs)!r}: start one without `resume`")


# Sweeping


def sweep(places: Iterable[Path], resumed: Path | None = None) -> list[Path]:
    """Remove what dead processes left, and return the runs that can be resumed, which stay.

    So does that of the run `resumed`, which may have been killed before there was anything to go on from.
    """
    resumable = []
    kept = None if resumed is None else staging_of(resumed.absolute())
    for folder in _unfinished_below(places):
        if owner_of(folder) is not None or folder == kept:
            continue
        if holds_checkpoint(folder):
            resumable.append(folder)
        elif (folder / files.OWNER).exists():  # one that is just being made has no owner yet
            shutil.rmtree(folder, ignore_errors=True)
    return resumable


@dataclass(frozen=True)
class Left:
    """What `clean` found: a folder, its bytes, and its owner where that is still at work, which keeps it."""

    folder: Path
    size: int
    owner: Owner | None


def clean(places: Iterable[Path]) -> list[Left]:
    """Remove all unfinished folders whose process is gone, those that could be resumed too."""
    unfinished = []
    for folder in _unfinished_below(places):
        if not any(folder.iterdir()) and time.time() - folder.stat().st_mtime < _SILENT_S:
            continue  # it is just being made
        size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
        unfinished.append(Left(folder, size, owner := owner_of(folder)))
        if owner is None:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # the final one, which waits empty
                _final_of(folder).rmdir()
    return unfinished
