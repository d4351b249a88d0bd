"""The base of every settings class, and how a wrong setting is said in one line.

Settings are frozen pydantic models, one a layer, beside the code that reads them. This module knows none of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from forecast.errors import ForecastError
from forecast.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails


class Settings(BaseModel):
    """Frozen, plain values only; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


S = TypeVar("S", bound=Settings)
_ONE_OF = "one_of"
"""The type of the error that a key names none of the known classes."""


class OneOf:
    """Settings classes of which a key says which one is meant; more can be registered by adding to `kinds`.

    As metadata of a field's annotation it tells what the field may hold; `check` validates it.

    >>> class Cat(Settings):
    ...     kind: str
    >>> OneOf("kind", {"cat": Cat}).check({"kind": "cat"})
    Cat(kind='cat')
    """

    def __init__(self, key: str, kinds: dict[str, type[Any]]) -> None:
        self.key = key
        self.kinds = kinds

    def check(self, values: Any) -> Any:
        """Validate plain values by the class that the key names; what is validated already stays as it is."""
        if not isinstance(values, dict):
            return values
        if not isinstance(name := values.get(self.key), str) or name not in self.kinds:
            known = {"key": self.key, "known": ", ".join(self.kinds), "value": values.get(self.key)}
            raise PydanticCustomError(_ONE_OF, "{key} should be one of {known}", known)
        return self.kinds[values[self.key]].model_validate(values)


def check_settings(kind: type[S], values: Mapping[str, Any], prefix: str = "") -> S:
    """Build settings from plain values; `prefix` is what stands before their names ("training.").

    Raises
    ------
    ForecastError
        The first unknown key, wrong type or value out of range, with the nearest known name.

    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ForecastError(_one_line(kind, error.errors()[0], prefix)) from None


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by their dotted names; a section that is empty stands for itself.

    >>> dotted({"seed": 0, "model": {"name": "gru"}, "baseline": {}})
    {'seed': 0, 'model.name': 'gru', 'baseline': {}}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= dotted(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat


def _one_line(kind: type[Settings], error: ErrorDetails, prefix: str) -> str:
    name = prefix + ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = list(kind.model_fields)
        hint = did_you_mean(str(error["loc"][-1]), known, f"known are {', '.join(known)}", f"`{prefix}{{}}`")
        return f"`{name}` is not a setting: {hint}"
    if error["type"] == "missing":
        return f"`{name}` is missing: set it, as in `{name}=...`"
    if error["type"] == _ONE_OF:
        context = error["ctx"]
        return f"`{name}.{context['key']}` should be one of {context['known']}, found {shown(context['value'])}"
    if not error["loc"]:  # several settings do not go together: all of the section is no one's value
        message = str(error["msg"]).removeprefix("Value error, ")
        return f"`{prefix.rstrip('.')}`: {message}" if prefix else message
    expected = error["msg"][0].lower() + error["msg"][1:]
    expected = expected.removeprefix("value error, ").split(", unable to parse")[0]
    if not error["input"] and error["type"].endswith("too_short"):
        return f"`{name}` is empty: give it a value, or leave it out"
    length = re.fullmatch(r"\w+ should (have at (?:least|most) \d+ \w+)(?: after validation.*)?", expected)
    expected = length[1] if length else f"be {expected.removeprefix('input should be ')}"
    return f"`{name}` should {expected}, found {shown(error['input'])}"


def shown(value: Any) -> str:
    """Write a value, and of a long one its beginning.

    >>> shown("ab"), len(shown("9" * 5000))
    ("'ab'", 203)
    """
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
