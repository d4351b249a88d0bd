import io

import numpy as np
from made_up_runs import made_up_run
from rich.console import Console

from forecast.reporting.leaderboard import print_leaderboard


def _printed(leaderboard, verdict):
    console = Console(width=80, file=io.StringIO())
    print_leaderboard(leaderboard, [verdict], console, network="lstm", baseline="naive")
    return console.file.getvalue().splitlines()


def test_the_table_fits_80_columns_and_ends_with_the_verdict():
    run = made_up_run()
    leaderboard = run["leaderboard"].copy()
    leaderboard.loc[1, "model"] = "a_regressor_with_a_very_long_name"
    leaderboard.loc[2, ["mae", "rmse", "mase", "skill"]] = [3.2e12, 1e300, 1e13, -1e13]
    leaderboard.loc[0, "mae"] = np.inf
    lines = _printed(leaderboard, run["verdict"])
    assert lines[-1] == run["verdict"]
    table = lines[: len(leaderboard) + 1]
    assert max(map(len, table)) <= 80
    assert "support_vector: ValueError: <b>infs</b> or NaNs" in lines


def test_large_numbers_are_whole_in_80_columns():
    run = made_up_run()
    leaderboard = run["leaderboard"].assign(coverage_90=0.875, width_90=1.0, mae=22_693.0, rmse=101_263.0, skill=-6.007)
    leaderboard.loc[1, "model"] = "calendar_regression"
    lines = _printed(leaderboard, run["verdict"])[:4]
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= 80
    assert {"22,693", "−600.7"} <= set(lines[2].split())
    assert "seconds" not in lines[0]


def test_numbers_align_at_the_point():
    run = made_up_run()
    lines = _printed(run["leaderboard"], run["verdict"])
    column = lines[0].index("MASE") + len("MASE")
    points = {line[:column].rindex(".") for line in lines[1:5]}
    assert len(points) == 1


def test_numbers_far_below_one_are_not_all_zeros():
    run = made_up_run()
    leaderboard = run["leaderboard"].copy()
    leaderboard["mae"] *= 1e-12
    lines = _printed(leaderboard, run["verdict"])
    expected = f"{leaderboard.loc[0, 'mae']:.2e}".replace("e-", "e−")
    assert expected in lines[1]
    assert max(map(len, lines[: len(leaderboard) + 1])) <= 80


def test_the_share_in_the_intervals_stands_there_and_infinite_ones_as_such():
    run = made_up_run()
    leaderboard = run["leaderboard"].assign(coverage_90=0.875, width_90=[np.inf, 1.0, 1.0, 1.0, np.nan])
    leaderboard.loc[0, "coverage_90"] = 1.0
    lines = _printed(leaderboard, run["verdict"])
    assert "in 90 %" in lines[0]
    assert lines[1].split()[-2] == "∞"
    assert "87.5 %" in lines[2]
    assert max(map(len, lines[: len(leaderboard) + 1])) <= 80
