"""The page of what was found inside a trained network, with its charts as PNG and its numbers as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.reporting.html import render_page
from forecast.reporting.pictures import write_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from forecast.reporting.charts import Figure


@dataclass(frozen=True)
class ProbePage:
    """What the page says.

    Attributes
    ----------
    sections : each with its title, its words and its charts, in order
    facts : what was examined, a few words each
    sentences : what was found, one a topic
    notes : what a reader should know about how it was examined

    """

    title: str
    headline: str
    facts: tuple[str, ...]
    sentences: tuple[str, ...]
    sections: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


def write_probe(page: ProbePage, path: Path, pictures: Path | None) -> None:
    """Write the page, and each section as a picture into a folder unless that is None."""
    path.write_text(probe_html(page), encoding="utf-8")
    if pictures is not None:
        write_pictures(page.sections, pictures)


def probe_html(page: ProbePage) -> str:
    """Return the page."""
    return render_page(
        "probe.html",
        page.sections,
        title=page.title,
        headline=page.headline,
        facts=page.facts,
        sentences=page.sentences,
        notes=page.notes,
    )


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
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
