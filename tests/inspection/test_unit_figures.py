"""The map of hidden units, what forecasts are without them, and gates: in words and pictures."""

import json

import numpy as np
import pytest

from forecast.inspection.activity import Activity
from forecast.inspection.following import follow
from forecast.inspection.pages.unit_charts import unit_figures
from forecast.inspection.pages.unit_words import kept_steps
from forecast.inspection.units import Effects, UnitMap
from forecast.reporting.charts import Figure
from forecast.reporting.pictures import write_pictures


def made_up(units=4, steps=96, *, gates=True, layers=1):
    hours = np.datetime64("2024-01-01", "ns") + np.arange(steps) * np.timedelta64(3600, "s")
    phase = np.arange(steps) % 24
    level = np.linspace(-1, 1, steps)
    kinds = [np.sin(2 * np.pi * phase / 24), level, np.random.default_rng(0).normal(size=steps), np.full(steps, 0.3)]
    outputs = np.stack([kinds[i % 4] for i in range(units)], axis=1)
    opened = {
        name: np.full((steps, units), value) for name, value in (("input", 0.2), ("forget", 0.5), ("candidate", -1))
    }
    return UnitMap(
        series="load <script>",
        times=hours,
        y=np.where(phase == 3, np.nan, level + phase),
        activity=Activity(outputs, opened if gates else {}, np.repeat(np.arange(1, layers + 1), units // layers)),
        following=follow(outputs, level, np.cos(np.arange(steps)), phase, size=2.0),
        effects=Effects(
            units=np.array([units - 4, units - 3, units - 2, units - 1]),
            change=np.array([2.0, 1.0, 0.5, 0.0]),
            error=np.array([4.0, 3.5, 3.0, np.nan]),
            error_of_all=3.25,
            change_without_any=2.5,
            error_without_any=5.0,
            origins=50,
            horizon=6,
        ),
        season_steps=24,
        level_steps=24,
        fed_back=False,
    )


def test_words_tell_what_was_found():
    seen, effects, gates = unit_figures(made_up())
    assert seen.says.startswith(
        "Of 4 hidden units, 1 follows the level (the mean of the last 24 values), 1 follows the season (the place in "
        "the day) and 0 follow the last change; 2 follow none of these (1 unit never moves at all)."
    )
    assert effects.says.startswith(
        "Without unit 1 (season) forecasts move by 2.00 on average and their error goes from 3.25 to 4.00; without "
        "unit 2 they move by 1.00; without unit 3 they move by 0.500. Without all of them they move by 2.50, and the "
        "error is 5.00."
    )
    assert "50 origins and 6 steps" in effects.says
    assert "unit 1 (input 0.20 and forget 0.50, so that half of what it holds is left after 1.0 steps)" in gates.says
    assert [panel.title for panel in gates.panels] == [
        "unit 1, follows season",
        "unit 2, follows level",
        "unit 3, follows nothing",
    ]


def test_rows_of_the_map_are_units_by_what_they_follow():
    seen = unit_figures(made_up())[0]
    cells, names = seen.panels[1].tables["cells"], seen.panels[1].tables["names"]
    assert [row["of"] for row in names] == ["unit 2", "unit 1", "unit 3", "unit 4"]
    assert names[0]["is"] == "level, 100 % of its variance"
    assert len(cells) == 4 * 96
    of_level = [row["z"] for row in cells if row["u"] == 0]
    level = np.linspace(-1, 1, 96)
    np.testing.assert_allclose(of_level, level / level.std(), atol=0.051)
    assert {row["z"] for row in cells if row["u"] == 3} == {0.0}
    assert [row["y"] for row in seen.panels[1].tables["ends"]] == [1, 2]


def test_many_units_and_long_splits_are_drawn_in_part():
    seen = unit_figures(made_up(units=400, steps=500))[0]
    assert "128 of them are drawn, evenly from all kinds." in seen.says
    assert len(seen.panels[1].tables["cells"]) == 128 * 96
    assert len(json.dumps(seen.panels[1].tables["cells"])) < 700_000
    times = [row["t"] for row in seen.panels[0].tables["lines"]]
    assert times[-2] == 1704067200000 + 499 * 3_600_000


@pytest.mark.parametrize("gates", [True, False])
def test_pictures_are_made(tmp_path, gates):
    figures = unit_figures(made_up(gates=gates, layers=2))
    assert [figure.name for figure in figures] == ["units", "unit_effects", "unit_gates"][: 3 if gates else 2]
    assert "Units of the last layer are switched off" in figures[1].says
    for figure in figures:
        assert isinstance(figure, Figure)
    assert min(path.stat().st_size for path in write_pictures(figures, tmp_path)) > 10_000


def test_half_is_left_after_the_steps_that_a_gate_says():
    assert kept_steps(np.full(5, 0.5**0.25)) == pytest.approx(4)
    assert kept_steps(np.ones(5)) == float("inf")
