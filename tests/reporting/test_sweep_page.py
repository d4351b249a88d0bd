import numpy as np
import pandas as pd
import pytest

from forecast.reporting.sweep import spread_over_seeds, sweep_figure, sweep_html, swept_settings, write_sweep_page
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
