"""Attributions in words and pictures: shares against sums by hand."""

import numpy as np
import pytest

from forecast.inspection.attribution import Attribution
from forecast.inspection.pages.attribution_charts import attribution_figures
from forecast.inspection.pages.attribution_words import method_says, shares
from forecast.inspection.pages.spans import season_name, seasons_back
from forecast.questions.split import Origins
from forecast.reporting.pictures import picture_spec, write_pictures


def made_up(**changes):
    """Of a forecast one step ahead and one a day ahead, lags of two days."""
    hours = np.datetime64("2024-01-01", "ns") + np.arange(100) * np.timedelta64(3600, "s")
    by_lag = np.zeros((2, 2, 60))
    by_lag[:, 0, 0], by_lag[:, 0, 23], by_lag[:, 0, 5], by_lag[:, 0, 30], by_lag[:, 0, 47] = 6.0, -2.0, 0.5, 0.25, 0.25
    by_lag[:, 1, 0], by_lag[:, 1, 24] = 3.0, 6.0
    by_covariate = np.array([[[1.0], [-1.0]], [[1.0], [-1.0]]])
    told = {
        "origins": Origins(np.array([0, 0]), np.array([90, 95])),
        "times": hours[[90, 95]],
        "past_times": hours,
        "ahead": np.array([1, 24]),
        "edges": np.arange(61),
        "by_lag": by_lag,
        "by_reference": by_lag / 2,
        "covariates": ("temp <b>",),
        "by_covariate": by_covariate,
        "forecast": 10 + by_lag.sum(axis=2) + by_covariate.sum(axis=2) + 0.01,
        "baseline": np.full((2, 2), 10.0),
        "whole_walk": 10.5 + by_lag.sum(axis=2) + by_covariate.sum(axis=2),
        "held": np.array([10.0, 10.0]),
        "walked_steps": np.array([64, 64]),
        "points": 16,
        "season_steps": 24,
        "streamed": True,
        "fed_back": False,
    }
    return Attribution(**(told | changes))


def test_shares_are_of_the_sizes_of_all():
    one, day = shares(made_up())
    assert dict(zip(one.groups, one.of_each.tolist(), strict=True)) == pytest.approx(
        {
            "the last value": 0.6,
            "the rest of the last day": 0.05,
            "the value a day before": 0.2,
            "the rest of the day before": 0.025,
            "the same place in earlier days": 0.025,
            "days 3 to 7 back": 0.0,
            "temp <b>": 0.1,
        }
    )
    assert dict(zip(day.groups, day.of_each.tolist(), strict=True)) == pytest.approx(
        {
            "the last value (a day before)": 0.3,
            "the rest of the last day": 0.0,
            "the same place in earlier days": 0.6,
            "the rest of the day before": 0.0,
            "days 3 to 7 back": 0.0,
            "temp <b>": 0.1,
        }
    )


def test_a_series_without_a_season_is_told_by_distance():
    (one,) = shares(
        made_up(season_steps=1, ahead=np.array([1]), by_lag=np.ones((2, 1, 60)), by_covariate=np.zeros((2, 1, 1)))
    )
    assert one.groups == ("the last value", "the 9 values before it", "10 to 99 steps back", "temp <b>")
    np.testing.assert_allclose(one.of_each, [1 / 60, 9 / 60, 50 / 60, 0])


def test_figures_say_what_is_drawn(tmp_path):
    rests, lags = attribution_figures(made_up())
    assert rests.says == (
        "The forecast 1 step ahead rests for 60 % on the last value, for 20 % on the value a day before and for 10 % "
        "on temp <b>. The forecast 24 steps ahead rests for 60 % on the same place in earlier days, for 30 % on the "
        "last value (a day before) and for 10 % on temp <b>."
    )
    assert [panel.title for panel in lags.panels] == [
        f"from 2024-01-04 {hour}:00, {ahead}" for hour in (18, 23) for ahead in ("1 step ahead", "24 steps ahead")
    ]
    rows = lags.panels[1].tables["rows"]
    assert len(rows) == 48  # 98 % of what the forecasts one step ahead rest on
    assert (rows[24]["from"], rows[24]["to"], rows[24]["y"], rows[24]["r"]) == (-24.5, -23.5, 6.0, 3.0)
    assert min(path.stat().st_size for path in write_pictures((rests, lags), tmp_path)) > 10_000
    for figure in (rests, lags):
        assert picture_spec(figure)["columns"] >= 2


def test_how_well_it_adds_up_is_said():
    assert "add up to that difference within 0.17 %" in method_says(made_up())
    assert "The network has read 64 steps from an empty state; after the whole past its forecasts" in method_says(
        made_up()
    )
    assert "by 0.490 at most" in method_says(made_up())
    assert "empty state" not in method_says(made_up(streamed=False))
    equal = made_up(baseline=made_up().forecast - 0.02)
    assert "it is small, and they cancel" in method_says(equal)
    assert "forecasts the next step alone" in method_says(made_up(fed_back=True))


def test_what_rests_on_nothing_is_said():
    nothing = made_up(by_lag=np.zeros((2, 2, 60)), by_covariate=np.zeros((2, 2, 1)))
    rests, _ = attribution_figures(nothing)
    assert rests.says.startswith("The forecast 1 step ahead rests on nothing that was seen.")


def test_seasons_have_the_names_of_their_lengths():
    days = np.arange(30).astype("datetime64[D]")
    months = np.arange(30).astype("datetime64[M]").astype("datetime64[ns]")
    assert [season_name(7, days), season_name(12, months), season_name(5, days)] == ["week", "year", "season"]
    assert [seasons_back(1, "week"), seasons_back(3, "season")] == ["a week before", "3 seasons before"]
