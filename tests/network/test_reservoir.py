"""Reservoirs: the numbers that were asked for, the same from the same seed, and states that are forgotten."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.reservoir import Reservoir
from forecast.network.settings import EsnSettings


def drawn(seed=0, inputs=3, **settings):
    torch.manual_seed(seed)
    return Reservoir(EsnSettings(**settings), inputs)


def radius(reservoir):
    return np.abs(np.linalg.eigvals(reservoir.weight.double().numpy())).max()


@pytest.mark.parametrize(
    ("asked", "size", "sparsity"), [(0.9, 80, 0.9), (1.3, 81, 0.0), (0.5, 30, 0.99), (0.2, 1, 0.5)]
)
def test_the_spectral_radius_is_the_one_asked_for(asked, size, sparsity):
    assert radius(drawn(hidden_size=size, spectral_radius=asked, sparsity=sparsity)) == pytest.approx(asked, rel=1e-5)
    assert radius(drawn(hidden_size=size, spectral_radius=0.0, sparsity=sparsity)) == 0


@pytest.mark.parametrize(("sparsity", "read"), [(0.9, 5), (0.0, 50), (0.66, 17), (0.999, 1)])
def test_every_unit_reads_as_many_others_as_were_asked_for(sparsity, read):
    weight = drawn(hidden_size=50, sparsity=sparsity).weight
    assert (weight != 0).sum(dim=1).tolist() == [read] * 50


def test_weights_of_the_inputs_fill_their_range():
    reservoir = drawn(hidden_size=400, input_scale=0.25, inputs=5)
    for part in (reservoir.weight_in, reservoir.bias):
        assert 0.24 < float(part.abs().max()) <= 0.25
        assert abs(float(part.mean())) < 0.03
    assert abs(float(reservoir.weight.mean())) < 0.01


def test_the_same_seed_gives_the_same_reservoir_and_another_another():
    first, again, other = drawn(seed=4).state_dict(), drawn(seed=4).state_dict(), drawn(seed=5).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_nothing_of_it_is_trained_and_all_of_it_is_saved():
    network = Network(EsnSettings(hidden_size=6), InputSpec(inputs=3, horizon=2))
    assert [name for name, _ in network.named_parameters()] == ["decoder.out.weight", "decoder.out.bias"]
    assert {f"backbone.{name}" for name in ("weight_in", "weight", "bias")} < network.state_dict().keys()


@pytest.mark.parametrize("leak", [1.0, 0.3])
def test_two_states_converge_as_fast_as_the_largest_singular_value_promises(leak):
    """Each step shrinks their distance to at most 1 - leak (1 - s) of it, s the largest singular value of W."""
    reservoir = drawn(hidden_size=60, spectral_radius=0.4, leak=leak, sparsity=0.5).double()
    largest = float(np.linalg.svd(reservoir.weight.numpy(), compute_uv=False)[0])
    assert 0.4 < largest < 1
    x = 3.0 * torch.randn(1, 40, 3, dtype=torch.float64)
    one, other = (reservoir(x, (torch.randn(1, 1, 60, dtype=torch.float64),))[0][0, :, :60] for _ in range(2))
    apart = (one - other).norm(dim=1).numpy()
    assert (apart[1:] <= apart[:-1] * (1 - leak * (1 - largest)) + 1e-14).all()
    assert apart[-1] < 0.05 * apart[0]


def test_a_spectral_radius_far_above_one_does_not_forget():
    reservoir = drawn(hidden_size=60, spectral_radius=5.0, leak=1.0, input_scale=0.01).double()
    x = torch.randn(1, 300, 3, dtype=torch.float64)
    one, other = (reservoir(x, (torch.randn(1, 1, 60, dtype=torch.float64),))[0][0, -1, :60] for _ in range(2))
    assert float((one - other).norm()) > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_with_a_gradient_it_walks_as_without(dtype):
    reservoir = drawn(hidden_size=20).to(dtype)
    x, state = torch.randn(4, 15, 3, dtype=dtype), (torch.randn(4, 1, 20, dtype=dtype),)
    features, (end,) = reservoir(x, state)
    asked = x.clone().requires_grad_()
    with_gradient, (other_end,) = reservoir(asked, state)
    torch.testing.assert_close(with_gradient.detach(), features, rtol=0, atol=1e-6)
    torch.testing.assert_close(other_end.detach(), end, rtol=0, atol=1e-6)
    with_gradient[:, -1].sum().backward()
    assert (asked.grad != 0).all()


def test_what_is_not_a_number_is_not_hidden():
    x = torch.zeros(2, 6, 3)
    x[0, 3, 1] = torch.nan
    features, _ = drawn()(x, drawn().initial_state(2))
    assert torch.isfinite(features[0, :3]).all()
    assert torch.isnan(features[0, 3:, 0]).all()
    assert torch.isfinite(features[1]).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"penalties": ()},
        {"penalties": (0.0, 1.0)},
        {"penalties": (1.0, 0.1)},
        {"penalties": (1.0, float("inf"))},
        {"leak": 0.0},
        {"leak": 1.1},
        {"sparsity": 1.0},
        {"strategy": "seq2seq"},
        {"head": "gaussian"},
        {"dropout": 0.1},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        EsnSettings(**wrong)
