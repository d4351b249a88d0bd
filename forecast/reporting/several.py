"""Reports on many series: how scores are spread over them, and which of them a page lets its reader choose.

Not every series fits into a page: the best, the median and the worst by the network's score are in it, and an even
spread over the ranks between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.questions.kinds import metric_label
from forecast.reporting.diagnostics import error_measure
from forecast.reporting.lines import rounded
from forecast.reporting.losses import mean_losses
from forecast.reporting.sections import data_section, future_section, origins_section
from forecast.wording import counted, number

if TYPE_CHECKING:
    import pandas as pd

    from forecast.reporting.lines import Clock
    from forecast.reporting.sections import DataSection, ForecastSection, Roles

MOST_CHOICES = 30
_POINTS = 400
"""That the line of a series to choose is thinned to."""
_ORIGINS = 3


@dataclass(frozen=True)
class SpreadSection:
    """Scores of network and baseline on every series, `ids` from the network's best to its worst.

    Attributes
    ----------
    metric : the name of what models are ranked by
    baseline : scores in the same order; empty where there is no baseline

    """

    says: str
    metric: str
    ids: tuple[str, ...]
    network: tuple[float | None, ...]
    baseline: tuple[float | None, ...]


@dataclass(frozen=True)
class Choice:
    """A series that can be chosen, with what is drawn of it."""

    name: str
    label: str
    data: DataSection
    origins: ForecastSection
    future: ForecastSection | None


def errors_by_series(results: pd.DataFrame) -> pd.DataFrame:
    """Mean loss of each model on each series: `model, unique_id`, and `mae`, of symbols `bits`."""
    return mean_losses(results, ["model", "unique_id"])


def spread_section(by_series: pd.DataFrame, roles: Roles) -> SpreadSection | None:
    """Show `by_series` (`model, unique_id`, and `mase` or else `mae`); None where there are fewer than two series."""
    metric = error_measure(by_series)
    table = by_series.assign(model=by_series["model"].astype(str), unique_id=by_series["unique_id"].astype(str))
    table = table.pivot_table(index="unique_id", columns="model", values=metric)
    if roles.network not in table:
        return None
    table = table[table[roles.network].notna()].sort_values(roles.network, kind="stable")
    if len(table) < 2:
        return None
    has_baseline = roles.baseline is not None and roles.baseline in table
    return SpreadSection(
        says=_in_words(table, roles, metric_label(metric), has_baseline=has_baseline),
        metric=metric_label(metric),
        ids=tuple(map(str, table.index)),
        network=rounded(table[roles.network].to_numpy()),
        baseline=rounded(table[roles.baseline].to_numpy()) if has_baseline else (),
    )


def _in_words(table: pd.DataFrame, roles: Roles, metric: str, *, has_baseline: bool) -> str:
    mine = table[roles.network]
    tenth, median, most = (number(float(np.quantile(mine, share))) for share in (0.1, 0.5, 0.9))
    said = (
        f"{metric} of {roles.network} on {counted(len(table), 'series')}: median {median}, a tenth below {tenth}, "
        f"a tenth above {most}. Best on {table.index[0]} ({number(float(mine.iloc[0]))}), "
        f"worst on {table.index[-1]} ({number(float(mine.iloc[-1]))})."
    )
    if not has_baseline:
        return said
    ahead = int((mine < table[roles.baseline]).sum())
    return f"{said} Ahead of {roles.baseline} on {ahead:,} of them."


def chosen_ranks(count: int, most: int = MOST_CHOICES) -> tuple[int, ...]:
    """Choose ranks of `count` series: the first, the last, the median, and an even spread.

    >>> chosen_ranks(100, 5)
    (0, 25, 49, 74, 99)
    """
    ranks = np.unique(np.linspace(0, count - 1, most if count > most else count).round().astype(np.int64))
    ranks[np.argmin(np.abs(ranks - (count - 1) // 2))] = (count - 1) // 2
    return tuple(int(rank) for rank in np.unique(ranks))


def choices(
    spread: SpreadSection,
    tables: tuple[pd.DataFrame | None, pd.DataFrame, pd.DataFrame | None],
    roles: Roles,
    clock: Clock,
    shown: str,
) -> tuple[Choice, ...]:
    """Return the series to choose from, best first, among them the one that is `shown` at first.

    `tables` are the series (`unique_id, ds, y, part`), the results and the forecast ahead.
    """
    ranks = set(chosen_ranks(len(spread.ids)))
    at = spread.ids.index(shown) if shown in spread.ids else 0
    if at not in ranks:
        ranks = {at, *chosen_ranks(len(spread.ids), MOST_CHOICES - 1)}
    split = [None if table is None else _by_series(table, spread.ids, ranks) for table in tables]
    made = []
    for rank in sorted(ranks):
        series, results, ahead = (None if part is None else part.get(spread.ids[rank]) for part in split)
        if results is not None:
            made.append(_choice(spread, rank, (series, results, ahead), roles, clock))
    return tuple(made)


def _by_series(table: pd.DataFrame, ids: tuple[str, ...], ranks: set[int]) -> dict[str, pd.DataFrame]:
    wanted = {ids[rank] for rank in ranks}
    kept = table[table["unique_id"].isin(list(wanted))]
    return {str(name): rows for name, rows in kept.groupby("unique_id", observed=True, sort=False)}


def _choice(
    spread: SpreadSection,
    rank: int,
    tables: tuple[pd.DataFrame | None, pd.DataFrame, pd.DataFrame | None],
    roles: Roles,
    clock: Clock,
) -> Choice:
    series, results, ahead = tables
    name = spread.ids[rank]
    if series is None:
        seen = results[["ds", "y"]].drop_duplicates("ds").sort_values("ds").reset_index(drop=True)
        series = seen.assign(split="test")
    truth = series.sort_values("ds").reset_index(drop=True)
    place = {0: ", the best", (len(spread.ids) - 1) // 2: ", the median", len(spread.ids) - 1: ", the worst"}
    return Choice(
        name=name,
        label=f"{name} ({spread.metric} {number(spread.network[rank])}{place.get(rank, '')})",
        data=data_section(truth, clock, _POINTS, name),
        origins=origins_section(truth, results, roles, clock, _ORIGINS),
        future=None if ahead is None else future_section(truth, ahead, roles, clock),
    )
