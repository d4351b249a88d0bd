"""The weights of a combination, and its row among the others.

Weights come from greedy selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection
from libraries of models") on the origins before the test. How large a member's errors are is known from
`recommendation`, which has shrunk what was measured and charged what was chosen; the origins only tell how the errors
of different members go together. So the errors of each member there are stretched to their expected size, and in each
round the model is added whose addition lowers the expected error of the mean most: the logarithm of what the stretched
errors make it, shrunk towards what means of different models are known to gain. The best of all rounds counts, so that
members are few.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.evaluation.evidence import horizons_of, series_of
from forecast.evaluation.fits import Attempt
from forecast.forecasters.combination import COMBINATION, FittedCombination, combined
from forecast.forecasters.interface import Forecasts, within_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.backtest import Backtest
    from forecast.questions.value_range import ValueRange
    from forecast.series.panel import FloatArray

_ROUNDS = 4
_ROUND_EARNS, _MEAN_EARNS, _MANY_HORIZONS = 0.001, 0.02, 100.0
"""What another round has to gain, as a logarithm, for its members to be taken, and what the mean over the best; the
latter less where more horizons judge, by the square root, as what is left to chance."""
_MOST_CELLS = 100_000
"""Origins times steps that weights are chosen on; of more an even part is taken."""
_NEAR = 0.25
"""Members are at most so much worse than the best, as the logarithm of the expected error."""
_DIVERSITY, _DIVERSITY_HORIZONS = 0.12, 8.0
"""What a mean is known to gain: so much, as a logarithm, times the chance that two of its members differ; and how many
horizons that counts for."""


def combination_weights(
    splits: Sequence[Backtest | None], expected: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Choose the weights of a combination by model, and its expected error; empty where a single model does as well.

    `splits` are those before the test, `expected` the logarithms of expected errors by model.
    """
    least = min(expected.values(), default=0.0)
    near = [name for name, value in expected.items() if value <= least + _NEAR]
    given = [one for one in splits if one is not None and len(one.known)]
    given = [one for one in given if set(near) <= set(one.results["model"].cat.categories)]
    if len(near) < 2:
        return {}, least
    levels = np.array([expected[name] for name in near])
    if given:
        errors, cost = _errors(given, near)
    else:
        errors, cost = np.zeros((0, len(near))), np.zeros(0)
    horizons = sum(horizons_of(one) for one in given)
    weights, value = greedy_weights(errors, cost, levels, horizons)
    chosen = {name: float(weight) for name, weight in zip(near, weights, strict=True) if weight > 0}
    return (chosen, value) if len(chosen) > 1 and value < least - needed_gain(horizons) else ({}, least)


def needed_gain(horizons: float) -> float:
    """Return what a mean has to gain over the best model, as a logarithm, where so many horizons judge."""
    return _MEAN_EARNS * min(1.0, math.sqrt(_MANY_HORIZONS / max(horizons, 1.0)))


def greedy_weights(
    errors: FloatArray, cost: FloatArray, expected: FloatArray, horizons: float
) -> tuple[FloatArray, float]:
    """Choose weights (model,) for models with some `errors` (cell, model); return the mean's expected error as well.

    `cost` (cell,) is that of an error of one, `expected` (model,) are logarithms; the cells count for that many
    `horizons`.
    """
    sizes = cost @ np.abs(errors)
    stretched = errors * np.exp(expected) / np.where(sizes > 0, sizes, 1.0)
    counts, total = np.zeros(len(expected)), np.zeros(len(errors))
    least, best = np.inf, counts
    for size in range(1, _ROUNDS + 1):
        weights = (counts + np.eye(len(counts))) / size  # (model added, model)
        known = weights @ expected - _DIVERSITY * (1 - (weights**2).sum(axis=1))
        measured = known
        if len(errors):
            mean_errors = cost @ np.abs((total[:, None] + stretched) / size)  # (model,), each added once more
            measured = np.log(np.maximum(mean_errors, 1e-9 * np.exp(expected.min())))
        values = (horizons * measured + _DIVERSITY_HORIZONS * known) / (horizons + _DIVERSITY_HORIZONS)
        added = int(np.argmin(values))
        counts, total = size * weights[added], total + stretched[:, added]
        if values[added] < least - _ROUND_EARNS:
            least, best = float(values[added]), weights[added]
    return best, least


def _errors(backtests: Sequence[Backtest], models: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Errors (cell, model), and cost of one (cell,) so that series count alike."""
    every = -(-sum(len(one.results) // one.results["model"].nunique() for one in backtests) // _MOST_CELLS)
    forecasts, targets, series, units = [], [], [], []
    for backtest in backtests:
        categories = list(backtest.results["model"].cat.categories)
        shape = len(categories), len(backtest.known), -1
        y_hat = backtest.results["y_hat"].to_numpy(dtype=np.float64).reshape(shape)
        y = backtest.results["y"].to_numpy(dtype=np.float64).reshape(shape)[0]
        taken = slice(None, None, every)
        forecasts.append(y_hat[[categories.index(name) for name in models], taken].reshape(len(models), -1).T)
        targets.append(y[taken].ravel())
        of_origin = series_of(backtest)[taken]
        series.append(np.repeat(of_origin, y.shape[1]))
        units.append(np.repeat(backtest.units[of_origin], y.shape[1]))
    y, of = np.concatenate(targets), np.concatenate(series)
    seen = ~np.isnan(y)
    count = np.bincount(of[seen], minlength=int(of.max()) + 1)
    cost = 1 / (np.concatenate(units)[seen] * count[of[seen]] * np.count_nonzero(count))
    return np.concatenate(forecasts)[seen] - y[seen, None], cost


def with_combination(
    backtest: Backtest | None, weights: Mapping[str, float], value_range: ValueRange
) -> Backtest | None:
    """Add the combination to a split, if it has all members."""
    if backtest is None or not set(weights) <= set(backtest.results["model"].cat.categories):
        return backtest
    return add_combination(backtest, weights, value_range)


def add_combination(backtest: Backtest, weights: Mapping[str, float], value_range: ValueRange) -> Backtest:
    """Add the combination as another model, computed from what its members forecast."""
    categories = list(backtest.results["model"].cat.categories)
    shape = len(categories), len(backtest.known), -1
    y_hat = backtest.results["y_hat"].to_numpy(dtype=np.float64).reshape(shape)
    forecasts = combined(
        [Forecasts(y_hat[categories.index(name)], backtest.quantiles.get(name)) for name in weights],
        [*weights.values()],
    )
    forecasts = within_range(forecasts, value_range)
    rows = backtest.results.iloc[: len(backtest.results) // len(categories)]
    added = rows.assign(model=COMBINATION, y_hat=forecasts.y_hat.ravel())
    results = pd.concat([backtest.results.astype({"model": object}), added], ignore_index=True)
    results["model"] = pd.Categorical(results["model"], categories=[*categories, COMBINATION])
    members = [attempt for attempt in backtest.attempts if attempt.name in weights]
    fitted = FittedCombination(
        tuple(backtest.fitted[name] for name in weights), tuple(weights), tuple(weights.values())
    )
    attempt = Attempt(
        COMBINATION,
        "combination",
        notes=fitted.notes,
        fit_seconds=sum(member.fit_seconds for member in members),
        forecast_seconds=sum(member.forecast_seconds for member in members),
    )
    its_quantiles = {} if forecasts.quantiles is None else {COMBINATION: forecasts.quantiles}
    return replace(
        backtest,
        results=results,
        attempts=(*backtest.attempts, attempt),
        fitted={**backtest.fitted, COMBINATION: fitted},
        quantiles={**backtest.quantiles, **its_quantiles},
    )
