"""Revisions of forecasts against a loop over the results table."""

from __future__ import annotations

import numpy as np
import pytest
from toys import HORIZON, a_panel

from forecast.evaluation.behaviour import revisions
from forecast.evaluation.results import results_table
from forecast.evaluation.scales import fit_scales
from forecast.forecasters.interface import Forecasts
from forecast.questions.split import Origins


def by_loop(results, scales, model, stride):
    """Look each date up in the forecasts of the origin `stride` steps earlier."""
    rows = results[results["model"] == model]
    means = []
    for i, name in enumerate(scales.ids):
        mine = rows[rows["unique_id"] == name]
        told = {(row.ds, row.step): row.y_hat for row in mine.itertuples()}
        changes = [abs(y - told[ds, step + stride]) for (ds, step), y in told.items() if (ds, step + stride) in told]
        means.append(np.mean(changes) / scales.absolute[i])
    return float(np.mean(means))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_revisions_are_those_of_a_loop(stride):
    panel, rng = a_panel(), np.random.default_rng(0)
    steps = [np.arange(20, 50, stride), np.arange(10, 35, stride)]
    origins = Origins(np.repeat([0, 1], [len(s) for s in steps]), np.concatenate(steps))
    made = {name: Forecasts(rng.normal(size=(len(origins), HORIZON))) for name in ("a", "b")}
    results, scales = results_table(panel, origins, made, HORIZON), fit_scales(panel, 3)
    found = revisions(results, scales)
    assert found.stride == stride
    for name in made:
        assert found.by_model[name] == pytest.approx(by_loop(results, scales, name, stride))
    assert (found.note == "") == (stride == 1)


def test_an_origin_that_is_left_out_makes_no_pair():
    panel, rng = a_panel(lengths=(60,)), np.random.default_rng(0)
    origins = Origins(np.zeros(9, dtype=int), np.array([20, 21, 22, 24, 25, 40, 41, 42, 43]))
    y_hat = rng.normal(size=(9, HORIZON))
    results, scales = results_table(panel, origins, {"a": Forecasts(y_hat)}, HORIZON), fit_scales(panel, 3)
    pairs = [(0, 1), (1, 2), (3, 4), (5, 6), (6, 7), (7, 8)]
    expected = np.mean([np.abs(y_hat[b, :-1] - y_hat[a, 1:]).mean() for a, b in pairs]) / scales.absolute[0]
    assert revisions(results, scales).by_model["a"] == pytest.approx(expected)


@pytest.mark.parametrize("steps", [[20], [20, 20 + HORIZON], [20, 40]], ids=["one", "no overlap", "far apart"])
def test_where_no_date_is_forecast_twice_there_is_none(steps):
    panel = a_panel(lengths=(60,))
    origins = Origins(np.zeros(len(steps), dtype=int), np.array(steps))
    results = results_table(panel, origins, {"a": Forecasts(np.zeros((len(steps), HORIZON)))}, HORIZON)
    found = revisions(results, fit_scales(panel, 3))
    assert (found.stride, np.isnan(found.by_model["a"])) == (0, True)
    assert "empty" in found.note


def test_forecasts_that_agree_are_never_revised():
    panel = a_panel(lengths=(60,))
    steps = np.arange(20, 40)
    y_hat = np.sin(steps[:, None] + np.arange(1, HORIZON + 1))  # a function of the date alone
    results = results_table(panel, Origins(np.zeros(20, dtype=int), steps), {"a": Forecasts(y_hat)}, HORIZON)
    assert revisions(results, fit_scales(panel, 3)).by_model["a"] == pytest.approx(0.0, abs=1e-12)
