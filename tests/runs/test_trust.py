"""The data file that a run names is opened unsaid only where this user made the run."""

from __future__ import annotations

import json
import shutil
import stat

import pytest

from forecast.errors import ForecastError
from forecast.runs.trust import check_data_path, is_own, mark_of

SETTINGS = {"data": {"path": "/data/sales.csv", "time": "day"}, "model": {"name": "pretrained", "weights": None}}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_mark_is_of_the_user_and_of_the_files_that_the_settings_name(home):
    mark = mark_of(SETTINGS)
    key = home / "forecast" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in key.parent.iterdir()] == ["key"]
    assert is_own(json.loads(json.dumps(SETTINGS)), mark)
    assert is_own({**SETTINGS, "seed": 3}, mark)
    assert not is_own({**SETTINGS, "data": {"path": "/etc/passwd", "time": "day"}}, mark)
    assert not is_own({**SETTINGS, "model": {"name": "pretrained", "weights": "/etc/passwd"}}, mark)
    assert not is_own(SETTINGS, "")
    shutil.rmtree(home)  # another machine, or user
    assert not is_own(SETTINGS, mark)


def test_of_a_stranger_a_path_has_to_be_said_again(home, tmp_path):
    with pytest.raises(ForecastError, match=r"not made here by you, and the data that it names \('/data/sales.csv'\)"):
        check_data_path(SETTINGS, "00", {"time": "day"}, tmp_path)
    check_data_path(SETTINGS, "00", {"path": "/data/sales.csv"}, tmp_path)
    check_data_path(SETTINGS, mark_of(SETTINGS), {}, tmp_path)
    check_data_path({"data": {"name": "sinewave"}}, "00", {}, tmp_path)


@pytest.mark.parametrize("broken", [b"short", None])
def test_without_a_key_every_run_is_a_strangers(home, broken):
    (home / "forecast").mkdir(parents=True)
    if broken is None:
        (home / "forecast" / "key").mkdir()
    else:
        (home / "forecast" / "key").write_bytes(broken)
    assert mark_of(SETTINGS) == ""
    assert not is_own(SETTINGS, "")
