"""What lies around and between cells, and cells of other kinds: against recurrences written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles.recurrence import dilated, gru, mingru, normalised, rnn
from pydantic import ValidationError

from forecast.network.cells import build_backbone
from forecast.network.mingru import MinGru
from forecast.network.settings import GruSettings, LstmSettings, MinGruSettings, RnnSettings
from forecast.network.state import reset_lanes

X = np.random.default_rng(1).normal(size=(37, 3))


def weights(core, suffix="_l0"):
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [getattr(core, name + suffix).detach().numpy() for name in names]


def built(settings):
    torch.manual_seed(0)
    return build_backbone(settings, input_size=3).double()


def features(backbone, x=X):
    out, _ = backbone(torch.from_numpy(x)[None], backbone.initial_state(1))
    return out[0].detach().numpy()


def test_mingru_is_its_recurrence():
    backbone = built(MinGruSettings(hidden_size=4))
    layer = backbone.layers[0]
    expected = mingru(X, layer.gates.weight.detach().numpy(), layer.gates.bias.detach().numpy(), 4)
    np.testing.assert_allclose(features(backbone), expected, rtol=0, atol=1e-12)


def test_gradients_of_the_scan_are_those_of_finite_differences():
    torch.manual_seed(0)
    layer = MinGru(2, 3, 1.0).double()
    x, h = torch.randn(2, 11, 2, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)

    def run(x, h, *parameters):
        names = [name for name, _ in layer.named_parameters()]
        out, (end,) = torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, (h,)))
        return out, end

    given = (x.requires_grad_(), h.requires_grad_(), *layer.parameters())
    assert torch.autograd.gradcheck(run, given, atol=1e-7)


def test_a_mingru_begins_by_remembering():
    torch.manual_seed(0)
    open_gate, half = (MinGru(3, 2000, bias) for bias in (3.0, 0.0))
    x = torch.zeros(1, 1, 3)
    one = (torch.ones(1, 2000),)
    kept = [float(layer(x, one)[0].detach().mean()) for layer in (open_gate, half)]
    assert kept == pytest.approx([1 / (1 + np.exp(-3.0)), 0.5], abs=0.05)


def test_dilated_layers_go_back_as_many_steps_as_said():
    backbone = built(GruSettings(hidden_size=4, layers=2, dilations=(1, 5)))
    first, second = backbone.layers
    below = gru(X, weights(first.core), 4)
    expected = dilated(lambda part: gru(part, weights(second.inner.core), 4), below, 5)
    np.testing.assert_allclose(features(backbone), expected, rtol=0, atol=1e-12)


def test_residual_and_normalised_layers():
    backbone = built(RnnSettings(hidden_size=4, layers=3, residual=True, layer_norm=True))
    x = X
    for layer in backbone.layers:
        y = normalised(rnn(x, weights(layer.core), 4))
        x = x + y if x.shape == y.shape else y
    np.testing.assert_allclose(features(backbone), x, rtol=0, atol=1e-12)


def test_two_layers_of_which_nothing_is_asked_are_one_kernel():
    assert built(GruSettings(hidden_size=4, layers=2, dilations=(1, 1))).core.num_layers == 2


def test_a_window_is_read_from_both_ends():
    backbone = built(GruSettings(hidden_size=4, bidirectional=True))
    forwards = gru(X, weights(backbone.core), 4)[-1]
    backwards = gru(X[::-1], weights(backbone.core, "_l0_reverse"), 4)[-1]
    np.testing.assert_allclose(features(backbone)[-1], np.concatenate([forwards, backwards]), rtol=0, atol=1e-12)
    assert backbone.feature_size == 8


@pytest.mark.parametrize(
    "settings",
    [
        MinGruSettings(hidden_size=4, layers=2),
        LstmSettings(hidden_size=4, layers=3, dilations=(1, 3, 7), residual=True, layer_norm=True),
        GruSettings(hidden_size=4, layers=2, dilations=(2, 5), segment_steps=3),
        MinGruSettings(hidden_size=4, layers=2, dilations=(1, 4), residual=True),
    ],
    ids=["mingru", "lstm", "segmented", "mingru-dilated"],
)
def test_in_pieces_with_the_state_carried_it_is_the_whole(settings):
    backbone = built(settings)
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(4, 30, 3)))
    whole, end = backbone(x, backbone.initial_state(4))
    state, parts = backbone.initial_state(4), []
    for piece in torch.split(x, [7, 1, 13, 9], dim=1):
        part, state = backbone(piece, state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, end, rtol=0, atol=1e-12)
    again, _ = backbone(x, reset_lanes(end, torch.tensor([True] * 4)))
    torch.testing.assert_close(again, whole, rtol=0, atol=1e-12)


def test_sigmoid_in_the_kernels_of_tanh_is_what_it_is_without_them(monkeypatch):
    """Outputs and gradients, with the compiled layer and with torch's."""
    torch.manual_seed(0)
    backbone = build_backbone(RnnSettings(hidden_size=8, layers=2, activation="sigmoid"), input_size=3)
    x, back = torch.randn(4, 17, 3), torch.randn(4, 17, 8)

    def run():
        out, after = backbone(x, backbone.initial_state(4))
        return out, after, torch.autograd.grad((out * back).sum(), list(backbone.parameters()))

    compiled = run()
    monkeypatch.setattr("forecast.network.compiled.modules.AVAILABLE", False)
    torch.testing.assert_close(compiled, run(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["xavier", "kaiming", "orthogonal"])
def test_recurrent_weights_begin_as_said_gate_by_gate(name):
    cores = [build_backbone(LstmSettings(hidden_size=64, recurrent_init=kind), 2).core for kind in (name, "uniform")]
    gates, plain = (core.weight_hh_l0.detach().split(64) for core in cores)
    for gate in gates:
        if name == "orthogonal":
            torch.testing.assert_close(gate @ gate.T, torch.eye(64), atol=1e-5, rtol=0)
        else:  # uniform within b: sqrt(6 / (in + out)), and sqrt(6 / in), in and out 64
            bound = np.sqrt(6 / 128) if name == "xavier" else np.sqrt(6 / 64)
            assert 0.95 * bound < float(gate.abs().max()) <= bound
    assert 0.95 / 8 < float(plain[0].abs().max()) <= 1 / 8


def test_forget_gates_begin_where_said():
    lstm = build_backbone(LstmSettings(hidden_size=4, layers=2, forget_bias=2.5), 3).core
    assert [getattr(lstm, f"bias_hh_l{layer}")[4:8].tolist() for layer in (0, 1)] == [[2.5] * 4] * 2
    assert build_backbone(GruSettings(hidden_size=4, forget_bias=-1.0), 3).core.bias_hh_l0[4:8].tolist() == [-1.0] * 4


@pytest.mark.parametrize(
    ("build", "said", "line"),
    [
        (LstmSettings, {"layers": 1, "dilations": (1, 2)}, "one number a layer: found 2 of them for 1 layer"),
        (LstmSettings, {"residual": True}, "between layers, found 1"),
        (GruSettings, {"bidirectional": True, "segment_steps": 4}, "not go together with segment_steps"),
        (RnnSettings, {"bidirectional": True, "activation": "sigmoid"}, "together with activation=sigmoid"),
    ],
)
def test_what_cannot_work_is_refused(build, said, line):
    with pytest.raises(ValidationError, match=line):
        build(**said)
