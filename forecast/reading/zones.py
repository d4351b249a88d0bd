"""Offsets such as +09:00, Z or CET, and the zone that a column of them was written in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from forecast.series.panel import BoolArray, IntArray

# Hours east of Greenwich. Names that mean different offsets in different countries (IST, CST in China) are left out
# or, where one use is by far the most frequent in data, taken so.
_NAMES = {
    name: hours
    for hours, names in {
        0: "Z UTC GMT WET",
        1: "CET MEZ BST WEST",
        2: "CEST MESZ EET",
        3: "EEST MSK",
        8: "HKT SGT",
        9: "KST JST",
        10: "AEST",
        11: "AEDT",
        12: "NZST",
        13: "NZDT",
        -4: "EDT",
        -5: "EST CDT",
        -6: "CST MDT",
        -7: "MST PDT",
        -8: "PST",
    }.items()
    for name in names.split()
}
# One zone for each rule that clocks follow today; the first that fits all rows is taken, and said aloud.
_CANDIDATES = (
    *("Europe/Berlin", "America/New_York", "Europe/London", "America/Chicago", "America/Los_Angeles"),
    *("America/Denver", "Europe/Helsinki", "Europe/Lisbon", "Australia/Sydney", "Australia/Adelaide"),
    *("Pacific/Auckland", "America/Halifax", "America/St_Johns", "America/Santiago", "Asia/Jerusalem"),
    *("America/Anchorage", "Africa/Cairo", "Asia/Beirut", "Africa/Casablanca", "America/Sao_Paulo"),
)


def seconds_of(text: str) -> int | None:
    """Seconds east of Greenwich, None if the text is no offset that is known.

    >>> seconds_of("+09:00"), seconds_of("UTC-3"), seconds_of("CET")
    (32400, -10800, 3600)
    """
    if text in _NAMES:
        return 3600 * _NAMES[text]
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", text)
    if match is None:
        return None
    seconds = 3600 * int(match[2]) + 60 * int(match[3] or 0)
    return -seconds if match[1] == "-" else seconds


def written_offset(seconds: int) -> str:
    """Name a fixed offset as `TimeStyle.timezone` does."""
    if seconds == 0:
        return "UTC"
    return f"{'-' if seconds < 0 else '+'}{abs(seconds) // 3600:02d}:{abs(seconds) // 60 % 60:02d}"


def zone_of(ns: IntArray, offsets: IntArray, good: BoolArray) -> str | None:
    """Name of a zone whose clocks show every row's offset (seconds, (row,)) at its time (UTC, (row,)); None: none."""
    seen = np.unique(offsets[good])
    if len(seen) == 1:
        return written_offset(int(seen[0]))
    times = ns[good].astype("datetime64[ns]")
    return next((name for name in _CANDIDATES if _fits(name, times, offsets[good])), None)


def _fits(name: str, times: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]], offsets: IntArray) -> bool:
    for part in (slice(0, 1000), slice(None)):
        index = pd.DatetimeIndex(times[part]).tz_localize("UTC").tz_convert(name).tz_localize(None)
        shown = (index.to_numpy() - times[part]).astype("timedelta64[s]").astype(np.int64)
        if not np.array_equal(shown, offsets[part]):
            return False
    return True
