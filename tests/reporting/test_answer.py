"""The first screen: what to use, the forecast as chart and table, how far off and how sure."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import made_up_run, with_intervals
from test_several import many

from forecast.evaluation.recommendation import Recommendation
from forecast.reporting.html import draw_choices
from forecast.reporting.lines import Clock
from forecast.reporting.sections.answer import steps_table
from forecast.reporting.summary import build_summary
from forecast.reporting.theme import LIGHT

COMMAND = "python -m forecast task=predict run=outputs/a data.path=newer.csv"


def recommended(model="naive", **said):
    """Return a recommendation as a run makes it."""
    values = {
        "model": model,
        "why": "measured",
        "horizons": 12.0,
        "expected": {model: 0.0, "ridge": 0.1},
        "alike": (),
        "runner_up": "ridge",
        "odds": 3.2,
        "error": 56.04,
        "error_share": 0.087,
        "plain": "the last value",
        "gain": 0.28,
        "nominal": 0.9,
        "covered": 0.874,
        "coverage": "about right",
        "turned": None,
        "weights": {},
        "sentence": f"use {model}: typically 56 off",
        "second": "",
    }
    return Recommendation(**values | said)


def summary_of(kind="walk", **said):
    run = with_intervals(made_up_run(kind))
    return build_summary(**run, recommendation=recommended(**said), next_command=COMMAND)


def test_the_tiles_say_how_far_off_how_sure_and_how_often_the_band_held():
    answer = summary_of().sections["answer"]

    assert [(tile.value, tile.label) for tile in answer.tiles] == [
        ("56.0", "typically off, 9 in 100"),
        ("3 to 1", "that it beats ridge"),
        ("87 of 100", "fell into its band, which should hold 90: about right"),
    ]


def test_what_cannot_be_said_has_no_tile():
    unknown = {"error": np.nan, "error_share": np.nan, "covered": np.nan, "runner_up": None, "odds": np.nan}

    assert summary_of(**unknown).sections["answer"].tiles == ()


@pytest.mark.parametrize(
    ("odds", "value", "label"),
    [
        (0.4, "2 to 1", "that ridge beats it"),
        (1.0, "even chances", "that it beats ridge"),
        (11.8, "12 to 1", "that it beats ridge"),
        (1e9, "more than 50 to 1", "that it beats ridge"),
    ],
)
def test_odds_of_a_tile_are_those_of_the_sentence(odds, value, label):
    tile = summary_of(odds=odds).sections["answer"].tiles[1]

    assert (tile.value, tile.label) == (value, label)


def test_where_the_sentence_tells_no_odds_no_tile_does():
    labels = [tile.label for tile in summary_of(why="known of its kind").sections["answer"].tiles]

    assert not any("beats" in label for label in labels)


def test_the_table_has_the_digits_of_the_data():
    run = with_intervals(made_up_run("walk"))
    whole = run | {name: run[name].assign(y=run[name]["y"].round() * 100) for name in ("results", "series")}

    steps = build_summary(**whole, recommendation=recommended()).sections["answer"].steps
    assert all("." not in cell for row in steps.rows for cell in row[1:])


def test_the_backtest_shows_the_intervals_of_the_recommended_model():
    run = with_intervals(made_up_run("walk", models={"lstm": 0.05, "window_mean": 0.6, "ridge": 0.1, "naive": None}))
    sections = build_summary(**run, recommendation=recommended("window_mean")).sections

    assert all(view.intervals.model == "window_mean" for view in sections["origins"].views)
    assert sections["calibration"].says.startswith("The 90 % intervals of window_mean held ")


def test_the_table_lists_the_forecast_with_its_band_and_what_it_adds_up_to():
    rows = pd.DataFrame(
        {
            "ds": pd.date_range("2024-02-28", periods=3, freq="D"),
            "y_hat": [100.0, 200.26, 300.0],
            "q0.05": [90.0, 180.0, 270.0],
            "q0.95": [110.0, 220.0, 330.0],
        }
    )
    steps = steps_table(rows, Clock("date", "%Y-%m-%d"), 1)

    assert steps.headings == ("when", "forecast", "low 90 %", "high 90 %")
    assert steps.rows[1] == ("2024-02-29", "200.3", "180.0", "220.0")
    assert steps.after == "Total 600.3, mean 200.1."


def test_a_long_table_ends_and_steps_are_not_added_up():
    rows = pd.DataFrame({"ds": np.arange(100, 120), "y_hat": np.full(20, 2.0), "q0.05": np.inf, "q0.95": np.inf})
    steps = steps_table(rows, Clock("step", ""), 2)

    assert steps.headings == ("when", "forecast")  # an infinite interval is no column
    assert len(steps.rows) == 14
    assert steps.after == "and 6 more steps in forecast.csv."


def test_a_model_that_is_neither_network_nor_baseline_has_a_colour_of_its_own():
    run = with_intervals(made_up_run("walk", models={"lstm": 0.05, "window_mean": 0.6, "ridge": 0.1, "naive": None}))
    run["baseline"] = "ridge"
    summary = build_summary(**run, recommendation=recommended("window_mean"))
    choice = summary.sections["answer"]

    assert choice.view.tracks[0].model == "window_mean"
    from forecast.reporting.sections import draw

    figure = next(figure for figure in draw(summary) if figure.name == "answer")
    assert [(key.label, key.colour) for key in figure.keys[:2]] == [
        ("truth", LIGHT.truth),
        ("window_mean", LIGHT.recommended),
    ]


def test_a_series_that_is_chosen_brings_its_own_table():
    summary = build_summary(**many(4)[0], recommendation=recommended("lstm"))
    drawn = draw_choices(summary)
    tables = [of_series["steps"]["rows"] for of_series in drawn.values()]

    assert len(tables) == len(summary.choices) > 1
    assert tables[0] != tables[1]
    assert all("answer-0" in of_series["panels"] for of_series in drawn.values())
