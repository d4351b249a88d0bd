"""Covariates of a file: at each step, known ahead, or constant in a series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.reading.covariates import check_known_ahead
from forecast.reading.frames import make_panel
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.series.panel import Channel
from forecast.settings import check_settings

HEADER = "shop,day,sales,temp,sky,promo,kind"


def rows_of(shop, first, count, ahead=0, kind="big"):
    days = pd.date_range(first, periods=count + ahead)
    for i, day in enumerate(days):
        sales = "" if i >= count else f"{10 + i % 7 + i / 10:.1f}"
        temp = "" if i >= count or i == 3 else f"{15 + i % 5}"
        sky = "" if i >= count else ("sun", "rain")[i % 2]
        yield f"{shop},{day:%Y-%m-%d},{sales},{temp},{sky},{'yes' if i % 3 == 0 else 'no'},{kind}"


def write(tmp_path, rows, header=HEADER):
    path = tmp_path / "shops.csv"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


ROLES = {"target": "sales", "id": "shop", "past": ["temp", "sky"], "future": "promo", "static": "kind"}


def load(path, **settings):
    return load_source(check_settings(CsvSettings, {"path": str(path), **ROLES, **settings}))


@pytest.fixture(name="path")
def make_path(tmp_path):
    return write(tmp_path, [*rows_of("a", "2024-01-01", 40, 5), *rows_of("b", "2024-01-11", 30, 5, "small")])


def test_every_step_has_the_covariates_of_its_row(path):
    source = load(path)
    panel = source.panel
    assert panel.channels[1:] == (Channel("temp", "past"), Channel("sky", "past", ("rain", "sun")))
    frame = pd.read_csv(path)
    with_target = frame[frame["sales"].notna()]
    np.testing.assert_array_equal(panel.target, with_target["sales"])
    np.testing.assert_array_equal(panel.masked[:, 1], with_target["temp"].isna())
    np.testing.assert_array_equal(panel.values[:, 1], with_target["temp"].fillna(0.0))
    np.testing.assert_array_equal(panel.values[:, 2], (with_target["sky"] == "sun").astype(float))
    assert not panel.masked[:, 0].any()
    assert source.found["covariates"] == (
        "temp (past), sky (past, 2 categories), promo (future, 2 categories), kind (static, 2 categories)"
    )


def test_what_is_known_ahead_goes_on_after_the_target(path):
    panel = load(path).panel
    assert panel.lengths.tolist() == [40, 30]
    assert panel.ahead.offsets.tolist() == [0, 45, 80]
    np.testing.assert_array_equal(panel.ahead.values[:, 0], (pd.read_csv(path)["promo"] == "yes").astype(float))
    check_known_ahead(panel, 5)
    with pytest.raises(ForecastError, match=r"series 'a' lacks 'promo' for 1 of the 6 steps .*: 2024-02-15: give rows"):
        check_known_ahead(panel, 6)


def test_what_describes_a_series_is_one_value_of_it(path, tmp_path):
    static = load(path).panel.static
    assert static.channels == (Channel("kind", "static", ("big", "small")),)
    np.testing.assert_array_equal(static.values, [[0.0], [1.0]])
    two = write(tmp_path, [*rows_of("a", "2024-01-01", 30), *rows_of("a", "2024-01-31", 30, kind="small")])
    with pytest.raises(ForecastError, match=r"`data\.static=kind` .* series 'a', found 'big' and 'small'"):
        load(two)


def test_steps_without_a_row_have_no_covariates(tmp_path):
    rows = list(rows_of("a", "2024-01-01", 40, 4))
    panel = load(write(tmp_path, [*rows[:10], *rows[12:42], *rows[43:]]), on_gaps="mask").panel
    assert np.flatnonzero(panel.masked[:, 0]).tolist() == [10, 11]
    assert np.flatnonzero(panel.masked[:, 2]).tolist() == [10, 11]
    assert np.flatnonzero(panel.ahead.masked[:, 0]).tolist() == [10, 11, 42]
    with pytest.raises(ForecastError, match=r"lacks 'promo' for 1 of the 4 steps .*: 2024-02-12"):
        check_known_ahead(panel, 4)


def test_the_order_of_rows_and_of_columns_changes_nothing(path, tmp_path):
    before = load(path).panel
    frame = pd.read_csv(path, dtype=str, keep_default_na=False).sample(frac=1.0, random_state=0)
    shuffled = tmp_path / "other.csv"
    frame[["promo", "kind", "day", "sky", "shop", "temp", "sales"]].to_csv(shuffled, index=False)
    after = load(shuffled).panel
    for one, other in (
        (before.values, after.values),
        (before.masked, after.masked),
        (before.ahead.values, after.ahead.values),
    ):
        np.testing.assert_array_equal(one, other)


def test_a_notebook_s_table_gives_the_same_panel(path):
    frame = pd.read_csv(path)
    frame["day"] = pd.to_datetime(frame["day"])
    of_frame = make_panel(
        frame, unique_id="shop", ds="day", y="sales", past=["temp", "sky"], future=["promo"], static=["kind"]
    )
    read = load(path).panel
    np.testing.assert_array_equal(of_frame.values, read.values)
    np.testing.assert_array_equal(of_frame.masked, read.masked)
    np.testing.assert_array_equal(of_frame.ahead.values, read.ahead.values)
    np.testing.assert_array_equal(of_frame.static.values, read.static.values)
    assert of_frame.channels[1:] == read.channels[1:]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"past": "tmep"}, "`data.past` 'tmep' is no column of the file: did you mean 'temp'?"),
        ({"past": ["promo"]}, "column 'promo' is named in `data.future` and in `data.past`: leave one out"),
        ({"target": "temp"}, "column 'temp' is named in `data.target` and in `data.past`: leave one out"),
        ({"resample": "W"}, "`data.resample` cannot resample covariates"),
        ({"layout": "rows", "target": None}, "`data.past` names columns, and in this file each row is a series"),
    ],
)
def test_mistakes_are_one_line(path, settings, message):
    with pytest.raises(ForecastError) as error:
        load(path, **settings)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_target_is_found_among_the_columns_that_are_left(tmp_path):
    path = write(tmp_path, [f"2024-01-{d:02d},{d % 7},{d % 5}" for d in range(1, 31)], header="day,amount,price")
    actual = load_source(check_settings(CsvSettings, {"path": str(path), "past": "price"})).found
    assert actual["target"] == "amount (the only column of numbers)"


def notes_of(tmp_path, text, **settings):
    (tmp_path / "f.csv").write_text(text)
    return load_source(check_settings(CsvSettings, {"path": str(tmp_path / "f.csv"), **settings})).notes


SHOPS = "shop,day,sales,promo,size,visitors,remark\n" + "".join(
    f"{shop},2024-01-{day:02d},{day % 5 + size if day < 20 else ''},{day % 2},{size},{day % 3 if day < 20 else ''},\n"
    for shop, size in (("a", 3), ("b", 7))
    for day in range(1, 23)
)


def test_a_column_that_tells_debits_from_credits_is_said_to_give_no_sign(tmp_path):
    rows = "".join(f"2024-01-{day:02d},{day % 5 + 1},{'DC'[day % 2]}\n" for day in range(1, 23))
    assert notes_of(tmp_path, f"date,amount,D/C\n{rows}")[-1] == (
        "Not used: 'D/C'; 'D/C' tells debits from credits, and the numbers were read as they stand, without a sign "
        "(`data.id=D/C` reads a series of each)"
    )


def test_columns_that_are_not_used_are_said_once_with_the_best_guess_of_their_role(tmp_path):
    note = notes_of(tmp_path, SHOPS, id="shop", target="sales")[-1]
    assert note == (
        "Not used: 'promo', 'size', 'visitors'; the models read them with `data.future=promo` (the rows after the "
        "last value hold them), `data.static=size` (the same in all rows of a series), `data.past=visitors` (known up "
        "to now)"
    )
    used = {"future": "promo", "static": "size", "past": "visitors"}
    assert not any("Not used" in said for said in notes_of(tmp_path, SHOPS, id="shop", target="sales", **used))


def test_rows_ahead_that_hold_what_is_known_are_called_that(tmp_path):
    notes = notes_of(tmp_path, SHOPS, id="shop", target="sales", future="promo")
    assert "The 3 steps after the last value of each of 2 series hold what is known ahead: 'promo'." in notes
    assert not any("cut off" in note for note in notes)
    without = notes_of(tmp_path, SHOPS, id="shop", target="sales")
    assert sum("3 rows after the last value" in note for note in without) == 2
