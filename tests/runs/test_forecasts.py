from __future__ import annotations

import math

import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.runs.forecasts import ForecastRow, format_forecast, parse_forecast
from forecast.runs.opening import open_forecast
from forecast.runs.writing import write_forecast

FINITE = (-2.0, -1.5, -1.0, -1 / 3, 0.0, 0.5, 1e-300, 2.5, 1e300)
PARTLY = (-math.inf, -math.inf, -1.0, 0.0, 5.0, 5.0, 7.0, math.inf, math.inf)
ROWS = (
    ForecastRow("007", "20.11.2026", "lstm", 1 / 3, (*FINITE[:6], 0.6, *FINITE[7:])),
    ForecastRow('서울, "강남"', "2026/11/21 24", "naive", -1e-300, PARTLY),
    ForecastRow("two\r\nlines", "2026", "naive", 5.0, tuple(float(i) for i in range(9))),
)
HEADER = b"unique_id,ds,model,y_hat,q0.025,q0.05,q0.1,q0.25,q0.5,q0.75,q0.9,q0.95,q0.975\n"
QUANTILES = b",0,1,2,3,4,5,6,7,8\n"


def test_ids_and_dates_are_written_as_they_are(tmp_path):
    write_forecast(ROWS[:2], tmp_path / "forecast.csv")
    back = pd.read_csv(tmp_path / "forecast.csv", dtype=str, keep_default_na=False)
    assert ",".join(back.columns) == HEADER.decode().strip()
    assert back.unique_id.tolist() == ["007", '서울, "강남"']
    assert back.ds.tolist() == ["20.11.2026", "2026/11/21 24"]
    assert [float(text) for text in back.y_hat] == [1 / 3, -1e-300]
    assert back.iloc[1, 4:].tolist() == ["", "", "-1.0", "0.0", "5.0", "5.0", "7.0", "", ""]


def test_what_was_written_comes_back_equal(tmp_path):
    write_forecast(ROWS, tmp_path / "forecast.csv")
    assert open_forecast(tmp_path) == ROWS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\x80\x04pickle",
        b"unique_id,ds,model\na,1,lstm\n",
        b"unique_id,ds,model,y_hat,q0.5\na,1,lstm,1,1\n",
        b"unique_id,ds,model,y_hat\na,1,lstm,1,1\n",
        HEADER + b"a,1,lstm\n",
        HEADER + b"a,1,lstm,nan" + QUANTILES,
        HEADER + b"a,1,lstm,1e999" + QUANTILES,
        HEADER + b"a,1,lstm,one" + QUANTILES,
        HEADER + b"a,1,lstm,1" + QUANTILES.strip() + b",9\n",
        HEADER + b'"a,1,lstm,1' + QUANTILES,
        HEADER + b"a,1,lstm,1,0,1,2,3,,5,6,7,8\n",
        HEADER + b"a,1,lstm,1,0,1,2,3,4,5,6,7,inf\n",
        HEADER + b"a,1,lstm,1,0,1,2,3,4,5,6,7,six\n",
        HEADER + b"a,1,lstm,1,0,1,2,4,3,5,6,7,8\n",
        HEADER + b"a,1,lstm,1,0,,2,3,4,5,6,7,8\n",
    ],
)
def test_every_defect_is_one_line(content):
    with pytest.raises(ForecastError, match=r"run folder here: forecast\.csv cannot be used") as caught:
        parse_forecast(content, "here")
    assert "\n" not in str(caught.value)


def test_an_empty_forecast_has_its_header():
    assert parse_forecast(format_forecast([]).encode(), "here") == ()
