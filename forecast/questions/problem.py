"""The forecasting problem that every forecaster is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.questions.kinds import QUESTIONS

if TYPE_CHECKING:
    from forecast.questions.kinds import Question, TargetType


@dataclass(frozen=True)
class Problem:
    """How far ahead, with how much past at least, how long a season (all in steps), and what of each step.

    Attributes
    ----------
    season_steps : 1 where the series have no season
    target_type : the name of the question that is answered

    """

    horizon: int
    context_steps: int
    season_steps: int = 1
    target_type: TargetType = "value"

    @property
    def question(self) -> Question:
        """What is forecast of each step: the object that every layer asks."""
        return QUESTIONS[self.target_type]
