"""The page of the probe: what a section of it is, and how page, pictures and numbers are written.

A section is one file of this folder: its measurement, its sentences and its figures, gathered in a `Section` and listed
in `sections.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from forecast.reporting.html import render_page
from forecast.reporting.pictures import write_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from forecast.reporting.charts import Figure
    from forecast.reporting.lines import Array
    from forecast.reporting.settings import ProbeSettings

S = TypeVar("S")
"""The network under examination: a `System`, or a `SymbolSystem`."""
M = TypeVar("M")
"""What a section measures of it."""


def _always(system: Any, settings: ProbeSettings) -> bool:
    return True


def _nothing(measured: Any, *_: Any) -> tuple[()]:
    return ()


def _no_numbers(measured: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Section(Generic[S, M]):
    """A section of the probe.

    Attributes
    ----------
    name : of the measurement, for those who look it up
    measure : takes the measurement; its result is handed to the functions below
    figures : titles, words and charts, in the order of the page
    sentences : what the terminal and the head of the page say about it
    numbers : what stands of it in `probe.json`, by key; what several sections put under `found` is gathered there.
        The measurement is None where it was not taken
    headline : of the whole page, with the names of network and series; of one section alone
    wanted : whether the measurement is taken

    """

    name: str
    measure: Callable[[S], M]
    figures: Callable[[M, S], tuple[Figure, ...]]
    sentences: Callable[[M, S], tuple[str, ...]] = _nothing
    numbers: Callable[[M | None], dict[str, Any]] = _no_numbers
    headline: Callable[[M, S, str, str], str] | None = None
    wanted: Callable[[S, ProbeSettings], bool] = _always


@dataclass(frozen=True)
class ProbePage:
    """What the page says.

    Attributes
    ----------
    facts : what was examined, a few words each
    sentences : what was measured, one a topic
    figures : of all sections, in order
    notes : what a reader should know about how it was examined

    """

    title: str
    headline: str
    facts: tuple[str, ...]
    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


def write_probe(page: ProbePage, path: Path, pictures: Path | None) -> None:
    """Write the page, and each figure as a picture into a folder unless that is None."""
    html = render_page(
        "probe.html",
        page.figures,
        title=page.title,
        headline=page.headline,
        facts=page.facts,
        sentences=page.sentences,
        notes=page.notes,
    )
    path.write_text(html, encoding="utf-8")
    if pictures is not None:
        write_pictures(page.figures, pictures)


def write_numbers(numbers: Mapping[str, Any], path: Path) -> None:
    """Write measurements as plain JSON: arrays become lists, what is not finite null."""
    path.write_text(json.dumps(plain(numbers), ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Make plain values of dataclasses, arrays and what they hold.

    >>> plain({"a": np.array([1.0, np.nan]), "b": (1, None)})
    {'a': [1.0, None], 'b': [1, None]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


# Words that several sections use: a day of 24 hourly steps is a day to its reader.

_DAYS = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30.44, "quarter": 91.31, "year": 365.25}
_NEAR = 0.02


def season_name(season_steps: int, times: Array) -> str:
    """Name the time that a season takes at the distances of these times, (step,); "season" where it has no name.

    >>> season_name(24, np.arange(9).astype("datetime64[h]")), season_name(20, np.arange(9))
    ('day', 'season')
    """
    if times.dtype.kind != "M" or len(times) < 2:
        return "season"
    distances = np.diff(times.astype("datetime64[ns]").astype(np.int64))
    days = season_steps * float(np.median(distances)) / 86_400e9  # ns of a day
    return next((name for name, length in _DAYS.items() if abs(days / length - 1) < _NEAR), "season")


def seasons_back(count: int, name: str) -> str:
    """Write how far back some whole seasons are.

    >>> seasons_back(1, "hour"), seasons_back(2, "day")
    ('an hour before', '2 days before')
    """
    if count == 1:
        return f"{'an' if name == 'hour' else 'a'} {name} before"
    return f"{count} {name}s before"
