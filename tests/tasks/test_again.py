"""`again=...`: a run is run anew, and says whether it came to the same."""

from __future__ import annotations

import json

import pytest

from forecast.errors import ForecastError
from forecast.runs.run import open_record
from forecast.tasks.again import again
from forecast.tasks.terminal import silent


def rewritten(folder, **changes):
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, **changes}))


def test_a_run_comes_to_the_same_once_more(trained, tmp_path):
    repeated = again(trained.folder, tmp_path / "anew", {}, console=silent())
    assert repeated.same
    assert repeated.sentence == f"the same as {trained.folder}: weights and scores are equal to the last bit"
    assert repeated.run.folder == tmp_path / "anew"


def test_what_differs_is_said_with_what_may_be_the_reason(run_folder, tmp_path):
    record = open_record(run_folder)
    versions = {**record.versions, "torch": "1.0"}
    settings = {**record.settings, "seed": 5, "backtest": {**record.settings["backtest"], "stride": 3}}
    rewritten(run_folder, settings=settings, versions=versions, command=["seed=5", "backtest.stride=3"])
    repeated = again(run_folder, tmp_path / "anew", {}, console=silent())
    assert not repeated.same
    assert "scores differ, first " in repeated.sentence
    assert "weights differ by" in repeated.sentence
    assert f"torch 1.0 then, {record.versions['torch']} now" in repeated.sentence
    assert "the data have changed" not in repeated.sentence
    assert open_record(tmp_path / "anew").command == ("seed=5", "backtest.stride=3")


def test_changed_data_are_named(run_folder, tmp_path):
    repeated = again(run_folder, tmp_path / "anew", {"noise": 0.2}, console=silent())
    assert "the data have changed" in repeated.sentence


def test_a_network_that_went_on_from_another_is_not_run_anew(run_folder, tmp_path):
    rewritten(run_folder, parent="outputs/old")
    with pytest.raises(ForecastError, match="went on learning from that of outputs/old"):
        again(run_folder, tmp_path / "anew", {}, console=silent())
