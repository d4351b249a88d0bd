"""The gradient check passes for every network, and fails for one whose gradient is wrong."""

from __future__ import annotations

import importlib
import io
import math
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from small_jobs import small_job
from torch import nn

from forecast.errors import ForecastError
from forecast.inspection import gradcheck as module
from forecast.inspection.gradcheck import TensorCheck, gradcheck_in_words
from forecast.inspection.gradients import with_random_head
from forecast.network.cells import build_backbone
from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import GruSettings
from forecast.tasks.gradcheck import gradcheck


def checked(**changes):
    console = Console(width=80, file=io.StringIO())
    return gradcheck(small_job(**changes), console=console), console.file.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"model__name": "rnn"},
        {"model__name": "rnn", "model__activation": "relu"},
        {"model__name": "rnn", "model__activation": "sigmoid"},
        {"model__name": "mingru"},
        {"model__name": "gru", "model__layers": 2, "model__dilations": [1, 3], "model__residual": True},
        {"model__name": "lstm", "model__layers": 2, "model__layer_norm": True, "model__head": "direction"},
        {"model__name": "gru", "model__bidirectional": True, "training__regime": "windows", "training__batch_size": 8},
        {"model__name": "lstm"},
        {"model__name": "gru", "model__loss": "mse"},
        {"model__name": "gru", "model__layers": 2, "model__dropout": 0.5},
        {"model__name": "lstm", "model__segment_steps": 4},
        {"model__name": "gru", "model__strategy": "seq2seq"},
        {"model__name": "lstm", "model__head": "quantile"},
        {"model__name": "lstm", "model__head": "student_t", "model__id_embedding": 2},
        {"model__name": "gru", "training__regime": "windows", "training__batch_size": 8},
        {"model__name": "lstm", "model__loss": "owa", "model__cross_fit": 2},
    ],
    ids=str,
)
def test_gradients_of_ours_are_right(changes):
    """A planted error of 5 % is 500 times what is allowed."""
    result, said = checked(**changes)
    assert result.exit_status == 0
    assert all(one.error < 1e-4 and one.single < 1e-3 for one in result.checked.tensors)
    assert {one.points for one in result.checked.tensors} <= {1, 3, 5, 6, 7, 8}
    assert all(any(one.name[:20] in line for line in said.splitlines()) for one in result.checked.tensors)
    assert "agree with finite differences" in said.splitlines()[-1]


class Scaled(torch.autograd.Function):
    """The same values, and a gradient that is 5 % too large."""

    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return 1.05 * gradient


class Planted(nn.Module):
    """A backbone that runs step by step with a fault in what it carries."""

    def __init__(self, inner, fault):
        super().__init__()
        self.inner, self.fault, self.feature_size = inner, fault, inner.feature_size

    def initial_state(self, lanes):
        return self.inner.initial_state(lanes)

    def forward(self, x, state):
        features = []
        for step in range(x.shape[1]):
            feature, state = self.inner(x[:, step : step + 1], state)
            state = tuple(self.fault(part) for part in state)
            features.append(feature)
        return torch.cat(features, dim=1), state


def only_single(x):
    return Scaled.apply(x) if x.dtype == torch.float32 else x


@pytest.mark.parametrize("fault", [Scaled.apply, torch.Tensor.detach], ids=["5 % too large", "detached"])
def test_a_planted_bug_is_found(monkeypatch, fault):
    monkeypatch.setattr(
        "forecast.network.network.build_backbone", lambda *asked: Planted(build_backbone(*asked), fault)
    )
    result, said = checked(model__name="rnn")
    assert result.exit_status == 1
    verdicts = {one.name: one.verdict for one in result.checked.tensors}
    assert verdicts["backbone.inner.core.weight_hh_l0"] == "wrong"
    assert verdicts["decoder.out.weight"] == "ok"
    assert "the gradients of rnn are WRONG: backbone.inner.core." in said.splitlines()[-1]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_bug_in_what_is_compiled_is_found(monkeypatch, cell):
    """An LSTM's too, which is trained for a while before it is compiled."""
    kernels = importlib.import_module("forecast.network.compiled.layers")
    loop = {"lstm": "_LSTM", "gru": "_GRU", "rnn": "_TANH"}[cell]
    whole = getattr(kernels, loop)

    def wrong(*arrays):
        whole.backward(*arrays)
        arrays[5][:] *= 1.05  # the gradient of every gate

    monkeypatch.setattr(kernels, loop, replace(whole, backward=wrong))
    monkeypatch.setattr("forecast.network.compiled.modules.lstm_trains_faster", lambda: True)  # on any processor
    result, _ = checked(model__name=cell)
    verdicts = {one.verdict for one in result.checked.tensors if "backbone" in one.name}
    assert verdicts == {"wrong in single"}


def test_a_bug_of_single_precision_alone_is_found(monkeypatch):
    """In double precision they do not run."""
    monkeypatch.setattr(
        "forecast.network.network.build_backbone", lambda *asked: Planted(build_backbone(*asked), only_single)
    )
    result, _ = checked(model__name="gru")
    verdicts = {one.verdict for one in result.checked.tensors if "backbone" in one.name}
    assert verdicts == {"wrong in single"}
    assert result.exit_status == 1
    assert "as training computes them are WRONG" in result.sentence


def test_behind_a_head_of_zeros_there_is_no_gradient_and_behind_a_random_one_there_is():
    """The reason for it."""
    torch.manual_seed(0)
    network = Network(GruSettings(hidden_size=4), InputSpec(2, 3))
    x, series = torch.randn(2, 5, 2), torch.zeros(2, 5, dtype=torch.int64)
    kept = {name: part.clone() for name, part in network.state_dict().items()}
    for one, learns in ((network, False), (with_random_head(network, 0), True)):
        features, _ = one.features(x, series, one.initial_state(2))
        one.forecast(features, None).square().sum().backward()
        assert bool(one.backbone.core.weight_hh_l0.grad.any()) == learns
    assert all(torch.equal(part, kept[name]) for name, part in network.state_dict().items())


def point_of(loss, at, slope):
    """The verdict on one number's derivative."""
    parameter = torch.tensor([at], dtype=torch.float64)
    direction = torch.ones(1, dtype=torch.float64)
    return module._compare(parameter, slope * direction, direction, lambda: float(loss(parameter)))


def test_a_corner_is_left_out_and_a_wrong_slope_beside_it_is_not():
    assert point_of(torch.abs, 0.0, 0.3).corner
    assert not point_of(torch.abs, 1.0, 1.0).corner
    assert point_of(torch.abs, 1.0, 1.0).error < 1e-8
    near = point_of(torch.abs, 3e-6, 1.0)  # inside the first step, outside the second
    assert not near.corner
    assert near.error < 1e-4
    wrong = point_of(torch.abs, 3e-6, 0.95)
    assert not wrong.corner
    assert wrong.error == pytest.approx(0.05, abs=1e-3)
    assert point_of(torch.square, 1.0, 2.1).error == pytest.approx(0.1 / 2.1, rel=1e-3)


def test_it_is_said_in_words():
    good = TensorCheck("a", (2,), 3e-8, 2e-7, 7, 1)
    bad, none = TensorCheck("b", (2,), 0.05, 0.05, 7, 0), TensorCheck("c", (1,), math.nan, 0.0, 1, 1)
    assert gradcheck_in_words(module.Checked((good,), "2 lanes x 8 steps"), "gru") == (
        "the gradients of gru agree with finite differences on 2 lanes x 8 steps: 7 points in 1 tensor, 1 of them left "
        "out as corners of the loss, relative error at most 3e−8 (allowed 0.0001); as training computes them, in "
        "single precision, within 2e−7 of these"
    )
    assert "are WRONG: b differs by up to 0.050 of their size" in gradcheck_in_words(
        module.Checked((good, bad), "x"), "gru"
    )
    assert none.verdict == "undecided"
    assert "nothing can be said of the gradient of c" in gradcheck_in_words(module.Checked((good, none), "x"), "gru")


def test_the_callers_random_numbers_stay():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    checked(model__name="gru", model__strategy="seq2seq")
    assert torch.equal(torch.rand(3), expected)


def test_data_without_a_target_are_an_error(monkeypatch):
    monkeypatch.setattr("forecast.tasks.gradcheck.check_gradients", lambda *_: None)
    with pytest.raises(ForecastError, match="there is no loss"):
        checked()
