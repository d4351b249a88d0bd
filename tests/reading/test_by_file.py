"""A panel on the disk, read file by file, is the panel that is read at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.series import mapped as mapped_arrays

DAYS = pd.date_range("2024-01-01", periods=60)


@pytest.fixture(name="folder")
def parts(tmp_path, monkeypatch):
    """Three files of two series of different lengths, the second with a hole."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, rng = tmp_path / "parts", np.random.default_rng(0)
    folder.mkdir()
    for part in range(3):
        tables = []
        for series in (2 * part, 2 * part + 1):
            steps = 50 + series
            tables.append(pd.DataFrame({"shop": f"s{series}", "date": DAYS[:steps], "y": rng.normal(size=steps)}))
        table = pd.concat(tables, ignore_index=True)
        table["price"] = np.arange(len(table)) % 7
        (table.drop(index=20) if part == 1 else table).to_parquet(folder / f"{part}.parquet", index=False)
    return folder


def load(folder, **said):
    return load_source(CsvSettings(path=str(folder), past="price", on_gaps="mask", **said))


def test_it_is_the_panel_that_is_read_at_once(folder):
    mapped, whole = load(folder, by_file=True), load(folder)
    assert mapped.panel.ids == whole.panel.ids
    assert mapped.panel.calendar == whole.panel.calendar
    assert [one.name for one in mapped.panel.channels] == [one.name for one in whole.panel.channels]
    for name in ("values", "observed", "times", "offsets", "masked"):
        np.testing.assert_array_equal(getattr(mapped.panel, name), getattr(whole.panel, name), err_msg=name)
        assert getattr(mapped.panel, name).dtype == getattr(whole.panel, name).dtype
    assert "3 files read one by one" in mapped.notes[0]
    assert load(folder, by_file=True).fingerprint == mapped.fingerprint


def test_covariates_of_all_kinds_are_those_of_the_tables_read_at_once(folder):
    """Of a file's categories some are others' too, and each file lacks some: places among its own mean nothing."""
    weather = ["sun", "rain", "snow", "hail"]
    for part in range(3):
        table = pd.read_parquet(folder / f"{part}.parquet")
        ahead = table.groupby("shop").tail(1).assign(y=np.nan)
        ahead["date"] += pd.Timedelta(days=1)
        table = pd.concat([table, ahead]).sort_values(["shop", "date"], ignore_index=True)
        table["weather"] = [weather[(i + part) % (2 + part)] for i in range(len(table))]
        table["plan"] = [None if i % 9 == 4 else weather[i % (4 - part)] for i in range(len(table))]
        table["region"] = "north" if part == 1 else "east"
        table["size"] = 10.0 * (1 + part)
        table.to_parquet(folder / f"{part}.parquet", index=False)
    said = {"target": "y", "future": ["plan"], "static": ["region", "size"]}
    sources = [
        load_source(CsvSettings(path=str(folder), past=["price", "weather"], on_gaps="mask", by_file=by_file, **said))
        for by_file in (True, False)
    ]
    mapped, whole = (source.panel for source in sources)
    assert mapped.channels == whole.channels
    for of_part, names in (
        (lambda panel: panel, ("values", "masked", "observed", "offsets")),
        (lambda panel: panel.ahead, ("values", "masked", "offsets", "channels")),
        (lambda panel: panel.static, ("values", "masked", "channels")),
    ):
        for name in names:
            ours, theirs = (getattr(of_part(panel), name) for panel in (mapped, whole))
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert len(mapped.channels[2].categories) == 4
    without_holes = (CsvSettings(path=str(folder / "0.parquet"), target="y", on_gaps="mask", by_file=b) for b in (0, 1))
    assert {load_source(settings).panel.masked.any() for settings in without_holes} == {False}
    assert not mapped.ahead.values.flags.owndata
    assert sources[0].found["id"] == sources[1].found["id"]
    said, read_at_once = (sorted(source.found["covariates"].split(", ")) for source in sources)
    assert said == read_at_once


def test_covariates_of_another_kind_are_refused(folder):
    table = pd.read_parquet(folder / "1.parquet").assign(price="high")
    table.to_parquet(folder / "1.parquet", index=False)
    with pytest.raises(ForecastError, match=r"the covariate 'price' is of one kind in .*1\.parquet"):
        load(folder, by_file=True)


def test_it_lies_on_the_disk_without_a_name_and_cannot_be_written_to(folder, tmp_path):
    panel = load(folder, by_file=True).panel
    assert list((tmp_path / "cache" / "forecast").iterdir()) == []
    for name in ("values", "observed", "times"):
        array = getattr(panel, name)
        assert not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_a_change_of_any_file_changes_the_fingerprint(folder):
    before = load(folder, by_file=True).fingerprint
    table = pd.read_parquet(folder / "2.parquet")
    table.assign(y=table["y"] + 1).to_parquet(folder / "2.parquet", index=False)
    assert load(folder, by_file=True).fingerprint != before


def test_what_does_not_fit_together_is_refused(folder):
    table = pd.read_parquet(folder / "0.parquet")
    table.to_parquet(folder / "3.parquet", index=False)
    with pytest.raises(ForecastError, match=r"series 's0', 's1' stand in '.*0\.parquet' and in '.*3\.parquet'"):
        load(folder, by_file=True)
    weekly = table.assign(shop=table["shop"] + "w", date=DAYS[0] + 7 * (table["date"] - DAYS[0]))
    weekly.to_parquet(folder / "3.parquet", index=False)
    with pytest.raises(ForecastError, match=r"3\.parquet' and '.*0\.parquet' are W-MON and D"):
        load(folder, by_file=True)
    with pytest.raises(ForecastError, match="leave it out for symbols"):
        load(folder, by_file=True, symbols=True)


def test_a_cache_that_cannot_be_made_is_named(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    with pytest.raises(ForecastError, match="XDG_CACHE_HOME"):
        load(folder, by_file=True)


def test_what_is_cut_or_taken_of_it_lies_on_the_disk_too(folder, monkeypatch):
    """Else each cut of a panel that is larger than memory would be one that has to fit into it."""
    monkeypatch.setattr(mapped_arrays, "_ROWS_AT_ONCE", 7)
    mapped, whole = load(folder, by_file=True).panel, load(folder).panel
    steps, which = np.array([30, 40, 0, 53, 20, 1]), np.array([4, 0, 5, 5])
    for part, expected in ((mapped.cut(steps), whole.cut(steps)), (mapped.take(which), whole.take(which))):
        for name in ("values", "observed", "times", "offsets", "masked"):
            np.testing.assert_array_equal(getattr(part, name), getattr(expected, name))
        assert mapped_arrays.is_mapped(part.values)
        assert mapped_arrays.is_mapped(part.times)
    assert not mapped_arrays.is_mapped(whole.cut(steps).values)


def test_a_covariate_that_another_file_writes_otherwise_is_refused(folder):
    table = pd.read_parquet(folder / "1.parquet")
    table.rename(columns={"price": "Price"}).to_parquet(folder / "1.parquet", index=False)
    with pytest.raises(ForecastError, match=r"1\.parquet' has other covariates than .*0\.parquet'"):
        load(folder, by_file=True)
