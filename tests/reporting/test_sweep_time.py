"""Score against time: medians over seeds, names that do not lie on each other."""

import numpy as np
import pandas as pd

from forecast.reporting.sweep import time_figure
from forecast.reporting.theme import LIGHT


def scored(rows):
    table = pd.DataFrame(rows, columns=["model", "seed", "validation_mase", "seconds"])
    return table.sort_values("validation_mase", kind="stable")


JOBS = scored([("a", 0, 0.9, 2.0), ("a", 1, 0.7, 4.0), ("a", 2, 0.8, 3.0), ("b", 0, 0.75, 3.1), ("b", 1, 0.85, 3.3)])


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
    assert time_figure(scored([("a", 0, 0.8, 1.0), ("b", 0, 9.0, 1.0)]), ["model"], (0.6, 1.0)) is None


def test_times_far_apart_get_a_logarithmic_axis():
    def axis(seconds):
        rows = [("a", 0, 0.7, 1.0), ("b", 0, 0.8, seconds)]
        spec = time_figure(scored(rows), ["model"], (0.6, 1.0)).panels[0].spec
        return spec["layer"][0]["encoding"]["x"]["scale"]["type"]

    assert [axis(2.0), axis(50.0)] == ["linear", "log"]
