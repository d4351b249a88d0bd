"""`forecast.csv`: what lies ahead, with the user's own ids and with dates as they wrote them."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.forecasters.interface import QUANTILES
from forecast.runs import layout

if TYPE_CHECKING:
    from collections.abc import Iterable


UNKNOWN = tuple(0.0 if level == 0.5 else math.copysign(math.inf, level - 0.5) for level in QUANTILES)


@dataclass(frozen=True)
class ForecastRow:
    """One line: a model's forecast for one series at one time; `quantiles` at `QUANTILES`, infinite where not known.

    A probability that the target rises, or of a `symbol`, has none: they are empty then.
    """

    unique_id: str
    ds: str
    model: str
    y_hat: float
    quantiles: tuple[float, ...] = UNKNOWN
    symbol: str | None = None


def format_forecast(rows: Iterable[ForecastRow]) -> str:
    """Write the file's text, numbers with all their digits; a quantile that is infinite is an empty cell.

    Where no row has quantiles there are no columns for them.
    """
    rows = list(rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if rows and rows[0].symbol is not None:
        writer.writerow(layout.SYMBOL_COLUMNS)
        writer.writerows((row.unique_id, row.ds, row.model, row.symbol, repr(float(row.y_hat))) for row in rows)
        return text.getvalue()
    told = not rows or any(row.quantiles for row in rows)
    writer.writerow(layout.FORECAST_COLUMNS if told else layout.POINT_COLUMNS)
    for row in rows:
        quantiles = (repr(float(q)) if math.isfinite(q) else "" for q in row.quantiles)
        writer.writerow((row.unique_id, row.ds, row.model, repr(float(row.y_hat)), *quantiles))
    return text.getvalue()


def parse_forecast(content: bytes, name: str) -> tuple[ForecastRow, ...]:
    """Read the file's text strictly; `name` is what an error calls the folder.

    Raises
    ------
    ForecastError
        Other columns, a forecast that is no finite number, or quantiles that cross, with its line.

    """
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
        if lines and tuple(lines[0]) == layout.SYMBOL_COLUMNS:
            return tuple(_symbol_row(line, number) for number, line in enumerate(lines[1:], start=2))
        _check_columns(lines[0] if lines else [])
        return tuple(_row(line, number, len(lines[0])) for number, line in enumerate(lines[1:], start=2))
    except (ValueError, csv.Error) as error:
        raise ForecastError(
            f"run folder {name}: {layout.FORECAST} cannot be used, {str(error)[:200]}: "
            f"the file was changed or is not of this program"
        ) from None


def _check_columns(found: list[str]) -> None:
    if tuple(found) not in (layout.FORECAST_COLUMNS, layout.POINT_COLUMNS):
        raise ValueError(f"its columns should be {', '.join(layout.FORECAST_COLUMNS)}")


def _row(line: list[str], number: int, columns: int) -> ForecastRow:
    if len(line) != columns:
        raise ValueError(f"line {number} has {len(line)} fields, expected {columns}")
    y_hat = float(line[3])
    if not math.isfinite(y_hat):
        raise ValueError(f"the forecast in line {number} is not finite")
    quantiles = tuple(_quantile(cell, level, number) for cell, level in zip(line[4:], QUANTILES, strict=False))
    if any(low > high for low, high in pairwise(quantiles)):
        raise ValueError(f"the quantiles in line {number} do not increase")
    return ForecastRow(line[0], line[1], line[2], y_hat, quantiles)


def _symbol_row(line: list[str], number: int) -> ForecastRow:
    if len(line) != len(layout.SYMBOL_COLUMNS):
        raise ValueError(f"line {number} has {len(line)} fields, expected {len(layout.SYMBOL_COLUMNS)}")
    chance = float(line[4])
    if not 0 < chance <= 1:
        raise ValueError(f"the chance in line {number} is no number above 0 and up to 1")
    return ForecastRow(line[0], line[1], line[2], chance, (), line[3])


def _quantile(cell: str, level: float, number: int) -> float:
    """Read a cell; an empty one is beyond everything, and the median never is."""
    if not cell and level != 0.5:
        return math.copysign(math.inf, level - 0.5)
    quantile = float(cell)
    if not math.isfinite(quantile):
        raise ValueError(f"a quantile in line {number} is not finite")
    return quantile
