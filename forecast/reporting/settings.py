"""What of the report, and of the page of `task=probe`, may be set."""

from __future__ import annotations

from pydantic import Field

from forecast.settings import Settings


class ReportSettings(Settings):
    """How much is drawn, and whether pictures are written beside the page."""

    series: str | None = Field(default=None, description="id of the series to draw; None draws a typical one")
    origins: int = Field(default=6, ge=1, le=24, description="how many origins' forecasts are drawn against the truth")
    points: int = Field(default=2000, ge=100, le=20_000, description="points that a line is thinned to")
    paths: int = Field(default=0, ge=0, le=1000, description="continuations drawn for paths.parquet; 0: none")
    png: bool = Field(default=True, description="write the charts to figures/*.png as well")


class ProbeSettings(Settings):
    """How far a network is examined."""

    smoothing: bool = Field(default=False, description="train a small grid: what governs how much a network smooths")
