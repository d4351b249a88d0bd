"""What the page says of probabilities, against counts by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from forecast.questions.kinds import DIRECTION
from forecast.reporting.html import report_html
from forecast.reporting.sections import draw
from forecast.reporting.sections.direction import reliability
from forecast.reporting.summary import build_summary

ORIGINS, STEPS = 300, 3
NASTY = "</script><b>north"


def a_run(seed=0):
    """Outcomes that come as often as the network predicts; the baseline always predicts 60 %."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.1, 0.9, (ORIGINS, STEPS))
    rose = (rng.random(p.shape) < p).astype(float)
    cutoff = np.repeat(np.arange(700, 700 + ORIGINS), STEPS)
    step = np.tile(np.arange(1, STEPS + 1), ORIGINS)
    base = {"unique_id": NASTY, "cutoff": cutoff, "ds": cutoff + step, "step": step, "y": rose.ravel()}
    tables = [
        pd.DataFrame({**base, "model": name, "y_hat": y_hat.ravel()})
        for name, y_hat in (("lstm", p), ("base_rate", np.full(p.shape, 0.6)))
    ]
    results = pd.concat(tables, ignore_index=True)
    squares = (results["y"] - results["y_hat"]) ** 2
    by_step = squares.groupby([results["model"], results["step"]]).mean().rename("brier").reset_index()
    brier = squares.groupby(results["model"]).mean()
    board = pd.DataFrame(
        {
            "model": ["lstm", "base_rate"],
            "kind": ["network", "naive"],
            "brier": brier[["lstm", "base_rate"]].to_numpy(),
            "accuracy": [0.7, 0.6],
            "auc": [0.75, 0.5],
            "log_loss": [0.6, 0.68],
            "skill": [0.1, 0.0],
            "status": "ok",
        }
    )
    times = np.arange(1000 + STEPS)
    y = 50 + np.sin(times)
    series = pd.DataFrame({"unique_id": NASTY, "ds": times, "y": y, "split": "training"})
    columns = {"unique_id": NASTY, "ds": np.tile(times[-1] + 1 + np.arange(STEPS), 2)}
    columns["model"] = np.repeat(["lstm", "base_rate"], STEPS)
    ahead = pd.DataFrame({**columns, "y_hat": [0.7, 0.3, 0.5, 0.6, 0.6, 0.6]})
    return {
        "results": results,
        "series": series,
        "leaderboard": board,
        "by_step": by_step,
        "forecast": ahead,
        "network": "lstm",
        "baseline": "base_rate",
        "question": DIRECTION,
    }


def test_parts_hold_what_was_said_and_what_came():
    p = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0] * 3)
    y = np.array([0, 0, 1, 0, 1, 0, 1, 1, 1, 1] * 3, dtype=float)
    parts = reliability("m", p, y)
    assert sum(parts.count) == 30
    assert parts.count == (3,) * 10
    np.testing.assert_allclose(parts.predicted, p[:10])
    np.testing.assert_allclose(parts.observed, y[:10])
    np.testing.assert_allclose(parts.miscalibration, np.mean((p - y) ** 2))
    np.testing.assert_allclose(parts.resolution, np.var(y))


def test_a_model_that_always_says_the_same_is_one_part():
    parts = reliability("m", np.full(8, 0.6), np.array([1.0, 0, 1, 1, 0, 1, 1, 0]))
    assert (parts.predicted, parts.observed, parts.count) == ((0.6,), (0.625,), (8,))
    assert parts.resolution == 0


def test_its_parts_make_the_brier_score():
    """Uncertainty + miscalibration - resolution, but for what differs within a part (Murphy 1973)."""
    run = a_run()
    rows = run["results"].query("model == 'lstm'")
    parts = reliability("lstm", rows["y_hat"].to_numpy(), rows["y"].to_numpy())
    rate = rows["y"].mean()
    whole = rate * (1 - rate) + parts.miscalibration - parts.resolution
    assert whole == pytest.approx(((rows["y_hat"] - rows["y"]) ** 2).mean(), abs=0.005)
    assert parts.miscalibration < 0.01
    assert parts.resolution > 0.04


def test_the_summary_has_the_sections_of_the_question_and_no_others():
    summary = build_summary(**a_run())
    json.dumps(summary.as_dict(), allow_nan=False)
    assert {"origins", "future", "residuals", "copy"}.isdisjoint(summary.sections)
    assert summary.sections["steps"].metric == "Brier score"
    assert 0 < summary.sections["steps"].bottom < summary.sections["steps"].top < 0.3
    assert [one.model for one in summary.sections["reliability"].models] == ["lstm", "base_rate"]
    assert "base_rate always predicts 60.0 %" in summary.sections["reliability"].says
    assert summary.sections["probabilities"].models[0].probabilities == (0.7, 0.3, 0.5)
    assert summary.sections["probabilities"].steps == (1, 2, 3)
    assert sum(summary.sections["reliability"].histogram.counts) == ORIGINS * STEPS
    assert [figure.name for figure in draw(summary)] == ["data", "future", "reliability", "error_by_step"]


def test_names_of_the_data_are_escaped():
    summary = build_summary(**a_run())
    html = report_html(summary, draw(summary))
    assert "<b>north" not in html
    assert "&lt;b&gt;north" in html


def test_the_table_shows_the_scores_of_the_question():
    summary = build_summary(**a_run())
    html = report_html(summary, draw(summary))
    for heading in ("Brier", "right", "AUC", "log loss"):
        assert f">{heading}</th>" in html
    assert ">MASE</th>" not in html
    assert "70.0\u00a0%" in html  # on one line
