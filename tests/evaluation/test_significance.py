from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from oracles.panels import panel_of
from oracles.significance import cosine_test, overlapping
from oracles.significance import holm as holm_by_steps
from scipy import stats
from toys import HORIZON, a_panel, a_split, with_target

from forecast.evaluation.results import results_table
from forecast.evaluation.scales import fit_scales
from forecast.evaluation.significance import (
    FEWEST_SERIES,
    compare,
    cosine_count,
    diebold_mariano,
    holm,
    horizon_overlap,
    long_run_variance,
    losses_to_compare,
    origin_losses,
    paired_over_series,
    series_losses,
)
from forecast.forecasters.interface import Forecasts
from forecast.questions.split import rolling_origins


@pytest.mark.parametrize(("origins", "overlap"), [(12, 1), (30, 2), (60, 5), (80, 20), (381, 20), (2000, 24)])
def test_p_is_what_a_cosine_transform_gives(origins, overlap):
    rng = np.random.default_rng(origins)
    first, second = rng.gamma(2.0, size=origins), rng.gamma(2.1, size=origins)
    test = diebold_mariano(first, second, overlap)
    assert test.p == pytest.approx(cosine_test(first - second, overlap), rel=1e-9)
    assert test.difference == pytest.approx(np.mean(first) - np.mean(second))
    assert (test.origins, test.overlap, test.reason) == (origins, overlap, "")


def test_p_is_two_sided_and_knows_no_units():
    rng = np.random.default_rng(2)
    first, second = rng.gamma(2.0, size=100), rng.gamma(2.2, size=100)
    test = diebold_mariano(first, second, 5)
    swapped = diebold_mariano(second, first, 5)
    assert swapped.p == pytest.approx(test.p)
    assert swapped.difference == -test.difference
    assert diebold_mariano(1000 * first, 1000 * second, 5).p == pytest.approx(test.p)


def test_identical_forecasts_have_p_one_however_few_they_are():
    losses = np.random.default_rng(0).gamma(2.0, size=50)
    assert diebold_mariano(losses, losses, 20).p == 1.0
    assert diebold_mariano(losses, losses * (1 + 1e-8), 1).p == 1.0
    assert diebold_mariano(losses[:1], losses[:1], 20).p == 1.0


@pytest.mark.parametrize(("origins", "overlap", "needed"), [(60, 20, 80), (79, 20, 80), (11, 1, 12), (0, 20, 80)])
def test_too_few_origins_give_no_p_but_the_reason(origins, overlap, needed):
    rng = np.random.default_rng(0)
    test = diebold_mariano(rng.gamma(2.0, size=origins), rng.gamma(2.0, size=origins), overlap)
    assert math.isnan(test.p)
    assert test.reason == f"{origins} origins are too few for a test, which needs {needed} as their horizons overlap"
    enough = diebold_mariano(rng.gamma(2.0, size=needed), rng.gamma(2.0, size=needed), overlap)
    assert 0 < enough.p <= 1


def test_one_origin_is_one():
    assert diebold_mariano(np.ones(1), np.zeros(1), 1).reason.startswith("1 origin is too few")


def test_the_longer_the_split_the_more_cosines_but_never_faster_than_the_overlap():
    assert [cosine_count(n, 20) for n in (79, 80, 119, 120, 381, 2000)] == [0, 2, 2, 3, 9, 50]
    assert [cosine_count(n, 1) for n in (11, 12, 60, 381, 2000)] == [0, 2, 6, 21, 63]


def test_the_variance_cannot_be_negative_where_the_usual_one_is():
    d = np.tile([1.0, -1.0], 40) + np.random.default_rng(0).normal(0, 1e-3, 80)
    centred = d - d.mean()
    truncated = np.mean(centred**2) + 2 * np.sum(centred[1:] * centred[:-1]) / len(d)
    assert truncated < 0
    assert long_run_variance(d, cosine_count(len(d), 2)) > 0
    assert 0 < diebold_mariano(1 + d / 4, np.ones(80), 2).p <= 1


def test_a_difference_that_never_changes_is_no_chance():
    assert diebold_mariano(np.full(60, 1.0), np.full(60, 2.0), 1).p == pytest.approx(0.0, abs=1e-12)


def moving_sums(rng, walks, origins, horizon):
    """Losses that differ by the sum of the next `horizon` surprises: the correlation of overlapping horizons."""
    total = np.cumsum(rng.standard_normal((walks, origins + horizon)), axis=1)
    return total[:, horizon:] - total[:, :-horizon]


def opposite_drifts(rng, walks, origins, horizon):
    """Random walks forecast with a small drift up, and with the same drift down."""
    walk = np.cumsum(rng.standard_normal((walks, origins + horizon)), axis=1)
    difference = np.zeros((walks, origins))
    for k in range(1, horizon + 1):
        happened = walk[:, k : origins + k] - walk[:, :origins]
        difference += (np.abs(happened - 0.05 * k) - np.abs(happened + 0.05 * k)) / horizon
    return difference


def equal_noises(rng, walks, origins, horizon):
    """Random walks forecast by the last value, once with some noise and once with other noise."""
    walk = np.cumsum(rng.standard_normal((walks, origins + horizon)), axis=1)
    first, second = rng.standard_normal((2, walks, origins))
    difference = np.zeros((walks, origins))
    for k in range(1, horizon + 1):
        happened = walk[:, k : origins + k] - walk[:, :origins]
        difference += (np.abs(happened - first) - np.abs(happened - second)) / horizon
    return difference


def rejections(differences, overlap):
    p = np.array([diebold_mariano(100 + d, np.full_like(d, 100.0), overlap).p for d in differences])
    return None if np.isnan(p).any() else float(np.mean(p < 0.05))


@pytest.mark.parametrize("equals", [moving_sums, opposite_drifts, equal_noises])
@pytest.mark.parametrize(("origins", "horizon"), [(60, 20), (80, 20), (120, 20), (381, 20), (60, 5), (60, 1), (14, 3)])
def test_equally_good_forecasts_differ_significantly_in_at_most_7_percent(equals, origins, horizon):
    size = rejections(equals(np.random.default_rng(3), 1000, origins, horizon), horizon)
    if origins < 4 * horizon:
        assert size is None  # too few origins for an honest p, so none is given
    else:
        assert 0.01 <= size <= 0.07


@pytest.mark.parametrize(("origins", "horizon", "power"), [(381, 20, 0.8), (120, 5, 0.8), (60, 1, 0.8)])
def test_a_clearly_better_forecast_is_found(origins, horizon, power):
    rng = np.random.default_rng(4)
    d = moving_sums(rng, 500, origins, horizon) / horizon
    standard_error = np.sqrt((d.mean(axis=1) ** 2).mean())
    assert rejections(d + 3.5 * standard_error, horizon) >= power


def test_holm_steps_down():
    for p in ([0.01, 0.04, 0.03], [0.5, 0.5], [0.001, 0.9, 0.02, 0.02], [0.2]):
        named = {str(i): value for i, value in enumerate(p)}
        assert list(holm(named).values()) == pytest.approx(holm_by_steps(p))
    empty = holm({"a": 0.03, "b": math.nan})
    assert empty["a"] == 0.03
    assert math.isnan(empty["b"])


def test_networks_are_corrected_for_their_number():
    rng = np.random.default_rng(5)
    losses = pd.DataFrame({name: rng.gamma(2.0 + 0.1 * i, size=200) for i, name in enumerate(["lstm", "gru", "naive"])})
    tests = compare(losses, 2, ("lstm", "gru"), "naive")
    alone = {name: diebold_mariano(*losses[[name, "naive"]].to_numpy().T, 2).p for name in ("lstm", "gru")}
    assert {name: test.p for name, test in tests.items()} == pytest.approx(alone)
    corrected = holm_by_steps(list(alone.values()))
    assert [tests[name].p_adjusted for name in ("lstm", "gru")] == pytest.approx(corrected)
    assert max(corrected) > 0


def backtested(lengths=(60, 45), stride=1, missing=0.0, factor=1.0):
    panel = a_panel(lengths=lengths, missing=missing)
    if len(lengths) > 1:
        later = slice(lengths[0], None)
        panel = with_target(panel, later, panel.target[later] * factor)
    split = a_split(panel)
    origins = rolling_origins(panel, split.before_test, panel.lengths, HORIZON, stride)
    rng = np.random.default_rng(1)
    forecasts = {name: Forecasts(rng.normal(5.0, 2.0, (len(origins), HORIZON))) for name in ("a", "b")}
    results = results_table(panel, origins, forecasts, HORIZON)
    return results, fit_scales(panel.cut(split.train), 1)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 7])
def test_overlap_is_the_horizon_over_the_stride_rounded_up(stride):
    results, _ = backtested(lengths=(90,), stride=stride)
    origins = results["cutoff"].nunique()
    assert horizon_overlap(results) == min(-(-HORIZON // stride), origins) == overlapping(origins, HORIZON, stride)


def test_overlap_counts_the_origins_of_all_series():
    """Series whose origins fall between one another's overlap more often than each does alone."""
    alone, _ = backtested(lengths=(90,), stride=2)
    shifted = alone.assign(
        cutoff=alone["cutoff"] + pd.Timedelta(days=1), ds=alone["ds"] + pd.Timedelta(days=1), unique_id="other"
    )
    assert horizon_overlap(alone) == 2
    assert horizon_overlap(pd.concat([alone, shifted])) == 4


def test_losses_of_one_series_are_absolute_errors_averaged_over_the_horizon():
    results, scales = backtested(lengths=(60,), missing=0.2)
    losses = origin_losses(results, scales)
    for (cutoff, model), rows in results.groupby(["cutoff", "model"], observed=True):
        errors = [abs(y - f) for y, f in zip(rows["y"], rows["y_hat"], strict=True) if not math.isnan(y)]
        assert losses.loc[cutoff, model] == pytest.approx(sum(errors) / len(errors))
    assert all(early < late for early, late in pairwise(losses.index))


def test_losses_of_several_series_are_averaged_in_the_units_of_the_mase():
    results, scales = backtested(lengths=(60, 60), factor=1000.0)
    losses = origin_losses(results, scales)
    scale = dict(zip(scales.ids, scales.absolute, strict=True))
    for (cutoff, model), rows in results.groupby(["cutoff", "model"], observed=True):
        per_series = [
            (of_series["y"] - of_series["y_hat"]).abs().mean() / scale[name]
            for name, of_series in rows.groupby("unique_id", observed=True)
        ]
        assert losses.loc[cutoff, model] == pytest.approx(sum(per_series) / len(per_series))


def walks_backtested(series=24, test=8, factor=1.0):
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
    results, scales = walks_backtested(factor=1.3)
    losses = series_losses(results, scales)
    unit = dict(zip(scales.ids, scales.absolute, strict=True))
    for (name, model), rows in results.groupby(["unique_id", "model"], observed=True):
        errors = [abs(y - f) / unit[name] for y, f in zip(rows["y"], rows["y_hat"], strict=True)]
        assert losses.loc[name, model] == pytest.approx(sum(errors) / len(errors))


def test_few_origins_and_many_series_are_paired():
    results, scales = walks_backtested()
    losses, overlap = losses_to_compare(results, scales)
    assert (losses.shape, overlap) == ((24, 3), None)
    actual = compare(losses, overlap, ("net", "other"), "base")
    alone = [paired_over_series(*losses[[name, "base"]].to_numpy().T).p for name in ("net", "other")]
    assert [actual[name].p for name in ("net", "other")] == alone
    assert [actual[name].p_adjusted for name in ("net", "other")] == pytest.approx(holm_by_steps(alone))
    assert {test.series for test in actual.values()} == {24}


@pytest.mark.parametrize(("series", "test"), [(24, 40), (19, 8), (1, 8)])
def test_many_origins_or_few_series_are_tested_over_time(series, test):
    results, scales = walks_backtested(series=series, test=test)
    losses, overlap = losses_to_compare(results, scales)
    assert overlap == horizon_overlap(results) == HORIZON
    assert losses.equals(origin_losses(results, scales))


def test_a_series_without_a_unit_is_left_out():
    results, scales = walks_backtested()
    scales.absolute[3] = np.nan
    losses, _ = losses_to_compare(results, scales)
    assert len(losses) == 23
    assert "s3" not in losses.index
