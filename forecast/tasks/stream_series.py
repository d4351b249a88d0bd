"""One series of a stream: a row comes in, a forecast with its interval goes out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forecast.errors import ForecastError
from forecast.evaluation.online import Drift, OnlineIntervals
from forecast.forecasters.covariate_stream import is_missing
from forecast.forecasters.covariate_stream import number_of as code_of
from forecast.forecasters.interface import Forecasts, within_range
from forecast.forecasters.transformed import FittedTransformed
from forecast.reading.row_stream import number_of
from forecast.runs.run import channels_of
from forecast.series.date_features import features_of, with_features
from forecast.series.panel import KnownAhead, Panel, Statics
from forecast.series.timetable import Timetable
from forecast.tasks.settings import check_job
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from forecast.evaluation.online import Backtested
    from forecast.forecasters.live import Forecast
    from forecast.reading.row_stream import Row
    from forecast.runs.run import Run
    from forecast.series.panel import Channel, FloatArray

_MOST_SKIPPED = 10_000
"""Steps that a gap may have; of more a time is taken for a mistake."""
BETWEEN = "/"
"""Stands between the parts of a name in a state."""


class Answer(NamedTuple):
    """The forecast after a row.

    Attributes
    ----------
    id, time : of the row, the time as it was written
    y_hat : (step,) values, probabilities of a rise, or codes of symbols
    ends : (2, step) of the interval, NaN where not known; None: there are none
    probabilities : (step, symbol) where symbols are forecast

    """

    id: str
    time: str
    y_hat: FloatArray
    ends: FloatArray | None = None
    probabilities: FloatArray | None = None


class StreamedSeries:
    """One series of a stream: its network, its intervals, and where it stands in time."""

    def __init__(
        self,
        run: Run,
        live: Any,
        timetable: Callable[[Any], Timetable],
        known: Backtested,
        levels: tuple[float, float] | None,
    ) -> None:
        first = live.forecast()
        self.name = first.ids[0]
        self.notes: list[str] = []
        self._live = live
        self._range = run.problem.value_range
        channels = channels_of(run.record)
        self._target = channels[0]
        self._past = [channel for channel in channels if channel.role == "past"]
        self._above_zero = isinstance(run.network, FittedTransformed)
        self._ahead = [channel.name for channel in channels if channel.role == "future" and channel.computed is None]
        self._horizon = run.problem.horizon
        self._timetable_from = timetable
        first = self._kept(first)
        self._intervals = None if levels is None else OnlineIntervals(known, first, levels)
        self._drift = None if run.problem.question.forecasts_probabilities else Drift(known, first)

    def begin_after(self, time: Any) -> None:
        """Say what the time of the latest row is."""
        self._timetable = self._timetable_from(time)
        self._step = 0  # of the latest row in the timetable

    def latest(self, row: Row) -> Answer:
        """Return the forecast after the latest row, which has not been brought to the intervals."""
        forecasts = self._kept(self._live.forecast())
        ends = None if self._intervals is None else self._intervals.latest(forecasts)
        return self._answer(row.time, self._step, forecasts, ends, 0)

    def take(self, rows: Sequence[tuple[int, Row]], *, decimal_comma: bool) -> list[tuple[int, Any]]:
        """Take rows, each with its place among the answers, and return the answers."""
        answers: list[tuple[int, Any]] = []
        waiting: list[tuple[int, Row, int]] = []  # place, row and step of those that are taken together
        values: list[float] = []
        for place, row in rows:
            try:
                step, value = self._check(row, decimal_comma=decimal_comma)
                if step > self._step + 1 or self._reads_covariates:
                    answers += self._forecast(waiting, values)
                    waiting, values = [], []
                    if self._is_ahead(row, value):
                        self._live.learn(step - self._step, row.given)
                        continue
                    self._learn(row, step)
                    values = self._skip(step)
            except ForecastError as error:
                answers.append((place, error))
                continue
            self._step = step
            waiting.append((place, row, step))
            values.append(value)
            if step > self._timetable.soon_over:
                self._timetable.reached(step)
            if self._past:
                answers += self._forecast(waiting, values, row.given)
                waiting, values = [], []
        return answers + self._forecast(waiting, values)

    def memory(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """Everything that changes, by name."""
        parts = {"live": self._live, "intervals": self._intervals, "drift": self._drift}
        time = np.array([self._timetable.time(self._step)]).astype(np.int64)
        return {"time": time} | {
            f"{part}{BETWEEN}{name}": array
            for part, owner in parts.items()
            if owner is not None
            for name, array in owner.memory().items()
        }

    def remember(self, memory: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Go on from where `memory` was taken."""
        for part, owner in (("live", self._live), ("intervals", self._intervals), ("drift", self._drift)):
            if owner is not None:
                prefix = f"{part}{BETWEEN}"
                owner.remember({name.removeprefix(prefix): a for name, a in memory.items() if name.startswith(prefix)})
        self.begin_after(memory["time"].astype(self._timetable.dtype)[0])

    @property
    def _reads_covariates(self) -> bool:
        return bool(self._past or self._ahead)

    def _is_ahead(self, row: Row, value: float) -> bool:
        """Whether a row only tells what is known of a later step."""
        return math.isnan(value) and bool(self._ahead) and all(name in (row.given or {}) for name in self._ahead)

    def _check(self, row: Row, *, decimal_comma: bool) -> tuple[int, float]:
        """Return the step and value of a row."""
        try:
            value = math.nan if decimal_comma or self._target.categories else float(row.value)
        except (TypeError, ValueError):
            value = math.nan
        if not abs(value) < math.inf:  # few are: what is missing, infinite, a symbol, has a decimal comma
            value = read_value(row.value, self._target, decimal_comma=decimal_comma)
        if self._above_zero and value <= 0:
            raise ForecastError(f"the value {value:g} is not above zero, and the network forecasts its logarithm")
        for channel in self._past:
            if not is_missing(covariate := (row.given or {}).get(channel.name)):
                code_of(covariate, channel)
        if row.time is None:
            return self._step + 1, value
        step = self._timetable.step(row.time)
        if step == self._step:
            raise ForecastError(f"series {self.name!r} has a row for {row.time} already: a second one is left out")
        if step < self._step:
            last = self._timetable.write(self._step)
            raise ForecastError(f"the time {row.time} of series {self.name!r} is before its latest row, {last}")
        if step - self._step > _MOST_SKIPPED:
            raise ForecastError(
                f"{row.time} is {step - self._step:,} steps after the latest row: start again from data"
            )
        return step, value

    def _skip(self, step: int) -> list[float]:
        """Values of the steps that are missing before a row."""
        skipped = step - self._step - 1
        if skipped:
            first, last = self._timetable.write(self._step + 1), self._timetable.write(step - 1)
            span = first if skipped == 1 else f"{first} to {last}"
            self.notes.append(f"series {self.name!r}: {counted(skipped, 'missing step')} ({span}), read as masked")
        return [float("nan")] * skipped

    def _learn(self, row: Row, step: int) -> None:
        """Take what a row says of covariates that are known ahead.

        Raises
        ------
        ForecastError
            They are not known far enough for a forecast.

        """
        given, steps_since = row.given or {}, step - self._step
        if not self._ahead:
            return
        if any(name in given for name in self._ahead):
            self._live.learn(steps_since, given)
        for ahead in sorted({int(key.rpartition("+")[2]) for key in given if key.rpartition("+")[0] in self._ahead}):
            later = {name: given[f"{name}+{ahead}"] for name in self._ahead if f"{name}+{ahead}" in given}
            self._live.learn(steps_since + ahead, later)
        known = self._live.known_steps
        if known is not None and known < steps_since + self._horizon:
            name, has = self._ahead[0], max(known - steps_since, 0)
            raise ForecastError(
                f"a forecast needs {name!r} {self._horizon} steps ahead, and it is known {has} ahead: give "
                f"{name}+{has + 1} to {name}+{self._horizon} in the row, or rows of later times without a value"
            )

    def _forecast(
        self, rows: Sequence[tuple[int, Row, int]], values: Sequence[float], given: Mapping[str, Any] | None = None
    ) -> list[tuple[int, Answer]]:
        """Bring values to the network, of which the last ones are those of the rows, and answer each row."""
        if not values:
            return []
        y = np.array(values)
        forecasts = self._kept(self._live_forecasts(y, given or {}))
        ends = None if self._intervals is None else self._intervals.update(y, forecasts)
        skipped = len(values) - len(rows)
        if self._drift is not None:
            for j, sentence in self._drift.update(y, forecasts):
                when = rows[max(j - skipped, 0)]
                time = when[1].time or self._timetable.write(when[2])
                self.notes.append(f"series {self.name!r} at {time}: {sentence}")
        return [
            (place, self._answer(row.time, step, forecasts, ends, skipped + j))
            for j, (place, row, step) in enumerate(rows)
        ]

    def _live_forecasts(self, y: FloatArray, given: Mapping[str, Any]) -> Forecasts:
        made: Forecasts
        if not self._past:
            made = self._live.update_many(y)
            return made
        nothing = [None] * len(self._past)
        pasts = [[nothing]] * (len(y) - 1) + [[[given.get(channel.name) for channel in self._past]]]
        made = self._live.update_many(y, pasts)
        return made

    def _answer(self, time: str | None, step: int, forecasts: Forecasts, ends: FloatArray | None, j: int) -> Answer:
        probabilities = forecasts.probabilities
        return Answer(
            self.name,
            time or self._timetable.write(step),
            forecasts.y_hat[j],
            None if ends is None else ends[j],
            None if probabilities is None else probabilities[j],
        )

    def _kept(self, forecasts: Forecasts | Forecast) -> Forecasts:
        """Move forecasts into the range of values that there can be."""
        unbounded = Forecasts(forecasts.y_hat, forecasts.quantiles, probabilities=forecasts.probabilities)
        return within_range(unbounded, self._range)


def read_value(value: Any, target: Channel, *, decimal_comma: bool = False) -> float:
    """Read a value of the target, of symbols their code; NaN where it is missing.

    Raises
    ------
    ForecastError
        It is no number, or a symbol that the run does not know.

    """
    if not target.categories:
        return number_of(value, decimal_comma=decimal_comma)
    if value is None or value == "":
        return float("nan")
    if str(value) not in target.categories:
        raise ForecastError(f"the run does not know the symbol {str(value)[:40]!r}")
    return float(target.categories.index(str(value)))


def stand_in(run: Run, i: int, row: Row | None = None, value: float = 0.0) -> Panel:
    """Make the past of a series out of its first row; without a row one that is to be forgotten.

    Raises
    ------
    ForecastError
        The network needs a longer past, or covariates that nothing is known of.

    """
    record, calendar, problem = run.record, run.calendar, run.problem
    channels = channels_of(record)
    own = tuple(channel for channel in channels if channel.role in ("target", "past"))
    given = tuple(channel for channel in channels if channel.role == "future" and channel.computed is None)
    static = tuple(channel for channel in channels if channel.role == "static")
    job = check_job(dict(record.settings))
    windows = job.training.regime == "windows" and record.network.reference is not None
    rows = problem.context_steps if windows else 1
    if row is not None and (rows > 1 or given):
        why = f"reads windows of {rows} rows" if rows > 1 else f"reads {given[0].name!r} ahead"
        raise ForecastError(f"a series cannot begin with one row, because the network {why}: begin with data")
    begin: Any = (
        np.int64(0) if calendar.freq is None else calendar.go(np.datetime64("2000-01-01", "ns"), np.array([0]))[0]
    )
    if row is not None and row.time is not None:
        begin = Timetable(calendar, begin).read(row.time)
        if begin is None:
            raise ForecastError(f"the time {row.time!r} cannot be read: write it as ISO 8601, or as in the run's data")
    values, masked = np.zeros((rows, len(own))), np.zeros((rows, len(own)), dtype=np.bool_)
    values[:, 0] = 1.0 if row is None and job.data.transform == "log" else value
    for j, channel in enumerate(own[1:], start=1):
        covariate = None if row is None else (row.given or {}).get(channel.name)
        masked[:, j] = is_missing(covariate)
        values[:, j] = 0.0 if is_missing(covariate) else code_of(covariate, channel)
    nothing = np.zeros((rows + problem.horizon, len(given)))
    panel = Panel(
        values=values,
        observed=~masked,
        offsets=np.array([0, rows]),
        times=calendar.go(begin, np.arange(rows)),
        ids=(record.data.ids[i],),
        channels=own,
        calendar=calendar,
        masked=masked,
        ahead=KnownAhead(nothing, nothing != 0, np.array([0, len(nothing)]), given) if given else None,
        static=Statics(np.zeros((1, len(static))), np.zeros((1, len(static)), np.bool_), static) if static else None,
    )
    return with_features(panel, features_of(channels), problem.horizon)
