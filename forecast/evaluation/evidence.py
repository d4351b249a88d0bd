"""What rolling origins say of models before the test: their losses, and how many horizons these are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.significance import horizon_overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.evaluation.backtest import Backtest
    from forecast.series.panel import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Evidence:
    """Losses of models from the same origins, (origin, model), NaN where nothing was observed.

    Attributes
    ----------
    models : their names, in the order of the columns
    series : (origin,) number of the series
    block : (origin,) number of the stretch of successive origins whose horizons overlap
    horizons : effective number of horizons: origins whose horizons overlap repeat each other

    """

    losses: FloatArray
    models: tuple[str, ...]
    series: IntArray
    block: IntArray
    horizons: float

    def of(self, models: Sequence[str]) -> Evidence:
        """Take some models."""
        columns = [self.models.index(name) for name in models]
        return Evidence(self.losses[:, columns], tuple(models), self.series, self.block, self.horizons)

    def means(self) -> FloatArray:
        """Mean loss of each model, (model,); series count alike."""
        means: FloatArray = group_means(self.losses, self.series).mean(axis=0)
        return means

    def block_means(self) -> FloatArray:
        """Mean loss of each model in each block, (block, model)."""
        return group_means(self.losses, self.block)


def evidence_of(*backtests: Backtest | None) -> Evidence | None:
    """Gather the losses of the models that failed in none of some backtests; None without an observed target."""
    given = [backtest for backtest in backtests if backtest is not None and len(backtest.known)]
    if not given:
        return None
    models = [name for name in _models(given[0]) if all(name in _models(backtest) for backtest in given)]
    if not models:
        return None
    losses, series, blocks, horizons, first = [], [], [], 0.0, 0
    for backtest in given:
        of_series, overlap = series_of(backtest), max(horizon_overlap(backtest.results), 1)
        starts = np.flatnonzero(np.diff(of_series, prepend=-1))  # origins of one series follow one another
        counts = np.diff(np.append(starts, len(of_series)))
        place = np.arange(len(of_series)) - np.repeat(starts, counts)
        block = first + np.cumsum(place % overlap == 0) - 1
        first = int(block[-1]) + 1
        horizons += float(((counts + overlap - 1) / overlap).sum())
        losses.append(losses_of(backtest, models))
        series.append(of_series)
        blocks.append(block)
    all_losses = np.concatenate(losses)
    if np.isnan(all_losses).any(axis=1).all():
        return None
    return Evidence(all_losses, tuple(models), np.concatenate(series), np.concatenate(blocks), horizons)


def _models(backtest: Backtest) -> list[str]:
    return list(backtest.results["model"].cat.categories)


def series_of(backtest: Backtest) -> IntArray:
    """Place of each origin's series among all of the panel, (origin,)."""
    places = {name: i for i, name in enumerate(backtest.scales.ids)}
    ids = backtest.known["unique_id"].cat
    of_categories = np.array([places[str(name)] for name in ids.categories], dtype=np.int64)
    of_origins: IntArray = of_categories[ids.codes.to_numpy()]
    return of_origins


def losses_of(backtest: Backtest, models: Sequence[str]) -> FloatArray:
    """Mean loss over the horizon, of values in units of each series' scale, (origin, model); NaN: nothing observed."""
    results, categories = backtest.results, _models(backtest)
    shape = len(categories), len(backtest.known), -1
    loss = backtest.question.loss(results).to_numpy(dtype=np.float64).reshape(shape)  # (model, origin, step)
    means = horizon_means(loss[[categories.index(name) for name in models]])
    losses: FloatArray = means.T
    return (
        losses if backtest.question.forecasts_probabilities else losses / backtest.units[series_of(backtest)][:, None]
    )


def horizon_means(losses: FloatArray) -> FloatArray:
    """Mean over the last axis of what is no NaN; NaN where all is."""
    seen = ~np.isnan(losses)
    counts = seen.sum(axis=-1)
    means: FloatArray = np.where(seen, losses, 0.0).sum(axis=-1) / np.where(counts > 0, counts, np.nan)
    return means


def group_means(losses: FloatArray, group: IntArray) -> FloatArray:
    """Mean over the rows (row, column) of each group, (group, column); rows with a NaN do not count."""
    known = ~np.isnan(losses).any(axis=1)
    _, places = np.unique(group[known], return_inverse=True)
    sums = np.zeros((int(places.max(initial=-1)) + 1, losses.shape[1]))
    np.add.at(sums, places, losses[known])
    means: FloatArray = sums / np.bincount(places, minlength=len(sums))[:, None]
    return means
