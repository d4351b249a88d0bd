"""What is seen inside a network while it reads is what went on: the states go on, the gates give the states."""

from __future__ import annotations

import pytest
import torch

from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import EsnSettings, GruSettings, LstmSettings, MinGruSettings, RnnSettings
from forecast.network.trace import trace


def traced(settings):
    torch.manual_seed(1)
    network = Network(settings, InputSpec(inputs=3, horizon=2, series=2)).double().eval()
    network.input_unit.copy_(torch.tensor([2.0, 0.5, 1.0]))
    x, series = torch.randn(2, 9, 3, dtype=torch.float64), torch.tensor([[0] * 9, [1] * 9])
    state = tuple(torch.randn_like(part) for part in network.initial_state(2))
    features, after = network.features(x, series, state)
    return features, after, state, trace(network, x, series, state)


@pytest.mark.parametrize("build", [RnnSettings, LstmSettings, GruSettings])
def test_features_and_states_are_those_of_the_network(build):
    features, after, _, seen = traced(build(hidden_size=4, layers=2, id_embedding=2))
    torch.testing.assert_close(seen.features, features)
    torch.testing.assert_close(seen.states[0][:, :, 1], features)
    for part, last in zip(seen.states, after, strict=True):
        torch.testing.assert_close(part[:, -1], last)


def test_gates_of_an_lstm_lead_from_state_to_state():
    _, _, (_, c), seen = traced(LstmSettings(hidden_size=4, layers=2))
    cells = torch.cat([c[:, None], seen.states[1]], dim=1)
    gates = seen.gates
    torch.testing.assert_close(cells[:, 1:], gates["forget"] * cells[:, :-1] + gates["input"] * gates["candidate"])
    torch.testing.assert_close(seen.states[0], gates["output"] * torch.tanh(cells[:, 1:]))


def test_gates_of_a_gru_lead_from_state_to_state():
    _, _, (h,), seen = traced(GruSettings(hidden_size=4, layers=2))
    before = torch.cat([h[:, None], seen.states[0][:, :-1]], dim=1)
    z = seen.gates["update"]
    torch.testing.assert_close(seen.states[0], (1 - z) * seen.gates["candidate"] + z * before)


def test_a_cell_without_gates_has_none():
    assert not traced(RnnSettings(hidden_size=4))[-1].gates


def led(h, gates, before):
    """h of a GRU, of the h that it went on from."""
    z = gates["update"]
    torch.testing.assert_close(h, (1 - z) * gates["candidate"] + z * before)


def test_gates_where_segments_are_read():
    """The cell goes on from the state three steps ago: the carried one holds the last three, oldest first."""
    features, _, (_, h), seen = traced(GruSettings(hidden_size=4, layers=2, segment_steps=3))
    torch.testing.assert_close(seen.features, features)
    torch.testing.assert_close(seen.outputs[:, :, 1], features)
    led(seen.outputs, seen.gates, torch.cat([h, seen.outputs[:, :-3]], dim=1))


def test_gates_of_layers_that_go_back_as_many_steps_as_said():
    features, _, (first, second), seen = traced(GruSettings(hidden_size=4, layers=2, dilations=(1, 2)))
    torch.testing.assert_close(seen.outputs[:, :, 1], features)
    layers = [{name: gate[:, :, layer] for name, gate in seen.gates.items()} for layer in (0, 1)]
    led(seen.outputs[:, :, 0], layers[0], torch.cat([first, seen.outputs[:, :-1, 0]], dim=1))
    led(seen.outputs[:, :, 1], layers[1], torch.cat([second[:, :, 0], seen.outputs[:, :-2, 1]], dim=1))


def test_what_is_added_up_and_normalised_leaves_the_cells_outputs_as_they_are():
    features, _, _, seen = traced(RnnSettings(hidden_size=3, layers=3, residual=True, layer_norm=True))
    torch.testing.assert_close(seen.features, features)
    for layer in range(3):
        torch.testing.assert_close(seen.outputs[:, :, layer], seen.states[layer][:, :, 0])


def test_a_mingru_keeps_what_its_gate_says():
    _, _, state, seen = traced(MinGruSettings(hidden_size=4, layers=2))
    for layer in (0, 1):
        kept, h = seen.gates["forget"][:, :, layer], seen.outputs[:, :, layer]
        before = torch.cat([state[layer][:, None], h[:, :-1]], dim=1)
        assert ((kept > 0) & (kept < 1)).all()
        candidate = ((h - kept * before) / (1 - kept)).flatten(0, 1)
        if layer:  # n does not read h: it is a straight line in what is read
            read = seen.outputs[:, :, 0].flatten(0, 1)
            read = torch.cat([read, torch.ones_like(read[:, :1])], dim=1)
            torch.testing.assert_close(read @ torch.linalg.lstsq(read, candidate).solution, candidate)


def test_a_reservoir_has_no_cells_that_are_known_and_nothing_is_left_behind():
    seen = traced(EsnSettings(hidden_size=4))[-1]
    assert not seen.gates
    assert seen.outputs.shape[2] == 0
    torch.manual_seed(1)
    network = Network(GruSettings(hidden_size=4), InputSpec(inputs=3, horizon=2)).double()
    trace(network, torch.randn(1, 2, 3).double(), torch.zeros(1, 2, dtype=torch.int64), network.initial_state(1))
    assert not any(module._forward_hooks for module in network.modules())
