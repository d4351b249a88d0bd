"""Every key of every setting changes what comes out; there is no knob that does nothing.

For each key the table names a job, another value, and where the difference must be seen. A key that is new fails the
test until a line is added; the few that may not change a result say what they do instead.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from key_table import BASELINES, FILE, NOT_IN_THE_RESULT, OTHER, TABLE
from outcomes import baseline, judged, page, panel, question, trained
from small_jobs import small_job, small_values

from forecast.errors import ForecastError
from forecast.reading.sources import load_source
from forecast.runs.run import _UsedSettings
from forecast.settings import check_settings
from forecast.tasks.settings import JobSettings, check_job, section_kinds


def every_key():
    """Names of all keys, with the name of the class where a section may be one of several."""
    shown = {"RuleSettings": "rule", "WindowMeanSettings": "window_mean"}
    shown |= {"ReferenceSettings": "reference", "RegressionSettings": "regression"}
    shown |= {"StatisticalSettings": "statistical", "NgramSettings": "ngram", "ClassifierSettings": "classifier"}
    shown |= {"NetworkBaselineSettings": "network", "PretrainedBaselineSettings": "pretrained"}
    for section, info in JobSettings.model_fields.items():
        kinds = section_kinds(info)
        if not kinds:
            yield section
        for kind in kinds:
            which = shown.get(kind.__name__) or str(kind.model_fields["name"].default) if len(kinds) > 1 else ""
            for key in kind.model_fields:
                yield ".".join(part for part in (section, which, key) if part)


def test_no_key_is_missing_from_the_table():
    known = set(every_key())
    assert known == TABLE.keys() | NOT_IN_THE_RESULT.keys()
    assert not TABLE.keys() & NOT_IN_THE_RESULT.keys()


def values_of(name, change):
    """The job of a line of the table, before and after."""
    if not name.startswith("data.") or name.startswith(("data.sinewave", "data.addition")):
        before = small_values(**{"report__png": False, **change.given})
    else:
        source = {"name": name.split(".")[1], "path": "file.csv"}
        source |= {"target": "Close"} if change.text is FILE else {}
        beside = {key: value for key, value in change.given.items() if "__" in key}
        said = {key: value for key, value in change.given.items() if key not in beside}
        before = small_values(data={**source, **said}, **beside)
    section, *rest = name.split(".")
    if section == "baseline":
        entry, key, _ = BASELINES[".".join(rest)]
        rest = [entry, key]
    elif section in ("data", "model"):
        rest = rest[1:]
    after = {**before}
    part, path = after, [section, *rest]
    for key in path[:-1]:
        part[key] = dict(part[key])
        part = part[key]
    part[path[-1]] = change.value
    if path[0] == "baseline" and path[-1] == "method":
        after["baseline"] = {**after["baseline"], path[1]: {"name": path[1], "method": change.value}}
    return before, after


def outcome(values, see, folder):
    try:
        job = check_job(values)
        return see(job, folder) if see is page else see(job)
    except ForecastError as error:
        return str(error)


_before: dict[tuple[Any, ...], Any] = {}


def outcome_before(values, see, folder, content):
    """Many lines of the table begin from the same job."""
    key = (values, see, content)
    if key not in _before:
        _before[key] = outcome(json.loads(values), see, folder)
    return _before[key]


@pytest.mark.parametrize("name", TABLE)
def test_another_value_changes_what_comes_out(name, tmp_path, monkeypatch):
    change = TABLE[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("forecast.reporting.html.painter_count", lambda: 0)
    monkeypatch.setattr("forecast.reporting.pictures.png", lambda _: b"drawn")
    content = change.text.encode() if isinstance(change.text, str) else change.text
    (tmp_path / "file.csv").write_bytes(content)
    (tmp_path / "other.csv").write_text(OTHER)
    before, after = values_of(name, change)
    assert before != after
    first = outcome_before(json.dumps(before), change.see, tmp_path / "before", content)
    second = outcome(after, change.see, tmp_path / "after")
    assert not (isinstance(first, str) and isinstance(second, str)), "two errors show nothing"
    assert not same(first, second)


def same(first, second):
    """Equality that takes NaN for equal to itself."""
    return repr(first) == repr(second)


def test_the_same_job_twice_is_the_same():
    """Or else every line of the table would pass."""
    for see in (panel, question, trained, baseline, judged):
        assert same(see(small_job()), see(small_job()))


def test_the_threads_are_those_that_were_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    trained(small_job(training__max_epochs=1, training__threads=3))
    assert asked[0] == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, so it would be used")
def test_a_gpu_that_is_not_there_is_missed():
    with pytest.raises(ForecastError, match=r"training\.accelerator=gpu"):
        trained(small_job(training__accelerator="gpu"))


def test_the_names_choose():
    assert np.size(panel(small_job())[3]) == 200
    for name, rows in (("rnn", 4), ("lstm", 16), ("gru", 12)):
        weights, _, _ = trained(small_job(model__name=name, training__max_epochs=1))
        assert len(weights["network.backbone.core.weight_hh_l0"]) == rows
    assert "network.backbone.weight_in" in trained(small_job(model={"name": "esn", "hidden_size": 4}))[0]
    assert load_source(small_job(data={"name": "stock"}).data).panel.ids == ("Close",)


@pytest.mark.parametrize("name", [[], {"a": 1}, 3, None])
def test_a_name_that_is_no_text_is_refused_in_a_line(name):
    with pytest.raises(ForecastError, match=r"`model.name` should be one of rnn, lstm, .*, found"):
        small_job(model__name=name)
    stored = {**small_job().model_dump(mode="json"), "model": {"name": name}}
    with pytest.raises(ForecastError, match=r"`settings.model.name` should be one of rnn, lstm, .*, found"):
        check_settings(_UsedSettings, stored, "settings.")
