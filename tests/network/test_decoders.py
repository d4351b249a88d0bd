"""The decoder that is unrolled over the horizon, against one written out; teacher forcing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from oracles.recurrence import gru
from torch import nn

from forecast.network import decoders
from forecast.network.ahead_reader import AheadReader
from forecast.network.decoders import RecurrentDecoder, TeacherForcing
from forecast.network.inputs import InputSpec
from forecast.training.module import teacher_forcing_ratio

HORIZON, FEATURES, AHEAD, SIZE = 5, 3, 2, 2


@pytest.fixture(name="decoder")
def make_decoder():
    torch.manual_seed(0)
    decoder = RecurrentDecoder(FEATURES, SIZE, InputSpec(1, HORIZON, ahead=AHEAD), location=1).double()
    torch.nn.init.normal_(decoder.out.weight)
    return decoder


def by_hand(decoder, features, ahead, forced=None):
    """One fork step by step; `forced` is by step what is read instead of the own forecast."""
    numbers = {name: part.detach().numpy() for name, part in decoder.named_parameters()}
    weights = [numbers[f"cell.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    state = np.tanh(numbers["first.weight"] @ features + numbers["first.bias"])
    before, raws = 0.0, []
    for step in range(HORIZON):
        x = np.concatenate([[before], numbers["places.weight"][step], ahead[step]])
        state = gru_from(x, weights, state)
        raw = numbers["out.weight"] @ state + numbers["out.bias"]
        raws.append(raw)
        before = raw[1] if forced is None or step not in forced else forced[step]
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
    truth, forced = rng.normal(size=(2, 4, HORIZON)), rng.random((2, 4, HORIZON)) < 0.5
    alone = decoder(torch.from_numpy(features), torch.from_numpy(ahead)).detach().numpy()
    forcing = TeacherForcing(torch.from_numpy(truth), torch.from_numpy(forced))
    with_teacher = decoder(torch.from_numpy(features), torch.from_numpy(ahead), forcing).detach().numpy()
    for at in np.ndindex(2, 4):
        np.testing.assert_allclose(alone[at], by_hand(decoder, features[at], ahead[at]), atol=1e-12)
        given = {step: truth[at][step] for step in np.flatnonzero(forced[at])}
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


def test_less_and_less_is_forcing():
    shares = [teacher_forcing_ratio(epoch) for epoch in range(60)]
    assert shares[0] == 1.0
    assert (np.diff(shares) < 0).all()
    assert shares[-1] < 0.01


def reader(**spec):
    torch.manual_seed(3)
    result = AheadReader(FEATURES, SIZE, InputSpec(1, HORIZON, ahead=4, given=2, **spec)).double()
    for layer in filter(None, (result.weights, result.around, result.before)):
        nn.init.normal_(layer.weight)
    return result


def test_what_is_known_ahead_is_read_as_the_equations_say():
    """Each fork and step by itself, in loops, with echoes as a recurrence from the origin on."""
    lags, leads, lanes, forks = 3, 1, 2, 7
    result = reader(lags=lags, leads=leads)
    rows = torch.randn(lanes, forks + lags + HORIZON + leads - 1, 4, dtype=torch.float64)
    features = torch.randn(lanes, forks, FEATURES, dtype=torch.float64)
    raw = result(features, rows.unfold(1, lags + HORIZON + leads, 1).transpose(2, 3))
    signals = torch.cat([rows[..., :2], torch.tanh(result.curves(rows))], dim=-1)
    for lane, fork in itertools.product(range(lanes), range(forks)):
        weights = result.weights(features[lane, fork]).view(-1, SIZE)
        before = result.before(signals[lane, fork : fork + lags].reshape(-1)).view(HORIZON, SIZE)
        echo = torch.zeros(signals.shape[-1], dtype=torch.float64)
        for h in range(HORIZON):
            row = fork + lags + h
            echo = torch.sigmoid(result.forgetting) * echo + signals[lane, row]
            around = [signals[lane, row + k] for k in (-3, -2, -1, 1)]
            now = torch.cat([rows[lane, row], signals[lane, row, 2:]])
            expected = now @ weights + result.around(torch.cat([*around, echo])) + before[h]
            torch.testing.assert_close(raw[lane, fork, h], expected)


@pytest.mark.parametrize("spec", [{}, {"lags": 2}, {"leads": 2}, {"lags": 1, "leads": 1}])
def test_forks_that_share_their_steps_read_what_each_would_alone(spec):
    result, span = reader(**spec), HORIZON + sum(spec.values())
    shared = torch.randn(2, 9 + span - 1, 4, dtype=torch.float64).unfold(1, span, 1).transpose(2, 3)
    features = torch.randn(2, 9, FEATURES, dtype=torch.float64)
    torch.testing.assert_close(result(features, shared), result(features, shared.contiguous()))
    torch.testing.assert_close(result(features, shared)[:, 2:5], result(features[:, 2:5], shared[:, 2:5]))
    torch.testing.assert_close(result(features, shared)[0, 4], result(features[0, 4:5], shared[0, 4:5])[0])
