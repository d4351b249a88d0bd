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


def test_what_painters_that_have_died_leave_is_painted_by_others(tmp_path):
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


@pytest.mark.parametrize("number", [0, 1])
def test_a_chart_that_cannot_be_painted_costs_that_picture_alone(number, tmp_path, capsys):
    with Painters(number) as painters:
        painters.submit('{"mark": 3}', tmp_path / "0.png")
        painters.submit(CHARTS[1], tmp_path / "1.png")
        painters.finish()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [PICTURES[1]]
    assert capsys.readouterr().err.startswith("1 pictures are left out (0.png first)")


def test_painters_that_die_of_every_chart_cost_the_pictures_alone(tmp_path, capsys, monkeypatch):
    """As V8 does where addresses are limited."""
    real = pictures._started
    monkeypatch.setattr(pictures, "_started", lambda number: [process.kill() or process for process in real(number)])
    with Painters(2) as painters:
        assert painted(painters, tmp_path) == []
    said = capsys.readouterr().err
    assert said.startswith("3 pictures are left out (0.png first)")
    assert said.count("\n") == 1


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
def test_as_many_painters_as_cores_and_no_more_than_two(monkeypatch):
    for cores, number in ((1, 1), (2, 2), (64, 2)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert painter_count() == number
