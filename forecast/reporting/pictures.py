"""Figures as PNG, painted by processes beside this one: several at a time, and at their own risk.

The library that paints reserves many gigabytes of addresses and ends its process where it does not get them, which
costs the pictures then, and nothing else. It holds Python's lock while it paints, so that threads cannot share the
work. A painter is an interpreter that runs this very file: it takes charts from its standard input and gives pictures
to its standard output until its input ends, which it does with this process, however that comes about. Nothing but the
standard library and vl-convert is imported at the top, since a painter waits for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING, Any, NamedTuple

import vl_convert

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from types import TracebackType
    from typing import IO

    from forecast.reporting.charts import Figure, Panel

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SCALE = 2
PICTURE_WIDTH, GAP = 900, 60
_LINE_LENGTH = 140
"""Letters that a line of text has in a picture."""
_MOST_PAINTERS = 2
_LENGTH_BYTES = 8
_FIRST = '{"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a"}}}'
"""A chart that is drawn for nothing: a painter's first one takes half a second more than all others."""


def write_pictures(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Write each figure that has panels as a PNG named after it."""
    drawn = [figure for figure in figures if figure.panels]
    with Painters(min(painter_count(), len(drawn))) as painters:
        paths = [painters.submit_figure(figure, folder) for figure in drawn]
        painters.finish()
    return paths


# Figures as one Vega-Lite chart each


def picture_spec(figure: Figure) -> dict[str, Any]:
    """Return a figure as one picture, panels side by side under its title."""
    from forecast.reporting.theme import chart_config, picture_font  # noqa: PLC0415 - a painter does without

    columns = min(figure.columns, len(figure.panels))
    width = (PICTURE_WIDTH - GAP * (columns - 1)) // columns
    tables = [rows for panel in figure.panels for rows in panel.tables.values()]
    symbols = [str(row["text"]) for rows in tables for row in rows if "text" in row]
    texts = json.dumps([figure.says, symbols, *(panel.spec for panel in figure.panels)], ensure_ascii=False)
    return {
        "$schema": SCHEMA,
        "title": {"text": figure.title, "subtitle": _wrapped(figure.says), "fontSize": 16, "offset": 14},
        "concat": [
            {**_keyed(_still(panel, str(i)), figure), "width": width, **_heading(panel, width)}
            for i, panel in enumerate(figure.panels)
        ],
        "columns": columns,
        "spacing": 24,
        "datasets": {
            f"{i}{name}": rows for i, panel in enumerate(figure.panels) for name, rows in panel.tables.items()
        },
        "config": chart_config(picture_font(texts)),
        "padding": 16,
    }


def _heading(panel: Panel, width: int) -> dict[str, Any]:
    if panel.title is None:
        return {}
    note = {"subtitle": _wrapped(panel.note, width * _LINE_LENGTH // PICTURE_WIDTH)} if panel.note else {}
    return {"title": {"text": panel.title, **note}}


def _still(panel: Panel, prefix: str) -> dict[str, Any]:
    """Return a panel for a picture: its tables under names of its own, without what only a pointer can find.

    Clipping goes too where nothing is cut off; a picture cannot be zoomed, and clipping is slow.
    """

    def rewritten(node: Any) -> Any:
        if isinstance(node, list):
            return [rewritten(item) for item in node]
        if not isinstance(node, dict):
            return node
        hidden = {key for key, value in node.items() if key == "point" and value.get("opacity") == 0}
        hidden |= set() if panel.cut else {"clip"}
        if "layer" in node:
            node = {**node, "layer": [layer for layer in node["layer"] if layer["mark"].get("opacity") != 0]}
        return {
            key: {"name": prefix + value["name"]} if key == "data" else rewritten(value)
            for key, value in node.items()
            if key not in hidden
        }

    still: dict[str, Any] = rewritten(panel.spec)
    return still


def _keyed(spec: dict[str, Any], figure: Figure) -> dict[str, Any]:
    """Let lines that bring their own colour take it from the figure's legend, so that a picture has one, too.

    A page writes the legend itself. Only where every line is in it.
    """
    drawn = {row["of"] for panel in figure.panels for rows in panel.tables.values() for row in rows if "ink" in row}
    labels = [key.label for key in figure.keys]
    if not drawn <= set(labels):
        return spec
    scale = {"domain": labels, "range": [key.colour for key in figure.keys]}
    named = {"field": "of", "type": "nominal", "scale": scale}

    def with_names(view: dict[str, Any]) -> dict[str, Any]:
        if view.get("encoding", {}).get("color", {}).get("field") != "ink":
            return view
        return {**view, "encoding": {**view["encoding"], "color": named}}

    layers = {"layer": [with_names(layer) for layer in spec["layer"]]} if "layer" in spec else {}
    return {**with_names(spec), **layers}


def _wrapped(text: str, length: int = _LINE_LENGTH) -> list[str]:
    """Break a text into lines that a picture has room for.

    >>> _wrapped("one two three", 8)
    ['one two', 'three']
    """
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > length:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


# Painters


class _Order(NamedTuple):
    """A chart to be painted as the file `path`; the picture is what a painter answers, if it can."""

    chart: str
    path: Path
    picture: Future[bytes | None] | None


class Painters:
    """Paint charts as files, in so many processes beside this one; 0, or where none can be started: in this one.

    What a painter that ends leaves is painted by another; what that does not paint either is left out, and a line on
    standard error says so.

    Examples
    --------
    >>> with Painters(painter_count()) as painters:  # doctest: +SKIP
    ...     painters.submit(chart, Path("chart.png"))
    ...     painters.finish()

    """

    def __init__(self, number: int) -> None:
        self._orders: list[_Order] = []
        self._processes = _started(number) if number else []
        self._idle: SimpleQueue[Popen[bytes]] = SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self._closed = False
        self._threads = ThreadPoolExecutor(len(self._processes)) if self._processes else None

    def __enter__(self) -> Painters:
        """Return the painters, which have started already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End all painters, whatever they are doing."""
        self._closed = True
        for process in self._processes:
            process.kill()
        if self._threads:
            self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            # What has not been sent to a painter that has ended cannot be sent any more.
            with contextlib.suppress(OSError), process:
                pass

    def submit(self, chart: str, path: Path) -> None:
        """Have a chart painted, Vega-Lite as JSON; its file, and folder, are there after `finish`."""
        picture = self._threads.submit(self._painted, chart.encode()) if self._threads else None
        self._orders.append(_Order(chart, path, picture))

    def submit_figure(self, figure: Figure, folder: Path) -> Path:
        """Have a figure painted as a PNG named after it; return its path."""
        path = folder / f"{figure.name}.png"
        self.submit(json.dumps(picture_spec(figure), ensure_ascii=False, allow_nan=False), path)
        return path

    def finish(self) -> None:
        """Write all pictures."""
        left_out = []
        for chart, path, picture in self._orders:
            content = _picture_or_none(chart) if picture is None else picture.result()
            if not content:
                left_out.append(path.name)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._orders.clear()
        if left_out:
            sys.stderr.write(
                f"{len(left_out)} pictures are left out ({left_out[0]} first): what paints them fails, as where "
                "memory is limited (`ulimit -v`); the page has all charts, and `report.png=false` paints none\n"
            )

    def _painted(self, chart: bytes) -> bytes | None:
        """Hand a chart to a painter that is idle (there are as many as threads), and to another if that ends."""
        process = self._idle.get()
        try:
            picture = _asked(process, chart)
            if picture is None and not self._closed:
                process.kill()
                process = (_started(1) or [process])[0]
                self._processes.append(process)
                picture = _asked(process, chart)
            return picture
        finally:
            self._idle.put(process)


def _asked(process: Popen[bytes], chart: bytes) -> bytes | None:
    """Let a painter paint a chart; "" where it cannot, None where it has ended."""
    if process.stdin is None or process.stdout is None:
        raise TypeError("a painter is started with pipes")
    try:
        send(process.stdin, chart)
        return receive(process.stdout)
    except OSError:
        return None


def painter_count() -> int:
    """Return how many processes are of use."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores, _MOST_PAINTERS)


def _started(number: int) -> list[Popen[bytes]]:
    """Start painters, none where that is not possible."""
    # Where Python is part of another program, that would be started in its place.
    if not Path(sys.executable or "").stem.startswith("python"):
        return []
    # -P: the modules beside this file are not to be taken for those of the standard library.
    command = [sys.executable, "-P", str(Path(__file__))]
    try:
        return [Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) for _ in range(number)]  # noqa: S603 - ours
    except OSError:
        return []


def send(pipe: IO[bytes], content: bytes) -> None:
    """Write bytes after their number, so that a part of them is never taken for all."""
    pipe.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """Read what was sent; None where the pipe ends before all of it has come."""
    length = pipe.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    content = pipe.read(expected := int.from_bytes(length, "big"))
    return content if len(content) == expected else None


def png(chart: str) -> bytes:
    """Paint a chart, Vega-Lite as JSON."""
    picture: bytes = vl_convert.vegalite_to_png(chart, scale=SCALE)
    return picture


def _picture_or_none(chart: str) -> bytes | None:
    try:
        return png(chart)
    except ValueError:
        return None


def _serve(charts: IO[bytes], pictures: IO[bytes]) -> None:
    """Paint charts until no more come: the whole life of a painter."""
    png(_FIRST)
    while (chart := receive(charts)) is not None:
        send(pictures, _picture_or_none(chart.decode()) or b"")


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
