"""Score and costs against a swept number."""

from __future__ import annotations

import altair as alt
import pandas as pd
import pytest

from forecast.reporting.html import page_spec
from forecast.reporting.sweep import curves_figure, numeric_settings, sweep_html

SCORES = {"4": (0.9, 0.8, 1.0), "16": (0.7, 0.6, 0.5), "64": (0.2, 0.4, 0.3)}


@pytest.fixture
def scored():
    columns = ["chunk", "model", "seed", "validation_mase", "seconds", "graph_mb"]
    rows = [
        (chunk, "gru", str(seed), score, 1.0 + seed, int(chunk) / 8)
        for chunk, scores in SCORES.items()
        for seed, score in enumerate(scores)
    ]
    return pd.DataFrame(rows, columns=columns).assign(status="ok")


def test_numbers_with_enough_values_are_axes(scored):
    assert numeric_settings(scored, ["chunk", "model", "seed"]) == ["chunk"]
    assert numeric_settings(scored[scored.chunk != "4"], ["chunk"]) == []
    assert numeric_settings(scored.replace({"chunk": {"4": "null"}}), ["chunk"]) == []


def test_each_value_has_the_median_and_the_range_of_its_jobs(scored):
    figure = curves_figure(scored, "chunk")
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


def test_the_axis_is_logarithmic_where_values_are_far_apart(scored):
    spec = curves_figure(scored, "chunk").panels[0].spec
    assert "'type': 'log'" in str(spec["layer"][1]["encoding"]["x"])
    near = scored.replace({"chunk": {"4": "40", "16": "50"}})
    assert "log" not in str(curves_figure(near, "chunk").panels[0].spec["layer"][1]["encoding"]["x"])


def test_the_page_has_the_curves_and_no_second_picture_of_the_same(scored):
    page = sweep_html(scored.drop(columns="model"))
    assert "By chunk" in page
    assert "Score by setting" not in page
    assert "Score by setting" in sweep_html(scored.assign(model=["gru", "lstm", "rnn"] * 3))


def test_without_a_measure_there_is_no_panel(scored):
    assert len(curves_figure(scored.drop(columns="graph_mb"), "chunk").panels) == 2
