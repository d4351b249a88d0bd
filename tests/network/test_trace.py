"""What is seen inside a network while it reads is what went on: the states go on, the gates give the states."""

from __future__ import annotations

import pytest
import torch

from forecast.network.network import Network
from forecast.network.readings import Interface
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.network.trace import trace


def traced(settings):
    torch.manual_seed(1)
    network = Network(settings, Interface(inputs=3, horizon=2, series=2)).double().eval()
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
