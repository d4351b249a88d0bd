"""What a job can say about its data, and about how they are cut in time."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from forecast.reading import csv_settings as reading
from forecast.settings import Settings

FeatureName = Literal["hour", "weekday", "yearday", "month"]


class SeriesSettings(Settings):
    """What every source has.

    Attributes
    ----------
    context_steps : steps of the past that windows and the shortest training split have; None: by season and horizon
    season_steps : steps of a season, 1: none; None: found on the training split
    transform : forecasts are made of the logarithm of the target, and undone

    """

    context_steps: int | None = Field(default=None, ge=1, le=1_000_000)
    season_steps: int | None = Field(default=None, ge=1, le=1_000_000)
    transform: Literal["none", "log"] = "none"


class RowSettings(SeriesSettings):
    """What is made of the rows of a file: how they follow each other in time.

    Attributes
    ----------
    freq : a pandas offset alias (D, B, h, 15min, W-SUN, MS, QE, ...), or steps between integers; None: by the times
    holidays : days without trading that the file cannot show, so future ones (ISO dates)
    holiday_run : longest run of missing trading days that still counts as holidays; a longer one is a gap, unless it
        is at most a week longer and comes at the same time of another year as well
    on_gaps : missing steps and missing values: an error, left open (`mask`: an input says so), filled in straight
        lines or with the value before, or left out (`ignore`: the rows go on as if they were neighbours)
    on_duplicates : rows with the same time: an error, or the first, the last or the mean of them
    resample : make one step of each week, month, ... (a coarser pandas alias)
    resample_how : what a coarser step is of its rows
    calendar : places in day, week and year as covariates that are known ahead (hour, weekday, yearday, month); None:
        those that suit the steps, where there are dates; "none": none
    country : whose public holidays are a covariate (a code of ISO 3166, such as KR)

    """

    freq: str | None = Field(default=None, min_length=1)
    holidays: tuple[str, ...] = ()
    holiday_run: int = Field(default=4, ge=0, le=30)
    on_gaps: Literal["error", "mask", "interpolate", "previous", "ignore"] = "error"
    on_duplicates: Literal["error", "first", "last", "mean"] = "error"
    resample: str | None = Field(default=None, min_length=1)
    resample_how: Literal["sum", "mean", "last"] = "mean"
    calendar: Literal["none"] | FeatureName | tuple[FeatureName, ...] | None = None
    country: str | None = Field(default=None, min_length=2)

    @field_validator("freq", mode="before")
    @classmethod
    def _number_as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("holidays", mode="before")
    @classmethod
    def _dates_as_text(cls, value: object) -> object:
        if isinstance(value, (str, date)):
            value = [value]
        if isinstance(value, (list, tuple)):
            return tuple(day.isoformat() if isinstance(day, date) else day for day in value)
        return value

    @field_validator("holidays")
    @classmethod
    def _real_dates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for day in value:
            try:
                date.fromisoformat(day)
            except ValueError:
                raise ValueError(f"dates such as 2026-12-25, and {day!r} is none") from None
        return value


class SinewaveSettings(SeriesSettings):
    """A sine wave with noise; its times are step numbers.

    Attributes
    ----------
    frequency : Hz
    sampling_rate : steps a second; the frequency may be half of it at most
    duration : seconds
    amplitude : of the wave, without a unit
    phase : radians at step 0
    noise : standard deviation of the normal noise on every step
    seed : of the noise

    """

    name: Literal["sinewave"] = "sinewave"
    frequency: float = Field(default=10.0, gt=0, le=1e9)
    sampling_rate: float = Field(default=200.0, gt=0, le=1e9, validate_default=True)
    duration: float = Field(default=10.0, gt=0, le=1e9, validate_default=True)
    amplitude: float = Field(default=1.0, gt=0, le=1e9)
    phase: float = Field(default=0.0, ge=-1e3, le=1e3)
    noise: float = Field(default=0.1, ge=0, le=1e9)
    seed: int = Field(default=0, ge=0, lt=2**32)

    @field_validator("sampling_rate")
    @classmethod
    def _shows_the_wave(cls, value: float, info: ValidationInfo) -> float:
        frequency = info.data.get("frequency", 0.0)
        if frequency > value / 2:
            raise ValueError(f"at least twice `data.frequency` (here {2 * frequency:g}), or the wave cannot be seen")
        return value

    @field_validator("duration")
    @classmethod
    def _some_steps(cls, value: float, info: ValidationInfo) -> float:
        if not 2 <= value * info.data.get("sampling_rate", 1.0) <= 1e8:
            raise ValueError("such that `data.duration` x `data.sampling_rate` is 2 to 100 million steps")
        return value


class StockSettings(RowSettings):
    """The bundled daily prices, read as any CSV.

    Attributes
    ----------
    path : a newer file with the same columns; None: the bundled one
    target : Open, High, Low, Close or Volume, or several of them

    """

    name: Literal["stock"] = "stock"
    path: str | None = Field(default=None, min_length=1)
    target: reading.Names = "Close"


class CsvSettings(reading.CsvSettings, RowSettings):
    """Any CSV or Parquet file: what can be said of the file, and what is made of its rows.

    Attributes
    ----------
    on_short_series : series too short for context and horizon, or without any value: an error, or left out

    """

    on_short_series: Literal["error", "drop"] = "error"


class AdditionSettings(SeriesSettings):
    """Sums of two numbers in binary digits, each a series (`addition`).

    Attributes
    ----------
    sums : how many, of `shortest` to `longest` digits
    longer_sums : how many after these, of `longer` digits: what is learnt of short sums is asked of long ones
    seed : of the digits

    """

    name: Literal["addition"] = "addition"
    sums: int = Field(default=500, ge=3, le=1_000_000)
    shortest: int = Field(default=2, ge=1, le=10_000)
    longest: int = Field(default=10, ge=1, le=10_000, validate_default=True)
    longer_sums: int = Field(default=100, ge=0, le=1_000_000)
    longer: int = Field(default=30, ge=1, le=10_000)
    seed: int = Field(default=0, ge=0, lt=2**32)
    season_steps: int = Field(default=1, ge=1, le=1)
    transform: Literal["none"] = "none"

    @field_validator("longest")
    @classmethod
    def _not_below(cls, value: int, info: ValidationInfo) -> int:
        if value < (shortest := info.data.get("shortest", 1)):
            raise ValueError(f"at least `data.shortest` ({shortest})")
        return value


class TextSettings(SeriesSettings):
    """A text, of which each character is a step.

    Attributes
    ----------
    path : its file; None: the bundled one, unless it is said here
    text : the text itself
    repeat : how often it comes, one after the other
    jamo : Hangul syllables are broken into the letters that they are composed of
    encoding : a name that Python knows; None: found out

    """

    name: Literal["text"] = "text"
    path: str | None = Field(default=None, min_length=1)
    text: str | None = Field(default=None, min_length=1)
    repeat: int = Field(default=1, ge=1, le=1_000_000)
    jamo: bool = False
    encoding: str | None = None
    season_steps: int = Field(default=1, ge=1, le=1_000_000)
    transform: Literal["none"] = "none"

    @field_validator("text")
    @classmethod
    def _one_text(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("path") is not None:
            raise ValueError("left out where `data.path` names a file")
        return value


DataSettings = Annotated[
    SinewaveSettings | StockSettings | CsvSettings | TextSettings | AdditionSettings, Field(discriminator="name")
]
