"""The compiled walk of an LSTM against torch's own: outputs and states, and when it is used."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn

from forecast.network import fused
from forecast.network.fused import FusedLstm


@pytest.fixture
def walked(monkeypatch):
    """Layers that were walked compiled; the walk is used from the first step on."""
    walks = importlib.import_module("forecast.network.walks")
    used, layer = [], walks.walked_lstm_layer
    monkeypatch.setattr(walks, "walked_lstm_layer", lambda *args: used.append(1) or layer(*args))
    monkeypatch.setattr(fused, "_STEPS_THAT_PAY", 0)
    return used


def pair(hidden=16, layers=1, inputs=3, **options):
    torch.manual_seed(0)
    theirs = nn.LSTM(inputs, hidden, num_layers=layers, batch_first=True, **options)
    mine = FusedLstm(inputs, hidden, num_layers=layers, batch_first=True, **options)
    mine.load_state_dict(theirs.state_dict())
    return theirs, mine


def ends(answer):
    """Outputs, h and c."""
    outputs, (h, c) = answer
    return outputs, h, c


SHAPES = [(1, 2, 1, 16, 3), (1, 500, 1, 64, 3), (2, 40, 2, 64, 7), (5, 33, 3, 10, 1), (3, 12, 2, 7, 6), (4, 9, 1, 1, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_numbers_are_torch_s(shape, walked):
    lanes, steps, layers, hidden, inputs = shape
    theirs, mine = pair(hidden, layers, inputs)
    x, state = 2.0 * torch.randn(lanes, steps, inputs), tuple(torch.randn(2, layers, lanes, hidden))
    given = [part.clone() for part in (x, *state)]
    for ours, expected in zip(ends(mine(x, state)), ends(theirs(x, state)), strict=True):
        assert ours.shape == expected.shape
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))
    assert len(walked) == layers
    assert all(torch.equal(part, before) for part, before in zip((x, *state), given, strict=True))


@torch.no_grad()
def test_a_state_in_another_order_of_memory_and_inputs_seen_through_a_view(walked):
    theirs, mine = pair(8)
    x = torch.randn(30, 3, 5)[..., 1:4].transpose(0, 1)
    state = tuple(torch.randn(3, 1, 8).transpose(0, 1) for _ in range(2))
    for ours, expected in zip(ends(mine(x, state)), ends(theirs(x, state)), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)
    assert walked


@torch.no_grad()
def test_large_inputs_saturate_as_torch_s_do(walked):
    theirs, mine = pair()
    x, state = 300.0 * torch.randn(4, 10, 3), (torch.zeros(1, 4, 16),) * 2
    for ours, expected in zip(ends(mine(x, state)), ends(theirs(x, state)), strict=True):
        torch.testing.assert_close(ours, expected, rtol=2e-6, atol=2e-6 * float(expected.abs().max()))
    assert walked


@torch.no_grad()
def test_what_is_not_a_number_is_not_hidden(walked):
    _, mine = pair()
    x = torch.zeros(2, 6, 3)
    x[0, 3, 1] = torch.nan
    outputs, _ = mine(x, (torch.zeros(1, 2, 16),) * 2)
    assert torch.isfinite(outputs[0, :3]).all()
    assert torch.isnan(outputs[0, 3:]).all()
    assert torch.isfinite(outputs[1]).all()
    assert walked


@torch.no_grad()
def test_dropout_between_layers_silences_in_training_alone(walked):
    _, mine = pair(layers=2, dropout=0.5)
    x, state = torch.randn(4, 12, 3), (torch.zeros(2, 4, 16),) * 2
    assert not torch.equal(mine(x, state)[0], mine(x, state)[0])
    mine.eval()
    assert torch.equal(mine(x, state)[0], mine(x, state)[0])
    assert walked


ELSEWHERE = {
    "double": {"dtype": torch.float64},
    "one step": {"steps": 1},
    "many lanes": {"lanes": 100},
    "without numba": {"available": False},
    "before it pays to load numba": {"paying": 1_000},
}


@pytest.mark.parametrize("where", ELSEWHERE)
@torch.no_grad()
def test_elsewhere_it_is_torch_itself(where, walked, monkeypatch):
    asked = {"lanes": 2, "steps": 9, "dtype": torch.float32, "available": True, "paying": 0}
    asked |= ELSEWHERE[where]
    monkeypatch.setattr(fused, "AVAILABLE", asked["available"])
    monkeypatch.setattr(fused, "_STEPS_THAT_PAY", asked["paying"])
    theirs, mine = (core.to(asked["dtype"]) for core in pair())
    x = torch.randn(asked["lanes"], asked["steps"], 3, dtype=asked["dtype"])
    state = (torch.zeros(1, asked["lanes"], 16, dtype=asked["dtype"]),) * 2
    assert all(map(torch.equal, ends(mine(x, state)), ends(theirs(x, state))))
    assert not walked


def test_with_a_gradient_it_is_not_used(walked):
    _, mine = pair()
    outputs, _ = mine(torch.randn(2, 9, 3), (torch.zeros(1, 2, 16),) * 2)
    assert outputs.requires_grad
    assert not walked


@torch.no_grad()
def test_it_is_used_once_so_many_steps_were_walked(walked, monkeypatch):
    monkeypatch.setattr(fused, "_STEPS_THAT_PAY", 60)
    _, mine = pair()
    state = (torch.zeros(1, 2, 16),) * 2
    used = [len(walked) for _ in range(4) if mine(torch.zeros(2, 10, 3), state)]
    assert used == [0, 0, 1, 2]
