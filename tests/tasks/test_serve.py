"""What the service computes: the forecasts of task=predict, from histories and row by row."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job, small_values

from forecast.errors import ForecastError
from forecast.runs.files import QUANTILE_COLUMNS, parse_forecast
from forecast.runs.run import open_forecast
from forecast.serving.forms import Row
from forecast.tasks import page_job
from forecast.tasks.predict import predict
from forecast.tasks.serve import forecast_history, listen, open_answers
from forecast.tasks.settings import StreamSettings
from forecast.tasks.terminal import silent
from forecast.tasks.train import train

DAYS = pd.date_range("2024-01-01", periods=160, freq="D")
VALUES = np.round(10 + np.sin(2 * np.pi * np.arange(160) / 7) + 0.01 * np.cos(np.arange(160) ** 1.5), 3)
ASKED = {"history": [], "data": {}, "others": False}
LIMITS = (1000, 10)


def as_csv(days):
    table = pd.DataFrame({"Datum": DAYS[:days].strftime("%d.%m.%Y"), "Umsatz": VALUES[:days]})
    return table.to_csv(index=False, sep=";", decimal=",").encode()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on 150 days as a German spreadsheet writes them."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "old.csv").write_bytes(as_csv(150))
    return train(small_job(data={"name": "csv", "path": str(folder / "old.csv")}), folder / "run", silent()).folder


@pytest.fixture(scope="module")
def predicted(run, tmp_path_factory):
    """What task=predict says after all 160 days: rows of the network, rows of the baseline."""
    folder = tmp_path_factory.mktemp("predicted")
    (folder / "newer.csv").write_bytes(as_csv(160))
    rows = open_forecast(predict(run, {"path": str(folder / "newer.csv")}, folder / "out").folder)
    return [row for row in rows if row.model == "lstm"], [row for row in rows if row.model != "lstm"]


def check_same(steps, rows):
    assert [(step["unique_id"], step["ds"], step["model"]) for step in steps] == [
        (row.unique_id, row.ds, row.model) for row in rows
    ]
    np.testing.assert_allclose([step["y_hat"] for step in steps], [row.y_hat for row in rows], atol=1e-5)
    for step, row in zip(steps, rows, strict=True):
        known = {name: q for name, q in zip(QUANTILE_COLUMNS, row.quantiles, strict=True) if np.isfinite(q)}
        assert {name: step[name] for name in step if name.startswith("q")} == pytest.approx(known, abs=1e-5)


def test_a_csv_like_the_runs_own_is_forecast_as_by_predict(run, predicted):
    answer = forecast_history(str(run), as_csv(160), ASKED, LIMITS)
    check_same(answer["forecast"], predicted[0])
    assert list(parse_forecast(answer["csv"].encode(), "answer")) == predicted[0]
    with_others = forecast_history(str(run), as_csv(160), {**ASKED, "others": True}, LIMITS)
    check_same(with_others["forecast"], [*predicted[0], *predicted[1]])


def test_rows_of_ds_and_y_are_forecast_alike_with_dates_as_they_came(run, predicted):
    history = [{"ds": f"{day:%Y-%m-%d}", "y": y} for day, y in zip(DAYS, VALUES.tolist(), strict=True)]
    answer = forecast_history(str(run), b"", {**ASKED, "history": history}, LIMITS)
    np.testing.assert_allclose([s["y_hat"] for s in answer["forecast"]], [r.y_hat for r in predicted[0]], atol=1e-5)
    assert [step["ds"] for step in answer["forecast"]] == ["2024-06-09", "2024-06-10", "2024-06-11", "2024-06-12"]
    assert answer["forecast"][0]["unique_id"] == "Umsatz"
    assert any("'y' is taken for 'Umsatz'" in note for note in answer["notes"])


def refusal(run, content=b"", **request):
    with pytest.raises(ForecastError) as caught:
        forecast_history(str(run), content, {**ASKED, **request}, LIMITS)
    return str(caught.value)


def test_what_does_not_fit_is_one_line_without_folders_of_ours(run):
    weeks = pd.date_range("2024-01-01", periods=40, freq="7D")
    rows = [{"ds": f"{week:%Y-%m-%d}", "y": float(i % 5)} for i, week in enumerate(weeks)]
    assert "series 'y' has 234 missing steps: 2024-01-02 to" in refusal(run, history=rows)
    assert "tmp" not in refusal(run, content=b"Datum;Umsatz\n01.01.2024;a\n02.01.2024;b\n")
    assert "`serve.max_rows`" in refusal(run, content=b"a\n" * 1001)
    assert "`serve.max_rows`" in refusal(run, history=[{"y": 1.0}] * 1001)
    several = [{"unique_id": str(i), "ds": f"2024-01-{d:02d}", "y": d % 3} for i in range(11) for d in range(1, 30)]
    assert "`serve.max_series`" in refusal(run, history=several)
    for key in ("path", "query", "name"):
        assert f"`data.{key}` cannot be set in a request" in refusal(run, content=as_csv(160), data={key: "/etc/hosts"})
    assert "`data.onn_gaps` is not a setting" in refusal(run, content=as_csv(160), data={"onn_gaps": "mask"})


def test_a_stream_says_after_each_row_what_predict_says_of_the_whole(run, predicted, tmp_path):
    answers = open_answers([run], base={})
    stream = answers.start("run", None)
    for i, value in enumerate(VALUES[150:159].tolist()):
        stream.update(Row(y=value, ds=f"{DAYS[150 + i]:%d.%m.%Y}" if i % 2 else None))
    stream.save(tmp_path / "state")
    for state in (None, tmp_path / "state"):
        updated = (answers.start("run", state) if state else stream).update(Row(y=float(VALUES[159])))
        assert (updated["unique_id"], updated["ds"]) == ("Umsatz", "08.06.2024")
        np.testing.assert_allclose(updated["y_hat"], [row.y_hat for row in predicted[0]], atol=1e-5)
        assert set(updated) == {"unique_id", "ds", "y_hat", "q0.05", "q0.95"}
        assert np.all(np.array(updated["q0.05"]) < updated["y_hat"])
    for row, line in (
        (Row(y="nine"), "nine"),
        (Row(y=9.0, unique_id="Absatz"), "does not know the series 'Absatz'"),
        (Row(y=9.0, ds="01.01.2024"), "is before its latest row"),
    ):
        with pytest.raises(ForecastError, match=line):
            stream.update(row)


def test_runs_are_described_by_names_of_their_own(run, trained):
    answers = open_answers([run, trained.folder], base={})
    assert set(answers.runs) == {"run", "time"}
    facts = answers.runs["run"]
    assert (facts["ids"], facts["horizon"], facts["frequency"]) == (["Umsatz"], 4, "D")
    assert json.loads(json.dumps(facts)) == facts
    assert b"<html" in answers.report("run")
    with pytest.raises(ForecastError, match="the same run twice"):
        open_answers([run, run], base={})


def test_an_address_that_is_taken_is_one_line():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ForecastError, match=rf"cannot listen at 127.0.0.1:{port} .*`serve.port=...`"):
            listen("127.0.0.1", port)


def test_streams_of_symbols_take_symbols(tmp_path):
    values = {"name": "text", "text": "abcab" * 40}
    run = train(
        small_job(data=values, model__head="categorical", baseline={}, horizon=2), tmp_path / "symbols", silent()
    )
    answers = open_answers([run.folder], base={}, streamed=StreamSettings(history=False))
    answer = answers.start("symbols", None).update(Row(y="a"))
    assert set(answer["symbol"]) <= {"a", "b", "c"}
    assert all(1 / 3 <= chance <= 1 for chance in answer["chance"])


def test_a_job_of_the_page_is_run_whatever_an_earlier_process_left(tmp_path, capsys):
    (tmp_path / "old.csv").write_bytes(as_csv(60))
    (tmp_path / ".run.unfinished").mkdir()
    (tmp_path / ".run.unfinished" / "torn").touch()
    values = small_values(data={"name": "csv", "path": str(tmp_path / "old.csv")}, model={"name": "pretrained"})
    (tmp_path / "job.json").write_text(json.dumps(values | {"baseline": {}}))
    assert page_job.run(tmp_path) == 0
    assert open_forecast(tmp_path / "run")[0].ds == "01.03.2024"
    assert not (tmp_path / ".run.unfinished").exists()
    assert json.loads((tmp_path / "progress.json").read_text())["said"] == "writing the report"
    missing = {"data": {"name": "csv", "path": str(tmp_path / "none.csv")}}
    (tmp_path / "job.json").write_text(json.dumps(values | {"baseline": {}} | missing))
    assert page_job.run(tmp_path) == 2
    said = capsys.readouterr().err
    assert said.startswith("forecast: ")
    assert str(tmp_path) not in said
