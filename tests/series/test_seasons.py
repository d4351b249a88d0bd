"""The seasons that a calendar suggests."""

from __future__ import annotations

import pytest

from forecast.series.calendar import Calendar
from forecast.series.seasons import suggested_seasons


def steps_of(calendar: Calendar) -> tuple[tuple[str, int], ...]:
    return tuple((name, round(period)) for name, period in suggested_seasons(calendar))


@pytest.mark.parametrize(
    ("freq", "seasons"),
    [
        ("h", (("daily", 24), ("weekly", 168))),
        ("15min", (("hourly", 4), ("daily", 96), ("weekly", 672))),
        ("min", (("hourly", 60), ("daily", 1_440), ("weekly", 10_080))),
        ("D", (("weekly", 7), ("yearly", 365))),
        ("B", (("weekly", 5),)),
        ("W-SUN", (("yearly", 52),)),
        ("MS", (("yearly", 12),)),
        ("QE-DEC", (("yearly", 4),)),
        ("YE-DEC", ()),
        ("SME", ()),
    ],
)
def test_the_frequency_suggests_seasons(freq: str, seasons: tuple[tuple[str, int], ...]) -> None:
    assert steps_of(Calendar(freq)) == seasons


def test_sessions_suggest_their_own_days_and_weeks() -> None:
    slots = tuple(day * 86_400 + hour * 3_600 for day in range(5) for hour in range(9, 16))
    assert steps_of(Calendar("h", sessions=slots)) == (("daily", 7), ("weekly", 35))
