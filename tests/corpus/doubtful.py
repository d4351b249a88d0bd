"""Files that reading would get wrong without a word, each refused or noted, and each remedy of a refusal."""

from __future__ import annotations

import numpy as np
from corpus.case import Case, iso_days


def _days(values: list[object], first: str = "2024-01-01") -> str:
    rows = [f"{day},{value}" for day, value in zip(iso_days(first, len(values)), values, strict=True)]
    return "\n".join(["date,y", *rows]) + "\n"


def _exchanged(days: list[str]) -> list[str]:
    """Write days as a spreadsheet does that takes 02/01 for 1 February."""
    parts = [day.split("-") for day in days]
    return [f"{m}/{d}/{y}" if int(d) <= 12 else f"{d}/{m}/{y}" for y, m, d in parts]


_QUARTER = iso_days("2024-01-01", 90)
_HALF_CONVERTED = [
    f"{y}-{d}-{m} 00:00:00,{i}" if int(d) <= 12 else f"{d}/{m}/{y},{i}"
    for i, (y, m, d) in enumerate(day.split("-") for day in _QUARTER)
]
_SWAPPED = [f"{day},{i}" for i, day in enumerate(_exchanged(_QUARTER))]
_TOWNS = "".join(f"{day},서울,{i}\n" for i, day in enumerate(iso_days("2024-01-01", 12)))
_NAMES = "".join(f"{day},Müller,{i}\n" for i, day in enumerate(iso_days("2024-01-01", 12)))
_LATER = "".join(f"{day},서울,{i}\n" for i, day in enumerate(iso_days("2024-01-13", 12)))
_LATER_NAMES = "".join(f"{day},Müller,{i}\n" for i, day in enumerate(iso_days("2024-01-13", 12)))
_LARGE = 2**60

DOUBTFUL = (
    Case(
        "half UTF-8, half CP949",
        b"date,town,y\n" + _TOWNS.encode() + _LATER.encode("cp949"),
        error=("mixes encodings: line 14 is no UTF-8", "data.encoding=latin-1"),
    ),
    Case(
        "half cp1252, half UTF-8",
        b"date,name,y\n" + _NAMES.encode("cp1252") + _LATER_NAMES.encode(),
        error=("mixes encodings: line 2 is no UTF-8",),
    ),
    Case(
        "half UTF-8, half cp1252, read as it stands",
        b"date,name,y\n" + _NAMES.encode() + _LATER_NAMES.encode("cp1252"),
        {"encoding": "latin-1"},
        series={"y": [*map(float, range(12)), *map(float, range(12))]},
        times=iso_days("2024-01-01", 24),
    ),
    Case(
        "days and months exchanged by a spreadsheet",
        "\n".join(["Date,Sales", *_SWAPPED]) + "\n",
        error=(
            "days and months of 'Date' are exchanged",
            "'13/01/2024' follows '01/12/2024' in line 14",
            "data.day_first",
        ),
    ),
    Case(
        "the same with the newest first",
        "\n".join(["Date,Sales", *reversed(_SWAPPED)]) + "\n",
        error=("days and months of 'Date' are exchanged",),
    ),
    Case(
        "the same, read as it stands",
        "\n".join(["Date,Sales", *_SWAPPED]) + "\n",
        {"day_first": True},
        series={"Sales": [float(i) for i in range(90)]},
        panel=None,
    ),
    Case(
        "days that a spreadsheet took for months beside texts that it left alone",
        "\n".join(["Date,Sales", *_HALF_CONVERTED]) + "\n",
        error=(
            "'Date' holds dates of two forms, '13/01/2024' (line 14) and, in 36 rows, '2024-01-01 00:00:00' (line 2)",
        ),
    ),
    Case(
        "the same with the remedy, what is left",
        "\n".join(["Date,Sales", *_HALF_CONVERTED]) + "\n",
        {"on_bad_rows": "drop"},
        series={"Sales": [float(i) for i, day in enumerate(_QUARTER) if int(day[-2:]) > 12]},
        notes=("36 rows left out",),
        quiet=False,
        panel=None,
    ),
    Case(
        "whole numbers that differ less than floating point can tell",
        _days([_LARGE + 3 * i for i in range(9)]),
        error=("'y' of", f"such as {_LARGE}", f"subtract a number such as {_LARGE}"),
    ),
    Case(
        "the same less a constant",
        _days([3 * i for i in range(9)]),
        series={"y": [3.0 * i for i in range(9)]},
    ),
    Case(
        "large whole numbers that differ much",
        _days([_LARGE + 1, _LARGE + 10**8, _LARGE + 2 * 10**8]),
        series={"y": [float(_LARGE), float(_LARGE + 10**8), float(_LARGE + 2 * 10**8)]},
        notes=("whole numbers in 'y' beyond 9,007,199,254,740,992 (2^53) were rounded, by 1 at most",),
        quiet=False,
    ),
    Case(
        "numbers that are large and no more",
        _days(["1e140", "2e140", "4e140"]),
        series={"y": [1e140, 2e140, 4e140]},
    ),
    Case("dates of the year 9999", _days([1, 2, 4], "9999-01-01"), error=("'9999-01-01' in 'date' lies outside 1678",)),
    Case("dates of the year 1", _days([1, 2, 4], "0001-01-01"), error=("'0001-01-01' in 'date' lies outside 1678",)),
    Case(
        "dates of the year 1, which the user named",
        _days([1, 2, 4], "0001-01-01"),
        {"time": "date"},
        error=("'0001-01-01' in 'date' lies outside 1678", "data.time=none"),
    ),
    Case(
        "dates of the year 9999 with the remedy",
        _days([1, 2, 4], "9999-01-01"),
        {"time": "none"},
        series={"y": [1.0, 2.0, 4.0]},
        found={"time": "none, rows are steps"},
    ),
    Case(
        "a date that stands for never",
        _days([1, 2, 4]) + "9999-12-31,9\n",
        error=("line 5: '9999-12-31' in 'date' lies outside", "data.on_bad_rows=drop"),
    ),
    Case(
        "the same with the remedy, left out",
        _days([1, 2, 4]) + "9999-12-31,9\n",
        {"on_bad_rows": "drop"},
        series={"y": [1.0, 2.0, 4.0]},
        times=iso_days("2024-01-01", 3),
        notes=("1 row left out, line 5",),
        quiet=False,
    ),
    Case(
        "the last days that are counted, with points",
        "".join(["date,y\n", *(f"{day.replace('-', '.')},{i}\n" for i, day in enumerate(iso_days("2262-04-09", 3)))]),
        series={"y": [0.0, 1.0, 2.0]},
        times=[str(np.datetime64(day)) for day in iso_days("2262-04-09", 3)],
        written=("2262.04.09", "2262.04.10", "2262.04.11"),
    ),
)
