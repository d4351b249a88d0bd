"""Predictions file by file: none lost, none doubled, whatever is stopped, torn or killed."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from dask.distributed import LocalCluster
from small_jobs import small_job

from forecast.app import main
from forecast.errors import ForecastError
from forecast.tasks import partitions
from forecast.tasks.partitions import predict_parts
from forecast.tasks.predict import predict
from forecast.tasks.settings import PredictSettings, check_job
from forecast.tasks.terminal import silent
from forecast.tasks.train import train

STEPS, SERIES, PARTS = 120, 8, 4
DAYS = pd.date_range("2024-01-01", periods=STEPS)
BY_FILE = PredictSettings(by_file=True)


def table(series, steps=STEPS):
    step = np.arange(steps)
    return pd.DataFrame(
        {"shop": f"s{series}", "date": DAYS[:steps], "y": 10 + series + np.sin(2 * np.pi * (step + series) / 7)}
    )


@pytest.fixture(scope="module", name="run")
def run_of_a_panel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    pd.concat([table(i, STEPS - 10) for i in range(SERIES)]).to_csv(folder / "all.csv", index=False)
    data = {"name": "csv", "path": str(folder / "all.csv"), "calendar": []}
    baseline = {"naive": {"name": "naive", "method": "naive"}}
    return train(small_job(data=data, baseline=baseline), folder / "run", silent()).folder


@pytest.fixture(name="newer")
def newer_files(tmp_path):
    """Two series in each of four Parquet files."""
    folder = tmp_path / "newer"
    folder.mkdir()
    for part in range(PARTS):
        pd.concat([table(2 * part), table(2 * part + 1)]).to_parquet(folder / f"{part}.parquet", index=False)
    return folder


@pytest.fixture(name="forecast_of")
def counted_forecasts(monkeypatch):
    """The parts that were forecast, in their order."""
    seen, real = [], partitions.forecast_after

    def spy(run, job, source):
        seen.append(source.panel.ids)
        return real(run, job, source)

    monkeypatch.setattr(partitions, "forecast_after", spy)
    return seen


def read(parts):
    return pd.concat([pd.read_parquet(path) for path in parts.paths], ignore_index=True)


def test_the_parts_together_are_the_prediction_of_all(run, newer, tmp_path):
    parts = predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE)
    whole = predict(run, {"path": str(newer)}, tmp_path / "whole").future
    keys = ["model", "unique_id", "ds"]
    ours, theirs = (table.sort_values(keys, ignore_index=True) for table in (read(parts), whole))
    assert not ours.duplicated(keys).any()
    pd.testing.assert_frame_equal(ours, theirs[list(ours)], check_dtype=False, rtol=1e-5)
    assert f"{SERIES} series of {PARTS} files forecast" in parts.sentence


def test_what_was_stopped_goes_on_with_what_is_missing(run, newer, tmp_path, monkeypatch, forecast_of):
    real = partitions._forecast

    def stopped(part):
        if part.file.endswith("2.parquet"):
            raise KeyboardInterrupt
        return real(part)

    monkeypatch.setattr(partitions, "_forecast", stopped)
    with pytest.raises(KeyboardInterrupt):
        predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE)
    monkeypatch.setattr(partitions, "_forecast", real)
    assert len(forecast_of) == 2
    parts = predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE)
    assert forecast_of[2:] == [("s4", "s5"), ("s6", "s7")]
    assert parts.done_before == 2
    again = predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE)
    assert (len(forecast_of), again.done_before) == (4, 4)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_torn_part_is_done_again_and_what_lies_aside_is_removed(run, newer, tmp_path, share, forecast_of):
    first = predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE)
    whole = first.paths[1].read_bytes()
    first.paths[1].write_bytes(whole[: int(share * len(whole))])
    aside = first.paths[1].with_name(".1.parquet.parquet.77.unfinished")
    aside.write_bytes(whole)
    predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE)
    assert forecast_of[PARTS:] == [("s2", "s3")]
    assert first.paths[1].read_bytes() == whole
    assert not aside.exists()


def test_a_file_that_has_changed_and_other_settings_are_done_again(run, newer, tmp_path, forecast_of):
    before = read(predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE))
    changed = pd.concat([table(0), table(1)]).assign(y=lambda rows: rows["y"].round())
    changed.to_parquet(newer / "0.parquet", index=False)
    after = read(predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE))
    assert forecast_of[PARTS:] == [("s0", "s1")]
    assert set(after["unique_id"][before["y_hat"] != after["y_hat"]]) == {"s0", "s1"}
    predict_parts(run, {"path": str(newer), "on_gaps": "previous"}, tmp_path / "out", BY_FILE)
    assert len(forecast_of) == 2 * PARTS + 1


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_done(run, newer, tmp_path):
    (newer / "1.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(ForecastError, match=r"1 of 4 files could not be forecast, first '.*1\.parquet'.* goes on"):
        predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE)
    assert len(list((tmp_path / "out" / "parts").iterdir())) == PARTS - 1
    pd.concat([table(2), table(3)]).to_parquet(newer / "1.parquet", index=False)
    assert predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE).done_before == PARTS - 1


def test_a_series_in_two_files_is_refused(run, newer, tmp_path):
    pd.concat([table(0), table(2)]).to_parquet(newer / "again.parquet", index=False)
    with pytest.raises(ForecastError, match=r"series 's0', 's2' stand in '.*0\.parquet' and in '.*again\.parquet'"):
        predict_parts(run, {"path": str(newer)}, tmp_path / "out", BY_FILE)


def test_the_command(run, newer, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = ["task=predict", f"run={run}", f"data.path={newer}", "predict.by_file=true", "hydra.run.dir=out"]
    assert main(said) == 0
    assert "8 series of 4 files forecast" in capsys.readouterr().out
    assert main(said) == 0
    assert "4 files of them before" in capsys.readouterr().out


def test_generated_data_have_no_files(trained, tmp_path):
    with pytest.raises(ForecastError, match=r"say which with `data\.path=folder`"):
        predict_parts(trained.folder, {}, tmp_path / "out", BY_FILE)
    assert not (tmp_path / "out").exists()


def test_workers_without_files_and_without_their_package_are_refused(run, newer, tmp_path, monkeypatch):
    with pytest.raises(ForecastError, match=r"predict\.by_file=true"):
        check_job({**small_job().model_dump(mode="json"), "predict": {"workers": 2}})
    monkeypatch.setitem(__import__("sys").modules, "dask.distributed", None)
    with pytest.raises(ForecastError, match=r"pip install 'recurrent-forecast\[distributed\]'"):
        predict_parts(run, {"path": str(newer)}, tmp_path / "out", PredictSettings(by_file=True, workers=2))


def test_workers_of_a_scheduler_elsewhere_find_files_that_are_named_from_here(run, newer, tmp_path, monkeypatch):
    said = []
    with LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address="127.0.0.1:0") as dask:

        def join(line):
            said.append(line)
            dask.scale(1)

        monkeypatch.chdir(newer.parent)
        settings = PredictSettings(by_file=True, scheduler=dask.scheduler_address)
        parts = predict_parts(run, {"path": newer.name}, "out", settings, join)
    assert said[0] == f"no worker has joined {settings.scheduler} yet: waiting"
    assert len(said) == 1 + PARTS
    alone = predict_parts(run, {"path": str(newer)}, tmp_path / "alone", BY_FILE)
    assert read(parts).equals(read(alone))


def test_a_scheduler_that_does_not_answer_is_named(run, newer, tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "_PATIENCE_S", 1)
    for address in ("tcp://127.0.0.1:1", "tcp://127.0.0.1:99999", "nonsense"):
        settings = PredictSettings(by_file=True, scheduler=address)
        with pytest.raises(ForecastError, match=f"predict.scheduler={address}`: no scheduler of Dask answers there"):
            predict_parts(run, {"path": str(newer)}, tmp_path / "out", settings)


def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(run, newer, tmp_path):
    killed = []

    def kill_one(line):
        if not killed:
            killed.append(multiprocessing.active_children()[0])
            killed[0].kill()

    parts = predict_parts(
        run, {"path": str(newer)}, tmp_path / "out", PredictSettings(by_file=True, workers=2), kill_one
    )
    assert len(killed) == 1
    assert sorted(path.name for path in (tmp_path / "out" / "parts").iterdir()) == [path.name for path in parts.paths]
    alone = predict_parts(run, {"path": str(newer)}, tmp_path / "alone", BY_FILE)
    for ours, theirs in zip(parts.paths, alone.paths, strict=True):
        assert pq.read_table(ours).equals(pq.read_table(theirs))
