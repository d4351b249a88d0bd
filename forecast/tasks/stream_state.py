"""A run in use: rows of any of its series come in, forecasts go out, and the state can be saved."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from forecast.errors import ForecastError
from forecast.evaluation.online import Backtested
from forecast.reading.covariates import check_known_ahead
from forecast.reading.row_stream import Columns, Row
from forecast.runs import files
from forecast.runs.run import channels_of
from forecast.series.date_features import features_of, with_features
from forecast.series.timetable import Timetable
from forecast.tasks.newer import common_panel, newer_job, newer_source
from forecast.tasks.settings import check_job
from forecast.tasks.stream_series import BETWEEN, Answer, StreamedSeries, read_value, stand_in
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.runs.run import Run
    from forecast.series.panel import Panel, Source

LEVELS = {0.5: (0.25, 0.75), 0.8: (0.1, 0.9), 0.9: (0.05, 0.95), 0.95: (0.025, 0.975)}
"""Ends of the interval that holds a share of what comes."""


class Stream:
    """A run in use: rows come in, of any of its series in any order, and a forecast goes out after each.

    Parameters
    ----------
    run : an opened run
    past : what precedes the rows; None: nothing, each series begins with its first row
    share : of what comes that the intervals are to hold; None: no intervals

    """

    def __init__(self, run: Run, past: Panel | None = None, share: float | None = 0.9) -> None:
        if channels_of(run.record)[0].at_end:
            raise ForecastError(
                "a run on labels, one at the end of each series, has nothing to stream: use task=predict"
            )
        self.run = run
        self.notes: list[str] = []
        """What happened that is no answer to a row: drift that began or ended, steps that were missing."""
        self.levels = None if share is None or run.problem.question.forecasts_probabilities else LEVELS[share]
        self._places = {name: i for i, name in enumerate(run.record.data.ids)}
        self._series: dict[int, StreamedSeries] = {}
        self._timetables: dict[Any, Timetable] = {}
        if past is not None:
            had = () if past.ahead is None else features_of(past.ahead.channels)
            names = [name for name in features_of(channels_of(run.record)) if name not in had]
            past = with_features(past, names, run.problem.horizon)
            for i, name in enumerate(past.ids):
                self._begin(self._places[name], past.take(np.array([i])))

    @property
    def columns(self) -> Columns:
        """What columns of rows may be called."""
        data, found = check_job(dict(self.run.record.settings)).data.model_dump(), self.run.record.data.found
        style = self.run.calendar.style
        channels = channels_of(self.run.record)
        detected = {what: [found[what], found[what].rsplit(" (", 1)[0]] for what in ("id", "target") if what in found}
        targets = [data.get("target"), *detected.get("target", []), channels[0].name]
        given = tuple(channel.name for channel in channels[1:] if channel.computed is None and channel.role != "static")
        return Columns(
            ids=_texts([data.get("id"), *detected.get("id", []), "unique_id"]),
            times=_texts([data.get("time"), *(style.columns if style is not None else ()), "ds"]),
            targets=_texts([*targets, *(self._places if len(self._places) == 1 else ()), "y"]),
            series=tuple(self._places),
            covariates=given,
        )

    def update(self, value: Any, *, id: str | None = None, time: Any = None, **given: Any) -> Answer:  # noqa: A002
        """Take a row and forecast.

        Parameters
        ----------
        value : the target; None or NaN where it is missing
        id : of the series, where there are several
        time : as a text; None: the next step
        given : covariates by name; those of later steps as a dictionary, `**{"promotion+1": 0}`

        Raises
        ------
        ForecastError
            A row that cannot be taken; nothing has changed then.

        """
        answer = self.take([Row(1, id, None if time is None else str(time), value, given or None)])[0]
        if isinstance(answer, ForecastError):
            raise answer
        if answer is None:
            raise ForecastError("the row is about a step that is still to come, and there is nothing to forecast yet")
        return answer

    def take(self, rows: Sequence[Row], *, decimal_comma: bool = False) -> list[Answer | ForecastError | None]:
        """Take rows and forecast after each: answers in the order of the rows, or what is wrong with a row.

        None: covariates of a later step, which have been noted.
        """
        answers: list[Answer | ForecastError | None] = [None] * len(rows)
        by_series: dict[int, list[tuple[int, Row]]] = {}
        for place, row in enumerate(rows):
            series = 0 if row.id is None and len(self._places) == 1 else self._places.get(row.id or "", -1)
            if series < 0:
                answers[place] = self._unknown(row.id)
            else:
                by_series.setdefault(series, []).append((place, row))
        for series, of_series in by_series.items():
            begun = 0
            while series not in self._series and begun < len(of_series):
                place, row = of_series[begun]
                answers[place] = self._first(series, row, decimal_comma=decimal_comma)
                begun += 1
            if series in self._series:
                taken = self._series[series]
                for place, answer in taken.take(of_series[begun:], decimal_comma=decimal_comma):
                    answers[place] = answer
                self.notes += taken.notes
                taken.notes.clear()
        return answers

    def save(self, path: str | Path) -> None:
        """Write the state of all series, so that `Stream.open` goes on from it bit for bit; whole or not at all."""
        arrays = {"run": self._fingerprint(), "levels": np.array(self.levels or ())}
        for i, series in self._series.items():
            arrays |= {f"{i}{BETWEEN}{name}": array for name, array in series.memory().items()}
        path = Path(path)
        staged = path.with_name(f".{path.name}.unfinished")
        staged.write_bytes(save({name: np.array(array, order="C") for name, array in arrays.items()}))
        os.replace(staged, path)

    @staticmethod
    def open(run: Run, path: str | Path, share: float | None = 0.9) -> Stream:
        """Go on from a state that `save` wrote.

        Raises
        ------
        ForecastError
            It is not there, of another run or with other intervals, or no such file.

        """
        stream = Stream(run, None, share)
        try:
            arrays = load(Path(path).read_bytes())
        except (OSError, SafetensorError, ValueError) as error:
            raise ForecastError(f"`stream.state={path}` cannot be read ({error}): name another file") from None
        if not np.array_equal(arrays.pop("run", np.zeros(0)), stream._fingerprint()):
            raise ForecastError(f"`stream.state={path}` is of another run than {run.folder}: name another file")
        if not np.array_equal(arrays.pop("levels", np.full(1, np.nan)), np.array(stream.levels or ())):
            raise ForecastError(f"`stream.state={path}` has other intervals: leave `stream.interval` as it was")
        try:
            for i in sorted({int(name.partition(BETWEEN)[0]) for name in arrays}):
                prefix = f"{i}{BETWEEN}"
                memory = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
                stream._begin(i, stand_in(run, i))
                stream._series[i].remember(memory)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ForecastError(f"`stream.state={path}` does not fit the run ({error}): name another file") from None
        return stream

    def _fingerprint(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        digest = hashlib.sha256((self.run.folder / files.WEIGHTS).read_bytes()).digest()
        return np.frombuffer(digest, dtype=np.int64)

    def _unknown(self, name: str | None) -> ForecastError:
        known = ", ".join(map(repr, list(self._places)[:5]))
        if name is None:
            return ForecastError(f"it names no series, and there are {len(self._places)}: {known}, ...")
        return ForecastError(f"the run does not know the series {name!r}; it was trained on {known}")

    def _begin(self, i: int, past: Panel) -> None:
        offsets = self.run.record.intervals.arrays().get(self.run.record.network.name)
        known = Backtested(offsets, self.run.record.intervals.scale[i], self.run.problem.value_range)
        live = self.run.network.of_series(i).start(past)
        self._series[i] = StreamedSeries(self.run, live, self._timetable, known, self.levels)
        self._series[i].begin_after(past.times[-1])

    def _timetable(self, time: Any) -> Timetable:
        """Return a timetable from some time on, which series share."""
        if time not in self._timetables:
            self._timetables[time] = Timetable(self.run.calendar, time)
        return self._timetables[time]

    def _first(self, i: int, row: Row, *, decimal_comma: bool) -> Answer | ForecastError:
        """Begin a series with its first row."""
        channels = channels_of(self.run.record)
        try:
            value = read_value(row.value, channels[0], decimal_comma=decimal_comma)
            if np.isnan(value):
                return ForecastError("a series cannot begin with a missing value")
            self._begin(i, stand_in(self.run, i, row, value))
        except ForecastError as error:
            return error
        return self._series[i].latest(row)


def begin_stream(run: Run, data: Mapping[str, Any], share: float | None = 0.9, source: Source | None = None) -> Stream:
    """Begin after data, which are read as task=predict reads them; `source` are data that are in memory already.

    What was left out, and where the data end, are the first notes of the stream.
    """
    job = newer_job(run, data, "stream")
    source = source or newer_source(run, job, data)
    panel, notes = common_panel(run, source.panel, getattr(job.data, "on_new_series", "error"))
    check_known_ahead(panel, run.problem.horizon)
    begun = Stream(run, panel, share)
    last = run.calendar.write(panel.times[-1:])[0]
    begun.notes = [*notes, f"goes on after {counted(len(panel.times), 'row')} of the data, the last of {last}"]
    return begun


def _texts(names: Sequence[Any]) -> tuple[str, ...]:
    """Keep each text once."""
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
