"""Panels of unequal series: short ones are refused or left out, constant ones noted, never in silence."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.panels import noisy_sine, panel_of

from forecast.errors import ForecastError
from forecast.questions.short import without_short
from forecast.questions.task import forecast_task
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source


def test_a_short_series_is_refused_with_the_setting_that_leaves_it_out():
    panel = panel_of(np.arange(300.0), np.arange(9.0))
    with pytest.raises(ForecastError, match=r"series 's1' has 9 steps.* 1 of 2 series .*data\.on_short_series=drop"):
        forecast_task(panel, 5)


def test_short_series_are_left_out_and_named():
    panel = panel_of(noisy_sine(300), np.arange(9.0), noisy_sine(200, seed=1), np.arange(20.0))
    kept, notes = without_short(panel, 5, context_steps=10)
    assert kept.ids == ("s0", "s2")
    assert kept.target.tolist() == [*panel.target[:300], *panel.target[309:509]]
    assert notes == (
        "2 of 4 series left out as too short for context 10 + horizon 5 in training and 5 steps each for validation "
        "and test: 's1' (9 steps), 's3' (20 steps).",
    )
    assert forecast_task(kept, 5, context_steps=10).problem.context_steps == 10


def test_one_short_series_does_not_shorten_the_context_of_all():
    panel = panel_of(*(noisy_sine(300, seed=i) for i in range(5)), noisy_sine(40, seed=9))
    assert forecast_task(panel, 5).problem.context_steps < 40
    kept, notes = without_short(panel, 5)
    assert len(kept) == 5
    assert "'s5' (40 steps)" in notes[0]
    assert forecast_task(kept, 5).problem.context_steps == 40


def test_long_series_stay_as_they_are():
    panel = panel_of(noisy_sine(300), noisy_sine(200, seed=1))
    kept, notes = without_short(panel, 5)
    assert kept is panel
    assert notes == ()


def test_a_season_that_was_said_has_to_fit_as_well():
    panel = panel_of(noisy_sine(300), noisy_sine(60, seed=1))
    assert without_short(panel, 5, context_steps=5, season_steps=100)[0].ids == ("s0",)
    with pytest.raises(ForecastError, match="all 2 series are too short"):
        without_short(panel, 5, context_steps=500)


def test_constant_and_empty_series_among_living_ones(tmp_path):
    path = tmp_path / "shops.csv"
    rows = [f"{n},{n % 7},3,{n if n < 4 else ''}," for n in range(1, 80)]
    path.write_text("\n".join(["t,living,dead,young,empty", *rows, ""]))
    targets = ("living", "dead", "young", "empty")
    with pytest.raises(ForecastError, match="'empty'"):
        load_source(CsvSettings(path=str(path), layout="columns", target=targets))
    source = load_source(CsvSettings(path=str(path), layout="columns"))
    assert source.panel.ids == ("dead", "living", "young")
    assert source.panel.lengths.tolist() == [79, 79, 3]
    notes = "\n".join(source.notes)
    assert "left out: 'empty'" in notes
    assert "series without any change: 'dead'" in notes
    assert "75 rows" in notes or "76 rows" in notes


def test_an_empty_series_of_a_long_file(tmp_path):
    path = tmp_path / "shops.csv"
    rows = [f"{n},{name},{n % 7 if name == 'a' else ''}" for n in range(40) for name in "ab"]
    path.write_text("\n".join(["t,unique_id,y", *rows, ""]))
    with pytest.raises(ForecastError, match=r"series 'b' has no value at all.*data\.on_short_series=drop"):
        load_source(CsvSettings(path=str(path)))
    source = load_source(CsvSettings(path=str(path), on_short_series="drop"))
    assert source.panel.ids == ("a",)
    assert "1 series without any value left out: 'b'." in source.notes
