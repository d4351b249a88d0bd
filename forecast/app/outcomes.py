"""What the jobs of a sweep leave for its end: a small file each, since a job may run in a process of its own.

At its end, or when it is stopped, they become `sweep.json`: the same sweep in the same folder takes from there what is
done, and runs what is missing.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from forecast.errors import ForecastError
from forecast.questions.kinds import metric_label, question_of_head
from forecast.wording import duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from forecast.questions.kinds import Question

_SWEEP = "sweep.json"
_FOLDER, _PLAN = ".jobs", "plan"


@dataclass(frozen=True)
class Outcome:
    """One job of a sweep: its number, what was overridden, all of its settings, and how it ended.

    `status` is "ok" or the reason why there is no result; `validation_mase` is None for it, and for tasks that do
    not train; where another question was asked it is what that is ranked by. `graph_mb` is what a training step holds
    in memory for its gradient, None likewise. `fingerprint` is that of the data, None where nobody said it;
    `ended` is the time at which the job was done.
    """

    job: int
    overrides: tuple[str, ...]
    settings: dict[str, Any]
    validation_mase: float | None
    seconds: float
    status: str
    graph_mb: float | None = None
    fingerprint: str | None = None
    ended: float = 0.0

    @property
    def question(self) -> Question:
        """What the job forecast."""
        return question_of_head(str(self.settings.get("model", {}).get("head", "")))

    def line(self) -> str:
        """Put it into one line, for the terminal."""
        overrides = " ".join(self.overrides)
        if self.validation_mase is None:
            return f"#{self.job} {overrides}: {self.status}"
        measure = metric_label(self.question.ranked_by)
        return f"#{self.job} {overrides}: validation {measure} {self.validation_mase:.4g} ({self.seconds:.1f} s)"


def begin_outcomes(folder: Path, total: int) -> None:
    """Put what an earlier sweep in the folder left into `sweep.json`, and note how many jobs there will be.

    A sweep that was killed left files of single jobs; their numbers mean nothing to this one.
    """
    write_outcomes([*known_outcomes(folder), *take_outcomes(folder)], folder)
    (folder / _FOLDER).mkdir(parents=True)
    (folder / _FOLDER / _PLAN).write_text(json.dumps({"total": total, "began": time.time()}), encoding="utf-8")


def write_outcomes(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write `sweep.json`, of jobs that have a result."""
    kept = [asdict(outcome) for outcome in outcomes if outcome.status == "ok" and outcome.validation_mase is not None]
    if kept:
        (folder / _SWEEP).write_text(json.dumps(kept) + "\n", encoding="utf-8")


def known_outcomes(folder: Path) -> list[Outcome]:
    """Read `sweep.json`; none where there is no such file.

    Raises
    ------
    ForecastError
        It is not what such a file should be.

    """
    path = folder / _SWEEP
    if not path.is_file():
        return []
    try:
        return [_outcome(values) for values in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError):
        raise ForecastError(f"{str(path)!r} cannot be read: remove it, and the sweep begins anew") from None


def progress(folder: Path) -> str:
    """Say how many jobs of a sweep are done, and how long the others will take, as long as those since it began.

    >>> from pathlib import Path
    >>> progress(Path("nowhere"))
    ''
    """
    try:
        plan = json.loads((folder / _FOLDER / _PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    ended = [_read(path).ended for path in (folder / _FOLDER).glob("*.json")]
    done, run = len(ended), sum(at > plan["began"] for at in ended)
    seconds_left = (time.time() - plan["began"]) / max(run, 1) * max(plan["total"] - done, 0)
    return f" ({done} of {plan['total']}" + (f", about {duration(seconds_left)} left)" if seconds_left else ")")


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Leave an outcome in the folder of its sweep."""
    (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / _FOLDER / f"{outcome.job}.json").write_text(json.dumps(asdict(outcome)), encoding="utf-8")


def take_outcomes(folder: Path) -> list[Outcome]:
    """Return the outcomes of a sweep by number, and clear them away."""
    outcomes = [_read(path) for path in (folder / _FOLDER).glob("*.json")]
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)
    return sorted(outcomes, key=lambda outcome: outcome.job)


def _read(path: Path) -> Outcome:
    return _outcome(json.loads(path.read_text(encoding="utf-8")))


def _outcome(values: dict[str, Any]) -> Outcome:
    return Outcome(**{**values, "overrides": tuple(values["overrides"])})
