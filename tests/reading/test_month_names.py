"""Months, days of the week and quarters in the languages of files, against babel's own writing of dates."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from babel.dates import format_date

from forecast.reading.time_forms import is_time, style_of
from forecast.reading.times import form_of, read_times
from forecast.series.calendar import Calendar, TimeStyle, calendar_from_dict, write_times

LANGUAGES = ("en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "nb", "pl", "cs", "ru", "tr", "ro", "hu", "fi", "uk")
MONTHS = [date(2020 + i // 12, i % 12 + 1, 1) for i in range(24)]
DAYS = [date(2020, 1, 1) + timedelta(5 * i) for i in range(80)]
QUARTERS = [date(2020 + i // 4, i % 4 * 3 + 1, 1) for i in range(8)]


def check(cells: list[str], truth: list[date]) -> None:
    """Cells are read as what they mean, and written back as they are."""
    form, _ = form_of(cells)
    assert form is not None, cells[:3]
    times = read_times(pa.array(cells), form, None, european=False)
    assert times.good.all()
    read = times.ns.astype("datetime64[ns]")
    np.testing.assert_array_equal(read, np.array(truth, dtype="datetime64[D]"))
    assert write_times(read, style_of(cells, form, times.order, times.timezone, "t")) == cells


@pytest.mark.parametrize("language", LANGUAGES)
def test_months(language: str) -> None:
    for pattern in ("MMM yy", "MMM/yy", "MMMM yyyy", "LLL yyyy", "LLLL yyyy"):
        cells = [format_date(month, pattern, locale=language) for month in MONTHS]
        check(cells, MONTHS)
        check([cell.replace(".", "") for cell in cells], MONTHS)
        check([cell.capitalize() for cell in cells], MONTHS)
        check([cell.upper() for cell in cells], MONTHS)
        assert all(map(is_time, cells))


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language not in ("hu", "uk")])
def test_days(language: str) -> None:
    for pattern in ("d. MMMM yyyy", "dd-MMM-yyyy", "EEEE, d MMMM yyyy", "EEE dd.MM.yyyy"):
        check([format_date(day, pattern, locale=language) for day in DAYS], DAYS)


@pytest.mark.parametrize("language", ["es", "pt"])
def test_days_as_spanish_and_portuguese_write_them(language: str) -> None:
    check([format_date(day, "long", locale=language) for day in DAYS], DAYS)
    check([f"{format_date(month, 'MMMM', locale=language)} de {month.year}" for month in MONTHS], MONTHS)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "it", "nl", "sv", "ru"])
def test_quarters(language: str) -> None:
    for pattern in ("QQQ yyyy", "QQQQ yyyy"):
        cells = [format_date(quarter, pattern, locale=language) for quarter in QUARTERS]
        if not cells[0].startswith("K"):  # a letter that many things are called
            check(cells, QUARTERS)


def test_months_that_the_file_does_not_have_are_written_in_its_language() -> None:
    cells = ["janv. 2020", "févr. 2020", "mars 2020", "avr. 2020"]
    form, _ = form_of(cells)
    assert form is not None
    style = style_of(cells, form, "", None, "t")
    ahead = np.arange("2020-05", "2020-10", dtype="datetime64[M]").astype("datetime64[ns]")
    assert write_times(ahead, style) == ["mai 2020", "juin 2020", "juil. 2020", "août 2020", "sept. 2020"]
    portuguese = ["JAN/15", "FEV/15", "MAR/15", "ABR/15"]
    form, _ = form_of(portuguese)
    assert form is not None
    assert write_times(ahead, style_of(portuguese, form, "", None, "t"))[-1] == "SET/20"


@pytest.mark.parametrize("cell", ["Product 12", "Martin 2020", "Stand 01.02.2024", "Setting 10", "Paris 2024"])
def test_words_that_begin_like_months_are_none(cell: str) -> None:
    assert not is_time(cell)


def test_a_style_keeps_its_words_and_refuses_too_few() -> None:
    calendar = Calendar("MS", style=TimeStyle("%OB %Y", months=tuple("abcdefghijkl")))
    assert calendar_from_dict(calendar.as_dict()) == calendar
    with pytest.raises(ValueError, match="12 words"):
        TimeStyle("%OB %Y", months=("a",))
