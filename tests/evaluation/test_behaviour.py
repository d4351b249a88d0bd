from __future__ import annotations

import math

import numpy as np
import pytest
from toys import HORIZON, a_panel, with_target

from forecast.evaluation.behaviour import copy_test, revisions
from forecast.evaluation.results import last_known, results_table
from forecast.evaluation.scales import fit_scales
from forecast.forecasters.interface import Forecasts
from forecast.questions.split import Origins, rolling_origins

H, N = 20, 600


def copied(y, forecast, missing=0.0, horizon=H):
    """Copy test of a forecaster that is a function of the origins' last values and of the truth (origin, step)."""
    panel = with_target(a_panel(lengths=(len(y),), missing=missing), slice(None), y)
    origins = rolling_origins(panel, np.array([200]), panel.lengths, horizon)
    rows = origins.rows(panel)
    truth = panel.target[rows[:, None] + np.arange(1, horizon + 1)]
    y_hat = forecast(panel.target[rows][:, None] + np.zeros((1, horizon)), truth)
    results = results_table(panel, origins, {"lstm": Forecasts(y_hat)}, horizon)
    return copy_test(results, last_known(panel, origins), "lstm"), truth - panel.target[rows][:, None]


def a_sine():
    return np.sin(2 * np.pi * np.arange(N) / 20)


def a_walk(seed=0):
    return np.cumsum(np.random.default_rng(seed).standard_normal(N))


def test_figures_are_what_loops_give():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(N - 200 - H + 1, H))
    actual, happened = copied(a_walk(), lambda last, truth: last + noise)
    squares = sum(float(a) ** 2 for a in happened.ravel())
    assert actual.moves == pytest.approx(math.sqrt(sum(float(f) ** 2 for f in noise.ravel()) / squares))
    errors = sum((float(a) - float(f)) ** 2 for a, f in zip(happened.ravel(), noise.ravel(), strict=True))
    assert actual.explained == pytest.approx(1 - errors / squares)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("noise", [0.0, 0.3, 0.8])
def test_the_last_value_with_little_noise_is_a_copy(seed, noise):
    rng = np.random.default_rng(seed)
    actual, _ = copied(a_walk(seed), lambda last, truth: last + noise * rng.standard_normal(last.shape))
    assert actual.copy is True
    assert actual.sentence.startswith("lstm copies the last value: its forecasts move ")


@pytest.mark.parametrize("horizon", [1, 5, 20])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_sine_that_is_forecast_is_no_copy(horizon, noise):
    rng = np.random.default_rng(0)
    actual, _ = copied(a_sine(), lambda last, truth: truth + noise * rng.standard_normal(truth.shape), horizon=horizon)
    assert actual.copy is False
    assert actual.explained > 0.75
    assert actual.sentence.startswith("lstm does not copy the last value: its forecasts foresee ")


def test_the_last_value_of_a_sine_is_a_copy_as_well():
    assert copied(a_sine(), lambda last, truth: last)[0].copy is True


def test_noise_far_from_the_last_value_is_no_copy_and_foresees_nothing():
    actual, _ = copied(a_walk(), lambda last, truth: last[::-1])
    assert actual.copy is False
    assert "but gains nothing by it" in actual.sentence
    assert actual.explained < 0


def test_a_forecast_that_foresees_half_the_change_is_no_copy():
    actual, _ = copied(a_walk(), lambda last, truth: last + 0.5 * (truth - last))
    assert actual.copy is False
    assert (actual.moves, actual.explained) == (pytest.approx(0.5), pytest.approx(0.75))
    assert actual.sentence == "lstm does not copy the last value: its forecasts foresee 75% of the changes from it"


def test_missing_targets_are_passed_over():
    actual, _ = copied(a_walk(), lambda last, truth: last, missing=0.3)
    assert (actual.copy, actual.moves, actual.explained) == (True, 0.0, 0.0)
    assert actual.sentence == (
        "lstm copies the last value: its forecasts move 0% as far from it as the series does "
        "and foresee 0% of the changes"
    )


def test_a_series_that_never_moves_says_so():
    actual, _ = copied(np.ones(N), lambda last, truth: last)
    assert actual.copy is None
    assert actual.sentence == "copy test of lstm: not possible, the series never changes"


def test_series_count_alike_whatever_their_units():
    both = np.concatenate([a_walk(1), 1000 * a_walk(2)])
    panel = with_target(a_panel(lengths=(N, N)), slice(None), both)
    origins = rolling_origins(panel, np.array([200, 200]), panel.lengths, H)
    rows = origins.rows(panel)
    last = panel.target[rows][:, None] + np.zeros((1, H))
    truth = panel.target[rows[:, None] + np.arange(1, H + 1)]
    y_hat = np.where(origins.series[:, None] == 0, truth, last)
    results = results_table(panel, origins, {"gru": Forecasts(y_hat)}, H)
    assert copy_test(results, last_known(panel, origins), "gru").explained == pytest.approx(0.5)


def by_loop(results, scales, model, stride):
    """Look each date up in the forecasts of the origin `stride` steps earlier."""
    rows = results[results["model"] == model]
    means = []
    for i, name in enumerate(scales.ids):
        of_series = rows[rows["unique_id"] == name]
        F = {(row.ds, row.step): row.y_hat for row in of_series.itertuples()}
        changes = [abs(y - F[ds, step + stride]) for (ds, step), y in F.items() if (ds, step + stride) in F]
        means.append(np.mean(changes) / scales.absolute[i])
    return float(np.mean(means))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_revisions_are_those_of_a_loop(stride):
    panel, rng = a_panel(), np.random.default_rng(0)
    steps = [np.arange(20, 50, stride), np.arange(10, 35, stride)]
    origins = Origins(np.repeat([0, 1], [len(s) for s in steps]), np.concatenate(steps))
    result = {name: Forecasts(rng.normal(size=(len(origins), HORIZON))) for name in ("a", "b")}
    results, scales = results_table(panel, origins, result, HORIZON), fit_scales(panel, 3)
    revised = revisions(results, scales)
    assert revised.stride == stride
    for name in result:
        assert revised.by_model[name] == pytest.approx(by_loop(results, scales, name, stride))
    assert (revised.note == "") == (stride == 1)


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
    revised = revisions(results, fit_scales(panel, 3))
    assert (revised.stride, np.isnan(revised.by_model["a"])) == (0, True)
    assert "was not measured" in revised.note
    assert "`horizon` longer than `backtest.stride`" in revised.note


def test_forecasts_that_agree_are_never_revised():
    panel = a_panel(lengths=(60,))
    steps = np.arange(20, 40)
    y_hat = np.sin(steps[:, None] + np.arange(1, HORIZON + 1))  # a function of the date alone
    results = results_table(panel, Origins(np.zeros(20, dtype=int), steps), {"a": Forecasts(y_hat)}, HORIZON)
    assert revisions(results, fit_scales(panel, 3)).by_model["a"] == pytest.approx(0.0, abs=1e-12)


def test_forecasts_that_are_far_off_are_described_in_a_few_words():
    actual, _ = copied(a_walk(), lambda last, truth: last + 1e9)
    assert actual.sentence == (
        "lstm does not copy the last value, but gains nothing by it: its forecasts move more than 100 times as far "
        "from it as the series does and foresee less than nothing of the changes"
    )
