from __future__ import annotations

import copy
import json
import math

import pytest

from forecast.errors import ForecastError
from forecast.runs.record import FORMAT, RunRecord, package_versions, read_record

RECORD = {
    "format": 1,
    "created": "2026-11-20T12:00:00",
    "versions": {"forecast": "0.1.0"},
    "settings": {"horizon": 20, "model": {"name": "lstm"}},
    "data": {
        "fingerprint": "ab12",
        "found": {"delimiter": "semicolon"},
        "notes": ["3 rows dropped"],
        "calendar": {"freq": "B"},
        "ids": ["서울", "007"],
        "channels": [{"name": "Close", "role": "target"}],
        "steps": [100, 90],
        "train_steps": [65, 60],
        "validation_steps": [15, 10],
        "calibration_steps": [5, 0],
    },
    "problem": {"horizon": 20, "context_steps": 40, "season_steps": 5, "season_evidence": "by frequency"},
    "network": {
        "name": "lstm",
        "reference": {"name": "last", "horizon": 20, "season_steps": 5, "smoothing": 0.1, "ridge": 0.1},
        "epochs": [7],
        "stop_reason": ["no better"],
        "refitted": True,
    },
    "intervals": {
        "levels": [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975],
        "scale": [2.0, 0.5],
        "offsets": {"lstm": [[None, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, None]] * 20},
    },
    "baseline": "naive",
    "verdict": "lstm does not beat naive",
    "notes": [],
    "validation": {"lstm": 1.0, "naive": None},
    "metrics": [{"model": "lstm", "mae": 1.0, "dm_p": None, "status": "ok"}],
    "tests": {"copy": {"shift": 1}},
}

TARGET = {"name": "Close", "role": "target"}
SINE, COSINE = ({"name": f"{wave}(weekday)", "role": "future", "computed": "weekday"} for wave in ("sin", "cos"))


def test_a_record_comes_back_equal():
    record = RunRecord.model_validate_json(json.dumps(RECORD))
    assert read_record(record.model_dump_json(indent=2).encode(), "x") == record
    assert record.data.ids == ("서울", "007")


def test_offsets_that_are_null_are_infinite():
    actual = RunRecord.model_validate_json(json.dumps(RECORD)).intervals.arrays()["lstm"]
    assert actual.shape == (20, 9)
    assert actual[3].tolist() == [-math.inf, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, math.inf]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("intervals.levels", [0.1, 0.5, 0.9]),
        ("intervals.scale", [2.0]),
        ("intervals.scale", [2.0, 0.0]),
        ("intervals.offsets", {"lstm": [[0.0] * 9]}),
        ("intervals.offsets", {"lstm": [[0.0] * 8] * 20}),
        ("intervals.offsets", {"lstm": [[-1.0, 0.0, 0.0, 0.0, None, 0.0, 0.0, 0.0, 1.0]] * 20}),
        ("intervals", KeyError),
    ],
)
def test_intervals_fit_the_question(path, value):
    with pytest.raises(ForecastError, match=r"run folder here: `.*` in run\.json: "):
        read_record(changed(path, value), "here")


def changed(path, value):
    record = copy.deepcopy(RECORD)
    *parents, last = path.split(".")
    part = record
    for name in parents:
        part = part[name]
    if value is KeyError:
        del part[last]
    else:
        part[last] = value
    return json.dumps(record).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("settings", [1]),
        ("settings", KeyError),
        ("surprise", 1),
        ("data.surprise", 1),
        ("data.ids", "ab"),
        ("data.ids", []),
        ("data.ids", ["a", "a"]),
        ("data.ids", ["a"]),
        ("data.ids", [1, 2]),
        ("data.steps", [100]),
        ("data.steps", [100, -1]),
        ("data.steps", [100, 90.5]),
        ("data.steps", [100, True]),
        ("data.channels", []),
        ("data.channels", [{"name": "y", "role": "owner"}]),
        ("data.channels", [{"name": "y", "role": "target", "categories": ["b", "a"]}]),
        ("data.channels", [{"name": "y", "role": "target", "categories": ["a", "a"]}]),
        ("data.channels", [{"name": "y", "role": "target", "categories": ["", "a"]}]),
        ("data.channels", [{"name": "y", "role": "target", "categories": [1, 2]}]),
        ("data.channels", [TARGET, SINE]),
        ("data.channels", [TARGET, COSINE, SINE]),
        ("data.channels", [TARGET, SINE, COSINE, SINE]),
        ("data.channels", [TARGET, {**SINE, "role": "past"}, COSINE]),
        ("data.channels", [TARGET, {**SINE, "categories": ["a"]}, COSINE]),
        ("data.channels", [{**TARGET, "computed": "weekday"}]),
        ("data.calendar", "B"),
        ("problem.horizon", 0),
        ("problem.horizon", "20"),
        ("problem.season_steps", None),
        ("network.epochs", "7"),
        ("network.refitted", 1),
        ("network.reference", "last"),
        ("network.reference.name", "os.system"),
        ("network.reference.surprise", 1),
        ("network.reference.smoothing", 2.0),
        ("problem.season_steps", 10**12),
        ("verdict", {"__reduce__": "os.system"}),
        ("metrics", {"lstm": 1}),
        ("validation", {"lstm": "1"}),
    ],
)
def test_a_wrong_entry_is_named_in_one_line(path, value):
    with pytest.raises(ForecastError, match=f"run folder here: `{path.split('.')[0]}") as caught:
        read_record(changed(path, value), "here")
    assert "\n" not in str(caught.value)


def test_the_reference_answers_the_question_that_was_asked():
    with pytest.raises(ForecastError, match="a reference of the problem's own horizon"):
        read_record(changed("problem.horizon", 21), "here")


@pytest.mark.parametrize("found", [0, 2, FORMAT + 1, -1, "1", 1.0, True, None, KeyError, [1]])
def test_another_format_is_said_before_anything_else(found):
    content = changed("format", found)
    other = json.loads(content)
    del other["data"]
    with pytest.raises(ForecastError, match=r"run folder here has format .*, expected 1: open it with"):
        read_record(json.dumps(other).encode(), "here")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"1",
        b"\x80\x04pickle",
        b"{",
        b"\xff\xfe{}",
        b"!!python/object/apply:os.system ['true']",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"format": 1e400}',
        b'{"format": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_one_line(content):
    with pytest.raises(ForecastError, match="run folder here") as caught:
        read_record(content, "here")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(number):
    content = json.dumps(RECORD).replace('"mae": 1.0', f'"mae": {number}').encode()
    with pytest.raises(ForecastError, match="metrics"):
        read_record(content, "here")


def test_the_versions_that_matter_are_there():
    versions = package_versions()
    assert {"python", "forecast", "torch", "numpy", "pandas", "scikit-learn"} <= versions.keys()
    assert "unknown" not in versions.values()
