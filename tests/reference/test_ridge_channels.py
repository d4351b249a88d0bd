"""The reference `ridge_channels`: an autoregression on the latest values of the target and of the past covariates."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.regression import blend_weights

from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.reference.fit import fit_reference
from forecast.reference.history_buffer import HistoryBuffer, StepwiseReference
from forecast.reference.scaling import fit_scale
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, Panel

H, LAGS = 3, 4
PROBLEM = Problem(horizon=H, context_steps=LAGS, season_steps=1)


def led_by_another(rows=(260, 200), unit=1.0, level=0.0, covariate=(1.0, 0.0), noise=0.5) -> Panel:
    """Two series, y_t = 0.5 y_{t-1} + 2 x_{t-3} + e_t, with x known so far, a category, and a hole in x."""
    rng = np.random.default_rng(0)
    values = []
    for n in rows:
        x, y = rng.normal(size=n), np.zeros(n)
        for t in range(3, n):
            y[t] = 0.5 * y[t - 1] + 2 * x[t - 3] + noise * rng.normal()
        values.append(np.column_stack([unit * y + level, covariate[0] * x + covariate[1], rng.integers(0, 2, n)]))
    table = np.concatenate(values)
    masked = np.zeros(table.shape, dtype=bool)
    masked[20:24, 1] = True
    return Panel(
        values=np.where(masked, 0.0, table),
        observed=~masked,
        offsets=np.array([0, *np.cumsum(rows)]),
        times=np.concatenate([np.arange(n) for n in rows]),
        ids=("a", "b"),
        channels=(Channel("y", "target"), Channel("x", "past"), Channel("sky", "past", ("sun", "rain"))),
        calendar=Calendar(freq=None),
        masked=masked,
    )


def fitted(panel, name="ridge_channels", steps=(200, 150)):
    return fit_reference(name, panel, np.array(steps), PROBLEM)


@pytest.fixture(autouse=True)
def few_lags(monkeypatch):
    monkeypatch.setattr("forecast.reference.fit._FEWEST_LAGS", LAGS)
    monkeypatch.setattr("forecast.reference.fit._ROWS_A_LAG", 8)


def by_loops(panel, steps, ridge, origins):
    """Forecasts of ridge regression by loops over rows and lags, in the units of `blends`, (series, horizon)."""
    trained = [row for i, n in enumerate(steps) for row in range(panel.offsets[i], panel.offsets[i] + n)]
    seen = [panel.values[row, 1] for row in trained if not panel.masked[row, 1]]
    values = [panel.target[rows] for _, rows in panel.series()]

    def terms(series, row):
        y = values[series]
        own = [y[row - lag] - y[row] for lag in range(1, LAGS + 1)] + [np.mean(y[: row + 1]) - y[row]]
        others = []
        for lag in range(LAGS + 1):
            at = panel.offsets[series] + row - lag
            others.append(0.0 if panel.masked[at, 1] else (panel.values[at, 1] - np.mean(seen)) / np.std(seen))
        of_category = [0.0] * (LAGS + 1)
        return own + [np.std(y[: steps[series]]) * value for value in others] + of_category

    forecasts = []
    for h in range(1, H + 1):
        designs = []
        for series, y in enumerate(values):
            rows = range(LAGS, steps[series] - H)
            design = np.array([terms(series, row) for row in rows])
            designs.append((design, np.array([y[row + h] - y[row] for row in rows])))
        weights = blend_weights(designs, fit_scale(panel, np.array(steps), 1), ridge)
        forecasts.append(
            [y[o] + terms(i, o) @ weights[i] for i, (y, o) in enumerate(zip(values, origins, strict=True))]
        )
    return np.array(forecasts).T


def test_it_is_ridge_regression_on_lags_of_target_and_covariates():
    panel = led_by_another()
    reference = fitted(panel)
    assert reference.lags == LAGS
    origins = panel.lengths - 10
    forecasts = reference.forecast(panel, Origins(np.arange(2), origins))
    expected = by_loops(panel, (200, 150), reference.ridge, origins.tolist())
    np.testing.assert_allclose(forecasts, expected, rtol=1e-6)


def test_a_covariate_that_leads_is_used_which_ridge_does_not_see():
    """The best possible leaves the noise of up to three steps, and without x four times x's variance of each.

    The expanding mean stands for the series' mean, which is 0, so that the best is not quite reached.
    """
    panel = led_by_another((3_000, 3_000), noise=0.1)
    origins = Origins(np.repeat([0, 1], 900), np.tile(np.arange(2_050, 2_950), 2))
    truth = panel.target[origins.rows(panel)[:, None] + np.arange(1, H + 1)]
    errors = {
        name: (fitted(panel, name, (2_000, 2_000)).forecast(panel, origins) - truth).std(axis=0)
        for name in ("ridge", "ridge_channels")
    }
    of_steps = np.sqrt([1, 1.25, 1.3125])
    np.testing.assert_allclose(errors["ridge"], np.sqrt(4.01) * of_steps, rtol=0.06)
    np.testing.assert_allclose(errors["ridge_channels"] / (0.1 * of_steps), 1.13, atol=0.15)


def test_units_of_the_target_and_of_covariates_do_not_matter():
    origins = Origins(np.array([0, 1]), np.array([240, 180]))
    plain, other = led_by_another(), led_by_another(unit=1e3, level=5e4, covariate=(1e-4, -7.0))
    expected = 1e3 * fitted(plain).forecast(plain, origins) + 5e4
    np.testing.assert_allclose(fitted(other).forecast(other, origins), expected, rtol=1e-8)


def test_covariates_after_an_origin_do_not_reach_its_forecast():
    panel = led_by_another()
    reference, origins = fitted(panel), Origins(np.array([0]), np.array([240]))
    before = reference.forecast(panel, origins)
    panel.values[241:260, 1:] = 1e6
    assert np.array_equal(reference.forecast(panel, origins), before)
    panel.values[238, 1] += 1.0  # acts three steps later, on the next one
    change = reference.forecast(panel, origins) - before
    np.testing.assert_allclose(change[0, 0], 2.0, atol=0.2)


def test_row_by_row_it_is_what_it_is_on_the_whole_past():
    panel = led_by_another()
    reference = fitted(panel)
    known, begin = reference.causal_features(panel), np.array([30, 50])
    rows = panel.offsets[:-1] + begin
    stepwise = StepwiseReference(reference, HistoryBuffer(known, rows, begin + 1, reference, room=7))
    for step in range(1, 140):
        inputs = stepwise.push(panel.target[rows + step], known.channels[rows + step])
        np.testing.assert_allclose(stepwise.forecast, reference.at(known, rows + step), rtol=0, atol=1e-8)
        np.testing.assert_allclose(inputs, reference.inputs(known, rows + step), rtol=0, atol=1e-8)


def test_refitted_on_more_rows_it_reads_the_same_channels():
    panel = led_by_another()
    refitted = fitted(panel).refit(panel, panel.lengths)
    again = fit_reference("ridge_channels", panel, panel.lengths, PROBLEM)
    assert refitted.weights.shape == fitted(panel).weights.shape
    np.testing.assert_allclose(refitted.channels, again.channels)
    assert not np.allclose(refitted.channels, fitted(panel).channels)


def test_without_covariates_all_channels_are_the_target():
    panel = led_by_another().target_alone()
    origins = Origins(np.array([0]), np.array([240]))
    forecasts = [fitted(panel, name).forecast(panel, origins) for name in ("ridge", "ridge_channels")]
    assert np.array_equal(*forecasts)
