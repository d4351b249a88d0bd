"""What regressors and classifiers of scikit-learn have in common: their copies, candidates, threads and warnings."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from sklearn.base import clone
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    import warnings
    from collections.abc import Mapping, Sequence


def copied(estimator: Any, params: Mapping[str, Any], seed: int) -> Any:
    """Return an unfitted copy with these parameters, and the seed where it draws at random and none is said."""
    model = clone(estimator).set_params(**params)
    unseeded = {k: seed for k, v in model.get_params().items() if k.endswith("random_state") and v is None}
    return model.set_params(**unseeded)


def candidates(choose: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return all combinations of the values of some parameters.

    >>> candidates({"alpha": [1, 2]}), candidates({})
    ([{'alpha': 1}, {'alpha': 2}], [{}])
    """
    return [dict(zip(choose, values, strict=True)) for values in itertools.product(*choose.values())]


def one_thread() -> threadpool_limits:
    """Keep OpenMP to one thread: on a busy machine two that wait for each other cost tenfold on windows so few."""
    return threadpool_limits(limits=1, user_api="openmp")


def by_category(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """Take the first warning of each category, with how often there were such: one model a step warns once a step."""
    first = {w.category: first_line(w.message) for w in reversed(caught)}
    often = Counter(w.category for w in caught)
    return tuple(f"{line} ({often[c]} times)" if often[c] > 1 else line for c, line in first.items())


def first_line(message: object) -> str:
    """Return the first line of a message, without a full stop."""
    lines = str(message).splitlines() or [type(message).__name__]
    return lines[0].rstrip(". ")
