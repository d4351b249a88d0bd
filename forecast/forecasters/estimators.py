"""What regressors and classifiers of scikit-learn share: copies, candidates, threads, warnings; and a logistic one."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from forecast.questions.outcomes import bounded_rate
from forecast.wording import counted

if TYPE_CHECKING:
    import warnings
    from collections.abc import Mapping, Sequence

    from forecast.series.panel import FloatArray, IntArray


def copied(estimator: Any, params: Mapping[str, Any], seed: int) -> Any:
    """Return an unfitted copy with these parameters, and the seed where it draws at random and has none."""
    model = clone(estimator).set_params(**params)
    unseeded = {k: seed for k, v in model.get_params().items() if k.endswith("random_state") and v is None}
    return model.set_params(**unseeded)


def suited_to(model: Any, windows: int, columns: int) -> tuple[str, ...]:
    """Let parameters of a copied model give way that need more windows than there are; return what is said of it.

    Neighbours and components are as many as there can be. A network that stops early holds out a share of the windows,
    at least two: where that is one, or none, it does not stop early.
    """
    notes = []
    params = model.get_params(deep=False)
    for name, most in (("n_neighbors", windows), ("n_components", min(windows, columns))):
        wanted = params.get(name)
        if isinstance(wanted, int) and wanted > most:
            model.set_params(**{name: most})
            notes.append(f"{name} {most} instead of {wanted}: there are {counted(windows, 'window')}")
    if params.get("early_stopping") is True and math.ceil(params.get("validation_fraction", 1.0) * windows) < 2:
        model.set_params(early_stopping=False)
        notes.append(f"not stopped early: of {counted(windows, 'window')} none can be spared")
    return tuple(notes)


def candidates(choose: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return all combinations of the values of some parameters.

    >>> candidates({"alpha": [1, 2]}), candidates({})
    ([{'alpha': 1}, {'alpha': 2}], [{}])
    """
    return [dict(zip(choose, values, strict=True)) for values in itertools.product(*choose.values())]


def one_thread() -> threadpool_limits:
    """Limit OpenMP to one thread: on a busy machine two that wait for each other cost tenfold on so few windows."""
    return threadpool_limits(limits=1, user_api="openmp")


def by_category(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return the first warning of each category, and how often there were such: one model a step warns once a step."""
    first = {warning.category: first_line(warning.message) for warning in reversed(caught)}
    counts = Counter(warning.category for warning in caught)
    return tuple(f"{line} ({counts[c]} times)" if counts[c] > 1 else line for c, line in first.items())


def first_line(message: object) -> str:
    """Return the first line of a message, without a full stop."""
    lines = str(message).splitlines() or [type(message).__name__]
    return lines[0].rstrip(". ")


class LogisticProbability(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Logistic regression as a regressor of an outcome (1/2 where it came, else -1/2): it predicts P(outcome) - 1/2.

    Where all outcomes of the training windows are the same there is nothing to regress on, and it predicts their rate.
    """

    def fit(self, x: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> Self:
        """Fit on windows (window, column) and outcomes (window,)."""
        outcome = y > 0
        self.rate_ = bounded_rate(int(outcome.sum()), len(outcome))
        self.varied_ = bool(outcome.any() and not outcome.all())
        if self.varied_:
            super().fit(x, outcome, sample_weight)
        return self

    def predict(self, x: FloatArray) -> FloatArray:
        """Probability less a half, (window,)."""
        probability: Any = self.predict_proba(x)[:, 1] if self.varied_ else np.full(len(x), self.rate_)
        predicted: FloatArray = probability - 0.5
        return predicted


def thin(rows: IntArray, count: int, seed: int) -> IntArray:
    """At most `count` of the rows, drawn at random: every k-th would always meet the same phase of a season."""
    if len(rows) <= count:
        return rows
    drawn: IntArray = np.random.default_rng(seed).choice(rows, size=count, replace=False)
    return np.sort(drawn)
