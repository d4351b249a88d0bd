"""Compiled layers against torch's own: outputs, states, and every gradient."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn

from forecast.network import fused
from forecast.network.fused import FusedGru, FusedRnn

KINDS = {
    "gru": (nn.GRU, FusedGru, {}),
    "tanh": (nn.RNN, FusedRnn, {"nonlinearity": "tanh"}),
    "relu": (nn.RNN, FusedRnn, {"nonlinearity": "relu"}),
}


def pair(kind, layers=1, hidden=16, **options):
    plain, ours, own = KINDS[kind]
    torch.manual_seed(0)
    theirs = plain(3, hidden, num_layers=layers, batch_first=True, **own, **options)
    mine = ours(3, hidden, num_layers=layers, batch_first=True, **own, **options)
    mine.load_state_dict(theirs.state_dict())
    return theirs, mine


def everything(core, x, h):
    """Outputs, last states, and the gradients of a random sum of them by inputs, states and parameters."""
    x, h = x.clone().requires_grad_(), h.clone().requires_grad_()
    out, last = core(x, h)
    torch.manual_seed(2)
    ((out * torch.randn_like(out)).sum() + (last * torch.randn_like(last)).sum()).backward()
    return [out.detach(), last.detach(), x.grad, h.grad, *(p.grad for p in core.parameters())]


@pytest.fixture
def compiled(monkeypatch):
    """Fails where the compiled layers are not used at all: both would then be torch's."""
    kernels = importlib.import_module("forecast.network.kernels")
    used = []
    for name in ("GruLayer", "RnnLayer"):
        layer = getattr(kernels, name)

        class Spy:
            apply = staticmethod(lambda *args, layer=layer: used.append(1) or layer.apply(*args))

        monkeypatch.setattr(kernels, name, Spy)
    return used


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("lanes", "steps", "layers"), [(1, 2, 1), (5, 33, 1), (8, 20, 3)])
def test_numbers_and_gradients_are_torch_s(kind, lanes, steps, layers, compiled):
    theirs, mine = pair(kind, layers)
    x, h = torch.randn(lanes, steps, 3), 0.5 * torch.randn(layers, lanes, 16)
    for ours, expected in zip(everything(mine, x, h), everything(theirs, x, h), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))
    assert len(compiled) == layers


@pytest.mark.parametrize("kind", KINDS)
def test_large_inputs_saturate_as_torch_s_do(kind):
    theirs, mine = pair(kind)
    x, h = 300.0 * torch.randn(4, 10, 3), torch.zeros(1, 4, 16)
    for ours, expected in zip(mine(x, h), theirs(x, h), strict=True):
        torch.testing.assert_close(ours, expected, rtol=2e-6, atol=2e-6 * float(expected.detach().abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_number_is_not_hidden(kind):
    _, mine = pair(kind)
    x = torch.zeros(2, 6, 3)
    x[0, 3, 1] = torch.nan
    out, _ = mine(x, torch.zeros(1, 2, 16))
    assert torch.isfinite(out[0, :3]).all()
    assert torch.isnan(out[0, 3:]).all()
    assert torch.isfinite(out[1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers_silences_in_training_alone(kind):
    _, mine = pair(kind, layers=2, dropout=0.5)
    x, h = torch.randn(4, 12, 3), torch.zeros(2, 4, 16)
    torch.manual_seed(1)
    assert not torch.equal(mine(x, h)[0], mine(x, h)[0])
    mine.eval()
    assert torch.equal(mine(x, h)[0], mine(x, h)[0])


ELSEWHERE = {
    "double": (8, 10, torch.float64, True),
    "one step": (8, 1, torch.float32, True),
    "large": (2000, 3, torch.float32, True),
    "without numba": (8, 9, torch.float32, False),
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_elsewhere_it_is_torch_itself(where, compiled, monkeypatch):
    lanes, steps, dtype, available = ELSEWHERE[where]
    monkeypatch.setattr(fused, "AVAILABLE", available)
    theirs, mine = pair("gru")
    x, h = torch.randn(lanes, steps, 3, dtype=dtype), torch.zeros(1, lanes, 16, dtype=dtype)
    for ours, expected in zip(mine.to(dtype)(x, h), theirs.to(dtype)(x, h), strict=True):
        assert torch.equal(ours, expected)
    assert not compiled
