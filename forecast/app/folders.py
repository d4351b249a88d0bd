"""Output folders: each job has its own, and a job that fails leaves none."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Claim:
    """A folder that is ours, and those folders, deepest first, which were not there before."""

    folder: Path
    made: tuple[Path, ...]

    def release(self) -> None:
        """Take the made folders away again where nothing lies in them."""
        for folder in self.made:
            if not remove_empty(folder):
                return


def claim_folder(wanted: Path, *, as_said: bool) -> Claim:
    """Make a folder of our own; two jobs of one second get different ones ("12-00-00", "12-00-00-2").

    A folder that the user named (`as_said`) is taken as it is, and may be there already.

    Raises
    ------
    ForecastError
        It cannot be made.

    """
    for folder in [wanted] if as_said else _numbered(wanted):
        missing = tuple(one for one in (folder, *folder.parents) if not one.exists())
        try:
            folder.mkdir(parents=True, exist_ok=as_said)
        except OSError as error:
            if isinstance(error, FileExistsError) and not as_said:
                continue
            Claim(folder, missing).release()
            raise ForecastError(
                f"cannot make the output folder {str(folder)!r} ({error.strerror}): "
                f"choose another with `hydra.run.dir=...`"
            ) from error
        return Claim(folder, missing)
    raise AssertionError("numbers do not end")


def remove_empty(folder: Path) -> bool:
    """Remove a folder if nothing lies in it; say whether it is gone."""
    try:
        folder.rmdir()
    except OSError:
        return not folder.exists()
    return True


def _numbered(wanted: Path) -> Iterator[Path]:
    yield wanted
    for number in count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")
