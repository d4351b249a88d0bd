"""What rolling origins say of models before the test: their losses, and how many horizons these are worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.significance import horizon_overlap

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from forecast.evaluation.backtest import Backtest
    from forecast.series.panel import BoolArray, FloatArray, IntArray

_LEAST_BLOCKS = 3
"""Of horizons on which a model chose something, until these count for it: fewer do not say how lucky it was."""
_MOST_CELLS = 100_000
"""Origins times steps by which forecasts are compared; of more an even part is taken."""
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Evidence:
    """Losses of models from the same origins, (origin, model), NaN where nothing was observed or one was not asked.

    Attributes
    ----------
    models : their names, in the order of the columns
    series : (origin,) number of the series
    block : (origin,) number of the stretch of successive origins whose horizons overlap
    share : (origin,) how much of a horizon the origin is worth: those whose horizons overlap repeat each other
    chosen : (origin, model) whether something of the model was chosen by its errors there
    apart : (model, model) mean absolute difference of what two forecast over the first one's mean absolute error, from
        the splits that both forecast, of probabilities that of their losses; infinite where there are none

    """

    losses: FloatArray
    models: tuple[str, ...]
    series: IntArray
    block: IntArray
    share: FloatArray
    chosen: BoolArray
    apart: FloatArray

    @property
    def horizons(self) -> float:
        """Effective number of horizons."""
        return float(self.share.sum())

    def of(self, models: Sequence[str]) -> Evidence:
        """Take some models."""
        columns = [self.models.index(name) for name in models]
        return replace(
            self,
            losses=self.losses[:, columns],
            models=tuple(models),
            chosen=self.chosen[:, columns],
            apart=self.apart[np.ix_(columns, columns)],
        )

    def means(self) -> FloatArray:
        """Mean loss of each model over its own origins, (model,); series count alike."""
        columns = [(column[~np.isnan(column)], self.series[~np.isnan(column)]) for column in self.losses.T]
        means = [group_means(losses[:, None], of).mean() if len(losses) else np.nan for losses, of in columns]
        return np.array(means, dtype=np.float64)

    def ratios(self, anchor: str) -> tuple[FloatArray, FloatArray]:
        """Logarithm of each model's mean loss over the anchor's on the same origins, and how many horizons these are.

        What a model was chosen by flatters it, by about a standard error of the mean log ratio, which it is charged.
        Both (model,); 0 and 0 where there is nothing to compare.
        """
        pairs = [self.of([anchor, name]) for name in self.models]
        logs, counts = zip(*(pair._against_first() for pair in pairs), strict=True)
        return np.array(logs), np.array(counts)

    def measured_ratio(self) -> tuple[float, float]:
        """Logarithm of the second model's mean loss over the first's where both are known, and horizons of that."""
        rows = ~np.isnan(self.losses).any(axis=1)
        if not rows.any():
            return 0.0, 0.0
        first, own = group_means(self.losses[rows], self.series[rows]).mean(axis=0)
        return _log(own, first), float(self.share[rows].sum())

    def _against_first(self) -> tuple[float, float]:
        known = ~np.isnan(self.losses).any(axis=1)
        total, horizons = 0.0, 0.0
        for chosen in (False, True):
            rows = known & (self.chosen.any(axis=1) == chosen)
            blocks = self.block_ratios(rows) if chosen else np.zeros(_LEAST_BLOCKS)
            if not rows.any() or len(blocks) < _LEAST_BLOCKS:
                continue
            first, own = group_means(self.losses[rows], self.series[rows]).mean(axis=0)
            n = float(self.share[rows].sum())
            charged = float(blocks.std(ddof=1)) / np.sqrt(n) if chosen else 0.0
            total += n * (_log(own, first) + charged)
            horizons += n
        return (total / horizons, horizons) if horizons else (0.0, 0.0)

    def block_ratios(self, rows: BoolArray | None = None) -> FloatArray:
        """Logarithm of the second model's mean loss over the first's in each block where both are known, (block,)."""
        rows = np.ones(len(self.losses), dtype=np.bool_) if rows is None else rows
        means = group_means(self.losses[rows], self.block[rows])  # (block, 2)
        floor = _ROUNDING * max(float(means.max(initial=0.0)), 1e-300)
        logs: FloatArray = np.log(np.maximum(means, floor))
        return logs[:, 1] - logs[:, 0]


def _log(own: float, first: float) -> float:
    """Logarithm of a ratio of losses, bounded where one of them is nothing."""
    floor = _ROUNDING * max(own, first, 1e-300)
    return float(np.log(max(own, floor) / max(first, floor)))


def evidence_of(*backtests: Backtest | None, choosing: Collection[str] = ()) -> Evidence | None:
    """Gather the losses of all models in some backtests; None without an observed target.

    Models `choosing` have chosen something by their errors on the validation split. One that is missing from a split,
    or failed there, has no losses of it.
    """
    given = [backtest for backtest in backtests if backtest is not None and len(backtest.results)]
    models = list(dict.fromkeys(name for backtest in given for name in _models(backtest)))
    if not models:
        return None
    losses, series, blocks, shares, chosen, first = [], [], [], [], [], 0
    for backtest in given:
        of_series, overlap = series_of(backtest), max(horizon_overlap(backtest.results), 1)
        starts = np.flatnonzero(np.diff(of_series, prepend=-1))  # origins of one series follow one another
        counts = np.diff(np.append(starts, len(of_series)))
        place = np.arange(len(of_series)) - np.repeat(starts, counts)
        block = first + np.cumsum(place % overlap == 0) - 1
        first = int(block[-1]) + 1
        has = _models(backtest)
        table = np.full((len(of_series), len(models)), np.nan)
        table[:, [models.index(name) for name in has]] = losses_of(backtest, has)
        losses.append(table)
        series.append(of_series)
        blocks.append(block)
        shares.append(np.repeat((counts + overlap - 1) / overlap / counts, counts))
        by_it = [backtest.part == "validation" and name in choosing for name in models]
        chosen.append(np.tile(by_it, (len(of_series), 1)))
    all_losses = np.concatenate(losses)
    if np.isnan(all_losses).all():
        return None
    return Evidence(
        all_losses,
        tuple(models),
        np.concatenate(series),
        np.concatenate(blocks),
        np.concatenate(shares),
        np.concatenate(chosen),
        _apart(given, models),
    )


def _apart(backtests: Sequence[Backtest], models: Sequence[str]) -> FloatArray:
    """How far forecasts of models lie apart, (model, model), as `Evidence` has it."""
    sums = np.zeros((2, len(models), len(models)))  # of differences, of errors of the first
    seen = np.zeros(sums.shape[1:], dtype=np.bool_)
    for backtest in backtests:
        has = np.array([models.index(name) for name in _models(backtest)])
        shape = len(has), len(backtest.known), -1
        losses = backtest.question.loss(backtest.results).to_numpy(dtype=np.float64).reshape(shape)
        every = -(-losses[0].size // _MOST_CELLS)
        losses = losses[:, ::every]  # (model, origin, step)
        forecasts = losses
        if not backtest.question.forecasts_probabilities:
            units = backtest.units[series_of(backtest)][::every, None]
            forecasts = backtest.results["y_hat"].to_numpy(dtype=np.float64).reshape(shape)[:, ::every] / units
            losses = losses / units
        observed = ~np.isnan(losses).any(axis=0)
        forecasts, losses = forecasts[:, observed], losses[:, observed]  # (model, cell)
        for i, of_model, errors in zip(has, forecasts, losses, strict=True):
            sums[0, i, has] += np.abs(forecasts - of_model).sum(axis=1)
            sums[1, i, has] += errors.sum()
            seen[i, has] |= losses.shape[1] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        apart: FloatArray = np.where(seen, np.where(sums[0] == 0, 0.0, sums[0] / sums[1]), np.inf)
    return apart


def horizons_of(backtest: Backtest) -> float:
    """Effective number of horizons of a split: origins whose horizons overlap repeat each other."""
    overlap, counts = max(horizon_overlap(backtest.results), 1), np.bincount(series_of(backtest))
    return float(((counts[counts > 0] + overlap - 1) / overlap).sum())


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
