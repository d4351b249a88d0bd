"""Settings that an error names as remedies are followed: to a panel, or to a different error in one line."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from corpus.case import Case
from corpus.every import CASES
from hydra.core.override_parser.overrides_parser import OverridesParser

from forecast.app.overrides import quote_override
from forecast.errors import ForecastError
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.settings import check_settings


@dataclass(frozen=True)
class Refused:
    """A file that is refused; `remedies` are followed as well, where the error leaves the value of one to the user."""

    name: str
    text: str
    settings: dict[str, Any] = field(default_factory=dict)
    remedies: tuple[dict[str, Any], ...] = ()


def days(rows: list[str], header: str = "date,y") -> str:
    return "\n".join([header, *rows, ""])


_PLAIN = [f"2024-01-{day:02d},{day % 5}" for day in range(1, 29)]
_SESSIONS = [
    f"2024-01-{day:02d} {hour:02d}:00,{hour}" for day in (*range(1, 6), *range(8, 13)) for hour in range(8, 13)
]
_UNEVEN = [f"2024-01-{day:02d},{day % 5}" for day in (1, 2, 4, 9, 11, 17, 18, 25)]
_CLOCKS = ["2024-10-27 01:00,1", "2024-10-27 02:00,2", "2024-10-27 02:00,3", "2024-10-27 03:00,4", "2024-10-27 04:00,6"]
_SHOPS = [f"{shop},2024-01-{day:02d},{day % 4},{day % 3}" for shop in "ab" for day in range(1, 13)]

ROWS = (
    Refused("missing steps", days([*_PLAIN[:9], *_PLAIN[12:]])),
    Refused(
        "a session that ends early",
        days([row for row in _SESSIONS if not row.startswith("2024-01-09 1")]),
        {"on_gaps": "error"},
    ),
    Refused("a number whose square is infinite", days([*_PLAIN[:9], "2024-01-10,1e300", *_PLAIN[10:]])),
    Refused("missing values", days([*_PLAIN[:9], "2024-01-10,", *_PLAIN[10:]]), {"on_gaps": "error"}),
    Refused("a time twice", days([*_PLAIN[:9], "2024-01-09,7", *_PLAIN[9:]])),
    Refused("every time twice", days([*_PLAIN, *_PLAIN])),
    Refused("an hour that comes twice", days(_CLOCKS), remedies=({"timezone": "Europe/Berlin"},)),
    Refused("no frequency", days(_UNEVEN), remedies=({"resample": "W"}, {"freq": "D", "on_gaps": "mask"})),
    Refused(
        "a frequency that does not fit", days(_PLAIN), {"freq": "MS"}, ({"freq": "D"}, {"freq": None, "resample": "MS"})
    ),
    Refused("an unknown frequency", days(_PLAIN), {"freq": "fortnight"}, ({"freq": "D"},)),
    Refused("a zone that is none", days(_PLAIN), {"timezone": "Europe/Berlinn"}, ({"timezone": "Europe/Berlin"},)),
    Refused(
        "a series without a value", days([*_SHOPS, "c,2024-01-01,,1"], "shop,date,y,x"), {"id": "shop", "target": "y"}
    ),
    Refused(
        "a static covariate that changes",
        days(_SHOPS, "shop,date,y,x"),
        {"id": "shop", "target": "y", "static": "x"},
    ),
    Refused(
        "covariates that would be resampled",
        days(_SHOPS, "shop,date,y,x"),
        {"id": "shop", "target": "y", "past": "x", "resample": "W"},
        ({"past": ()}, {"resample": None}),
    ),
    Refused(
        "symbols that would be averaged",
        days(_PLAIN),
        {"symbols": True, "on_duplicates": "mean"},
        ({"on_duplicates": "first"}, {"on_duplicates": "last"}),
    ),
    Refused("symbols that would be interpolated", days(_PLAIN), {"symbols": True, "on_gaps": "interpolate"}),
    Refused("texts among numbers", days([*_PLAIN[:5], "2024-01-06,broken", *_PLAIN[6:]])),
    Refused("gaps that nothing can fill", days([*_PLAIN[:9], "2191-01-01,3"]), {"freq": "D", "on_gaps": "mask"}),
    Refused("a frequency of rows without times", days(["3", "1", "2", "4"], "y"), {"freq": "D"}, ({"freq": None},)),
    Refused("steps of rows without times", days(["3", "1", "2", "4"], "y"), {"resample": "W"}, ({"resample": None},)),
    Refused("a finer resample", days(_PLAIN), {"resample": "h"}, ({"resample": "W"},)),
    Refused(
        "times that the clocks skip",
        days([f"2024-03-31 {hour:02d}:00,{hour % 3}" for hour in range(6)]),
        {"timezone": "Europe/Berlin"},
        ({"timezone": "UTC"},),
    ),
    Refused("a format that fits no column", days(_PLAIN), {"time_format": "%d.%m.%Y"}, ({"time": "date"},)),
    *(
        Refused(
            f"a format with two of a part: {two}", days(_PLAIN), {"time_format": two}, ({"time_format": "%Y-%m-%d"},)
        )
        for two in ("%Y-%m-%Y", "%d %b %B %Y", "%F %d")
    ),
    Refused("a format without a year", days(_PLAIN), {"time_format": "%d.%m."}, ({"time_format": "%Y-%m-%d"},)),
    Refused(
        "two columns of symbols",
        days([f"2024-01-{day:02d},{'ab'[day % 2]},{'xy'[day % 2]}" for day in range(1, 13)], "date,sky,wind"),
        {"symbols": True},
    ),
    Refused("two labels of a series", days(_SHOPS, "shop,date,y,x"), {"id": "shop", "target": "y", "target_at": "end"}),
    Refused(
        "a covariate with two roles",
        days(_SHOPS, "shop,date,y,x"),
        {"id": "shop", "target": "y", "past": "x", "future": "x"},
        ({"past": ()}, {"future": ()}),
    ),
    Refused(
        "a covariate of rows that are series",
        days(["a,1,2,3", "b,2,3,5"], "id,1,2,3"),
        {"layout": "rows", "past": "1"},
        ({"past": ()},),
    ),
    Refused("rows that are series of no values", days(["a", "b"], "id"), {"layout": "rows"}, ({"layout": None},)),
)


def said_in(message: str) -> list[str]:
    """Remedies of a message, `data.key=value` as typed; after "`data.key=a`, `b` or `c`" b and c are values as well."""
    remedies, key, end = [], "", 0
    for match in re.finditer(r"`([^`]+)`", message):
        between = message[end : match.start()]
        words = shlex.split(match[1]) if match[1].startswith(('"', "'")) else [match[1]]
        assigned = re.fullmatch(r"data\.(\w+)=(.+)", words[0]) if len(words) == 1 else None
        if assigned:
            key = assigned[1]
            remedies.append(words[0])
        elif key and between.strip() in {",", "or"} and re.fullmatch(r"\w+", match[1]):
            remedies.append(f"data.{key}={match[1]}")
        else:
            key = ""
        end = match.end()
    return remedies


def value_of(override: str) -> dict[str, Any]:
    """Setting and value of an override, read as the command line reads it."""
    parsed = OverridesParser.create().parse_override(quote_override(override, sweeps=False))
    value = parsed.value()
    return {str(parsed.key_or_group).removeprefix("data."): value}


def outcome(path: Path, settings: dict[str, Any]) -> str:
    """Return "" where the file becomes a panel, else the error."""
    try:
        load_source(check_settings(CsvSettings, {"path": str(path), **settings}, "data."))
    except ForecastError as error:
        return str(error)
    return ""


def follow(path: Path, settings: dict[str, Any], remedies: tuple[dict[str, Any], ...]) -> int:
    """Follow all remedies of an error; returns how many there were."""
    message = outcome(path, settings)
    assert message
    named = [value_of(override) for override in said_in(message)]
    # The error quotes the contradicting setting itself: that is not a remedy.
    followed = [remedy for remedy in named if not remedy.items() <= settings.items()] + list(remedies)
    for remedy in followed:
        after = outcome(path, {**settings, **remedy})
        assert after != message, remedy
        assert "\n" not in after, remedy
    return len(followed)


@pytest.mark.parametrize("case", [case for case in CASES if case.error], ids=lambda case: case.name)
def test_remedies_of_files_that_are_refused(case: Case, tmp_path: Path) -> None:
    path = tmp_path / f"file{case.suffix}"
    path.write_bytes(case.data.encode() if isinstance(case.data, str) else case.data)
    follow(path, dict(case.settings), ())


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
def test_remedies_of_rows_that_are_refused(case: Refused, tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text(case.text)
    assert follow(tmp_path / "file.csv", case.settings, case.remedies) > 0


def test_remedies_are_found_in_messages() -> None:
    message = "set `data.on_gaps=mask`, `interpolate` or `ignore`, or `\"data.target='null'\"`, or `data.id`"
    assert said_in(message) == [
        "data.on_gaps=mask",
        "data.on_gaps=interpolate",
        "data.on_gaps=ignore",
        "data.target='null'",
    ]
    assert value_of("data.target='null'") == {"target": "null"}
