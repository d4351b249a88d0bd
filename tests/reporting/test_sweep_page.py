"""The page of a sweep: scores by setting, by swept number and against time, the spread over seeds, failures."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import pytest

from forecast.reporting.html import page_spec
from forecast.reporting.search import importance_figure, importances, parallel_figure, time_figure
from forecast.reporting.sweep import (
    Winner,
    curves_figure,
    numeric_settings,
    scored_on_test,
    spread_over_seeds,
    sweep_figure,
    sweep_html,
    swept_settings,
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


def test_names_stand_right_above_or_left_below_where_they_have_room():
    def names(*rows):
        figure = time_figure(timed([(name, 0, *of) for name, *of in rows]), ["model"], (0.6, 1.0))
        return {row["of"]: row["left"] for row in figure.panels[0].tables["names"]}, figure.says

    apart = names(("a", 0.7, 9.0), ("b", 0.8, 4.0), ("c", 0.9, 2.0))
    assert apart[0] == {"a": True, "b": False, "c": False}
    assert "no room" not in apart[1]
    close = names(("a", 0.7, 9.0), ("b", 0.8, 4.0), ("c", 0.81, 4.4), ("d", 0.95, 2.0))
    assert close[0] == {"a": True, "b": True, "c": False, "d": False}  # c lies where the name of b would be
    long = names(("a", 0.7, 9.0), ("b" * 60, 0.8, 2.0))
    assert list(long[0]) == ["a"]
    assert long[1].endswith("Point at a dot that has no room for its name.")


def test_what_lies_outside_of_the_picture_is_left_out_and_a_single_setting_is_no_comparison():
    assert time_figure(JOBS, ["seed"], (0.6, 1.0)) is None
    assert time_figure(timed([("a", 0, 0.8, 1.0), ("b", 0, 9.0, 1.0)]), ["model"], (0.6, 1.0)) is None


def test_times_far_apart_get_a_logarithmic_axis():
    def axis(seconds):
        rows = [("a", 0, 0.7, 1.0), ("b", 0, 0.8, seconds)]
        spec = time_figure(timed(rows), ["model"], (0.6, 1.0)).panels[0].spec
        return spec["layer"][0]["encoding"]["x"]["scale"]["type"]

    assert [axis(2.0), axis(50.0)] == ["linear", "log"]


def test_no_other_beats_those_of_the_front_in_both():
    jobs = timed([("a", 0, 0.7, 9.0), ("b", 0, 0.8, 4.0), ("c", 0, 0.85, 5.0), ("d", 0, 0.9, 1.0), ("e", 0, 0.95, 1.5)])
    (panel,) = time_figure(jobs, ["model"], (0.6, 1.0)).panels
    assert {row["of"] for row in panel.tables["front"]} == {"a", "b", "d"}


# What a study teaches


@pytest.fixture
def study():
    """30 trials whose score the learning rate decides, the cell a little, and the lanes not at all."""
    rng = np.random.default_rng(0)
    rows = []
    for job in range(30):
        rate, cell, lanes = float(10 ** rng.uniform(-4, -1)), str(rng.choice(["gru", "lstm"])), int(rng.choice([2, 4]))
        score = 0.7 + abs(np.log10(rate) + 2.5) + 0.1 * (cell == "gru")
        settings = {"model.name": cell, "training.lanes": lanes, "training.learning_rate": rate, "model.loss": ""}
        rows.append({"job": job, **settings, "validation_mase": score, "seconds": 3.0 + job, "status": "ok"})
    rows += [{**rows[0], "job": 30, "validation_mase": None, "status": "ended early after epoch 6"}]
    return pd.DataFrame(rows).sort_values("validation_mase", ignore_index=True).astype({"validation_mase": float})


def test_the_setting_that_decides_is_the_most_important(study):
    shares = importances(study.dropna(), swept_settings(study))
    assert next(iter(shares)) == "training.learning_rate"
    assert shares["training.learning_rate"] > 0.7
    assert sum(shares.values()) == pytest.approx(1)
    assert importances(study.dropna(), swept_settings(study)) == shares
    assert importances(study.dropna()[:5], swept_settings(study)) == {}
    figure = importance_figure(shares)
    assert figure.says.startswith("What of the order of the scores each setting alone explains")
    alt.Chart.from_dict({**page_spec(figure.panels[0]), "datasets": {}}, validate=True)


def test_parallel_axes_hold_each_job_once(study):
    scored = study.dropna()
    figure = parallel_figure(scored, swept_settings(study), {"training.learning_rate": 0.8, "model.name": 0.2})
    tables = figure.panels[0].tables
    assert [row["of"] for row in tables["titles"]] == ["learning_rate", "model", "validation MASE"]
    best = [row for row in tables["paths"] if row["job"] == 0]
    assert [row["x"] for row in best][2] == 0  # the lowest score
    rates = scored["training.learning_rate"]
    at = np.log(rates.iloc[0] / rates.min()) / np.log(rates.max() / rates.min())
    assert best[0]["x"] == pytest.approx(at, abs=1e-3)
    assert {row["ink"] for row in best} == {LIGHT.network}
    assert {row["of"] for row in tables["marks"] if row["axis"] == 1} == {"gru", "lstm"}
    assert "Left out are lanes and loss" in figure.says
    alt.Chart.from_dict({**page_spec(figure.panels[0]), "datasets": {}}, validate=True)


def test_the_page_of_a_study(study):
    page = sweep_html(study, Winner("python -m forecast model=gru", "On the test split, gru MASE 0.9."))
    assert "Search over 4 settings" in page or "Search over model.name, training.lanes" in page
    for piece in ("1 ended early", "Which settings matter", "How settings lie together", "Score against time"):
        assert piece in page
    assert "On the test split, gru MASE 0.9." in page
    assert "<code>python -m forecast model=gru</code>" in page
    assert "failure" not in page.partition("<section")[0]


def test_each_setting_has_its_spread_over_seeds(sweep):
    page = sweep_html(sweep)
    settings = page[page.index('id="settings"') : page.index('id="jobs"')]
    assert "0.800 to 0.840" in settings
    assert settings.index("lstm") < settings.index("gru") < settings.index("rnn")


def test_the_test_score_in_words():
    table = pd.DataFrame({"model": ["ridge", "gru", "naive"], "mase": [0.8, 0.9, 1.2]})
    assert scored_on_test(table, "gru").endswith("gru MASE 0.900; the best other model, ridge, 0.800.")
