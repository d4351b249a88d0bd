"""What of `task=probe` may be set."""

from __future__ import annotations

from pydantic import Field

from forecast.settings import Settings


class ProbeSettings(Settings):
    """How far a network is examined."""

    smoothing: bool = Field(default=False, description="train a small grid: what governs how much a network smooths")
