"""The command line, made ready for Hydra: flags anywhere, values as a person types them.

Hydra takes `-m` at the beginning or the end only; here flags are sorted to the front. Of Hydra's flags two are left
out: `--experimental-rerun` unpickles a file, and `--config-path` would replace all of our configuration where
`--config-dir` adds to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from forecast.app.composition import added_folders, compose_sweep, load_extensions
from forecast.app.overrides import exists, overridden_keys, quote_override, quoted, text_keys
from forecast.errors import ForecastError
from forecast.tasks.settings import JobSettings
from forecast.tasks.space import read_dimension
from forecast.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

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
_NO_BASELINE = "baseline=[]"
_NO_COLLECTION = "pretrain.data=null"
"""What Hydra understands of a group of which several may be chosen; of `null` it makes a traceback."""

_FILE_NAMES = ("csv", "data", "file", "filename", "input", "path")
"""What people call `data.path`, as a key or as a flag."""

_FILE = re.compile(
    r"-|\w+:/{1,3}.+|.*[/\\*?].*"
    r"|.+\.(csv|tsv|txt|dat|parquet|feather|arrow|xlsx?|ods|jsonl?|ndjson|db|sqlite3?|duckdb|gz|bz2|xz|zip|zst)",
    re.IGNORECASE | re.DOTALL,
)
"""What can only be a file, even where none is there: standard input, an address, a path, a pattern, a usual ending."""

_CHOOSES_A_MODEL = ("model", "training", "ensemble", "combine", "experiment", "task")
"""Sections of settings that speak of a certain network, or of another task than training."""

_SWEPT_VALUES = 5
"""Of an interval that is swept over."""

_SHOWING = ("--help", "-h", "--hydra-help", "--shell-completion", "-sc", "--cfg", "-c", "--info", "-i")


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
        """Add an override; it wins over earlier ones."""
        return CommandLine(self.flags, (*self.overrides, f"{key}={quoted(value)}"))


def read_command_line(arguments: Sequence[str]) -> CommandLine:
    """Sort and quote what stands behind the program's name; `extensions.py` of `--config-dir` is run on the way.

    >>> read_command_line(["data.path=my file (1).csv", "-m", "model=rnn,lstm"])
    CommandLine(flags=('-m',), overrides=('data=csv', "data.path='my file (1).csv'", 'model=rnn,lstm'))
    """
    for argument in arguments:
        _refuse_undecodable(argument)
    flags, overrides = _sort(arguments)
    line = CommandLine(tuple(flags), tuple(overrides))
    load_extensions(added_folders(line))  # which keys take text, their settings say
    understood = [_NO_BASELINE if override == "baseline=null" else override for override in _with_paths(overrides)]
    if line.sweeps:
        understood = [_spread_out(override) for override in understood]
    quoted = tuple(quote_override(override, sweeps=line.sweeps) for override in understood)
    return _with_csv(CommandLine(line.flags, quoted))


def _sort(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    flags: list[str] = []
    overrides: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if not argument.startswith("-") or argument == "-":
            overrides.append(argument)
            continue
        name, equals, value = argument.partition("=")
        if name.removeprefix("--") in _FILE_NAMES:
            overrides.append(f"path={value if equals else _take_value(name, waiting)}")
        elif name in _FLAGS_WITH_VALUE:
            flags += [name, _checked_value(name, value if equals else _take_value(name, waiting))]
        elif name in _SWITCHES:
            flags.append(name)
        else:
            raise ForecastError(_unknown_flag(name))
    return flags, overrides


def _with_paths(overrides: Sequence[str]) -> list[str]:
    """Put files that stand for themselves, or under another name, into `data.path`, and refuse what is no override."""
    paths, others, lists = [], [], text_keys().listed
    for override in overrides:
        key, equals, value = override.partition("=")
        if equals and not key.strip("+~ "):
            raise ForecastError(f"`{override}` has no name before the `=`: settings are given as in `horizon=3`")
        if key.lstrip("+~") in lists and value.startswith("[") and not value.endswith("]") and not exists(value):
            raise ForecastError(
                f"`{override}` opens a bracket that is never closed: close it, and put quotes around it all if there "
                f"are blanks in it, as in '{key}=[a,b]'"
            )
        if equals and key in _FILE_NAMES and (key != "data" or _FILE.fullmatch(value)):
            paths.append(value)
        elif _is_file(override):
            paths.append(override)
        else:
            others.append(override)
    if not paths and not any(override.startswith("data.path=") for override in others):
        # A collection to pretrain on is read as any file is: `data.*` say how.
        paths = [one.partition("=")[2] for one in others if one.startswith("pretrain.data=") and one != _NO_COLLECTION]
    if len(paths) < 2:
        return [*others, *(f"data.path={path}" for path in paths)]
    return [*others, f"data.path=[{','.join(paths)}]"]


def _spread_out(override: str) -> str:
    """Replace an interval to sweep over by values in even steps, on a logarithmic scale where it is tagged so.

    >>> _spread_out("model.dropout=interval(0,0.4)"), _spread_out("horizon=3")
    ('model.dropout=0.0,0.1,0.2,0.3,0.4', 'horizon=3')
    """
    key, _, value = override.partition("=")
    if "interval(" not in value or key.lstrip("+~").startswith("tune."):
        return override
    return f"{key}={','.join(map(str, read_dimension(value, key).grid(_SWEPT_VALUES)))}"


def _is_file(argument: str) -> bool:
    """Whether an argument is a file: it is there, or can be nothing else, and is no setting."""
    key, equals, _ = argument.partition("=")
    if equals and re.split(r"[.@]", key.lstrip("+~"))[0] in {
        *JobSettings.model_fields,
        "experiment",
        "preset",
        "hydra",
    }:
        return False
    return exists(argument) or (not equals and _FILE.fullmatch(argument) is not None)


def _refuse_undecodable(argument: str) -> None:
    """Refuse a name whose bytes are no text: neither a run folder nor a terminal could repeat it."""
    if argument.isprintable() or argument.encode(errors="ignore").decode() == argument:
        return
    shown = argument.encode(errors="surrogateescape").decode(errors="backslashreplace")
    raise ForecastError(
        f"`{shown}` is not written in UTF-8: rename the file, or hand it to standard input (`data.path=-`)"
    )


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
    setting = name.lstrip("-").replace("-", "_")
    if setting.partition(".")[0] in JobSettings.model_fields:
        return f"`{name}` is not a flag: settings have no dashes, as in `{setting}=...`"
    hint = did_you_mean(name, (*_SWITCHES, *_FLAGS_WITH_VALUE), "settings are given as key=value, see `--help`")
    return f"`{name}` is not a flag: {hint}"


def _with_csv(line: CommandLine) -> CommandLine:
    """Add `data=csv` where `data.path` stands alone: whoever names a file means it, unless an experiment reads one.

    Where neither a model nor its training is set, add `model=auto`; where it is not set, the horizon is what
    the number of rows suggests (`horizon=0`).
    """
    keys = set(overridden_keys(line.overrides))
    if "data.path" not in keys or ("experiment" in keys and _reads_a_path(line)):
        return line
    csv = () if "data" in keys else ("data=csv",)
    reads_csv = csv or "data=csv" in line.overrides
    keys_set = set(overridden_keys([override for override in line.overrides if override != "task=train"]))
    preset = next((one.partition("=")[2] for one in line.overrides if one.startswith("preset=")), "balanced")
    chosen = line.sweeps or preset != "balanced" or any(key.partition(".")[0] in _CHOOSES_A_MODEL for key in keys_set)
    model = ("model=auto",) if reads_csv and not chosen else ()
    settled = line.sweeps or keys_set & {"task", "experiment", "horizon"}
    horizon = ("horizon=0",) if reads_csv and not settled else ()
    return CommandLine(line.flags, (*csv, *model, *horizon, *line.overrides))


def _reads_a_path(line: CommandLine) -> bool:
    """Whether the source that the experiment chooses has a path to set; Hydra composes it to say so."""
    experiment = [override for override in line.overrides if override.startswith("experiment=")]
    try:
        return "path" in compose_sweep(CommandLine(line.flags, tuple(experiment))).data
    except ForecastError:  # no such experiment: reported when the whole line is composed
        return True
