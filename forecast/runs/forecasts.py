"""`forecast.csv`: what lies ahead, with the user's own ids and with dates as they wrote them."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.runs import layout

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class ForecastRow:
    """One line: a model's forecast for one series at one time."""

    unique_id: str
    ds: str
    model: str
    y_hat: float


def format_forecast(rows: Iterable[ForecastRow]) -> str:
    """Write the file's text, numbers with all their digits."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(layout.FORECAST_COLUMNS)
    writer.writerows((row.unique_id, row.ds, row.model, repr(float(row.y_hat))) for row in rows)
    return text.getvalue()


def parse_forecast(content: bytes, name: str) -> tuple[ForecastRow, ...]:
    """Read the file's text strictly; `name` is what an error calls the folder.

    Raises
    ------
    ForecastError
        Other columns, or a forecast that is no finite number, with its line.

    """
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
        _check_columns(lines[0] if lines else [])
        return tuple(_row(line, number) for number, line in enumerate(lines[1:], start=2))
    except (ValueError, csv.Error) as error:
        raise ForecastError(
            f"run folder {name}: {layout.FORECAST} cannot be used, {str(error)[:200]}: "
            f"the file was changed or is not of this program"
        ) from None


def _check_columns(found: list[str]) -> None:
    if tuple(found) != layout.FORECAST_COLUMNS:
        raise ValueError(f"its columns should be {', '.join(layout.FORECAST_COLUMNS)}")


def _row(line: list[str], number: int) -> ForecastRow:
    if len(line) != len(layout.FORECAST_COLUMNS):
        raise ValueError(f"line {number} has {len(line)} fields, expected {len(layout.FORECAST_COLUMNS)}")
    y_hat = float(line[3])
    if not math.isfinite(y_hat):
        raise ValueError(f"the forecast in line {number} is not finite")
    return ForecastRow(line[0], line[1], line[2], y_hat)
