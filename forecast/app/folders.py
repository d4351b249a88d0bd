"""Output folders: each job has its own, and a job that fails leaves none."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Claim:
    """An output folder, and the folders, deepest first, that were created for it."""

    folder: Path
    created: tuple[Path, ...]

    def release(self) -> None:
        """Remove the created folders again where they are empty."""
        for folder in self.created:
            if not remove_empty(folder):
                return


def claim_folder(wanted: Path, *, chosen: bool) -> Claim:
    """Make a folder of our own; two jobs of one second get different ones ("12-00-00", "12-00-00-2").

    A folder that the user has `chosen` is taken as it is, and may exist already.

    Raises
    ------
    ForecastError
        It cannot be made.

    """
    for folder in [wanted] if chosen else _numbered(wanted):
        missing = tuple(parent for parent in (folder, *folder.parents) if not parent.exists())
        try:
            folder.mkdir(parents=True, exist_ok=chosen)
        except OSError as error:
            if isinstance(error, FileExistsError) and not chosen and os.path.lexists(folder):
                continue  # taken by another job; a parent that is a link to nowhere is not
            Claim(folder, missing).release()
            lost = next((str(parent) for parent in folder.parents if parent.is_symlink() and not parent.exists()), None)
            why = error.strerror if lost is None else f"{lost!r} is a link to a folder that is not there"
            raise ForecastError(
                f"cannot make the output folder {str(folder)!r} ({why}): choose another with `hydra.run.dir=...`"
            ) from error
        return Claim(folder, missing)
    raise AssertionError("numbers do not end")


def remove_empty(folder: Path) -> bool:
    """Remove a folder if it is empty; return whether it is gone."""
    try:
        folder.rmdir()
    except OSError:
        return not folder.exists()
    return True


def _numbered(wanted: Path) -> Iterator[Path]:
    yield wanted
    for number in count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")
