"""The decoder that walks over the horizon, against one written out; what it is taught."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles.recurrence import gru

from forecast.network import decoders
from forecast.network.decoders import RecurrentDecoder, TeacherForcing
from forecast.training.module import teacher_forcing_ratio

HORIZON, FEATURES, AHEAD, SIZE = 5, 3, 2, 2


@pytest.fixture(name="decoder")
def make_decoder():
    torch.manual_seed(0)
    decoder = RecurrentDecoder(FEATURES, HORIZON, SIZE, AHEAD, location=1).double()
    torch.nn.init.normal_(decoder.out.weight)
    return decoder


def by_hand(decoder, features, ahead, told=None):
    """One fork step by step; `told` is by step what is read instead of the own forecast."""
    numbers = {name: part.detach().numpy() for name, part in decoder.named_parameters()}
    weights = [numbers[f"cell.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    state = np.tanh(numbers["first.weight"] @ features + numbers["first.bias"])
    before, raws = 0.0, []
    for step in range(HORIZON):
        x = np.concatenate([[before], numbers["places.weight"][step], ahead[step]])
        state = gru_from(x, weights, state)
        raw = numbers["out.weight"] @ state + numbers["out.bias"]
        raws.append(raw)
        before = raw[1] if told is None or step not in told else told[step]
    return np.array(raws)


def gru_from(x, weights, state):
    """One step of the oracle's GRU from a state that is not zero."""
    w, u, b, b2 = weights
    shifted = b2 + u @ state  # the oracle starts from zero: what the state adds is put into its bias
    h = gru([x], (w, u, b, shifted), len(state))[0]
    z = 1 / (1 + np.exp(-(w @ x + b + shifted)[len(state) : 2 * len(state)]))
    return h + z * state


def test_it_is_a_gru_over_the_horizon(decoder):
    rng = np.random.default_rng(1)
    features, ahead = rng.normal(size=(2, 4, FEATURES)), rng.normal(size=(2, 4, HORIZON, AHEAD))
    truth, told = rng.normal(size=(2, 4, HORIZON)), rng.random((2, 4, HORIZON)) < 0.5
    alone = decoder(torch.from_numpy(features), torch.from_numpy(ahead)).detach().numpy()
    taught = TeacherForcing(torch.from_numpy(truth), torch.from_numpy(told))
    with_teacher = decoder(torch.from_numpy(features), torch.from_numpy(ahead), taught).detach().numpy()
    for at in np.ndindex(2, 4):
        np.testing.assert_allclose(alone[at], by_hand(decoder, features[at], ahead[at]), atol=1e-12)
        given = {step: truth[at][step] for step in np.flatnonzero(told[at])}
        np.testing.assert_allclose(with_teacher[at], by_hand(decoder, features[at], ahead[at], given), atol=1e-12)
    assert not np.allclose(alone, with_teacher)


def test_in_parts_it_gives_the_same_numbers_and_gradients(decoder, monkeypatch):
    features, ahead = torch.randn(3, 7, FEATURES).double(), torch.randn(3, 7, HORIZON, AHEAD).double()

    def run():
        decoder.zero_grad()
        raw = decoder(features, ahead)
        raw.square().sum().backward()
        return raw.detach(), [part.grad.clone() for part in decoder.parameters()]

    whole, gradients = run()
    monkeypatch.setattr(decoders, "_NUMBERS_AT_ONCE", 4 * HORIZON * FEATURES)
    parts, others = run()
    torch.testing.assert_close(parts, whole)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other)
    assert decoder(features[:0], ahead[:0]).shape == (0, 7, HORIZON, SIZE)


def test_less_and_less_is_taught():
    shares = [teacher_forcing_ratio(epoch) for epoch in range(60)]
    assert shares[0] == 1.0
    assert (np.diff(shares) < 0).all()
    assert shares[-1] < 0.01
