"""Rows that come through a pipe, as CSV or JSON lines: the form is seen by itself.

A row names a series, a time, a value and covariates by the columns of the file that the run was trained on, or as
`unique_id`, `ds` and `y`. `name+3` is the covariate `name` three steps ahead. Without a header there are a value; a
time and a value; or an id, a time and a value.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from forecast.errors import ForecastError
from forecast.reading.cells import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

_GROUPED = re.compile(r"[-+]?\d{1,3}(\.\d{3})+")
_DELIMITERS = (";", "\t", "|", ",")


class Row(NamedTuple):
    """A row as it was written.

    Attributes
    ----------
    number : of its line, from 1
    id : of its series; None: not said
    time : None: the next step
    value : the target as it was written, or a number; None: missing
    given : covariates by name, those of later steps as "name+3"

    """

    number: int
    id: str | None
    time: str | None
    value: Any
    given: dict[str, Any] | None = None


@dataclass(frozen=True)
class Columns:
    """What columns of rows may be called.

    Attributes
    ----------
    ids, times, targets : names, in any order
    series : ids of all series, for rows with a column for each
    covariates : names of covariates

    """

    ids: tuple[str, ...]
    times: tuple[str, ...]
    targets: tuple[str, ...]
    series: tuple[str, ...]
    covariates: tuple[str, ...] = ()

    def is_covariate(self, name: str) -> bool:
        """Whether a column is a covariate, of its own step or of a later one."""
        return name in self.covariates or name.rpartition("+")[0] in self.covariates


@dataclass
class RowReader:
    """Turns lines of text into rows.

    Attributes
    ----------
    form : "csv" or "json", once a line has been seen
    number : of the latest line, from 1

    """

    columns: Columns
    form: str | None = None
    number: int = 0
    _delimiter: str = ","
    _width: int = 0
    _places: dict[str, int] = field(default_factory=dict)  # of id, time and target
    _given: dict[str, int] = field(default_factory=dict)  # of covariates
    _wide: dict[str, int] = field(default_factory=dict)  # of a column for each series

    def read(self, line: str) -> list[Row]:
        """Return the rows of a line: none of a header or an empty line, several where each series has a column.

        Raises
        ------
        ForecastError
            A line that is no row.

        """
        self.number += 1
        line = line.strip()
        if not line:
            return []
        if self.form is None:
            line = line.lstrip("\ufeff")
            self.form = "json" if line.lstrip().startswith("{") else "csv"
            if self.form == "csv" and self._is_header(line):
                return []
        if self.form == "json":
            return self._of_object(line)
        cells = line.split(self._delimiter) if '"' not in line else _cells(line, self._delimiter)
        if len(cells) != self._width:
            raise ForecastError(f"it has {len(cells)} cells, expected {self._width}")
        return self._of_cells(cells)

    def _of_cells(self, cells: Sequence[str]) -> list[Row]:
        places = self._places
        time = cells[places["time"]].strip() or None if "time" in places else None
        given = {name: cells[at] for name, at in self._given.items()} if self._given else None
        if self._wide:
            return [Row(self.number, name, time, cells[at].strip(), given) for name, at in self._wide.items()]
        series = cells[places["id"]].strip() if "id" in places else None
        return [Row(self.number, series, time, cells[places["target"]], given)]

    def _of_object(self, line: str) -> list[Row]:
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ForecastError(f"it is no JSON ({error})") from None
        if not isinstance(values, dict):
            raise ForecastError(f"it should be a JSON object, found {line[:40]!r}")
        columns = self.columns
        time = next((str(values.pop(name)) for name in columns.times if values.get(name) is not None), None)
        series = next((str(values.pop(name)) for name in columns.ids if values.get(name) is not None), None)
        given = {name: values.pop(name) for name in list(values) if columns.is_covariate(name)} or None
        target = next((name for name in columns.targets if name in values), None)
        if target is not None:
            return [Row(self.number, series, time, values[target], given)]
        wide = [name for name in columns.series if name in values]
        if not wide:
            raise ForecastError(f"it has no value: name it {columns.targets[0]!r}")
        return [Row(self.number, name, time, values[name], given) for name in wide]

    def _is_header(self, line: str) -> bool:
        """Learn the columns from the first line; whether it is a header."""
        columns = self.columns
        known = {*columns.ids, *columns.times, *columns.targets, *columns.series, *columns.covariates}
        for delimiter in _DELIMITERS:
            names = [cell.strip() for cell in _cells(line, delimiter)]
            if known & set(names):
                self._delimiter, self._width = delimiter, len(names)
                self._name_columns(names)
                return True
        self._delimiter = next((d for d in _DELIMITERS if d in line), ",")
        self._width = len(_cells(line, self._delimiter))
        orders = {1: ("target",), 2: ("time", "target"), 3: ("id", "time", "target")}
        if self._width not in orders:
            self.form = None  # the next line may be the header
            wanted = ", ".join(dict.fromkeys([columns.times[0], columns.targets[0]]))
            raise ForecastError(f"it has {self._width} cells and no header: begin with one, such as {wanted}")
        self._places = {name: place for place, name in enumerate(orders[self._width])}
        return False

    def _name_columns(self, names: Sequence[str]) -> None:
        columns = self.columns
        for what, usual in (("id", columns.ids), ("time", columns.times), ("target", columns.targets)):
            place = next((names.index(name) for name in usual if name in names), None)
            if place is not None:
                self._places[what] = place
        self._given = {name: place for place, name in enumerate(names) if columns.is_covariate(name)}
        if "target" not in self._places:
            self._wide = {name: place for place, name in enumerate(names) if name in columns.series}
            if not self._wide:
                self.form = None  # the next line may be the header
                raise ForecastError(f"the header {', '.join(names)} lacks the target {columns.targets[0]!r}")


def number_of(value: Any, *, decimal_comma: bool = False) -> float:
    """Read a value; NaN where it is missing. With a decimal comma, points group thousands: "1.234" is 1234.

    Raises
    ------
    ForecastError
        It is no number.

    """
    try:
        if decimal_comma and isinstance(value, str) and ("," in value or _GROUPED.fullmatch(value.strip())):
            value = value.replace(".", "").replace(",", ".")
        number = float(value)
    except (TypeError, ValueError):
        if value is None or str(value).strip().lower() in MISSING:
            return math.nan
        raise ForecastError(f"the value {str(value)[:40]!r} is no number") from None
    if math.isinf(number):
        raise ForecastError(f"the value {value!r} is not finite")
    return number


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter))
