"""Lines of a pipe that are no rows are refused with what is expected."""

from __future__ import annotations

import pytest

from forecast.errors import ForecastError
from forecast.reading.row_stream import Columns, RowReader, number_of

COLUMNS = Columns(ids=("shop",), times=("date",), targets=("y",), series=())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"y": 1}', "{broken"], "it is no JSON"),
        (['{"y": 1}', "[1]"], r"it should be a JSON object, found .\[1"),
        (['{"y": 1}', '{"x": 1}'], "it has no value: name it 'y'"),
        (["a,b,c,d"], "it has 4 cells and no header: begin with one, such as date, y"),
        (["date,x"], "the header date, x lacks the target 'y'"),
        (["date,y", "2024-01-01"], "it has 1 cells, expected 2"),
    ],
)
def test_a_line_that_is_no_row(lines: list[str], message: str) -> None:
    reader = RowReader(COLUMNS)
    for line in lines[:-1]:
        reader.read(line)
    with pytest.raises(ForecastError, match=message):
        reader.read(lines[-1])


@pytest.mark.parametrize(("value", "message"), [("inf", "'inf' is not finite"), ("x", "'x' is no number")])
def test_a_value_that_is_none(value: str, message: str) -> None:
    with pytest.raises(ForecastError, match=message):
        number_of(value)


def test_without_a_header_every_line_is_refused_until_one_comes() -> None:
    reader = RowReader(COLUMNS)
    for _ in range(2):
        with pytest.raises(ForecastError, match="it has 4 cells and no header"):
            reader.read("2024-01-01,5,1,2")
    assert reader.read("date,y") == []
    assert reader.read("2024-01-01,5")[0].value == "5"
