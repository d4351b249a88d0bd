"""The report as plain data: what stands between the results table and the charts.

A summary holds strings, numbers and tuples only (`Summary.as_dict()` goes through JSON), so that a page can be drawn
from it anywhere, and a test can say what a page states without reading HTML. It is rebuilt from the tables at any time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from forecast.errors import ForecastError
from forecast.reporting.choosing import Row, choose_roles, choose_series, leaderboard_rows
from forecast.reporting.diagnostics import (
    CopySection,
    LearningSection,
    PenaltySection,
    ResidualSection,
    StepSection,
    copy_section,
    errors_by_step,
    learning_section,
    penalty_section,
    residual_section,
    step_section,
)
from forecast.reporting.directions import ChanceSection, ReliabilitySection, chance_section, reliability_section
from forecast.reporting.fans import points_and_quantiles, with_quantiles
from forecast.reporting.gradients import GradientSection, gradient_section
from forecast.reporting.lines import Clock, find_clock
from forecast.reporting.sections import (
    DataSection,
    ForecastSection,
    Roles,
    data_section,
    future_section,
    origins_section,
)
from forecast.reporting.settings import ReportSettings
from forecast.reporting.several import Choice, SpreadSection, choices, errors_by_series, spread_section
from forecast.reporting.uncertainty import CalibrationSection, calibration_section, coverage_of, pit_of
from forecast.reporting.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from forecast.evaluation.intervals import Intervals
    from forecast.series.problem import Asks

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
    data: DataSection
    origins: ForecastSection | None
    future: ForecastSection | None
    steps: StepSection
    learning: LearningSection | PenaltySection | None
    residuals: ResidualSection | None
    copy: CopySection | None
    found: dict[str, str]
    notes: tuple[str, ...]
    settings: dict[str, str]
    spread: SpreadSection | None = None
    choices: tuple[Choice, ...] = ()
    calibration: CalibrationSection | None = None
    gradients: GradientSection | None = None
    reliability: ReliabilitySection | None = None
    chances: ChanceSection | None = None

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
    asks: Asks = "value",
) -> Summary:
    """Bring the tables of a run into the shape of the report; only `results` is needed.

    Parameters
    ----------
    results : `model, unique_id, cutoff, ds, step, y, y_hat`; with a column `quantile` the rows where it is not null
        are quantiles, of which intervals are drawn
    series : `unique_id, ds, y, stretch` with stretch training, validation or test; without it the truth is as much
        as `results` holds
    leaderboard : the columns of leaderboard.csv; without it errors are averaged from `results`
    by_step : `model, step, mase` (or `mae`); without it MAE from `results`
    by_series : `model, unique_id, mase` (or `mae`); without it MAE from `results`
    forecast : `unique_id, ds, model, y_hat`, the steps after the end of the data; quantiles in columns like `q0.05`
    history : `epoch, train_loss, validation_loss`; `chosen_epoch` is where the losses are lowest if not given. Of a
        read-out in closed form it has `penalty` instead of `epoch`
    network, baseline : the two models drawn in colour; without them the best network and the best other model
    intervals : quantiles of the models in `results` and what was found of them
    gradients : `network, measure, of, lag, value`, what `training.record_gradients` recorded; `gradient_clip` is the
        largest norm of a gradient
    asks : what `results` and `forecast` are: values, or how likely the target rises (then `series` is needed)

    Raises
    ------
    ForecastError
        A column is missing, the table is empty, or a model or series that is asked for is not in it.

    """
    show = show or ReportSettings()
    check_results(results)
    results = points_and_quantiles(results)
    rows = leaderboard_rows(results, leaderboard)
    roles = choose_roles(rows, network, baseline)
    uid = choose_series(results, roles.network, show.series)
    drawn = _drawn(results, intervals, roles)
    mine = _of(drawn, uid)
    truth = _truth(mine, None if series is None else _of(series, uid))
    clock = find_clock(truth["ds"])
    ahead = None if forecast is None or (here := _of(forecast, uid)).empty else here
    count = int(results["unique_id"].nunique())
    spread = None
    if count > 1:
        spread = spread_section(errors_by_series(results) if by_series is None else by_series, roles)
    if asks == "direction":
        parts = _of_directions((truth, results, ahead), roles, clock)
    else:
        parts = _of_values((truth, mine, ahead), roles, clock, show)
        parts["copy"] = copy_section(truth, mine, roles.network, copy_test)
        parts["choices"] = () if spread is None else choices(spread, (series, drawn, forecast), roles, clock, uid)
        parts["calibration"] = _calibration(results, intervals, roles)
    name = uid if count == 1 else f"{uid} (one of {count:,} series, typical in its error)"
    return Summary(
        title=title or f"{roles.network} on {uid if count == 1 else f'{count:,} series'}",
        verdict=verdict,
        roles=roles,
        clock=clock,
        series=uid,
        facts=_facts(results),
        leaderboard=rows,
        data=data_section(truth, clock, show.points, name),
        steps=step_section(errors_by_step(results) if by_step is None else by_step, roles),
        learning=_learning(history, chosen_epoch),
        found={str(key): str(value) for key, value in (found or {}).items()},
        notes=tuple(notes),
        settings=flattened(settings or {}),
        spread=spread,
        gradients=None if gradients is None else gradient_section(gradients, history, gradient_clip),
        **parts,
    )


def _of_values(
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None], roles: Roles, clock: Clock, show: ReportSettings
) -> dict[str, Any]:
    """Sections of forecast values: `tables` are the truth of a series, its results, and the forecast after its end."""
    truth, mine, ahead = tables
    return {
        "origins": origins_section(truth, mine, roles, clock, show.origins),
        "future": None if ahead is None else future_section(truth, ahead, roles, clock),
        "residuals": residual_section(mine, roles.network, show.points),
    }


def _of_directions(
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None], roles: Roles, clock: Clock
) -> dict[str, Any]:
    """Sections of probabilities: `tables` are the truth of a series, all results, and the forecast after its end."""
    truth, results, ahead = tables
    return {
        **dict.fromkeys(("origins", "future", "residuals", "copy")),
        "reliability": reliability_section(results, roles),
        "chances": None if ahead is None else chance_section(truth, ahead, roles, clock),
    }


def _learning(history: pd.DataFrame | None, chosen: int | None) -> LearningSection | PenaltySection | None:
    if history is None or history.empty:
        return None
    return penalty_section(history) if "penalty" in history else learning_section(history, chosen)


def _drawn(results: pd.DataFrame, intervals: Intervals | None, roles: Roles) -> pd.DataFrame:
    """Return the rows of the models that are drawn, with columns of quantiles where there are any."""
    rows = results[results["model"].isin(roles.named())]
    if intervals is None:
        return rows
    return with_quantiles(
        rows,
        {name: intervals.quantiles[name] for name in roles.named() if name in intervals.quantiles},
        intervals.levels,
    )


def _calibration(results: pd.DataFrame, intervals: Intervals | None, roles: Roles) -> CalibrationSection | None:
    if intervals is None:
        return calibration_section(coverage_of(results), pit_of(results), {}, roles)
    return calibration_section(intervals.coverage, intervals.pit, intervals.sentences, roles)


def _facts(results: pd.DataFrame) -> tuple[str, ...]:
    facts = [
        counted(int(results["step"].max()), "step") + " ahead",
        counted(_count_origins(results), "origin"),
        counted(int(results["model"].nunique()), "model"),
    ]
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


def _of(table: pd.DataFrame, uid: str) -> pd.DataFrame:
    known = {str(one): one for one in table["unique_id"].unique()}
    return table[table["unique_id"] == known[uid]] if uid in known else table.iloc[:0]


def _truth(results: pd.DataFrame, series: pd.DataFrame | None) -> pd.DataFrame:
    if series is not None and len(series):
        return series.sort_values("ds").reset_index(drop=True)
    seen = results[["ds", "y"]].drop_duplicates("ds").sort_values("ds").reset_index(drop=True)
    return seen.assign(stretch="test")
