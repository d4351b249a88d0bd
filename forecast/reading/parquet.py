"""Parquet: the columns have types already, and only what they mean has to be found out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from forecast.errors import ForecastError
from forecast.reading.grid import Grid


def cut_parquet(data: bytes, name: str) -> Grid:
    """Read the columns of a Parquet file that hold texts, numbers or times; rows are counted from 1.

    Raises
    ------
    ForecastError
        The file is damaged, or has no rows.

    """
    try:
        table = parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ForecastError(f"{name!r} cannot be read as Parquet ({reason}): it is damaged, write it again") from None
    if table.num_rows == 0:
        raise ForecastError(f"{name!r} holds no rows: expected a table with a time and a value")
    columns = {column: _simple(table.column(column).combine_chunks()) for column in table.column_names}
    kept = {column: cells for column, cells in columns.items() if cells is not None}
    index = [column for column in kept if column.startswith("__index_level_")]
    names = [*index, *(column for column in kept if column not in index)]
    return Grid(
        names=tuple("index" if column in index[:1] else column for column in names),
        columns=tuple(kept[column] for column in names),
        lines=np.arange(1, table.num_rows + 1, dtype=np.int64),
        found=(("format", "Parquet"),),
    )


def _simple(cells: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """Texts (and true and false) as texts, numbers and times as they are; None: lists, structures and the like."""
    if isinstance(cells, pa.ChunkedArray):
        cells = pa.concat_arrays(cells.chunks)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_boolean(cells.type):
        cells = pc.cast(cells, pa.string())
    kind = cells.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.utf8_trim_whitespace(pc.fill_null(pc.cast(cells, pa.string()), ""))
    simple = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_timestamp, pa.types.is_date)
    return cells if any(test(kind) for test in simple) else None
