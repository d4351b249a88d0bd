"""Reading against slow oracles: Python's own float, datetime and csv, one cell at a time."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from forecast.reading.cells import Notation, find_notation, read_numbers
from forecast.reading.dialect import Dialect, Header
from forecast.reading.grid import _cut_at_once, _cut_by_row
from forecast.reading.settings import FileSettings
from forecast.reading.tables import read_table
from forecast.reading.time_forms import FORMS, form_of_format, name_parts
from forecast.reading.time_parts import _cut_alike, _cut_any, compose, cut_times
from forecast.reading.times import _irregularity, irregularity_of, read_times, seconds_of
from forecast.series.calendar import TimeStyle, write_times

MOMENTS = [datetime(1999, 12, 31, 23) + timedelta(days=37 * i, hours=5 * i, minutes=7 * i) for i in range(200)]
FORMATS = [
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y/%m/%d %H:%M",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%y %H:%M",
    "%d-%b-%Y",
    "%d %B %Y %H:%M",
    "%B %d, %Y",
    "%a, %d %b %Y %H:%M:%S",
    "%Y%m%d",
    "%Y%m%dT%H%M%S",
    "%Y%m%d%H%M",
    "%Y-%m",
    "%b-%y",
    "%Y년 %m월 %d일 %H시 %M분",
]


@pytest.mark.parametrize("template", FORMATS)
def test_times_are_read_as_python_reads_them_and_written_as_they_were(template: str, tmp_path: Path) -> None:
    texts = [moment.strftime(template) for moment in MOMENTS]
    expected = [datetime.strptime(text, template) for text in texts]
    rows = "\n".join(f"{text};{i}" for i, text in enumerate(texts))
    path = tmp_path / "times.csv"
    path.write_text(f"when;value\n{rows}\n", encoding="utf-8")
    table = read_table(path, FileSettings(path=str(path)))
    times = table.series[0].times
    assert times is not None
    np.testing.assert_array_equal(times, np.array(expected, dtype="datetime64[ns]"))
    assert write_times(times, table.style) == texts
    assert not table.notes


def test_the_two_ways_of_cutting_times_agree() -> None:
    examples = [
        "2024-03-31T01:02:03.25+02:00",
        "31.12.2024 23:59",
        "Jan 05, 2024",
        "20240131",
        "1704067200",
        "2024-W05",
    ]
    examples += ["01/02/2024 11:00 PM", "13.01.2024 22:00 - 13.01.2024 23:00", "45292.5", "Mon, 01 Jan 2024"]
    for text in examples:
        form = next(form for form in FORMS if form.expression.fullmatch(text))
        cells = pa.array([text] * 3)
        quick, slow = _cut_alike(cells, form), _cut_any(cells, form)
        assert quick is not None
        assert quick.fits.all()
        assert slow.fits.all()
        assert {k: v.tolist() for k, v in quick.parts.items()} == {k: v.tolist() for k, v in slow.parts.items()}
        for name, (texts, which) in slow.texts.items():
            assert [texts[i] for i in which] == [quick.texts[name][0][i] for i in quick.texts[name][1]]


def test_every_real_day_and_no_other_is_a_time() -> None:
    days = [(y, m, d) for y in (1900, 2000, 2023, 2024) for m in range(14) for d in range(33)]
    cells = pa.array([f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in days])
    cut = cut_times(cells, FORMS[0])
    ns, good = compose(name_parts(cut.parts, ""), len(cells))
    for (y, m, d), count, real in zip(days, ns.tolist(), good.tolist(), strict=True):
        try:
            expected = (datetime(y, m, d) - datetime(1970, 1, 1)).days
        except ValueError:
            assert not real
        else:
            assert real
            assert count == expected * 86_400 * 10**9


def test_iso_weeks_agree_with_python() -> None:
    weeks = [(y, w, d) for y in range(1998, 2030) for w in (1, 2, 26, 52) for d in (1, 4, 7)]
    form = next(form for form in FORMS if form.name == "week")
    times = read_times(pa.array([f"{y}-W{w:02d}-{d}" for y, w, d in weeks]), form, None, european=False)
    expected = [datetime.fromisocalendar(*week) for week in weeks]
    np.testing.assert_array_equal(times.ns.astype("datetime64[ns]"), np.array(expected, dtype="datetime64[ns]"))


def test_numbers_are_read_as_python_reads_them() -> None:
    random = np.random.default_rng(3)
    bits = random.integers(0, 2**63 - 2**52, 3000, dtype=np.int64).view(np.float64)
    values = [*bits[np.isfinite(bits)].tolist(), *(random.normal(size=2000) * 1e5).tolist(), 5e-324, -0.0]
    texts = [*map(repr, values), *(f"{value:.17g}" for value in values), *(f"{value:.3f}" for value in values[-2000:])]
    numbers = read_numbers(pa.array(texts), Notation())
    assert not numbers.bad.any()
    assert numbers.values.tolist() == [float(text) for text in texts]
    commas = read_numbers(pa.array([text.replace(".", ",") for text in texts]), Notation(",", "."))
    assert not commas.bad.any()
    assert commas.values.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(("decimal", "thousands"), [(".", ","), (",", "."), (",", " "), (".", "'"), (".", " ")])
def test_grouped_numbers_are_read_as_they_were_meant(decimal: str, thousands: str) -> None:
    values = (np.random.default_rng(5).normal(size=500) * 1e6).round(2).tolist()
    marks = str.maketrans({",": thousands, ".": decimal})
    texts = [f"{value:,.2f}".translate(marks) for value in values]
    notation, doubtful = find_notation(texts, semicolons=False)
    assert notation == Notation(decimal, thousands)
    assert not doubtful
    numbers = read_numbers(pa.array(texts), notation)
    assert numbers.values.tolist() == values
    assert not numbers.bad.any()


@pytest.mark.parametrize(
    "text", ["1.2.3", "1,2,3", "12,34,5", "1e", "--5", "5 6", "0x10", "1_000", "(5", "$", "1.5abc", "٣"]
)
def test_what_is_no_number_is_bad(text: str) -> None:
    numbers = read_numbers(pa.array(["1.5", text]), Notation(".", ","))
    assert numbers.bad.tolist() == [False, True]


def test_the_two_ways_of_cutting_rows_agree_with_pythons_reader() -> None:
    random = np.random.default_rng(7)
    pieces = ["a", '"b, c"', '"d ""e"""', "", "1.5", " x ", "값", "'", '""']
    lines = [",".join(random.choice(pieces, 4)) for _ in range(500)]
    lines = [line if any(char not in ', "' for char in line) else "q,,," for line in lines]
    text = "\n".join(lines)
    quick = _cut_at_once(text.encode(), 0, Dialect(","), Header(("a", "b", "c", "d"), 1, 4, "", ()), [])
    slow, numbers, ragged = _cut_by_row(text, Dialect(","), 4, 1)
    rows = list(csv.reader(io.StringIO(text)))
    assert quick is not None
    assert not ragged
    assert numbers.tolist() == list(range(1, 501))
    for j in range(4):
        assert quick[j].to_pylist() == [row[j].strip() for row in rows]
        assert slow[j].to_pylist() == [row[j].strip() for row in rows]


def test_lines_are_those_of_the_file_however_it_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text("title\n\ndate,value\n\n2024-01-01,1\n# no\n2024-01-02,oops\n2024-01-03,2\n", encoding="utf-8")
    table = read_table(path, FileSettings(path=str(path), on_bad_rows="drop", comment="#", target="value"))
    assert table.series[0].lines.tolist() == [5, 8]
    assert any("line 7" in note for note in table.notes)


@pytest.mark.parametrize(
    ("text", "seconds"), [("Z", 0), ("+09:00", 32400), ("-0330", -12600), ("UTC+2", 7200), ("X", None)]
)
def test_offsets(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("%-d.%-m.%y", "5.3.24"),
        ("%^b %^B %Ob %P %OA %Ok", "MAR MARCH mar pm P.M. 오후"),
        ("%Y %q %G-W%V-%u %j 100%%", "2024 1 2024-W10-2 065 100%"),
        ("%-H:%M:%S.%3f", "13:02:03.123"),
        ("%I %p", "01 PM"),
    ],
)
def test_codes_of_styles(template: str, text: str) -> None:
    time = np.array(["2024-03-05T13:02:03.123456789"], dtype="datetime64[ns]")
    assert write_times(time, TimeStyle(template)) == [text]


def test_styles_with_zones() -> None:
    times = np.array(["2024-07-01T10:00", "2024-12-01T10:00"], dtype="datetime64[ns]")
    written = write_times(times, TimeStyle("%Y-%m-%d %H:%M%:z %Z", timezone="Europe/Berlin"))
    assert written == ["2024-07-01 12:00+02:00 CEST", "2024-12-01 11:00+01:00 CET"]
    assert write_times(times[:1], TimeStyle("%H:%M%z", timezone="-03:30")) == ["06:30-0330"]
    assert write_times(times[:1], TimeStyle("epoch_ms", timezone="UTC")) == ["1719828000000"]
    assert write_times(np.array([3, 4]), TimeStyle("index")) == ["3", "4"]


@pytest.mark.parametrize(("unit", "size"), [("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)])
def test_counts_since_1970_whose_unit_is_said(unit: str, size: int) -> None:
    """Seconds of 1971 look like nothing: only the hand can say what they are."""
    counts = [31_536_000, 31_539_600]
    times = read_times(pa.array(list(map(str, counts))), form_of_format(f"epoch_{unit}"), None, european=False)
    assert times.ns.tolist() == [count * size for count in counts]


def test_hours_on_the_same_day_of_two_months_are_no_months() -> None:
    """So that hours of 9 and 10 May, read as those of 5 September and 5 October, look as odd as they are."""
    starts = np.array(["2021-09-05", "2021-10-05"], dtype="datetime64[h]")
    hours = (starts[:, None] + np.arange(24)).ravel()
    assert _irregularity(hours.astype("datetime64[ns]").astype(np.int64)) == (0, 2, 0)
    months = np.array(["2021-09-05", "2021-10-05", "2021-11-05"], dtype="datetime64[ns]").astype(np.int64)
    assert _irregularity(months) == (0, 1, 0)


def test_months_in_no_order_go_in_one_step() -> None:
    form = next(form for form in FORMS if form.span == "month")
    months = [f"{2020 + i // 12}-{i % 12 + 1:02d}" for i in np.random.default_rng(0).permutation(45)]
    assert irregularity_of(months, form) == 1
