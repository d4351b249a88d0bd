"""Overrides, `key=value`: what is meant as text is quoted before Hydra's grammar sees it.

The grammar refuses brackets, Hangul and much else in a value that is not quoted. Which keys take text the settings
classes say; lists, sweeps, interpolations and functions stay what they are.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Union, get_args, get_origin

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from forecast.tasks.settings import JobSettings, section_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OVERRIDE = re.compile(r"(?P<key>[+~]*[\w.@/:$-]+)=(?P<value>.*)", re.DOTALL)
_FUNCTION = re.compile(
    r"\s*(choice|range|interval|glob|shuffle|sort|tag|str|int|float|bool|json_str|extend_list)\s*\(.*\)\s*", re.DOTALL
)
_OPEN_KEY = re.compile(r"baseline\.[^.]+\.(params|choose)\.[^.]+|tune\.space\..+")
"""Whatever scikit-learn calls its parameters, and what a study may search: for Hydra they have to be marked as new."""
_OPENING = {"(": ")", "[": "]", "{": "}"}


def quote_override(override: str, *, sweeps: bool) -> str:
    """Quote the value of one override where it is text, or where Hydra would not understand it otherwise."""
    match = _OVERRIDE.fullmatch(override)
    if match is None:
        return override
    key, value = match["key"], match["value"]
    if _OPEN_KEY.fullmatch(key):
        override, key = f"++{override}", f"++{key}"
    texts = text_keys()
    name = key.lstrip("+~")
    if name.startswith("tune.space."):  # interval(8,64) is read by the study, and no sweep
        value = value if value.startswith("[") or value == "null" or _is_quoted(value) else quoted(value)
        return f"{key}={value}"
    if name not in texts.single | texts.several and parse_override(override) is not None:
        return override
    if name in texts.several and value and not value.startswith("[") and not sweeps:
        value = f"[{value}]"
    return f"{key}={_quote_value(value, sweeps=sweeps)}"


def parse_override(override: str) -> Any:
    """Return Hydra's view of an override, or None where its grammar refuses it."""
    try:
        return _parser().parse_override(override)
    except HydraException:
        return None


def overridden_keys(overrides: Sequence[str]) -> Iterator[str]:
    """Keys of overrides, without the signs before them."""
    for override in overrides:
        yield override.partition("=")[0].lstrip("+~")


def override_value(override: str) -> str:
    """Return the value of an override without the quotes that Hydra needs.

    >>> override_value("data.target='Close (USD)'"), override_value("baseline=[naive]")
    ('Close (USD)', '[naive]')
    """
    parsed = parse_override(override)
    value = None if parsed is None else parsed.value()
    return value if isinstance(value, str) else override.partition("=")[2]


def quoted(value: str) -> str:
    """Quote a value so that Hydra takes it for text, whatever is in it; `${...}` stays a reference."""
    return QuotedString(value, Quote.single).with_quotes()


def _quoted_path(path: str) -> str:
    """Quote the path of something that is there, in whose name `${...}` is no reference."""
    return quoted(path.replace("${", r"\${"))


class TextKeys(NamedTuple):
    """Keys whose value is free text: a path, a column (a comma in it is a comma); always a list; a list as well."""

    single: frozenset[str]
    several: frozenset[str]
    listed: frozenset[str]


def text_keys() -> TextKeys:
    """Return the keys that take text, as the settings classes say."""
    annotations = [("hydra.run.dir", str), ("hydra.sweep.dir", str), *_annotations()]
    return TextKeys(
        frozenset(key for key, annotation in annotations if _takes(annotation, str)),
        frozenset(key for key, annotation in annotations if annotation == tuple[str, ...]),
        frozenset(key for key, annotation in annotations if _takes(annotation, tuple[str, ...])),
    )


def _annotations() -> Iterator[tuple[str, Any]]:
    for name, field in JobSettings.model_fields.items():
        yield name, field.annotation
        if get_origin(field.annotation) is not dict:
            for kind in section_kinds(field):
                yield from ((f"{name}.{key}", setting.annotation) for key, setting in kind.model_fields.items())


def _takes(annotation: Any, plain: Any) -> bool:
    """Whether a value of a plain type fits as it is, and not only inside of something or as one of a few words."""
    if get_origin(annotation) in (Union, UnionType):
        return any(_takes(part, plain) for part in get_args(annotation))
    return bool(annotation == plain)


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def _quote_value(value: str, *, sweeps: bool) -> str:
    if sweeps and (parts := _several(value)):
        return ",".join(_quote_value(part.strip(), sweeps=False) for part in parts)
    if value.lower() in ("", "null") or _FUNCTION.fullmatch(value) or _is_quoted(value):
        return value
    if value.startswith("[") and value.endswith("]"):
        items = _split(value[1:-1]) if value != "[]" else []
        return "[" + ",".join(_quote_value(item.strip(), sweeps=False) for item in items) + "]"
    return _quoted_path(value) if "${" in value and exists(value) else quoted(value)


def _several(value: str) -> list[str]:
    """Values to sweep over; none where the comma belongs to a file that is there, or stands alone."""
    parts = _split(value)
    if len(parts) == 1 or not all(part.strip() for part in parts) or exists(value):
        return []
    return parts


def exists(value: str) -> bool:
    """Whether a text is the path of something that is there."""
    try:
        return Path(value).exists()
    except (OSError, ValueError):
        return False


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside of brackets and quotes."""
    parts, closing, quote = [""], [], ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and not parts[-1].strip():
            quote = character
        elif character in _OPENING:
            closing.append(_OPENING[character])
        elif closing and character == closing[-1]:
            closing.pop()
        elif character == "," and not closing:
            parts.append("")
            continue
        parts[-1] += character
    return parts


def _is_quoted(value: str) -> bool:
    if len(value) < 2 or value[0] not in "'\"" or value[-1] != value[0]:
        return False
    parsed = parse_override(f"key={value}")
    return parsed is not None and isinstance(parsed._value, QuotedString)
