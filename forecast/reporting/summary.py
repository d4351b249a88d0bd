"""The report as plain data: what stands between the results table and the charts.

A summary holds strings, numbers and tuples only (`Summary.as_dict()` goes through JSON), so that a page can be drawn
from it anywhere, and a test can say what a page states without reading HTML. It is rebuilt from the tables at any time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.questions.kinds import SYMBOL, VALUE
from forecast.reporting.choosing import choose_roles, choose_series
from forecast.reporting.diagnostics import (
    CopySection,
    LearningSection,
    PenaltySection,
    ResidualSection,
    StepSection,
    errors_by_step,
    learning_section,
    penalty_section,
    step_section,
)
from forecast.reporting.directions import ProbabilitySection, ReliabilitySection
from forecast.reporting.fans import points_and_quantiles
from forecast.reporting.gradients import GradientSection, gradient_section
from forecast.reporting.leaderboard import Row, leaderboard_rows
from forecast.reporting.lines import Clock
from forecast.reporting.questions import SECTIONS, Material
from forecast.reporting.sections import DataSection, ForecastSection, Roles
from forecast.reporting.settings import ReportSettings
from forecast.reporting.several import Choice, SpreadSection, errors_by_series, spread_section
from forecast.reporting.symbols import SymbolSections
from forecast.reporting.uncertainty import CalibrationSection
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.evaluation.intervals import Intervals
    from forecast.questions.kinds import Question

RESULT_COLUMNS = ("model", "unique_id", "cutoff", "ds", "step", "y", "y_hat")


@dataclass(frozen=True)
class Summary:
    """Everything that the page says and draws; a section that the tables cannot fill is None."""

    title: str
    verdict: str | None
    roles: Roles
    clock: Clock
    series: str
    facts: tuple[str, ...]
    leaderboard: tuple[Row, ...]
    steps: StepSection
    learning: LearningSection | PenaltySection | None
    found: dict[str, str]
    notes: tuple[str, ...]
    settings: dict[str, str]
    spread: SpreadSection | None = None
    gradients: GradientSection | None = None
    data: DataSection | None = None
    origins: ForecastSection | None = None
    future: ForecastSection | None = None
    residuals: ResidualSection | None = None
    copy: CopySection | None = None
    choices: tuple[Choice, ...] = ()
    calibration: CalibrationSection | None = None
    reliability: ReliabilitySection | None = None
    probabilities: ProbabilitySection | None = None
    symbols: SymbolSections | None = None
    continuation: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers."""
        return asdict(self)


def build_summary(
    *,
    results: pd.DataFrame,
    series: pd.DataFrame | None = None,
    leaderboard: pd.DataFrame | None = None,
    by_step: pd.DataFrame | None = None,
    by_series: pd.DataFrame | None = None,
    forecast: pd.DataFrame | None = None,
    history: pd.DataFrame | None = None,
    chosen_epoch: int | None = None,
    verdict: str | None = None,
    network: str | None = None,
    baseline: str | None = None,
    copy_test: str | None = None,
    found: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    title: str | None = None,
    show: ReportSettings | None = None,
    intervals: Intervals | None = None,
    gradients: pd.DataFrame | None = None,
    gradient_clip: float | None = None,
    question: Question = VALUE,
    symbols: Sequence[str] = (),
    passage: pd.DataFrame | None = None,
    continuation: str | None = None,
) -> Summary:
    """Bring the tables of a run into the shape of the report; only `results` is needed.

    Parameters
    ----------
    results : `model, unique_id, cutoff, ds, step, y, y_hat`; with a column `quantile` the rows where it is not null
        are quantiles, of which intervals are drawn; with a column `chance`, the probability given to what came, `y` and
        `y_hat` are symbols: codes, or categories as results.parquet has them
    series : `unique_id, ds, y, part` with stretch training, validation or test; without it the truth is as much
        as `results` holds
    leaderboard : the columns of leaderboard.csv; without it errors are averaged from `results`
    by_step : `model, step, mase` (or `mae`); without it MAE from `results`
    by_series : `model, unique_id, mase` (or `mae`); without it MAE from `results`
    forecast : `unique_id, ds, model, y_hat`, the steps after the end of the data; quantiles in columns like `q0.05`;
        of symbols a row for each `symbol` with its probability as `y_hat`
    history : `epoch, train_loss, validation_loss`; `chosen_epoch` is where the losses are lowest if not given. Of a
        read-out in closed form it has `penalty` instead of `epoch`
    network, baseline : the two models drawn in colour; without them the best network and the best other model
    intervals : quantiles of the models in `results` and what was found of them
    gradients : `network, measure, of, lag, value`, what `training.record_gradients` recorded; `gradient_clip` is the
        largest norm of a gradient
    question : what `results` and `forecast` answer; of the direction `series` is needed, of symbols `results` has
        `chance`
    symbols : texts of the codes in `results` and `series`, in their order
    passage : results of symbols from successive origins of the series that is drawn, where `results` leaves some out
    continuation : a text drawn from the network symbol by symbol, shown after the data

    Raises
    ------
    ForecastError
        A column is missing, the table is empty, or a model or series that is asked for is not in it.

    """
    show = show or ReportSettings()
    check_results(results)
    results, symbols = _coded(points_and_quantiles(results), tuple(symbols))
    question = SYMBOL if SYMBOL.scored_column in results else question
    rows = leaderboard_rows(results, leaderboard)
    roles = choose_roles(rows, network, baseline)
    material = Material(
        results=results,
        series=series,
        forecast=forecast,
        uid=choose_series(results, roles.network, show.series),
        roles=roles,
        show=show,
        spread=_spread(results, by_series, roles),
        intervals=intervals,
        copy_test=copy_test,
        symbols=symbols,
        passage=passage,
        continuation=continuation,
    )
    return Summary(
        title=title or material.title,
        verdict=verdict,
        roles=roles,
        clock=material.clock,
        series=material.uid,
        facts=_facts(results, symbols),
        leaderboard=rows,
        steps=step_section(errors_by_step(results) if by_step is None else by_step, roles),
        learning=_learning(history, chosen_epoch, question),
        found={str(key): str(value) for key, value in (found or {}).items()},
        notes=tuple(notes),
        settings=flattened(settings or {}),
        spread=material.spread,
        gradients=None if gradients is None else gradient_section(gradients, history, gradient_clip),
        **SECTIONS[question.name](material),
    )


def _spread(results: pd.DataFrame, by_series: pd.DataFrame | None, roles: Roles) -> SpreadSection | None:
    """Show the errors of several series, from their table or else from the results; None of one series."""
    if results["unique_id"].nunique() < 2:
        return None
    return spread_section(errors_by_series(results) if by_series is None else by_series, roles)


def _coded(results: pd.DataFrame, symbols: tuple[str, ...]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Give results of symbols as codes, with the texts of these; values stay as they are."""
    if "chance" not in results:
        return results, ()
    if isinstance(results["y"].dtype, pd.CategoricalDtype):
        texts = tuple(map(str, results["y"].cat.categories))
        codes = {name: results[name].cat.codes.astype(np.float64) for name in ("y", "y_hat")}
        return results.assign(**{name: code.where(code >= 0) for name, code in codes.items()}), texts
    most = int(np.nanmax(results[["y", "y_hat"]].to_numpy(dtype=np.float64))) + 1
    if symbols and len(symbols) < most:
        raise ForecastError(
            f"`symbols` has a text for each code in the results: found {len(symbols)} texts, and codes up to "
            f"{most - 1}: pass `panel.symbols` of the panel that was forecast"
        )
    return results, symbols or tuple(map(str, range(most)))


def _learning(
    history: pd.DataFrame | None, chosen: int | None, question: Question
) -> LearningSection | PenaltySection | None:
    if history is None or history.empty:
        return None
    if "penalty" in history:
        return penalty_section(history)
    if not question.categorical:
        return learning_section(history, chosen)
    # What is trained on is the bits in other units, nats.
    losses = ["train_loss", "validation_loss"]
    return learning_section(history.assign(**history[losses] / np.log(2)), chosen, unit="bits a symbol")


def _facts(results: pd.DataFrame, symbols: tuple[str, ...]) -> tuple[str, ...]:
    facts = [
        counted(int(results["step"].max()), "step") + " ahead",
        counted(_count_origins(results), "origin"),
        counted(int(results["model"].nunique()), "model"),
    ]
    if symbols:
        facts.insert(0, counted(len(symbols), "symbol"))
    series = int(results["unique_id"].nunique())
    return tuple(facts if series == 1 else [counted(series, "series"), *facts])


def _count_origins(results: pd.DataFrame) -> int:
    """Count the rows of the first step of the first model, which forecast from the same origins as all others."""
    first = (results["model"] == results["model"].iloc[0]) & (results["step"] == results["step"].min())
    return int(first.sum())


def check_results(results: pd.DataFrame) -> None:
    """Refuse a table that is no results table, in one line."""
    missing = [column for column in RESULT_COLUMNS if column not in results]
    if missing:
        raise ForecastError(
            f"a results table has the columns {', '.join(RESULT_COLUMNS)}; {', '.join(missing)} missing, "
            f"found {', '.join(map(str, results.columns))}: pass what `backtest` returned"
        )
    if results.empty:
        raise ForecastError("the results table is empty, so there is nothing to report: backtest at least one origin")


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Write nested settings as dotted names.

    >>> flattened({"data": {"name": "stock", "season_steps": None}, "seed": 0})
    {'data.name': 'stock', 'data.season_steps': 'null', 'seed': '0'}
    """
    flat: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat |= flattened(value, f"{name}.")
        else:
            flat[name] = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return flat
