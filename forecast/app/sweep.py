"""The end of a sweep: compare its jobs on validation, and take only the winner to the test split."""

from __future__ import annotations

import json
import math
import shlex
from typing import TYPE_CHECKING

from forecast.app.folders import remove_empty
from forecast.app.jobs import Outcome, take_outcomes, write_outcomes
from forecast.app.overrides import overridden_keys, override_value
from forecast.app.run_task import run_task
from forecast.errors import ForecastError
from forecast.questions.kinds import VALUE, metric_label, question_of_head
from forecast.tasks.settings import check_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd


def finish_sweep(folder: Path) -> None:
    """Write `sweep.csv` and `sweep.html` and evaluate the winner; a sweep of other tasks only gets its table.

    Raises
    ------
    ForecastError
        No job succeeded, or they answer different questions; nothing is left then.

    """
    outcomes = take_outcomes(folder)
    clear_sweep(folder)
    _check_same_data(outcomes)
    if all(outcome.status != "ok" for outcome in outcomes):
        first = outcomes[0].status if outcomes else "nothing was run"
        raise ForecastError(f"none of the {len(outcomes)} jobs succeeded; the first: {first}")
    check_one_question(outcome.question.name for outcome in outcomes if outcome.status == "ok")
    write_outcomes(outcomes, folder)
    table = sweep_table(outcomes)
    _write_sweep(table, folder)
    if (winner := best(outcomes)) is not None:
        _evaluate_winner(winner, scores_over_seeds(outcomes, winner), folder)
        _write_page(table, folder, winner)
    print(f"all jobs: {folder / 'sweep.csv'}, {folder / 'sweep.html'}")


def _check_same_data(outcomes: Sequence[Outcome]) -> None:
    """Refuse to compare jobs that were done before with others on the same file, which has changed since."""
    seen: dict[str, str | None] = {}
    for outcome in (one for one in outcomes if one.fingerprint is not None):
        data = json.dumps(outcome.settings.get("data"))
        if seen.setdefault(data, outcome.fingerprint) != outcome.fingerprint:
            raise ForecastError(
                "the data have changed since the first jobs of this sweep were done, so that scores cannot be "
                "compared: choose another `hydra.sweep.dir`"
            )


def check_one_question(names: Iterable[str]) -> None:
    """Refuse to compare the scores of different questions."""
    if len(questions := set(names)) > 1:
        raise ForecastError(
            f"jobs of the sweep answer different questions ({', '.join(sorted(questions))}, by `model.head`), whose "
            f"scores cannot be compared: sweep over them one by one"
        )


def swept_questions(overrides: Sequence[str]) -> set[str]:
    """Return the questions that the heads of a sweep answer, before anything is run."""
    keys = overridden_keys(overrides)
    heads = [text.partition("=")[2] for key, text in zip(keys, overrides, strict=True) if key == "model.head"]
    return {question_of_head(head.strip()).name for value in heads for head in value.split(",")}


def _evaluate_winner(winner: Outcome, over_seeds: Sequence[float], folder: Path) -> None:
    """Run the winner to the end, the test split included, and print the spread over seeds."""
    from forecast.evaluation.verdict import seed_spread

    measure = f"validation {metric_label(winner.question.ranked_by)}"
    print(f"best on validation, and the only one that is evaluated on the test split: {winner.line()}")
    run_task(check_job(winner.settings), winner.overrides, folder / str(winner.job))
    if len(over_seeds) > 1:
        print(seed_spread(over_seeds, measure))


def _write_sweep(table: pd.DataFrame, folder: Path, *, page: bool = True) -> None:
    """Write the table over all jobs, and the page that compares them."""
    table.to_csv(folder / "sweep.csv", index=False, encoding="utf-8", lineterminator="\n")
    if page:
        from forecast.reporting.sweep import write_sweep_page

        write_sweep_page(table, folder)


def _write_page(table: pd.DataFrame, folder: Path, winner: Outcome) -> None:
    """Write the page once more, with the winner as a command and its score on the test split."""
    import pandas as pd

    from forecast.reporting.sweep import Winner, scored_on_test, write_sweep_page
    from forecast.runs.files import LEADERBOARD

    overrides = [f"{key}={value}" for key, value in _overridden(winner).items() if not key.startswith("hydra")]
    leaderboard, tested = folder / str(winner.job) / LEADERBOARD, None
    if leaderboard.is_file():
        tested = scored_on_test(pd.read_csv(leaderboard), str(winner.settings["model"]["name"]))
    write_sweep_page(table, folder, winner=Winner(f"python -m forecast {shlex.join(overrides)}", tested))


def sweep_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row a job, the best first: `job`, a column for each key that differs, score, costs, status."""
    import pandas as pd

    swept = _swept_keys(outcomes)
    question = next((outcome.question for outcome in outcomes if outcome.question is not VALUE), VALUE)
    score = f"validation_{question.ranked_by}"
    rows = [
        {
            "job": outcome.job,
            **{key: settings.get(key, "") for key in swept},
            score: outcome.validation_mase,
            "seconds": round(outcome.seconds, 2),
            **({} if outcome.graph_mb is None else {"graph_mb": round(outcome.graph_mb, 3)}),
            "status": outcome.status,
        }
        for outcome, settings in ((outcome, _overridden(outcome)) for outcome in outcomes)
    ]
    table = pd.DataFrame(rows).astype({score: "float64"})
    table["status"] = table.pop("status")  # last, whatever the first job has
    return table.sort_values([score, "job"], na_position="last", ignore_index=True)


def _swept_keys(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the overridden keys whose value is not the same in every job, in their order on the command line."""
    overridden = [_overridden(outcome) for outcome in outcomes]
    keys = dict.fromkeys(key for settings in overridden for key in settings)
    return [key for key in keys if len({settings.get(key) for settings in overridden}) > 1]


def best(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the job with the lowest validation score; the earlier one where two are equal."""
    scored = [outcome for outcome in outcomes if math.isfinite(_score(outcome))]
    return min(scored, key=_score, default=None)


def scores_over_seeds(outcomes: Sequence[Outcome], winner: Outcome) -> list[float]:
    """Return the scores of the winner's configuration under all seeds of the sweep, its own included."""
    scored = [outcome for outcome in outcomes if outcome.validation_mase is not None]
    return [_score(outcome) for outcome in scored if _but_seed(outcome) == _but_seed(winner)]


def keep_interrupted(folder: Path, *, page: bool) -> None:
    """Write the table of those jobs that were done before an interrupt; nothing goes to the test split.

    Whoever is asked to terminate has no time for a page.
    """
    outcomes = take_outcomes(folder)
    if outcomes:
        write_outcomes(outcomes, folder)
        _write_sweep(sweep_table(outcomes), folder, page=page)
        done = "1 job was done" if len(outcomes) == 1 else f"{len(outcomes)} jobs were done"
        print(f"{done}, none is evaluated on the test split: {folder / 'sweep.csv'}")


def clear_sweep(folder: Path) -> None:
    """Remove what is not a result: Hydra's own file (each run.json holds its settings), and empty folders of jobs."""
    take_outcomes(folder)
    (folder / "multirun.yaml").unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            remove_empty(path)


def _overridden(outcome: Outcome) -> dict[str, str]:
    keys = overridden_keys(outcome.overrides)
    return {key: override_value(override) for key, override in zip(keys, outcome.overrides, strict=True)}


def _but_seed(outcome: Outcome) -> dict[str, str]:
    return {key: value for key, value in _overridden(outcome).items() if key != "seed"}


def _score(outcome: Outcome) -> float:
    return math.inf if outcome.validation_mase is None else outcome.validation_mase
