"""`task=stream`: rows come through a pipe, and a forecast with its interval goes out after each."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from forecast.errors import ForecastError
from forecast.reading.row_stream import RowReader
from forecast.runs import files
from forecast.runs.run import channels_of, open_run
from forecast.tasks.stream_series import Answer
from forecast.tasks.stream_state import Stream, begin_stream
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from forecast.reading.row_stream import Row
    from forecast.runs.run import Run
    from forecast.series.panel import FloatArray
    from forecast.tasks.settings import StreamSettings

_SAVE = "save"
"""A line that asks for the state to be saved."""
_LONGEST_LINE = 1 << 24


def stream(
    run: str | Path,
    data: Mapping[str, Any],
    settings: StreamSettings,
    *,
    source: Iterable[bytes],
    write: Callable[[bytes], object],
    say: Callable[[str], object],
    outputs: str | Path = "outputs",
) -> None:
    """Answer every row of a source by a line with the forecast after it, and what is wrong with a row by a sentence.

    Parameters
    ----------
    data : settings of `data.*` that are new; the rows follow these data
    source : pieces of bytes as they come
    write, say : take lines for the answers, and sentences

    Raises
    ------
    ForecastError
        No such run, data that do not fit it, or a state that does not.

    """
    opened = open_run(run, outputs)
    conversation = _Conversation(_begun(opened, data, settings, say), settings, write, say)
    try:
        for lines in _lines(source):
            conversation.take(lines)
    except KeyboardInterrupt:
        say("interrupted")
    if settings.state is not None:
        conversation.save()


class _Conversation:
    """Rows that come and what is said to each."""

    def __init__(
        self,
        streamed: Stream,
        settings: StreamSettings,
        write: Callable[[bytes], object],
        say: Callable[[str], object],
    ) -> None:
        self._streamed, self._settings = streamed, settings
        self._write, self._say = write, say
        self._reader, self._writer = RowReader(streamed.columns), _LineWriter(streamed, settings)
        self._comma = streamed.run.record.data.found.get("decimal") == "comma"
        self._answered = 0

    def take(self, lines: Iterable[str]) -> None:
        """Read lines that came together, and answer them; one that asks for it has the state saved at its place."""
        rows: list[Row] = []
        refused: dict[int, ForecastError] = {}
        for line in lines:
            if line.startswith(_SAVE) and line.strip() == _SAVE:
                self._answer(rows, refused)
                rows, refused = [], {}
                self.save()
                continue
            try:
                rows += self._reader.read(line)
            except ForecastError as error:
                refused[self._reader.number] = error
        self._answer(rows, refused)

    def save(self) -> None:
        """Save the state, where it is said to which file."""
        if self._settings.state is None:
            self._say("the state is not saved: set `stream.state=` to a file")
            return
        self._streamed.save(self._settings.state)
        self._say(f"the state after {counted(self._answered, 'row')} is in {self._settings.state}")

    def _answer(self, rows: list[Row], refused: dict[int, ForecastError]) -> None:
        form = self._reader.form
        answers = self._streamed.take(rows, decimal_comma=self._comma and form == "csv")
        refused |= {row.number: a for row, a in zip(rows, answers, strict=True) if isinstance(a, ForecastError)}
        for number, error in sorted(refused.items()):
            self._say(f"row {number}: {error}")
        forecasts = [one for one in answers if isinstance(one, Answer)]
        self._answered += len(forecasts)
        if forecasts:
            self._write(self._writer.lines(forecasts, form or "csv"))
        for note in self._streamed.notes:
            self._say(note)
        self._streamed.notes.clear()


def _begun(run: Run, data: Mapping[str, Any], settings: StreamSettings, say: Callable[[str], object]) -> Stream:
    """Go on from a state, from data, or from nothing."""
    if settings.state is not None and Path(settings.state).exists():
        if data:
            raise ForecastError(
                f"`data.{next(iter(data))}` has no use beside the state in {settings.state}, which goes on from its "
                f"own rows: drop it, or name another `stream.state`"
            )
        say(f"goes on from {settings.state}")
        return Stream.open(run, settings.state, settings.interval)
    if not settings.history:
        return Stream(run, None, settings.interval)
    begun = begin_stream(run, data, settings.interval)
    for note in begun.notes:
        say(note)
    begun.notes.clear()
    return begun


def _lines(source: Iterable[bytes]) -> Iterator[list[str]]:
    """Cut pieces of bytes into whole lines."""
    rest = b""
    for piece in source:
        complete, end, rest = (rest + piece).rpartition(b"\n")
        if end:
            yield complete.decode("utf-8", "replace").split("\n")
        if len(rest) > _LONGEST_LINE:
            raise ForecastError(f"a line is longer than {_LONGEST_LINE:,} bytes: hand over one row a line")
    if rest:
        yield [rest.decode("utf-8", "replace")]


class _LineWriter:
    """Writes answers as lines, in the form in which rows come unless the settings name another."""

    def __init__(self, streamed: Stream, settings: StreamSettings) -> None:
        self._form = settings.output
        horizon = streamed.run.problem.horizon
        ahead = settings.steps or tuple(range(1, horizon + 1))
        if max(ahead) > horizon:
            raise ForecastError(
                f"`stream.steps` names step {max(ahead)}, and the run forecasts {horizon}: name some of 1 to {horizon}"
            )
        self._ahead = None if ahead == tuple(range(1, horizon + 1)) else np.array(ahead) - 1
        self._symbols = channels_of(streamed.run.record)[0].categories
        self._ends = () if streamed.levels is None else tuple(f"q{level:g}" for level in streamed.levels)
        names = ("symbol", "chance") if self._symbols else ("y_hat", *self._ends)
        self._header = ",".join(["unique_id", "ds", *(f"{name}+{step}" for name in names for step in ahead)]) + "\n"

    def lines(self, answers: Sequence[Answer], form: str) -> bytes:
        """Return a line for each answer, the first time after a header where the form is CSV."""
        form = self._form or form
        begin = _begin_object if form == "json" else _begin_cells
        parts = [[begin(answer) for answer in answers]]
        for name, lists in self._named_lists(answers).items():
            parts.append([b',"%b":[%b]' % (name.encode(), numbers) if form == "json" else numbers for numbers in lists])
        lines = map((b"" if form == "json" else b",").join, zip(*parts, strict=True))
        if form == "json":
            return b"}\n".join([*lines, b""])
        header, self._header = self._header.encode(), ""
        return header + b"\n".join([*lines, b""]).replace(b"null", b"")

    def _named_lists(self, answers: Sequence[Answer]) -> dict[str, list[bytes]]:
        """Numbers of each answer by the name of their columns, separated by commas."""
        y_hat = self._shown([answer.y_hat for answer in answers])
        if self._symbols:
            best = [answer.probabilities.max(axis=1) for answer in answers if answer.probabilities is not None]
            symbols = [orjson.dumps([self._symbols[int(code)] for code in codes])[1:-1] for codes in y_hat]
            return {"symbol": symbols, "chance": _lists(self._shown(best))}
        ends = [answer.ends for answer in answers if answer.ends is not None]
        shown = (
            self._shown(ends).reshape(len(answers), -1, y_hat.shape[1]) if ends else y_hat[:, None]
        )  # (row, end, step)
        return {"y_hat": _lists(y_hat)} | {
            name: _lists(np.ascontiguousarray(shown[:, i])) for i, name in enumerate(self._ends)
        }

    def _shown(self, steps: Sequence[FloatArray]) -> FloatArray:
        """Put arrays of steps, (..., step), below each other: (row, step)."""
        table = np.concatenate(steps, axis=None).reshape(-1, steps[0].shape[-1])
        return table if self._ahead is None else np.ascontiguousarray(table[:, self._ahead])


def _lists(table: FloatArray) -> list[bytes]:
    """Numbers of each row of a table with all their digits, separated by commas; NaN is null."""
    return orjson.dumps(table, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")


def _begin_object(answer: Answer) -> bytes:
    return orjson.dumps({"unique_id": answer.id, "ds": answer.time})[:-1]


def _begin_cells(answer: Answer) -> bytes:
    return f"{_cell(answer.id)},{_cell(answer.time)}".encode()


@lru_cache(1 << 12)
def _cell(text: str) -> str:
    """Write a text as a cell that no spreadsheet takes for a formula."""
    text = files.as_text(text)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text
