"""How the columns of the leaderboard are headed, explained and written; the tables of metrics say it of each metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.evaluation.metrics import Groups
    from forecast.series.panel import FloatArray


@dataclass(frozen=True)
class Column:
    """A column of the leaderboard.

    Attributes
    ----------
    label : its heading in the report
    means : what its numbers say, shown below the table
    form : how they are written: "percent" of a share from 0 to 1, "gain" a percentage with its sign, "p" a p-value
    terminal : its heading in the terminal, "" where it is not shown there

    """

    label: str
    means: str = ""
    form: Literal["number", "percent", "gain", "p", "seconds", "text"] = "number"
    terminal: str = ""


@dataclass(frozen=True)
class Metric:
    """A score of forecasts, and how tables show it.

    Attributes
    ----------
    score : one number a group, NaN where a denominator vanishes
    label, means : heading and explanation of its column
    percent : it is a share from 0 to 1, shown in percent
    in_terminal : the terminal, which has 80 columns, shows it too

    """

    score: Callable[[Groups], FloatArray]
    label: str
    means: str
    percent: bool = False
    in_terminal: bool = True

    @property
    def column(self) -> Column:
        """Its column of the leaderboard."""
        return Column(self.label, self.means, "percent" if self.percent else "number", self.label * self.in_terminal)
