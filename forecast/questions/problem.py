"""What is asked of every forecaster alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Asks: TypeAlias = Literal["value", "direction", "symbol"]
"""What of each step ahead: its value; whether it is higher than at the origin, as a probability (`directions`); or
which symbol it is, as a probability of each (`symbols`)."""


@dataclass(frozen=True)
class Problem:
    """The question: how far ahead, how much past at least, how long a season (all in steps), and what of each step.

    `season_steps` is 1 where the series have no season.
    """

    horizon: int
    context_steps: int
    season_steps: int = 1
    asks: Asks = "value"
