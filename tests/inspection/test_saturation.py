"""Saturation of networks whose gates and units are where they were put."""

from __future__ import annotations

import pytest
import torch
from test_lags import batch_of, network_of, state_of

from forecast.inspection.saturation import saturation
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings


def set_to_zero(network):
    with torch.no_grad():
        for one in network.backbone.parameters():
            one.zero_()
    return network.backbone.core.bias_ih_l0


def shares(network):
    return saturation(network, batch_of(2, 5), tuple(torch.zeros_like(part) for part in state_of(network, 2)))


def test_gates_of_an_lstm_are_counted_by_name():
    network = network_of(LstmSettings(hidden_size=4))
    bias = set_to_zero(network)
    with torch.no_grad():
        bias[0:3] = -9.0  # three of four input gates shut
        bias[4:6] = 9.0  # half of the forget gates open
        bias[8:9] = 9.0  # one candidate at its end, whose gate is shut
    assert shares(network) == {
        "input gate shut": 0.75,
        "input gate open": 0.0,
        "forget gate shut": 0.0,
        "forget gate open": 0.5,
        "output gate shut": 0.0,
        "output gate open": 0.0,
        "candidate at its end": 0.25,
        "cell at its end": 0.0,
    }


def test_units_of_a_relu_that_are_off_and_states_of_a_tanh_at_its_end():
    off = network_of(RnnSettings(hidden_size=4, activation="relu"))
    bias = set_to_zero(off)
    with torch.no_grad():
        bias[:] = torch.tensor([1.0, -1.0, 1.0, 1.0])
    assert shares(off) == {"units off": 0.25}
    at_end = network_of(RnnSettings(hidden_size=4))
    bias = set_to_zero(at_end)
    with torch.no_grad():
        bias[:] = torch.tensor([5.0, -5.0, 1.0, 5.0])
    assert shares(at_end) == {"state at its end": 0.75}


@pytest.mark.parametrize(
    ("settings", "name"),
    [(LstmSettings(hidden_size=4, segment_steps=2), "cell"), (GruSettings(hidden_size=4, segment_steps=2), "state")],
    ids=["lstm", "gru"],
)
def test_where_segments_are_read_state_and_gates_are_known_too(settings, name):
    found = list(shares(network_of(settings)))
    assert found[-1] == f"{name} at its end"
    assert found[:2] == (
        ["input gate shut", "input gate open"] if name == "cell" else ["reset gate shut", "reset gate open"]
    )
