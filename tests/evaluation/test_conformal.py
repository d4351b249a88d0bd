"""Conformal quantiles: against an obvious loop, and their coverage over many repetitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from oracles.intervals import conformal_quantile
from scipy import stats
from toys import PROBLEM, LastValue, a_panel, with_target

from forecast.evaluation.backtest import forecast_all
from forecast.evaluation.conformal import (
    conformal_offsets,
    conformal_quantiles,
    conformity_scores,
    spread_factor,
    student_offsets,
    widths_of,
    with_intervals,
)
from forecast.evaluation.fits import fit_all
from forecast.forecasters.interface import QUANTILES, Forecasts
from forecast.forecasters.pretrained import Pretrained
from forecast.questions.split import Split
from forecast.series.calendar import Calendar


def quantiles_of(y, forecast, scale, new, new_scale):
    return conformal_quantiles(new, new_scale, conformal_offsets(conformity_scores(y, forecast, scale), QUANTILES))


@pytest.mark.parametrize("forecast_levels", [1, len(QUANTILES)])
@pytest.mark.parametrize("origins", [0, 1, 3, 19, 38, 39, 57])
def test_every_quantile_is_that_of_the_loop(origins, forecast_levels):
    rng = np.random.default_rng(origins)
    y = rng.normal(size=(origins, 3))
    y[rng.random(y.shape) < 0.2] = np.nan
    forecast = np.sort(rng.normal(size=(origins, 3, forecast_levels)), axis=2)
    new = np.sort(rng.normal(size=(4, 3, forecast_levels)), axis=2)
    scale, new_scale = rng.uniform(0.5, 3, origins), rng.uniform(0.5, 3, 4)
    quantiles = quantiles_of(y, forecast, scale, new, new_scale)
    for o in range(4):
        for h in range(3):
            each = [
                conformal_quantile(
                    new[o, h, i % forecast_levels],
                    new_scale[o],
                    zip(y[:, h], forecast[:, h, i % forecast_levels], scale, strict=True),
                    level,
                )
                for i, level in enumerate(QUANTILES)
            ]
            if forecast_levels > 1:  # quantiles of the forecaster's own stay where too few scores could move them
                each = [own if np.isinf(q) else q for own, q in zip(new[o, h], each, strict=True)]
            assert quantiles[o, h].tolist() == pytest.approx(sorted(each), rel=1e-12)


def test_the_rank_is_that_of_the_finite_sample():
    offsets = conformal_offsets(np.arange(1.0, 40.0)[:, None, None], QUANTILES)
    assert offsets.tolist() == [[1, 2, 4, 10, 0, 30, 36, 38, 39]]


def test_too_few_origins_make_the_interval_infinite_and_no_other():
    offsets = conformal_offsets(np.arange(1.0, 20.0)[:, None, None], QUANTILES)[0]
    assert offsets[0] == -np.inf
    assert offsets[-1] == np.inf
    assert np.isfinite(offsets[1:-1]).all()
    one_fewer = conformal_offsets(np.arange(1.0, 19.0)[:, None, None], QUANTILES)[0]
    assert np.isinf(one_fewer[[0, 1, -2, -1]]).all()
    assert np.isfinite(one_fewer[2:-2]).all()


@pytest.mark.parametrize("count", [9, 25, 60])
def test_coverage_on_exchangeable_data_is_nominal_and_hardly_more(count):
    """Over many repetitions: at least the level, at most 1 / (n + 1) more; skew, bias and several scales included."""
    rng = np.random.default_rng(count)
    repetitions = 20_000
    scale = rng.uniform(0.1, 10, (repetitions, count + 1))
    y = 5 + scale * (rng.gamma(2.0, 1.0, (repetitions, count + 1)) - 0.5)
    missed = (y - 5)[:, :count] / scale[:, :count]
    offsets = conformal_offsets(missed.T[:, :, None], QUANTILES)  # repetitions stand where steps do
    below = y[:, count, None] <= 5 + scale[:, count, None] * offsets
    noise = 3 * 0.5 / np.sqrt(repetitions)
    for i, level in enumerate(QUANTILES):
        share = below[:, i].mean()
        if level > 0.5:
            finite = (count + 1) * level <= count
            assert level - noise <= share <= (level + 1 / (count + 1) if finite else 1) + noise
        elif level < 0.5:
            assert level - 1 / (count + 1) - noise <= share <= level + noise


def test_quantiles_that_are_too_narrow_are_widened_to_their_level():
    rng = np.random.default_rng(0)
    own = np.array([-0.2, -0.15, -0.1, -0.05, 0, 0.05, 0.1, 0.15, 0.2])
    y = rng.normal(size=(4000, 1))
    forecast = np.broadcast_to(own, (2000, 1, 9))
    quantiles = quantiles_of(y[:2000], forecast, np.ones(2000), forecast, np.ones(2000))
    shares = (y[2000:, :, None] <= quantiles).mean(axis=(0, 1))
    np.testing.assert_allclose(shares, QUANTILES, atol=0.04)


def test_units_of_the_data_are_units_of_the_quantiles():
    rng = np.random.default_rng(1)
    y, forecast, scale = rng.normal(size=(50, 2)), rng.normal(size=(50, 2, 1)), rng.uniform(1, 2, 50)
    new, new_scale = rng.normal(size=(5, 2, 1)), rng.uniform(1, 2, 5)
    one = quantiles_of(y, forecast, scale, new, new_scale)
    other = quantiles_of(y * 7 + 3, forecast * 7 + 3, scale * 7, new * 7 + 3, new_scale * 7)
    np.testing.assert_allclose(other, one * 7 + 3, rtol=1e-12)


def test_levels_never_cross_and_the_median_is_the_forecast():
    rng = np.random.default_rng(2)
    new = rng.normal(size=(30, 2, 1))
    quantiles = quantiles_of(rng.normal(size=(80, 2)), np.zeros((80, 2, 1)), np.ones(80), new, np.ones(30))
    assert (np.diff(quantiles, axis=2) >= 0).all()
    np.testing.assert_array_equal(quantiles[:, :, 4], new[:, :, 0])
    biased = quantiles_of(np.full((80, 2), 5.0), np.zeros((80, 2, 1)), np.ones(80), new, np.ones(30))
    assert (np.diff(biased, axis=2) >= 0).all()


def walk_backtests(forecasters, rows=120, freq=None):
    """Fits and backtests of validation, calibration and test on a random walk."""
    panel = a_panel(lengths=(rows,))
    if freq == "steps":
        panel = replace(panel, times=np.arange(rows), calendar=Calendar(None))
    elif freq:
        times = pd.date_range("1980-01-01", periods=rows, freq=freq).to_numpy().astype("datetime64[ns]")
        panel = replace(panel, times=times, calendar=Calendar(freq))
    panel = with_target(panel, slice(None), np.random.default_rng(5).normal(size=rows).cumsum())
    split = Split(np.array([rows - 44]), np.array([12]), np.array([12]))
    fits = fit_all(forecasters, panel, split, PROBLEM)
    result = [forecast_all(fits, panel, split, PROBLEM, part=part) for part in ("calibration", "test")]
    return result[0], result[1]


@pytest.mark.parametrize(("freq", "wider"), [("D", 0.0), ("MS", 0.0), ("QS", 0.5), ("YS", 0.35), ("steps", 0.35)])
def test_points_borrow_the_spread_of_the_pretrained_network_and_no_interval_is_infinite(freq, wider):
    calibration, test = walk_backtests([LastValue(), Pretrained()], freq=freq)
    own = test.quantiles["pretrained"] - test.quantiles["pretrained"][:, :, 4:5]
    without = with_intervals(test, None)
    naive = test.results.query("model == 'naive'")["y_hat"].to_numpy().reshape(len(test.known), -1)
    np.testing.assert_allclose(without.quantiles["naive"], naive[:, :, None] + (1 + wider) * own)
    widths, some = widths_of(calibration), with_intervals(test, calibration)
    assert widths.lender == "pretrained"
    assert np.isfinite(some.quantiles["naive"]).all()
    share = (12 / 4) / (12 / 4 + 5)  # 12 steps are three horizons
    widened = 1 + wider * (1 - share)
    errors = {
        name: np.abs(rows["y"] - rows["y_hat"]).mean()
        for name, rows in calibration.results.groupby("model", observed=True)
    }
    ratio = (errors["naive"] / errors["pretrained"]) ** (3 / 4)
    spread = calibration.quantiles["pretrained"] - calibration.quantiles["pretrained"][:, :, 4:5]
    for name, wide in (("naive", ratio), ("pretrained", 1.0)):
        rows = calibration.results.query("model == @name")
        factor = least_loss(rows["y"] - rows["y_hat"], wide * spread.reshape(-1, len(QUANTILES)))
        assert widths.spreads[name] == pytest.approx(widened * wide * factor**share, rel=1e-3)
    alone = conformity_scores(
        calibration.results.query("model == 'pretrained'")["y"].to_numpy().reshape(-1, 4),
        calibration.quantiles["pretrained"][:, :, 4:5] + widths.spreads["pretrained"] * spread,
        calibration.units.repeat(len(calibration.known)),
    )
    np.testing.assert_allclose(widths.offsets["pretrained"], 3 / (3 + 20) * conformal_offsets(alone, QUANTILES))


def least_loss(errors, spread):
    """Factor in 0.25 to 4 of a spread (row, level) that has the least pinball loss, by trying them."""
    factors = np.geomspace(0.25, 4, 4_001)
    e = np.asarray(errors)[:, None]
    losses = [np.nansum(pinball(e - factor * spread)) for factor in factors]
    return factors[int(np.argmin(losses))]


def pinball(difference):
    """Pinball loss of y less a quantile, (row, level)."""
    return np.maximum(np.array(QUANTILES) * difference, (np.array(QUANTILES) - 1) * difference)


@pytest.mark.parametrize("sd", [0.5, 1.3, 1.0])
def test_the_factor_of_a_spread_has_the_least_pinball_loss(sd):
    rng = np.random.default_rng(7)
    spread = np.tile(stats.norm.ppf(QUANTILES), (400, 3, 1)) * rng.uniform(0.5, 2.0, (400, 3, 1))
    errors = sd * rng.normal(size=(400, 3, 1)) * spread[:, :, -1:] / stats.norm.ppf(QUANTILES[-1])
    errors[rng.random(errors.shape) < 0.1] = np.nan
    factor = spread_factor(errors, spread, QUANTILES)
    assert factor == pytest.approx(least_loss(errors.ravel(), spread.reshape(-1, len(QUANTILES))), rel=1e-3)
    assert factor == pytest.approx(sd, rel=0.05)


def test_a_factor_stays_near_one_where_errors_are_none_or_wild_or_not_known():
    spread = np.tile(stats.norm.ppf(QUANTILES), (5, 2, 1))
    assert spread_factor(np.zeros((5, 2, 1)), spread, QUANTILES) == 0.25
    assert spread_factor(np.full((5, 2, 1), 1e9), spread, QUANTILES) == 4.0
    assert spread_factor(np.full((5, 2, 1), np.nan), spread, QUANTILES) == 1.0
    assert spread_factor(np.ones((5, 2, 1)), 0 * spread, QUANTILES) == 1.0


def test_without_the_pretrained_network_widths_after_the_data_are_finite_too():
    calibration, test = walk_backtests([LastValue()])
    assert np.isinf(with_intervals(test, calibration).quantiles["naive"][:, :, [0, -1]]).all()
    after = widths_of(calibration, finite=True)
    quantiles = after.quantiles("naive", Forecasts(np.zeros((2, 4))), np.ones(2), None)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=2) >= 0).all()


def test_few_scores_are_a_students_and_steps_without_one_have_that_of_all():
    scores = np.array([[1.0, np.nan], [-1.0, np.nan]])[:, :, None]
    offsets = student_offsets(scores, (0.05, 0.5, 0.95))
    np.testing.assert_allclose(offsets[0], stats.t.ppf([0.05, 0.5, 0.95], 4), atol=1e-12)
    np.testing.assert_allclose(offsets[1], np.sqrt(2) * offsets[0])
