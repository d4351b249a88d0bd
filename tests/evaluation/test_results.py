from __future__ import annotations

import time

import numpy as np
import pandas as pd
from toys import HORIZON, a_panel, a_split

from forecast.evaluation.results import COLUMNS, last_known, out_of_range, results_table
from forecast.forecasters.interface import Forecasts
from forecast.questions.split import rolling_origins


def test_a_row_for_every_model_origin_and_step_as_a_loop_writes_them():
    panel = a_panel(missing=0.2)
    origins = rolling_origins(panel, a_split(panel).before_test, panel.lengths, HORIZON, stride=2)
    rng = np.random.default_rng(1)
    forecasts = {name: Forecasts(rng.normal(size=(len(origins), HORIZON))) for name in ("b", "a")}

    expected = []
    for name, forecast in forecasts.items():
        for o, (series, step) in enumerate(zip(origins.series, origins.steps, strict=True)):
            start = panel.offsets[series]
            for k in range(1, HORIZON + 1):
                row = start + step + k
                y = panel.target[row] if panel.target_observed[row] else np.nan
                expected.append(
                    (
                        name,
                        panel.ids[series],
                        panel.times[start + step],
                        panel.times[row],
                        k,
                        y,
                        forecast.y_hat[o, k - 1],
                    )
                )
    table = results_table(panel, origins, forecasts, HORIZON)
    assert tuple(table.columns) == COLUMNS
    assert table["y"].isna().any()
    assert table["model"].dtype == "category"
    assert table["unique_id"].dtype == "category"
    plain = table.astype({"model": object, "unique_id": object})
    pd.testing.assert_frame_equal(plain, pd.DataFrame(expected, columns=COLUMNS), check_dtype=False)


def test_what_an_origin_knows_last():
    panel = a_panel()
    origins = rolling_origins(panel, a_split(panel).before_test, panel.lengths, HORIZON)
    known = last_known(panel, origins)
    first = known.iloc[0]
    step = int(a_split(panel).before_test[0]) - 1
    assert (first["unique_id"], first["cutoff"], first["y"]) == ("s0", panel.times[step], panel.target[step])
    assert len(known) == len(origins)


def test_twelve_models_on_two_thousand_origins_take_well_under_a_second():
    panel = a_panel(lengths=(5000,))
    origins = rolling_origins(panel, panel.lengths - 2023, panel.lengths, 24)
    forecasts = {f"m{i}": Forecasts(np.zeros((2000, 24))) for i in range(12)}
    begun = time.perf_counter()
    table = results_table(panel, origins, forecasts, 24)
    assert time.perf_counter() - begun < 1.0
    assert len(table) == 12 * 2000 * 24


def test_forecasts_that_leave_the_range_of_the_data_by_far_are_named():
    panel = a_panel()
    uid, rows = panel.ids[0], slice(*panel.offsets[:2])
    low, high = panel.target[rows].min(), panel.target[rows].max()
    far, near = high + 2 * (high - low), high + 0.5 * (high - low)
    table = pd.DataFrame(
        {
            "model": pd.Categorical(["wild", "wild", "tame", "deep"]),
            "unique_id": pd.Categorical([uid] * 4, categories=panel.ids),
            "y_hat": [low, far, near, low - 1.1 * (high - low)],
        }
    )
    deep, wild = out_of_range(table, panel)
    assert deep.startswith("deep leaves the range of the data by far")
    assert wild.startswith("wild leaves the range of the data by far: it forecasts ")
    assert f"where series {uid!r} holds" in wild
