"""What a study searches: `tune.*`, the values that each setting may take, and the job that some of them make."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import Field

from forecast.errors import ForecastError
from forecast.network.settings import NETWORKS
from forecast.questions.kinds import question_of_head
from forecast.settings import Settings, dotted
from forecast.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Value: TypeAlias = str | int | float | bool | None

_CALL = re.compile(r"\s*(tag|int|interval|range|choice)\s*\((.*)\)\s*", re.DOTALL)
_OF_DATA = ("context_steps", "transform")
"""What of `data.*` may differ between trials: all else changes what is read, or the unit of the score."""


class TuneSettings(Settings):
    """Settings of `task=tune`."""

    trials: int = Field(50, ge=1, le=1_000_000)
    """Settings that are tried, by all machines of the study together."""
    time_limit_s: float | None = Field(None, gt=0)
    """Seconds after which this machine begins no further trial and breaks off the one that runs; null: none."""
    sampler: Literal["tpe", "random", "gp"] = "tpe"
    """What proposes the next trial: tree-structured Parzen estimators, chance, or a Gaussian process."""
    pruner: Literal["median", "asha", "none"] = "median"
    """What ends a trial early by its validation loss: worse than the median at that epoch, or successive halving."""
    seeds: int = Field(1, ge=1, le=100)
    """Seeds under which each setting is trained; its score is their mean."""
    storage: str | None = None
    """Address of the database; null: SQLite in the run folder. With a PostgreSQL many machines join one study."""
    study: str = Field("forecast", min_length=1, max_length=200)
    """Name of the study in its database."""
    heartbeat_s: int = Field(30, ge=1, le=86_400)
    """Seconds between signs of life of a trial; one that gives none for twice as long is taken up again."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Settings, nested as in the configuration, with the values that they may take."""


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: tuple[Value, ...]

    def grid(self, points: int) -> tuple[Value, ...]:
        """Return all of them, however many points are wanted."""
        return self.values

    def __contains__(self, value: object) -> bool:
        """Whether a value is one of them; true is not 1."""
        return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in self.values)


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both included; whole ones, or even on a logarithmic scale, where it is said."""

    low: float
    high: float
    whole: bool = False
    logarithmic: bool = False

    def grid(self, points: int) -> tuple[Value, ...]:
        """Return evenly spaced values, the two ends among them."""
        forward, back = (math.log, math.exp) if self.logarithmic else (float, float)
        low, high = forward(self.low), forward(self.high)
        values = [back(low + (high - low) * i / (points - 1)) for i in range(points)]
        values = [self.low, *(float(f"{value:.4g}") for value in values[1:-1]), self.high]
        return tuple(dict.fromkeys(round(value) if self.whole else value for value in values))

    def __contains__(self, value: object) -> bool:
        """Whether a value is a number of the interval."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and self.low <= value <= self.high  # type: ignore[operator]  # a number, which mypy cannot see


Dimension: TypeAlias = Choices | Interval


def read_dimension(value: Any, key: str) -> Dimension:
    """Read what a setting may be: a list, or a text as of a sweep of Hydra.

    >>> read_dimension("tag(log, int(interval(8, 128)))", "tune.space.model.hidden_size")
    Interval(low=8.0, high=128.0, whole=True, logarithmic=True)
    >>> read_dimension("16,32", "tune.space.model.hidden_size")
    Choices(values=(16, 32))

    Raises
    ------
    ForecastError
        A text that says nothing of this kind, an interval that is empty or reaches zero on a logarithmic scale.

    """
    if isinstance(value, list):
        return _choices(value, key)
    call = _CALL.fullmatch(value) if isinstance(value, str) else None
    if call is None:
        return _choices([_plain(part) for part in value.split(",")] if isinstance(value, str) else [value], key)
    name, inside = call[1], call[2]
    if name == "choice":
        return read_dimension(inside, key)
    if name in ("tag", "int"):
        *tags, inside = re.split(r",(?=\s*(?:int|interval)\s*\()", inside, maxsplit=1) if name == "tag" else [inside]
        inner = read_dimension(inside, key)
        if isinstance(inner, Interval) and all(tag.strip() == "log" for tag in tags):
            whole, logarithmic = inner.whole or name == "int", inner.logarithmic or bool(tags)
            return _checked(Interval(inner.low, inner.high, whole, logarithmic), key, value)
        raise _misread(key, value)
    try:
        numbers = [float(part.partition("=")[2] or part) for part in inside.split(",")]
    except ValueError:
        raise _misread(key, value) from None
    if name == "interval" and len(numbers) == 2:
        return _checked(Interval(numbers[0], numbers[1]), key, value)
    if name == "range" and len(numbers) in (2, 3) and all(number.is_integer() for number in numbers):
        return _choices(list(range(*map(int, numbers))), key)
    raise _misread(key, value)


def _plain(text: str) -> Any:
    """Return a number, true, false or null where a text is one, else the text without quotes around it."""
    try:
        return json.loads(text)
    except ValueError:
        return text.strip().strip("'\"")


def _choices(values: list[Any], key: str) -> Choices:
    if not values or not all(isinstance(value, (str, int, float, bool, type(None))) for value in values):
        raise _misread(key, values)
    return Choices(tuple(dict.fromkeys(values)))


def _checked(interval: Interval, key: str, said: str) -> Interval:
    if not interval.low < interval.high or (interval.logarithmic and interval.low <= 0):
        above = ", above zero on a logarithmic scale" if interval.logarithmic else ""
        raise ForecastError(f"`{key}={said}` should reach from a number to a larger one{above}")
    return interval


def _misread(key: str, value: Any) -> ForecastError:
    return ForecastError(
        f"`{key}` should be a list of values, interval(low,high), int(interval(8,64)) or tag(log,interval(1e-4,1e-2)), "
        f"found {value!r}"
    )


def dimensions(space: Mapping[str, Any]) -> Iterator[tuple[str, Dimension]]:
    """Go through a space: dotted key of a setting, and what it may be; null takes a key out."""
    for key, value in dotted(space).items():
        if value is not None and value != {}:
            yield key, read_dimension(value, f"tune.space.{key}")


def of_one_question(space: dict[str, Dimension], head: str) -> dict[str, Dimension]:
    """Keep of the heads of a space those that answer the question of a head: scores of others are not comparable."""
    heads, question = space.get("model.head"), question_of_head(head)
    if not isinstance(heads, Choices):
        return space
    kept = tuple(other for other in heads.grid(2) if question_of_head(str(other)) is question)
    return space | {"model.head": Choices(kept or (head,))}


def check_space(space: Mapping[str, Dimension], values: Mapping[str, Any]) -> None:
    """Refuse what no trial could set; `values` are the plain settings of the job.

    Raises
    ------
    ForecastError
        A key that no network of the space has, or that would make scores incomparable.

    """
    if not space:
        raise ForecastError("`tune.space` holds no setting that may differ: drop some of `model.*`, or name a setting")
    names = space.get("model.name", Choices((values["model"]["name"],)))
    for name in names.grid(2):
        if name not in NETWORKS.kinds or name in ("pretrained", "auto"):
            known = ", ".join(name for name in NETWORKS.kinds if name not in ("pretrained", "auto"))
            raise ForecastError(f"a study trains networks, found `model={name}`: choose among {known}")
    allowed = {f"model.{field}" for name in names.grid(2) for field in NETWORKS.kinds[str(name)].model_fields}
    allowed |= {f"training.{field}" for field in TrainingSettings.model_fields} | {f"data.{name}" for name in _OF_DATA}
    for key in space:
        if key not in allowed:
            raise ForecastError(
                f"`tune.space.{key}` is no setting of {', '.join(map(str, names.grid(2)))} or of their training "
                f"(`model.*`, `training.*`, `data.context_steps`, `data.transform`): correct it, or set it to null"
            )


def applies(key: str, model: Mapping[str, Any]) -> bool:
    """Whether a setting means anything for a network with these settings, its own value apart."""
    section, _, name = key.partition(".")
    head = str(model.get("head", "point"))
    if key == "model.loss":
        return head == "point"
    if key == "model.reference" and question_of_head(head).categorical:
        return False
    return section != "model" or name in NETWORKS.kinds[model["name"]].model_fields


def with_values(values: Mapping[str, Any], chosen: Mapping[str, Value]) -> dict[str, Any]:
    """Return the plain settings of a job with some of them said otherwise.

    Another cell keeps what is set of the one before and known to it, and has its own defaults elsewhere.
    """
    settings = {section: dict(part) if isinstance(part, dict) else part for section, part in values.items()}
    name = chosen.get("model.name", values["model"]["name"])
    if name != values["model"]["name"]:
        defaults = NETWORKS.kinds[values["model"]["name"]]().model_dump(mode="json")
        fields = NETWORKS.kinds[str(name)].model_fields
        same = {key: value for key, value in values["model"].items() if key in fields and value != defaults.get(key)}
        settings["model"] = same | {"name": name}
    for key, value in chosen.items():
        section, _, setting = key.partition(".")
        settings[section][setting] = value
    return settings


def as_overrides(chosen: Mapping[str, Value]) -> tuple[str, ...]:
    """Write settings as the command line takes them; the cell first, by its group."""
    settings = {"model": chosen["model.name"]} if "model.name" in chosen else {}
    settings |= {key: value for key, value in chosen.items() if key != "model.name"}
    return tuple(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in settings.items())
