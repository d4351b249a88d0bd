"""The bundled prices: made by the script next to them, with the properties of real ones."""

from __future__ import annotations

import importlib.util
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.reading.settings import StockSettings
from forecast.reading.sources import load_source, stock_path
from forecast.settings import check_settings

SCRIPT = Path(__file__).parents[2] / "data" / "make_stock.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_stock", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    return pd.read_csv(stock_path(), parse_dates=["Date"])


def autocorrelation(x: np.ndarray, lag: int) -> float:
    return float(np.corrcoef(x[lag:], x[:-lag])[0, 1])


def test_the_script_makes_the_file_byte_for_byte(script: ModuleType) -> None:
    assert ("\n".join(script.make_rows()) + "\n").encode() == stock_path().read_bytes()


def test_ten_years_of_trading_days(script: ModuleType, prices: pd.DataFrame) -> None:
    assert list(prices.columns) == ["Date", "Open", "High", "Low", "Close", "Volume"]
    assert prices.Date.iloc[-1] - prices.Date.iloc[0] > pd.Timedelta(days=3_653)
    assert prices.Date.is_monotonic_increasing
    weekdays = pd.bdate_range(prices.Date.iloc[0], prices.Date.iloc[-1])
    closed = {day for year in range(2015, 2026) for day in script.holidays(year)}
    assert prices.Date.dt.date.tolist() == [day.date() for day in weekdays if day.date() not in closed]


def test_easter(script: ModuleType) -> None:
    known = [date(2015, 4, 5), date(2016, 3, 27), date(2019, 4, 21), date(2024, 3, 31), date(2038, 4, 25)]
    assert [script.easter_sunday(day.year) for day in known] == known


def test_high_and_low_enclose_open_and_close(prices: pd.DataFrame) -> None:
    assert (prices.High >= prices[["Open", "Close"]].max(axis=1)).all()
    assert (prices.Low <= prices[["Open", "Close"]].min(axis=1)).all()
    assert (prices.Low > 0).all()
    assert (prices.Volume > 0).all()
    spread = np.log(prices.High / prices.Low)
    assert 0.8 < spread.mean() / np.abs(np.log(prices.Close).diff()).mean() < 2.5


def test_the_returns_have_the_habits_of_real_ones(prices: pd.DataFrame) -> None:
    r = np.diff(np.log(prices.Close.to_numpy()))
    assert 0.1 < r.std() * np.sqrt(252) < 0.4
    assert ((r - r.mean()) ** 4).mean() / r.var() ** 2 > 4  # fat tails
    assert all(abs(autocorrelation(r, lag)) < 0.06 for lag in range(1, 11))  # cannot be forecast
    assert all(autocorrelation(r**2, lag) > 0.1 for lag in range(1, 6))  # volatility comes in clusters
    assert np.corrcoef(r[:-1], r[1:] ** 2)[0, 1] < -0.05  # and is higher after a fall
    assert np.corrcoef(np.abs(r), np.log(prices.Volume[1:]))[0, 1] > 0.3


def test_it_is_read_as_any_csv() -> None:
    source = load_source(StockSettings())
    assert source.panel.ids == ("Close",)
    assert source.found["time"] == "Date"
    assert source.found["frequency"] == "B (trading days, Monday to Friday)"
    assert source.found["rows"] == "2,679 (2015-01-05 to 2025-06-30)"
    assert len(source.panel.calendar.holidays) == 57
    assert "57 without a row count as holidays: 2015-04-03, 2015-04-06, 2015-05-01" in source.notes[0]
    assert "doubt" not in " ".join(source.notes)
    assert "The days after 2025-06-30 are the next trading days" in source.notes[-1]
    panel = source.panel
    assert panel.calendar.write(panel.calendar.after(panel.times[-1], 5)) == [
        *("2025-07-01", "2025-07-02", "2025-07-03", "2025-07-04", "2025-07-07"),
    ]


def test_its_settings_do_what_they_say(tmp_path: Path) -> None:
    assert load_source(StockSettings(target=("Open", "Volume"))).panel.ids == ("Open", "Volume")
    panel = load_source(StockSettings(holidays=("2025-07-04",))).panel
    assert panel.calendar.write(panel.calendar.after(panel.times[-1], 5))[3:] == ["2025-07-07", "2025-07-08"]
    newer = tmp_path / "newer.csv"
    newer.write_text("\n".join(stock_path().read_text().split("\n")[:200]))
    assert len(load_source(StockSettings(path=str(newer))).panel.times) == 199
    assert load_source(StockSettings(resample="W-FRI")).panel.calendar.freq == "W-FRI"


def test_a_target_that_it_has_not_is_refused() -> None:
    with pytest.raises(ForecastError, match="Price"):
        load_source(StockSettings(target="Price"))
    with pytest.raises(ForecastError, match=r"`data\.path`"):
        check_settings(StockSettings, {"path": ""}, "data.")
