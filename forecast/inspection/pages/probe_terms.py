"""The words in which a network is examined: those of values, or those of probabilities of a rise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.inspection.pages.curves import REFERENCE

if TYPE_CHECKING:
    from forecast.questions.kinds import Question
    from forecast.series.panel import FloatArray


@dataclass(frozen=True)
class Terms:
    """How things are called.

    Attributes
    ----------
    error : what errors on data are told as
    squared : whether that is the square of what was measured, which is a root
    answer : what the network says of a step ahead, as it is examined
    unit : of answers to made-up series
    untrained : what stands beside the network
    linear : the linear forecast beside it

    """

    error: str
    squared: bool
    answer: str
    unit: str
    untrained: str
    linear: str

    def errors(self, measured: FloatArray | float) -> FloatArray:
        """Errors as they are told, of root mean squared ones."""
        roots = np.asarray(measured, dtype=np.float64)
        return roots**2 if self.squared else roots


VALUES = Terms("RMSE", False, "forecast", "spread", REFERENCE, "best linear filter")
RISES = Terms("Brier score", True, "logit of a rise", "logit", "base rate", "best linear probability")


def terms_of(question: Question) -> Terms:
    """Return the words for a question."""
    return RISES if question.binary else VALUES
