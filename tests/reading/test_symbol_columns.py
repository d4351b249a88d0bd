"""Targets that are symbols: read as they are written, coded by one alphabet, and never reckoned with."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.reading import values as reading
from forecast.reading.frames import make_panel
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import found_line, load_source, read_csv
from forecast.reading.symbols import describe_symbols, in_alphabet
from forecast.series.panel import Panel, Source
from forecast.settings import check_settings

DAYS = pd.date_range("2024-01-01", periods=28, freq="D").strftime("%Y-%m-%d").tolist()
STATES = [["rain", "sun", "Sun", "10", "9"][(n + n // 5 * 2) % 5] for n in range(28)]


def write(folder: Path, rows: list[tuple[Any, ...]], head: str = "date,state") -> Path:
    path = folder / "states.csv"
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


def load(path: Path, known: tuple[str, ...] = (), **settings: Any) -> Source:
    return load_source(check_settings(CsvSettings, {"path": str(path), "symbols": True, **settings}, "data."), known)


def texts(panel: Panel) -> list[str]:
    """The slow way back: each code looked up on its own."""
    return [panel.channels[0].categories[int(code)] for code in panel.target]


def one_line(error: pytest.ExceptionInfo[ForecastError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_codes_are_places_among_the_sorted_texts(tmp_path: Path) -> None:
    path = write(tmp_path, list(zip(DAYS, STATES, strict=True)))
    with path.open(encoding="utf-8", newline="") as file:
        written = [row["state"] for row in csv.DictReader(file)]
    alphabet = sorted(set(written))
    assert alphabet == ["10", "9", "Sun", "rain", "sun"]
    source = load(path)
    assert source.panel.channels[0].categories == tuple(alphabet)
    assert source.panel.target.tolist() == [alphabet.index(text) for text in written]
    assert source.panel.target.dtype == np.float64
    assert source.panel.calendar.freq == "D"
    assert "target state (the only column of texts)" in found_line(source)
    assert found_line(source).endswith("symbols 5: 10, 9, Sun, rain, sun")
    assert read_csv(path, symbols=True).channels == source.panel.channels


def test_digits_are_texts_that_are_taken_as_written(tmp_path: Path) -> None:
    written = ["1", "01", "1.0", "0"] * 7
    panel = load(write(tmp_path, list(zip(DAYS, written, strict=True)))).panel
    assert panel.channels[0].categories == ("0", "01", "1", "1.0")
    assert texts(panel) == written
    numbers = load(tmp_path / "states.csv", symbols=False).panel
    assert numbers.channels[0].categories == ()
    assert numbers.target.tolist() == [1, 1, 1, 0] * 7


def test_blanks_around_a_cell_are_left_out_as_of_any(tmp_path: Path) -> None:
    path = write(tmp_path, [(day, f"  {'ab'[n % 2]}\u00a0") for n, day in enumerate(DAYS)])
    assert load(path).panel.channels[0].categories == ("a", "b")


@pytest.mark.parametrize("bit", ["0", "1"])
def test_a_file_of_nothing_but_digits_is_a_series_of_symbols(tmp_path: Path, bit: str) -> None:
    written = [*"0110100110010110", bit]
    panel = load(write(tmp_path, [(one,) for one in written], "bit")).panel
    assert texts(panel) == written
    assert panel.times.tolist() == list(range(17))


def test_several_columns_share_one_alphabet(tmp_path: Path) -> None:
    other = [["sun", "snow"][n % 2] for n in range(28)]
    path = write(tmp_path, list(zip(DAYS, STATES, other, strict=True)), "date,here,there")
    expected = {"here": STATES, "there": other}
    for settings in ({"target": ("here", "there")}, {"layout": "columns"}):
        panel = load(path, **settings).panel
        assert panel.channels[0].categories == tuple(sorted({*STATES, *other}))
        assert {name: texts(panel)[rows] for name, rows in panel.series()} == expected


def test_series_below_each_other_share_one_alphabet(tmp_path: Path) -> None:
    rows = [(day, shop, f"{shop}{n % 3}") for n, day in enumerate(DAYS) for shop in ("b", "a")]
    panel = load(write(tmp_path, rows, "date,shop,state"), id="shop", target="state").panel
    assert panel.channels[0].categories == ("a0", "a1", "a2", "b0", "b1", "b2")
    assert {name: texts(panel)[kept] for name, kept in panel.series()} == {
        shop: [f"{shop}{n % 3}" for n in range(28)] for shop in ("a", "b")
    }


def test_rows_that_are_series_share_one_alphabet_and_lose_their_padding(tmp_path: Path) -> None:
    rows = [("one", *"abcabcabca"), ("two", *"ddad", *[""] * 6)]
    head = ",".join(["id", *(f"V{n}" for n in range(1, 11))])
    panel = load(write(tmp_path, rows, head), layout="rows").panel
    assert panel.channels[0].categories == ("a", "b", "c", "d")
    assert {name: "".join(texts(panel)[kept]) for name, kept in panel.series()} == {"one": "abcabcabca", "two": "ddad"}


def test_covariates_stay_what_they_are(tmp_path: Path) -> None:
    rows = [(day, state, n, "wx"[n % 2]) for n, (day, state) in enumerate(zip(DAYS, STATES, strict=True))]
    panel = load(write(tmp_path, rows, "date,state,number,kind"), target="state", past=["number", "kind"]).panel
    assert [(one.name, one.role, len(one.categories)) for one in panel.channels] == [
        ("y", "target", 5),
        ("number", "past", 0),
        ("kind", "past", 2),
    ]
    assert panel.values[:, 1].tolist() == list(range(28))
    assert texts(panel) == STATES


def test_missing_cells_are_settled_as_of_numbers(tmp_path: Path) -> None:
    written = [*STATES]
    written[5], written[9], written[10] = "", "NA", "-"
    path = write(tmp_path, list(zip(DAYS, written, strict=True)))
    with pytest.raises(ForecastError) as error:
        load(path)
    assert "3 rows without a value: 2024-01-06 (line 7), 2024-01-10 (line 11)" in one_line(error)
    masked = load(path, on_gaps="mask")
    assert masked.panel.masked is not None
    assert np.flatnonzero(masked.panel.masked[:, 0]).tolist() == [5, 9, 10]
    assert "read as no value in 'state': 'NA' (1), '-' (1)" in masked.notes
    previous = load(path, on_gaps="previous").panel
    assert np.flatnonzero(~previous.target_observed).tolist() == [5, 9, 10]
    filled = [written[{5: 4, 9: 8, 10: 8}.get(n, n)] for n in range(28)]
    assert texts(previous) == texts(masked.panel) == filled
    assert texts(load(path, on_gaps="ignore").panel) == [STATES[n] for n in range(28) if n not in (5, 9, 10)]
    panel = load(path, on_gaps="mask", missing=["10"]).panel
    assert panel.channels[0].categories == ("9", "Sun", "rain", "sun")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"on_gaps": "interpolate"},
            "`data.on_gaps=interpolate` calculates .* choose `data.on_gaps=mask` or `previous`",
        ),
        ({"on_duplicates": "mean"}, "`data.on_duplicates=mean` calculates .* choose `first` or `last`"),
        ({"resample": "W"}, "`data.resample_how=mean` calculates .* choose `data.resample_how=last`"),
        ({"resample": "W", "resample_how": "sum"}, "`data.resample_how=sum` calculates"),
        ({"transform": "log"}, "`data.transform=log` calculates .* choose `none`"),
    ],
)
def test_nothing_calculates_with_symbols(tmp_path: Path, settings: dict[str, Any], line: str) -> None:
    path = write(tmp_path, list(zip(DAYS, STATES, strict=True)))
    with pytest.raises(ForecastError, match=line) as error:
        load(path, **settings)
    one_line(error)
    frame = pd.DataFrame({"ds": pd.to_datetime(DAYS), "y": STATES})
    with pytest.raises(ForecastError, match=line):
        make_panel(frame, symbols=True, **settings)


def test_of_rows_with_the_same_time_the_first_or_the_last_is_kept_and_the_alphabet_follows(tmp_path: Path) -> None:
    rows = [*zip(DAYS, ["a", "b"] * 14, strict=True)]
    rows.insert(4, (DAYS[3], "z"))
    path = write(tmp_path, rows)
    first, last = (load(path, on_duplicates=how).panel for how in ("first", "last"))
    assert first.channels[0].categories == ("a", "b")
    assert last.channels[0].categories == ("a", "b", "z")
    assert (texts(first)[3], texts(last)[3]) == ("b", "z")


def test_a_coarser_step_has_the_last_symbol_of_its_rows(tmp_path: Path) -> None:
    panel = load(write(tmp_path, list(zip(DAYS, STATES, strict=True))), resample="W", resample_how="last").panel
    by_week = {pd.Timestamp(day).isocalendar().week: state for day, state in zip(DAYS, STATES, strict=True)}
    assert texts(panel) == list(by_week.values())
    assert panel.channels[0].categories == tuple(sorted(set(by_week.values())))


def test_one_column_of_texts_is_the_target_beside_numbers(tmp_path: Path) -> None:
    rows = [(day, n / 7, state) for n, (day, state) in enumerate(zip(DAYS, STATES, strict=True))]
    assert texts(load(write(tmp_path, rows, "date,close,mood")).panel) == STATES


def test_which_column_is_asked_where_several_could_be_meant(tmp_path: Path) -> None:
    rows = [(day, "ab"[n % 2], "cd"[n % 2]) for n, day in enumerate(DAYS)]
    with pytest.raises(ForecastError) as error:
        load(write(tmp_path, rows, "date,one,two"))
    assert one_line(error).startswith(
        "which column is to be forecast? 2 hold texts: 'one', 'two'; set `data.target=one`"
    )
    assert texts(load(write(tmp_path, rows, "date,one,target")).panel) == [row[2] for row in rows]
    digits = [(day, n % 2, n % 3) for n, day in enumerate(DAYS)]
    with pytest.raises(ForecastError, match="2 hold values: 'one', 'two'"):
        load(write(tmp_path, digits, "date,one,two"))
    with pytest.raises(ForecastError, match="no column of symbols"):
        load(write(tmp_path, [(day,) for day in DAYS], "date"))


def test_texts_where_numbers_are_asked_are_told_apart_from_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, list(zip(DAYS, ["a", "b"] * 14, strict=True)))
    for settings in ({}, {"target": "state"}):
        with pytest.raises(ForecastError, match=r"symbols.* with `model.head=categorical`") as error:
            load(path, symbols=None, **settings)
        one_line(error)
    different = write(tmp_path, [(day, f"note {n}") for n, day in enumerate(DAYS)])
    for settings in ({}, {"target": "state"}):
        with pytest.raises(ForecastError) as error:
            load(different, symbols=None, **settings)
        assert "categorical" not in one_line(error)


def test_too_many_and_none_and_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_SYMBOLS", 20)
    path = write(tmp_path, [(day, f"s{n}") for n, day in enumerate(DAYS)])
    with pytest.raises(ForecastError, match="at most 20 different symbols, found 28"):
        load(path)
    with pytest.raises(ForecastError, match=r"'state' of .* holds no symbols, found nothing"):
        load(write(tmp_path, [(day, "", n) for n, day in enumerate(DAYS)], "date,state,y"), target="state")
    with pytest.raises(ForecastError, match=r"'state' of .* is always 'a'"):
        load(write(tmp_path, [(day, "a") for day in DAYS]))


def test_newer_data_are_read_in_the_alphabet_of_the_training(tmp_path: Path) -> None:
    path = write(tmp_path, list(zip(DAYS, ["c", "b"] * 14, strict=True)))
    panel = load(path, ("a", "b", "c", "d")).panel
    assert panel.channels[0].categories == ("a", "b", "c", "d")
    assert panel.target.tolist() == [2.0, 1.0] * 14
    again = in_alphabet(load(path).panel, ("a", "b", "c", "d"))
    assert again.target.tolist() == panel.target.tolist()
    with pytest.raises(ForecastError, match="the data hold 1 symbol 'c', which training did not know"):
        in_alphabet(panel, ("a", "b", "d"))


def test_symbols_that_training_did_not_know_are_an_error_or_missing(tmp_path: Path) -> None:
    written = ["a", "b"] * 14
    written[3], written[20], written[21] = "x", "y", "x"
    path = write(tmp_path, list(zip(DAYS, written, strict=True)))
    with pytest.raises(ForecastError) as error:
        load(path, ("a", "b", "c"))
    assert "2 symbols 'x' (line 5), 'y' (line 22), which training did not know" in one_line(error)
    source = load(path, ("a", "b", "c"), on_gaps="mask")
    assert source.panel.channels[0].categories == ("a", "b", "c")
    assert np.flatnonzero(~source.panel.target_observed).tolist() == [3, 20, 21]
    assert "2 symbols 'x' (line 5), 'y' (line 22), which training did not know, are missing values." in source.notes
    filled = load(path, ("a", "b", "c"), on_gaps="previous").panel
    assert texts(filled) == [written[{3: 2, 20: 19, 21: 19}.get(n, n)] for n in range(28)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (STATES, STATES),
        ([n % 3 for n in range(28)], [str(n % 3) for n in range(28)]),
        ([n % 3 == 0 for n in range(28)], ["true" if n % 3 == 0 else "false" for n in range(28)]),
        (pd.Categorical(STATES), STATES),
    ],
)
def test_parquet(tmp_path: Path, column: Any, expected: list[str]) -> None:
    pd.DataFrame({"date": pd.to_datetime(DAYS), "state": column}).to_parquet(tmp_path / "states.parquet")
    assert texts(load(tmp_path / "states.parquet").panel) == expected


def test_parquet_with_one_row_a_series(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["p", "q"], **{f"V{n}": [n % 2, n % 3] for n in range(1, 10)}})
    frame.to_parquet(tmp_path / "rows.parquet")
    panel = load(tmp_path / "rows.parquet").panel
    assert {name: texts(panel)[rows] for name, rows in panel.series()} == {
        "p": [str(n % 2) for n in range(1, 10)],
        "q": [str(n % 3) for n in range(1, 10)],
    }


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (STATES, STATES),
        (pd.Categorical(STATES, categories=[*sorted(set(STATES)), "never"]), STATES),
        ([float(n % 2) for n in range(28)], [str(n % 2) for n in range(28)]),
        ([n % 2 for n in range(28)], [str(n % 2) for n in range(28)]),
    ],
)
def test_a_table_of_pandas(column: Any, expected: list[str]) -> None:
    frame = pd.DataFrame({"ds": pd.to_datetime(DAYS), "y": column, "x": range(28)})
    panel = make_panel(frame, symbols=True, past=["x"])
    assert panel.channels[0].categories == tuple(sorted(set(expected)))
    assert texts(panel) == expected
    assert panel.values[:, 1].tolist() == list(range(28))


def test_a_table_of_pandas_with_holes_and_several_series() -> None:
    frame = pd.DataFrame({"unique_id": ["a"] * 4 + ["b"] * 4, "ds": [0, 1, 2, 3] * 2, "y": list("uvuv") + list("xyxy")})
    frame.loc[1, "y"] = None
    panel = make_panel(frame, symbols=True, on_gaps="mask")
    assert panel.channels[0].categories == ("u", "v", "x", "y")
    assert panel.masked is not None
    assert np.flatnonzero(panel.masked[:, 0]).tolist() == [1]
    assert texts(panel)[2:] == list("uvxyxy")
    with pytest.raises(ForecastError, match="found 0"):
        make_panel(frame.assign(y=None), symbols=True)


def test_symbols_are_named_so_that_each_can_be_seen() -> None:
    assert describe_symbols(["a,b", "'", "", "x" * 30]) == f"4: 'a,b', \"'\", '', {'x' * 20}…"
    assert describe_symbols([str(n) for n in range(1200)]).endswith("8, 9 and 1,190 more")
