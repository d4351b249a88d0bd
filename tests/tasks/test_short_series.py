"""Short files: splits that give way, series that are forecast without being scored, and what `model=auto` comes to."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.forecasters.pretrained import Pretrained
from forecast.questions.kinds import Problem
from forecast.questions.split import last_origins
from forecast.questions.task import suggested_horizon
from forecast.reading.frames import make_panel
from forecast.reporting.settings import ReportSettings
from forecast.runs import files
from forecast.runs.run import open_forecast, open_run
from forecast.tasks.check import check
from forecast.tasks.export import export
from forecast.tasks.predict import predict
from forecast.tasks.prepare import TRAINABLE_STEPS, prepare
from forecast.tasks.probe import probe
from forecast.tasks.terminal import silent
from forecast.tasks.train import train

PRETRAINED = {"name": "pretrained"}
LENGTHS = {"a": 90, "b": 80, "young": 14, "new": 4}


def write_csv(path, lengths, later=0):
    """Monthly sales of some stores; `later` more months of each."""
    tables = []
    for i, (store, n) in enumerate(lengths.items()):
        t = np.arange(n + later)
        y = (
            50.0 * (i + 1)
            + t
            + 8 * np.sin(2 * np.pi * t / 12)
            + np.random.default_rng(i).normal(0, 1, 200)[: n + later]
        )
        months = pd.date_range("2015-01-01", periods=n + later, freq="MS").strftime("%Y-%m")
        tables.append(pd.DataFrame({"store": store, "month": months, "sales": y.round(2)}))
    pd.concat(tables).to_csv(path, index=False)
    return {"name": "csv", "path": str(path), "id": "store", "target": "sales"}


@pytest.fixture(scope="module")
def panel_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    data = write_csv(folder / "stores.csv", LENGTHS)
    return train(small_job(data=data, model=PRETRAINED, horizon=6), folder / "run", silent())


def rows_of(folder, model):
    return {(row.unique_id, row.ds): row for row in open_forecast(folder) if row.model == model}


def test_series_too_short_for_the_comparison_are_forecast_and_not_scored(panel_run):
    forecast = rows_of(panel_run.folder, "pretrained")
    assert sorted({uid for uid, _ in forecast}) == sorted(LENGTHS)
    assert len(forecast) == 6 * len(LENGTHS)
    assert all(np.isfinite(row.quantiles).all() for row in forecast.values())
    assert set(panel_run.evaluation.test.results["unique_id"]) == {"a", "b"}
    note = next(note for note in panel_run.prepared.source.notes if "pretrained network alone" in note)
    assert "'young' (14 steps)" in note
    assert "'new' (4 steps)" in note
    short = panel_run.prepared.short
    fitted = Pretrained().fit(short, short.lengths, Problem(6, 1, panel_run.prepared.task.problem.season_steps))
    y_hat = fitted.forecast(short, last_origins(short)).y_hat
    times = sorted(ds for uid, ds in forecast if uid == "young")
    np.testing.assert_allclose(
        [forecast["young", ds].y_hat for ds in times], y_hat[list(short.ids).index("young")], rtol=1e-6
    )


def test_a_prediction_knows_the_short_series_too(panel_run, tmp_path):
    data = write_csv(tmp_path / "newer.csv", LENGTHS, later=3)
    prediction = predict(panel_run.folder, {"path": data["path"]}, tmp_path / "out")
    rows = rows_of(prediction.folder, "pretrained")
    assert sorted({uid for uid, _ in rows}) == sorted(LENGTHS)
    assert ("new", "2015-08") in rows  # four months and three, and then
    stranger = write_csv(tmp_path / "stranger.csv", {**LENGTHS, "else": 40}, later=3)
    with pytest.raises(ForecastError, match="'else'"):
        predict(panel_run.folder, {"path": stranger["path"]}, tmp_path / "no")


def test_the_run_can_be_opened_and_goes_on_row_by_row(panel_run):
    run = open_run(panel_run.folder)
    assert run.record.network.reference is None
    assert not (panel_run.folder / files.HISTORY).exists()
    panel = panel_run.prepared.panel
    live = run.network.start(panel)
    after = rows_of(panel_run.folder, "pretrained")
    expected = [after["a", ds].y_hat for ds in sorted(ds for uid, ds in after if uid == "a")]
    np.testing.assert_allclose(live.forecast().y_hat[0], expected, rtol=1e-5)
    with pytest.raises(ForecastError, match="2 series"):
        live.update([1.0, 2.0, 3.0])


def test_the_probe_says_what_it_weighs(panel_run):
    probed = probe(panel_run.folder, show=ReportSettings(series="b", png=False))
    assert probed.page.headline.startswith("pretrained makes its forecast of b of ")
    assert "It read 80 rows; a season of 12 steps" in probed.lines[1]
    numbers = json.loads((panel_run.folder / files.PROBE_NUMBERS).read_text())["weighing"]
    np.testing.assert_allclose(np.sum(numbers["families"], axis=0), 1, rtol=1e-5)
    assert "What it weighs" in probed.path.read_text()


def test_what_does_not_fit_the_pretrained_network_is_refused(panel_run, tmp_path):
    with pytest.raises(ForecastError, match="`ensemble=2`"):
        train(small_job(model=PRETRAINED, ensemble=2), tmp_path / "run", silent())
    record = json.loads((panel_run.folder / files.RECORD).read_text())
    for change in ({"name": "lstm"}, {"name": "pretrained", "weights": None}):
        broken = tmp_path / change["name"]
        broken.mkdir()
        for name in (files.WEIGHTS,):
            (broken / name).write_bytes((panel_run.folder / name).read_bytes())
        facts = {"name": "last", "horizon": 6, "season_steps": record["problem"]["season_steps"], "smoothing": 0.3}
        reference = None if change["name"] == "lstm" else {**facts, "ridge": 1.0}
        changed = {**record, "settings": {**record["settings"], "model": change}}
        changed["network"] = {**record["network"], "reference": reference}
        (broken / files.RECORD).write_text(json.dumps(changed))
        with pytest.raises(ForecastError):
            open_run(broken)


@pytest.mark.parametrize(("rows", "horizon"), [(4, 1), (9, 3), (17, 4)])
def test_an_only_series_of_a_few_rows_has_a_run(tmp_path, rows, horizon):
    data = write_csv(tmp_path / "short.csv", {"only": rows})
    result = train(small_job(data=data, model=PRETRAINED, horizon=horizon), tmp_path / "run", silent())
    assert len(rows_of(result.folder, "pretrained")) == horizon
    assert np.isfinite(result.evaluation.test.quantiles["pretrained"]).all()
    split = result.prepared.task.split
    assert int(split.train[0]) > horizon
    validated = int(split.validation[0]) > 0
    assert (result.evaluation.validation is not None) == validated
    assert any("too short for a validation split" in note for note in result.finished.notes) == (not validated)


@pytest.mark.parametrize(("rows", "horizon"), [(4, 24), (10, 12), (36, 24)])
def test_an_only_series_that_holds_no_horizon_is_scored_as_far_as_it_goes(tmp_path, rows, horizon):
    data = write_csv(tmp_path / "short.csv", {"only": rows})
    job = small_job(data=data, model={"name": "auto"}, horizon=horizon)
    run = train(job, tmp_path / "run", silent())
    held_out = max(rows // 3, 1)
    panel, test = run.prepared.panel, run.evaluation.test
    assert run.prepared.job.model.name == "pretrained"
    assert panel.lengths.tolist() == [rows]
    assert int(run.prepared.task.split.train[0]) == rows - held_out
    known = panel.cut(np.array([rows - held_out]))
    fitted = Pretrained().fit(known, known.lengths, run.prepared.task.problem)
    y_hat = fitted.forecast(known, last_origins(known)).y_hat[0, :held_out]
    error = np.abs(panel.target[rows - held_out :] - y_hat).mean()
    assert run.evaluation.scores.by_model["mae"]["pretrained"] == pytest.approx(error)
    assert np.isfinite(test.quantiles["pretrained"]).all()
    assert "ridge" not in test.fitted
    assert any("ridge left out: too few rows to train on" in note for note in run.finished.notes)
    assert "on the last row" in run.recommendation.sentence if held_out == 1 else True
    after = rows_of(run.folder, "pretrained")
    assert len(after) == horizon
    assert np.isfinite([row.quantiles for row in after.values()]).all()
    again = predict(run.folder, {"path": data["path"]}, tmp_path / "again")
    for when, row in rows_of(again.folder, run.recommendation.model).items():
        assert row.y_hat == pytest.approx(after[when].y_hat, rel=1e-5)
    page = (run.folder / "report.html").read_text()
    assert f"scored once, on its last {'row alone' if held_out == 1 else f'{held_out} rows'}" in page


def test_a_short_series_with_covariates_is_scored_and_checked_too(tmp_path):
    path = tmp_path / "short.csv"
    rows = [
        f"2024-{i // 28 + 1:02d}-{i % 28 + 1:02d},{100 + i % 3 if i < 15 else ''},{int(i % 4 == 0)}" for i in range(27)
    ]
    path.write_text("day,sales,promo\n" + "\n".join(rows) + "\n")
    job = small_job(data={"name": "csv", "path": str(path), "future": ["promo"]}, model=PRETRAINED, horizon=12)
    made = train(job, tmp_path / "run", silent())
    assert made.prepared.task.split.train.tolist() == [10]
    assert len(rows_of(made.folder, "pretrained")) == 12
    assert made.evaluation.test.results.query("model == 'pretrained'")["y"].count() == 5
    assert check(job).sentence.startswith("no forecast moved")


def test_a_network_that_cannot_be_trained_names_one_that_needs_no_training(tmp_path):
    data = write_csv(tmp_path / "short.csv", {"only": 10})
    with pytest.raises(ForecastError, match="`model=pretrained` needs no training"):
        train(small_job(data=data, horizon=12), tmp_path / "run", silent())
    with pytest.raises(ForecastError, match=r"10 steps, cut into .* 5 for the test"):
        train(small_job(data=data, model=PRETRAINED, horizon=12, split__test=5), tmp_path / "run", silent())
    strict = {**data, "on_short_series": "error"}
    with pytest.raises(ForecastError, match="set `horizon=4` or less"):
        train(small_job(data=strict, model=PRETRAINED, horizon=12), tmp_path / "run", silent())
    path = tmp_path / "two.csv"
    path.write_text("month,sales\n2024-01,3\n2024-02,5\n")
    with pytest.raises(ForecastError, match="at least 3"):
        train(
            small_job(data={"name": "csv", "path": str(path)}, model=PRETRAINED, horizon=2), tmp_path / "run", silent()
        )


def test_a_panel_of_nothing_but_short_series_is_scored_too(tmp_path):
    data = write_csv(tmp_path / "stores.csv", {"a": 12, "b": 9, "new": 2})
    run = train(small_job(data=data, model=PRETRAINED, horizon=8), tmp_path / "run", silent())
    assert set(run.evaluation.test.results["unique_id"]) == {"a", "b"}
    scored = run.evaluation.test.results.query("model == 'pretrained'").groupby("unique_id", observed=True)["y"]
    assert scored.count().to_dict() == {"a": 4, "b": 3}
    forecast = rows_of(run.folder, "pretrained")
    assert sorted({uid for uid, _ in forecast}) == ["a", "b", "new"]
    assert np.isfinite([row.quantiles for row in forecast.values()]).all()


def test_auto_takes_the_pretrained_network_below_its_border_and_trains_one_from_there_on(tmp_path):
    names = {}
    for rows in (TRAINABLE_STEPS - 1, TRAINABLE_STEPS):
        data = write_csv(tmp_path / f"{rows}.csv", {"only": rows})
        prepared = prepare(small_job(data=data, model={"name": "auto"}, horizon=3))
        names[rows] = prepared.job.model.name
        assert any(f"{rows} rows" in note for note in prepared.source.notes)
    assert names == {TRAINABLE_STEPS - 1: "pretrained", TRAINABLE_STEPS: "lstm"}
    data = write_csv(tmp_path / "promo.csv", {"only": 40})
    table = pd.read_csv(data["path"])
    table.assign(promo=np.arange(40) % 2).to_csv(data["path"], index=False)
    prepared = prepare(small_job(data={**data, "past": ["promo"]}, model={"name": "auto"}, horizon=3))
    assert prepared.job.model.name == "pretrained"
    assert any("promo is not read by it" in note for note in prepared.source.notes)


def test_a_promotion_that_is_known_ahead_counts_from_the_first_run(tmp_path):
    rng = np.random.default_rng(4)
    days = pd.date_range("2024-01-01", periods=90, freq="D").strftime("%Y-%m-%d")
    promo = (rng.random(90) < 0.2).astype(int)
    promo[80:] = [0, 1, 0, 0, 1, 0, 0, 0, 1, 0]
    sales = (100 + rng.normal(0, 2, 90) + 30 * promo).round(2).astype(object)
    sales[80:] = ""
    path = tmp_path / "promo.csv"
    pd.DataFrame({"day": days, "sales": sales, "promo": promo}).to_csv(path, index=False)
    data = {"name": "csv", "path": str(path), "future": ["promo"]}
    job = small_job(data=data, model={"name": "auto"}, horizon=6)
    made = train(job, tmp_path / "run", silent())
    assert made.prepared.job.model.name == "pretrained"
    after = rows_of(made.folder, "pretrained")
    y_hat = np.array([after[key].y_hat for key in sorted(after)])
    np.testing.assert_allclose(y_hat - 30 * promo[80:86], 100, atol=8)
    assert any("pretrained: taken off before and put back after: promo" in note for note in made.finished.notes)
    opened = open_run(made.folder).network
    np.testing.assert_allclose(opened.start(made.prepared.panel).forecast().y_hat[0], y_hat, rtol=1e-5)
    again = rows_of(predict(made.folder, {"path": str(path)}, tmp_path / "again").folder, "pretrained")
    np.testing.assert_allclose([again[key].y_hat for key in sorted(again)], y_hat, rtol=1e-5)
    with pytest.raises(ForecastError, match="with effects of covariates cannot be exported"):
        export(made.folder)


@pytest.mark.parametrize(("rows", "horizon"), [(5, 1), (16, 3), (40, 8), (99, 19), (100, 20), (5000, 20)])
def test_a_horizon_that_is_left_open_can_be_judged_on(rows, horizon):
    frame = pd.DataFrame({"ds": pd.date_range("2001-01-01", periods=rows, freq="D"), "y": np.arange(rows) ** 1.5})
    assert suggested_horizon(make_panel(frame)) == horizon


def test_a_short_file_is_forecast_with_nothing_said(tmp_path):
    path = tmp_path / "short.csv"
    rows = [f"2024-{month:02d}-01,{month**2 % 11}" for month in range(1, 13)] + ["2025-01-01,3", "2025-02-01,5"]
    path.write_text("month,visitors\n" + "\n".join(rows) + "\n")
    job = small_job(data={"name": "csv", "path": str(path)}, horizon=0, model={"name": "pretrained"})
    run = train(job, tmp_path / "run", silent())
    assert run.prepared.job.horizon == 2
    assert "horizon 2: of so few rows a fifth" in " ".join(run.prepared.source.notes)
    assert len((run.folder / "forecast.csv").read_text().splitlines()) == 3


def test_a_training_that_begins_with_the_pretrained_network_is_kept_in_the_run(tmp_path):
    x, rows = 0.3, []
    for _ in range(320):
        x = 3.8 * x * (1 - x)
        rows.append(f"{100 + 20 * x:.4f}")
    path = tmp_path / "chaos.csv"
    path.write_text("y\n" + "\n".join(rows) + "\n")
    data = {"name": "csv", "path": str(path), "season_steps": 1}
    as_it_is = {"pretrained": {"name": "pretrained", "method": "pretrained"}}
    job = small_job(data=data, model={"name": "auto", "start": "pretrained"}, horizon=2, baseline=as_it_is)
    made = train(job, tmp_path / "run", silent())
    assert made.prepared.job.model.name == "pretrained"
    assert any("a training that begins with it" in note for note in made.prepared.source.notes)
    assert any("pretrained: trained on for" in note for note in made.finished.notes)
    scores = made.evaluation.leaderboard.set_index("model")["mase"]
    assert scores["pretrained"] < scores["zero_shot"]  # the network as it is stands beside it
    run = open_run(made.folder)
    opened = run.network
    assert run.record.network.epochs == (opened.epochs,)
    assert f"trained on for {opened.epochs} epoch" in run.record.network.stop_reason[0]
    after = rows_of(made.folder, "pretrained")
    panel = made.prepared.panel
    y_hat = opened.forecast(panel, last_origins(panel)).y_hat[0]
    np.testing.assert_allclose(
        [after[key].y_hat for key in sorted(after, key=lambda key: float(key[1]))], y_hat, rtol=1e-5
    )
    untrained = Pretrained().fit(panel, panel.lengths, made.prepared.task.problem).forecast(panel, last_origins(panel))
    assert not np.allclose(untrained.y_hat[0], y_hat, rtol=1e-4)
