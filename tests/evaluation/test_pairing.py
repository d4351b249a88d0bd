"""The paired test over series: against scipy, its size and power, and when it takes the place of the one over time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracles.panels import panel_of
from oracles.significance import holm as holm_by_steps
from scipy import stats

from forecast.evaluation.results import results_table
from forecast.evaluation.scales import fit_scales
from forecast.evaluation.significance import (
    FEWEST_SERIES,
    compare,
    horizon_overlap,
    losses_to_compare,
    origin_losses,
    paired_over_series,
    series_losses,
)
from forecast.forecasters.interface import Forecasts
from forecast.questions.split import rolling_origins

HORIZON = 4


def backtested(series=24, test=8, factor=1.0):
    """A results table and the scales of walks of which the last `test` steps are forecast by noise."""
    rng = np.random.default_rng(0)
    panel = panel_of(*(rng.normal(size=60).cumsum() * factor**i for i in range(series)))
    train = np.full(series, 60 - test)
    origins = rolling_origins(panel, train, panel.lengths, HORIZON)
    units = factor ** origins.series[:, None]
    forecasts = {name: Forecasts(rng.normal(size=(len(origins), HORIZON)) * units) for name in ("net", "other", "base")}
    return results_table(panel, origins, forecasts, HORIZON), fit_scales(panel.cut(train), 1)


@pytest.mark.parametrize("series", [20, 414])
def test_p_is_scipys_paired_t(series):
    rng = np.random.default_rng(series)
    first, second = rng.gamma(2.0, size=series), rng.gamma(2.2, size=series)
    test = paired_over_series(first, second)
    assert test.p == pytest.approx(stats.ttest_rel(first, second).pvalue, rel=1e-12)
    assert test.difference == pytest.approx(np.mean(first) - np.mean(second))
    assert (test.series, test.origins, test.reason) == (series, 0, "")
    assert paired_over_series(second, first).p == pytest.approx(test.p)
    assert paired_over_series(50 * first, 50 * second).p == pytest.approx(test.p)


def test_equal_losses_and_few_series():
    losses = np.random.default_rng(0).gamma(2.0, size=19)
    assert paired_over_series(losses, losses * (1 + 1e-8)).p == 1.0
    few = paired_over_series(losses, losses + np.arange(19))
    assert math.isnan(few.p)
    assert few.reason == "19 series are too few for a paired test, which needs 20"
    assert paired_over_series(np.full(30, 1.0), np.full(30, 2.0)).p == 0.0


EQUALS = {
    "two forecasters alike": lambda rng, shape: rng.gamma(2.0, size=shape) - rng.gamma(2.0, size=shape),
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(3, size=shape),
    "series of very different difficulty": lambda rng, shape: rng.normal(size=shape) * np.exp(rng.normal(size=shape)),
    "skewed": lambda rng, shape: rng.gamma(4.0, size=shape) - 4.0,
}


@pytest.mark.parametrize("equals", EQUALS)
@pytest.mark.parametrize("series", [FEWEST_SERIES, 60, 414])
def test_equally_good_forecasters_differ_significantly_in_at_most_7_percent(equals, series):
    draws = EQUALS[equals](np.random.default_rng(1), (2000, series))
    p = np.array([paired_over_series(5 + d, np.full(series, 5.0)).p for d in draws])
    assert 0.02 <= np.mean(p < 0.05) <= 0.07


def test_a_clearly_better_forecaster_is_found():
    rng = np.random.default_rng(2)
    draws = rng.normal(-0.4, 1.0, size=(500, 100))
    assert np.mean([paired_over_series(5 + d, np.full(100, 5.0)).p < 0.05 for d in draws]) > 0.9


def test_losses_are_the_mean_errors_of_each_series_in_units_of_its_mase():
    results, scales = backtested(factor=1.3)
    losses = series_losses(results, scales)
    unit = dict(zip(scales.ids, scales.absolute, strict=True))
    for (name, model), rows in results.groupby(["unique_id", "model"], observed=True):
        errors = [abs(y - f) / unit[name] for y, f in zip(rows["y"], rows["y_hat"], strict=True)]
        assert losses.loc[name, model] == pytest.approx(sum(errors) / len(errors))


def test_few_origins_and_many_series_are_paired():
    results, scales = backtested()
    losses, overlap = losses_to_compare(results, scales)
    assert (losses.shape, overlap) == ((24, 3), None)
    found = compare(losses, overlap, ("net", "other"), "base")
    alone = [paired_over_series(*losses[[name, "base"]].to_numpy().T).p for name in ("net", "other")]
    assert [found[name].p for name in ("net", "other")] == alone
    assert [found[name].p_adjusted for name in ("net", "other")] == pytest.approx(holm_by_steps(alone))
    assert {test.series for test in found.values()} == {24}


@pytest.mark.parametrize(("series", "test"), [(24, 40), (19, 8), (1, 8)])
def test_many_origins_or_few_series_are_tested_over_time(series, test):
    results, scales = backtested(series=series, test=test)
    losses, overlap = losses_to_compare(results, scales)
    assert overlap == horizon_overlap(results) == HORIZON
    assert losses.equals(origin_losses(results, scales))


def test_a_series_without_a_unit_is_left_out():
    results, scales = backtested()
    scales.absolute[3] = np.nan
    losses, _ = losses_to_compare(results, scales)
    assert len(losses) == 23
    assert "s3" not in losses.index
