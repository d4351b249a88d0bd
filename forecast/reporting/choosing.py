"""Which models and which series are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.reporting.losses import losses
from forecast.reporting.sections import Roles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from forecast.reporting.leaderboard import Row


def choose_roles(rows: Sequence[Row], network: str | None, baseline: str | None) -> Roles:
    """Settle which two models are drawn in colour; rows stand best first."""
    known = [row.model for row in rows]
    for asked in (network, baseline):
        if asked is not None and asked not in known:
            raise ForecastError(f"model {asked!r} is not in the results: there are {', '.join(known)}")
    if network is None:
        networks = [row.model for row in rows if row.kind == "network"]
        network = networks[0] if networks else known[0]
    if baseline is None:
        others = [row for row in rows if row.model != network and any(v is not None for v in row.measures.values())]
        simple = [row for row in others if row.kind not in ("network", "reference")]
        baseline = next((row.model for row in simple or others), None)
    return Roles(network, baseline)


def choose_series(results: pd.DataFrame, network: str, asked: str | None) -> str:
    """Return the series that is drawn: the one asked for, else the one whose error is the median."""
    known = [str(one) for one in results["unique_id"].unique()]
    if asked is not None:
        if asked not in known:
            some = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
            raise ForecastError(f"`report.series`: no series is called {asked!r}; there are {some}")
        return asked
    if len(known) == 1:
        return str(known[0])
    mine = results[results["model"] == network]
    loss = losses(mine)
    error = loss.groupby(mine["unique_id"], observed=True).mean()
    if loss.name == "mae":
        size = mine["y"].abs().groupby(mine["unique_id"], observed=True).mean()
        error /= size.where(size > 0)
    ranked = error.dropna().sort_values(kind="stable")
    return str(ranked.index[(len(ranked) - 1) // 2]) if len(ranked) else str(known[0])
