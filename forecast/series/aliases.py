"""Names of frequencies: pandas' offset aliases, and the rule behind each.

The older spellings (M, Q, A, H, T, S) that most texts still use are understood as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pandas.tseries.frequencies import to_offset

from forecast.errors import ForecastError
from forecast.series.rules import NS_PER_DAY, NS_PER_SECOND, MonthDay, Months, PandasOffset, Rule, Ticks, TradingDays

TICKS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_SECOND,
    "min": 60 * NS_PER_SECOND,
    "h": 3_600 * NS_PER_SECOND,
    "D": NS_PER_DAY,
    "W": 7 * NS_PER_DAY,
}
MONTHS: dict[str, tuple[int, MonthDay]] = {
    "MS": (1, "start"),
    "ME": (1, "end"),
    "BMS": (1, "business start"),
    "BME": (1, "business end"),
    "QS": (3, "start"),
    "QE": (3, "end"),
    "BQS": (3, "business start"),
    "BQE": (3, "business end"),
    "YS": (12, "start"),
    "YE": (12, "end"),
    "BYS": (12, "business start"),
    "BYE": (12, "business end"),
}
OLD = {
    "M": "ME", "BM": "BME", "Q": "QE", "BQ": "BQE", "A": "YE", "Y": "YE", "BA": "BYE", "BY": "BYE", "AS": "YS",
    "BAS": "BYS", "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "d": "D", "w": "W", "b": "B",
}  # fmt: skip
WORDS = {
    "hourly": "h", "hour": "h", "daily": "D", "day": "D", "weekly": "W", "week": "W", "monthly": "ME", "month": "ME",
    "quarterly": "QE", "quarter": "QE", "yearly": "YE", "year": "YE", "annual": "YE", "minute": "min", "second": "s",
}  # fmt: skip


@dataclass(frozen=True)
class Alias:
    """A frequency's parts: "2W-SUN" is 2, "W", "SUN"."""

    count: int
    unit: str
    anchor: str | None

    def __str__(self) -> str:
        """Write it as pandas does."""
        return f"{self.count if self.count > 1 else ''}{self.unit}{f'-{self.anchor}' if self.anchor else ''}"


def parse_alias(text: str) -> Alias:
    """Read "15min", "2W-SUN", "QS-OCT", also in older spellings.

    Raises
    ------
    ForecastError
        Nothing that pandas knows.

    """
    match = re.fullmatch(r"(\d*)\s*([A-Za-z]+)(?:-([A-Za-z0-9]+))?", text.strip())
    if match is not None:
        count, unit, anchor = match.groups()
        unit = WORDS.get(unit.lower(), OLD.get(unit, unit))
        alias = Alias(int(count or 1), unit, anchor.upper() if anchor else None)
        if alias.count > 0 and _known(alias):
            return alias
    raise ForecastError(
        f"`data.freq` or `data.resample`: {text!r} is no frequency that pandas knows: "
        "say for example D, B, h, 15min, W-SUN, MS, ME, QS, YS"
    )


def rule_of_alias(freq: str, day: int | None = None) -> Rule:
    """Give the arithmetic of an alias; `day` replaces the first day of a month."""
    alias = parse_alias(freq)
    if alias.unit in TICKS:
        return Ticks(alias.count * TICKS[alias.unit])
    if alias.unit in MONTHS:
        months, of_month = MONTHS[alias.unit]
        return Months(alias.count * months, of_month if day is None else day)
    if alias.unit == "B" and alias.count == 1:
        return TradingDays("1111100", ())
    return PandasOffset(str(alias))


def _known(alias: Alias) -> bool:
    if alias.unit in TICKS or alias.unit in MONTHS:
        anchors = {"W": _WEEKDAYS, "QS": _MONTHS, "QE": _MONTHS, "YS": _MONTHS, "YE": _MONTHS}
        return alias.anchor is None or alias.anchor in anchors.get(alias.unit.removeprefix("B"), ())
    if alias.unit in {"B", "C"}:
        return alias.anchor is None
    try:
        to_offset(str(alias))
    except ValueError:
        return False
    return True


_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
