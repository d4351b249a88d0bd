"""The report as plain data: what stands between the results table and the charts.

A summary holds strings, numbers and tuples only (`Summary.as_dict()` goes through JSON), so that a page can be drawn
from it anywhere, and a test can say what a page states without reading HTML. It is rebuilt from the tables at any time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Unpack

from forecast.questions.kinds import SYMBOL, VALUE
from forecast.reporting.leaderboard import leaderboard_rows
from forecast.reporting.material import Material, Tables, checked_results, choose_roles, choose_series
from forecast.reporting.sections import build_sections
from forecast.reporting.sections.series import choices
from forecast.reporting.settings import ReportSettings
from forecast.settings import dotted
from forecast.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from forecast.evaluation.recommendation import Recommendation
    from forecast.questions.kinds import Question
    from forecast.reporting.leaderboard import Row
    from forecast.reporting.lines import Clock
    from forecast.reporting.material import Roles
    from forecast.reporting.sections.series import Choice


@dataclass(frozen=True)
class Summary:
    """Everything that the page says and draws.

    Attributes
    ----------
    roles : the two models drawn in colour
    clock : how times are written
    series : the series that is drawn
    sections : data of the sections by name; one that the tables cannot fill is not in it
    choices : series that the reader can choose instead

    """

    title: str
    recommendation: Recommendation | None
    verdict: str | None
    roles: Roles
    clock: Clock
    series: str
    facts: tuple[str, ...]
    leaderboard: tuple[Row, ...]
    sections: dict[str, Any]
    choices: tuple[Choice, ...]
    found: dict[str, str]
    notes: tuple[str, ...]
    settings: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers."""
        return asdict(self)


def build_summary(
    *,
    results: pd.DataFrame,
    leaderboard: pd.DataFrame | None = None,
    verdict: str | None = None,
    network: str | None = None,
    baseline: str | None = None,
    found: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    title: str | None = None,
    show: ReportSettings | None = None,
    question: Question = VALUE,
    symbols: Sequence[str] = (),
    **tables: Unpack[Tables],
) -> Summary:
    """Bring the tables of a run into the shape of the report; only `results` is needed.

    Parameters
    ----------
    results : `model, unique_id, cutoff, ds, step, y, y_hat`; with a column `quantile` the rows where it is not null
        are quantiles, of which intervals are drawn; with a column `chance`, the probability given to what came, `y` and
        `y_hat` are symbols: codes, or categories as results.parquet has them
    leaderboard : the columns of leaderboard.csv; without it errors are averaged from `results`
    network, baseline : the two models drawn in colour; without them the best network and the best other model
    found : what was detected in the data, by name
    question : what `results` and `forecast` answer; of the direction `series` is needed, of symbols a column `chance`
    symbols : texts of the codes in `results` and `series`, in their order
    tables : what sections show, as `Material` says

    Raises
    ------
    ForecastError
        A column is missing, the table is empty, or a model or series that is asked for is not in it.

    """
    show = show or ReportSettings()
    results, texts = checked_results(results, tuple(symbols))
    rows, recommendation = leaderboard_rows(results, leaderboard), tables.get("recommendation")
    roles = choose_roles(rows, network, baseline, recommendation.model if recommendation else None)
    uid = choose_series(results, roles.network, show.series)
    question = SYMBOL if SYMBOL.scored_column in results else question
    material = Material(question=question, results=results, uid=uid, roles=roles, show=show, symbols=texts, **tables)
    sections = build_sections(material)
    return Summary(
        title=title or _title(material),
        recommendation=recommendation,
        verdict=verdict,
        roles=roles,
        clock=material.clock,
        series=uid,
        facts=_facts(material),
        leaderboard=rows,
        sections=sections,
        choices=choices(material, sections["spread"]) if "spread" in sections else (),
        found={str(key): str(value) for key, value in (found or {}).items()},
        notes=tuple(notes),
        settings=_setting_texts(settings or {}),
    )


def _title(material: Material) -> str:
    what = material.uid if material.series_count == 1 else f"{material.series_count:,} series"
    return f"Forecast of {what}"


def _facts(material: Material) -> tuple[str, ...]:
    """Count what the report is about."""
    results = material.results
    # All models forecast from the same origins: one model's first steps count them.
    first_steps = (results["model"] == results["model"].iloc[0]) & (results["step"] == results["step"].min())
    return (
        *([counted(material.series_count, "series")] if material.series_count > 1 else []),
        *([counted(len(material.symbols), "symbol")] if material.symbols else []),
        counted(int(results["step"].max()), "step") + " ahead",
        counted(int(first_steps.sum()), "origin"),
        counted(int(results["model"].nunique()), "model"),
    )


def _setting_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Write settings by their dotted names, as YAML writes them.

    >>> _setting_texts({"data": {"name": "stock", "season_steps": None}, "seed": 0})
    {'data.name': 'stock', 'data.season_steps': 'null', 'seed': '0'}
    """
    words: dict[Any, str] = {None: "null", True: "true", False: "false"}
    return {
        name: words[value] if value is None or isinstance(value, bool) else str(value)
        for name, value in dotted(settings).items()
    }
