"""Every hand-made file gives what stands beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from corpus.case import Case
from corpus.cases import CASES

from forecast.errors import ForecastError
from forecast.reading.raw_table import RawTable
from forecast.reading.settings import CsvSettings, FileSettings
from forecast.reading.sources import load_source
from forecast.reading.tables import read_table
from forecast.series.calendar import write_times
from forecast.settings import check_settings

GOOD = [case for case in CASES if not case.error]
BAD = [case for case in CASES if case.error]


def write(case: Case, folder: Path) -> Path:
    path = folder / f"my file (1) 값{case.suffix}"
    path.write_bytes(case.data.encode() if isinstance(case.data, str) else case.data)
    return path


def read(case: Case, folder: Path) -> RawTable:
    path = write(case, folder)
    return read_table(path, check_settings(FileSettings, {"path": str(path), **case.settings}, "data."))


def test_the_corpus_is_large_enough_and_its_names_are_unique() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_file(case: Case, tmp_path: Path) -> None:
    table = read(case, tmp_path)
    assert case.series is not None
    assert [one.id for one in table.series] == list(case.series)
    for one, values in zip(table.series, case.series.values(), strict=True):
        np.testing.assert_array_equal(one.values, np.array(values, dtype=np.float64))
    check_times(case, table)
    if case.lines is not None:
        assert table.series[0].lines.tolist() == case.lines
    for name, text in case.found.items():
        assert text in table.found[name]
    for text in case.notes:
        assert any(text in note for note in table.notes), table.notes
    assert not (case.quiet and table.notes), table.notes


def check_times(case: Case, table: RawTable) -> None:
    times = table.series[0].times
    if case.times is not None:
        assert times is not None
        expected = case.times if times.dtype.kind == "i" else np.array(case.times, dtype="datetime64[ns]")
        np.testing.assert_array_equal(times, expected)
        assert table.style.timezone == case.timezone
    if case.written:
        assert times is not None
        assert write_times(times[: len(case.written)], table.style) == list(case.written)


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_a_bad_file(case: Case, tmp_path: Path) -> None:
    with pytest.raises(ForecastError) as caught:
        read(case, tmp_path)
    line = str(caught.value)
    assert "\n" not in line
    for text in case.error:
        assert text in line


@pytest.mark.parametrize("case", [case for case in GOOD if case.panel], ids=lambda case: case.name)
def test_a_good_file_becomes_a_panel(case: Case, tmp_path: Path) -> None:
    path = write(case, tmp_path)
    source = load_source(check_settings(CsvSettings, {"path": str(path), **case.settings}, "data."))
    assert case.series is not None
    assert source.panel.ids == tuple(case.series)
    for (_, rows), values in zip(source.panel.series(), case.series.values(), strict=True):
        assert sorted(source.panel.target[rows].tolist()) == sorted(np.array(values, dtype=np.float64).tolist())
        assert (np.diff(source.panel.times[rows].astype(np.int64)) > 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_read_or_refused_in_one_line(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    pieces = [
        b",",
        b";",
        b'"',
        b"\n",
        b"\n\n",
        b"\t",
        b" ",
        b"x",
        b"-",
        b"0",
        b"99",
        b".",
        b"2024-01-01",
        b"\xe9",
        b"#",
        b"(",
    ]
    for case in CASES[seed::4]:
        data = bytearray(case.data.encode() if isinstance(case.data, str) else case.data)
        for _ in range(random.integers(1, 4)):
            at = int(random.integers(0, len(data) + 1))
            data[at : at + int(random.integers(0, 3))] = pieces[random.integers(len(pieces))]
        said = ""
        try:
            read(dataclasses.replace(case, data=bytes(data)), tmp_path)
        except ForecastError as error:
            said = str(error)
        assert "\n" not in said
