"""What ends the program from outside: a line, how to go on, and the shell's status."""

import os
import shlex
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from forecast.app.signals import heeded
from forecast.errors import Stopped


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "forecast: interrupted; go on with X"),
        (Stopped(signal.SIGINT), 130, "forecast: interrupted; go on with X"),
        (Stopped(signal.SIGTERM), 143, "forecast: stopped by SIGTERM; go on with X"),
    ],
)
def test_what_ended_a_task_is_said_in_a_line(command, tasks, error, status, said):
    tasks.error = error
    error.add_note("go on with X")
    ended = command()
    assert (ended.status, ended.err) == (status, f"\n{said}\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped(signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM"])
def test_a_study_that_was_ended_says_by_which_command_it_goes_on(command, tasks, error, tmp_path):
    tasks.error = error
    ended = command("task=tune", "horizon=7", "data.path=my file.csv", "hydra.run.dir=some where")
    goes_on = ended.err.partition("; go on with `python -m forecast ")[2].rstrip("`\n")
    tasks.error = None
    assert command(*shlex.split(goes_on)).status == 0
    assert tasks.tuned == [(7, tmp_path / "some where")] * 2


def test_a_request_to_terminate_is_an_exception_meanwhile():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(Stopped), heeded():
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_library_that_computes_on_does_not_keep_the_process():
    """Python runs no handler meanwhile; what is kept of the task is said all the same."""
    code = (
        "import hashlib, os, signal, threading, forecast.app.signals as signals\n"
        "signals._GRACE_S = 0.2\n"
        "with signals.heeded(), signals.said_when_ended(lambda: 'go on with X'):\n"
        "    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (143, "forecast: stopped by SIGTERM; go on with X\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_command_is_loaded_ends_it_in_a_line(tmp_path, number):
    """As soon as our own code runs; what Python does before is not ours."""
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    (tmp_path / "hydra.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "forecast"]
    # a shell that starts tests in the background has them ignore SIGINT, and children inherit that
    default = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": default}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline() == b"loading\n"
        time.sleep(0.1)
        process.send_signal(number)
        said = process.stderr.read()
    assert (process.returncode, said.count(b"\n")) == (128 + number, 1)


def test_a_signal_during_imports_comes_after_them():
    from forecast.importing import importing

    done = []

    def interrupted_import():
        with heeded(), importing():
            signal.raise_signal(signal.SIGTERM)
            done.append(1)

    with pytest.raises(Stopped):
        interrupted_import()
    assert done == [1]
