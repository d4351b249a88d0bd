"""The page of a sweep: scores by setting, by swept number and against time, the spread over seeds, failures."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import pytest

from forecast.reporting.html import page_spec
from forecast.reporting.sweep import (
    curves_figure,
    numeric_settings,
    spread_over_seeds,
    sweep_figure,
    sweep_html,
    swept_settings,
    time_figure,
    write_sweep_page,
)
from forecast.reporting.theme import LIGHT


@pytest.fixture
def sweep():
    rows = [
        {"job": job, "model": model, "seed": seed, "validation_mase": score, "seconds": 2.5, "status": "ok"}
        for job, (model, seed, score) in enumerate(
            [("lstm", 0, 0.80), ("lstm", 1, 0.84), ("gru", 0, 0.90), ("gru", 1, 0.94), ("rnn", 0, 40.0)]
        )
    ]
    failed = {"job": 5, "model": "rnn", "seed": 1, "seconds": 0.1, "status": "the loss became NaN in <epoch> 2"}
    return pd.DataFrame([*rows, failed])


def test_what_was_swept_is_read_off_the_columns(sweep):
    assert swept_settings(sweep) == ["model", "seed"]


def test_the_spread_over_seeds_is_that_of_the_best_setting(sweep):
    scored = sweep.dropna(subset="validation_mase").sort_values("validation_mase")
    assert "over 2 seeds the validation MASE lies between 0.80 and 0.84" in spread_over_seeds(scored, ["model", "seed"])
    assert spread_over_seeds(scored, ["model"]) is None


def test_the_best_job_is_in_colour_and_an_explosion_is_said(sweep):
    figure = sweep_figure(sweep.dropna(subset="validation_mase").sort_values("validation_mase"), ["model", "seed"])
    (panel,) = figure.panels
    best = [row for row in panel.tables["dots"] if row["ink"] == LIGHT.network]
    assert [row["of"] for row in best] == ["0"]
    assert panel.tables["dots"][-1] is best[0]
    assert len(panel.tables["dots"]) == 4
    assert "1 job lies above the picture" in figure.says
    medians = {row["at"]: row["y"] for row in panel.tables["middle"]}
    assert medians == {"gru": pytest.approx(0.92), "lstm": pytest.approx(0.82)}


def test_a_failed_job_is_a_row_with_its_reason(sweep, tmp_path):
    page = write_sweep_page(sweep, tmp_path).read_text(encoding="utf-8")
    assert "the loss became NaN in &lt;epoch&gt; 2" in page
    assert "6 jobs" in page
    assert "1 failure<" in page
    assert "Best on validation: model=lstm, seed=0, MASE 0.800." in page


def test_a_sweep_without_any_score_still_has_a_page(sweep):
    assert "No job of this sweep has a score" in sweep_html(sweep.assign(validation_mase=np.nan))


def test_values_that_are_text_and_numbers_stand_side_by_side(sweep):
    scored = sweep.dropna(subset="validation_mase").assign(size=["32", "", "64", "32", "64"])
    figure = sweep_figure(scored.sort_values("validation_mase"), ["size"])
    assert {row["at"] for row in figure.panels[0].tables["dots"]} == {"32", "", "64"}


# Score and costs against a swept number


CURVE = {"4": (0.9, 0.8, 1.0), "16": (0.7, 0.6, 0.5), "64": (0.2, 0.4, 0.3)}


@pytest.fixture
def numbers():
    columns = ["chunk", "model", "seed", "validation_mase", "seconds", "graph_mb"]
    rows = [
        (chunk, "gru", str(seed), score, 1.0 + seed, int(chunk) / 8)
        for chunk, scores in CURVE.items()
        for seed, score in enumerate(scores)
    ]
    return pd.DataFrame(rows, columns=columns).assign(status="ok")


def test_numbers_with_enough_values_are_axes(numbers):
    assert numeric_settings(numbers, ["chunk", "model", "seed"]) == ["chunk"]
    assert numeric_settings(numbers[numbers.chunk != "4"], ["chunk"]) == []
    assert numeric_settings(numbers.replace({"chunk": {"4": "null"}}), ["chunk"]) == []


def test_each_value_has_the_median_and_the_range_of_its_jobs(numbers):
    figure = curves_figure(numbers, "chunk")
    score, seconds, memory = figure.panels
    rows = {row["x"]: (row["low"], row["y"], row["high"]) for row in score.tables["curve"]}
    assert rows == {4: (0.8, 0.9, 1.0), 16: (0.5, 0.6, 0.7), 64: (0.2, 0.3, 0.4)}
    assert [row["y"] for row in seconds.tables["curve"]] == [2.0] * 3
    assert [row["y"] for row in memory.tables["curve"]] == [0.5, 2.0, 8.0]
    for panel in figure.panels:
        alt.Chart.from_dict({**page_spec(panel), "datasets": {}}, validate=True)
    assert figure.says.startswith(
        "Median validation MASE by chunk: 0.900 at 4, 0.300 at 64; lower is better. The shade"
    )


def test_the_axis_is_logarithmic_where_values_are_far_apart(numbers):
    spec = curves_figure(numbers, "chunk").panels[0].spec
    assert "'type': 'log'" in str(spec["layer"][1]["encoding"]["x"])
    near = numbers.replace({"chunk": {"4": "40", "16": "50"}})
    assert "log" not in str(curves_figure(near, "chunk").panels[0].spec["layer"][1]["encoding"]["x"])


def test_the_page_has_the_curves_and_no_second_picture_of_the_same(numbers):
    page = sweep_html(numbers.drop(columns="model"))
    assert "By chunk" in page
    assert "Score by setting" not in page
    assert "Score by setting" in sweep_html(numbers.assign(model=["gru", "lstm", "rnn"] * 3))


def test_without_a_measure_there_is_no_panel(numbers):
    assert len(curves_figure(numbers.drop(columns="graph_mb"), "chunk").panels) == 2


# Score against time


def timed(rows):
    table = pd.DataFrame(rows, columns=["model", "seed", "validation_mase", "seconds"])
    return table.sort_values("validation_mase", kind="stable")


JOBS = timed([("a", 0, 0.9, 2.0), ("a", 1, 0.7, 4.0), ("a", 2, 0.8, 3.0), ("b", 0, 0.75, 3.1), ("b", 1, 0.85, 3.3)])


def test_a_large_dot_is_the_median_over_seeds_and_the_best_is_in_colour():
    figure = time_figure(JOBS, ["model", "seed"], (0.6, 1.0))
    rows = figure.panels[0].tables["middle"]
    assert rows == [
        {"x": 3.0, "y": 0.8, "of": "a", "ink": LIGHT.network},
        {"x": 3.2, "y": 0.8, "of": "b", "ink": LIGHT.truth},
    ]
    assert len(figure.panels[0].tables["jobs"]) == 5


def test_names_of_neighbours_stand_a_line_apart():
    names = time_figure(JOBS, ["model", "seed"], (0.6, 1.0)).panels[0].tables["names"]
    heights = np.array([row["y"] for row in names]) * 320 / 0.4
    assert np.isclose(abs(heights[0] - heights[1]), 15.0)


def test_what_lies_outside_of_the_picture_is_left_out_and_a_single_setting_is_no_comparison():
    assert time_figure(JOBS, ["seed"], (0.6, 1.0)) is None
    assert time_figure(timed([("a", 0, 0.8, 1.0), ("b", 0, 9.0, 1.0)]), ["model"], (0.6, 1.0)) is None


def test_times_far_apart_get_a_logarithmic_axis():
    def axis(seconds):
        rows = [("a", 0, 0.7, 1.0), ("b", 0, 0.8, seconds)]
        spec = time_figure(timed(rows), ["model"], (0.6, 1.0)).panels[0].spec
        return spec["layer"][0]["encoding"]["x"]["scale"]["type"]

    assert [axis(2.0), axis(50.0)] == ["linear", "log"]
