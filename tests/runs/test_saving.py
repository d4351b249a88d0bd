from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.runs import saving
from forecast.runs.saving import forecast_rows, thinned_quantiles_note, with_quantile_rows
from forecast.series.calendar import Calendar

LEVELS = (0.1, 0.5, 0.9)
MODELS, ORIGINS, STEPS = ("a", "b"), 5, 2


def results_and_quantiles():
    rows = [(model, origin, step, 0.0) for model in MODELS for origin in range(ORIGINS) for step in range(1, STEPS + 1)]
    results = pd.DataFrame(rows, columns=["model", "cutoff", "step", "y_hat"])
    numbers = np.arange(len(MODELS) * ORIGINS * STEPS * len(LEVELS), dtype=float)
    arrays = numbers.reshape(len(MODELS), ORIGINS, STEPS, len(LEVELS))
    return results, dict(zip(MODELS, arrays, strict=True))


@pytest.mark.parametrize(("most", "kept"), [(60, [0, 1, 2, 3, 4]), (30, [0, 2, 4]), (20, [0, 3])])
def test_quantiles_are_rows_below_the_point_forecasts_and_thinned_where_they_are_many(monkeypatch, most, kept):
    monkeypatch.setattr(saving, "_MOST_QUANTILE_ROWS", most)
    results, quantiles = results_and_quantiles()
    written = with_quantile_rows(results, quantiles, LEVELS)
    pd.testing.assert_frame_equal(written[: len(results)].drop(columns="quantile"), results)
    assert written["quantile"][: len(results)].isna().all()
    expected = {
        (model, origin, step, level): quantiles[model][origin, step - 1, i]
        for model in MODELS
        for origin in kept
        for step in range(1, STEPS + 1)
        for i, level in enumerate(LEVELS)
    }
    rows = written[len(results) :]
    keys = zip(rows["model"], rows["cutoff"], rows["step"], rows["quantile"], strict=True)
    assert dict(zip(keys, rows["y_hat"], strict=True)) == expected
    stride = 60 // most
    note = f"results.parquet holds the quantiles of every {stride}th origin, and all point forecasts"
    assert thinned_quantiles_note(quantiles) == ("" if stride == 1 else note)


def test_without_quantiles_there_are_point_forecasts_alone():
    results, _ = results_and_quantiles()
    assert with_quantile_rows(results, {}, LEVELS)["quantile"].isna().all()
    assert thinned_quantiles_note({}) == ""


def test_times_of_all_rows_are_written_alike_also_where_a_block_of_them_is_at_midnight(monkeypatch):
    monkeypatch.setattr("forecast.runs.saving._BLOCK", 1)
    times = np.array(["2024-01-01T00", "2024-01-01T12"], dtype="datetime64[ns]")
    future = pd.DataFrame({"unique_id": "a", "ds": times, "model": "naive", "y_hat": [1.0, 2.0]})
    rows = list(forecast_rows(future, Calendar("12h")))
    assert [row.ds for row in rows] == ["2024-01-01 00:00:00", "2024-01-01 12:00:00"]
    assert [row.y_hat for row in rows] == [1.0, 2.0]
