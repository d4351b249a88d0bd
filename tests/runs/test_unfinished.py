from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from forecast.errors import ForecastError
from forecast.runs import files
from forecast.runs.folder import new_folder
from forecast.runs.unfinished import (
    Owner,
    clean,
    find_interrupted,
    holds_checkpoint,
    locked,
    owner_of,
    read_started,
    staging_of,
    sweep,
    take_over,
    write_started,
)
from forecast.series.calendar import Calendar
from forecast.series.panel import Source, single_series

DEAD = Owner(2**22 + 1, platform.node(), 1)  # above the largest number that Linux gives


def a_source(values=range(30), fingerprint="a"):
    panel = single_series(np.array(values, dtype=float), np.arange(len(values)), Calendar(freq=None))
    return Source(panel, {"delimiter": "comma"}, (), fingerprint)


def left_over(final, *names, owner=DEAD):
    """A folder as a process leaves it that is killed."""
    staging = staging_of(final)
    staging.mkdir(parents=True)
    (staging / files.OWNER).write_text(json.dumps(asdict(owner)))
    for name in names:
        (staging / name).write_text("")
    return staging


def test_a_process_is_known_by_its_number_its_machine_and_its_birth():
    this = Owner.this()
    assert not this.is_gone(seen=0)
    assert replace(this, born=this.born + 1).is_gone(time.time()), "another process has its number now"
    assert DEAD.is_gone(time.time())
    elsewhere = replace(DEAD, host="elsewhere")
    assert not elsewhere.is_gone(seen=time.time())
    assert elsewhere.is_gone(seen=time.time() - 1000)


def test_a_folder_being_written_is_owned_and_a_finished_one_is_not(tmp_path):
    with new_folder(tmp_path / "run") as draft:
        assert owner_of(draft.staging) == Owner.this()
        (draft.staging / files.RECORD).write_text("{}")
    assert os.listdir(tmp_path / "run") == [files.RECORD]


def test_the_next_run_sweeps_what_dead_processes_left(tmp_path):
    day = tmp_path / "2026-11-29"
    dead = left_over(day / "a", files.STARTED, files.RESULTS)
    resumable = left_over(day / "b", files.STARTED, files.EARLIER_CHECKPOINT)
    alive = left_over(day / "c", owner=Owner.this())
    just_made = staging_of(day / "d")
    just_made.mkdir()
    assert sweep([tmp_path, day]) == [resumable]
    assert [path.exists() for path in (dead, resumable, alive, just_made)] == [False, True, True, True]


def test_a_run_that_is_resumed_is_not_swept_though_it_had_nothing_yet(tmp_path):
    dead = left_over(tmp_path / "a", files.STARTED)
    assert sweep([tmp_path], resumed=tmp_path / "a") == []
    assert dead.exists()


def test_clean_lists_and_removes_all_but_what_is_being_written(tmp_path):
    resumable = left_over(tmp_path / "b", files.CHECKPOINT)
    (tmp_path / "b").mkdir()
    alive = left_over(tmp_path / "c", owner=Owner.this())
    cleaned = clean([tmp_path])
    assert [(left.folder, left.owner) for left in cleaned] == [(resumable, None), (alive, Owner.this())]
    assert all(left.size > 30 for left in cleaned)
    assert os.listdir(tmp_path) == [alive.name]


def test_one_process_at_a_time(tmp_path):
    with locked(tmp_path), pytest.raises(ForecastError, match=rf"process {os.getpid()} on .* is writing"):
        take_over(tmp_path)
    assert os.listdir(tmp_path) == []
    (tmp_path / files.OWNER).write_text(json.dumps(asdict(DEAD)))
    with locked(tmp_path):
        assert owner_of(tmp_path) == Owner.this()


def test_what_is_resumed_is_found_by_its_folder_or_as_the_latest(tmp_path):
    for age, name in enumerate(["one", "two"]):
        staging = left_over(tmp_path / "day" / name, files.STARTED, files.CHECKPOINT)
        os.utime(staging / files.STARTED, (1000 + age, 1000 + age))
    left_over(tmp_path / "day" / "alive", files.STARTED, owner=Owner.this())
    one, two = tmp_path / "day" / "one", tmp_path / "day" / "two"
    assert find_interrupted("latest", tmp_path).final == two
    for named in (one, staging_of(one)):
        assert find_interrupted(str(named)).staging == staging_of(one)
    one.mkdir()
    (one / files.RECORD).write_text("{}")
    assert find_interrupted(str(one)).staging is None
    with pytest.raises(ForecastError, match="nothing of one is there"):
        find_interrupted(str(tmp_path / "three"))
    clean([tmp_path])
    with pytest.raises(ForecastError, match=rf"process {os.getpid()} .*still at work"):
        find_interrupted("latest", tmp_path)
    with pytest.raises(ForecastError, match="found no run"):
        find_interrupted("latest", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("source", "difference"),
    [
        (a_source(range(31), "b"), "number of rows was 30 and is 31 now"),
        (a_source([0.5] * 30, "b"), "their values are others"),
        (replace(a_source(fingerprint="b"), found={"delimiter": "tab"}), "delimiter was comma and is tab now"),
    ],
)
def test_other_data_are_refused_and_the_difference_named(tmp_path, source, difference):
    write_started(tmp_path, {"seed": 3}, a_source())
    started = read_started(tmp_path)
    assert started.settings == {"seed": 3}
    started.check(a_source())
    with pytest.raises(ForecastError, match=difference):
        started.check(source)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "settings": 3}', "[" * 100_000])
def test_a_beginning_that_is_not_ours_is_one_line(tmp_path, content):
    (tmp_path / files.STARTED).write_text(content)
    with pytest.raises(ForecastError, match=r"started\.json' cannot be read"):
        read_started(tmp_path)


def test_a_failure_leaves_the_checkpoint_and_nothing_else(tmp_path):
    def fail():
        with new_folder(tmp_path / "run") as draft:
            (draft.staging / "figures").mkdir()
            for name in (files.STARTED, files.CHECKPOINT, files.RESULTS):
                (draft.staging / name).write_text("")
            raise MemoryError

    with pytest.raises(MemoryError) as error:
        fail()
    assert error.value.__notes__ == [f"go on with `python -m forecast resume={tmp_path / 'run'}`"]
    assert sorted(os.listdir(staging_of(tmp_path / "run"))) == [files.CHECKPOINT, files.STARTED]
    with new_folder(tmp_path / "run", resumed=True) as again:
        assert again.final == tmp_path / "run"
        assert holds_checkpoint(again.staging)
        (again.staging / files.RECORD).write_text("{}")
    assert os.listdir(tmp_path) == ["run"]
    assert os.listdir(tmp_path / "run") == [files.RECORD]
