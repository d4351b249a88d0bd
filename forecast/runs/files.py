"""The files of a run folder: their names, the text of `forecasts.csv` and the bytes of `weights.safetensors`.

Other tools read them: names and columns never change. Files may come from a stranger, so that both formats are read
strictly, and whatever is odd is refused.
"""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from forecast.errors import ForecastError
from forecast.forecasters.interface import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Arrays: TypeAlias = dict[str, np.ndarray[Any, np.dtype[Any]]]

LEADERBOARD = "leaderboard.csv"
RESULTS = "results.parquet"
FORECAST = "forecast.csv"
"""The recommended forecast alone, in the form of the user's own file (`runs.readable`)."""
FORECASTS = "forecasts.csv"
"""Those of all models that forecast the future, in a form of its own that programs read."""
WORKBOOK = "forecast.xlsx"
PATHS = "paths.parquet"
HISTORY = "history.csv"
COMPONENTS = "components.csv"
"""What each thing does: effects of calendar and covariates."""
ANOMALIES = "anomalies.csv"
"""Rows that were not expected one step ahead."""
GRADIENTS = "gradients.csv"
RECORD = "run.json"
WEIGHTS = "weights.safetensors"
REPORT = "report.html"
PROBE = "probe.html"
PROBE_NUMBERS = "probe.json"
PROBE_FIGURES = "probe"
CONTINUATION = "continuation.txt"
GRAPHS = "onnx"

# Of a run that is not finished; a finished one has none of them.
OWNER = "owner.json"
STARTED = "started.json"
CHECKPOINT = "checkpoint.safetensors"
EARLIER_CHECKPOINT = "checkpoint.earlier.safetensors"

QUANTILE_COLUMNS = tuple(f"q{level:g}" for level in QUANTILES)
_POINT_COLUMNS = ("unique_id", "ds", "model", "y_hat")
"""Columns of `forecasts.csv` where no quantiles are forecast: the probability that the target rises."""

_SYMBOL_COLUMNS = ("unique_id", "ds", "model", "symbol", "chance")
"""Columns where symbols are forecast, one line for each symbol at each step; `chance` is its probability."""

_FORECAST_COLUMNS = (*_POINT_COLUMNS, *QUANTILE_COLUMNS)

MAX_WEIGHTS_BYTES = 4 << 30
_MAX_HEADER_BYTES = 4 << 20
_MAX_NAME = 200
_MOST_DIMENSIONS = 8
_DTYPES: dict[str, type[np.generic]] = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
_MEDIAN = 0.5
_UNKNOWN = tuple(0.0 if level == _MEDIAN else math.copysign(math.inf, level - _MEDIAN) for level in QUANTILES)


# What a spreadsheet would calculate; numbers are none of it.
_FORMULA = re.compile(r"(?![-+]?[\d.,]+$)'*[=+\-@\t\r].", re.DOTALL)


def as_text(cell: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula; `as_written` takes it away again.

    >>> as_text("=1+1"), as_text("-5"), as_text("shop 1"), as_text("'=1+1")
    ("'=1+1", '-5', 'shop 1', "''=1+1")
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def as_written(cell: str) -> str:
    """Undo `as_text`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


@dataclass(frozen=True)
class ForecastRow:
    """One line of `forecasts.csv`: a model's forecast of one series at one time.

    Attributes
    ----------
    ds : the time, as the user writes it
    y_hat : the forecast in the target's unit, or the probability of a rise or of `symbol`
    quantiles : at the levels `QUANTILES`, infinite where not known; empty where `y_hat` is a probability

    """

    unique_id: str
    ds: str
    model: str
    y_hat: float
    quantiles: tuple[float, ...] = _UNKNOWN
    symbol: str | None = None


def format_forecast(rows: Iterable[ForecastRow]) -> str:
    """Return the text of `forecasts.csv`, numbers with all their digits; an infinite quantile is an empty cell.

    Where no row has quantiles, the columns for them are left out.
    """
    rows = list(rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if rows and rows[0].symbol is not None:
        writer.writerow(_SYMBOL_COLUMNS)
        writer.writerows(
            (as_text(row.unique_id), row.ds, row.model, as_text(row.symbol or ""), repr(float(row.y_hat)))
            for row in rows
        )
        return text.getvalue()
    has_quantiles = not rows or any(row.quantiles for row in rows)
    writer.writerow(_FORECAST_COLUMNS if has_quantiles else _POINT_COLUMNS)
    for row in rows:
        quantiles = (repr(float(q)) if math.isfinite(q) else "" for q in row.quantiles)
        writer.writerow((as_text(row.unique_id), row.ds, row.model, repr(float(row.y_hat)), *quantiles))
    return text.getvalue()


def parse_forecast(content: bytes, name: str) -> Iterator[ForecastRow]:
    """Read the content of `forecasts.csv` strictly, row by row; `name` is what an error calls the folder.

    Raises
    ------
    ForecastError
        Other columns, a forecast that is not a finite number, or quantiles that cross; it names the line.

    """
    try:
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
        yield from _rows(csv.reader(text, strict=True))
    except (ValueError, csv.Error) as error:
        raise ForecastError(
            f"run folder {name}: {FORECASTS} cannot be used, {str(error)[:200]}: "
            f"the file was changed or is not of this program"
        ) from None


def _rows(lines: Iterator[list[str]]) -> Iterator[ForecastRow]:
    header = tuple(next(lines, ()))
    if header not in (_SYMBOL_COLUMNS, _FORECAST_COLUMNS, _POINT_COLUMNS):
        raise ValueError(f"its columns should be {', '.join(_FORECAST_COLUMNS)}")
    for number, line in enumerate(lines, start=2):
        yield _symbol_row(line, number) if header == _SYMBOL_COLUMNS else _row(line, number, len(header))


def _row(line: list[str], number: int, columns: int) -> ForecastRow:
    if len(line) != columns:
        raise ValueError(f"line {number} has {len(line)} fields, expected {columns}")
    y_hat = float(line[3])
    if not math.isfinite(y_hat):
        raise ValueError(f"the forecast in line {number} is not finite")
    quantiles = tuple(_quantile(cell, level, number) for cell, level in zip(line[4:], QUANTILES, strict=False))
    if any(low > high for low, high in pairwise(quantiles)):
        raise ValueError(f"the quantiles in line {number} do not increase")
    return ForecastRow(as_written(line[0]), line[1], line[2], y_hat, quantiles)


def _symbol_row(line: list[str], number: int) -> ForecastRow:
    if len(line) != len(_SYMBOL_COLUMNS):
        raise ValueError(f"line {number} has {len(line)} fields, expected {len(_SYMBOL_COLUMNS)}")
    probability = float(line[4])
    if not 0 < probability <= 1:
        raise ValueError(f"the probability in line {number} should be above 0 and at most 1")
    return ForecastRow(as_written(line[0]), line[1], line[2], probability, (), as_written(line[3]))


def _quantile(cell: str, level: float, number: int) -> float:
    """Read a cell; an empty one is -inf below the median and +inf above it, and the median is never empty."""
    if not cell and level != _MEDIAN:
        return math.copysign(math.inf, level - _MEDIAN)
    quantile = float(cell)
    if not math.isfinite(quantile):
        raise ValueError(f"a quantile in line {number} is not finite")
    return quantile


def pack(tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> bytes:
    """Return the bytes of `weights.safetensors`; arrays are float32, float64 or int64."""
    arrays = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in tensors.items()}
    wrong = {name: str(array.dtype) for name, array in arrays.items() if array.dtype.type not in _DTYPES.values()}
    if wrong:
        raise TypeError(f"a run folder holds arrays of float32, float64 and int64 alone, found {wrong}")
    return save(arrays)


def unpack(content: bytes, name: str) -> Arrays:
    """Read the arrays of `weights.safetensors`; their sizes have to add up to the size of the file.

    Raises
    ------
    ForecastError
        A header that does not fit the file, another type, or a value that is not finite.

    """
    header_bytes = int.from_bytes(content[:8], "little")
    if len(content) < 8 or header_bytes > min(_MAX_HEADER_BYTES, len(content) - 8):
        raise _broken(name, "its header does not fit the file")
    try:
        entries = deserialize(content)  # type: ignore[no-untyped-call]  # written in Rust, without types
    except (SafetensorError, ValueError, OverflowError):
        raise _broken(name, "its header does not describe the file") from None
    return {key: _array(key, entry, name) for key, entry in entries}


def _array(key: str, entry: dict[str, Any], name: str) -> np.ndarray[Any, np.dtype[Any]]:
    shown = key[:_MAX_NAME]
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise _broken(name, f"{shown!r} has type {entry['dtype']}, expected one of {', '.join(_DTYPES)}")
    if len(entry["shape"]) > _MOST_DIMENSIONS:
        raise _broken(name, f"{shown!r} has {len(entry['shape'])} dimensions")
    if math.prod(entry["shape"]) * np.dtype(dtype).itemsize != len(entry["data"]):
        raise _broken(name, f"{shown!r} has another size than its shape says")
    try:
        array = np.frombuffer(entry["data"], dtype=dtype).reshape(entry["shape"]).copy()
    except ValueError:  # nothing, in a shape of exabytes
        raise _broken(name, f"{shown!r} has a shape that no array has") from None
    if not np.isfinite(array).all():
        raise _broken(name, f"{shown!r} holds values that are not finite")
    return array


def _broken(name: str, what: str) -> ForecastError:
    return ForecastError(
        f"run folder {name}: weights.safetensors cannot be used, {what}: "
        f"the file was changed or is not of this program: train again, or ask for another copy"
    )
