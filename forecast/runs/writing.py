"""Write a run folder, whole or not at all.

Everything goes into a hidden folder beside the final one, `run.json` last, and the folder is renamed when it is
complete. A run that ends before leaves nothing that could be taken for one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.errors import ForecastError
from forecast.runs import layout, tensors
from forecast.runs.forecasts import format_forecast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    import pandas as pd

    from forecast.runs.forecasts import ForecastRow
    from forecast.runs.record import RunRecord

_MOST_NUMBERS = 1000


@dataclass(frozen=True)
class Draft:
    """A folder in the making: `staging` is where it is written, `final` where it will be."""

    staging: Path
    final: Path


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Draft]:
    """Make `folder` appear complete when the block ends; where it is taken the name gets a number ("-2").

    On any exception nothing is left behind, parent folders made on the way included.

    Raises
    ------
    ForecastError
        The folder cannot be written.

    """
    wanted = Path(folder).absolute()
    made = _missing_parents(wanted)
    try:
        draft = _claim(wanted)
    except OSError as error:
        raise ForecastError(
            f"cannot write into {str(wanted.parent)!r} ({error.strerror}): "
            f"choose another folder, as in `hydra.run.dir=...`"
        ) from None
    try:
        yield draft
        _publish(draft)
    except BaseException:
        shutil.rmtree(draft.staging, ignore_errors=True)
        _remove_empty(made)
        raise


@contextmanager
def added_to(folder: Path) -> Iterator[Path]:
    """Give a folder whose files and folders go into `folder` when the block ends, in the place of those there.

    Each appears whole; on any exception nothing of it does.

    Raises
    ------
    ForecastError
        The folder cannot be written.

    """
    try:
        staging = Path(tempfile.mkdtemp(prefix=".", suffix=".unfinished", dir=folder))
    except OSError as error:
        raise ForecastError(
            f"cannot write into {str(folder)!r} ({error.strerror}): copy the run folder to where you may write"
        ) from None
    aside = staging / ".before"
    try:
        yield staging
        aside.mkdir()
        for entry in sorted(path for path in staging.iterdir() if path != aside):
            there = folder / entry.name
            if there.is_dir() or there.is_symlink():
                there.rename(aside / entry.name)
            entry.replace(there)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV in UTF-8, numbers with all their digits, what is missing as an empty field."""
    table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def write_results(results: pd.DataFrame, path: Path) -> None:
    """Write the tidy table as Parquet."""
    results.to_parquet(path, index=False)


def write_forecast(rows: Iterable[ForecastRow], path: Path) -> None:
    """Write `forecast.csv`."""
    path.write_text(format_forecast(rows), encoding="utf-8", newline="")


def write_weights(arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]], path: Path) -> None:
    """Write all arrays."""
    path.write_bytes(tensors.pack(arrays))


def write_record(record: RunRecord, path: Path) -> None:
    """Write `run.json`; it comes last, since a folder that has it is complete."""
    with path.open("w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _claim(wanted: Path) -> Draft:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for final in _numbered(wanted):
        staging = final.parent / f".{final.name}.unfinished"
        try:
            staging.mkdir()
        except FileExistsError:
            continue
        if not _is_taken(final):  # asked only now: a run beside this one may just have been renamed
            return Draft(staging, final)
        staging.rmdir()
    raise ForecastError(f"{_MOST_NUMBERS} folders beginning with {str(wanted)!r} are there: choose another one")


def _publish(draft: Draft) -> None:
    """Rename; a final folder that holds no run, as one with a log, keeps what it has and gets the rest."""
    try:
        draft.staging.rename(draft.final)
    except OSError:
        if _is_taken(draft.final):
            raise
        entries = sorted(draft.staging.iterdir(), key=lambda path: path.name == layout.RECORD)
        for entry in entries:
            os.replace(entry, draft.final / entry.name)
        draft.staging.rmdir()


def _is_taken(folder: Path) -> bool:
    if not folder.exists():
        return False
    return not folder.is_dir() or (folder / layout.RECORD).exists() or (folder / layout.FORECAST).exists()


def _numbered(wanted: Path) -> Iterator[Path]:
    yield wanted
    for number in range(2, _MOST_NUMBERS):
        yield wanted.with_name(f"{wanted.name}-{number}")


def _missing_parents(folder: Path) -> list[Path]:
    return [parent for parent in folder.parents if not parent.exists()]


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
