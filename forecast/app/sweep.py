"""The end of a sweep: compare its jobs on validation, and take only the winner to the test stretch."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from forecast.app.arguments import overridden_keys
from forecast.app.folders import remove_empty
from forecast.app.jobs import override_value, run_task
from forecast.app.outcomes import Outcome, take_outcomes
from forecast.errors import ForecastError
from forecast.tasks.settings import check_job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd


def finish_sweep(folder: Path) -> None:
    """Write `sweep.csv` and `sweep.html` and evaluate the winner; a sweep of other tasks only gets its table.

    Raises
    ------
    ForecastError
        Not one job succeeded; nothing is left then.

    """
    outcomes = take_outcomes(folder)
    remove_empty_folders(folder)
    if all(outcome.status != "ok" for outcome in outcomes):
        (folder / "multirun.yaml").unlink(missing_ok=True)
        raise ForecastError(f"none of {len(outcomes)} jobs succeeded; the first: {outcomes[0].status}")
    table = sweep_table(outcomes)
    write_sweep(table, folder)
    winner = best(outcomes)
    if winner is not None:
        print(f"\nBest on validation: {winner.line()}\nOnly it is evaluated on the test stretch.")
        run_task(check_job(winner.settings), winner.overrides, folder / str(winner.job))
        if spread := seed_spread(outcomes, winner):
            print(spread)
    print(f"\nAll jobs: {folder / 'sweep.csv'}, {folder / 'sweep.html'}")


def write_sweep(table: pd.DataFrame, folder: Path) -> None:
    """Write the table over all jobs, and the page that compares them."""
    from forecast.reporting.sweep import write_sweep_page

    table.to_csv(folder / "sweep.csv", index=False, encoding="utf-8", lineterminator="\n")
    write_sweep_page(table, folder)


def sweep_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row a job, the best first: `job`, a column for each key that differs, score, seconds, status."""
    import pandas as pd

    swept = swept_keys(outcomes)
    rows = [
        {
            "job": outcome.job,
            **{key: settings.get(key, "") for key in swept},
            "validation_mase": outcome.validation_mase,
            "seconds": round(outcome.seconds, 2),
            "status": outcome.status,
        }
        for outcome, settings in ((outcome, _said(outcome)) for outcome in outcomes)
    ]
    table = pd.DataFrame(rows).astype({"validation_mase": "float64"})
    return table.sort_values(["validation_mase", "job"], na_position="last", ignore_index=True)


def swept_keys(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the overridden keys whose value is not the same in every job, in the order in which they were said."""
    said = [_said(outcome) for outcome in outcomes]
    keys = dict.fromkeys(key for one in said for key in one)
    return [key for key in keys if len({one.get(key) for one in said}) > 1]


def best(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the job with the lowest validation score; the earlier one where two are equal."""
    scored = [one for one in outcomes if one.validation_mase is not None and math.isfinite(one.validation_mase)]
    return min(scored, key=_score, default=None)


def seed_spread(outcomes: Sequence[Outcome], winner: Outcome) -> str:
    """Say how much the winner's score is owed to its seed: its configuration under all seeds of the sweep."""
    alike = [_score(one) for one in outcomes if one.validation_mase is not None and _but_seed(one) == _but_seed(winner)]
    if len(alike) < 2:
        return ""
    return (
        f"Over {len(alike)} seeds of this configuration the validation MASE lies between {min(alike):.4g} and "
        f"{max(alike):.4g} (mean {statistics.mean(alike):.4g}, standard deviation {statistics.stdev(alike):.2g}); "
        f"the winner is its best seed"
    )


def remove_empty_folders(folder: Path) -> None:
    """Remove what Hydra made for jobs that wrote nothing."""
    for one in folder.iterdir():
        if one.is_dir():
            remove_empty(one)


def _said(outcome: Outcome) -> dict[str, str]:
    return {
        key: override_value(one) for key, one in zip(overridden_keys(outcome.overrides), outcome.overrides, strict=True)
    }


def _but_seed(outcome: Outcome) -> dict[str, str]:
    return {key: value for key, value in _said(outcome).items() if key != "seed"}


def _score(outcome: Outcome) -> float:
    return math.inf if outcome.validation_mase is None else outcome.validation_mase
