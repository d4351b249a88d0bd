from __future__ import annotations

import html
import io
import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.evaluation.leaks import change_after
from forecast.evaluation.metrics import score
from forecast.forecasters.fitted_network import FittedNetwork
from forecast.questions.split import last_origins, rolling_origins
from forecast.runs import files
from forecast.runs.run import open_forecast, open_record, open_run, open_tensors
from forecast.tasks import train as module
from forecast.tasks.final import final_fit
from forecast.tasks.newer import series_number
from forecast.tasks.predict import predict
from forecast.tasks.terminal import silent
from forecast.tasks.train import train, validate


def test_the_folder_holds_what_the_contract_names(trained):
    assert {
        files.LEADERBOARD,
        files.RESULTS,
        files.FORECAST,
        files.FORECASTS,
        files.WORKBOOK,
        files.ANOMALIES,
        files.HISTORY,
        files.RECORD,
        files.WEIGHTS,
        files.REPORT,
    } <= set(os.listdir(trained.folder))


def test_the_leaderboard_is_the_contract_and_is_computed_from_the_results(trained):
    table = pd.read_csv(trained.folder / files.LEADERBOARD)
    assert list(table.columns) == [
        *("model", "kind", "mae", "rmse", "smape", "mase", "rmsse", "r2"),
        *("wql", "crps", "coverage_90", "width_90", "revision", "skill"),
        *("dm_p", "fit_seconds", "forecast_seconds", "status", "recommended"),
    ]
    assert set(table.model) == {"lstm", "reference", "naive", "ridge"}
    assert table.mase.is_monotonic_increasing
    assert table.model[table.recommended].tolist() == [trained.recommendation.model]
    results = pd.read_parquet(trained.folder / files.RESULTS)
    assert list(results.columns) == ["model", "unique_id", "cutoff", "ds", "step", "y", "y_hat", "quantile"]
    points = results[results["quantile"].isna()]
    assert len(results) == 10 * len(points)
    for model, rows in points.groupby("model", observed=True):
        mae = float(np.abs(rows.y - rows.y_hat).mean())
        assert table.set_index("model").mae[model] == pytest.approx(mae, rel=1e-12)


def test_every_model_forecasts_from_the_same_origins_of_the_test_split(trained):
    results = trained.evaluation.test.results
    panel, question = trained.prepared.panel, trained.prepared.task
    origins = rolling_origins(panel, question.split.before_test, panel.lengths, 4)
    for _, rows in results.groupby("model", observed=True):
        assert sorted(rows.cutoff.unique()) == panel.times[origins.rows(panel)].tolist()
        assert len(rows) == 4 * len(origins)


def test_the_baseline_to_beat_is_the_best_on_validation_and_not_on_test(trained):
    evaluation = trained.evaluation
    validation = score(evaluation.validation.results, evaluation.validation.scales).by_model.mase
    assert evaluation.baseline == validation.drop("lstm").idxmin()
    last_cutoff = evaluation.validation.results.ds.max()
    panel, split = trained.prepared.panel, trained.prepared.task.split
    assert last_cutoff == panel.times[split.fitted[0] - 1]


def test_the_forecasts_lie_after_the_data_and_are_of_all_models(trained):
    rows = open_forecast(trained.folder)
    panel = trained.prepared.panel
    models = ["lstm", "reference", "naive", "ridge"]
    for model in models:
        ours = [row for row in rows if row.model == model]
        assert [row.ds for row in ours] == panel.calendar.write(panel.calendar.after(panel.times[-1], 4))
        expected = trained.final[model].forecast(panel, last_origins(panel)).y_hat[0]
        assert [row.y_hat for row in ours] == expected.tolist()
        assert {row.unique_id for row in ours} == set(panel.ids)
    assert len(rows) == 4 * len(models)


def test_the_history_has_a_row_an_epoch(trained):
    history = pd.read_csv(trained.folder / files.HISTORY)
    assert history.epoch.tolist() == [1, 2, 3]
    assert {"train_loss", "validation_loss", "learning_rate", "seconds"} <= set(history.columns)
    assert open_record(trained.folder).network.epochs == (int(history.validation_loss.idxmin()) + 1,)


def test_the_record_says_what_was_done(trained):
    record = open_record(trained.folder)
    job, panel = trained.prepared.job, trained.prepared.panel
    assert record.settings == job.model_dump(mode="json")
    assert record.data.ids == panel.ids
    assert record.data.fingerprint == trained.prepared.source.fingerprint
    assert record.data.steps == (200,)
    assert record.data.train_steps == (130,)
    assert record.data.validation_steps == (15,)
    assert record.data.calibration_steps == (15,)
    assert record.verdict == trained.verdict
    assert record.recommendation.model == trained.recommendation.model
    assert record.recommendation.sentence == trained.recommendation.sentence
    assert record.baseline == trained.evaluation.baseline
    assert [row["model"] for row in record.metrics] == trained.leaderboard.model.tolist()
    assert record.validation["lstm"] == pytest.approx(validate(job).score, rel=1e-9)


def test_the_saved_network_has_learnt_from_all_rows(trained):
    panel = trained.prepared.panel
    final, backtested = trained.final["lstm"], trained.evaluation.test.fitted["lstm"]
    assert final.scale != pytest.approx(backtested.scale)
    assert len(final.history) == backtested.epochs
    np.testing.assert_array_equal(open_tensors(trained.folder)["scale"], final.scale)
    later = final.forecast(panel, last_origins(panel)).y_hat
    assert np.abs(later - backtested.forecast(panel, last_origins(panel)).y_hat).max() > 0


def test_without_refit_the_backtested_network_is_kept(tmp_path):
    result = train(small_job(training__refit=False), tmp_path / "run", silent())
    assert result.final["lstm"] is result.evaluation.test.fitted["lstm"]
    assert not open_record(result.folder).network.refitted
    assert "as backtested" in result.finished.notes[-1]


def test_a_fit_on_all_rows_that_is_interrupted_leaves_the_backtested_network(tmp_path, monkeypatch):
    def interrupted(fitted, panel, problem):
        final = final_fit(fitted, panel, problem)
        if not isinstance(final, FittedNetwork):
            return final
        return replace(final, epochs=final.epochs - 1, stop_reason="interrupted")

    monkeypatch.setattr("forecast.tasks.final.final_fit", interrupted)
    result = train(small_job(), tmp_path / "run", silent())
    backtested = result.evaluation.test.fitted["lstm"]
    assert result.final["lstm"] is backtested
    assert not open_record(result.folder).network.refitted
    epochs = backtested.epochs
    assert f"as backtested: interrupted after {epochs - 1} of {epochs} epochs" in result.finished.notes[-1]


def test_a_fit_on_all_rows_that_explodes_leaves_the_backtested_network(tmp_path, monkeypatch):
    def exploded(fitted, panel, problem):
        final = final_fit(fitted, panel, problem)
        if not isinstance(final, FittedNetwork):
            return final
        return replace(final, reference=replace(final.reference, weights=final.reference.weights * 50.0))

    monkeypatch.setattr("forecast.tasks.final.final_fit", exploded)
    result = train(small_job(), tmp_path / "run", silent())
    assert result.final["lstm"] is result.evaluation.test.fitted["lstm"]
    assert "as backtested: fitted again on all rows it erred" in result.finished.notes[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"model__name": "rnn", "model__activation": "relu", "model__layers": 2},
        {"model__name": "gru", "training__regime": "windows", "training__batches_per_epoch": 3},
        {"model__reference": "blend"},
        {"model__reference": "none", "data__noise": 0.0},
    ],
    ids=str,
)
def test_an_opened_network_forecasts_what_it_did_before(tmp_path, changes):
    result = train(small_job(**changes), tmp_path / "run", silent())
    panel = result.prepared.panel
    opened = open_run(result.folder).network
    origins = rolling_origins(panel, np.array([40]), panel.lengths, 4)
    name = result.prepared.job.model.name
    before, after = (one.forecast(panel, origins).y_hat for one in (result.final[name], opened))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-6)


def test_an_opened_network_goes_on_row_by_row(trained):
    panel = trained.prepared.panel
    live = [one.start(panel) for one in (trained.final["lstm"], open_run(trained.folder).network)]
    for value in (0.3, -0.2):
        before, after = (one.update([value]).y_hat for one in live)
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-6)


def test_the_same_job_gives_the_same_run(trained, tmp_path):
    again = train(small_job(), tmp_path / "run", silent())
    pd.testing.assert_frame_equal(again.evaluation.test.results, trained.evaluation.test.results)
    for name in (files.FORECAST, files.FORECASTS, files.WEIGHTS):
        assert (again.folder / name).read_bytes() == (trained.folder / name).read_bytes()


def test_the_terminal_tells_the_data_the_table_and_last_the_verdict(tmp_path):
    text = io.StringIO()
    result = train(small_job(), tmp_path / "run", Console(file=text, width=200))
    lines = text.getvalue().splitlines()
    assert "season" in lines[1]
    assert "130 steps for training, 15 for validation, 15 for calibration, 40 for the test" in lines[1]
    assert lines[-2] == result.verdict
    said = result.recommendation.sentences
    assert lines[-2 - len(said) : -2] == list(said)
    assert lines[-1] == f"run folder: {result.folder}"
    assert any(line.startswith("naive") for line in lines)
    stopped = "kept the weights of epoch [123] of 3: reached `training.max_epochs` \\(3\\)"
    again = "the saved weights and the forecast after the data are of lstm(,| and) .* fitted again on all rows"
    report = html.unescape((result.folder / files.REPORT).read_text(encoding="utf-8"))
    for sentence in (stopped, again):
        assert any(re.search(sentence, line) for line in lines)
        assert re.search(sentence, report)


def test_a_network_that_fails_ends_the_job_and_leaves_no_folder(tmp_path):
    with pytest.raises(ForecastError, match="epoch") as caught:
        train(small_job(training__learning_rate=1e30, training__optimizer="sgd"), tmp_path / "a" / "b", silent())
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_baseline_that_fails_is_a_row_with_its_reason(tmp_path):
    job = small_job(baseline__ridge__params={"alpha": "much"}, baseline__ridge__choose={})
    result = train(job, tmp_path / "run", silent())
    row = result.leaderboard.set_index("model").loc["ridge"]
    assert row.status != "ok"
    assert np.isnan(row.mase)
    assert open_record(result.folder).metrics[-1]["mase"] is None


def test_a_crash_while_writing_leaves_what_it_is_resumed_from_alone(tmp_path, monkeypatch):
    def crash(*_):
        raise OSError(28, "No space left on device")

    for name in ("write_tables", "write_page", "complete"):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, crash)
            with pytest.raises(OSError, match="No space"):
                train(small_job(training__max_epochs=1), tmp_path / "day" / "time", silent())
        left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert left <= {files.STARTED, files.CHECKPOINT, files.EARLIER_CHECKPOINT}  # from which it is resumed


def test_nothing_is_decided_on_the_test_split(trained, tmp_path):
    """With another test split: the same validation, the same baseline to beat, the same weights in the backtest."""
    source, split = trained.prepared.source, trained.prepared.task.split
    other = replace(source, panel=change_after(source.panel, split.before_test, seed=1))
    job = small_job()
    assert validate(job, other).score == trained.evaluation.validation_scores.by_model.mase["lstm"]
    again = train(job, tmp_path / "run", silent(), other)
    assert again.evaluation.baseline == trained.evaluation.baseline
    pd.testing.assert_frame_equal(again.evaluation.validation.results, trained.evaluation.validation.results)
    assert again.leaderboard.mase.tolist() != trained.leaderboard.mase.tolist()
    before, after = (one.evaluation.test.fitted["lstm"].tensors() for one in (trained, again))
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_paths_that_were_asked_for_are_written(tmp_path):
    job = small_job(model__head="quantile", report__paths=7)
    run = train(job, tmp_path / "run", silent())
    table = pd.read_parquet(run.folder / files.PATHS)
    assert list(table.columns) == ["unique_id", "ds", "model", "path", "y_hat"]
    assert len(table) == 7 * job.horizon
    assert (table.model == "lstm").all()
    each = table.groupby("path")["ds"].agg(list)
    assert list(each.index) == list(range(7))
    future = run.finished.future
    assert all(ds == future[future.model == "lstm"]["ds"].tolist() for ds in each)
    panel = run.prepared.panel
    drawn = open_run(run.folder).network.sample_trajectories(panel, last_origins(panel), 7, job.seed)
    np.testing.assert_allclose(table.y_hat, drawn.ravel(), rtol=1e-6)
    again = predict(run.folder, {}, tmp_path / "ahead")
    np.testing.assert_allclose(pd.read_parquet(again.folder / files.PATHS).y_hat, table.y_hat, rtol=1e-6)


def test_logarithms_are_refused_by_a_head_of_counts(tmp_path):
    job = small_job(model__head="negative_binomial", data__transform="log")
    with pytest.raises(ForecastError, match=r"counts.*found `data\.transform=log`: set `data\.transform=none`"):
        train(job, tmp_path / "run", silent())


def test_paths_of_points_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(
        ForecastError, match=r"sample trajectories .* come from a distribution, found `model\.head=point`"
    ):
        train(small_job(report__paths=7), tmp_path / "run", silent())
    assert not list(tmp_path.iterdir())


def test_a_series_that_is_not_there_is_answered_with_the_nearest():
    assert series_number(("north", "south"), None) == 0
    assert series_number(("north", "south"), "south") == 1
    with pytest.raises(ForecastError, match=r"one of the 2 series: did you mean 'south'\?"):
        series_number(("north", "south"), "soth")
    with pytest.raises(ForecastError, match="names no series: there is one, 'north'"):
        series_number(("north",), "soth")


def test_of_very_many_series_all_are_forecast_and_an_even_part_is_compared(tmp_path, monkeypatch):
    monkeypatch.setattr("forecast.evaluation.split_origins.MOST_ORIGINS", 3)
    days, rng = pd.date_range("2024-01-01", periods=90), np.random.default_rng(0)
    tables = [pd.DataFrame({"shop": f"s{i}", "date": days, "y": 10 + i + rng.normal(size=90)}) for i in range(8)]
    pd.concat(tables).to_csv(tmp_path / "all.csv", index=False)
    data = {"name": "csv", "path": str(tmp_path / "all.csv"), "calendar": []}
    run = train(small_job(data=data), tmp_path / "run", silent())
    assert any("`backtest.stride=1` takes all" in note for note in run.finished.notes)
    assert run.evaluation.test.results["unique_id"].nunique() == 3
    forecasts = pd.read_csv(tmp_path / "run" / files.FORECASTS)
    assert set(forecasts["unique_id"]) == {f"s{i}" for i in range(8)}
    assert forecasts[["y_hat", "q0.5"]].notna().all(axis=None)
    assert (tmp_path / "run" / files.REPORT).stat().st_size > 10_000
    assert set(predict(tmp_path / "run", {}, tmp_path / "ahead").future["unique_id"]) == {f"s{i}" for i in range(8)}
