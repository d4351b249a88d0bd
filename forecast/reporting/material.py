"""The tables of a run as the report's sections take them, and which two models and which series are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.evaluation.results import COLUMNS
from forecast.questions.kinds import RANKING_METRICS
from forecast.reporting.lines import axis_times, find_clock
from forecast.reporting.prediction_intervals import points_and_quantiles, with_quantiles
from forecast.wording import decimals_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from forecast.evaluation.intervals import Intervals
    from forecast.evaluation.recommendation import Recommendation
    from forecast.questions.kinds import Question
    from forecast.reporting.leaderboard import Row
    from forecast.reporting.lines import Array, Clock
    from forecast.reporting.settings import ReportSettings
    from forecast.series.panel import Panel

SPLITS = ("training", "validation", "calibration", "test")

SeriesRows: TypeAlias = "Callable[[Sequence[str] | None], pd.DataFrame]"
"""Makes the rows of the series of these ids (None: of all), so that a table of all rows need not exist."""


@dataclass(frozen=True)
class Roles:
    """The models that have a colour of their own; all others are grey."""

    network: str
    baseline: str | None
    recommended: str | None = None

    def named(self) -> tuple[str, ...]:
        """Return network and baseline."""
        return (self.network,) if self.baseline is None else (self.network, self.baseline)

    @property
    def leading(self) -> str:
        """The model whose intervals are drawn: the recommended one, or the network."""
        return self.recommended or self.network

    def in_colour(self) -> tuple[str, ...]:
        """Return the models that have a colour, the leading one first."""
        return tuple(dict.fromkeys((self.leading, *self.named())))


class Tables(TypedDict, total=False):
    """What sections take as it is, beside the results; `Material` says what each is."""

    series: pd.DataFrame | SeriesRows | None
    decimals: int | None
    by_step: pd.DataFrame | None
    by_series: pd.DataFrame | None
    forecast: pd.DataFrame | None
    history: pd.DataFrame | None
    chosen_epoch: int | None
    gradients: pd.DataFrame | None
    gradient_clip: float | None
    intervals: Intervals | None
    copy_test: str | None
    passage: pd.DataFrame | None
    continuation: str | None
    recommendation: Recommendation | None
    next_command: str
    effects: pd.DataFrame | None
    anomalies: pd.DataFrame | None


@dataclass(frozen=True, eq=False)
class Material:
    """What sections are computed from, and what is drawn of it.

    Attributes
    ----------
    results : `model, unique_id, cutoff, ds, step, y, y_hat`; of symbols `chance`, the probability given to what came
    uid : the series that is drawn
    symbols : texts of the codes in `results` and `series`, where these are codes
    series : `unique_id, ds, y, split` with split training, validation, calibration or test, or what makes such rows
        (`rows`); without it the truth is as much as `results` holds
    decimals : with how many of them values are written (`written_decimals`)
    by_step : `model, step, mase` (or `mae`); without it MAE from `results`
    by_series : `model, unique_id, mase` (or `mae`); without it MAE from `results`
    forecast : `unique_id, ds, model, y_hat`, the steps after the end of the data; quantiles in columns like `q0.05`;
        of symbols a row for each `symbol` with its probability as `y_hat`
    history : `epoch, train_loss, validation_loss`; `chosen_epoch` is where the losses are lowest if not given. Of a
        read-out in closed form it has `penalty` instead of `epoch`
    gradients : `network, measure, of, lag, value`, what `training.record_gradients` recorded; `gradient_clip` is the
        largest norm of a gradient
    intervals : quantiles of the models in `results`, and their scores
    passage : results of symbols from successive origins of the series that is drawn, where `results` leaves some out
    continuation : a text drawn from the network symbol by symbol, shown after the data
    recommendation : which model to use, and how far off it is; `next_command` forecasts again from newer data
    effects, anomalies : the tables of `evaluation.effects` and `evaluation.anomalies`

    """

    question: Question
    results: pd.DataFrame
    uid: str
    roles: Roles
    show: ReportSettings
    symbols: tuple[str, ...]
    series: pd.DataFrame | SeriesRows | None = None
    decimals: int | None = None
    by_step: pd.DataFrame | None = None
    by_series: pd.DataFrame | None = None
    forecast: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    chosen_epoch: int | None = None
    gradients: pd.DataFrame | None = None
    gradient_clip: float | None = None
    intervals: Intervals | None = None
    copy_test: str | None = None
    passage: pd.DataFrame | None = None
    continuation: str | None = None
    recommendation: Recommendation | None = None
    next_command: str = ""
    effects: pd.DataFrame | None = None
    anomalies: pd.DataFrame | None = None

    @cached_property
    def series_count(self) -> int:
        """How many series there are."""
        return int(self.results["unique_id"].nunique())

    @property
    def name(self) -> str:
        """How sentences call the series that is drawn."""
        if self.series_count == 1:
            return self.uid
        return f"{self.uid} (one of {self.series_count:,} series, typical in its error)"

    @cached_property
    def written_decimals(self) -> int:
        """With how many decimals values are written, as in forecast.csv; those of the values where nobody says."""
        if self.decimals is not None:
            return self.decimals
        table = self.rows()
        return decimals_of((self.truth if table is None else table)["y"].to_numpy(dtype=np.float64))

    def rows(self, ids: Sequence[str] | None = None) -> pd.DataFrame | None:
        """Rows of some series, or of all; None where there is no table of them."""
        if self.series is None or isinstance(self.series, pd.DataFrame):
            table = self.series
            return table if table is None or ids is None else table[table["unique_id"].astype(str).isin(ids)]
        return self.series(ids)

    @cached_property
    def clock(self) -> Clock:
        """How the times of the series that is drawn are written."""
        return find_clock(self.truth["ds"])

    @cached_property
    def truth(self) -> pd.DataFrame:
        """The series that is drawn, or as much of it as the results hold: columns `ds`, `y`, `split`."""
        return truth_of(rows_of(self.results, self.uid), self.rows([self.uid]))

    @cached_property
    def ahead(self) -> pd.DataFrame | None:
        """The forecast after the end of the series that is drawn; None where there is none."""
        rows = None if self.forecast is None else rows_of(self.forecast, self.uid)
        return None if rows is None or rows.empty else rows

    @cached_property
    def results_in_colour(self) -> pd.DataFrame:
        """Results of the models in colour on all series, with columns of quantiles where there are any."""
        rows = self.results[self.results["model"].isin(self.roles.in_colour())]
        if self.intervals is None:
            return rows
        quantiles = self.intervals.quantiles
        known = {name: quantiles[name] for name in self.roles.in_colour() if name in quantiles}
        return with_quantiles(rows, known, self.intervals.levels)

    @cached_property
    def results_drawn(self) -> pd.DataFrame:
        """Results of the models in colour on the series that is drawn."""
        return rows_of(self.results_in_colour, self.uid)


def long_table(panel: Panel) -> pd.DataFrame:
    """Return all steps of a panel: columns `unique_id`, `ds`, `y` (NaN where not observed)."""
    ids = np.repeat(np.array(panel.ids, dtype=object), panel.lengths)
    return pd.DataFrame({"unique_id": ids, "ds": panel.times, "y": panel.target_or_nan()})


def rows_of(table: pd.DataFrame, uid: str) -> pd.DataFrame:
    """Return the rows of one series."""
    ids = {str(unique_id): unique_id for unique_id in table["unique_id"].unique()}
    return table[table["unique_id"] == ids[uid]] if uid in ids else table.iloc[:0]


def truth_of(results: pd.DataFrame, series: pd.DataFrame | None) -> pd.DataFrame:
    """Return the rows of one series in order; without it as much as its results hold, all of it test split."""
    if series is not None and len(series):
        return series.sort_values("ds").reset_index(drop=True)
    targets = results[["ds", "y"]].drop_duplicates("ds").sort_values("ds").reset_index(drop=True)
    return targets.assign(split="test")


def first_step(results: pd.DataFrame, model: str) -> tuple[Array, Array, Array]:
    """Return times, targets and forecasts (origin,) of a model one step ahead, where both are known."""
    rows = results[(results["model"] == model) & (results["step"] == results["step"].min())]
    rows = rows.dropna(subset=["y", "y_hat"]).sort_values("ds")
    y, y_hat = rows["y"].to_numpy(dtype=np.float64), rows["y_hat"].to_numpy(dtype=np.float64)
    finite = np.isfinite(y_hat)
    return axis_times(rows["ds"])[finite], y[finite], y_hat[finite]


# Losses, for reports that are made without the tables of scores


def losses(results: pd.DataFrame) -> pd.Series:
    """Return the bits of each row, -log2 p, where `chance` holds the probability of what came; else |y - y_hat|.

    The series has the name of the measure, `bits` or `mae`.
    """
    name, values = (
        ("bits", -np.log2(results["chance"].to_numpy(dtype=np.float64)))
        if "chance" in results
        else ("mae", np.abs((results["y"] - results["y_hat"]).to_numpy(dtype=np.float64)))
    )
    return pd.Series(values, index=results.index, name=name)


def mean_losses(results: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean of `losses` over the rows that share the columns `by`: these, and `bits` or `mae`."""
    loss = losses(results)
    means = loss.groupby([results[column] for column in by], observed=True, sort=False).mean()
    return means.reset_index()


def error_measure(table: pd.DataFrame) -> str:
    """Name the measure that figures show: what models are ranked by, or MAE where no series has a MASE."""
    return next((name for name in RANKING_METRICS if name in table and table[name].notna().any()), "mae")


# What is drawn


def choose_roles(
    rows: Sequence[Row], network: str | None, baseline: str | None, recommended: str | None = None
) -> Roles:
    """Choose which models are drawn in colour; `rows` of the leaderboard stand best first."""
    known = [row.model for row in rows]
    for name in (network, baseline, recommended):
        if name is not None and name not in known:
            raise ForecastError(f"model {name!r} is not in the results: there are {', '.join(known)}")
    if network is None:
        networks = [row.model for row in rows if row.kind == "network"]
        network = networks[0] if networks else known[0]
    if baseline is None:
        others = [row for row in rows if row.model != network and any(v is not None for v in row.measures.values())]
        simple = [row for row in others if row.kind not in ("network", "reference")]
        baseline = next((row.model for row in simple or others), None)
    return Roles(network, baseline, recommended)


def choose_series(results: pd.DataFrame, network: str, wanted: str | None) -> str:
    """Return the series that is drawn: the one wanted, else the one whose error is the median."""
    known = [str(unique_id) for unique_id in results["unique_id"].unique()]
    if wanted is not None:
        if wanted not in known:
            some = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
            raise ForecastError(f"`report.series`: no series is called {wanted!r}; there are {some}")
        return wanted
    if len(known) == 1:
        return known[0]
    rows = results[results["model"] == network]
    loss = losses(rows)
    error = loss.groupby(rows["unique_id"], observed=True).mean()
    if loss.name == "mae":  # relative to the size of the values, so that series of all sizes compare
        size = rows["y"].abs().groupby(rows["unique_id"], observed=True).mean()
        error /= size.where(size > 0)
    ranked = error.dropna().sort_values(kind="stable")
    return str(ranked.index[(len(ranked) - 1) // 2]) if len(ranked) else known[0]


# Checks


def checked_results(results: pd.DataFrame, symbols: tuple[str, ...]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return results with quantiles in columns of their own and symbols as codes, and the texts of these.

    Raises
    ------
    ForecastError
        A column or a symbol's text is missing, or the table is empty.

    """
    missing = [column for column in COLUMNS if column not in results]
    if missing:
        raise ForecastError(
            f"a results table has the columns {', '.join(COLUMNS)}; {', '.join(missing)} missing, "
            f"found {', '.join(map(str, results.columns))}: pass what `backtest` returned"
        )
    if results.empty:
        raise ForecastError("the results table is empty, so there is nothing to report: backtest at least one origin")
    return _with_codes(points_and_quantiles(results), symbols)


def _with_codes(results: pd.DataFrame, symbols: tuple[str, ...]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return results of symbols as codes, and the texts of these; results of values as they are, and no texts."""
    if "chance" not in results:
        return results, ()
    if isinstance(results["y"].dtype, pd.CategoricalDtype):
        texts = tuple(map(str, results["y"].cat.categories))
        codes = {name: results[name].cat.codes.astype(np.float64) for name in ("y", "y_hat")}
        return results.assign(**{name: code.where(code >= 0) for name, code in codes.items()}), texts
    size = int(np.nanmax(results[["y", "y_hat"]].to_numpy(dtype=np.float64))) + 1
    if symbols and len(symbols) < size:
        raise ForecastError(
            f"`symbols` has a text for each code in the results: found {len(symbols)} texts, and codes up to "
            f"{size - 1}: pass `panel.symbols` of the panel that was forecast"
        )
    return results, symbols or tuple(map(str, range(size)))
