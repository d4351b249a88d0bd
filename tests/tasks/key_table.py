"""For each key of every setting: another value, a job to say it in, and where the difference must be seen."""

from __future__ import annotations

import gzip
import io
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from outcomes import ahead, baseline, beside, final, forecast, judged, page, panel, paths, question, symbols, trained

from forecast.serving.settings import ServeSettings
from forecast.tasks.settings import PredictSettings

DAYS = pd.date_range("2024-01-01", periods=70, freq="B")
BASE = [f"{day:%Y-%m-%d},{i % 7 + i / 10:.1f},{50 - i % 5}" for i, day in enumerate(DAYS)]


def lines(header, rows):
    return "\n".join([header, *rows, ""])


BARE = [row.rsplit(",", 1)[0] for row in BASE]
FILE = lines("Date,Close,Open", BASE)
OTHER = lines("Date,Close,Open", [row.replace(".1", ".9") for row in BASE])
WITH_GAP = lines("Date,Close,Open", BASE[:20] + BASE[32:])
WITH_HOLIDAY = lines("Date,Close,Open", BASE[:20] + BASE[21:])
WITH_EARLY_CLOSE = lines(
    "Date,Close,Open",
    [
        f"{day + pd.Timedelta(hours=hour):%Y-%m-%d %H:%M},{hour % 5},{hour}"
        for n, day in enumerate(DAYS[:30])
        for hour in (range(9, 13) if n == 12 else range(9, 16))
    ],
)
TWICE = lines("Date,Close,Open", [*BASE[:20], BASE[19].replace("6.9", "9.9"), *BASE[20:]])


@dataclass(frozen=True)
class Change:
    """Another value of a key; `given` is said in both jobs, `text` is the file that both read.

    Of a key of the data, `given` holds others of the data, and those of other sections by two underscores.
    """

    value: Any
    see: Any
    given: dict[str, Any] = field(default_factory=dict)
    text: str | bytes = FILE


def workbook():
    """Two sheets, of which the second holds other values."""
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as book:
        for sheet, period in (("a", 7), ("b", 5)):
            values = [i % period for i in range(len(DAYS))]
            pd.DataFrame({"day": DAYS, "y": values}).to_excel(book, sheet_name=sheet, index=False)
    return buffer.getvalue()


def database():
    """A database of one table."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table t (day text, y real)")
        connection.executemany("insert into t values (?, ?)", [(f"{day:%F}", i % 7) for i, day in enumerate(DAYS)])
        connection.commit()
        return connection.serialize()


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
        f"data.{name}.half_days": Change("all", panel, {"on_gaps": "previous"}, WITH_EARLY_CLOSE),
        f"data.{name}.on_gaps": Change("interpolate", panel, {}, WITH_GAP),
        f"data.{name}.on_duplicates": Change("last", panel, {"on_duplicates": "first"}, TWICE),
        f"data.{name}.resample": Change("W", panel),
        f"data.{name}.resample_how": Change("sum", panel, {"resample": "W"}),
        f"data.{name}.calendar": Change("weekday", ahead, {"calendar": "none"}),
        f"data.{name}.country": Change("KR", ahead),
        f"data.{name}.ahead_lags": Change(0, question),
        f"data.{name}.ahead_leads": Change(0, question),
        f"data.{name}.minimum": Change(-1.0, question),
        f"data.{name}.maximum": Change(100.0, question),
        f"data.{name}.integer": Change(True, question, {"target": "Open"}),
    }


def csv_keys():
    shops = [f"{day:%Y-%m-%d},{i},{i + 5},{n % 5 + i}" for n, day in enumerate(DAYS) for i in range(2)]
    two_dates = [f"{day:%Y-%m-%d},{day + pd.Timedelta(days=365):%Y-%m-%d},{i}" for i, day in enumerate(DAYS)]
    hours = [f"{time:%Y-%m-%d %H:%M},{i}" for i, time in enumerate(pd.date_range("2024-01-01", periods=60, freq="h"))]
    numbers = "\n".join(f"{i * 3},{i**2 % 11}" for i in range(1, 60)) + "\n"
    return {
        "data.csv.time": Change("B", panel, {"time": "A", "target": "y"}, lines("A,B,y", two_dates)),
        "data.csv.id": Change("a", panel, {"id": "b", "target": "y"}, lines("t,a,b,y", shops)),
        "data.csv.on_short_series": Change(
            "error",
            question,
            {"id": "a", "target": "y"},
            lines("t,a,y", [*(f"{n},long,{n % 5}" for n in range(90)), *(f"{n},short,{n % 3}" for n in range(9))]),
        ),
        "data.csv.target_at": Change(
            "end",
            panel,
            {"id": "a", "target": "y", "past": "x"},
            lines("a,x,y", [f"{name},{n % 5},{len(name)}" for name in ("one", "three") for n in range(9)]),
        ),
        "data.csv.layout": Change("columns", panel, {"target": None}, lines("Date,y,other", BASE)),
        "data.csv.time_format": Change(
            "%d-%m-%y",
            panel,
            {"time_format": "%y-%m-%d"},
            lines("t,y", [f"01-02-{day:02d},{day}" for day in range(1, 13)]),
        ),
        "data.csv.past": Change("Open", beside, {"target": "Close"}),
        "data.csv.future": Change("Open", beside, {"target": "Close"}),
        "data.csv.static": Change(
            "Kind", beside, {"target": "Close"}, lines("Date,Close,Kind", [f"{r},a" for r in BARE])
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
        "data.csv.max_mb": Change(0.0001, panel, {}, gzip.compress(FILE.encode())),
        "data.csv.sheet": Change("b", panel, {"sheet": "a"}, workbook()),
        "data.csv.query": Change("select * from t where y < 5", panel, {"query": "t"}, database()),
        "data.csv.compression": Change("none", panel, {}, gzip.compress(FILE.encode())),
        "data.csv.header": Change(False, panel, {"header": True}, lines("3", [str(n % 7) for n in range(60)])),
        "data.csv.skip_rows": Change(3, panel, {"header": False, "target": "column 2"}, numbers),
        "data.csv.comment": Change("#", panel, {}, lines("Date,Close", ["#2023-12-29,9", *(r[:-3] for r in BASE)])),
        "data.csv.symbols": Change(False, panel, SYMBOLS, lines("Date,Close", BARE)),
        "data.csv.missing": Change(["49"], panel, {"target": "Open"}),
        "data.csv.on_bad_rows": Change(
            "drop", panel, {}, lines("Date,Close,Open", [*BASE[:-1], BASE[-1].replace("2024-0", "2024-x")])
        ),
    }


SYMBOLS = {"model__head": "categorical"}


def text_keys():
    text = "가나다라, 마바사. " * 20
    return {
        "data.text.path": Change("other.csv", panel, SYMBOLS, text),
        "data.text.jamo": Change(True, panel, SYMBOLS, text),
        "data.text.encoding": Change("cp949", panel, SYMBOLS | {"encoding": "latin-1"}, text.encode("cp949")),
        "data.text.context_steps": Change(5, question, SYMBOLS, text),
        "data.text.season_steps": Change(3, question, SYMBOLS, text),
        "data.text.text": Change("hello " * 40, panel, {**SYMBOLS, "path": None}, text),
        "data.text.repeat": Change(2, panel, SYMBOLS, text),
    }


SUMS = {
    "data": {"name": "addition", "sums": 30, "shortest": 1, "longest": 6, "longer_sums": 10, "longer": 12, "seed": 0},
    "split": {"over": "series"},
    "horizon": 1,
    **SYMBOLS,
}


def addition_keys():
    values = {"sums": 20, "shortest": 3, "longest": 4, "longer_sums": 7, "longer": 9, "seed": 1}
    keys = {f"data.addition.{key}": Change(value, panel, SUMS) for key, value in values.items()}
    return {**keys, "data.addition.context_steps": Change(2, question, SUMS)}


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


WINDOWS = {"training__regime": "windows", "training__batch_size": 8, "training__batches_per_epoch": 3}


def model_keys(name):
    given = {"model__name": name, "model__layers": 1, "training__max_epochs": 2}
    # on a better reference a minGRU of two epochs stays untrained, and nothing changes
    learns = given | ({"model__reference": "last"} if name == "mingru" else {})
    keys = {
        f"model.{name}.layers": Change(2, trained, given),
        f"model.{name}.hidden_size": Change(5, trained, given),
        f"model.{name}.segment_steps": Change(3, trained, given),
        f"model.{name}.dropout": Change(0.5, trained, learns),
        f"model.{name}.reference": Change("mean", trained, {**given, "model__reference": "last"}),
        f"model.{name}.head": Change("gaussian", trained, given),
        f"model.{name}.quantiles": Change([0.1, 0.5, 0.9], trained, given | {"model__head": "quantile"}),
        f"model.{name}.loss": Change("mse", trained, learns),
        f"model.{name}.id_embedding": Change(2, trained, given),
        f"model.{name}.strategy": Change("seq2seq", trained, given),
        f"model.{name}.level_input": Change(True, trained, given),
        f"model.{name}.cross_fit": Change(3, trained, given),
        f"model.{name}.fork_ensemble": Change(2, forecast, given),
        f"model.{name}.embedding_size": Change(1, trained, given | SUMS),
        f"model.{name}.autoregressive": Change(False, trained, given | SUMS),
    }
    two = given | {"model__layers": 2}
    keys |= {
        f"model.{name}.residual": Change(True, trained, two),
        f"model.{name}.layer_norm": Change(True, trained, given),
        f"model.{name}.dilations": Change([3], trained, given),
    }
    if name == "rnn":
        keys["model.rnn.activation"] = Change("relu", trained, given)
    else:
        keys[f"model.{name}.forget_bias"] = Change(0.5, trained, given)
    if name != "mingru":
        windowed = given | WINDOWS
        keys[f"model.{name}.recurrent_init"] = Change("orthogonal", trained, given)
        keys[f"model.{name}.bidirectional"] = Change(True, trained, windowed)
    return keys


def esn_keys():
    given = {"model": {"name": "esn", "hidden_size": 10, "reference": "last"}}
    return {
        "model.esn.hidden_size": Change(5, trained, given),
        "model.esn.sparsity": Change(0.5, trained, given),
        "model.esn.spectral_radius": Change(0.5, trained, given),
        "model.esn.leak": Change(0.9, trained, given),
        "model.esn.input_scale": Change(1.0, trained, given),
        "model.esn.reservoir_seed": Change(7, trained, given),
        "model.esn.penalties": Change([0.5], trained, given),
        "model.esn.reference": Change("mean", trained, given),
        "model.esn.cross_fit": Change(3, trained, {"model": {**given["model"], "reference": "blend"}}),
        "model.esn.strategy": Change("recursive", trained, given),
        "model.esn.fork_ensemble": Change(2, forecast, given),
    }


def pretrained_keys(name):
    return {f"model.{name}.reference": Change("mean", judged, {"model": {"name": name, "reference": "last"}})}


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
    "record_gradients": Change(True, page),
    "precision": Change("bf16-mixed", trained),
}

RIDGE = {"baseline__ridge__choose": {}, "baseline__ridge__reference": "last"}
STATISTICAL = {"baseline__theta": {"name": "theta", "method": "auto_theta"}}

ALL_BASELINES = {
    "baseline__window": {"name": "window", "method": "window_mean"},
    "baseline__level": {"name": "level", "method": "reference", "reference": "level"},
    "baseline__known": {"name": "known", "method": "pretrained"},
}

SECOND = {
    **LONG,
    "model__reference": "none",
    "baseline": {"second": {"name": "second", "method": "network", "hidden_size": 4}},
}
DRIFT = {"baseline": {"second": {"name": "second", "method": "drift"}}}

BASELINES = {
    "network.name": ("second", "name", Change("other", baseline, SECOND)),
    "network.method": ("second", "method", Change("naive", baseline, DRIFT)),
    "network.cell": ("second", "cell", Change("rnn", baseline, SECOND)),
    "network.hidden_size": ("second", "hidden_size", Change(5, baseline, SECOND)),
    "rule.name": ("naive", "name", Change("last", baseline)),
    "rule.method": ("naive", "method", Change("drift", baseline)),
    "pretrained.name": ("known", "name", Change("knows", baseline, ALL_BASELINES)),
    "pretrained.method": ("known", "method", Change("naive", baseline, ALL_BASELINES)),
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
    "statistical.name": ("theta", "name", Change("other", baseline, STATISTICAL)),
    "statistical.method": ("theta", "method", Change("auto_ets", baseline, STATISTICAL)),
    "statistical.time_limit_s": ("theta", "time_limit_s", Change(1e-6, baseline, STATISTICAL)),
    "statistical.max_steps": ("theta", "max_steps", Change(40, baseline, STATISTICAL)),
}

WALK = "".join("abcd"[(3 * i + i // 7 + i * i % 5) % 4] for i in range(200))
ANSWERING = {
    "model__head": "categorical",
    "data": {"name": "text", "text": WALK},
    "baseline": {
        "ngram": {"name": "ngram", "method": "ngram", "order": 2},
        "softmax": {"name": "softmax", "method": "classifier", "params": {"max_iter": 1000}},
    },
}
BASELINES |= {
    "ngram.name": ("ngram", "name", Change("bigram", symbols, ANSWERING)),
    "ngram.method": ("ngram", "method", Change("classifier", symbols, ANSWERING)),
    "ngram.order": ("ngram", "order", Change(4, symbols, ANSWERING)),
    "classifier.name": ("softmax", "name", Change("logistic", symbols, ANSWERING)),
    "classifier.method": ("softmax", "method", Change("ngram", symbols, ANSWERING)),
    "classifier.classifier": ("softmax", "classifier", Change("mlp", symbols, ANSWERING)),
    "classifier.lags": ("softmax", "lags", Change(1, symbols, ANSWERING)),
    "classifier.params": ("softmax", "params", Change({"C": 0.01}, symbols, ANSWERING)),
    "classifier.choose": ("softmax", "choose", Change({"C": [0.01]}, symbols, ANSWERING)),
    "classifier.max_windows": ("softmax", "max_windows", Change(20, symbols, ANSWERING)),
}

TWO_SERIES = {"data": {"name": "csv", "path": "file.csv", "target": ["Close", "Open"]}}

PLAIN = {
    "seed": Change(1, trained),
    "ensemble": Change(2, trained),
    "combine": Change("mean", judged, {"ensemble": 3}),
    "horizon": Change(5, question),
    "recommend": Change("naive", judged),
    "split.over": Change("series", question),
    "split.validation": Change(0.2, question),
    "split.calibration": Change(0, question),
    "split.test": Change(0.3, question),
    "backtest.stride": Change(3, judged),
    "backtest.refit_every": Change(20, judged),
    "backtest.significance": Change(
        1e-300, judged, {**LONG, "data__duration": 3.0, "model__reference": "mean", "baseline": {}}
    ),
    "report.series": Change("Open", page, {**TWO_SERIES, "report__series": "Close"}),
    "report.origins": Change(2, page),
    "report.points": Change(100, page),
    "report.paths": Change(3, paths, {"model__head": "gaussian"}),
    "report.png": Change(True, page),
}

NOT_IN_THE_RESULT = {
    "time_limit_s": "how long a run may take: tests of the budget",
    "task": "chooses what is done: tests of the command",
    "run": "the folder that task=predict opens: tests of the command",
    "format": "what task=export writes, one format so far: tests of the export",
    "probe.smoothing": "adds a section to the page of task=probe: tests of the task",
    "continuation.beginning": "what task=continue goes on with: tests of the task",
    "continuation.steps": "how many symbols task=continue draws: tests of the task",
    "continuation.temperature": "how task=continue draws: tests of the task",
    "stream.state": "where task=stream keeps its state: tests of the task",
    "stream.history": "what task=stream goes on from: tests of the task",
    "stream.interval": "what the intervals of task=stream hold: tests of the task",
    "stream.steps": "what task=stream writes: tests of the task",
    "stream.output": "what task=stream writes: tests of the task",
    "data.sinewave.name": "chooses the source",
    "data.stock.name": "chooses the source",
    "data.csv.name": "chooses the source",
    "data.csv.by_file": "where a panel lies: tests of reading by file",
    "data.csv.on_new_series": "speaks of newer data: tests of task=predict",
    "data.text.name": "chooses the source",
    "data.addition.name": "chooses the source",
    "data.addition.season_steps": "has one value: digits have no season",
    "data.addition.transform": "has one value: digits have no logarithm",
    "data.text.transform": "has one value: characters have no logarithm",
    "model.rnn.name": "chooses the cell",
    "model.lstm.name": "chooses the cell",
    "model.gru.name": "chooses the cell",
    "model.mingru.name": "chooses the cell",
    "model.esn.name": "chooses the cell",
    "model.pretrained.name": "chooses the network",
    "baseline.pretrained.start": "trains on, where validation says so: tests of the pretrained network",
    "model.pretrained.start": "trains on, where validation says so: tests of short series",
    "model.auto.start": "the same",
    "model.pretrained.weights": "names a file: tests of task=pretrain",
    "model.auto.name": "chooses the network",
    "model.auto.weights": "names a file: tests of task=pretrain",
    "again": "chooses a run: tests of running anew",
    "resume": "chooses a run: tests of resuming",
    "training.checkpoint_s": "how often it is kept: tests of resuming",
    "pretrain.time_limit_s": "how long task=pretrain trains: tests of the task",
    "pretrain.steps": "how long task=pretrain trains: tests of the task",
    "pretrain.data": "names files that task=pretrain trains on: tests of the task",
    "pretrain.share": "how much task=pretrain trains on them: tests of the task",
    "pretrain.start": "what task=pretrain goes on from: tests of the task",
    **{f"predict.{key}": "how task=predict goes about it: tests of partitions" for key in PredictSettings.model_fields},
    "update.epochs": "how long task=update learns: tests of the task",
    "update.learning_rate": "how fast task=update learns: tests of the task",
    "tune.trials": "how many trials a study has: tests of the task",
    "tune.time_limit_s": "how long a study takes: tests of the task",
    "tune.sampler": "how a study searches: tests of the task",
    "tune.pruner": "which trials end early: tests of the task",
    "tune.seeds": "how often a trial is trained: tests of the task",
    "tune.storage": "where a study lies: tests of the task",
    "tune.study": "what a study is called: tests of the task",
    "tune.heartbeat_s": "when a machine counts as dead: tests of the task",
    "tune.space": "what a study searches: tests of the task",
    "logger.none.name": "who is told the course of a training: tests of tracking",
    "logger.mlflow.name": "who is told the course of a training: tests of tracking",
    "logger.mlflow.uri": "where the server is: tests of tracking",
    "logger.mlflow.experiment": "what runs are added to: tests of tracking",
    "mcp.folder": "where task=mcp reads: tests of the task",
    **{f"serve.{key}": "how task=serve serves: tests of the service" for key in ServeSettings.model_fields},
    "training.accelerator": "where it is computed: below",
    "training.threads": "how fast it is computed: below",
    "training.devices": "where it is computed: tests of several processes",
    "training.strategy": "names the only one: tests of several processes",
}

TABLE: dict[str, Change] = {
    **series_keys("sinewave"),
    **series_keys("stock"),
    **series_keys("csv"),
    **row_keys("stock"),
    **row_keys("csv"),
    **csv_keys(),
    **text_keys(),
    **sinewave_keys(),
    **addition_keys(),
    **model_keys("rnn"),
    **model_keys("lstm"),
    **model_keys("gru"),
    **model_keys("mingru"),
    **esn_keys(),
    **pretrained_keys("pretrained"),
    **pretrained_keys("auto"),
    **{f"training.{key}": change for key, change in TRAINING.items()},
    **{f"baseline.{key}": change for key, (_, _, change) in BASELINES.items()},
    **PLAIN,
}
