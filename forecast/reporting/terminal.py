"""The leaderboard in a terminal of 80 columns; intervals that are infinite hold everything, and are shown as such."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from forecast.reporting.leaderboard import common_decimals, measure_text
from forecast.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

MEASURES = {
    "brier": "Brier",
    "bits": "bits",
    "mase": "MASE",
    "skill": "skill",
    "dm_p": "p",
    "mae": "MAE",
    "rmse": "RMSE",
    "smape": "sMAPE",
    "accuracy": "right",
    "auc": "AUC",
    "log_loss": "log loss",
    "perplexity": "perplexity",
    "coverage_90": "in 90 %",
}
"""The last says what share of what came lies in the intervals of 90 %."""


def print_leaderboard(
    leaderboard: pd.DataFrame,
    verdict: str,
    console: Console | None = None,
    *,
    network: str | None = None,
    baseline: str | None = None,
) -> None:
    """Print the table, the reasons of what failed, and the verdict as the last line."""
    console = console or Console(highlight=False)
    console.print(leaderboard_table(leaderboard, network, baseline))
    for row in leaderboard.to_dict("records"):
        if str(row["status"]) != "ok":
            console.print(Text(f"{row['model']}: {row['status']}", style="dim"), soft_wrap=True)
    console.print(Text(verdict, style="bold"), soft_wrap=True)


def leaderboard_table(leaderboard: pd.DataFrame, network: str | None, baseline: str | None) -> Table:
    """Return the rows as they stand, numbers aligned; `network` is bold blue and `baseline` bold."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    shown = {name: heading for name, heading in MEASURES.items() if name in leaderboard}
    for heading in (*shown.values(), "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    decimals = {name: common_decimals([_known(value) for value in leaderboard[name]]) for name in shown}
    for row in leaderboard.to_dict("records"):
        style = {network: "bold blue", baseline: "bold"}.get(row["model"], "")
        name = Text(shortened(str(row["model"]), 20))
        if str(row["status"]) == "ok":
            table.add_row(name, *_cells(row, decimals), style=style)
        else:
            table.add_row(name, Text("failed"), style="dim")
    return table


def _cells(row: dict[Hashable, Any], decimals: dict[str, int | None]) -> list[str]:
    infinite = math.isinf(float(row.get("width_90", 0.0)))
    cells = [
        "∞" if infinite and name == "coverage_90" else measure_text(name, _known(row[name]), places)
        for name, places in decimals.items()
    ]
    return [*cells, measure_text("fit_seconds", float(row["fit_seconds"]) + float(row["forecast_seconds"]))]


def _known(value: float) -> float | None:
    return float(value) if value == value else None  # noqa: PLR0124 - NaN is unlike itself
