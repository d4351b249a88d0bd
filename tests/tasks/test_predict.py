from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from small_jobs import small_job

from forecast.errors import ForecastError
from forecast.forecasters.recurrent import Recurrent
from forecast.questions.split import last_origins
from forecast.runs import files
from forecast.runs.run import open_forecast, open_record, open_run
from forecast.series.date_features import features_of, with_features
from forecast.tasks import predict as predicting
from forecast.tasks.predict import SCORES, predict
from forecast.tasks.terminal import silent
from forecast.tasks.train import train

DAYS = pd.date_range("2024-01-01", periods=160, freq="D")


def write_csv(path, days, columns, form="%d.%m.%Y"):
    table = pd.DataFrame({"Datum": days.strftime(form), **columns})
    table.to_csv(path, index=False, sep=";", decimal=",")
    return path


def wave(days):
    step = (days - DAYS[0]).days.to_numpy()
    return np.round(10 + np.sin(2 * np.pi * step / 7) + 0.01 * np.cos(step**1.5), 3)


@pytest.fixture(scope="module")
def run_on_csv(tmp_path_factory):
    """A run on 150 days as a German spreadsheet writes them; and what came in the next ten."""
    folder = tmp_path_factory.mktemp("csv")
    path = write_csv(folder / "alt (1).csv", DAYS[:150], {"Umsatz": wave(DAYS[:150])})
    job = small_job(data={"name": "csv", "path": str(path)}, horizon=5)
    return train(job, folder / "run", silent())


@pytest.fixture
def newer(tmp_path):
    return write_csv(tmp_path / "neu.csv", DAYS, {"Umsatz": wave(DAYS)})


def used_again(run):
    """The forecasts of the models that newer data are forecast with, in the order of a prediction."""
    future, record = run.finished.future, open_record(run.folder)
    models = [record.network.name, "reference", "ridge", "combination"]
    kept = [future[future.model == name] for name in models if name in run.finished.used_again]
    return pd.concat(kept)["y_hat"]


def test_on_the_same_data_the_forecast_is_that_of_the_run(run_on_csv, tmp_path):
    prediction = predict(run_on_csv.folder, {}, tmp_path / "out")
    before, after = open_forecast(run_on_csv.folder), open_forecast(prediction.folder)
    told = {(r.unique_id, r.ds, r.model): r for r in before}
    assert {r.model for r in after} == set(run_on_csv.finished.used_again)
    np.testing.assert_allclose([r.y_hat for r in after], [told[r.unique_id, r.ds, r.model].y_hat for r in after], 1e-6)
    assert prediction.scores is None
    assert "nothing of the run's own forecast has come true" in prediction.sentence


def test_dates_and_ids_are_written_as_the_user_wrote_them(run_on_csv):
    rows = open_forecast(run_on_csv.folder)
    assert {row.unique_id for row in rows} == {"Umsatz"}
    assert [row.ds for row in rows][:5] == DAYS[150:155].strftime("%d.%m.%Y").tolist()


def test_newer_rows_are_history_for_the_network(run_on_csv, newer, tmp_path):
    prediction = predict(run_on_csv.folder, {"path": str(newer)}, tmp_path / "out")
    assert prediction.future.ds.min() == DAYS[-1] + pd.Timedelta(days=1)
    names = features_of(run_on_csv.prepared.panel.ahead.channels)
    panel = with_features(prediction.source.panel, names, run_on_csv.prepared.job.horizon)
    expected = run_on_csv.final["lstm"].forecast(panel, last_origins(panel)).y_hat[0]
    ours = prediction.future[prediction.future.model == "lstm"].y_hat
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert set(os.listdir(prediction.folder)) == {files.FORECAST, files.FORECASTS, files.WORKBOOK, files.REPORT, SCORES}


def test_what_has_come_true_is_scored_by_hand(run_on_csv, newer, tmp_path):
    prediction = predict(run_on_csv.folder, {"path": str(newer)}, tmp_path / "out")
    y = wave(DAYS)
    season = run_on_csv.prepared.task.problem.season_steps
    unit = np.abs(y[season:150] - y[: 150 - season]).mean()
    for row in prediction.scores.itertuples():
        told = [r.y_hat for r in open_forecast(run_on_csv.folder) if r.model == row.model]
        mae = np.abs(y[150:155] - told).mean()
        assert row.steps == 5
        assert row.mae == pytest.approx(mae, rel=1e-9)
        assert row.mase == pytest.approx(mae / unit, rel=1e-9)
    assert set(prediction.scores.model) == set(run_on_csv.leaderboard.model)
    assert "5 values can be compared" in prediction.sentence
    pd.testing.assert_frame_equal(pd.read_csv(prediction.folder / SCORES), prediction.scores, check_dtype=False)


def test_a_forecast_that_has_come_true_in_part_is_scored_in_part(run_on_csv, tmp_path):
    path = write_csv(tmp_path / "neu.csv", DAYS[:152], {"Umsatz": wave(DAYS[:152])})
    prediction = predict(run_on_csv.folder, {"path": str(path)}, tmp_path / "out")
    assert set(prediction.scores.steps) == {2}


def test_the_opened_folder_is_left_as_it_was(run_on_csv, newer, tmp_path):
    def state():
        return {path.name: path.stat().st_mtime_ns for path in run_on_csv.folder.iterdir()}

    before = state()
    predict(run_on_csv.folder, {"path": str(newer)}, tmp_path / "out")
    assert state() == before


def test_latest_is_a_training_and_never_a_prediction(run_on_csv, newer, tmp_path):
    outputs = run_on_csv.folder.parent
    for number in range(2):
        prediction = predict("latest", {"path": str(newer)}, outputs / f"prediction{number}", outputs=outputs)
        assert prediction.run.folder == run_on_csv.folder


def refusal(run, data, tmp_path):
    with pytest.raises(ForecastError) as caught:
        predict(run.folder, data, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    return str(caught.value)


def test_another_frequency_is_one_clear_error(run_on_csv, tmp_path):
    weeks = pd.date_range("2024-01-01", periods=160, freq="7D")
    path = write_csv(tmp_path / "neu.csv", weeks, {"Umsatz": wave(weeks)})
    assert "the data have the frequency W" in (said := refusal(run_on_csv, {"path": str(path)}, tmp_path))
    assert "was trained on D" in said


def test_an_unknown_series_is_one_clear_error(run_on_csv, tmp_path):
    path = write_csv(tmp_path / "neu.csv", DAYS, {"Absatz": wave(DAYS)})
    said = refusal(run_on_csv, {"path": str(path)}, tmp_path)
    assert "does not know the series 'Absatz'; it was trained on 'Umsatz'" in said


def test_a_file_that_is_missing_is_one_clear_error(run_on_csv, tmp_path):
    assert "nowhere.csv" in refusal(run_on_csv, {"path": str(tmp_path / "nowhere.csv")}, tmp_path)


@pytest.mark.parametrize(("key", "value"), [("transform", "log"), ("season_steps", 3), ("context_steps", 9)])
def test_what_the_network_has_taken_in_cannot_change(run_on_csv, tmp_path, key, value):
    said = refusal(run_on_csv, {key: value}, tmp_path)
    assert said.startswith(f"`data.{key}={value}` cannot be set with task=predict")
    trained = {"transform": "none", "season_steps": 7, "context_steps": 14}[key]
    assert f"was trained with {trained};" in said


def test_what_the_network_has_taken_in_may_be_said_again(run_on_csv, tmp_path):
    said = {"transform": "none", "season_steps": 7, "context_steps": 14}
    assert predict(run_on_csv.folder, said, tmp_path / "out").folder.is_dir()


def test_what_was_found_out_about_newer_data_and_done_with_them_is_told(run_on_csv, tmp_path):
    with_a_gap = DAYS.delete([100, 101])
    path = write_csv(tmp_path / "neu.csv", with_a_gap, {"Umsatz": wave(with_a_gap)})
    actual, note, sentence, *_ = predict(
        run_on_csv.folder, {"path": str(path), "on_gaps": "interpolate"}, tmp_path / "out"
    ).lines
    assert "delimiter semicolon; decimal comma; time Datum" in actual
    assert "2 missing steps" in note
    assert "forecast 5 steps after" in sentence


def test_an_unknown_key_is_named(run_on_csv, tmp_path):
    assert "data.pth" in refusal(run_on_csv, {"pth": "x"}, tmp_path)


def test_several_series_may_come_in_any_order_but_must_all_be_there(tmp_path):
    table = {"seoul": wave(DAYS), "busan": 3 * wave(DAYS)}
    path = write_csv(tmp_path / "two.csv", DAYS, table)
    job = small_job(data={"name": "csv", "path": str(path), "target": ["seoul", "busan"]}, horizon=3)
    run = train(job, tmp_path / "run", silent())
    swapped = write_csv(tmp_path / "swapped.csv", DAYS, dict(reversed(table.items())))
    said = {"path": str(swapped), "target": ["busan", "seoul"]}
    prediction = predict(run.folder, said, tmp_path / "out")
    both = prediction.future.merge(run.finished.future, on=["unique_id", "ds", "model"])
    assert len(both) == 6 * len(run.finished.used_again)
    np.testing.assert_allclose(both.y_hat_x, both.y_hat_y, atol=1e-6)
    message = refusal(run, {"target": "busan"}, tmp_path / "a")
    assert "lack the series 'seoul'" in message
    assert "`data.on_new_series=skip`" in message
    alone = predict(run.folder, {"target": "busan", "on_new_series": "skip"}, tmp_path / "b")
    assert alone.source.notes[-1] == "Not forecast, because the data lack them: 'seoul'."
    model = run.finished.future["model"].iloc[0]  # the other one is fitted anew, on what the data hold
    both = [table[table["model"] == model] for table in (alone.future, run.finished.future)]
    expected = both[1].loc[both[1]["unique_id"] == "busan", "y_hat"]
    assert set(alone.future["unique_id"]) == {"busan"}
    np.testing.assert_allclose(both[0]["y_hat"], expected, atol=1e-6)


def test_new_series_are_named_and_left_out_on_request(tmp_path):
    days, more = DAYS[:150], DAYS[140:150]
    old = pd.DataFrame({"day": days, "shop": "a", "sales": wave(days)})
    old.to_csv(tmp_path / "old.csv", index=False)
    job = small_job(data={"name": "csv", "path": str(tmp_path / "old.csv"), "id": "shop", "target": "sales"}, horizon=3)
    run = train(job, tmp_path / "run", silent())
    new = pd.DataFrame({"day": more, "shop": "b", "sales": wave(more)})
    pd.concat([old, new]).to_csv(tmp_path / "new.csv", index=False)
    message = refusal(run, {"path": str(tmp_path / "new.csv")}, tmp_path / "a")
    assert "does not know the series 'b'" in message
    assert "`data.on_new_series=skip`" in message
    prediction = predict(run.folder, {"path": str(tmp_path / "new.csv"), "on_new_series": "skip"}, tmp_path / "b")
    assert prediction.source.notes[-1] == "Not forecast, because the run does not know them: 'b'."
    np.testing.assert_allclose(prediction.future["y_hat"], used_again(run), atol=1e-6)
    assert set(prediction.future["unique_id"]) == {"a"}
    new.to_csv(tmp_path / "none.csv", index=False)
    message = refusal(run, {"path": str(tmp_path / "none.csv"), "on_new_series": "skip"}, tmp_path / "c")
    assert message.endswith("none is in both")


def test_a_file_may_follow_a_series_that_was_made(trained, tmp_path):
    """The sources differ, and the ids and the steps fit: it is taken."""
    panel = trained.prepared.panel
    pd.DataFrame({panel.ids[0]: panel.target}).to_csv(tmp_path / "wave.csv", index=False)
    prediction = predict(trained.folder, {"name": "csv", "path": str(tmp_path / "wave.csv")}, tmp_path / "out")
    assert prediction.future.model.unique().tolist()[0] == "lstm"
    np.testing.assert_allclose(
        prediction.future[prediction.future.model == "lstm"].y_hat,
        trained.finished.future.query("model == 'lstm'").y_hat,
        atol=1e-6,
    )


def test_layers_that_short_trainings_chose_are_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Recurrent, "_loss_after", lambda self, *_: 1e-6 / self.settings.depth)
    rng, y = np.random.default_rng(0), np.zeros(1_600)
    for t in range(1, len(y)):
        y[t] = (1.5 + 0.9 * y[t - 1] if y[t - 1] <= 0 else -1 - 0.6 * y[t - 1]) + 0.3 * rng.normal()
    table = pd.DataFrame({"t": np.arange(len(y)), "y": np.round(y, 4)})
    table.to_csv(tmp_path / "steps.csv", index=False)
    job = small_job(data={"name": "csv", "path": str(tmp_path / "steps.csv")}, ensemble=2, baseline={})
    run = train(job, tmp_path / "run", silent())
    assert [member.network.backbone.core.num_layers for member in run.finished.kept.members] == [2, 2]
    assert open_record(run.folder).settings["model"]["layers"] is None
    assert open_record(run.folder).network.layers == 2
    prediction = predict(run.folder, {}, tmp_path / "out")
    np.testing.assert_allclose(prediction.future.y_hat, used_again(run), rtol=1e-6)


def test_units_that_short_trainings_chose_are_opened_again(tmp_path, monkeypatch):
    def without_reference_is_better(self, epochs, reference, *_):
        return {"none": 1e-7}.get(reference.name, 1e-6) * self.settings.depth

    monkeypatch.setattr(Recurrent, "_loss_after", without_reference_is_better)
    t = np.arange(1_600)
    y = np.sin(2 * np.pi * t / 12) + 0.3 * np.random.default_rng(0).normal(size=len(t))
    pd.DataFrame({"t": t, "y": np.round(y, 4)}).to_csv(tmp_path / "steps.csv", index=False)
    data = {"name": "csv", "path": str(tmp_path / "steps.csv"), "season_steps": 12}
    run = train(small_job(data=data, baseline={}, model__hidden_size=None), tmp_path / "run", silent())
    assert run.finished.kept.reference.name == "none"
    assert open_record(run.folder).settings["model"]["hidden_size"] is None
    assert open_record(run.folder).network.hidden_size == 64
    assert open_run(run.folder).network.network.backbone.feature_size == 64
    prediction = predict(run.folder, {}, tmp_path / "out")
    np.testing.assert_allclose(prediction.future.y_hat, used_again(run), rtol=1e-6)


def test_a_log_is_undone(tmp_path):
    path = write_csv(tmp_path / "alt.csv", DAYS, {"Umsatz": np.round(np.exp(wave(DAYS) / 4), 3)})
    job = small_job(data={"name": "csv", "path": str(path), "transform": "log"}, horizon=3)
    run = train(job, tmp_path / "run", silent())
    prediction = predict(run.folder, {}, tmp_path / "out")
    np.testing.assert_allclose(prediction.future.y_hat, used_again(run), rtol=1e-6)
    assert prediction.future.y_hat.between(8, 20).all()


def test_the_page_tells_the_forecast_and_how_the_last_one_fared(run_on_csv, newer, tmp_path):
    prediction = predict(run_on_csv.folder, {"path": str(newer)}, tmp_path / "out")
    page = (prediction.folder / files.REPORT).read_text(encoding="utf-8")
    use = run_on_csv.recommendation.model
    rows = [row for row in open_forecast(run_on_csv.folder) if row.model == use]
    missed = np.abs(np.array([row.y_hat for row in rows]) - wave(DAYS[150:155]))
    assert f"<b>{missed.mean():.3g}</b> off on average, over the 5 values that have come since" in page
    assert "Last time&#39;s forecast against what came" in page
    assert f"5 steps from 2024-06-09 on, by {use}" in page  # ten days have come, and five follow


def test_errors_and_values_beyond_what_the_run_knew_are_told(run_on_csv, tmp_path):
    strange = np.concatenate([wave(DAYS)[:150], wave(DAYS)[150:] + 100])
    path = write_csv(tmp_path / "fremd.csv", DAYS, {"Umsatz": strange})
    prediction = predict(run_on_csv.folder, {"path": str(path)}, tmp_path / "out")
    assert len(prediction.drift) == 2
    assert "it errs more than it did: train again" in prediction.drift[0]
    assert prediction.drift[1] == "10 values of the target since the run, of 10, lie beyond all that it was trained on"


def test_a_forecast_that_leaves_the_range_of_the_newer_data_by_far_is_told(run_on_csv, newer, tmp_path, monkeypatch):
    before = predicting._ahead
    monkeypatch.setattr(predicting, "_ahead", lambda *of: before(*of).assign(y_hat=lambda rows: 3 * rows["y_hat"]))
    notes = predict(run_on_csv.folder, {"path": str(newer)}, tmp_path / "out").source.notes
    said = [note for note in notes if "leaves the range" in note]
    assert said[0].endswith(
        "trust another model, or train a network again with another `model.reference` or `model.head`"
    )


def test_nothing_is_told_of_drift_where_all_is_as_it_was(run_on_csv, newer, tmp_path):
    prediction = predict(run_on_csv.folder, {"path": str(newer)}, tmp_path / "out")
    assert not [line for line in prediction.drift if "errs more" in line]


def test_without_a_refit_the_baseline_is_the_one_that_was_backtested(tmp_path):
    """Fitted on the run's own rows, whatever the newer data hold; and said."""
    run = train(small_job(training__refit=False), tmp_path / "run", silent())
    name = run.evaluation.baseline
    longer = {"duration": 1.5}
    predicted = predict(run.folder, longer, tmp_path / "out")
    panel = predicted.source.panel
    expected = run.evaluation.test.fitted[name].forecast(panel, last_origins(panel)).y_hat.ravel()
    rows = predicted.future[predicted.future["model"] == name]
    np.testing.assert_allclose(rows["y_hat"], expected, rtol=1e-9)
    assert any("training.refit=false" in note for note in predicted.source.notes)
