"""Tools for assistants: of files below a folder alone, answers in JSON, mistakes in one line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mcp import Client, StdioServerParameters
from mcp.server.mcpserver.exceptions import ToolError
from small_jobs import small_values

from forecast.errors import ForecastError
from forecast.tasks.assistant import make_tools, serve_tools

BASE = small_values(data={"name": "csv", "path": "file"}, model={"name": "auto"}, baseline={})


@pytest.fixture
def folder(tmp_path):
    """A folder with a file of 40 months, and a file and a link to it that lie outside."""
    folder = tmp_path / "files"
    folder.mkdir()
    months = pd.date_range("2021-01-01", periods=40, freq="MS").strftime("%Y-%m")
    table = pd.DataFrame({"Month": months, "Sales": [100 + i + 10 * np.sin(2 * np.pi * i / 12) for i in range(40)]})
    table.to_csv(folder / "sales.csv", index=False)
    table.to_csv(tmp_path / "secret.csv", index=False)
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    return folder


def ask(folder, tool, **arguments):
    """Ask as an assistant does: whether it is an error, and the text."""
    answer = asyncio.run(make_tools(folder, BASE).call_tool(tool, arguments))
    return answer.is_error, answer.content[0].text


def refusal(folder, tool, **arguments):
    try:
        failed, text = ask(folder, tool, **arguments)
    except ToolError as error:  # the SDK makes an answer of it when an assistant asks over the wire
        failed, text = True, str(error)
    assert failed
    assert "\n" not in text
    return text


def test_the_tools_are_named_with_what_they_take(folder):
    tools = {tool.name: tool for tool in asyncio.run(make_tools(folder, BASE).list_tools())}
    assert set(tools) == {"describe_file", "forecast_file", "forecast_values", "explain_run"}
    assert tools["forecast_file"].input_schema["required"] == ["path", "horizon"]
    assert all(tool.description for tool in tools.values())


def test_a_file_is_described(folder):
    failed, text = ask(folder, "describe_file", path="sales.csv", horizon=3)
    content = json.loads(text)
    assert (failed, content["error"]) == (False, None)
    assert (content["frequency"], content["rows"], content["season"][:2]) == ("MS", 40, "12")
    assert str(folder) not in text


def test_files_outside_of_the_folder_are_refused(folder):
    for path in ("../secret.csv", "link.csv", str(folder.parent / "secret.csv"), "/etc/hosts"):
        assert "lies outside of the folder" in refusal(folder, "describe_file", path=path)
    assert "lies outside of the folder" in refusal(folder, "explain_run", run="..")
    assert "cannot be set in a request" in refusal(
        folder, "describe_file", path="sales.csv", data={"path": "/etc/hosts"}
    )
    assert "there is no file 'nothing.csv'" in refusal(folder, "forecast_file", path="nothing.csv", horizon=3)


def test_values_are_forecast_at_once(folder):
    noise = np.random.default_rng(0).normal(size=48)
    y = [100 + 10 * np.sin(2 * np.pi * i / 12) + noise[i] for i in range(48)]
    failed, text = ask(
        folder, "forecast_values", values=[*y[:20], None, *y[21:]], horizon=12, start="2020-01-01", frequency="MS"
    )
    steps = json.loads(text)["forecast"]
    assert not failed
    assert [step["ds"] for step in steps][:2] == ["2024-01-01", "2024-02-01"]
    np.testing.assert_allclose([step["y_hat"] for step in steps], np.array(y[:12]) - noise[:12], atol=4)
    assert all(step["low"] <= step["y_hat"] <= step["high"] for step in steps)
    assert "at least 3 finite numbers" in refusal(folder, "forecast_values", values=[1.0, None])
    assert "go together" in refusal(folder, "forecast_values", values=y, start="2020-01-01")


def test_a_file_is_forecast_and_its_run_explained(folder):
    failed, text = ask(folder, "forecast_file", path="sales.csv", horizon=2, model="pretrained")
    content = json.loads(text)
    assert not failed
    assert content["run"].startswith("forecasts/sales-")
    assert [step["ds"] for step in content["forecast"]] == ["2024-05", "2024-06"]
    explained = json.loads(ask(folder, "explain_run", run=content["run"])[1])
    assert explained["sentence"] == content["sentence"]
    assert "pretrained" in {row["model"] for row in explained["models"]}
    wrong = refusal(folder, "forecast_file", path="sales.csv", horizon=2, data={"target": "Profit"})
    assert "Profit" in wrong


def test_an_assistant_that_starts_the_command_is_answered_over_its_pipe(folder):
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "forecast", "task=mcp", f"mcp.folder={folder}"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=folder.parent,
    )

    async def talk():
        async with Client(command) as assistant:
            tools = await assistant.list_tools()
            found = await assistant.call_tool("describe_file", {"path": "sales.csv", "horizon": 3})
            outside = await assistant.call_tool("describe_file", {"path": "../secret.csv"})
        return {tool.name for tool in tools.tools}, found, outside

    names, found, outside = asyncio.run(talk())
    assert names == {"describe_file", "forecast_file", "forecast_values", "explain_run"}
    assert json.loads(found.content[0].text)["rows"] == 40
    assert outside.is_error
    assert "lies outside of the folder" in outside.content[0].text


def test_a_folder_has_to_be_named(tmp_path):
    for folder in (None, str(tmp_path / "nowhere")):
        with pytest.raises(ForecastError, match=r"set `mcp.folder=...`"):
            serve_tools(folder, BASE)
