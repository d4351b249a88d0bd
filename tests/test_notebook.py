"""The face for notebooks: a frame goes in, a run comes out, and what a run does is what the tasks do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import forecast as fc
from forecast.runs.run import open_forecast

DAYS = pd.date_range("2024-01-01", periods=170, freq="D")
SALES = 20 + np.sin(2 * np.pi * np.arange(170) / 7) + np.random.default_rng(0).normal(0, 0.2, 170)
FRAME = pd.DataFrame({"unique_id": "shop", "ds": DAYS, "y": SALES})
QUICK = {"model.hidden_size": 4, "training.max_epochs": 2, "training.threads": 1, "training.accelerator": "cpu"}
HORIZON = 5


class LastWeeksMedian:
    def fit(self, values):
        self.middle = np.median(values[-7:])

    def forecast(self, horizon):
        return np.full(horizon, self.middle)


class NeverWorks:
    def fit(self, values):
        raise ValueError("no luck today")

    def forecast(self, horizon):
        return []


@pytest.fixture(scope="module")
def run():
    own = {"median": LastWeeksMedian(), "mine": Ridge(alpha=3.0), "broken": NeverWorks()}
    known = FRAME.iloc[:150]
    return fc.fit(known, HORIZON, "lstm", baselines=["naive", "calendar_regression"], forecasters=own, settings=QUICK)


def test_own_forecasters_stand_in_the_comparison_and_one_that_fails_has_its_reason(run):
    table = run.leaderboard.set_index("model")
    assert set(table.index) >= {"lstm", "naive", "median", "mine", "broken"}
    assert table.loc["broken", "status"] == "ValueError: no luck today"
    assert table.loc[["median", "mine", "naive"], "mase"].notna().all()
    results = pd.read_parquet(run.folder / "results.parquet")
    of_median = results[
        (results["model"] == "median") & results.get("quantile", pd.Series(np.nan, results.index)).isna()
    ]
    first = of_median.iloc[0]
    known = SALES[: DAYS.get_loc(first["cutoff"]) + 1]
    assert first["y_hat"] == pytest.approx(np.median(known[-7:]))


def test_the_forecast_is_a_frame_with_dates_and_in_nixtlas_form_each_model_has_columns(run):
    table = run.forecast()
    assert table["ds"].tolist() == DAYS[150 : 150 + HORIZON].tolist()
    assert table.columns.tolist()[:3] == ["unique_id", "ds", "y_hat"]
    wide = run.forecast(form="nixtla")
    written = [row for row in open_forecast(run.folder) if row.model == "lstm"]
    np.testing.assert_array_equal(wide["lstm"], [row.y_hat for row in written])
    np.testing.assert_array_equal(wide["lstm-lo-90"], [row.quantiles[1] for row in written])
    np.testing.assert_array_equal(wide["lstm-hi-95"], [row.quantiles[-1] for row in written])
    with pytest.raises(fc.ForecastError, match="no forecast of 'gru' was kept"):
        run.forecast(model="gru")


def test_a_run_is_kept_and_opened_and_goes_on_with_newer_data(run, tmp_path):
    folder = run.save(tmp_path / "kept")
    again = fc.load(folder)
    pd.testing.assert_frame_equal(again.forecast(), run.forecast())
    assert (again.verdict, again.recommended) == (run.verdict, run.recommended)
    with pytest.raises(fc.ForecastError, match="exists already"):
        run.save(folder)
    ahead = again.predict(FRAME)
    assert ahead["ds"].tolist()[0] == DAYS[-1] + pd.Timedelta(days=1)
    stream = run.stream()
    for value in SALES[150:]:
        answer = stream.update(value)
    if run.recommended == "lstm":
        np.testing.assert_allclose(answer.y_hat, ahead["y_hat"], atol=1e-5)
    assert answer.time == str(DAYS[-1].date())
    stream.save(tmp_path / "state")
    np.testing.assert_array_equal(again.stream(tmp_path / "state").update(20.0).y_hat, stream.update(20.0).y_hat)


def test_dates_of_a_run_that_says_it_counts_steps_stay_as_written(run, tmp_path):
    folder = run.save(tmp_path / "changed")
    record = json.loads((folder / "run.json").read_text())
    record["data"]["calendar"] |= {"freq": None}
    (folder / "run.json").write_text(json.dumps(record))
    assert fc.load(folder).forecast()["ds"].tolist() == [str(day.date()) for day in DAYS[150 : 150 + HORIZON]]


def test_what_a_notebook_shows(run, tmp_path):
    shown = run._repr_html_()
    assert run.recommended in shown
    assert shown.count("<polyline") == 2
    panel = fc.from_frame(FRAME.assign(unique_id="a <b>"))
    assert "a &lt;b&gt;" in panel._repr_html_()
    assert "170 (2024-01-01 to 2024-06-18)" in panel._repr_html_()
    assert repr(panel) == "Panel(series: 1; rows: 170 (2024-01-01 to 2024-06-18); frequency: D)"
    FRAME.to_csv(tmp_path / "sales.csv", sep=";", index=False)
    assert "semicolon" in fc.read(tmp_path / "sales.csv")._repr_html_()
    chart = run.plot().to_dict()
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["line", "area", "line"]


def test_a_forecast_is_shown_as_a_short_table_and_is_a_frame_for_all_else(run):
    table = run.forecast()
    rows = table._repr_html_().count("<tr>") - 1
    assert rows == HORIZON
    assert "<th>time</th><th>forecast</th><th>90 % from</th><th>to</th>" in table._repr_html_()
    assert f"<td>2024-05-30</td><td>{table['y_hat'].iloc[0]:.2f}</td>" in table._repr_html_()
    assert type(table.head(2)) is pd.DataFrame
    many = type(table)(pd.concat([table.assign(unique_id=name) for name in "ab<cdefg"]))
    shown = many._repr_html_()
    assert "and 10 more rows" in shown
    assert "b&lt;" not in shown
    assert "<td>&lt;</td>" in shown


def test_components_are_what_the_days_do(run, tmp_path):
    parts = run.components()
    days = parts[(parts["model"] == "calendar_regression") & (parts["part"] == "day of the week")]
    by_day = pd.Series(SALES[:150]).groupby(DAYS[:150].day_name()).mean()
    expected = by_day - by_day.mean()
    np.testing.assert_allclose(days.set_index("name")["effect"], expected[days["name"]], atol=0.1)
    bare = run.save(tmp_path / "bare")
    (bare / "components.csv").unlink()
    assert fc.load(bare).components().columns.tolist() == parts.columns.tolist()


def test_columns_of_a_frame_are_found_or_asked_for():
    frame = pd.DataFrame({"day": DAYS[:9], "units": range(9), "price": range(9)})
    assert fc.from_frame(frame, target="units").target.tolist() == list(range(9))
    with pytest.raises(fc.ForecastError, match="which column is the target\\? Found units, price"):
        fc.from_frame(frame)
    with pytest.raises(fc.ForecastError, match="no column 'store'"):
        fc.from_frame(frame, target="units", id="store")
    with pytest.raises(fc.ForecastError, match="has `fit` and `forecast`"):
        fc.fit(frame[["day", "units"]], forecasters=[object()])


def test_every_cell_of_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    book = json.loads((Path(__file__).parents[1] / "docs" / "quickstart.ipynb").read_text(encoding="utf-8"))
    names = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "quickstart", "exec"), names)
    assert (tmp_path / "kept" / "run.json").exists()
    assert np.isfinite(names["answer"].y_hat).all()
