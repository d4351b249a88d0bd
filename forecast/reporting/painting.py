"""Charts to PNG, several at a time: some are painted by processes beside this one.

The library that paints holds Python's lock while it does, so that threads cannot share the work. A painter is an
interpreter that runs this very file: it takes charts from its standard input and gives pictures to its standard output
until its input ends, which it does with this process, however that comes about. Nothing but the standard library and
vl-convert is imported here, since a painter waits for it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING, NamedTuple

import vl_convert

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType
    from typing import IO

SCALE = 2
MOST_PAINTERS = 2
LENGTH_BYTES = 8
FIRST = '{"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a"}}}'
"""A chart that is drawn for nothing: a painter's first one takes half a second more than all others."""


def png(chart: str) -> bytes:
    """Paint a chart, Vega-Lite as JSON."""
    painted: bytes = vl_convert.vegalite_to_png(chart, scale=SCALE)
    return painted


class _Asked(NamedTuple):
    chart: str
    path: Path
    answer: Future[bytes | None] | None


class Painters:
    """Paint charts as files, in so many processes beside this one; 0: in this one.

    What a painter cannot do, because it could not be started, has ended or finds a fault in a chart, is done here.

    Examples
    --------
    >>> with Painters(painters_here()) as painters:  # doctest: +SKIP
    ...     painters.ask(chart, Path("chart.png"))
    ...     painters.finish()

    """

    def __init__(self, number: int) -> None:
        self._asked: list[_Asked] = []
        self._processes = begun(number) if number else []
        self._idle: SimpleQueue[Popen[bytes]] = SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(len(self._processes)) if self._processes else None

    def __enter__(self) -> Painters:
        """Begin; the painters have begun already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End all painters, whatever they are doing."""
        for process in self._processes:
            process.kill()
        if self._threads:
            self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            # What has not been sent to a painter that has ended cannot be sent any more.
            with contextlib.suppress(OSError), process:
                pass

    def forecast_task(self, chart: str, path: Path) -> None:
        """Have a chart painted, Vega-Lite as JSON; its file, and folder, are there after `finish`."""
        answer = self._threads.submit(self._painted, chart.encode()) if self._threads else None
        self._asked.append(_Asked(chart, path, answer))

    def finish(self) -> None:
        """Write all pictures."""
        for chart, path, answer in self._asked:
            picture = (answer and answer.result()) or png(chart)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture)
        self._asked.clear()

    def _painted(self, chart: bytes) -> bytes | None:
        """Hand a chart to a painter that is idle (there are as many as threads); None: it has ended."""
        process = self._idle.get()
        try:
            return _ask(process, chart)
        except OSError:
            return None
        finally:
            self._idle.put(process)


def painters_here() -> int:
    """How many processes are of use: none on one core."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores, MOST_PAINTERS) if cores > 1 else 0


def begun(number: int) -> list[Popen[bytes]]:
    """Begin painters, none where that is not possible."""
    # Where Python is part of another program, that would be started in its place.
    if not Path(sys.executable or "").stem.startswith("python"):
        return []
    # -P: the modules beside this file are not to be taken for those of the standard library.
    command = [sys.executable, "-P", str(Path(__file__))]
    try:
        return [Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) for _ in range(number)]  # noqa: S603 - ours
    except OSError:
        return []


def _ask(process: Popen[bytes], chart: bytes) -> bytes | None:
    if process.stdin is None or process.stdout is None:
        raise TypeError("a painter is begun with pipes")
    send(process.stdin, chart)
    return receive(process.stdout)


def send(pipe: IO[bytes], content: bytes) -> None:
    """Write bytes after their number, so that a part of them is never taken for all."""
    pipe.write(len(content).to_bytes(LENGTH_BYTES, "big") + content)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """Read what was sent; None where the pipe ends before all of it has come."""
    length = pipe.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    content = pipe.read(expected := int.from_bytes(length, "big"))
    return content if len(content) == expected else None


def paint(charts: IO[bytes], pictures: IO[bytes]) -> None:
    """Paint what comes until nothing does: what a painter lives for."""
    png(FIRST)
    while (chart := receive(charts)) is not None:
        send(pictures, png(chart.decode()))


if __name__ == "__main__":
    paint(sys.stdin.buffer, sys.stdout.buffer)
