"""The settings `serve.*`: where the service listens, and how much it takes on."""

from __future__ import annotations

from pydantic import Field

from forecast.settings import Settings


class ServeSettings(Settings):
    """Where the service listens, and how much it takes on.

    Attributes
    ----------
    host : address that is listened at; any but this machine's own needs a token
    port : 0: any that is free
    runs : folders of the runs that are served; none: `run`
    token : what a request has to carry (`Authorization: Bearer ...`); None: the environment's FORECAST_TOKEN
    max_mb : megabytes of a request, an uploaded file included
    max_rows, max_series : of a history
    time_limit_s : seconds that a forecast may take
    workers : processes that forecast, each one request at a time
    max_waiting : forecasts that wait for a worker; further ones are refused
    max_streams : streams that are kept; a further one drops the one that was idle the longest
    streams : folder in which the states of streams outlast the service and being dropped; None: they do not
    folder : where the jobs of the page lie, with their uploads and runs
    keep_days, keep_mb : jobs that are older, or beyond this size together, are deleted
    browser : whether `task=app` opens the page in a browser

    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=0, le=65535)
    runs: tuple[str, ...] = ()
    token: str | None = Field(default=None, min_length=8)
    max_mb: float = Field(default=50.0, gt=0, le=10_000)
    max_rows: int = Field(default=100_000, ge=1)
    max_series: int = Field(default=1000, ge=1)
    time_limit_s: float = Field(default=30.0, gt=0, le=86_400)
    workers: int = Field(default=1, ge=1, le=256)
    max_waiting: int = Field(default=16, ge=0)
    max_streams: int = Field(default=1000, ge=1)
    streams: str | None = Field(default=None, min_length=1)
    folder: str = Field(default="outputs/app", min_length=1)
    keep_days: float = Field(default=30.0, gt=0)
    keep_mb: float = Field(default=2000.0, gt=0)
    browser: bool = True


class McpSettings(Settings):
    """What assistants may read.

    Attributes
    ----------
    folder : below which files are read, and in whose `forecasts/` runs are left

    """

    folder: str | None = Field(default=None, min_length=1)
