"""Pictures painted by processes beside this one are those painted here, and no process outlives its work."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import vl_convert

from forecast.reporting import pictures
from forecast.reporting.pictures import SCALE, Painters, painter_count

CHARTS = [
    json.dumps({"data": {"values": [{"a": k}, {"a": 2}]}, "mark": "bar", "encoding": {"x": {"field": "a"}}})
    for k in range(3)
]
PICTURES = [vl_convert.vegalite_to_png(json.loads(chart), scale=SCALE) for chart in CHARTS]


def painted(painters, folder):
    for k, chart in enumerate(CHARTS):
        painters.submit(chart, folder / "new" / f"{k}.png")
    painters.finish()
    return [path.read_bytes() for path in sorted(folder.glob("new/*"))]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_any_number_of_painters_paints_the_same(number, tmp_path):
    with Painters(number) as painters:
        assert len(painters._processes) == number
        assert painted(painters, tmp_path) == PICTURES
    assert all(process.returncode is not None for process in painters._processes)


def test_what_painters_that_have_died_leave_is_painted_here(tmp_path):
    with Painters(2) as painters:
        for process in painters._processes:
            process.kill()
        assert painted(painters, tmp_path) == PICTURES


@pytest.mark.parametrize("executable", ["/nowhere/python3", "/usr/bin/another-program", ""])
def test_where_no_painter_can_be_started_it_is_painted_here(executable, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", executable)
    with Painters(2) as painters:
        assert painters._processes == []
        assert painted(painters, tmp_path) == PICTURES


def test_a_fault_in_a_chart_is_told_by_this_process_and_leaves_no_file(tmp_path):
    with Painters(1) as painters:
        painters.submit('{"mark": 3}', tmp_path / "0.png")
        with pytest.raises(ValueError, match="PNG conversion failed"):
            painters.finish()
    assert list(tmp_path.iterdir()) == []


def interrupted(painters, folder):
    with painters:
        for k in range(20):
            painters.submit(CHARTS[0], folder / f"{k}.png")
        raise KeyboardInterrupt


def test_painters_are_ended_whatever_they_do(tmp_path):
    painters = Painters(2)
    with pytest.raises(KeyboardInterrupt):
        interrupted(painters, tmp_path)
    assert [process.returncode for process in painters._processes] == [-signal.SIGKILL] * 2
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal
from forecast.reporting.pictures import Painters
print(Painters(1)._processes[0].pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_painter_ends_with_a_process_that_is_killed():
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    status = Path(f"/proc/{int(killed.stdout)}/stat")
    until = time.monotonic() + 60
    # One that has ended may stay a zombie until somebody asks for it.
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_part_of_a_picture_is_not_taken_for_all(tmp_path):
    whole = tmp_path / "whole"
    with whole.open("wb") as pipe:
        pictures.send(pipe, b"picture")
    content = whole.read_bytes()
    for length in range(len(content) + 1):
        (tmp_path / "part").write_bytes(content[:length])
        with (tmp_path / "part").open("rb") as pipe:
            assert pictures.receive(pipe) == (b"picture" if length == len(content) else None)


def test_a_painter_imports_nothing_heavy():
    command = [sys.executable, "-P", "-X", "importtime", pictures.__file__]
    log = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stderr
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in log.splitlines()}
    assert "vl_convert" in names
    assert not names & {"forecast", "altair", "numpy", "pandas", "torch", "multiprocessing"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the cores of a process are not known")
def test_one_core_needs_no_painters(monkeypatch):
    for cores, number in ((1, 0), (2, 2), (64, 2)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert painter_count() == number
