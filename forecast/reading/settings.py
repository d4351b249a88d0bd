"""The settings `data.*`: what can be said of a file, of its rows, and of series that are generated."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from forecast.errors import ForecastError
from forecast.settings import OneOf, Settings

FeatureName = Literal["hour", "weekday", "yearday", "month"]
HalfDays = Literal["all"] | tuple[str, ...]
Names = str | tuple[str, ...]
Layout = Literal["long", "columns", "rows", "pivot"]


class SeriesSettings(Settings):
    """Settings of every source.

    Attributes
    ----------
    context_steps : past steps of a window and of the shortest training split; None: by season and horizon
    season_steps : steps of a season, 1: none; None: detected before the test split
    transform : "log": the logarithm of the target is forecast and transformed back

    """

    context_steps: int | None = Field(default=None, ge=1, le=1_000_000)
    season_steps: int | None = Field(default=None, ge=1, le=1_000_000)
    transform: Literal["none", "log"] = "none"


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


class AdditionSettings(SeriesSettings):
    """Sums of two numbers in binary digits, each a series (`addition`).

    Attributes
    ----------
    sums : how many, of `shortest` to `longest` digits
    longer_sums : how many after these, of `longer` digits, to test on longer sums than were trained on
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
    path : its file; None: the bundled one, unless `text` is given
    text : the text itself
    repeat : how often it is repeated
    jamo : break Hangul syllables into the letters that they are composed of
    encoding : a name that Python knows; None: detected

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


class RowSettings(SeriesSettings):
    """How the rows of a file follow each other in time.

    Attributes
    ----------
    freq : a pandas offset alias (D, B, h, 15min, W-SUN, MS, QE, ...), or steps between integers; None: by the times
    holidays : days without trading that the file cannot show, so future ones (ISO dates)
    holiday_run : longest run of missing trading days that still counts as holidays; a longer one is a gap, unless it
        is at most a week longer and comes at the same time of another year as well
    half_days : days on which a session of trading or work may begin late or end early (ISO dates), or all; on any other
        day what is missing of it is a gap
    on_gaps : missing steps and missing values: an error, masked (an input marks them), interpolated linearly, filled
        with the previous value, or left out (`ignore`: the rows around them count as neighbours); auto: a few are
        masked, at most a tenth of a series and no run longer than a season, and more are an error
    on_duplicates : rows with the same time: an error, or the first, the last or the mean of them
    resample : make one step of each week, month, ... (a coarser pandas alias)
    resample_how : what is taken of the rows of a coarser step
    calendar : position in day, week and year as covariates known ahead (hour, weekday, yearday, month); None: those
        that suit the steps, where there are dates; "none": none
    country : its public holidays, and the days before and after them, are covariates (a code of ISO 3166, such as KR)
    ahead_lags, ahead_leads : covariates known ahead are read of so many steps before and after each step of the horizon
        as well; without leads nothing acts before its time
    minimum, maximum, integer : what values there can be at all; forecasts and quantiles of all models are moved there

    """

    freq: str | None = Field(default=None, min_length=1)
    holidays: tuple[str, ...] = ()
    holiday_run: int = Field(default=4, ge=0, le=30)
    half_days: HalfDays = ()
    on_gaps: Literal["auto", "error", "mask", "interpolate", "previous", "ignore"] = "auto"
    on_duplicates: Literal["error", "first", "last", "mean"] = "error"
    resample: str | None = Field(default=None, min_length=1)
    resample_how: Literal["sum", "mean", "last"] = "mean"
    calendar: Literal["none"] | FeatureName | tuple[FeatureName, ...] | None = None
    country: str | None = Field(default=None, min_length=2)
    ahead_lags: int = Field(default=3, ge=0, le=100)
    ahead_leads: int = Field(default=1, ge=0, le=100)
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    integer: bool = False

    @field_validator("freq", mode="before")
    @classmethod
    def _number_as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _some_values(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"minimum should be less than maximum, found {self.minimum:g} and {self.maximum:g}")
        return self

    @field_validator("holidays", "half_days", mode="before")
    @classmethod
    def _dates_as_text(cls, value: object) -> object:
        if isinstance(value, (str, date)) and value != "all":
            value = [value]
        if isinstance(value, (list, tuple)):
            return tuple(day.isoformat() if isinstance(day, date) else day for day in value)
        return value

    @field_validator("holidays", "half_days")
    @classmethod
    def _real_dates(cls, value: HalfDays) -> HalfDays:
        for day in () if value == "all" else value:
            try:
                date.fromisoformat(day)
            except ValueError:
                raise ValueError(f"dates such as 2026-12-25, and {day!r} is none") from None
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
    target: Names = "Close"


class FileSettings(Settings):
    """What can be said of the files of a table; None: detected.

    Attributes
    ----------
    path : a file, a folder of files of one form, a pattern (`sales/*.csv`), several of these, a database
        (`sqlite:///sales.db`, `duckdb:///sales.db`), or - for standard input
    sheet : of a workbook
    query : of a database: a table of it, or a `select`
    max_mb : megabytes that a file may have once it is unpacked; None: 100 times its size on disk or 256 MB, and a
        quarter of the free memory at most
    target : the column to forecast, or several: each is a series of its own
    target_at : every: the target has a value in each row; end: it is one label per series, the same in all rows in
        which it is not empty, and comes after the last of them
    symbols : whether the target's values are symbols, texts taken as they are written, digits as well; None: if
        `model.head` forecasts symbols
    time : the time column, or the separate columns (year, month, day, hour) in any order, or "none": rows are steps
    id : the column that says which series a row belongs to, or several that do together
    past, future, static : columns of covariates: known up to the origin; known over the horizon as well; the same in
        all rows of a series. Numbers, or texts as categories
    layout : long: series below each other, distinguished by `id`; columns: each column of numbers is a series; rows:
        each row is a series, its id first (or in `id`), then its values, padded at the end with empty cells; pivot:
        the header holds a part of the time (months, hours, years), the rows hold the rest of it
    time_format : strftime codes of the time column, or epoch_s, epoch_ms, epoch_us, epoch_ns
    timezone : zone of times that are written without one; the calendar applies it
    day_first : whether 1/2/2024 is the first of February; None: by the rows, and month first where they cannot tell
    delimiter : one character, or comma, semicolon, tab, pipe, space (any run of blanks)
    decimal, thousands : one character; thousands may be "none"
    quote : the character around texts, or "none"
    encoding : a name that Python knows, such as utf-8, utf-16, cp1252, cp949
    compression : None: by the file's first bytes
    header : whether the first row holds names
    skip_rows : lines before the header (or the first row) to leave out
    comment : what a line to leave out begins with
    missing : further texts that mean "no value"
    on_bad_rows : what to do with rows whose time or value does not parse

    """

    # A column may be called 1950, and a command line reads that as a number.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    name: Literal["csv"] = "csv"
    path: Names = Field(min_length=1)
    sheet: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, min_length=1)
    max_mb: float | None = Field(default=None, gt=0, le=1e9)
    target: Names | None = None
    target_at: Literal["every", "end"] = "every"
    symbols: bool | None = None
    time: Names | None = None
    id: Names | None = None
    past: Names = ()
    future: Names = ()
    static: Names = ()
    layout: Layout | None = None
    time_format: str | None = None
    timezone: str | None = None
    day_first: bool | None = None
    delimiter: str | None = None
    decimal: str | None = Field(default=None, min_length=1, max_length=1)
    thousands: str | None = None
    quote: str | None = None
    encoding: str | None = None
    compression: Literal["none", "gzip", "bz2", "xz", "zip", "zstd"] | None = None
    header: bool | None = None
    skip_rows: int | None = Field(default=None, ge=0)
    comment: str | None = Field(default=None, min_length=1)
    missing: tuple[str, ...] = ()
    on_bad_rows: Literal["error", "drop"] = "error"

    @field_validator("thousands", "quote")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and value != "none" and (len(value) != 1 or value in "\n\r"):
            raise ValueError("one character, or none")
        return value

    @field_validator("missing", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, (str, int, float)) else value


class CsvSettings(FileSettings, RowSettings):
    """Any table: what can be said of its files and of its rows.

    Attributes
    ----------
    on_short_series : series too short for the comparison: forecast by the pretrained network alone, left out (as those
        without any value are then), or an error
    on_new_series : with task=predict, series that the run does not know, and known ones that newer data lack: an error,
        or skipped, so that those are forecast that both have
    by_file : whether files, each with series of its own, are read one by one into a panel on the disk

    """

    on_short_series: Literal["forecast", "drop", "error"] = "forecast"
    on_new_series: Literal["error", "skip"] = "error"
    by_file: bool = False


DATA = OneOf(
    "name",
    {
        "sinewave": SinewaveSettings,
        "stock": StockSettings,
        "csv": CsvSettings,
        "text": TextSettings,
        "addition": AdditionSettings,
    },
)
"""What can be set of a data source, by its name in `data.name`."""

if TYPE_CHECKING:
    DataSettings: TypeAlias = SinewaveSettings | StockSettings | CsvSettings | TextSettings | AdditionSettings
else:
    DataSettings = Annotated[SerializeAsAny[SeriesSettings], BeforeValidator(DATA.check), DATA]


def check_not_averaged(settings: RowSettings) -> None:
    """Refuse settings that add or average symbols, whose codes have no size.

    Raises
    ------
    ForecastError
        Names the setting and what to say instead.

    """
    averages = {
        "data.on_gaps=interpolate": settings.on_gaps == "interpolate",
        "data.on_duplicates=mean": settings.on_duplicates == "mean",
        f"data.resample_how={settings.resample_how}": bool(settings.resample) and settings.resample_how != "last",
        "data.transform=log": settings.transform == "log",
    }
    instead = ("`data.on_gaps=mask` or `previous`", "`first` or `last`", "`data.resample_how=last`", "`none`")
    for (setting, wrong), better in zip(averages.items(), instead, strict=True):
        if wrong:
            raise ForecastError(
                f"`{setting}` calculates with values, and symbols have none (`data.symbols=true`): choose {better}"
            )
