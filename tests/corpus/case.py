"""One hand-made file and what reading it must give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """A file and what it must give, or the parts of the one line that refuses it.

    Attributes
    ----------
    data : the file's text (written as UTF-8) or bytes
    series : values of every series by id, in the file's order; None stands for a missing value
    times : times of the first series as ISO texts in UTC or wall clock, or step numbers; None: not looked at
    written : the first times of the file, written again; they must be the file's own texts
    lines : file lines of the first series
    found, notes, error : texts of which each must occur
    panel : whether the whole source must load as well; None: no opinion (gaps and frequencies are tested elsewhere)

    """

    name: str
    data: str | bytes
    settings: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, list[float | None]] | None = None
    times: list[str] | list[int] | None = None
    written: tuple[str, ...] = ()
    timezone: str | None = None
    lines: list[int] | None = None
    found: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    quiet: bool = True
    error: tuple[str, ...] = ()
    panel: bool | None = True
    suffix: str = ".csv"


def iso_days(first: str, count: int) -> list[str]:
    """Days one after the other, as ISO texts."""
    import numpy as np

    return [str(day) for day in np.arange(np.datetime64(first), np.datetime64(first) + count)]
