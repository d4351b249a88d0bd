"""What goes in and out over HTTP, as OpenAPI describes it."""

from __future__ import annotations

import json
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from forecast.serving.guard import RefusedError
from forecast.settings import Settings, check_settings

S = TypeVar("S", bound=Settings)
Cell: TypeAlias = str | int | float | bool | None

_DAYS: list[JsonValue] = [{"ds": "2024-03-01", "y": 12.0}, {"ds": "2024-03-02", "y": 15.5}]


class ForecastRequest(Settings):
    """A history to forecast after: rows with a time, a value, and an id where there are several series."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"history": _DAYS}]})

    history: list[dict[str, Cell]]
    """Rows: `ds` (left out where rows are steps), `y`, `unique_id` (left out of one series) and covariates, or columns
    as the run's own file has them."""
    run: str | None = None
    """Id of the run; null: the only one, or the first."""
    others: bool = True
    """Fit the recommended model and the baseline to beat on this history, and forecast with them as well."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Settings of the data, as `data.*` on the command line: {"on_gaps": "mask"}."""

    @field_validator("history")
    @classmethod
    def _some_rows(cls, value: list[dict[str, Cell]]) -> list[dict[str, Cell]]:
        if not value:
            raise ValueError("one row at least")
        return value


class Row(Settings):
    """A new row of a stream, as `task=stream` takes it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"y": 12.5}, {"unique_id": "north", "ds": "2024-03-04", "y": None}]}
    )

    y: Cell
    """The value; null where it is missing."""
    ds: str | None = None
    """Its time; null: the next step."""
    unique_id: str | None = None
    """The series, where the run has several."""
    covariates: dict[str, Cell] = Field(default_factory=dict)
    """By name; those of a later step as `name+3`."""
    run: str | None = None
    """Id of the run; null: the only one, or the first."""


class Step(BaseModel):
    """A forecast of one step, with quantiles where the run has them."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"unique_id": "y", "ds": "2024-03-04", "model": "lstm", "y_hat": 13.2, "q0.1": 9.8}]
        },
    )

    unique_id: str
    ds: str
    model: str
    y_hat: float


class ForecastAnswer(BaseModel):
    """The forecast after a history; `recommended` is the model to use, as the run found."""

    run: str
    recommended: str
    forecast: list[Step]
    notes: list[str]


class Streamed(BaseModel):
    """The forecast of the steps after `ds`, with the ends of the interval; of symbols the likeliest, with chances."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"unique_id": "y", "ds": "2024-03-04", "y_hat": [13.2], "q0.05": [9.8], "q0.95": [16.5]}]
        },
    )

    unique_id: str
    ds: str


class StreamAnswer(BaseModel):
    """The forecast after a row, rows since the stream began here, and in `dropped` a stream that had to make room."""

    id: str
    run: str
    rows: int
    forecast: Streamed
    dropped: str | None


class RunAnswer(BaseModel):
    """A run that is served."""

    id: str
    created: str
    model: str
    series: int
    ids: list[str]
    horizon: int
    frequency: str
    season_steps: int
    recommended: str
    verdict: str


class Health(BaseModel):
    """That the service lives, and what it holds."""

    status: str
    runs: int
    streams: int


class Refusal(BaseModel):
    """Why a request was refused: the one line that the command prints."""

    error: str


def checked(kind: type[S], content: bytes) -> S:
    """Read a body of JSON into a form.

    Raises
    ------
    RefusedError
        Not JSON, or no object.
    ForecastError
        A key that is unknown or missing, or a wrong value.

    """
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body should be JSON and is not ({str(error)[:120]})") from None
    if not isinstance(values, dict):
        raise RefusedError(422, f"the body should be one JSON object, found {type(values).__name__}")
    return check_settings(kind, values)
