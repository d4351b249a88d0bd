"""The command line, made ready for Hydra: flags anywhere, values as a person types them.

Hydra takes `-m` at the beginning or the end only, and its grammar refuses brackets, Hangul and much else in a value
that is not quoted. Here flags are sorted to the front, and a value that is meant as text is quoted; lists, sweeps,
interpolations and functions stay what they are. Of Hydra's flags two are left out: `--experimental-rerun` unpickles a
file, and `--config-path` would replace all of our configuration where `--config-dir` adds to it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from forecast.errors import ForecastError
from forecast.tasks.settings import JobSettings, section_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SWITCHES = (
    *("--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r"),
    *("--multirun", "-m", "--shell-completion", "-sc"),
)
_FLAGS_WITH_VALUE = (
    *("--cfg", "-c", "--package", "-p", "--info", "-i"),
    *("--config-name", "-cn", "--config-dir", "-cd"),
)
_CHOICES = {
    **dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")),
    **dict.fromkeys(("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")),
}
_SHOWING = ("--help", "-h", "--hydra-help", "--shell-completion", "-sc", "--cfg", "-c", "--info", "-i")

_OVERRIDE = re.compile(r"(?P<key>[+~]*[\w.@/:$-]+)=(?P<value>.*)", re.DOTALL)
_FUNCTION = re.compile(
    r"\s*(choice|range|interval|glob|shuffle|sort|tag|str|int|float|bool|json_str|extend_list)\s*\(.*\)\s*", re.DOTALL
)
_OPEN_KEY = re.compile(r"baseline\.[^.]+\.(params|choose)\.[^.]+")
"""Whatever scikit-learn calls its parameters; Hydra has to be told that they may be new."""
_OPENING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class CommandLine:
    """Flags and overrides, each as Hydra wants them."""

    flags: tuple[str, ...]
    overrides: tuple[str, ...]

    @property
    def sweeps(self) -> bool:
        """Whether every combination of several values is to be run."""
        return any(flag in ("-m", "--multirun") for flag in self.flags) or "hydra.mode=MULTIRUN" in self.overrides

    @property
    def shows(self) -> bool:
        """Whether something is only to be shown, and nothing run."""
        return any(flag in _SHOWING for flag in self.flags)

    def flag(self, *names: str) -> str | None:
        """Return the value of a flag, by any of its names."""
        return next((value for flag, value in pairwise(self.flags) if flag in names), None)

    def with_override(self, key: str, value: str) -> CommandLine:
        """Say one more thing; it wins over what was said before."""
        return CommandLine(self.flags, (*self.overrides, f"{key}={_quote(value)}"))


def read_command_line(arguments: Sequence[str]) -> CommandLine:
    """Sort and quote what stands behind the program's name.

    >>> read_command_line(["data.path=my file (1).csv", "-m", "model=rnn,lstm"])
    CommandLine(flags=('-m',), overrides=('data=csv', "data.path='my file (1).csv'", 'model=rnn,lstm'))
    """
    flags, overrides = _sort(arguments)
    line = CommandLine(tuple(flags), tuple(overrides))
    quoted = tuple(quote_override(override, sweeps=line.sweeps) for override in line.overrides)
    return CommandLine(line.flags, _with_csv(quoted))


def quote_override(override: str, *, sweeps: bool) -> str:
    """Quote the value of one override where it is text, or where Hydra would not understand it otherwise."""
    match = _OVERRIDE.fullmatch(override)
    if match is None:
        return override
    key, value = match["key"], match["value"]
    if _OPEN_KEY.fullmatch(key):
        override, key = f"++{override}", f"++{key}"
    if key.lstrip("+~") not in text_keys() and parse_override(override) is not None:
        return override
    return f"{key}={_quote_value(value, sweeps=sweeps)}"


def parse_override(override: str) -> Any:
    """Return Hydra's view of an override, or None where its grammar refuses it."""
    try:
        return _parser().parse_override(override)
    except HydraException:
        return None


@cache
def text_keys() -> frozenset[str]:
    """Keys whose value is free text, such as a path or the name of a column: a comma in it is a comma."""
    keys = {"hydra.run.dir", "hydra.sweep.dir"}
    for name, field in JobSettings.model_fields.items():
        if get_origin(field.annotation) is not dict:
            for kind in section_kinds(field):
                keys |= {f"{name}.{key}" for key, one in kind.model_fields.items() if _takes_text(one.annotation)}
        if _takes_text(field.annotation):
            keys.add(name)
    return frozenset(keys)


def _takes_text(annotation: Any) -> bool:
    if annotation is str:
        return True
    if get_origin(annotation) in (Literal, dict):
        return False
    parts = get_args(annotation)
    return any(_takes_text(part) for part in parts) and not {int, float, bool} & set(parts)


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def _sort(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    flags: list[str] = []
    overrides: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        name, equals, value = argument.partition("=")
        if name in _FLAGS_WITH_VALUE:
            flags += [name, _checked_value(name, value if equals else _take_value(name, waiting))]
        elif name in _SWITCHES:
            flags.append(name)
        else:
            raise ForecastError(_unknown_flag(name))
    return flags, overrides


def _take_value(flag: str, waiting: list[str]) -> str:
    """Take what stands behind a flag; that of `--info` may be left out."""
    optional = flag in ("--info", "-i")
    if optional and (not waiting or waiting[0].startswith("-") or "=" in waiting[0]):
        return "all"
    if not waiting:
        raise ForecastError(f"`{flag}` needs a value behind it: see `--help`")
    return waiting.pop(0)


def _checked_value(flag: str, value: str) -> str:
    if flag in _CHOICES and value not in _CHOICES[flag]:
        raise ForecastError(f"`{flag}` should be one of {', '.join(_CHOICES[flag])}, found {value!r}")
    return value


def _unknown_flag(name: str) -> str:
    near = difflib.get_close_matches(name, (*_SWITCHES, *_FLAGS_WITH_VALUE), n=1)
    hint = f"did you mean `{near[0]}`?" if near else "settings are said as key=value, see `--help`"
    return f"`{name}` is not a flag: {hint}"


def _with_csv(overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Whoever names a file means it: `data.path` alone says `data=csv`."""
    keys = {override.partition("=")[0].lstrip("+") for override in overrides}
    return ("data=csv", *overrides) if "data.path" in keys and "data" not in keys else overrides


def _quote_value(value: str, *, sweeps: bool) -> str:
    if sweeps and (parts := _several(value)):
        return ",".join(_quote_value(part.strip(), sweeps=False) for part in parts)
    if value.lower() in ("", "null") or _FUNCTION.fullmatch(value) or _is_quoted(value):
        return value
    if value.startswith("[") and value.endswith("]"):
        items = _split(value[1:-1]) if value != "[]" else []
        return "[" + ",".join(_quote_value(item.strip(), sweeps=False) for item in items) + "]"
    return _quote(value)


def _several(value: str) -> list[str]:
    """Values to sweep over; none where the comma belongs to a file that is there, or stands alone."""
    parts = _split(value)
    if len(parts) == 1 or not all(part.strip() for part in parts) or _exists(value):
        return []
    return parts


def _exists(value: str) -> bool:
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


def _quote(value: str) -> str:
    return QuotedString(value, Quote.single).with_quotes()


def overridden_keys(overrides: Sequence[str]) -> Iterator[str]:
    """Keys of overrides, without the signs before them."""
    for override in overrides:
        yield override.partition("=")[0].lstrip("+~")
