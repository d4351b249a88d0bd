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
from forecast.wording import name_some

if TYPE_CHECKING:
    from collections.abc import Collection

    from forecast.reading.raw_table import RawTable
    from forecast.series.panel import BoolArray, FloatArray, Panel

_NAMED = 5
_UNKNOWN = 0.0
"""Code that stands where no label does; nobody reads it."""


def spread_labels(raw: RawTable, categories: tuple[str, ...] = ()) -> tuple[RawTable, tuple[str, ...]]:
    """Let every row of a series say its label, so that no row is left out for an empty target.

    Gives the ids of the series without a label as well, whose rows say some code. `categories` are the labels' texts.

    Raises
    ------
    ForecastError
        A series has two labels.

    """
    series, unlabelled = [], []
    for one in raw.series:
        label = _only_label(one.values[~np.isnan(one.values)], one.id, categories)
        if label is None:
            unlabelled.append(one.id)
        series.append(replace(one, values=np.full(len(one.values), _UNKNOWN if label is None else label)))
    return replace(raw, series=tuple(series)), tuple(unlabelled)


def with_labels_at_end(panel: Panel, unlabelled: Collection[str] = ()) -> Panel:
    """Give each series one more row, whose target is the label that its other rows say.

    Nothing is observed of the target in these, nor of the covariates in the new row; times go on by the calendar.
    `unlabelled` are series whose rows say nothing, though they were observed.

    Raises
    ------
    ForecastError
        A series has two labels.

    """
    without = frozenset(unlabelled)
    codes = np.full(len(panel), np.nan)
    for i, (name, rows) in enumerate(panel.series()):
        said = panel.target[rows][panel.target_observed[rows]]
        label = None if name in without else _only_label(said, name, panel.channels[0].categories)
        codes[i] = np.nan if label is None else label
    offsets = panel.offsets + np.arange(len(panel) + 1)
    read = np.ones(int(offsets[-1]), dtype=np.bool_)
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
    """Say which series have no label."""
    if not unlabelled:
        return None
    named = name_some([repr(name) for name in list(unlabelled)[:_NAMED]], len(unlabelled))
    return (
        f"{len(unlabelled)} of {series} series have no label: {named}; they are neither learnt nor scored, and the "
        "forecast after the data says what they are."
    )


def _only_label(said: FloatArray, name: str, categories: tuple[str, ...]) -> float | None:
    """Return the code that all rows of a series say, (row,); None where none says any."""
    codes = np.unique(said)
    if len(codes) > 1:
        first, second = (repr(categories[int(code)]) if categories else f"{code:g}" for code in codes[:2])
        raise ForecastError(
            f"series {name!r} has the labels {first} and {second}, and `data.target_at=end` takes one a series: "
            "correct the file, or say `data.target_at=every`"
        )
    return float(codes[0]) if len(codes) else None
