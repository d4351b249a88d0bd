"""Newer data for a trained run: which of their settings may be new, and whether they fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from forecast.errors import ForecastError
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.runs.run import channels_of
from forecast.runs.trust import check_data_path
from forecast.tasks.settings import JobSettings, check_job
from forecast.wording import did_you_mean, quote_some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.runs.run import Run
    from forecast.series.panel import IntArray, Panel, Source


def newer_job(run: Run, data: Mapping[str, Any], task: str = "predict") -> JobSettings:
    """Return the settings of the run with some of `data.*` set anew; `task` is what an error calls the task.

    Another source (`data.name`) keeps of the old settings what it has as well.

    Raises
    ------
    ForecastError
        A setting that the network has taken in, or one that is wrong in itself.

    """
    settings = dict(run.record.settings)
    before = check_job(settings).data.model_dump(mode="json")
    for key, trained in _taken_in(run, before).items():
        if key in data and data[key] not in (before[key], trained):
            raise ForecastError(
                f"`data.{key}={data[key]}` cannot be set with task={task}: the network was trained with "
                f"{trained}; drop it, or train again"
            )
    if data.get("name", before["name"]) != before["name"]:
        known = check_job({**settings, "data": dict(data)}).data.model_dump(mode="json")
        before = {key: value for key, value in before.items() if key in known} | {"name": data["name"]}
    return check_job({**settings, "data": {**before, **data}})


def _taken_in(run: Run, before: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the data that the network has taken in and that can no longer change, found or given."""
    problem = run.problem
    return {
        "transform": before["transform"],
        "season_steps": problem.season_steps,
        "context_steps": problem.context_steps,
    }


def newer_source(run: Run, job: JobSettings, data: Mapping[str, Any]) -> Source:
    """Read the data of a job for a trained run: symbols in the run's alphabet, whatever others these data hold.

    `data` are the settings that are new: a stranger's run names no file that is opened unless the user names it.

    Raises
    ------
    ForecastError
        A stranger's run without a path of the user's, data that cannot be read, or that hold symbols which the run does
        not know, where nothing may be missing.

    """
    check_data_path(run.record.settings, run.record.mark, data, run.folder)
    return load_source(job.data, channels_of(run.record)[0].categories)


def fitting_panel(run: Run, panel: Panel) -> Panel:
    """Return the panel with all series of the run, in its order.

    Raises
    ------
    ForecastError
        Another frequency, a series that the run does not know, or one that is missing.

    """
    return common_panel(run, panel, "error", otherwise="")[0]


def common_panel(
    run: Run,
    panel: Panel,
    on_new_series: Literal["error", "skip"],
    *,
    otherwise: str = ", or set `data.on_new_series=skip` to forecast those that both have",
) -> tuple[Panel, tuple[str, ...]]:
    """Return the panel with the series that it has in common with the run, in its order, and notes on the others.

    `otherwise` is what an error offers besides data that fit.

    Raises
    ------
    ForecastError
        Another frequency, or other series where `on_new_series` is "error", or no series in common.

    """
    _check_calendar(run, panel)
    known = run.record.data.ids
    panel = _without_short(run, panel)
    here, then = set(panel.ids), set(known)
    unknown = [name for name in panel.ids if name not in then]
    missing = [name for name in known if name not in here]
    if len(unknown) == len(panel):
        raise ForecastError(f"{_unknown_words(run, unknown, known)}: none is in both")
    if unknown and on_new_series == "error":
        raise ForecastError(f"{_unknown_words(run, unknown, known)}{otherwise}")
    if missing and on_new_series == "error":
        raise ForecastError(
            f"the data lack the series {quote_some(missing)}, on which the run {run.folder} was trained: "
            f"give a file that holds all of its {len(known)} series{otherwise}"
        )
    notes = (
        f"Not forecast, because the run does not know them: {quote_some(unknown)}." if unknown else "",
        f"Not forecast, because the data lack them: {quote_some(missing)}." if missing else "",
    )
    return _in_order(panel, tuple(name for name in known if name in here)), tuple(filter(None, notes))


def with_stand_ins(run: Run, panel: Panel) -> Panel:
    """Return a panel with all series of the run, where those that the data lack are copies of another one.

    A network knows its series by their order and forecasts each by itself, so that copies change no other forecast;
    forecasts of the copies mean nothing.
    """
    known = run.record.data.ids
    if panel.ids == known:
        return panel
    return replace(panel.take(places_of(known, panel.ids)), ids=known)


def _check_calendar(run: Run, panel: Panel) -> None:
    """Refuse data with another frequency or time zone than the run's."""
    old, new = run.calendar, panel.calendar
    for what, before, now in (
        ("frequency", old.freq or f"steps of {old.step}", new.freq or f"steps of {new.step}"),
        ("time zone", old.timezone, new.timezone),
    ):
        if before != now:
            raise ForecastError(
                f"the data have the {what} {now}, and the run {run.folder} was trained on {before}: "
                f"give data like those it was trained on (`data.freq`, `data.resample`), or train again"
            )


def _without_short(run: Run, panel: Panel) -> Panel:
    """Leave out what the training left out because it was short."""
    data = check_job(dict(run.record.settings)).data
    if isinstance(data, CsvSettings) and data.on_short_series == "drop":
        return panel.take(np.flatnonzero(np.isin(panel.ids, run.record.data.ids)))
    return panel.take(np.flatnonzero(~np.isin(panel.ids, run.record.data.short_ids)))


def _unknown_words(run: Run, unknown: Sequence[str], known: Sequence[str]) -> str:
    return (
        f"the run {run.folder} does not know the series {quote_some(unknown)}; it was trained on {quote_some(known)}: "
        f"choose them (`data.target`, `data.id`), or train again"
    )


def series_number(ids: tuple[str, ...], series: str | None) -> int:
    """Find a series by its id; the first where none is named.

    Raises
    ------
    ForecastError
        None of them is called so.

    """
    if series is None:
        return 0
    if series in ids:
        return ids.index(series)
    if len(ids) == 1:
        raise ForecastError(f"`report.series={series}` names no series: there is one, {ids[0]!r}")
    hint = did_you_mean(series, ids, f"did you mean {ids[0]!r}?", "{!r}")
    raise ForecastError(f"`report.series={series}` should be one of the {len(ids)} series: {hint}")


def places_of(ids: Sequence[str], among: Sequence[str]) -> IntArray:
    """Return where ids stand among others, (id,); 0 for those that do not."""
    places = {name: i for i, name in enumerate(among)}
    return np.array([places.get(name, 0) for name in ids], dtype=np.int64)


def _in_order(panel: Panel, ids: tuple[str, ...]) -> Panel:
    """Return the same series in another order."""
    if panel.ids == ids:
        return panel
    return panel.take(places_of(ids, panel.ids))
