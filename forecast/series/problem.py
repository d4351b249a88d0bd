"""What is asked of every forecaster alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """The question: how far ahead, how much past at least, how long a season (all in steps).

    `season_steps` is 1 where the series have no season.
    """

    horizon: int
    context_steps: int
    season_steps: int = 1
