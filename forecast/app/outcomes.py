"""What the jobs of a sweep leave for its end: a small file each, since a job may run in a process of its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from forecast.questions.kinds import metric_label, question_of_head

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.questions.kinds import Question

_FOLDER = ".jobs"


@dataclass(frozen=True)
class Outcome:
    """One job of a sweep: its number, what was overridden, all of its settings, and how it ended.

    `status` is "ok" or the reason why there is no result; `validation_mase` is None for it, and for tasks that do
    not train; where another question was asked it is what that is ranked by. `graph_mb` is what a training step holds
    in memory for its gradient, None likewise.
    """

    job: int
    overrides: tuple[str, ...]
    settings: dict[str, Any]
    validation_mase: float | None
    seconds: float
    status: str
    graph_mb: float | None = None

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
    values = json.loads(path.read_text(encoding="utf-8"))
    return Outcome(**{**values, "overrides": tuple(values["overrides"])})
