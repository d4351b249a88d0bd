"""The weights of a combination, and its row among the others.

Weights come from greedy selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection
from libraries of models") on the origins of validation and calibration split. In each round the model is added whose
addition lowers the expected error of the mean most, in the sense of `recommendation`: the logarithm of what was
measured, shrunk towards the weighted mean of what is known of the members' kinds. The best of all rounds counts, so
that members are few and weights have to be earned: with little evidence one model has all of it. Weights that fall with
the expected error, and plain means of the best, did worse (`benchmarks/recommendation.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.evaluation.backtest import Attempt
from forecast.evaluation.evidence import evidence_of, series_of
from forecast.evaluation.recommendation import PRIOR_HORIZONS, combined_prior, known_of
from forecast.forecasters.combination import COMBINATION, FittedCombination, combined
from forecast.forecasters.interface import Forecasts, within_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.backtest import Backtest
    from forecast.forecasters.interface import Kind
    from forecast.questions.value_range import ValueRange
    from forecast.series.panel import FloatArray

_ROUNDS = 10
_MOST_CELLS = 100_000
"""Origins times steps that weights are chosen on; of more an even part is taken."""
_FEW = ("pretrained", "auto_ets", "auto_theta")
"""Members with equal weights where nothing can be measured, those that run: what erred least on short series."""


def combination_weights(splits: Sequence[Backtest | None], kinds: Mapping[str, Kind], rows: int) -> dict[str, float]:
    """Choose the weights of a combination by model; empty where a single model does as well, or there is only one.

    `splits` are those before the test, `rows` is how many rows there are to train on.
    """
    evidence = evidence_of(*splits)
    if evidence is None:
        few = [name for name in kinds if name in _FEW]
        return dict.fromkeys(few, 1 / len(few)) if len(few) > 1 else {}
    models = [name for name in kinds if name in evidence.models]
    prior = np.array([known_of(kinds[name], rows) for name in models])
    forecasts, y, cost = _cells([split for split in splits if split is not None and len(split.known)], models)
    weights = greedy_weights(forecasts, y, cost, prior, evidence.horizons)
    chosen = {name: float(weight) for name, weight in zip(models, weights, strict=True) if weight > 0}
    return chosen if len(chosen) > 1 else {}


def greedy_weights(
    forecasts: FloatArray, y: FloatArray, cost: FloatArray, prior: FloatArray, horizons: float
) -> FloatArray:
    """Choose weights (model,) for forecasts (cell, model) of y (cell,); `cost` (cell,) is that of an error of one.

    `prior` (model,) are logarithms of expected errors; the evidence counts for so many `horizons`.
    """
    floor = 1e-9 * max(float(cost @ np.abs(forecasts - y[:, None]).max(axis=1)), 1e-300)
    counts, total = np.zeros(forecasts.shape[1]), np.zeros(len(y))
    least, best = np.inf, counts
    for size in range(1, _ROUNDS + 1):
        errors = cost @ np.abs((total[:, None] + forecasts) / size - y[:, None])  # (model,), each added once more
        weights = (counts + np.eye(len(counts))) / size  # (model added, model)
        known = np.array([combined_prior(of_one, prior) for of_one in weights])
        measured = np.log(np.maximum(errors, floor))
        expected = (horizons * measured + PRIOR_HORIZONS * known) / (horizons + PRIOR_HORIZONS)
        added = int(np.argmin(expected))
        counts, total = size * weights[added], total + forecasts[:, added]
        if expected[added] < least - 1e-9:
            least, best = float(expected[added]), weights[added]
    return best


def _cells(backtests: Sequence[Backtest], models: Sequence[str]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Forecasts (cell, model), targets (cell,), and cost of an error (cell,) so that series count alike."""
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
    return np.concatenate(forecasts)[seen], y[seen], cost


def with_combination(backtest: Backtest, weights: Mapping[str, float], value_range: ValueRange) -> Backtest:
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
