"""The face for notebooks and programs: read, fit, forecast.

Everything here is the command's own way, without the command: the same reading, the same job, the same run folder.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from rich.console import Console

from forecast.app.arguments import CommandLine
from forecast.app.composition import compose_job, plain_values
from forecast.errors import ForecastError
from forecast.evaluation.effects import EFFECT_COLUMNS
from forecast.forecasters.interface import QUANTILES
from forecast.forecasters.own import as_forecaster
from forecast.reading.frames import make_panel
from forecast.reading.generators import fingerprint_panel
from forecast.reading.settings import CsvSettings
from forecast.reading.sources import load_source
from forecast.runs.files import COMPONENTS, LEADERBOARD
from forecast.runs.run import Run as Opened
from forecast.runs.run import open_forecast, open_run, open_table
from forecast.series.panel import PLAIN_FORM, Origin, Panel, Source
from forecast.series.sketch import ForecastTable, facts_of, sparkline, table_of
from forecast.series.timetable import Timetable
from forecast.settings import check_settings
from forecast.tasks.predict import predict
from forecast.tasks.settings import UpdateSettings, check_job
from forecast.tasks.stream_state import Stream, begin_stream
from forecast.tasks.terminal import silent
from forecast.tasks.train import train
from forecast.tasks.update import update

if TYPE_CHECKING:
    from collections.abc import Sequence


_SHOWN_STEPS = 4
"""Horizons of the past that a picture shows."""
_IN_MEMORY = "a data frame"
"""Path that stands in the settings of a run whose data came from memory."""


def read(path: str | Path, **settings: Any) -> Panel:
    """Read a file (CSV, JSON, Parquet, a workbook, ...); `settings` as those of `data.*` on the command line.

    In a notebook the result shows what was found: columns, times, frequency, season, gaps.
    """
    checked = check_settings(CsvSettings, {"path": str(path), **settings})
    source = load_source(checked)
    origin = Origin(dict(source.found), source.notes, source.fingerprint, checked.model_dump(mode="json"), source.form)
    return replace(source.panel, origin=origin)


def from_frame(
    frame: pd.DataFrame,
    time: str | None = None,
    target: str | None = None,
    id: str | None = None,  # noqa: A002
    **settings: Any,
) -> Panel:
    """Make a panel of a long data frame: one row per step of a series.

    Columns that are not named are found: `ds`, `y` and `unique_id`, else the only column of times and the only other
    one of numbers. `settings` as those of `make_panel`: `past`, `future`, `static`, `freq`, `on_gaps`, ...

    Raises
    ------
    ForecastError
        A column is not there, or cannot be found.

    """
    times = [time] if time else [c for c in frame if pd.api.types.is_datetime64_any_dtype(frame[c])]
    when = "ds" if time is None and "ds" in frame else _only(times, "time")
    name = id or ("unique_id" if "unique_id" in frame else None)
    taken = {when, name, *(c for kind in ("past", "future", "static") for c in settings.get(kind, ()))}
    numbers = [c for c in frame if c not in taken and pd.api.types.is_numeric_dtype(frame[c])]
    target_column = target or ("y" if "y" in frame else _only(numbers, "target"))
    for column in (when, target_column, *([name] if name else [])):
        if column not in frame:
            raise ForecastError(f"the data frame has no column {column!r}: it has {', '.join(map(str, frame))}")
    panel = make_panel(frame, unique_id=name, ds=when, y=target_column, **settings)
    loaded = {"path": _IN_MEMORY, "time": when, "target": target_column, "id": name}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    data = check_settings(CsvSettings, {**loaded, **plain}).model_dump(mode="json")
    return replace(panel, origin=Origin({}, (), fingerprint_panel(panel), data))


def fit(
    data: Panel | pd.DataFrame | str | Path,
    horizon: int = 20,
    model: str = "auto",
    preset: str = "balanced",
    *,
    baselines: Sequence[str] | None = None,
    forecasters: Sequence[Any] | Mapping[str, Any] = (),
    settings: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    verbose: bool = False,
) -> Run:
    """Train, compare, judge and forecast, as the command does.

    Parameters
    ----------
    data : a panel, a data frame as `from_frame` takes it, or a file
    model, preset, baselines : as `model=`, `preset=` and `baseline=[...]` on the command line; None: as it stands there
    forecasters : more rows of the comparison: regressors of scikit-learn, or objects with `fit(values)` and
        `forecast(horizon)`; a mapping names them
    settings : any other key of the command line, such as `{"training.max_epochs": 5, "seed": 1}`
    folder : of the run; None: one that is deleted with the result, unless `save` is called
    verbose : whether progress and table are printed

    Raises
    ------
    ForecastError
        A mistake of the user's, in one line.

    """
    panel = _as_panel(data)
    origin = panel.origin or Origin({}, (), fingerprint_panel(panel), {"name": "csv", "path": _IN_MEMORY})
    values = _job_values(horizon, model, preset, baselines)
    values["data"] = {"name": "csv", **origin.settings}
    values["report"]["png"] = False
    for key, value in (settings or {}).items():
        *parents, last = key.split(".")
        part = values
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = value
    named = forecasters.items() if isinstance(forecasters, Mapping) else ((None, one) for one in forecasters)
    scratch = None if folder else tempfile.mkdtemp(prefix="forecast-")
    result = train(
        check_job(values),
        folder or Path(str(scratch)) / "run",
        Console(highlight=False) if verbose else silent(),
        Source(panel, facts_of(panel), origin.notes, origin.fingerprint, origin.form or PLAIN_FORM),
        own=[as_forecaster(forecaster, name) for name, forecaster in named],
    )
    return Run(result.folder, panel, scratch)


def load(folder: str | Path = "latest", outputs: str | Path = "outputs") -> Run:
    """Open a run folder, whoever made it; "latest" is the newest one under `outputs`."""
    return Run(open_run(folder, outputs).folder)


class Run:
    """A finished comparison: which forecast to use, the forecast, and the trained network, ready for newer data.

    Attributes
    ----------
    folder : of the run: report, tables, weights
    panel : the data that it was made of; None in one that was loaded

    """

    def __init__(self, folder: Path, panel: Panel | None = None, scratch: str | None = None) -> None:
        self.folder = folder
        self.panel = panel
        if scratch is not None:
            weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)

    @cached_property
    def opened(self) -> Opened:
        """The run as the layers below see it: `opened.record` is all of `run.json`, `opened.network` the network."""
        return open_run(self.folder)

    @property
    def recommended(self) -> str:
        """Name of the model to use."""
        chosen = self.opened.record.recommendation
        return self.opened.record.network.name if chosen is None else chosen.model

    @property
    def verdict(self) -> str:
        """What to use and how sure that is, and whether the network was worth its training."""
        chosen = self.opened.record.recommendation
        return ". ".join([*([] if chosen is None else [chosen.sentence]), self.opened.record.verdict])

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """One row a model, best first; a model that failed has its reason as `status`."""
        return open_table(self.folder, LEADERBOARD)

    def forecast(self, form: Literal["long", "nixtla"] = "long", model: str | None = None) -> pd.DataFrame:
        """Forecast after the data: columns `unique_id`, `ds`, `y_hat` and the quantiles `q0.025` to `q0.975`.

        A notebook shows times, forecasts and 90 % intervals. It is that of `model`, None: the recommended one. With
        `form="nixtla"` each model has columns of its own beside `unique_id` and `ds`, called as Nixtla's libraries call
        them: `lstm`, `lstm-lo-90`, `lstm-hi-90`.

        Raises
        ------
        ForecastError
            No forecast of this model was kept.

        """
        rows = open_forecast(self.folder)
        table = pd.DataFrame(
            [(row.unique_id, row.ds, row.model, row.y_hat) for row in rows],
            columns=["unique_id", "ds", "model", "y_hat"],
        )
        quantiles = (
            pd.DataFrame([row.quantiles for row in rows], columns=[f"q{q:g}" for q in QUANTILES])
            if rows and rows[0].quantiles
            else pd.DataFrame()
        )
        table = pd.concat([table, quantiles], axis=1)
        table["ds"] = self._times(table["ds"])
        return _in_form(table, form, model or self._kept(table))

    def components(self) -> pd.DataFrame:
        """What each thing does: trend, days of the week, months, holidays and covariates, by model and series.

        `effect` is in units of the target, `low` to `high` its 90 % interval; `factor` where the model multiplies.
        Empty where no model has such parts: those of the calendar are of `baseline=calendar_regression`, covariates of
        it and of the network.
        """
        if not (self.folder / COMPONENTS).exists():
            return pd.DataFrame(columns=list(EFFECT_COLUMNS))
        return open_table(self.folder, COMPONENTS)

    def predict(self, newer: Panel | pd.DataFrame | str | Path) -> pd.DataFrame:
        """Forecast what comes after newer data with the trained network, as `forecast` gives it."""
        with tempfile.TemporaryDirectory() as scratch:
            result = predict(
                self.folder, self._newer_settings(newer), Path(scratch) / "made", source=self._source(newer)
            )
        return _in_form(result.future, "long", self._kept(result.future))

    def update(self, newer: Panel | pd.DataFrame | str | Path, epochs: int = 5) -> Run:
        """Let the network go on learning from newer data; the best of old, new and one from scratch is a new run."""
        scratch = tempfile.mkdtemp(prefix="forecast-")
        updated = update(
            self.folder,
            self._newer_settings(newer),
            Path(scratch) / "run",
            UpdateSettings(epochs=epochs),
            console=silent(),
            source=self._source(newer),
        )
        return Run(updated.run.folder, _as_panel(newer), scratch)

    def stream(
        self,
        state: str | Path | None = None,
        interval: float | None = 0.9,
        *,
        after: Panel | pd.DataFrame | str | Path | None = None,
    ) -> Stream:
        """Go on with the network row by row, from a state that `Stream.save` wrote, or after data (None: the run's)."""
        if state is not None:
            return Stream.open(self.opened, state, interval)
        past = self.panel if after is None else after
        settings = {} if past is None else self._newer_settings(past)
        return begin_stream(self.opened, settings, interval, source=None if past is None else self._source(past))

    def plot(self, series: str | None = None) -> Any:
        """Draw the end of a series (None: the first), the recommended forecast, and its 90 % interval."""
        import altair as alt  # noqa: PLC0415

        future = self.forecast()
        name = series or str(future["unique_id"].iloc[0])
        future = future[future["unique_id"] == name]
        if future.empty:
            raise ForecastError(
                f"there is no series {name!r}: choose one of {', '.join(self.opened.record.data.ids[:5])}"
            )
        past = self._past(name, _SHOWN_STEPS * len(future))
        scale = alt.Y("y:Q", title=name, scale=alt.Scale(zero=False))
        line = alt.Chart(past).mark_line(color="#555").encode(x=alt.X("ds", title=None), y=scale)
        ahead = alt.Chart(future.rename(columns={"y_hat": "y"}))
        drawn = [line, ahead.mark_line(color="#1f6f8b").encode(x="ds", y=scale)]
        if "q0.05" in future:
            band = ahead.mark_area(opacity=0.2, color="#1f6f8b")
            drawn.insert(1, band.encode(x="ds", y=alt.Y("q0\\.05:Q"), y2=alt.Y2("q0\\.95:Q")))
        return alt.layer(*drawn).properties(width=640, height=220, title=f"{self.recommended}")

    def save(self, folder: str | Path) -> Path:
        """Copy the run folder; `load` opens it again, here or elsewhere."""
        folder = Path(folder)
        if folder.exists():
            raise ForecastError(f"{str(folder)!r} exists already: choose another folder")
        shutil.copytree(self.folder, folder)
        return folder

    def __repr__(self) -> str:
        return f"Run({self.verdict})"

    def _repr_html_(self) -> str:
        """Verdict and a small picture, for a notebook."""
        future = self.forecast()
        name = str(future["unique_id"].iloc[0])
        future = future[future["unique_id"] == name]
        ends = [future[q].to_numpy() for q in ("q0.05", "q0.95") if q in future]
        past = self._past(name, _SHOWN_STEPS * len(future))["y"].to_numpy(dtype=np.float64)
        facts = {
            "use": self.recommended,
            "series": f"{len(self.opened.record.data.ids):,}",
            "report": str(self.folder / "report.html"),
        }
        return f"<p>{self.verdict}</p>{sparkline(past, [future['y_hat'].to_numpy(), *ends])}{table_of(facts)}"

    def _past(self, series: str, steps: int) -> pd.DataFrame:
        """The last steps of a series: columns `ds`, `y`; empty where the data are not there."""
        if self.panel is None or series not in self.panel.ids:
            return pd.DataFrame({"ds": [], "y": []})
        end = int(self.panel.offsets[self.panel.ids.index(series) + 1])
        first = max(end - steps, int(self.panel.offsets[self.panel.ids.index(series)]))
        rows = slice(first, end)
        return pd.DataFrame({"ds": self.panel.times[rows], "y": self.panel.target_or_nan(rows)})

    def _times(self, written: pd.Series) -> Any:
        """Read the times of a forecast, which are written as in the user's file; what is no time stays a text."""
        calendar = self.opened.calendar
        if calendar.freq is None:
            try:
                return written.astype(np.int64)
            except (ValueError, OverflowError):
                return written
        table = Timetable(calendar, np.datetime64("2000-01-01", "ns"))
        times = {text: table.read(text) for text in written.unique()}
        return written if None in times.values() else written.map(times)

    def _kept(self, future: pd.DataFrame) -> str:
        return self.recommended if self.recommended in set(future["model"]) else self.opened.record.network.name

    def _newer_settings(self, newer: Panel | pd.DataFrame | str | Path) -> dict[str, Any]:
        return {"path": str(newer)} if isinstance(newer, (str, Path)) else {}

    def _source(self, newer: Panel | pd.DataFrame | str | Path) -> Source | None:
        """Data in memory as a source; None: they are read from a file, as the run's were."""
        if isinstance(newer, (str, Path)):
            return None
        settings = self.opened.record.settings["data"]
        data = settings if isinstance(settings, dict) else {}
        named = {key: data.get(key) for key in ("time", "target", "id", "past", "future", "static") if data.get(key)}
        panel = newer if isinstance(newer, Panel) else from_frame(newer, **named)  # type: ignore[arg-type]
        return Source(panel, facts_of(panel), (), fingerprint_panel(panel))


def _as_panel(data: Panel | pd.DataFrame | str | Path) -> Panel:
    """Read a file, or take a data frame or a panel as it is."""
    if isinstance(data, Panel):
        return data
    return from_frame(data) if isinstance(data, pd.DataFrame) else read(data)


def _job_values(horizon: int, model: str, preset: str, baselines: Sequence[str] | None) -> dict[str, Any]:
    """Settings of a job as the command composes them."""
    overrides = [f"horizon={horizon}", f"model={model}", f"preset={preset}"]
    if baselines is not None:
        overrides.append(f"baseline=[{','.join(baselines)}]")
    return plain_values(compose_job(CommandLine((), tuple(overrides))))


def _in_form(table: pd.DataFrame, form: str, model: str) -> pd.DataFrame:
    """Return the forecast of one model, or a column for each."""
    if form == "nixtla":
        named = {"y_hat": ""} | {f"q{(1 - s) / 2:g}": f"-lo-{s:.0%}"[:-1] for s in (0.5, 0.8, 0.9, 0.95)}
        named |= {f"q{(1 + s) / 2:g}": f"-hi-{s:.0%}"[:-1] for s in (0.5, 0.8, 0.9, 0.95)}
        keys = ["unique_id", "ds"]
        parts = [
            rows.set_index(keys)[[c for c in named if c in rows]].rename(columns=lambda c, m=name: f"{m}{named[c]}")  # type: ignore[misc]
            for name, rows in table.groupby("model", sort=False)
        ]
        return pd.concat(parts, axis=1).reset_index()
    rows = table[table["model"] == model]
    if rows.empty:
        raise ForecastError(f"no forecast of {model!r} was kept: there are {', '.join(table['model'].unique())}")
    return ForecastTable(rows.drop(columns="model").reset_index(drop=True))


def _only(columns: Sequence[Any], what: str) -> str:
    """Return the only column that can be meant."""
    if len(columns) != 1:
        listed = ", ".join(map(str, columns)) or "none"
        raise ForecastError(f"which column is the {what}? Found {listed}: name it with `{what}=`")
    return str(columns[0])
