"""From cells to the format that would write them: the reverse of reading a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecast.reading.clock import name_parts
from forecast.reading.time_forms import TimeForm
from forecast.series.time_writing import HALVES, TimeStyle

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

_PADDED = {"month": "m", "day": "d", "hour": "H", "hour12": "I"}
_PLAIN = {"year": "%Y", "y2": "%y", "minute": "%M", "second": "%S", "yearday": "%j", "quarter": "%q", "week": "%V"}
_PLAIN["weekday"] = "%u"
_EPOCHS = {10**9: "epoch_s", 10**6: "epoch_ms", 10**3: "epoch_us", 1: "epoch_ns"}


def epoch_style(unit: int, column: str) -> TimeStyle:
    """Return the style of counts since 1970 whose unit is so many nanoseconds."""
    return TimeStyle(_EPOCHS[unit], (column,), timezone="UTC")


def style_of(sample: Sequence[str], form: TimeForm, order: str, timezone: str | None, column: str) -> TimeStyle:
    """Derive the format from some cells of a column: from the longest, and whether any leaves out a zero."""
    matches = [match for cell in sample if (match := form.expression.fullmatch(cell))]
    if not matches:
        return TimeStyle("%Y-%m-%d %H:%M:%S", (column,), timezone=timezone)
    longest = max(matches, key=lambda match: len(match.group()))
    meaning = _meaning(order)
    short = {
        meaning.get(name, name)
        for match in matches
        for name, text in match.groupdict().items()
        if text is not None and len(text) == 1
    }
    varied = len({match.groupdict().get("offset") for match in matches}) > 1
    template, at = "", 0
    spans = sorted((longest.span(name), name) for name in longest.groupdict() if longest.group(name))
    whole = longest.group().removesuffix(longest.groupdict().get("until") or "")
    spans = [(span, name) for span, name in spans if name != "until"]
    for (start, end), name in spans:
        literal = whole[at:start].replace("%", "%%")
        template += literal + _code(longest, name, meaning.get(name, name), short, varied=varied)
        at = end
    template += whole[at:].replace("%", "%%")
    if "%V" in template:
        template = template.replace("%Y", "%G")
    return TimeStyle(template, (column,), timezone=timezone, date_only=longest.groupdict().get("hour") is None)


def _meaning(order: str) -> dict[str, str]:
    """What the numbers in front mean: "dm" -> {"a": "day", "b": "month"}."""
    places = {letter: np.array([i]) for i, letter in enumerate("abc"[: len(order)])}
    return {"abc"[int(place[0])]: name for name, place in name_parts(places, order).items()}


def _code(match: re.Match[str], group: str, part: str, short: set[str], *, varied: bool) -> str:
    text = match.group(group)
    if part == "hour" and (match.groupdict().get("ampm") or match.groupdict().get("half")):
        part = "hour12"
    if part in _PADDED:
        return f"%-{_PADDED[part]}" if part.removesuffix("12") in short else f"%{_PADDED[part]}"
    if part == "offset" and varied:
        return ("%:z" if ":" in text else "%z") if text[-1].isdigit() else "%Z"
    return _PLAIN.get(part) or _word(part, text)


def _word(part: str, text: str) -> str:
    """Code of a part whose spelling matters; one that is always the same stays as it is."""
    if part == "fraction":
        return f"%{len(text)}f"
    if part == "name":
        return _cased(text, "%b" if len(text) == 3 else "%B")
    if part == "dow":
        return "%a" if len(text) == 3 else "%A"
    if part in {"ampm", "half"}:
        return next((f"%{code}" for code, names in HALVES.items() if text in names), "%p")
    return text.replace("%", "%%")


def _cased(text: str, code: str) -> str:
    if text.isupper():
        return code.replace("%", "%^")
    return "%Ob" if text.islower() and code == "%b" else code
