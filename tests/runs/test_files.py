"""`forecasts.csv` and `weights.safetensors`: what is written comes back, and what is odd is refused."""

from __future__ import annotations

import csv
import io
import json
import math
import struct

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.runs.files import ForecastRow, format_forecast, pack, parse_forecast, unpack
from forecast.runs.run import open_forecast
from forecast.runs.saving import write_forecast

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
    write_forecast(ROWS[:2], tmp_path / "forecasts.csv")
    back = pd.read_csv(tmp_path / "forecasts.csv", dtype=str, keep_default_na=False)
    assert ",".join(back.columns) == HEADER.decode().strip()
    assert back.unique_id.tolist() == ["007", '서울, "강남"']
    assert back.ds.tolist() == ["20.11.2026", "2026/11/21 24"]
    assert [float(text) for text in back.y_hat] == [1 / 3, -1e-300]
    assert back.iloc[1, 4:].tolist() == ["", "", "-1.0", "0.0", "5.0", "5.0", "7.0", "", ""]


@pytest.mark.parametrize("block", [1, 2, 50_000])
def test_what_was_written_comes_back_equal(tmp_path, monkeypatch, block):
    monkeypatch.setattr("forecast.runs.saving._BLOCK", block)
    write_forecast(ROWS, tmp_path / "forecasts.csv")
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
def test_every_defect_of_a_forecast_is_one_line(content):
    with pytest.raises(ForecastError, match=r"run folder here: forecasts\.csv cannot be used") as caught:
        tuple(parse_forecast(content, "here"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+1", "'+1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-2+3", "'-2+3"),
        ("'=1", "''=1"),
        ("\t=1", "'\t=1"),
        ("-5", "-5"),
        ("+1,234.5", "+1,234.5"),
        ("-", "-"),
        ("'quoted'", "'quoted'"),
        ("a=b", "a=b"),
    ],
)
def test_no_id_is_a_formula_of_a_spreadsheet(written, cell):
    row = ForecastRow(written, "2024-01-01", "lstm", 0.0, PARTLY)
    content = format_forecast([row])
    assert list(csv.reader(io.StringIO(content, newline="")))[1][0] == cell
    assert tuple(parse_forecast(content.encode(), "x")) == (row,)
    symbol = ForecastRow(written, "1", "lstm", 0.5, (), written)
    assert tuple(parse_forecast(format_forecast([symbol]).encode(), "x")) == (symbol,)


def test_an_empty_forecast_has_its_header():
    assert tuple(parse_forecast(format_forecast([]).encode(), "here")) == ()


ARRAYS = {
    "network.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scale": np.array([0.5, 2.0]),
    "epochs": np.array(7),
    "terms": np.zeros((1, 4, 0)),
}


def file_of(header, data=b""):
    """A file of this header and data, whatever they are worth."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_arrays_come_back_bit_by_bit():
    back = unpack(pack(ARRAYS), "x")
    assert back.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()
        assert back[name].flags.writeable


def test_a_view_is_written_as_it_reads():
    turned = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(unpack(pack({"a": turned}), "x")["a"], turned)


def test_other_types_are_not_written():
    with pytest.raises(TypeError, match="object"):
        pack({"a": np.array([{}])})


BROKEN = {
    "empty": b"",
    "shorter than a header's length": b"\0\0\0",
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
    "a header longer than the file": struct.pack("<Q", 1 << 20) + b"{}",
    "a header of exabytes": struct.pack("<Q", 2**63) + b"{}",
    "a header of many bytes": file_of(b" " * (5 << 20)),
    "no JSON": file_of(b"not json"),
    "a list": file_of([]),
    "a shape of exabytes": file_of({"a": entry(shape=(2**40, 2**40))}, bytes(8)),
    "a shape larger than its data": file_of({"a": entry(shape=(3,))}, bytes(8)),
    "a shape that overflows": file_of({"a": entry(shape=(2**62, 8), offsets=(0, 0))}),
    "more dimensions than arrays have": file_of({"a": entry(shape=(1,) * 999 + (2,))}, bytes(8)),
    "nothing in a shape of exabytes": file_of({"a": entry(shape=(0, 2**62, 8), offsets=(0, 0))}),
    "a negative shape": file_of({"a": entry(shape=(-2,))}, bytes(8)),
    "offsets beyond the file": file_of({"a": entry(offsets=(0, 1 << 40))}, bytes(8)),
    "offsets backwards": file_of({"a": entry(offsets=(8, 0))}, bytes(8)),
    "overlapping arrays": file_of({"a": entry(), "b": entry()}, bytes(8)),
    "data that nobody describes": file_of({"a": entry()}, bytes(800)),
    "an unknown type": file_of({"a": entry(dtype="OBJ")}, bytes(8)),
    "a type that a run does not hold": file_of({"a": entry(dtype="F16", shape=(4,))}, bytes(8)),
    "bytes": file_of({"a": entry(dtype="U8", shape=(8,))}, bytes(8)),
    "not a number": pack({"a": np.array([1.0, np.nan])}),
    "infinite": pack({"a": np.array([np.inf], np.float32)}),
    "cut off": pack(ARRAYS)[:-1],
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_every_defect_of_an_array_is_one_line(content):
    with pytest.raises(ForecastError, match=r"run folder somewhere: weights\.safetensors cannot be used") as caught:
        unpack(content, "somewhere")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
