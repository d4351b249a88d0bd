"""Backbones against recurrences written out by hand, and against themselves in pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles.recurrence import gru, lstm, reservoir, rnn, sigmoid

from forecast.network.cells import build_backbone
from forecast.network.settings import EsnSettings, GruSettings, LstmSettings, MinGruSettings, RnnSettings
from forecast.network.state import reset_lanes

SETTINGS = [
    RnnSettings(hidden_size=5, layers=2),
    RnnSettings(hidden_size=5, layers=2, activation="relu"),
    RnnSettings(hidden_size=5, layers=2, activation="sigmoid"),
    LstmSettings(hidden_size=5, layers=2),
    GruSettings(hidden_size=5, layers=2),
]
ESN = EsnSettings(hidden_size=12, sparsity=0.5, leak=0.3)
ORACLES = {"rnn": rnn, "lstm": lstm, "gru": gru}
ACTIVATIONS = {"relu": lambda a: np.maximum(a, 0.0), "sigmoid": sigmoid}


KINDS = {"rnn": RnnSettings, "lstm": LstmSettings, "gru": GruSettings, "mingru": MinGruSettings}


def layer_weights(core, layer):
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [getattr(core, f"{name}_l{layer}").detach().numpy() for name in names]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"{s.name}-{getattr(s, 'activation', '')}")
def test_features_are_those_of_the_recurrence_written_out(settings):
    torch.manual_seed(0)
    backbone = build_backbone(settings, input_size=3).double()
    x = np.random.default_rng(1).normal(size=(17, 3))
    options = {}
    if getattr(settings, "activation", "") in ACTIVATIONS:
        options["activation"] = ACTIVATIONS[settings.activation]
    expected = x
    for layer in range(settings.layers):
        expected = ORACLES[settings.name](expected, layer_weights(backbone.core, layer), 5, **options)
    features, _ = backbone(torch.from_numpy(x)[None], backbone.initial_state(1))
    np.testing.assert_allclose(features[0].detach().numpy(), expected, rtol=0, atol=1e-12)


def test_worked_example_of_a_textbook():
    """U x_t + W h_{t-1} + b through tanh, softmax(V h_t + c): the numbers are printed in the book."""
    backbone = build_backbone(RnnSettings(hidden_size=3), input_size=2)
    with torch.no_grad():
        backbone.core.weight_ih_l0.copy_(torch.tensor([[0.1, 0.1], [0.0, 0.0], [0.0, -0.1]]))
        backbone.core.weight_hh_l0.copy_(torch.tensor([[0.1, 0.1, 0.0], [0.0, 0.0, 0.0], [0.2, -0.1, -0.1]]))
        backbone.core.bias_ih_l0.copy_(torch.tensor([0.0, 0.0, 0.2]))
        backbone.core.bias_hh_l0.zero_()
    x = torch.tensor([[0.0, 1.0], [0.0, 0.1], [0.1, -0.2], [0.5, 0.0]])
    v, c = torch.tensor([[0.0, 0.1, 0.0], [-0.2, 0.0, 0.0]]), torch.tensor([0.2, 0.1])
    features, _ = backbone(x[None], backbone.initial_state(1))
    out = torch.softmax(features[0] @ v.T + c, dim=1).detach().numpy()
    np.testing.assert_allclose(features[0, 0].detach().numpy(), [0.0997, 0.0, 0.0997], atol=5e-5)
    expected = [[0.5299, 0.4701], [0.5260, 0.4740], [0.5246, 0.4754], [0.5274, 0.4726]]
    np.testing.assert_allclose(out, expected, atol=5e-5)


def test_features_of_a_reservoir_are_its_states_and_the_inputs_beside_them():
    torch.manual_seed(0)
    backbone = build_backbone(ESN, input_size=3).double()
    x = np.random.default_rng(1).normal(size=(17, 3))
    weights = [getattr(backbone, name).numpy() for name in ("weight_in", "weight", "bias")]
    expected = np.concatenate([reservoir(x, weights, leak=0.3), x], axis=1)
    features, _ = backbone(torch.from_numpy(x)[None], backbone.initial_state(1))
    np.testing.assert_allclose(features[0].numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", [*SETTINGS, ESN], ids=lambda s: f"{s.name}-{getattr(s, 'activation', '')}")
def test_in_pieces_with_the_state_carried_it_is_the_whole(settings):
    torch.manual_seed(0)
    backbone = build_backbone(settings, input_size=3)
    x = torch.randn(4, 30, 3)
    whole, end = backbone(x, backbone.initial_state(4))
    state, parts = backbone.initial_state(4), []
    for piece in torch.split(x, [7, 1, 13, 9], dim=1):
        part, state = backbone(piece, state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-6)
    for ours, theirs in zip(state, end, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_reset_touches_the_lanes_that_begin_and_no_other():
    state = (torch.ones(3, 2, 4), torch.full((3, 2, 4), 2.0))
    h, c = reset_lanes(state, torch.tensor([False, True, False]))
    assert h[:, 0, 0].tolist() == [1, 0, 1]
    assert c[:, 1, 3].tolist() == [2, 0, 2]


@pytest.mark.parametrize("name", KINDS)
def test_dropout_silences_features_even_of_a_single_layer(name):
    settings = KINDS[name](dropout=0.5, hidden_size=64)
    backbone = build_backbone(settings, input_size=2)
    features, _ = backbone(torch.randn(1, 9, 2), backbone.initial_state(1))
    assert 0.3 < (features == 0).float().mean() < 0.7
    quiet, _ = backbone.eval()(torch.randn(1, 9, 2), backbone.initial_state(1))
    assert not (quiet == 0).any()


def test_the_forget_gate_of_an_lstm_starts_open():
    core = build_backbone(LstmSettings(hidden_size=4), input_size=2).core
    assert core.bias_hh_l0[4:8].tolist() == [1.0] * 4


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"{s.name}-{getattr(s, 'activation', '')}")
def test_kernels_called_for_a_few_steps_each_change_nothing(settings, monkeypatch):
    """What no longer fits a cache is computed by calling a kernel more than once: values and gradients."""
    torch.manual_seed(0)
    backbone = build_backbone(settings, input_size=3)
    x, back = torch.randn(4, 17, 3), torch.randn(4, 17, 5)
    state = tuple(torch.randn_like(part) for part in backbone.initial_state(4))

    def run():
        features, after = backbone(x, state)
        return features, after, torch.autograd.grad((features * back).sum(), list(backbone.parameters()))

    whole = run()
    for name in ("_BYTES_AT_ONCE", "_BYTES_AT_ONCE_COMPILED"):
        monkeypatch.setattr(f"forecast.network.cells.{name}", 32 * 5 * 4 * 3)  # three steps
    calls = []
    backbone.core.register_forward_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(run(), whole, rtol=1e-5, atol=1e-6)
    assert len(calls) == 6
