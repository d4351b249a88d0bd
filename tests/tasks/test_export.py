"""Exported graphs: what they forecast in onnxruntime, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from oracles.panels import hidden, noisy_sine, panel_of

from forecast.app import main
from forecast.errors import ForecastError
from forecast.exporting import files
from forecast.exporting.bank import BankGraph
from forecast.exporting.files import CONTEXT, NAMES, STEP, write_graphs
from forecast.forecasters.ensemble import ensemble
from forecast.forecasters.pretrained import Pretrained
from forecast.forecasters.recurrent import Recurrent
from forecast.forecasters.transformed import Transformed
from forecast.network.settings import EsnSettings, GruSettings, LstmSettings, MinGruSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.reference.bank import Bank, features
from forecast.reference.candidates import candidates
from forecast.reference.references import Reference
from forecast.reference.smoothers import second_season
from forecast.runs.files import FORECASTS
from forecast.runs.run import open_run
from forecast.series.calendar import Calendar
from forecast.series.panel import Channel, KnownAhead, Panel
from forecast.tasks.export import export
from forecast.training.settings import TrainingSettings

PROBLEM = Problem(horizon=4, context_steps=12, season_steps=5)
STREAM = TrainingSettings(lanes=4, chunk_steps=12, threads=1, accelerator="cpu")
WINDOWS = STREAM.model_copy(update={"regime": "windows", "batch_size": 8, "batches_per_epoch": 2})
KINDS = {
    "lstm": LstmSettings(hidden_size=5, layers=2, reference="blend"),
    "gru": GruSettings(hidden_size=5, reference="seasonal", head="quantile", quantiles=(0.2, 0.5, 0.9)),
    "rnn": RnnSettings(hidden_size=5, activation="relu", reference="none"),
    "sigmoid": RnnSettings(hidden_size=5, layers=2, activation="sigmoid", reference="mean", head="gaussian"),
    "mingru": MinGruSettings(hidden_size=5, layers=2, residual=True, layer_norm=True, reference="level"),
    "esn": EsnSettings(hidden_size=9, reference="last"),
    "level": LstmSettings(hidden_size=5, level_input=True, reference="seasonal"),
    "seq2seq": GruSettings(hidden_size=5, strategy="seq2seq", reference="ridge"),
}


@cache
def panel(series=1, *, full=False):
    """Noisy cycles; `full`: with gaps, and covariates of each sort."""
    rng = np.random.default_rng(0)
    steps = np.arange(90)
    y = np.concatenate([5 + i + np.sin(2 * np.pi * steps / 5) + 0.2 * rng.normal(size=90) for i in range(series)])
    whole = Panel(
        values=y[:, None],
        observed=np.ones((len(y), 1), dtype=np.bool_),
        offsets=np.arange(series + 1) * 90,
        times=np.tile(steps, series),
        ids=tuple("abc"[:series]),
        channels=(Channel("y", "target"),),
        calendar=Calendar(freq=None),
    )
    if not full:
        return whole
    masked = np.zeros((len(y), 2), dtype=np.bool_)
    masked[7::13] = True
    channels = (Channel("plan", "future"), Channel("day", "future", ("mon", "tue", "wed")))
    planned = np.stack([rng.normal(size=series * 95), rng.integers(3, size=series * 95)], axis=1)
    ahead = KnownAhead(planned, np.zeros(planned.shape, dtype=np.bool_), np.arange(series + 1) * 95, channels)
    return replace(
        whole,
        values=np.stack([y, rng.normal(size=len(y))], axis=1),
        observed=~masked,
        channels=(*whole.channels, Channel("x", "past")),
        masked=masked,
        ahead=ahead,
    )


def run_of(trained, forecaster, data, problem=PROBLEM):
    """The run with another network, fitted on other data."""
    run = open_run(trained.folder)
    fitted = forecaster.fit(data, data.lengths, replace(problem, lags=3, leads=1))
    offsets = [[-3.0, -2.0, -1.5, -0.5, 0.0, 0.6, 1.4, 2.2, None]] * 4
    channels = (*data.channels, *(() if data.ahead is None else data.ahead.channels))
    record = json.loads(run.record.model_dump_json())
    record["problem"] |= {"horizon": 4, "season_steps": problem.season_steps}
    record["network"]["reference"] = None
    record["data"] |= {
        "ids": list(data.ids),
        "channels": [vars(channel) for channel in channels],
        **{name: [90] * len(data) for name in ("steps", "train_steps", "validation_steps", "calibration_steps")},
    }
    record["intervals"] |= {"scale": [1.5] * len(data), "offsets": {"lstm": offsets}}
    return replace(run, record=type(run.record).model_validate_json(json.dumps(record)), network=fitted)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_in_both_graphs(kind, trained, tmp_path):
    network = Recurrent(KINDS[kind], STREAM, learning_rates=None if kind == "esn" else (0.02,))
    description = write_graphs(run_of(trained, network, panel()), tmp_path)
    assert 1e-12 < description["checked"]["largest_difference"] < 1e-5  # the network takes part: it is single precision
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONTEXT, NAMES, STEP]


def test_series_covariates_gaps_members_and_a_logarithm(trained, tmp_path):
    network = Recurrent(LstmSettings(hidden_size=5, id_embedding=2, reference="blend"), STREAM, learning_rates=(0.02,))
    run = run_of(trained, Transformed(ensemble(network, 2)), panel(2, full=True))
    description = write_graphs(run, tmp_path)
    assert list(description["graphs"][STEP]["inputs"]) == ["values", "series", "past", "ahead"]
    assert description["graphs"][STEP]["inputs"]["ahead"] == {"shape": ["batch", "1 + 5", 2], "type": "float64"}
    assert [channel["name"] for channel in description["ahead"]] == ["plan", "day"]
    assert description["ahead"][1]["categories"] == ["mon", "tue", "wed"]


@pytest.mark.parametrize("kind", ["lstm", "gru", "seq2seq"])  # what they keep of the past differs
def test_gaps_longer_than_a_season_are_read_as_the_network_reads_them(kind, trained, tmp_path):
    holed = hidden(panel_of(noisy_sine(90, period=5)), np.isin(np.arange(90), [2, 3, 9, 30, *range(50, 63), 80]))
    run = run_of(trained, Recurrent(KINDS[kind], STREAM, learning_rates=(0.02,)), holed)
    write_graphs(run, tmp_path)
    step, context = (onnxruntime.InferenceSession(tmp_path / name) for name in (STEP, CONTEXT))
    y = np.where(holed.masked[:, 0], np.nan, holed.target)[None]
    inputs = {part.name: part for part in step.get_inputs() if part.name != "values"}
    types = {"tensor(double)": np.float64, "tensor(float)": np.float32}
    state = {name: np.zeros([1, *part.shape[1:]], types[part.type]) for name, part in inputs.items()}
    outputs = [name.replace("_before", "_after") for name in state]
    whole = run.network.forecast(holed, Origins(np.zeros(90, dtype=int), np.arange(90))).y_hat
    for t in range(90):
        forecast, *after = step.run(["forecast", *outputs], {"values": y[:, t : t + 1], **state})
        state = dict(zip(state, after, strict=True))
        np.testing.assert_allclose(forecast[0], whole[t], atol=1e-5)
        if t in (4, 9, 55, 61, 62, 63, 89):
            of_context = context.run(["forecast"], {"values": y[:, : t + 1]})[0]
            np.testing.assert_allclose(of_context[0], whole[t], atol=1e-5)


@pytest.mark.parametrize(("season", "series"), [(1, 1), (7, 2)])
def test_the_pretrained_network_with_its_bank_step_by_step(season, series, trained, tmp_path):
    run = run_of(trained, Pretrained(), panel(series), replace(PROBLEM, season_steps=season))
    description = write_graphs(run, tmp_path)
    assert list(description["graphs"]) == [STEP]
    assert 1e-12 < description["checked"]["largest_difference"] < 1e-5


def test_the_graph_of_the_bank_of_a_season_that_repeats():
    """Changes from season to season are no unit there, and errors along paths are next to none."""
    panel_of_one, season = panel(), 7
    fitted = Pretrained().fit(panel_of_one, panel_of_one.lengths, replace(PROBLEM, season_steps=season))
    answer: Any = SimpleNamespace(log=False, offsets=None, scale=torch.ones(1))
    graph, bank = BankGraph(fitted, answer), Bank(1, season, second_season(season))
    state = graph.begin(1)
    for t in range(40):
        y, observed = np.array([[50 + 10 * np.sin(2 * np.pi * t / season)]]), np.array([[t != 17]])
        expected = features([bank.update(y[0], observed[0])], season, second_season(season))
        after, found, ahead = graph._update(torch.from_numpy(y * observed), torch.from_numpy(observed), state)
        state |= after
        np.testing.assert_allclose(found.numpy(), expected[:, 0], atol=1e-5)
    every = candidates(bank.snapshot(4), 4, season, second_season(season))
    np.testing.assert_allclose(ahead.numpy()[:, :4], every, rtol=1e-9)


def test_the_graph_of_a_series_that_never_changed():
    panel_of_one = panel()
    fitted = Pretrained().fit(panel_of_one, panel_of_one.lengths, PROBLEM)

    def answer(y_hat, quantiles, series):
        return {"y_hat": y_hat, "quantiles": quantiles}

    answer.log, answer.offsets, answer.scale = False, None, torch.ones(1)
    graph = BankGraph(fitted, answer)
    state = graph.begin(1)
    for _ in range(12):
        whole = graph.over_step({"values": torch.full((1, 1), 5.0, dtype=torch.float64)}, state)
        state = {name: whole[f"{name}_after"] for name in state}
    assert (whole["quantiles"] == 5.0).all()


def test_a_network_that_reads_windows_has_no_step(trained, tmp_path):
    settings = GruSettings(hidden_size=5, bidirectional=True, reference="last")
    run = run_of(trained, Recurrent(settings, WINDOWS, learning_rates=(0.02,)), panel())
    assert list(write_graphs(run, tmp_path)["graphs"]) == [CONTEXT]
    assert not (tmp_path / STEP).exists()


def test_the_command_and_the_forecast_of_the_run(trained, run_folder, tmp_path, capsys, monkeypatch):
    """Fed the data of the run, the graphs forecast what its forecast.csv holds, the quantiles too."""
    monkeypatch.chdir(tmp_path)
    assert main(["task=export", f"run={run_folder}", "format=onnx"]) == 0
    said = capsys.readouterr().out
    assert "context.onnx, step.onnx and graphs.json" in said
    folder = run_folder / "onnx"
    content = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    assert (content["frequency"], content["horizon"], content["target"]) == ("steps of 1", 4, "sinewave")
    written = pd.read_csv(run_folder / FORECASTS).query("model == 'lstm'")
    wanted = {"forecast": written[["y_hat"]], "quantiles": written.filter(regex="^q0")}
    y = trained.prepared.panel.target[None]
    context, step = (onnxruntime.InferenceSession(folder / name) for name in (CONTEXT, STEP))
    whole = dict(zip([o.name for o in context.get_outputs()], context.run(None, {"values": y}), strict=True))
    state = {
        part["input"]: np.zeros([1, *part["shape"][1:]], dtype=part["type"])
        for part in content["graphs"][STEP]["state"]
    }
    names = [output.name for output in step.get_outputs()]
    for t in range(y.shape[1]):
        row = dict(zip(names, step.run(None, {"values": y[:, t : t + 1], **state}), strict=True))
        state = {part["input"]: row[part["output"]] for part in content["graphs"][STEP]["state"]}
    for outputs in (whole, row):
        for name, expected in wanted.items():
            actual = np.where(np.isinf(outputs[name]), np.nan, outputs[name])  # in a table they are empty
            np.testing.assert_allclose(actual.reshape(4, -1), expected, atol=1e-5)


def test_a_graph_that_differs_is_not_written(trained, tmp_path, monkeypatch):
    run = run_of(trained, Recurrent(KINDS["gru"], STREAM, learning_rates=(0.02,)), panel())
    monkeypatch.setattr(Reference, "at", lambda *_, at=Reference.at: at(*_) + 1e-3)
    with pytest.raises(ForecastError, match=r"not written: after a context of 1 steps its forecast is 0\.00\d+ units"):
        write_graphs(run, tmp_path)
    assert list(tmp_path.iterdir()) == []


REFUSED = {
    "model.strategy=recursive": LstmSettings(hidden_size=3, strategy="recursive"),
    "model.fork_ensemble=3": LstmSettings(hidden_size=3, fork_ensemble=3),
    "model.head=student_t": LstmSettings(hidden_size=3, head="student_t"),
    "model.dilations": LstmSettings(hidden_size=3, layers=2, dilations=(1, 2)),
    "model.segment_steps": LstmSettings(hidden_size=3, segment_steps=2),
}


@pytest.mark.parametrize("setting", REFUSED)
def test_what_cannot_be_exported_says_why_in_a_line(setting, trained, tmp_path):
    run = run_of(trained, Recurrent(REFUSED[setting], STREAM, learning_rates=(0.02,)), panel())
    with pytest.raises(ForecastError, match=f"^`{setting}.*cannot be exported: .*") as refused:
        write_graphs(run, tmp_path)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_line_names_it(run_folder, monkeypatch):
    def missing(module):
        raise ModuleNotFoundError(module)

    monkeypatch.setattr(files, "import_module", missing)
    with pytest.raises(ForecastError, match=r"pip install 'recurrent-forecast\[onnx\]'"):
        export(run_folder)
    assert not [path for path in run_folder.iterdir() if path.name.startswith(".")]


def test_data_cannot_be_said(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["task=export", f"run={trained.folder}", "data.noise=1"])
    assert "it reads no data" in capsys.readouterr().err
