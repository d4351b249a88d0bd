"""A job on a file with covariates: from the file to a run that is opened again and forecasts with newer rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.questions.split import last_origins
from forecast.runs.run import channels_of, open_run
from forecast.tasks.check import check
from forecast.tasks.predict import predict
from forecast.tasks.terminal import silent
from forecast.tasks.train import train


def shops(until: int, ahead: int = 4) -> str:
    """Sales of two shops with a promotion that is known ahead, a temperature that is not, and a kind."""
    rng = np.random.default_rng(8)
    lines = ["shop,day,sales,temp,sky,promo,kind"]
    for shop, kind in (("a", "big"), ("b", "small")):
        promo, temp, noise = rng.random(300) < 0.4, rng.normal(15, 4, 300), rng.normal(0, 1, 300)
        for i, day in enumerate(pd.date_range("2024-01-01", periods=until + ahead)):
            sales = f"{20 + 8 * promo[i] + noise[i]:.2f}" if i < until else ""
            seen = f"{temp[i]:.1f}" if i < until else ""
            sky = ("sun", "rain")[i % 3 > 0] if i < until else ""
            lines.append(f"{shop},{day:%Y-%m-%d},{sales},{seen},{sky},{'yes' if promo[i] else 'no'},{kind}")
    return "\n".join([*lines, ""])


def job_on(path, **changes):
    roles = {"target": "sales", "id": "shop", "past": ["temp", "sky"], "future": "promo", "static": "kind"}
    return small_job(data={"name": "csv", "path": str(path), **roles}, training__max_epochs=8, **changes)


@pytest.fixture(name="run", scope="module")
def make_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("covariates")
    path = folder / "shops.csv"
    path.write_text(shops(200), encoding="utf-8")
    return train(job_on(path), folder / "run", silent())


def test_the_run_remembers_its_covariates_and_says_the_same(run):
    opened = open_run(run.folder)
    assert [(channel.name, channel.role) for channel in channels_of(opened.record)] == [
        ("y", "target"),
        ("temp", "past"),
        ("sky", "past"),
        ("promo", "future"),
        ("sin(weekday)", "future"),
        ("cos(weekday)", "future"),
        ("kind", "static"),
    ]
    assert (opened.problem.lags, opened.problem.leads) == (3, 1)
    panel = run.prepared.panel
    told = opened.network.forecast(panel, last_origins(panel)).y_hat
    np.testing.assert_array_equal(told, run.final["lstm"].forecast(panel, last_origins(panel)).y_hat)


def test_a_run_from_before_steps_around_were_read_opens_as_it_was_made(tmp_path):
    (tmp_path / "shops.csv").write_text(shops(120), encoding="utf-8")
    plain = {"ahead_lags": 0, "ahead_leads": 0}
    job = job_on(tmp_path / "shops.csv", baseline={})
    job = job.model_copy(update={"data": job.data.model_copy(update=plain)})
    run = train(job, tmp_path / "old", silent())
    record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    for key in plain:
        del record["settings"]["data"][key]
    (run.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    panel, opened = run.prepared.panel, open_run(run.folder)
    assert (opened.problem.lags, opened.problem.leads) == (0, 0)
    again = opened.network.forecast(panel, last_origins(panel)).y_hat
    np.testing.assert_array_equal(again, run.final["lstm"].forecast(panel, last_origins(panel)).y_hat)


def test_regressors_learn_the_effect(run):
    """Ridge knows the promotions to come; nothing without covariates can."""
    rmse = run.leaderboard.set_index("model")["rmse"]
    assert rmse["ridge"] < 2.0
    assert rmse["naive"] > 3.0


def test_newer_rows_bring_newer_covariates(run, tmp_path):
    newer = tmp_path / "newer.csv"
    newer.write_text(shops(210), encoding="utf-8")
    prediction = predict(run.folder, {"path": str(newer)}, tmp_path / "out")
    assert prediction.future["ds"].min() == pd.Timestamp("2024-07-29")
    other = tmp_path / "other.csv"
    lines = [
        line.replace(",no,", ",yes,") if ",2024-" in line and line.split(",")[2] == "" else line
        for line in shops(210).splitlines()
    ]
    other.write_text("\n".join([*lines, ""]), encoding="utf-8")
    moved = predict(run.folder, {"path": str(other)}, tmp_path / "moved")
    assert (moved.future["y_hat"].to_numpy() - prediction.future["y_hat"].to_numpy()).max() > 1.0


def test_without_what_is_known_ahead_nothing_is_begun(run, tmp_path):
    short = tmp_path / "short.csv"
    short.write_text(shops(200, ahead=3), encoding="utf-8")
    lacks = r"series 'a' lacks 'promo' for 1 of the 4 steps to forecast: 2024-07-22: give rows for them"
    with pytest.raises(ForecastError, match=lacks):
        train(job_on(short), tmp_path / "run", silent())
    with pytest.raises(ForecastError, match=lacks):
        predict(run.folder, {"path": str(short)}, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["short.csv"]


def test_no_forecast_knows_a_past_covariate_of_its_future(run):
    assert check(run.prepared.job).leaks == ()
