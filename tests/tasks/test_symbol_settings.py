"""Which jobs read symbols: what the head asks for, what is refused, and newer data in the alphabet of a run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from small_jobs import small_job, small_values

from forecast.errors import ForecastError
from forecast.runs.record import ChannelRecord
from forecast.tasks.newer import newer_job, newer_source
from forecast.tasks.prepare import prepare
from forecast.tasks.settings import check_job

CSV = {"name": "csv", "path": "states.csv"}
TEXT = {"name": "text", "path": "some.txt"}


def job(data, head="categorical", **changes):
    return small_job(data=data, model__head=head, **changes)


def run_of(trained, symbols):
    channel = ChannelRecord(name="y", role="target", categories=symbols)
    settings = json.loads(json.dumps(trained.model_dump(mode="json")))
    record = SimpleNamespace(settings=settings, mark="", data=SimpleNamespace(channels=(channel,)))
    problem = SimpleNamespace(season_steps=1, context_steps=5)
    return SimpleNamespace(record=record, problem=problem, folder="run")


def test_the_head_decides_where_nothing_is_said_and_the_run_keeps_it():
    asked = job(CSV)
    assert asked.data.symbols is True
    stored = json.loads(json.dumps(asked.model_dump(mode="json")))
    assert stored["data"]["symbols"] is True
    assert check_job(stored) == asked
    assert job({**CSV, "symbols": True}).data.symbols is True
    for head in ("point", "gaussian", "direction"):
        assert job(CSV, head).data.symbols is None
        assert job({**CSV, "symbols": False}, head).data.symbols is False
    assert job(TEXT).data.name == "text"


@pytest.mark.parametrize(
    ("data", "head", "line"),
    [
        (
            {**CSV, "symbols": True},
            "point",
            "`data.symbols=true` reads symbols, and `model.head=point` forecasts numbers",
        ),
        ({**CSV, "symbols": True}, "direction", "set `model.head=categorical`, or `data.symbols=false`"),
        (TEXT, "point", "`data=text` reads symbols, and `model.head=point` forecasts numbers: set `model.head=cat"),
        (
            {**CSV, "symbols": False},
            "categorical",
            "`model.head=categorical` forecasts symbols, and `data.symbols=false`",
        ),
        (
            {"name": "stock"},
            "categorical",
            "`model.head=categorical` forecasts symbols, and `data=stock` reads numbers",
        ),
        (
            {"name": "sinewave"},
            "categorical",
            "and `data=sinewave` reads numbers: choose another `model.head`, or give symb",
        ),
    ],
)
def test_numbers_are_not_asked_of_symbols_nor_symbols_of_numbers(data, head, line):
    with pytest.raises(ForecastError) as error:
        job(data, head)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("task", ["predict", "probe"])
def test_a_run_is_asked_with_its_own_head(task):
    assert check_job({**small_values(data=TEXT), "task": task}).data.name == "text"
    assert check_job({**small_values(data={**CSV, "symbols": True}), "task": task}).data.symbols is True


def read_newer(run, path, **data):
    said = {"path": str(path), **data}
    return newer_source(run, newer_job(run, said), said)


def test_newer_symbols_are_read_in_the_alphabet_of_the_run(tmp_path):
    path = tmp_path / "newer.csv"
    path.write_text("state\n" + "\n".join("cbcbcbbc") + "\n")
    run = run_of(job(CSV), ("a", "b", "c"))
    asked = newer_job(run, {"path": str(path)})
    assert asked.data.symbols is True
    panel = read_newer(run, path).panel
    assert panel.channels[0].categories == ("a", "b", "c")
    assert panel.target.tolist() == [2, 1, 2, 1, 2, 1, 1, 2]
    with pytest.raises(ForecastError, match=r"`data.symbols=false` reads numbers"):
        newer_job(run, {"path": str(path), "symbols": False})


def test_newer_symbols_that_the_run_does_not_know(tmp_path):
    path = tmp_path / "newer.csv"
    path.write_text("state\n" + "\n".join("cbxbcbbc") + "\n")
    run = run_of(job(CSV), ("a", "b", "c"))
    with pytest.raises(ForecastError, match=r"1 symbol 'x' \(line 4\), which training did not know: set `data.on_gaps"):
        read_newer(run, path)
    panel = read_newer(run, path, on_gaps="mask").panel
    assert np.flatnonzero(panel.masked[:, 0]).tolist() == [2]
    assert panel.channels[0].categories == ("a", "b", "c")


def test_another_text_for_a_run_on_a_text(tmp_path):
    (tmp_path / "b.txt").write_text("bab")
    run = run_of(job(TEXT), ("a", "b", "c"))
    source = read_newer(run, tmp_path / "b.txt")
    assert source.panel.target.tolist() == [1, 0, 1]
    assert source.panel.ids == ("text",)


def test_settings_that_do_not_go_together_are_said_without_all_of_the_section():
    with pytest.raises(ForecastError, match=r"^`model`: head=categorical forecasts no .*: leave them at auto and 0$"):
        small_job(model__head="categorical", model__reference="last")


def test_medians_of_probabilities_are_refused():
    job = small_job(data={"name": "text", "text": "ab" * 90}, model__head="categorical", combine="median", horizon=1)
    with pytest.raises(ForecastError, match="do not add up to one"):
        prepare(job)
