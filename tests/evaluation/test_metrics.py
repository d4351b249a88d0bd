from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from oracles.metrics import ORACLES
from toys import HORIZON, LastValue, a_panel, a_split, after_training, with_target
from utilsforecast import losses

from forecast.evaluation.metrics import METRICS, ranking_metric, score
from forecast.evaluation.results import results_table
from forecast.evaluation.scales import fit_scales
from forecast.forecasters.interface import Forecasts
from forecast.questions.split import rolling_origins

SEASON = 3


def scored(panel, models=2, noise=1.0):
    split = a_split(panel)
    origins = rolling_origins(panel, split.before_test, panel.lengths, HORIZON)
    rng = np.random.default_rng(5)
    forecasts = {
        f"m{i}": Forecasts(
            LastValue().forecast(panel, origins).y_hat + noise * rng.normal(size=(len(origins), HORIZON))
        )
        for i in range(models)
    }
    results = results_table(panel, origins, forecasts, HORIZON)
    scales = fit_scales(panel.cut(split.train), SEASON)
    return results, scales, training_lists(panel, split)


def training_lists(panel, split):
    lists = {}
    for (name, rows), steps in zip(panel.series(), split.train, strict=True):
        known = slice(rows.start, rows.start + int(steps))
        pairs = zip(panel.target[known], panel.target_observed[known], strict=True)
        lists[name] = [float(y) if seen else None for y, seen in pairs]
    return lists


def by_loops(metric, results, training, **where):
    """Mean over the series of a metric by its oracle, on the rows that match."""
    per_series = []
    for name, known in training.items():
        rows = results[(results["unique_id"] == name) & results["y"].notna()]
        for column, value in where.items():
            rows = rows[rows[column] == value]
        if len(rows):
            per_series.append(ORACLES[metric](list(rows["y"]), list(rows["y_hat"]), known, SEASON))
    defined = [value for value in per_series if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def test_every_metric_has_an_oracle():
    assert set(METRICS) == set(ORACLES)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_metrics_are_what_slow_loops_give(metric, missing):
    results, scales, training = scored(a_panel(lengths=(60, 45, 50), missing=missing))
    scores = score(results, scales)
    for model in ("m0", "m1"):
        assert scores.by_model.loc[model, metric] == pytest.approx(by_loops(metric, results, training, model=model))
        for step in range(1, HORIZON + 1):
            expected = by_loops(metric, results, training, model=model, step=step)
            assert scores.by_step.loc[(model, step), metric] == pytest.approx(expected)
        for name, known in training.items():
            expected = by_loops(metric, results, {name: known}, model=model)
            assert scores.by_series.loc[(model, name), metric] == pytest.approx(expected)


def test_scaled_metrics_are_the_librarys():
    panel = a_panel(lengths=(60, 45))
    results, scales, training = scored(panel)
    wide = results[results["model"] == "m0"].rename(columns={"y_hat": "m0"})[["unique_id", "ds", "y", "m0"]]
    wide["unique_id"] = wide["unique_id"].astype(str)
    train = pd.concat(
        pd.DataFrame({"unique_id": name, "ds": np.arange(len(y)), "y": y}) for name, y in training.items()
    )
    scores = score(results, scales)
    for metric, theirs in (("mase", losses.mase), ("rmsse", losses.rmsse)):
        expected = theirs(wide, ["m0"], seasonality=SEASON, train_df=train).set_index("unique_id")["m0"]
        for name in panel.ids:
            assert scores.by_series.loc[("m0", name), metric] == pytest.approx(expected[name])


def test_scales_know_the_training_split_alone():
    panel = a_panel()
    split = a_split(panel)
    changed = after_training(panel, split, 100.0)
    before, after = (fit_scales(p.cut(split.train), SEASON) for p in (panel, changed))
    np.testing.assert_array_equal(before.absolute, after.absolute)
    np.testing.assert_array_equal(before.squared, after.squared)


def test_smape_is_a_percentage_up_to_200_and_nothing_where_zero_was_forecast_right():
    panel = a_panel(lengths=(60,))
    results, scales, _ = scored(with_target(panel, slice(None), np.abs(panel.target)))
    wrong_sign = results.assign(y_hat=-results["y"])
    assert score(wrong_sign, scales).by_model.loc["m0", "smape"] == pytest.approx(200.0)
    zeros = results.assign(y=0.0, y_hat=0.0)
    assert score(zeros, scales).by_model.loc["m0", "smape"] == 0.0


def test_a_series_that_repeats_itself_has_no_mase_and_the_reason_is_said():
    repeats = np.sin(2 * np.pi * np.arange(60) / SEASON)  # equal after a season but for rounding
    panel = with_target(a_panel(lengths=(60, 60)), slice(60), repeats)
    results, scales, training = scored(panel)
    scores = score(results, scales)
    assert np.isnan(scores.by_series.loc[("m0", "s0"), ["mase", "rmsse"]].to_numpy()).all()
    assert scores.by_model.loc["m0", "mase"] == pytest.approx(
        by_loops("mase", results, {"s1": training["s1"]}, model="m0")
    )
    assert scores.empty == (
        "MASE and RMSSE of series 's0' are missing: the training split repeats itself every 3 steps, "
        "so that seasonal naive never errs there; compare MAE and RMSE",
    )


def test_a_series_that_is_constant_in_training_has_no_mase_and_the_reason_says_constant():
    panel = with_target(a_panel(lengths=(60,)), slice(40), 5.0)
    scales = fit_scales(panel.cut(np.array([40])), 1)
    assert scales.reasons == {"s0": "the training split is constant, so that naive never errs there"}


def test_without_any_mase_models_are_ranked_by_mae():
    panel = a_panel(lengths=(60,))
    results, scales, _ = scored(panel)
    assert ranking_metric(score(results, scales).by_model) == "mase"
    results, scales, _ = scored(with_target(panel, slice(40), 1.0))
    assert ranking_metric(score(results, scales).by_model) == "mae"


def test_a_training_split_shorter_than_a_season_has_no_scale():
    panel = a_panel(lengths=(60,))
    scales = fit_scales(panel.cut(np.array([5])), season_steps=5)
    assert np.isnan(scales.absolute).all()
    assert scales.reasons == {"s0": "the training split has no two observed values 5 steps apart"}


def test_constant_targets_have_no_r2_and_the_reason_is_said():
    panel = with_target(a_panel(lengths=(60,)), slice(40, None), 0.1)
    results, scales, _ = scored(panel)
    scores = score(results, scales)
    assert np.isnan(scores.by_model.loc["m0", "r2"])
    assert scores.empty == (
        "R2 of series 's0' is missing: all values of the test split are the same; compare MAE and RMSE",
    )


def test_targets_that_were_not_observed_are_not_scored():
    panel = a_panel(lengths=(60,))
    panel.observed[50] = False
    results, scales, _ = scored(panel)
    spoilt = results.copy()
    spoilt.loc[spoilt["y"].isna(), "y_hat"] = 1e9
    assert results["y"].isna().sum() == 2 * HORIZON
    pd.testing.assert_frame_equal(score(results, scales).by_model, score(spoilt, scales).by_model)


def test_a_series_without_values_after_an_origin_is_named():
    results, scales, _ = scored(a_panel(lengths=(60, 60)))
    score_of_one = score(results.assign(y=results["y"].where(results["unique_id"] == "s0")), scales)
    assert len(score_of_one.empty) == 1
    assert score_of_one.empty[0].startswith("series 's1' could not be scored: no value was observed after an origin")
