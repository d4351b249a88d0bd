"""`task=mcp`: tools for assistants, over the Model Context Protocol; files are those below a folder that is named."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.errors import ForecastError
from forecast.questions.kinds import Problem
from forecast.questions.season import find_season
from forecast.questions.task import context_for
from forecast.reading.frames import make_panel
from forecast.runs.run import open_forecast, open_record
from forecast.runs.saving import forecast_rows
from forecast.serving.jobs import JOB, RUN
from forecast.serving.page import Asked
from forecast.tasks.describe import describe
from forecast.tasks.final import short_future
from forecast.tasks.serve import job_values, step_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server import MCPServer

FORECASTS = "forecasts"
"""Folder, below the one that is named, in which runs are left."""
_SHOWN_MODELS, _SHOWN_NOTES = 10, 20
_FEWEST_VALUES = 3
_INSTRUCTIONS = (
    "Forecasts of time series. Look at a file with describe_file first: where it says an error, that names the setting "
    "that mends it, which goes into `data` (data.on_gaps=mask becomes {'on_gaps': 'mask'}). forecast_file trains and "
    "compares models, which takes half a minute or more; forecast_values forecasts some numbers at once."
)


def serve_tools(folder: str | None, base: Mapping[str, Any]) -> None:
    """Answer an assistant at standard input and output until it closes them; `base`: settings of a job on a file.

    Raises
    ------
    ForecastError
        No folder is named, there is none, or the extra is not installed.

    """
    if folder is None or not Path(folder).is_dir():
        given = "none is named" if folder is None else f"there is no folder {folder!r}"
        raise ForecastError(f"an assistant reads files below a folder, and {given}: set `mcp.folder=...`")
    make_tools(Path(folder), base).run("stdio")


def make_tools(folder: Path, base: Mapping[str, Any]) -> MCPServer:
    """Return a server with the tools.

    Raises
    ------
    ForecastError
        The extra is not installed.

    """
    try:
        from mcp.server import MCPServer  # noqa: PLC0415 - an extra
    except ImportError:
        raise ForecastError("tools for assistants need mcp: pip install 'recurrent-forecast[mcp]'") from None
    server = MCPServer("forecast", instructions=_INSTRUCTIONS)
    tools = Tools(folder.resolve(), base)
    for tool in (tools.describe_file, tools.forecast_file, tools.forecast_values, tools.explain_run):
        server.tool(structured_output=False)(_with_lines(tool))
    return server


def _with_lines(tool: Callable[..., Awaitable[dict[str, Any]]]) -> Callable[..., Awaitable[str]]:
    """Answer in JSON, and a user's mistake by its one line."""
    from mcp.server.mcpserver.exceptions import ToolError  # noqa: PLC0415 - an extra

    @functools.wraps(tool)
    async def answer(*arguments: Any, **named: Any) -> str:
        try:
            return json.dumps(await tool(*arguments, **named), ensure_ascii=False)
        except ForecastError as error:
            raise ToolError(error.line) from None

    answer.__annotations__ = {**tool.__annotations__, "return": "str"}
    return answer


class Tools:
    """What an assistant can ask for, of files below a folder."""

    def __init__(self, folder: Path, base: Mapping[str, Any]) -> None:
        self._folder, self._base = folder, base

    async def describe_file(self, path: str, data: dict[str, Any] | None = None, horizon: int = 12) -> dict[str, Any]:
        """Say what is found in a table (CSV, Excel, JSON): columns, times, frequency, season, gaps, or an error.

        `data` are settings that correct it, such as {"target": "sales", "time": "day", "on_gaps": "mask"}.
        """
        facts = await asyncio.to_thread(describe, self._values(path, data, horizon, "auto"))
        return {key: value for key, value in facts.items() if key != "chart"}

    async def forecast_file(
        self, path: str, horizon: int, data: dict[str, Any] | None = None, model: str = "auto"
    ) -> dict[str, Any]:
        """Forecast a table `horizon` steps ahead: models are trained and compared on it, and the best is recommended.

        `data` corrects what is found, as for describe_file; `model` is auto, lstm, gru or pretrained. Returns the
        recommended forecast with the ends of its 80 % interval, and the run, of which explain_run tells more.
        """
        values = self._values(path, data, horizon, model)
        described = await asyncio.to_thread(describe, values)
        if described["error"]:
            raise ForecastError(described["error"])
        (self._folder / FORECASTS).mkdir(exist_ok=True)
        job = Path(tempfile.mkdtemp(prefix=f"{Path(path).stem}-", dir=self._folder / FORECASTS))
        (job / JOB).write_text(json.dumps(values), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "forecast.tasks.page_job", str(job)),
            stdin=asyncio.subprocess.PIPE,  # it ends when we do
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            errors = await process.stderr.read() if process.stderr else b""
            status = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            raise
        if status:
            lines = errors.decode("utf-8", "replace").splitlines()
            mistakes = [line.removeprefix("forecast: ") for line in lines if line.startswith("forecast: ")]
            raise ForecastError(mistakes[-1] if mistakes else f"the forecast failed: {lines[-1] if lines else status}")
        return self._explained(job / RUN, brief=True)

    async def forecast_values(
        self, values: list[float | None], horizon: int = 12, start: str | None = None, frequency: str | None = None
    ) -> dict[str, Any]:
        """Forecast numbers at once, by a network that was trained before; null is a missing value.

        `start` and `frequency` ("MS" months, "D" days, "h" hours, ...) say when the first was and how they follow.
        """
        return await asyncio.to_thread(_forecast_values, values, horizon, start, frequency)

    async def explain_run(self, run: str) -> dict[str, Any]:
        """Say what a run found: which forecast to use and why, how the models compare, and what was noted."""
        return await asyncio.to_thread(self._explained, self._inside(run))

    def _values(self, path: str, data: Mapping[str, Any] | None, horizon: int, model: str) -> dict[str, Any]:
        if not 1 <= horizon <= 100_000:
            raise ForecastError(f"`horizon` should be between 1 and 100,000 steps, found {horizon}")
        file = self._inside(path)
        if not file.is_file():
            raise ForecastError(f"there is no file {path!r}: name one below the folder that the user named")
        return job_values(self._base, str(file), Asked(data=dict(data or {}), horizon=horizon, model=model))

    def _inside(self, path: str) -> Path:
        """Return a place below the folder, links followed."""
        place = (self._folder / path).resolve()
        if "\x00" in path or not place.is_relative_to(self._folder):
            raise ForecastError(
                f"{path!r} lies outside of the folder that the user named: only files below it are read"
            )
        return place

    def _explained(self, run: Path, *, brief: bool = False) -> dict[str, Any]:
        record = open_record(run)
        recommended = record.recommendation
        model = record.network.name if recommended is None else recommended.model
        rows = open_forecast(run)
        chosen = [row for row in rows if row.model == model] or list(rows)
        explained = {
            "run": str(run.relative_to(self._folder)),
            "sentence": record.verdict if recommended is None else recommended.sentence,
            "recommended": model,
            "forecast": [_short_step(step_of(row)) for row in chosen],
        }
        if brief:
            return explained
        return explained | {
            "verdict": record.verdict,
            "found": record.data.found,
            "season": record.problem.season_evidence,
            "models": list(record.metrics[:_SHOWN_MODELS]),
            "notes": [*record.data.notes, *record.notes][:_SHOWN_NOTES],
        }


def _forecast_values(
    values: list[float | None], horizon: int, start: str | None, frequency: str | None
) -> dict[str, Any]:
    if not 1 <= horizon <= 10_000:
        raise ForecastError(f"`horizon` should be between 1 and 10,000 steps, found {horizon}")
    y = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if np.isfinite(y).sum() < _FEWEST_VALUES or np.isinf(y).any():
        raise ForecastError(f"at least {_FEWEST_VALUES} finite numbers are needed, found {int(np.isfinite(y).sum())}")
    frame = pd.DataFrame({"y": y})
    if (start is None) != (frequency is None):
        raise ForecastError("`start` and `frequency` go together: give both, or none")
    if start is not None:
        try:
            frame["ds"] = pd.date_range(start, periods=len(y), freq=frequency)
        except ValueError as error:
            raise ForecastError(f"`start` and `frequency` make no times ({error}): such as 2024-01-01 and MS") from None
    panel = make_panel(frame, unique_id=None, ds=None if start is None else "ds", freq=frequency, on_gaps="mask")
    season = find_season(panel, horizon)
    context = context_for(season.steps, horizon, len(y))
    future = short_future(panel, Problem(horizon, context, season.steps, "value"), "none")
    if future is None:
        raise RuntimeError("a panel has a forecast")
    steps = [_short_step(step_of(row)) for row in forecast_rows(future, panel.calendar)]
    return {"season": f"{season.steps} ({season.evidence})", "forecast": steps}


def _short_step(step: dict[str, Any]) -> dict[str, Any]:
    """Keep of a step what can be read aloud: the forecast and the ends of its 80 % interval."""
    kept = {key: value for key, value in step.items() if not key.startswith("q") and key != "model"}
    ends = {name: step[level] for name, level in (("low", "q0.1"), ("high", "q0.9")) if level in step}
    return kept | ends
