"""The memory that a graph holds, against what autograd is known to keep."""

from __future__ import annotations

import weakref

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from forecast.training.module import graph_memory


def test_each_tensor_that_is_kept_counts_once_and_parameters_do_not():
    layer = nn.Linear(3, 5)
    x = torch.randn(7, 3)
    with graph_memory(layer) as held:
        y = layer(x)  # keeps x for the weight's gradient, the weight for none: x asks for no gradient
        (y * y).sum()  # keeps y, twice
    assert held.bytes == 4 * (7 * 3 + 7 * 5)


def test_a_chunk_twice_as_long_holds_twice_as_much():
    held = []
    for steps in (20, 40):
        core = nn.GRU(2, 8, batch_first=True)
        x = torch.randn(4, steps, 2)
        with graph_memory(core) as one:
            core(x)[0].square().sum()
        held.append(one.bytes)
    assert 1.8 < held[1] / held[0] < 2.2


def test_what_was_counted_is_let_go(monkeypatch):
    """A result that is kept as it is would hold the graph that holds it, were no gradient ever asked for."""
    packed = []

    def spied(pack, unpack):
        def noted(saved):
            kept = pack(saved)
            packed.append(weakref.ref(kept))
            return kept

        return saved_tensors_hooks(noted, unpack)

    monkeypatch.setattr("forecast.training.module.saved_tensors_hooks", spied)
    layer = nn.Linear(3, 5)
    with graph_memory(layer):
        loss = torch.sigmoid(layer(torch.randn(7, 3))).square().sum()
    del loss
    assert len(packed) > 1
    assert not any(one() is not None and one().shape == (7, 5) for one in packed)
