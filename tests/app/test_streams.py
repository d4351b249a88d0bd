"""Standard output that is closed, full or of few characters ends no run."""

import io
import os
import sys
from pathlib import Path

import pytest

from forecast.app.streams import Output, forgiving_output


class Full(io.StringIO):
    """A stream that takes nothing, as /dev/full."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(("number", "status", "said"), [(28, 74, "what was to be printed is lost"), (32, 1, "")])
@pytest.mark.usefixtures("tasks")
def test_output_that_is_lost_does_not_end_the_task(command, monkeypatch, number, status, said):
    monkeypatch.setattr(sys, "stdout", Full(number))
    ended = command("horizon=3")
    assert ended.status == status
    assert len(list(Path.cwd().glob("outputs/*/*/run.json"))) == 1
    assert ended.err.startswith(f"forecast: {said}" if said else "")


@pytest.mark.usefixtures("tasks")
def test_nothing_can_be_said_where_standard_error_is_full_too(command, monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, Full(28))
    assert command("horizon=3").status == 74


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_streams_that_are_closed_are_nowhere(monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    with forgiving_output() as output:
        print("x", file=getattr(sys, name), flush=True)
    assert output.error is None
    assert getattr(sys, name) is None


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("cp1252", "-3 … inf – ? - é"), ("cp949", "-3 … ∞ - 가 ━ ?"), ("utf-8", "−3 … ∞ – 가 ━ é")],
)
def test_characters_that_a_terminal_lacks_are_written_otherwise(monkeypatch, encoding, written):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    with forgiving_output():
        print("−3 … ∞ – 가 ━ é", end="")
    assert stream.buffer.getvalue().decode(encoding) == written
    assert stream.errors == "strict"


def test_a_stream_is_what_it_was_in_all_else():
    assert not Output(io.StringIO()).isatty()
