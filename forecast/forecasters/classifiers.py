"""Classifiers of scikit-learn as regressors of an outcome: -1/2 where it did not happen, 1/2 where it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from forecast.questions.outcomes import bounded_rate

if TYPE_CHECKING:
    from forecast.series.panel import FloatArray


class LogisticProbability(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Logistic regression that predicts the probability of the outcome, less a half.

    Where all outcomes of the training windows are the same there is nothing to regress on, and it says so often.
    """

    def fit(self, x: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> Self:
        """Fit on windows (window, column) and outcomes (window,)."""
        happened = y > 0
        self.chance_ = bounded_rate(int(happened.sum()), len(happened))
        self.varied_ = bool(happened.any() and not happened.all())
        if self.varied_:
            super().fit(x, happened, sample_weight)
        return self

    def predict(self, x: FloatArray) -> FloatArray:
        """Probability less a half, (window,)."""
        chance: Any = self.predict_proba(x)[:, 1] if self.varied_ else np.full(len(x), self.chance_)
        predicted: FloatArray = chance - 0.5
        return predicted
