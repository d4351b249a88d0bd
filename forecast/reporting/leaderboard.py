"""The leaderboard as cells of text, for the page and for the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.questions.kinds import RANKING_METRICS
from forecast.wording import SMALLEST, decimals_for, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.reporting.choosing import Row
    from forecast.reporting.summary import Summary


@dataclass(frozen=True)
class Column:
    """A column of the table: the measure's name in the data, its heading, and what it means."""

    name: str
    label: str
    means: str = ""
    text: bool = False


@dataclass(frozen=True)
class Cell:
    """What stands in a cell; `bar` is a length in percent of the cell."""

    text: str
    kind: str = ""
    bar: float | None = None


@dataclass(frozen=True)
class TableRow:
    """A model's row; its role gives it a colour."""

    model: str
    role: str
    cells: tuple[Cell, ...]


COLUMNS = (
    Column("model", "model", text=True),
    Column("kind", "kind", text=True),
    Column("brier", "Brier", "mean squared error of the probabilities of a rise: 0.25 is what a coin has, 0 is best"),
    Column("bits", "bits", "bits a symbol: what the symbols that came cost in an ideal code of the probabilities"),
    Column("mase", "MASE", "mean absolute error over that of the (seasonal) naive forecast on the training split"),
    Column(
        "skill", "skill", "1 less MASE (or Brier, bits) over that of the baseline to beat: above 0 is better than it"
    ),
    Column(
        "dm_p",
        "p",
        "two-sided test against the baseline to beat: Diebold-Mariano over origins, or, of few, paired over series",
    ),
    Column(
        "accuracy",
        "right",
        "share of outcomes given more than a half (a half says that there is no rise), or of symbols the likeliest",
    ),
    Column("perplexity", "perplexity", "2 to the power of the bits: as hard as a choice among so many alike"),
    Column(
        "auc",
        "AUC",
        "how often a rise was given more than what was none, at the same step ahead: 50 % is chance",
    ),
    Column("log_loss", "log loss", "mean negative logarithm of the probability that was given to what came, in nats"),
    Column("mae", "MAE", "mean absolute error, in units of the data"),
    Column("rmse", "RMSE", "root of the mean squared error, in units of the data"),
    Column("smape", "sMAPE", "symmetric mean absolute percentage error, 0 to 200"),
    Column("rmsse", "RMSSE", "root mean squared error, scaled as MASE is"),
    Column("r2", "R²", "share of the variance that the forecasts explain"),
    Column(
        "wql", "WQL", "weighted quantile loss: twice the mean pinball loss of all quantiles over the mean size of y"
    ),
    Column("crps", "CRPS", "continuous ranked probability score, in units of the data: MAE of a whole distribution"),
    Column("coverage_90", "90\u00a0% hold", "share of what came that the 90 % intervals hold: 90 % is right"),
    Column(
        "width_90",
        "90\u00a0% width",
        "mean width of the 90 % intervals, scaled as MASE is; narrow is good if they hold",
    ),
    Column(
        "revision",
        "revision",
        "how much the forecast for one date changes from origin to origin, scaled as MASE is; small is steady",
    ),
    Column("fit_seconds", "fit s", "seconds to fit"),
    Column("forecast_seconds", "forecast s", "seconds to forecast from all origins"),
    Column("status", "status", text=True),
)


def table_columns(summary: Summary) -> tuple[Column, ...]:
    """Return the columns of the page's table: those in which anything stands, and a status where any is not ok."""
    rows = summary.leaderboard
    filled = {name for row in rows for name, value in row.measures.items() if value is not None}
    filled |= {"width_90"} & set(rows[0].measures) if "coverage_90" in filled else set()
    filled |= {"model"} | ({"kind"} if any(row.kind for row in rows) else set())
    filled |= {"status"} if any(row.status != "ok" for row in rows) else set()
    return tuple(column for column in COLUMNS if column.name in filled)


def table_rows(summary: Summary) -> tuple[TableRow, ...]:
    """Return the rows of the page's table; what they are ranked by carries a bar as long as the error is large."""
    filled = {name for row in summary.leaderboard for name, value in row.measures.items() if value is not None}
    measure = next((name for name in RANKING_METRICS if name in filled), "mae")
    reach = _reach([row.measures.get(measure) for row in summary.leaderboard])
    columns = table_columns(summary)
    decimals = {c.name: common_decimals([row.measures.get(c.name) for row in summary.leaderboard]) for c in columns}
    return tuple(_table_row(row, summary, decimals, measure, reach) for row in summary.leaderboard)


def _table_row(row: Row, summary: Summary, decimals: dict[str, int | None], measure: str, reach: float) -> TableRow:
    role = {summary.roles.network: "network", summary.roles.baseline: "baseline"}.get(row.model, "")
    if not any(value is not None for value in row.measures.values()):
        role = "failed"
    texts = {"kind": Cell(row.kind, "text kind"), "status": Cell(row.status, "text status")}
    cells = []
    for name, places in list(decimals.items())[1:]:
        value = row.measures.get(name)
        bar = round(100 * min(value / reach, 1.0), 1) if name == measure and value is not None else None
        infinite = name == "width_90" and value is None and row.measures.get("coverage_90") is not None
        cells.append(texts.get(name) or Cell("∞" if infinite else measure_text(name, value, places), bar=bar))
    return TableRow(row.model, role, tuple(cells))


def _reach(values: list[float | None]) -> float:
    """Length of a full bar: the largest error, unless some explode."""
    known = sorted(value for value in values if value is not None)
    return (min(known[-1], 3 * known[len(known) // 2]) if known else 1.0) or 1.0


def common_decimals(values: Sequence[float | None]) -> int | None:
    """Return the decimals of a column, so that its numbers align: three digits for the smaller ones.

    None where these are so small that decimals would show nothing but zeros: then each number stands for itself.

    >>> common_decimals([0.85, 12.3, 1e9, None]), common_decimals([2.3e-13, 8.4e-13])
    (3, None)
    """
    sizes = sorted(abs(value) for value in values if value)
    if not sizes:
        return 2
    smaller = sizes[len(sizes) // 4]
    return decimals_for(smaller) if smaller >= SMALLEST else None


def measure_text(name: str, value: float | None, decimals: int | None = None) -> str:
    """Write a measure as the tables do: skill in percent, tiny p as a bound, the others with `decimals`.

    >>> measure_text("skill", 0.123), measure_text("dm_p", 1e-9), measure_text("mase", 0.98765, 2)
    ('+12.3 %', '<0.001', '0.99')
    """
    if value is None:
        return "–"
    if name == "skill":
        return f"{100 * value:+.1f} %".replace("-", "−") if value > -10 else "<−999 %"
    if name == "dm_p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if name in ("coverage_90", "accuracy", "auc"):
        return f"{100 * value:.1f} %"
    if name in ("fit_seconds", "forecast_seconds"):
        return f"{value:.2f}"
    return number(value, decimals=decimals)
