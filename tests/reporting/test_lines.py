from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from forecast.reporting.lines import Clock, axis_times, find_clock, line, thinned


def test_thinning_keeps_the_least_and_the_greatest_of_every_bin():
    rng = np.random.default_rng(3)
    y = rng.normal(size=10_007)
    kept = thinned(y, 500)
    assert len(kept) <= 500
    assert (np.diff(kept) > 0).all()
    edges = np.linspace(0, len(y), 251).astype(int)
    for first, last in pairwise(edges):
        inside = y[kept[(kept >= first) & (kept < last)]]
        assert inside.min() == min(y[first:last])
        assert inside.max() == max(y[first:last])


def test_thinning_leaves_short_lines_alone_and_bears_holes():
    assert thinned(np.arange(5.0), 10).tolist() == [0, 1, 2, 3, 4]
    y = np.full(1000, np.nan)
    y[700] = 2.0
    assert 700 in thinned(y, 100)


def test_a_line_is_plain_and_says_holes_as_none():
    result = line(np.array([1, 2, 3]), np.array([0.123456789, np.nan, np.inf]))
    assert result.t == (1, 2, 3)
    assert result.y == (0.123457, None, None)


@pytest.mark.parametrize(
    ("times", "written"),
    [
        (["2024-01-01", "2024-01-02"], "2024-01-02"),
        (["2024-01-01", "2024-02-01", "2024-03-01"], "2024-03"),
        (["2023-01-01", "2024-01-01"], "2024"),
        (["2024-01-01 00:00", "2024-01-01 06:30"], "2024-01-01 06:30"),
        (["2024-01-01 00:00:00", "2024-01-01 00:00:05"], "2024-01-01 00:00:05"),
    ],
)
def test_times_are_written_as_finely_as_they_are_known(times, written):
    ds = pd.Series(pd.to_datetime(times))
    assert find_clock(ds).write(axis_times(ds)[-1]) == written


def test_milliseconds_before_1970_and_time_zones_keep_their_wall_clock():
    early = pd.Series(pd.to_datetime(["1969-12-31 23:59:59.995", "1970-01-01 00:00:00.000"]))
    assert axis_times(early).tolist() == [-5, 0]
    zoned = pd.Series(pd.to_datetime(["2024-06-01 09:00"])).dt.tz_localize("Asia/Seoul")
    assert find_clock(zoned).write(axis_times(zoned)[0]) == "2024-06-01 09:00"
    fine = pd.Series(pd.to_datetime(["2024-01-01 00:00:00.000250"]))
    assert axis_times(fine)[0] % 1 == pytest.approx(0.25)


def test_whole_numbers_are_steps():
    ds = pd.Series([5, 6])
    assert find_clock(ds) == Clock("step", "")
    assert find_clock(ds).write(1234) == "step 1,234"
    assert axis_times(ds).tolist() == [5, 6]
