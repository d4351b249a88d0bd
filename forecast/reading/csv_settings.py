"""What can be said by hand about a file instead of being found out.

What the calendar makes of the rows (frequency, gaps, holidays, resampling) has its settings with the calendar.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from forecast.settings import Settings

Names = str | tuple[str, ...]


class CsvSettings(Settings):
    """A CSV or Parquet file; None: found out.

    Attributes
    ----------
    target : the column to forecast, or several: each is a series of its own
    target_at : every: the target has a value at each row; end: it is one label a series, the same in all rows in which
        it is not empty, and comes after the last of them
    symbols : whether the target's values are symbols, texts that are taken as they are written, digits as well; None:
        what `model.head` asks for
    time : the time column, or the separate columns (year, month, day, hour) in any order, or "none": rows are steps
    id : the column that says which series a row belongs to
    past, future, static : columns beside the target: known up to a row, known ahead as well, the same in all rows of a
        series; numbers, or texts that are categories
    layout : long: series below each other, told apart by `id`; columns: each column of numbers is a series; rows: each
        row is one, its id first (or in `id`), then its values, padded at the end with empty cells
    time_format : strftime codes of the time column, or epoch_s, epoch_ms, epoch_us, epoch_ns
    timezone : zone of times that are written without one; the calendar applies it
    day_first : whether 1/2/2024 is the first of February; None: by the rows, and month first where they cannot tell
    delimiter : one character, or comma, semicolon, tab, pipe, space (any run of blanks)
    decimal, thousands : one character; thousands may be "none"
    quote : the character around texts, or "none"
    encoding : a name that Python knows, such as utf-8, utf-16, cp1252, cp949
    compression : by the file's first bytes unless said
    header : whether the first row holds names
    skip_rows : lines before the header (or the first row) to leave out
    comment : what a line to leave out begins with
    missing : further texts that mean "no value"
    on_bad_rows : what to do with rows whose time or value does not parse

    """

    # A column may be called 1950, and a command line reads that as a number.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    name: Literal["csv"] = "csv"
    path: str = Field(min_length=1)
    target: Names | None = None
    target_at: Literal["every", "end"] = "every"
    symbols: bool | None = None
    time: Names | None = None
    id: str | None = None
    past: Names = ()
    future: Names = ()
    static: Names = ()
    layout: Literal["long", "columns", "rows"] | None = None
    time_format: str | None = None
    timezone: str | None = None
    day_first: bool | None = None
    delimiter: str | None = None
    decimal: str | None = Field(default=None, min_length=1, max_length=1)
    thousands: str | None = None
    quote: str | None = None
    encoding: str | None = None
    compression: Literal["none", "gzip", "bz2", "xz", "zip", "zstd"] | None = None
    header: bool | None = None
    skip_rows: int | None = Field(default=None, ge=0)
    comment: str | None = Field(default=None, min_length=1)
    missing: tuple[str, ...] = ()
    on_bad_rows: Literal["error", "drop"] = "error"

    @field_validator("thousands", "quote")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and value != "none" and (len(value) != 1 or value in "\n\r"):
            raise ValueError("one character, or none")
        return value

    @field_validator("missing", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, (str, int, float)) else value
