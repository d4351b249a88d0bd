"""A section is added by its file and one line: page, sentences and numbers follow."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from known_networks import leaky, white

from forecast.inspection import sections
from forecast.inspection.curves import Axis, Curve, panel
from forecast.inspection.page import Section, plain, write_numbers, write_probe
from forecast.inspection.sections import SECTIONS, examine
from forecast.reporting.charts import Figure
from forecast.reporting.settings import ProbeSettings

LARGEST = Section(
    "largest",
    measure=lambda system: np.array([system.past.target.max()]),
    figures=lambda largest, system: (
        Figure(
            "largest",
            "The largest value",
            f"It is {largest[0]:.2f} of {system.spread}.",
            (panel([Curve("largest", "#000000", np.arange(1), largest)], Axis("step"), Axis("value"), title="one"),),
        ),
    ),
    sentences=lambda largest, _: (f"The largest value is {largest[0]:.2f}.",),
    numbers=lambda largest: {"found": {"largest": largest}},
)
LEFT_OUT = Section(
    "left out",
    measure=lambda _: pytest.fail("it is not wanted"),
    figures=lambda *_: (),
    numbers=lambda measured: {"left_out": measured},
    wanted=lambda _, settings: settings.smoothing,
)


@pytest.fixture(scope="module")
def system():
    return leaky(0.5, white(300))


def a_run(system):
    network = SimpleNamespace(name="rnn", epochs=(1,), refitted=False)
    data = SimpleNamespace(ids=("y",))
    record = SimpleNamespace(network=network, data=data)
    return SimpleNamespace(record=record, network=system.fitted, problem=system.fitted.problem)


def test_a_section_that_is_listed_is_measured_said_drawn_and_written(system, monkeypatch, tmp_path):
    monkeypatch.setattr(sections, "SECTIONS", (SECTIONS[0], LARGEST, LEFT_OUT))
    examination = examine(a_run(system), system, ProbeSettings())
    largest = system.past.target.max()
    assert examination.measured["largest"] == [largest]
    assert examination.measured["left out"] is None
    assert examination.page.sentences[-1] == f"The largest value is {largest:.2f}."
    assert [figure.name for figure in examination.page.figures] == ["memory", "largest"]
    write_probe(examination.page, tmp_path / "probe.html", None)
    page = (tmp_path / "probe.html").read_text(encoding="utf-8")
    assert '<section id="largest">' in page
    assert f"It is {largest:.2f} of 1.0." in page
    write_numbers(examination.numbers, tmp_path / "probe.json")
    numbers = json.loads((tmp_path / "probe.json").read_text(encoding="utf-8"))
    assert numbers["found"]["largest"] == [largest]
    assert set(numbers["found"]) == {"asks", "memory", "largest"}
    assert numbers["left_out"] is None
    assert numbers["headline"] == examination.page.headline


def test_no_two_sections_write_the_same_numbers():
    names = [section.name for section in SECTIONS]
    assert len(set(names)) == len(names)


def test_plain_values_hold_no_number_that_json_has_not():
    assert plain({"a": np.array([np.inf, 1.0]), "b": float("nan")}) == {"a": [None, 1.0], "b": None}
