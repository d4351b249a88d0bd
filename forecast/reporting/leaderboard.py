"""The leaderboard on the page and in a terminal of 80 columns; which columns there are is said beside the metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from forecast.evaluation.leaderboard import shown_columns
from forecast.questions.kinds import RANKING_METRICS, question_of_scores
from forecast.reporting.material import losses
from forecast.wording import SMALLEST, decimals_for, number, shortened

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from forecast.evaluation.metrics import Column
    from forecast.reporting.material import Roles


@dataclass(frozen=True)
class Row:
    """A row of the leaderboard; a measure that is missing or not finite is None."""

    model: str
    kind: str
    measures: dict[str, float | None]
    status: str
    recommended: bool = False


def leaderboard_rows(results: pd.DataFrame, leaderboard: pd.DataFrame | None) -> tuple[Row, ...]:
    """Return the rows of `leaderboard`, or mean errors computed from `results`, best first."""
    table = _mean_errors(results) if leaderboard is None else leaderboard
    columns = shown_columns(question_of_scores(table))
    measures = [name for name, column in columns.items() if column.form != "text" and name in table]
    return tuple(
        Row(
            model=str(row["model"]),
            kind=str(row.get("kind", "")),
            measures={name: _finite(row[name]) for name in measures},
            status=str(row.get("status", "ok")),
            recommended=bool(row.get("recommended", False)),
        )
        for row in table.to_dict("records")
    )


def _mean_errors(results: pd.DataFrame) -> pd.DataFrame:
    loss = losses(results)
    if loss.name == "bits":
        table = results[["model"]].assign(bits=loss, accuracy=results["y"] == results["y_hat"])[loss.notna()]
        means = table.groupby("model", observed=True).mean().sort_values("bits").reset_index()
        return means.assign(perplexity=np.exp2(means["bits"]))
    table = results[["model"]].assign(mae=loss, square=loss**2)
    means = table.groupby("model", observed=True).mean().sort_values("mae").reset_index()
    return means.assign(rmse=np.sqrt(means["square"]))


def _finite(value: Any) -> float | None:
    return None if value is None or not np.isfinite(float(value)) else float(value)


# The page


@dataclass(frozen=True)
class Cell:
    """A cell of the page's table; `kind` is its style class, `bar` the length of a bar in percent of the cell."""

    text: str
    kind: str = ""
    bar: float | None = None


@dataclass(frozen=True)
class TableRow:
    """A row of the page's table; the model's role gives it a colour."""

    model: str
    role: str
    cells: tuple[Cell, ...]
    recommended: bool = False


def table_columns(rows: Sequence[Row]) -> dict[str, Column]:
    """Return the columns of the page's table: those in which anything stands, and a status where any is not ok."""
    filled = _filled(rows)
    if "coverage_90" in filled and "width_90" in rows[0].measures:
        filled |= {"width_90"}  # infinite where all cells are empty
    filled |= {"model"} | ({"kind"} if any(row.kind for row in rows) else set())
    filled |= {"status"} if any(row.status != "ok" for row in rows) else set()
    return {name: column for name, column in shown_columns(question_of_scores(filled)).items() if name in filled}


def table_rows(rows: Sequence[Row], roles: Roles) -> tuple[TableRow, ...]:
    """Return the rows of the page's table; the metric that models are ranked by carries a bar."""
    filled = _filled(rows)
    ranked_by = next((name for name in RANKING_METRICS if name in filled), "mae")
    reach = _reach([row.measures.get(ranked_by) for row in rows])
    columns = table_columns(rows)
    decimals = {name: _common_decimals([row.measures.get(name) for row in rows]) for name in columns}

    def cell(row: Row, name: str) -> Cell:
        if columns[name].form == "text":
            return Cell(row.kind if name == "kind" else row.status, f"text {name}")
        value = row.measures.get(name)
        if name == "width_90" and value is None and row.measures.get("coverage_90") is not None:
            return Cell("∞")
        bar = round(100 * min(value / reach, 1.0), 1) if name == ranked_by and value is not None else None
        return Cell(_cell_text(columns[name], value, decimals[name]), bar=bar)

    def role(row: Row) -> str:
        if all(value is None for value in row.measures.values()):
            return "failed"
        named = {roles.recommended: "recommended", roles.baseline: "baseline", roles.network: "network"}
        return named.get(row.model, "")

    names = [name for name in columns if name != "model"]
    return tuple(
        TableRow(row.model, role(row), tuple(cell(row, name) for name in names), row.recommended) for row in rows
    )


def _filled(rows: Sequence[Row]) -> set[str]:
    """Names of the measures that any row has."""
    return {name for row in rows for name, value in row.measures.items() if value is not None}


def _reach(values: list[float | None]) -> float:
    """Error whose bar is full: the largest, unless it is far above the median."""
    known = sorted(value for value in values if value is not None)
    return (min(known[-1], 3 * known[len(known) // 2]) if known else 1.0) or 1.0


# The terminal


def print_leaderboard(
    leaderboard: pd.DataFrame,
    told: Sequence[str],
    console: Console | None = None,
    *,
    network: str | None = None,
    baseline: str | None = None,
) -> None:
    """Print the table, why models failed, and what is `told` of it: the recommendation, and last the verdict.

    `network` is bold blue, `baseline` bold; the row of the recommended model has an arrow.
    """
    console = console or Console(highlight=False)
    styles = {network: "bold blue", baseline: "bold"}
    tables = (_terminal_table(leaderboard, styles, _SPARED[:count]) for count in range(len(_SPARED) + 1))
    wide = console.options.update(width=1000)  # a table as wide as it would be
    fitting = (table for table in tables if console.measure(table, options=wide).maximum <= console.width)
    console.print(next(fitting, None) or _terminal_table(leaderboard, styles))
    for row in leaderboard.to_dict("records"):
        if str(row["status"]) != "ok":
            console.print(Text(f"{row['model']}: {row['status']}", style="dim"), soft_wrap=True)
    if "mase" in leaderboard and leaderboard["mase"].notna().any():
        console.print(Text(_MASE_IN_WORDS, style="dim"), soft_wrap=True)
    for i, sentence in enumerate(told):
        console.print(Text(sentence, style="" if i else "bold"), soft_wrap=True)


_MASE_IN_WORDS = (
    "MASE: mean error as a multiple of that of repeating the last season, or value, on the training split; lower is "
    "better"
)


_SPARED = ("seconds", "smape", "rmse")
"""What is left out, the first first, where the terminal is too narrow to show all numbers whole."""


def _terminal_table(leaderboard: pd.DataFrame, styles: Mapping[str | None, str], without: Sequence[str] = ()) -> Table:
    columns = shown_columns(question_of_scores(leaderboard))
    columns = {name: c for name, c in columns.items() if c.terminal and name in leaderboard and name not in without}
    decimals = {name: _common_decimals([_known(value) for value in leaderboard[name]]) for name in columns}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    seconds = ["seconds"] * ("seconds" not in without)
    for heading in (*(column.terminal for column in columns.values()), *seconds):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in leaderboard.to_dict("records"):
        mark = " ←" if row.get("recommended") else ""
        model = Text(shortened(str(row["model"]), 20 - len(mark)) + mark)
        if str(row["status"]) == "ok":
            table.add_row(
                model,
                *_terminal_cells(row, columns, decimals)[: len(columns) + len(seconds)],
                style=styles.get(row["model"], ""),
            )
        else:
            table.add_row(model, Text("failed"), style="dim")
    return table


def _terminal_cells(
    row: dict[Hashable, Any], columns: Mapping[str, Column], decimals: Mapping[str, int | None]
) -> list[str]:
    # An infinite interval covers everything, so that its coverage says nothing.
    infinite = math.isinf(float(row.get("width_90", 0.0)))
    cells = [
        "∞" if infinite and name == "coverage_90" else _cell_text(column, _known(row[name]), decimals[name])
        for name, column in columns.items()
    ]
    return [*cells, f"{float(row['fit_seconds']) + float(row['forecast_seconds']):.2f}"]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


# Both


def _common_decimals(values: Sequence[float | None]) -> int | None:
    """Return the decimals of a column, so that its numbers align: three digits for the smaller ones.

    None where these are so small that decimals would show nothing but zeros: then each number stands for itself.

    >>> _common_decimals([0.85, 12.3, 1e9, None]), _common_decimals([2.3e-13, 8.4e-13])
    (3, None)
    """
    sizes = sorted(abs(value) for value in values if value)
    if not sizes:
        return 2
    smaller = sizes[len(sizes) // 4]
    return decimals_for(smaller) if smaller >= SMALLEST else None


def _cell_text(column: Column, value: float | None, decimals: int | None = None) -> str:
    """Write a number in the form of its column, "–" where there is none.

    >>> from forecast.evaluation.metrics import Column
    >>> _cell_text(Column("skill", form="gain"), 0.123), _cell_text(Column("p", form="p"), 1e-9)
    ('+12.3 %', '<0.001')
    """
    if value is None:
        return "–"
    match column.form:
        case "gain":
            return f"{100 * value:+.1f} %".replace("-", "−") if value > -10 else "<−999 %"
        case "p":
            return "<0.001" if value < 0.001 else f"{value:.3f}"
        case "percent":
            return f"{100 * value:.1f} %"
        case "seconds":
            return f"{value:.2f}"
        case _:
            return number(value, decimals=decimals)
