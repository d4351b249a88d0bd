"""One label per series, after its last row: many-to-one classification as a forecast of one step.

A file gives the label in each row of a series, or in some. In the panel it is the target of one more row, the only
observed one of the series, after everything that is read: the one-step forecast from the last row read is the label. A
series without a label ends in an unobserved row: it is neither trained on nor scored, and the forecast after the data
is its label.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.errors import ForecastError
from forecast.series.date_features import lengthened
from forecast.wording import quote_some

if TYPE_CHECKING:
    from collections.abc import Collection

    from forecast.reading.raw_table import RawTable
    from forecast.series.panel import BoolArray, FloatArray, Panel

_NAMED = 5
_UNKNOWN = 0.0
"""Code where there is no label; it is never read."""


def spread_labels(raw: RawTable, categories: tuple[str, ...] = ()) -> tuple[RawTable, tuple[str, ...]]:
    """Copy the label of each series to all of its rows, so that none is left out for an empty target.

    Also returns the ids of series without a label, whose rows hold an arbitrary code. `categories`: the labels' texts.

    Raises
    ------
    ForecastError
        A series has two labels.

    """
    series, unlabelled = [], []
    for raw_series in raw.series:
        values = raw_series.values
        label = _only_label(values[~np.isnan(values)], raw_series.id, categories)
        if label is None:
            unlabelled.append(raw_series.id)
        series.append(replace(raw_series, values=np.full(len(values), _UNKNOWN if label is None else label)))
    return replace(raw, series=tuple(series)), tuple(unlabelled)


def with_labels_at_end(panel: Panel, unlabelled: Collection[str] = ()) -> Panel:
    """Append a row to each series, whose target is the label of its other rows.

    In the other rows the target is not observed, in the new row the covariates are not; its time is the next of the
    calendar. `unlabelled` are the series whose rows hold an arbitrary code (`spread_labels`).

    Raises
    ------
    ForecastError
        A series has two labels.

    """
    without = frozenset(unlabelled)
    codes = np.full(len(panel), np.nan)
    for i, (name, rows) in enumerate(panel.series()):
        observed_codes = panel.target[rows][panel.target_observed[rows]]
        label = None if name in without else _only_label(observed_codes, name, panel.channels[0].categories)
        codes[i] = np.nan if label is None else label
    offsets = panel.offsets + np.arange(len(panel) + 1)
    read = np.ones(int(offsets[-1]), dtype=np.bool_)  # (row,) of the new panel: not a row of a label
    read[offsets[1:] - 1] = False
    values, observed = np.zeros((len(read), len(panel.channels))), np.zeros((len(read), len(panel.channels)), np.bool_)
    masked: BoolArray = np.ones_like(observed)
    values[read, 1:], observed[read, 1:] = panel.values[:, 1:], panel.observed[:, 1:]
    masked[read, 1:] = False if panel.masked is None else panel.masked[:, 1:]
    known = ~np.isnan(codes)
    values[~read, 0], observed[~read, 0], masked[~read, 0] = np.where(known, codes, _UNKNOWN), known, ~known
    after = [panel.calendar.after(panel.times[end - 1], 1) for end in panel.offsets[1:]]
    order = np.insert(np.arange(len(panel.times)), panel.offsets[1:], len(panel.times) + np.arange(len(panel)))
    return replace(
        panel,
        values=values,
        observed=observed,
        offsets=offsets,
        times=np.concatenate([panel.times, *after])[order],
        channels=(replace(panel.channels[0], at_end=True), *panel.channels[1:]),
        masked=masked,
        ahead=None if panel.ahead is None else lengthened(panel, 1),
    )


def labels_note(series: int, unlabelled: Collection[str]) -> str | None:
    """Name the series without a label."""
    if not unlabelled:
        return None
    named = quote_some(list(unlabelled), _NAMED)
    return (
        f"{len(unlabelled)} of {series} series have no label: {named}; they are neither trained on nor scored, and the "
        "forecast after the data says what they are."
    )


def _only_label(values: FloatArray, name: str, categories: tuple[str, ...]) -> float | None:
    """Return the code that all values of a series, (row,), share; None: there are none."""
    codes = np.unique(values)
    if len(codes) > 1:
        first, second = (repr(categories[int(code)]) if categories else f"{code:g}" for code in codes[:2])
        raise ForecastError(
            f"series {name!r} has the labels {first} and {second}, and `data.target_at=end` takes one a series: "
            "correct the file, or set `data.target_at=every`"
        )
    return float(codes[0]) if len(codes) else None
