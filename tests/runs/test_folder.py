from __future__ import annotations

import json
import os
import threading

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastError
from forecast.runs import files
from forecast.runs.folder import find_run, new_folder
from forecast.runs.saving import write_results, write_table


def finish(draft, record="{}"):
    (draft.staging / files.RECORD).write_text(record)


def fail_with(failure, folder, names):
    with new_folder(folder) as draft:
        for name in names:
            (draft.staging / name).write_text("{}")
        raise failure


def test_a_finished_folder_appears_under_its_name(tmp_path):
    with new_folder(tmp_path / "2026-11-20" / "12-00-00") as draft:
        finish(draft)
        assert not draft.final.exists()
    assert draft.final == tmp_path / "2026-11-20" / "12-00-00"
    assert os.listdir(tmp_path / "2026-11-20") == ["12-00-00"]


@pytest.mark.parametrize("failure", [RuntimeError("disk"), KeyboardInterrupt(), ForecastError("mistake")])
def test_whatever_goes_wrong_nothing_is_left_behind(tmp_path, failure):
    with pytest.raises(type(failure)):
        fail_with(failure, tmp_path / "outputs" / "day" / "time", [files.RECORD])
    assert os.listdir(tmp_path) == []


def test_parents_that_were_there_stay(tmp_path):
    (tmp_path / "outputs").mkdir()
    with pytest.raises(RuntimeError), new_folder(tmp_path / "outputs" / "day" / "time"):
        raise RuntimeError
    assert os.listdir(tmp_path) == ["outputs"]
    assert os.listdir(tmp_path / "outputs") == []


def test_a_crash_leaves_nothing_that_is_taken_for_a_run(tmp_path, monkeypatch):
    """As after a power cut: the writing stops and nobody tidies up, at each file in turn."""
    names = [files.RESULTS, files.WEIGHTS, files.RECORD]
    monkeypatch.setattr("forecast.runs.folder.shutil.rmtree", lambda *_, **__: None)
    for written in range(len(names) + 1):
        outputs = tmp_path / str(written)
        with pytest.raises(SystemExit):
            fail_with(SystemExit(), outputs / "run", names[:written])
        with pytest.raises(ForecastError, match="found no run"):
            find_run("latest", outputs)
        with pytest.raises(ForecastError, match="no such folder"):
            find_run(outputs / "run")


def test_runs_that_want_the_same_folder_do_not_collide(tmp_path):
    names, started = [], threading.Barrier(8)

    def one():
        started.wait()
        with new_folder(tmp_path / "12-00-00") as draft:
            finish(draft)
        names.append(draft.final.name)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == ["12-00-00", *(f"12-00-00-{i}" for i in range(2, 9))]
    assert all((tmp_path / name / files.RECORD).exists() for name in names)
    assert len(os.listdir(tmp_path)) == 8


def test_a_folder_that_holds_no_run_keeps_what_it_has(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "forecast.log").write_text("log")
    with new_folder(tmp_path / "mine") as draft:
        (draft.staging / "figures").mkdir()
        finish(draft)
    assert draft.final == tmp_path / "mine"
    assert sorted(os.listdir(tmp_path / "mine")) == ["figures", "forecast.log", "run.json"]


def test_a_run_is_never_written_over(tmp_path):
    for expected in ("mine", "mine-2"):
        with new_folder(tmp_path / "mine") as draft:
            finish(draft, expected)
        assert draft.final.name == expected
    assert (tmp_path / "mine" / files.RECORD).read_text() == "mine"


def test_an_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ForecastError, match=r"cannot write into .*hydra\.run\.dir"),
        new_folder(tmp_path / "file" / "x"),
    ):
        pass


def test_latest_is_the_run_that_says_it_finished_last_winners_of_sweeps_included(tmp_path):
    """By what the runs say: files that were copied or unpacked have other times."""
    for hour, name in enumerate(["day/12-00-00", "day/11-00-00", "sweep/winner", ".sweep.unfinished/x"]):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / files.RECORD).write_text(json.dumps({"format": 1, "created": f"2026-11-29T0{hour}:00:00+00:00"}))
        os.utime(folder / files.RECORD, (9000 - hour, 9000 - hour))
    assert find_run("latest", tmp_path) == tmp_path / "sweep" / "winner"
    (tmp_path / "day/12-00-00" / files.RECORD).write_text('{"created": "2026-11-29T01:30:00-03:00"}')
    assert find_run("latest", tmp_path) == tmp_path / "day" / "12-00-00"


@pytest.mark.parametrize(
    "record", ["", "{}", '{"created": "yesterday, perhaps"}', '{"created": "2026-13-01T00:00:00"}']
)
def test_latest_passes_over_what_it_cannot_open_and_says_so(tmp_path, capsys, record):
    for name, content in (("bad\x1b[2J", record), ("good", '{"created": "2026-11-29T01:30:00+01:00"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / files.RECORD).write_text(content)
    assert find_run("latest", tmp_path) == tmp_path / "good"
    said = capsys.readouterr().err
    assert said == f"`run=latest` passes over {tmp_path}/bad\\x1b[2J, which cannot be opened\n"


def test_tables_come_back_with_all_their_digits(tmp_path):
    table = pd.DataFrame({"model": ["lstm", "naive"], "mae": [1 / 3, np.nan], "status": ["ok", "too short"]})
    write_table(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == f"model,mae,status\nlstm,{1 / 3!r},ok\nnaive,,too short\n"
    results = pd.DataFrame({"model": pd.Categorical(["a"]), "ds": np.array(["2026-01-01"], "M8[ns]"), "y_hat": [0.1]})
    write_results(results, tmp_path / "r.parquet")
    assert pd.read_parquet(tmp_path / "r.parquet").y_hat.tolist() == [0.1]
