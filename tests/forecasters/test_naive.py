from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles import naive as oracle

from forecast.forecasters.naive import (
    NaiveRule,
    UntrainedReference,
    last_season,
    last_value,
    straight_line,
    window_mean,
)
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.reference.fit import fit_reference
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, Panel

HORIZON = 9


def panel_with_holes() -> Panel:
    """Three series of unequal length and level, one with holes of more than a season, one shorter than a season."""
    rng = np.random.default_rng(3)
    lengths = np.array([40, 3, 60])
    y = rng.standard_normal((103, 1)).cumsum(axis=0) + np.repeat([1e9, 0.0, 5.0], lengths)[:, None]
    observed = rng.random((103, 1)) > 0.3
    observed[[0, 50, 51, 52, 53, 54, 55, 56, 57], 0] = False
    return Panel(
        values=y,
        observed=observed,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([np.arange(n) for n in lengths]),
        ids=("a", "b", "c"),
        channels=(Channel("y", "target"),),
        calendar=Calendar(freq=None),
    )


def every_origin(panel: Panel) -> Origins:
    series = np.repeat(np.arange(len(panel)), panel.lengths)
    return Origins(series, np.arange(len(series)) - panel.offsets[series])


def expected(panel: Panel, rule, *more):
    origins = every_origin(panel)
    rows = [panel.offsets[i] + np.arange(panel.lengths[i]) for i in range(len(panel))]
    return [
        rule(panel.target[rows[i]], panel.target_observed[rows[i]], t, HORIZON, *more)
        for i, t in zip(origins.series, origins.steps, strict=True)
    ]


@pytest.mark.parametrize("season", [1, 4, 7, 30])
def test_rules_equal_loops_at_every_origin(season):
    panel = panel_with_holes()
    problem = Problem(horizon=HORIZON, context_steps=11, season_steps=season)
    window = season if season > 1 else 11
    cases = [
        (NaiveRule("naive", last_value), expected(panel, oracle.last_value)),
        (NaiveRule("seasonal_naive", last_season), expected(panel, oracle.last_season, season)),
        (NaiveRule("drift", straight_line), expected(panel, oracle.straight_line)),
        (window_mean(), expected(panel, oracle.mean_of_window, window)),
        (window_mean(window_steps=5), expected(panel, oracle.mean_of_window, 5)),
    ]
    for forecaster, truth in cases:
        fitted = forecaster.fit(panel, panel.lengths, problem)
        y_hat = fitted.forecast(panel, every_origin(panel)).y_hat
        np.testing.assert_allclose(y_hat, truth, rtol=1e-12, atol=1e-9, err_msg=f"{forecaster.name}, season {season}")


def test_what_fills_a_hole_changes_no_naive_forecast():
    panel = panel_with_holes()
    started = panel.target_observed.copy()
    for _, rows in panel.series():
        started[rows] = np.maximum.accumulate(started[rows])
    refilled = replace(panel, values=np.where(panel.observed, panel.values, -777.0))
    origins = every_origin(panel)[started]  # before the first value of a series nothing is known but the filling
    problem = Problem(horizon=HORIZON, context_steps=11, season_steps=7)
    for forecaster in (
        NaiveRule("n", last_value),
        NaiveRule("s", last_season),
        NaiveRule("d", straight_line),
        window_mean(),
    ):
        fitted = forecaster.fit(panel, panel.lengths, problem)
        before, after = fitted.forecast(panel, origins).y_hat, fitted.forecast(refilled, origins).y_hat
        np.testing.assert_allclose(after, before, rtol=1e-9, err_msg=forecaster.name)


def test_a_series_without_steps_is_passed_over():
    panel = panel_with_holes().cut(np.array([40, 0, 0]))
    problem = Problem(horizon=2, context_steps=4, season_steps=4)
    origin = Origins(np.array([0]), np.array([39]))
    for forecaster in (
        NaiveRule("n", last_value),
        NaiveRule("s", last_season),
        NaiveRule("d", straight_line),
        window_mean(),
    ):
        assert np.isfinite(forecaster.fit(panel, panel.lengths, problem).forecast(panel, origin).y_hat).all()


def test_the_reference_row_is_the_reference_and_its_choice_is_handed_on():
    panel = panel_with_holes().cut(np.array([40, 0, 0]))
    panel = replace(panel, observed=np.ones_like(panel.observed), offsets=np.array([0, 40]), ids=("a",))
    problem, train = Problem(horizon=3, context_steps=8, season_steps=4), np.array([28])
    origins = Origins(np.zeros(8, dtype=np.int64), np.arange(30, 38))
    fitted = UntrainedReference().fit(panel, train, problem)
    truth = fit_reference("auto", panel, train, problem)
    np.testing.assert_array_equal(fitted.forecast(panel, origins).y_hat, truth.forecast(panel, origins))
    assert fitted.notes == (f"the simple forecast {truth.name!r} alone, without any training",)
    final = fitted.chosen().fit(panel, panel.lengths, problem)
    assert (final.reference.name, final.reference.ridge) == (truth.name, truth.ridge)
