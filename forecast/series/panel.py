"""The panel: all series of a job, packed one after the other; and windows of its rows.

A *row* is one step of one series in the packed arrays; an *origin* is the last row that a forecast may know. A
*window* is the `context_steps` rows that end at an origin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from forecast.series.mapped import gathered, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecast.series.calendar import Calendar


FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
TimeArray: TypeAlias = npt.NDArray[np.datetime64] | npt.NDArray[np.int64]
Role: TypeAlias = Literal["target", "past", "future", "static"]


@dataclass(frozen=True)
class Channel:
    """One column of a panel, and when it is known: `future` over the horizon as well.

    With `categories` its values are their indices; without, they are numbers. A `computed` channel follows from the
    time alone, by the date feature of this name, without end. A target `at_end` is one label per series, in a row of
    its own after all that is read of the series (`reading.labels`).
    """

    name: str
    role: Role
    categories: tuple[str, ...] = ()
    computed: str | None = None
    at_end: bool = False


@dataclass(frozen=True, eq=False)
class KnownAhead:
    """Covariates that are known ahead, packed by series like a panel, and often longer than its targets.

    Attributes
    ----------
    values : (ahead row, channel) float64
    masked : (ahead row, channel) bool, whether the value is missing and must not be read
    offsets : (series + 1,) int64
        Row `offsets[i] + s` is step s of series i, counted from its first.
    channels : all of the role `future`

    """

    values: FloatArray
    masked: BoolArray
    offsets: IntArray
    channels: tuple[Channel, ...]

    def first_rows(self, steps: IntArray) -> BoolArray:
        """Whether each row is among the first `steps[i]` steps of its series, (ahead row,)."""
        return _first_rows(self.offsets, steps)

    def take(self, which: IntArray) -> KnownAhead:
        """Return some of the series, (series,), in the order given."""
        offsets, rows = _rows_of(self.offsets, which)
        return replace(self, values=gathered(self.values, rows), masked=gathered(self.masked, rows), offsets=offsets)


@dataclass(frozen=True, eq=False)
class Statics:
    """Covariates that are constant in each series.

    Attributes
    ----------
    values : (series, channel) float64
    masked : (series, channel) bool, whether the value is missing
    channels : all of the role `static`

    """

    values: FloatArray
    masked: BoolArray
    channels: tuple[Channel, ...]

    def take(self, which: IntArray) -> Statics:
        """Return some of the series, (series,), in the order given."""
        return replace(self, values=self.values[which], masked=self.masked[which])


@dataclass(frozen=True, eq=False)
class Origin:
    """Where data came from: what was found and decided as they were read, and the settings `data.*` that say so."""

    found: dict[str, str]
    notes: tuple[str, ...]
    fingerprint: str
    settings: dict[str, Any]
    form: TableForm | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """Series packed one after the other; never changed in place.

    Attributes
    ----------
    values : (row, channel) float64
        Channel 0 is the target. A value that was not observed is filled so that inputs stay usable (the notes of the
        source say how), never with NaN.
    observed : (row, channel) bool
        Whether the value is the user's; any other carries no loss, is no origin and is not scored.
    offsets : (series + 1,) int64
        Series i has rows `offsets[i]:offsets[i + 1]`.
    times : (row,) datetime64[ns] or int64, increasing within a series
        Wall-clock times of `calendar.timezone` in UTC where there is one; step numbers where there is no time.
    ids : of the series, as the user wrote them
    calendar : how the times go on, and how the user writes them
    masked : (row, channel) bool
        Missing values that were not filled and must not be read. None: there are none.
    ahead : covariates that are known ahead; `cut` leaves them whole
    static : covariates that are constant in each series
    origin : where the data came from, in a panel that the user was handed

    """

    values: FloatArray
    observed: BoolArray
    offsets: IntArray
    times: TimeArray
    ids: tuple[str, ...]
    channels: tuple[Channel, ...]
    calendar: Calendar
    masked: BoolArray | None = None
    ahead: KnownAhead | None = None
    static: Statics | None = None
    origin: Origin | None = None

    def __repr__(self) -> str:
        from forecast.series.sketch import facts_of  # noqa: PLC0415

        return f"Panel({'; '.join(f'{name}: {fact}' for name, fact in facts_of(self).items())})"

    def _repr_html_(self) -> str:
        """What was found, a line and the first rows, for a notebook."""
        from forecast.series.sketch import html_of  # noqa: PLC0415

        return html_of(self)

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @property
    def lengths(self) -> IntArray:
        """Steps of every series, (series,)."""
        return np.diff(self.offsets)

    @property
    def target(self) -> FloatArray:
        """The target of every row, (row,)."""
        return self.values[:, 0]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Alphabet of the target's codes; empty: the target is a number."""
        return self.channels[0].categories

    def target_or_nan(self, rows: slice | IntArray = slice(None)) -> FloatArray:
        """Return the target at some rows, NaN where it was not observed."""
        y: FloatArray = np.where(self.target_observed[rows], self.target[rows], np.nan)
        return y

    @property
    def target_observed(self) -> BoolArray:
        """Whether the target of a row is the user's, (row,)."""
        return self.observed[:, 0]

    @property
    def at_end(self) -> bool:
        """Whether the target is one label a series, in its last row."""
        return self.channels[0].at_end

    def series(self) -> Iterator[tuple[str, slice]]:
        """Ids with their rows."""
        for i, name in enumerate(self.ids):
            yield name, slice(int(self.offsets[i]), int(self.offsets[i + 1]))

    def take(self, which: IntArray) -> Panel:
        """Return some of the series, (series,), in the order given."""
        if np.array_equal(which, np.arange(len(self))):
            return self
        offsets, rows = _rows_of(self.offsets, which)
        return replace(
            self,
            values=gathered(self.values, rows),
            observed=gathered(self.observed, rows),
            times=gathered(self.times, rows),
            offsets=offsets,
            ids=tuple(self.ids[i] for i in which),
            masked=None if self.masked is None else gathered(self.masked, rows),
            ahead=None if self.ahead is None else self.ahead.take(which),
            static=None if self.static is None else self.static.take(which),
        )

    def target_alone(self) -> Panel:
        """Drop all covariates; arrays are views."""
        return replace(
            self,
            values=self.values[:, :1],
            observed=self.observed[:, :1],
            channels=self.channels[:1],
            masked=None if self.masked is None else self.masked[:, :1],
            ahead=None,
            static=None,
        )

    def first_rows(self, steps: IntArray) -> BoolArray:
        """Whether each row is among the first `steps[i]` steps of its series, (row,)."""
        return _first_rows(self.offsets, steps)

    def cut(self, steps: IntArray) -> Panel:
        """Keep only the first `steps[i]` steps of every series; what lies after them is not in the result at all."""
        steps = np.minimum(steps, self.lengths)
        if np.array_equal(steps, self.lengths):
            return self
        keep = self.first_rows(steps)
        return replace(
            self,
            values=kept(self.values, keep),
            observed=kept(self.observed, keep),
            times=kept(self.times, keep),
            offsets=np.concatenate([[0], np.cumsum(steps)]),
            masked=None if self.masked is None else kept(self.masked, keep),
        )


def _first_rows(offsets: IntArray, steps: IntArray) -> BoolArray:
    kept = np.zeros(int(offsets[-1]), dtype=np.bool_)
    for first, end in zip(offsets[:-1].tolist(), (offsets[:-1] + steps).tolist(), strict=True):
        kept[first:end] = True
    return kept


def _rows_of(offsets: IntArray, which: IntArray) -> tuple[IntArray, IntArray]:
    """Offsets, (chosen series + 1,), and rows, (chosen row,), of some of the series that are packed with `offsets`."""
    lengths = np.diff(offsets)[which]
    packed = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return packed, np.arange(packed[-1]) + np.repeat(offsets[which] - packed[:-1], lengths)


@dataclass(frozen=True)
class TableForm:
    """How the user writes tables; a forecast is given back in the same form.

    Attributes
    ----------
    encoding : as Python calls it
    time, identity : headings of the columns of times and of ids

    """

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    time: str = "time"
    identity: str = "series"


PLAIN_FORM = TableForm()
"""Of data that come from no text."""


@dataclass(frozen=True, eq=False)
class Source:
    """The data of a job: a panel, and what was detected and decided as it was read.

    Attributes
    ----------
    found : what was detected, in order, in a few words each ("delimiter" -> "semicolon")
    notes : what was decided, left out or filled in, a sentence each
    fingerprint : SHA-256 of the file, or of the values of a generated series
    form : of the file

    """

    panel: Panel
    found: dict[str, str]
    notes: tuple[str, ...]
    fingerprint: str
    form: TableForm = PLAIN_FORM


def single_series(values: npt.ArrayLike, times: TimeArray, calendar: Calendar, name: str = "y") -> Panel:
    """Pack one fully observed series, (step,), into a panel.

    >>> from forecast.series.calendar import Calendar
    >>> len(single_series([1.0, 2.0, 4.0], np.arange(3), Calendar(freq=None)).target)
    3
    """
    y = np.asarray(values, dtype=np.float64)
    return Panel(
        values=y[:, None],
        observed=np.ones((len(y), 1), dtype=np.bool_),
        offsets=np.array([0, len(y)]),
        times=times,
        ids=(name,),
        channels=(Channel(name, "target"),),
        calendar=calendar,
    )


def window_rows(origin_rows: IntArray, context_steps: int) -> IntArray:
    """Rows of the windows that end at some origins, (window, context step), oldest first."""
    return origin_rows[:, None] + np.arange(1 - context_steps, 1)


def whole_windows(starts: IntArray, ends: IntArray, context_steps: int) -> IntArray:
    """Origins in rows `starts[i]:ends[i]` with a whole window up to them and a target after them, (origin,)."""
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.concatenate([np.arange(start + context_steps - 1, end - 1) for start, end in pairs]).astype(np.int64)


def draw_windows(origin_rows: IntArray, batch_size: int, batches: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """Draw batches of origins without repetition, (window,) each; fewer than `batches` if the origins run out."""
    drawn = rng.permutation(origin_rows)[: batches * batch_size]
    for first in range(0, len(drawn), batch_size):
        yield drawn[first : first + batch_size]
