"""`run.json`: all of a run that is neither a table nor an array, and how it is read.

Names and types are checked before anything is used; the settings are checked once more, range by range, by the
classes that read them (`forecast.runs.run`).
"""

from __future__ import annotations

import math
import platform
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeAlias

import numpy as np
from pydantic import ConfigDict, Field, JsonValue, ValidationError, model_validator

from forecast.errors import ForecastError
from forecast.forecasters.interface import QUANTILES
from forecast.network.settings import FittedReferenceName
from forecast.reference.blends import LAGGED
from forecast.reference.references import CALENDAR
from forecast.series.date_features import feature_channels, features_of
from forecast.series.panel import Channel
from forecast.settings import Settings
from forecast.version import __version__

FORMAT: Final = 1
"""Raised whenever an older program could no longer read the folder."""

_RECORDED_PACKAGES = ("numpy", "pandas", "pydantic", "pytorch-lightning", "scikit-learn", "torch")

Steps: TypeAlias = Annotated[int, Field(ge=0, lt=1 << 63)]
Whole: TypeAlias = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


class _Part(Settings):
    """A part of the record. Types are not converted: a number in quotes is not a number."""

    model_config = ConfigDict(strict=True)


class ChannelRecord(_Part):
    """One channel of the panel."""

    name: str
    role: Literal["target", "past", "future", "static"]
    categories: tuple[str, ...] = ()
    computed: str | None = None
    at_end: bool = False


class DataRecord(_Part):
    """The data that were read, what was detected in them, and how they were split."""

    fingerprint: str
    found: dict[str, str]
    notes: tuple[str, ...]
    calendar: dict[str, JsonValue]
    ids: Annotated[tuple[str, ...], Field(min_length=1)]
    """As the user wrote them; every array with one entry a series is in this order."""
    short_ids: tuple[str, ...] = ()
    """Of the series that were too short for the comparison, and are forecast by the pretrained network alone."""
    channels: Annotated[tuple[ChannelRecord, ...], Field(min_length=1)]
    steps: tuple[Steps, ...]
    """Steps of each series: first `train_steps`, then `validation_steps`, then `calibration_steps`, the rest test."""
    train_steps: tuple[Steps, ...]
    validation_steps: tuple[Steps, ...]
    calibration_steps: tuple[Steps, ...]

    @model_validator(mode="after")
    def _one_entry_a_series(self) -> DataRecord:
        if len(set(self.ids)) < len(self.ids):
            raise ValueError("a list of ids without repetition")
        lists = (self.steps, self.train_steps, self.validation_steps, self.calibration_steps)
        if {len(steps) for steps in lists} != {len(self.ids)}:
            raise ValueError("lists of steps as long as the list of ids")
        return self

    @model_validator(mode="after")
    def _an_alphabet(self) -> DataRecord:
        symbols = self.channels[0].categories
        if not all(low < high for low, high in pairwise(("", *symbols))):
            raise ValueError("symbols in the order of their texts, none twice and none empty")
        return self

    @model_validator(mode="after")
    def _whole_features(self) -> DataRecord:
        computed = [Channel(**channel.model_dump()) for channel in self.channels if channel.computed is not None]
        if tuple(computed) != feature_channels(features_of(computed)):
            raise ValueError("all channels of each feature of the date, known ahead and in their order")
        return self


class ProblemRecord(_Part):
    """What the network forecasts; all in steps."""

    horizon: int = Field(ge=1, le=100_000)
    context_steps: int = Field(ge=1, le=1_000_000)
    season_steps: int = Field(ge=1, le=1_000_000)
    season_evidence: str


class CalendarRecord(_Part):
    """What a calendar regression is made of."""

    log: bool
    year: bool
    bend: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    shrink: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    past: bool
    smoothing: Annotated[float, Field(gt=0, le=1)]
    decay: Annotated[float, Field(ge=0, le=1)]
    orders: dict[Literal["day", "week", "year"], Annotated[int, Field(ge=1, le=100)]]
    country: str | None
    season: int = Field(ge=1, le=1_000_000)
    names: Annotated[tuple[tuple[str, str], ...], Field(max_length=100_000)]
    """Part and name of each coefficient."""


class ReferenceRecord(_Part):
    """The constants of the reference; its arrays are in `weights.safetensors`."""

    name: Literal[FittedReferenceName, "symbols", "no symbols"]
    horizon: int = Field(ge=1)
    season_steps: int = Field(ge=1)
    smoothing: Annotated[float, Field(gt=0, le=1)]
    ridge: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    lags: int = Field(0, ge=0, le=100_000)
    """Values before the last that `ridge` reads; runs of before had no such reference."""
    calendar: CalendarRecord | None = None

    @model_validator(mode="after")
    def _lags_of_ridge(self) -> ReferenceRecord:
        if (self.lags > 0) != (self.name in LAGGED):
            raise ValueError("lags are those of the reference ridge, and that has some")
        if (self.calendar is not None) != (self.name == CALENDAR):
            raise ValueError("a calendar is that of the reference calendar, and that has one")
        return self


class NetworkRecord(_Part):
    """What training decided."""

    name: str
    reference: ReferenceRecord | None
    """Null: the network adds to none."""
    epochs: Annotated[tuple[Steps, ...], Field(min_length=1)]
    """One a member of the ensemble; one where it is a single network."""
    stop_reason: Annotated[tuple[str, ...], Field(min_length=1)]
    refitted: bool
    layers: Annotated[int, Field(ge=1, le=64)] | None = None
    """That were chosen, where the settings leave it open; absent in runs that were made before it could be."""
    hidden_size: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Likewise."""

    @model_validator(mode="after")
    def _one_entry_a_member(self) -> NetworkRecord:
        if len(self.epochs) != len(self.stop_reason):
            raise ValueError("as many epochs as reasons to stop")
        return self


class LentRecord(_Part):
    """What turns forecasts into quantiles with the spread that one of the models lends to those without one."""

    lender: str
    spreads: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]]
    """By model, what its own or the lent spread is multiplied by before the offsets."""
    offsets: dict[str, tuple[Annotated[tuple[Number, ...], Field(min_length=9, max_length=9)], ...]]
    """By model, (step, level)."""


class IntervalsRecord(_Part):
    """What turns forecasts into quantiles: forecast + scale of the series * offset of the horizon step."""

    levels: tuple[Number, ...]
    scale: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]
    """One a series, in the target's units."""
    offsets: dict[str, tuple[tuple[Number | None, ...], ...]]
    """By model, (step, level); null is infinite: there were too few conformity scores."""
    lent: LentRecord | None = None
    """What is used where the lender forecasts as well; null: there was none."""

    @model_validator(mode="after")
    def _one_offset_a_level(self) -> IntervalsRecord:
        if self.levels != QUANTILES:
            raise ValueError(f"the levels {', '.join(map(str, QUANTILES))}")
        if any(len(step) != len(QUANTILES) for steps in self.offsets.values() for step in steps):
            raise ValueError("an offset for each level")
        if any(step[QUANTILES.index(0.5)] is None for steps in self.offsets.values() for step in steps):
            raise ValueError("a finite median")
        return self

    def arrays(self) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
        """Return the offsets of each model, (step, level), infinite where they are null."""
        infinite = [math.copysign(math.inf, level - 0.5) for level in QUANTILES]
        return {
            name: np.array([[far if o is None else o for o, far in zip(step, infinite, strict=True)] for step in steps])
            for name, steps in self.offsets.items()
        }


class RecommendationRecord(_Part):
    """Which forecast to use, as `forecast.evaluation.recommendation.Recommendation` describes it."""

    model: str
    why: str
    horizons: Number
    expected: dict[str, Number]
    alike: Annotated[tuple[str, ...], Field(strict=False)] = ()
    runner_up: str | None
    odds: Number | None
    error: Number | None
    error_share: Number | None
    plain: str
    gain: Number | None
    nominal: Number
    covered: Number | None
    coverage: str
    turned: str | None
    weights: dict[str, Annotated[float, Field(gt=0, le=1)]]
    sentence: str
    second: str


class RunRecord(_Part):
    """The whole of `run.json`."""

    format: Literal[1]
    created: str
    versions: dict[str, str]
    command: tuple[str, ...] = ()
    """What was said on the command line; empty where it was Python."""
    settings: dict[str, JsonValue]
    mark: str = ""
    """Of the user who made the run: the data that the settings name are opened unsaid (`forecast.runs.trust`)."""
    data: DataRecord
    problem: ProblemRecord
    network: NetworkRecord
    intervals: IntervalsRecord
    parent: str | None = None
    """The run whose network went on learning; null: it was trained from scratch."""
    baseline: str | None
    """The baseline to beat: the one with the best validation score."""
    recommendation: RecommendationRecord | None = None
    """Null: the run was made before there was one."""
    error_band: dict[str, tuple[Number, Number]] = Field(default_factory=dict)
    """By model, between what nine in ten origins of the test have their mean absolute error over the horizon."""
    verdict: str
    notes: tuple[str, ...]
    validation: dict[str, Number | None]
    """MASE of every model on the validation split; of directions the Brier score, of symbols bits a symbol."""
    metrics: tuple[dict[str, bool | Number | Whole | str | None], ...]
    """The rows of the leaderboard."""
    tests: dict[str, JsonValue]
    """The test of significance and the copy test."""

    @model_validator(mode="after")
    def _one_question(self) -> RunRecord:
        problem, reference = self.problem, self.network.reference
        if reference is not None and (
            reference.horizon not in (1, problem.horizon) or problem.season_steps != reference.season_steps
        ):
            raise ValueError("a reference of the problem's own horizon (or of one step, fed back) and season")
        if any(len(steps) != problem.horizon for steps in self.intervals.offsets.values()):
            raise ValueError("offsets of intervals for each step of the problem's horizon")
        if len(self.intervals.scale) != len(self.data.ids):
            raise ValueError("a scale of intervals for each series")
        return self


def read_record(content: bytes, name: str) -> RunRecord:
    """Read the content of `run.json` strictly; `name` is what an error calls the folder.

    Raises
    ------
    ForecastError
        Not JSON, another format, an unknown or missing key, a wrong type.

    """
    _check_format(content, name)
    try:
        return RunRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ForecastError(
            f"run folder {name}: `{where[:80]}` in run.json: {_lower(first['msg'])}; "
            f"the file was changed or is not of this program: train again, or ask for another copy"
        ) from None


def package_versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    return {
        "python": platform.python_version(),
        "forecast": __version__,
        **{name: _version_or_unknown(name) for name in _RECORDED_PACKAGES},
    }


class _AnyFormat(Settings):
    model_config = ConfigDict(extra="ignore", strict=True)

    format: Any = None


def _check_format(content: bytes, name: str) -> None:
    """Refuse another format first: all other errors would only follow from it."""
    try:
        format_number = _AnyFormat.model_validate_json(content).format
    except ValidationError:
        raise ForecastError(
            f"run folder {name}: run.json should be one JSON object and is not: "
            f"the file was changed or is not of this program"
        ) from None
    if type(format_number) is not int or format_number != FORMAT:
        shown = format_number if isinstance(format_number, int) else "none"
        raise ForecastError(
            f"run folder {name} has format {shown}, expected {FORMAT}: "
            f"open it with the version of forecast that wrote it, or train again"
        )


def _lower(sentence: str) -> str:
    sentence = sentence.removeprefix("Value error, ")
    return sentence[0].lower() + sentence[1:]


def _version_or_unknown(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
