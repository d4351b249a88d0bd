"""The table that JSON holds, in the ways in which pandas and services write tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Sequence

_WRAPPERS = ("data", "records", "results", "items", "rows", "values", "observations", "series", "datapoints")
"""Keys under which services put the records of their answers."""
_FEWEST_CELLS = 4  # of a table in JSON under a key that is not usual


def records_of(text: str, name: str) -> pd.DataFrame | None:
    """Rows of JSON: a list of records, records line by line, or columns; None: the text is no JSON."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            values = [json.loads(line) for line in lines]
        except json.JSONDecodeError:
            if not text.lstrip().startswith(("{", "[{")):
                return None
            raise ForecastError(
                f"{name!r} looks like JSON and is damaged: {error.msg} in line {error.lineno}, column {error.colno}"
            ) from None
    frame = _frame_of(values)
    if frame is None or frame.empty:
        raise ForecastError(
            f"{name!r} is JSON without a table in it: expected records such as "
            '[{"date": "2024-01-01", "value": 1}, ...], or columns such as {"date": [...], "value": [...]}'
        )
    return frame


def _frame_of(values: Any) -> pd.DataFrame | None:
    """Make a table of what JSON holds, as pandas and services write tables; None: it holds none."""
    if isinstance(values, list) and values:
        return _of_list(values)
    return _of_object(values) if isinstance(values, dict) and values else None


def _of_list(rows: list[Any]) -> pd.DataFrame | None:
    """Records, rows of cells, or the values of one column."""
    if all(isinstance(row, dict) for row in rows):
        return _unnested(pd.json_normalize(rows))
    if all(isinstance(row, list) for row in rows) and len({len(row) for row in rows}) == 1:
        return pd.DataFrame(rows, columns=[f"column {j + 1}" for j in range(len(rows[0]))])
    if not any(isinstance(row, (dict, list)) for row in rows):
        return pd.DataFrame({"value": rows})
    records = max((row for row in rows if isinstance(row, list)), key=len, default=[])  # beside facts on the page
    return _of_list(records) if records and all(isinstance(row, (dict, list)) for row in rows) else None


def _unnested(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each record, or pair, of a list in a record a row of its own, as services write several series."""
    for name in frame:
        if str(name).rpartition(".")[2] not in _WRAPPERS or not all(isinstance(c, list) and c for c in frame[name]):
            continue
        cells = frame[name].explode()
        inner = _of_list(cells.tolist())
        if inner is None or not isinstance(cells.iloc[0], (dict, list)):
            continue
        if isinstance(cells.iloc[0], list) and inner.shape[1] == 2:
            steps = inner.apply(pd.to_numeric, errors="coerce").groupby(cells.index.to_numpy()).diff()
            up, down = (steps > 0) | steps.isna(), (steps < 0) | steps.isna()
            time, value = inner.columns
            value_first = up[value].all() and not up[time].all() and not down[time].all()  # as Graphite writes pairs
            inner.columns = pd.Index(["value", "time"] if value_first else ["time", "value"])
        inner.columns = pd.Index([f"{name}.{column}" if column in frame else column for column in inner])
        return _unnested(pd.concat([frame.drop(columns=name).loc[cells.index].reset_index(drop=True), inner], axis=1))
    return frame


def _of_object(values: dict[str, Any]) -> pd.DataFrame | None:
    """Columns, columns beside their rows, cells by an index, values by their time, or records under a usual key."""
    inner = list(values.values())
    of_objects = [column for column in inner if isinstance(column, dict) and column]
    by_time = [column for column in of_objects if all(map(_is_flat, column.values()))]
    frame = None
    if isinstance(values.get("columns"), list) and isinstance(values.get("data"), list):  # pandas: orient="split"
        frame = pd.DataFrame(values["data"], columns=[str(name) for name in values["columns"]])
        frame = _with_labels(frame, values["index"]) if "index" in values else frame
    elif all(isinstance(column, list) for column in inner) and len({len(column) for column in inner}) == 1:
        frame = _of_columns(values)
    elif len(by_time) == 1:
        frame = _with_labels(pd.DataFrame.from_dict(by_time[0], orient="index"), None)
    elif all(map(_is_flat, inner)):
        frame = _with_labels(pd.DataFrame(values), None)
    elif _is_flat(values):
        frame = pd.DataFrame({"time": list(values), "value": inner})
    else:
        held = {key: _frame_of(inner) for key, inner in values.items() if isinstance(inner, (list, dict))}
        tables = {key: frame for key, frame in held.items() if frame is not None and frame.size >= _FEWEST_CELLS}
        usual = next((key for key in _WRAPPERS if key in tables), None)
        frame = tables[usual] if usual else max(tables.values(), key=lambda table: table.size, default=None)
    return frame


def _of_columns(values: dict[str, list[Any]]) -> pd.DataFrame | None:
    """Columns of one length, or columns of pairs with the same times, or what a single list holds."""
    columns = list(values.values())
    if len(columns) == 1 and columns[0] and isinstance(columns[0][0], (dict, list)):
        return _of_list(columns[0])
    if all(isinstance(cell, list) and len(cell) == 2 for column in columns for cell in column):
        times = [[time for time, _ in column] for column in columns]
        if all(time == times[0] for time in times):
            return pd.DataFrame({"time": times[0]} | {key: [y for _, y in column] for key, column in values.items()})
    return pd.DataFrame(values)


def _is_flat(values: Any) -> bool:
    """Whether values are an object that holds no further objects and no lists."""
    return isinstance(values, dict) and not any(isinstance(value, (dict, list)) for value in values.values())


def _with_labels(frame: pd.DataFrame, index: Sequence[Any] | None) -> pd.DataFrame:
    """Add the index as the first column, unless it counts rows."""
    labels = [str(label) for label in (frame.index if index is None else index)]
    if labels == [str(row) for row in range(len(frame))]:
        return frame
    frame.insert(0, "time" if "time" not in frame else "index", labels)
    return frame
