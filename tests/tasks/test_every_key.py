"""Every key of every setting changes what comes out; there is no knob that does nothing.

For each key the table names a job, another value, and where the difference must be seen. A key that is new fails the
test until a line is added; the few that may not change a result say what they do instead.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from small_jobs import small_job, small_values

from forecast.errors import ForecastError
from forecast.evaluation.backtest import fit_all
from forecast.evaluation.evaluate import evaluate
from forecast.forecasters.recurrent import FittedNetwork
from forecast.series.source import load_source
from forecast.series.split import last_origins
from forecast.tasks import train as train_module
from forecast.tasks.page import write_page
from forecast.tasks.prepare import baselines, forecasters, network, prepare
from forecast.tasks.settings import JobSettings, check_job, section_kinds
from forecast.tasks.terminal import silent, working

DAYS = pd.date_range("2024-01-01", periods=70, freq="B")
BASE = [f"{day:%Y-%m-%d},{i % 7 + i / 10:.1f},{50 - i % 5}" for i, day in enumerate(DAYS)]


def lines(header, rows):
    return "\n".join([header, *rows, ""])


FILE = lines("Date,Close,Open", BASE)
OTHER = lines("Date,Close,Open", [row.replace(".1", ".9") for row in BASE])
WITH_GAP = lines("Date,Close,Open", BASE[:20] + BASE[32:])
WITH_HOLIDAY = lines("Date,Close,Open", BASE[:20] + BASE[21:])
TWICE = lines("Date,Close,Open", [*BASE[:20], BASE[19].replace("6.9", "9.9"), *BASE[20:]])


# Where a difference may be seen: from a job to something that can be compared.
def panel(job):
    made = load_source(job.data).panel
    arrays = (made.target, made.target_observed, made.offsets, made.times)
    return made.ids, made.channels, made.calendar, *(array.tolist() for array in arrays)


def question(job):
    asked = prepare(job).question
    return asked.split.train.tolist(), asked.split.validation.tolist(), asked.problem


def trained(job):
    """Weights, losses and the reason of the end."""
    prepared = prepare(job)
    split, problem = prepared.question.split, prepared.question.problem
    fitted = network(job).fit(prepared.panel.cut(split.before_test), split.train, problem)
    bare = fitted if isinstance(fitted, FittedNetwork) else fitted.fitted
    rates = [(epoch.epoch, epoch.learning_rate) for epoch in bare.history]
    return {name: array.tolist() for name, array in bare.tensors().items()}, rates, bare.stop_reason


def baseline(job):
    """The forecast of each baseline, or why there is none."""
    prepared = prepare(job)
    split, problem = prepared.question.split, prepared.question.problem
    fits = fit_all(baselines(job), prepared.panel, split, problem)
    past = prepared.panel.cut(split.before_test)
    made = {name: one.forecast(past, last_origins(past)).y_hat.tolist() for name, one in fits.fitted.items()}
    return made, [(attempt.name, attempt.status, attempt.notes) for attempt in fits.attempts]


def judged(job):
    """The results of the backtest and the verdict."""
    prepared = prepare(job)
    split, problem = prepared.question.split, prepared.question.problem
    fits = fit_all(forecasters(job), prepared.panel, split, problem)
    found = evaluate(fits, prepared.panel, split, problem, job.backtest)
    return found.test.results.y_hat.tolist(), found.verdict.sentence


def final(job):
    """The forecast after the data."""
    return finished(job.model_dump_json()).future.y_hat.tolist()


def page(job, folder):
    """The report and the names of its figures."""
    plain = job.model_copy(update={"report": small_job().report})
    run = replace(finished(plain.model_dump_json()), settings={})  # the page prints all settings
    write_page(run, job.report, folder)
    return (folder / "report.html").read_text(), sorted(path.name for path in folder.glob("figures/*"))


@cache
def finished(job):
    prepared = prepare(check_job(json.loads(job)))
    with working(silent(), 1) as work:
        evaluation = train_module.judge(prepared, train_module.fit(prepared, work), work)
        return train_module.finish(prepared, evaluation, train_module.refit(prepared, evaluation, work))


@dataclass(frozen=True)
class Change:
    """Another value of a key; `given` is said in both jobs, `text` is the file that both read."""

    value: Any
    see: Any
    given: dict[str, Any] = field(default_factory=dict)
    text: str | bytes = FILE


def series_keys(name):
    """Keys that every source has."""
    return {
        f"data.{name}.context_steps": Change(5, question),
        f"data.{name}.season_steps": Change(3, question),
        f"data.{name}.transform": Change("log", judged),
    }


def row_keys(name):
    """Keys of every source that is a file."""
    return {
        f"data.{name}.path": Change("other.csv", panel),
        f"data.{name}.target": Change("Open", panel, {"target": "Close"}),
        f"data.{name}.freq": Change("D", panel),
        f"data.{name}.holidays": Change(["2024-05-01"], panel),
        f"data.{name}.holiday_run": Change(0, panel, {"on_gaps": "previous"}, WITH_HOLIDAY),
        f"data.{name}.on_gaps": Change("interpolate", panel, {}, WITH_GAP),
        f"data.{name}.on_duplicates": Change("last", panel, {"on_duplicates": "first"}, TWICE),
        f"data.{name}.resample": Change("W", panel),
        f"data.{name}.resample_how": Change("sum", panel, {"resample": "W"}),
    }


def csv_keys():
    shops = [f"{day:%Y-%m-%d},{i},{i + 5},{n % 5 + i}" for n, day in enumerate(DAYS) for i in range(2)]
    two_dates = [f"{day:%Y-%m-%d},{day + pd.Timedelta(days=365):%Y-%m-%d},{i}" for i, day in enumerate(DAYS)]
    hours = [f"{time:%Y-%m-%d %H:%M},{i}" for i, time in enumerate(pd.date_range("2024-01-01", periods=60, freq="h"))]
    numbers = "\n".join(f"{i * 3},{i**2 % 11}" for i in range(1, 60)) + "\n"
    return {
        "data.csv.time": Change("B", panel, {"time": "A", "target": "y"}, lines("A,B,y", two_dates)),
        "data.csv.id": Change("a", panel, {"id": "b", "target": "y"}, lines("t,a,b,y", shops)),
        "data.csv.time_format": Change(
            "%d-%m-%y",
            panel,
            {"time_format": "%y-%m-%d"},
            lines("t,y", [f"01-02-{day:02d},{day}" for day in range(1, 13)]),
        ),
        "data.csv.timezone": Change("Europe/Berlin", panel, {}, lines("t,y", hours)),
        "data.csv.day_first": Change(
            True, panel, {"day_first": False}, lines("t,y", [f"01/{n:02d}/2024,{n}" for n in range(1, 13)])
        ),
        "data.csv.delimiter": Change(";", panel, {"delimiter": ","}, lines("t;y,z", ["1;2,3", "2;3,4", "3;4,1"] * 9)),
        "data.csv.decimal": Change(
            ",", panel, {"decimal": ".", "delimiter": ";"}, lines("t;y", [f"{n};{n}.{n}34" for n in range(1, 9)])
        ),
        "data.csv.thousands": Change(
            ",",
            panel,
            {"thousands": "none", "decimal": ".", "delimiter": ";"},
            lines("t;y", [f"{n};{n},{n}34" for n in range(1, 9)]),
        ),
        "data.csv.quote": Change("'", panel, {"quote": "none"}, lines("t,y", [f"{n},'{n % 5}'" for n in range(1, 30)])),
        "data.csv.encoding": Change(
            "latin-1",
            panel,
            {"encoding": "cp949"},
            lines("날짜,판매", [f"2024-01-{n:02d},{n % 5}" for n in range(1, 30)]).encode("cp949"),
        ),
        "data.csv.compression": Change("none", panel, {}, gzip.compress(FILE.encode())),
        "data.csv.header": Change(False, panel, {"header": True}, lines("3", [str(n % 7) for n in range(60)])),
        "data.csv.skip_rows": Change(3, panel, {"header": False, "target": "column 2"}, numbers),
        "data.csv.comment": Change("#", panel, {}, lines("Date,Close", ["#2023-12-29,9", *(r[:-3] for r in BASE)])),
        "data.csv.missing": Change(["49"], panel, {"target": "Open"}),
        "data.csv.on_bad_rows": Change(
            "drop", panel, {}, lines("Date,Close,Open", [*BASE[:-1], BASE[-1].replace("2024-0", "2024-x")])
        ),
    }


def sinewave_keys():
    values = {
        "frequency": 7.0,
        "sampling_rate": 150.0,
        "duration": 2.0,
        "amplitude": 2.0,
        "phase": 1.0,
        "noise": 0.2,
        "seed": 1,
    }
    return {f"data.sinewave.{key}": Change(value, panel) for key, value in values.items()}


def model_keys(name):
    given = {"model__name": name, "model__layers": 1, "training__max_epochs": 2}
    keys = {
        f"model.{name}.layers": Change(2, trained, given),
        f"model.{name}.hidden_size": Change(5, trained, given),
        f"model.{name}.dropout": Change(0.5, trained, given),
        f"model.{name}.reference": Change("mean", trained, {**given, "model__reference": "last"}),
        f"model.{name}.loss": Change("mse", trained, given),
    }
    return keys | ({"model.rnn.activation": Change("relu", trained, given)} if name == "rnn" else {})


WINDOWS = {"training__regime": "windows", "training__batch_size": 8, "training__batches_per_epoch": 3}
LONG = {"training__max_epochs": 12, "training__learning_rate": 0.05}

TRAINING = {
    "regime": Change("windows", trained, {"training__batches_per_epoch": 3}),
    "chunk_steps": Change(8, trained),
    "lanes": Change(1, trained),
    "warmup_steps": Change(2, trained),
    "batch_size": Change(4, trained, WINDOWS),
    "batches_per_epoch": Change(2, trained, WINDOWS),
    "optimizer": Change("sgd", trained),
    "learning_rate": Change(0.02, trained),
    "weight_decay": Change(0.5, trained),
    "schedule": Change("cosine", trained),
    "gradient_clip": Change(1e-4, trained, {"training__optimizer": "sgd"}),
    "max_epochs": Change(2, trained),
    "patience": Change(1, trained, LONG),
    "time_limit_s": Change(1e-6, trained, LONG),
    "refit": Change(False, final),
}

RIDGE = {"baseline__ridge__choose": {}, "baseline__ridge__reference": "last"}
ALL_BASELINES = {
    "baseline__window": {"name": "window", "method": "window_mean"},
    "baseline__level": {"name": "level", "method": "reference", "reference": "level"},
}

BASELINES = {
    "rule.name": ("naive", "name", Change("last", baseline)),
    "rule.method": ("naive", "method", Change("drift", baseline)),
    "window_mean.name": ("window", "name", Change("mean", baseline, ALL_BASELINES)),
    "window_mean.method": ("window", "method", Change("naive", baseline, ALL_BASELINES)),
    "window_mean.window_steps": ("window", "window_steps", Change(3, baseline, ALL_BASELINES)),
    "reference.name": ("level", "name", Change("exponential", baseline, ALL_BASELINES)),
    "reference.method": ("level", "method", Change("naive", baseline, ALL_BASELINES)),
    "reference.reference": ("level", "reference", Change("mean", baseline, ALL_BASELINES)),
    "regression.name": ("ridge", "name", Change("linear", baseline)),
    "regression.method": ("ridge", "method", Change("naive", baseline)),
    "regression.regressor": ("ridge", "regressor", Change("k_neighbors", baseline, RIDGE)),
    "regression.params": ("ridge", "params", Change({"alpha": 50.0}, baseline, RIDGE)),
    "regression.choose": ("ridge", "choose", Change({"alpha": [50.0]}, baseline, RIDGE)),
    "regression.reference": ("ridge", "reference", Change("mean", baseline, RIDGE)),
    "regression.max_windows": ("ridge", "max_windows", Change(20, baseline, RIDGE)),
}

TWO_SERIES = {"data": {"name": "csv", "path": "file.csv", "target": ["Close", "Open"]}}

PLAIN = {
    "seed": Change(1, trained),
    "horizon": Change(5, question),
    "split.validation": Change(0.2, question),
    "split.test": Change(0.3, question),
    "backtest.stride": Change(3, judged),
    "backtest.significance": Change(1e-300, judged, {**LONG, "model__reference": "mean", "baseline": {}}),
    "report.series": Change("Open", page, {**TWO_SERIES, "report__series": "Close"}),
    "report.origins": Change(2, page),
    "report.points": Change(100, page),
    "report.png": Change(True, page),
}

NOT_IN_THE_RESULT = {
    "task": "chooses what is done: tests of the command",
    "run": "the folder that task=predict opens: tests of the command",
    "data.sinewave.name": "chooses the source",
    "data.stock.name": "chooses the source",
    "data.csv.name": "chooses the source",
    "model.rnn.name": "chooses the cell",
    "model.lstm.name": "chooses the cell",
    "model.gru.name": "chooses the cell",
    "training.accelerator": "where it is computed: below",
    "training.threads": "how fast it is computed: below",
}

TABLE: dict[str, Change] = {
    **series_keys("sinewave"),
    **series_keys("stock"),
    **series_keys("csv"),
    **row_keys("stock"),
    **row_keys("csv"),
    **csv_keys(),
    **sinewave_keys(),
    **model_keys("rnn"),
    **model_keys("lstm"),
    **model_keys("gru"),
    **{f"training.{key}": change for key, change in TRAINING.items()},
    **{f"baseline.{key}": change for key, (_, _, change) in BASELINES.items()},
    **PLAIN,
}


def every_key():
    """Names of all keys, with the name of the class where a section may be one of several."""
    shown = {"RuleSettings": "rule", "WindowMeanSettings": "window_mean"}
    shown |= {"ReferenceSettings": "reference", "RegressionSettings": "regression"}
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
    if not name.startswith("data.") or name.startswith("data.sinewave"):
        before = small_values(**{"report__png": False, **change.given})
    else:
        source = {"name": name.split(".")[1], "path": "file.csv"}
        source |= {"target": "Close"} if change.text is FILE else {}
        before = small_values(data={**source, **change.given})
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
    monkeypatch.setattr("forecast.reporting.html.write_picture", lambda one, where: (where / one.name).touch())
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
    assert load_source(small_job(data={"name": "stock"}).data).panel.ids == ("Close",)
